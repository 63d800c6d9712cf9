//! Quotes and numbers as people see them: how bytes are shown so that they could
//! be typed again, and how the numbers in flags are read. Splitting a typed line
//! is [`inline`]'s, for an inline request splits the same way.

use oxidis_resp::inline;

/// Reads one quoted argument, as `--quoted-input` wants each of them; `None`
/// where the text is not exactly one argument.
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut arguments = inline::split(text).ok()?;
    (arguments.len() == 1).then(|| arguments.remove(0))
}

/// Appends `bytes` between double quotes, with everything outside printable
/// ASCII escaped: [`inline::split`] reads it back.
pub fn push_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// `push_quoted` into a string of its own.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    push_quoted(&mut out, bytes);
    String::from_utf8(out).expect("quoting leaves printable ASCII only")
}

/// The integer that a text begins with, 0 where it begins with none: what C's
/// `atoi` makes of it, except that numbers out of range saturate.
pub fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = digits
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0i64, |sum, digit| {
            sum.saturating_mul(10).saturating_add((digit - b'0').into())
        });
    if negative { -magnitude } else { magnitude }
}

/// The decimal number that a text begins with, 0 where it begins with none.
pub fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    (1..=text.len())
        .rev()
        .filter(|&end| text.is_char_boundary(end))
        .find_map(|end| text[..end].parse().ok())
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_quoted_argument_and_nothing_beside_it() {
        assert_eq!(unquote(br#""a\x00b""#).unwrap(), b"a\0b");
        assert_eq!(unquote(b"plain").unwrap(), b"plain");
        assert_eq!(unquote(b"two words"), None);
        assert_eq!(unquote(b""), None);
    }

    #[test]
    fn numbers_are_read_from_the_front() {
        assert_eq!(leading_integer(" -12x"), -12);
        assert_eq!(leading_integer("abc"), 0);
        assert_eq!(leading_integer("99999999999999999999"), i64::MAX);
        assert_eq!(leading_number("0.25s"), 0.25);
        assert_eq!(leading_number("s"), 0.0);
    }

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(unquote(quoted(&bytes).as_bytes()), Some(bytes));
        }
    }
}
