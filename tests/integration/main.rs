//! One integration binary: a file a topic. Each test starts a server of its own over real sockets.

mod command_table;
mod concurrency;
mod configuration;
mod differential;
mod limits;
mod process;
mod robustness;
mod rust_client;
mod transcripts;
