//! A reply as an owned tree, as clients see it.
//!
//! It keeps what the bytes said, not what they meant: the three nulls stay apart, a
//! double keeps its text. So a reply can be compared, kept and had back to the byte.

use std::fmt;

use crate::number::{IntegerText, parse_integer};

/// A reply of either protocol.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// `+`: a short text without line ends.
    Simple(Vec<u8>),
    /// `-`: an error, its code word first.
    Error(Vec<u8>),
    /// `:`: an integer.
    Integer(i64),
    /// `$`: a string of any bytes.
    Bulk(Vec<u8>),
    /// `!`: an error of any bytes.
    BulkError(Vec<u8>),
    /// `=`: a text and its format (`txt`, `mkd`).
    Verbatim {
        /// The three characters that name the format.
        format: [u8; 3],
        /// The text.
        text: Vec<u8>,
    },
    /// `,`: a double, as it was written.
    Double(String),
    /// `(`: an integer of any length, as it was written.
    BigNumber(String),
    /// `#`: a boolean.
    Boolean(bool),
    /// `_`: the null of RESP3.
    Null,
    /// `$-1`: the null of RESP2 that stands for a string.
    NullBulk,
    /// `*-1`: the null of RESP2 that stands for an array.
    NullArray,
    /// `*`: an array.
    Array(Vec<Value>),
    /// `~`: a set, in the order in which it came.
    Set(Vec<Value>),
    /// `>`: a message that no request asked for.
    Push(Vec<Value>),
    /// `%`: a map, in the order in which it came.
    Map(Vec<(Value, Value)>),
    /// `|`: facts about the reply that comes after them.
    Attribute {
        /// The facts.
        attributes: Vec<(Value, Value)>,
        /// The reply itself.
        value: Box<Value>,
    },
}

impl Value {
    /// The bytes of any kind of string, errors and numbers that are text included.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(bytes)
            | Value::Error(bytes)
            | Value::Bulk(bytes)
            | Value::BulkError(bytes)
            | Value::Verbatim { text: bytes, .. } => Some(bytes),
            Value::Double(text) | Value::BigNumber(text) => Some(text.as_bytes()),
            Value::Attribute { value, .. } => value.as_bytes(),
            _ => None,
        }
    }

    /// The number of an integer, or of a string that is one in canonical form.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(value) => Some(*value),
            other => parse_integer(other.as_bytes()?),
        }
    }

    /// The elements of an array, a set or a push.
    pub fn as_elements(&self) -> Option<&[Value]> {
        match self {
            Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => Some(elements),
            Value::Attribute { value, .. } => value.as_elements(),
            _ => None,
        }
    }

    /// Whether this is one of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::NullBulk | Value::NullArray)
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_) | Value::BulkError(_))
    }

    /// Appends the reply as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Value::Simple(text) => write_line(out, b'+', text),
            Value::Error(text) => write_line(out, b'-', text),
            Value::Integer(value) => write_line(out, b':', &IntegerText::new(*value)),
            Value::Bulk(bytes) => write_string(out, b'$', &[bytes]),
            Value::BulkError(bytes) => write_string(out, b'!', &[bytes]),
            Value::Verbatim { format, text } => write_string(out, b'=', &[format, b":", text]),
            Value::Double(text) => write_line(out, b',', text.as_bytes()),
            Value::BigNumber(text) => write_line(out, b'(', text.as_bytes()),
            Value::Boolean(value) => write_line(out, b'#', if *value { b"t" } else { b"f" }),
            Value::Null => out.extend_from_slice(b"_\r\n"),
            Value::NullBulk => out.extend_from_slice(b"$-1\r\n"),
            Value::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Value::Array(elements) => write_elements(out, b'*', elements),
            Value::Set(elements) => write_elements(out, b'~', elements),
            Value::Push(elements) => write_elements(out, b'>', elements),
            Value::Map(pairs) => write_pairs(out, b'%', pairs),
            Value::Attribute { attributes, value } => {
                write_pairs(out, b'|', attributes);
                value.write_to(out);
            }
        }
    }
}

fn write_line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn write_string(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    write_line(out, kind, &IntegerText::unsigned(length as u64));
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_elements(out: &mut Vec<u8>, kind: u8, elements: &[Value]) {
    write_line(out, kind, &IntegerText::unsigned(elements.len() as u64));
    for element in elements {
        element.write_to(out);
    }
}

fn write_pairs(out: &mut Vec<u8>, kind: u8, pairs: &[(Value, Value)]) {
    write_line(out, kind, &IntegerText::unsigned(pairs.len() as u64));
    for (key, value) in pairs {
        key.write_to(out);
        value.write_to(out);
    }
}

/// Bytes that read as text where they are text.
struct Text<'a>(&'a [u8]);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

struct Pairs<'a>(&'a [(Value, Value)]);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(key, value)| (key, value)))
            .finish()
    }
}

/// Short, so that a failing test can be read: strings as text, integers bare.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(text) => f.debug_tuple("Simple").field(&Text(text)).finish(),
            Value::Error(text) => f.debug_tuple("Error").field(&Text(text)).finish(),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Bulk(bytes) => Text(bytes).fmt(f),
            Value::BulkError(bytes) => f.debug_tuple("BulkError").field(&Text(bytes)).finish(),
            Value::Verbatim { format, text } => f
                .debug_tuple("Verbatim")
                .field(&Text(format))
                .field(&Text(text))
                .finish(),
            Value::Double(text) => write!(f, "Double({text})"),
            Value::BigNumber(text) => write!(f, "BigNumber({text})"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Null => f.write_str("Null"),
            Value::NullBulk => f.write_str("NullBulk"),
            Value::NullArray => f.write_str("NullArray"),
            Value::Array(elements) => f.debug_list().entries(elements).finish(),
            Value::Set(elements) => f.debug_set().entries(elements).finish(),
            Value::Push(elements) => f.debug_tuple("Push").field(elements).finish(),
            Value::Map(pairs) => Pairs(pairs).fmt(f),
            Value::Attribute { attributes, value } => f
                .debug_tuple("Attribute")
                .field(&Pairs(attributes))
                .field(value)
                .finish(),
        }
    }
}
