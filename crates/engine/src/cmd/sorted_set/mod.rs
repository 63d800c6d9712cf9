//! Sorted sets: rows, arguments and replies. What the commands work on stands in `value::sorted_set`.
//!
//! * `update`: ZADD, ZINCRBY, ZREM and the ZREMRANGEBY commands.
//! * `lookup`: sizes, scores, ranks, counts, random members, ZSCAN.
//! * `range`: ZRANGE, its older relatives, ZRANGESTORE.
//! * `combine`: unions, intersections and differences.
//! * `pop`: ZPOPMIN and its relatives, those that wait among them.
//! * `bounds`: how ends of ranges are written.
//! * `reply`: what several rooms answer and store alike.
//! * `rows`: what the rows share.

mod bounds;
mod combine;
mod lookup;
mod pop;
mod range;
mod reply;
mod rows;
#[cfg(test)]
mod tests;
mod update;

pub(super) use combine::COMMANDS as COMBINE_COMMANDS;
pub(super) use lookup::COMMANDS as LOOKUP_COMMANDS;
pub(super) use pop::COMMANDS as POP_COMMANDS;
pub(super) use range::COMMANDS as RANGE_COMMANDS;
pub(super) use reply::store_result;
pub(super) use update::COMMANDS as UPDATE_COMMANDS;
pub(super) use update::{AddOptions, add_pairs};

use rows::{FAST, MOVABLE, READ, READ_KEY, REMOVE_FROM_KEY, ROW, STORE, STORE_KEY, WRITE};
