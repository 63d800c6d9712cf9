//! Any value, whatever its type: what RENAME, COPY, RESTORE and the loaders carry about; and the
//! string, which is too simple to have a room of its own.

use super::{Hash, HashRef, List, ListRef, Set, SetRef, SortedSet, SortedSetRef, Stream};
use crate::text::{IntegerText, parse_integer};

/// The longest string for which OBJECT ENCODING answers `embstr`.
const EMBSTR_MAX: usize = 44;

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
    /// A stream.
    Stream,
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
            ValueType::Stream => "stream",
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
    /// A stream.
    Stream(Stream),
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
            Value::Stream(_) => ValueType::Stream,
        }
    }

    /// Borrows the value for reading.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Integer(n) => ValueRef::String(StringRef::Integer(*n)),
            Value::String(bytes) => ValueRef::String(StringRef::Bytes { bytes, raw: false }),
            Value::RawString(bytes) => ValueRef::String(StringRef::Bytes { bytes, raw: true }),
            Value::List(list) => ValueRef::List(list.as_ref()),
            Value::Set(set) => ValueRef::Set(set.as_ref()),
            Value::Hash(hash) => ValueRef::Hash(hash.as_ref()),
            Value::SortedSet(sorted_set) => ValueRef::SortedSet(sorted_set.as_ref()),
            Value::Stream(stream) => ValueRef::Stream(stream),
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The type is enough to find one's way; contents may be a million elements.
        f.debug_tuple(self.value_type().name())
            .finish_non_exhaustive()
    }
}

/// A value of any type, borrowed.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    /// A string.
    String(StringRef<'a>),
    /// A list.
    List(ListRef<'a>),
    /// A set.
    Set(SetRef<'a>),
    /// A hash.
    Hash(HashRef<'a>),
    /// A sorted set.
    SortedSet(SortedSetRef<'a>),
    /// A stream.
    Stream(&'a Stream),
}

/// A string value as it is stored, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringRef<'a> {
    /// The canonical decimal form of this integer.
    Integer(i64),
    /// These bytes; `raw` when they were grown in place, or are long.
    Bytes {
        /// The string.
        bytes: &'a [u8],
        /// Whether it has a block of its own.
        raw: bool,
    },
}

impl<'a> StringRef<'a> {
    /// Length of the string in bytes.
    pub fn len(self) -> usize {
        match self {
            StringRef::Integer(n) => IntegerText::new(n).as_str().len(),
            StringRef::Bytes { bytes, .. } => bytes.len(),
        }
    }

    /// Whether the string is empty.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with the string's bytes.
    pub fn with_bytes<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            StringRef::Integer(n) => f(IntegerText::new(n).as_str().as_bytes()),
            StringRef::Bytes { bytes, .. } => f(bytes),
        }
    }

    /// The string's bytes, owned.
    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(self) -> &'static str {
        match self {
            StringRef::Integer(_) => "int",
            StringRef::Bytes { bytes, raw: false } if bytes.len() <= EMBSTR_MAX => "embstr",
            StringRef::Bytes { .. } => "raw",
        }
    }

    /// The integer that the string spells in canonical form, if it does.
    pub fn as_integer(self) -> Option<i64> {
        match self {
            StringRef::Integer(n) => Some(n),
            StringRef::Bytes { bytes, .. } => parse_integer(bytes),
        }
    }
}
