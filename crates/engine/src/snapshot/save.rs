//! SAVE, BGSAVE and save points: how the data set gets into its file.
//!
//! The engine does no I/O: the host gives it a file to append to, and runs what is done in the background,
//! step by step, on whatever thread it likes.

use std::io::Read;
use std::sync::Arc;

use parking_lot::Mutex;

use super::commands::Commands;
use super::pass::Pass;
use super::{SaveOptions, SnapshotCodec, SnapshotEncoder};
use crate::config::{LogLevel, SavePoint};
use crate::engine::Engine;
use crate::keyspace::{UseRecorded, record};
use crate::worker::Worker;

/// Bytes that are appended to the file at once, about.
const APPENDED_AT_ONCE: usize = 256 * 1024;

/// After a background save has failed the next one is not tried before so much time, as in Redis.
const RETRY_DELAY_MS: i64 = 5000;

/// The longest sleep of one step, so that a save can be cancelled.
const SLEEP_MAX_US: u64 = 10_000;

/// How long it is waited for those who do not keep up before it is looked again.
const CONGESTION_SLEEP_US: u64 = 2000;

/// A file that takes the place of another once it is whole.
pub trait SnapshotFile: Send {
    /// Appends to it.
    ///
    /// # Errors
    /// The operating system's word for why not.
    fn append(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Whether those for whom it is written do not keep up: then it is better to wait than to append.
    fn is_congested(&self) -> bool {
        false
    }

    /// Makes it durable and puts it in the place of the old one. A file that is dropped without this is
    /// removed.
    ///
    /// # Errors
    /// The operating system's word for why not; the old file is still there.
    fn commit(self: Box<Self>) -> Result<(), String>;
}

/// A file that a data set is loaded from.
pub struct SnapshotSource {
    /// Its bytes.
    pub bytes: Box<dyn Read + Send>,
    /// How many there are.
    pub len: u64,
}

/// Something to be done apart from the requests, a step at a time.
pub struct BackgroundWork(Box<dyn FnMut() -> bool + Send>);

impl BackgroundWork {
    fn new(step: impl FnMut() -> bool + Send + 'static) -> Self {
        BackgroundWork(Box::new(step))
    }

    /// Does the next step; answers whether there are more.
    pub fn step(&mut self) -> bool {
        (self.0)()
    }
}

/// What a data set is written down for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be the file of the data set.
    Snapshot,
    /// To be the base of the append-only log.
    LogBase,
    /// To be sent to replicas.
    Replicas,
}

/// Why a save is not even begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaveRefused {
    /// A background save is going on.
    InProgress,
    /// There is no format, or nobody to do it.
    Impossible,
}

/// The file on its way to being whole, and what is on its way into it.
struct Output {
    encoder: Arc<dyn SnapshotEncoder>,
    file: Box<dyn SnapshotFile>,
    buffer: Vec<u8>,
    /// Of what was appended, if one is wanted.
    checksum: Option<u64>,
    /// Bytes that were appended.
    len: u64,
}

impl Output {
    /// Opens the file and writes what stands before all keys.
    fn open(engine: &Engine, encoder: Arc<dyn SnapshotEncoder>) -> Result<Self, String> {
        let file = engine.host.create_snapshot_file(&engine.config)?;
        Ok(Self::into_file(engine, encoder, file, Purpose::Snapshot))
    }

    fn into_file(
        engine: &Engine,
        encoder: Arc<dyn SnapshotEncoder>,
        file: Box<dyn SnapshotFile>,
        purpose: Purpose,
    ) -> Self {
        let mut output = Output {
            encoder,
            file,
            buffer: Vec::new(),
            checksum: engine.config.rdbchecksum().then_some(0),
            len: 0,
        };
        output
            .encoder
            .begin(&facts(engine, purpose), &mut output.buffer);
        write_functions(engine, &*output.encoder, &mut output.buffer);
        output
    }

