//! The versions that the server calls itself.

/// The version of Redis whose behaviour we have, as HELLO, INFO and the log give it: client libraries decide by
/// it what they may use.
pub const REDIS_VERSION: &str = "8.0.6";

/// Our own version.
pub const OXIDIS_VERSION: &str = env!("CARGO_PKG_VERSION");
