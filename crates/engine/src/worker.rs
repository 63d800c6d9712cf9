//! What one thread needs to execute commands: its view of the key space, its generator, its
//! counters, and the effects of the command that runs.
//!
//! A worker belongs to no session; whoever runs a session lends it one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use oxidis_resp::Span;
use smallvec::SmallVec;

use crate::blocking::Blocked;
use crate::command::{EventClass, Registered};
use crate::command_log::Thresholds;
use crate::debugging::Conversation;
use crate::defragmentation::Defragmenter;
use crate::engine::Engine;
use crate::eviction::{Evictor, MemoryRules};
use crate::expire::ExpireCycle;
use crate::keyspace::{AccessRules, Database, Entry, EntryRef, Key, View};
use crate::lazy_free::Garbage;
use crate::mailbox::Message;
use crate::propagation::Unit;
use crate::random::Random;
use crate::replication::Following;
use crate::stats::WorkerCounters;
use crate::tracking::TrackedKeys;
use crate::value::EncodingLimits;

/// So many brief commands share one reading of the clock: a reading takes a tenth of a GET's time.
const UNMEASURED_MAX: usize = 16;

/// A command with a longer reply is timed by itself.
pub(crate) const BRIEF_REPLY_MAX_BYTES: usize = 512;

/// Who logs commands that take so long, in microseconds, or longer, does not miss those that share
/// a reading of the clock.
const SLOW_ENOUGH_US: i64 = 1000;

/// An expired key that a reading command met; deleted when the command is over.
#[derive(Clone)]
pub(crate) struct ExpiredKey {
    pub(crate) database: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) hash: u64,
}

impl ExpiredKey {
    pub(crate) fn is(&self, database: usize, key: Key<'_>) -> bool {
        self.database == database && self.key == key.bytes
    }
}

/// A key that a command made ready for those who wait for it.
pub(crate) struct ReadyKey {
    pub(crate) database: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) hash: u64,
}

/// A thread's equipment for executing commands.
pub struct Worker {
    pub(crate) engine: Arc<Engine>,
    pub(crate) view: View,
    pub(crate) random: Random,
    /// Its number among all workers, and how often the seed had been changed when it was last looked at.
    pub(crate) number: u64,
    pub(crate) reseeds: u64,
    /// Whether the command that runs has moved the clock, so that it took no time.
    pub(crate) has_moved_clock: bool,
    /// What regular work draws from, so that it does not change what commands draw.
    pub(crate) cron_random: Random,
    pub(crate) counters: Arc<WorkerCounters>,
    /// The time of the command that runs: read once a command.
    pub(crate) now_us: i64,
    /// The clock as it was read last: when a command ended, where the next one starts.
    pub(crate) next_now_us: i64,
    /// From when on a command is looked at closely, as the configuration was last looked at.
    pub(crate) thresholds: Thresholds,
    /// Whether requests of the batch may be so large that they are logged.
    pub(crate) has_large_input: bool,
    /// The clock when the turn began that is under way.
    turn_began_us: Option<i64>,
    /// Whether brief commands may share a reading of the clock.
    pub(crate) shares_readings: bool,
    /// Whether histograms of durations are kept.
    tracks_durations: bool,
    /// The brief commands that ended since the clock was read.
    unmeasured: SmallVec<[usize; UNMEASURED_MAX]>,
    pub(crate) limits: EncodingLimits,
    config_generation: u64,
    /// The configuration's word on access information, as it was last looked at.
    pub(crate) access_rules: AccessRules,
    /// The configuration's word on memory, as it was last looked at.
    pub(crate) memory_rules: MemoryRules,
    /// What LFU counters draw from, also through `&self` of reading commands.
    pub(crate) access_random: RefCell<Random>,
    pub(crate) evictor: Evictor,
    /// Whether there was no memory left when the request came, though everything was evicted that
    /// may be.
    pub(crate) is_out_of_memory: bool,
    /// Whether it repeats commands of a log: then nothing is logged.
    pub(crate) is_replaying: bool,
    /// Whether what it executes was decided elsewhere, of a log or by a primary: then nothing is over or refused.
    pub(crate) is_obeying: bool,
    /// Set while it repeats the commands of a primary.
    pub(crate) following: Option<Box<Following>>,
    /// Whether the event `new` was wanted when the configuration was last looked at.
    wants_new: bool,
    /// Changes that the command made.
    pub(crate) dirty: u64,
    /// Filled through `&self` by reading commands, hence the cell.
    pub(crate) expired: RefCell<Vec<ExpiredKey>>,
    pub(crate) has_expired: Cell<bool>,
    pub(crate) ready: VecDeque<ReadyKey>,
    /// What the request has to propagate so far.
    pub(crate) propagated: Unit,
    /// Whether something was logged for the batch of requests that is under way.
    pub(crate) has_logged: bool,
    /// How far the stream of replication is with what the command that runs changed; 0 if it changed nothing, or
    /// there is no stream.
    pub(crate) written_offset: u64,
    /// Whether the driver writes the log down before it lets replies leave.
    pub(crate) defers_log: bool,
    /// What the command that runs asked to propagate in its stead; `None` if it did not.
    pub(crate) rewritten: Option<Vec<Vec<Vec<u8>>>>,
    /// Entries and databases to free once the locks are gone.
    pub(crate) garbage: Vec<Entry>,
    pub(crate) garbage_databases: Vec<Database>,
    pub(crate) garbage_tracked: Vec<TrackedKeys>,
    /// How many values of the garbage count as freed lazily.
    pub(crate) lazily_freed: u64,
    pub(crate) expire_cycle: ExpireCycle,
    pub(crate) defragmenter: Defragmenter,
    /// Whether the command that runs had to do without a stripe that a busy script has.
    pub(crate) gave_up: bool,
    /// Bytes of what was told of keys that were evicted since the last batch of requests ended.
    pub(crate) told_bytes: i64,
    /// Sessions that wait no more, but are still in queues that a busy script has locked.
    pub(crate) left: Vec<Arc<Blocked>>,
    /// The session whose command runs; 0 if none does.
    pub(crate) current_session: u64,
    /// Whether anyone tracked keys when the command that runs got its locks.
    pub(crate) is_tracking: bool,
    /// Whether changes are to be broadcast at the end of the batch.
    pub(crate) has_broadcasts: bool,
    /// While the command of a blocked session is served: what that session is told once it has its
    /// reply.
    pub(crate) kept_back: Option<Vec<Message>>,
    /// While it runs a call that is debugged: the conversation with the client.
    pub(crate) conversation: Option<Box<Conversation>>,
    /// Buffers that live on from batch to batch.
    pub(crate) spans: Vec<Span>,
}

