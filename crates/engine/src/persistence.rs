//! How the data reach files, as far as the engine knows: what was saved when, what is going on, and what
//! commands may not do meanwhile.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::command::{CommandError, Flags};
use crate::config::LogLevel;
use crate::engine::{Engine, ShutdownOptions};
use crate::shutdown::SHUTDOWN_FAILED;
use crate::snapshot::{Purpose, save_now};
use crate::worker::Worker;

/// The data are being loaded.
const LOADING: u8 = 1;
/// The last background save failed.
const SAVE_FAILED: u8 = 1 << 1;
/// The data were saved for the last time: nothing may change any more.
const ENDED: u8 = 1 << 2;
/// The append-only file cannot be written.
const LOG_FAILED: u8 = 1 << 3;

/// The data are those of a primary.
const REPLICA: u8 = 1 << 4;

/// How far a loading is that is going on.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadProgress {
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// How long the files are.
    pub bytes_total: u64,
    /// How much of that is done with.
    pub bytes_done: u64,
    /// How much memory the server that wrote the file had used; 0 if it does not say.
    pub memory_of_writer_bytes: u64,
}

/// What INFO says of saving and loading.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PersistenceReport {
    pub(crate) saves: u64,
    /// Of the last background save.
    pub(crate) last_duration_ms: Option<i64>,
    /// When the one that is going on began.
    pub(crate) saving_since_ms: Option<i64>,
    /// Whether that is a rewrite of the append-only file.
    pub(crate) is_rewriting: bool,
    /// Whether that is for replicas.
    pub(crate) is_transferring: bool,
    pub(crate) save_keys_done: u64,
    pub(crate) save_keys_total: u64,
    pub(crate) loaded_keys: u64,
    pub(crate) expired_keys: u64,
}

/// The state of saving and loading.
#[derive(Default)]
pub(crate) struct Persistence {
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    skips_checksum: AtomicBool,
    /// What commands have to look at; 0 in fair weather.
    gate: AtomicU8,
    last_save_ms: AtomicI64,
    /// The changes of the key space up to the last save.
    changes_saved: AtomicU64,
    last_try_ms: AtomicI64,
    is_scheduled: AtomicBool,
    is_cancelled: AtomicBool,
    /// Held while a background save puts its file in the place of the old one.
    commit: Mutex<()>,
    load_bytes_done: AtomicU64,
    load_started_ms: AtomicI64,
    load_bytes_total: AtomicU64,
    load_memory_of_writer: AtomicU64,
    /// Keys since the start, for `key-load-delay`.
    load_delay_count: AtomicU64,
    report: Mutex<PersistenceReport>,
}

impl Persistence {
    /// The state of a server that starts now: that counts as a save.
    pub(crate) fn new(now_ms: i64) -> Self {
        Persistence {
            last_save_ms: AtomicI64::new(now_ms),
            ..Persistence::default()
        }
    }

    /// Whether checksums are believed unseen, as tests of damaged data want it.
    pub(crate) fn skips_checksum(&self) -> bool {
        self.skips_checksum.load(Ordering::Relaxed)
    }

    /// Says whether checksums are believed unseen.
    pub(crate) fn skip_checksum(&self, skips: bool) {
        self.skips_checksum.store(skips, Ordering::Relaxed);
    }

    // What commands may not do.

    /// Whether there is anything that commands have to look at.
    #[inline]
    pub(crate) fn is_gate_shut(&self) -> bool {
        self.gate.load(Ordering::Relaxed) != 0
    }

    fn has(&self, reason: u8) -> bool {
        self.gate.load(Ordering::Relaxed) & reason != 0
    }

    fn set_gate(&self, reason: u8, is_shut: bool) {
        if is_shut {
            self.gate.fetch_or(reason, Ordering::Relaxed);
        } else {
            self.gate.fetch_and(!reason, Ordering::Relaxed);
        }
    }

    /// Whether the data are being loaded.
    pub(crate) fn is_loading(&self) -> bool {
        self.has(LOADING)
    }

    /// Says whether the data are those of a primary, so that commands must be looked at.
    pub(crate) fn set_replica(&self, is_replica: bool) {
        self.set_gate(REPLICA, is_replica);
    }

