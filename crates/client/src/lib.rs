//! What the programs that talk to a server have in common: which server is meant and how it is
//! reached. What they say to it is theirs. Read [`Target`] and [`Stream`] first.

#[cfg(feature = "tls")]
mod cipher_suites;
mod error;
pub mod flags;
mod reader;
mod stream;
mod target;
#[cfg_attr(not(feature = "tls"), path = "tls_absent.rs")]
mod tls;
mod uri;

pub use error::{ConnectionError, describe};
pub use reader::ReplyReader;
pub use stream::Stream;
pub use target::{Target, TargetError, TlsOptions};
pub use tls::{TlsConnector, TlsSession, TlsStream};
pub use uri::{Uri, UriError};
