//! The bytes of a reply and nothing beside them but delimiters.

use oxidis_resp::Value;

/// Appends `reply`; `delimiter` parts the elements of collections, at any depth.
pub fn push(out: &mut Vec<u8>, reply: &Value, delimiter: &[u8]) {
    match reply {
        Value::Null | Value::NullBulk | Value::NullArray => {}
        // An error ends its line whatever the delimiters are, so that it cannot run
        // into data.
        Value::Error(text) | Value::BulkError(text) => {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        Value::Simple(bytes) | Value::Bulk(bytes) | Value::Verbatim { text: bytes, .. } => {
            out.extend_from_slice(bytes)
        }
        Value::BigNumber(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Boolean(true) => out.extend_from_slice(b"(true)"),
        Value::Boolean(false) => out.extend_from_slice(b"(false)"),
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(number) => out.extend_from_slice(number.as_bytes()),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                push(out, element, delimiter);
            }
        }
        Value::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                push(out, key, delimiter);
                out.push(b' ');
                push(out, value, delimiter);
            }
        }
        Value::Attribute { value, .. } => push(out, value, delimiter),
    }
}
