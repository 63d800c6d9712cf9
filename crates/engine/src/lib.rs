//! The deterministic heart of Oxidis: the key space, the data types and the commands. It is given
//! the time, a seed and bytes, and returns bytes and effects; it does no I/O.
//!
//! In the order in which to read them: [`session`] (bytes in, bytes out), [`command`] (the life of a
//! command), `cmd` (the commands), `keyspace` and [`value`] (what they work on).

pub mod acl;
pub mod append_log;
mod blocking;
mod busy;
mod chance;
mod checkpoint;
mod client;
mod client_limits;
mod client_memory;
mod clock;
mod cmd;
pub mod command;
mod command_log;
pub mod config;
mod debugging;
mod defragmentation;
mod direct;
mod engine;
mod eviction;
mod expire;
mod faults;
mod foresight;
mod fork;
mod functions;
mod gate;
mod keyspace;
mod latency;
mod lazy_free;
pub mod lzf;
mod mailbox;
mod migration;
mod observe;
mod pause;
mod persistence;
mod propagation;
mod pubsub;
pub mod random;
mod rates;
mod record;
mod relocation;
pub mod replication;
pub mod scripting;
pub mod session;
mod shutdown;
pub mod snapshot;
mod stats;
pub mod table;
pub mod text;
mod tracking;
mod transaction;
pub mod value;
pub mod version;
mod worker;

pub use checkpoint::{Checkpoint, CheckpointError, DatabaseKey, Differences};
pub use client_memory::Buffers;
pub use clock::{Clock, ClockError};
pub use debugging::{Conversation, DebugMode, DebuggedCall, DebuggerLine};
pub use direct::DirectCommand;
pub use engine::{Crash, Engine, EngineOptions, EventLoops, Host, NoHost, ShutdownOptions};
pub use faults::{ActiveFault, Fault, FaultEffect, FaultError};
pub use foresight::Foreseen;
pub use fork::Fork;
pub use lazy_free::Garbage;
pub use migration::{
    Credentials, MigratedKey, Migration, MigrationError, MigrationOutcome, MigrationRequest,
};
pub use persistence::LoadProgress;
pub use propagation::PropagationListener;
pub use record::RecordedCommand;
pub use relocation::Fragmentation;
pub use session::{Progress, Release, Session};
pub use table::LargeBlock;
pub use worker::Worker;
