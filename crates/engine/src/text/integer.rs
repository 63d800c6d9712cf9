//! Integers in commands. The strict form, which is the only one that a string may be kept
//! as an integer for, is the protocol's own; the loose form is for cursors and the like.

pub use oxidis_resp::number::{IntegerText, parse_integer};

/// Reads an unsigned integer as loosely as Redis does where it takes one (`string2ull`):
/// the canonical form of anything that is not negative, or else what C's `strtoull` takes
/// whole: blanks in front, a sign (a minus wraps around), leading zeros.
pub fn parse_unsigned(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_integer(text) {
        return u64::try_from(value).ok();
    }
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'))
        .count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().try_fold(0u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    Some(if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each verdict is that of SCAN in Redis 8, which reads its cursor so.
    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, value) in [
            ("0", Some(0)),
            ("00", Some(0)),
            ("+0", Some(0)),
            ("-0", Some(0)),
            (" 0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-01", Some(u64::MAX)),
            ("9223372036854775808", Some(1 << 63)),
            ("18446744073709551616", None),
            ("", None),
            ("+", None),
            ("-1", None),
            ("0 ", None),
            ("0x0", None),
            ("a", None),
        ] {
            assert_eq!(parse_unsigned(text.as_bytes()), value, "{text:?}");
        }
    }
}
