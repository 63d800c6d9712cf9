//! One bucket of the table: a cache line with nine elements.
//!
//! This module is unsafe because a bucket stores bare addresses: 64 bytes hold nine of them only
//! if each takes 48 bits. Nothing here dereferences an element; only overflow buckets, which the
//! bucket itself allocates, are followed.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// An owning, thin pointer to one heap block which knows its own key.
///
/// # Safety
///
/// `into_raw` must return an address below 2^48 that stays valid, and whose key stays the same,
/// until it is given back to `from_raw`. Every address that a general-purpose allocator returns on
/// x86-64 and AArch64 is below 2^48.
pub unsafe trait Element: Sized {
    /// Gives up ownership; the block stays where it is.
    fn into_raw(self) -> NonNull<u8>;

    /// Takes ownership back.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw` and was not taken back since.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;

    /// The key of the block behind `raw`.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, was not taken back since, and is not changed during `'a`.
    unsafe fn key<'a>(raw: NonNull<u8>) -> &'a [u8];
}

/// Elements in one bucket when it has no overflow bucket.
pub(super) const SLOTS: usize = 9;

/// Set in `Bucket::flags` when the last slot holds the address of an overflow bucket.
const CHAINED: u8 = 1;

/// Nine tags, nine addresses of six bytes each, and one byte of flags: a cache line.
///
/// A tag is eight bits of the hash and never zero; zero marks an empty slot. Elements of a chained
/// bucket stand in its first eight slots and in the overflow bucket, in no order.
#[repr(C, align(64))]
pub(super) struct Bucket {
    tags: [u8; SLOTS],
    flags: u8,
    addresses: [[u8; 6]; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    pub(super) const LAYOUT: Layout = Layout::new::<Bucket>();

    fn allocate() -> NonNull<Bucket> {
        // SAFETY: the layout has a size, and all zeros are an empty bucket.
        let raw = unsafe { alloc_zeroed(Self::LAYOUT) }.cast::<Bucket>();
        NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(Self::LAYOUT))
    }

    fn is_chained(&self) -> bool {
        self.flags & CHAINED != 0
    }

    /// Slots of this bucket alone that may hold elements.
    fn own_slots(&self) -> usize {
        SLOTS - usize::from(self.is_chained())
    }

