//! Counters: what INFO, commandstats and errorstats report.
//!
//! Each worker counts in its own block, so that no cache line is written by two cores; readers add
//! the blocks up. `CONFIG RESETSTAT` zeroes them all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::command::table;
use crate::config::LogLevel;
use crate::engine::Engine;
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
    /// Blocks that active defragmentation moved.
    defragmentation_hits,
    /// Blocks that it looked at and left.
    defragmentation_misses,
    /// Keys of which it moved anything.
    defragmentation_key_hits,
    /// Keys of which it moved nothing.
    defragmentation_key_misses,
    /// How long it was under way, in microseconds, without what is under way.
    defragmentation_us,
    /// Error replies.
    error_replies,
    /// Bytes read from clients.
    input_bytes,
    /// Bytes sent to clients.
    output_bytes,
    /// Of what is read, what comes from the primary.
    replication_input_bytes,
    /// Of what is sent, what goes to replicas.
    replication_output_bytes,
    /// Payloads of RESTORE whose packed structures were looked through.
    payloads_checked,
    /// Reads of a socket that gave something.
    reads_processed,
    /// Writes to a socket.
    writes_processed,
    /// Error replies to a primary or to a replica, which both are not supposed to get.
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

/// Different code words of errors that are counted.
const ERROR_CODES_MAX: usize = 128;

/// The only code word from when there were more.
const TOO_MANY_ERRORS: &str = "ERRORSTATS_DISABLED";

/// Bytes of an error, without its sign, in which its code word ends.
const ERROR_CODE_MAX_BYTES: usize = 31;

/// The code word of an error; what has none counts as `ERR`.
fn code_of(text: &[u8]) -> Cow<'_, str> {
    let start = &text[..text.len().min(ERROR_CODE_MAX_BYTES)];
    match start.iter().position(|&byte| byte == b' ') {
        Some(end) => String::from_utf8_lossy(&start[..end]),
        None => Cow::Borrowed("ERR"),
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

    /// Counts an error reply, given as it is sent, under its code word. Answers the code words that there were if this
    /// one is one too many: then errors are counted no more until the statistics are reset.
    pub(crate) fn count_error(&self, text: &[u8]) -> Option<String> {
        let code = code_of(text);
        let mut errors = self.errors.lock();
        if errors.contains_key(TOO_MANY_ERRORS) {
            return None;
        }
        if let Some(count) = errors.get_mut(&*code) {
            *count += 1;
            return None;
        }
        // As Redis since 7.2: scripts can make codes up without end.
        if errors.len() >= ERROR_CODES_MAX {
            let codes: Vec<String> = std::mem::take(&mut *errors).into_keys().collect();
            errors.insert(TOO_MANY_ERRORS.to_owned(), 1);
            return Some(codes.join(", "));
        }
        errors.insert(code.into_owned(), 1);
        None
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

impl Engine {
    /// Counts an error reply, given as it is sent.
    pub(crate) fn count_error(&self, text: &[u8]) {
        let Some(codes) = self.stats.count_error(text) else {
            return;
        };
        let line = format!(
            "There are more than {ERROR_CODES_MAX} different errors, which scripts may have made up with error_reply: \
             INFO ERRORSTATS counts no more of them until CONFIG RESETSTAT."
        );
        self.host.log(LogLevel::Warning, &line);
        let line = format!("Current errors code list: {}", printable_in_info(&codes));
        self.host.log(LogLevel::Warning, &line);
    }
}

/// A name without the signs that have a meaning in the text of INFO.
pub(crate) fn printable_in_info(name: &str) -> String {
    name.replace(['#', ':', '\n', '\r'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_code_if_a_blank_is_near() {
        for (text, code) in [
            ("WRONGTYPE Operation", "WRONGTYPE"),
            ("lower", "ERR"),
            (
                "a23456789a23456789a23456789012 x",
                "a23456789a23456789a23456789012",
            ),
            ("a23456789a23456789a234567890123 x", "ERR"),
        ] {
            assert_eq!(code_of(text.as_bytes()), code, "{text}");
        }
    }
}
