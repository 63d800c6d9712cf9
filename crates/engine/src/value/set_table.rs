//! The big form of a set: a table whose elements are the members, each in one heap block.
//!
//! When a set takes this form is decided in `set`.
//!
//! This module is unsafe because a block is one thin pointer, shared with the table.

use std::fmt;
use std::ptr::NonNull;

use super::block;
use super::packed::{PackedItem, Prefix, data_of};
use super::sampling::sample_elements;
use crate::random::Random;
use crate::table::{self, Element, Table};

/// A member, on the heap: one packed item, a string, plain even if it looks like an integer.
struct Member(NonNull<u8>);

// SAFETY: a member owns its block and shares nothing.
unsafe impl Send for Member {}
// SAFETY: as above; `&Member` gives out nothing that could be changed.
unsafe impl Sync for Member {}

impl Member {
    fn new(member: &[u8]) -> Self {
        let member = PackedItem::Bytes(member);
        Self(block::allocate(&[
            Prefix::of(member).as_slice(),
            data_of(member),
        ]))
    }

    fn block_len(&self) -> usize {
        // SAFETY: the block is ours and holds one whole item.
        unsafe { block::item_bytes(self.0) }.len()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // SAFETY: the block is ours and has the length that it says.
        unsafe { block::free(self.0, self.block_len()) }
    }
}

// SAFETY: the address is the allocator's, and no function here changes a block.
unsafe impl Element for Member {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    #[inline]
    unsafe fn key<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: the block is one whole item, a string.
        unsafe { block::string(raw) }
    }
}

/// The members of a big set.
pub struct SetTable {
    table: Table<Member>,
    /// What all blocks together take of the heap, in bytes.
    blocks_size: usize,
}

impl SetTable {
    /// An empty table whose hash has this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            table: Table::new(seed),
            blocks_size: 0,
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Whether `member` is one.
    pub fn contains(&self, member: &[u8]) -> bool {
        self.table
            .find(self.table.hash_of(member), member)
            .is_some()
    }

    /// Adds `member`, and answers whether it is new.
    pub fn insert(&mut self, member: &[u8]) -> bool {
        let hash = self.table.hash_of(member);
        if self.table.find(hash, member).is_some() {
            return false;
        }
        let element = Member::new(member);
        self.blocks_size += block::heap_size(element.block_len());
        self.table.insert_new(hash, element);
        true
    }

    /// Removes `member`, and answers whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let Some(removed) = self.table.remove(self.table.hash_of(member), member) else {
            return false;
        };
        self.blocks_size -= block::heap_size(removed.block_len());
        true
    }

    /// Every member, in no order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.table.iter())
    }

    /// Visits some members and answers the next cursor, with the guarantees of [`Table::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(&'a [u8])) -> u64 {
        self.table.scan(cursor, &mut |raw| {
            // SAFETY: an element of the table, which is borrowed.
            visit(unsafe { Member::key(raw) });
        })
    }

    /// One member, each equally likely.
    pub fn random(&self, random: &mut Random) -> Option<&[u8]> {
        let raw = self.table.random(random)?;
        // SAFETY: an element of the table, which is borrowed.
        Some(unsafe { Member::key(raw) })
    }

    /// Visits `count` different members, or all if there are fewer, every choice equally likely.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        random: &mut Random,
        visit: &mut dyn FnMut(&'a [u8]),
    ) {
        sample_elements(&self.table, count, random, &mut |raw| {
            // SAFETY: an element of the table, which is borrowed.
            visit(unsafe { Member::key(raw) });
        });
    }

    /// What the table takes of the heap, in bytes.
    pub fn memory_usage(&self) -> usize {
        self.table.memory_usage() + self.blocks_size
    }
}

/// Every member of a table; made by [`SetTable::iter`].
pub struct Iter<'a>(table::Iter<'a, Member>);

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // SAFETY: an element of the table, which is borrowed.
        self.0.next().map(|raw| unsafe { Member::key(raw) })
    }
}

impl Clone for SetTable {
    fn clone(&self) -> Self {
        let mut clone = Self::new(self.table.seed());
        for member in self.iter() {
            clone.insert(member);
        }
        clone
    }
}

impl fmt::Debug for SetTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small, so that it runs under Miri.
    #[test]
    fn members_of_every_length_come_and_go() {
        let mut table = SetTable::new(5);
        let long = [b'x'; 300];
        let members = [&b""[..], b"7", b"member", &long];
        for member in members {
            assert!(table.insert(member));
            assert!(!table.insert(member));
        }
        let copy = table.clone();
        for member in members {
            assert!(table.remove(member));
            assert!(!table.contains(member));
        }
        assert!(table.is_empty());
        drop(table);
        assert_eq!(copy.iter().count(), 4);
        assert!(members.iter().all(|member| copy.contains(member)));
    }
}
