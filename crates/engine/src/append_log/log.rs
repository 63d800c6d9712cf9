//! The log while the server runs: its buffer, how that gets to the files and to disk, when they are rewritten, and what
//! `appendonly` turns on and off. What a start finds in the files is `replay`'s.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::command::{Args, CommandError};
use crate::config::{AppendFsync, Config, LogLevel};
use crate::engine::Engine;
use crate::propagation::{PropagationListener, write_command};
use crate::snapshot::{SaveRefused, SnapshotFile, start_log_rewrite};
use crate::worker::Worker;

/// Makes what a file holds durable, on any thread.
pub type Sync = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// A file of the log that is to be loaded.
pub struct LogSource {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Box<dyn Read + Send>,
    /// How many there are.
    pub len: u64,
}

/// What a base consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseForm {
    /// A data set, as a snapshot is one.
    DataSet,
    /// Commands.
    Commands,
}

impl BaseForm {
    pub(super) fn of(config: &Config) -> Self {
        match config.aof_use_rdb_preamble() {
            true => BaseForm::DataSet,
            false => BaseForm::Commands,
        }
    }
}

/// The files of the log, as the host keeps them. Errors are the operating system's word.
pub trait AppendFiles: Send {
    /// What is to be loaded, in this order; nothing if there is no log yet.
    ///
    /// # Errors
    /// As of all methods.
    fn sources(&mut self) -> Result<Vec<LogSource>, String>;

    /// Takes everything behind the first `len` bytes of the last file away.
    ///
    /// # Errors
    /// As of all methods.
    fn cut_last(&mut self, len: u64) -> Result<(), String>;

    /// Opens the last file for appending; answers how long all files are together.
    ///
    /// # Errors
    /// As of all methods.
    fn open(&mut self) -> Result<u64, String>;

    /// Appends all of the bytes, or none.
    ///
    /// # Errors
    /// As of all methods.
    fn append(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Makes what was appended durable. If that fails, nothing can be appended until [`Self::rotate`].
    ///
    /// # Errors
    /// As of all methods.
    fn sync(&mut self) -> Result<(), String>;

    /// What makes everything durable that was appended up to now.
    ///
    /// # Errors
    /// As of all methods.
    fn syncer(&mut self) -> Result<Sync, String>;

    /// Says that what [`Self::syncer`] gave has failed.
    fn note_failed_sync(&mut self);

    /// Whether nobody knows what the file holds, so that nothing is appended to it any more.
    fn is_broken(&self) -> bool {
        false
    }

    /// Goes over to a new file; it belongs to the log at once if `is_listed`, else when the base is there. Answers the
    /// base of the new file, a data set or commands, which becomes that when it is committed.
    ///
    /// # Errors
    /// As of all methods; then the old file goes on.
    fn rotate(&mut self, is_listed: bool, form: BaseForm) -> Result<Box<dyn SnapshotFile>, String>;
}

/// What INFO says of the log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AppendReport {
    pub(crate) rewrites: u64,
    pub(crate) consecutive_failures: u64,
    pub(crate) last_rewrite_failed: bool,
    pub(crate) last_rewrite_ms: Option<i64>,
}

/// After so many rewrites that failed one after the other the next is not tried at once.
const REWRITE_FAILURES_MAX: u64 = 3;

/// The longest delay of the next then, in minutes; the first is one minute, each further one is twice as long (the
/// figures are Redis's).
const REWRITE_DELAY_MAX_MINUTES: i64 = 60;

/// The delay when nothing can be logged until a rewrite succeeds, in milliseconds.
const REWRITE_DELAY_URGENT_MS: i64 = 5000;

/// From so many bytes on a write costs by what it writes: the rest of its last page is filled with zeros, too.
const WRITE_BYTES: u64 = 48 << 10;

/// A buffer that has grown beyond this is not kept for the next write, in bytes.
const SPARE_BYTES: usize = 1 << 20;

/// What was logged and is not written yet.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// The database that is selected where they end.
    selected: Option<usize>,
}

impl Buffer {
    /// Empties it: another file begins.
    fn clear(&mut self) {
        self.bytes.clear();
        self.selected = None;
    }
}