impl Worker {
    /// Says on which of the owner's threads it serves connections, for INFO; the first is 0.
    pub fn serve_on(&self, thread: usize) {
        self.counters.serve_on(thread);
    }

    /// A worker for one thread.
    pub fn new(engine: &Arc<Engine>) -> Self {
        let config_generation = engine.config.generation();
        let limits = *engine.config.encoding_limits();
        let memory_rules = MemoryRules::new(&engine.config);
        let is_limited = memory_rules.maxmemory_clients_bytes > 0;
        engine.clients.keep_memory_sum(is_limited);
        let mut worker = Worker {
            view: View::new(engine.keyspace.clone()),
            random: engine.fork_random(),
            cron_random: engine.fork_random(),
            number: engine.worker_count.fetch_add(1, Ordering::Relaxed),
            reseeds: engine.reseeds.load(Ordering::Acquire),
            has_moved_clock: false,
            access_rules: engine.config.access_rules(),
            memory_rules,
            access_random: RefCell::new(engine.fork_random()),
            evictor: Evictor::default(),
            is_out_of_memory: false,
            counters: engine.stats.register(),
            now_us: engine.clock.now_us(),
            next_now_us: 0,
            thresholds: Thresholds::new(&engine.config),
            has_large_input: false,
            turn_began_us: None,
            shares_readings: false,
            tracks_durations: false,
            unmeasured: SmallVec::new(),
            limits,
            config_generation,
            is_replaying: false,
            is_obeying: false,
            following: None,
            wants_new: false,
            dirty: 0,
            expired: RefCell::default(),
            has_expired: Cell::new(false),
            ready: VecDeque::new(),
            propagated: Unit::default(),
            has_logged: false,
            written_offset: 0,
            defers_log: false,
            rewritten: None,
            garbage: Vec::new(),
            garbage_databases: Vec::new(),
            garbage_tracked: Vec::new(),
            lazily_freed: 0,
            expire_cycle: ExpireCycle::default(),
            defragmenter: Defragmenter::default(),
            gave_up: false,
            told_bytes: 0,
            left: Vec::new(),
            current_session: 0,
            is_tracking: false,
            has_broadcasts: false,
            kept_back: None,
            conversation: None,
            spans: Vec::new(),
            engine: engine.clone(),
        };
        worker.refresh_rules();
        worker
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Begins a turn: several sessions [process](crate::Session::process) what they have one after the other, and their
    /// brief commands share readings of the clock. What came later than this moment is for another turn.
    #[inline]
    pub fn begin_turn(&mut self) {
        let now_us = self.engine.clock.now_us();
        self.next_now_us = now_us;
        self.turn_began_us = Some(now_us);
    }

    /// What the clock said when it was last read, in microseconds since 1970.
    #[inline]
    pub fn last_reading_us(&self) -> i64 {
        self.next_now_us
    }

    /// How long the turn takes already, in microseconds, without the brief commands at its end.
    #[inline]
    pub fn turn_us(&self) -> i64 {
        let began_us = self.turn_began_us.unwrap_or(self.next_now_us);
        self.next_now_us.saturating_sub(began_us)
    }

    /// Ends the turn. To be called before the replies leave, so that nobody misses in INFO what was answered.
    #[inline]
    pub fn end_turn(&mut self) {
        self.turn_began_us = None;
        self.measure_rest();
    }

    /// Reads the clock and the configuration, before a batch of commands.
    #[inline]
    pub(crate) fn refresh(&mut self) {
        self.refresh_at(self.engine.clock.now_us());
    }

    /// Reads the clock alone: the rest of [`Self::refresh`] takes locks.
    pub(crate) fn refresh_time(&mut self) {
        self.now_us = self.engine.clock.now_us();
        self.next_now_us = self.now_us;
    }

    /// As [`Self::refresh`], with the last reading of the clock in a turn.
    #[inline]
    pub(crate) fn refresh_for_batch(&mut self) {
        self.refresh_at(match self.turn_began_us {
            Some(_) => self.next_now_us,
            None => self.engine.clock.now_us(),
        });
    }

    /// As [`Self::refresh`], with the time of the last regular work in the clock's place: good enough where only
    /// seconds count.
    #[inline]
    pub(crate) fn refresh_roughly(&mut self) {
        self.refresh_at(self.engine.rough_now_us());
    }

    #[inline]
    fn refresh_at(&mut self, now_us: i64) {
        self.now_us = now_us;
        self.next_now_us = now_us;
        if self.is_obeying {
            // The log says itself when something was over.
            self.now_us = 0;
        }
        let generation = self.engine.config.generation();
        if generation != self.config_generation {
            self.refresh_rules();
            if self.refresh_events() {
                self.config_generation = generation;
            }
        }
        if !self.left.is_empty() {
            self.leave_rest();
        }
    }

    /// Takes over the configuration as far as that needs no locks; CONFIG SET does it in the middle of
    /// a batch, or of a transaction that holds some. The next batch notices the rest.
    #[cold]
    pub(crate) fn refresh_rules(&mut self) {
        let reseeds = self.engine.reseeds.load(Ordering::Acquire);
        if reseeds != self.reseeds {
            self.reseeds = reseeds;
            let mut random = self.engine.random_of_worker(self.number);
            *self.access_random.get_mut() = random.fork();
            self.cron_random = random.fork();
            self.random = match self.current_session {
                0 => random,
                // In the middle of a session's requests, which draw from its own.
                _ => self.engine.fork_session_random(),
            };
        }
        self.thresholds = Thresholds::new(&self.engine.config);
        self.tracks_durations = self.engine.config.latency_tracking();
        self.note_input(0);
        self.limits = *self.engine.config.encoding_limits();
        self.access_rules = self.engine.config.access_rules();
        let memory_rules = MemoryRules::new(&self.engine.config);
        if memory_rules != self.memory_rules {
            self.memory_rules = memory_rules;
            self.evictor.forget();
            let is_limited = memory_rules.maxmemory_clients_bytes > 0;
            self.engine.clients.keep_memory_sum(is_limited);
        }
    }

    /// Notes how long the input of the batch is: a request in it cannot be longer.
    #[inline]
    pub(crate) fn note_input(&mut self, input_bytes: usize) {
        let thresholds = &self.thresholds;
        self.has_large_input = input_bytes >= thresholds.request_bytes;
        self.shares_readings = !self.has_large_input
            && thresholds.duration_us >= SLOW_ENOUGH_US
            && thresholds.reply_bytes > BRIEF_REPLY_MAX_BYTES;
    }

    /// Reads the clock. What has passed since it was read last is what the brief commands took that
    /// ended since: each gets the same share. Commands of the same name mostly come one after
    /// another, and are counted as one.
    #[inline]
    pub(crate) fn measure(&mut self) {
        let now_us = self.engine.clock.now_us();
        let passed_us = now_us.saturating_sub(self.next_now_us).max(0) as u64;
        self.next_now_us = now_us;
        let count = self.unmeasured.len() as u64;
        let mut start = 0;
        while let Some(&id) = self.unmeasured.get(start) {
            let others = &self.unmeasured[start + 1..];
            let end = start + 1 + others.iter().take_while(|&&other| other == id).count();
            // Whole microseconds, and none of them lost.
            let share_us = passed_us * end as u64 / count - passed_us * start as u64 / count;
            self.counters.commands[id].duration_us.add(share_us);
            if self.tracks_durations {
                let each_ns = passed_us * 1000 / count;
                self.counters
                    .add_durations(id, each_ns, (end - start) as u64);
            }
            start = end;
        }
        self.unmeasured.clear();
    }

    /// Adds a call that was measured by itself to its command's histogram.
    #[inline]
    pub(crate) fn note_duration(&self, registered: &Registered, duration_us: i64) {
        if self.tracks_durations {
            let duration_ns = (duration_us as u64).saturating_mul(1000);
            self.counters.add_durations(registered.id, duration_ns, 1);
        }
    }

    /// Leaves measuring a brief command that has ended to the next reading of the clock; answers
    /// whether that can wait for more of them.
    #[inline]
    pub(crate) fn defer_measuring(&mut self, registered: &Registered) -> bool {
        self.unmeasured.push(registered.id);
        self.unmeasured.len() < UNMEASURED_MAX
    }

    /// Measures what a batch has left to measure, unless the turn does.
    #[inline]
    pub(crate) fn measure_batch(&mut self) {
        if self.turn_began_us.is_none() {
            self.measure_rest();
        }
    }

    /// Measures what was left to measure.
    #[inline]
    pub(crate) fn measure_rest(&mut self) {
        if !self.unmeasured.is_empty() {
            self.measure();
        }
    }

    /// When the event `new` becomes wanted, entries that were added before are no news. Answers
    /// whether all of them could be told so.
    #[cold]
    fn refresh_events(&mut self) -> bool {
        let wants_new = EventClass::NEW.is_in(self.engine.config.notify_keyspace_events());
        if wants_new && !self.wants_new {
            for index in 0..self.view.keyspace().stripe_count() {
                if !self.lock_stripe(index) {
                    self.gave_up = false;
                    return false;
                }
                let stripe = self.view.stripe_at_mut(index);
                stripe.databases_mut().for_each(Database::forget_newest);
                self.view.unlock();
            }
        }
        self.wants_new = wants_new;
        true
    }

    /// Milliseconds since 1970, of the command that runs.
    #[inline]
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_us / 1000
    }

