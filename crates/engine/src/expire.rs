//! The active expiry cycle: deletes keys whose time is over though nobody asks for them.
//!
//! There is no index of expiries: it would cost each volatile key more memory than its expiry does.
//! Instead the cycle walks the buckets of each stripe, a few at a time, and looks at the keys there
//! that have an expiry. A pass looks at a few buckets of every stripe; while it finds that more than
//! one in ten volatile keys was expired, it goes on with the next buckets, for at most a quarter of
//! the time between two passes. So expired keys take a bounded share of memory and the cycle a
//! bounded share of time, as in Redis, whose sampling has the same aims.
//!
//! Fields of hashes are deleted on the same walk: a hash says at once whether any of its fields may be
//! over (`value::hash_expiring` says how). A big one is worked off a part at a time; until that is
//! done, every pass goes on with it first.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::command::context::delete_expired;
use crate::command::dispatch::serve_left;
use crate::command::field_expiry::delete_fields;
use crate::keyspace::{Key, expiring_hash};
use crate::latency::Event;
use crate::snapshot::save_if_due;
use crate::table::take_full;
use crate::worker::Worker;

/// Buckets of a stripe that a pass looks at.
const BUCKETS_PER_PASS: usize = 4;

/// Fields of hashes that are looked at under one lock.
const FIELDS_PER_LOCK: usize = 1024;

/// So many big hashes are remembered as not worked off; the walk comes by the others again.
const UNFINISHED_MAX: usize = 256;

/// A slice of the cycle lasts about so long; other work goes on between slices.
const SLICE_US: i64 = 500;

/// The share of the time between two cycles that a cycle may take, in percent, as in Redis.
const TIME_SHARE_PERCENT: i64 = 25;

/// How much the newest cycle counts in the average, in which older ones fade.
const NEWEST_SHARE: f64 = 0.05;

/// The running average of the share of expired keys among those that cycles look at.
#[derive(Debug, Default)]
pub(crate) struct ExpiredShare {
    /// The bits of a double between 0 and 1.
    bits: AtomicU64,
}

impl ExpiredShare {
    fn add(&self, share: f64) {
        // Cycles of two workers may overlap: then one of both does not count.
        let average = f64::from_bits(self.bits.load(Ordering::Relaxed));
        let average = share * NEWEST_SHARE + average * (1.0 - NEWEST_SHARE);
        self.bits.store(average.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn percent(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed)) * 100.0
    }

    pub(crate) fn reset(&self) {
        self.bits.store(0, Ordering::Relaxed);
    }
}

/// One cycle, in slices.
#[derive(Debug, Default)]
pub(crate) struct ExpireCycle {
    /// When the cycle must end; 0 when none is going on.
    ends_us: i64,
    next_stripe: usize,
    looked_at: u64,
    expired: u64,
    /// The same for the whole cycle, not only for one pass.
    looked_at_all: u64,
    expired_all: u64,
    /// Hashes that the pass is to go on with.
    resumed: Vec<Target>,
    /// Hashes in which there may be more fields to delete, for the next pass.
    unfinished: Vec<Target>,
}

impl ExpireCycle {
    /// Begins another pass.
    fn begin_pass(&mut self) {
        self.next_stripe = 0;
        self.looked_at_all += std::mem::take(&mut self.looked_at);
        self.expired_all += std::mem::take(&mut self.expired);
        self.resumed = std::mem::take(&mut self.unfinished);
    }

    fn end(&mut self, expired_share: &ExpiredShare) {
        self.ends_us = 0;
        self.unfinished.append(&mut self.resumed);
        let looked_at =
            std::mem::take(&mut self.looked_at_all) + std::mem::take(&mut self.looked_at);
        let expired = std::mem::take(&mut self.expired_all) + std::mem::take(&mut self.expired);
        expired_share.add(expired as f64 / looked_at.max(1) as f64);
    }
}

/// A key of some database.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    database: usize,
    key: Vec<u8>,
    hash: u64,
}

impl Target {
    fn key(&self) -> Key<'_> {
        Key {
            bytes: &self.key,
            hash: self.hash,
        }
    }
}

impl Worker {
    /// Does one slice of what is to be done regularly (`hz` times a second); answers whether there
    /// is more to do at once.
    pub fn run_cron(&mut self) -> bool {
        std::mem::swap(&mut self.random, &mut self.cron_random);
        let has_more = self.run_cron_slice();
        serve_left(self);
        self.broadcast_changes();
        std::mem::swap(&mut self.random, &mut self.cron_random);
        has_more
    }

