//! The large form of a sorted set: the order of the members beside a table that finds them by name.
//!
//! This module is unsafe because the tree's handles are promises: a member lives from its insertion until it has
//! left both structures. Every function here leaves each member in both or in neither, and the table, which owns
//! the members, frees one only after the tree has let go of it.

use std::ops::Range;

use super::member::{Handle, Member};
use super::set::Upsert;
use super::tree::Order;
use crate::relocation::Relocator;
use crate::table::{Element, Table};

/// A sorted set of many members.
pub struct BigSortedSet {
    pub(super) order: Order,
    members: Table<Member>,
}

impl BigSortedSet {
    pub(super) fn new(seed: u64) -> Self {
        BigSortedSet {
            order: Order::new(),
            members: Table::new(seed),
        }
    }

    /// Asks the processor for what says where these members are: the first of the cache misses of a lookup.
    pub(crate) fn prefetch_names(&self, members: &[&[u8]]) {
        for member in members {
            self.members.prefetch_bucket(self.members.hash_of(member));
        }
    }

    /// Asks the processor for these members: the second miss. What says where they are should be near.
    pub(crate) fn prefetch_entries(&self, members: &[&[u8]]) {
        for member in members {
            self.members.prefetch_element(self.members.hash_of(member));
        }
    }

    pub(super) fn find(&self, member: &[u8]) -> Option<Handle> {
        self.members
            .find(self.members.hash_of(member), member)
            // SAFETY: what the table has is alive, and lives until it leaves the table.
            .map(|raw| unsafe { Handle::new(raw) })
    }

    /// Adds a member that is not in the set.
    pub(super) fn insert_new(&mut self, member: &[u8], score: f64) {
        self.insert_hashed(self.members.hash_of(member), member, score);
    }

    fn insert_hashed(&mut self, hash: u64, member: &[u8], score: f64) {
        let member = Member::new(score, member);
        // SAFETY: the table owns the member from the next line on and drops it only in `remove` and
        // `remove_ranks`, after the tree has forgotten it, or with the whole set.
        let handle = unsafe { member.handle() };
        self.members.insert_new(hash, member);
        self.order.insert(handle);
    }

    /// See [`SortedSet::upsert`](super::SortedSet::upsert).
    pub(super) fn upsert(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Upsert {
        let hash = self.members.hash_of(member);
        let Some(raw) = self.members.find(hash, member) else {
            return match decide(None) {
                Some(score) => {
                    self.insert_hashed(hash, member, score);
                    Upsert::Added
                }
                None => Upsert::Unchanged,
            };
        };
        // SAFETY: as in `find`.
        let handle = unsafe { Handle::new(raw) };
        let old = handle.score();
        match decide(Some(old)) {
            Some(score) if score != old => {
                if handle.can_hold(score) {
                    // SAFETY: the set is borrowed mutably, so nobody else reads its members.
                    unsafe { self.order.update_score(handle, score) };
                } else {
                    self.replace(hash, member, handle, score);
                }
                Upsert::Updated
            }
            _ => Upsert::Unchanged,
        }
    }

    /// Puts a new block in the place of one that cannot hold its new score.
    fn replace(&mut self, hash: u64, member: &[u8], old: Handle, score: f64) {
        let Some(mut slot) = self.members.find_slot(hash, member) else {
            return;
        };
        self.order.remove(old);
        let new = Member::new(score, member);
        // SAFETY: the table owns the new member from here on, as in `insert_hashed`.
        let handle = unsafe { new.handle() };
        // SAFETY: the table gives up the old member in this line, and the tree has let go of it above.
        let old = unsafe { Member::from_raw(slot.raw()) };
        slot.replace(new.into_raw());
        drop(old);
        self.order.insert(handle);
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.members.hash_of(member);
        let slot = self.members.find_slot(hash, member)?;
        // SAFETY: as in `find`; the member is dropped below, after the tree has forgotten the handle.
        let handle = unsafe { Handle::new(slot.raw()) };
        let score = handle.score();
        self.order.remove(handle);
        drop(slot.remove());
        Some(score)
    }

    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        let members = &mut self.members;
        self.order.remove_range(ranks, &mut |handle| {
            // The tree does not read a handle again that it shows here.
            let bytes = handle.bytes();
            let removed = members.remove(members.hash_of(bytes), bytes);
            debug_assert!(removed.is_some(), "tree and table have the same members");
        });
    }

    pub(super) fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(&'a [u8], f64)) -> u64 {
        self.members.scan(cursor, &mut |raw| {
            // SAFETY: as in `find`; the member lives as long as the set is borrowed.
            let (member, score) = unsafe { (Member::key(raw), Handle::new(raw).score()) };
            visit(member, score);
        })
    }

    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end. Members are found in
    /// their order, which the low bit 0 says; then come the buckets of the table.
    pub(super) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        if cursor & 1 == 1 {
            // SAFETY: every element stays where it is.
            let next = unsafe {
                let members = &mut self.members;
                members.relocate(cursor >> 1, relocator, None, &mut |raw, _| raw)
            };
            return match next {
                0 => 0,
                next => next << 1 | 1,
            };
        }
        let members = &mut self.members;
        let mut visit = |handle: Handle, relocator: &mut Relocator<'_>| {
            let (hash, raw) = (members.hash_of(handle.bytes()), handle.raw());
            let Some(mut slot) = members.find_slot(hash, handle.bytes()) else {
                return handle;
            };
            // SAFETY: the table owns the member and gets its new address before the old block is freed; the tree's
            // handle is replaced by the one that is answered, and is not read before.
            unsafe {
                let layout = Member::layout(raw);
                let Some(copy) = relocator.copy(raw, layout) else {
                    return handle;
                };
                slot.replace(copy);
                relocator.release(raw, layout);
                Handle::new(copy)
            }
        };
        match self
            .order
            .relocate(cursor as usize >> 1, relocator, &mut visit)
        {
            next if next < self.order.len() => (next as u64) << 1,
            _ => 1,
        }
    }

    /// Bytes on the heap; the members' own are estimated from a few of them.
    pub(super) fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.order.memory_usage() + self.members_bytes()
    }

    /// About as much as [`Self::memory_usage`], found quickly however many members there are.
    pub(super) fn approximate_bytes(&self) -> usize {
        /// Leaves are three quarters full on average.
        const ORDER_BYTES: usize = size_of::<Handle>() * 4 / 3;
        size_of::<Self>() + self.order.len() * ORDER_BYTES + self.members_bytes()
    }

    fn members_bytes(&self) -> usize {
        const SAMPLES: usize = 16;
        let len = self.order.len();
        let samples = len.min(SAMPLES);
        let sampled: usize = self
            .order
            .range(0..samples)
            .map(|handle| handle.block_size())
            .sum();
        let blocks = (sampled * len).checked_div(samples).unwrap_or(0);
        self.members.memory_usage() + blocks
    }
}

impl Clone for BigSortedSet {
    fn clone(&self) -> Self {
        let mut clone = BigSortedSet::new(self.members.seed());
        for handle in self.order.range(0..self.order.len()) {
            clone.insert_new(handle.bytes(), handle.score());
        }
        clone
    }
}

// The handles in the tree are plain addresses, so that dropping the fields in any order reads no freed member.
const _: () = assert!(!std::mem::needs_drop::<Handle>());
