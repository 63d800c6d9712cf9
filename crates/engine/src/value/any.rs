//! Any value, whatever its type: what RENAME, COPY, RESTORE and the loaders carry about.

use super::{Hash, List, Set, SortedSet};

/// The types of values that clients see (TYPE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A string or integer.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A hash.
    Hash,
    /// A sorted set.
    SortedSet,
}

impl ValueType {
    /// What TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            ValueType::String => "string",
            ValueType::List => "list",
            ValueType::Set => "set",
            ValueType::Hash => "hash",
            ValueType::SortedSet => "zset",
        }
    }
}

/// An owned value of any type.
#[derive(Clone)]
pub enum Value {
    /// A string that spells this integer.
    Integer(i64),
    /// A string; one that spells an integer becomes an integer when it is stored.
    String(Vec<u8>),
    /// A string that was grown in place and keeps a block of its own.
    RawString(Vec<u8>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    SortedSet(SortedSet),
}

impl Value {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Value::Integer(_) | Value::String(_) | Value::RawString(_) => ValueType::String,
            Value::List(_) => ValueType::List,
            Value::Set(_) => ValueType::Set,
            Value::Hash(_) => ValueType::Hash,
            Value::SortedSet(_) => ValueType::SortedSet,
        }
    }
}
