//! One bucket of the table: a cache line with nine elements, and a block for those that it has no room for.
//!
//! This module is unsafe because a bucket stores bare addresses: 64 bytes hold nine of them only
//! if each takes 48 bits. Nothing here dereferences an element; only overflow blocks, which the
//! bucket itself allocates, are followed.
//!
//! # Overflow
//!
//! A bucket that gets a tenth element puts the address of an overflow block in its last slot, and the two
//! elements that have no slot into the block, which is always exactly as long as its elements need: seven bytes each,
//! so that an allocator with steps of eight bytes gives eight. Under linear hashing a fifth of the buckets
//! overflow, most of them by two to four elements (those that are next to be split by more); a second whole
//! bucket for each took 1.9 bytes a key of the table where this takes 0.9. A block is allocated anew for
//! each element that joins or leaves it; that is rare enough not to be seen beside the request.

use std::alloc::Layout;
use std::ptr::{self, NonNull};

use crate::relocation::Relocator;

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

    /// With which layout the block behind `raw` was allocated.
    ///
    /// # Safety
    ///
    /// As [`Element::key`].
    unsafe fn layout(raw: NonNull<u8>) -> Layout;
}

/// Elements in one bucket when it has no overflow block.
pub(super) const SLOTS: usize = 9;

/// The slot that holds the address of the overflow block when there is one.
const LAST: usize = SLOTS - 1;

/// In `Bucket::overflow_count`: the overflow has so many elements or more, and is a boxed vector. Nothing but
/// chosen keys makes so long a one; it is bounded by memory alone and grows by doubling.
const MANY: u8 = u8::MAX;

/// Nine tags, nine addresses of six bytes each, and one byte that counts the overflow: a cache line.
///
/// A tag is eight bits of the hash and never zero; zero marks a slot without an element. While there
/// is an overflow block it holds two elements at least, the last slot holds its address, and all other
/// slots hold elements: so only the block says how many there are.
#[repr(C, align(64))]
pub(super) struct Bucket {
    tags: [u8; SLOTS],
    overflow_count: u8,
    addresses: [Address; SLOTS],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The low six bytes of an address, little-endian.
pub(super) type Address = [u8; 6];

/// An element in an overflow block.
#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    tag: u8,
    address: Address,
}

const _: () = assert!(size_of::<Record>() == 7 && align_of::<Record>() == 1);

/// Bytes that an element takes in an overflow block.
pub(super) const OVERFLOW_ELEMENT_BYTES: usize = size_of::<Record>();

pub(super) fn to_address(raw: NonNull<u8>) -> Address {
    let address = raw.as_ptr().expose_provenance() as u64;
    debug_assert!(address < 1 << 48);
    let mut bytes = [0; 6];
    bytes.copy_from_slice(&address.to_le_bytes()[..6]);
    bytes
}

/// # Safety
///
/// `address` came from [`to_address`].
#[inline]
pub(super) unsafe fn from_address(address: Address) -> NonNull<u8> {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&address);
    let address = u64::from_le_bytes(bytes) as usize;
    // SAFETY: promised by the caller: it was not null.
    unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) }
}

impl Record {
    fn raw(self) -> NonNull<u8> {
        // SAFETY: a record is made with the address of an element only.
        unsafe { from_address(self.address) }
    }
}

impl Bucket {
    #[inline]
    fn address(&self, slot: usize) -> NonNull<u8> {
        // SAFETY: only called for slots whose tag (or the count of the overflow) says that an
        // address was stored.
        unsafe { from_address(self.addresses[slot]) }
    }

    fn record(&self, slot: usize) -> Record {
        Record {
            tag: self.tags[slot],
            address: self.addresses[slot],
        }
    }

    fn set_record(&mut self, slot: usize, record: Record) {
        self.tags[slot] = record.tag;
        self.addresses[slot] = record.address;
    }

    /// The elements that have no slot.
    #[inline]
    fn overflow(&self) -> &[Record] {
        match self.overflow_count {
            0 => &[],
            // SAFETY: `put_overflow` stored the address of a boxed vector that this bucket owns.
            MANY => unsafe { self.address(LAST).cast::<Vec<Record>>().as_ref() },
            // SAFETY: `put_overflow` stored the address of so many records that this bucket owns.
            count => unsafe {
                let first = self.address(LAST).cast::<Record>();
                std::slice::from_raw_parts(first.as_ptr(), usize::from(count))
            },
        }
    }

    fn overflow_mut(&mut self) -> &mut [Record] {
        match self.overflow_count {
            0 => &mut [],
            // SAFETY: as in `overflow`, and the bucket is borrowed mutably.
            MANY => unsafe { self.address(LAST).cast::<Vec<Record>>().as_mut() },
            // SAFETY: as above.
            count => unsafe {
                let first = self.address(LAST).cast::<Record>();
                std::slice::from_raw_parts_mut(first.as_ptr(), usize::from(count))
            },
        }
    }

