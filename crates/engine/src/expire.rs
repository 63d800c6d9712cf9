//! The active expiry cycle: deletes keys whose time is over though nobody asks for them.
//!
//! There is no index of expiries: it would cost each volatile key more memory than its expiry does.
//! Instead the cycle walks the buckets of each stripe, a few at a time, and looks at the keys there
//! that have an expiry. A pass looks at a few buckets of every stripe; while it finds that more than
//! one in ten volatile keys was expired, it goes on with the next buckets, for at most a quarter of
//! the time between two passes. So expired keys take a bounded share of memory and the cycle a
//! bounded share of time, as in Redis, whose sampling has the same aims.

use crate::command::context::delete_expired;
use crate::keyspace::Key;
use crate::worker::Worker;

/// Buckets of a stripe that a pass looks at.
const BUCKETS_PER_PASS: usize = 4;

/// A slice of the cycle lasts about so long; other work goes on between slices.
const SLICE_US: i64 = 500;

/// The share of the time between two cycles that a cycle may take, in percent, as in Redis.
const TIME_SHARE_PERCENT: i64 = 25;

/// One cycle, in slices.
#[derive(Debug, Default)]
pub(crate) struct ExpireCycle {
    /// When the cycle must end; 0 when none is going on.
    ends_us: i64,
    next_stripe: usize,
    looked_at: u64,
    expired: u64,
}

impl Worker {
    /// Does one slice of what is to be done regularly (`hz` times a second); answers whether there
    /// is more to do at once.
    pub fn run_cron(&mut self) -> bool {
        use std::sync::atomic::Ordering;
        self.refresh();
        if self.engine.is_cron_paused.load(Ordering::Relaxed) {
            return false;
        }
        self.engine.sample_rates();
        self.engine.look_at_clients();
        let has_too_much = self.make_room_regularly();
        let is_paused = self.engine.pause.holds_writes(self.now_ms());
        if is_paused || self.engine.is_active_expire_off.load(Ordering::Relaxed) {
            return has_too_much;
        }
        let mut cycle = std::mem::take(&mut self.expire_cycle);
        if cycle.ends_us == 0 {
            let period_us = 1_000_000 / i64::from(self.engine.config.hz().clamp(1, 500));
            cycle.ends_us = self.now_us + period_us * TIME_SHARE_PERCENT / 100;
        }
        let slice_ends_us = self.now_us + SLICE_US;
        let is_over = loop {
            if cycle.next_stripe >= self.view.keyspace().stripe_count() {
                if cycle.expired * 10 <= cycle.looked_at {
                    break true;
                }
                cycle = ExpireCycle {
                    ends_us: cycle.ends_us,
                    ..Default::default()
                };
            }
            if !self.expire_in_stripe(&mut cycle) {
                break true;
            }
            cycle.next_stripe += 1;
            let now_us = self.engine.clock.now_us();
            if now_us >= cycle.ends_us {
                break true;
            }
            if now_us >= slice_ends_us {
                break false;
            }
        };
        self.expire_cycle = if is_over {
            ExpireCycle::default()
        } else {
            cycle
        };
        self.free_garbage();
        !is_over || has_too_much
    }

    /// Looks at the next buckets of one stripe; answers whether a busy script let it.
    fn expire_in_stripe(&mut self, cycle: &mut ExpireCycle) -> bool {
        let now_ms = self.now_ms();
        let mut expired: Vec<(Vec<u8>, u64)> = Vec::new();
        if !self.lock_stripe(cycle.next_stripe) {
            self.gave_up = false;
            return false;
        }
        let seed = self.view.keyspace().seed();
        for index in 0..self.view.stripe_at(cycle.next_stripe).database_count() {
            let database = self
                .view
                .stripe_at_mut(cycle.next_stripe)
                .database_mut(index);
            if database.volatile_len() == 0 {
                continue;
            }
            database.visit_next_buckets(BUCKETS_PER_PASS, &mut |entry| {
                if let Some(expire_ms) = entry.expire_ms() {
                    cycle.looked_at += 1;
                    if expire_ms <= now_ms {
                        let key = entry.key();
                        expired.push((key.to_vec(), crate::table::hash_bytes(seed, key)));
                    }
                }
            });
            cycle.expired += expired.len() as u64;
            for (key, hash) in expired.drain(..) {
                delete_expired(self, index, Key { bytes: &key, hash });
            }
        }
        if !self.propagated.is_empty() {
            // Each deletion stands for itself.
            let deletions = std::mem::take(&mut self.propagated);
            self.engine.propagation.append(&deletions, false);
        }
        self.view.unlock();
        true
    }
}
