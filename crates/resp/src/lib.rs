//! The Redis serialization protocol, versions 2 and 3: an incremental parser of
//! requests, a writer of replies, a parser of replies for clients, and the limits
//! of all three. No I/O, no dependencies.
//!
//! What lives here:
//!
//! - [`Writer`] appends replies to a byte buffer in the protocol that the session speaks;
//! - [`RequestParser`] finds the arguments of requests in a buffer that the caller owns;
//! - [`ReplyParser`] builds owned [`Value`] trees from replies;
//! - [`inline`] splits a line into arguments as people type them;
//! - [`number`] writes and reads the numbers of the protocol;
//! - [`limits`] holds every limit of the protocol in one place.

pub mod inline;
pub mod limits;
pub mod number;
mod protocol;
mod reply;
mod request;
mod value;
mod writer;

pub use limits::RequestLimits;
pub use protocol::{Protocol, ProtocolError};
pub use reply::{ParsedReply, ReplyError, ReplyParser};
pub use request::{
    GuessedArguments, Parsed, RequestParser, Source, Span, plain_request, write_request,
};
pub use value::Value;
pub use writer::{Mark, Writer};