/// The log of an engine. Its positions count the bytes that were appended since it was turned on.
#[derive(Default)]
pub(crate) struct AppendLog {
    is_on: AtomicBool,
    /// How often it has been turned on.
    turn: AtomicU64,
    /// Whether a base has been written, so that the files are of use.
    has_base: AtomicBool,
    buffer: Mutex<Buffer>,
    /// An empty buffer that takes the place of the one that is written.
    spare: Mutex<Vec<u8>>,
    appended: AtomicU64,
    written: AtomicU64,
    synced: AtomicU64,
    files: Mutex<Option<Box<dyn AppendFiles>>>,
    is_syncing: AtomicBool,
    last_sync_ms: AtomicI64,
    /// Why writing failed, while it does.
    error: Mutex<Option<String>>,
    /// The second that was noted last in the file; 0 if none was.
    noted_s: AtomicI64,
    /// How long the files were at `size_position`.
    size_then: AtomicU64,
    size_position: AtomicU64,
    base_size: AtomicU64,
    is_rewrite_scheduled: AtomicBool,
    /// When the next rewrite may be begun unasked, in milliseconds since 1970.
    rewrite_not_before_ms: AtomicI64,
    /// For tests: how long to wait before a write.
    sleep_us: AtomicU64,
    report: Mutex<AppendReport>,
}

struct Recorder {
    log: Arc<AppendLog>,
    /// Which time it was that the log was turned on.
    turn: u64,
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    /// Notes the second before the first command of it, as Redis does: whoever wants the data of an earlier time
    /// cuts the file there.
    fn note_time(&self, bytes: &mut Vec<u8>) {
        let now_s = self.clock.now_us() / 1_000_000;
        if self.log.noted_s.swap(now_s, Ordering::Relaxed) != now_s {
            let old_len = bytes.len();
            bytes.extend_from_slice(format!("#TS:{now_s}\r\n").as_bytes());
            self.log.note_appended(bytes.len() - old_len);
        }
    }
}

impl PropagationListener for Recorder {
    fn append(&self, unit: &[u8]) -> bool {
        let log = &self.log;
        if !log.is_on() || log.turn.load(Ordering::Relaxed) != self.turn {
            // Another listens if it has been turned on again.
            return false;
        }
        let mut buffer = log.buffer.lock();
        if self.config.aof_timestamp_enabled() {
            self.note_time(&mut buffer.bytes);
        }
        buffer.bytes.extend_from_slice(unit);
        log.note_appended(unit.len());
        true
    }

    fn wants_messages(&self) -> bool {
        false
    }

    fn note_selected(&self, database: usize) {
        self.log.buffer.lock().selected = Some(database);
    }

    fn is_append_log(&self) -> bool {
        true
    }
}

/// A sync apart from the requests, until it is dropped.
struct SyncUnderWay(Arc<AppendLog>);

impl Drop for SyncUnderWay {
    fn drop(&mut self) {
        self.0.is_syncing.store(false, Ordering::Release);
    }
}

impl AppendLog {
    /// Appends a command that is a unit by itself, if nothing has to stand before it; answers whether it was. Only where
    /// nobody else [listens](crate::propagation::Propagation::is_log_alone), with the locks of its keys held.
    #[inline]
    pub(crate) fn record(&self, config: &Config, database: usize, arguments: Args<'_>) -> bool {
        if !self.is_on() || config.aof_timestamp_enabled() {
            return false;
        }
        let request = arguments.plain_request();
        let mut buffer = self.buffer.lock();
        if buffer.selected != Some(database) {
            return false;
        }
        let old_len = buffer.bytes.len();
        match request {
            Some(request) => buffer.bytes.extend_from_slice(request),
            None => write_command(&mut buffer.bytes, arguments.iter()),
        }
        self.note_appended(buffer.bytes.len() - old_len);
        true
    }

    /// Counts bytes that went into the buffer, which the thread has locked: nobody else counts meanwhile.
    fn note_appended(&self, bytes: usize) {
        let position = self.appended.load(Ordering::Relaxed) + bytes as u64;
        self.appended.store(position, Ordering::Release);
    }

