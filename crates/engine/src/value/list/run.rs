//! Reading a block: a run of elements that lie one after another.
//!
//! Lists often hold elements of one kind: identifiers of one length, or numbers. Such a run needs
//! no header for each element, and element `i` is found by a multiplication. What a run holds is
//! its [`Shape`].

use super::element::{Element, ListItem};
use super::limit::BlockLimit;
use super::listpack;

/// What the elements of a block have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shape {
    /// Nothing: they are entries of a listpack.
    Mixed = 0,
    /// They are strings of one length. They may be decimal forms of integers all the same.
    Strings = 1,
    /// They are integers, stored in so many bytes each.
    Integers1 = 2,
    Integers2 = 3,
    Integers3 = 4,
    Integers4 = 5,
    Integers8 = 6,
}

impl Shape {
    const ALL: [Self; 7] = [
        Self::Mixed,
        Self::Strings,
        Self::Integers1,
        Self::Integers2,
        Self::Integers3,
        Self::Integers4,
        Self::Integers8,
    ];

    /// The shape whose discriminant `byte` is.
    pub(super) fn from_byte(byte: u8) -> Self {
        Self::ALL[usize::from(byte)]
    }

    /// The narrowest shape of a block that holds `element` alone.
    pub(super) fn of(element: Element<'_>) -> Self {
        match element.integer {
            None => Self::Strings,
            Some(-0x80..=0x7f) => Self::Integers1,
            Some(-0x8000..=0x7fff) => Self::Integers2,
            Some(-0x80_0000..=0x7f_ffff) => Self::Integers3,
            Some(-0x8000_0000..=0x7fff_ffff) => Self::Integers4,
            Some(_) => Self::Integers8,
        }
    }

    /// How many bytes an integer takes, if the shape is one of integers.
    pub(super) fn integer_width(self) -> Option<usize> {
        match self {
            Self::Mixed | Self::Strings => None,
            Self::Integers1 => Some(1),
            Self::Integers2 => Some(2),
            Self::Integers3 => Some(3),
            Self::Integers4 => Some(4),
            Self::Integers8 => Some(8),
        }
    }
}

