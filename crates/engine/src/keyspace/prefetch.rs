//! Bringing near what a batch of requests will look up, before the first of them is executed.
//!
//! A lookup waits for main memory several times in a row: for the bucket, the entry, what a big collection lies in. The
//! lookups of a batch do not depend on each other, so each of these steps is done for all of them before the next one
//! begins, and their waits overlap. What no step does is wait for anything itself: a stripe that somebody has locked is
//! left out, and what is asked for is a hint.
//!
//! Each stripe is locked once, and kept until the last step is done (a few microseconds): taking and giving back a lock
//! for each step cost as much as what a step saves.
//!
//! The module is unsafe because it locks raw mutexes, as `stripe` does.

use parking_lot::lock_api::RawMutex as _;
use smallvec::SmallVec;

use super::database::Database;
use super::entry::EntryRef;
use super::stored::{PREFETCH_STEPS, prefetch_elements};
use super::stripe::{Keyspace, STRIPES_MAX, Stripe};

/// With fewer keys prefetching costs more than it saves.
pub(crate) const PREFETCH_MIN: usize = 4;

/// Bits of a word of [`Prefetcher::held`].
const WORD_BITS: usize = u64::BITS as usize;

/// Elements of one key's collection that will be looked up. None are the ends of a list.
struct Lookup<'a> {
    entry: EntryRef<'a>,
    elements: &'a [&'a [u8]],
}

/// A key in a database, by its hash.
pub(crate) type Place = (usize, u64);

/// Asks the processor for what is about to be looked up. The thread should hold no lock of the key space: a stripe that it
/// holds is left out.
pub(crate) struct Prefetcher<'a> {
    keyspace: &'a Keyspace,
    /// A bit for each stripe that is locked.
    held: [u64; STRIPES_MAX / WORD_BITS],
}

impl<'a> Prefetcher<'a> {
    pub(super) fn new(keyspace: &'a Keyspace) -> Self {
        Prefetcher {
            keyspace,
            held: [0; STRIPES_MAX / WORD_BITS],
        }
    }

    /// The first step for a key: its bucket. The others do nothing for keys that had not this one.
    #[inline]
    pub(crate) fn bucket(&mut self, (database, hash): Place) {
        let index = self.keyspace.stripe_of(hash);
        let (word, bit) = (index / WORD_BITS, 1 << (index % WORD_BITS));
        if self.held[word] & bit == 0 {
            if !self.keyspace.cells[index].mutex.try_lock() {
                return;
            }
            self.held[word] |= bit;
        }
        if let Some(database) = self.database((database, hash)) {
            database.prefetch_bucket(hash);
        }
    }

    /// The second step for all these keys: their entries.
    pub(crate) fn entries(&self, places: impl Iterator<Item = Place>) {
        let mut overflowed: SmallVec<[Place; 16]> = SmallVec::new();
        for place in places {
            if (self.database(place)).is_some_and(|it| it.prefetch_element(place.1)) {
                overflowed.push(place);
            }
        }
        for place in overflowed {
            if let Some(database) = self.database(place) {
                database.prefetch_overflowed(place.1);
            }
        }
    }

    /// The last steps: these elements of the big collections under these keys, or the ends of a list for no elements.
    ///
    /// Which entry is a key's is guessed by its hash: to compare the keys would cost more than the rare wrong guess.
    pub(crate) fn elements<'k>(&self, lookups: impl Iterator<Item = (Place, &'k [&'k [u8]])>) {
        let mut lookups: SmallVec<[Lookup<'_>; 64]> = lookups
            .filter_map(|(place, elements)| {
                let entry = self.database(place)?.guess(place.1)?;
                Some(Lookup { entry, elements })
            })
            .collect();
        for step in 0..PREFETCH_STEPS {
            lookups.retain(|lookup| prefetch_elements(lookup.entry, lookup.elements, step));
        }
    }

    #[inline]
    fn database(&self, (database, hash): Place) -> Option<&Database> {
        self.stripe(hash)?.database(database)
    }

    /// The stripe of a key, if it is locked.
    #[inline]
    fn stripe(&self, hash: u64) -> Option<&Stripe> {
        let index = self.keyspace.stripe_of(hash);
        let is_held = self.held[index / WORD_BITS] >> (index % WORD_BITS) & 1 == 1;
        // SAFETY: its lock is held until `self` is dropped, and nobody here changes the stripe.
        is_held.then(|| unsafe { &*self.keyspace.cells[index].stripe.get() })
    }
}

impl Drop for Prefetcher<'_> {
    #[inline]
    fn drop(&mut self) {
        for (word, mut bits) in self.held.into_iter().enumerate() {
            while bits != 0 {
                let index = word * WORD_BITS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                // SAFETY: `bucket` locked it, and nobody has unlocked it since.
                unsafe { self.keyspace.cells[index].mutex.unlock() };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Meters, View};
    use super::*;

    #[test]
    fn stripes_that_others_hold_are_left_out_and_all_are_given_back() {
        let keyspace = Arc::new(Keyspace::new(STRIPES_MAX, 7, Meters::default()));
        let never = || false;
        let hashes: Vec<u64> = (0..300u64)
            .map(|number| keyspace.key(&number.to_le_bytes()).hash)
            .collect();
        let mut other = View::new(keyspace.clone());
        let theirs = hashes[0];
        assert!(other.lock_one(theirs, &never).is_ok());
        {
            let mut prefetcher = keyspace.prefetcher();
            hashes.iter().for_each(|&hash| prefetcher.bucket((0, hash)));
            prefetcher.entries(hashes.iter().map(|&hash| (0, hash)));
            let nothing: &[&[u8]] = &[];
            prefetcher.elements(hashes.iter().map(|&hash| ((0, hash), nothing)));
            for &hash in &hashes {
                let is_theirs = keyspace.stripe_of(hash) == keyspace.stripe_of(theirs);
                assert_eq!(prefetcher.stripe(hash).is_none(), is_theirs);
                let cell = &keyspace.cells[keyspace.stripe_of(hash)];
                assert!(cell.mutex.is_locked());
            }
        }
        // What the other one holds is still held.
        let theirs = &keyspace.cells[keyspace.stripe_of(theirs)];
        assert!(theirs.mutex.is_locked());
        other.unlock();
        let is_locked = |cell: &super::super::stripe::Cell| cell.mutex.is_locked();
        assert!(!keyspace.cells.iter().any(is_locked));
    }
}
