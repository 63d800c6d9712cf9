//! The entries of one database that live in one stripe, with typed access to their values.
//!
//! Nothing here knows of expiry times that have passed, of commands or of events; see
//! `command::context` for those.

use std::convert::Infallible;
use std::mem::offset_of;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::entry::{Entry, EntryRef, raw_string_mut};
use super::epoch::Share;
use super::meter::{Meter, Meters};
use super::stored::{Collection, collection_ref, element_count, has_expiring_fields};
use crate::random::Random;
use crate::relocation::Relocator;
use crate::table::Table;

/// One stripe's share of one database.
///
/// The order of its fields is part of the layout of a stripe: see [`Cell`](super::stripe::Cell).
#[repr(C)]
pub(crate) struct Database {
    table: Table<Entry>,
    /// Entries that have an expiry.
    volatile: usize,
    /// The snapshot that has to walk the entries; see `epoch`.
    pub(super) share: Option<Box<Share>>,
    /// The hash of the entry that was added last, if it replaced none: for the event `new`.
    newest: Mark,
    /// The hash of an entry that was taken out only to be replaced.
    replacing: Mark,
    /// What the entries take.
    meter: Meter,
    /// What new entries get as access information; see [`Self::set_access_clock`].
    access_clock: u32,
    // What comes before is looked at by every command that changes a key.
    /// Hashes with fields that expire.
    expiring_hashes: usize,
    /// The bucket at which the active expiry cycle goes on.
    next_bucket: usize,
    /// The bucket at which the walk for keys with an expiry, to evict one, goes on.
    next_volatile_bucket: usize,
}

impl Database {
    /// Bytes up to the end of what every lookup needs.
    pub(super) const LOOKUP_BYTES: usize = Table::<Entry>::LOOKUP_BYTES;

    /// Bytes up to the end of what every command needs that changes a key.
    pub(super) const CHANGE_BYTES: usize = offset_of!(Database, expiring_hashes);
}

/// A hash that is remembered, or none. A hash of 0 is forgotten: there is one such key in 2^64, whose event `new` nobody
/// will miss.
type Mark = Option<NonZeroU64>;

impl Database {
    pub(crate) fn new(seed: u64, meters: &Meters) -> Self {
        Database {
            table: Table::new(seed),
            volatile: 0,
            share: None,
            newest: None,
            replacing: None,
            meter: meters.meter(),
            access_clock: 0,
            expiring_hashes: 0,
            next_bucket: 0,
            next_volatile_bucket: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Entries that have an expiry.
    pub(crate) fn volatile_len(&self) -> usize {
        self.volatile
    }

    /// Hashes with fields that expire.
    #[inline]
    pub(crate) fn expiring_hashes(&self) -> usize {
        self.expiring_hashes
    }

    /// Bytes of the table itself.
    pub(crate) fn table_memory(&self) -> usize {
        self.table.memory_usage()
    }

    /// About how many bytes table and entries take, judged by some of the entries.
    pub(crate) fn approximate_bytes(&self) -> usize {
        const SAMPLES: usize = 32;
        let sampled = self.len().min(SAMPLES);
        let entries = self.iter().take(sampled);
        let bytes: usize = entries.map(EntryRef::approximate_bytes).sum();
        self.table.memory_usage() + bytes / sampled.max(1) * self.len()
    }

    /// The hash of a key.
    #[inline]
    pub(crate) fn hash_of(&self, key: &[u8]) -> u64 {
        self.table.hash_of(key)
    }

    pub(crate) fn bucket_count(&self) -> usize {
        self.table.bucket_count()
    }

    #[inline]
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        let raw = self.table.find(hash, key)?;
        // SAFETY: an address in the table is an entry of ours, and `self` is borrowed.
        Some(unsafe { EntryRef::from_raw(raw) })
    }

    /// Sets what entries get as access information that have none of their own yet.
    #[inline]
    pub(crate) fn set_access_clock(&mut self, clock: u32) {
        self.access_clock = clock;
    }

    /// Adds an entry whose key is not there.
    pub(crate) fn insert_new(&mut self, hash: u64, entry: Entry) {
        if entry.as_ref().access() == 0 {
            entry.as_ref().set_access(self.access_clock);
        }
        if entry.as_ref().expire_ms().is_some() {
            self.volatile += 1;
        }
        self.expiring_hashes += usize::from(has_expiring_fields(entry.as_ref()));
        let cost = self.meter.cost(entry.as_ref());
        self.meter.charge(cost);
        self.settle_new(hash, entry.as_ref());
        self.table.insert_new(hash, entry);
        let is_new = self.replacing.is_none_or(|it| it.get() != hash);
        self.newest = NonZeroU64::new(hash).filter(|_| is_new);
        self.replacing = None;
    }

    /// Adds an entry; answers the one that had its key.
    pub(crate) fn insert(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        let old = self.remove(hash, entry.as_ref().key());
        if old.is_some() {
            self.replacing = NonZeroU64::new(hash);
        }
        self.insert_new(hash, entry);
        old
    }

    /// As [`Self::insert`], of data that are being loaded, into a share that nobody watches: no entry is news.
    pub(crate) fn insert_loaded(&mut self, hash: u64, entry: Entry) -> Option<Entry> {
        let old = match self.table.find(hash, entry.as_ref().key()) {
            Some(_) => self.remove(hash, entry.as_ref().key()),
            None => None,
        };
        self.insert_new(hash, entry);
        self.newest = None;
        old
    }

    /// Makes an empty share so wide that so many keys go in without its growing.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.table.reserve(keys);
    }

