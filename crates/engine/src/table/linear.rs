//! The table: linear hashing over buckets of one cache line.
//!
//! # Why linear hashing
//!
//! A table that doubles must move every element at once (a pause), or keep two tables for a while
//! (Redis: two lookups, and twice the memory). Linear hashing (W. Litwin, "Linear Hashing: A New
//! Tool for File and Table Addressing", VLDB 1980) grows by one bucket at a time: with `n` buckets
//! and `2^level <= n < 2^(level+1)`, an element lives in bucket `hash mod 2^(level+1)` if that
//! bucket exists, else in `hash mod 2^level`. To grow, bucket `n - 2^level` is split into itself
//! and the new bucket `n`; to shrink, the last bucket is merged back. So an insertion moves a few
//! elements at most, whatever the size, and the load stays where it is set.
//!
//! Buckets stand in chunks of 64 (4 KiB), found through a directory, so that growth never copies
//! them; only the first chunk, for small tables, grows by doubling.
//!
//! # SCAN
//!
//! A cursor is a position in the space of *bit-reversed* hashes. A bucket at depth `d` (its index
//! is decided by the low `d` bits of the hash) covers one interval of that space, however far the
//! table has grown or shrunk since; splitting a bucket halves its interval, merging joins two. So
//! "visit the bucket that covers the cursor, go on where its interval ends" visits every element
//! that is present throughout, which is the guarantee of Redis's reverse-binary cursor, with
//! nothing remembered between calls.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::hash::Hasher;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ptr::NonNull;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use super::bucket::{
    Address, Bucket, Element, OVERFLOW_ELEMENT_BYTES, SLOTS, from_address, prefetch,
    prefetch_block, to_address,
};
use super::chunks::{self, CHUNK_BYTES};
use crate::random::Random;
use crate::relocation::Relocator;

/// Buckets in a full chunk.
const CHUNK_BUCKETS: usize = CHUNK_BYTES / size_of::<Bucket>();

/// The table splits a bucket when there are more elements than this many a bucket. Seven of nine
/// slots gives the least memory a key that still finds about nine of ten elements in the first line.
const GROW_LOAD: usize = 7;

/// The table merges a bucket when there are fewer elements than this many a bucket. Far below
/// [`GROW_LOAD`], so that a size that swings does not split and merge forever.
const SHRINK_LOAD: usize = 3;

/// Bits of the hash that a cursor keeps: enough for 2^40 buckets.
pub(crate) const CURSOR_BITS: u32 = 40;

/// A hash table of thin owned elements.
///
/// What a lookup needs comes first, for those who lay out what is around a table.
#[repr(C)]
pub struct Table<E: Element> {
    /// The chunks; all but the first have room for [`CHUNK_BUCKETS`], the first for [`Table::first_chunk_capacity`].
    directory: Vec<NonNull<Bucket>>,
    /// Buckets in use.
    bucket_count: usize,
    element_count: usize,
    seed: u64,
    elements: PhantomData<E>,
}

// SAFETY: a table owns its elements and shares nothing; it is as thread-safe as they are.
unsafe impl<E: Element + Send> Send for Table<E> {}
// SAFETY: as above; `&Table` gives out only addresses.
unsafe impl<E: Element + Sync> Sync for Table<E> {}

/// The hash of a key under a seed. Every table of an engine has the engine's seed, so that a hash
/// made for choosing a stripe serves the lookup too.
#[inline]
pub fn hash_bytes(seed: u64, key: &[u8]) -> u64 {
    // The shared part is fixed: the per-engine seed is what an attacker must not know.
    static SHARED: SharedSeed = SharedSeed::from_u64(0x6f78_6964_6973_2121);
    let mut hasher = FoldHasher::with_seed(seed, &SHARED);
    hasher.write(key);
    let hash = hasher.finish();
    // The fast variant leaves the low bits weaker than the high ones; the table takes its bucket
    // from the low bits and its tag from the middle.
    hash ^ (hash >> 32)
}

/// The tag of a hash: eight bits that choose neither the bucket (low bits) nor the stripe (high).
#[inline]
fn tag_of(hash: u64) -> u8 {
    let tag = (hash >> 40) as u8;
    if tag == 0 { 1 } else { tag }
}

