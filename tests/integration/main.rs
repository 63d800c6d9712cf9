//! One integration binary: a file a topic. Each test starts a server of its own over real sockets.

mod acl;
mod append_only;
mod benchmark;
mod busy_scripts;
mod clients;
mod command_table;
mod concurrency;
mod configuration;
mod differential;
mod dump;
mod files;
mod followers;
mod limits;
mod matrix;
mod migrate;
mod observers;
mod persistence;
mod process;
mod random_data;
mod replication;
mod robustness;
mod rust_client;
mod script_limits;
mod tls;
mod tracking;
mod transcripts;
