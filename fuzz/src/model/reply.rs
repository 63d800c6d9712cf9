//! What commands answer, and the small words in which the model says it.

use oxidis_resp::Value;

/// What a command must answer.
#[derive(Debug)]
pub enum Expected {
    /// This reply.
    Exactly(Value),
    /// An array of these replies in any order.
    InAnyOrder(Vec<Value>),
    /// An array of these pairs of replies, in any order of pairs.
    PairsInAnyOrder(Vec<(Value, Value)>),
}

impl Expected {
    /// Whether a reply is as it must be.
    pub fn is_met_by(&self, reply: &Value) -> bool {
        match self {
            Expected::Exactly(expected) => expected == reply,
            Expected::InAnyOrder(expected) => reply
                .as_elements()
                .is_some_and(|elements| sorted(elements) == sorted(expected)),
            Expected::PairsInAnyOrder(expected) => {
                let Some(elements) = reply.as_elements() else {
                    return false;
                };
                let pairs: Vec<_> = elements
                    .chunks_exact(2)
                    .map(|pair| (pair[0].clone(), pair[1].clone()))
                    .collect();
                elements.len() == expected.len() * 2 && sorted(&pairs) == sorted(expected)
            }
        }
    }
}

fn sorted<T: std::fmt::Debug>(values: &[T]) -> Vec<String> {
    let mut texts: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
    texts.sort();
    texts
}

/// What a command answers, or the text of its error.
pub(super) type Outcome = Result<Expected, &'static str>;

pub(super) const WRONG_TYPE: &str =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
pub(super) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
pub(super) const OVERFLOW: &str = "ERR increment or decrement would overflow";
pub(super) const NO_SUCH_KEY: &str = "ERR no such key";
pub(super) const SYNTAX: &str = "ERR syntax error";

pub(super) fn simple(text: &str) -> Outcome {
    Ok(Expected::Exactly(Value::Simple(text.into())))
}

/// An integer reply from a count, a truth or a number.
pub(super) fn integer(value: impl Into<Number>) -> Outcome {
    Ok(Expected::Exactly(Value::Integer(value.into().0)))
}

pub(super) struct Number(i64);

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Number(i64::from(value))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Number(value)
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Number(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Number(value as i64)
    }
}

pub(super) fn bulk(bytes: &[u8]) -> Value {
    Value::Bulk(bytes.to_vec())
}

pub(super) fn bulk_or_null(bytes: Option<impl AsRef<[u8]>>) -> Value {
    bytes.map_or(Value::NullBulk, |bytes| bulk(bytes.as_ref()))
}

pub(super) fn exactly(value: Value) -> Outcome {
    Ok(Expected::Exactly(value))
}

pub(super) fn array(values: impl IntoIterator<Item = Value>) -> Outcome {
    exactly(Value::Array(values.into_iter().collect()))
}

/// An integer that the makers of commands made, which is one.
pub(super) fn number(text: &[u8]) -> i64 {
    parse_integer(text).expect("an integer")
}

/// An integer in canonical form.
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse()
        .ok()
        .filter(|value: &i64| value.to_string() == text)
}

/// The elements from `start` to `end`, both included and counted from the end if negative, as a
/// range of `length` elements.
pub(super) fn slice(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    let length = length as i64;
    let from_end = |index: i64| if index < 0 { index + length } else { index };
    let (start, end) = (from_end(start).max(0), from_end(end).min(length - 1));
    if start > end {
        0..0
    } else {
        start as usize..end as usize + 1
    }
}
