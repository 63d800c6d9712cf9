//! How requests leave and replies arrive: the [`Connection`] trait, so that the
//! prompt does not care whether a server or an engine in this process answers.

mod embedded;
mod error;
mod exchange;
mod listening;
mod reader;
mod socket;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;

pub use embedded::{Embedded, open_engine};
pub use error::{ConnectionError, describe};
pub use exchange::{Connection, PushSink, call};
pub use listening::Listening;
pub use socket::Socket;

pub(crate) use reader::ReplyReader;

use exchange::encode;
