//! Keys that clients of a writable replica have made with an expiry: no primary will ever delete them, so the replica
//! does.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::command::Context;
use crate::command::context::delete_expired;
use crate::worker::Worker;

/// Their databases and names.
#[derive(Default)]
pub(crate) struct OwnKeys(Mutex<BTreeSet<(usize, Vec<u8>)>>);

impl OwnKeys {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Forgets them: the data are others now.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// Remembers what a client's command that has just run has left behind with an expiry.
#[cold]
pub(crate) fn remember_own_keys(cx: &Context<'_>) {
    let engine = cx.engine();
    let database = cx.client.database;
    cx.registered.command.find_keys(cx.args(), &mut |index| {
        let key = cx.key(index);
        let entry = cx.entry_even_if_expired(key);
        if entry.is_some_and(|entry| entry.expire_ms().is_some()) {
            let mut own_keys = engine.replication.own_keys.0.lock();
            own_keys.insert((database, key.bytes.to_vec()));
        }
    });
}

/// Deletes those whose time is over. The worker holds no locks.
pub(super) fn expire_own_keys(worker: &mut Worker) {
    let engine = worker.engine.clone();
    let own_keys = engine.replication.own_keys.0.lock().clone();
    let now_ms = engine.now_ms();
    for (database, name) in own_keys {
        let keyspace = engine.keyspace.clone();
        let key = keyspace.key(&name);
        if worker.lock_one(key.hash).is_err() {
            return;
        }
        let share = worker.view.stripe(key.hash).database(database);
        let entry = share.and_then(|share| share.get(key.hash, key.bytes));
        let expire_ms = entry.and_then(|entry| entry.expire_ms());
        if expire_ms.is_some_and(|expire_ms| expire_ms <= now_ms) {
            delete_expired(worker, database, key);
            worker.propagate_apart();
        }
        worker.view.unlock();
        if expire_ms.is_none_or(|expire_ms| expire_ms <= now_ms) {
            engine
                .replication
                .own_keys
                .0
                .lock()
                .remove(&(database, name));
        }
    }
    worker.free_garbage();
}
