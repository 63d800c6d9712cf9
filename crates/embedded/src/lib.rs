//! Oxidis without a socket: an engine in this process, and connections that run straight into it.
//!
//! The engine is given the time and does no waiting of its own, so this is a driver in small.
//!
//! * [`EmbeddedEngine`]: an engine, and the thread that does for it what is to be done regularly.
//! * [`Connection`]: requests as arguments, replies as values; it sleeps while it is blocked.
//! * [`large_pages`]: large pages of memory, for what is read at random.
//! * [`SystemClock`]: the time of day; [`VirtualClock`]: one that can be stopped.
//!
//! What a program that embeds Oxidis uses is the crate `oxidis`, which stands on this one.

mod clock;
mod connection;
mod engine;
pub mod large_pages;

pub use clock::{SystemClock, VirtualClock};
pub use connection::{Breaker, Connection, ConnectionError};
pub use engine::EmbeddedEngine;
