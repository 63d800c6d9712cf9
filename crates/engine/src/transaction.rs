//! What a session's transaction holds: the queue of MULTI and the keys of WATCH.
//!
//! How a queue is executed stands in `command::dispatch`; the commands themselves in
//! `cmd::transaction`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::Registered;
use crate::worker::Worker;

/// A command that waits for EXEC.
pub(crate) struct Queued {
    pub(crate) registered: &'static Registered,
    pub(crate) arguments: Vec<Vec<u8>>,
}

impl Queued {
    /// Bytes that it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|argument| size_of::<Vec<u8>>() + argument.len());
        size_of::<Queued>() + arguments.sum::<usize>()
    }
}

/// The transaction of one session.
#[derive(Default)]
pub(crate) struct Transaction {
    /// Whether MULTI was called and neither EXEC nor DISCARD since.
    pub(crate) is_open: bool,
    /// Whether a command was refused while queueing, so that EXEC must abort.
    pub(crate) has_failed: bool,
    pub(crate) queue: Vec<Queued>,
    pub(crate) watched: Vec<Watched>,
    /// Set by whoever changes a watched key.
    pub(crate) is_dirty: Arc<AtomicBool>,
}

/// A key that a session watches.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) database: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) hash: u64,
}

struct Watcher {
    is_dirty: Arc<AtomicBool>,
    /// Whether what stood under the key was past its time, and still there, when WATCH was called
    /// or SWAPDB put it there: then its deletion is no change.
    was_expired: bool,
}

impl Worker {
    /// Notes that a key is watched, whose stripe is locked.
    pub(crate) fn add_watcher(
        &mut self,
        watched: &Watched,
        is_dirty: Arc<AtomicBool>,
        now_ms: i64,
    ) {
        let stripe = self.view.stripe_mut(watched.hash);
        let entry = stripe
            .database(watched.database)
            .and_then(|database| database.get(watched.hash, &watched.key));
        let was_expired = entry
            .and_then(|entry| entry.expire_ms())
            .is_some_and(|at| at <= now_ms);
        stripe.watchers.add(watched, was_expired, is_dirty);
    }
}

/// The watchers of one stripe's keys: one word while there are none, for every command that changes something looks here.
#[derive(Default)]
pub(crate) struct Watchers {
    by_key: Option<Box<WatchersByKey>>,
}

/// By database and key. None of them is empty.
type WatchersByKey = HashMap<(usize, Vec<u8>), Vec<Watcher>>;

impl Watchers {
    /// Whether nobody watches a key of this stripe.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_none()
    }

    /// The watchers of a key.
    fn of(&mut self, database: usize, key: &[u8]) -> Option<&mut Vec<Watcher>> {
        self.by_key.as_mut()?.get_mut(&(database, key.to_vec()))
    }

    /// Adds a watcher; `was_expired` says whether the key is there although its time is over.
    fn add(&mut self, watched: &Watched, was_expired: bool, is_dirty: Arc<AtomicBool>) {
        let place = (watched.database, watched.key.clone());
        let watcher = Watcher {
            is_dirty,
            was_expired,
        };
        let by_key = self.by_key.get_or_insert_default();
        by_key.entry(place).or_default().push(watcher);
    }

    pub(crate) fn remove(&mut self, watched: &Watched, is_dirty: &Arc<AtomicBool>) {
        let place = (watched.database, watched.key.clone());
        let Some(by_key) = &mut self.by_key else {
            return;
        };
        if let Some(watchers) = by_key.get_mut(&place) {
            watchers.retain(|watcher| !Arc::ptr_eq(&watcher.is_dirty, is_dirty));
            if watchers.is_empty() {
                by_key.remove(&place);
            }
        }
        if by_key.is_empty() {
            self.by_key = None;
        }
    }

    /// Whether the time of what stands under the key was over for this watcher from the beginning.
    pub(crate) fn was_expired(&self, watched: &Watched, is_dirty: &Arc<AtomicBool>) -> bool {
        let place = (watched.database, watched.key.clone());
        let watchers = self.by_key.as_ref().and_then(|it| it.get(&place));
        watchers
            .into_iter()
            .flatten()
            .any(|watcher| Arc::ptr_eq(&watcher.is_dirty, is_dirty) && watcher.was_expired)
    }

    /// Marks all transactions: everything is another.
    pub(crate) fn touch_all(&mut self) {
        let watchers = self.by_key.iter().flat_map(|it| it.values().flatten());
        for watcher in watchers {
            watcher.is_dirty.store(true, Ordering::Relaxed);
        }
    }

    /// Marks the transactions that watch a key. `exists` says whether the key is there now.
    pub(crate) fn touch(&mut self, database: usize, key: &[u8], exists: bool) {
        let Some(watchers) = self.of(database, key) else {
            return;
        };
        for watcher in watchers {
            if watcher.was_expired && !exists {
                // The key was already gone for this watcher.
                watcher.was_expired = false;
            } else {
                watcher.is_dirty.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Marks the transactions that watch a key in whose place SWAPDB puts another one, or none.
    /// `existed` says whether the key was there, `replacement` whether the other one's time is over.
    pub(crate) fn replace(
        &mut self,
        database: usize,
        key: &[u8],
        existed: bool,
        replacement: Option<bool>,
    ) {
        if !existed && replacement.is_none() {
            return;
        }
        let Some(watchers) = self.of(database, key) else {
            return;
        };
        for watcher in watchers {
            match replacement {
                // What was past its time is gone, or stays past its time: nothing has changed.
                None if watcher.was_expired => watcher.was_expired = false,
                Some(true) if watcher.was_expired => {}
                Some(true) if !existed => watcher.was_expired = true,
                _ => watcher.is_dirty.store(true, Ordering::Relaxed),
            }
        }
    }

    /// Keys of a database that somebody watches.
    pub(crate) fn keys_of(&self, database: usize) -> Vec<Vec<u8>> {
        let keys = self.by_key.iter().flat_map(|it| it.keys());
        let keys = keys.filter(|(index, _)| *index == database);
        keys.map(|(_, key)| key.clone()).collect()
    }
}
