//! What the entries take, added up: for hosts whose allocator does not tell what is in use.
//!
//! An entry is charged when it appears, discharged when it goes, and both when it changes, by the
//! same estimate; so the sum is exact for strings and packed collections, and an estimate for boxed
//! ones. Where the allocator tells, nothing is added up, and a change costs one look at an `Option`.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::entry::EntryRef;

/// Bytes of a table's bucket that an entry takes, at the usual load.
pub(crate) const SLOT_BYTES: usize = 9;

/// What all databases of an engine take.
#[derive(Clone, Default)]
pub(crate) struct Meters(Option<Arc<AtomicI64>>);

impl Meters {
    /// `is_needed` says whether anything is to be added up.
    pub(crate) fn new(is_needed: bool) -> Self {
        Meters(is_needed.then(Arc::default))
    }

    /// The sum; 0 if nothing is added up.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = self.0.as_ref().map(|sum| sum.load(Ordering::Relaxed));
        bytes.and_then(|it| u64::try_from(it).ok()).unwrap_or(0)
    }

    /// A meter for one database. What is left on it when it is dropped is taken off the sum.
    pub(super) fn meter(&self) -> Meter {
        let account = |sum: &Arc<AtomicI64>| Account {
            sum: sum.clone(),
            own: 0,
        };
        Meter(self.0.as_ref().map(|sum| Box::new(account(sum))))
    }
}

/// What one database takes, if anything is added up.
pub(super) struct Meter(Option<Box<Account>>);

struct Account {
    sum: Arc<AtomicI64>,
    own: i64,
}

impl Meter {
    /// What an entry costs; 0 if nothing is added up.
    #[inline]
    pub(super) fn cost(&self, entry: EntryRef<'_>) -> i64 {
        match self.0 {
            Some(_) => (entry.approximate_bytes() + SLOT_BYTES) as i64,
            None => 0,
        }
    }

    /// As [`Self::cost`].
    ///
    /// # Safety
    ///
    /// `raw` is a valid entry that nobody changes meanwhile.
    #[inline]
    pub(super) unsafe fn cost_of(&self, raw: NonNull<u8>) -> i64 {
        match self.0 {
            // SAFETY: promised by the caller.
            Some(_) => self.cost(unsafe { EntryRef::from_raw(raw) }),
            None => 0,
        }
    }

    #[inline]
    pub(super) fn charge(&mut self, bytes: i64) {
        // Whoever overwrites a value with one of its size leaves alone what all threads share.
        if let Some(account) = &mut self.0
            && bytes != 0
        {
            account.own += bytes;
            account.sum.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.own, Ordering::Relaxed);
    }
}