impl<E: Element> Table<E> {
    /// Bytes of a table up to the end of what every lookup needs.
    pub(crate) const LOOKUP_BYTES: usize = offset_of!(Self, seed);

    /// An empty table; it allocates nothing until the first insertion.
    pub fn new(seed: u64) -> Self {
        Table {
            directory: Vec::new(),
            bucket_count: 0,
            element_count: 0,
            seed,
            elements: PhantomData,
        }
    }

    /// Elements in the table.
    pub fn len(&self) -> usize {
        self.element_count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.element_count == 0
    }

    /// The seed of the table's hash.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Buckets in use.
    pub fn bucket_count(&self) -> usize {
        self.bucket_count
    }

    /// The hash under which `key` is kept here.
    #[inline]
    pub fn hash_of(&self, key: &[u8]) -> u64 {
        hash_bytes(self.seed, key)
    }

    /// Buckets that the first chunk has room for: as many as are in use, rounded up to a power of two.
    fn first_chunk_capacity(&self) -> usize {
        match self.bucket_count {
            0 => 0,
            count => count.next_power_of_two().min(CHUNK_BUCKETS),
        }
    }

    /// `level` of the essay above: the greatest with `2^level <= bucket_count`.
    #[inline]
    fn level(&self) -> u32 {
        debug_assert!(self.bucket_count > 0);
        self.bucket_count.ilog2()
    }

    #[inline]
    fn bucket_index(&self, hash: u64) -> usize {
        let wide = (2usize << self.level()) - 1;
        let index = hash as usize & wide;
        if index < self.bucket_count {
            index
        } else {
            index & (wide >> 1)
        }
    }

    #[inline]
    fn bucket_pointer(&self, index: usize) -> NonNull<Bucket> {
        debug_assert!(index < self.bucket_count);
        let chunk = self.directory[index / CHUNK_BUCKETS];
        // SAFETY: every bucket below `bucket_count` is allocated in its chunk.
        unsafe { chunk.add(index % CHUNK_BUCKETS) }
    }

    #[inline]
    fn bucket(&self, index: usize) -> &Bucket {
        // SAFETY: the bucket is allocated and initialised, and `self` is borrowed.
        unsafe { self.bucket_pointer(index).as_ref() }
    }

    #[inline]
    fn bucket_mut(&mut self, index: usize) -> &mut Bucket {
        // SAFETY: as `bucket`, borrowed mutably.
        unsafe { self.bucket_pointer(index).as_mut() }
    }

