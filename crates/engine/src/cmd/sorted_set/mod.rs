//! Sorted sets: rows, arguments and replies. What the commands work on stands in `value::sorted_set`.
//!
//! * `update`: ZADD, ZINCRBY, ZREM and the ZREMRANGEBY commands.
//! * `lookup`: sizes, scores, ranks, counts, random members, ZSCAN.
//! * `range`: ZRANGE, its older relatives, ZRANGESTORE.
//! * `combine`: unions, intersections and differences.
//! * `pop`: ZPOPMIN and its relatives, those that wait among them.
//! * `bounds`: how ends of ranges are written.
//! * `reply`: what several rooms answer and store alike.

mod bounds;
mod combine;
mod lookup;
mod pop;
mod range;
mod reply;
#[cfg(test)]
mod tests;
mod update;

pub(super) use combine::COMMANDS as COMBINE_COMMANDS;
pub(super) use lookup::COMMANDS as LOOKUP_COMMANDS;
pub(super) use pop::COMMANDS as POP_COMMANDS;
pub(super) use range::COMMANDS as RANGE_COMMANDS;
pub(super) use update::COMMANDS as UPDATE_COMMANDS;

use crate::command::{Categories, Command, Flags, Group, KeyFlags};

/// What the rows of the family share.
const ROW: Command = Command {
    categories: Categories::SORTEDSET,
    group: Group::SortedSet,
    ..Command::DEFAULT
};

const READ: Flags = Flags::READONLY;
const WRITE: Flags = Flags::WRITE;
const FAST: Flags = Flags::FAST;
const STORE: Flags = Flags::WRITE.union(Flags::DENYOOM);
/// The keys are counted by an argument.
const MOVABLE: Flags = Flags::MOVABLEKEYS;
const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const REMOVE_FROM_KEY: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);
const STORE_KEY: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
