//! What can go wrong between a request and its reply, in the words that `redis-cli` uses.

use std::io;

use oxidis_resp::ReplyError;

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The other side ended the connection.
    #[error("Server closed the connection")]
    Closed,
    /// The system refused to read or write.
    #[error("{}", describe(.0))]
    Io(#[from] io::Error),
    /// What arrived is not RESP.
    #[error("{0}")]
    Protocol(#[from] ReplyError),
}

impl ConnectionError {
    /// Whether connecting anew may help: the connection is gone, but nothing is
    /// wrong with what was said on it.
    pub fn is_disconnection(&self) -> bool {
        match self {
            ConnectionError::Closed => true,
            ConnectionError::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
            ),
            ConnectionError::Protocol(_) => false,
        }
    }
}

/// The system's own words for an error, without what the standard library puts
/// around them.
pub fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    match text.rfind(" (os error ") {
        Some(end) => text[..end].into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_described_without_their_number() {
        let refused = io::Error::from_raw_os_error(if cfg!(windows) { 10061 } else { 111 });
        assert!(!describe(&refused).contains("os error"));
        assert_eq!(describe(&io::Error::other("plain")), "plain");
    }

    #[test]
    fn only_a_lost_connection_is_worth_connecting_anew() {
        assert!(ConnectionError::Closed.is_disconnection());
        assert!(ConnectionError::Io(io::ErrorKind::BrokenPipe.into()).is_disconnection());
        assert!(!ConnectionError::Io(io::ErrorKind::TimedOut.into()).is_disconnection());
        assert!(!ConnectionError::Protocol(ReplyError::TooDeep).is_disconnection());
    }
}
