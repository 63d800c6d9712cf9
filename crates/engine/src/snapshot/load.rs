//! Loading: a data set is read beside the one that is there, and takes its place when it is whole.

use std::io::Read;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::{LoadOptions, Loaded, LoadedEntry, SnapshotCodec, SnapshotError, SnapshotFormat};
use crate::config::LogLevel;
use crate::engine::Engine;
use crate::functions::{Collision, Loading, Restore};
use crate::keyspace::access::of_idle_seconds;
use crate::keyspace::{Entry, Keyspace};
use crate::persistence::line_of_loading;
use crate::text::parse_integer;
use crate::value::EncodingLimits;
use crate::worker::Worker;

/// What became of a data set that was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Keys that are there now.
    pub keys: u64,
    /// Keys whose time was over.
    pub expired: u64,
    /// Keys that had no elements.
    pub empty: u64,
}

/// So many keys without elements are named in the log of the process.
const EMPTY_NAMED_MAX: u64 = 10;

/// Entries go into a stripe when there are so many for it: then the cache misses of their buckets overlap.
const GROUP_LEN: usize = 32;

/// The fewest bytes that a key with its value takes in any format. Room is made beforehand for no more keys than a file
/// can hold, whatever it says that it does.
const KEY_BYTES_MIN: u64 = 4;

/// An entry that waits for others of its stripe.
struct Pending {
    entry: Entry,
    hash: u64,
    database: usize,
}

/// A data set on its way into the key space.
struct Loader<'e> {
    engine: &'e Engine,
    /// Where it is put together.
    staging: Keyspace,
    /// What is not in there yet, by stripe.
    pending: Vec<Mutex<Vec<Pending>>>,
    /// The code of libraries of functions.
    functions: Mutex<Vec<Vec<u8>>>,
    now_ms: i64,
    /// Keys whose time was over by then are left out; `None` if there are none such.
    over_by_ms: Option<i64>,
    /// Whether a key may come twice; then the last one counts.
    allows_duplicates: bool,
    /// For how many keys room may still be made beforehand.
    reservable: AtomicU64,
    keys: AtomicU64,
    expired: AtomicU64,
    empty: AtomicU64,
    bytes_done: AtomicU64,
    /// The database that is selected in the stream behind a data set of a primary.
    stream_database: AtomicUsize,
}

impl<'e> Loader<'e> {
    /// For a data set that is `len` bytes long.
    fn new(engine: &'e Engine, allows_duplicates: bool, len: u64) -> Self {
        let now_ms = engine.now_ms();
        let staging = engine.keyspace.empty_sibling();
        Loader {
            engine,
            pending: (0..staging.stripe_count())
                .map(|_| Mutex::default())
                .collect(),
            staging,
            functions: Mutex::default(),
            now_ms,
            over_by_ms: Some(now_ms),
            allows_duplicates,
            reservable: AtomicU64::new(len / KEY_BYTES_MIN),
            keys: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            empty: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            stream_database: AtomicUsize::new(0),
        }
    }

    fn load(
        &self,
        format: &dyn SnapshotFormat,
        limits: &EncodingLimits,
        source: &mut dyn Read,
    ) -> Result<(), SnapshotError> {
        let config = &self.engine.config;
        let verifies_checksum = config.rdbchecksum() && !self.engine.persistence.skips_checksum();
        let options = LoadOptions {
            limits,
            verifies_checksum,
            // Several threads would sleep at the same time.
            threads: match config.key_load_delay_us() {
                0 => config.io_threads().max(1),
                _ => 1,
            },
        };
        format.load(source, &options, &|loaded| self.take(loaded))?;
        for index in 0..self.pending.len() {
            let inserted = self.insert_pending(index, &mut self.pending[index].lock());
            inserted.map_err(|reason| {
                let end = self.bytes_done.load(Ordering::Relaxed);
                SnapshotError::new(format!("{reason}, before byte {end}"))
            })?;
        }
        Ok(())
    }

