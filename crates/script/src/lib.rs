//! Lua 5.1 for the engine: the interpreter behind EVAL and FCALL.
//!
//! * [`Lua`], in `interpreter`: what the engine is given.
//! * `from_reply` and `to_reply`: replies as Lua values, and Lua values as replies.
//! * `libraries`: what scripts have beside Lua's own libraries.
//! * `debugger`: the debugger of scripts.
//! * `lua`: the interpreter as the rest of the crate sees it; all that is unsafe.
//! * `digest`, `number`, `random`: SHA-1, C's way to write doubles, the generator of `math.random`.
//! * `pattern`: Lua's patterns, matched without recursion.
//! * `limits`: every limit.

mod debugger;
mod digest;
mod from_reply;
mod interpreter;
mod libraries;
mod limits;
mod lua;
mod number;
mod pattern;
mod random;
mod to_reply;

pub use interpreter::Lua;
