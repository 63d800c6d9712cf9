//! The configuration table: a room of rows for each theme, joined in `table`.

mod checks;
mod cluster;
mod encoding;
mod memory;
mod monitoring;
mod network;
mod persistence;
mod process;
mod replication;
mod security;
mod table;
mod tls;

pub(super) use table::DIRECTIVES;