    fn take(&self, loaded: Loaded<'_>) -> Result<(), String> {
        match loaded {
            Loaded::Entry(entry) => {
                self.insert(entry)?;
                self.engine.persistence.delay_load(self.engine);
            }
            Loaded::EmptyKey { key, .. } => {
                if self.empty.fetch_add(1, Ordering::Relaxed) < EMPTY_NAMED_MAX {
                    let key = String::from_utf8_lossy(key);
                    let line = format!("Loading RDB: skipping empty key: {key}");
                    self.engine.host.log(LogLevel::Notice, &line);
                }
            }
            Loaded::Progress { bytes } => {
                self.bytes_done.store(bytes, Ordering::Relaxed);
                self.engine.persistence.set_loaded_bytes(bytes);
            }
            Loaded::ModuleData { name } => {
                let line = format!("Data of the module '{name}' are passed over");
                self.engine.host.log(LogLevel::Warning, &line);
            }
            Loaded::Fact { name, value } => {
                if name == b"used-mem" {
                    let bytes = parse_integer(value).and_then(|bytes| u64::try_from(bytes).ok());
                    self.engine
                        .persistence
                        .set_memory_of_writer(bytes.unwrap_or(0));
                } else if matches!(name, b"redis-ver" | b"valkey-ver") {
                    let version = String::from_utf8_lossy(value);
                    let line = format!("Loading RDB produced by version {version}");
                    self.engine.host.log(LogLevel::Notice, &line);
                } else if name == b"repl-stream-db" {
                    let number = parse_integer(value).and_then(|it| usize::try_from(it).ok());
                    let number = number.filter(|number| *number < self.engine.databases);
                    self.stream_database
                        .store(number.unwrap_or(0), Ordering::Relaxed);
                }
            }
            Loaded::Function { code } => self.functions.lock().push(code.to_vec()),
            Loaded::Sizes { database, keys, .. } => self.reserve(database, keys),
        }
        Ok(())
    }

    /// Makes room for the keys of a database, so that its tables need not grow step by step.
    fn reserve(&self, database: usize, keys: u64) {
        if database >= self.engine.databases {
            return;
        }
        let left = self.reservable.load(Ordering::Relaxed);
        let keys = keys.min(left);
        self.reservable.store(left - keys, Ordering::Relaxed);
        let stripes = self.staging.stripe_count();
        let share = usize::try_from(keys).unwrap_or(0) / stripes;
        if share > 0 {
            for index in 0..stripes {
                self.staging
                    .with_stripe_at(index, |stripe| stripe.database_mut(database).reserve(share));
            }
        }
    }

