//! OXIDIS: what tests do with an instance beside using it: its clock, faults, snapshots, forks, the record of commands,
//! the seed. Refused unless `enable-test-commands` says otherwise.

use std::time::Duration;

use super::arguments::count_or;
use crate::checkpoint::DatabaseKey;
use crate::clock::ClockError;
use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, Group, Handler, Locks, Reply,
};
use crate::faults::{Fault, FaultEffect};
use crate::text::parse_double;

/// The row.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "oxidis",
    is_internal: true,
    arity: -2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::NO_MULTI)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::PROTECTED),
    locks: Locks::Stepwise,
    group: Group::Server,
    complexity: "That of the subcommand",
    summary: "Moves the clock, asks for faults, goes back to snapshots; for tests.",
    handler: oxidis,
    ..Command::DEFAULT
}];

/// Snapshots that are kept by name, at the most.
const SNAPSHOTS_MAX: usize = 64;

/// Commands that are kept unless START says how many.
const RECORDED_USUAL: usize = 10_000;

/// A subcommand: its name, how many arguments it takes (least and most, the two names included), and its code.
struct Subcommand {
    name: &'static str,
    arguments: (usize, usize),
    form: &'static str,
    explanation: &'static str,
    handler: Handler,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "advance",
        arguments: (3, 3),
        form: "ADVANCE <seconds>",
        explanation: "Moves a manual clock on. Answers when all that was due has happened.",
        handler: advance,
    },
    Subcommand {
        name: "clock",
        arguments: (2, 3),
        form: "CLOCK [MANUAL|SYSTEM]",
        explanation: "Lets time stand still until it is moved, or run. Answers which it does.",
        handler: clock,
    },
    Subcommand {
        name: "commands",
        arguments: (2, 4),
        form: "COMMANDS [START [<count>]|STOP|CLEAR]",
        explanation: "Keeps what clients send, the last so many of it. Answers what is kept.",
        handler: commands,
    },
    Subcommand {
        name: "diff",
        arguments: (2, 3),
        form: "DIFF [<snapshot>]",
        explanation: "Answers which keys were added, removed and changed since a snapshot.",
        handler: diff,
    },
    Subcommand {
        name: "drop",
        arguments: (2, 3),
        form: "DROP [<snapshot>]",
        explanation: "Forgets a snapshot.",
        handler: drop_snapshot,
    },
    Subcommand {
        name: "fault",
        arguments: (3, usize::MAX),
        form: "FAULT ADD (ERROR <text>|DELAY <ms>|CUT|CUTREPLY|LOSEREPLY) [COMMAND <name>] \
               [KEY <pattern>] [CLIENT <id-or-pattern>] [SKIP <n>] [COUNT <n>]|LIST|REMOVE <id>|CLEAR",
        explanation: "Has requests fail, wait, or lose their connection. Answers the fault's number.",
        handler: fault,
    },
    Subcommand {
        name: "fork",
        arguments: (2, 4),
        form: "FORK [END <port>]",
        explanation: "Starts another server in this process with the same data, users and time, or ends it. Answers its port.",
        handler: fork,
    },
    Subcommand {
        name: "restore",
        arguments: (2, 3),
        form: "RESTORE [<snapshot>]",
        explanation: "Puts a snapshot in the place of the data.",
        handler: restore,
    },
    Subcommand {
        name: "seed",
        arguments: (3, 3),
        form: "SEED <number>",
        explanation: "Has everything random follow from a number from now on.",
        handler: seed,
    },
    Subcommand {
        name: "settime",
        arguments: (3, 3),
        form: "SETTIME <unix-time-seconds>",
        explanation: "Moves a manual clock to a time.",
        handler: set_time,
    },
    Subcommand {
        name: "snapshot",
        arguments: (2, 3),
        form: "SNAPSHOT [<name>]",
        explanation: "Keeps a copy of the data in memory. Answers how many keys it has.",
        handler: snapshot,
    },
];

fn oxidis(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 2 && cx.arg_is(1, "HELP") {
        let lines: Vec<(&str, &str)> = SUBCOMMANDS
            .iter()
            .map(|subcommand| (subcommand.form, subcommand.explanation))
            .collect();
        return super::reply_help(out, "OXIDIS", &lines);
    }
    let found = SUBCOMMANDS.iter().find(|subcommand| {
        let (least, most) = subcommand.arguments;
        cx.arg_is(1, subcommand.name) && (least..=most).contains(&cx.argc())
    });
    match found {
        Some(subcommand) => (subcommand.handler)(cx, out),
        None => Err(CommandError::unknown_subcommand(cx.arg(1), "OXIDIS")),
    }
}

// The clock.

fn failed(error: impl std::fmt::Display) -> CommandError {
    format!("ERR {error}").into()
}

