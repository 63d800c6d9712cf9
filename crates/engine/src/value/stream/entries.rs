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

/// Some blocks in order, with the IDs of their first entries.
pub(super) type BlockRange<'a> = btree_map::Range<'a, StreamId, Box<Block>>;

/// The entries of a stream.
#[derive(Clone, Default)]
pub(super) struct Entries {
    blocks: BTreeMap<StreamId, Box<Block>>,
    length: u64,
}

impl Entries {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn blocks(&self) -> impl DoubleEndedIterator<Item = BlockRef<'_>> {
        self.blocks
            .iter()
            .map(|(&first, block)| BlockRef { first, block })
    }

    /// Moves the first block behind `last`; answers the ID that it begins with, if there is one.
    pub(super) fn relocate(
        &mut self,
        last: Option<StreamId>,
        relocator: &mut Relocator<'_>,
    ) -> Option<StreamId> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        let (&first, block) = self.blocks.range_mut((start, Bound::Unbounded)).next()?;
        relocator.boxed(block);
        block.relocate(relocator);
        Some(first)
    }

    /// The blocks that may hold entries of a range; none if it is empty.
    pub(super) fn blocks_of(&self, start: StreamId, end: StreamId) -> Option<BlockRange<'_>> {
        let from = self.block_of(start).map_or(start, |block| block.first);
        (start <= end).then(|| self.blocks.range(from..=end))
    }

    /// The block that holds `id` if any does.
    fn block_of(&self, id: StreamId) -> Option<BlockRef<'_>> {
        let (&first, block) = self.blocks.range(..=id).next_back()?;
        Some(BlockRef { first, block })
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
        while let Some(mut last) = self.blocks.last_entry() {
            let first = *last.key();
            let block = last.get_mut();
            // When the last ID is set back, deleted entries may be in the way.
            let is_behind = block.last() < id;
            if !is_behind && block.live() == 0 {
                last.remove();
                continue;
            }
            if is_behind && has_room(block, len, limits) {
                return block.push(first, id, pairs);
            }
            block.close();
            break;
        }
        self.append_block(id, Block::new(pairs));
        self.push_to_last(id, pairs);
    }

    /// Adds a block without entries, whose first entry `first` is yet to come.
    pub(super) fn append_block(&mut self, first: StreamId, block: Block) {
        self.blocks.insert(first, Box::new(block));
    }

    fn push_to_last(&mut self, id: StreamId, pairs: Pairs<'_>) {
        if let Some(mut last) = self.blocks.last_entry() {
            let first = *last.key();
            last.get_mut().push(first, id, pairs);
        }
    }

    /// Adds an entry to the last block, however full it is.
    pub(super) fn append_to_last(&mut self, id: StreamId, pairs: Pairs<'_>, is_deleted: bool) {
        self.push_to_last(id, pairs);
        if !is_deleted {
            self.length += 1;
        } else if let Some(mut last) = self.blocks.last_entry() {
            last.get_mut().delete_last();
        }
    }

    /// Frees the room that the last block keeps for more entries.
    pub(super) fn close_last(&mut self) {
        if let Some(mut last) = self.blocks.last_entry() {
            last.get_mut().close();
        }
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        let block = self.block_of(id);
        block.is_some_and(|found| found.block.contains(found.first, id))
    }

    /// Deletes an entry; answers whether it was there. The block goes with its last entry.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some((&first, block)) = self.blocks.range_mut(..=id).next_back() else {
            return false;
        };
        if !block.delete(first, id) {
            return false;
        }
        if block.live() == 0 {
            self.blocks.remove(&first);
        }
        self.length -= 1;
        true
    }

    /// Drops entries from the front; answers how many. A block whose entries may all go is dropped, and of the
    /// first one that may not some are deleted, unless the trimming is approximate.
    pub(super) fn trim(&mut self, trim: &Trim) -> u64 {
        let mut dropped = 0;
        while let Some(mut head) = self.blocks.first_entry() {
            let first = *head.key();
            let block = head.get_mut();
            if matches!(trim.target, TrimTarget::Length(length) if self.length <= length) {
                break;
            }
            let live = block.live();
            if trim.limit != 0 && dropped + live > trim.limit {
                break;
            }
            let may_go = match trim.target {
                TrimTarget::Length(length) => self.length - live >= length,
                TrimTarget::From(id) => block.last() < id,
            };
            if may_go {
                head.remove();
                self.length -= live;
                dropped += live;
                continue;
            }
            if !trim.is_approximate {
                let length = self.length;
                let count = block.trim(first, |id, count| match trim.target {
                    TrimTarget::Length(target) => length - count <= target,
                    TrimTarget::From(target) => id >= target,
                });
                self.length -= count;
                dropped += count;
            }
            break;
        }
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
        let tree = self.blocks.len() * 2 * size_of::<(StreamId, usize)>();
        let blocks = self.blocks.values().map(|block| block.memory_usage());
        tree + blocks.sum::<usize>()
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
