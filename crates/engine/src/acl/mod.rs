//! Access control: users, what they may do, what they were refused.
//!
//! The users are an immutable snapshot that all sessions share; a change makes another one and counts the
//! generation up. A session remembers for which generation it is known to be unrestricted, so a user without
//! restrictions pays one comparison a command.
//!
//! The commands stand in `cmd::acl`; the gate that asks in `command::dispatch`.

mod file;
mod log;
mod permission;
#[cfg(test)]
mod properties;
mod registry;
mod rules;
mod selector;
mod user;

pub(crate) use log::{AccessLog, AccessLogEntry, Denial, DenialContext};
pub use permission::Denied;
pub(crate) use permission::{authorize, is_permitted, log_denial, refresh};
pub(crate) use registry::Acl;
pub use registry::{UserDefinitionError, Users};
pub use rules::RuleError;
pub use user::{DEFAULT_USER, User};
