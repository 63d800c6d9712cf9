//! The whole data set at one moment: for writing it down, sending it, and loading it again.
//!
//! The engine knows no format: it is given a [`SnapshotCodec`].

use std::io::Read;

use crate::keyspace::{Entry, EntryRef, Key, collection_ref};
use crate::value::{
    EncodingLimits, Hash, List, Set, SortedSet, Stream, Value, ValueRef, ValueType,
};
use crate::worker::Worker;

/// One key of a snapshot.
#[derive(Clone, Copy)]
pub struct SnapshotEntry<'a> {
    /// Its database.
    pub database: usize,
    /// The key.
    pub key: &'a [u8],
    /// When it expires, in milliseconds since 1970.
    pub expire_ms: Option<i64>,
    /// For how long it has not been used, where eviction goes by that.
    pub idle_seconds: Option<u64>,
    /// How often it is used, where eviction goes by that.
    pub frequency: Option<u8>,
    /// Its value.
    pub value: ValueRef<'a>,
}

/// One key on its way back into the key space.
pub struct LoadedEntry {
    /// Its database.
    pub database: usize,
    /// The key.
    pub key: Vec<u8>,
    /// When it expires, in milliseconds since 1970.
    pub expire_ms: Option<i64>,
    /// For how long it has not been used, if that was written down.
    pub idle_seconds: Option<u64>,
    /// How often it is used, if that was written down.
    pub frequency: Option<u8>,
    /// Its value.
    pub value: Value,
}

/// What a data set consists of, as it is loaded.
pub enum Loaded<'a> {
    /// A key with its value.
    Entry(LoadedEntry),
    /// A key whose collection has no elements: it is not loaded.
    EmptyKey {
        /// Its database.
        database: usize,
        /// The key.
        key: &'a [u8],
    },
    /// How many keys the database that follows has, and how many of them expire; a hint.
    Sizes {
        /// All keys.
        keys: u64,
        /// Those that expire.
        volatile: u64,
    },
    /// A fact about the server that wrote the data.
    Fact {
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// A library of functions.
    Function {
        /// Its code.
        code: &'a [u8],
    },
    /// Data of a module apart from keys, which are passed over.
    ModuleData {
        /// The module's name of its type.
        name: &'a str,
    },
    /// So much of the source is done with.
    Progress {
        /// Bytes.
        bytes: u64,
    },
}

/// How values are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct SaveOptions {
    /// Whether long strings are compressed (`rdbcompression`).
    pub compresses: bool,
}

/// How a data set is read.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions<'a> {
    /// The thresholds of compact encodings.
    pub limits: &'a EncodingLimits,
    /// Whether the checksum at the end must fit (`rdbchecksum`).
    pub verifies_checksum: bool,
}

/// A format in which a data set can be written down.
///
/// A data set is what [`begin`](Self::begin) writes, then for each database what [`select`](Self::select)
/// and [`entry`](Self::entry) write, then what [`end`](Self::end) writes. Entries of different databases may
/// follow each other in any order, with `select` between them.
pub trait SnapshotCodec: Send + Sync {
    /// Appends what stands before all keys, with facts about the server: name and value.
    fn begin(&self, facts: &[(&str, String)], out: &mut Vec<u8>);

    /// Appends the beginning of a database, with its numbers of keys and of keys that expire where they
    /// are known.
    fn select(&self, database: usize, sizes: Option<(u64, u64)>, out: &mut Vec<u8>);

    /// Appends a library of functions; they stand before all databases.
    fn function(&self, code: &[u8], options: SaveOptions, out: &mut Vec<u8>);

