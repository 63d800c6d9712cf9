//! The names of tracked keys of one stripe, each with the sessions that have read it.
//!
//! The module is unsafe because an element of the hash table is one thin pointer.

use std::alloc::Layout;
use std::ptr::NonNull;

use smallvec::SmallVec;

use crate::keyspace::Key;
use crate::random::Random;
use crate::table::{Element, Table};

/// Numbers of sessions, in ascending order.
pub(crate) type Sessions = SmallVec<[u64; 2]>;

/// A name, and who has read it.
struct Tracked {
    key: Box<[u8]>,
    sessions: Sessions,
}

struct TrackedBox(Box<Tracked>);

// SAFETY: the address is the allocator's and stays until the box is made again; nothing changes the
// key meanwhile.
unsafe impl Element for TrackedBox {
    fn into_raw(self) -> NonNull<u8> {
        NonNull::from(Box::leak(self.0)).cast()
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: the address is that of a leaked box, whose owner the caller is now.
        TrackedBox(unsafe { Box::from_raw(raw.cast().as_ptr()) })
    }

    unsafe fn key<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: the caller keeps the block alive and unchanged for as long.
        unsafe { &raw.cast::<Tracked>().as_ref().key }
    }

    unsafe fn layout(_: NonNull<u8>) -> Layout {
        Layout::new::<Tracked>()
    }
}

/// The tracked names of one stripe.
pub(crate) struct TrackedKeys {
    table: Table<TrackedBox>,
    /// Sessions of all names together.
    item_count: usize,
}

/// What [`TrackedKeys::add`] added.
pub(crate) struct Added {
    pub(crate) is_new_key: bool,
    pub(crate) is_new_session: bool,
}

impl TrackedKeys {
    pub(crate) fn new(seed: u64) -> Self {
        TrackedKeys {
            table: Table::new(seed),
            item_count: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Sessions of all names together.
    pub(crate) fn item_count(&self) -> usize {
        self.item_count
    }

    /// Remembers that a session has read a key.
    pub(crate) fn add(&mut self, key: Key<'_>, session: u64) -> Added {
        if let Some(slot) = self.table.find_slot(key.hash, key.bytes) {
            // SAFETY: the slot's element is a `Tracked` of this table, which is borrowed mutably.
            let tracked = unsafe { slot.raw().cast::<Tracked>().as_mut() };
            let place = tracked.sessions.binary_search(&session);
            if let Err(place) = place {
                tracked.sessions.insert(place, session);
                self.item_count += 1;
            }
            return Added {
                is_new_key: false,
                is_new_session: place.is_err(),
            };
        }
        let tracked = Tracked {
            key: key.bytes.into(),
            sessions: SmallVec::from_slice(&[session]),
        };
        self.table
            .insert_new(key.hash, TrackedBox(Box::new(tracked)));
        self.item_count += 1;
        Added {
            is_new_key: true,
            is_new_session: true,
        }
    }

    /// Forgets a key; answers who had read it.
    pub(crate) fn take(&mut self, key: Key<'_>) -> Option<Sessions> {
        let tracked = self.table.remove(key.hash, key.bytes)?.0;
        self.item_count -= tracked.sessions.len();
        Some(tracked.sessions)
    }

    /// Forgets a random key; answers it and who had read it.
    pub(crate) fn take_random(&mut self, random: &mut Random) -> Option<(Box<[u8]>, Sessions)> {
        let raw = self.table.random(random)?;
        // SAFETY: the element is in the table, which is not changed before the copy is made.
        let key = unsafe { TrackedBox::key(raw) }.to_vec();
        let hash = self.table.hash_of(&key);
        let tracked = self.table.remove(hash, &key)?.0;
        self.item_count -= tracked.sessions.len();
        Some((tracked.key, tracked.sessions))
    }

    /// Forgets everything; answers what there was, for being freed.
    pub(crate) fn take_all(&mut self) -> Self {
        let seed = self.table.seed();
        std::mem::replace(self, Self::new(seed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::table::hash_bytes;

    const SEED: u64 = 7;

    fn key(bytes: &[u8]) -> Key<'_> {
        Key {
            bytes,
            hash: hash_bytes(SEED, bytes),
        }
    }

    /// Random additions and removals beside a map of sets.
    #[test]
    fn names_and_sessions_are_those_of_a_naive_model() {
        let mut random = Random::new(3);
        let mut tracked = TrackedKeys::new(SEED);
        let mut model: BTreeMap<Vec<u8>, BTreeSet<u64>> = BTreeMap::new();
        let steps = if cfg!(miri) { 300 } else { 20_000 };
        for _ in 0..steps {
            let name = format!("key:{}", random.below(40)).into_bytes();
            let session = random.below(6) + 1;
            match random.below(8) {
                0 => {
                    let taken = tracked.take(key(&name));
                    let expected = model.remove(&name);
                    assert_eq!(
                        taken.map(|it| it.to_vec()),
                        expected.map(|it| it.into_iter().collect())
                    );
                }
                1 => match tracked.take_random(&mut random) {
                    None => assert!(model.is_empty()),
                    Some((name, sessions)) => {
                        let expected = model.remove(&name[..]).expect("a name that was added");
                        assert_eq!(sessions.to_vec(), expected.into_iter().collect::<Vec<_>>());
                    }
                },
                _ => {
                    let added = tracked.add(key(&name), session);
                    assert_eq!(added.is_new_key, !model.contains_key(&name));
                    let is_new = model.entry(name).or_default().insert(session);
                    assert_eq!(added.is_new_session, is_new);
                }
            }
            assert_eq!(tracked.len(), model.len());
            let items: usize = model.values().map(BTreeSet::len).sum();
            assert_eq!(tracked.item_count(), items);
        }
        assert_eq!(tracked.take_all().len(), model.len());
        assert_eq!((tracked.len(), tracked.item_count()), (0, 0));
    }
}
