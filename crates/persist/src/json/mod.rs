//! Data sets as JSON that people can read and write, described in `docs/json.md`: an array of records, of which each
//! stands on a line of its own.
//!
//! * `text`: bytes as JSON strings, whatever they are.
//! * `write`: records. `read`: records, by several threads; `cut`: where they end; `value`, `stream`: values as they are
//!   read.
//! * `codec`: all of it as the engine asks for it.

mod codec;
mod cut;
mod read;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod write;

pub use codec::Json;
