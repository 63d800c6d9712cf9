//! The life of a command, from its row in the table to its effects.
//!
//! * `spec`: what a row is: flags, key positions, categories, documentation.
//! * `table`: all rows joined, found by name. `names`: what `rename-command` makes of the names.
//! * `syntax`: the arguments that a row's `syntax` describes, for COMMAND DOCS.
//! * `context`: what a handler sees of the key space, its session and the engine.
//! * `field_expiry`: how fields of hashes that expire are deleted.
//! * `dispatch`: the gates before a handler, the locks around it, the effects after it.
//! * `error`: what can go wrong in a command, with Redis's texts.

pub(crate) mod context;
pub(crate) mod dispatch;
mod error;
pub(crate) mod field_expiry;
mod names;
mod spec;
mod syntax;
mod table;

pub use context::{Args, Context, EventClass};
pub use error::{CommandError, CommandResult};
pub use names::CommandNames;
pub use oxidis_resp::Writer as Reply;
pub use spec::{
    BeginSearch, Categories, Command, FindKeys, Flags, Group, Handler, KeyFinder, KeyFlags,
    KeySpec, Locks,
};
pub use syntax::{Argument, ArgumentKind, SyntaxError, parse_syntax};
pub use table::{CommandTable, Registered, table};
