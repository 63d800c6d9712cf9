//! The server: it drives an engine with connections, time and signals.
//!
//! * `server`: starting and stopping: the workers, their threads, the listeners.
//! * `connection`: one client connection, from readiness to replies.
//! * `clock`: the time of day for the engine.
//! * `host`: what the engine asks of the process around it: memory, facts for INFO, freeing.

mod clock;
mod connection;
mod host;
mod server;

pub use clock::SystemClock;
pub use host::ProcessHost;
pub use server::{RunningServer, ServerError, ServerOptions, start};
