//! Active defragmentation (`activedefrag`): moves what the data set owns to where memory is fuller, so that memory which
//! is nearly empty becomes empty and goes back to the system.
//!
//! Small blocks lie in slabs, each of blocks of one size. What is deleted leaves holes, which only blocks of the same
//! size can fill; when a data set changes its shape, slabs with few blocks left are most of what the process has. Which
//! blocks lie in such slabs the allocator knows (`Host::copy_block`), and what structures do to have a block moved
//! stands in `relocation`. Here is when, how much at once, and in which order.
//!
//! A *pass* walks all databases of all stripes in the order of SCAN, which changes nothing that anybody can see: not the
//! order of a table, nor a use of a key, nor a value that a snapshot has still to write down (a block moves with all
//! bits of its header). It works in slices, as the expiry cycle does, and lets go of the stripe's lock after some blocks.
//! Nobody keeps an address of what lies in a stripe without its lock, so a block can move whenever the lock is held. Big
//! collections are set aside and walked by themselves, lock by lock.
//!
//! Whether there is a pass is decided once a second, and after each. The directives mean what they mean in Redis:
//! `active-defrag-ignore-bytes` and `-threshold-lower` say from when on, `-cycle-min` and `-cycle-max` which share of a
//! processor a pass may take, by how far fragmentation is between the two thresholds; and as in Valkey `-cycle-us` says how
//! long a slice may be. Also without `activedefrag` there is a pass while holes bring the process near `maxmemory`: what
//! is evicted leaves them, and to evict more would only make more of them. A small data set needs less than that
//! share: its pass is spread evenly over the time until it is decided again, before which nothing would come of being done
//! sooner, instead of keeping requests waiting all at once. Beyond Redis, a pass that gained nearly nothing is followed by a
//! rest, unless more holes come meanwhile: what cannot be moved together should not cost a processor forever.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use crate::keyspace::Key;
use crate::latency::Event;
use crate::relocation::{Fragmentation, Relocator};
use crate::worker::Worker;

/// How often it is decided whether there is too much fragmentation.
const DECISION_PERIOD_US: i64 = 1_000_000;

/// The same while a log is loaded.
const LOADING_DECISION_PERIOD_US: i64 = 50_000;

/// How long to rest after a pass that gained nearly nothing.
const REST_US: i64 = 10_000_000;

/// A pass gained something if what lies idle shrank by more than one part in so many, or if it moved more than one in so
/// many blocks: then it was made to lie idle anew meanwhile.
const GAIN_PARTS: u64 = 16;

/// For `maxmemory` alone holes are closed when it is near and they have more than one part in so many of it; from one part in
/// so many on with all that `active-defrag-cycle-max` allows.
const EXCESS_PARTS: u64 = 32;
const EXCESS_PARTS_AT_MOST: u64 = 12;

/// Less than this, in bytes, is not worth it however little `maxmemory` is.
const EXCESS_MIN_BYTES: u64 = 1 << 20;

/// Blocks that are looked at under one lock: some tens of microseconds.
const BLOCKS_PER_LOCK: u64 = 128;

/// Blocks after which a slice ends whatever the clock shows, which may stand still.
const BLOCKS_PER_SLICE: u64 = 16 * 1024;

/// What INFO says of it.
#[derive(Debug, Default)]
pub(crate) struct Defragmentation {
    /// The share of a processor that the pass under way may take; 0 if none is.
    percent: AtomicU32,
    /// When the pass began that is under way; 0 if none is.
    began_us: AtomicI64,
}

impl Defragmentation {
    pub(crate) fn running_percent(&self) -> u32 {
        self.percent.load(Ordering::Relaxed)
    }

    fn set_percent(&self, percent: u32) {
        self.percent.store(percent, Ordering::Relaxed);
    }

    /// How long the pass that is under way has been, in microseconds; 0 if none is.
    pub(crate) fn current_us(&self, now_us: i64) -> u64 {
        match self.began_us.load(Ordering::Relaxed) {
            0 => 0,
            began_us => (now_us - began_us).max(0).cast_unsigned(),
        }
    }
}

/// How far a worker has come.
#[derive(Default)]
pub(crate) struct Defragmenter {
    /// When it is to be decided next.
    decides_us: i64,
    /// When the period ends in which it may work for so long.
    period_ends_us: i64,
    left_us: i64,
    pass: Option<Pass>,
    rest: Option<Rest>,
}

/// What follows a pass that gained nearly nothing, unless there is more to gain meanwhile.
struct Rest {
    ends_us: i64,
    /// What lay idle when it began, in bytes.
    idle_bytes: u64,
}

