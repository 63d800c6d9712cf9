//! The big form of a hash: small fields in pages, each big one with its value in a heap block.
//!
//! When a hash takes this form is decided in `hash`.
//!
//! This module is unsafe because a block is one thin pointer, shared with the table.

use std::alloc::Layout;
use std::fmt;
use std::ptr::NonNull;

use super::block;
use super::packed::{self, PackedItem, Prefix, data_of};
use super::pages::{self, Identity, Pages, Place, ScanCursor};
use super::sampling::sample;
use crate::random::Random;
use crate::relocation::Relocator;
use crate::table::{self, Element, Table};

/// A field and its value, on the heap:
///
/// | bytes | |
/// |-------|-|
/// | 1     | flags: what else stands in the block. Nothing does, and the flags are zero. |
/// | item  | the field: a string, plain even if it looks like an integer |
/// | item  | the value: a string in its canonical encoding |
struct Field(NonNull<u8>);

const FLAGS_LEN: usize = 1;

// SAFETY: a field owns its block and shares nothing.
unsafe impl Send for Field {}
// SAFETY: as above; `&Field` gives out nothing that could be changed.
unsafe impl Sync for Field {}

impl Field {
    fn new(field: &[u8], value: PackedItem<'_>) -> Self {
        let field = PackedItem::Bytes(field);
        Self(block::allocate(&[
            &[0; FLAGS_LEN],
            Prefix::of(field).as_slice(),
            data_of(field),
            Prefix::of(value).as_slice(),
            data_of(value),
        ]))
    }

    /// The encoded field and the encoded value.
    ///
    /// # Safety
    ///
    /// `raw` is the block of a field that lives, unchanged, during `'a`.
    #[inline]
    unsafe fn parts<'a>(raw: NonNull<u8>) -> (&'a [u8], &'a [u8]) {
        // SAFETY: behind the flags stand two whole items.
        unsafe {
            let field = block::item_bytes(raw.add(FLAGS_LEN));
            let value = block::item_bytes(raw.add(FLAGS_LEN + field.len()));
            (field, value)
        }
    }

    /// # Safety
    ///
    /// As [`Field::parts`].
    unsafe fn entry<'a>(raw: NonNull<u8>) -> (PackedItem<'a>, PackedItem<'a>) {
        // SAFETY: promised by the caller.
        let (field, value) = unsafe { Self::parts(raw) };
        (packed::item_at(field, 0).0, packed::item_at(value, 0).0)
    }

    /// # Safety
    ///
    /// As [`Field::parts`].
    unsafe fn block_len(raw: NonNull<u8>) -> usize {
        // SAFETY: promised by the caller.
        let (field, value) = unsafe { Self::parts(raw) };
        FLAGS_LEN + field.len() + value.len()
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        // SAFETY: the block is ours, whole, and has the length that it says.
        unsafe { block::free(self.0, Self::block_len(self.0)) }
    }
}

// SAFETY: the address is the allocator's, and no function here changes the field of a block.
unsafe impl Element for Field {
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
        // SAFETY: behind the flags stands the field, a string.
        unsafe { block::string(raw.add(FLAGS_LEN)) }
    }

    unsafe fn layout(raw: NonNull<u8>) -> Layout {
        // SAFETY: promised by the caller.
        block::layout(unsafe { Self::block_len(raw) })
    }
}

/// Fields and values of a big hash.
///
/// Small ones are in pages, big ones in blocks. A field whose value has grown too big goes from a
/// page to a block and stays there even if the value shrinks: so a scan, which visits the pages first,
/// cannot miss it.
pub struct HashTable {
    pages: Pages<2>,
    blocks: Table<Field>,
    /// What all blocks together take of the heap, in bytes.
    blocks_size: usize,
}

