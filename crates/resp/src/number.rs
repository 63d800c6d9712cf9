//! Numbers as the protocol writes and reads them: integers in their one canonical
//! decimal form, doubles in the shortest form that reads back as the same double.
//!
//! Of looser forms only that one lives here which C's `atoi` has, since Redis and its tools fall back to it in many
//! places; those that single commands accept do not.

use std::fmt::Write as _;
use std::ops::Deref;

/// What eight digits can say is below this.
const EIGHT_DIGITS_LIMIT: u64 = 100_000_000;

/// Eight times the digit zero.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight decimal digits of a number below [`EIGHT_DIGITS_LIMIT`], each in a byte, the first one lowest.
///
/// They are split in halves, in all lanes of the word at once: into fours, pairs, single digits. Dividing by 100 and by 10
/// is multiplying by 10486 / 2^20 and 103 / 2^10, which is exact for dividends below 10,000 and 100 (the method is Paul
/// Khuong's, "How to print integers really fast"). A word is stored at once: digits that are stored one by one and read
/// together right after keep the processor waiting until the stores are done.
#[inline]
fn eight_digits(value: u64) -> u64 {
    const PAIR_LANES: u64 = 0x0000_007f_0000_007f;
    const DIGIT_LANES: u64 = 0x000f_000f_000f_000f;
    debug_assert!(value < EIGHT_DIGITS_LIMIT);
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let first_pairs = ((fours * 10_486) >> 20) & PAIR_LANES;
    let pairs = first_pairs | ((fours - 100 * first_pairs) << 16);
    let first_digits = ((pairs * 103) >> 10) & DIGIT_LANES;
    first_digits | ((pairs - 10 * first_digits) << 8)
}

/// How many of eight digits are left without leading zeros; at least one.
#[inline]
fn significant(digits: u64) -> usize {
    8 - (digits.trailing_zeros() as usize / 8).min(7)
}

/// The decimal digits of a number of at most eight, as ASCII from the lowest byte on, and how many they are.
#[inline]
pub(crate) fn short_decimal(value: u64) -> Option<(u64, usize)> {
    if value >= EIGHT_DIGITS_LIMIT {
        return None;
    }
    let digits = eight_digits(value);
    let length = significant(digits);
    Some(((digits | ZEROS) >> (64 - 8 * length), length))
}

/// An integer in decimal, on the stack. Derefs to its bytes, which are ASCII.
#[derive(Clone, Copy)]
pub struct IntegerText {
    bytes: [u8; IntegerText::CAPACITY],
    start: u8,
}

impl IntegerText {
    /// The length of `-9223372036854775808` and of `18446744073709551615`.
    const CAPACITY: usize = 20;

    /// Writes a signed integer.
    #[inline]
    pub fn new(value: i64) -> Self {
        let mut text = Self::unsigned(value.unsigned_abs());
        if value < 0 {
            text.start -= 1;
            text.bytes[text.start as usize] = b'-';
        }
        text
    }

    /// Writes an unsigned integer.
    #[inline]
    pub fn unsigned(value: u64) -> Self {
        let mut text = IntegerText {
            bytes: [0; Self::CAPACITY],
            start: 0,
        };
        let mut rest = value;
        let mut end = Self::CAPACITY;
        loop {
            let digits = eight_digits(rest % EIGHT_DIGITS_LIMIT);
            let ascii = (digits | ZEROS).to_le_bytes();
            // The twentieth digit is in the third word, of which there is room for half.
            let room = end.min(8);
            text.bytes[end - room..end].copy_from_slice(&ascii[8 - room..]);
            rest /= EIGHT_DIGITS_LIMIT;
            if rest == 0 {
                text.start = (end - significant(digits)) as u8;
                return text;
            }
            end -= 8;
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self).unwrap_or_default()
    }
}

impl Deref for IntegerText {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start as usize..]
    }
}

/// Reads an integer in canonical form only: no sign but `-`, no leading zeros, no
/// `-0`, no blanks. What this accepts is exactly what [`IntegerText`] writes, so a
/// string may be kept as its integer and be had back to the byte.
#[inline]
pub fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Nineteen digits hold every i64 and cannot overflow a u64.
    if digits.len() > 19 || !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut magnitude: u64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// The integer that a text begins with, after blanks and a sign, and 0 where it begins with none: what C's `atoi` makes of it,
/// except that what is out of range saturates.
pub fn leading_integer(text: impl AsRef<[u8]>) -> i64 {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let text = text.as_ref();
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    let (is_negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let magnitude = digits.fold(0_i64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add((digit - b'0').into())
    });
    if is_negative { -magnitude } else { magnitude }
}

/// A double in decimal, on the stack. Derefs to its bytes, which are ASCII.
///
/// The form is that of Redis since 7.2: `inf`, `-inf`, `nan`; integers below 2^62 in
/// full; all else with the fewest digits that read back as the same double, in
/// scientific notation (`1e+20`, `1.5e-7`) where positional notation would be long.
///
/// For about one in 450 doubles the digits differ from those of Redis, whose Grisu2
/// misses the shortest ones there; both read back as the same double.
#[derive(Clone, Copy)]
pub struct DoubleText {
    bytes: [u8; DoubleText::CAPACITY],
    length: u8,
}

impl DoubleText {
    /// Seventeen digits, seven zeros, a sign and some air.
    const CAPACITY: usize = 32;

