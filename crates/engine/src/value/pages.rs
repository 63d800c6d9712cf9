//! Pages: a hash table whose buckets are short packed sequences, for the many small entries of a
//! big hash or a big set.
//!
//! An entry is `STRIDE` packed items, the first of them its key. Entries that are too big to be
//! moved about stand elsewhere, in a [`crate::table::Table`]; which do is decided in `hash_table`
//! and `set_table`.
//!
//! # Why pages
//!
//! A table of pointers pays for each entry a pointer, the part of its bucket that must stay free, and
//! what the allocator rounds a small block up to: 20 to 30 bytes beside 16 bytes of member. A page
//! holds several entries without anything between them, and only the page pays. It is walked to
//! find an entry, but its few cache lines lie beside each other, where the pointer leads to one more
//! line far away; so a lookup takes about as long.
//!
//! # Growth
//!
//! Linear hashing, as in [`crate::table`], whose essay explains it and the cursors of SCAN too: page by page, never all
//! at once. There are no overflow pages, since a page that gets more entries is only longer.
//! The pages stand in chunks, so that growth does not copy the directory. The first chunk is
//! named in the table itself: most tables have no other, and it saves them a cache miss.

use std::ops::Range;
use std::ptr::NonNull;

use super::packed::{self, IntegerText, PackedItem};
use crate::random::Random;
use crate::relocation::Relocator;
use crate::table::{CACHE_LINE_BYTES, Element, Table, hash_bytes, prefetch};

/// A page is split when there are more bytes or more entries than this a page. Longer pages make a
/// shorter directory and waste less of the allocator's steps; shorter ones are walked and changed in less time.
const GROW_LOAD: Load = Load {
    bytes: 192,
    entries: 12,
};

/// Two pages are joined when there are fewer bytes and fewer entries than this a page.
const SHRINK_LOAD: Load = Load {
    bytes: 72,
    entries: 5,
};

struct Load {
    bytes: usize,
    entries: usize,
}

/// The longest entry that should be put in a page, in bytes: longer ones would make pages that are
/// slow to change, and what a block of their own costs is little beside them.
pub(super) const MAX_ENTRY_LEN: usize = 128;

/// Pages in a chunk of the directory.
const CHUNK_PAGES: usize = 256;

/// Bits of the hash that a cursor keeps: enough for 2^40 pages.
const CURSOR_BITS: u32 = 40;

/// A hash table of packed entries.
#[derive(Clone)]
pub(super) struct Pages<const STRIDE: usize> {
    /// All chunks but the last have [`CHUNK_PAGES`] pages.
    first_chunk: Chunk,
    more_chunks: Vec<Chunk>,
    page_count: usize,
    entry_count: usize,
    /// No page has more entries than this.
    fullest: usize,
    /// Bytes of all pages.
    pages_len: usize,
    seed: u64,
}

#[derive(Clone, Default)]
struct Chunk {
    pages: Vec<Box<[u8]>>,
    /// How many entries each page has, so that a random choice need not walk pages; 255 means that
    /// it must be counted.
    counts: Vec<u8>,
}

/// Where an entry is, until the table changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    page: usize,
    offset: usize,
}

/// What tells one entry from another in a collection of pages and blocks, until it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Place(Place),
    Block(NonNull<u8>),
}

/// Where a scan of pages and blocks is. It visits the pages first, so that an entry which moves
/// from a page to a block meanwhile is not missed. A client sees a number whose lowest bit says
/// which of the two are meant.
pub(super) enum ScanCursor {
    Pages(u64),
    Blocks(u64),
}

impl ScanCursor {
    pub(super) fn decode(cursor: u64) -> Self {
        if cursor & 1 == 0 {
            Self::Pages(cursor >> 1)
        } else {
            Self::Blocks(cursor >> 1)
        }
    }

    /// The number for what comes after some pages, whose own next cursor is `next`.
    pub(super) fn after_pages(next: u64, has_blocks: bool) -> u64 {
        match next {
            0 => u64::from(has_blocks),
            next => next << 1,
        }
    }

    /// The number for what comes after some blocks, whose own next cursor is `next`.
    pub(super) fn after_blocks(next: u64) -> u64 {
        match next {
            0 => 0,
            next => next << 1 | 1,
        }
    }
}

/// Asks the processor for the first lines of a page; few pages have more.
fn prefetch_lines(page: &[u8]) {
    for line in page.chunks(CACHE_LINE_BYTES).take(4) {
        prefetch(line.as_ptr());
    }
}

