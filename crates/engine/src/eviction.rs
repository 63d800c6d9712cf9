//! Eviction: deletes keys while more memory is in use than `maxmemory` allows.
//!
//! Room is made before a request is executed, by the worker that executes it and without locks of
//! its own; what it cannot make within a bounded time (`maxmemory-eviction-tenacity`) is left to
//! what is done regularly, between whose slices requests are served. Until that is done each request only sees
//! to it that what is too much becomes less: if each took the whole time that it may, a hundred clients
//! would wait for a hundred times as long whenever `maxmemory` is lowered. The key to go is found by looking at a few
//! keys and taking the best of them, as Redis does:
//!
//! * A look takes whole buckets of the hash table, of a random stripe: where a key lies says nothing
//!   of how it is used, so seven keys of one bucket are as good a sample as seven keys from
//!   anywhere, and their addresses come with one cache line.
//! * The best candidates of earlier looks are remembered (in a pool of 16). Without it, the best of
//!   five is a mediocre choice; with it, the choice comes close to the best of all. A candidate's
//!   rank does not depend on when it was looked at (the second of its last use, not for how long it
//!   is idle), so that ranks can be compared later; and before a candidate goes, it is looked at
//!   once more: if it was used since, it stays.
//!
//! Expiries have no index (see `expire`). Under a policy that evicts only keys that have one, a look
//! that finds none in random buckets walks on from where the last walk of that stripe ended, so that
//! rare ones are found too.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::command::context::delete_evicted;
use crate::config::{Config, MaxmemoryPolicy};
use crate::engine::Engine;
use crate::keyspace::access::{AccessRules, idle_seconds};
use crate::keyspace::{Database, EntryRef, Key};
use crate::latency::Event;
use crate::table::hash_bytes;
use crate::worker::Worker;

/// Candidates that are remembered, as in Redis.
const POOL_MAX: usize = 16;

/// Evictions between two looks at the clock, as in Redis.
const KEYS_PER_LOOK_AT_THE_CLOCK: u32 = 16;

/// How often memory that holds nothing is looked after.
const IDLE_MEMORY_PERIOD_US: i64 = 100_000;

/// `maxmemory` is near when all but one part in so many of it is used.
const NEAR_PARTS: u64 = 16;

/// What the configuration says of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryRules {
    /// 0 is no limit.
    pub(crate) maxmemory_bytes: u64,
    policy: MaxmemoryPolicy,
    samples: usize,
    /// How long eviction may keep a request waiting; `None` is for as long as it takes.
    time_limit_us: Option<i64>,
    is_lazy: bool,
    /// What all clients together may take; 0 is no limit.
    pub(crate) maxmemory_clients_bytes: u64,
}

impl MemoryRules {
    pub(crate) fn new(config: &Config) -> Self {
        MemoryRules {
            maxmemory_bytes: config.maxmemory(),
            policy: config.maxmemory_policy(),
            samples: config.maxmemory_samples(),
            time_limit_us: time_limit_us(config.maxmemory_eviction_tenacity()),
            is_lazy: config.lazyfree_lazy_eviction(),
            maxmemory_clients_bytes: config.maxmemory_clients(),
        }
    }

    /// From so many bytes on `maxmemory` is near, and memory that holds nothing is looked after.
    pub(crate) fn near_maxmemory_bytes(&self) -> u64 {
        self.maxmemory_bytes - self.maxmemory_bytes / NEAR_PARTS
    }
}

/// The time that `maxmemory-eviction-tenacity` stands for, as in Redis: 50 us a step up to 10, 15%
/// more a step from there to 99, without end at 100.
fn time_limit_us(tenacity: u32) -> Option<i64> {
    match tenacity {
        0..=10 => Some(50 * i64::from(tenacity)),
        11..=99 => Some((500.0 * 1.15_f64.powi(tenacity as i32 - 10)) as i64),
        _ => None,
    }
}

/// Why room is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// A request waits.
    Request,
    /// It is done regularly.
    Regular,
}

/// How an attempt to make room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// There is room.
    Enough,
    /// There is not yet, but the time is over.
    Unfinished,
    /// Nothing is left that may be evicted.
    Nothing,
}

/// For how long more memory was in use than allowed, in all.
#[derive(Default)]
pub(crate) struct EvictionTimes {
    /// Since when there is too little room; 0 while there is enough.
    since_us: AtomicI64,
    total_us: AtomicI64,
    /// How much was too much in use when the time of an attempt was over; 0 when there was enough room since.
    backlog_bytes: AtomicU64,
}

