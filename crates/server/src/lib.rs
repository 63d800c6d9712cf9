//! The server: it drives an engine with connections, time and signals.
//!
//! * `server`: starting and stopping: the workers, their threads, the listeners.
//! * `worker`: a worker thread. `workers`: all of them, and who has which connections. `balance`: how many of
//!   them should have any.
//! * `transport`: sockets as connections use them.
//! * `connection`: one client connection, from readiness to replies.
//! * `tls`: settings and sockets of TLS, or, in a build without it, that there is none.
//! * `listeners`: the addresses that are listened on. `observer`: what CONFIG SET changes outside the engine.
//! * `forks`: servers that were started as another one was at some moment.
//! * `host`: what the engine asks of the process around it: memory, files, facts for INFO, freeing. `storage`: the
//!   file system.
//! * [`program`]: what the binary does. [`run`]: the life of a server process. `daemon`: the process among others: background, pid file, supervisors.
//! * `restart`: starting the process anew.
//! * [`title`]: what `ps` shows of the process.
//! * `log`: the log of the process. `crash`: what it says at last. `progress`: a bar while data are loaded. `memory`:
//!   how much the process uses.
//! * [`arguments`]: what the program's name and arguments ask for.
//! * [`configuration`]: the files behind the configuration. [`process`]: facts about the process.
//! * [`files`]: what is done with data files where no server runs: checking and converting.
//! * [`descriptors`]: as many as the clients need. `oom_score`: how readily the kernel ends the process. [`diagnosis`]: looking at the machine before trusting it.

pub mod arguments;
mod balance;
pub mod configuration;
mod connection;
mod crash;
mod daemon;
pub mod debugger;
mod descriptors;
pub mod diagnosis;
pub mod files;
mod forks;
mod gather;
mod host;
mod listeners;
mod log;
mod memory;
mod migration;
mod observer;
mod oom_score;
pub mod process;
pub mod program;
mod progress;
mod replication;
mod restart;
pub mod run;
mod server;
mod storage;
pub mod title;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;
mod transport;
mod turn;
mod worker;
mod workers;

pub use host::ProcessHost;
pub use process::{Allocator, BlockMover};
pub use server::{RunningServer, ServerError, ServerOptions, start};