    /// The element with this key. `hash` is [`Self::hash_of`] the key.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<NonNull<u8>> {
        if self.element_count == 0 {
            return None;
        }
        self.bucket(self.bucket_index(hash))
            .find(tag_of(hash), |raw| {
                // SAFETY: an address in a bucket is an element of this table.
                unsafe { E::key(raw) == key }
            })
    }

    /// The element that a key with this hash has most likely, without a look at any element.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<NonNull<u8>> {
        if self.element_count == 0 {
            return None;
        }
        let bucket = self.bucket(self.bucket_index(hash));
        bucket.find(tag_of(hash), |_| true)
    }

    /// The place of the element with this key, for replacing or removing it.
    #[inline]
    pub fn find_slot(&mut self, hash: u64, key: &[u8]) -> Option<SlotMut<'_, E>> {
        if self.element_count == 0 {
            return None;
        }
        let index = self.bucket_index(hash);
        let mut bucket = self.bucket_pointer(index);
        // SAFETY: the bucket is allocated and initialised, and `self` is borrowed mutably.
        let place = unsafe { bucket.as_mut() }.find_place(tag_of(hash), |raw| {
            // SAFETY: an address in a bucket is an element of this table.
            unsafe { E::key(raw) == key }
        })?;
        Some(SlotMut {
            table: self,
            bucket,
            place,
        })
    }

    /// Adds an element whose key the table does not have.
    pub fn insert_new(&mut self, hash: u64, element: E) {
        if self.bucket_count == 0 {
            self.add_bucket();
        } else if self.element_count >= self.bucket_count * GROW_LOAD {
            self.split();
        }
        let index = self.bucket_index(hash);
        self.bucket_mut(index)
            .insert(tag_of(hash), element.into_raw());
        self.element_count += 1;
    }

    /// Makes an empty table so wide that it need not split while it gets so many elements.
    pub fn reserve(&mut self, elements: usize) {
        if self.element_count == 0 {
            let wanted = elements.div_ceil(GROW_LOAD);
            while self.bucket_count < wanted {
                self.add_bucket();
            }
        }
    }

    /// Gives buckets back that were reserved in vain.
    pub fn shrink_to_fit(&mut self) {
        if self.element_count == 0 {
            return self.free_buckets();
        }
        while self.bucket_count > 1 && self.element_count < self.bucket_count * SHRINK_LOAD {
            self.merge();
        }
    }

    /// Removes the element with this key.
    pub fn remove(&mut self, hash: u64, key: &[u8]) -> Option<E> {
        self.find_slot(hash, key).map(SlotMut::remove)
    }

    /// Appends one empty bucket.
    fn add_bucket(&mut self) {
        let index = self.bucket_count;
        if index >= CHUNK_BUCKETS {
            if index.is_multiple_of(CHUNK_BUCKETS) {
                self.directory.push(allocate_chunk(CHUNK_BUCKETS));
            }
        } else if index == 0 {
            self.directory.push(allocate_chunk(1));
        } else if index == self.first_chunk_capacity() {
            self.move_first_chunk(index, index * 2);
        }
        self.bucket_count += 1;
    }

    /// Moves the first chunk, which has room for `before` buckets, to one that has room for `after`. As many as fit into both
    /// are in use.
    fn move_first_chunk(&mut self, before: usize, after: usize) {
        let old = self.directory[0];
        let new = allocate_chunk(after);
        // SAFETY: both chunks have room for so many buckets and are distinct; the old one's buckets move (their overflow with
        // them), and only its memory is freed.
        unsafe {
            std::ptr::copy_nonoverlapping(old.as_ptr(), new.as_ptr(), before.min(after));
            free_chunk(old, before);
        }
        self.directory[0] = new;
    }

    /// Grows by one bucket, moving into it the elements of the bucket it is split from.
    fn split(&mut self) {
        self.add_bucket();
        let new_index = self.bucket_count - 1;
        if new_index == 0 {
            return;
        }
        let low_bit = 1usize << new_index.ilog2();
        let old_index = new_index - low_bit;
        let mut elements: smallvec::SmallVec<[(u8, NonNull<u8>); 2 * SLOTS]> = Default::default();
        self.bucket(old_index).for_each(&mut |tag, raw| {
            prefetch(raw.as_ptr());
            elements.push((tag, raw));
        });
        self.bucket_mut(old_index).reset();
        for (tag, raw) in elements {
            // SAFETY: an address in a bucket is an element of this table.
            let hash = hash_bytes(self.seed, unsafe { E::key(raw) });
            let index = if hash as usize & low_bit == 0 {
                old_index
            } else {
                new_index
            };
            self.bucket_mut(index).insert(tag, raw);
        }
        // The next buckets to be split are known: their cache misses can be over by then.
        let next = new_index + 1 - (1usize << (new_index + 1).ilog2());
        self.bucket(next)
            .for_each(&mut |_, raw| prefetch(raw.as_ptr()));
        let after = (next + 1).min(new_index);
        prefetch(self.bucket_pointer(after).as_ptr().cast());
    }

    /// Shrinks by one bucket, moving its elements back to the bucket it was split from.
    fn merge(&mut self) {
        let last = self.bucket_count - 1;
        debug_assert!(last > 0);
        let target = last - (1usize << last.ilog2());
        let mut elements: smallvec::SmallVec<[(u8, NonNull<u8>); 2 * SLOTS]> = Default::default();
        self.bucket(last)
            .for_each(&mut |tag, raw| elements.push((tag, raw)));
        self.bucket_mut(last).reset();
        for (tag, raw) in elements {
            self.bucket_mut(target).insert(tag, raw);
        }
        let first_capacity = self.first_chunk_capacity();
        self.bucket_count = last;
        if last < CHUNK_BUCKETS {
            if self.first_chunk_capacity() < first_capacity {
                self.move_first_chunk(first_capacity, last);
            }
        } else if last.is_multiple_of(CHUNK_BUCKETS)
            && let Some(chunk) = self.directory.pop()
        {
            // SAFETY: the chunk's only bucket in use was the one just emptied.
            unsafe { free_chunk(chunk, CHUNK_BUCKETS) };
        }
    }

    fn after_removal(&mut self) {
        self.element_count -= 1;
        if self.element_count == 0 {
            self.free_buckets();
        } else if self.bucket_count > 1 && self.element_count < self.bucket_count * SHRINK_LOAD {
            self.merge();
        }
    }

    /// Frees the buckets. The elements must be gone, or owned by somebody else.
    fn free_buckets(&mut self) {
        for index in 0..self.bucket_count {
            self.bucket_mut(index).reset();
        }
        let first_capacity = self.first_chunk_capacity();
        for (position, chunk) in self.directory.drain(..).enumerate() {
            let buckets = if position == 0 {
                first_capacity
            } else {
                CHUNK_BUCKETS
            };
            // SAFETY: the chunk was allocated with this many buckets, all reset above.
            unsafe { free_chunk(chunk, buckets) };
        }
        self.directory = Vec::new();
        self.bucket_count = 0;
        self.element_count = 0;
    }

    /// Drops every element.
    pub fn clear(&mut self) {
        for index in 0..self.bucket_count {
            self.bucket(index).for_each(&mut |_, raw| {
                // SAFETY: an element of this table, which forgets it in `free_buckets` below.
                drop(unsafe { E::from_raw(raw) });
            });
        }
        self.free_buckets();
    }

    /// Removes and answers some elements, at most one bucket of them; empty when the table is.
    /// For taking a huge table down in small steps.
    pub fn drain_bucket(&mut self) -> smallvec::SmallVec<[E; SLOTS]> {
        let mut taken = smallvec::SmallVec::new();
        while taken.is_empty() && self.bucket_count > 0 {
            let last = self.bucket_count - 1;
            self.bucket(last).for_each(&mut |_, raw| {
                // SAFETY: an element of this table, which forgets it in `reset` below.
                taken.push(unsafe { E::from_raw(raw) });
            });
            self.bucket_mut(last).reset();
            self.element_count -= taken.len();
            if last == 0 {
                self.free_buckets();
            } else {
                self.merge();
            }
        }
        taken
    }

    /// Visits the elements of the bucket that covers `cursor` and answers the next cursor; 0 is
    /// both the start and the end. See the essay above for what is guaranteed.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(NonNull<u8>)) -> u64 {
        if self.bucket_count == 0 {
            return 0;
        }
        let position = cursor << (64 - CURSOR_BITS);
        let index = self.bucket_at(cursor);
        self.bucket(index).for_each(&mut |_, raw| visit(raw));
        let level = self.level();
        let split_point = self.bucket_count - (1 << level);
        let is_deep = index < split_point || index >= 1 << level;
        let depth = level + u32::from(is_deep);
        if depth == 0 {
            return 0;
        }
        let interval = 1u64 << (64 - depth);
        let start = position & !(interval - 1);
        start.wrapping_add(interval) >> (64 - CURSOR_BITS)
    }

    /// The number of the bucket that covers `cursor`.
    fn bucket_at(&self, cursor: u64) -> usize {
        let position = cursor << (64 - CURSOR_BITS);
        self.bucket_index(position.reverse_bits())
    }

    /// Moves what the bucket that covers `cursor` owns, and on the way its chunk, and shows each of its elements to
    /// `visit`, which answers where the element is from now on; answers the next cursor, as [`Self::scan`] does. Unless
    /// `visit` looks at none, all of them are shown to `prepare` before, which may have the processor fetch what they refer to.
    ///
    /// # Safety
    ///
    /// What `visit` answers is an address of the same element, from which [`Element::from_raw`] can take it back.
    pub(crate) unsafe fn relocate(
        &mut self,
        cursor: u64,
        relocator: &mut Relocator<'_>,
        prepare: Option<&dyn Fn(NonNull<u8>)>,
        visit: &mut dyn FnMut(NonNull<u8>, &mut Relocator<'_>) -> NonNull<u8>,
    ) -> u64 {
        if self.bucket_count == 0 {
            return 0;
        }
        if cursor == 0 {
            relocator.vec(&mut self.directory);
        }
        // The elements lie anywhere, and so does the next bucket: to wait for one after the other takes longer than all
        // else.
        let mut fetch = |raw| {
            if prepare.is_some() {
                prefetch_block(raw);
            }
        };
        let next = self.scan(cursor, &mut fetch);
        let next_index = self.bucket_at(next);
        prefetch(self.bucket_pointer(next_index).as_ptr().cast());
        let index = self.bucket_at(cursor);
        if let Some(prepare) = prepare {
            self.bucket(index).for_each(&mut |_, raw| prepare(raw));
        }
        if index.is_multiple_of(CHUNK_BUCKETS) {
            self.relocate_chunk(index / CHUNK_BUCKETS, relocator);
        }
        self.bucket_mut(index).relocate(relocator, visit);
        next
    }

    fn relocate_chunk(&mut self, number: usize, relocator: &mut Relocator<'_>) {
        let buckets = match number {
            0 => self.first_chunk_capacity(),
            _ => CHUNK_BUCKETS,
        };
        let chunk = self.directory[number];
        let moved = if buckets == CHUNK_BUCKETS {
            // SAFETY: the chunk came from `allocate_chunk`, and its new place is noted below.
            unsafe { chunks::relocate(chunk.cast(), relocator) }
        } else {
            // SAFETY: as above; so small a chunk is a block of its own.
            unsafe { relocator.block(chunk.cast(), chunk_layout(buckets)) }
        };
        self.directory[number] = moved.cast();
    }

    /// Moves the elements of the bucket that covers `cursor`, and what else the bucket owns; answers the next cursor,
    /// as [`Self::scan`] does.
    ///
    /// # Safety
    ///
    /// Nobody but the table knows where its elements are, and an element is nothing but its block.
    pub(crate) unsafe fn relocate_elements(
        &mut self,
        cursor: u64,
        relocator: &mut Relocator<'_>,
    ) -> u64 {
        // SAFETY: each is an element of this table, whose only address is replaced by the one that is answered.
        unsafe {
            self.relocate(cursor, relocator, Some(&|_| {}), &mut |raw, relocator| {
                relocator.block(raw, E::layout(raw))
            })
        }
    }

    /// One element, each with the same probability.
    pub fn random(&self, random: &mut Random) -> Option<NonNull<u8>> {
        if self.element_count == 0 {
            return None;
        }
        // A uniform choice among the *places* of uniformly chosen buckets, repeated until a place
        // is taken, is uniform among elements. Buckets with more than the places considered are so
        // rare (Poisson with mean 14 at the worst moment) that the bound is measured, not fixed.
        let mut places = 2 * SLOTS;
        loop {
            let bucket = self.bucket(random.below(self.bucket_count as u64) as usize);
            places = places.max(SLOTS + bucket.overflow_len());
            if let Some(raw) = bucket.at_position(random.below(places as u64) as usize) {
                return Some(raw);
            }
        }
    }

    /// Every element once, in the order of the buckets. The table must not change meanwhile.
    pub fn iter(&self) -> Iter<'_, E> {
        Iter {
            table: self,
            next_bucket: 0,
            found: Default::default(),
        }
    }

    /// Visits the elements of bucket `index` (below [`Self::bucket_count`]).
    pub fn for_each_in_bucket(&self, index: usize, visit: &mut dyn FnMut(NonNull<u8>)) {
        if index < self.bucket_count {
            self.bucket(index).for_each(&mut |_, raw| visit(raw));
        }
    }

    /// Bytes that the table itself takes: directory and buckets, not the elements.
    pub fn memory_usage(&self) -> usize {
        if self.bucket_count == 0 {
            return 0;
        }
        let full_chunks = self.directory.len() - 1;
        let buckets = self.first_chunk_capacity() + full_chunks * CHUNK_BUCKETS;
        // The overflow is estimated from a sample, so that MEMORY USAGE stays quick.
        let sampled = self.bucket_count.min(CHUNK_BUCKETS);
        let overflow: usize = (0..sampled)
            .map(|index| self.bucket(index).overflow_len())
            .sum();
        buckets * size_of::<Bucket>()
            + overflow * self.bucket_count / sampled * OVERFLOW_ELEMENT_BYTES
            + self.directory.capacity() * size_of::<usize>()
    }

    /// Asks the processor for the bucket of `hash`: the first of the two cache misses of a lookup.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        if self.element_count > 0 {
            prefetch(self.bucket_pointer(self.bucket_index(hash)).as_ptr().cast());
        }
    }

    /// Asks the processor for the element of `hash`: the second miss. The bucket should be near. Answers whether
    /// the element is one of the few that have a third, for [`Self::prefetch_overflowed`].
    #[inline]
    pub fn prefetch_element(&self, hash: u64) -> bool {
        self.element_count > 0
            && self
                .bucket(self.bucket_index(hash))
                .prefetch_element(tag_of(hash))
    }

    /// Asks the processor for the elements of all these hashes, whose buckets should be near.
    pub fn prefetch_elements(&self, hashes: impl Iterator<Item = u64>) {
        let mut overflowed: smallvec::SmallVec<[u64; 16]> = Default::default();
        for hash in hashes {
            if self.prefetch_element(hash) {
                overflowed.push(hash);
            }
        }
        for hash in overflowed {
            self.prefetch_overflowed(hash);
        }
    }

    /// Asks the processor for the element of `hash` where [`Self::prefetch_element`] could not yet.
    #[inline]
    pub fn prefetch_overflowed(&self, hash: u64) {
        if self.element_count > 0 {
            self.bucket(self.bucket_index(hash))
                .prefetch_overflowed(tag_of(hash));
        }
    }
}

