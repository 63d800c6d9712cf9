//! The stream commands.
//!
//! * `rows`: what the rows have in common.
//! * `arguments`: IDs, ranges of IDs, counts.
//! * `reply`: how IDs and entries are answered.
//! * `add`: XADD, XTRIM, XDEL, XSETID.
//! * `range`: XLEN, XRANGE, XREVRANGE.
//! * `read`: XREAD and XREADGROUP, which may wait.
//! * `group`: XGROUP, XACK.
//! * `pending`: XPENDING.
//! * `claim`: XCLAIM, XAUTOCLAIM.
//! * `info`: XINFO.
//! * `propagate`: what of the work of groups is repeated elsewhere.

mod add;
mod arguments;
mod claim;
mod group;
mod info;
mod pending;
mod propagate;
mod range;
mod read;
mod reply;
mod rows;
#[cfg(test)]
mod tests;

pub(super) use add::COMMANDS as ADD_COMMANDS;
pub(super) use claim::COMMANDS as CLAIM_COMMANDS;
pub(super) use group::COMMANDS as GROUP_COMMANDS;
pub(super) use info::COMMANDS as INFO_COMMANDS;
pub(super) use pending::COMMANDS as PENDING_COMMANDS;
pub(super) use range::COMMANDS as RANGE_COMMANDS;
pub(super) use read::COMMANDS as READ_COMMANDS;
