//! XINFO: what a stream and its groups are like.

use super::super::reply_help;
use super::arguments::count;
use super::reply::{reply_entries, reply_entry, reply_id};
use super::rows::{KEY_TO_READ, READ, ROW, no_group};
use crate::command::{Categories, Command, CommandError, CommandResult, Context, KeySpec, Reply};
use crate::value::stream::{Consumer, Group, StreamRange};
use crate::value::{Stream, StreamId};

const KEY: &[KeySpec] = &[KeySpec::at(2, KEY_TO_READ)];

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[Command {
    name: "xinfo",
    categories: Categories::empty(),
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Looks at streams and their groups.",
    subcommands: &[
        Command {
            name: "consumers",
            history: &[(
                "7.2.0",
                "The field inactive was added; idle counts from when the consumer last asked.",
            )],
            arity: 4,
            flags: READ,
            keys: KEY,
            summary: "Answers the consumers of a group.",
            syntax: "key group",
            tips: &["nondeterministic_output"],
            handler: consumers,
            ..ROW
        },
        Command {
            name: "groups",
            history: &[("7.0.0", "The fields entries-read and lag were added.")],
            arity: 3,
            flags: READ,
            keys: KEY,
            summary: "Answers the groups of a stream.",
            syntax: "key",
            handler: groups,
            ..ROW
        },
        ROW.help(ROW.since, help),
        Command {
            name: "stream",
            history: &[
                ("6.0.0", "FULL answers all there is."),
                (
                    "7.0.0",
                    "The fields max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag were added.",
                ),
                (
                    "7.2.0",
                    "The field active-time was added; seen-time counts whenever the consumer asks.",
                ),
            ],
            arity: -3,
            flags: READ,
            keys: KEY,
            summary: "Answers what a stream is like, with FULL its groups and first entries too.",
            syntax: "key [full-block= FULL [COUNT count:integer]]",
            handler: stream,
            ..ROW
        },
    ],
    ..ROW
}];

/// How many entries FULL answers when nothing else is said.
const FULL_COUNT_DEFAULT: usize = 10;

fn existing<'a>(cx: &'a Context<'_>) -> Result<&'a Stream, CommandError> {
    cx.stream(cx.key(2))?.ok_or(CommandError::NoSuchKey)
}

fn consumers(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let name = cx.arg(3);
    let now_ms = cx.now_ms();
    let group = existing(cx)?.group(name);
    let group = group.ok_or_else(|| no_group(name, cx.arg(2)))?;
    out.array(group.consumer_len());
    for consumer in group.consumers() {
        let inactive_ms = consumer.active_ms.map(|at_ms| now_ms.wrapping_sub(at_ms));
        out.map(4);
        out.bulk(b"name");
        out.bulk(consumer.name());
        out.bulk(b"pending");
        out.integer(consumer.pending_len() as i64);
        out.bulk(b"idle");
        out.integer(now_ms.wrapping_sub(consumer.seen_ms).max(0));
        out.bulk(b"inactive");
        out.integer(inactive_ms.unwrap_or(-1));
    }
    Ok(())
}

fn groups(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let stream = existing(cx)?;
    out.array(stream.group_len());
    for (name, group) in stream.groups() {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        out.bulk(b"consumers");
        out.integer(group.consumer_len() as i64);
        out.bulk(b"pending");
        out.integer(group.pending_len() as i64);
        reply_progress(out, stream, group);
    }
    Ok(())
}

/// The three pairs that say how far a group has come.
fn reply_progress(out: &mut Reply<'_>, stream: &Stream, group: &Group) {
    out.bulk(b"last-delivered-id");
    reply_id(out, group.last_id());
    out.bulk(b"entries-read");
    reply_known(out, group.entries_read());
    out.bulk(b"lag");
    reply_known(out, stream.lag(group));
}

fn reply_known(out: &mut Reply<'_>, number: Option<i64>) {
    match number {
        Some(number) => out.integer(number),
        None => out.null(),
    }
}

