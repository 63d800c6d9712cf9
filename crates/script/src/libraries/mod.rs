//! The libraries that scripts have beside Lua's own: what each function does, without what is unsafe
//! about being called by Lua.
//!
//! * `redis`: commands, replies, the log.
//! * `functions`: what libraries of functions find while they are loaded.
//! * `random`, `clock`: what Redis changes of `math` and leaves of `os`.
//! * `text`, `tables`: the functions of `string` and `table` that could take for ever in one call.
//! * `json`, `message_pack`, `structure`, `bits`: cjson, cmsgpack, struct and bit.

mod bits;
mod clock;
mod functions;
mod json;
mod library;
mod message_pack;
mod random;
mod redis;
mod structure;
mod tables;
mod text;

pub(crate) use json::Settings as JsonSettings;
pub(crate) use library::{ALL, LOADING, Library, SCRIPTS_ONLY};
pub(crate) use redis::push_error;
