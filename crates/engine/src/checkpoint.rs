//! Checkpoints: the whole data set at one moment, in memory, to go back to, to begin another engine with, or to
//! compare with. Made for tests, whose data sets are small; nothing is written down, values are copied as they
//! are.
//!
//! What a checkpoint has: every database, the scripts, the libraries of functions, and the time of a clock that
//! stands still. What it has not: sessions and what belongs to them, the configuration, users, statistics.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cmd::empty_database;
use crate::command::context::note_ready;
use crate::command::dispatch::serve_left;
use crate::functions::{Loading, Restore};
use crate::keyspace::{Entry, EntryRef, Key, collection_ref, to_value, value_of};
use crate::scripting::Script;
use crate::snapshot::SaveOptions;
use crate::value::{Hash, List, Set, SortedSet, Value, ValueRef, ValueType};
use crate::worker::Worker;

/// Why a checkpoint cannot be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A script has held the data for too long.
    #[error("a script is busy")]
    Busy,
    /// A log or replicas follow the changes, and would not follow this one.
    #[error("a log or replicas follow the data set")]
    Followed,
    /// It has more databases than the engine.
    #[error("there are keys in database {0}, which is not there")]
    NoDatabase(usize),
    /// It has scripts or functions that do not run here.
    #[error("a script or library cannot be loaded: {0}")]
    Script(String),
}

/// The data set at one moment. Cheap to share: it is never changed.
pub struct Checkpoint {
    keys: Vec<KeptKey>,
    scripts: Vec<(Arc<Script>, bool)>,
    functions: Vec<Vec<u8>>,
    /// Where the clock stood, if it stood still.
    now_us: Option<i64>,
}

struct KeptKey {
    database: usize,
    key: Box<[u8]>,
    value: Value,
    expire_ms: Option<i64>,
    access: u32,
}

/// A key of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseKey {
    /// The number of the database.
    pub database: usize,
    /// The key.
    pub key: Vec<u8>,
}

/// What has changed since a checkpoint, each sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Keys that are new.
    pub added: Vec<DatabaseKey>,
    /// Keys that are gone.
    pub removed: Vec<DatabaseKey>,
    /// Keys whose value or expiry is another.
    pub changed: Vec<DatabaseKey>,
}

impl Differences {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl Checkpoint {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Where the clock stood, if it stood still, in microseconds since 1970.
    pub(crate) fn now_us(&self) -> Option<i64> {
        self.now_us
    }
}

impl Worker {
    /// Copies the data set as it is now.
    ///
    /// # Errors
    /// A script is busy.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, CheckpointError> {
        self.lock_all().map_err(|_| CheckpointError::Busy)?;
        let mut keys = Vec::new();
        self.visit_all(&mut |database, entry| {
            keys.push(KeptKey {
                database,
                key: entry.key().into(),
                value: to_value(entry),
                expire_ms: entry.expire_ms(),
                access: entry.access(),
            });
        });
        let engine = &self.engine;
        let checkpoint = Checkpoint {
            keys,
            scripts: engine.scripting.all(),
            functions: engine.scripting.functions.codes(),
            now_us: engine.clock.is_manual().then(|| engine.clock.now_us()),
        };
        self.view.unlock();
        Ok(checkpoint)
    }

