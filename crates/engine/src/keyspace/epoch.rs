//! The epoch of a snapshot: how the data of one moment are walked while they change.
//!
//! # The problem
//!
//! A snapshot is the data set as it was at one moment, its *epoch*. Redis forks, and the processor copies
//! each page that is written afterwards; here the server lives in other people's processes and does not
//! fork. Instead, beginning an epoch locks every stripe for some microseconds, in which each share of a
//! database (what one stripe has of it) gets a mark that it is to be walked. A *pass* then walks the shares,
//! some buckets under a short lock at a time, and writes the entries down. Meanwhile commands go on. What
//! they change is either behind the pass, which has no more interest in it, or before it: then the old value is
//! written down first, by the one who changes it.
//!
//! # Where the pass is
//!
//! A table grows and shrinks while it is walked, so a bucket's number says nothing. But the place of a key in
//! the order of *reversed* hashes never changes, and a bucket covers an interval of that order (the essay in
//! `table::linear`, on SCAN). So the pass is a cursor in that order: an entry has been passed if the first
//! bits of its reversed hash are less than the cursor. If buckets were merged since, the bucket at the cursor
//! holds entries that have been passed already; their hashes tell.
//!
//! # Which entries belong to the epoch
//!
//! Before the cursor an entry may be *settled*: its old value is written down already, or it had none,
//! being new. That is one bit in the entry's header. It is set when an entry is inserted before the cursor
//! and when the old value of one has been saved; and the pass, coming by, passes over a settled entry and clears the
//! bit. Behind the cursor no bit is ever set. So when the pass is over every bit is clear again, and the next epoch
//! finds none. A pass that is given up must therefore walk on to its end, though it writes nothing.
//!
//! Every change goes through `Database`, whose methods call [`Database::preserve`] before they touch an
//! entry. While no snapshot is taken that is one branch on a pointer that is null, which the processor foresees.
//!
//! # What happens to whole databases
//!
//! SWAPDB exchanges shares, which carry their mark with them, and with it the number that their database had at
//! the epoch. FLUSHALL takes shares away: one that was not walked to its end goes to the pass, which
//! walks and frees it without any lock. RENAME and MOVE take an entry out of one place, which saves its old value
//! there, and put one into another, where it is new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::database::Database;
use super::entry::EntryRef;
use super::stored::value_of;
use crate::snapshot::{SaveOptions, SnapshotEncoder, SnapshotEntry};

/// Bits of a reversed hash that the cursor of a table counts.
const CURSOR_BITS: u32 = crate::table::CURSOR_BITS;

/// A share hands what was saved in it to the pass when it is so much, in bytes.
const SAVED_MAX: usize = 32 * 1024;

/// Encoded entries of one database.
pub(crate) struct Records {
    /// The number that the database had at the epoch.
    pub(crate) database: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Records {
    pub(crate) fn none() -> Self {
        Self::of(0)
    }

    fn of(database: usize) -> Self {
        Records {
            database,
            bytes: Vec::new(),
        }
    }
}

/// How an entry's use is written down with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UseRecorded {
    /// Not at all.
    No,
    /// As the seconds since, the clock being at this second.
    IdleSeconds(u32),
    /// As how often.
    Frequency,
}

/// What all shares of one snapshot have in common.
pub(crate) struct Epoch {
    encoder: Arc<dyn SnapshotEncoder>,
    options: SaveOptions,
    use_recorded: UseRecorded,
    /// Old values that were saved by those who changed them.
    saved: Mutex<Vec<Records>>,
    /// Shares that were taken away before the pass had walked them.
    taken: Mutex<Vec<Database>>,
    /// How many entries were saved or walked.
    pub(crate) entries_done: AtomicU64,
    /// Nobody wants what is saved any more.
    is_given_up: AtomicBool,
}

impl Epoch {
    pub(crate) fn new(
        encoder: Arc<dyn SnapshotEncoder>,
        options: SaveOptions,
        use_recorded: UseRecorded,
    ) -> Self {
        Epoch {
            encoder,
            options,
            use_recorded,
            saved: Mutex::default(),
            taken: Mutex::default(),
            entries_done: AtomicU64::new(0),
            is_given_up: AtomicBool::new(false),
        }
    }

    /// Says that what is saved from now on is of no use.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        self.saved.lock().clear();
    }

    /// What was saved since this was last asked.
    pub(crate) fn take_saved(&self) -> Vec<Records> {
        std::mem::take(&mut *self.saved.lock())
    }

    /// Leaves a share that was taken away to the pass. Call it under the lock of its stripe.
    pub(crate) fn adopt(&self, taken: Database) {
        self.taken.lock().push(taken);
    }

    /// A share that was taken away.
    pub(crate) fn next_taken(&self) -> Option<Database> {
        self.taken.lock().pop()
    }

    fn encode(&self, database: usize, entry: EntryRef<'_>, out: &mut Vec<u8>) {
        self.entries_done.fetch_add(1, Ordering::Relaxed);
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let record = record(database, entry, self.use_recorded);
        self.encoder.entry(&record, self.options, out);
    }

    fn add_saved(&self, records: Records) {
        if !self.is_given_up.load(Ordering::Relaxed) && !records.bytes.is_empty() {
            self.saved.lock().push(records);
        }
    }
}

