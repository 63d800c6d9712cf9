//! Freeing what takes long, off the request path: what is handed over, and what INFO says of it.
//!
//! A value that is deleted is taken out of the key space under its lock, and freed when the locks
//! are gone; one with many elements by the host, which has a thread for it. That does not depend on
//! the `lazyfree-*` options: nobody is kept waiting for a big value either way. What they decide is
//! what is *counted*: `lazyfreed_objects` and `lazyfree_pending_objects` count the values that Redis
//! would have given to its own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::keyspace::{Database, Entry};
use crate::tracking::TrackedKeys;

/// What is being freed, and what was.
#[derive(Default)]
pub(crate) struct LazyFree {
    pending_objects: AtomicU64,
    freed_objects: AtomicU64,
    /// About how many bytes are being freed, so that eviction does not count them as used.
    pending_bytes: AtomicU64,
}

impl LazyFree {
    pub(crate) fn pending_objects(&self) -> u64 {
        self.pending_objects.load(Ordering::Relaxed)
    }

    pub(crate) fn freed_objects(&self) -> u64 {
        self.freed_objects.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.pending_bytes.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        self.freed_objects.store(0, Ordering::Relaxed);
    }
}

/// Something to free that may take long: the driver gives it to a thread of its own.
pub struct Garbage {
    entries: Vec<Entry>,
    databases: Vec<Database>,
    tracked: Vec<TrackedKeys>,
    /// Values of it that count as freed lazily.
    objects: u64,
    bytes: u64,
    /// Where it is counted.
    counts: Arc<LazyFree>,
}

impl Garbage {
    pub(crate) fn new(
        entries: Vec<Entry>,
        databases: Vec<Database>,
        tracked: Vec<TrackedKeys>,
        objects: u64,
        counts: &Arc<LazyFree>,
    ) -> Self {
        let entry_bytes = entries.iter().map(|it| it.as_ref().approximate_bytes());
        let database_bytes = databases.iter().map(Database::approximate_bytes);
        let bytes = (entry_bytes.sum::<usize>() + database_bytes.sum::<usize>()) as u64;
        counts.pending_objects.fetch_add(objects, Ordering::Relaxed);
        counts.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        Garbage {
            entries,
            databases,
            tracked,
            objects,
            bytes,
            counts: counts.clone(),
        }
    }

    /// Whether freeing it may take long enough to be worth another thread.
    pub fn is_large(&self) -> bool {
        self.entries.len() > 64
            || self.entries.iter().any(|it| it.as_ref().is_large())
            || self.databases.iter().any(|it| it.len() > 64)
            || self.tracked.iter().any(|it| it.len() > 64)
    }
}

impl Garbage {
    /// Frees it, and calls `note` before it is counted as freed: for hosts that have to note that
    /// there is more memory now.
    pub fn free(mut self, note: impl FnOnce()) {
        self.free_contents();
        note();
    }

    fn free_contents(&mut self) {
        self.entries = Vec::new();
        self.databases = Vec::new();
        self.tracked = Vec::new();
    }
}

impl Drop for Garbage {
    fn drop(&mut self) {
        self.free_contents();
        let counts = &self.counts;
        let (bytes, objects) = (self.bytes, self.objects);
        counts.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
        counts.pending_objects.fetch_sub(objects, Ordering::Relaxed);
        counts.freed_objects.fetch_add(objects, Ordering::Relaxed);
    }
}
