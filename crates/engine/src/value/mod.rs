//! The data types: what lies under a key, free of key space, commands and replies.
//!
//! Every collection has an owned type with a compact and a big form (`Hash`), and a borrowed,
//! copyable type with the reading half of its API (`HashRef`). Small collections are one run of
//! bytes, which the key space keeps inside the entry.

pub mod limits;
pub mod packed;

pub use limits::EncodingLimits;
