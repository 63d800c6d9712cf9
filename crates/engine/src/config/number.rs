//! How a configuration writes numbers. It follows the C library where Redis hands it the text, so
//! that what one accepts the other accepts.

/// What `strtoll` reads, if it reads all of the text: leading space, a sign, digits (or none,
/// which is 0). Too great numbers become the greatest.
pub(super) fn lenient(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if digits.is_empty() {
        return text.is_empty().then_some(0);
    }
    Some(signed(negative, saturating(digits, 10)))
}

/// An octal number as `strtoll` reads it; too great a number is none.
pub(super) fn octal(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if !digits.iter().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    if digits.is_empty() {
        return text.is_empty().then_some(0);
    }
    let magnitude = saturating(digits, 8);
    let limit = i64::MAX as u64 + u64::from(negative);
    (magnitude <= limit).then(|| signed(negative, magnitude))
}

/// Bytes with the greatest unit that divides them, as CONFIG REWRITE writes them.
pub(super) fn format_memory(bytes: u64) -> String {
    for (unit, size) in [("gb", 1u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// A number with at most six decimals, without zeros at its end.
pub(super) fn format_decimal(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    let start = text.iter().take_while(|&&byte| is_space(byte)).count();
    match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    }
}

fn signed(negative: bool, magnitude: u64) -> i64 {
    match (i64::try_from(magnitude), negative) {
        (Ok(value), false) => value,
        (Ok(value), true) => -value,
        (Err(_), false) => i64::MAX,
        (Err(_), true) => i64::MIN,
    }
}

fn saturating(digits: &[u8], base: u64) -> u64 {
    digits.iter().fold(0, |value: u64, digit| {
        value
            .checked_mul(base)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .unwrap_or(u64::MAX)
    })
}

/// What C's `isspace` takes for space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_memory_size;

    #[test]
    fn memory_is_written_with_the_greatest_unit_that_divides_it() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1kb"),
            (3 << 20, "3mb"),
            (1 << 30, "1gb"),
            ((1 << 30) + 1024, "1048577kb"),
        ] {
            assert_eq!(format_memory(bytes), text);
            assert_eq!(parse_memory_size(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn octal_and_lenient_numbers_are_read_as_strtoll_does() {
        assert_eq!(octal(b"700"), Some(0o700));
        assert_eq!(octal(b"8"), None);
        assert_eq!(octal(b"7777777777777777777777777"), None);
        assert_eq!(lenient(b" +12"), Some(12));
        assert_eq!(lenient(b"99999999999999999999"), Some(i64::MAX));
        assert_eq!(lenient(b"1x"), None);
        assert_eq!(lenient(b""), Some(0));
        assert_eq!(lenient(b"-"), None);
    }
}