impl HashTable {
    /// An empty table whose hash has this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            pages: Pages::new(seed),
            blocks: Table::new(seed),
            blocks_size: 0,
        }
    }

    /// The seed of its hash.
    pub fn seed(&self) -> u64 {
        self.blocks.seed()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.pages.len() + self.blocks.len()
    }

    /// Asks the processor for what says where these fields are: the first of the cache misses of a lookup.
    pub(crate) fn prefetch_names(&self, fields: &[&[u8]]) {
        for element in fields {
            let hash = self.blocks.hash_of(element);
            self.blocks.prefetch_bucket(hash);
            self.pages.prefetch_name_of(hash);
        }
    }

    /// Asks the processor for these fields: the second miss. What says where they are should be near.
    pub(crate) fn prefetch_entries(&self, fields: &[&[u8]]) {
        self.blocks.prefetch_elements(fields.iter().map(|element| {
            let hash = self.blocks.hash_of(element);
            self.pages.prefetch_page_of(hash);
            hash
        }));
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `field`.
    pub fn get(&self, field: &[u8]) -> Option<PackedItem<'_>> {
        let hash = self.blocks.hash_of(field);
        if let Some(place) = self.pages.find(hash, PackedItem::from_string(field)) {
            return Some(self.pages.item(place, 1));
        }
        let raw = self.blocks.find(hash, field)?;
        // SAFETY: an element of the table, which is borrowed.
        Some(unsafe { Field::entry(raw) }.1)
    }

    /// Sets the value of `field`, and answers whether the field is new.
    pub fn set(&mut self, field: &[u8], value: PackedItem<'_>) -> bool {
        let hash = self.blocks.hash_of(field);
        let key = PackedItem::from_string(field);
        let is_paged =
            packed::encoded_len(key) + packed::encoded_len(value) <= pages::MAX_ENTRY_LEN;
        if let Some(place) = self.pages.find(hash, key) {
            if is_paged {
                self.pages.replace_last(place, value);
            } else {
                self.pages.remove(place);
                self.insert_block(hash, field, value);
            }
            return false;
        }
        if self.set_block(hash, field, value) {
            return false;
        }
        if is_paged {
            self.pages.insert_new(hash, [key, value]);
        } else {
            self.insert_block(hash, field, value);
        }
        true
    }

    /// Sets the value of a field that has a block, and answers whether `field` has.
    fn set_block(&mut self, hash: u64, field: &[u8], value: PackedItem<'_>) -> bool {
        let Some(mut slot) = self.blocks.find_slot(hash, field) else {
            return false;
        };
        let raw = slot.raw();
        // SAFETY: an element of the table, and the parts are not used once it changes.
        let (field_len, value_len) = unsafe {
            let (field, value) = Field::parts(raw);
            (field.len(), value.len())
        };
        let value_at = FLAGS_LEN + field_len;
        let (old_len, new_len) = (value_at + value_len, value_at + packed::encoded_len(value));
        let raw = if new_len == old_len {
            raw
        } else {
            // SAFETY: the block has this length, and the table is told at once where it is now.
            let raw = unsafe { block::resize(raw, old_len, new_len) };
            slot.replace(raw);
            self.blocks_size += block::heap_size(new_len);
            self.blocks_size -= block::heap_size(old_len);
            raw
        };
        // SAFETY: there is room for the new value behind the field, and the table, which is
        // borrowed mutably, has lent out nothing.
        unsafe {
            block::write(
                raw.add(value_at),
                &[Prefix::of(value).as_slice(), data_of(value)],
            );
        }
        true
    }

    /// Adds a block for a field that has none.
    fn insert_block(&mut self, hash: u64, field: &[u8], value: PackedItem<'_>) {
        let element = Field::new(field, value);
        // SAFETY: just made, and owned.
        self.blocks_size += block::heap_size(unsafe { Field::block_len(element.0) });
        self.blocks.insert_new(hash, element);
    }

    /// Removes `field`, and answers whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let hash = self.blocks.hash_of(field);
        if let Some(place) = self.pages.find(hash, PackedItem::from_string(field)) {
            self.pages.remove(place);
            return true;
        }
        let Some(removed) = self.blocks.remove(hash, field) else {
            return false;
        };
        // SAFETY: owned, not yet dropped.
        self.blocks_size -= block::heap_size(unsafe { Field::block_len(removed.0) });
        true
    }

    fn paged(&self, place: Place) -> (PackedItem<'_>, PackedItem<'_>) {
        (self.pages.item(place, 0), self.pages.item(place, 1))
    }

    /// Every field with its value, in no order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            table: self,
            places: self.pages.iter(),
            blocks: self.blocks.iter(),
        }
    }

    /// Visits some fields and answers the next cursor, with the guarantees of [`Table::scan`].
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        visit: &mut dyn FnMut(PackedItem<'a>, PackedItem<'a>),
    ) -> u64 {
        match ScanCursor::decode(cursor) {
            ScanCursor::Pages(cursor) => {
                let next = self.pages.scan(cursor, &mut |place| {
                    let (field, value) = self.paged(place);
                    visit(field, value);
                });
                ScanCursor::after_pages(next, !self.blocks.is_empty())
            }
            ScanCursor::Blocks(cursor) => {
                let next = self.blocks.scan(cursor, &mut |raw| {
                    // SAFETY: an element of the table, which is borrowed.
                    let (field, value) = unsafe { Field::entry(raw) };
                    visit(field, value);
                });
                ScanCursor::after_blocks(next)
            }
        }
    }

    /// One field with its value, each equally likely.
    pub fn random(&self, random: &mut Random) -> Option<(PackedItem<'_>, PackedItem<'_>)> {
        self.draw(random).map(|(_, entry)| entry)
    }

    fn draw(&self, random: &mut Random) -> Option<(Identity, (PackedItem<'_>, PackedItem<'_>))> {
        if random.index(self.len()) < self.pages.len() {
            let place = self.pages.random(random)?;
            return Some((Identity::Place(place), self.paged(place)));
        }
        let raw = self.blocks.random(random)?;
        // SAFETY: an element of the table, which is borrowed.
        Some((Identity::Block(raw), unsafe { Field::entry(raw) }))
    }

    /// Visits `count` different fields, or all if there are fewer, every choice equally likely.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        random: &mut Random,
        visit: &mut dyn FnMut(PackedItem<'a>, PackedItem<'a>),
    ) {
        let draw = |random: &mut Random| self.draw(random);
        sample(
            self.len(),
            count,
            random,
            draw,
            self.iter(),
            &mut |(field, value)| visit(field, value),
        );
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

/// Every field of a table with its value; made by [`HashTable::iter`].
pub struct Iter<'a> {
    table: &'a HashTable,
    places: pages::Iter<'a, 2>,
    blocks: table::Iter<'a, Field>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (PackedItem<'a>, PackedItem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(place) = self.places.next() {
            return Some(self.table.paged(place));
        }
        // SAFETY: an element of the table, which is borrowed.
        self.blocks.next().map(|raw| unsafe { Field::entry(raw) })
    }
}

