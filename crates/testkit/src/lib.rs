//! What the tests of Oxidis share. Nothing here is part of the server.
//!
//! Read `server` (starts a server of one's own) and `client` (talks to it) first; `raw` is for
//! tests that care about single bytes, `transcript` for recorded conversations and
//! `differential` for the fuzzer that compares two servers. `rules` and `versions` say what counts as
//! the same, `differences` says it to users.

pub mod client;
pub mod differences;
pub mod differential;
pub mod raw;
pub mod reply;
pub mod rules;
pub mod server;
pub mod storage;
mod streams;
pub mod transcript;
pub mod versions;

pub use client::Client;
pub use raw::RawClient;
pub use reply::Reply;
pub use server::{ServerBuilder, TestServer};
