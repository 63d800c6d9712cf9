//! Replication, as far as a server that stands alone has it: SYNC sends the data and then every
//! change to whoever asks (`redis-cli --replica`, a backup).

use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Locks, Reply};
use crate::snapshot;

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "sync",
    arity: 1,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_ASYNC_LOADING)
        .union(Flags::NO_MULTI),
    locks: Locks::All,
    since: "1.0.0",
    group: Group::Server,
    complexity: "O(N) in the size of the data",
    summary: "Sends the whole data set, and then every change of it.",
    handler: sync,
    ..Command::DEFAULT
}];

fn sync(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.worker.engine.clone();
    let Some(codec) = &engine.snapshot_codec else {
        return Err(CommandError::text("ERR SYNC is for servers"));
    };
    let bytes = snapshot::write_all(cx.worker, &**codec);
    // A bulk string without the line end behind it.
    out.raw(format!("${}\r\n", bytes.len()).as_bytes());
    out.raw(&bytes);
    engine.propagation.follow(cx.client.shared.clone());
    Ok(())
}