impl Clone for HashTable {
    fn clone(&self) -> Self {
        let mut clone = Self {
            pages: self.pages.clone(),
            ..Self::new(self.blocks.seed())
        };
        for raw in self.blocks.iter() {
            // SAFETY: elements of the table, which is borrowed.
            let (field, value) = unsafe { (Field::key(raw), Field::entry(raw).1) };
            clone.insert_block(clone.blocks.hash_of(field), field, value);
        }
        clone
    }
}

impl fmt::Debug for HashTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small, so that it runs under Miri.
    #[test]
    fn values_shrink_and_grow_in_their_blocks() {
        let mut table = HashTable::new(5);
        let long = [b'x'; 300];
        for value in [&b"a"[..], b"b", b"", b"12345", &long, b"-1", b"a"] {
            for field in [&b""[..], b"7", b"field", &long] {
                table.set(field, PackedItem::from_string(value));
                assert_eq!(table.get(field), Some(PackedItem::from_string(value)));
            }
            assert_eq!(table.len(), 4);
        }
        let copy = table.clone();
        assert!(table.remove(b"7"));
        assert!(!table.remove(b"7"));
        assert_eq!(table.iter().count(), 3);
        assert_eq!(copy.iter().count(), 4);
        assert!(copy.random(&mut Random::new(1)).is_some());
        drop(table);
        assert_eq!(copy.get(b"7"), Some(PackedItem::Bytes(b"a")));
    }
}