    fn address(&self, slot: usize) -> NonNull<u8> {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(&self.addresses[slot]);
        let address = u64::from_le_bytes(bytes) as usize;
        // SAFETY: only called for slots whose tag (or chain flag) says that an address was stored.
        unsafe { NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address)) }
    }

    fn store(&mut self, slot: usize, raw: NonNull<u8>) {
        let address = raw.as_ptr().expose_provenance() as u64;
        debug_assert!(address < 1 << 48);
        self.addresses[slot].copy_from_slice(&address.to_le_bytes()[..6]);
    }

    fn overflow(&self) -> Option<&Bucket> {
        self.is_chained().then(|| {
            // SAFETY: a chained bucket owns the bucket whose address its last slot holds.
            unsafe { self.address(SLOTS - 1).cast::<Bucket>().as_ref() }
        })
    }

    fn overflow_mut(&mut self) -> Option<&mut Bucket> {
        self.is_chained().then(|| {
            // SAFETY: as in `overflow`, and the owner is borrowed mutably.
            unsafe { self.address(SLOTS - 1).cast::<Bucket>().as_mut() }
        })
    }

    /// A bit for each slot of this bucket (not of the chain) whose tag is `tag`.
    #[inline]
    fn matches(&self, tag: u8) -> u32 {
        let mut found = 0;
        for (slot, &other) in self.tags.iter().enumerate() {
            found |= u32::from(other == tag) << slot;
        }
        found
    }

    /// The element whose tag is `tag` and for which `is_equal` holds, with its place.
    #[inline]
    pub(super) fn find(
        &self,
        tag: u8,
        mut is_equal: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<NonNull<u8>> {
        let mut bucket = self;
        loop {
            let mut found = bucket.matches(tag);
            while found != 0 {
                let raw = bucket.address(found.trailing_zeros() as usize);
                if is_equal(raw) {
                    return Some(raw);
                }
                found &= found - 1;
            }
            bucket = bucket.overflow()?;
        }
    }

    /// As [`Self::find`], but answers the bucket of the chain and the slot.
    pub(super) fn find_place(
        &mut self,
        tag: u8,
        mut is_equal: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<(NonNull<Bucket>, usize)> {
        let mut bucket = self;
        loop {
            let mut found = bucket.matches(tag);
            while found != 0 {
                let slot = found.trailing_zeros() as usize;
                if is_equal(bucket.address(slot)) {
                    return Some((NonNull::from(bucket), slot));
                }
                found &= found - 1;
            }
            bucket = bucket.overflow_mut()?;
        }
    }

    pub(super) fn raw(&self, slot: usize) -> NonNull<u8> {
        debug_assert!(self.tags[slot] != 0);
        self.address(slot)
    }

    pub(super) fn replace(&mut self, slot: usize, raw: NonNull<u8>) {
        debug_assert!(self.tags[slot] != 0);
        self.store(slot, raw);
    }

    /// Adds an element to the chain that starts here.
    pub(super) fn insert(&mut self, tag: u8, raw: NonNull<u8>) {
        debug_assert!(tag != 0);
        let mut bucket = self;
        loop {
            let own = bucket.own_slots();
            if let Some(slot) = bucket.tags[..own].iter().position(|&tag| tag == 0) {
                bucket.tags[slot] = tag;
                bucket.store(slot, raw);
                return;
            }
            if !bucket.is_chained() {
                let mut overflow = Self::allocate();
                let last = SLOTS - 1;
                let (moved_tag, moved) = (bucket.tags[last], bucket.address(last));
                // SAFETY: just allocated, and nobody else knows of it.
                unsafe { overflow.as_mut() }.insert(moved_tag, moved);
                bucket.tags[last] = 0;
                bucket.store(last, overflow.cast());
                bucket.flags |= CHAINED;
            }
            // `is_chained` holds here, so there is an overflow bucket.
            bucket = bucket.overflow_mut().expect("the bucket was just chained");
        }
    }

    /// Empties a slot of this bucket. The chain may be longer than needed afterwards; call
    /// [`Self::tighten`] on its first bucket.
    pub(super) fn clear_slot(&mut self, slot: usize) {
        self.tags[slot] = 0;
    }

    /// Gives back the overflow buckets that the elements of this chain do not need.
    pub(super) fn tighten(&mut self) {
        if !self.is_chained() {
            return;
        }
        let count = self.len();
        if count > SLOTS {
            // A longer chain than needed is only memory; the common short case is kept exact.
            if let Some(overflow) = self.overflow_mut() {
                overflow.tighten();
            }
            return;
        }
        let mut kept: [(u8, Option<NonNull<u8>>); SLOTS] = [(0, None); SLOTS];
        let mut next = 0;
        self.for_each(&mut |tag, raw| {
            kept[next] = (tag, Some(raw));
            next += 1;
        });
        self.reset();
        for (tag, raw) in kept.into_iter().take(next) {
            if let Some(raw) = raw {
                self.insert(tag, raw);
            }
        }
    }

    /// Forgets all elements and frees the overflow buckets.
    pub(super) fn reset(&mut self) {
        if self.is_chained() {
            let overflow = self.address(SLOTS - 1).cast::<Bucket>();
            // SAFETY: a chained bucket owns its overflow bucket, allocated by `allocate`.
            unsafe {
                (*overflow.as_ptr()).reset();
                dealloc(overflow.as_ptr().cast(), Self::LAYOUT);
            }
        }
        self.tags = [0; SLOTS];
        self.flags = 0;
    }

    /// Calls `visit` with the tag and the address of each element of the chain.
    #[inline]
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(u8, NonNull<u8>)) {
        let mut bucket = self;
        loop {
            for slot in 0..bucket.own_slots() {
                if bucket.tags[slot] != 0 {
                    visit(bucket.tags[slot], bucket.address(slot));
                }
            }
            match bucket.overflow() {
                Some(overflow) => bucket = overflow,
                None => return,
            }
        }
    }

    /// Elements in the chain.
    pub(super) fn len(&self) -> usize {
        let mut count = 0;
        let mut bucket = Some(self);
        while let Some(current) = bucket {
            count += current.tags.iter().filter(|&&tag| tag != 0).count();
            bucket = current.overflow();
        }
        count
    }

    /// Overflow buckets behind this one.
    pub(super) fn overflow_len(&self) -> usize {
        let mut count = 0;
        let mut bucket = self.overflow();
        while let Some(current) = bucket {
            count += 1;
            bucket = current.overflow();
        }
        count
    }

    /// The element at `position` of the chain, where positions also count empty slots.
    pub(super) fn at_position(&self, position: usize) -> Option<NonNull<u8>> {
        let mut bucket = self;
        let mut position = position;
        loop {
            let own = bucket.own_slots();
            if position < own {
                return (bucket.tags[position] != 0).then(|| bucket.address(position));
            }
            position -= own;
            bucket = bucket.overflow()?;
        }
    }

    /// Asks the processor to fetch the element that a lookup of `tag` will most likely compare.
    #[inline]
    pub(super) fn prefetch_element(&self, tag: u8) {
        let found = self.matches(tag);
        if found != 0 {
            prefetch(self.address(found.trailing_zeros() as usize).as_ptr());
        }
    }
}

/// How many bytes a processor fetches at once.
pub(crate) const CACHE_LINE_BYTES: usize = 64;

/// Asks the processor to bring a cache line near; does nothing where there is no such instruction.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and faults on no address; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
