//! The output for people: every type can be told from every other, strings are
//! quoted, the elements of arrays, sets and maps are numbered and nested ones
//! indented beneath their number.

use oxidis_resp::Value;
use oxidis_resp::inline::quote_into;

/// Appends `reply` with its line feed. `indent` is what the lines after the first
/// begin with.
pub fn push(out: &mut Vec<u8>, reply: &Value, indent: &str) {
    match reply {
        Value::Error(text) | Value::BulkError(text) => line(out, b"(error) ", text),
        Value::Simple(text) | Value::Verbatim { text, .. } => line(out, b"", text),
        Value::Integer(number) => line(out, b"(integer) ", number.to_string().as_bytes()),
        Value::Double(number) => line(out, b"(double) ", number.as_bytes()),
        // redis-cli has no words for these and gives up; they are numbers too.
        Value::BigNumber(digits) => line(out, b"(big number) ", digits.as_bytes()),
        Value::Bulk(bytes) => {
            quote_into(out, bytes);
            out.push(b'\n');
        }
        Value::Null | Value::NullBulk | Value::NullArray => line(out, b"(nil)", b""),
        Value::Boolean(true) => line(out, b"(true)", b""),
        Value::Boolean(false) => line(out, b"(false)", b""),
        Value::Array(elements) => push_elements(out, elements, indent, ')', "array"),
        Value::Set(elements) => push_elements(out, elements, indent, '~', "set"),
        Value::Push(elements) => push_elements(out, elements, indent, ')', "push"),
        Value::Map(pairs) => push_pairs(out, pairs, indent),
        Value::Attribute { value, .. } => push(out, value, indent),
    }
}

fn line(out: &mut Vec<u8>, mark: &[u8], text: &[u8]) {
    out.extend_from_slice(mark);
    out.extend_from_slice(text);
    out.push(b'\n');
}

fn push_elements(out: &mut Vec<u8>, elements: &[Value], indent: &str, mark: char, name: &str) {
    if elements.is_empty() {
        return line(out, format!("(empty {name})").as_bytes(), b"");
    }
    let numbering = Numbering::new(indent, elements.len(), mark);
    for (index, element) in elements.iter().enumerate() {
        numbering.push(out, index);
        push(out, element, &numbering.inner_indent);
    }
}

fn push_pairs(out: &mut Vec<u8>, pairs: &[(Value, Value)], indent: &str) {
    if pairs.is_empty() {
        return line(out, b"(empty hash)", b"");
    }
    let numbering = Numbering::new(indent, pairs.len(), '#');
    for (index, (key, value)) in pairs.iter().enumerate() {
        numbering.push(out, index);
        push(out, key, &numbering.inner_indent);
        // The value stands on its key's line.
        out.pop();
        out.extend_from_slice(b" => ");
        if has_many_lines(value) {
            out.push(b'\n');
            out.extend_from_slice(numbering.inner_indent.as_bytes());
        }
        push(out, value, &numbering.inner_indent);
    }
}

/// How the elements of one collection are numbered.
struct Numbering<'a> {
    indent: &'a str,
    inner_indent: String,
    width: usize,
    mark: char,
}

impl<'a> Numbering<'a> {
    fn new(indent: &'a str, length: usize, mark: char) -> Self {
        let width = length.to_string().len();
        // A nested line begins after the number, its mark and a blank.
        let inner_indent = format!("{indent}{:1$}", "", width + 2);
        Numbering {
            indent,
            inner_indent,
            width,
            mark,
        }
    }

    /// The first element stands on the line on which the collection begins, after
    /// whatever was put there already.
    fn push(&self, out: &mut Vec<u8>, index: usize) {
        let indent = if index == 0 { "" } else { self.indent };
        let (number, width, mark) = (index + 1, self.width, self.mark);
        out.extend_from_slice(format!("{indent}{number:width$}{mark} ").as_bytes());
    }
}

fn has_many_lines(reply: &Value) -> bool {
    match reply {
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            match elements.as_slice() {
                [] => false,
                [only] => has_many_lines(only),
                _ => true,
            }
        }
        Value::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, value)] => has_many_lines(value),
            _ => true,
        },
        _ => false,
    }
}

/// The line for a push message that names keys which a client must forget, `None`
/// for any other.
pub fn invalidation(push: &Value) -> Option<Vec<u8>> {
    let Value::Push(elements) = push else {
        return None;
    };
    let [Value::Bulk(kind), Value::Array(keys)] = elements.as_slice() else {
        return None;
    };
    if !kind.starts_with(b"invalidate") {
        return None;
    }
    let mut out = b"-> invalidate: ".to_vec();
    for (index, key) in keys.iter().enumerate() {
        let Value::Bulk(key) = key else { return None };
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.push(b'\'');
        out.extend_from_slice(key);
        out.push(b'\'');
    }
    out.push(b'\n');
    Some(out)
}
