//! The entries of a stream: blocks in the order of their first IDs.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use super::block::{Block, BlockRef, Pairs};
use super::{StreamId, StreamRange};
use crate::relocation::Relocator;
use crate::value::EncodingLimits;

/// How large a block may grow, whatever the configuration says: Redis's limit for a listpack.
const NODE_BYTES_MAX: u64 = 1 << 30;

/// What trimming leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimTarget {
    /// So many of the newest entries.
    Length(u64),
    /// The entries from this ID on.
    From(StreamId),
}

/// How a stream is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// What is left.
    pub target: TrimTarget,
    /// Whether only whole blocks are dropped, so that more than asked may be left.
    pub is_approximate: bool,
    /// The most entries that are dropped; 0 is no limit. It is looked at block by block.
    pub limit: u64,
}

/// All blocks but the last, by their first IDs.
type Sealed = BTreeMap<StreamId, Box<Block>>;

/// The entries of a stream. The last block, which is the one that grows, lies here: so a short stream needs no tree.
#[derive(Clone, Default)]
pub(super) struct Entries {
    /// In a box, as most streams of many have none.
    sealed: Option<Box<Sealed>>,
    /// `None` if there is no block at all.
    tail: Option<Tail>,
    length: u64,
}

/// The last block.
#[derive(Clone)]
struct Tail {
    first: StreamId,
    block: Block,
}

impl Tail {
    fn as_ref(&self) -> BlockRef<'_> {
        BlockRef {
            first: self.first,
            block: &self.block,
        }
    }
}

/// Some blocks in order.
#[derive(Default)]
pub(super) struct BlockRange<'a> {
    sealed: btree_map::Range<'a, StreamId, Box<Block>>,
    tail: Option<BlockRef<'a>>,
}

/// A sealed block.
fn sealed_block<'a>((&first, block): (&'a StreamId, &'a impl AsRef<Block>)) -> BlockRef<'a> {
    let block = block.as_ref();
    BlockRef { first, block }
}

impl<'a> Iterator for BlockRange<'a> {
    type Item = BlockRef<'a>;

    fn next(&mut self) -> Option<BlockRef<'a>> {
        let sealed = self.sealed.next().map(sealed_block);
        sealed.or_else(|| self.tail.take())
    }
}

impl DoubleEndedIterator for BlockRange<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let tail = self.tail.take();
        tail.or_else(|| self.sealed.next_back().map(sealed_block))
    }
}

impl Entries {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn block_count(&self) -> usize {
        let sealed = self.sealed.as_ref().map_or(0, |sealed| sealed.len());
        sealed + usize::from(self.tail.is_some())
    }