    /// Gives back what was reserved in vain.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.table.shrink_to_fit();
    }

    /// Takes an entry out that another one with the same key is about to replace.
    pub(crate) fn remove_to_replace(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let entry = self.remove(hash, key)?;
        self.replacing = NonZeroU64::new(hash);
        Some(entry)
    }

    /// Whether the entry that was added last has this hash, and nobody has asked since.
    pub(crate) fn take_newest(&mut self, hash: u64) -> bool {
        let is_newest = self.newest.is_some_and(|it| it.get() == hash);
        if is_newest {
            self.newest = None;
        }
        is_newest
    }

    /// Forgets which entry was added last.
    pub(crate) fn forget_newest(&mut self) {
        self.newest = None;
    }

    /// Takes over the entries of another share, in the place of those that have the same keys. Without
    /// `replaces` a key that is there already ends it; answers whether there was none.
    pub(crate) fn absorb(&mut self, mut other: Database, replaces: bool) -> bool {
        loop {
            let entries = other.table.drain_bucket();
            if entries.is_empty() {
                return true;
            }
            for entry in entries {
                let key = entry.as_ref().key();
                let hash = self.hash_of(key);
                if !replaces && self.get(hash, key).is_some() {
                    return false;
                }
                drop(self.insert(hash, entry));
                self.forget_newest();
            }
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        self.preserve(hash, key);
        let entry = self.table.remove(hash, key)?;
        if entry.as_ref().expire_ms().is_some() {
            self.volatile -= 1;
        }
        self.expiring_hashes -= usize::from(has_expiring_fields(entry.as_ref()));
        let cost = self.meter.cost(entry.as_ref());
        self.meter.charge(-cost);
        Some(entry)
    }

    /// Sets a string whatever was there. `expire_ms` is the new expiry, or `None` to have none;
    /// `touch` notes the use of an entry that was there. Answers whether one was.
    #[inline]
    pub(crate) fn set_string(
        &mut self,
        hash: u64,
        key: &[u8],
        bytes: &[u8],
        expire_ms: Option<i64>,
        touch: impl FnOnce(EntryRef<'_>),
    ) -> bool {
        self.preserve(hash, key);
        let Some(mut slot) = self.table.find_slot(hash, key) else {
            self.insert_new(hash, Entry::from_string(key, bytes, expire_ms));
            return false;
        };
        let raw = slot.raw();
        // SAFETY: the slot's entry is ours, and the slot gets its new address at once.
        let had_expire = unsafe {
            let had_expire = EntryRef::from_raw(raw).expire_ms().is_some();
            let cost = self.meter.cost_of(raw);
            let raw = Entry::overwrite_string(raw, bytes);
            let raw = if had_expire || expire_ms.is_some() {
                Entry::with_expire(raw, expire_ms)
            } else {
                raw
            };
            slot.replace(raw);
            self.meter.charge(self.meter.cost_of(raw) - cost);
            touch(EntryRef::from_raw(raw));
            had_expire
        };
        self.count_expire_change(had_expire, expire_ms.is_some());
        true
    }

    /// Sets an integer, keeping the expiry of the key if it was there.
    pub(crate) fn set_integer_keeping_expire(&mut self, hash: u64, key: &[u8], n: i64) {
        self.preserve(hash, key);
        match self.table.find_slot(hash, key) {
            // SAFETY: as in `set_string`.
            Some(mut slot) => unsafe {
                if Entry::renew_integer(slot.raw(), n) {
                    return;
                }
                let cost = self.meter.cost_of(slot.raw());
                let raw = Entry::overwrite_integer(slot.raw(), n);
                slot.replace(raw);
                self.meter.charge(self.meter.cost_of(raw) - cost);
            },
            None => self.insert_new(
                hash,
                Entry::from_value(key, crate::value::Value::Integer(n), None),
            ),
        }
    }

    /// Sets a short string that is kept as text even if it spells an integer, keeping the expiry
    /// of the key if it was there.
    pub(crate) fn set_text_keeping_expire(&mut self, hash: u64, key: &[u8], text: &[u8]) {
        self.preserve(hash, key);
        match self.table.find_slot(hash, key) {
            // SAFETY: as in `set_string`.
            Some(mut slot) => unsafe {
                let cost = self.meter.cost_of(slot.raw());
                let raw = Entry::overwrite_text(slot.raw(), text);
                slot.replace(raw);
                self.meter.charge(self.meter.cost_of(raw) - cost);
            },
            None => self.insert_new(hash, Entry::from_text(key, text)),
        }
    }

    /// Sets a string, keeping the expiry of the key if it was there.
    pub(crate) fn set_string_keeping_expire(&mut self, hash: u64, key: &[u8], bytes: &[u8]) {
        self.preserve(hash, key);
        match self.table.find_slot(hash, key) {
            // SAFETY: as in `set_string`.
            Some(mut slot) => unsafe {
                let cost = self.meter.cost_of(slot.raw());
                let raw = Entry::overwrite_string(slot.raw(), bytes);
                slot.replace(raw);
                self.meter.charge(self.meter.cost_of(raw) - cost);
            },
            None => self.insert_new(hash, Entry::from_string(key, bytes, None)),
        }
    }

    /// Sets or removes the expiry of a key; answers whether the key is there.
    pub(crate) fn set_expire(&mut self, hash: u64, key: &[u8], expire_ms: Option<i64>) -> bool {
        self.preserve(hash, key);
        let Some(mut slot) = self.table.find_slot(hash, key) else {
            return false;
        };
        let raw = slot.raw();
        // SAFETY: as in `set_string`.
        let had_expire = unsafe {
            let had_expire = EntryRef::from_raw(raw).expire_ms().is_some();
            let cost = self.meter.cost_of(raw);
            let raw = Entry::with_expire(raw, expire_ms);
            slot.replace(raw);
            self.meter.charge(self.meter.cost_of(raw) - cost);
            had_expire
        };
        self.count_expire_change(had_expire, expire_ms.is_some());
        true
    }

    fn count_expire_change(&mut self, before: bool, after: bool) {
        self.volatile = self.volatile + usize::from(after) - usize::from(before);
    }

    /// The string of a key that holds one, as a growable one with a block of its own.
    pub(crate) fn raw_string_mut(&mut self, hash: u64, key: &[u8]) -> Option<RawStringMut<'_>> {
        self.preserve(hash, key);
        let mut slot = self.table.find_slot(hash, key)?;
        // SAFETY: as in `set_string`; the string is borrowed as long as the database is.
        unsafe {
            EntryRef::from_raw(slot.raw()).string()?;
            let cost = self.meter.cost_of(slot.raw());
            let raw = Entry::make_raw_string(slot.raw());
            slot.replace(raw);
            Some(RawStringMut {
                entry: raw,
                meter: &mut self.meter,
                cost,
            })
        }
    }

    /// The collection of a key, for changing it; a new one if the key is not there. The key must
    /// not hold another type.
    pub(crate) fn collection_mut<'a, T: Collection>(
        &'a mut self,
        hash: u64,
        key: &'a [u8],
    ) -> CollectionMut<'a, T> {
        let admit = |_: Option<EntryRef<'_>>| Ok::<_, Infallible>(());
        let Ok(collection) = self.collection_mut_if(hash, key, admit);
        collection
    }

    /// As [`Self::collection_mut`], but `admit` is shown the entry that is there, if any, and may
    /// refuse; one of another type it must refuse.
    #[inline]
    pub(crate) fn collection_mut_if<'a, T: Collection, E>(
        &'a mut self,
        hash: u64,
        key: &'a [u8],
        admit: impl FnOnce(Option<EntryRef<'_>>) -> Result<(), E>,
    ) -> Result<CollectionMut<'a, T>, E> {
        let found = self.table.find(hash, key);
        // SAFETY: an address in the table is an entry of ours; it is borrowed only here.
        let entry = found.map(|raw| unsafe { EntryRef::from_raw(raw) });
        admit(entry)?;
        // It reads the entry at most, which stays where it is.
        self.preserve(hash, key);
        let (Some(raw), Some(entry)) = (found, entry) else {
            return Ok(CollectionMut {
                database: self,
                hash,
                key,
                state: State::New(T::empty()),
                was_expiring: false,
            });
        };
        assert!(entry.value_type() == T::TYPE, "the caller checks the type");
        let state = if entry.kind() == T::BOXED_KIND {
            State::Boxed {
                collection: entry.boxed_address().cast(),
                cost: self.meter.cost(entry),
                entry: raw,
            }
        } else {
            let packed = entry.embedded_bytes();
            // Room for one more short element without another allocation.
            let mut bytes = Vec::with_capacity(packed.len() + 64);
            bytes.extend_from_slice(packed);
            State::Taken(T::from_packed(entry.kind(), bytes))
        };
        let was_expiring = T::has_expiring_elements(collection_ref::<T>(entry));
        Ok(CollectionMut {
            database: self,
            hash,
            key,
            state,
            was_expiring,
        })
    }

    /// One bucket of a SCAN; see [`Table::scan`].
    pub(crate) fn scan(&self, cursor: u64, visit: &mut dyn FnMut(EntryRef<'_>)) -> u64 {
        // SAFETY: an address in the table is an entry of ours, borrowed during the visit.
        self.table
            .scan(cursor, &mut |raw| visit(unsafe { EntryRef::from_raw(raw) }))
    }

    pub(crate) fn random(&self, random: &mut Random) -> Option<EntryRef<'_>> {
        // SAFETY: as in `get`.
        self.table
            .random(random)
            .map(|raw| unsafe { EntryRef::from_raw(raw) })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        // SAFETY: as in `get`.
        self.table
            .iter()
            .map(|raw| unsafe { EntryRef::from_raw(raw) })
    }

    /// Visits the entries of the next `count` buckets, round and round; for the active expiry cycle.
    pub(crate) fn visit_next_buckets(&mut self, count: usize, visit: &mut dyn FnMut(EntryRef<'_>)) {
        let buckets = self.table.bucket_count();
        for _ in 0..count.min(buckets) {
            if self.next_bucket >= buckets {
                self.next_bucket = 0;
            }
            self.table.for_each_in_bucket(self.next_bucket, &mut |raw| {
                // SAFETY: as in `scan`.
                visit(unsafe { EntryRef::from_raw(raw) });
            });
            self.next_bucket += 1;
        }
    }

    /// Visits the entries of one random bucket that has any.
    pub(crate) fn look_anywhere(
        &self,
        random: &mut Random,
        visit: &mut dyn FnMut(EntryRef<'_>) -> bool,
    ) {
        let mut found = self.table.is_empty();
        while !found {
            let index = random.index(self.table.bucket_count());
            found |= self.visit_bucket(index, visit) > 0;
        }
    }

    /// Visits the entries of random buckets, looking for some with an expiry, of which `visit` says
    /// that it found one. Where they are rare it walks on from where it last stopped, for a while,
    /// so that calling it often enough finds any of them.
    pub(crate) fn look_for_volatile(
        &mut self,
        random: &mut Random,
        visit: &mut dyn FnMut(EntryRef<'_>) -> bool,
    ) {
        /// Random buckets that are tried.
        const TRIES: usize = 2;
        /// Buckets that are walked through then.
        const WALK: usize = 64;
        if self.volatile == 0 {
            return;
        }
        let buckets = self.table.bucket_count();
        for _ in 0..TRIES {
            if self.visit_bucket(random.index(buckets), visit) > 0 {
                return;
            }
        }
        for _ in 0..WALK.min(buckets) {
            if self.next_volatile_bucket >= buckets {
                self.next_volatile_bucket = 0;
            }
            let found = self.visit_bucket(self.next_volatile_bucket, visit);
            self.next_volatile_bucket += 1;
            if found > 0 {
                return;
            }
        }
    }

    /// Visits a bucket; answers for how many entries `visit` said yes.
    fn visit_bucket(&self, index: usize, visit: &mut dyn FnMut(EntryRef<'_>) -> bool) -> usize {
        let mut found = 0;
        self.table.for_each_in_bucket(index, &mut |raw| {
            // SAFETY: as in `scan`.
            found += usize::from(visit(unsafe { EntryRef::from_raw(raw) }));
        });
        found
    }

    /// The entry that a key with this hash has most likely, if it has one. For hints only: it may be another one's.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<EntryRef<'_>> {
        let raw = self.table.guess(hash)?;
        // SAFETY: as in `scan`.
        Some(unsafe { EntryRef::from_raw(raw) })
    }

    #[inline]
    pub(crate) fn prefetch_bucket(&self, hash: u64) {
        self.table.prefetch_bucket(hash);
    }

    #[inline]
    pub(crate) fn prefetch_element(&self, hash: u64) -> bool {
        self.table.prefetch_element(hash)
    }

    #[inline]
    pub(crate) fn prefetch_overflowed(&self, hash: u64) {
        self.table.prefetch_overflowed(hash);
    }

    /// Moves the bucket that covers `cursor` with its entries and their values, and answers the next cursor, as
    /// [`Self::scan`] does. Of collections of more than `elements_max` elements only the outermost blocks are moved, and
    /// `later` is shown the key.
    pub(crate) fn relocate(
        &mut self,
        cursor: u64,
        elements_max: usize,
        relocator: &mut Relocator<'_>,
        later: &mut dyn FnMut(&[u8]),
    ) -> u64 {
        let mut visit = |raw, relocator: &mut Relocator<'_>| {
            let moved = relocator.moved;
            // SAFETY: an address in the table is an entry of ours; its new address takes the place of the old one.
            let raw = unsafe { Entry::relocate(raw, relocator) };
            // SAFETY: as above.
            let entry = unsafe { EntryRef::from_raw(raw) };
            if entry.is_costly_to_drop() && element_count(entry) > elements_max {
                later(entry.key());
                return raw;
            }
            let mut cursor = 0;
            loop {
                // SAFETY: as above.
                cursor = unsafe { Entry::relocate_owned(raw, cursor, relocator) };
                if cursor == 0 {
                    break;
                }
            }
            relocator.count_key(relocator.moved > moved);
            raw
        };
        let prepare = |raw| {
            // SAFETY: an address in the table is an entry of ours.
            unsafe { EntryRef::from_raw(raw) }.prefetch_boxed();
        };
        // SAFETY: what `visit` answers is where the entry is.
        unsafe { (self.table).relocate(cursor, relocator, Some(&prepare), &mut visit) }
    }

    /// Moves some of what the value of a key owns, if it is still there; answers where to go on, 0 being both the start
    /// and the end.
    pub(crate) fn relocate_value(
        &mut self,
        hash: u64,
        key: &[u8],
        cursor: u128,
        relocator: &mut Relocator<'_>,
    ) -> u128 {
        let found = self.table.find(hash, key);
        // SAFETY: as in `relocate`; the entry itself stays where it is.
        found.map_or(0, |raw| unsafe {
            Entry::relocate_owned(raw, cursor, relocator)
        })
    }

    /// Puts a collection back into the entry that it was taken from.
    fn put_back<T: Collection>(&mut self, hash: u64, key: &[u8], collection: T) {
        if let Some(mut slot) = self.table.find_slot(hash, key) {
            // SAFETY: the slot's entry is ours and embedded, since the collection was taken from
            // it; the slot gets its new address at once.
            unsafe {
                let cost = self.meter.cost_of(slot.raw());
                let raw = Entry::put_back(slot.raw(), collection);
                slot.replace(raw);
                self.meter.charge(self.meter.cost_of(raw) - cost);
            }
        }
    }
}

/// A string with a block of its own, borrowed for changing it.
pub struct RawStringMut<'a> {
    /// The entry, which the database that is borrowed owns.
    entry: NonNull<u8>,
    meter: &'a mut Meter,
    /// What the entry cost before.
    cost: i64,
}

