//! A node of a big list: a block with room at both ends.
//!
//! Elements are pushed and popped at the ends of a list, so a node keeps its bytes somewhere within its
//! allocation, and a gap at either side. A push or pop at an end moves a mark and no bytes; a change in the
//! middle moves the shorter side. When the gap at the side in need is too small, the bytes are
//! laid out anew, in a bigger allocation or, if the other gap is big, in one of the same size: either way the
//! new gap is a fixed share of the node, so a push costs constant time on average.
//!
//! A node may be compressed. Then its bytes are nowhere, and it must be opened before it is read or changed; how many
//! elements it has and how many bytes they take is known all the same.

use std::borrow::Cow;
use std::cell::RefCell;

use super::block::{self, Block};
use super::element::{Element, ListItem};
use super::limit::BlockLimit;
use super::listpack;
use super::run::{Run, Shape};
use super::sequence::End;
use crate::lzf::{self, Compressor};
use crate::relocation::Relocator;
use crate::table::prefetch;

/// Elements of a big list that lie side by side. There is always at least one.
#[derive(Debug)]
pub(super) struct Node {
    block: Box<[u8]>,
    end: usize,
    width: usize,
    /// Only a node within the limit has a gap before its bytes, so it is never wide.
    start: u32,
    count: u32,
    /// What [`Run::listpack_len`] would count for integers: it is asked for at every push while the list
    /// answers `listpack`. Of other shapes it is known without counting, and not kept here.
    integers_len: u32,
    shape: Shape,
    state: State,
}

/// Whether a node is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The block is what LZF makes of the bytes; `start` is 0, and `end` how many bytes those are.
    Compressed,
    /// Compressing was tried since the last change, and saved too little.
    Incompressible,
}

/// Bytes from which a node is worth being compressed, as in Redis.
const COMPRESSED_MIN: usize = 48;
/// Bytes that must be saved, as in Redis.
const SAVED_MIN: usize = 8;

thread_local! {
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
}

impl Node {
    pub(super) fn with_element(element: Element<'_>) -> Self {
        let shape = Shape::of(element);
        let integer = element.integer.unwrap_or(0).to_le_bytes();
        let bytes = match shape.integer_width() {
            Some(width) => &integer[..width],
            None => element.text,
        };
        Self::from_run(Run {
            shape,
            count: 1,
            width: bytes.len(),
            bytes,
        })
    }

    /// A node of `element`, with room for so many bytes in all: the others are pushed at `end`.
    pub(super) fn with_room(element: Element<'_>, end: End, bytes: usize) -> Self {
        let mut node = Self::with_element(element);
        let len = node.len();
        if bytes > len {
            let mut block = vec![0; bytes].into_boxed_slice();
            let start = match end {
                End::Front => bytes - len,
                End::Back => 0,
            };
            block[start..start + len].copy_from_slice(&node.block);
            node.block = block;
            (node.start, node.end) = (start as u32, start + len);
        }
        node
    }

    /// A node of these elements, without a gap.
    pub(super) fn from_run(run: Run<'_>) -> Self {
        let mut node = Self {
            block: run.bytes.into(),
            start: 0,
            end: run.bytes.len(),
            count: run.count as u32,
            width: run.width,
            integers_len: 0,
            shape: run.shape,
            state: State::Open,
        };
        node.count_integers();
        node
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Bytes of the elements.
    pub(super) fn len(&self) -> usize {
        self.end - self.start as usize
    }

    /// How many bytes the elements take as entries of a listpack.
    pub(super) fn listpack_len(&self) -> usize {
        match self.shape.integer_width() {
            Some(_) => self.integers_len as usize,
            None if self.shape == Shape::Mixed => self.len(),
            None => self.count() * listpack::string_len(self.width),
        }
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.state == State::Compressed
    }

    /// Compresses the node, if that saves something.
    pub(super) fn compress(&mut self) {
        if self.state != State::Open {
            return;
        }
        self.state = State::Incompressible;
        if self.len() < COMPRESSED_MIN {
            return;
        }
        let mut block = Vec::new();
        let bytes = self.run().bytes;
        let saves = COMPRESSOR.with_borrow_mut(|compressor| {
            compressor.compress(bytes, bytes.len() - SAVED_MIN, &mut block)
        });
        if saves {
            (self.start, self.end) = (0, bytes.len());
            self.block = block.into_boxed_slice();
            self.state = State::Compressed;
        } else {
            self.shrink_to_fit();
        }
    }

    /// Moves its block.
    pub(super) fn relocate(&mut self, relocator: &mut Relocator<'_>) {
        relocator.boxed(&mut self.block);
    }

    /// Makes the node one whose elements can be reached and changed.
    #[inline]
    pub(super) fn open(&mut self) {
        if self.state != State::Open {
            self.reopen();
        }
    }

    #[cold]
    fn reopen(&mut self) {
        if self.is_compressed() {
            self.block = self.decompressed();
        }
        self.state = State::Open;
    }

    /// The node if its elements can be reached, or else a copy of which that is true.
    pub(super) fn opened(&self) -> Cow<'_, Self> {
        if !self.is_compressed() {
            return Cow::Borrowed(self);
        }
        let mut node = self.clone();
        node.reopen();
        Cow::Owned(node)
    }

