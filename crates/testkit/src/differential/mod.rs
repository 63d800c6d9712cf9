//! The differential fuzzer: random commands over few keys and few values go to two servers, the
//! reference and the one under test, and everything they answer is compared by [`crate::rules`].
//!
//! `calls` says what is sent; `grammar`, `commands`, `rows` and `pools` what it looks like. `generate` draws
//! single calls from them, `scenarios` and `users` calls that belong together, `damage` spoils payloads. `pair` sends them to both
//! servers and judges, with `draws`, what comes back; `state` compares whole key spaces. `session`
//! runs it all, `shrink` makes a failing sequence small, `coverage` counts what came.

mod calls;
mod commands;
mod coverage;
mod damage;
mod draws;
mod generate;
mod grammar;
mod pair;
mod pools;
mod rows;
mod scenarios;
mod session;
mod shrink;
mod state;
mod users;

pub use calls::{Call, Connection, Step, StepKind};
pub use commands::Family;
pub use coverage::{Coverage, NOT_GENERATED};
pub use generate::Generator;
pub use session::{Failure, Fuzzer, Options, Summary};
