//! What can go wrong.

use oxidis_engine::{CheckpointError, ClockError, FaultError};
use oxidis_resp::Value;
use oxidis_server::ServerError;

/// What can go wrong, in one type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A command was answered with an error, in Redis's words.
    #[error("{message}")]
    Command {
        /// The whole text, its code word first.
        message: String,
    },
    /// A value is not what it was asked for as.
    #[error("{value:?} is no {wanted}")]
    Conversion {
        /// What it was asked for as.
        wanted: &'static str,
        /// The value.
        value: Value,
    },
    /// An option is not one, or has not that value.
    #[error("{name}: {reason}")]
    Option {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A server did not start.
    #[error(transparent)]
    Start(#[from] ServerError),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// What was to be saved at the end could not be.
    #[error("{0}")]
    Stop(String),
    /// The clock was not moved.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// No request could meet a fault.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A snapshot was not made, or does not fit.
    #[error(transparent)]
    Snapshot(#[from] CheckpointError),
    /// The connection is at its end.
    #[error("the connection is closed")]
    Closed,
}

impl Error {
    /// The code word of a command's error, such as `WRONGTYPE`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Command { message } => message.split(' ').next(),
            _ => None,
        }
    }

    pub(crate) fn option(name: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Error::Option {
            name: name.into(),
            reason: reason.to_string(),
        }
    }
}

impl From<oxidis_embedded::ConnectionError> for Error {
    fn from(_: oxidis_embedded::ConnectionError) -> Self {
        Error::Closed
    }
}