impl EvictionTimes {
    fn note(&self, outcome: Outcome, now_us: i64) {
        let since_us = self.since_us.load(Ordering::Relaxed);
        let has_enough = outcome == Outcome::Enough;
        if !has_enough && since_us == 0 {
            self.since_us.store(now_us, Ordering::Relaxed);
        }
        if has_enough && self.backlog_bytes.load(Ordering::Relaxed) != 0 {
            self.backlog_bytes.store(0, Ordering::Relaxed);
        }
        // Of several workers that see the end of it at once, one counts it.
        if has_enough && since_us != 0 && self.since_us.swap(0, Ordering::Relaxed) != 0 {
            let elapsed_us = (now_us - since_us).max(0);
            self.total_us.fetch_add(elapsed_us, Ordering::Relaxed);
        }
    }

    fn backlog_bytes(&self) -> u64 {
        self.backlog_bytes.load(Ordering::Relaxed)
    }

    /// Milliseconds in all, and of the time that goes on now.
    pub(crate) fn total_and_current_ms(&self, now_us: i64) -> (i64, i64) {
        let current_us = match self.since_us.load(Ordering::Relaxed) {
            0 => 0,
            since_us => (now_us - since_us).max(0),
        };
        let total_us = self.total_us.load(Ordering::Relaxed) + current_us;
        (total_us / 1000, current_us / 1000)
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        self.since_us.store(0, Ordering::Relaxed);
        self.total_us.store(0, Ordering::Relaxed);
    }
}

impl Engine {
    /// Bytes in use that eviction could do something about: not those that are being freed already.
    #[inline]
    pub(crate) fn evictable_memory_bytes(&self) -> u64 {
        self.used_memory_bytes()
            .saturating_sub(self.lazy_free.pending_bytes())
            .saturating_sub(self.clients.memory.leaving_bytes() as u64)
    }
}

/// A key that may be evicted. The lower its rank, the sooner it goes.
struct Candidate {
    rank: i64,
    database: usize,
    hash: u64,
    key: Box<[u8]>,
}

/// What a worker remembers from one eviction to the next.
#[derive(Default)]
pub(crate) struct Evictor {
    /// The best candidates of earlier looks, the best one last.
    pool: Vec<Candidate>,
    /// When memory that holds nothing is looked after next.
    bounds_idle_us: i64,
}

impl Evictor {
    /// Forgets the candidates, whose ranks may mean nothing any more.
    pub(crate) fn forget(&mut self) {
        self.pool.clear();
    }

    /// Remembers a candidate if it is better than the worst one.
    fn offer(&mut self, rank: i64, database: usize, hash: u64, key: &[u8]) {
        let is_full = self.pool.len() == POOL_MAX;
        if is_full && self.pool[0].rank <= rank {
            return;
        }
        let is_known = |it: &Candidate| it.hash == hash && it.database == database;
        if let Some(index) = self.pool.iter().position(is_known) {
            self.pool.remove(index);
        } else if is_full {
            self.pool.remove(0);
        }
        let index = self.pool.partition_point(|it| it.rank > rank);
        let candidate = Candidate {
            rank,
            database,
            hash,
            key: key.into(),
        };
        self.pool.insert(index, candidate);
    }
}

/// How keys are ranked.
#[derive(Clone, Copy)]
struct Ranking {
    policy: MaxmemoryPolicy,
    access_rules: AccessRules,
    now_us: i64,
    /// What makes the ranks of a random policy random; odd.
    salt: u64,
}

impl Ranking {
    fn is_random(self) -> bool {
        matches!(
            self.policy,
            MaxmemoryPolicy::VolatileRandom | MaxmemoryPolicy::AllkeysRandom
        )
    }

    /// The rank of an entry whose key has this hash; `None` if it may not go.
    fn rank(self, entry: EntryRef<'_>, hash: u64) -> Option<i64> {
        let expire_ms = entry.expire_ms();
        if self.policy.is_volatile() && expire_ms.is_none() {
            return None;
        }
        match self.policy {
            MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => {
                // The second of the last use, which stays the same while the key is idle.
                let idle_seconds = i64::from(idle_seconds(entry.access(), self.now_us));
                Some(self.now_us / 1_000_000 - idle_seconds)
            }
            MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => {
                let frequency = self.access_rules.frequency(entry.access(), self.now_us);
                Some(i64::from(frequency))
            }
            MaxmemoryPolicy::VolatileTtl => expire_ms,
            MaxmemoryPolicy::VolatileRandom | MaxmemoryPolicy::AllkeysRandom => {
                Some((hash.wrapping_mul(self.salt) >> 1) as i64)
            }
            MaxmemoryPolicy::NoEviction => None,
        }
    }
}

