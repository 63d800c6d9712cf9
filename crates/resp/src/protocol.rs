//! The version of the protocol that a session speaks, and what can be wrong with a request.

use std::fmt;

use crate::Writer;

/// The version of the protocol in which a session gets its replies (`HELLO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The protocol of Redis 2 to 5, and of every session that did not ask for another.
    #[default]
    Resp2,
    /// The protocol with maps, sets, doubles, booleans, nulls and pushes.
    Resp3,
}

impl Protocol {
    /// The number of the version, as `HELLO` takes and answers it.
    pub const fn version(self) -> i64 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

/// What is wrong with a request. The connection gets the message as an error reply and
/// is closed: what follows in the stream cannot be trusted to be a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// An inline request longer than [`LINE_MAX_BYTES`](crate::limits::LINE_MAX_BYTES).
    InlineTooBig,
    /// A quote of an inline request that nothing closes, or that something follows.
    UnbalancedQuotes,
    /// The line after `*` is longer than [`LINE_MAX_BYTES`](crate::limits::LINE_MAX_BYTES).
    MultibulkCountTooBig,
    /// The line after `*` is not a number, or too big a number.
    InvalidMultibulkLength,
    /// Too many arguments from a client that must authenticate first.
    UnauthenticatedMultibulkLength,
    /// The line after `$` is longer than [`LINE_MAX_BYTES`](crate::limits::LINE_MAX_BYTES).
    BulkCountTooBig,
    /// An argument starts with another byte than `$`.
    ExpectedBulk {
        /// The byte that came instead.
        found: u8,
    },
    /// The line after `$` is not a number, or negative, or over `proto-max-bulk-len`.
    InvalidBulkLength,
    /// Too long an argument from a client that must authenticate first.
    UnauthenticatedBulkLength,
}

impl ProtocolError {
    /// Writes the error reply that Redis gives for this mistake.
    pub fn write_to(&self, out: &mut Writer<'_>) {
        match self {
            // The byte goes out as it came, whether or not it is text.
            ProtocolError::ExpectedBulk { found } => {
                let mut text = b"ERR Protocol error: expected '$', got '".to_vec();
                text.extend_from_slice(&[*found, b'\'']);
                out.error_bytes(&text);
            }
            other => out.error(&format!("ERR {other}")),
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            ProtocolError::InlineTooBig => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::MultibulkCountTooBig => "too big mbulk count string",
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::BulkCountTooBig => "too big bulk count string",
            ProtocolError::ExpectedBulk { found } => {
                return write!(f, "expected '$', got '{}'", char::from(*found));
            }
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
        })
    }
}

impl std::error::Error for ProtocolError {}