/// A walk through everything.
struct Pass {
    began_us: i64,
    /// Whether it goes on without `activedefrag`.
    is_for_maxmemory: bool,
    /// Over how long it is spread at least, in microseconds.
    spread_us: i64,
    /// What lay idle when it began, in bytes.
    idle_bytes: u64,
    /// Blocks that it has moved, and looked at.
    moved: u64,
    seen: u64,
    /// The next script, until all are done.
    script: Option<usize>,
    stripe: usize,
    database: usize,
    /// Of the database's share in the stripe.
    cursor: u64,
    /// Big collections of the buckets before, to be walked before the next bucket is.
    big: Vec<BigValue>,
}

/// A big collection, and how far it has been walked.
struct BigValue {
    database: usize,
    key: Vec<u8>,
    hash: u64,
    cursor: u128,
    is_moved: bool,
}

impl Worker {
    /// Does a slice of what is to be done, if there is too much fragmentation; answers whether there is more to do at
    /// once. The view must hold nothing.
    #[inline]
    pub(crate) fn defragment(&mut self) -> bool {
        let pass = self.defragmenter.pass.as_ref();
        let may_be_for_maxmemory = || {
            self.memory_rules.maxmemory_bytes > 0 && pass.is_none_or(|pass| pass.is_for_maxmemory)
        };
        if self.engine.config.activedefrag() || may_be_for_maxmemory() {
            return self.defragment_in_turn();
        }
        self.stop_defragmenting();
        false
    }

    /// Ends a pass that this worker has under way.
    pub(crate) fn stop_defragmenting(&mut self) {
        if self.defragmenter.pass.is_some() {
            self.end_pass();
        }
        // Only who decides has decided.
        if self.defragmenter.decides_us != 0 {
            self.engine.defragmentation.set_percent(0);
            self.defragmenter = Defragmenter::default();
        }
    }

    /// While a log is loaded nobody else is served by this worker: so all slices are done that are due. And what clients
    /// have done in minutes is done in a second: so it is decided more often.
    pub(crate) fn defragment_while_loading(&mut self) {
        if self.view.is_none() {
            while self.defragment() {}
            let soon_us = self.engine.clock.now_us() + self.decision_period_us();
            self.defragmenter.decides_us = self.defragmenter.decides_us.min(soon_us);
        }
    }

    fn decision_period_us(&self) -> i64 {
        match self.is_replaying {
            true => LOADING_DECISION_PERIOD_US,
            false => DECISION_PERIOD_US,
        }
    }

    fn defragment_in_turn(&mut self) -> bool {
        let started_us = self.engine.clock.now_us();
        self.decide_on_defragmentation(started_us);
        let percent = i64::from(self.engine.defragmentation.running_percent());
        let Some(mut pass) = self.defragmenter.pass.take() else {
            return false;
        };
        let period_us = 1_000_000 / i64::from(self.engine.config.hz().clamp(1, 500));
        let period_left_us = self.defragmenter.period_ends_us - started_us;
        if !(1..=period_us).contains(&period_left_us) {
            self.defragmenter.period_ends_us = started_us + period_us;
            self.defragmenter.left_us = period_us * percent / 100;
        }
        if self.defragmenter.left_us <= 0 || self.is_ahead(&pass, started_us) {
            self.defragmenter.pass = Some(pass);
            return false;
        }
        // Other work goes on between slices.
        let slice_us = i64::from(self.engine.config.active_defrag_cycle_us());
        let slice_us = slice_us.clamp(1, self.defragmenter.left_us);
        let is_over = self.defragment_slice(&mut pass, started_us + slice_us);
        let now_us = self.engine.clock.now_us();
        self.defragmenter.left_us -= (now_us - started_us).max(0);
        self.note_latency(Event::ActiveDefragmentation, started_us);
        if is_over {
            self.end_pass();
            self.rest_or_go_on(&pass, now_us);
        } else {
            self.defragmenter.pass = Some(pass);
        }
        let pass = self.defragmenter.pass.as_ref();
        self.defragmenter.left_us > 0 && pass.is_some_and(|pass| !self.is_ahead(pass, now_us))
    }

    /// Whether a pass has come further than it should have by now to be spread evenly.
    fn is_ahead(&self, pass: &Pass, now_us: i64) -> bool {
        let elapsed_us = now_us - pass.began_us;
        // A clock that was put back shall not keep it waiting until it has caught up.
        if elapsed_us < 0 {
            return false;
        }
        let stripes = self.view.keyspace().stripe_count() as i64;
        elapsed_us.saturating_mul(stripes) < pass.spread_us.saturating_mul(pass.stripe as i64)
    }

