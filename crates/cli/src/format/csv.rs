//! Comma separated values: one line a reply, nested collections flattened into it.

use oxidis_resp::Value;
use oxidis_resp::inline::quote_into;

/// Appends `reply` without a line feed.
pub fn push(out: &mut Vec<u8>, reply: &Value) {
    match reply {
        Value::Error(text) | Value::BulkError(text) => {
            out.extend_from_slice(b"ERROR,");
            quote_into(out, text);
        }
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => {
            quote_into(out, bytes)
        }
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) => out.extend_from_slice(number.as_bytes()),
        Value::BigNumber(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Null | Value::NullBulk | Value::NullArray => out.extend_from_slice(b"NULL"),
        Value::Boolean(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            push_all(out, elements.iter())
        }
        Value::Map(pairs) => push_all(out, pairs.iter().flat_map(|(key, value)| [key, value])),
        Value::Attribute { value, .. } => push(out, value),
    }
}

fn push_all<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = &'a Value>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(out, value);
    }
}
