//! The debugger of scripts: what `redis-cli --ldb` talks to.
//!
//! * `state`: what a debugger has in mind, and what it tells its client.
//! * `stop`: when a script is stopped, and what happens until it goes on.
//! * `request`: what the client sends while the script stands.
//! * `commands`: what the client can ask for.
//! * `source`: the lines of the script, and which of them are breakpoints.
//! * `describe`: Lua's values and replies of commands as people read them.
//!
//! How Lua calls this at every line stands in `lua/lines.rs`.

mod commands;
mod describe;
mod request;
mod source;
mod state;
mod stop;

pub(crate) use state::{
    Debugger, note_command, note_error, note_reply, note_values, stop_at_next_line,
};
pub(crate) use stop::at_line;
