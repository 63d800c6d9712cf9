//! Stripes, their locks, and the view through which a command reaches what it has locked.
//!
//! A key's stripe is chosen by the high bits of its hash. A stripe holds its share of *every*
//! database, and the waiters, watchers and trackers of its keys, so that one lock covers everything that a
//! command on a key can touch.
//!
//! The module is unsafe because a [`View`] outlives any one borrow: it locks raw mutexes and hands
//! out references to stripes only after checking that it holds their locks.

use std::cell::UnsafeCell;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RawMutex;
use parking_lot::lock_api::{RawMutex as _, RawMutexTimed as _};
use smallvec::SmallVec;

use super::database::Database;
use super::meter::Meters;
use super::prefetch::{PREFETCH_MIN, Prefetcher};
use crate::blocking::Waiters;
use crate::busy::Busy;
use crate::table::{CACHE_LINE_BYTES, hash_bytes};
use crate::tracking::TrackedKeys;
use crate::transaction::Watchers;

/// The most stripes that a key space may have.
pub(super) const STRIPES_MAX: usize = 1024;

/// What is prefetched of more keys than this, of a command or transaction, is gone from the cache before it is used.
const PREFETCH_MAX: usize = 4096;

/// A key and its hash under the engine's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// The key.
    pub bytes: &'a [u8],
    /// Its hash.
    pub hash: u64,
}

/// What one lock covers.
///
/// The order of its fields is part of the layout of a [`Cell`].
#[repr(C)]
pub(crate) struct Stripe {
    /// Sessions blocked on keys of this stripe.
    pub(crate) waiters: Waiters,
    /// Transactions that watch keys of this stripe.
    pub(crate) watchers: Watchers,
    /// This stripe's share of database 0, which most programs use alone.
    first: Database,
    /// Its share of the others, as far as they have been used.
    others: Vec<Database>,
    /// Names of keys of this stripe that sessions may have cached.
    pub(crate) tracked: TrackedKeys,
    seed: u64,
    meters: Meters,
}

impl Stripe {
    fn new(seed: u64, meters: Meters) -> Self {
        Stripe {
            waiters: Waiters::default(),
            watchers: Watchers::default(),
            first: Database::new(seed, &meters),
            others: Vec::new(),
            tracked: TrackedKeys::new(seed),
            seed,
            meters,
        }
    }

    /// The share of database `index`, if it was ever written to.
    #[inline]
    pub(crate) fn database(&self, index: usize) -> Option<&Database> {
        match index {
            0 => Some(&self.first),
            _ => self.others.get(index - 1),
        }
    }

    /// The share of database `index`.
    #[inline]
    pub(crate) fn database_mut(&mut self, index: usize) -> &mut Database {
        match index {
            0 => &mut self.first,
            _ => self.other_mut(index - 1),
        }
    }

    fn other_mut(&mut self, index: usize) -> &mut Database {
        if index >= self.others.len() {
            let (seed, meters) = (self.seed, &self.meters);
            self.others
                .resize_with(index + 1, || Database::new(seed, meters));
        }
        &mut self.others[index]
    }

    /// The shares of all databases that were ever written to.
    pub(crate) fn databases_mut(&mut self) -> impl Iterator<Item = &mut Database> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// Takes the share of database `index` away, leaving an empty one.
    pub(crate) fn take_database(&mut self, index: usize) -> Option<Database> {
        let is_used = self.database(index).is_some_and(|it| it.len() > 0);
        if !is_used {
            return None;
        }
        let empty = Database::new(self.seed, &self.meters);
        Some(std::mem::replace(self.database_mut(index), empty))
    }

    /// Exchanges two databases' shares.
    pub(crate) fn swap_databases(&mut self, first: usize, second: usize) {
        let (low, high) = (first.min(second), first.max(second));
        self.database_mut(high);
        match low {
            _ if low == high => {}
            0 => std::mem::swap(&mut self.first, &mut self.others[high - 1]),
            _ => self.others.swap(low - 1, high - 1),
        }
    }

