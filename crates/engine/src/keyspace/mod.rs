//! The key space: databases of entries, cut into stripes that are locked one by one.
//!
//! * `entry`: one key with its value and expiry, in one heap block.
//! * `stored`: which kind of entry each collection type becomes.
//! * `database`: the entries of one database in one stripe, with typed access.
//! * `stripe`: a stripe (its share of every database, its waiters and watchers), the array of
//!   stripes, and the [`View`] through which commands reach the ones they have locked.

mod database;
mod entry;
mod stored;
mod stripe;
#[cfg(test)]
mod tests;

pub use database::CollectionMut;
pub(crate) use database::Database;
pub(crate) use entry::{Entry, EntryRef};
pub(crate) use stored::{
    Collection, collection_ref, element_count, encoding, memory_usage, to_value,
};
pub use stripe::Key;
pub(crate) use stripe::{Keyspace, View};
