//! The commands: one file a family, each with its rows, argument parsing and replies. What the
//! commands work on stands in `value`; how they are called in `command`.

mod hash;
pub(crate) mod pubsub;
mod sampling;
mod scan;
mod set;
mod string;
mod transaction;

use crate::command::Command;

/// The rows of all families.
pub(crate) const FAMILIES: &[&[Command]] = &[
    hash::COMMANDS,
    pubsub::COMMANDS,
    set::COMMANDS,
    string::COMMANDS,
    transaction::COMMANDS,
];

/// The reply of a container's HELP: each subcommand's form and what it does.
fn reply_help(
    out: &mut crate::command::Reply<'_>,
    container: &str,
    lines: &[(&str, &str)],
) -> crate::command::CommandResult {
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
