//! WAIT and WAITAOF: until replicas have what the session wrote. (`replication::waiting` has those who wait.)

use std::sync::Arc;

use super::arguments::positive_or;
use crate::blocking::{Blocking, TimeoutReply};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Reply,
};
use crate::replication::{WaitCounts, Wanted};
use crate::text::parse_integer;

const ROW: Command = Command {
    flags: Flags::BLOCKING,
    categories: Categories::CONNECTION,
    group: Group::Generic,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "wait",
        arity: 3,
        since: "3.0.0",
        summary: "Waits until replicas have what the connection wrote.",
        syntax: "numreplicas:integer timeout:integer",
        handler: wait,
        ..ROW
    },
    Command {
        name: "waitaof",
        arity: 4,
        since: "7.2.0",
        summary: "Waits until what the connection wrote is on the disks of this server and of replicas.",
        syntax: "numlocal:integer numreplicas:integer timeout:integer",
        handler: waitaof,
        ..ROW
    },
];

fn wait(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.engine().replication.is_replica() {
        return Err(CommandError::text(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    let replicas = cx.integer(1)?;
    let deadline_ms = wait_deadline_ms(cx, 2)?;
    wait_for(cx, replicas, false, None, deadline_ms, out)
}

fn waitaof(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let local = cx.integer_between(1, 0..=1)?;
    let replicas = positive_or(cx.arg(2), CommandError::MustBePositive)?;
    let deadline_ms = wait_deadline_ms(cx, 3)?;
    if cx.engine().replication.is_replica() {
        return Err(CommandError::text(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just \
             local and are not propagated.",
        ));
    }
    if local > 0 && !cx.engine().config.appendonly() {
        return Err(CommandError::text(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    // Waiting for the disk is over at once: the sync that is waited for is this one.
    let engine = cx.worker.engine.clone();
    let is_synced = engine.append_log.is_on() && engine.append_log.flush_and_sync(&engine).is_ok();
    let synced = i64::from(is_synced);
    // What cannot be synced is waited for in vain.
    let replicas = match synced >= local {
        true => i64::try_from(replicas).unwrap_or(i64::MAX),
        false => i64::MAX,
    };
    wait_for(cx, replicas, true, Some(synced), deadline_ms, out)
}

/// Waits until so many replicas have what the session wrote, or the time is over.
fn wait_for(
    cx: &mut Context<'_>,
    replicas: i64,
    on_disk: bool,
    local: Option<i64>,
    deadline_ms: Option<i64>,
    out: &mut Reply<'_>,
) -> CommandResult {
    let engine = cx.worker.engine.clone();
    let mut state = engine.replication.lock();
    let wanted = Wanted {
        offset: cx.client.written_offset,
        replicas,
        on_disk,
    };
    let counts = Arc::new(WaitCounts::new(local, state.count_copies(wanted)));
    if state.count_copies(wanted) >= replicas {
        counts.write(out);
        return Ok(());
    }
    let blocking = Blocking {
        keys: Vec::new(),
        deadline_ms,
        on_timeout: Some(TimeoutReply::Copies(counts.clone())),
        needs_other_keys: false,
        wants_loss: false,
    };
    cx.block(blocking, out)?;
    if let Some(blocked) = &cx.client.blocked {
        state.wait(blocked.clone(), wanted, counts);
        // While writes are paused nothing may get into the stream.
        if !engine.pause.holds_writes(cx.now_ms()) {
            state.ask_for_acknowledgements();
        }
    }
    Ok(())
}

/// Milliseconds to wait for, as WAIT takes them: when to give up, or `None` for never.
fn wait_deadline_ms(cx: &Context<'_>, index: usize) -> Result<Option<i64>, CommandError> {
    let timeout_ms = parse_integer(cx.arg(index)).ok_or(CommandError::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    match timeout_ms {
        0 => Ok(None),
        1.. => {
            let deadline_ms = cx.now_ms().checked_add(timeout_ms);
            deadline_ms
                .map(Some)
                .ok_or(CommandError::text("ERR timeout is out of range"))
        }
        _ => Err(CommandError::text("ERR timeout is negative")),
    }
}
