//! The commands that look entries up: XLEN, XRANGE, XREVRANGE.

use super::arguments::{count, interval};
use super::reply::reply_entries;
use super::rows::{KEY_TO_READ, READ, ROW};
use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, KeyFlags, KeySpec, Reply,
};

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "xlen",
        arity: 2,
        flags: READ.union(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RO)],
        summary: "Answers how many entries a stream has.",
        syntax: "key",
        handler: xlen,
        ..ROW
    },
    Command {
        name: "xrange",
        history: &[("6.2.0", "Ends of the range may be excluded.")],
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(log(M)+N) for a stream of M entries and N entries answered.",
        summary: "Answers the entries within a range of IDs.",
        syntax: "key start end [COUNT count:integer]",
        handler: |cx, out| xrange(cx, out, false),
        ..ROW
    },
    Command {
        name: "xrevrange",
        history: &[("6.2.0", "Ends of the range may be excluded.")],
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(log(M)+N) for a stream of M entries and N entries answered.",
        summary: "Answers the entries within a range of IDs, the last one first.",
        syntax: "key end start [COUNT count:integer]",
        handler: |cx, out| xrange(cx, out, true),
        ..ROW
    },
];

fn xlen(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let stream = cx.stream(cx.key(1))?;
    out.integer(stream.map_or(0, |stream| stream.len() as i64));
    Ok(())
}

fn xrange(cx: &mut Context<'_>, out: &mut Reply<'_>, is_backwards: bool) -> CommandResult {
    let (start, end) = if is_backwards { (3, 2) } else { (2, 3) };
    let range = interval(cx.arg(start), cx.arg(end))?;
    let mut limit = None;
    let mut at = 4;
    while at < cx.argc() {
        if !cx.arg_is(at, "count") || at + 1 == cx.argc() {
            return Err(CommandError::Syntax);
        }
        limit = Some(count(cx, at + 1)?);
        at += 2;
    }
    let Some(stream) = cx.stream(cx.key(1))? else {
        out.array(0);
        return Ok(());
    };
    if limit == Some(0) {
        out.null_array();
        return Ok(());
    }
    let limit = limit.unwrap_or(usize::MAX);
    let (start, end) = range.into_inner();
    if is_backwards {
        reply_entries(out, stream.range_backwards(start, end).take(limit));
    } else {
        reply_entries(out, stream.range(start, end).take(limit));
    }
    Ok(())
}