impl<const STRIDE: usize> Pages<STRIDE> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            first_chunk: Chunk::default(),
            more_chunks: Vec::new(),
            page_count: 0,
            entry_count: 0,
            fullest: 0,
            pages_len: 0,
            seed,
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entry_count
    }

    /// The page of `hash`. There must be pages.
    fn page_index(&self, hash: u64) -> usize {
        let wide = (2usize << self.page_count.ilog2()) - 1;
        let index = hash as usize & wide;
        if index < self.page_count {
            index
        } else {
            index & (wide >> 1)
        }
    }

    /// The chunk in which page `index` is.
    #[inline]
    fn chunk(&self, index: usize) -> &Chunk {
        match index.checked_sub(CHUNK_PAGES) {
            None => &self.first_chunk,
            Some(index) => &self.more_chunks[index / CHUNK_PAGES],
        }
    }

    #[inline]
    fn chunk_mut(&mut self, index: usize) -> &mut Chunk {
        match index.checked_sub(CHUNK_PAGES) {
            None => &mut self.first_chunk,
            Some(index) => &mut self.more_chunks[index / CHUNK_PAGES],
        }
    }

    fn page(&self, index: usize) -> &[u8] {
        &self.chunk(index).pages[index % CHUNK_PAGES]
    }

    /// Changes a page, which is given as a vector without room to spare; `change` answers how many
    /// entries more it has.
    fn change(&mut self, index: usize, change: impl FnOnce(&mut Vec<u8>) -> isize) {
        let chunk = self.chunk_mut(index);
        let page = &mut chunk.pages[index % CHUNK_PAGES];
        let known_count = &mut chunk.counts[index % CHUNK_PAGES];
        let mut bytes = std::mem::take(page).into_vec();
        let old_len = bytes.len();
        let more = change(&mut bytes);
        let new_len = bytes.len();
        let count = match *known_count {
            u8::MAX => packed::count(&bytes) / STRIDE,
            known => usize::from(known).saturating_add_signed(more),
        };
        *known_count = u8::try_from(count).unwrap_or(u8::MAX);
        *page = bytes.into_boxed_slice();
        self.pages_len = self.pages_len - old_len + new_len;
        self.fullest = self.fullest.max(count);
    }

    fn count(&self, index: usize) -> usize {
        match self.chunk(index).counts[index % CHUNK_PAGES] {
            u8::MAX => packed::count(self.page(index)) / STRIDE,
            known => usize::from(known),
        }
    }

    fn is_beyond(&self, load: &Load) -> bool {
        self.pages_len >= self.page_count * load.bytes
            || self.entry_count >= self.page_count * load.entries
    }

    /// Asks the processor for what says where the page of `hash` is.
    pub(super) fn prefetch_name_of(&self, hash: u64) {
        if self.entry_count > 0 {
            self.prefetch_name(self.page_index(hash));
        }
    }

    /// Asks the processor for the page of `hash`. What says where it is should be near.
    pub(super) fn prefetch_page_of(&self, hash: u64) {
        if self.entry_count > 0 {
            prefetch_lines(self.page(self.page_index(hash)));
        }
    }

    fn prefetch_name(&self, index: usize) {
        let chunk = self.chunk(index);
        prefetch(std::ptr::from_ref(&chunk.pages[index % CHUNK_PAGES]).cast());
        // Asked for when the page is changed.
        prefetch(&raw const chunk.counts[index % CHUNK_PAGES]);
    }

    /// The place of `key`, whose hash is `hash`.
    pub(super) fn find(&self, hash: u64, key: PackedItem<'_>) -> Option<Place> {
        if self.entry_count == 0 {
            return None;
        }
        let page = self.page_index(hash);
        let bytes = self.page(page);
        // The walk goes from line to line only as fast as it can read lengths.
        prefetch_lines(bytes);
        let found = packed::find_item(bytes, key, STRIDE)?;
        Some(Place {
            page,
            offset: found.start,
        })
    }

    /// Item number `index` of the entry at `place`.
    pub(super) fn item(&self, place: Place, index: usize) -> PackedItem<'_> {
        let page = self.page(place.page);
        let mut offset = place.offset;
        for _ in 0..index {
            offset = packed::skip(page, offset);
        }
        packed::item_at(page, offset).0
    }

    /// Where the last item of the entry at `place` is in its page.
    fn last_item(&self, place: Place) -> Range<usize> {
        let page = self.page(place.page);
        let mut start = place.offset;
        for _ in 1..STRIDE {
            start = packed::skip(page, start);
        }
        start..packed::skip(page, start)
    }

    /// Changes the last item of the entry at `place`, which has more than one.
    pub(super) fn replace_last(&mut self, place: Place, item: PackedItem<'_>) {
        debug_assert!(STRIDE > 1, "the only item is the key");
        let old = self.last_item(place);
        if packed::encoded_len(item) == old.len() {
            let chunk = self.chunk_mut(place.page);
            let page = &mut chunk.pages[place.page % CHUNK_PAGES];
            return packed::write(&mut page[old], &[item]);
        }
        self.change(place.page, |bytes| {
            bytes.reserve_exact(packed::encoded_len(item).saturating_sub(old.len()));
            packed::splice(bytes, old, &[item]);
            0
        });
    }

    /// Adds an entry whose key the table does not have.
    pub(super) fn insert_new(&mut self, hash: u64, entry: [PackedItem<'_>; STRIDE]) {
        if self.is_beyond(&GROW_LOAD) {
            self.split();
        }
        self.change(self.page_index(hash), |bytes| {
            bytes.reserve_exact(entry.iter().copied().map(packed::encoded_len).sum());
            for item in entry {
                packed::push_item(bytes, item);
            }
            1
        });
        self.entry_count += 1;
    }

    /// Removes the entry at `place`.
    pub(super) fn remove(&mut self, place: Place) {
        let end = self.last_item(place).end;
        self.change(place.page, |bytes| {
            bytes.drain(place.offset..end);
            -1
        });
        self.entry_count -= 1;
        if self.entry_count == 0 {
            *self = Self::new(self.seed);
        } else if self.page_count > 1 && !self.is_beyond(&SHRINK_LOAD) {
            self.join();
        }
    }

    /// Adds one page, and moves into it its share of the page from which it is split.
    fn split(&mut self) {
        let new_index = self.page_count;
        // The first chunk grows instead.
        if new_index != 0 && new_index.is_multiple_of(CHUNK_PAGES) {
            self.more_chunks.push(Chunk {
                pages: Vec::with_capacity(CHUNK_PAGES),
                counts: Vec::with_capacity(CHUNK_PAGES),
            });
        }
        self.page_count += 1;
        let chunk = self.chunk_mut(new_index);
        chunk.pages.push(Box::default());
        chunk.counts.push(0);
        if new_index == 0 {
            return;
        }
        let high_bit = 1usize << new_index.ilog2();
        let seed = self.seed;
        let mut moved = Vec::new();
        let mut moved_count = 0;
        self.change(new_index - high_bit, |bytes| {
            let mut kept = Vec::with_capacity(bytes.len());
            moved.reserve_exact(bytes.len());
            for (key, entry) in entries::<STRIDE>(bytes) {
                let hash = hash_bytes(seed, key.as_bytes(&mut IntegerText::new()));
                if hash as usize & high_bit == 0 {
                    kept.extend_from_slice(&bytes[entry]);
                } else {
                    moved.extend_from_slice(&bytes[entry]);
                    moved_count += 1;
                }
            }
            *bytes = kept;
            -moved_count
        });
        self.change(new_index, |bytes| {
            *bytes = moved;
            moved_count
        });
        // The next pages to be split are known: their cache misses can be over by then.
        let next = new_index + 1 - (1usize << (new_index + 1).ilog2());
        prefetch_lines(self.page(next));
        self.prefetch_name((next + 1).min(new_index));
    }

    /// Removes the last page, and moves its entries back to the page from which it was split.
    fn join(&mut self) {
        let last = self.page_count - 1;
        let chunk = self.chunk_mut(last);
        let moved = chunk.pages.pop().unwrap_or_default();
        chunk.counts.pop();
        if last.is_multiple_of(CHUNK_PAGES) {
            self.more_chunks.pop();
        }
        self.page_count = last;
        self.pages_len -= moved.len();
        self.change(last - (1 << last.ilog2()), |bytes| {
            bytes.reserve_exact(moved.len());
            bytes.extend_from_slice(&moved);
            (packed::count(&moved) / STRIDE).cast_signed()
        });
    }

    /// Visits the first place of each entry of the page that covers `cursor`, and answers the next
    /// cursor; 0 is both the start and the end.
    pub(super) fn scan(&self, cursor: u64, visit: &mut dyn FnMut(Place)) -> u64 {
        if self.page_count == 0 {
            return 0;
        }
        let position = cursor << (64 - CURSOR_BITS);
        let index = self.page_index(position.reverse_bits());
        self.places(index).for_each(visit);
        let level = self.page_count.ilog2();
        let split_point = self.page_count - (1 << level);
        let is_deep = index < split_point || index >= 1 << level;
        let depth = level + u32::from(is_deep);
        if depth == 0 {
            return 0;
        }
        let interval = 1u64 << (64 - depth);
        let start = position & !(interval - 1);
        start.wrapping_add(interval) >> (64 - CURSOR_BITS)
    }

    /// One place, each equally likely: a page and a number within the fullest page, chosen until
    /// the page has so many entries.
    pub(super) fn random(&self, random: &mut Random) -> Option<Place> {
        if self.entry_count == 0 {
            return None;
        }
        loop {
            let page = random.index(self.page_count);
            let entry = random.index(self.fullest);
            if entry < self.count(page) {
                let offset = packed::offset_of(self.page(page), entry * STRIDE);
                return Some(Place { page, offset });
            }
        }
    }

    /// Every place.
    pub(super) fn iter(&self) -> Iter<'_, STRIDE> {
        Iter {
            pages: self,
            next: Place { page: 0, offset: 0 },
        }
    }

    fn places(&self, page: usize) -> impl Iterator<Item = Place> {
        entries::<STRIDE>(self.page(page)).map(move |(_, entry)| Place {
            page,
            offset: entry.start,
        })
    }

    /// Moves some of what a collection of these pages and of blocks owns, and answers where to go on; 0 is both the start
    /// and the end.
    ///
    /// # Safety
    ///
    /// As [`Table::relocate_elements`].
    pub(super) unsafe fn relocate_with_blocks<E: Element>(
        &mut self,
        blocks: &mut Table<E>,
        cursor: u64,
        relocator: &mut Relocator<'_>,
    ) -> u64 {
        match ScanCursor::decode(cursor) {
            ScanCursor::Pages(page) => {
                let next = self.relocate(page, relocator);
                ScanCursor::after_pages(next, !blocks.is_empty())
            }
            ScanCursor::Blocks(cursor) => {
                // SAFETY: promised by the caller.
                let next = unsafe { blocks.relocate_elements(cursor, relocator) };
                ScanCursor::after_blocks(next)
            }
        }
    }

    /// Moves a page, and with the first one of a chunk what the chunk lists; answers the next page, 0 after the last.
    fn relocate(&mut self, page: u64, relocator: &mut Relocator<'_>) -> u64 {
        let index = usize::try_from(page).unwrap_or(usize::MAX);
        if index >= self.page_count {
            return 0;
        }
        if index == 0 {
            relocator.vec(&mut self.more_chunks);
        }
        let chunk = self.chunk_mut(index);
        if index.is_multiple_of(CHUNK_PAGES) {
            relocator.vec(&mut chunk.pages);
            relocator.vec(&mut chunk.counts);
        }
        relocator.boxed(&mut chunk.pages[index % CHUNK_PAGES]);
        let next = index + 1;
        if next < self.page_count {
            next as u64
        } else {
            0
        }
    }

    /// What the table takes of the heap, in bytes.
    pub(super) fn memory_usage(&self) -> usize {
        let lists: usize = std::iter::once(&self.first_chunk)
            .chain(&self.more_chunks)
            .map(|chunk| chunk.pages.capacity() * size_of::<Box<[u8]>>() + chunk.counts.capacity())
            .sum();
        let directory = lists + self.more_chunks.capacity() * size_of::<Chunk>();
        // Allocators round a page up; half of a step of eight bytes on average.
        directory + self.pages_len + self.page_count * 4
    }
}

