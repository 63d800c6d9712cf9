//! Reading a key, and SET, for a program in the same process: past requests and replies, the short way, for what is
//! plain.
//!
//! What is not plain (a key whose time is over, a value of another type, a session in a transaction, anybody who
//! looks on) answers `None`, having done nothing; then the caller goes the long way, which knows everything. So
//! there is no second opinion here of what a command does, but only of when it does nothing else.
//!
//! # What makes it short
//!
//! A lookup among a million keys waits for memory twice, for a bucket and for the entry in it, and that is nearly
//! all of its time. A processor hides such waits if it gets far enough ahead to begin the next lookup meanwhile. So
//! what counts is that there are few instructions in between, and none that hold it up:
//!
//! * The clock is read only for a key that has an expiry. To read it exactly the processor must finish first
//!   whatever is under way. For the notes of when a key was used, which are in seconds, the time is good enough at
//!   which regular work was done last; so does Redis, too.
//! * Nothing that threads share is written but the lock of the key's stripe.
//! * Nothing is measured: a call counts in `commandstats` with no time at all.

use std::sync::LazyLock;

use smallvec::SmallVec;

use crate::cmd::string::set_and_tell;
use crate::command::context::Mode;
use crate::command::dispatch::finish;
use crate::command::{Args, Context, EventClass, Registered, table};
use crate::keyspace::{EntryRef, Key, value_of};
use crate::session::Session;
use crate::value::{StringRef, ValueRef};
use crate::worker::Worker;

/// What is longer than this, in bytes, goes the long way, where lengths have limits and logs.
const SHORT_MAX_BYTES: usize = 64 << 10;

/// Of so many keys all that is needed to look them up is brought near together.
const NEAR_MAX: usize = 64;

/// Commands that can be executed the short way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the command of its name")]
pub enum DirectCommand {
    Exists,
    Get,
    HExists,
    HGet,
    HLen,
    LLen,
    MGet,
    SCard,
    Set,
    SIsMember,
    StrLen,
    ZCard,
    ZScore,
}

/// The names of [`DirectCommand`]s, in their order.
const NAMES: [&str; 13] = [
    "exists",
    "get",
    "hexists",
    "hget",
    "hlen",
    "llen",
    "mget",
    "scard",
    "set",
    "sismember",
    "strlen",
    "zcard",
    "zscore",
];

static REGISTERED: LazyLock<[&'static Registered; NAMES.len()]> = LazyLock::new(|| {
    NAMES.map(|name| {
        let found = table().find(name.as_bytes());
        found.expect("the table has the commands that are named above")
    })
});

impl DirectCommand {
    #[inline]
    fn registered(self) -> &'static Registered {
        REGISTERED[self as usize]
    }
}

/// What is under several keys.
type Entries<'w> = SmallVec<[Option<EntryRef<'w>>; 128]>;

/// A worker with stripes locked, for as long as this lives, even if what is called meanwhile panics.
struct Holding<'w>(&'w mut Worker);

impl Drop for Holding<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.view.unlock();
    }
}