/// An argument that is seconds, as microseconds.
fn microseconds(cx: &Context<'_>, index: usize) -> Result<i64, CommandError> {
    let seconds = parse_double(cx.arg(index)).filter(|seconds| seconds.is_finite());
    let seconds = seconds.ok_or(CommandError::text("ERR value is not a valid float"))?;
    let microseconds = (seconds * 1e6).round();
    if !(0.0..9e18).contains(&microseconds) {
        return Err(failed(ClockError::OutOfRange));
    }
    Ok(microseconds as i64)
}

fn clock(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 2 {
        let is_manual = cx.engine().is_clock_manual();
        out.bulk(if is_manual { b"manual" } else { b"system" });
        return Ok(());
    }
    if cx.arg_is(2, "MANUAL") {
        cx.worker.stop_clock().map_err(failed)?;
    } else if cx.arg_is(2, "SYSTEM") {
        cx.worker.start_clock().map_err(failed)?;
    } else {
        return Err(CommandError::Syntax);
    }
    out.ok();
    Ok(())
}

fn advance(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let time = Duration::from_micros(microseconds(cx, 2)?.unsigned_abs());
    cx.worker.advance(time).map_err(failed)?;
    out.ok();
    Ok(())
}

fn set_time(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let at_us = microseconds(cx, 2)?;
    cx.worker.set_time(at_us).map_err(failed)?;
    out.ok();
    Ok(())
}

// Faults.

fn fault(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.arg_is(2, "ADD") && cx.argc() > 3 {
        let fault = parse_fault(cx)?;
        let id = cx.engine().add_fault(fault).map_err(failed)?;
        out.integer(id as i64);
    } else if cx.arg_is(2, "LIST") && cx.argc() == 3 {
        list_faults(cx, out);
    } else if cx.arg_is(2, "REMOVE") && cx.argc() == 4 {
        let id = cx.integer(3)?;
        let removed = cx.engine().remove_fault(id.unsigned_abs());
        let removed = removed.ok_or(CommandError::text("ERR there is no such fault"))?;
        out.integer(removed.met as i64);
    } else if cx.arg_is(2, "CLEAR") && cx.argc() == 3 {
        out.integer(cx.engine().clear_faults() as i64);
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

fn parse_fault(cx: &Context<'_>) -> Result<Fault, CommandError> {
    let mut index = 4;
    let effect = if cx.arg_is(3, "CUT") {
        FaultEffect::Cut
    } else if cx.arg_is(3, "CUTREPLY") {
        FaultEffect::CutReply
    } else if cx.arg_is(3, "LOSEREPLY") {
        FaultEffect::LoseReply
    } else if cx.argc() < 5 {
        return Err(CommandError::Syntax);
    } else {
        index = 5;
        if cx.arg_is(3, "ERROR") {
            FaultEffect::Error(String::from_utf8_lossy(cx.arg(4)).into_owned())
        } else if cx.arg_is(3, "DELAY") {
            let delay_ms = natural(cx, 4)?;
            FaultEffect::Delay(Duration::from_millis(delay_ms))
        } else {
            return Err(CommandError::Syntax);
        }
    };
    let mut fault = Fault::new(effect);
    while index < cx.argc() {
        if index + 1 == cx.argc() {
            return Err(CommandError::Syntax);
        }
        let value = cx.arg(index + 1);
        if cx.arg_is(index, "COMMAND") {
            fault.command = Some(String::from_utf8_lossy(value).into_owned());
        } else if cx.arg_is(index, "KEY") {
            fault.key = Some(value.to_vec());
        } else if cx.arg_is(index, "CLIENT") {
            fault.client = Some(value.to_vec());
        } else if cx.arg_is(index, "SKIP") {
            fault.skip = natural(cx, index + 1)?;
        } else if cx.arg_is(index, "COUNT") {
            fault.count = Some(natural(cx, index + 1)?);
        } else {
            return Err(CommandError::Syntax);
        }
        index += 2;
    }
    Ok(fault)
}

fn natural(cx: &Context<'_>, index: usize) -> Result<u64, CommandError> {
    u64::try_from(cx.integer(index)?).map_err(|_| CommandError::NotInteger)
}

fn list_faults(cx: &Context<'_>, out: &mut Reply<'_>) {
    let faults = cx.engine().faults();
    out.array(faults.len());
    for it in faults {
        let effect = match &it.fault.effect {
            FaultEffect::Error(text) => format!("error {text}"),
            FaultEffect::Delay(delay) => format!("delay {}", delay.as_millis()),
            FaultEffect::Cut => "cut".to_owned(),
            FaultEffect::CutReply => "cutreply".to_owned(),
            FaultEffect::LoseReply => "losereply".to_owned(),
        };
        out.map(8);
        let number = |out: &mut Reply<'_>, name: &str, value: u64| {
            out.bulk(name.as_bytes());
            out.integer(value as i64);
        };
        let text = |out: &mut Reply<'_>, name: &str, value: Option<&[u8]>| {
            out.bulk(name.as_bytes());
            match value {
                Some(value) => out.bulk(value),
                None => out.null(),
            }
        };
        number(out, "id", it.id);
        text(out, "effect", Some(effect.as_bytes()));
        text(
            out,
            "command",
            it.fault.command.as_deref().map(str::as_bytes),
        );
        text(out, "key", it.fault.key.as_deref());
        text(out, "client", it.fault.client.as_deref());
        number(out, "skip", it.fault.skip);
        out.bulk(b"count");
        match it.fault.count {
            Some(count) => out.integer(count as i64),
            None => out.null(),
        }
        number(out, "met", it.met);
    }
}