    /// Whether changes are logged.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Why nothing can be written, if so.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.lock().clone()
    }

    /// What INFO says.
    pub(crate) fn report(&self) -> AppendReport {
        *self.report.lock()
    }

    /// Whether the files are of no use yet, for want of what stands before them.
    pub(crate) fn awaits_base(&self) -> bool {
        self.is_on() && !self.has_base.load(Ordering::Relaxed)
    }

    /// How long the files were after the last rewrite or at the start.
    pub(crate) fn base_size(&self) -> u64 {
        self.base_size.load(Ordering::Relaxed)
    }

    /// How long the files are.
    pub(crate) fn current_size(&self) -> u64 {
        let since =
            self.written.load(Ordering::Relaxed) - self.size_position.load(Ordering::Relaxed);
        self.size_then.load(Ordering::Relaxed) + since
    }

    /// Bytes that wait to be written.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffer.lock().bytes.len()
    }

    /// Whether something waits to be made durable by a background sync that is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.is_syncing.load(Ordering::Relaxed)
    }

    /// Asks for a rewrite as soon as it is possible.
    pub(crate) fn schedule_rewrite(&self) {
        self.is_rewrite_scheduled.store(true, Ordering::Relaxed);
    }

    /// Whether one was asked for.
    pub(crate) fn is_rewrite_scheduled(&self) -> bool {
        self.is_rewrite_scheduled.load(Ordering::Relaxed)
    }

    /// DEBUG AOF-FLUSH-SLEEP: before each write the thread that writes waits so long.
    pub(crate) fn sleep_before_writes(&self, duration_us: u64) {
        self.sleep_us.store(duration_us, Ordering::Relaxed);
    }

    /// Writes down what was logged so far, and makes it durable if the configuration wants it so at once. The
    /// thread holds no locks, or all.
    ///
    /// # Errors
    /// When it is not as safe as it is to be before a reply leaves.
    #[inline]
    pub(crate) fn flush(&self, engine: &Engine) -> Result<(), ()> {
        if !self.is_on() {
            return Ok(());
        }
        let is_always = engine.config.append_fsync() == AppendFsync::Always;
        self.reach(engine, self.appended.load(Ordering::Acquire), is_always)
    }

    /// Whether [`Self::flush`] has something to do.
    #[inline]
    pub(crate) fn is_behind(&self, engine: &Engine) -> bool {
        let reached = match engine.config.append_fsync() {
            AppendFsync::Always => &self.synced,
            _ => &self.written,
        };
        reached.load(Ordering::Acquire) < self.appended.load(Ordering::Acquire)
    }

    /// Writes and syncs everything that was logged so far.
    ///
    /// # Errors
    /// When that is impossible.
    pub(crate) fn flush_and_sync(&self, engine: &Engine) -> Result<(), ()> {
        if !self.is_on() {
            return Ok(());
        }
        self.reach(engine, self.appended.load(Ordering::Acquire), true)
    }

    fn reach(&self, engine: &Engine, position: u64, syncs: bool) -> Result<(), ()> {
        let reached = if syncs { &self.synced } else { &self.written };
        if reached.load(Ordering::Acquire) >= position {
            return Ok(());
        }
        let mut files = self.files.lock();
        if reached.load(Ordering::Acquire) >= position {
            // Somebody else has done it meanwhile.
            return Ok(());
        }
        let Some(files) = files.as_mut() else {
            return Ok(());
        };
        let sleep_us = self.sleep_us.load(Ordering::Relaxed);
        if sleep_us > 0 {
            let duration = std::time::Duration::from_micros(sleep_us);
            engine.host.sleep(duration);
        }
        let outcome = self.write(files).and_then(|written| {
            if syncs {
                // What the file holds is unknown then: only another one helps.
                files.sync().inspect_err(|_| self.schedule_rewrite())?;
                self.note_synced(engine, written);
            }
            Ok(())
        });
        if outcome.is_err() && files.is_broken() {
            self.schedule_rewrite();
        }
        match outcome {
            Ok(()) => {
                self.note_success(engine);
                Ok(())
            }
            Err(reason) => {
                self.note_failure(engine, reason);
                // With less than `always` nothing was promised that does not hold yet, but writes stop.
                if syncs { Err(()) } else { Ok(()) }
            }
        }
    }

    /// Writes what is in the buffer; answers up to where the log is written then.
    fn write(&self, files: &mut Box<dyn AppendFiles>) -> Result<u64, String> {
        let spare = std::mem::take(&mut *self.spare.lock());
        let (mut bytes, position) = {
            let mut buffer = self.buffer.lock();
            (
                std::mem::replace(&mut buffer.bytes, spare),
                self.appended.load(Ordering::Acquire),
            )
        };
        let appended = match bytes.is_empty() {
            true => Ok(()),
            false => files.append(&bytes),
        };
        match appended {
            Ok(()) => {
                self.written.store(position, Ordering::Release);
                bytes.clear();
                bytes.shrink_to(SPARE_BYTES);
                *self.spare.lock() = bytes;
                Ok(position)
            }
            Err(reason) => {
                let mut buffer = self.buffer.lock();
                let later = std::mem::replace(&mut buffer.bytes, bytes);
                buffer.bytes.extend_from_slice(&later);
                Err(reason)
            }
        }
    }

    fn note_synced(&self, engine: &Engine, position: u64) {
        self.synced.fetch_max(position, Ordering::Release);
        self.last_sync_ms.store(engine.now_ms(), Ordering::Relaxed);
    }

    fn note_failure(&self, engine: &Engine, reason: String) {
        let mut error = self.error.lock();
        if error.is_none() {
            let line = format!("Error writing to the AOF file: {reason}");
            engine.host.log(LogLevel::Warning, &line);
        }
        *error = Some(reason);
        engine.persistence.set_log_failed(true);
    }

    fn note_success(&self, engine: &Engine) {
        // Without a base what was written is of no use yet.
        if engine.persistence.has_log_failed() && self.has_base.load(Ordering::Relaxed) {
            *self.error.lock() = None;
            engine.persistence.set_log_failed(false);
            let line = "AOF write error looks solved. The server can write again.";
            engine.host.log(LogLevel::Warning, line);
        }
    }

    /// Syncs what is written, apart from the thread that calls, if a second has passed since the last time.
    fn sync_regularly(self: &Arc<Self>, engine: &Arc<Engine>) {
        if engine.config.append_fsync() != AppendFsync::EverySecond {
            return;
        }
        let is_late = engine.now_ms() - self.last_sync_ms.load(Ordering::Relaxed) >= 1000;
        let is_behind = self.synced.load(Ordering::Relaxed) < self.written.load(Ordering::Relaxed);
        if !is_late || !is_behind || self.is_syncing.swap(true, Ordering::AcqRel) {
            return;
        }
        let syncer = {
            let mut files = self.files.lock();
            let position = self.written.load(Ordering::Acquire);
            files
                .as_mut()
                .map(|files| files.syncer().map(|sync| (sync, position)))
        };
        let (log, owner) = (self.clone(), engine.clone());
        let under_way = SyncUnderWay(self.clone());
        let job = move || {
            match syncer {
                Some(Ok((sync, position))) => match sync() {
                    Ok(()) => log.note_synced(&owner, position),
                    Err(reason) => {
                        if let Some(files) = log.files.lock().as_mut() {
                            files.note_failed_sync();
                        }
                        log.schedule_rewrite();
                        log.note_failure(&owner, reason);
                    }
                },
                Some(Err(reason)) => log.note_failure(&owner, reason),
                None => {}
            }
            drop(under_way);
        };
        engine.host.sync_apart(Box::new(job));
    }

    /// Goes over to a new file for a rewrite, with every stripe locked; answers the file of the base.
    ///
    /// # Errors
    /// Why it cannot; the old file goes on.
    pub(crate) fn rotate(&self, engine: &Engine) -> Result<(Box<dyn SnapshotFile>, u64), String> {
        let mut guard = self.files.lock();
        let form = BaseForm::of(&engine.config);
        let Some(files) = guard.as_mut() else {
            // The log is off: the files are made for whoever loads them.
            let base = engine
                .host
                .open_append_files(&engine.config)?
                .rotate(false, form)?;
            return Ok((base, 0));
        };
        // What is not written yet is in the snapshot that begins now; where the old file cannot take it,
        // it is there that it counts.
        let unwritten = self.write(files);
        let is_well = unwritten.is_ok() && !engine.persistence.has_log_failed();
        let has_base = self.has_base.load(Ordering::Relaxed) && is_well;
        let base = files.rotate(has_base, form)?;
        self.has_base.store(has_base, Ordering::Relaxed);
        self.buffer.lock().clear();
        let position = self.appended.load(Ordering::Acquire);
        self.written.store(position, Ordering::Release);
        self.synced.fetch_max(position, Ordering::Release);
        engine.propagation.forget_selected();
        self.noted_s.store(0, Ordering::Relaxed);
        Ok((base, position))
    }

    /// Notes that a rewrite has begun.
    pub(crate) fn note_rewrite_began(&self) {
        self.is_rewrite_scheduled.store(false, Ordering::Relaxed);
        self.report.lock().rewrites += 1;
    }

    /// Notes that a rewrite is over: `Some` with the length of the base and the position from which on the
    /// file behind it goes, if it succeeded.
    pub(crate) fn note_rewritten(
        &self,
        engine: &Engine,
        duration_ms: i64,
        new: Option<(u64, u64)>,
    ) {
        {
            let mut report = self.report.lock();
            report.last_rewrite_ms = Some(duration_ms);
            report.last_rewrite_failed = new.is_none();
            report.consecutive_failures = match new {
                Some(_) => 0,
                None => report.consecutive_failures + 1,
            };
        }
        self.delay_after_failures(engine);
        match new {
            Some((base_len, position)) => {
                self.has_base.store(true, Ordering::Relaxed);
                self.size_then.store(base_len, Ordering::Relaxed);
                self.size_position.store(position, Ordering::Relaxed);
                self.base_size.store(self.current_size(), Ordering::Relaxed);
                self.note_success(engine);
            }
            // What is on disk is of no use without the base.
            None if self.is_on() && !self.has_base.load(Ordering::Relaxed) => {
                self.schedule_rewrite()
            }
            None => {}
        }
    }

    /// Keeps rewrites that fail again and again from being tried without end: each makes another file of the log.
    fn delay_after_failures(&self, engine: &Engine) {
        let failures = self.report().consecutive_failures;
        let Some(further) = failures.checked_sub(REWRITE_FAILURES_MAX) else {
            return self.rewrite_not_before_ms.store(0, Ordering::Relaxed);
        };
        let has_base = self.has_base.load(Ordering::Relaxed);
        let is_urgent = engine.persistence.has_log_failed() || !has_base;
        let delay_ms = if is_urgent {
            REWRITE_DELAY_URGENT_MS
        } else {
            let minutes = (1 << further.min(10)).min(REWRITE_DELAY_MAX_MINUTES);
            minutes * 60_000
        };
        let not_before_ms = engine.now_ms() + delay_ms;
        self.rewrite_not_before_ms
            .store(not_before_ms, Ordering::Relaxed);
        let line = format!(
            "Background AOF rewrite has failed {failures} times in a row and triggered the limit: the next is tried in {} \
             seconds",
            delay_ms / 1000
        );
        engine.host.log(LogLevel::Warning, &line);
    }

    /// Whether the files have grown so much that they should be rewritten.
    fn has_grown(&self, engine: &Engine) -> bool {
        let percentage = u64::from(engine.config.auto_aof_rewrite_percentage());
        let size = self.current_size();
        if percentage == 0 || size <= engine.config.auto_aof_rewrite_min_size() {
            return false;
        }
        let base = self.base_size().max(1);
        (size - base.min(size)).saturating_mul(100) / base >= percentage
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        engine: &Engine,
        files: Box<dyn AppendFiles>,
        size: u64,
        has_base: bool,
    ) {
        *self.files.lock() = Some(files);
        self.buffer.lock().clear();
        let position = self.appended.load(Ordering::Acquire);
        self.written.store(position, Ordering::Release);
        self.synced.store(position, Ordering::Release);
        self.last_sync_ms.store(engine.now_ms(), Ordering::Relaxed);
        self.size_then.store(size, Ordering::Relaxed);
        self.size_position.store(position, Ordering::Relaxed);
        self.base_size.store(size, Ordering::Relaxed);
        self.has_base.store(has_base, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Release);
        self.noted_s.store(0, Ordering::Relaxed);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
        engine.propagation.listen(Box::new(Recorder {
            log: self.clone(),
            turn,
            config: engine.config.clone(),
            clock: engine.clock.clone(),
        }));
    }

    fn end(&self, engine: &Engine) {
        self.is_on.store(false, Ordering::Release);
        *self.files.lock() = None;
        self.is_rewrite_scheduled.store(false, Ordering::Relaxed);
        *self.error.lock() = None;
        engine.persistence.set_log_failed(false);
    }
}

