//! JSON: one value a line. Strings are either the reply's bytes, escaped where JSON
//! requires it, or the quoted form of the standard output, which is ASCII.

use oxidis_resp::Value;

use crate::text::quoted;

/// How strings are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Strings {
    /// As the text that they are. Bytes that are not UTF-8 pass as they are too: the
    /// output is then no JSON, but nothing is lost. [`Strings::Quoted`] is for those.
    Utf8,
    /// As the quoted form with each backslash doubled, so that a JSON parser gives
    /// that form back. A quote within the string ends up unescaped, for that is what
    /// `redis-cli` writes.
    Quoted,
}

/// Appends `reply` without a line feed.
pub fn push(out: &mut Vec<u8>, reply: &Value, strings: Strings) {
    match reply {
        Value::Error(text) | Value::BulkError(text) => {
            out.extend_from_slice(b"error:");
            push_string(out, text, strings);
        }
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => {
            push_string(out, bytes, strings)
        }
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) => out.extend_from_slice(number.as_bytes()),
        Value::BigNumber(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Null | Value::NullBulk | Value::NullArray => out.extend_from_slice(b"null"),
        Value::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            out.push(b'[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push(out, element, strings);
            }
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_key(out, key, strings);
                out.push(b':');
                push(out, value, strings);
            }
            out.push(b'}');
        }
        Value::Attribute { value, .. } => push(out, value, strings),
    }
}

/// A key of a JSON object is a string, whatever type it is in RESP3.
fn push_key(out: &mut Vec<u8>, key: &Value, strings: Strings) {
    let mut text = Vec::new();
    push(&mut text, key, strings);
    if key.is_error() || text.starts_with(b"\"") {
        out.extend_from_slice(&text);
    } else {
        out.push(b'"');
        out.extend_from_slice(&text);
        out.push(b'"');
    }
}

fn push_string(out: &mut Vec<u8>, bytes: &[u8], strings: Strings) {
    match strings {
        Strings::Quoted => {
            out.extend_from_slice(quoted(bytes).replace('\\', "\\\\").as_bytes());
        }
        Strings::Utf8 => {
            out.push(b'"');
            for chunk in bytes.utf8_chunks() {
                let escaped = serde_json::Value::from(chunk.valid()).to_string();
                out.extend_from_slice(&escaped.as_bytes()[1..escaped.len() - 1]);
                out.extend_from_slice(chunk.invalid());
            }
            out.push(b'"');
        }
    }
}