    /// Looks, if it is time to, at how much fragmentation there is, and begins a pass or makes the one that is under way
    /// take more.
    fn decide_on_defragmentation(&mut self, now_us: i64) {
        // A clock that was put back does not count, nor does it for the period above.
        let wait_us = self.defragmenter.decides_us - now_us;
        if (1..=DECISION_PERIOD_US).contains(&wait_us) {
            return;
        }
        let period_us = self.decision_period_us();
        self.defragmenter.decides_us = now_us + period_us;
        let state = &self.engine.defragmentation;
        let is_running = self.defragmenter.pass.is_some();
        let fragmentation = self.engine.host.fragmentation();
        let is_worth_it = |it: &_| is_running || self.is_much(*it) && !self.rests(*it, now_us);
        let Some(fragmentation) = fragmentation.filter(is_worth_it) else {
            return state.set_percent(0);
        };
        let excess_share = self.excess_share(fragmentation);
        let mut percent = self.percent_for(fragmentation, excess_share);
        if is_running {
            // Less fragmentation, as the pass makes it, is no reason to be slower than it began.
            percent = percent.max(state.running_percent());
        }
        let percent = percent.min(self.engine.config.active_defrag_cycle_max_percent());
        if !is_running {
            state.began_us.store(now_us, Ordering::Relaxed);
            self.defragmenter.pass = Some(Pass {
                began_us: now_us,
                is_for_maxmemory: excess_share.is_some(),
                spread_us: period_us,
                idle_bytes: fragmentation.idle_bytes,
                moved: 0,
                seen: 0,
                script: Some(0),
                stripe: 0,
                database: 0,
                cursor: 0,
                big: Vec::new(),
            });
        }
        state.set_percent(percent.max(1));
    }

    /// Whether so much fragmentation is worth a pass.
    fn is_much(&self, fragmentation: Fragmentation) -> bool {
        let config = &self.engine.config;
        let threshold_percent = f64::from(config.active_defrag_threshold_lower_percent());
        config.activedefrag()
            && fragmentation.percent() >= threshold_percent
            && fragmentation.idle_bytes >= config.active_defrag_ignore_bytes()
            || self.excess_share(fragmentation).is_some()
    }

    fn rests(&self, fragmentation: Fragmentation, now_us: i64) -> bool {
        self.defragmenter.rest.as_ref().is_some_and(|rest| {
            let idle_max_bytes = rest.idle_bytes + rest.idle_bytes / GAIN_PARTS;
            // What clients have done in minutes is done in a second. And as above.
            !self.is_replaying
                && (1..=REST_US).contains(&(rest.ends_us - now_us))
                && fragmentation.idle_bytes <= idle_max_bytes
        })
    }

    /// Where, from the least that is worth a pass (0) to the most that should be (1), that lies by which holes bring the
    /// process near `maxmemory` and beyond; `None` if it is less.
    fn excess_share(&self, fragmentation: Fragmentation) -> Option<f64> {
        let limit_bytes = self.memory_rules.maxmemory_bytes;
        let process_bytes = fragmentation.allocated_bytes + fragmentation.idle_bytes;
        let near_bytes = self.memory_rules.near_maxmemory_bytes();
        let excess_bytes = process_bytes.saturating_sub(near_bytes);
        let excess_bytes = excess_bytes.min(fragmentation.idle_bytes);
        let least_bytes = (limit_bytes / EXCESS_PARTS).max(EXCESS_MIN_BYTES);
        let most_bytes = (limit_bytes / EXCESS_PARTS_AT_MOST).max(least_bytes + 1);
        let share = || (excess_bytes - least_bytes) as f64 / (most_bytes - least_bytes) as f64;
        (limit_bytes > 0 && excess_bytes > least_bytes).then(|| share().min(1.0))
    }

    /// Which share of a processor so much fragmentation is worth.
    fn percent_for(&self, fragmentation: Fragmentation, excess_share: Option<f64>) -> u32 {
        let config = &self.engine.config;
        let lower = f64::from(config.active_defrag_threshold_lower_percent());
        let upper = f64::from(config.active_defrag_threshold_upper_percent());
        let least = f64::from(config.active_defrag_cycle_min_percent());
        let most = f64::from(config.active_defrag_cycle_max_percent());
        let share = if upper > lower {
            (fragmentation.percent() - lower) / (upper - lower)
        } else {
            1.0
        };
        let share = share.clamp(0.0, 1.0).max(excess_share.unwrap_or_default());
        (least + share * (most - least)) as u32
    }

    fn end_pass(&mut self) {
        let state = &self.engine.defragmentation;
        let current_us = state.current_us(self.engine.clock.now_us());
        self.counters.defragmentation_us.add(current_us);
        state.began_us.store(0, Ordering::Relaxed);
        self.defragmenter.pass = None;
    }

