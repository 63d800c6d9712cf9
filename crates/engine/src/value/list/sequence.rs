//! The list as commands see it: its two forms behind one API.
//!
//! # Which form, and which encoding
//!
//! Two decisions are taken apart here. What OBJECT ENCODING is told follows Redis 8.0: a list is a `listpack`
//! until what is added would take the whole beyond `list-max-listpack-size`, and becomes one again
//! when it has shrunk to half of that. How the list is kept follows from what is fast: bytes inside the entry
//! are copied at each write, so from 1 KiB on a list has nodes, even if it still answers `listpack`.

use super::block::Block;
use super::element::{Element, ListItem};
use super::iter::Iter;
use super::limit::BlockLimit;
use super::listpack;
use super::packed::{self, PackedBlock};
use super::quicklist::Quicklist;
use crate::relocation::Relocator;
use crate::value::EncodingLimits;
use crate::value::packed::IntegerText;
use std::ops::Range;

/// The most bytes of elements in a packed list, and the most elements.
const PACKED_MAX: usize = if cfg!(test) { 64 } else { 1024 };

/// The most bytes that a big list may have to be packed. Lower than [`PACKED_MAX`], so that a list around
/// that size is not converted to and fro.
const REPACKED_MAX: usize = PACKED_MAX / 2;

/// One end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Where index 0 is; the left, in the words of the commands.
    Front,
    /// Where index -1 is; the right.
    Back,
}

/// A list of strings.
#[derive(Debug, Clone)]
pub enum List {
    /// All elements in one string of bytes; no bytes are no elements.
    Packed(Vec<u8>),
    /// Elements in nodes.
    Quicklist(Quicklist),
}

impl List {
    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end.
    pub(crate) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        match self {
            Self::Packed(bytes) => {
                relocator.vec(bytes);
                0
            }
            Self::Quicklist(list) => list.relocate(cursor, relocator),
        }
    }
}

