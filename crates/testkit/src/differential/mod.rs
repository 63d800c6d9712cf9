//! The differential fuzzer: random commands over few keys and few values go to two servers, the
//! reference and the one under test, and everything they answer is compared by [`crate::rules`].
//!
//! `grammar` and `commands` say what commands look like, `generate` draws steps from them, `state`
//! compares whole key spaces, `session` sends and judges, `shrink` makes a failing sequence small.

mod commands;
mod generate;
mod grammar;
mod session;
mod shrink;
mod state;

pub use commands::Family;
pub use generate::{Generator, Step, StepKind};
pub use session::{Failure, Fuzzer, Options, Summary};
