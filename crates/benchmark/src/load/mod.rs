//! The load generator: many connections, each of which sends a batch of requests, waits for all its
//! replies and sends the next. It must be cheaper than any server: nothing is formatted and nothing
//! allocated per request, and of a reply only its end is looked for.
//!
//! `plan` says what is to be done, `run` does it with one worker a thread, `worker` has a thread's
//! connections and waits for them, `connection` is the life of one.

mod connection;
mod endpoint;
mod error;
mod plan;
mod run;
mod supply;
#[cfg(test)]
mod tests;
mod worker;

pub use endpoint::Endpoint;
pub use error::LoadError;
pub use plan::{Greeting, Numbers, Plan};
pub use run::{Outcome, PROGRESS_INTERVAL, Progress, hold_idle, run};