impl Worker {
    /// Makes room if too much memory is in use, and notes in `is_out_of_memory` whether there is too
    /// little all the same. The view must hold nothing.
    #[inline]
    pub(crate) fn make_room(&mut self) {
        if self.memory_rules.maxmemory_bytes > 0 {
            let outcome = self.evict_if_needed(Occasion::Request);
            self.is_out_of_memory = outcome == Outcome::Nothing;
        } else {
            self.is_out_of_memory = false;
        }
    }

    /// Closes clients if all together take too much memory.
    #[inline]
    pub(crate) fn limit_clients(&self) {
        let limit_bytes = self.memory_rules.maxmemory_clients_bytes;
        if limit_bytes > 0 && self.engine.clients.take_too_much(limit_bytes) {
            self.engine.evict_clients(limit_bytes);
        }
    }

    /// Has memory given back that holds nothing, now and then while `maxmemory` is reached. Allocators keep what was
    /// freed for some seconds, as it may be used again; but when the data change from one shape to another, it is not,
    /// and as much as the data may take.
    pub(crate) fn bound_idle_memory(&mut self) {
        let limit_bytes = self.memory_rules.maxmemory_bytes;
        if limit_bytes == 0 || self.now_us < self.evictor.bounds_idle_us {
            return;
        }
        self.evictor.bounds_idle_us = self.now_us + IDLE_MEMORY_PERIOD_US;
        if self.engine.evictable_memory_bytes() >= self.memory_rules.near_maxmemory_bytes() {
            self.engine.host.bound_idle_memory(limit_bytes);
        }
    }

    /// As [`Self::make_room`], where no request waits; answers whether there is more to do.
    pub(crate) fn make_room_regularly(&mut self) -> bool {
        self.memory_rules.maxmemory_bytes > 0
            && self.evict_if_needed(Occasion::Regular) == Outcome::Unfinished
    }

    fn evict_if_needed(&mut self, occasion: Occasion) -> Outcome {
        let outcome = if !self.has_too_much() {
            Outcome::Enough
        } else if self.engine.is_script_busy()
            || self.engine.pause.holds_writes(self.now_ms())
            || self.engine.replication.is_replica() && self.engine.config.replica_ignore_maxmemory()
        {
            // Nothing may be deleted now; the request may go on.
            return Outcome::Enough;
        } else {
            let started_us = self.engine.clock.now_us();
            let outcome = self.evict(occasion);
            self.note_latency(Event::EvictionCycle, started_us);
            outcome
        };
        self.engine.eviction_times.note(outcome, self.now_us);
        outcome
    }

    /// Whether too much memory is in use, beside what those were told whom the evictions concern. Their
    /// messages are gone when they are sent; if they counted, to evict one key that many clients track would make
    /// it necessary to evict others. Redis does not count them either.
    fn has_too_much(&self) -> bool {
        self.excess_bytes() > 0
    }

    fn excess_bytes(&self) -> u64 {
        let used_bytes = self.engine.evictable_memory_bytes();
        let used_bytes = used_bytes.saturating_add_signed(-self.told_bytes);
        used_bytes.saturating_sub(self.memory_rules.maxmemory_bytes)
    }

    #[cold]
    fn evict(&mut self, occasion: Occasion) -> Outcome {
        let policy = self.memory_rules.policy;
        if policy == MaxmemoryPolicy::NoEviction || self.engine.is_importing() {
            return Outcome::Nothing;
        }
        let started_us = self.engine.clock.now_us();
        let backlog_bytes = match occasion {
            Occasion::Request => self.engine.eviction_times.backlog_bytes(),
            Occasion::Regular => 0,
        };
        let mut rounds = 0;
        while self.has_too_much() {
            let has_found = self.evict_one();
            if std::mem::take(&mut self.gave_up) {
                // A script has become busy meanwhile.
                return Outcome::Unfinished;
            }
            if !has_found {
                return Outcome::Nothing;
            }
            rounds += 1;
            let Some(limit_us) = self.memory_rules.time_limit_us else {
                continue;
            };
            let excess_bytes = self.excess_bytes();
            let is_late = || self.engine.clock.now_us() - started_us > limit_us;
            if excess_bytes < backlog_bytes || rounds % KEYS_PER_LOOK_AT_THE_CLOCK == 0 && is_late()
            {
                let backlog = &self.engine.eviction_times.backlog_bytes;
                backlog.store(excess_bytes, Ordering::Relaxed);
                return Outcome::Unfinished;
            }
        }
        Outcome::Enough
    }

