//! Commands on keys of any type, one by one: DEL, EXISTS, TYPE, RENAME, COPY and their like.
//!
//! Expiries stand in `expire`, commands on whole databases in `databases`, OBJECT in `object`.

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, KeyFlags,
    KeySpec, Reply,
};
use crate::keyspace::{Key, to_value};
use crate::text::parse_integer;
use crate::value::Value;

const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const DELETE_KEY: KeyFlags = KeyFlags::RM.union(KeyFlags::DELETE);
const TAKE_KEY: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);

const ROW: Command = Command {
    categories: Categories::KEYSPACE,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "copy",
        arity: -3,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[
            KeySpec::first(READ_KEY),
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        ],
        since: "6.2.0",
        complexity: "O(N) in the elements of a collection, O(1) for strings",
        summary: "Copies a value to another key.",
        syntax: "source:key destination:key [DB destination-db:integer] [REPLACE]",
        handler: copy,
        ..ROW
    },
    Command {
        name: "del",
        arity: -2,
        flags: Flags::WRITE,
        keys: &[KeySpec::range(1, -1, 1, DELETE_KEY)],
        complexity: "O(N) in the number of keys; for a collection O(M) in its elements, though not on the request path",
        summary: "Deletes keys.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        handler: del,
        ..ROW
    },
    Command {
        name: "exists",
        history: &[("3.0.3", "More than one key may be given.")],
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
        complexity: "O(N) in the number of keys",
        summary: "Counts how many of the keys are there; one named twice counts twice.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        handler: exists,
        ..ROW
    },
    Command {
        name: "move",
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        summary: "Moves a key to another database.",
        syntax: "key db:integer",
        handler: move_key,
        ..ROW
    },
    Command {
        name: "rename",
        arity: 3,
        flags: Flags::WRITE,
        keys: &[
            KeySpec::first(TAKE_KEY),
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        ],
        summary: "Gives a value another key, in the place of what was there.",
        syntax: "key newkey:key",
        handler: rename,
        ..ROW
    },
    Command {
        name: "renamenx",
        history: &[("3.2.0", "Both names may be the same.")],
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[
            KeySpec::first(TAKE_KEY),
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::INSERT)),
        ],
        summary: "Gives a value another key, if nothing is there.",
        syntax: "key newkey:key",
        handler: renamenx,
        ..ROW
    },
    Command {
        name: "touch",
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
        since: "3.2.1",
        complexity: "O(N) in the number of keys",
        summary: "Makes keys look used.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        handler: touch,
        ..ROW
    },
    Command {
        name: "type",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RO)],
        summary: "Answers the type of the value under a key.",
        syntax: "key",
        handler: type_of,
        ..ROW
    },
    Command {
        name: "unlink",
        arity: -2,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, DELETE_KEY)],
        since: "4.0.0",
        complexity: "O(N) in the number of keys",
        summary: "Deletes keys; what takes long to free is freed elsewhere.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        handler: unlink,
        ..ROW
    },
];

/// What MOVE and COPY say when there is nothing to do.
const SAME_OBJECT: CommandError =
    CommandError::text("ERR source and destination objects are the same");

fn del(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_lazy = cx.engine().config.lazyfree_lazy_user_del();
    delete_all(cx, is_lazy, out)
}

/// What takes long to free is freed off the request path whichever command deletes it; only INFO
/// tells them apart.
fn unlink(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    delete_all(cx, true, out)
}

fn delete_all(cx: &mut Context<'_>, is_lazy: bool, out: &mut Reply<'_>) -> CommandResult {
    let mut deleted = 0;
    for index in 1..cx.argc() {
        let key = cx.key(index);
        if cx.delete_as(key, is_lazy) {
            cx.changed(key, EventClass::GENERIC, "del");
            deleted += 1;
        }
    }
    out.integer(deleted);
    Ok(())
}

fn exists(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let found = (1..cx.argc()).filter(|&index| cx.look(cx.key(index)).is_some());
    let count = found.count() as i64;
    out.integer(count);
    Ok(())
}

