//! One element of a list: as it is read, and as it goes in.

use std::borrow::Cow;

use super::listpack;
use crate::value::packed::{IntegerText, canonical_integer};

/// An element as it is read from a list.
///
/// An integer is only a shorter way to store its decimal form. `Bytes` may hold a decimal form too,
/// where it lies among strings of the same length, so items are compared as texts.
#[derive(Debug, Clone)]
pub enum ListItem<'a> {
    /// The element's bytes: a copy if they lie compressed in the list.
    Bytes(Cow<'a, [u8]>),
    /// The element is the decimal form of this integer.
    Integer(i64),
}

impl<'a> ListItem<'a> {
    /// An element whose bytes lie in the list.
    #[inline]
    pub(super) fn borrowed(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }

    /// The element without the list.
    pub(super) fn into_owned(self) -> ListItem<'static> {
        match self {
            Self::Bytes(bytes) => ListItem::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Integer(integer) => ListItem::Integer(integer),
        }
    }

    /// The element as a string; an integer is written into `buffer`.
    pub fn as_bytes<'b>(&'b self, buffer: &'b mut IntegerText) -> &'b [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(integer) => buffer.write(*integer),
        }
    }

    /// The element as a string of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut IntegerText::new()).to_vec()
    }
}

/// A string that goes into a list or is sought in one, and the integer it is the decimal form of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) text: &'a [u8],
    pub(super) integer: Option<i64>,
}

impl<'a> Element<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            integer: canonical_integer(text),
        }
    }

    /// Whether `item` is this string.
    pub(super) fn is(self, item: &ListItem<'_>) -> bool {
        match item {
            ListItem::Bytes(bytes) => **bytes == *self.text,
            ListItem::Integer(integer) => self.integer == Some(*integer),
        }
    }

    /// How many bytes the element takes as an entry of a listpack.
    pub(super) fn listpack_len(self) -> usize {
        match self.integer {
            Some(integer) => listpack::integer_len(integer),
            None => listpack::string_len(self.text.len()),
        }
    }
}