impl<E: Element> Drop for Table<E> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The place of one element in its table.
pub struct SlotMut<'a, E: Element> {
    table: &'a mut Table<E>,
    bucket: NonNull<Bucket>,
    place: NonNull<Address>,
}

impl<E: Element> SlotMut<'_, E> {
    /// The element's address.
    pub fn raw(&self) -> NonNull<u8> {
        // SAFETY: the place is in the table, which is borrowed, and holds an element's address.
        unsafe { from_address(self.place.read()) }
    }

    /// Puts another address in the element's place: for a block that was reallocated. The key must
    /// be the same. The old address is forgotten, not dropped.
    pub fn replace(&mut self, raw: NonNull<u8>) {
        // SAFETY: as in `raw`; the table is borrowed mutably.
        unsafe { self.place.write(to_address(raw)) };
    }

    /// Takes the element out.
    pub fn remove(mut self) -> E {
        let raw = self.raw();
        // SAFETY: as in `replace`, of the bucket that the place belongs to.
        unsafe { self.bucket.as_mut() }.remove(self.place);
        self.table.after_removal();
        // SAFETY: the table has just forgotten this element.
        unsafe { E::from_raw(raw) }
    }
}

/// Iterator over the addresses of a table's elements.
pub struct Iter<'a, E: Element> {
    table: &'a Table<E>,
    next_bucket: usize,
    found: smallvec::SmallVec<[NonNull<u8>; 2 * SLOTS]>,
}

