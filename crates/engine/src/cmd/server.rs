//! Commands about the server as a whole that have no room of their own: TIME, ROLE, MONITOR,
//! SHUTDOWN, LOLWUT.

use crate::blocking::Blocking;
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Reply,
};
use crate::engine::ShutdownOptions;
use crate::random::Random;
use crate::replication::Link;
use crate::version::{OXIDIS_VERSION, REDIS_VERSION};

const ROW: Command = Command {
    group: Group::Server,
    ..Command::DEFAULT
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "lolwut",
        arity: -1,
        flags: Flags::READONLY.union(Flags::FAST),
        since: "5.0.0",
        summary: "Draws a picture.",
        syntax: "[VERSION version:integer]",
        handler: lolwut,
        ..ROW
    },
    Command {
        name: "monitor",
        arity: 1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::LOADING)
            .union(Flags::STALE),
        summary: "Shows every command that the server executes.",
        handler: monitor,
        ..ROW
    },
    Command {
        name: "role",
        categories: Categories::ADMIN.union(Categories::DANGEROUS),
        arity: 1,
        flags: Flags::NOSCRIPT
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::FAST),
        since: "2.8.12",
        summary: "Answers the role of the server in replication.",
        handler: role,
        ..ROW
    },
    Command {
        name: "shutdown",
        history: &[(
            "7.0.0",
            "NOW waits for no replica, FORCE ends though saving failed, ABORT takes a shutdown back.",
        )],
        arity: -1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::NO_MULTI)
            .union(Flags::ALLOW_BUSY),
        complexity: "O(1) when nothing is saved",
        summary: "Ends the server.",
        syntax: "[save-selector= NOSAVE|SAVE] [NOW^7.0.0] [FORCE^7.0.0] [ABORT^7.0.0]",
        handler: shutdown,
        ..ROW
    },
    Command {
        name: "time",
        arity: 1,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        since: "2.6.0",
        summary: "Answers the time of the server.",
        tips: &["nondeterministic_output"],
        handler: time,
        ..ROW
    },
];

fn time(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const SECOND_US: i64 = 1_000_000;
    out.array(2);
    out.bulk_integer(cx.now_us() / SECOND_US);
    out.bulk_integer(cx.now_us() % SECOND_US);
    Ok(())
}

fn monitor(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.may_block() {
        return Err(CommandError::text(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    cx.worker.engine.monitors.add(&cx.client.shared);
    out.ok();
    Ok(())
}

fn role(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let state = cx.engine().replication.lock();
    if let Some(upstream) = &state.upstream {
        out.array(5);
        out.bulk(b"slave");
        out.bulk(&upstream.host);
        out.integer(i64::from(upstream.port));
        out.bulk(upstream.link.word().as_bytes());
        out.integer(match upstream.link {
            Link::Up => state.offset as i64,
            _ => -1,
        });
        return Ok(());
    }
    out.array(3);
    out.bulk(b"master");
    out.integer(state.offset as i64);
    let online = || state.replicas.iter().filter(|it| it.is_online());
    out.array(online().count());
    for replica in online() {
        out.array(3);
        out.bulk(&replica.address());
        out.bulk_integer(i64::from(replica.options.port));
        out.bulk_integer(replica.acknowledged as i64);
    }
    Ok(())
}

fn shutdown(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut options = ShutdownOptions::default();
    let mut is_abort = false;
    for index in 1..cx.argc() {
        let save = match () {
            () if cx.arg_is(index, "SAVE") => Some(true),
            () if cx.arg_is(index, "NOSAVE") => Some(false),
            () => None,
        };
        if save.is_some() {
            if options.save.is_some_and(|said| Some(said) != save) {
                return Err(CommandError::Syntax);
            }
            options.save = save;
        } else if cx.arg_is(index, "NOW") {
            options.now = true;
        } else if cx.arg_is(index, "FORCE") {
            options.force = true;
        } else if cx.arg_is(index, "ABORT") {
            is_abort = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if is_abort {
        if options != ShutdownOptions::default() {
            return Err(CommandError::Syntax);
        }
        let engine = cx.engine();
        if !engine.shutdown.abort(engine) {
            return Err(CommandError::text("ERR No shutdown in progress."));
        }
        out.ok();
        return Ok(());
    }
    if !options.now && !cx.may_block() {
        return Err(CommandError::text(
            "ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client",
        ));
    }
    if options.save != Some(false) && cx.engine().is_script_busy() {
        return Err(cx.engine().busy_error());
    }
    match cx.worker.shut_down(options) {
        Ok(()) if cx.engine().is_shutdown_waiting() => {
            let blocking = Blocking {
                keys: Vec::new(),
                deadline_ms: None,
                on_timeout: None,
                needs_other_keys: false,
                wants_loss: false,
            };
            cx.block(blocking, out)?;
            if let Some(blocked) = &cx.client.blocked {
                cx.worker.engine.shutdown.join(blocked.clone());
            }
        }
        // There is no reply: the connection ends with the server.
        Ok(()) => {
            cx.engine().stop_script(options.save == Some(false));
            cx.client.close_after_reply = true;
        }
        Err(reason) => out.error(&format!("ERR {reason}")),
    }
    Ok(())
}

/// The size of the picture that LOLWUT draws, unless it is asked for another.
const PICTURE_COLUMNS: usize = 64;
const PICTURE_ROWS: usize = 10;

fn lolwut(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (mut first, mut is_sized) = (1, false);
    if cx.argc() >= 3 && cx.arg_is(1, "VERSION") {
        // There is one picture, whatever the version; but of Redis's only two have a size.
        is_sized = matches!(cx.integer(2)?, 5 | 6);
        first = 3;
    }
    let size = |index: usize, usual: usize, most: i64| match cx.argc() > index {
        true => match cx.integer(index) {
            Err(_) if !is_sized => Ok(usual),
            size => size.map(|size| size.clamp(1, most) as usize),
        },
        false => Ok(usual),
    };
    let columns = size(first, PICTURE_COLUMNS, 1000)?;
    let rows = size(first + 1, PICTURE_ROWS, 200)?;
    let mut picture = draw(columns, rows, cx.random());
    picture.push_str(&format!(
        "\nRedis ver. {REDIS_VERSION}, as Oxidis {OXIDIS_VERSION} speaks it\n"
    ));
    out.verbatim("txt", picture.as_bytes());
    Ok(())
}

/// An oxbow river: it wanders from the left to the right through a meadow.
fn draw(columns: usize, rows: usize, random: &mut Random) -> String {
    const MEADOW: [char; 8] = [' ', ' ', ' ', ' ', ' ', '.', ',', '"'];
    let mut banks = Vec::new();
    let mut course = random.index(rows);
    for _ in 0..columns {
        let next = match random.below(3) {
            0 => course.saturating_sub(1),
            1 => (course + 1).min(rows - 1),
            _ => course,
        };
        banks.push((course.min(next), course.max(next)));
        course = next;
    }
    let mut picture = String::new();
    for row in 0..rows {
        for &(top, bottom) in &banks {
            picture.push(if (top..=bottom).contains(&row) {
                '~'
            } else {
                MEADOW[random.index(MEADOW.len())]
            });
        }
        picture.push('\n');
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_river_reaches_every_column() {
        for seed in 0..50 {
            let picture = draw(30, 5, &mut Random::new(seed));
            let lines: Vec<Vec<char>> =
                picture.lines().map(|line| line.chars().collect()).collect();
            assert_eq!(lines.len(), 5);
            for column in 0..30 {
                assert!(lines.iter().any(|line| line[column] == '~'));
            }
        }
    }
}