    fn decompressed(&self) -> Box<[u8]> {
        lzf::decompress(&self.block, self.end)
            .expect("it is what the node's own bytes were compressed to")
            .into_boxed_slice()
    }

    /// Asks the processor for where the first element begins.
    pub(super) fn prefetch_front(&self) {
        prefetch(self.block.as_ptr().wrapping_add(self.start as usize));
    }

    /// Asks the processor for the last element: for both ends of it, where it is known how long it is.
    pub(super) fn prefetch_back(&self) {
        let address_of = |index| self.block.as_ptr().wrapping_add(index);
        prefetch(address_of(self.end.saturating_sub(1)));
        prefetch(address_of(self.end.saturating_sub(self.width)));
    }

    /// Bytes of the allocation.
    pub(super) fn capacity(&self) -> usize {
        self.block.len()
    }

    /// Gives back the gaps if they are worth it: no more will be pushed here for a while.
    pub(super) fn shrink_to_fit(&mut self) {
        if self.capacity() - self.len() > self.len() / 64 {
            self.block = self.run().bytes.into();
            (self.start, self.end) = (0, self.block.len());
        }
    }

    /// [`Block::insert`].
    pub(super) fn insert_element(&mut self, index: usize, element: Element<'_>) {
        self.insert(index, element);
        self.integers_len += self.integer_len(index);
    }

    /// [`Block::replace`].
    pub(super) fn replace_element(&mut self, index: usize, element: Element<'_>) {
        self.integers_len -= self.integer_len(index);
        self.replace(index, element);
        self.integers_len += self.integer_len(index);
    }

    /// [`Block::remove`].
    pub(super) fn remove_elements(&mut self, index: usize, removed: usize) {
        if self.shape.integer_width().is_some() {
            let removed = self.run().part(index, index + removed);
            self.integers_len -= removed.listpack_len() as u32;
        }
        self.remove(index, removed);
    }

    /// Puts `element` at `end`, if the node is open and takes it as it is, the limit allows it, and the gap there is big enough;
    /// answers whether that is so.
    #[inline]
    pub(super) fn push_end(&mut self, end: End, element: Element<'_>, limit: BlockLimit) -> bool {
        let run = self.run();
        if self.state != State::Open || !run.has_place_for(element, limit) {
            return false;
        }
        let added = run.len_of(element);
        let (start, behind) = (self.start as usize, self.end);
        let at = match end {
            End::Front if added <= start => start - added,
            End::Back if added <= self.block.len() - behind => behind,
            _ => return false,
        };
        block::write(self.shape, &mut self.block[at..at + added], element);
        match end {
            End::Front => self.start = at as u32,
            End::Back => self.end = at + added,
        }
        self.count += 1;
        if let Some(integer) = element.integer
            && self.shape.integer_width().is_some()
        {
            self.integers_len += listpack::integer_len(integer) as u32;
        }
        true
    }

    /// Takes the element at `end` out of an open node that has one, after it was read.
    pub(super) fn take_end(&mut self, end: End, read: impl FnOnce(ListItem<'_>)) {
        let mut items = self.run().iter();
        let item = match end {
            End::Front => items.next(),
            End::Back => items.next_back(),
        };
        let Some(item) = item else { return };
        let removed = self.len() - items.rest_len();
        let integer_len = match item {
            ListItem::Integer(integer) if self.shape != Shape::Mixed => {
                listpack::integer_len(integer)
            }
            _ => 0,
        };
        read(item);
        match end {
            End::Front => self.start += removed as u32,
            End::Back => self.end -= removed,
        }
        self.count -= 1;
        self.integers_len -= integer_len as u32;
    }

    /// [`Block::remove_equal`].
    pub(super) fn remove_elements_equal(
        &mut self,
        element: Element<'_>,
        most: usize,
        backward: bool,
    ) -> usize {
        if self.is_compressed() {
            // It stays compressed unless something is found.
            let mut node = self.opened().into_owned();
            let removed = node.remove_elements_equal(element, most, backward);
            if removed > 0 {
                *self = node;
            }
            return removed;
        }
        let removed = self.remove_equal(element, most, backward);
        if removed > 0 {
            self.state = State::Open;
            self.count_integers();
        }
        removed
    }

    /// [`Block::reshape`].
    pub(super) fn change_shape(&mut self, shape: Shape) {
        if shape != self.shape {
            self.reshape(shape);
            self.count_integers();
        }
    }

    /// Takes the elements from `index` on away into a node of their own.
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        let rest = Self::from_run(self.run().part(index, self.count()));
        self.remove(index, rest.count());
        self.integers_len -= rest.integers_len;
        rest
    }

