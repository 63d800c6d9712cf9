//! SLOWLOG: the commands that took long. How they get into the log stands in `command_log`.

use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Reply};
use crate::command_log::LogKind;
use crate::text::parse_integer;

const ALWAYS: Flags = Flags::LOADING.union(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.union(ALWAYS);

const ROW: Command = Command {
    group: Group::Server,
    ..Command::DEFAULT
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "slowlog",
    arity: -2,
    since: "2.2.12",
    complexity: "That of the subcommand",
    summary: "Looks at the commands that took long.",
    subcommands: &[
        Command {
            name: "get",
            history: &[(
                "4.0.0",
                "The reply has the address and the name of the client.",
            )],
            arity: -2,
            flags: ADMIN,
            since: "2.2.12",
            complexity: "O(N) in the number of entries",
            summary: "Answers the last entries of the slow log.",
            syntax: "[count:integer]",
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            handler: slowlog_get,
            ..ROW
        },
        ROW.help("6.2.0", slowlog_help),
        Command {
            name: "len",
            arity: 2,
            flags: ADMIN,
            since: "2.2.12",
            summary: "Counts the entries of the slow log.",
            tips: &[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ],
            handler: slowlog_len,
            ..ROW
        },
        Command {
            name: "reset",
            arity: 2,
            flags: ADMIN,
            since: "2.2.12",
            complexity: "O(N) in the number of entries",
            summary: "Empties the slow log.",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: slowlog_reset,
            ..ROW
        },
    ],
    ..ROW
}];

/// Entries that SLOWLOG GET answers if it is not told how many.
const USUAL_COUNT: usize = 10;

fn slowlog_get(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let count = match cx.argc() {
        2 => USUAL_COUNT,
        3 => parse_count(cx.arg(2))?,
        _ => return Err(CommandError::unknown_subcommand(cx.arg(1), "SLOWLOG")),
    };
    reply_entries(cx, LogKind::Slow, count, out);
    Ok(())
}

/// The newest entries of a log.
pub(super) fn reply_entries(cx: &Context<'_>, kind: LogKind, count: usize, out: &mut Reply<'_>) {
    let mark = out.deferred_array();
    let mut sent = 0;
    cx.engine().command_logs.of(kind).newest(count, |entry| {
        out.array(6);
        out.integer(entry.id as i64);
        out.integer(entry.ended_seconds);
        out.integer(entry.value as i64);
        out.array(entry.arguments.len());
        entry
            .arguments
            .iter()
            .for_each(|argument| out.bulk(argument));
        out.bulk(entry.address.as_bytes());
        out.bulk(&entry.client_name);
        sent += 1;
    });
    out.finish_array(mark, sent);
}

/// How many entries are asked for: -1 is all.
pub(super) fn parse_count(argument: &[u8]) -> Result<usize, CommandError> {
    match parse_integer(argument) {
        Some(-1) => Ok(usize::MAX),
        Some(count @ 0..) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(CommandError::text(
            "ERR count should be greater than or equal to -1",
        )),
    }
}

fn slowlog_len(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.engine().command_logs.of(LogKind::Slow).len() as i64);
    Ok(())
}

fn slowlog_reset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.engine().command_logs.of(LogKind::Slow).reset();
    out.ok();
    Ok(())
}

fn slowlog_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "SLOWLOG",
        &[
            (
                "GET [<count>]",
                "Answers the newest entries (10 unless a count is given, all if it is -1): number, \
                 time, microseconds, arguments, address and name of the client.",
            ),
            ("LEN", "Counts the entries."),
            ("RESET", "Empties the log."),
        ],
    )
}
