//! Splits a line into arguments as people type them: at a telnet prompt, in a
//! configuration file, in the cli; and quotes what is to be read back from such a line.
//!
//! Blanks separate arguments. Double quotes keep blanks and understand `\n`, `\r`, `\t`,
//! `\b`, `\a` and `\xHH` (a backslash before any other byte stands for that byte);
//! single quotes keep everything but `\'`. What follows a closing quote must be blank.
//! A quote in the middle of an argument opens there, and closing it ends the argument.

use crate::request::Span;

/// A quote that nothing closes, or that something other than a blank follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

impl std::fmt::Display for UnbalancedQuotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unbalanced quotes")
    }
}

impl std::error::Error for UnbalancedQuotes {}

/// Splits `line` into owned arguments. A NUL byte ends the line.
///
/// ```
/// let arguments = oxidis_resp::inline::split(br#"SET key "two words\x21""#).unwrap();
/// assert_eq!(arguments, [&b"SET"[..], b"key", b"two words!"]);
/// ```
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    split_into(line, &mut bytes, &mut spans)?;
    Ok(spans.iter().map(|span| span.of(&bytes).to_vec()).collect())
}

/// Splits `line`, whose arguments are appended to `bytes` one after the other; `spans`
/// gets the place of each in `bytes`.
pub(crate) fn split_into(
    line: &[u8],
    bytes: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), UnbalancedQuotes> {
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut rest = skip_blanks(line);
    while !rest.is_empty() {
        let start = bytes.len();
        rest = skip_blanks(take_argument(rest, bytes)?);
        spans.push(Span {
            start,
            end: bytes.len(),
        });
    }
    Ok(())
}

/// Appends `word` between double quotes, with everything outside printable ASCII escaped: [`split`] gives it
/// back, and people can read it.
pub fn quote_into(line: &mut Vec<u8>, word: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    line.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => line.extend([b'\\', byte]),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            b'\t' => line.extend(b"\\t"),
            0x07 => line.extend(b"\\a"),
            0x08 => line.extend(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                line.extend([b'\\', b'x', high, low]);
            }
        }
    }
    line.push(b'"');
}

/// Appends the spans of the arguments of a line without quotes, which begins at `offset`
/// of the buffer that the spans are to be of.
pub(crate) fn split_unquoted(line: &[u8], offset: usize, spans: &mut Vec<Span>) {
    let mut at = 0;
    loop {
        at += line[at..]
            .iter()
            .take_while(|&&byte| is_blank(byte))
            .count();
        if at == line.len() {
            return;
        }
        let length = line[at..]
            .iter()
            .take_while(|&&byte| !ends_argument(byte))
            .count();
        spans.push(Span {
            start: offset + at,
            end: offset + at + length,
        });
        at += length;
    }
}

/// Moves one argument from the front of `rest` to `bytes`; returns what comes after it.
fn take_argument<'a>(
    mut rest: &'a [u8],
    bytes: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        match rest {
            [] => return Ok(rest),
            [b'"', quoted @ ..] => return take_double_quoted(quoted, bytes),
            [b'\'', quoted @ ..] => return take_single_quoted(quoted, bytes),
            [byte, ..] if ends_argument(*byte) => return Ok(rest),
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
}

fn take_double_quoted<'a>(
    mut rest: &'a [u8],
    bytes: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                bytes.push(hex_value(*high) * 16 + hex_value(*low));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                tail
            }
            [b'"', tail @ ..] => return after_closing_quote(tail),
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
            [] => return Err(UnbalancedQuotes),
        }
    }
}

fn take_single_quoted<'a>(
    mut rest: &'a [u8],
    bytes: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'\\', b'\'', tail @ ..] => {
                bytes.push(b'\'');
                tail
            }
            [b'\'', tail @ ..] => return after_closing_quote(tail),
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
            [] => return Err(UnbalancedQuotes),
        }
    }
}

fn after_closing_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_blank(byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_blank(byte)).count();
    &line[blanks..]
}

/// What may stand between arguments: C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What ends an unquoted argument. A vertical tab or a form feed is blank before an
/// argument and yet part of one that has begun; Redis has it so.
fn ends_argument(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_can_be_read_and_splits_into_itself() {
        let mut line = Vec::new();
        quote_into(&mut line, b"a\"\\\n\r\t\x07\x08\x00\xff~ ");
        assert_eq!(line, br#""a\"\\\n\r\t\a\b\x00\xff~ ""#);
        let every_byte: Vec<u8> = (0..=255).collect();
        line.clear();
        quote_into(&mut line, &every_byte);
        assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
        assert_eq!(split(&line), Ok(vec![every_byte]));
    }
}