fn stream(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let stream = existing(cx)?;
    let is_full = cx.argc() > 3;
    let fits = match cx.argc() {
        3 => true,
        4 => cx.arg_is(3, "full"),
        6 => cx.arg_is(3, "full") && cx.arg_is(4, "count"),
        _ => false,
    };
    if !fits {
        return Err(CommandError::unknown_subcommand(cx.arg(1), "XINFO"));
    }
    let mut limit = FULL_COUNT_DEFAULT;
    if cx.argc() == 6 && cx.integer(5)? >= 0 {
        limit = match count(cx, 5)? {
            0 => usize::MAX,
            limit => limit,
        };
    }
    out.map(if is_full { 9 } else { 10 });
    reply_facts(out, stream);
    if is_full {
        out.bulk(b"entries");
        reply_entries(out, stream.iter().take(limit));
        out.bulk(b"groups");
        out.array(stream.group_len());
        for (name, group) in stream.groups() {
            reply_full_group(out, stream, name, group, limit);
        }
    } else {
        out.bulk(b"groups");
        out.integer(stream.group_len() as i64);
        out.bulk(b"first-entry");
        reply_first_of(out, stream.iter());
        out.bulk(b"last-entry");
        reply_first_of(out, stream.range_backwards(StreamId::MIN, StreamId::MAX));
    }
    Ok(())
}

fn reply_first_of(out: &mut Reply<'_>, mut entries: StreamRange<'_>) {
    match entries.next() {
        Some(entry) => reply_entry(out, entry),
        None => out.null(),
    }
}

/// The seven pairs that both forms of XINFO STREAM begin with.
fn reply_facts(out: &mut Reply<'_>, stream: &Stream) {
    out.bulk(b"length");
    out.integer(stream.len() as i64);
    out.bulk(b"radix-tree-keys");
    out.integer(stream.block_count() as i64);
    out.bulk(b"radix-tree-nodes");
    out.integer(stream.radix_node_count() as i64);
    out.bulk(b"last-generated-id");
    reply_id(out, stream.last_id());
    out.bulk(b"max-deleted-entry-id");
    reply_id(out, stream.max_deleted_id());
    out.bulk(b"entries-added");
    out.integer(stream.entries_added() as i64);
    out.bulk(b"recorded-first-entry-id");
    reply_id(out, stream.first_id());
}

fn reply_full_group(
    out: &mut Reply<'_>,
    stream: &Stream,
    name: &[u8],
    group: &Group,
    limit: usize,
) {
    out.map(7);
    out.bulk(b"name");
    out.bulk(name);
    reply_progress(out, stream, group);
    out.bulk(b"pel-count");
    out.integer(group.pending_len() as i64);
    out.bulk(b"pending");
    out.array(group.pending_len().min(limit));
    for (id, pending) in group.pending().take(limit) {
        out.array(4);
        reply_id(out, id);
        out.bulk(group.consumer(pending.consumer).name());
        out.integer(pending.delivery_ms);
        out.integer(pending.delivery_count as i64);
    }
    out.bulk(b"consumers");
    out.array(group.consumer_len());
    for consumer in group.consumers() {
        reply_full_consumer(out, group, consumer, limit);
    }
}

fn reply_full_consumer(out: &mut Reply<'_>, group: &Group, consumer: &Consumer, limit: usize) {
    out.map(5);
    out.bulk(b"name");
    out.bulk(consumer.name());
    out.bulk(b"seen-time");
    out.integer(consumer.seen_ms);
    out.bulk(b"active-time");
    out.integer(consumer.active_ms.unwrap_or(-1));
    out.bulk(b"pel-count");
    out.integer(consumer.pending_len() as i64);
    out.bulk(b"pending");
    let mark = out.deferred_array();
    let mut count = 0;
    for id in consumer.pending_ids().take(limit) {
        if let Some(pending) = group.find_pending(id) {
            out.array(3);
            reply_id(out, id);
            out.integer(pending.delivery_ms);
            out.integer(pending.delivery_count as i64);
            count += 1;
        }
    }
    out.finish_array(mark, count);
}

fn help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_help(
        out,
        "XINFO",
        &[
            (
                "CONSUMERS <key> <group>",
                "Answer the consumers of a group.",
            ),
            ("GROUPS <key>", "Answer the groups of a stream."),
            (
                "STREAM <key> [FULL [COUNT <count>]]",
                "Answer what a stream is like, with FULL its groups and first entries too.",
            ),
        ],
    )
}