/// Does what is to be done for the log regularly. The worker must hold no locks.
pub(crate) fn tend(worker: &mut Worker) {
    let engine = worker.engine.clone();
    let log = &engine.append_log;
    if log.is_on() {
        // Who is concerned has been refused, and it is in the log of the process.
        let _ = log.flush(&engine);
        log.sync_regularly(&engine);
    }
    // The files of a log that is off are rewritten when they are asked for, and do not grow.
    let is_wanted = log.is_rewrite_scheduled() || log.is_on() && log.has_grown(&engine);
    let is_due = is_wanted && engine.now_ms() >= log.rewrite_not_before_ms.load(Ordering::Relaxed);
    if is_due && !engine.persistence.is_saving() && worker.lock_all().is_ok() {
        // What keeps it from being started has been noted, and it is tried again.
        let _ = start_log_rewrite(worker);
        worker.view.unlock();
    }
}

/// Turns the log on or off, as the configuration says. The worker holds no locks, or all.
///
/// # Errors
/// When it cannot be turned on; the configuration says no then.
pub(crate) fn follow_config(worker: &mut Worker) -> Result<(), CommandError> {
    let engine = worker.engine.clone();
    let log = &engine.append_log;
    let is_wanted = engine.config.appendonly() && engine.host.keeps_files();
    if is_wanted == log.is_on() || engine.persistence.is_loading() {
        return Ok(());
    }
    let was_locked = worker.view.is_all();
    if !was_locked && worker.lock_all().is_err() {
        return Err(engine.busy_error());
    }
    let done = if is_wanted {
        turn_on(worker)
    } else {
        turn_off(worker)
    };
    if !was_locked {
        worker.view.unlock();
    }
    done.map_err(|reason| {
        engine
            .config
            .set_default("appendonly", b"no")
            .expect("it may be turned off");
        let line = format!("Unable to turn on the append-only file: {reason}");
        engine.host.log(LogLevel::Warning, &line);
        CommandError::text("ERR Unable to turn on AOF. Check server logs.")
    })
}

