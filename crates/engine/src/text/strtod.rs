//! The grammar that C's `strtod` and `strtold` share, for the text of a whole argument: a
//! sign, then `inf` or `infinity` in any case, a decimal number or a hexadecimal one.
//!
//! Only the grammar lives here. What a number rounds to, and whether it is too big or too
//! small, depends on the type and is decided where the type is.

/// A number taken apart. Its sign is beside it: see [`scan`].
pub(super) enum Scanned<'a> {
    Infinity,
    /// `whole` `.` `fraction` times ten to the `exponent`; there is at least one digit.
    Decimal {
        whole: &'a [u8],
        fraction: &'a [u8],
        exponent: i64,
    },
    /// `mantissa` times two to the `exponent`; with `inexact`, plus a little that is less
    /// than the last bit of the mantissa, which has over 120 bits then.
    Hexadecimal {
        mantissa: u128,
        inexact: bool,
        exponent: i64,
    },
}

/// Exponents are held within this, which is far beyond what any type can express, so that
/// sums of them and of lengths cannot overflow.
const EXPONENT_LIMIT: i64 = 1 << 40;

/// Takes a number apart: whether it is negative, and the rest. `None` if the text is not
/// wholly a number; NaN is none here.
pub(super) fn scan(text: &[u8]) -> Option<(bool, Scanned<'_>)> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let scanned = match unsigned {
        [b'i' | b'I', ..] => {
            let infinite =
                unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity");
            infinite.then_some(Scanned::Infinity)
        }
        [b'0', b'x' | b'X', digits @ ..] => scan_hexadecimal(digits),
        digits => scan_decimal(digits),
    };
    scanned.map(|scanned| (negative, scanned))
}

fn scan_decimal(text: &[u8]) -> Option<Scanned<'_>> {
    let (whole, rest) = take_while(text, u8::is_ascii_digit);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => take_while(rest, u8::is_ascii_digit),
        rest => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', exponent @ ..] => scan_exponent(exponent)?,
        _ => return None,
    };
    Some(Scanned::Decimal {
        whole,
        fraction,
        exponent,
    })
}

fn scan_hexadecimal(text: &[u8]) -> Option<Scanned<'_>> {
    let (whole, rest) = take_while(text, u8::is_ascii_hexdigit);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => take_while(rest, u8::is_ascii_hexdigit),
        rest => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut exponent = match rest {
        [] => 0,
        [b'p' | b'P', exponent @ ..] => scan_exponent(exponent)?,
        _ => return None,
    };
    let (mut mantissa, mut inexact) = (0u128, false);
    for (index, digit) in whole.iter().chain(fraction).enumerate() {
        let digit = u128::from(char::from(*digit).to_digit(16)?);
        let in_fraction = index >= whole.len();
        if mantissa >> 124 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if in_fraction { 4 } else { 0 };
        } else {
            inexact |= digit != 0;
            exponent += if in_fraction { 0 } else { 4 };
        }
    }
    Some(Scanned::Hexadecimal {
        mantissa,
        inexact,
        exponent,
    })
}

fn scan_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0, |value, digit| {
        EXPONENT_LIMIT.min(value * 10 + i64::from(digit - b'0'))
    });
    Some(if negative { -magnitude } else { magnitude })
}

fn take_while(text: &[u8], belongs: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| belongs(byte)).count();
    text.split_at(length)
}