/// An entry as a codec takes it.
pub(crate) fn record<'a>(
    database: usize,
    entry: EntryRef<'a>,
    use_recorded: UseRecorded,
) -> SnapshotEntry<'a> {
    let access = entry.access();
    let (idle_seconds, frequency) = match use_recorded {
        UseRecorded::No => (None, None),
        // The clock has 24 bits and wraps around.
        UseRecorded::IdleSeconds(now) => (Some(now.wrapping_sub(access) & 0x00ff_ffff), None),
        UseRecorded::Frequency => (None, Some(access as u8)),
    };
    SnapshotEntry {
        database,
        key: entry.key(),
        expire_ms: entry.expire_ms(),
        idle_seconds: idle_seconds.map(u64::from),
        frequency,
        value: value_of(entry),
    }
}

/// The mark of a share that is to be walked, and how far it has been.
pub(crate) struct Share {
    epoch: Arc<Epoch>,
    /// The number that the database had at the epoch.
    database: usize,
    /// The cursor of the pass; entries before it have not been passed.
    cursor: u64,
    /// Old values that were saved here.
    saved: Records,
}

impl Share {
    fn new(epoch: Arc<Epoch>, database: usize) -> Self {
        Share {
            epoch,
            database,
            cursor: 0,
            saved: Records::of(database),
        }
    }

    /// Whether the pass has been at the place of this hash.
    #[inline]
    fn has_passed(&self, hash: u64) -> bool {
        hash.reverse_bits() >> (64 - CURSOR_BITS) < self.cursor
    }

    fn hand_over_saved(&mut self) {
        let saved = std::mem::replace(&mut self.saved, Records::of(self.database));
        self.epoch.add_saved(saved);
    }
}

impl Database {
    /// Marks the share as one that is to be walked, `number` being that of the database now.
    pub(crate) fn begin_epoch(&mut self, epoch: &Arc<Epoch>, number: usize) {
        debug_assert!(self.share.is_none(), "one snapshot is taken at a time");
        if self.len() > 0 {
            self.share = Some(Box::new(Share::new(epoch.clone(), number)));
        }
    }

    /// Whether a pass has still to walk the share.
    pub(crate) fn is_to_be_walked(&self) -> bool {
        self.share.is_some()
    }

    /// The epoch that the share has still to be walked for.
    pub(crate) fn epoch(&self) -> Option<Arc<Epoch>> {
        self.share.as_ref().map(|share| share.epoch.clone())
    }

    /// Saves the value of a key that is about to be changed or removed, if a snapshot needs it.
    #[inline]
    pub(super) fn preserve(&mut self, hash: u64, key: &[u8]) {
        if self.share.is_some() {
            self.save(hash, key);
        }
    }

    #[cold]
    fn save(&mut self, hash: u64, key: &[u8]) {
        let Some(mut share) = self.share.take() else {
            return;
        };
        if !share.has_passed(hash)
            && let Some(entry) = self.get(hash, key)
            && !entry.is_settled()
        {
            let (epoch, saved) = (&share.epoch, &mut share.saved);
            epoch.encode(share.database, entry, &mut saved.bytes);
            entry.set_settled(true);
            if share.saved.bytes.len() >= SAVED_MAX {
                share.hand_over_saved();
            }
        }
        self.share = Some(share);
    }

    /// Notes of an entry that is about to be inserted whether the pass must pass over it.
    #[inline]
    pub(super) fn settle_new(&self, hash: u64, entry: EntryRef<'_>) {
        let is_settled = match &self.share {
            Some(share) => !share.has_passed(hash),
            None => false,
        };
        if is_settled != entry.is_settled() {
            entry.set_settled(is_settled);
        }
    }

    /// Walks on, by some buckets, until it has written about `len_max` bytes; answers what it wrote, and whether
    /// the share has been walked to its end.
    pub(crate) fn walk(&mut self, buckets_max: usize, len_max: usize) -> (Records, bool) {
        let Some(mut share) = self.share.take() else {
            return (Records::none(), true);
        };
        let mut records = Records::of(share.database);
        for _ in 0..buckets_max {
            let next = self.scan(share.cursor, &mut |entry| {
                let hash = self.hash_of(entry.key());
                if share.has_passed(hash) {
                    return;
                }
                if entry.is_settled() {
                    entry.set_settled(false);
                    return;
                }
                share
                    .epoch
                    .encode(share.database, entry, &mut records.bytes);
            });
            share.cursor = next;
            if next == 0 {
                share.hand_over_saved();
                return (records, true);
            }
            if records.bytes.len() >= len_max {
                break;
            }
        }
        self.share = Some(share);
        (records, false)
    }
}
