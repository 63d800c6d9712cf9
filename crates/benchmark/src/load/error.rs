//! Why a run ended before its end.

use std::io;
use std::time::Duration;

use oxidis_client::describe;

use crate::replies::Fault;

/// What ended a run. Nothing was measured then.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The server takes no connection.
    #[error("Could not connect: {}", describe(.0))]
    Connect(io::Error),
    /// The server answered a request with this error.
    #[error("Error from server: {0}")]
    Server(String),
    /// The server closed a connection.
    #[error("Error: Server closed the connection")]
    Closed,
    /// Reading from a connection or writing to it failed.
    #[error("Error: {}", describe(.0))]
    Io(#[from] io::Error),
    /// What the server sent starts with a byte with which no reply starts.
    #[error("Error: Protocol error, got {:?} as reply type byte", char::from(*.0))]
    Protocol(u8),
    /// The server sent more replies than it was asked for.
    #[error("Error: more replies than requests")]
    TooManyReplies,
    /// The server answered nothing for as long as the plan allows.
    #[error("Error: no reply for {} s", .0.as_secs())]
    Silence(Duration),
}

impl From<Fault> for LoadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Error(text) => LoadError::Server(text),
            Fault::Protocol(byte) => LoadError::Protocol(byte),
        }
    }
}