    /// What a new entry gets as access information.
    #[inline]
    pub(crate) fn new_access(&self) -> u32 {
        let now_us = if self.is_obeying {
            self.next_now_us
        } else {
            self.now_us
        };
        self.access_rules.of_new(now_us)
    }

    /// Notes the use of an entry, for eviction, OBJECT IDLETIME and OBJECT FREQ.
    #[inline]
    pub(crate) fn touch(&self, entry: EntryRef<'_>) {
        let mut random = self.access_random.borrow_mut();
        self.access_rules.touch(entry, self.now_us, &mut random);
    }

    /// Throws a database's share away that was taken from its stripe, which must still be locked: it is
    /// freed once the locks are gone, or when the snapshot that is being taken has walked it.
    pub(crate) fn discard_database(&mut self, taken: Database) {
        match taken.epoch() {
            Some(epoch) => epoch.adopt(taken),
            None => self.garbage_databases.push(taken),
        }
    }

    /// Frees what commands have thrown away; call it without locks.
    #[inline]
    pub(crate) fn free_garbage(&mut self) {
        let is_empty = self.garbage.is_empty()
            && self.garbage_databases.is_empty()
            && self.garbage_tracked.is_empty();
        if !is_empty {
            let garbage = Garbage::new(
                std::mem::take(&mut self.garbage),
                std::mem::take(&mut self.garbage_databases),
                std::mem::take(&mut self.garbage_tracked),
                std::mem::take(&mut self.lazily_freed),
                &self.engine.lazy_free,
            );
            self.engine.host.reclaim(garbage);
        }
    }
}