/// Every place of a table; made by [`Pages::iter`].
pub(super) struct Iter<'a, const STRIDE: usize> {
    pages: &'a Pages<STRIDE>,
    next: Place,
}

impl<const STRIDE: usize> Iterator for Iter<'_, STRIDE> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        while self.next.page < self.pages.page_count {
            if self.next.offset < self.pages.page(self.next.page).len() {
                let place = self.next;
                self.next.offset = self.pages.last_item(place).end;
                return Some(place);
            }
            self.next = Place {
                page: self.next.page + 1,
                offset: 0,
            };
        }
        None
    }
}

/// The key and the bytes of each entry of a page.
fn entries<const STRIDE: usize>(
    page: &[u8],
) -> impl Iterator<Item = (PackedItem<'_>, Range<usize>)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let start = offset;
        if start >= page.len() {
            return None;
        }
        let (key, behind_key) = packed::item_at(page, start);
        offset = behind_key;
        for _ in 1..STRIDE {
            offset = packed::skip(page, offset);
        }
        Some((key, start..offset))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const SEED: u64 = 11;

    fn hash(key: &[u8]) -> u64 {
        hash_bytes(SEED, key)
    }

    fn insert(pages: &mut Pages<2>, key: &[u8], value: &[u8]) {
        let entry = [PackedItem::from_string(key), PackedItem::from_string(value)];
        pages.insert_new(hash(key), entry);
    }

    fn find(pages: &Pages<2>, key: &[u8]) -> Option<Place> {
        pages.find(hash(key), PackedItem::from_string(key))
    }

    /// What the table keeps of its pages must be what the pages are.
    fn check(pages: &Pages<2>) {
        let mut entries = 0;
        let mut len = 0;
        for index in 0..pages.page_count {
            let page = pages.page(index);
            assert_eq!(pages.count(index), packed::count(page) / 2);
            assert!(pages.count(index) <= pages.fullest);
            entries += pages.count(index);
            len += page.len();
            for place in pages.places(index) {
                let key = pages.item(place, 0).to_vec();
                assert_eq!(pages.page_index(hash(&key)), index);
            }
        }
        assert_eq!((entries, len), (pages.entry_count, pages.pages_len));
        assert_eq!(
            pages.more_chunks.len(),
            pages.page_count.saturating_sub(1) / CHUNK_PAGES
        );
    }

    proptest! {
        #[test]
        fn pages_are_a_map(
            steps in prop::collection::vec((0u8..4, "[a-d0-9]{0,2}", "[a-z0-9]{0,40}"), 0..400),
        ) {
            let mut pages = Pages::new(SEED);
            let mut model = BTreeMap::new();
            for (step, key, value) in steps {
                let (key, value) = (key.into_bytes(), value.into_bytes());
                match (find(&pages, &key), step) {
                    (Some(place), 0) => {
                        pages.remove(place);
                        model.remove(&key);
                    }
                    (Some(place), _) => {
                        pages.replace_last(place, PackedItem::from_string(&value));
                        model.insert(key, value);
                    }
                    (None, _) => {
                        insert(&mut pages, &key, &value);
                        prop_assert!(model.insert(key, value).is_none());
                    }
                }
                prop_assert_eq!(pages.len(), model.len());
            }
            check(&pages);
            let read: BTreeMap<_, _> = pages
                .iter()
                .map(|place| (pages.item(place, 0).to_vec(), pages.item(place, 1).to_vec()))
                .collect();
            prop_assert_eq!(read, model);
        }
    }

    #[test]
    fn thousands_of_pages_come_and_go() {
        let mut pages = Pages::new(SEED);
        let key = |n: u32| format!("key:{n}").into_bytes();
        for n in 0..20_000 {
            insert(&mut pages, &key(n), b"a value of some length");
        }
        check(&pages);
        let most = pages.page_count;
        assert!(most > 4 * CHUNK_PAGES, "{most}");
        for n in 0..19_990 {
            let place = find(&pages, &key(n)).unwrap();
            pages.remove(place);
        }
        check(&pages);
        assert!(pages.page_count < 8, "{}", pages.page_count);
        for n in 19_990..20_000 {
            let place = find(&pages, &key(n)).unwrap();
            pages.remove(place);
        }
        assert_eq!((pages.page_count, pages.more_chunks.len()), (0, 0));
    }

    #[test]
    fn a_page_of_more_entries_than_a_byte_counts_is_counted() {
        let mut pages = Pages::<1>::new(SEED);
        pages.insert_new(0, [PackedItem::Integer(0)]);
        for n in 1..600 {
            pages.change(0, |bytes| {
                packed::push_integer(bytes, n);
                1
            });
            pages.entry_count += 1;
        }
        assert_eq!((pages.count(0), pages.fullest), (600, 600));
        let mut random = Random::new(2);
        let mut seen = BTreeSet::new();
        for _ in 0..40_000 {
            seen.insert(pages.random(&mut random).unwrap());
        }
        assert_eq!(seen.len(), 600);
        let last = seen.pop_last().unwrap();
        pages.remove(last);
        assert_eq!(pages.count(0), 599);
    }
}
