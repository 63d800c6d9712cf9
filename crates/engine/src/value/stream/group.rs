//! Consumer groups: who was given which entries and has not acknowledged them.
//!
//! What a group has delivered and not seen acknowledged is its *pending* list, ordered by ID. Each
//! consumer has its share of it, of which only the IDs are kept a second time: delivery time and count
//! stand in the group's list, which names the consumer by a small number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::StreamId;
use crate::relocation::Relocator;

/// A consumer within its group. The number of a deleted consumer is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// An entry that was delivered and not yet acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Who has it.
    pub consumer: ConsumerId,
    /// When it was delivered last, in milliseconds since 1970.
    pub delivery_ms: i64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// One of those who share the entries of a group.
#[derive(Debug, Clone)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it last asked for anything, in milliseconds since 1970.
    pub seen_ms: i64,
    /// When it last was given anything; `None` if it never was.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries it has.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The IDs of the entries that it has, in order.
    pub fn pending_ids(&self) -> impl ExactSizeIterator<Item = StreamId> {
        self.pending.iter().copied()
    }
}

/// A consumer group.
#[derive(Debug, Clone)]
pub struct Group {
    last_id: StreamId,
    entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Arc<[u8]>, ConsumerId>,
    /// By number; `None` where one was deleted.
    consumers: Vec<Option<Consumer>>,
    /// The numbers of deleted consumers.
    free: Vec<ConsumerId>,
}

impl Group {
    /// A group that begins behind `last_id`.
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            names: BTreeMap::new(),
            consumers: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Moves its list of consumers.
    pub(super) fn relocate(&mut self, relocator: &mut Relocator<'_>) {
        relocator.vec(&mut self.consumers);
        relocator.vec(&mut self.free);
    }

    /// The ID that was delivered last.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many of all entries ever added were delivered, or `None` if that is not known.
    pub fn entries_read(&self) -> Option<i64> {
        self.entries_read
    }

    /// Goes on behind another ID.
    pub fn set_last_id(&mut self, last_id: StreamId, entries_read: Option<i64>) {
        self.last_id = last_id;
        self.entries_read = entries_read;
    }

    /// Goes on behind `last_id` if that is further ahead; answers whether it is.
    pub fn advance(&mut self, last_id: StreamId) -> bool {
        let is_ahead = last_id > self.last_id;
        if is_ahead {
            self.last_id = last_id;
        }
        is_ahead
    }

    // Consumers.

    /// How many consumers there are.
    pub fn consumer_len(&self) -> usize {
        self.names.len()
    }

    /// The consumers by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.names.values().filter_map(|&id| self.get(id))
    }

    /// The consumer of this name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// The consumer of this name, and whether it had to be made.
    pub fn find_or_create_consumer(&mut self, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
        if let Some(found) = self.find_consumer(name) {
            return (found, false);
        }
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer {
            name: name.clone(),
            seen_ms: now_ms,
            active_ms: None,
            pending: BTreeSet::new(),
        };
        let id = self.free.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            ConsumerId(self.consumers.len() as u32 - 1)
        });
        self.consumers[id.0 as usize] = Some(consumer);
        self.names.insert(name, id);
        (id, true)
    }

    /// Deletes a consumer with what it has; answers how many entries those were.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers[id.0 as usize].take()?;
        self.free.push(id);
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0 as usize)?.as_ref()
    }

    /// A consumer of this group.
    ///
    /// # Panics
    /// If it was deleted.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.get(id).expect("the consumer is one of this group's")
    }

    /// A consumer of this group, for changing it.
    ///
    /// # Panics
    /// If it was deleted.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        let consumer = self.consumers.get_mut(id.0 as usize);
        let consumer = consumer.and_then(Option::as_mut);
        consumer.expect("the consumer is one of this group's")
    }

    // Entries that were delivered.

    /// How many entries are not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The entries that are not acknowledged, in the order of their IDs.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> {
        self.pending.iter().map(|(&id, pending)| (id, pending))
    }

    /// Those within a range of IDs, which may be empty the wrong way round.
    pub fn pending_range(
        &self,
        range: RangeInclusive<StreamId>,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let range = (!range.is_empty()).then(|| self.pending.range(range));
        range
            .into_iter()
            .flatten()
            .map(|(&id, pending)| (id, pending))
    }

    /// Those of one consumer within a range of IDs.
    pub fn pending_range_of(
        &self,
        consumer: ConsumerId,
        range: RangeInclusive<StreamId>,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let ids = &self.consumer(consumer).pending;
        let range = (!range.is_empty()).then(|| ids.range(range));
        let ids = range.into_iter().flatten();
        ids.filter_map(|&id| Some((id, self.pending.get(&id)?)))
    }

    /// What is known of an entry that is not acknowledged.
    pub fn find_pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Notes that an entry is pending as said, whoever had it before.
    pub fn set_pending(&mut self, id: StreamId, pending: Pending) {
        let previous = self.pending.insert(id, pending);
        if let Some(previous) = previous
            && previous.consumer != pending.consumer
        {
            self.consumer_mut(previous.consumer).pending.remove(&id);
        }
        self.consumer_mut(pending.consumer).pending.insert(id);
    }

    /// Notes that an entry is acknowledged, or gone; answers what was known of it.
    pub fn remove_pending(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.consumer_mut(pending.consumer).pending.remove(&id);
        Some(pending)
    }

    /// Bytes on the heap.
    pub(super) fn memory_usage(&self) -> usize {
        // Trees of ascending IDs are somewhat more than half full.
        let pending = self.pending.len() * 2 * size_of::<(StreamId, Pending, StreamId)>();
        let name_len = |name: &Arc<[u8]>| 2 * size_of::<usize>() + name.len();
        let names: usize = self.names.keys().map(name_len).sum();
        let consumers = self.consumers.capacity() * size_of::<Option<Consumer>>();
        size_of::<Self>() + pending + names + consumers
    }
}