    fn insert(&self, loaded: LoadedEntry<'_>) -> Result<(), String> {
        let databases = self.engine.databases;
        if loaded.database >= databases {
            return Err(format!(
                "Data file was created with a server configured to handle more than {databases} databases"
            ));
        }
        let is_over = |at| self.over_by_ms.is_some_and(|now_ms| at <= now_ms);
        if loaded.expire_ms.is_some_and(is_over) {
            self.expired.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let key = self.staging.key(&loaded.key);
        let entry = Entry::from_loaded(key.bytes, loaded.value, loaded.expire_ms);
        entry
            .as_ref()
            .set_access(self.access(loaded.idle_seconds, loaded.frequency));
        let index = self.staging.stripe_of(key.hash);
        let mut pending = self.pending[index].lock();
        pending.push(Pending {
            entry,
            hash: key.hash,
            database: loaded.database,
        });
        match pending.len() {
            0..GROUP_LEN => Ok(()),
            _ => self.insert_pending(index, &mut pending),
        }
    }

    /// Puts what waits for a stripe into it, in the order in which it came.
    fn insert_pending(&self, index: usize, pending: &mut Vec<Pending>) -> Result<(), String> {
        self.staging.with_stripe_at(index, |stripe| {
            for it in pending.iter() {
                stripe.database_mut(it.database).prefetch_bucket(it.hash);
            }
            let mut added = 0;
            for it in pending.drain(..) {
                let database = stripe.database_mut(it.database);
                match database.insert_loaded(it.hash, it.entry) {
                    None => added += 1,
                    Some(old) if !self.allows_duplicates => {
                        let key = String::from_utf8_lossy(old.as_ref().key()).into_owned();
                        return Err(format!("duplicated key '{key}' in DB {}", it.database));
                    }
                    Some(_) => {}
                }
            }
            self.keys.fetch_add(added, Ordering::Relaxed);
            Ok(())
        })
    }

    /// The access information of a key, where the eviction policy goes by what was written down.
    fn access(&self, idle_seconds: Option<u64>, frequency: Option<u8>) -> u32 {
        let rules = self.engine.config.access_rules();
        let now_us = self.now_ms * 1000;
        match (rules.is_lfu, idle_seconds, frequency) {
            (true, _, Some(frequency)) => rules.of_frequency(now_us, frequency),
            (false, Some(seconds), _) => {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                of_idle_seconds(now_us, seconds)
            }
            _ => rules.of_new(now_us),
        }
    }

    /// Makes the libraries of functions whose code was read, in the place of those that are there or
    /// beside them.
    fn finish_functions(&self, keeps_old: bool) -> Result<(), String> {
        let codes = std::mem::take(&mut *self.functions.lock());
        let scripting = &self.engine.scripting;
        let Some(interpreter) = scripting.interpreter() else {
            return match codes.is_empty() {
                true => Ok(()),
                false => Err("there are functions, and no interpreter to run them".to_owned()),
            };
        };
        let policy = match (keeps_old, self.allows_duplicates) {
            (false, _) => Restore::Flush,
            (true, true) => Restore::Beside(Collision::Replace),
            (true, false) => Restore::Beside(Collision::Refuse),
        };
        let mut host = Loading::unlimited(self.engine);
        let restored = scripting.functions.restore(
            &**interpreter,
            codes.into_iter().map(Ok),
            policy,
            &mut host,
        );
        restored.map_err(|error| format!("Failed loading a library of functions: {error}"))
    }

    fn report(&self) -> LoadReport {
        LoadReport {
            keys: self.keys.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            empty: self.empty.load(Ordering::Relaxed),
        }
    }

    /// Puts what was loaded into the key space: in the place of what is there, or beside it. Every stripe of
    /// the worker must be locked.
    fn finish(self, worker: &mut Worker, keeps_old: bool) -> Result<LoadReport, String> {
        self.finish_functions(keeps_old)?;
        let report = self.report();
        for index in 0..self.staging.stripe_count() {
            for number in 0..self.engine.databases {
                let stripe = worker.view.stripe_at_mut(index);
                if !keeps_old && let Some(taken) = stripe.take_database(number) {
                    worker.discard_database(taken);
                }
                let Some(mut loaded) = self.staging.take_database(index, number) else {
                    continue;
                };
                loaded.shrink_to_fit();
                let target = worker.view.stripe_at_mut(index).database_mut(number);
                if target.len() == 0 && target.epoch().is_none() {
                    *target = loaded;
                } else if !target.absorb(loaded, self.allows_duplicates) {
                    return Err("a loaded key is there already".to_owned());
                }
            }
        }
        if !keeps_old {
            // What sessions have cached is of the old data.
            crate::tracking::flushed(worker);
        }
        let line = format!(
            "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
            report.keys, report.expired, report.empty
        );
        self.engine.host.log(LogLevel::Notice, &line);
        self.engine
            .persistence
            .note_loaded(report.keys, report.expired);
        Ok(report)
    }
}

/// Replaces the whole data set by the one in `bytes`, or leaves it as it is if they are wrong. Every
/// stripe must be locked.
pub(crate) fn replace(
    worker: &mut Worker,
    codec: &dyn SnapshotCodec,
    mut bytes: &[u8],
) -> Result<(), String> {
    let engine = worker.engine.clone();
    let loader = Loader::new(&engine, false, bytes.len() as u64);
    loader
        .load(codec, &worker.limits, &mut bytes)
        .map_err(|error| error.to_string())?;
    loader.finish(worker, false)?;
    Ok(())
}

/// What DEBUG RELOAD may ask for beside the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileOptions {
    /// Keep what is there.
    pub(crate) keeps_old: bool,
    /// Keys may come twice, or be there already.
    pub(crate) allows_duplicates: bool,
}

/// Loads the data set from its file, if there is one. Every stripe must be locked.
pub(crate) fn load_file(
    worker: &mut Worker,
    options: FileOptions,
) -> Result<Option<LoadReport>, String> {
    let engine = worker.engine.clone();
    let Some(format) = engine.snapshot_format() else {
        return Ok(None);
    };
    let Some(mut source) = engine.host.open_snapshot_file(&engine.config)? else {
        return Ok(None);
    };
    let loader = Loader::new(&engine, options.allows_duplicates, source.len);
    loader
        .load(&*format, &worker.limits, &mut *source.bytes)
        .map_err(|error| error.to_string())?;
    loader.finish(worker, options.keeps_old).map(Some)
}

/// A base of a log that was loaded.
pub(crate) struct LoadedBase {
    /// How many bytes it has.
    pub(crate) bytes: u64,
    pub(crate) keys: u64,
}

