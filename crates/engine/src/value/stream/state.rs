//! The stream: entries, groups, and what is remembered about both.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::block::BlockRef;
use super::entries::Entries;
use super::{Group, StreamId, StreamRange, Trim};
use crate::relocation::Relocator;
use crate::value::EncodingLimits;
use crate::value::packed::PackedItem;

/// The most bytes that the fields and values of an entry may have together.
const ENTRY_LEN_MAX: usize = 1 << 30;

/// The ID that a new entry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryId {
    /// The time, given here in milliseconds since 1970, or the ID after the last if that is greater.
    Automatic(u64),
    /// So many milliseconds; the stream chooses the number.
    Milliseconds(u64),
    /// This one.
    Exactly(StreamId),
}

/// Why an entry cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The last ID is the greatest that there is.
    #[error("the stream has exhausted the last possible ID")]
    Exhausted,
    /// The ID is not greater than the last.
    #[error("the ID is equal to or smaller than the last one")]
    NotGreater,
    /// The entry is larger than any may be.
    #[error("the entry is too large")]
    TooLarge,
}

fn len_of(pairs: &[&[u8]]) -> usize {
    pairs.iter().map(|part| part.len()).sum()
}

/// Groups by their names.
type Groups = BTreeMap<Box<[u8]>, Group>;

/// A stream. It may be empty and still know its last ID and its groups.
#[derive(Clone, Default)]
pub struct Stream {
    entries: Entries,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    /// In a box, as most streams of many have none.
    groups: Option<Box<Groups>>,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn from_entries(entries: Entries) -> Self {
        let first_id = entries.first_live().unwrap_or_default();
        Stream {
            entries,
            first_id,
            ..Self::default()
        }
    }

    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end. The nodes of its search
    /// trees stay where they are.
    pub(crate) fn relocate(&mut self, cursor: u128, relocator: &mut Relocator<'_>) -> u128 {
        let last = (cursor != 0).then(|| StreamId::new((cursor >> 64) as u64, cursor as u64));
        if let Some(groups) = &mut self.groups
            && last.is_none()
        {
            relocator.boxed(groups);
            for group in groups.values_mut() {
                group.relocate(relocator);
            }
        }
        let moved = self.entries.relocate(last, relocator);
        moved.map_or(0, |id| u128::from(id.ms) << 64 | u128::from(id.seq))
    }

    // Looking.

    /// Entries.
    pub fn len(&self) -> u64 {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ID of the first entry, `0-0` if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest ID that an entry ever had, or that it was set to.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The ID of the last entry that is there.
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.entries.last_live()
    }

    /// The greatest ID of those that were deleted one by one, `0-0` if none was.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Whether an entry is there.
    pub fn contains(&self, id: StreamId) -> bool {
        self.entries.contains(id)
    }