    /// Puts a checkpoint in the place of the data set, of this engine or of another one. Sessions go on: what they
    /// watch counts as changed, what they have cached is invalid, who waits for a key that is there is served. A
    /// clock that stands still goes back, too.
    ///
    /// # Errors
    /// It does not fit here, and nothing has changed.
    pub fn restore_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let engine = self.engine.clone();
        let last = checkpoint.keys.iter().map(|it| it.database).max();
        if let Some(last) = last.filter(|&last| last >= engine.databases) {
            return Err(CheckpointError::NoDatabase(last));
        }
        if engine.propagation.is_heard() {
            return Err(CheckpointError::Followed);
        }
        let staging = engine.keyspace.empty_sibling();
        for kept in &checkpoint.keys {
            let key = staging.key(&kept.key);
            let entry = Entry::from_value(&kept.key, kept.value.clone(), kept.expire_ms);
            entry.as_ref().set_access(kept.access);
            staging.with_stripe_at(staging.stripe_of(key.hash), |stripe| {
                let database = stripe.database_mut(kept.database);
                database.insert_new(key.hash, entry);
                // It is no news.
                database.forget_newest();
            });
        }
        self.lock_all().map_err(|_| CheckpointError::Busy)?;
        if let Err(error) = self.restore_code(checkpoint) {
            self.view.unlock();
            return Err(error);
        }
        if let Some(now_us) = checkpoint.now_us.filter(|_| engine.clock.is_manual()) {
            engine.set_clock(Some(now_us));
            self.has_moved_clock = true;
        }
        self.refresh_time();
        let mut changes = 0;
        for number in 0..engine.databases {
            changes += empty_database(self, number);
            for index in 0..staging.stripe_count() {
                let Some(restored) = staging.take_database(index, number) else {
                    continue;
                };
                changes += restored.len() as u64;
                let stripe = self.view.stripe_at_mut(index);
                for key in stripe.watchers.keys_of(number) {
                    stripe.watchers.touch(number, &key, true);
                }
                let target = stripe.database_mut(number);
                if target.epoch().is_none() {
                    *target = restored;
                } else {
                    target.absorb(restored, true);
                }
                for key in self.view.stripe_at(index).waiters.keys_of(number) {
                    let hash = engine.keyspace.key(&key).hash;
                    note_ready(self, number, Key { bytes: &key, hash });
                }
            }
        }
        crate::tracking::flushed(self);
        self.counters.changes.add(changes);
        self.view.unlock();
        serve_left(self);
        self.free_garbage();
        Ok(())
    }

    /// Makes scripts and functions what they were.
    fn restore_code(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let engine = self.engine.clone();
        let scripting = &engine.scripting;
        let failed = |text: &[u8]| CheckpointError::Script(String::from_utf8_lossy(text).into());
        let Some(interpreter) = scripting.interpreter() else {
            let has_code = !checkpoint.scripts.is_empty() || !checkpoint.functions.is_empty();
            return match has_code {
                true => Err(failed(b"there is no interpreter")),
                false => Ok(()),
            };
        };
        if scripting.functions.codes() != checkpoint.functions {
            let mut host = Loading::unlimited(&engine);
            let codes = checkpoint.functions.iter().cloned().map(Ok);
            let restored =
                (scripting.functions).restore(&**interpreter, codes, Restore::Flush, &mut host);
            restored.map_err(|error| failed(&error.bytes()))?;
        }
        let digests = |scripts: &[(Arc<Script>, bool)]| -> BTreeSet<(String, bool)> {
            let digests = scripts.iter().map(|(it, is)| (it.digest.clone(), *is));
            digests.collect()
        };
        if digests(&scripting.all()) != digests(&checkpoint.scripts) {
            scripting.flush();
            for (script, is_evaluated) in &checkpoint.scripts {
                let compiled = interpreter.compile(&script.digest, &script.source);
                compiled.map_err(|error| failed(&error))?;
                scripting.keep(script.clone(), *is_evaluated);
            }
        }
        Ok(())
    }

    /// What has changed since a checkpoint. A key whose time is over is gone, whether it has been deleted or not.
    ///
    /// # Errors
    /// A script is busy.
    pub fn differences(&mut self, since: &Checkpoint) -> Result<Differences, CheckpointError> {
        self.lock_all().map_err(|_| CheckpointError::Busy)?;
        self.refresh_time();
        let now_ms = self.now_ms();
        let mut differences = Differences::default();
        for kept in &since.keys {
            let key = self.view.key(&kept.key);
            let database = self.view.stripe(key.hash).database(kept.database);
            let entry = database
                .and_then(|database| database.get(key.hash, key.bytes))
                .filter(|entry| !is_over(*entry, now_ms));
            let name = || DatabaseKey {
                database: kept.database,
                key: kept.key.to_vec(),
            };
            match entry {
                None => differences.removed.push(name()),
                Some(entry) if !self.is_same(kept, entry) => differences.changed.push(name()),
                Some(_) => {}
            }
        }
        let known: BTreeSet<(usize, &[u8])> = since
            .keys
            .iter()
            .map(|kept| (kept.database, &*kept.key))
            .collect();
        self.visit_all(&mut |database, entry| {
            if !is_over(entry, now_ms) && !known.contains(&(database, entry.key())) {
                let key = entry.key().to_vec();
                differences.added.push(DatabaseKey { database, key });
            }
        });
        self.view.unlock();
        differences.added.sort();
        differences.removed.sort();
        differences.changed.sort();
        Ok(differences)
    }

    /// Whether a key has the value and the expiry that it had.
    fn is_same(&self, kept: &KeptKey, entry: EntryRef<'_>) -> bool {
        kept.expire_ms == entry.expire_ms() && self.is_same_value(&kept.value, entry)
    }

    fn is_same_value(&self, old: &Value, entry: EntryRef<'_>) -> bool {
        match (old, entry.value_type()) {
            (Value::Integer(_) | Value::String(_) | Value::RawString(_), ValueType::String) => {
                let text = |value: ValueRef<'_>| match value {
                    ValueRef::String(string) => string.with_bytes(<[u8]>::to_vec),
                    _ => Vec::new(),
                };
                text(old.as_ref()) == text(value_of(entry))
            }
            (Value::List(old), ValueType::List) => {
                let new = collection_ref::<List>(entry);
                let old = old.as_ref();
                old.len() == new.len()
                    && old
                        .iter()
                        .zip(new.iter())
                        .all(|(old, new)| old.to_vec() == new.to_vec())
            }
            (Value::Set(old), ValueType::Set) => {
                let new = collection_ref::<Set>(entry);
                let old = old.as_ref();
                old.len() == new.len() && old.iter().all(|member| new.contains_item(member))
            }
            (Value::Hash(old), ValueType::Hash) => {
                let fields = |hash: crate::value::HashRef<'_>| {
                    let fields = hash.iter().map(|(field, value)| {
                        let field = field.to_vec();
                        let expiry_ms = hash.expiry(&field).flatten();
                        (field, value.to_vec(), expiry_ms)
                    });
                    fields.collect::<BTreeSet<_>>()
                };
                let new = collection_ref::<Hash>(entry);
                old.as_ref().len() == new.len() && fields(old.as_ref()) == fields(new)
            }
            (Value::SortedSet(old), ValueType::SortedSet) => {
                let new = collection_ref::<SortedSet>(entry);
                let old = old.as_ref();
                let mut pairs = old.iter().zip(new.iter());
                old.len() == new.len()
                    && pairs.all(|((member, score), (new_member, new_score))| {
                        *member == *new_member && score == new_score
                    })
            }
            (Value::Stream(_), ValueType::Stream) => match &self.engine.snapshot_codec {
                // With its groups, their consumers and what is pending.
                Some(codec) => {
                    let options = SaveOptions::default();
                    codec.dump(old.as_ref(), options) == codec.dump(value_of(entry), options)
                }
                None => false,
            },
            _ => false,
        }
    }

    /// Visits every entry, all stripes being locked.
    fn visit_all(&self, visit: &mut dyn FnMut(usize, EntryRef<'_>)) {
        for index in 0..self.view.keyspace().stripe_count() {
            let stripe = self.view.stripe_at(index);
            for number in 0..stripe.database_count() {
                if let Some(database) = stripe.database(number) {
                    database.iter().for_each(|entry| visit(number, entry));
                }
            }
        }
    }
}

fn is_over(entry: EntryRef<'_>, now_ms: i64) -> bool {
    entry.expire_ms().is_some_and(|at_ms| at_ms <= now_ms)
}