    /// Takes the overflow away; the last slot is empty then.
    fn take_overflow(&mut self) -> Vec<Record> {
        let count = std::mem::take(&mut self.overflow_count);
        if count == 0 {
            return Vec::new();
        }
        let address = self.address(LAST);
        if count == MANY {
            // SAFETY: the address came from `Box::into_raw` of this type in `put_overflow`, and is
            // forgotten here.
            return *unsafe { Box::from_raw(address.cast::<Vec<Record>>().as_ptr()) };
        }
        let first = address.cast::<Record>().as_ptr();
        let records = ptr::slice_from_raw_parts_mut(first, usize::from(count));
        // SAFETY: as above, of a slice of this length.
        unsafe { Box::from_raw(records) }.into_vec()
    }

    /// Puts an overflow of two elements or more where none is; the last slot's element is among them.
    fn put_overflow(&mut self, records: Vec<Record>) {
        debug_assert!(self.overflow_count == 0 && records.len() >= 2);
        let address: *mut u8;
        match u8::try_from(records.len()) {
            Ok(count) if count < MANY => {
                self.overflow_count = count;
                address = Box::into_raw(records.into_boxed_slice()).cast();
            }
            _ => {
                self.overflow_count = MANY;
                address = Box::into_raw(Box::new(records)).cast();
            }
        }
        self.tags[LAST] = 0;
        self.addresses[LAST] = to_address(NonNull::new(address).expect("a box is not null"));
    }

    /// A bit for each slot of this bucket (not of the overflow) whose tag is `tag`.
    #[inline]
    fn matches(&self, tag: u8) -> u32 {
        let mut found = 0;
        for (slot, &other) in self.tags.iter().enumerate() {
            found |= u32::from(other == tag) << slot;
        }
        found
    }