    /// Appends the buffer to the file if there is enough in it.
    fn flush_if_full(&mut self) -> Result<(), String> {
        match self.buffer.len() {
            0..APPENDED_AT_ONCE => Ok(()),
            _ => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        if let Some(sum) = &mut self.checksum {
            *sum = self.encoder.checksum(*sum, &self.buffer);
        }
        self.file.append(&self.buffer)?;
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Puts the file in its place; answers how long it is.
    fn finish(mut self) -> Result<u64, String> {
        self.flush()?;
        self.encoder.end(self.checksum, &mut self.buffer);
        self.file.append(&self.buffer)?;
        self.len += self.buffer.len() as u64;
        self.file.commit()?;
        Ok(self.len)
    }
}

/// The libraries of functions, which belong to no database.
fn write_functions(engine: &Engine, encoder: &dyn SnapshotEncoder, out: &mut Vec<u8>) {
    for code in engine.scripting.functions.codes() {
        encoder.function(&code, save_options(engine), out);
    }
}

/// Facts about the server that go with its data.
fn facts(engine: &Engine, purpose: Purpose) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("redis-ver", crate::version::REDIS_VERSION.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", (engine.now_ms() / 1000).to_string()),
        ("used-mem", engine.host.used_memory_bytes().to_string()),
        (
            "aof-base",
            u8::from(purpose == Purpose::LogBase).to_string(),
        ),
    ];
    if purpose == Purpose::Replicas {
        let state = engine.replication.lock();
        facts.push(("repl-stream-db", state.stream_database.to_string()));
        facts.push(("repl-id", state.id.clone()));
        facts.push(("repl-offset", state.offset.to_string()));
    }
    facts
}

fn save_options(engine: &Engine) -> SaveOptions {
    SaveOptions {
        compresses: engine.config.rdbcompression(),
    }
}

/// What eviction goes by is written down with the keys.
fn use_recorded(engine: &Engine) -> UseRecorded {
    let policy = engine.config.maxmemory_policy();
    if policy.is_lfu() {
        UseRecorded::Frequency
    } else if policy.is_lru() {
        UseRecorded::IdleSeconds((engine.now_ms() / 1000) as u32)
    } else {
        UseRecorded::No
    }
}

/// Appends every entry to `out`, which `flush` may empty now and then. Every stripe must be locked.
fn walk_all(
    worker: &Worker,
    encoder: &dyn SnapshotEncoder,
    out: &mut Vec<u8>,
    flush: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    let (options, use_recorded) = (save_options(&worker.engine), use_recorded(&worker.engine));
    let view = &worker.view;
    for index in 0..worker.engine.databases {
        let shares: Vec<_> = (0..view.keyspace().stripe_count())
            .filter_map(|stripe| view.stripe_at(stripe).database(index))
            .collect();
        let keys = shares.iter().map(|share| share.len() as u64).sum();
        let volatile = shares.iter().map(|share| share.volatile_len() as u64).sum();
        if keys == 0 {
            continue;
        }
        encoder.select(index, Some((keys, volatile)), out);
        for entry in shares.iter().flat_map(|share| share.iter()) {
            encoder.entry(&record(index, entry, use_recorded), options, out);
            flush(out)?;
        }
    }
    Ok(())
}

/// Which parts of a data set are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SnapshotContents {
    pub(crate) keys: bool,
    pub(crate) functions: bool,
}

impl Default for SnapshotContents {
    fn default() -> Self {
        SnapshotContents {
            keys: true,
            functions: true,
        }
    }
}

/// These parts of the data set as bytes, for whoever wants them at once. Every stripe must be locked.
pub(crate) fn write_all(
    worker: &Worker,
    encoder: &dyn SnapshotEncoder,
    purpose: Purpose,
    contents: SnapshotContents,
) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.begin(&facts(&worker.engine, purpose), &mut out);
    if contents.functions {
        write_functions(&worker.engine, encoder, &mut out);
    }
    if contents.keys {
        walk_all(worker, encoder, &mut out, &mut |_| Ok(())).expect("nothing is flushed");
    }
    let sum = worker.engine.config.rdbchecksum();
    let sum = sum.then(|| encoder.checksum(0, &out));
    encoder.end(sum, &mut out);
    out
}

/// Saves the data set before anything else is done. Every stripe must be locked.
///
/// # Errors
/// The operating system's word for why it could not; it is in the log already.
pub(crate) fn save_now(worker: &Worker) -> Result<(), String> {
    let engine = &worker.engine;
    let Some(format) = engine.snapshot_format() else {
        return Err("there is no format to save in".to_owned());
    };
    engine.persistence.count_save();
    let saved = Output::open(engine, format.clone()).and_then(|mut output| {
        let mut buffer = std::mem::take(&mut output.buffer);
        walk_all(worker, &*format, &mut buffer, &mut |buffer| {
            std::mem::swap(buffer, &mut output.buffer);
            let flushed = output.flush_if_full();
            std::mem::swap(buffer, &mut output.buffer);
            flushed
        })?;
        output.buffer = buffer;
        output.finish().map(drop)
    });
    match &saved {
        Ok(()) => {
            engine.host.log(LogLevel::Notice, "DB saved on disk");
            // With those of the command, or transaction, in which this happens.
            let changes = engine.stats.changes() + worker.dirty;
            engine.persistence.note_saved(engine.now_ms(), changes);
        }
        Err(reason) => {
            let line = format!("Error saving the data set: {reason}");
            engine.host.log(LogLevel::Warning, &line);
        }
    }
    saved
}