    fn run_cron_slice(&mut self) -> bool {
        self.refresh();
        self.engine.note_time(self.next_now_us);
        if self.engine.is_cron_paused.load(Ordering::Relaxed) {
            return false;
        }
        self.engine.sample_rates();
        crate::shutdown::tend(self);
        while let Some(block) = take_full() {
            self.engine.host.put_into_large_page(block);
        }
        if self.engine.persistence.is_loading() {
            return false;
        }
        save_if_due(self);
        crate::append_log::tend(self);
        crate::replication::tend(self);
        self.engine.look_at_clients();
        self.limit_clients();
        self.limit_tracked_keys();
        let mut has_more = self.make_room_regularly();
        self.bound_idle_memory();
        has_more |= self.defragment();
        let keeps_expired = self.engine.keeps_expired(self.now_ms());
        if keeps_expired || self.engine.is_active_expire_off.load(Ordering::Relaxed) {
            return has_more;
        }
        let started_us = self.engine.clock.now_us();
        let mut cycle = std::mem::take(&mut self.expire_cycle);
        if cycle.ends_us == 0 {
            let period_us = 1_000_000 / i64::from(self.engine.config.hz().clamp(1, 500));
            cycle.ends_us = self.now_us + period_us * TIME_SHARE_PERCENT / 100;
            cycle.begin_pass();
        }
        let slice_begins_us = self.engine.clock.now_us();
        let slice_ends_us = self.now_us + SLICE_US;
        let is_over = loop {
            if let Some(target) = cycle.resumed.pop() {
                if self.lock_one(target.hash).is_err() {
                    cycle.unfinished.push(target);
                    break true;
                }
                self.refresh_time();
                self.expire_fields_of(&mut cycle, target, &mut { FIELDS_PER_LOCK });
                self.end_deletions();
            } else if cycle.next_stripe < self.view.keyspace().stripe_count() {
                if !self.expire_in_stripe(&mut cycle) {
                    break true;
                }
                cycle.next_stripe += 1;
            } else if cycle.expired * 10 > cycle.looked_at {
                cycle.begin_pass();
            } else {
                break true;
            }
            let now_us = self.engine.clock.now_us();
            if now_us >= cycle.ends_us {
                self.counters.expire_cycles_cut.add(1);
                break true;
            }
            if now_us >= slice_ends_us {
                break false;
            }
        };
        let slice_us = self.engine.clock.now_us() - slice_begins_us;
        self.counters.expire_cycle_us.add(slice_us.max(0) as u64);
        if is_over {
            cycle.end(&self.engine.expired_share);
        }
        self.expire_cycle = cycle;
        self.note_latency(Event::ExpireCycle, started_us);
        self.free_garbage();
        !is_over || has_more
    }

    /// Looks at the next buckets of one stripe; answers whether a busy script let it.
    fn expire_in_stripe(&mut self, cycle: &mut ExpireCycle) -> bool {
        let mut expired: Vec<Target> = Vec::new();
        let mut with_expired_fields: Vec<Target> = Vec::new();
        if !self.lock_stripe(cycle.next_stripe) {
            self.gave_up = false;
            return false;
        }
        // Whoever held the lock may have set a manual clock back, with data of that time.
        self.refresh_time();
        let now_ms = self.now_ms();
        let seed = self.view.keyspace().seed();
        for index in 0..self.view.stripe_at(cycle.next_stripe).database_count() {
            let database = self
                .view
                .stripe_at_mut(cycle.next_stripe)
                .database_mut(index);
            if database.volatile_len() == 0 && database.expiring_hashes() == 0 {
                continue;
            }
            let target = |key: &[u8]| Target {
                database: index,
                key: key.to_vec(),
                hash: crate::table::hash_bytes(seed, key),
            };
            database.visit_next_buckets(BUCKETS_PER_PASS, &mut |entry| {
                if let Some(expire_ms) = entry.expire_ms() {
                    cycle.looked_at += 1;
                    if expire_ms <= now_ms {
                        return expired.push(target(entry.key()));
                    }
                }
                let next_ms = expiring_hash(entry).and_then(|hash| hash.next_expiry_ms());
                if next_ms.is_some_and(|next_ms| next_ms <= now_ms) {
                    with_expired_fields.push(target(entry.key()));
                }
            });
        }
        cycle.expired += expired.len() as u64;
        for target in expired {
            delete_expired(self, target.database, target.key());
        }
        let mut budget = FIELDS_PER_LOCK;
        for target in with_expired_fields {
            if !cycle.unfinished.contains(&target) {
                self.expire_fields_of(cycle, target, &mut budget);
            }
        }
        self.end_deletions();
        true
    }

    /// Deletes fields of one hash whose time is over, if it still is one, and looks at no more than
    /// about `budget` fields. Its stripe is locked.
    fn expire_fields_of(&mut self, cycle: &mut ExpireCycle, target: Target, budget: &mut usize) {
        let now_ms = self.now_ms();
        let stripe = self.view.stripe(target.hash);
        let entry = stripe
            .database(target.database)
            .and_then(|database| database.get(target.hash, &target.key));
        if entry.and_then(expiring_hash).is_none() {
            return;
        }
        let mut is_unfinished = false;
        delete_fields(self, target.database, target.key(), &mut |hash, removed| {
            let (looked_at, has_more) = hash.remove_overdue(now_ms, *budget, &mut |field| {
                cycle.expired += 1;
                removed(field);
            });
            cycle.looked_at += looked_at as u64;
            *budget = budget.saturating_sub(looked_at);
            is_unfinished = has_more;
        });
        if is_unfinished && cycle.unfinished.len() < UNFINISHED_MAX {
            cycle.unfinished.push(target);
        }
    }

    /// Propagates what was deleted, and lets go of the lock.
    pub(crate) fn end_deletions(&mut self) {
        self.propagate_apart();
        self.view.unlock();
    }
}