    /// Whether the data were saved for the last time.
    pub(crate) fn has_ended(&self) -> bool {
        self.has(ENDED)
    }

    /// Says that nothing may change any more.
    pub(crate) fn end(&self) {
        self.set_gate(ENDED, true);
    }

    // Saving.

    /// When the data were last saved, in milliseconds since 1970.
    pub(crate) fn last_save_ms(&self) -> i64 {
        self.last_save_ms.load(Ordering::Relaxed)
    }

    /// When a background save was last tried.
    pub(crate) fn last_try_ms(&self) -> i64 {
        self.last_try_ms.load(Ordering::Relaxed)
    }

    /// Of so many changes of the key space, those that came after the last save.
    pub(crate) fn changes_since_save(&self, changes: u64) -> u64 {
        changes.saturating_sub(self.changes_saved.load(Ordering::Relaxed))
    }

    /// Whether the last background save failed.
    pub(crate) fn has_save_failed(&self) -> bool {
        self.has(SAVE_FAILED)
    }

    /// Counts a save that is tried.
    pub(crate) fn count_save(&self) {
        self.report.lock().saves += 1;
    }

    /// Notes that the data were saved with so many changes.
    pub(crate) fn note_saved(&self, now_ms: i64, changes: u64) {
        self.last_save_ms.store(now_ms, Ordering::Relaxed);
        self.changes_saved.store(changes, Ordering::Relaxed);
        self.set_gate(SAVE_FAILED, false);
    }

    /// Notes that a background save failed.
    pub(crate) fn note_save_failed(&self) {
        self.set_gate(SAVE_FAILED, true);
    }

    /// Whether the append-only file cannot be written.
    pub(crate) fn has_log_failed(&self) -> bool {
        self.has(LOG_FAILED)
    }

    /// Says whether it can.
    pub(crate) fn set_log_failed(&self, has_failed: bool) {
        self.set_gate(LOG_FAILED, has_failed);
    }

    /// Takes the place of the one background save, or rewrite, that there may be; answers whether it was free.
    pub(crate) fn begin_background_save(&self, now_ms: i64, purpose: Purpose) -> bool {
        let mut report = self.report.lock();
        if report.saving_since_ms.is_some() {
            return false;
        }
        report.saving_since_ms = Some(now_ms);
        report.is_rewriting = purpose == Purpose::LogBase;
        report.is_transferring = purpose == Purpose::Replicas;
        if purpose == Purpose::Snapshot {
            self.last_try_ms.store(now_ms, Ordering::Relaxed);
            self.is_scheduled.store(false, Ordering::Relaxed);
        }
        self.is_cancelled.store(false, Ordering::Relaxed);
        true
    }

    /// Gives the place up.
    pub(crate) fn end_background_save(&self, now_ms: i64) {
        let mut report = self.report.lock();
        let since_ms = report.saving_since_ms.take();
        if let Some(since_ms) = since_ms.filter(|_| !report.is_rewriting && !report.is_transferring)
        {
            report.last_duration_ms = Some(now_ms - since_ms);
        }
        report.is_rewriting = false;
        report.is_transferring = false;
        (report.save_keys_done, report.save_keys_total) = (0, 0);
    }

    /// Whether the append-only file is being rewritten.
    pub(crate) fn is_rewriting(&self) -> bool {
        self.report.lock().is_rewriting
    }

    /// Whether a background save, or rewrite, is going on.
    pub(crate) fn is_saving(&self) -> bool {
        self.report.lock().saving_since_ms.is_some()
    }

    /// Notes how far the background save is.
    pub(crate) fn set_save_progress(&self, done: u64, total: u64) {
        let mut report = self.report.lock();
        (report.save_keys_done, report.save_keys_total) = (done, total);
    }

