//! XGROUP and XACK.

use super::super::reply_help;
use super::arguments::{id_or_extreme, strict_id, strict_ids};
use super::rows::{FAST_WRITE, KEY_TO_CUT, KEY_TO_UPDATE, ROW, WRITE, no_group};
use crate::command::context::note_ready;
use crate::command::{
    Command, CommandError, CommandResult, Context, EventClass, Flags, KeyFlags, KeySpec, Reply,
};
use crate::value::Stream;

const KEY_TO_GROW: &[KeySpec] = &[KeySpec::at(2, KeyFlags::RW.union(KeyFlags::INSERT))];

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        arity: -4,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_UPDATE)],
        complexity: "O(log(N)) for each ID, N entries being pending.",
        summary: "Acknowledges entries that a group was given and answers how many were pending.",
        syntax: "key group id [id ...]",
        handler: xack,
        ..ROW
    },
    Command {
        name: "xgroup",
        categories: crate::command::Categories::empty(),
        arity: -2,
        complexity: "That of the subcommand",
        summary: "Makes, changes and destroys the consumer groups of a stream.",
        subcommands: &[
            Command {
                name: "create",
                history: &[(
                    "7.0.0",
                    "ENTRIESREAD says how many entries the group has read.",
                )],
                arity: -5,
                flags: WRITE.union(Flags::DENYOOM),
                keys: KEY_TO_GROW,
                summary: "Makes a group that is given the entries behind an ID.",
                syntax: "key group id-selector= id|(new-id= $) [MKSTREAM] [entriesread= ENTRIESREAD entries-read:integer]",
                handler: create,
                ..ROW
            },
            Command {
                name: "createconsumer",
                arity: 5,
                flags: WRITE.union(Flags::DENYOOM),
                keys: KEY_TO_GROW,
                since: "6.2.0",
                summary: "Makes a consumer; answers whether it is new.",
                syntax: "key group consumer",
                handler: create_consumer,
                ..ROW
            },
            Command {
                name: "delconsumer",
                arity: 5,
                flags: WRITE,
                keys: &[KeySpec::at(2, KEY_TO_CUT)],
                complexity: "O(N) for N entries that the consumer has.",
                summary: "Deletes a consumer and answers how many entries it had.",
                syntax: "key group consumer",
                handler: delete_consumer,
                ..ROW
            },
            Command {
                name: "destroy",
                arity: 4,
                flags: WRITE,
                keys: &[KeySpec::at(2, KEY_TO_CUT)],
                complexity: "O(N) for N entries that are pending.",
                summary: "Destroys a group.",
                syntax: "key group",
                handler: destroy,
                ..ROW
            },
            ROW.help(ROW.since, help),
            Command {
                name: "setid",
                history: &[(
                    "7.0.0",
                    "ENTRIESREAD says how many entries the group has read.",
                )],
                arity: -5,
                flags: WRITE,
                keys: &[KeySpec::at(2, KEY_TO_UPDATE)],
                summary: "Sets the ID behind which a group is given entries.",
                syntax: "key group id-selector= id|(new-id= $) [entriesread= ENTRIESREAD entries-read:integer]",
                handler: set_id,
                ..ROW
            },
        ],
        ..ROW
    },
];

fn xack(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, name) = (cx.key(1), cx.arg(2));
    let stream = cx.stream(key)?;
    if stream.and_then(|stream| stream.group(name)).is_none() {
        out.integer(0);
        return Ok(());
    }
    // All IDs are read before the first is acknowledged: a command that fails changes nothing.
    let ids = strict_ids(cx, 3)?;
    let mut acknowledged = 0;
    if let Some(mut stream) = cx.stream_mut(key)?
        && let Some(group) = stream.group_mut(name)
    {
        for &id in &ids {
            acknowledged += u64::from(group.remove_pending(id).is_some());
        }
    }
    cx.count_changes(acknowledged);
    out.integer(acknowledged as i64);
    Ok(())
}

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(cx: &Context<'_>, is_create: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut at = 5;
        while at < cx.argc() {
            if is_create && cx.arg_is(at, "mkstream") {
                options.makes_stream = true;
                at += 1;
            } else if cx.arg_is(at, "entriesread") && at + 1 < cx.argc() {
                options.entries_read = match cx.integer(at + 1)? {
                    -1 => None,
                    read if read >= 0 => Some(read),
                    _ => {
                        return Err(CommandError::text(
                            "ERR value for ENTRIESREAD must be positive or -1",
                        ));
                    }
                };
                at += 2;
            } else {
                return Err(bad_form(cx));
            }
        }
        Ok(options)
    }
}

