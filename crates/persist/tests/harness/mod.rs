//! What the tests of persistence share.
//!
//! * `server`: an engine whose files are in a storage that can fail and crash.

// Each test binary uses a part of it.
#![allow(dead_code, unused_imports)]

mod server;

pub use server::{FILE, ManualClock, START_MS, Server, StoredHost, digest_in, digest_of};
