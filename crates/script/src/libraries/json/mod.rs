//! `cjson`: JSON in the dialect of Lua CJSON 2.1, which scripts know.
//!
//! No JSON library knows that dialect: strings are bytes of any encoding, numbers may be hexadecimal
//! or NaN, a slash is escaped, errors name the token and the character. Hence a reader and a writer of
//! our own, both without recursion.
//!
//! * `functions`: what scripts call.
//! * `settings`: what scripts may set, for all scripts that follow.
//! * `encode`, `decode`: the writer and the reader. `tokens`: the reader's words.

mod decode;
mod encode;
mod functions;
mod settings;
mod tokens;

pub(super) use functions::LIBRARY;
pub(crate) use settings::Settings;