/// The elements of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) shape: Shape,
    pub(super) count: usize,
    /// How many bytes each element takes; 0 if the shape is mixed.
    pub(super) width: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Run<'a> {
    pub(super) const EMPTY: Self = Self {
        shape: Shape::Strings,
        count: 0,
        width: 0,
        bytes: &[],
    };

    /// Where element `index` begins; where the run ends for its count.
    pub(super) fn offset(self, index: usize) -> usize {
        if self.shape != Shape::Mixed {
            return index * self.width;
        }
        if index <= self.count / 2 {
            let mut offset = 0;
            for _ in 0..index {
                offset += listpack::first_len(&self.bytes[offset..]);
            }
            offset
        } else {
            let mut offset = self.bytes.len();
            for _ in index..self.count {
                offset -= listpack::read_last(&self.bytes[..offset]).1;
            }
            offset
        }
    }

    /// Element `index`.
    ///
    /// # Panics
    /// If there is no such element.
    pub(super) fn get(self, index: usize) -> ListItem<'a> {
        assert!(index < self.count);
        let bytes = &self.bytes[self.offset(index)..];
        match self.shape {
            Shape::Mixed => listpack::read_first(bytes).0,
            Shape::Strings => ListItem::borrowed(&bytes[..self.width]),
            _ => ListItem::Integer(listpack::read_integer(&bytes[..self.width])),
        }
    }

    /// Elements `start..end` as a run.
    pub(super) fn part(self, start: usize, end: usize) -> Run<'a> {
        let bytes = if (start, end) == (0, self.count) {
            self.bytes
        } else {
            &self.bytes[self.offset(start)..self.offset(end)]
        };
        Run {
            count: end - start,
            bytes,
            ..self
        }
    }

    pub(super) fn iter(self) -> RunIter<'a> {
        RunIter {
            width: self.width,
            shape: self.shape,
            left: self.count,
            bytes: self.bytes,
        }
    }

    /// How many bytes the elements take as entries of a listpack, as they are stored here: a decimal
    /// form among strings counts as a string.
    pub(super) fn listpack_len(self) -> usize {
        match self.shape {
            Shape::Mixed => self.bytes.len(),
            Shape::Strings => self.count * listpack::string_len(self.width),
            _ => self
                .iter()
                .map(|item| match item {
                    ListItem::Integer(integer) => listpack::integer_len(integer),
                    ListItem::Bytes(bytes) => listpack::string_len(bytes.len()),
                })
                .sum(),
        }
    }

    /// Whether `element` can join without a change of shape.
    pub(super) fn takes(self, element: Element<'_>) -> bool {
        match self.shape {
            Shape::Mixed => true,
            Shape::Strings => self.count == 0 || element.text.len() == self.width,
            shape => element.integer.is_some() && Shape::of(element) as u8 <= shape as u8,
        }
    }

    /// Whether `element` can join without a change of shape, and the limit allows it.
    #[inline]
    pub(super) fn has_place_for(self, element: Element<'_>, limit: BlockLimit) -> bool {
        !self.is_full(limit)
            && self.takes(element)
            && self.bytes.len() + self.len_of(element) <= limit.bytes
    }

    /// Whether there are as many elements as the limit allows.
    pub(super) fn is_full(self, limit: BlockLimit) -> bool {
        // Empty strings take no bytes, but a node of them shall have an end too.
        self.count >= limit.count.min(limit.bytes)
    }

    /// Whether the bytes of both can lie in one block as they are.
    pub(super) fn has_form_of(self, other: Run<'_>) -> bool {
        self.shape == other.shape && (self.shape != Shape::Strings || self.width == other.width)
    }

    /// How many bytes `element` takes in a run of this shape, which takes it.
    pub(super) fn len_of(self, element: Element<'_>) -> usize {
        match self.shape {
            Shape::Mixed => element.listpack_len(),
            Shape::Strings => element.text.len(),
            _ => self.width,
        }
    }

    /// The smallest shape in which `element` can join, and how many bytes the run then has without
    /// and with it.
    pub(super) fn shape_with(self, element: Element<'_>) -> (Shape, usize, usize) {
        if self.count == 0 {
            let shape = Shape::of(element);
            let len = shape.integer_width().unwrap_or(element.text.len());
            return (shape, 0, len);
        }
        if self.takes(element) {
            return (
                self.shape,
                self.bytes.len(),
                self.bytes.len() + self.len_of(element),
            );
        }
        let mixed_len = self.mixed_len();
        let mixed = (Shape::Mixed, mixed_len, mixed_len + element.listpack_len());
        let wider = Shape::of(element);
        match (self.shape.integer_width(), wider.integer_width()) {
            (Some(_), Some(width)) if (self.count + 1) * width <= mixed.2 => {
                (wider, self.count * width, (self.count + 1) * width)
            }
            _ => mixed,
        }
    }

    /// How many bytes the run takes when it is mixed.
    pub(super) fn mixed_len(self) -> usize {
        match self.shape {
            Shape::Strings => self
                .iter()
                .map(|item| match item {
                    ListItem::Bytes(text) => Element::new(&text).listpack_len(),
                    ListItem::Integer(integer) => listpack::integer_len(integer),
                })
                .sum(),
            _ => self.listpack_len(),
        }
    }
}

/// The elements of a run from the front, from the back, or from both.
#[derive(Debug, Clone)]
pub(super) struct RunIter<'a> {
    shape: Shape,
    width: usize,
    left: usize,
    bytes: &'a [u8],
}

impl RunIter<'_> {
    /// How many bytes the elements that are left take.
    pub(super) fn rest_len(&self) -> usize {
        self.bytes.len()
    }
}

impl<'a> Iterator for RunIter<'a> {
    type Item = ListItem<'a>;

    #[inline]
    fn next(&mut self) -> Option<ListItem<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        if self.shape == Shape::Mixed {
            let (item, len) = listpack::read_first(self.bytes);
            self.bytes = &self.bytes[len..];
            return Some(item);
        }
        let (first, rest) = self.bytes.split_at(self.width);
        self.bytes = rest;
        Some(uniform_item(self.shape, first))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for RunIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        if self.shape == Shape::Mixed {
            let (item, len) = listpack::read_last(self.bytes);
            self.bytes = &self.bytes[..self.bytes.len() - len];
            return Some(item);
        }
        let (rest, last) = self.bytes.split_at(self.bytes.len() - self.width);
        self.bytes = rest;
        Some(uniform_item(self.shape, last))
    }
}

impl ExactSizeIterator for RunIter<'_> {}

#[inline]
fn uniform_item(shape: Shape, bytes: &[u8]) -> ListItem<'_> {
    if shape == Shape::Strings {
        ListItem::borrowed(bytes)
    } else {
        ListItem::Integer(listpack::read_integer(bytes))
    }
}
