//! Files as they are found: whether what they hold is whole, and if not, what is wrong and where.
//!
//! * `form`: what a file is, by what it begins with.
//! * `commands`: files of commands, read in constant memory; which of their ends may be cut off.
//! * `data_set`: data sets, decoded value by value and thrown away.

mod commands;
mod data_set;
mod form;

pub use commands::{CommandsEnd, CommandsReport, Fault, check_commands};
pub use data_set::{DataSetReport, check_data_set};
pub use form::FileForm;
