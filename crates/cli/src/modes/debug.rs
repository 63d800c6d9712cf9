//! `--ldb`: the script of `--eval`, a line at a time, with somebody at the prompt who says how it goes on.

use std::path::Path;

use super::eval::read_request;
use crate::arguments::DebugMode;
use crate::client::{Client, Disconnected, Exit, Report, print};
use crate::prompt::{self, Conversation};

const GREETING: &str = "\
Lua debugging session started, please use:
quit    -- End the session.
restart -- Restart the script in debug mode again.
help    -- Show Lua script debugging commands.

";

/// Debugs the script as often as is wished. What follows its end at the prompt are commands as ever.
pub fn debug(client: &mut Client, file: &Path, mode: DebugMode) -> Result<(), Exit> {
    let mut lines = None;
    loop {
        print(GREETING.as_bytes())?;
        // The file may have been edited since.
        let request = read_request(file, &client.options.command)?;
        let word: &[u8] = match mode {
            DebugMode::Copy => b"yes",
            DebugMode::Synchronous => b"sync",
        };
        // A refusal shows in what comes of the script.
        let _ = client.call(&[b"SCRIPT", b"DEBUG", word]);
        client.open_debugger(mode);
        let ran = client.run(&request, client.options.repeat)?;
        if client.take_debugger_end().is_some() {
            print(b"Eval debugging session can't start:\n")?;
            // A lost connection has been told.
            let _ = client.print_reply()?;
            return ran.map_err(|Disconnected| Exit(1));
        }
        match prompt::converse(client, &mut lines)? {
            Conversation::Ended => return Ok(()),
            Conversation::Restarts => {}
        }
        client
            .connect(Report::Loud)
            .map_err(|Disconnected| Exit(1))?;
        print(b"\n")?;
    }
}