impl Worker {
    /// Writes the data set, as it is, to a file that it does not put in its place; answers how many keys there are. The
    /// worker holds no locks.
    ///
    /// # Errors
    /// The file's.
    pub fn write_data_set(
        &mut self,
        encoder: &dyn SnapshotEncoder,
        file: &mut dyn SnapshotFile,
    ) -> Result<u64, String> {
        self.view
            .lock_all(&|| false)
            .expect("it waits as long as it takes");
        let written = write_locked(self, encoder, file);
        let view = &self.view;
        let keys = (0..view.keyspace().stripe_count()).flat_map(|stripe| {
            let stripe = view.stripe_at(stripe);
            (0..self.engine.databases).filter_map(|index| stripe.database(index))
        });
        let keys = keys.map(|share| share.len() as u64).sum();
        self.view.unlock();
        written.map(|()| keys)
    }
}

fn write_locked(
    worker: &Worker,
    encoder: &dyn SnapshotEncoder,
    file: &mut dyn SnapshotFile,
) -> Result<(), String> {
    let mut buffer = Vec::new();
    let mut sum = 0;
    encoder.begin(&facts(&worker.engine, Purpose::Snapshot), &mut buffer);
    write_functions(&worker.engine, encoder, &mut buffer);
    walk_all(worker, encoder, &mut buffer, &mut |buffer| {
        if buffer.len() >= APPENDED_AT_ONCE {
            sum = encoder.checksum(sum, buffer);
            file.append(buffer)?;
            buffer.clear();
        }
        Ok(())
    })?;
    sum = encoder.checksum(sum, &buffer);
    encoder.end(Some(sum), &mut buffer);
    file.append(&buffer)
}

/// How the base of the log is written.
pub(crate) fn log_base_encoder(
    engine: &Engine,
    codec: Arc<dyn SnapshotCodec>,
) -> Arc<dyn SnapshotEncoder> {
    if engine.config.aof_use_rdb_preamble() {
        return codec;
    }
    let noted_s = engine.config.aof_timestamp_enabled();
    let noted_s = noted_s.then(|| engine.now_ms() / 1000);
    Arc::new(Commands { noted_s })
}

/// Begins to save the data set in the background. Every stripe must be locked.
pub(crate) fn start_background_save(worker: &mut Worker) -> Result<(), SaveRefused> {
    start(worker, Purpose::Snapshot, None)
}

/// Begins to rewrite the append-only log in the background. Every stripe must be locked.
pub(crate) fn start_log_rewrite(worker: &mut Worker) -> Result<(), SaveRefused> {
    start(worker, Purpose::LogBase, None)
}

/// Begins to write the data set for replicas in the background. Every stripe must be locked.
pub(crate) fn start_transfer(
    worker: &mut Worker,
    to: Box<dyn SnapshotFile>,
) -> Result<(), SaveRefused> {
    start(worker, Purpose::Replicas, Some(to))
}