    /// Decides what comes after a pass: the next one at once, or a rest, or nothing until it is time to look again.
    fn rest_or_go_on(&mut self, pass: &Pass, now_us: i64) {
        let fragmentation = self.engine.host.fragmentation().unwrap_or_default();
        let has_gained = fragmentation.idle_bytes < pass.idle_bytes - pass.idle_bytes / GAIN_PARTS;
        self.engine.defragmentation.set_percent(0);
        let rests = !has_gained && pass.moved <= pass.seen / GAIN_PARTS;
        self.defragmenter.rest = rests.then(|| Rest {
            ends_us: now_us + REST_US,
            idle_bytes: fragmentation.idle_bytes,
        });
        if rests {
            self.defragmenter.decides_us = now_us + DECISION_PERIOD_US;
        } else if self.is_much(fragmentation) {
            self.defragmenter.decides_us = now_us;
            self.decide_on_defragmentation(now_us);
        }
    }

    /// Goes on with a pass until `ends_us`; answers whether it is over.
    fn defragment_slice(&mut self, pass: &mut Pass, ends_us: i64) -> bool {
        let engine = self.engine.clone();
        let mut relocator = Relocator::new(&*engine.host);
        let is_over = loop {
            let seen = relocator.seen();
            if seen >= BLOCKS_PER_SLICE {
                break false;
            }
            let blocks_max = seen + BLOCKS_PER_LOCK;
            if let Some(script) = pass.script {
                let next = engine.scripting.relocate(script, &mut relocator);
                pass.script = (next != 0).then_some(next);
            } else if let Some(value) = pass.big.pop() {
                self.defragment_value(pass, value, &mut relocator, blocks_max);
            } else if pass.stripe < self.view.keyspace().stripe_count() {
                self.defragment_buckets(pass, &mut relocator, blocks_max);
            } else {
                break true;
            }
            if std::mem::take(&mut self.gave_up) {
                // A busy script has everything: to wait for it again in this period would keep others waiting.
                self.defragmenter.left_us = 0;
                break false;
            }
            let now_us = engine.clock.now_us();
            if now_us >= ends_us || self.is_ahead(pass, now_us) {
                break false;
            }
        };
        pass.moved += relocator.moved;
        pass.seen += relocator.seen();
        let counters = &self.counters;
        counters.defragmentation_hits.add(relocator.moved);
        counters.defragmentation_misses.add(relocator.stayed);
        counters.defragmentation_key_hits.add(relocator.moved_keys);
        counters
            .defragmentation_key_misses
            .add(relocator.stayed_keys);
        is_over
    }

    /// Walks on through buckets, under one lock, until so many blocks have been seen, a big collection has been met, or
    /// the share of the database is through.
    fn defragment_buckets(
        &mut self,
        pass: &mut Pass,
        relocator: &mut Relocator<'_>,
        blocks_max: u64,
    ) {
        let elements_max = self.engine.config.active_defrag_max_scan_fields();
        if !self.lock_stripe(pass.stripe) {
            return;
        }
        let seed = self.view.keyspace().seed();
        let stripe = self.view.stripe_at_mut(pass.stripe);
        if pass.database >= stripe.database_count() {
            (pass.stripe, pass.database, pass.cursor) = (pass.stripe + 1, 0, 0);
        } else {
            let database = stripe.database_mut(pass.database);
            let (number, big) = (pass.database, &mut pass.big);
            let mut later = |key: &[u8]| {
                big.push(BigValue {
                    database: number,
                    key: key.to_vec(),
                    hash: crate::table::hash_bytes(seed, key),
                    cursor: 0,
                    is_moved: false,
                });
            };
            // An empty bucket is a look, too.
            for _ in 0..BLOCKS_PER_LOCK {
                pass.cursor = database.relocate(pass.cursor, elements_max, relocator, &mut later);
                if pass.cursor == 0 || relocator.seen() >= blocks_max {
                    break;
                }
            }
            if pass.cursor == 0 {
                pass.database += 1;
            }
        }
        self.view.unlock();
    }

    /// Walks on through a big collection, under one lock, until so many blocks have been seen.
    fn defragment_value(
        &mut self,
        pass: &mut Pass,
        mut value: BigValue,
        relocator: &mut Relocator<'_>,
        blocks_max: u64,
    ) {
        let moved = relocator.moved;
        let key = Key {
            bytes: &value.key,
            hash: value.hash,
        };
        if self.lock_one(key.hash).is_err() {
            self.gave_up = true;
            return pass.big.push(value);
        }
        let stripe = self.view.stripe_mut(key.hash);
        if value.database < stripe.database_count() {
            let database = stripe.database_mut(value.database);
            // A bucket without elements is a look, too.
            for _ in 0..BLOCKS_PER_LOCK {
                value.cursor =
                    database.relocate_value(key.hash, key.bytes, value.cursor, relocator);
                if value.cursor == 0 || relocator.seen() >= blocks_max {
                    break;
                }
            }
        }
        self.view.unlock();
        value.is_moved |= relocator.moved > moved;
        if value.cursor == 0 {
            relocator.count_key(value.is_moved);
        } else {
            pass.big.push(value);
        }
    }
}
