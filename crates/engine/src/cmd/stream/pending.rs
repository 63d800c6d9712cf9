//! XPENDING: what a group was given and has not acknowledged.

use super::arguments::{count, interval};
use super::reply::reply_id;
use super::rows::{KEY_TO_READ, READ, ROW, no_key_or_group};
use crate::command::{Command, CommandError, CommandResult, Context, KeySpec, Reply};
use crate::value::StreamId;
use crate::value::stream::{Group, Pending};

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[Command {
    name: "xpending",
    history: &[(
        "6.2.0",
        "IDLE passes over what was delivered lately, and ends of the range may be excluded.",
    )],
    arity: -3,
    flags: READ,
    keys: &[KeySpec::first(KEY_TO_READ)],
    complexity: "O(N) for N entries looked at; without a range O(M) for M consumers.",
    summary: "Answers what a group has not acknowledged: how much of it, or each entry in a range.",
    syntax: "key group [filters= [IDLE min-idle-time:integer^6.2.0] start end count:integer [consumer]]",
    tips: &["nondeterministic_output"],
    handler: xpending,
    ..ROW
}];

fn xpending(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let argc = cx.argc();
    if argc == 3 {
        let (key, name) = (cx.key(1), cx.arg(2));
        let stream = cx.stream(key)?;
        let group = stream.and_then(|stream| stream.group(name));
        let group = group.ok_or_else(|| no_key_or_group(key.bytes, name, ""))?;
        summarize(group, out);
        return Ok(());
    }
    if !(6..=9).contains(&argc) {
        return Err(CommandError::Syntax);
    }
    let mut at = 3;
    let mut min_idle_ms = 0;
    if cx.arg_is(at, "idle") {
        min_idle_ms = cx.integer(at + 1)?;
        if argc < 8 {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let limit = count(cx, at + 2)?;
    let range = interval(cx.arg(at), cx.arg(at + 1))?;
    let consumer = (at + 3 < argc).then(|| cx.arg(at + 3));
    let (key, name) = (cx.key(1), cx.arg(2));
    let now_ms = cx.now_ms();
    let stream = cx.stream(key)?;
    let group = stream.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_key_or_group(key.bytes, name, ""))?;
    let is_idle = |pending: &Pending| {
        min_idle_ms == 0 || now_ms.wrapping_sub(pending.delivery_ms) >= min_idle_ms
    };
    match consumer.map(|consumer| group.find_consumer(consumer)) {
        None => {
            let pending = group.pending_range(range);
            let pending = pending.filter(|(_, pending)| is_idle(pending)).take(limit);
            reply_pending(out, group, now_ms, pending);
        }
        Some(Some(consumer)) => {
            let pending = group.pending_range_of(consumer, range);
            let pending = pending.filter(|(_, pending)| is_idle(pending)).take(limit);
            reply_pending(out, group, now_ms, pending);
        }
        Some(None) => out.array(0),
    }
    Ok(())
}

/// How many entries are pending, from which ID to which, and how many each consumer has.
fn summarize(group: &Group, out: &mut Reply<'_>) {
    out.array(4);
    out.integer(group.pending_len() as i64);
    let mut pending = group.pending();
    let Some((first, _)) = pending.next() else {
        out.null();
        out.null();
        return out.null_array();
    };
    let last = pending.next_back().map_or(first, |(last, _)| last);
    reply_id(out, first);
    reply_id(out, last);
    let owners = || group.consumers().filter(|owner| owner.pending_len() > 0);
    out.array(owners().count());
    for owner in owners() {
        out.array(2);
        out.bulk(owner.name());
        out.bulk_integer(owner.pending_len() as i64);
    }
}

fn reply_pending<'a>(
    out: &mut Reply<'_>,
    group: &Group,
    now_ms: i64,
    pending: impl Iterator<Item = (StreamId, &'a Pending)>,
) {
    let mark = out.deferred_array();
    let mut count = 0;
    for (id, pending) in pending {
        out.array(4);
        reply_id(out, id);
        out.bulk(group.consumer(pending.consumer).name());
        out.integer(now_ms.wrapping_sub(pending.delivery_ms).max(0));
        out.integer(pending.delivery_count as i64);
        count += 1;
    }
    out.finish_array(mark, count);
}
