//! The rows of all families, for the command table. A new family adds its line here.

use crate::command::Command;

/// The rows of all families.
pub(crate) const FAMILIES: &[&[Command]] = &[
    super::bitmap::COMMANDS,
    super::config::COMMANDS,
    super::client::COMMANDS,
    super::cluster::COMMANDS,
    super::command::COMMANDS,
    super::connection::COMMANDS,
    super::databases::COMMANDS,
    super::debug::COMMANDS,
    super::dump::COMMANDS,
    super::expire::COMMANDS,
    super::generic::COMMANDS,
    super::hash::COMMANDS,
    super::hyperloglog::COMMANDS,
    super::info::COMMANDS,
    super::list::COMMANDS,
    super::list_blocking::COMMANDS,
    super::memory::COMMANDS,
    super::object::COMMANDS,
    super::pubsub::COMMANDS,
    super::replication::COMMANDS,
    super::server::COMMANDS,
    super::scripting::COMMANDS,
    super::set::COMMANDS,
    super::slow_log::COMMANDS,
    super::sort::COMMANDS,
    super::sorted_set::COMBINE_COMMANDS,
    super::sorted_set::LOOKUP_COMMANDS,
    super::sorted_set::POP_COMMANDS,
    super::sorted_set::RANGE_COMMANDS,
    super::sorted_set::UPDATE_COMMANDS,
    super::string::COMMANDS,
    super::transaction::COMMANDS,
];