fn bad_form(cx: &Context<'_>) -> CommandError {
    CommandError::unknown_subcommand(cx.arg(1), "XGROUP")
}

const NO_STREAM: CommandError = CommandError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
     the MKSTREAM option to create an empty stream automatically.",
);

fn create(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(cx, true)?;
    let (key, name, id) = (cx.key(2), cx.arg(3), cx.arg(4));
    let last_id = match cx.stream_mut(key)? {
        None if !options.makes_stream => return Err(NO_STREAM),
        stream => stream.map(|stream| stream.last_id()),
    };
    // An option may have come twice.
    if cx.argc() > 8 {
        return Err(bad_form(cx));
    }
    let begin = match id {
        b"$" => last_id.unwrap_or_default(),
        id => strict_id(id)?,
    };
    let is_created = cx
        .stream_or_create(key)?
        .create_group(name, begin, options.entries_read);
    if !is_created {
        return Err(CommandError::text(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    match last_id {
        Some(_) => cx.count_changes(1),
        None => cx.modified(key),
    }
    cx.notify(key.bytes, EventClass::STREAM, "xgroup-create");
    out.ok();
    Ok(())
}

/// Runs `body` on a stream and its group, which both must be there.
fn with_group<R>(
    cx: &mut Context<'_>,
    body: impl FnOnce(&mut Stream) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let (key, name) = (cx.key(2), cx.arg(3));
    let mut stream = cx.stream_mut(key)?.ok_or(NO_STREAM)?;
    if stream.group(name).is_none() {
        return Err(no_group(name, key.bytes));
    }
    body(&mut stream)
}

fn set_id(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(cx, false)?;
    let wrong_form = (cx.argc() > 7).then(|| bad_form(cx));
    let (name, id) = (cx.arg(3), cx.arg(4));
    with_group(cx, |stream| {
        if let Some(error) = wrong_form {
            return Err(error);
        }
        let last_id = match id {
            b"$" => stream.last_id(),
            id => id_or_extreme(id, 0)?,
        };
        if let Some(group) = stream.group_mut(name) {
            group.set_last_id(last_id, options.entries_read);
        }
        Ok(())
    })?;
    finish(cx, "xgroup-setid");
    out.ok();
    Ok(())
}

/// Counts a change of a group and tells of it. Those who watch the key are not told: its entries are
/// what they were.
fn finish(cx: &mut Context<'_>, event: &str) {
    let key = cx.key(2);
    cx.count_changes(1);
    cx.notify(key.bytes, EventClass::STREAM, event);
}

fn destroy(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, name) = (cx.key(2), cx.arg(3));
    let is_destroyed = cx.stream_mut(key)?.ok_or(NO_STREAM)?.destroy_group(name);
    if is_destroyed {
        finish(cx, "xgroup-destroy");
        // Who waits for entries of the group is told that it is gone.
        let database = cx.database_index();
        note_ready(cx.worker, database, key);
    }
    out.integer(i64::from(is_destroyed));
    Ok(())
}

fn create_consumer(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (name, consumer, now_ms) = (cx.arg(3), cx.arg(4), cx.now_ms());
    let is_created = with_group(cx, |stream| {
        let group = stream.group_mut(name);
        Ok(group.is_some_and(|group| group.find_or_create_consumer(consumer, now_ms).1))
    })?;
    if is_created {
        finish(cx, "xgroup-createconsumer");
    }
    out.integer(i64::from(is_created));
    Ok(())
}

fn delete_consumer(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (name, consumer) = (cx.arg(3), cx.arg(4));
    let deleted = with_group(cx, |stream| {
        let group = stream.group_mut(name);
        Ok(group.and_then(|group| group.delete_consumer(consumer)))
    })?;
    if deleted.is_some() {
        finish(cx, "xgroup-delconsumer");
    }
    out.integer(deleted.unwrap_or(0) as i64);
    Ok(())
}

fn help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_help(
        out,
        "XGROUP",
        &[
            (
                "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
                "Make a group that is given the entries behind an ID, and the stream too with MKSTREAM.",
            ),
            (
                "CREATECONSUMER <key> <group> <consumer>",
                "Make a consumer.",
            ),
            (
                "DELCONSUMER <key> <group> <consumer>",
                "Delete a consumer and forget what it has.",
            ),
            ("DESTROY <key> <group>", "Destroy a group."),
            (
                "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
                "Set the ID behind which a group is given entries.",
            ),
        ],
    )
}
