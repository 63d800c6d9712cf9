//! Replies as bodies write them, in either protocol: exact in type, and in order where there is one.

use oxidis_testkit::Reply;
use oxidis_testkit::transcript::Protocol;

/// A reply that a body expects.
#[derive(Debug, Clone)]
pub enum Expected {
    Simple(&'static str),
    Integer(i64),
    Bulk(Vec<u8>),
    /// The null of strings.
    Nil,
    /// The null of arrays.
    NilArray,
    /// A bulk string in RESP2.
    Double(&'static str),
    Array(Vec<Expected>),
    /// An array whose order is nobody's business.
    AnyOrder(Vec<Expected>),
    /// An array in RESP2; in any order.
    Set(Vec<Expected>),
    /// A flat array in RESP2; in any order.
    Map(Vec<(Expected, Expected)>),
    /// An array of pairs, flat in RESP2.
    Pairs(Vec<(Expected, Expected)>),
    /// A message out of turn; an array in RESP2.
    Push(Vec<Expected>),
}

impl From<i64> for Expected {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Expected {
    fn from(text: &str) -> Self {
        Self::Bulk(text.into())
    }
}

impl From<String> for Expected {
    fn from(text: String) -> Self {
        Self::Bulk(text.into())
    }
}

impl<E: Into<Expected>, const N: usize> From<[E; N]> for Expected {
    fn from(elements: [E; N]) -> Self {
        Self::Array(elements.map(Into::into).into())
    }
}

pub const OK: Expected = Expected::Simple("OK");
pub const QUEUED: Expected = Expected::Simple("QUEUED");
pub const NIL: Expected = Expected::Nil;
pub const NIL_ARRAY: Expected = Expected::NilArray;

/// An array of whatever.
pub fn array<const N: usize>(elements: [Expected; N]) -> Expected {
    Expected::Array(elements.into())
}

/// An empty array.
pub fn nothing() -> Expected {
    array([])
}

/// A set, in any order.
pub fn set<const N: usize>(members: [&str; N]) -> Expected {
    Expected::Set(members.map(Into::into).into())
}

/// An array in any order.
pub fn any_order<const N: usize>(elements: [&str; N]) -> Expected {
    Expected::AnyOrder(elements.map(Into::into).into())
}

/// A map, in any order.
pub fn map<V: Into<Expected>, const N: usize>(pairs: [(&str, V); N]) -> Expected {
    Expected::Map(pairs.map(|(key, value)| (key.into(), value.into())).into())
}

/// Pairs of strings.
pub fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Expected {
    Expected::Pairs(pairs.map(|(key, value)| (key.into(), value.into())).into())
}

/// Members and scores, as WITHSCORES asks for them.
pub fn scored<const N: usize>(pairs: [(&str, &'static str); N]) -> Expected {
    let pair = |(member, score): (&str, _)| (member.into(), Expected::Double(score));
    Expected::Pairs(pairs.map(pair).into())
}

/// A message out of turn.
pub fn push<const N: usize>(elements: [Expected; N]) -> Expected {
    Expected::Push(elements.into())
}

impl Expected {
    /// The reply, with what has no order in the order it was written in.
    pub fn reply(&self, protocol: Protocol) -> Reply {
        let is_resp3 = protocol == Protocol::Resp3;
        let all = |elements: &[Expected]| elements.iter().map(|it| it.reply(protocol)).collect();
        let both =
            |(key, value): &(Expected, Expected)| (key.reply(protocol), value.reply(protocol));
        let flat = |pairs: &[(Expected, Expected)]| {
            let pairs = pairs.iter().map(both);
            Reply::Array(pairs.flat_map(|(key, value)| [key, value]).collect())
        };
        match self {
            Self::Simple(text) => Reply::Simple(text.as_bytes().to_vec()),
            Self::Integer(number) => Reply::Integer(*number),
            Self::Bulk(bytes) => Reply::Bulk(bytes.clone()),
            Self::Nil | Self::NilArray if is_resp3 => Reply::Null,
            Self::Nil => Reply::NullBulk,
            Self::NilArray => Reply::NullArray,
            Self::Double(text) if is_resp3 => Reply::Double(text.as_bytes().to_vec()),
            Self::Double(text) => Reply::bulk(text),
            Self::Set(elements) if is_resp3 => Reply::Set(all(elements)),
            Self::Push(elements) if is_resp3 => Reply::Push(all(elements)),
            Self::Array(elements)
            | Self::AnyOrder(elements)
            | Self::Set(elements)
            | Self::Push(elements) => Reply::Array(all(elements)),
            Self::Map(pairs) if is_resp3 => Reply::Map(pairs.iter().map(both).collect()),
            Self::Pairs(pairs) if is_resp3 => {
                let pair = |(key, value)| Reply::Array(vec![key, value]);
                Reply::Array(pairs.iter().map(both).map(pair).collect())
            }
            Self::Map(pairs) | Self::Pairs(pairs) => flat(pairs),
        }
    }

    /// Whether a reply is the expected one.
    pub fn matches(&self, reply: &Reply, protocol: Protocol) -> bool {
        match (self, reply) {
            (Self::Array(expected), Reply::Array(elements)) => {
                let mut both = expected.iter().zip(elements);
                expected.len() == elements.len()
                    && both.all(|(it, reply)| it.matches(reply, protocol))
            }
            (Self::AnyOrder(_) | Self::Set(_), _) => {
                in_order(self.reply(protocol), 1) == in_order(reply.clone(), 1)
            }
            (Self::Map(_), _) => in_order(self.reply(protocol), 2) == in_order(reply.clone(), 2),
            _ => self.reply(protocol) == *reply,
        }
    }
}

/// The reply with its elements in ascending order, `step` by `step`.
fn in_order(reply: Reply, step: usize) -> Reply {
    let sorted = |elements: Vec<Reply>| {
        let mut groups: Vec<&[Reply]> = elements.chunks(step).collect();
        groups.sort();
        groups.concat()
    };
    match reply {
        Reply::Array(elements) => Reply::Array(sorted(elements)),
        Reply::Set(elements) => Reply::Set(sorted(elements)),
        Reply::Map(mut pairs) => {
            pairs.sort();
            Reply::Map(pairs)
        }
        other => other,
    }
}