    /// Writes a double.
    pub fn new(value: f64) -> Self {
        let mut text = DoubleText {
            bytes: [0; Self::CAPACITY],
            length: 0,
        };
        // Above 2^62 Redis leaves its integer path, and so do we.
        const INTEGER_LIMIT: f64 = (1u64 << 62) as f64;
        if value.is_nan() {
            text.push(b"nan");
        } else if value.is_infinite() {
            text.push(if value > 0.0 { b"inf" } else { b"-inf" });
        } else if value == 0.0 {
            text.push(if value.is_sign_negative() {
                b"-0"
            } else {
                b"0"
            });
        } else if value.abs() <= INTEGER_LIMIT && value.trunc() == value {
            text.push(&IntegerText::new(value as i64));
        } else {
            text.push_shortest(value);
        }
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = self.length as usize;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len() as u8;
    }

    fn push_zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.push(b"0");
        }
    }

    /// Writes a finite double, not zero, from the digits and the exponent that the
    /// standard library finds.
    fn push_shortest(&mut self, value: f64) {
        let mut scientific = ScientificText {
            bytes: [0; 32],
            length: 0,
        };
        // Seventeen digits, a point, a sign and four characters of exponent fit, so
        // that this cannot fail.
        let _ = write!(scientific, "{:e}", value.abs());
        let (digits, exponent) = scientific.digits_and_exponent();
        // The value is `digits` times ten to the power of `scale`.
        let scale = exponent - (digits.len() as i32 - 1);

        if value < 0.0 {
            self.push(b"-");
        }
        if scale >= 0 && exponent < digits.len() as i32 + 7 {
            self.push(digits);
            self.push_zeros(scale as usize);
        } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
            if exponent >= 0 {
                let (whole, fraction) = digits.split_at(exponent as usize + 1);
                self.push(whole);
                self.push(b".");
                self.push(fraction);
            } else {
                self.push(b"0.");
                self.push_zeros((-exponent - 1) as usize);
                self.push(digits);
            }
        } else {
            self.push(&digits[..1]);
            if digits.len() > 1 {
                self.push(b".");
                self.push(&digits[1..]);
            }
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            self.push(&IntegerText::new(i64::from(exponent.abs())));
        }
    }
}

impl Deref for DoubleText {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}

/// Where the standard library writes `1.2345e-7` to be taken apart.
struct ScientificText {
    bytes: [u8; 32],
    length: usize,
}

impl ScientificText {
    /// Moves the digits together and reads the exponent after them.
    fn digits_and_exponent(&mut self) -> (&[u8], i32) {
        let text = &mut self.bytes[..self.length];
        let e = text
            .iter()
            .position(|&byte| byte == b'e')
            .unwrap_or(text.len());
        let exponent = text
            .get(e + 1..)
            .and_then(|text| std::str::from_utf8(text).ok())
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if e > 1 {
            text.copy_within(2..e, 1);
            (&text[..e - 1], exponent)
        } else {
            (&text[..e], exponent)
        }
    }
}

impl std::fmt::Write for ScientificText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let room = self
            .bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn double(value: f64) -> String {
        DoubleText::new(value).as_str().to_owned()
    }

    #[test]
    fn integers_stand_at_the_beginning() {
        for (text, integer) in [
            (" \t\n\x0b\x0c\r12x", 12),
            ("-3", -3),
            ("+7.5", 7),
            ("--1", 0),
            ("x", 0),
            ("", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(leading_integer(text), integer, "{text:?}");
        }
    }

    #[test]
    fn integers_at_the_edges() {
        for value in [
            0,
            9,
            10,
            99,
            100,
            101,
            999,
            1000,
            i64::MAX,
            i64::MIN,
            -1,
            -10,
            -100,
        ] {
            assert_eq!(IntegerText::new(value).as_str(), value.to_string());
            assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
        assert_eq!(
            IntegerText::unsigned(u64::MAX).as_str(),
            u64::MAX.to_string()
        );
    }

    #[test]
    fn only_canonical_integers_are_read() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            "00",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "--1",
            "a",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "123456789012345678901",
        ] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
    }

    // The forms are those of `d2string` and of the `fpconv` library in Redis 7.2 and later.
    #[test]
    fn doubles_have_the_form_that_redis_gives_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (3.1, "3.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e17, "100000000000000000"),
            (4611686018427387904.0, "4611686018427387904"),
            (-4611686018427387904.0, "-4611686018427387904"),
            (4611686018427388928.0, "4611686018427389000"),
            (9223372036854775808.0, "9223372036854776000"),
            (1e19, "1e+19"),
            (12e18, "1.2e+19"),
            (123456789012e10, "1.23456789012e+21"),
            (123456789012e7, "1234567890120000000"),
            (1e100, "1e+100"),
            (1.5e300, "1.5e+300"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.00012345678, "1.2345678e-4"),
            (0.0012345678, "0.0012345678"),
            (123456.789, "123456.789"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    proptest! {
        #[test]
        fn integers_are_what_the_standard_library_writes(value in any::<i64>(), shift in 0u32..64) {
            let value = value >> shift;
            let text = IntegerText::new(value);
            prop_assert_eq!(text.as_str(), value.to_string());
            prop_assert_eq!(parse_integer(&text), Some(value));
        }

        #[test]
        fn an_integer_is_read_only_if_it_is_written_so(text in "-?[0-9]{0,20}") {
            let expected = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_integer(text.as_bytes()), expected);
        }

        #[test]
        fn doubles_read_back_as_themselves(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }

        #[test]
        fn short_decimals_stay_short(digits in 0i64..1_000_000_000, scale in 0u32..12) {
            let value = digits as f64 / 10f64.powi(scale as i32);
            let text = double(value);
            prop_assert!(text.len() <= 17, "{}", text);
            prop_assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }
}