fn start(
    worker: &mut Worker,
    purpose: Purpose,
    to: Option<Box<dyn SnapshotFile>>,
) -> Result<(), SaveRefused> {
    let engine = worker.engine.clone();
    let codec = engine
        .snapshot_codec
        .clone()
        .ok_or(SaveRefused::Impossible)?;
    let encoder: Arc<dyn SnapshotEncoder> = match purpose {
        Purpose::LogBase => log_base_encoder(&engine, codec),
        Purpose::Snapshot => engine.snapshot_format().ok_or(SaveRefused::Impossible)?,
        Purpose::Replicas => codec,
    };
    let now_ms = engine.now_ms();
    if !engine.persistence.begin_background_save(now_ms, purpose) {
        return Err(SaveRefused::InProgress);
    }
    // The work must be accepted before an epoch begins: one cannot be given up under these locks. Its first step
    // waits until there is something to do.
    let shared = Arc::new(Mutex::new(None::<BackgroundSave>));
    let mut save = shared.lock();
    let worked_on = shared.clone();
    let work =
        BackgroundWork::new(move || worked_on.lock().as_mut().is_some_and(BackgroundSave::step));
    if !engine.host.run_in_background(work) {
        engine.persistence.end_background_save(engine.now_ms());
        return Err(SaveRefused::Impossible);
    }
    let into_file = |file| Output::into_file(&engine, encoder.clone(), file, purpose);
    let (mut output, mut log_position) = (to.map(into_file), 0);
    if purpose == Purpose::LogBase {
        engine.append_log.note_rewrite_began();
        match engine.append_log.rotate(&engine) {
            Ok((file, position)) => {
                output = Some(into_file(file));
                log_position = position;
            }
            Err(reason) => {
                let line = format!("Can't rewrite append only file in background: {reason}");
                engine.host.log(LogLevel::Warning, &line);
                engine.persistence.end_background_save(engine.now_ms());
                engine.append_log.note_rewritten(&engine, 0, None);
                return Err(SaveRefused::Impossible);
            }
        }
    }
    let pass = Pass::begin(
        &mut worker.view,
        encoder.clone(),
        save_options(&engine),
        use_recorded(&engine),
        engine.keyspace.clone(),
    );
    engine.persistence.set_save_progress(0, pass.entries_total);
    let line = match purpose {
        Purpose::Snapshot => {
            engine.persistence.count_save();
            "Background saving started"
        }
        Purpose::LogBase => "Background append only file rewriting started",
        Purpose::Replicas => "Background RDB transfer started",
    };
    engine.host.log(LogLevel::Notice, line);
    *save = Some(BackgroundSave {
        changes: engine.stats.changes(),
        engine,
        encoder,
        pass,
        purpose,
        log_position,
        began_ms: now_ms,
        output,
        outcome: None,
        sleep_us: 0,
        is_over: false,
    });
    Ok(())
}

/// How a background save ended, or will end when the pass is over.
enum Outcome {
    /// In so many bytes.
    Saved(u64),
    Failed(String),
    Cancelled,
}

/// A background save under way.
struct BackgroundSave {
    engine: Arc<Engine>,
    encoder: Arc<dyn SnapshotEncoder>,
    pass: Pass,
    purpose: Purpose,
    /// Where the log that follows a base begins.
    log_position: u64,
    began_ms: i64,
    /// `None` before the first step, and when it has ended early.
    output: Option<Output>,
    /// Set when it is clear.
    outcome: Option<Outcome>,
    /// The changes of the key space when it began.
    changes: u64,
    /// Microseconds still to sleep, `rdb-key-save-delay` wanting it.
    sleep_us: u64,
    is_over: bool,
}

impl BackgroundSave {
    /// Does the next step; answers whether there are more.
    fn step(&mut self) -> bool {
        if self.engine.persistence.is_save_cancelled() {
            self.end_early(Outcome::Cancelled);
        }
        if self.sleep_us > 0 && self.outcome.is_none() {
            let slice_us = self.sleep_us.min(SLEEP_MAX_US);
            self.sleep_us -= slice_us;
            let duration = std::time::Duration::from_micros(slice_us);
            self.engine.host.sleep(duration);
            return true;
        }
        if self.output.is_none() && self.outcome.is_none() {
            match Output::open(&self.engine, self.encoder.clone()) {
                Ok(output) => self.output = Some(output),
                Err(reason) => self.end_early(Outcome::Failed(reason)),
            }
        }
        if self.walk() {
            return true;
        }
        if let Some(output) = self.output.take() {
            let persistence = &self.engine.persistence;
            self.outcome = Some(match persistence.unless_cancelled(|| output.finish()) {
                Some(Ok(len)) => Outcome::Saved(len),
                Some(Err(reason)) => Outcome::Failed(reason),
                None => Outcome::Cancelled,
            });
        }
        self.tell();
        false
    }

    /// Walks on; answers whether there is more to walk.
    fn walk(&mut self) -> bool {
        let done_before = self.pass.entries_done();
        let Some(output) = &mut self.output else {
            // What is walked now is of no use to anyone.
            return self.pass.step(&mut Vec::new());
        };
        if output.file.is_congested() {
            self.sleep_us = CONGESTION_SLEEP_US;
            return true;
        }
        let goes_on = self.pass.step(&mut output.buffer);
        if let Err(reason) = output.flush_if_full() {
            self.end_early(Outcome::Failed(reason));
        }
        let (done, total) = (self.pass.entries_done(), self.pass.entries_total);
        self.engine.persistence.set_save_progress(done, total);
        let delay_us = self.engine.config.rdb_key_save_delay_us();
        let delay_us = u64::try_from(delay_us).unwrap_or(0);
        self.sleep_us = delay_us.saturating_mul(done - done_before);
        goes_on
    }

