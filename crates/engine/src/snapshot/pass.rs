//! The pass: walks the data of an epoch stripe by stripe, and gives them as the records of a format.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{SaveOptions, SnapshotEncoder};
use crate::keyspace::{Database, Epoch, Keyspace, Records, UseRecorded, View};

/// A stripe is locked for at most so many buckets, or until about so many bytes were written.
const BUCKETS_PER_STEP: usize = 32;
const BYTES_PER_STEP: usize = 64 * 1024;

/// A walk over the data set as it was when the pass began.
pub(crate) struct Pass {
    epoch: Arc<Epoch>,
    encoder: Arc<dyn SnapshotEncoder>,
    view: View,
    next_stripe: usize,
    /// A share that was taken away, being walked.
    taken: Option<Database>,
    /// The database that the records written last belong to.
    selected: Option<usize>,
    /// How many keys each database has, and how many of them expire; taken when it is first selected.
    sizes: Vec<Option<(u64, u64)>>,
    /// How many keys there are.
    pub(crate) entries_total: u64,
    is_over: bool,
}

impl Pass {
    /// Begins an epoch. `view` must hold every stripe, and no other pass may be under way.
    pub(crate) fn begin(
        view: &mut View,
        encoder: Arc<dyn SnapshotEncoder>,
        options: SaveOptions,
        use_recorded: UseRecorded,
        keyspace: Arc<Keyspace>,
    ) -> Self {
        let epoch = Arc::new(Epoch::new(encoder.clone(), options, use_recorded));
        let mut sizes: Vec<(u64, u64)> = Vec::new();
        for index in 0..keyspace.stripe_count() {
            let stripe = view.stripe_at_mut(index);
            for (number, database) in stripe.databases_mut().enumerate() {
                if sizes.len() <= number {
                    sizes.push((0, 0));
                }
                sizes[number].0 += database.len() as u64;
                sizes[number].1 += database.volatile_len() as u64;
                database.begin_epoch(&epoch, number);
            }
        }
        Pass {
            epoch,
            encoder,
            view: View::new(keyspace),
            next_stripe: 0,
            taken: None,
            selected: None,
            entries_total: sizes.iter().map(|(keys, _)| keys).sum(),
            sizes: sizes.into_iter().map(Some).collect(),
            is_over: false,
        }
    }

    /// How many keys have been written so far.
    pub(crate) fn entries_done(&self) -> u64 {
        self.epoch.entries_done.load(Ordering::Relaxed)
    }

    /// Says that nobody wants the rest. The steps that follow write nothing, but must be taken.
    pub(crate) fn give_up(&self) {
        self.epoch.give_up();
    }

    /// Walks on a little; appends what was found. Answers whether there is more to walk.
    pub(crate) fn step(&mut self, out: &mut Vec<u8>) -> bool {
        if self.is_over {
            return false;
        }
        if self.next_stripe < self.view.keyspace().stripe_count() {
            let (records, is_walked) = self.walk_stripe();
            self.write(records, out);
            if is_walked {
                self.next_stripe += 1;
            }
        } else if !self.walk_taken(out) {
            self.is_over = true;
        }
        // What was saved in a share is here at the latest when the share has been walked to its end.
        for records in self.epoch.take_saved() {
            self.write(records, out);
        }
        !self.is_over
    }

    /// Walks on in the next stripe; answers whether all of its shares have been walked to their ends.
    fn walk_stripe(&mut self) -> (Records, bool) {
        self.view
            .lock_index(self.next_stripe, &|| false)
            .expect("it waits as long as it takes");
        let stripe = self.view.stripe_at_mut(self.next_stripe);
        let share = stripe.databases_mut().find(|it| it.is_to_be_walked());
        // Whether there are other shares shows when this one is done.
        let (records, is_walked) = match share {
            Some(share) => (share.walk(BUCKETS_PER_STEP, BYTES_PER_STEP).0, false),
            None => (Records::none(), true),
        };
        self.view.unlock();
        (records, is_walked)
    }

    /// Walks on in the shares that were taken away, which nobody else can reach; answers whether there
    /// was one.
    fn walk_taken(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(mut taken) = self.taken.take().or_else(|| self.epoch.next_taken()) else {
            return false;
        };
        let (records, is_over) = taken.walk(BUCKETS_PER_STEP, BYTES_PER_STEP);
        self.write(records, out);
        if !is_over {
            self.taken = Some(taken);
        }
        true
    }

    fn write(&mut self, records: Records, out: &mut Vec<u8>) {
        if records.bytes.is_empty() {
            return;
        }
        let number = records.database;
        if self.selected != Some(number) {
            self.selected = Some(number);
            let sizes = self.sizes.get_mut(number).and_then(Option::take);
            self.encoder.select(number, sizes, out);
        }
        out.extend_from_slice(&records.bytes);
    }
}

impl Drop for Pass {
    /// The marks that the epoch has made must go, whatever becomes of the pass.
    fn drop(&mut self) {
        self.give_up();
        let mut nobody = Vec::new();
        while self.step(&mut nobody) {
            nobody.clear();
        }
    }
}
