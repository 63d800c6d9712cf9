//! Subcommands of DEBUG that reach the allocator's controls. Only numbers are read, and nothing is written: what else a
//! control may hold the allocator does not say, and a wrong guess would end the process.

use crate::command::{CommandError, CommandResult, Context, Reply};

/// Reads a control that is a number.
pub(super) fn control(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() > 3 {
        cx.integer(3)?;
        return Err(CommandError::text("ERR Operation not permitted"));
    }
    let value = cx.engine().host.allocator_control(cx.arg(2));
    let value = value.map_err(|reason| CommandError::from(format!("ERR {reason}")))?;
    out.integer(value as i64);
    Ok(())
}

/// Has the allocator do what has no value.
pub(super) fn command(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 3 || cx.arg(3) != b"VOID" {
        return Err(CommandError::text("ERR only controls without a value"));
    }
    let result = cx.engine().host.allocator_command(cx.arg(2));
    result.map_err(|reason| CommandError::from(format!("ERR {reason}")))?;
    out.ok();
    Ok(())
}