fn turn_on(worker: &mut Worker) -> Result<(), String> {
    let engine = worker.engine.clone();
    let files = engine.host.open_append_files(&engine.config)?;
    engine.append_log.begin(&engine, files, 0, false);
    match start_log_rewrite(worker) {
        Ok(()) => Ok(()),
        Err(SaveRefused::InProgress) => {
            engine.append_log.schedule_rewrite();
            Ok(())
        }
        Err(SaveRefused::Impossible) => {
            engine.append_log.end(&engine);
            Err("it cannot be rewritten".to_owned())
        }
    }
}

fn turn_off(worker: &mut Worker) -> Result<(), String> {
    let engine = &worker.engine;
    // The files are left behind in the best state that they can have.
    let _ = engine.append_log.flush_and_sync(engine);
    if engine.persistence.is_rewriting() {
        // Redis's suite looks for these words.
        let line = "Killing running AOF rewrite child";
        engine.host.log(LogLevel::Notice, line);
        engine.persistence.cancel_save();
    }
    engine.append_log.end(engine);
    Ok(())
}

impl Worker {
    /// Has [`Session::process`] leave it to the caller to write down what was logged before replies leave, so that
    /// once serves many sessions.
    pub fn defer_log(&mut self) {
        self.defers_log = true;
    }

    /// Whether so much was logged that writing it down together with more would spare nothing, or whoever waits for it has
    /// waited long (`is_late`). What is synced at once waits for more in any case.
    pub fn has_log_to_write(&self, is_late: bool) -> bool {
        let log = &self.engine.append_log;
        let unwritten = log
            .appended
            .load(Ordering::Relaxed)
            .saturating_sub(log.written.load(Ordering::Relaxed));
        let is_enough = is_late || unwritten >= WRITE_BYTES;
        is_enough && self.engine.config.append_fsync() != AppendFsync::Always
    }

    /// Writes down what was logged so far, and makes it durable if the configuration wants it so before replies leave.
    /// Answers whether it is as safe as it should be.
    pub fn flush_log(&mut self) -> bool {
        self.engine.append_log.flush(&self.engine).is_ok()
    }
}
