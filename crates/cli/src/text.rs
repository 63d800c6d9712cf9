//! Quotes as people see them: how bytes are shown so that they could be typed again.
//! Quoting and splitting a typed line is [`inline`]'s, for an inline request splits the same way.

use oxidis_resp::inline;

/// Reads one quoted argument, as `--quoted-input` wants each of them; `None`
/// where the text is not exactly one argument.
pub fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut arguments = inline::split(text).ok()?;
    (arguments.len() == 1).then(|| arguments.remove(0))
}

/// Bytes between double quotes, as [`inline::quote_into`] has them, in a string of its own.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    inline::quote_into(&mut out, bytes);
    String::from_utf8(out).expect("quoting leaves printable ASCII only")
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

    proptest! {
        #[test]
        fn what_is_quoted_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(unquote(quoted(&bytes).as_bytes()), Some(bytes));
        }
    }
}