impl Deref for RawStringMut<'_> {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        // SAFETY: the entry is of the raw kind, and borrowed as long as `self` is.
        unsafe { raw_string_mut(self.entry) }
    }
}

impl DerefMut for RawStringMut<'_> {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        // SAFETY: as in `deref`; `self` is borrowed mutably.
        unsafe { raw_string_mut(self.entry) }
    }
}

impl Drop for RawStringMut<'_> {
    fn drop(&mut self) {
        // SAFETY: the entry is valid, and the string is not changed any more.
        let cost_now = unsafe { self.meter.cost_of(self.entry) };
        self.meter.charge(cost_now - self.cost);
    }
}

/// A collection borrowed for changing it. On drop it goes back into its entry; an empty one takes
/// the entry with it, and a new one that stayed empty never gets an entry.
#[expect(
    private_bounds,
    reason = "which types are collections is the key space's business"
)]
pub struct CollectionMut<'a, T: Collection> {
    database: &'a mut Database,
    hash: u64,
    key: &'a [u8],
    state: State<T>,
    /// Whether some elements expired before their key when it was borrowed.
    was_expiring: bool,
}

enum State<T> {
    /// The key was not there.
    New(T),
    /// Taken out of the bytes of the entry.
    Taken(T),
    /// In a block that the entry points to.
    Boxed {
        collection: NonNull<T>,
        entry: NonNull<u8>,
        /// What the entry cost before the collection was changed.
        cost: i64,
    },
    /// Already put back.
    Done,
}