// Snapshots.

/// The name of a snapshot; one without a name has the empty one.
fn name_of<'a>(cx: &Context<'a>) -> &'a [u8] {
    if cx.argc() > 2 { cx.arg(2) } else { b"" }
}

const NO_SNAPSHOT: CommandError = CommandError::text("ERR there is no such snapshot");

fn snapshot(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let name = name_of(cx);
    let snapshot = cx.worker.checkpoint().map_err(failed)?;
    let len = snapshot.len();
    let mut kept = cx.engine().checkpoints.lock();
    if kept.len() >= SNAPSHOTS_MAX && !kept.contains_key(name) {
        return Err(CommandError::text("ERR there are too many snapshots"));
    }
    kept.insert(name.to_vec(), snapshot.into());
    out.integer(len as i64);
    Ok(())
}

fn restore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let snapshot = cx.engine().checkpoints.lock().get(name_of(cx)).cloned();
    let snapshot = snapshot.ok_or(NO_SNAPSHOT)?;
    cx.worker.restore_checkpoint(&snapshot).map_err(failed)?;
    out.ok();
    Ok(())
}

fn drop_snapshot(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let dropped = cx.engine().checkpoints.lock().remove(name_of(cx));
    dropped.ok_or(NO_SNAPSHOT)?;
    out.ok();
    Ok(())
}

fn diff(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let snapshot = cx.engine().checkpoints.lock().get(name_of(cx)).cloned();
    let snapshot = snapshot.ok_or(NO_SNAPSHOT)?;
    let differences = cx.worker.differences(&snapshot).map_err(failed)?;
    out.map(3);
    let mut keys = |name: &str, keys: &[DatabaseKey]| {
        out.bulk(name.as_bytes());
        out.array(keys.len());
        for DatabaseKey { database, key } in keys {
            out.array(2);
            out.integer(*database as i64);
            out.bulk(key);
        }
    };
    keys("added", &differences.added);
    keys("removed", &differences.removed);
    keys("changed", &differences.changed);
    Ok(())
}

// Forks.

fn fork(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 2 {
        let fork = cx.worker.fork().map_err(failed)?;
        let port = cx.engine().host().fork(fork).map_err(failed)?;
        out.integer(i64::from(port));
        return Ok(());
    }
    if cx.argc() != 4 || !cx.arg_is(2, "END") {
        return Err(CommandError::Syntax);
    }
    let port = u16::try_from(cx.integer(3)?).ok();
    if !port.is_some_and(|port| cx.engine().host().end_fork(port)) {
        return Err(CommandError::text("ERR there is no such fork"));
    }
    out.ok();
    Ok(())
}

// The record.

fn commands(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.engine();
    if cx.argc() == 2 {
        let recorded = engine.recorded_commands();
        out.array(recorded.len());
        for command in recorded {
            out.array(5);
            out.integer(command.at_us);
            out.integer(command.client_id as i64);
            out.bulk(&command.client_name);
            out.integer(command.database as i64);
            out.array(command.arguments.len());
            command.arguments.iter().for_each(|it| out.bulk(it));
        }
        return Ok(());
    }
    if cx.arg_is(2, "START") {
        let count_max = match cx.argc() {
            3 => RECORDED_USUAL,
            _ => count_or(
                cx.arg(3),
                CommandError::text("ERR count must be greater than 0"),
            )?,
        };
        engine.record_commands(count_max);
    } else if cx.arg_is(2, "STOP") && cx.argc() == 3 {
        engine.stop_recording_commands();
    } else if cx.arg_is(2, "CLEAR") && cx.argc() == 3 {
        engine.forget_recorded_commands();
    } else {
        return Err(CommandError::Syntax);
    }
    out.ok();
    Ok(())
}

// Chance.

fn seed(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let seed = crate::text::parse_unsigned(cx.arg(2)).ok_or(CommandError::NotInteger)?;
    cx.engine().reseed(seed);
    cx.worker.refresh_rules();
    out.ok();
    Ok(())
}
