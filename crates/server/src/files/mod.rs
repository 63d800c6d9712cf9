//! What is done with files where no server runs: `oxidis check`, `oxidis dump` and `oxidis load`.
//!
//! * `arguments`: their command lines.
//! * `check`: whether files are whole, and cutting off what is torn. `words`: what is said about it, in our words and
//!   in those that scripts around redis-check-aof look for.
//! * `convert`: from one format to another. `source`, `target`: from where and to where. `replay`: a data set out of
//!   commands.
//! * `bar`: how far it is.

pub mod arguments;
mod bar;
mod check;
mod convert;
mod replay;
mod source;
mod target;
mod words;

pub use check::check;
pub use convert::convert;