    /// Evicts one key, or gets nearer to finding one; answers whether there are any.
    fn evict_one(&mut self) -> bool {
        match self.memory_rules.policy {
            MaxmemoryPolicy::AllkeysRandom => match self.choose_any() {
                Some(candidate) => {
                    self.evict_candidate(&candidate);
                    true
                }
                None => false,
            },
            policy => {
                if self.look() == 0 {
                    return false;
                }
                while let Some(candidate) = self.evictor.pool.pop() {
                    if self.evict_candidate(&candidate) || self.gave_up {
                        break;
                    }
                }
                if policy == MaxmemoryPolicy::VolatileRandom {
                    // The best of the pool would not be chosen from all keys.
                    self.evictor.forget();
                }
                true
            }
        }
    }

    /// A random key.
    fn choose_any(&mut self) -> Option<Candidate> {
        let stripes = self.view.keyspace().stripe_count();
        let start = self.random.index(stripes);
        for step in 0..stripes {
            let stripe_index = (start + step) % stripes;
            if !self.lock_stripe(stripe_index) {
                break;
            }
            let stripe = self.view.stripe_at(stripe_index);
            let databases = || (0..).map_while(|index| stripe.database(index));
            let mut place = self.random.index(databases().map(Database::len).sum());
            let mut chosen = None;
            for (index, database) in databases().enumerate() {
                if place < database.len() {
                    let entry = database.random(&mut self.random);
                    chosen = entry.map(|entry| (index, Box::<[u8]>::from(entry.key())));
                    break;
                }
                place -= database.len();
            }
            self.view.unlock();
            if let Some((database, key)) = chosen {
                let hash = self.view.key(&key).hash;
                return Some(Candidate {
                    rank: 0,
                    database,
                    hash,
                    key,
                });
            }
        }
        None
    }

    /// Looks at some keys and remembers the best ones. Answers how many keys there are to choose
    /// from in the stripes that it came to; 0 if there are none anywhere.
    fn look(&mut self) -> usize {
        let rules = self.memory_rules;
        let ranking = self.ranking();
        let stripes = self.view.keyspace().stripe_count();
        let seed = self.view.keyspace().seed();
        let start = self.random.index(stripes);
        let (mut looked_at, mut eligible) = (0, 0);
        for step in 0..stripes {
            let stripe_index = (start + step) % stripes;
            if !self.lock_stripe(stripe_index) {
                break;
            }
            let stripe = self.view.stripe_at_mut(stripe_index);
            for (index, database) in stripe.databases_mut().enumerate() {
                let evictor = &mut self.evictor;
                let mut visit = |entry: EntryRef<'_>| {
                    let hash = hash_bytes(seed, entry.key());
                    let rank = ranking.rank(entry, hash);
                    if let Some(rank) = rank {
                        evictor.offer(rank, index, hash, entry.key());
                        looked_at += 1;
                    }
                    rank.is_some()
                };
                if rules.policy.is_volatile() {
                    eligible += database.volatile_len();
                    database.look_for_volatile(&mut self.random, &mut visit);
                } else {
                    eligible += database.len();
                    database.look_anywhere(&mut self.random, &mut visit);
                }
            }
            self.view.unlock();
            if looked_at >= rules.samples {
                break;
            }
        }
        eligible
    }

    fn ranking(&mut self) -> Ranking {
        Ranking {
            policy: self.memory_rules.policy,
            access_rules: self.access_rules,
            now_us: self.now_us,
            salt: self.random.next() | 1,
        }
    }

    /// Deletes a candidate, unless it was used since it was looked at; answers whether it did.
    fn evict_candidate(&mut self, candidate: &Candidate) -> bool {
        let ranking = self.ranking();
        let key = Key {
            bytes: &candidate.key,
            hash: candidate.hash,
        };
        if self.lock_one(key.hash).is_err() {
            self.gave_up = true;
            return false;
        }
        let database = self.view.stripe(key.hash).database(candidate.database);
        let entry = database.and_then(|database| database.get(key.hash, key.bytes));
        let rank = entry.and_then(|entry| ranking.rank(entry, key.hash));
        let goes = rank.is_some_and(|rank| ranking.is_random() || rank <= candidate.rank);
        if goes {
            delete_evicted(self, candidate.database, key, self.memory_rules.is_lazy);
            self.propagate_apart();
        }
        self.view.unlock();
        self.free_garbage();
        goes
    }
}
