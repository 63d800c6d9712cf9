//! The data types: what lies under a key, free of key space, commands and replies.
//!
//! Every collection has an owned type with a compact and a big form (`Hash`), and a borrowed,
//! copyable type with the reading half of its API (`HashRef`). Small collections are one run of
//! bytes, which the key space keeps inside the entry.

mod any;
mod block;
pub mod geo;
pub mod hash;
mod hash_expiring;
mod hash_expiry;
mod hash_table;
mod hash_triples;
pub mod hyperloglog;
pub mod intset;
pub mod limits;
pub mod list;
pub mod packed;
mod pages;
pub mod sampling;
pub mod set;
mod set_table;
pub mod sorted_set;
pub mod stream;

pub use any::{StringRef, Value, ValueRef, ValueType};
pub use hash::{Hash, HashRef};
pub use hash_expiring::ExpiringTable;
pub use hash_expiry::ExpiringRef;
pub use hash_table::HashTable;
pub use hash_triples::TimedField;
pub use limits::EncodingLimits;
pub use list::{List, ListItem, ListRef};
pub use set::{Set, SetRef};
pub use set_table::SetTable;
pub use sorted_set::{SortedSet, SortedSetRef};
pub use stream::{Stream, StreamId};