    pub(super) fn blocks(&self) -> BlockRange<'_> {
        self.blocks_from(StreamId::MIN, StreamId::MAX)
    }

    /// The blocks that begin from one ID to another, which is not smaller.
    fn blocks_from(&self, start: StreamId, end: StreamId) -> BlockRange<'_> {
        let sealed = self.sealed.as_ref().map(|it| it.range(start..=end));
        let tail = self.tail.as_ref().map(Tail::as_ref);
        BlockRange {
            sealed: sealed.unwrap_or_default(),
            tail: tail.filter(|tail| (start..=end).contains(&tail.first)),
        }
    }

    /// Moves the first block behind `last`; answers the ID that it begins with, if there are more behind it.
    pub(super) fn relocate(
        &mut self,
        last: Option<StreamId>,
        relocator: &mut Relocator<'_>,
    ) -> Option<StreamId> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(sealed) = &mut self.sealed {
            if last.is_none() {
                relocator.boxed(sealed);
            }
            let next = sealed.range_mut((start, Bound::Unbounded)).next();
            if let Some((&first, block)) = next {
                relocator.boxed(block);
                block.relocate(relocator);
                return Some(first);
            }
        }
        if let Some(tail) = &mut self.tail {
            tail.block.relocate(relocator);
        }
        None
    }

    /// The blocks that may hold entries of a range; none if it is empty.
    pub(super) fn blocks_of(&self, start: StreamId, end: StreamId) -> BlockRange<'_> {
        if start > end {
            return BlockRange::default();
        }
        let from = self.block_of(start).map_or(start, |block| block.first);
        self.blocks_from(from, end)
    }

    /// The block that holds `id` if any does.
    fn block_of(&self, id: StreamId) -> Option<BlockRef<'_>> {
        let tail = self.tail.as_ref().map(Tail::as_ref);
        tail.filter(|tail| tail.first <= id).or_else(|| {
            let sealed = self.sealed.as_ref()?;
            sealed.range(..=id).next_back().map(sealed_block)
        })
    }

    /// Adds an entry behind all others, whose fields and values have `len` bytes.
    pub(super) fn append(
        &mut self,
        id: StreamId,
        pairs: Pairs<'_>,
        len: u64,
        limits: &EncodingLimits,
    ) {
        self.length += 1;
        while let Some(Tail { first, block }) = &mut self.tail {
            // When the last ID is set back, deleted entries may be in the way.
            let is_behind = block.last() < id;
            if !is_behind && block.live() == 0 {
                self.remove_last();
                continue;
            }
            if is_behind && has_room(block, len, limits) {
                return block.push(*first, id, pairs);
            }
            break;
        }
        self.append_block(id, Block::new(pairs));
        self.push_to_last(id, pairs);
    }

    /// Adds a block without entries, whose first entry `first` is yet to come.
    pub(super) fn append_block(&mut self, first: StreamId, block: Block) {
        if let Some(mut tail) = self.tail.replace(Tail { first, block }) {
            tail.block.close();
            let sealed = self.sealed.get_or_insert_default();
            sealed.insert(tail.first, Box::new(tail.block));
        }
    }

    fn push_to_last(&mut self, id: StreamId, pairs: Pairs<'_>) {
        if let Some(tail) = &mut self.tail {
            tail.block.push(tail.first, id, pairs);
        }
    }

    /// Adds an entry to the last block, however full it is.
    pub(super) fn append_to_last(&mut self, id: StreamId, pairs: Pairs<'_>, is_deleted: bool) {
        self.push_to_last(id, pairs);
        if !is_deleted {
            self.length += 1;
        } else if let Some(tail) = &mut self.tail {
            tail.block.delete_last();
        }
    }

    fn remove_last(&mut self) {
        let sealed = self.sealed.as_mut();
        let last = sealed.and_then(|sealed| sealed.pop_last());
        self.tail = last.map(|(first, block)| Tail {
            first,
            block: *block,
        });
        self.forget_empty_tree();
    }

    fn remove_first(&mut self) {
        let sealed = self.sealed.as_mut();
        if sealed.and_then(|sealed| sealed.pop_first()).is_none() {
            self.tail = None;
        }
        self.forget_empty_tree();
    }

    fn forget_empty_tree(&mut self) {
        self.sealed.take_if(|sealed| sealed.is_empty());
    }

    fn first_mut(&mut self) -> Option<(StreamId, &mut Block)> {
        let sealed = self.sealed.as_mut();
        match sealed.and_then(|sealed| sealed.iter_mut().next()) {
            Some((&first, block)) => Some((first, block)),
            None => self.tail.as_mut().map(|tail| (tail.first, &mut tail.block)),
        }
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        let block = self.block_of(id);
        block.is_some_and(|found| found.block.contains(found.first, id))
    }

    /// Deletes an entry; answers whether it was there. The block goes with its last entry.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        if let Some(tail) = &mut self.tail
            && tail.first <= id
        {
            if !tail.block.delete(tail.first, id) {
                return false;
            }
            if tail.block.live() == 0 {
                self.remove_last();
            }
        } else {
            let Some(sealed) = &mut self.sealed else {
                return false;
            };
            let Some((&first, block)) = sealed.range_mut(..=id).next_back() else {
                return false;
            };
            if !block.delete(first, id) {
                return false;
            }
            if block.live() == 0 {
                sealed.remove(&first);
                self.forget_empty_tree();
            }
        }
        self.length -= 1;
        true
    }

    /// Drops entries from the front; answers how many. A block whose entries may all go is dropped, and of the
    /// first one that may not some are deleted, unless the trimming is approximate.
    pub(super) fn trim(&mut self, trim: &Trim) -> u64 {
        let mut dropped = 0;
        let mut length = self.length;
        while let Some((first, block)) = self.first_mut() {
            if matches!(trim.target, TrimTarget::Length(target) if length <= target) {
                break;
            }
            let live = block.live();
            if trim.limit != 0 && dropped + live > trim.limit {
                break;
            }
            let may_go = match trim.target {
                TrimTarget::Length(target) => length - live >= target,
                TrimTarget::From(id) => block.last() < id,
            };
            if may_go {
                self.remove_first();
                length -= live;
                dropped += live;
                continue;
            }
            if !trim.is_approximate {
                let count = block.trim(first, |id, count| match trim.target {
                    TrimTarget::Length(target) => length - count <= target,
                    TrimTarget::From(target) => id >= target,
                });
                length -= count;
                dropped += count;
            }
            break;
        }
        self.length = length;
        dropped
    }

    pub(super) fn first_live(&self) -> Option<StreamId> {
        let mut entries = StreamRange::new(self, StreamId::MIN, StreamId::MAX, false);
        entries.next().map(|entry| entry.id)
    }

    pub(super) fn last_live(&self) -> Option<StreamId> {
        let mut blocks = self.blocks().rev();
        blocks.find_map(|found| found.block.last_live(found.first))
    }

    /// Bytes on the heap.
    pub(super) fn memory_usage(&self) -> usize {
        // A node of the tree is somewhat more than half full.
        let sealed_len = self.sealed.as_ref().map_or(0, |sealed| sealed.len());
        let of_each = 2 * size_of::<(StreamId, usize)>() + size_of::<Block>();
        let blocks = self.blocks().map(|found| found.block.memory_usage());
        sealed_len * of_each + blocks.sum::<usize>()
    }
}

/// Whether the block takes one more entry, whose fields and values have so many bytes.
fn has_room(block: &Block, added_len: u64, limits: &EncodingLimits) -> bool {
    let max_bytes = match limits.stream_node_max_bytes {
        0 => NODE_BYTES_MAX,
        bytes => bytes.min(NODE_BYTES_MAX),
    };
    block.listpack_len() + added_len < max_bytes
        && (limits.stream_node_max_entries == 0 || block.total() < limits.stream_node_max_entries)
}
