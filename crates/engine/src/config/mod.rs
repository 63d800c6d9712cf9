//! The configuration: every directive that a redis.conf may hold, its value, and who may read it how.
//!
//! - `directives/`: one row a directive, by theme. Adding a directive touches one row.
//! - [`directive`]: what a row is. [`enumerations`]: the words that some directives choose from.
//! - `value`: how a row's value is parsed, shown and written back.
//! - [`store`]: [`Config`], shared by all workers: CONFIG GET, CONFIG SET and typed access.
//! - `template`: what `proc-title-template` holds.
//! - [`file`](mod@file): reading a configuration text, `rewrite`: CONFIG REWRITE, [`arguments`]: the command line as
//!   a configuration text.
//!
//! Nothing here opens a file or a socket: the caller brings the text and applies what changes.

pub mod arguments;
pub mod directive;
mod directives;
pub mod enumerations;
mod error;
pub mod file;
mod number;
mod rewrite;
pub mod store;
mod template;
pub mod typed;
mod value;
mod words;

#[cfg(test)]
mod properties;

pub use arguments::{CommandLine, parse_arguments};
pub use directive::{Directive, DirectiveId, Flags, Kind};
pub use enumerations::{
    AclPubsubDefault, AppendFsync, LogFormat, LogLevel, LogTimestampFormat, MaxmemoryPolicy,
    OomScoreAdjust, ProtectedAction, ShutdownFlags, Supervised, SyslogFacility,
    TlsClientAuthentication,
};
pub use error::{ConfigError, ConfigFileError};
pub use file::ConfigFileHost;
pub use rewrite::RewriteScope;
pub use store::{ApplyError, Config, ConfigObserver, Setter};
pub use template::expand_template;
pub use typed::{CachedLimits, ClientClass};
pub use value::{OutputBufferLimit, SavePoint};
