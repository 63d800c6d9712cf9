//! What a format for data sets and single values is, and what goes in and out of it.

use std::borrow::Cow;
use std::io::Read;

use crate::value::{EncodingLimits, StringRef, Value, ValueRef};

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
pub struct LoadedEntry<'a> {
    /// Its database.
    pub database: usize,
    /// The key.
    pub key: Cow<'a, [u8]>,
    /// When it expires, in milliseconds since 1970.
    pub expire_ms: Option<i64>,
    /// For how long it has not been used, if that was written down.
    pub idle_seconds: Option<u64>,
    /// How often it is used, if that was written down.
    pub frequency: Option<u8>,
    /// Its value.
    pub value: LoadedValue<'a>,
}

/// A value on its way back into the key space. Most are short strings: those need not be copied twice.
pub enum LoadedValue<'a> {
    /// A string, where it was read.
    Text(Cow<'a, [u8]>),
    /// Any value.
    Made(Value),
}

impl LoadedValue<'_> {
    /// The value for reading.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            LoadedValue::Text(bytes) => ValueRef::String(StringRef::Bytes { bytes, raw: false }),
            LoadedValue::Made(value) => value.as_ref(),
        }
    }

    /// The value.
    pub fn into_value(self) -> Value {
        match self {
            LoadedValue::Text(bytes) => Value::String(bytes.into_owned()),
            LoadedValue::Made(value) => value,
        }
    }
}

/// What a data set consists of, as it is loaded.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are entries, and each is moved on at once"
)]
pub enum Loaded<'a> {
    /// A key with its value.
    Entry(LoadedEntry<'a>),
    /// A key whose collection has no elements: it is not loaded.
    EmptyKey {
        /// Its database.
        database: usize,
        /// The key.
        key: &'a [u8],
    },
    /// How many keys a database has, of which nothing was given yet, and how many of them expire; a hint.
    Sizes {
        /// The database.
        database: usize,
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
    /// How many threads may decode; with more than one, keys are given in no order.
    pub threads: usize,
}

/// Takes what is loaded, from any thread; or refuses it with a reason.
pub type TakeLoaded<'a> = dyn Fn(Loaded<'_>) -> Result<(), String> + Sync + 'a;

/// How a data set is written down.
///
/// A data set is what [`begin`](Self::begin) writes, then for each database what [`select`](Self::select)
/// and [`entry`](Self::entry) write, then what [`end`](Self::end) writes. Entries of different databases may
/// follow each other in any order, with `select` between them.
pub trait SnapshotEncoder: Send + Sync {
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
}

/// A format in which data sets can be written down and read.
pub trait SnapshotFormat: SnapshotEncoder {
    /// Reads a data set, giving everything in it to `take`.
    ///
    /// # Errors
    ///
    /// What is wrong and where; some keys may have been given by then.
    fn load(
        &self,
        source: &mut dyn Read,
        options: &LoadOptions<'_>,
        take: &TakeLoaded<'_>,
    ) -> Result<(), SnapshotError>;
}

/// A format in which single values can be written down as well, and read.
pub trait SnapshotCodec: SnapshotFormat {
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

    /// Libraries of functions, as FUNCTION DUMP answers them.
    fn dump_functions(&self, codes: &[Vec<u8>], options: SaveOptions) -> Vec<u8>;

    /// The codes of the libraries that FUNCTION DUMP, here or at another server, gave this payload for, as far as it can be
    /// read, and behind them what is wrong, in the words that FUNCTION RESTORE answers. If its frame is wrong that is all.
    fn restore_functions(
        &self,
        payload: &[u8],
        verifies_checksum: bool,
    ) -> Vec<Result<Vec<u8>, RestoreError>>;
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