    /// The entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> StreamRange<'_> {
        StreamRange::new(&self.entries, start, end, false)
    }

    /// The same entries, the last one first.
    pub fn range_backwards(&self, start: StreamId, end: StreamId) -> StreamRange<'_> {
        StreamRange::new(&self.entries, start, end, true)
    }

    /// All entries.
    pub fn iter(&self) -> StreamRange<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// The blocks that the entries are kept in: what approximate trimming drops.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = BlockRef<'_>> {
        self.entries.blocks()
    }

    /// How many blocks there are.
    pub fn block_count(&self) -> usize {
        self.entries.block_count()
    }

    /// How many nodes the radix tree has that Redis would keep the blocks in. Of very many blocks only the
    /// first are looked at, and the others taken to be like them.
    pub fn radix_node_count(&self) -> u64 {
        const LOOKED_AT_MAX: usize = 10_000;
        let ids = self.blocks().map(BlockRef::first_id).take(LOOKED_AT_MAX);
        let nodes = super::radix::node_count(ids);
        let blocks = self.block_count();
        if blocks <= LOOKED_AT_MAX {
            return nodes;
        }
        (u128::from(nodes) * blocks as u128 / LOOKED_AT_MAX as u128) as u64
    }

    /// The ID at which the first block begins, be its entry deleted or not.
    pub fn first_block_id(&self) -> Option<StreamId> {
        self.blocks().next().map(BlockRef::first_id)
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// Bytes on the heap.
    pub fn memory_usage(&self) -> usize {
        let groups = self
            .groups()
            .map(|(name, group)| name.len() + group.memory_usage());
        self.entries.memory_usage() + groups.sum::<usize>()
    }

    // Changing entries.

    /// Adds an entry, whose fields and values `pairs` has in turn; answers its ID.
    ///
    /// # Errors
    /// When the ID is not greater than the last, or the entry too large; nothing is changed then.
    pub fn append(
        &mut self,
        id: EntryId,
        pairs: &[&[u8]],
        limits: &EncodingLimits,
    ) -> Result<StreamId, AppendError> {
        let id = self.next_id(id)?;
        let len = len_of(pairs);
        if len > ENTRY_LEN_MAX {
            return Err(AppendError::TooLarge);
        }
        let items = pairs.iter().map(|part| PackedItem::from_string(part));
        let items: SmallVec<[PackedItem<'_>; 16]> = items.collect();
        self.entries.append(id, &items, len as u64, limits);
        // It may be set to anything.
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len() == 1 {
            self.first_id = id;
        }
        Ok(id)
    }

    fn next_id(&self, id: EntryId) -> Result<StreamId, AppendError> {
        let last = self.last_id;
        let after_last = last.next().ok_or(AppendError::Exhausted)?;
        let id = match id {
            EntryId::Automatic(ms) if ms > last.ms => StreamId::new(ms, 0),
            EntryId::Automatic(_) => after_last,
            EntryId::Milliseconds(ms) if ms == last.ms => {
                // Where no number is left, the next ID would be of another millisecond.
                let is_same = after_last.ms == ms;
                is_same
                    .then_some(after_last)
                    .ok_or(AppendError::NotGreater)?
            }
            EntryId::Milliseconds(ms) => StreamId::new(ms, 0),
            EntryId::Exactly(id) => id,
        };
        if id <= last {
            return Err(AppendError::NotGreater);
        }
        Ok(id)
    }

    /// Whether fields and values are more than any entry may have.
    pub fn is_too_large(pairs: &[&[u8]]) -> bool {
        len_of(pairs) > ENTRY_LEN_MAX
    }

    /// Deletes an entry; answers whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        if !self.entries.delete(id) {
            return false;
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if self.is_empty() || id == self.first_id {
            self.update_first_id();
        }
        true
    }

    /// Drops old entries; answers how many.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let dropped = self.entries.trim(trim);
        if dropped > 0 {
            self.update_first_id();
        }
        dropped
    }

    fn update_first_id(&mut self) {
        self.first_id = self.entries.first_live().unwrap_or_default();
    }

    /// Sets the last ID, and how many entries were ever added, and the greatest deleted ID if given.
    /// The last ID must not be smaller than any entry's.
    pub fn set_facts(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        self.last_id = last_id;
        if let Some(entries_added) = entries_added {
            self.entries_added = entries_added;
        }
        if let Some(max_deleted_id) = max_deleted_id {
            self.max_deleted_id = max_deleted_id;
        }
    }

    // Groups.

    /// How many groups there are.
    pub fn group_len(&self) -> usize {
        self.groups.as_ref().map_or(0, |groups| groups.len())
    }

    /// The groups with their names, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        let groups = self.groups.iter().flat_map(|groups| groups.iter());
        groups.map(|(name, group)| (&name[..], group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.as_ref()?.get(name)
    }

    /// A group, for changing it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.as_mut()?.get_mut(name)
    }

    /// Makes a group that begins behind `last_id`, unless there is one of that name; answers whether
    /// it did.
    pub fn create_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<i64>,
    ) -> bool {
        if self.group(name).is_some() {
            return false;
        }
        self.insert_group(name, Group::new(last_id, entries_read));
        true
    }

    pub(super) fn insert_group(&mut self, name: &[u8], group: Group) {
        let groups = self.groups.get_or_insert_default();
        groups.insert(name.into(), group);
    }

    /// Destroys a group; answers whether it was there.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        let groups = self.groups.as_mut();
        let removed = groups.and_then(|groups| groups.remove(name));
        self.groups.take_if(|groups| groups.is_empty());
        removed.is_some()
    }

    /// Notes that a group was given the entry `id`: if that is behind its last, it goes on from
    /// there. Answers whether it does.
    pub fn note_read(&mut self, name: &[u8], id: StreamId) -> bool {
        let Some(group) = self.group(name) else {
            return false;
        };
        if id <= group.last_id() {
            return false;
        }
        let entries_read = self.entries_read_after(group, id);
        if let Some(group) = self.group_mut(name) {
            group.set_last_id(id, entries_read);
        }
        true
    }
}
