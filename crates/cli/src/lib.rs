//! The Oxidis prompt: `oxidis cli`, and what a link whose name ends in `-cli` runs.
//!
//! It takes the flags of `redis-cli` and prints what it prints, byte for byte, so that
//! scripts and fingers need not learn anything new. Read [`run`](run()) first, then `client`
//! (a session with a server), `format` (replies as text) and `prompt` (lines as commands).

mod arguments;
mod client;
mod connection;
mod debugger;
mod format;
mod help;
mod history;
mod interrupt;
mod modes;
mod prompt;
mod run;
mod text;

pub use run::run;