/// A list that is only read.
#[derive(Debug, Clone, Copy)]
pub enum ListRef<'a> {
    /// The bytes of a packed list.
    Packed(&'a [u8]),
    /// Elements in nodes.
    Quicklist(&'a Quicklist),
}

impl List {
    /// A list without elements.
    pub fn new() -> Self {
        Self::Packed(Vec::new())
    }

    /// The list for reading.
    #[inline]
    pub fn as_ref(&self) -> ListRef<'_> {
        match self {
            Self::Packed(bytes) => ListRef::Packed(bytes),
            Self::Quicklist(list) => ListRef::Quicklist(list),
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `value` before the first element.
    pub fn push_front(&mut self, value: &[u8], limits: &EncodingLimits) {
        self.push_all(End::Front, std::iter::once(value), limits);
    }

    /// Puts `value` behind the last element.
    pub fn push_back(&mut self, value: &[u8], limits: &EncodingLimits) {
        self.push_all(End::Back, std::iter::once(value), limits);
    }

    /// Pushes the values at `end`, one after another: at the front they will be in reverse order.
    ///
    /// The values count together when it is decided whether the list stays a listpack, as the arguments
    /// of one command do in Redis.
    pub fn push_all<'v>(
        &mut self,
        end: End,
        values: impl Iterator<Item = &'v [u8]> + Clone,
        limits: &EncodingLimits,
    ) {
        let (bytes, count) = values.clone().fold((0, 0), |(bytes, count), value| {
            (bytes + value.len(), count + 1)
        });
        let limit = BlockLimit::new(limits);
        self.grow_for(bytes, count, limit);
        for value in values {
            let element = Element::new(value);
            if let Self::Quicklist(list) = self
                && list.push_end(end, element, limit)
            {
                continue;
            }
            let index = match end {
                End::Front => 0,
                End::Back => self.len(),
            };
            self.put(index, element, limit);
        }
    }

    /// Puts the elements of `other` behind the last one.
    pub fn append(&mut self, other: ListRef<'_>, limits: &EncodingLimits) {
        let mut text = IntegerText::new();
        for item in other.iter() {
            self.push_back(item.as_bytes(&mut text), limits);
        }
    }

    /// Removes the element at `end` and answers it.
    pub fn pop(&mut self, end: End, limits: &EncodingLimits) -> Option<Vec<u8>> {
        let mut value = None;
        self.take_end(end, limits, |item| value = Some(item.to_vec()));
        value
    }

    /// Removes the element at `end`, if there is one, after it was read.
    pub fn take_end(
        &mut self,
        end: End,
        limits: &EncodingLimits,
        mut read: impl FnMut(ListItem<'_>),
    ) {
        let Some(last) = self.len().checked_sub(1) else {
            return;
        };
        let limit = BlockLimit::new(limits);
        let index = match end {
            End::Front => 0,
            End::Back => last,
        };
        let is_taken = match self {
            Self::Packed(_) => false,
            Self::Quicklist(list) => list.take_end(end, limit, &mut read),
        };
        if !is_taken {
            self.as_ref().get(index).into_iter().for_each(read);
            self.cut(index..index + 1, limit);
        }
        self.settle(limit);
    }

    /// Puts `value` in so that it will be element `index`.
    ///
    /// # Panics
    /// If `index` is greater than the number of elements.
    pub fn insert(&mut self, index: usize, value: &[u8], limits: &EncodingLimits) {
        assert!(index <= self.len());
        let limit = BlockLimit::new(limits);
        self.grow_for(value.len(), 1, limit);
        self.put(index, Element::new(value), limit);
    }

    /// Puts `value` in beside the first element that is `pivot`: before it, or behind it if `after`. Answers
    /// whether there was such an element.
    pub fn insert_beside(
        &mut self,
        pivot: &[u8],
        after: bool,
        value: &[u8],
        limits: &EncodingLimits,
    ) -> bool {
        let limit = BlockLimit::new(limits);
        self.grow_for(value.len(), 1, limit);
        let Some(index) = self.as_ref().find(pivot) else {
            return false;
        };
        self.put(index + usize::from(after), Element::new(value), limit);
        true
    }

    /// Puts `value` in the place of element `index` and answers whether there was one.
    pub fn set(&mut self, index: usize, value: &[u8], limits: &EncodingLimits) -> bool {
        let limit = BlockLimit::new(limits);
        self.grow_for(value.len(), 1, limit);
        if index >= self.len() {
            return false;
        }
        let element = Element::new(value);
        match self {
            Self::Packed(bytes) if packed::run(bytes).takes(element) => {
                let longer = element.text.len();
                if bytes.len() + longer <= PACKED_MAX {
                    PackedBlock(bytes).replace(index, element);
                } else {
                    self.set_by_insertion(index, element, limit);
                }
            }
            Self::Packed(_) => self.set_by_insertion(index, element, limit),
            Self::Quicklist(list) => list.replace(index, element, limit),
        }
        self.settle(limit);
        true
    }

    /// Removes the elements of `range`; what lies beyond the end does not matter.
    pub fn remove(&mut self, range: Range<usize>, limits: &EncodingLimits) {
        let limit = BlockLimit::new(limits);
        self.cut(range, limit);
        self.settle(limit);
    }

    /// Removes all elements but those of `range`.
    pub fn keep(&mut self, range: Range<usize>, limits: &EncodingLimits) {
        let limit = BlockLimit::new(limits);
        self.cut(range.end..self.len(), limit);
        self.cut(0..range.start, limit);
        self.settle(limit);
    }

    /// Removes elements that are `value`, `most` of them at most, beginning at `from`, and answers how many
    /// there were.
    pub fn remove_equal(
        &mut self,
        value: &[u8],
        most: usize,
        from: End,
        limits: &EncodingLimits,
    ) -> usize {
        let element = Element::new(value);
        let limit = BlockLimit::new(limits);
        let backward = from == End::Back;
        let removed = match self {
            Self::Packed(bytes) => PackedBlock(bytes).remove_equal(element, most, backward),
            Self::Quicklist(list) => list.remove_equal(element, most, backward, limit),
        };
        self.settle(limit);
        removed
    }

    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.capacity(),
            Self::Quicklist(list) => list.memory_usage(),
        }
    }

    /// Makes the list a quicklist if it is no listpack any more with so much added.
    fn grow_for(&mut self, bytes: usize, count: usize, limit: BlockLimit) {
        match self {
            Self::Packed(packed) => {
                let run = packed::run(packed);
                // An integer takes ten bytes at most, and to find its exact length takes time.
                let most = match run.shape.integer_width() {
                    Some(_) => run.count * 10,
                    None => run.listpack_len(),
                };
                let frame = listpack::FRAME_LEN + bytes;
                let count = run.count + count;
                if limit.is_exceeded(most + frame, count)
                    && limit.is_exceeded(run.listpack_len() + frame, count)
                {
                    *self = Self::Quicklist(Quicklist::from_run(run, false));
                }
            }
            Self::Quicklist(list) if list.answers_listpack => {
                let stays = list
                    .listpack_len(limit.bytes)
                    .is_some_and(|len| !limit.is_exceeded(len + bytes, list.len() + count));
                list.answers_listpack = stays;
            }
            Self::Quicklist(_) => {}
        }
    }

    /// Puts an element in, once it is clear whether the list stays a listpack.
    fn put(&mut self, index: usize, element: Element<'_>, limit: BlockLimit) {
        if let Self::Packed(bytes) = self {
            let run = packed::run(bytes);
            let (shape, _, len) = run.shape_with(element);
            if len <= PACKED_MAX && run.count < PACKED_MAX {
                let is_empty = run.count == 0;
                let mut block = PackedBlock(bytes);
                if !is_empty {
                    block.reshape(shape);
                }
                block.insert(index, element);
                return;
            }
        }
        self.unpack().insert(index, element, limit);
    }

    fn set_by_insertion(&mut self, index: usize, element: Element<'_>, limit: BlockLimit) {
        self.put(index, element, limit);
        self.cut(index + 1..index + 2, limit);
    }

    fn cut(&mut self, range: Range<usize>, limit: BlockLimit) {
        let end = range.end.min(self.len());
        let Some(removed @ 1..) = end.checked_sub(range.start) else {
            return;
        };
        match self {
            Self::Packed(bytes) => PackedBlock(bytes).remove(range.start, removed),
            Self::Quicklist(list) => list.remove(range.start, removed, limit),
        }
    }

    /// The list with nodes.
    fn unpack(&mut self) -> &mut Quicklist {
        if let Self::Packed(bytes) = self {
            *self = Self::Quicklist(Quicklist::from_run(packed::run(bytes), true));
        }
        match self {
            Self::Quicklist(list) => list,
            Self::Packed(_) => unreachable!("it has just been given nodes"),
        }
    }

    /// Goes back to a smaller form if the list has shrunk enough.
    fn settle(&mut self, limit: BlockLimit) {
        let Self::Quicklist(list) = self else {
            return;
        };
        if list.is_empty() {
            *self = Self::new();
            return;
        }
        if !list.answers_listpack {
            list.answers_listpack = list
                .listpack_len(limit.undercut_bytes())
                .is_some_and(|len| limit.is_undercut(len, list.len()));
        }
        if !list.answers_listpack
            || list.len() > REPACKED_MAX
            || list.block_len(REPACKED_MAX).is_none()
        {
            return;
        }
        if let Some(node) = list.join()
            && node.len() <= PACKED_MAX
        {
            *self = Self::Packed(packed::from_run(node.run()));
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> ListRef<'a> {
    /// How many elements there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(bytes) => packed::run(bytes).count,
            Self::Quicklist(list) => list.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Packed(_) => "listpack",
            Self::Quicklist(list) if list.answers_listpack => "listpack",
            Self::Quicklist(_) => "quicklist",
        }
    }

    /// Element `index`.
    pub fn get(self, index: usize) -> Option<ListItem<'a>> {
        match self {
            Self::Packed(bytes) => {
                let run = packed::run(bytes);
                (index < run.count).then(|| run.get(index))
            }
            Self::Quicklist(list) => list.get(index),
        }
    }

    /// The index that `index` means, where -1 is the last element, if there is such an element.
    pub fn resolve(self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 {
            len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
        } else {
            usize::try_from(index).ok()?
        };
        (index < len).then_some(index)
    }

    /// The elements from `first` to `last`, both included, where -1 is the last element and what lies
    /// beyond the ends does not matter; an empty range if there are none.
    pub fn resolve_range(self, first: i64, last: i64) -> Range<usize> {
        // No list has more elements than an i64 can count.
        let len = self.len() as i64;
        let from_front = |index: i64| if index < 0 { index + len } else { index };
        let start = from_front(first).max(0);
        let end = from_front(last).min(len - 1) + 1;
        if start >= end {
            return 0..0;
        }
        start as usize..end as usize
    }

    /// All elements.
    pub fn iter(self) -> Iter<'a> {
        self.range(0..self.len())
    }

    /// Elements `range`, as far as there are such elements.
    #[inline]
    pub fn range(self, range: Range<usize>) -> Iter<'a> {
        match self {
            Self::Packed(bytes) => Iter::over_run(packed::run(bytes), range, false),
            Self::Quicklist(list) => Iter::over_nodes(list, range, false),
        }
    }

    /// Elements `range`, as far as there are such elements, the last one first.
    pub fn range_back(self, range: Range<usize>) -> Iter<'a> {
        match self {
            Self::Packed(bytes) => Iter::over_run(packed::run(bytes), range, true),
            Self::Quicklist(list) => Iter::over_nodes(list, range, true),
        }
    }

    /// The index of the first element that is `value`.
    pub fn find(self, value: &[u8]) -> Option<usize> {
        let element = Element::new(value);
        self.iter().position(|item| element.is(&item))
    }

    /// Visits the indexes of elements that are `value`, in the order in which they are found.
    ///
    /// A positive `rank` seeks from the front and a negative one from the back; the first `|rank| - 1` finds are
    /// passed over. No more than `max_len` elements are looked at. `visit` answers whether to go on.
    pub fn positions(
        self,
        value: &[u8],
        rank: i64,
        max_len: usize,
        mut visit: impl FnMut(usize) -> bool,
    ) {
        let element = Element::new(value);
        let len = self.len();
        let items = if rank < 0 {
            self.range_back(len.saturating_sub(max_len)..len)
        } else {
            self.range(0..max_len)
        };
        let mut to_skip = rank.unsigned_abs().saturating_sub(1);
        for (step, item) in items.enumerate() {
            if !element.is(&item) {
                continue;
            }
            if to_skip > 0 {
                to_skip -= 1;
                continue;
            }
            let index = if rank < 0 { len - 1 - step } else { step };
            if !visit(index) {
                return;
            }
        }
    }

    /// About as much as [`Self::memory_usage`], found quickly however long the list is.
    pub fn approximate_bytes(self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len(),
            Self::Quicklist(list) => list.approximate_bytes(),
        }
    }

    /// Bytes on the heap; those of a packed list are counted as its length.
    pub fn memory_usage(self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len(),
            Self::Quicklist(list) => list.memory_usage(),
        }
    }
}
