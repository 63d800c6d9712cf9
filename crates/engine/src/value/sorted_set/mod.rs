//! Sorted sets: members, each with a score, in the order of (score, member).
//!
//! * `set`: the type with its two forms, and the reading half [`SortedSetRef`].
//! * `range`: bounds by score and by name.
//! * `compact`: the small form, one packed run of bytes.
//! * `big`: the large form, a tree for the order beside a table for the names.
//! * `tree`: the order-statistic B+ tree.
//! * `member`: the heap block of a member, which tree and table share.
//!
//! Scores are any `f64` but NaN; what keeps NaN out stands in the commands.

mod big;
mod compact;
mod member;
mod range;
mod set;
#[cfg(test)]
mod tests;
mod tree;

pub use big::BigSortedSet;
pub use range::{LexBound, LexRange, ScoreRange};
pub use set::{Iter, Picker, SortedSet, SortedSetRef, Upsert};
