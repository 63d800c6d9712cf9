//! Building a stream from its parts, for those who load one that was written down.

use std::collections::BTreeMap;

use super::block::Block;
use super::entries::Entries;
use super::{Group, Pending, Stream, StreamId};
use crate::value::packed::PackedItem;

/// What is wrong with the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// An ID that is not greater than the one before.
    #[error("the IDs of a stream's entries do not ascend")]
    NotAscending,
    /// Fields without a value.
    #[error("an entry of a stream has a field without a value")]
    OddPairs,
    /// The last ID is smaller than an entry's.
    #[error("a stream's last ID is smaller than that of an entry")]
    LastIdTooSmall,
    /// Two groups of one name.
    #[error("a stream has two groups of one name")]
    DuplicateGroup,
    /// Two consumers of one name in a group.
    #[error("a consumer group has two consumers of one name")]
    DuplicateConsumer,
    /// An ID is pending twice in a group.
    #[error("a consumer group has an ID pending twice")]
    DuplicatePending,
    /// A consumer has an ID that its group does not have, or that another consumer has too.
    #[error("a consumer has an ID pending that is not its group's to give")]
    UnknownPending,
    /// A pending ID that no consumer has.
    #[error("a consumer group has an ID pending that no consumer has")]
    UnownedPending,
}

/// A stream that is being built, entry by entry and block by block as they were before.
#[derive(Default)]
pub struct StreamBuilder {
    entries: Entries,
    last_id: StreamId,
    /// The master fields of a block that is begun and has no entry yet.
    begun: Option<Block>,
}

impl StreamBuilder {
    /// A stream without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a block, whose entries share these fields unless they have others.
    pub fn begin_block<'a>(&mut self, fields: impl ExactSizeIterator<Item = PackedItem<'a>>) {
        self.begun = Some(Block::with_master_fields(fields));
    }

    /// Adds an entry to the block that was begun last, or to a first one with the entry's fields.
    /// `pairs` has fields and values in turn, none of them a double.
    ///
    /// # Errors
    /// When the entry cannot come behind those that are there.
    pub fn push(
        &mut self,
        id: StreamId,
        pairs: &[PackedItem<'_>],
        is_deleted: bool,
    ) -> Result<(), PartsError> {
        if id <= self.last_id {
            return Err(PartsError::NotAscending);
        }
        if !pairs.len().is_multiple_of(2) {
            return Err(PartsError::OddPairs);
        }
        if let Some(block) = self.begun.take() {
            self.entries.append_block(id, block);
        } else if self.entries.block_count() == 0 {
            self.entries.append_block(id, Block::new(pairs));
        }
        self.entries.append_to_last(id, pairs, is_deleted);
        self.last_id = id;
        Ok(())
    }

    /// The stream, with what was remembered about it. Where that is not known,
    /// `last_id` is `None`, `entries_added` the count of entries and `max_deleted_id` `0-0`.
    ///
    /// # Errors
    /// When the last ID is smaller than that of an entry.
    pub fn finish(
        self,
        last_id: Option<StreamId>,
        entries_added: u64,
        max_deleted_id: StreamId,
    ) -> Result<Stream, PartsError> {
        let last_id = last_id.unwrap_or(self.last_id);
        if last_id < self.last_id {
            return Err(PartsError::LastIdTooSmall);
        }
        let mut stream = Stream::from_entries(self.entries);
        stream.set_facts(last_id, Some(entries_added), Some(max_deleted_id));
        Ok(stream)
    }
}

/// A consumer as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerParts {
    /// Its name.
    pub name: Vec<u8>,
    /// When it last asked for anything, in milliseconds since 1970.
    pub seen_ms: i64,
    /// When it last was given anything.
    pub active_ms: Option<i64>,
    /// The IDs of the entries that it has.
    pub pending: Vec<StreamId>,
}

/// A consumer group as it was written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupParts {
    /// The ID that was delivered last.
    pub last_id: StreamId,
    /// How many entries were delivered, if that is known.
    pub entries_read: Option<i64>,
    /// What is not acknowledged: ID, delivery time in milliseconds since 1970, delivery count.
    pub pending: Vec<(StreamId, i64, u64)>,
    /// The consumers.
    pub consumers: Vec<ConsumerParts>,
}

impl Stream {
    /// Adds a group that was written down.
    ///
    /// # Errors
    /// When its parts contradict each other or what is there; nothing is added then.
    pub fn add_group(&mut self, name: &[u8], parts: &GroupParts) -> Result<(), PartsError> {
        if self.group(name).is_some() {
            return Err(PartsError::DuplicateGroup);
        }
        let mut unowned = BTreeMap::new();
        for &(id, delivery_ms, delivery_count) in &parts.pending {
            if unowned.insert(id, (delivery_ms, delivery_count)).is_some() {
                return Err(PartsError::DuplicatePending);
            }
        }
        let mut group = Group::new(parts.last_id, parts.entries_read);
        for consumer in &parts.consumers {
            let (id, is_new) = group.find_or_create_consumer(&consumer.name, consumer.seen_ms);
            if !is_new {
                return Err(PartsError::DuplicateConsumer);
            }
            group.consumer_mut(id).active_ms = consumer.active_ms;
            for pending in &consumer.pending {
                let owned = unowned.remove(pending);
                let (delivery_ms, delivery_count) = owned.ok_or(PartsError::UnknownPending)?;
                let owned = Pending {
                    consumer: id,
                    delivery_ms,
                    delivery_count,
                };
                group.set_pending(*pending, owned);
            }
        }
        if !unowned.is_empty() {
            return Err(PartsError::UnownedPending);
        }
        self.insert_group(name, group);
        Ok(())
    }
}