    /// Databases that this stripe has a share of, used or not.
    pub(crate) fn database_count(&self) -> usize {
        1 + self.others.len()
    }
}

/// A stripe and its lock, on cache lines of its own.
///
/// Of the next stripe that a request needs, a processor has nothing at hand if another one has just used it, and little if
/// there are more stripes than fit into its first cache. So what every command looks at is in few lines: the lock and what a
/// lookup needs in the first, what a change needs in the second.
#[repr(C, align(128))]
pub(super) struct Cell {
    pub(super) mutex: RawMutex,
    pub(super) stripe: UnsafeCell<Stripe>,
}

const FIRST_DATABASE: usize = offset_of!(Cell, stripe) + offset_of!(Stripe, first);
const _: () = assert!(FIRST_DATABASE + Database::LOOKUP_BYTES <= CACHE_LINE_BYTES);
const _: () = assert!(FIRST_DATABASE + Database::CHANGE_BYTES <= 2 * CACHE_LINE_BYTES);

// SAFETY: the stripe is reached only by a `View` or a `Prefetcher` that holds the mutex.
unsafe impl Sync for Cell {}

impl Cell {
    #[inline]
    fn lock(&self, gives_up: &dyn Fn() -> bool) -> Result<(), Busy> {
        if self.mutex.try_lock() {
            return Ok(());
        }
        self.wait(gives_up)
    }

    /// Waits for the lock, until `gives_up`.
    #[cold]
    fn wait(&self, gives_up: &dyn Fn() -> bool) -> Result<(), Busy> {
        /// How long to wait between two questions.
        const STEP: Duration = Duration::from_millis(5);
        while !self.mutex.try_lock_for(STEP) {
            if gives_up() {
                return Err(Busy);
            }
        }
        Ok(())
    }
}

/// All stripes.
pub(crate) struct Keyspace {
    pub(super) cells: Box<[Cell]>,
    /// The hash is shifted right by this to give the stripe.
    shift: u32,
    seed: u64,
    meters: Meters,
}

impl Keyspace {
    /// `stripe_count` is rounded up to a power of two, at most [`STRIPES_MAX`].
    /// `meters` add up what the entries take.
    pub(crate) fn new(stripe_count: usize, seed: u64, meters: Meters) -> Self {
        let count = stripe_count.next_power_of_two().clamp(2, STRIPES_MAX);
        let cell = |_| Cell {
            mutex: RawMutex::INIT,
            stripe: UnsafeCell::new(Stripe::new(seed, meters.clone())),
        };
        Keyspace {
            cells: (0..count).map(cell).collect(),
            shift: 64 - count.ilog2(),
            seed,
            meters,
        }
    }

    /// An empty key space of the same shape, whose entries can be moved here stripe by stripe.
    pub(crate) fn empty_sibling(&self) -> Self {
        Keyspace::new(self.cells.len(), self.seed, self.meters.clone())
    }

    pub(crate) fn stripe_count(&self) -> usize {
        self.cells.len()
    }

    /// About what all entries take, if that is added up; 0 if not.
    pub(crate) fn metered_bytes(&self) -> u64 {
        self.meters.bytes()
    }

    /// The seed of every hash in the engine.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    #[inline]
    pub(crate) fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        Key {
            bytes,
            hash: hash_bytes(self.seed, bytes),
        }
    }

    /// Runs `body` on a stripe, under its lock. The thread must hold no lock of this key space.
    pub(crate) fn with_stripe_at<R>(&self, index: usize, body: impl FnOnce(&mut Stripe) -> R) -> R {
        self.with_cell(index, body)
    }

    /// Takes a stripe's share of a database away; as [`Stripe::take_database`].
    pub(crate) fn take_database(&self, stripe: usize, number: usize) -> Option<Database> {
        self.with_cell(stripe, |stripe| stripe.take_database(number))
    }

    fn with_cell<R>(&self, index: usize, body: impl FnOnce(&mut Stripe) -> R) -> R {
        struct Unlock<'a>(&'a RawMutex);
        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                // SAFETY: locked below, by this thread.
                unsafe { self.0.unlock() };
            }
        }
        let cell = &self.cells[index];
        cell.mutex.lock();
        let _unlock = Unlock(&cell.mutex);
        // SAFETY: the lock is held until `_unlock` is dropped, which is after `body` has returned.
        body(unsafe { &mut *cell.stripe.get() })
    }

    /// For bringing near what is about to be looked up.
    pub(crate) fn prefetcher(&self) -> Prefetcher<'_> {
        Prefetcher::new(self)
    }

    /// The stripe that a key with this hash belongs to.
    #[inline]
    pub(crate) fn stripe_of(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }
}

