//! The big form of a set: small members in pages, each big one in a heap block.
//!
//! When a set takes this form is decided in `set`.
//!
//! This module is unsafe because a block is one thin pointer, shared with the table.

use std::alloc::Layout;
use std::fmt;
use std::ptr::NonNull;

use super::block;
use super::packed::{PackedItem, Prefix, data_of};
use super::pages::{self, Identity, Pages, ScanCursor};
use super::sampling::sample;
use crate::random::Random;
use crate::relocation::Relocator;
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

    unsafe fn layout(raw: NonNull<u8>) -> Layout {
        // SAFETY: promised by the caller: the block is one packed item.
        block::layout(unsafe { block::item_bytes(raw) }.len())
    }
}

/// The members of a big set: small ones in pages, big ones in blocks.
pub struct SetTable {
    pages: Pages<1>,
    blocks: Table<Member>,
    /// What all blocks together take of the heap, in bytes.
    blocks_size: usize,
}

impl SetTable {
    /// An empty table whose hash has this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            pages: Pages::new(seed),
            blocks: Table::new(seed),
            blocks_size: 0,
        }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.pages.len() + self.blocks.len()
    }

    /// Asks the processor for what says where these members are: the first of the cache misses of a lookup.
    pub(crate) fn prefetch_names(&self, members: &[&[u8]]) {
        for element in members {
            let hash = self.blocks.hash_of(element);
            self.blocks.prefetch_bucket(hash);
            self.pages.prefetch_name_of(hash);
        }
    }

    /// Asks the processor for these members: the second miss. What says where they are should be near.
    pub(crate) fn prefetch_entries(&self, members: &[&[u8]]) {
        self.blocks.prefetch_elements(members.iter().map(|element| {
            let hash = self.blocks.hash_of(element);
            self.pages.prefetch_page_of(hash);
            hash
        }));
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is one.
    pub fn contains(&self, member: &[u8]) -> bool {
        let hash = self.blocks.hash_of(member);
        if is_paged(member) {
            let key = PackedItem::from_string(member);
            self.pages.find(hash, key).is_some()
        } else {
            self.blocks.find(hash, member).is_some()
        }
    }

    /// Adds `member`, and answers whether it is new.
    pub fn insert(&mut self, member: &[u8]) -> bool {
        let hash = self.blocks.hash_of(member);
        if is_paged(member) {
            let key = PackedItem::from_string(member);
            if self.pages.find(hash, key).is_some() {
                return false;
            }
            self.pages.insert_new(hash, [key]);
        } else {
            if self.blocks.find(hash, member).is_some() {
                return false;
            }
            self.insert_block(hash, member);
        }
        true
    }

    /// Adds a block for a member that has none.
    fn insert_block(&mut self, hash: u64, member: &[u8]) {
        let element = Member::new(member);
        self.blocks_size += block::heap_size(element.block_len());
        self.blocks.insert_new(hash, element);
    }

    /// Removes `member`, and answers whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        let hash = self.blocks.hash_of(member);
        if is_paged(member) {
            let place = self.pages.find(hash, PackedItem::from_string(member));
            if let Some(place) = place {
                self.pages.remove(place);
            }
            return place.is_some();
        }
        let Some(removed) = self.blocks.remove(hash, member) else {
            return false;
        };
        self.blocks_size -= block::heap_size(removed.block_len());
        true
    }

    /// Every member, in no order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            table: self,
            places: self.pages.iter(),
            blocks: self.blocks.iter(),
        }
    }

    /// Visits some members and answers the next cursor, with the guarantees of [`Table::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(PackedItem<'a>)) -> u64 {
        match ScanCursor::decode(cursor) {
            ScanCursor::Pages(cursor) => {
                let next = self.pages.scan(cursor, &mut |place| {
                    visit(self.pages.item(place, 0));
                });
                ScanCursor::after_pages(next, !self.blocks.is_empty())
            }
            ScanCursor::Blocks(cursor) => {
                let next = self.blocks.scan(cursor, &mut |raw| {
                    // SAFETY: an element of the table, which is borrowed.
                    visit(PackedItem::Bytes(unsafe { Member::key(raw) }));
                });
                ScanCursor::after_blocks(next)
            }
        }
    }

    /// One member, each equally likely.
    pub fn random(&self, random: &mut Random) -> Option<PackedItem<'_>> {
        self.draw(random).map(|(_, member)| member)
    }

    fn draw(&self, random: &mut Random) -> Option<(Identity, PackedItem<'_>)> {
        if random.index(self.len()) < self.pages.len() {
            let place = self.pages.random(random)?;
            return Some((Identity::Place(place), self.pages.item(place, 0)));
        }
        let raw = self.blocks.random(random)?;
        // SAFETY: an element of the table, which is borrowed.
        let member = PackedItem::Bytes(unsafe { Member::key(raw) });
        Some((Identity::Block(raw), member))
    }

    /// Visits `count` different members, or all if there are fewer, every choice equally likely.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        random: &mut Random,
        visit: &mut dyn FnMut(PackedItem<'a>),
    ) {
        let draw = |random: &mut Random| self.draw(random);
        sample(self.len(), count, random, draw, self.iter(), visit);
    }

    /// Moves some of what the table owns, and answers where to go on; 0 is both the start and the end.
    pub(crate) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        // SAFETY: no address of an element leaves the table but for a borrow of it.
        unsafe {
            self.pages
                .relocate_with_blocks(&mut self.blocks, cursor, relocator)
        }
    }

    /// What the table takes of the heap, in bytes.
    pub fn memory_usage(&self) -> usize {
        self.pages.memory_usage() + self.blocks.memory_usage() + self.blocks_size
    }
}

/// Whether `member` belongs in a page: it depends on nothing but its length, so a member is only
/// looked for in one place.
fn is_paged(member: &[u8]) -> bool {
    member.len() < pages::MAX_ENTRY_LEN
}

/// Every member of a table; made by [`SetTable::iter`].
pub struct Iter<'a> {
    table: &'a SetTable,
    places: pages::Iter<'a, 1>,
    blocks: table::Iter<'a, Member>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = PackedItem<'a>;

    fn next(&mut self) -> Option<PackedItem<'a>> {
        if let Some(place) = self.places.next() {
            return Some(self.table.pages.item(place, 0));
        }
        let raw = self.blocks.next()?;
        // SAFETY: an element of the table, which is borrowed.
        Some(PackedItem::Bytes(unsafe { Member::key(raw) }))
    }
}

impl Clone for SetTable {
    fn clone(&self) -> Self {
        let mut clone = Self {
            pages: self.pages.clone(),
            ..Self::new(self.blocks.seed())
        };
        for raw in self.blocks.iter() {
            // SAFETY: an element of the table, which is borrowed.
            let member = unsafe { Member::key(raw) };
            clone.insert_block(clone.blocks.hash_of(member), member);
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