#[expect(private_bounds, reason = "as above")]
impl<T: Collection> CollectionMut<'_, T> {
    #[cold]
    fn count_expiring_change(&mut self, is_expiring: bool) {
        match self.state {
            // Who adds or removes the entry counts what it is, or was.
            State::New(_) => return,
            State::Taken(_) if T::is_empty(self) => return,
            _ => {}
        }
        let count = &mut self.database.expiring_hashes;
        *count = *count + usize::from(is_expiring) - usize::from(self.was_expiring);
    }

    /// Whether the key was there before.
    pub fn existed(&self) -> bool {
        !matches!(self.state, State::New(_))
    }
}

impl<T: Collection> Deref for CollectionMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.state {
            State::New(collection) | State::Taken(collection) => collection,
            // SAFETY: the entry owns the box, and the database is borrowed mutably by `self`.
            State::Boxed { collection, .. } => unsafe { collection.as_ref() },
            State::Done => unreachable!("only `drop` makes this state"),
        }
    }
}

impl<T: Collection> DerefMut for CollectionMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.state {
            State::New(collection) | State::Taken(collection) => collection,
            // SAFETY: as in `deref`.
            State::Boxed { collection, .. } => unsafe { collection.as_mut() },
            State::Done => unreachable!("only `drop` makes this state"),
        }
    }
}

impl<T: Collection> Drop for CollectionMut<'_, T> {
    fn drop(&mut self) {
        let is_empty = self.is_empty();
        let is_expiring = T::has_expiring_elements(T::as_ref(self));
        if is_expiring != self.was_expiring {
            self.count_expiring_change(is_expiring);
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::New(collection) => {
                if !is_empty {
                    let entry = Entry::from_collection(self.key, collection, None);
                    self.database.insert_new(self.hash, entry);
                }
            }
            State::Taken(collection) if !is_empty => {
                self.database.put_back(self.hash, self.key, collection);
            }
            State::Taken(_) => {
                self.database.remove(self.hash, self.key);
            }
            State::Boxed { entry, cost, .. } => {
                let meter = &mut self.database.meter;
                // SAFETY: the entry is the one that was found, and the collection is not changed
                // any more.
                let cost_now = unsafe { meter.cost_of(entry) };
                meter.charge(cost_now - cost);
                if is_empty {
                    self.database.remove(self.hash, self.key);
                }
            }
            State::Done => {}
        }
    }
}
