//! How requests leave and replies arrive: the [`Connection`] trait, so that the
//! prompt does not care whether a server or an engine in this process answers.

mod embedded;
mod exchange;
mod listening;
mod socket;

pub use embedded::{Embedded, open_engine};
pub use exchange::{Connection, PushSink, call};
pub use listening::Listening;
pub use socket::Socket;

use exchange::encode;
