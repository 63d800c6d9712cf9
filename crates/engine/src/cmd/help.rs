//! The reply of HELP, which every container of subcommands has.

use crate::command::{CommandResult, Reply};

/// Writes each subcommand's form and what it does.
pub(super) fn reply_help(
    out: &mut Reply<'_>,
    container: &str,
    lines: &[(&str, &str)],
) -> CommandResult {
    out.array(lines.len() * 2 + 3);
    out.simple(&format!(
        "{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for (form, explanation) in lines {
        out.simple(form);
        out.simple(&format!("    {explanation}"));
    }
    out.simple("HELP");
    out.simple("    Print this help.");
    Ok(())
}
