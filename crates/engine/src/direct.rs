//! GET and SET for a program in the same process, past requests and replies: the short way, for what is plain.
//!
//! What is not plain (a key whose time is over, a value of another type, a session in a transaction, anybody who
//! looks on) answers `None`, having done nothing; then the caller goes the long way, which knows everything. So
//! there is no second opinion here of what a command does, but only of when it does nothing else.

use std::sync::LazyLock;

use oxidis_resp::Writer;

use crate::acl;
use crate::command::dispatch::{self, Prepared};
use crate::command::{Args, EventClass, Registered, table};
use crate::session::Session;
use crate::worker::Worker;

fn registered(name: &str) -> &'static Registered {
    let found = table().find(name.as_bytes());
    found.expect("the table has the commands of strings")
}

static GET: LazyLock<&'static Registered> = LazyLock::new(|| registered("get"));
static SET: LazyLock<&'static Registered> = LazyLock::new(|| registered("set"));

/// An answer of OK.
const OK: &[u8] = b"+OK\r\n";

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
        let registered = *GET;
        worker.refresh();
        let args: [&[u8]; 2] = [b"GET", key];
        if !self.is_plain(worker, registered, Args::slices(&args)) {
            return None;
        }
        let key = worker.view.key(key);
        worker.lock_one(key.hash).ok()?;
        let database = worker.view.stripe(key.hash).database(self.database());
        let entry = database.and_then(|database| database.get(key.hash, key.bytes));
        let now_ms = worker.now_ms();
        let answer = match entry {
            None => {
                let wanted = worker.engine.config.notify_keyspace_events();
                let is_told = wanted != 0 && EventClass::KEY_MISS.is_in(wanted);
                (!is_told).then(|| {
                    worker.counters.keyspace_misses.add(1);
                    found(None)
                })
            }
            Some(entry) if entry.expire_ms().is_some_and(|at_ms| at_ms <= now_ms) => None,
            Some(entry) => entry.string().map(|string| {
                worker.touch(entry);
                worker.counters.keyspace_hits.add(1);
                string.with_bytes(|bytes| found(Some(bytes)))
            }),
        };
        worker.view.unlock();
        if answer.is_some() {
            worker.counters.commands[registered.id].calls.add(1);
            worker.counters.commands_processed.add(1);
        }
        answer
    }

    /// Sets a string without an expiry; answers whether that was all: if not, SET has more to do or fails, and nothing
    /// was done. `scratch` is room for a reply that nobody reads.
    #[inline]
    pub fn set_directly(
        &mut self,
        worker: &mut Worker,
        key: &[u8],
        value: &[u8],
        scratch: &mut Vec<u8>,
    ) -> bool {
        let registered = *SET;
        worker.refresh();
        let args: [&[u8]; 3] = [b"SET", key, value];
        let args = Args::slices(&args);
        let is_plain = self.is_plain(worker, registered, args)
            && worker.memory_rules.maxmemory_bytes == 0
            && !worker.engine.propagation.is_heard();
        if !is_plain {
            return false;
        }
        let hash = worker.view.key(key).hash;
        let prepared = Prepared {
            registered,
            hashed: (1, hash),
        };
        scratch.clear();
        let mut out = Writer::new(scratch, self.protocol());
        worker.current_session = self.id();
        dispatch::execute(worker, self.client_mut(), args, Ok(prepared), &mut out);
        worker.current_session = 0;
        worker.measure_rest();
        scratch == OK
    }

    /// Whether nothing but the command itself is to be done for a request.
    #[inline]
    fn is_plain(&mut self, worker: &Worker, registered: &Registered, args: Args<'_>) -> bool {
        let engine = &worker.engine;
        let client = self.client_mut();
        !engine.gate.is_shut()
            && !engine.monitors.is_on()
            && !engine.tracking.is_on()
            && !engine.persistence.is_gate_shut()
            && !engine.is_script_busy()
            && !engine.replication.is_replica()
            && worker.shares_readings
            && client.is_plain()
            && (client.is_authenticated || !engine.acl.asks_password())
            && acl::is_permitted(engine, client, registered, args)
    }
}