impl Session {
    /// Gives the string under a key, or that there is none, to `found`, and answers what that answers; `None` if GET
    /// has more to do. The key is locked meanwhile: `found` must not use the engine.
    #[inline]
    pub fn get_directly<R>(
        &mut self,
        worker: &mut Worker,
        key: &[u8],
        found: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Option<R> {
        self.look_directly(worker, DirectCommand::Get, key, |entry| match entry {
            None => Some(found(None)),
            Some(entry) => {
                let string = entry.string().filter(|it| it.len() <= SHORT_MAX_BYTES)?;
                Some(string.with_bytes(|bytes| found(Some(bytes))))
            }
        })
    }

    /// Gives what MGET answers to `found`, key by key with their numbers in `keys`; answers whether that was all: if not,
    /// MGET has more to do, and nothing was done. The keys are locked meanwhile, all of them: `found` must not use the
    /// engine.
    pub fn get_many_directly<K: AsRef<[u8]>>(
        &mut self,
        worker: &mut Worker,
        keys: &[K],
        mut found: impl FnMut(usize, Option<&[u8]>),
    ) -> bool {
        worker.refresh_roughly();
        let total_bytes = keys.iter().map(|key| key.as_ref().len()).sum::<usize>();
        let is_short = !keys.is_empty() && total_bytes <= SHORT_MAX_BYTES;
        if !is_short || !self.is_plain(worker) {
            return false;
        }
        let keys: SmallVec<[Key<'_>; 128]> = (keys.iter())
            .map(|key| worker.view.key(key.as_ref()))
            .collect();
        if worker.lock_some(keys.iter().map(|key| key.hash)).is_err() {
            return false;
        }
        let holding = Holding(worker);
        let worker = &*holding.0;
        if worker.engine.migrations.is_on() {
            return false;
        }
        let entries = self.entries_of(worker, &keys);
        let Some(entries) = entries else {
            return false;
        };
        let counters = &worker.counters;
        for (index, entry) in entries.into_iter().enumerate() {
            let Some(entry) = entry else {
                found(index, None);
                counters.keyspace_misses.add(1);
                continue;
            };
            match entry.string() {
                // A key of another type answers as a missing one.
                None => found(index, None),
                Some(string) => string.with_bytes(|bytes| found(index, Some(bytes))),
            }
            worker.touch(entry);
            counters.keyspace_hits.add(1);
        }
        let registered = DirectCommand::MGet.registered();
        counters.commands[registered.id].calls.add(1);
        counters.commands_processed.add(1);
        true
    }

    /// The entries under keys whose stripes are locked; `None` if they are long, or if that one is missing, or its time is
    /// over, is more than the fact.
    fn entries_of<'w>(&self, worker: &'w Worker, keys: &[Key<'_>]) -> Option<Entries<'w>> {
        let wanted = worker.engine.config.notify_keyspace_events();
        let tells_misses = EventClass::KEY_MISS.is_in(wanted);
        let mut entries = Entries::new();
        let mut total_bytes = 0;
        for keys in keys.chunks(NEAR_MAX) {
            let hashes: SmallVec<[u64; NEAR_MAX]> = keys.iter().map(|key| key.hash).collect();
            worker.view.prefetch_locked(self.database(), &hashes);
            for key in keys {
                let database = worker.view.stripe(key.hash).database(self.database());
                let entry = database.and_then(|database| database.get(key.hash, key.bytes));
                let is_plain = match entry {
                    None => !tells_misses,
                    Some(entry) => {
                        (entry.expire_ms()).is_none_or(|at_ms| at_ms > worker.engine.now_ms())
                    }
                };
                let string = entry.and_then(EntryRef::string);
                total_bytes += string.map_or(0, StringRef::len);
                if !is_plain || total_bytes > SHORT_MAX_BYTES {
                    return None;
                }
                entries.push(entry);
            }
        }
        Some(entries)
    }

    /// Gives what is under a key, or that there is nothing, to `read`, and answers what that answers. It is `None` if
    /// the command has more to do, or if `read` says so, for instance because the value is of another type. The key
    /// is locked meanwhile: `read` must not use the engine.
    #[inline]
    pub fn read_directly<R>(
        &mut self,
        worker: &mut Worker,
        command: DirectCommand,
        key: &[u8],
        read: impl FnOnce(Option<ValueRef<'_>>) -> Option<R>,
    ) -> Option<R> {
        self.look_directly(worker, command, key, |entry| read(entry.map(value_of)))
    }

    #[inline]
    fn look_directly<R>(
        &mut self,
        worker: &mut Worker,
        command: DirectCommand,
        key: &[u8],
        read: impl FnOnce(Option<EntryRef<'_>>) -> Option<R>,
    ) -> Option<R> {
        worker.refresh_roughly();
        if !self.is_plain(worker) || key.len() > SHORT_MAX_BYTES {
            return None;
        }
        let key = worker.view.key(key);
        worker.lock_one(key.hash).ok()?;
        let holding = Holding(worker);
        let worker = &*holding.0;
        if worker.engine.migrations.is_on() {
            return None;
        }
        let database = worker.view.stripe(key.hash).database(self.database());
        let entry = database.and_then(|database| database.get(key.hash, key.bytes));
        let counters = &worker.counters;
        let answer = match entry {
            None => {
                let wanted = worker.engine.config.notify_keyspace_events();
                if EventClass::KEY_MISS.is_in(wanted) {
                    return None;
                }
                let answer = read(None)?;
                counters.keyspace_misses.add(1);
                answer
            }
            Some(entry) => {
                let expire_ms = entry.expire_ms();
                if expire_ms.is_some_and(|at_ms| at_ms <= worker.engine.now_ms()) {
                    return None;
                }
                let answer = read(Some(entry))?;
                // EXISTS is not a use.
                if command != DirectCommand::Exists {
                    worker.touch(entry);
                }
                counters.keyspace_hits.add(1);
                answer
            }
        };
        counters.commands[command.registered().id].calls.add(1);
        counters.commands_processed.add(1);
        Some(answer)
    }

    /// Sets a string without an expiry; answers whether that was all: if not, SET has more to do or fails, and nothing
    /// was done.
    #[inline]
    pub fn set_directly(&mut self, worker: &mut Worker, key: &[u8], value: &[u8]) -> bool {
        worker.refresh_roughly();
        let is_plain = self.is_plain(worker)
            && worker.memory_rules.maxmemory_bytes == 0
            && !worker.engine.lacks_replicas()
            && key.len().max(value.len()) <= SHORT_MAX_BYTES;
        if !is_plain {
            return false;
        }
        let Key { hash, .. } = worker.view.key(key);
        if worker.lock_one(hash).is_err() {
            return false;
        }
        let engine = &worker.engine;
        let has_more = engine.migrations.is_on()
            || engine.tracking.is_on()
            || engine.propagation.is_heard()
            || !worker.view.stripe(hash).waiters.is_empty();
        if has_more {
            worker.view.unlock();
            return false;
        }
        worker.is_tracking = false;
        let registered = DirectCommand::Set.registered();
        let args: [&[u8]; 3] = [b"SET", key, value];
        let mut cx = Context::new(
            registered,
            Args::slices(&args),
            self.client_mut(),
            worker,
            Mode::Direct,
            (1, hash),
        );
        let key = cx.key(1);
        set_and_tell(&mut cx, key, value, None);
        let counters = &worker.counters;
        counters.commands[registered.id].calls.add(1);
        counters.commands_processed.add(1);
        finish(worker);
        true
    }

    /// Whether nothing but the command itself is to be done for a request.
    #[inline]
    fn is_plain(&mut self, worker: &Worker) -> bool {
        let engine = &worker.engine;
        let client = self.client_mut();
        // No short circuits: each of them would be a branch.
        let is_looked_at = engine.gate.is_shut()
            | engine.monitors.is_on()
            | engine.tracking.is_on()
            | engine.persistence.is_gate_shut()
            | engine.replication.is_replica()
            | engine.is_script_busy();
        let is_known = (client.unrestricted_generation == engine.acl.generation())
            & (client.is_authenticated | !engine.acl.asks_password());
        !is_looked_at && is_known && worker.shares_readings && client.is_plain()
    }
}
