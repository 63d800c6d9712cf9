//! The whole data set at one moment: for writing it down, sending it, and loading it again.
//!
//! The engine knows no format: it is given a [`SnapshotCodec`].

use crate::keyspace::{Entry, Key, collection_ref};
use crate::value::{EncodingLimits, Hash, List, Set, SortedSet, Value, ValueRef, ValueType};
use crate::worker::Worker;

/// One key of a snapshot.
pub struct SnapshotEntry<'a> {
    /// Its database.
    pub database: usize,
    /// The key.
    pub key: &'a [u8],
    /// When it expires, in milliseconds since 1970.
    pub expire_ms: Option<i64>,
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
    /// Its value.
    pub value: Value,
}

/// A data set that can be walked.
pub trait Snapshot {
    /// Facts about the server that go with the data: name and value.
    fn facts(&self) -> Vec<(&'static str, String)>;

    /// Visits every key, database by database.
    fn for_each(&self, visit: &mut dyn FnMut(SnapshotEntry<'_>));
}

/// A format in which a data set can be written down.
pub trait SnapshotCodec: Send + Sync {
    /// Writes a data set down.
    fn encode(&self, snapshot: &dyn Snapshot) -> Vec<u8>;

    /// Reads a data set, giving each key to `load`.
    ///
    /// # Errors
    ///
    /// What is wrong and where; some keys may have been given by then.
    fn decode(
        &self,
        bytes: &[u8],
        limits: &EncodingLimits,
        load: &mut dyn FnMut(LoadedEntry),
    ) -> Result<(), SnapshotError>;
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

/// The data set as it stands, every stripe being locked.
struct Everything<'a>(&'a Worker);

impl Snapshot for Everything<'_> {
    fn facts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("redis-ver", crate::version::REDIS_VERSION.to_owned()),
            ("redis-bits", "64".to_owned()),
            ("ctime", (self.0.now_ms() / 1000).to_string()),
        ]
    }

    fn for_each(&self, visit: &mut dyn FnMut(SnapshotEntry<'_>)) {
        let view = &self.0.view;
        for database in 0..self.0.engine.databases {
            for index in 0..view.keyspace().stripe_count() {
                let Some(found) = view.stripe_at(index).database(database) else {
                    continue;
                };
                for entry in found.iter() {
                    let value = match entry.value_type() {
                        ValueType::String => match entry.string() {
                            Some(string) => ValueRef::String(string),
                            None => continue,
                        },
                        ValueType::List => ValueRef::List(collection_ref::<List>(entry)),
                        ValueType::Set => ValueRef::Set(collection_ref::<Set>(entry)),
                        ValueType::Hash => ValueRef::Hash(collection_ref::<Hash>(entry)),
                        ValueType::SortedSet => {
                            ValueRef::SortedSet(collection_ref::<SortedSet>(entry))
                        }
                    };
                    let (key, expire_ms) = (entry.key(), entry.expire_ms());
                    visit(SnapshotEntry {
                        database,
                        key,
                        expire_ms,
                        value,
                    });
                }
            }
        }
    }
}

/// Writes the whole data set down. Every stripe must be locked.
pub(crate) fn encode(worker: &Worker, codec: &dyn SnapshotCodec) -> Vec<u8> {
    codec.encode(&Everything(worker))
}

/// Replaces the whole data set by the one in `bytes`, or leaves it as it is if they are wrong. Every
/// stripe must be locked.
pub(crate) fn replace(
    worker: &mut Worker,
    codec: &dyn SnapshotCodec,
    bytes: &[u8],
) -> Result<(), SnapshotError> {
    let mut loaded = Vec::new();
    let limits = worker.limits.clone();
    codec.decode(bytes, &limits, &mut |entry| loaded.push(entry))?;
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
