//! A Redis-compatible data structure server inside your program.
//!
//! [`Server`] is a server that every Redis client can talk to; it stops when it is dropped, and there may
//! be many in one process:
//!
//! ```
//! let server = oxidis::Server::start()?;
//! println!("redis-cli -p {}", server.port());
//! # assert!(server.url().starts_with("redis://127.0.0.1:"));
//! # Ok::<(), oxidis::Error>(())
//! ```
//!
//! [`Engine`] is the same without a socket: commands are calls, from any thread.
//!
//! ```
//! let engine = oxidis::Engine::open()?;
//! engine.execute(["SET", "greeting", "hello"])?;
//! let greeting: Option<String> = engine.query(["GET", "greeting"])?;
//! assert_eq!(greeting.as_deref(), Some("hello"));
//! # Ok::<(), oxidis::Error>(())
//! ```
//!
//! A server has an engine, too ([`Server::engine`]): the program sees what the clients do. What belongs to one
//! client, such as transactions, the selected database and subscriptions, belongs to a [`Connection`].

mod connection;
mod engine;
mod error;
mod fault;
mod from_value;
mod options;
#[cfg(doctest)]
mod pages;
mod server;
mod snapshot;
pub mod typed;

pub use connection::{Breaker, Connection, Message};
pub use engine::{Engine, EngineBuilder};
pub use error::Error;
pub use fault::{Fault, FaultGuard};
pub use from_value::FromValue;
pub use options::Clock;
pub use oxidis_engine::{CheckpointError, ClockError, FaultError, RecordedCommand};
pub use oxidis_resp::Value;
pub use server::{Server, ServerBuilder};
pub use snapshot::{DatabaseKey, Differences, Snapshot};
