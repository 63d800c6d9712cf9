//! How fields of hashes that expire are deleted, and who is told: as `context` does it for keys.
//!
//! Commands that name fields delete those of them whose time is over; the rest is done by the active
//! cycle. Reading commands only do not see them.

use super::context::{Context, EventClass, notify, signal};
use crate::keyspace::{CollectionMut, Key, expiring_hash};
use crate::value::Hash;
use crate::worker::Worker;

impl Context<'_> {
    /// Deletes those of the fields under a key whose time is over, and tells everyone.
    #[inline]
    pub(crate) fn expire_fields<'f>(
        &mut self,
        key: Key<'_>,
        fields: impl Iterator<Item = &'f [u8]>,
    ) {
        if self.may_have_overdue_fields(key) {
            self.expire_some_fields(key, &mut { fields });
        }
    }

    #[cold]
    fn expire_some_fields(&mut self, key: Key<'_>, fields: &mut dyn Iterator<Item = &[u8]>) {
        let now_ms = self.now_ms();
        let entry = self.peek(key);
        let Some(hash) = entry.and_then(expiring_hash) else {
            return;
        };
        let overdue: Vec<&[u8]> = fields.filter(|field| hash.is_over(field, now_ms)).collect();
        if !overdue.is_empty() {
            let database = self.database_index();
            delete_fields(self.worker, database, key, &mut |hash, removed| {
                for field in &overdue {
                    // One may be named twice.
                    if hash.remove(field) {
                        removed(field);
                    }
                }
            });
        }
    }

    /// Deletes all fields under a key whose time is over, and tells everyone.
    #[inline]
    pub(crate) fn expire_all_fields(&mut self, key: Key<'_>) {
        if self.may_have_overdue_fields(key) {
            self.expire_fields_of(key);
        }
    }

    #[cold]
    fn expire_fields_of(&mut self, key: Key<'_>) {
        let now_ms = self.now_ms();
        let hash = self.peek(key).and_then(expiring_hash);
        let next_ms = hash.and_then(|hash| hash.next_expiry_ms());
        if next_ms.is_some_and(|next_ms| next_ms <= now_ms) {
            let database = self.database_index();
            delete_fields(self.worker, database, key, &mut |hash, removed| {
                hash.remove_all_overdue(now_ms, removed);
            });
        }
    }

    /// Whether it is worth looking. While writes are paused nothing is deleted.
    #[inline]
    fn may_have_overdue_fields(&self, key: Key<'_>) -> bool {
        let stripe = self.worker.view.stripe(key.hash);
        stripe
            .database(self.database_index())
            .is_some_and(|database| database.expiring_hashes() > 0)
            && !self.worker.engine.keeps_expired(self.now_ms())
    }
}

/// Removes fields of a hash, and gives each to the function that it is given.
type Remove<'a> = dyn FnMut(&mut Hash, &mut dyn FnMut(&[u8])) + 'a;

/// Lets `remove` remove fields of the hash under `key`, which calls what it is given for each of
/// them, and tells everyone that they have expired.
pub(crate) fn delete_fields(
    worker: &mut Worker,
    database: usize,
    key: Key<'_>,
    remove: &mut Remove<'_>,
) {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let stripe = worker.view.stripe_mut(key.hash).database_mut(database);
    let mut hash: CollectionMut<'_, Hash> = stripe.collection_mut(key.hash, key.bytes);
    remove(&mut hash, &mut |field| fields.push(field.to_vec()));
    let is_gone = hash.as_ref().is_empty();
    drop(hash);
    if fields.is_empty() {
        return;
    }
    worker.counters.expired_subkeys.add(fields.len() as u64);
    if worker.engine.propagation.is_heard() {
        for field in &fields {
            let arguments = [b"HDEL", key.bytes, field].into_iter();
            worker.propagated.push(database, false, arguments);
        }
    }
    signal(worker, database, key, 0);
    let engine = &worker.engine;
    notify(engine, database, key.bytes, EventClass::HASH, "hexpired");
    if is_gone {
        notify(engine, database, key.bytes, EventClass::GENERIC, "del");
    }
}
