//! Commands as typed calls: thin over [`Engine::query`](crate::Engine::query), with the same errors. What is not
//! here is a command away. Strings are set, and values looked at, without a request where nobody could tell.

mod hash;
mod keys;
mod list;
mod set;
mod sorted_set;
mod stream;
mod string;

pub use hash::Hashes;
pub use keys::Keys;
pub use list::Lists;
pub use set::Sets;
pub use sorted_set::SortedSets;
pub use stream::{StreamEntry, Streams};
pub use string::Strings;