impl Worker {
    /// Loads the base of a log, in a file of `len` bytes, in the place of what is there. The worker holds no locks.
    ///
    /// # Errors
    /// Why it cannot be read; then what was there still is.
    pub(crate) fn load_base(
        &mut self,
        source: &mut dyn Read,
        len: u64,
    ) -> Result<LoadedBase, String> {
        let engine = self.engine.clone();
        let codec = engine.snapshot_codec.clone().ok_or("there is no format")?;
        let mut loader = Loader::new(&engine, false, len);
        // What was over only later may have been kept by a command that follows; if not, one deletes it, or
        // it is deleted once everything is loaded.
        loader.over_by_ms = None;
        loader
            .load(&*codec, &self.limits.clone(), source)
            .map_err(|error| error.to_string())?;
        let bytes = loader.bytes_done.load(Ordering::Relaxed);
        self.view
            .lock_all(&|| false)
            .expect("it waits as long as it takes");
        let finished = loader.finish(self, false);
        self.view.unlock();
        finished.map(|report| LoadedBase {
            bytes,
            keys: report.keys,
        })
    }

    /// Loads a primary's data set, and puts it in the place of what is there if `conclude` agrees, which is called
    /// with every stripe locked and told which database is selected in the stream behind it. The worker holds no
    /// locks.
    ///
    /// # Errors
    /// Why it cannot be read; then what was there still is.
    pub(crate) fn load_from_primary(
        &mut self,
        source: &mut dyn Read,
        conclude: impl FnOnce(&mut Worker, usize) -> bool,
    ) -> Result<(), String> {
        let engine = self.engine.clone();
        let codec = engine.snapshot_codec.clone().ok_or("there is no format")?;
        // How long it is shows only at its end.
        let mut loader = Loader::new(&engine, false, 0);
        // It is the primary that says when something is over.
        loader.over_by_ms = None;
        loader
            .load(&*codec, &self.limits.clone(), source)
            .map_err(|error| error.to_string())?;
        let database = loader.stream_database.load(Ordering::Relaxed);
        self.view
            .lock_all(&|| false)
            .expect("it waits as long as it takes");
        for index in 0..self.view.keyspace().stripe_count() {
            self.view.stripe_at_mut(index).watchers.touch_all();
        }
        let finished = loader.finish(self, false).map(|_| conclude(self, database));
        self.view.unlock();
        self.free_garbage();
        finished.map(drop)
    }

    /// Says that [`Self::load_at_start`] will come, so that nobody gets in before it.
    pub fn begin_load_at_start(&self) {
        let engine = &self.engine;
        engine.persistence.begin_loading(engine.now_ms(), 0);
    }

    /// Loads the data set from its file before the first request is served, if there is a file. Sessions that
    /// come meanwhile are told to wait.
    ///
    /// # Errors
    /// Why it cannot be read. Then nothing of it is there, and the engine goes on refusing requests: better none
    /// than such as would overwrite the file.
    pub fn load_at_start(&mut self) -> Result<Option<LoadReport>, String> {
        self.begin_load_at_start();
        let engine = self.engine.clone();
        let started_ms = engine.now_ms();
        let Some(format) = engine.snapshot_format() else {
            engine.persistence.end_loading();
            return Ok(None);
        };
        if engine.config.appendonly() && engine.host.keeps_files() {
            // What was logged is the data set, whatever else there is.
            self.load_log()?;
            engine.persistence.end_loading();
            return Ok(None);
        }
        let Some(mut source) = engine.host.open_snapshot_file(&engine.config)? else {
            engine.persistence.end_loading();
            return Ok(None);
        };
        engine.persistence.begin_loading(started_ms, source.len);
        let loader = Loader::new(&engine, false, source.len);
        if let Err(error) = loader.load(&*format, &self.limits, &mut *source.bytes) {
            let reason = error.to_string();
            engine.host.log(LogLevel::Warning, &reason);
            let line = "Terminating server after rdb file reading failure.";
            engine.host.log(LogLevel::Warning, line);
            return Err(reason);
        }
        self.view
            .lock_all(&|| false)
            .expect("it waits as long as it takes");
        let report = loader.finish(self, false);
        self.view.unlock();
        engine.persistence.end_loading();
        let report = report?;
        let duration_ms = engine.now_ms() - started_ms;
        let line = line_of_loading("disk", duration_ms, report.keys, "keys");
        engine.host.log(LogLevel::Notice, &line);
        Ok(Some(report))
    }
}