    /// Puts the elements of `other` behind those of this node, if they fit into `most` bytes, and
    /// answers whether it has.
    pub(super) fn append(&mut self, other: &mut Self, most: usize) -> bool {
        self.open();
        other.open();
        if !self.run().has_form_of(other.run()) {
            if self.run().mixed_len() + other.run().mixed_len() > most {
                return false;
            }
            self.change_shape(Shape::Mixed);
            other.change_shape(Shape::Mixed);
        }
        if self.len() + other.len() > most {
            return false;
        }
        let (shape, count, width) = (self.shape, self.count() + other.count(), self.width);
        self.splice(self.len(), 0, other.len())
            .copy_from_slice(other.run().bytes);
        self.set_form(shape, count, width);
        self.integers_len += other.integers_len;
        true
    }

    /// How much element `index` counts in `integers_len`.
    fn integer_len(&self, index: usize) -> u32 {
        if self.shape.integer_width().is_none() {
            return 0;
        }
        self.run().part(index, index + 1).listpack_len() as u32
    }

    fn count_integers(&mut self) {
        self.integers_len = match self.shape.integer_width() {
            Some(_) => self.run().listpack_len() as u32,
            None => 0,
        };
    }

    /// Makes room in the middle of the bytes by laying them out anew.
    fn lay_out(&mut self, at: usize, removed: usize, added: usize) {
        let old = self.run().bytes;
        let (front, back) = (&old[..at], &old[at + removed..]);
        let len = front.len() + added + back.len();
        let at_front = front.len() < back.len();
        let capacity = if len + self.capacity() / 8 <= self.capacity() {
            self.capacity()
        } else {
            (len + len / 4).max(MIN_CAPACITY)
        };
        let gap = capacity - len;
        // Whoever pushes at one end only shall have the whole gap there; otherwise neither side
        // may take it all from the other, or pushes at both would lay out the node every time.
        let other_gap = if at_front {
            self.block.len() - self.end
        } else {
            self.start as usize
        };
        let wanted = if other_gap == 0 { gap } else { gap - gap / 2 };
        let start = if at_front { wanted } else { gap - wanted };

        // Only what is not written at once is filled with zeros.
        let mut block = Vec::with_capacity(capacity);
        block.resize(start, 0);
        block.extend_from_slice(front);
        block.resize(start + at + added, 0);
        block.extend_from_slice(back);
        block.resize(capacity, 0);
        self.block = block.into_boxed_slice();
        (self.start, self.end) = (start as u32, start + len);
    }
}

/// What a node of few and short elements allocates at first, in bytes.
const MIN_CAPACITY: usize = 64;

impl Block for Node {
    #[inline]
    fn run(&self) -> Run<'_> {
        Run {
            shape: self.shape,
            count: self.count(),
            width: self.width,
            bytes: &self.block[self.start as usize..self.end],
        }
    }

    fn splice(&mut self, at: usize, removed: usize, added: usize) -> &mut [u8] {
        let (start, end) = (self.start as usize, self.end);
        let (front, back) = (at, self.len() - at - removed);
        let tail = start + at + removed;
        let moves_front = front < back;
        if added <= removed {
            let less = removed - added;
            if moves_front {
                self.block.copy_within(start..start + at, start + less);
                self.start += less as u32;
            } else {
                self.block.copy_within(tail..end, tail - less);
                self.end -= less;
            }
        } else {
            let more = added - removed;
            if moves_front && start >= more {
                self.block.copy_within(start..start + at, start - more);
                self.start -= more as u32;
            } else if !moves_front && self.block.len() - end >= more {
                self.block.copy_within(tail..end, tail + more);
                self.end += more;
            } else {
                self.lay_out(at, removed, added);
            }
        }
        let at = self.start as usize + at;
        &mut self.block[at..at + added]
    }

    fn set_form(&mut self, shape: Shape, count: usize, width: usize) {
        self.shape = shape;
        self.count = count as u32;
        self.width = width;
    }
}

impl Clone for Node {
    /// The copy has no gaps.
    fn clone(&self) -> Self {
        if !self.is_compressed() {
            return Self::from_run(self.run());
        }
        Self {
            block: self.block.clone(),
            ..*self
        }
    }
}
