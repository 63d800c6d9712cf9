//! The subcommand of DEBUG that shows scripts.

use crate::command::{CommandResult, Context, Reply};
use crate::config::LogLevel;
use crate::scripting::Script;

/// The length of a digest.
const DIGEST_LEN: usize = 40;

/// Writes the sources of all scripts to the log, or that of one.
pub(super) fn write(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.engine();
    let write = |script: &Script| {
        let source = String::from_utf8_lossy(&script.source);
        let text = format!("SCRIPT SHA: {}\n{source}", script.digest);
        engine.host.log(LogLevel::Warning, &text);
    };
    if cx.arg_is(2, "LIST") {
        let scripts = engine.scripting.all();
        scripts.iter().for_each(|(script, _)| write(script));
    } else if cx.arg(2).len() == DIGEST_LEN {
        // A digest in capitals is none of those that there are.
        let digest = str::from_utf8(cx.arg(2)).ok();
        let script = digest.and_then(|digest| engine.scripting.find(digest));
        write(&*script.ok_or(crate::cmd::scripting::NO_SCRIPT)?);
    } else {
        return Err(super::unknown(cx));
    }
    out.ok();
    Ok(())
}
