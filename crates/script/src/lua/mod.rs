//! The Lua interpreter as the rest of the crate sees it: everything that is unsafe lives here.
//!
//! * `heap`: Lua's allocator, and what belongs to a state beside Lua's own data.
//! * `frame`: the stack of a function that Lua calls, and how Rust functions become Lua's.
//! * `above`: the part of the stack that is left to who works on strings below it.
//! * `state`: an interpreter: making it, compiling, running.
//! * `sandbox`: what is done to Lua's own libraries before scripts see them.
//! * `interrupt`: the hook by which a running script is asked to stop.
//! * `lines`: the hook by which a debugger stops a script at its lines.

mod above;
mod frame;
mod heap;
mod interrupt;
mod lines;
mod sandbox;
mod state;

pub(crate) use above::Above;
pub(crate) use frame::{Entry, Frame, Kind, Raise, Results, enter, function, integer_of};
pub(crate) use heap::{Registered, Running};
pub(crate) use interrupt::Watch;
pub(crate) use state::{Code, Failure, Purpose, State};
