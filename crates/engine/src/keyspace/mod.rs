//! The key space: databases of entries, cut into stripes that are locked one by one.
//!
//! * `entry`: one key with its value and expiry, in one heap block.
//! * `access`: what an entry's bits of access information mean, for LRU and LFU.
//! * `stored`: which kind of entry each collection type becomes.
//! * `database`: the entries of one database in one stripe, with typed access.
//! * `epoch`: how a snapshot is taken of all that while it changes.
//! * `meter`: what the entries take, where the allocator does not tell.
//! * `prefetch`: bringing near what a batch of requests will look up.
//! * `stripe`: a stripe (its share of every database, its waiters and watchers), the array of
//!   stripes, and the [`View`] through which commands reach the ones they have locked.

pub(crate) mod access;
mod database;
mod entry;
mod epoch;
mod meter;
mod prefetch;
mod stored;
mod stripe;
#[cfg(test)]
mod tests;

pub(crate) use access::AccessRules;
pub(crate) use database::Database;
pub use database::{CollectionMut, RawStringMut};
pub(crate) use entry::{Entry, EntryRef};
pub(crate) use epoch::{Epoch, Records, UseRecorded, record};
pub(crate) use meter::{Meters, SLOT_BYTES};
pub(crate) use prefetch::PREFETCH_MIN;
pub(crate) use stored::{
    Collection, collection_ref, element_count, encoding, expiring_hash, memory_usage, to_value,
    value_of,
};
pub use stripe::Key;
pub(crate) use stripe::{Keyspace, View};