    /// The element whose tag is `tag` and for which `is_equal` holds.
    #[inline]
    pub(super) fn find(
        &self,
        tag: u8,
        mut is_equal: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<NonNull<u8>> {
        let mut found = self.matches(tag);
        while found != 0 {
            let raw = self.address(found.trailing_zeros() as usize);
            if is_equal(raw) {
                return Some(raw);
            }
            found &= found - 1;
        }
        if self.overflow_count == 0 {
            return None;
        }
        let place = self.find_in_overflow(tag, &mut is_equal)?;
        Some(self.overflow()[place].raw())
    }

    /// As [`Self::find`], but answers where the element's address stands. That is true until an element is
    /// inserted into the bucket or removed from it.
    #[inline]
    pub(super) fn find_place(
        &mut self,
        tag: u8,
        mut is_equal: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<NonNull<Address>> {
        let mut found = self.matches(tag);
        while found != 0 {
            let slot = found.trailing_zeros() as usize;
            if is_equal(self.address(slot)) {
                return Some(NonNull::from(&mut self.addresses[slot]));
            }
            found &= found - 1;
        }
        if self.overflow_count == 0 {
            return None;
        }
        let place = self.find_in_overflow(tag, &mut is_equal)?;
        Some(NonNull::from(&mut self.overflow_mut()[place].address))
    }

    /// A call of its own: what most lookups never reach shall not make them longer.
    #[inline(never)]
    fn find_in_overflow(
        &self,
        tag: u8,
        is_equal: &mut dyn FnMut(NonNull<u8>) -> bool,
    ) -> Option<usize> {
        let mut overflow = self.overflow().iter();
        overflow.position(|record| record.tag == tag && is_equal(record.raw()))
    }

    /// Adds an element.
    pub(super) fn insert(&mut self, tag: u8, raw: NonNull<u8>) {
        debug_assert!(tag != 0);
        let record = Record {
            tag,
            address: to_address(raw),
        };
        if self.overflow_count == 0
            && let Some(slot) = self.tags.iter().position(|&tag| tag == 0)
        {
            self.set_record(slot, record);
        } else {
            self.insert_in_overflow(record);
        }
    }

    #[cold]
    fn insert_in_overflow(&mut self, record: Record) {
        let mut records = self.take_overflow();
        if records.is_empty() {
            records.reserve_exact(2);
            records.push(self.record(LAST));
        } else if records.len() < usize::from(MANY) {
            records.reserve_exact(1);
        }
        records.push(record);
        self.put_overflow(records);
    }

    /// Takes out the element whose address stands at `place`, which [`Self::find_place`] answered. Others may
    /// change their places.
    pub(super) fn remove(&mut self, place: NonNull<Address>) {
        let bytes_from = |start: usize| place.addr().get().wrapping_sub(start);
        let slot = bytes_from(self.addresses.as_ptr().addr()) / size_of::<Address>();
        if self.overflow_count == 0 {
            self.tags[slot] = 0;
            return;
        }
        let index = bytes_from(self.overflow().as_ptr().addr()) / size_of::<Record>();
        let mut records = self.take_overflow();
        if slot >= SLOTS {
            records.swap_remove(index);
        } else if let Some(record) = records.pop() {
            self.set_record(slot, record);
        }
        match records[..] {
            [only] => self.set_record(LAST, only),
            _ => self.put_overflow(records),
        }
    }

    /// Forgets all elements and frees the overflow block.
    pub(super) fn reset(&mut self) {
        self.take_overflow();
        self.tags = [0; SLOTS];
    }

    /// Calls `visit` with the tag and the address of each element.
    #[inline]
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(u8, NonNull<u8>)) {
        for slot in 0..SLOTS {
            if self.tags[slot] != 0 {
                visit(self.tags[slot], self.address(slot));
            }
        }
        for record in self.overflow() {
            visit(record.tag, record.raw());
        }
    }

    /// Moves the overflow block, and shows each element to `visit`, which answers where it is from now on.
    pub(super) fn relocate(
        &mut self,
        relocator: &mut Relocator<'_>,
        visit: &mut dyn FnMut(NonNull<u8>, &mut Relocator<'_>) -> NonNull<u8>,
    ) {
        if self.overflow_count == MANY {
            let mut records = self.take_overflow();
            relocator.vec(&mut records);
            self.put_overflow(records);
        } else if self.overflow_count > 0 {
            let count = usize::from(self.overflow_count);
            let layout = Layout::array::<Record>(count).expect("far below isize::MAX bytes");
            // SAFETY: `put_overflow` stored the address of a boxed slice of so many records, which this bucket owns.
            let block = unsafe { relocator.block(self.address(LAST), layout) };
            self.addresses[LAST] = to_address(block);
        }
        let mut renew = |address: &mut Address| {
            // SAFETY: it is the address of an element.
            let raw = unsafe { from_address(*address) };
            *address = to_address(visit(raw, relocator));
        };
        for slot in 0..SLOTS {
            if self.tags[slot] != 0 {
                renew(&mut self.addresses[slot]);
            }
        }
        for record in self.overflow_mut() {
            renew(&mut record.address);
        }
    }

    /// Elements without a slot.
    pub(super) fn overflow_len(&self) -> usize {
        match self.overflow_count {
            MANY => self.overflow().len(),
            count => usize::from(count),
        }
    }

    /// The element at `position`, where slots that hold none are positions, too, as are all behind the
    /// last element.
    pub(super) fn at_position(&self, position: usize) -> Option<NonNull<u8>> {
        if position < SLOTS {
            return (self.tags[position] != 0).then(|| self.address(position));
        }
        let record = self.overflow().get(position - SLOTS)?;
        Some(record.raw())
    }

    /// Asks the processor to fetch the element that a lookup of `tag` will most likely compare, or the
    /// overflow if it is not here; answers whether it is the overflow, so that
    /// [`Self::prefetch_overflowed`] is the next step.
    #[inline]
    pub(super) fn prefetch_element(&self, tag: u8) -> bool {
        let found = self.matches(tag);
        if found != 0 {
            prefetch_block(self.address(found.trailing_zeros() as usize));
            return false;
        }
        if self.overflow_count != 0 {
            prefetch_block(self.address(LAST));
        }
        self.overflow_count != 0
    }

    /// Asks the processor to fetch the element in the overflow that a lookup of `tag` will most likely compare.
    #[inline]
    pub(super) fn prefetch_overflowed(&self, tag: u8) {
        let mut overflow = self.overflow().iter();
        if let Some(record) = overflow.find(|record| record.tag == tag) {
            prefetch_block(record.raw());
        }
    }
}

/// How many bytes a processor fetches at once.
pub(crate) const CACHE_LINE_BYTES: usize = 64;

/// Asks the processor for a small heap block whose length is not known yet. Half of all blocks of 40 bytes lie in two cache
/// lines; where one lies in a single line the second request is for the same, and free.
#[inline(always)]
pub(super) fn prefetch_block(block: NonNull<u8>) {
    prefetch(block.as_ptr());
    prefetch(block.as_ptr().wrapping_add(CACHE_LINE_BYTES / 2));
}

/// Asks the processor for something that is no longer than two cache lines.
#[inline(always)]
pub(crate) fn prefetch_value<T>(value: &T) {
    let address = ptr::from_ref(value).cast::<u8>();
    prefetch(address);
    prefetch(address.wrapping_add(size_of::<T>().saturating_sub(1)));
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is done to a bucket; elements are named by where they stand in the model.
    #[derive(Debug, Clone)]
    enum Operation {
        Insert(u8),
        Remove(usize),
        Replace(usize),
    }

    /// Some hundred operations, of which insertions are one in five or as many as four in five.
    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        (1u32..5).prop_flat_map(|insertions| {
            let operation = prop_oneof![
                2 * insertions => (1u8..4).prop_map(Operation::Insert),
                9 - 2 * insertions => any::<usize>().prop_map(Operation::Remove),
                1 => any::<usize>().prop_map(Operation::Replace),
            ];
            prop::collection::vec(operation, 0..if cfg!(miri) { 100 } else { 700 })
        })
    }

    /// An address that is never followed.
    fn address(number: usize) -> NonNull<u8> {
        NonNull::new(ptr::without_provenance_mut(number << 3)).expect("a number above zero")
    }

    fn sorted(mut elements: Vec<(u8, NonNull<u8>)>) -> Vec<(u8, NonNull<u8>)> {
        elements.sort_unstable();
        elements
    }

    fn place(bucket: &mut Bucket, tag: u8, raw: NonNull<u8>) -> NonNull<Address> {
        let found = bucket.find_place(tag, |other| other == raw);
        found.expect("it is there")
    }

    /// Holds the bucket against what should be in it, by all ways to look.
    fn check(bucket: &mut Bucket, model: &[(u8, NonNull<u8>)]) {
        let overflow = model.len().checked_sub(LAST).filter(|&count| count > 1);
        assert_eq!(bucket.overflow_len(), overflow.unwrap_or(0));
        assert_eq!(bucket.overflow().len(), overflow.unwrap_or(0));
        let mut visited = Vec::new();
        bucket.for_each(&mut |tag, raw| visited.push((tag, raw)));
        assert_eq!(sorted(visited), sorted(model.to_vec()));
        let positions = 0..SLOTS + bucket.overflow_len() + 1;
        let mut placed: Vec<_> = positions.filter_map(|it| bucket.at_position(it)).collect();
        placed.sort_unstable();
        let mut expected: Vec<_> = model.iter().map(|&(_, raw)| raw).collect();
        expected.sort_unstable();
        assert_eq!(placed, expected);
        for &(tag, raw) in model {
            assert_eq!(bucket.find(tag, |other| other == raw), Some(raw));
            // SAFETY: the place is one of the bucket's, where an address stands.
            let found = unsafe { from_address(place(bucket, tag, raw).read()) };
            assert_eq!(found, raw);
            assert_eq!(bucket.find(tag + 1, |other| other == raw), None);
            assert_eq!(bucket.find_place(tag + 1, |other| other == raw), None);
        }
    }

    fn perform(operations: Vec<Operation>) {
        let mut bucket = Bucket {
            tags: [0; SLOTS],
            overflow_count: 0,
            addresses: [[0; 6]; SLOTS],
        };
        let mut model: Vec<(u8, NonNull<u8>)> = Vec::new();
        for (number, operation) in (1..).zip(operations) {
            match operation {
                Operation::Insert(tag) => {
                    bucket.insert(tag, address(number));
                    model.push((tag, address(number)));
                }
                Operation::Remove(_) | Operation::Replace(_) if model.is_empty() => {}
                Operation::Remove(index) => {
                    let (tag, raw) = model.swap_remove(index % model.len());
                    let place = place(&mut bucket, tag, raw);
                    bucket.remove(place);
                }
                Operation::Replace(index) => {
                    let at = index % model.len();
                    let (tag, raw) = model[at];
                    let place = place(&mut bucket, tag, raw);
                    // SAFETY: as in `check`.
                    unsafe { place.write(to_address(address(number))) };
                    model[at].1 = address(number);
                }
            }
            // Every look takes as long as there are elements: a long bucket is looked at now and then.
            if model.len() < 30 || number % 50 == 0 {
                check(&mut bucket, &model);
            }
        }
        check(&mut bucket, &model);
        bucket.reset();
        check(&mut bucket, &[]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 128 }))]

        #[test]
        fn a_bucket_holds_what_was_put_into_it(operations in operations()) {
            perform(operations);
        }
    }

    /// Past the count that fits in the bucket, and back.
    #[test]
    fn a_bucket_of_hundreds_shrinks_to_one_without_overflow() {
        let many = usize::from(MANY) + 50;
        let remove = |number: usize| Operation::Remove(number);
        let grown = (0..many).map(|number| Operation::Insert(1 + (number % 200) as u8));
        perform(grown.clone().chain((0..many).map(remove)).collect());
        // At the seam itself, some times over.
        let seam = usize::from(MANY) + LAST;
        let around = (0..300).map(|number| match number / 3 % 2 {
            0 => remove(number),
            _ => Operation::Insert(7),
        });
        perform(grown.take(seam + 1).chain(around).collect());
    }
}