    fn end_early(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.output = None;
            self.pass.give_up();
        }
    }

    /// Notes how it ended, and says so.
    fn tell(&mut self) {
        let engine = &self.engine;
        let now_ms = engine.now_ms();
        self.is_over = true;
        match self.purpose {
            Purpose::Snapshot => {}
            Purpose::LogBase => return self.tell_of_rewrite(),
            Purpose::Replicas => return self.tell_of_transfer(),
        }
        let (level, line) = match &self.outcome {
            Some(Outcome::Saved(_)) => {
                engine.persistence.note_saved(now_ms, self.changes);
                let line = "Background saving terminated with success";
                (LogLevel::Notice, line.to_owned())
            }
            Some(Outcome::Failed(reason)) => {
                engine.persistence.note_save_failed();
                (
                    LogLevel::Warning,
                    format!("Background saving error: {reason}"),
                )
            }
            Some(Outcome::Cancelled) | None => {
                let line = "Background saving was cancelled";
                (LogLevel::Warning, line.to_owned())
            }
        };
        engine.host.log(level, &line);
        engine.persistence.end_background_save(now_ms);
    }

    fn tell_of_transfer(&self) {
        let (level, line) = match &self.outcome {
            Some(Outcome::Saved(len)) => {
                let line = format!("Background RDB transfer terminated with success: {len} bytes");
                (LogLevel::Notice, line)
            }
            Some(Outcome::Failed(reason)) => {
                let line = format!("Background RDB transfer error: {reason}");
                (LogLevel::Warning, line)
            }
            Some(Outcome::Cancelled) | None => {
                let line = "Background RDB transfer was cancelled".to_owned();
                (LogLevel::Warning, line)
            }
        };
        self.engine.host.log(level, &line);
        let now_ms = self.engine.now_ms();
        self.engine.persistence.end_background_save(now_ms);
    }

    fn tell_of_rewrite(&self) {
        let engine = &self.engine;
        let now_ms = engine.now_ms();
        let (level, line, new) = match &self.outcome {
            Some(Outcome::Saved(len)) => {
                let line = "Background AOF rewrite finished successfully".to_owned();
                (LogLevel::Notice, line, Some((*len, self.log_position)))
            }
            Some(Outcome::Failed(reason)) => {
                let line = format!("Background AOF rewrite terminated with error: {reason}");
                (LogLevel::Warning, line, None)
            }
            Some(Outcome::Cancelled) | None => {
                let line = "Background AOF rewrite was cancelled".to_owned();
                (LogLevel::Warning, line, None)
            }
        };
        engine.host.log(level, &line);
        engine.persistence.end_background_save(now_ms);
        let duration_ms = now_ms - self.began_ms;
        engine.append_log.note_rewritten(engine, duration_ms, new);
    }
}

impl Drop for BackgroundSave {
    /// Whoever throws the work away has cancelled the save.
    fn drop(&mut self) {
        if !self.is_over {
            self.end_early(Outcome::Cancelled);
            self.tell();
        }
    }
}

/// Starts the save that was scheduled or that a save point asks for, if there is one. The worker must hold no
/// locks.
pub(crate) fn save_if_due(worker: &mut Worker) {
    let engine = worker.engine.clone();
    let persistence = &engine.persistence;
    if persistence.is_saving() || persistence.is_loading() {
        return;
    }
    let now_ms = engine.now_ms();
    let may_retry =
        !persistence.has_save_failed() || now_ms - persistence.last_try_ms() > RETRY_DELAY_MS;
    if !may_retry {
        return;
    }
    if !persistence.is_save_scheduled() {
        let points = engine.config.save_points();
        if points.is_empty() {
            return;
        }
        let changes = persistence.changes_since_save(engine.stats.changes());
        let seconds = (now_ms - persistence.last_save_ms()) / 1000;
        let is_due =
            |point: &&SavePoint| changes >= point.changes && seconds > point.seconds as i64;
        let Some(point) = points.iter().find(is_due) else {
            return;
        };
        let line = format!(
            "{} changes in {} seconds. Saving...",
            point.changes, point.seconds
        );
        engine.host.log(LogLevel::Notice, &line);
    }
    if worker.lock_all().is_err() {
        // A script runs that takes its time; the next cron tries again.
        return;
    }
    // What keeps it from being started has been noted, and it is tried again.
    let _ = start_background_save(worker);
    worker.view.unlock();
}