fn touch(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let found = (1..cx.argc()).filter(|&index| cx.read(cx.key(index)).is_some());
    let count = found.count() as i64;
    out.integer(count);
    Ok(())
}

fn type_of(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let entry = cx.look(cx.key(1));
    out.simple(entry.map_or("none", |entry| entry.value_type().name()));
    Ok(())
}

fn rename(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    rename_to(cx, true)?;
    out.ok();
    Ok(())
}

fn renamenx(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_renamed = rename_to(cx, false)?;
    out.integer(is_renamed.into());
    Ok(())
}

/// Gives the value under the first key the second; answers whether it did.
fn rename_to(cx: &mut Context<'_>, overwrite: bool) -> Result<bool, CommandError> {
    let (old, new) = (cx.key(1), cx.key(2));
    cx.expire_if_needed(old);
    if !cx.exists(old) {
        return Err(CommandError::NoSuchKey);
    }
    if old.bytes == new.bytes {
        return Ok(false);
    }
    cx.expire_if_needed(new);
    if !overwrite && cx.exists(new) {
        return Ok(false);
    }
    if let Some(overwritten) = cx.take(new) {
        cx.discard(overwritten);
    }
    if let Some(entry) = cx.take(old) {
        let expire_ms = entry.as_ref().expire_ms();
        cx.insert(new, entry.renamed(new.bytes, expire_ms));
    }
    cx.signal(old);
    cx.modified(new);
    cx.notify(old.bytes, EventClass::GENERIC, "rename_from");
    cx.notify(new.bytes, EventClass::GENERIC, "rename_to");
    Ok(true)
}

fn move_key(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let target = cx.database_argument(2)?;
    let source = cx.database_index();
    if target == source {
        return Err(SAME_OBJECT);
    }
    let key = cx.key(1);
    cx.expire_if_needed(key);
    if !cx.exists(key) || cx.in_database(target, |cx| is_taken(cx, key)) {
        out.integer(0);
        return Ok(());
    }
    let entry = cx.take(key);
    cx.signal(key);
    cx.in_database(target, |cx| {
        if let Some(entry) = entry {
            cx.insert(key, entry);
        }
        cx.modified(key);
    });
    cx.notify(key.bytes, EventClass::GENERIC, "move_from");
    cx.in_database(target, |cx| {
        cx.notify(key.bytes, EventClass::GENERIC, "move_to");
    });
    out.integer(1);
    Ok(())
}

/// Whether a key that is about to be written is there already.
fn is_taken(cx: &mut Context<'_>, key: Key<'_>) -> bool {
    cx.expire_if_needed(key);
    cx.exists(key)
}

fn copy(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut target = cx.database_index();
    let mut replace = false;
    let mut index = 3;
    while index < cx.argc() {
        if cx.arg_is(index, "REPLACE") {
            replace = true;
        } else if cx.arg_is(index, "DB") && index + 1 < cx.argc() {
            index += 1;
            target = cx.database_argument(index)?;
        } else {
            return Err(CommandError::Syntax);
        }
        index += 1;
    }
    let (old, new) = (cx.key(1), cx.key(2));
    if target == cx.database_index() && old.bytes == new.bytes {
        return Err(SAME_OBJECT);
    }
    if cx.read(old).is_none() || cx.in_database(target, |cx| is_taken(cx, new)) && !replace {
        out.integer(0);
        return Ok(());
    }
    let copied = cx
        .peek(old)
        .map(|entry| (to_value(entry), entry.expire_ms()));
    cx.in_database(target, |cx| {
        if let Some(overwritten) = cx.take(new) {
            cx.discard(overwritten);
        }
        match copied {
            // INCRBYFLOAT leaves a number as text; so is its copy.
            Some((Value::String(text), expire_ms)) if parse_integer(&text).is_some() => {
                cx.set_text_keeping_expire(new, &text);
                cx.set_expire(new, expire_ms);
            }
            Some((value, expire_ms)) => cx.store(new, value, expire_ms),
            None => {}
        }
        cx.changed(new, EventClass::GENERIC, "copy_to");
    });
    out.integer(1);
    Ok(())
}