    /// Asks the background save to end without a file, if there is one. After this it puts none in the place
    /// of another any more.
    pub(crate) fn cancel_save(&self) {
        let _commit = self.commit.lock();
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Runs `commit` unless the background save was cancelled; whoever cancels it meanwhile waits.
    pub(crate) fn unless_cancelled<R>(&self, commit: impl FnOnce() -> R) -> Option<R> {
        let _commit = self.commit.lock();
        (!self.is_save_cancelled()).then(commit)
    }

    /// Whether it was asked to.
    pub(crate) fn is_save_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Asks for a background save as soon as it is possible.
    pub(crate) fn schedule_save(&self) {
        self.is_scheduled.store(true, Ordering::Relaxed);
    }

    /// Whether one was asked for.
    pub(crate) fn is_save_scheduled(&self) -> bool {
        self.is_scheduled.load(Ordering::Relaxed)
    }

    // Loading.

    /// Notes that data are loaded from now on; nobody may look at them meanwhile.
    pub(crate) fn begin_loading(&self, now_ms: i64, bytes_total: u64) {
        self.load_started_ms.store(now_ms, Ordering::Relaxed);
        self.load_bytes_total.store(bytes_total, Ordering::Relaxed);
        self.load_bytes_done.store(0, Ordering::Relaxed);
        self.load_memory_of_writer.store(0, Ordering::Relaxed);
        self.set_gate(LOADING, true);
    }

    /// Notes how far the loading is.
    pub(crate) fn set_loaded_bytes(&self, bytes: u64) {
        self.load_bytes_done.store(bytes, Ordering::Relaxed);
    }

    /// Notes how much memory the server that wrote the data had used.
    pub(crate) fn set_memory_of_writer(&self, bytes: u64) {
        self.load_memory_of_writer.store(bytes, Ordering::Relaxed);
    }

    /// Notes that the data are loaded.
    pub(crate) fn end_loading(&self) {
        self.set_gate(LOADING, false);
    }

    /// Notes how much was loaded.
    pub(crate) fn note_loaded(&self, keys: u64, expired: u64) {
        let mut report = self.report.lock();
        (report.loaded_keys, report.expired_keys) = (keys, expired);
    }

    /// How far the loading is.
    pub(crate) fn load_progress(&self) -> LoadProgress {
        LoadProgress {
            started_ms: self.load_started_ms.load(Ordering::Relaxed),
            bytes_total: self.load_bytes_total.load(Ordering::Relaxed),
            bytes_done: self.load_bytes_done.load(Ordering::Relaxed),
            memory_of_writer_bytes: self.load_memory_of_writer.load(Ordering::Relaxed),
        }
    }

    /// Sleeps after a key or a command was loaded, if `key-load-delay` wants it: so many microseconds, or one
    /// after so many keys if it is negative.
    pub(crate) fn delay_load(&self, engine: &Engine) {
        let delay_us = engine.config.key_load_delay_us();
        let sleep_us = match u64::try_from(delay_us) {
            Ok(0) => return,
            Ok(delay_us) => delay_us,
            Err(_) => {
                let count = self.load_delay_count.fetch_add(1, Ordering::Relaxed);
                u64::from(count.is_multiple_of(delay_us.unsigned_abs()))
            }
        };
        if sleep_us > 0 {
            let duration = std::time::Duration::from_micros(sleep_us);
            engine.host.sleep(duration);
        }
    }

    /// What INFO says.
    pub(crate) fn report(&self) -> PersistenceReport {
        *self.report.lock()
    }
}

/// Why writes are refused: what they would change could not be saved.
#[derive(Debug)]
pub(crate) enum Unsafe {
    /// The last background save failed.
    Snapshot,
    /// The append-only file cannot be written, for this reason.
    Log(String),
}

impl Unsafe {
    /// Why writes are refused now, if they are.
    #[inline]
    pub(crate) fn of(engine: &Engine) -> Option<Self> {
        match engine.persistence.is_gate_shut() {
            true => Self::found_in(engine),
            false => None,
        }
    }

    #[cold]
    fn found_in(engine: &Engine) -> Option<Self> {
        let has_save_failed = engine.persistence.has_save_failed()
            && engine.config.stop_writes_on_bgsave_error()
            && !engine.config.save_points().is_empty();
        if has_save_failed {
            return Some(Unsafe::Snapshot);
        }
        let has_log_failed = engine.persistence.has_log_failed();
        has_log_failed.then(|| Unsafe::Log(engine.append_log.error().unwrap_or_default()))
    }

