//! What the tests of persistence share.
//!
//! * `commands`: commands that change data in every way.
//! * `server`: an engine whose files are in a storage that can fail and crash.

// Each test binary uses a part of it.
#![allow(dead_code, unused_imports)]

mod commands;
mod server;

pub use commands::command;
pub use server::{
    FILE, ManualClock, START_MS, Server, StoredHost, digest_in, digest_of, loaded_from,
};
