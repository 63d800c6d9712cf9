//! Unsigned integers of any size, with the few operations that exact conversion between
//! binary and decimal takes. Plain schoolbook methods: the numbers have some thousands of
//! digits at most.

/// An unsigned integer, least significant word first, without zero words at the end.
pub(super) struct BigInteger {
    words: Vec<u64>,
}

/// The biggest power of ten that fits a word, and its exponent.
const TEN_POWER: u64 = 10u64.pow(TEN_EXPONENT);
const TEN_EXPONENT: u32 = 19;
/// The biggest power of five that fits a word, and its exponent.
const FIVE_POWER: u64 = 5u64.pow(FIVE_EXPONENT);
const FIVE_EXPONENT: u32 = 27;

impl BigInteger {
    pub(super) fn new(word: u64) -> Self {
        let mut integer = BigInteger { words: vec![word] };
        integer.trim();
        integer
    }

    /// Reads ASCII digits.
    pub(super) fn from_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut integer = BigInteger { words: Vec::new() };
        let (mut chunk, mut power) = (0u64, 1u64);
        for digit in digits {
            if power == TEN_POWER {
                integer.multiply_add(power, chunk);
                (chunk, power) = (0, 1);
            }
            chunk = chunk * 10 + u64::from(digit - b'0');
            power *= 10;
        }
        integer.multiply_add(power, chunk);
        integer
    }

    pub(super) fn bit_length(&self) -> u64 {
        match self.words.last() {
            Some(last) => self.words.len() as u64 * 64 - u64::from(last.leading_zeros()),
            None => 0,
        }
    }

    pub(super) fn multiply_by_power_of_five(&mut self, mut exponent: u32) {
        while exponent > 0 {
            let step = exponent.min(FIVE_EXPONENT);
            self.multiply_add(5u64.pow(step), 0);
            exponent -= step;
        }
    }

    /// Divides, rounding down; says whether there was a remainder. Dividing step by step
    /// rounds down to the same number as dividing at once.
    pub(super) fn divide_by_power_of_five(&mut self, mut exponent: u32) -> bool {
        let mut inexact = false;
        while exponent > 0 {
            let step = exponent.min(FIVE_EXPONENT);
            let divisor = if step == FIVE_EXPONENT {
                FIVE_POWER
            } else {
                5u64.pow(step)
            };
            inexact |= self.divide(divisor) != 0;
            exponent -= step;
        }
        inexact
    }

    pub(super) fn shift_left(&mut self, bits: u32) {
        if self.words.is_empty() {
            return;
        }
        let (words, bits) = ((bits / 64) as usize, bits % 64);
        if bits > 0 {
            let mut carry = 0;
            for word in &mut self.words {
                (*word, carry) = (*word << bits | carry, *word >> (64 - bits));
            }
            self.words.push(carry);
            self.trim();
        }
        self.words.splice(0..0, std::iter::repeat_n(0, words));
    }

    /// The first 65 to 128 bits (all, if there are fewer), whether the others have a one, and
    /// how many others there are.
    pub(super) fn leading_bits(&self) -> (u128, bool, u64) {
        let (others, leading) = self.words.split_at(self.words.len().saturating_sub(2));
        let bits = leading
            .iter()
            .rev()
            .fold(0u128, |bits, &word| bits << 64 | u128::from(word));
        (
            bits,
            others.iter().any(|&word| word != 0),
            others.len() as u64 * 64,
        )
    }

    /// The decimal digits.
    pub(super) fn into_decimal(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.words.is_empty() {
            chunks.push(self.divide(TEN_POWER));
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:019}"));
        }
        text
    }

    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for word in &mut self.words {
            let product = u128::from(*word) * u128::from(factor) + u128::from(carry);
            (*word, carry) = (product as u64, (product >> 64) as u64);
        }
        self.words.push(carry);
        self.trim();
    }

    /// Divides, rounding down, and returns the remainder.
    fn divide(&mut self, divisor: u64) -> u64 {
        let mut remainder = 0;
        for word in self.words.iter_mut().rev() {
            let dividend = u128::from(remainder) << 64 | u128::from(*word);
            *word = (dividend / u128::from(divisor)) as u64;
            remainder = (dividend % u128::from(divisor)) as u64;
        }
        self.trim();
        remainder
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_read_and_written_back(text in "[1-9][0-9]{0,200}") {
            prop_assert_eq!(BigInteger::from_digits(text.bytes()).into_decimal(), text);
        }

        #[test]
        fn what_is_multiplied_is_divided_back(
            value in any::<u64>(), exponent in 0u32..400, shift in 0u32..400,
        ) {
            let mut integer = BigInteger::new(value);
            integer.multiply_by_power_of_five(exponent);
            integer.shift_left(shift);
            prop_assert!(!integer.divide_by_power_of_five(exponent));
            let bits = if value == 0 { 0 } else { u64::from(shift + value.ilog2() + 1) };
            prop_assert_eq!(integer.bit_length(), bits);
            let (leading, inexact, others) = integer.leading_bits();
            prop_assert!(!inexact);
            prop_assert_eq!(leading >> (u64::from(shift) - others), u128::from(value));
        }

        #[test]
        fn shifting_is_multiplying(value in any::<u64>(), shift in 0u32..64) {
            let mut integer = BigInteger::new(value);
            integer.shift_left(shift);
            prop_assert_eq!(integer.into_decimal(), (u128::from(value) << shift).to_string());
        }
    }

    #[test]
    fn a_remainder_is_noticed() {
        let mut integer = BigInteger::from_digits("1000000000000000000000000000001".bytes());
        assert!(integer.divide_by_power_of_five(30));
        assert_eq!(integer.into_decimal(), (1u64 << 30).to_string());
    }
}