    /// The error that a write gets.
    pub(crate) fn error(self) -> CommandError {
        match self {
            Unsafe::Snapshot => CommandError::text(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Commands that may modify the data set are disabled, because this instance is configured to report \
                 errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check \
                 the Redis logs for details about the RDB error.",
            ),
            Unsafe::Log(reason) => {
                format!("MISCONF Errors writing to the AOF file: {reason}").into()
            }
        }
    }

    /// The error that a script gets that does not say that it only reads, where no gate stood before it.
    pub(crate) fn error_of_script(self) -> CommandError {
        const END: &str = "but it's currently unable to persist to disk. Writable scripts are blocked. Use \
             'no-writes' flag for read only scripts.";
        match self {
            Unsafe::Snapshot => {
                format!("MISCONF Redis is configured to save RDB snapshots, {END}").into()
            }
            Unsafe::Log(reason) => format!(
                "MISCONF Redis is configured to persist data to AOF, {END} AOF error: {reason}"
            )
            .into(),
        }
    }
}

/// Why a command is refused while the data are being loaded, if it is.
#[cold]
pub(crate) fn refuses_while_loading(engine: &Engine, flags: Flags) -> Option<CommandError> {
    let is_refused = engine.persistence.is_loading() && !flags.contains(Flags::LOADING);
    is_refused.then_some(CommandError::text(
        "LOADING Redis is loading the dataset in memory",
    ))
}

/// What the log of the process says of a loading: how long it took, and how many a second it were.
pub(crate) fn line_of_loading(from: &str, duration_ms: i64, count: u64, what: &str) -> String {
    let seconds = duration_ms as f64 / 1000.0;
    // What takes less than a millisecond has taken one.
    let per_second = count.saturating_mul(1000) / duration_ms.max(1) as u64;
    format!(
        "DB loaded from {from}: {seconds:.3} seconds ({count} {what}, {per_second} {what} per second)"
    )
}

impl Worker {
    /// Saves the data set if that is wanted, and asks the host to end the process. The worker holds no locks, or
    /// all.
    ///
    /// # Errors
    /// Why the server goes on.
    pub(crate) fn save_and_end(&mut self, options: ShutdownOptions) -> Result<(), String> {
        self.save_before_end(options)?;
        self.engine.host.shut_down(options)
    }

    /// Does what is to be done before the process may end: nothing that was acknowledged is lost then.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn save_before_end(&mut self, options: ShutdownOptions) -> Result<(), String> {
        let engine = self.engine.clone();
        if engine.append_log.awaits_base() && engine.persistence.is_rewriting() {
            // A start would load a log that lacks its beginning.
            if !options.force {
                let line = "Writing initial AOF, can't exit: the log has no base yet.";
                engine.host.log(LogLevel::Warning, line);
                return Err(SHUTDOWN_FAILED.to_owned());
            }
            let line = "Ending though the log has no base yet.";
            engine.host.log(LogLevel::Warning, line);
        }
        engine.persistence.cancel_save();
        let saves = options
            .save
            .unwrap_or_else(|| !engine.config.save_points().is_empty());
        // What is there while data are being loaded is not the data set.
        if saves && !engine.persistence.is_loading() && engine.host.keeps_files() {
            self.save_for_the_last_time(options)?;
        }
        engine.persistence.end();
        if engine.append_log.flush_and_sync(&engine).is_err() && !options.force {
            engine.persistence.set_gate(ENDED, false);
            return Err(SHUTDOWN_FAILED.to_owned());
        }
        Ok(())
    }

    /// Saves, and sees to it that nothing changes afterwards.
    fn save_for_the_last_time(&mut self, options: ShutdownOptions) -> Result<(), String> {
        let engine = self.engine.clone();
        let line = "Saving the final RDB snapshot before exiting.";
        engine.host.log(LogLevel::Notice, line);
        let was_locked = self.view.is_all();
        if !was_locked && self.lock_all().is_err() {
            return Err("a script is running that takes its time".to_owned());
        }
        let saved = save_now(self);
        if saved.is_ok() || options.force {
            engine.persistence.end();
        }
        if !was_locked {
            self.view.unlock();
        }
        if saved.is_ok() || options.force {
            return Ok(());
        }
        let line = "Error trying to save the DB, can't exit.";
        engine.host.log(LogLevel::Warning, line);
        Err(SHUTDOWN_FAILED.to_owned())
    }
}
