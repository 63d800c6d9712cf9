//! COMMANDLOG of Valkey: the slow log, and those of large requests and replies. How commands get into
//! them stands in the module `command_log` of the crate.

use super::slow_log::{parse_count, reply_entries};
use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Reply};
use crate::command_log::LogKind;

const ALWAYS: Flags = Flags::LOADING.union(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.union(ALWAYS);

const ROW: Command = Command {
    group: Group::Server,
    since: "8.1.0",
    ..Command::DEFAULT
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "commandlog",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Looks at commands that took long, came in large requests or gave large replies (from Valkey).",
    subcommands: &[
        Command {
            name: "get",
            arity: 4,
            flags: ADMIN,
            complexity: "O(N) in the number of entries",
            summary: "Answers the last entries of a log of commands.",
            syntax: "count:integer slow|large-request|large-reply",
            tips: &["request_policy:all_nodes", "nondeterministic_output"],
            handler: commandlog_get,
            ..ROW
        },
        Command {
            name: "help",
            arity: 2,
            flags: ALWAYS,
            complexity: "O(1)",
            summary: "Explains the subcommands.",
            handler: commandlog_help,
            ..ROW
        },
        Command {
            name: "len",
            arity: 3,
            flags: ADMIN,
            complexity: "O(1)",
            summary: "Counts the entries of a log of commands.",
            syntax: "slow|large-request|large-reply",
            tips: &[
                "request_policy:all_nodes",
                "response_policy:agg_sum",
                "nondeterministic_output",
            ],
            handler: commandlog_len,
            ..ROW
        },
        Command {
            name: "reset",
            arity: 3,
            flags: ADMIN,
            complexity: "O(N) in the number of entries",
            summary: "Empties a log of commands.",
            syntax: "slow|large-request|large-reply",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: commandlog_reset,
            ..ROW
        },
    ],
    ..ROW
}];

fn parse_kind(argument: &[u8]) -> Result<LogKind, CommandError> {
    LogKind::of_name(argument).ok_or_else(|| {
        CommandError::text(
            "ERR type should be one of the following: slow, large-request, large-reply",
        )
    })
}

fn commandlog_get(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let count = parse_count(cx.arg(2))?;
    let kind = parse_kind(cx.arg(3))?;
    reply_entries(cx, kind, count, out);
    Ok(())
}

fn commandlog_len(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let kind = parse_kind(cx.arg(2))?;
    out.integer(cx.engine().command_logs.of(kind).len() as i64);
    Ok(())
}

fn commandlog_reset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let kind = parse_kind(cx.arg(2))?;
    cx.engine().command_logs.of(kind).reset();
    out.ok();
    Ok(())
}

fn commandlog_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "COMMANDLOG",
        &[
            (
                "GET <count> <type>",
                "Answers the newest entries of a log, all if <count> is -1: number, time, microseconds \
                 or bytes, arguments, address and name of the client.",
            ),
            ("LEN <type>", "Counts the entries of a log."),
            ("RESET <type>", "Empties a log."),
        ],
    )
}
