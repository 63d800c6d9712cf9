//! Oxidis for Python: the module `oxidis._native`, on which the package in `python/oxidis` stands.
//!
//! * `module`: what the module holds.
//! * `server`, `engine`: a server and an engine in the process.
//! * `control`: what tests ask of an engine.
//! * `session`: a conversation with an engine or a server; `link` is what carries it.
//! * `client`: the native client: sessions that are taken turns with.
//! * `line`: a conversation over a socket of asyncio's.
//! * `inbox`: what came over a socket, until it is a whole reply.
//! * `encode`, `decode`: requests from Python's values, replies as Python's values.
//! * `notifier`: how an event loop hears of a session that it waits for; `pair` is the two sockets between them.
//! * `process`: forks.
//! * `command`: the command `oxidis`.
//! * `error`: Python's exceptions.

mod client;
mod command;
mod control;
mod decode;
mod encode;
mod engine;
mod error;
mod inbox;
mod line;
mod link;
mod module;
mod notifier;
mod pair;
mod process;
mod server;
mod session;
