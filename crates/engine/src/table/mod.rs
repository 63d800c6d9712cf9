//! The one hash table of the engine: the key space, big hashes, big sets and the member index of
//! big sorted sets are all a [`Table`].
//!
//! * `bucket`: one 64-byte bucket, nine 48-bit pointers and their tags, and a block for those it has no room for.
//! * `linear`: the table itself: linear hashing, lookup, growth and shrinking a bucket at a time,
//!   SCAN cursors, random choice, prefetch.
//! * `chunks`: where the chunks of buckets lie, and why side by side.
//!
//! What an element is stands elsewhere: the table knows it only as an [`Element`].

mod bucket;
mod chunks;
mod linear;
#[cfg(test)]
mod tests;

pub use bucket::Element;
pub(crate) use bucket::{CACHE_LINE_BYTES, prefetch, prefetch_value};
pub use chunks::LargeBlock;
pub(crate) use chunks::take_full;
pub(crate) use linear::CURSOR_BITS;
pub use linear::{Iter, SlotMut, Table, hash_bytes};