/// What a view holds.
enum Locked {
    None,
    One(usize),
    /// In ascending order.
    Some(SmallVec<[usize; 16]>),
    All,
}

/// The stripes that a command has locked. Unlocks what it holds when it is dropped.
pub(crate) struct View {
    keyspace: Arc<Keyspace>,
    locked: Locked,
}

impl View {
    pub(crate) fn new(keyspace: Arc<Keyspace>) -> Self {
        View {
            keyspace,
            locked: Locked::None,
        }
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    #[inline]
    pub(crate) fn key<'a>(&self, bytes: &'a [u8]) -> Key<'a> {
        self.keyspace.key(bytes)
    }

    /// Locks the stripe of one key. The view must hold nothing.
    ///
    /// This and its kin ask `gives_up` now and then while they wait; when it says so, nothing is
    /// locked.
    #[inline]
    pub(crate) fn lock_one(&mut self, hash: u64, gives_up: &dyn Fn() -> bool) -> Result<(), Busy> {
        self.lock_index(self.keyspace.stripe_of(hash), gives_up)
    }

    /// Locks stripe `index`. The view must hold nothing.
    #[inline]
    pub(crate) fn lock_index(
        &mut self,
        index: usize,
        gives_up: &dyn Fn() -> bool,
    ) -> Result<(), Busy> {
        assert!(matches!(self.locked, Locked::None), "a view locks once");
        self.keyspace.cells[index].lock(gives_up)?;
        self.locked = Locked::One(index);
        Ok(())
    }

    /// Locks the stripes of some keys, in stripe order. The view must hold nothing.
    pub(crate) fn lock_some(
        &mut self,
        hashes: impl Iterator<Item = u64>,
        gives_up: &dyn Fn() -> bool,
    ) -> Result<(), Busy> {
        assert!(matches!(self.locked, Locked::None), "a view locks once");
        let mut indices: SmallVec<[usize; 16]> =
            hashes.map(|hash| self.keyspace.stripe_of(hash)).collect();
        indices.sort_unstable();
        indices.dedup();
        for place in 0..indices.len() {
            if self.keyspace.cells[indices[place]].lock(gives_up).is_err() {
                indices.truncate(place);
                self.locked = Locked::Some(indices);
                self.unlock();
                return Err(Busy);
            }
        }
        self.locked = match indices[..] {
            [] => Locked::None,
            [index] => Locked::One(index),
            _ => Locked::Some(indices),
        };
        Ok(())
    }

    /// Locks every stripe. The view must hold nothing.
    pub(crate) fn lock_all(&mut self, gives_up: &dyn Fn() -> bool) -> Result<(), Busy> {
        assert!(matches!(self.locked, Locked::None), "a view locks once");
        for index in 0..self.keyspace.cells.len() {
            if self.keyspace.cells[index].lock(gives_up).is_err() {
                self.locked = Locked::Some((0..index).collect());
                self.unlock();
                return Err(Busy);
            }
        }
        self.locked = Locked::All;
        Ok(())
    }

    /// Unlocks whatever the view holds.
    #[inline]
    pub(crate) fn unlock(&mut self) {
        if let Locked::One(index) = self.locked {
            self.locked = Locked::None;
            // SAFETY: the view held the lock, and says no more that it does.
            unsafe { self.keyspace.cells[index].mutex.unlock() };
            return;
        }
        self.unlock_several();
    }

    /// As [`Self::unlock`], for whatever is not one stripe.
    fn unlock_several(&mut self) {
        let unlock = |index: usize| {
            // SAFETY: the view holds the lock of every stripe that `locked` names.
            unsafe { self.keyspace.cells[index].mutex.unlock() };
        };
        match std::mem::replace(&mut self.locked, Locked::None) {
            Locked::None => {}
            Locked::One(index) => unlock(index),
            Locked::Some(indices) => indices.into_iter().for_each(unlock),
            Locked::All => (0..self.keyspace.cells.len()).for_each(unlock),
        }
    }

    /// Whether the view holds every stripe.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self.locked, Locked::All)
    }

    /// Whether the view holds nothing.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.locked, Locked::None)
    }

    #[inline]
    fn holds(&self, index: usize) -> bool {
        match &self.locked {
            Locked::None => false,
            Locked::One(locked) => *locked == index,
            Locked::Some(indices) => indices.binary_search(&index).is_ok(),
            Locked::All => true,
        }
    }

    /// Whether the view holds the stripe of a key.
    pub(crate) fn holds_key(&self, hash: u64) -> bool {
        self.holds(self.keyspace.stripe_of(hash))
    }

    /// The stripe of a key, which must be locked.
    #[inline]
    pub(crate) fn stripe(&self, hash: u64) -> &Stripe {
        self.stripe_at(self.keyspace.stripe_of(hash))
    }

    /// The stripe of a key, which must be locked, for changing it.
    #[inline]
    pub(crate) fn stripe_mut(&mut self, hash: u64) -> &mut Stripe {
        self.stripe_at_mut(self.keyspace.stripe_of(hash))
    }

    /// Stripe `index`, which must be locked.
    #[inline]
    pub(crate) fn stripe_at(&self, index: usize) -> &Stripe {
        assert!(
            self.holds(index),
            "a command reaches only the keys that its row names"
        );
        // SAFETY: the lock is held, and `&mut` to the stripe needs `&mut self`.
        unsafe { &*self.keyspace.cells[index].stripe.get() }
    }

    /// Stripe `index`, which must be locked, for changing it.
    #[inline]
    pub(crate) fn stripe_at_mut(&mut self, index: usize) -> &mut Stripe {
        assert!(
            self.holds(index),
            "a command reaches only the keys that its row names"
        );
        // SAFETY: the lock is held, and `self` is borrowed mutably.
        unsafe { &mut *self.keyspace.cells[index].stripe.get() }
    }

    /// Whether any locked stripe has a waiter that needs stripes beside its own to be served.
    pub(crate) fn has_transfer_waiters(&self) -> bool {
        let has = |index: usize| self.stripe_at(index).waiters.transfers() > 0;
        match &self.locked {
            Locked::None | Locked::All => false,
            Locked::One(index) => has(*index),
            Locked::Some(indices) => indices.iter().any(|&index| has(index)),
        }
    }

    /// Asks the processor for the entries of all these keys, whose stripes the view holds, so that their cache misses
    /// overlap.
    pub(crate) fn prefetch_locked(&self, database: usize, hashes: &[u64]) {
        if hashes.len() < PREFETCH_MIN {
            return;
        }
        let hashes = &hashes[..hashes.len().min(PREFETCH_MAX)];
        let found = |&hash: &u64| Some((self.stripe(hash).database(database)?, hash));
        for (database, hash) in hashes.iter().filter_map(found) {
            database.prefetch_bucket(hash);
        }
        let mut overflowed: SmallVec<[u64; 16]> = SmallVec::new();
        for (database, hash) in hashes.iter().filter_map(found) {
            if database.prefetch_element(hash) {
                overflowed.push(hash);
            }
        }
        for (database, hash) in overflowed.iter().filter_map(found) {
            database.prefetch_overflowed(hash);
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.unlock();
    }
}
