//! The commands: one file a family, each with its rows, argument parsing and replies. What the
//! commands work on stands in `value`; how they are called in `command`.

mod acl;
mod arguments;
mod bitmap;
pub(crate) mod client;
mod client_filter;
mod client_tracking;
mod cluster;
mod command;
mod command_log;
mod config;
mod connection;
mod databases;
mod debug;
mod dump;
mod expire;
mod families;
mod functions;
mod generic;
mod geo;
mod hash;
mod help;
mod hyperloglog;
mod info;
mod key_sizes;
mod latency;
mod list;
mod list_blocking;
mod memory;
mod migrate;
mod module;
mod object;
mod oxidis;
mod persistence;
pub(crate) mod pubsub;
mod replication;
mod sampling;
mod scan;
mod script_host;
mod scripting;
mod server;
mod set;
mod slow_log;
mod sort;
mod sorted_set;
mod stream;
pub(crate) mod string;
#[cfg(test)]
mod testing;
mod transaction;
mod wait;

pub(crate) use databases::empty as empty_database;
pub(crate) use families::FAMILIES;
use help::reply_help;
pub(crate) use migrate::{secrets as migrate_secrets, settle as settle_migration};
pub(crate) use scripting::flags_of_call;