    /// Appends a key with its value.
    fn entry(&self, entry: &SnapshotEntry<'_>, options: SaveOptions, out: &mut Vec<u8>);

    /// Appends the end: with a checksum if that of everything before is given.
    fn end(&self, checksum_before: Option<u64>, out: &mut Vec<u8>);

    /// The checksum of `bytes` behind bytes whose checksum is `before`; that of no bytes is 0.
    fn checksum(&self, before: u64, bytes: &[u8]) -> u64;

    /// Reads a data set, giving everything in it to `take`, which may refuse it with a reason.
    ///
    /// # Errors
    ///
    /// What is wrong and where; some keys may have been given by then.
    fn load(
        &self,
        source: &mut dyn Read,
        options: &LoadOptions<'_>,
        take: &mut dyn FnMut(Loaded<'_>) -> Result<(), String>,
    ) -> Result<(), SnapshotError>;

    /// A single value, as DUMP answers it.
    fn dump(&self, value: ValueRef<'_>, options: SaveOptions) -> Vec<u8>;

    /// The value that DUMP, here or at another server, gave this payload for.
    ///
    /// # Errors
    ///
    /// Whether its frame is wrong, or what it holds.
    fn restore(
        &self,
        payload: &[u8],
        verifies_checksum: bool,
        limits: &EncodingLimits,
    ) -> Result<Value, RestoreError>;
}

/// Why a data set could not be read; the codec's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SnapshotError(String);

impl SnapshotError {
    /// An error with the codec's words.
    pub fn new(words: String) -> Self {
        SnapshotError(words)
    }
}

/// Why a payload is not restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Its version is not known, or its checksum is wrong.
    #[error("DUMP payload version or checksum are wrong")]
    Footer,
    /// It holds no value that there can be.
    #[error(transparent)]
    Data(SnapshotError),
}

/// The value of an entry, borrowed.
pub(crate) fn value_of(entry: EntryRef<'_>) -> ValueRef<'_> {
    match entry.value_type() {
        ValueType::String => ValueRef::String(entry.string().expect("its type says so")),
        ValueType::List => ValueRef::List(collection_ref::<List>(entry)),
        ValueType::Set => ValueRef::Set(collection_ref::<Set>(entry)),
        ValueType::Hash => ValueRef::Hash(collection_ref::<Hash>(entry)),
        ValueType::SortedSet => ValueRef::SortedSet(collection_ref::<SortedSet>(entry)),
        ValueType::Stream => ValueRef::Stream(collection_ref::<Stream>(entry)),
    }
}

/// Facts about the server that go with its data.
fn facts(worker: &Worker) -> Vec<(&'static str, String)> {
    let used = worker.engine.host.used_memory_bytes();
    vec![
        ("redis-ver", crate::version::REDIS_VERSION.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", (worker.now_ms() / 1000).to_string()),
        ("used-mem", used.to_string()),
        ("aof-base", "0".to_owned()),
    ]
}

/// Writes the whole data set down. Every stripe must be locked.
pub(crate) fn encode(worker: &Worker, codec: &dyn SnapshotCodec) -> Vec<u8> {
    let options = SaveOptions {
        compresses: worker.engine.config.rdbcompression(),
    };
    let view = &worker.view;
    let mut out = Vec::new();
    codec.begin(&facts(worker), &mut out);
    for index in 0..worker.engine.databases {
        let shares: Vec<_> = (0..view.keyspace().stripe_count())
            .filter_map(|stripe| view.stripe_at(stripe).database(index))
            .collect();
        let keys = shares.iter().map(|share| share.len() as u64).sum();
        let volatile = shares.iter().map(|share| share.volatile_len() as u64).sum();
        if keys == 0 {
            continue;
        }
        codec.select(index, Some((keys, volatile)), &mut out);
        for entry in shares.iter().flat_map(|share| share.iter()) {
            let entry = SnapshotEntry {
                database: index,
                key: entry.key(),
                expire_ms: entry.expire_ms(),
                idle_seconds: None,
                frequency: None,
                value: value_of(entry),
            };
            codec.entry(&entry, options, &mut out);
        }
    }
    let sum = worker.engine.config.rdbchecksum();
    let sum = sum.then(|| codec.checksum(0, &out));
    codec.end(sum, &mut out);
    out
}

/// Replaces the whole data set by the one in `bytes`, or leaves it as it is if they are wrong. Every
/// stripe must be locked.
pub(crate) fn replace(
    worker: &mut Worker,
    codec: &dyn SnapshotCodec,
    mut bytes: &[u8],
) -> Result<(), SnapshotError> {
    let mut loaded = Vec::new();
    let limits = worker.limits.clone();
    let options = LoadOptions {
        limits: &limits,
        verifies_checksum: worker.engine.config.rdbchecksum()
            && !worker.engine.persistence.skips_checksum(),
    };
    codec.load(&mut bytes, &options, &mut |part| {
        if let Loaded::Entry(entry) = part {
            loaded.push(entry);
        }
        Ok(())
    })?;
    let now_ms = worker.now_ms();
    let databases = worker.engine.databases;
    for index in 0..worker.view.keyspace().stripe_count() {
        for database in 0..databases {
            let taken = worker.view.stripe_at_mut(index).take_database(database);
            worker.garbage_databases.extend(taken);
        }
    }
    for entry in loaded {
        if entry.expire_ms.is_some_and(|at| at <= now_ms) || entry.database >= databases {
            continue;
        }
        let Key { bytes, hash } = worker.view.key(&entry.key);
        let stored = Entry::from_value(bytes, entry.value, entry.expire_ms);
        let database = worker.view.stripe_mut(hash).database_mut(entry.database);
        // A key that is there twice keeps its last value.
        drop(database.insert(hash, stored));
        // Loaded keys are no news.
        database.forget_newest();
    }
    Ok(())
}
