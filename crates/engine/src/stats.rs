//! Counters: what INFO, commandstats and errorstats report.
//!
//! Each worker counts in its own block, so that no cache line is written by two cores; readers add
//! the blocks up. `CONFIG RESETSTAT` zeroes them all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::command::table;
use crate::latency::{Durations, Histogram};

/// A counter that one thread adds to and any thread reads.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds, without the cost of a locked instruction: only the owning worker may.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Counters of one command.
#[derive(Default)]
pub(crate) struct CommandCounters {
    pub(crate) calls: Counter,
    pub(crate) duration_us: Counter,
    pub(crate) rejected_calls: Counter,
    pub(crate) failed_calls: Counter,
}

macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {
        /// The counters of one worker, on cache lines of its own.
        #[repr(align(128))]
        pub(crate) struct WorkerCounters {
            pub(crate) commands: Box<[CommandCounters]>,
            /// How long each command took; made when it is first called.
            histograms: Box<[OnceLock<Box<Histogram>>]>,
            /// The number of the thread on which the worker serves connections, and one; 0 if it does not.
            thread: AtomicUsize,
            /// Changes of the key space. They are no statistic, and never reset: saving goes by them.
            pub(crate) changes: Counter,
            $($(#[$meta])* pub(crate) $name: Counter,)*
        }

        /// The sum of all workers' counters.
        #[derive(Debug, Default, Clone, Copy)]
        pub(crate) struct Totals {
            $($(#[$meta])* pub(crate) $name: u64,)*
        }

        impl WorkerCounters {
            fn new() -> Self {
                WorkerCounters {
                    commands: table().all().iter().map(|_| CommandCounters::default()).collect(),
                    histograms: table().all().iter().map(|_| OnceLock::new()).collect(),
                    thread: AtomicUsize::new(0),
                    changes: Counter::default(),
                    $($name: Counter::default(),)*
                }
            }

            fn add_to(&self, totals: &mut Totals) {
                $(totals.$name += self.$name.get();)*
            }

            fn reset(&self) {
                $(self.$name.reset();)*
            }
        }
    };
}

counters! {
    /// Commands executed.
    commands_processed,
    /// Lookups for reading that found the key.
    keyspace_hits,
    /// Lookups for reading that did not.
    keyspace_misses,
    /// Keys deleted because their time was over.
    expired_keys,
    /// Expiry cycles that ended because their time was over, and not their work.
    expire_cycles_cut,
    /// How long expiry cycles took, in microseconds.
    expire_cycle_us,
    /// Fields of hashes deleted because their time was over.
    expired_subkeys,
    /// Keys deleted to free memory.
    evicted_keys,
    /// Error replies.
    error_replies,
    /// Bytes read from clients.
    input_bytes,
    /// Bytes sent to clients.
    output_bytes,
    /// Reads of a socket that gave something.
    reads_processed,
    /// Writes to a socket.
    writes_processed,
    /// Times a command that needed nothing was rejected with an error while queued.
    unexpected_error_replies,
}

impl WorkerCounters {
    /// Counts calls of the command with this place in the table that each took so long.
    #[inline]
    pub(crate) fn add_durations(&self, id: usize, duration_ns: u64, count: u64) {
        let histogram = self.histograms[id].get_or_init(Box::default);
        histogram.add(duration_ns, count);
    }
}

impl WorkerCounters {
    /// Says on which thread the worker serves connections; the first is 0.
    pub(crate) fn serve_on(&self, thread: usize) {
        self.thread.store(thread + 1, Ordering::Relaxed);
    }
}

/// The commandstats line of one command.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct CommandTotals {
    pub(crate) calls: u64,
    pub(crate) duration_us: u64,
    pub(crate) rejected_calls: u64,
    pub(crate) failed_calls: u64,
}

/// All statistics of an engine.
#[derive(Default)]
pub(crate) struct Stats {
    workers: Mutex<Vec<Arc<WorkerCounters>>>,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Stats {
    /// The block of a new worker.
    pub(crate) fn register(&self) -> Arc<WorkerCounters> {
        let counters = Arc::new(WorkerCounters::new());
        self.workers.lock().push(counters.clone());
        counters
    }

    /// Changes of the key space since the start.
    pub(crate) fn changes(&self) -> u64 {
        let workers = self.workers.lock();
        workers.iter().map(|worker| worker.changes.get()).sum()
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.workers
            .lock()
            .iter()
            .for_each(|worker| worker.add_to(&mut totals));
        totals
    }

    /// What the workers counted that serve connections, added up by thread.
    pub(crate) fn threads(&self) -> BTreeMap<usize, Totals> {
        let mut threads: BTreeMap<usize, Totals> = BTreeMap::new();
        for worker in self.workers.lock().iter() {
            if let Some(thread) = worker.thread.load(Ordering::Relaxed).checked_sub(1) {
                worker.add_to(threads.entry(thread).or_default());
            }
        }
        threads
    }

    /// How long all commands together took, in microseconds.
    pub(crate) fn command_duration_us(&self) -> u64 {
        let workers = self.workers.lock();
        let commands = workers.iter().flat_map(|worker| &worker.commands);
        commands.map(|counters| counters.duration_us.get()).sum()
    }

    /// What all workers counted for the command with this place in the table.
    pub(crate) fn command(&self, id: usize) -> CommandTotals {
        let mut totals = CommandTotals::default();
        for worker in self.workers.lock().iter() {
            let counters = &worker.commands[id];
            totals.calls += counters.calls.get();
            totals.duration_us += counters.duration_us.get();
            totals.rejected_calls += counters.rejected_calls.get();
            totals.failed_calls += counters.failed_calls.get();
        }
        totals
    }

    /// How long the calls took of the command with this place in the table.
    pub(crate) fn durations(&self, id: usize) -> Durations {
        let workers = self.workers.lock();
        let histograms = workers.iter().filter_map(|it| it.histograms[id].get());
        Durations::of(histograms.map(|it| &**it))
    }

    /// Counts an error reply under its code word.
    pub(crate) fn count_error(&self, code: &str) {
        let mut errors = self.errors.lock();
        // As Redis: a flood of different codes (scripts can make them up) is counted as one.
        let code = if errors.len() >= 128 && !errors.contains_key(code) {
            "ERRORSTATS_OVERFLOW"
        } else {
            code
        };
        match errors.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                errors.insert(code.to_owned(), 1);
            }
        }
    }

    /// Error replies by code word.
    pub(crate) fn errors(&self) -> Vec<(String, u64)> {
        self.errors
            .lock()
            .iter()
            .map(|(code, count)| (code.clone(), *count))
            .collect()
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        self.errors.lock().clear();
        for worker in self.workers.lock().iter() {
            worker.reset();
            let histograms = worker.histograms.iter().filter_map(OnceLock::get);
            histograms.for_each(|histogram| histogram.reset());
            for command in &worker.commands {
                command.calls.reset();
                command.duration_us.reset();
                command.rejected_calls.reset();
                command.failed_calls.reset();
            }
        }
    }
}