impl<E: Element> Iterator for Iter<'_, E> {
    type Item = NonNull<u8>;

    fn next(&mut self) -> Option<NonNull<u8>> {
        loop {
            if let Some(raw) = self.found.pop() {
                return Some(raw);
            }
            if self.next_bucket >= self.table.bucket_count {
                return None;
            }
            let found = &mut self.found;
            self.table
                .bucket(self.next_bucket)
                .for_each(&mut |_, raw| found.push(raw));
            self.next_bucket += 1;
        }
    }
}

fn chunk_layout(buckets: usize) -> Layout {
    Layout::array::<Bucket>(buckets).expect("a chunk is at most 4 KiB")
}

fn allocate_chunk(buckets: usize) -> NonNull<Bucket> {
    if buckets == CHUNK_BUCKETS {
        return chunks::allocate().cast();
    }
    let layout = chunk_layout(buckets);
    // SAFETY: the layout has a size, and all zeros are empty buckets.
    let raw = unsafe { alloc_zeroed(layout) }.cast::<Bucket>();
    NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
///
/// The chunk came from `allocate_chunk(buckets)`, and no bucket in it has overflow that
/// was not moved elsewhere.
unsafe fn free_chunk(chunk: NonNull<Bucket>, buckets: usize) {
    if buckets == CHUNK_BUCKETS {
        // SAFETY: promised by the caller.
        return unsafe { chunks::free(chunk.cast()) };
    }
    // SAFETY: promised by the caller.
    unsafe { dealloc(chunk.as_ptr().cast(), chunk_layout(buckets)) };
}
