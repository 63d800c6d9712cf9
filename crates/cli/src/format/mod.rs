//! Replies as text, in each of the five ways in which `redis-cli` prints them. The
//! bytes are the same as its: scripts read them.

mod csv;
mod json;
mod raw;
mod reply;
mod standard;

pub use raw::push as push_raw;
pub use reply::reply;
pub use standard::invalidation;
