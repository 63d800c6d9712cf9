//! Streams: entries in the order of their IDs, and the consumer groups that read them.
//!
//! * `id`: the IDs of entries, and how they are written.
//! * `block`: a run of entries in one piece of memory, and where it ends.
//! * `entries`: the blocks of a stream in order: adding, finding, deleting, trimming.
//! * `range`: walking over entries, forwards and backwards.
//! * `group`: consumer groups, their consumers and what they have not acknowledged.
//! * `state`: the entries, the groups, and what is remembered about both.
//! * `progress`: how far a group has come, and how much lies ahead of it.
//! * `radix`: the size of the tree that Redis would keep the blocks in.
//! * `parts`: building a stream from its parts, for those who load one.

mod block;
mod entries;
mod group;
mod id;
mod parts;
mod progress;
mod radix;
mod range;
mod state;
#[cfg(test)]
mod tests;

pub use block::{BlockRef, StreamEntry, StreamFields};
pub use entries::{Trim, TrimTarget};
pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::{IdText, StreamId};
pub use parts::{ConsumerParts, GroupParts, PartsError, StreamBuilder};
pub use range::StreamRange;
pub use state::{AppendError, EntryId, Stream};
