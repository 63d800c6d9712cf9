//! Strings: SET and its relatives, counters, ranges, and LCS.

use super::arguments::count_or;
use crate::command::{
    Args, BeginSearch, Categories, Command, CommandError, CommandResult, Context, EventClass,
    FindKeys, Flags, Group, KeyFlags, KeySpec, Reply,
};
use crate::keyspace::Key;
use crate::text::LongDouble;
use crate::value::StringRef;

mod lcs;
mod options;

use options::{Condition, Expiry, SetOptions, Setter, expire_at, is_expire_unit, is_same_word};

/// Bits that many rows share.
const WRITE: Flags = Flags::WRITE;
const READ: Flags = Flags::READONLY;
const FAST: Flags = Flags::FAST;
const OOM: Flags = Flags::DENYOOM;
const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const OVERWRITE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
const UPDATE: KeyFlags = KeyFlags::RW.union(KeyFlags::UPDATE);
const EXCHANGE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

const ROW: Command = Command {
    categories: Categories::STRING,
    group: Group::String,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        arity: 3,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        since: "2.0.0",
        summary: "Adds bytes at the end of a string, which is made if it is missing.",
        syntax: "key value",
        handler: append,
        ..ROW
    },
    Command {
        name: "decr",
        arity: 2,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        summary: "Takes one from the integer under a key.",
        syntax: "key",
        handler: decr,
        ..ROW
    },
    Command {
        name: "decrby",
        arity: 3,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        summary: "Takes a number from the integer under a key.",
        syntax: "key decrement:integer",
        handler: decrby,
        ..ROW
    },
    Command {
        name: "delifeq",
        arity: 3,
        flags: WRITE.union(FAST),
        keys: &[KeySpec::first(KeyFlags::RM.union(KeyFlags::DELETE))],
        since: "9.0.0",
        summary: "Deletes a key if it holds exactly this string (from Valkey).",
        syntax: "key value",
        handler: delifeq,
        ..ROW
    },
    Command {
        name: "get",
        arity: 2,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        summary: "Answers the string under a key.",
        syntax: "key",
        handler: get,
        ..ROW
    },
    Command {
        name: "getdel",
        arity: 2,
        flags: WRITE.union(FAST),
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        )],
        since: "6.2.0",
        summary: "Answers the string under a key and deletes the key.",
        syntax: "key",
        handler: getdel,
        ..ROW
    },
    Command {
        name: "getex",
        arity: -2,
        flags: WRITE.union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        since: "6.2.0",
        summary: "Answers the string under a key and sets or removes the key's expiry.",
        syntax: "key [expiration= EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT \
                 unix-time-milliseconds:unix-time|PERSIST]",
        handler: getex,
        ..ROW
    },
    Command {
        name: "getrange",
        arity: 4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.4.0",
        complexity: "O(N) in the length of the answer",
        summary: "Answers a part of the string under a key.",
        syntax: "key start:integer end:integer",
        handler: getrange,
        ..ROW
    },
    Command {
        name: "getset",
        arity: 3,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        summary: "Sets a string and answers the one that was there.",
        syntax: "key value",
        replaced_by: Some("`SET` with the `!GET` argument"),
        deprecated_since: Some("6.2.0"),
        handler: getset,
        ..ROW
    },
    Command {
        name: "incr",
        arity: 2,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        summary: "Adds one to the integer under a key.",
        syntax: "key",
        handler: incr,
        ..ROW
    },
    Command {
        name: "incrby",
        arity: 3,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        summary: "Adds a number to the integer under a key.",
        syntax: "key increment:integer",
        handler: incrby,
        ..ROW
    },
    Command {
        name: "incrbyfloat",
        arity: 3,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(EXCHANGE)],
        since: "2.6.0",
        summary: "Adds a floating point number to the number under a key.",
        syntax: "key increment:double",
        handler: incrbyfloat,
        ..ROW
    },
    Command {
        name: "lcs",
        arity: -3,
        flags: READ,
        keys: &[KeySpec::range(1, 2, 1, READ_KEY)],
        since: "7.0.0",
        complexity: "O(N*M) in the lengths of the strings",
        summary: "Finds the longest common subsequence of two strings.",
        syntax: "key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]",
        handler: lcs::lcs,
        ..ROW
    },
    Command {
        name: "mget",
        arity: -2,
        flags: READ.union(FAST),
        keys: &[KeySpec::range(1, -1, 1, READ_KEY)],
        complexity: "O(N) in the number of keys",
        summary: "Answers the strings under several keys.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard"],
        handler: mget,
        ..ROW
    },
    Command {
        name: "mset",
        arity: -3,
        flags: WRITE.union(OOM),
        keys: &[KeySpec::range(1, -1, 2, OVERWRITE)],
        since: "1.0.1",
        complexity: "O(N) in the number of keys",
        summary: "Sets several strings at once.",
        syntax: "data= (key value) [(key value) ...]",
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        handler: mset,
        ..ROW
    },
    Command {
        name: "msetex",
        arity: -4,
        flags: WRITE.union(OOM),
        keys: &[KeySpec {
            flags: OVERWRITE,
            begin: BeginSearch::Index(1),
            find: FindKeys::Number {
                count_at: 0,
                first: 1,
                step: 2,
            },
        }],
        since: "9.1.0",
        complexity: "O(N) in the number of keys",
        summary: "Sets several strings at once, under a condition and with an expiry (from Valkey).",
        syntax: "numkeys:integer data= (key value) [(key value) ...] [condition= NX|XX] [expiration= EX \
                 seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT \
                 unix-time-milliseconds:unix-time|KEEPTTL]",
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        handler: msetex,
        ..ROW
    },
    Command {
        name: "msetnx",
        arity: -3,
        flags: WRITE.union(OOM),
        keys: &[KeySpec::range(
            1,
            -1,
            2,
            KeyFlags::OW.union(KeyFlags::INSERT),
        )],
        since: "1.0.1",
        complexity: "O(N) in the number of keys",
        summary: "Sets several strings at once, if none of the keys is there.",
        syntax: "data= (key value) [(key value) ...]",
        handler: msetnx,
        ..ROW
    },
    Command {
        name: "psetex",
        arity: 4,
        flags: WRITE.union(OOM),
        keys: &[KeySpec::first(OVERWRITE)],
        since: "2.6.0",
        summary: "Sets a string that expires after some milliseconds.",
        syntax: "key milliseconds:integer value",
        replaced_by: Some("`SET` with the `PX` argument"),
        deprecated_since: Some("2.6.12"),
        handler: psetex,
        ..ROW
    },
    Command {
        name: "set",
        history: &[
            ("2.6.12", "EX and PX give an expiry, NX and XX a condition."),
            ("6.0.0", "KEEPTTL leaves the expiry as it is."),
            (
                "6.2.0",
                "GET answers the old value; EXAT and PXAT give an expiry as a time of day.",
            ),
            ("7.0.0", "NX and GET go together."),
        ],
        arity: -3,
        flags: WRITE.union(OOM),
        keys: &[KeySpec::first(
            KeyFlags::RW
                .union(KeyFlags::ACCESS)
                .union(KeyFlags::UPDATE)
                .union(KeyFlags::VARIABLE_FLAGS),
        )],
        summary: "Sets a string, whatever type of value was there.",
        syntax: "key value [condition^2.6.12= NX|XX|IFEQ comparison-value:string^8.1.0] [GET^6.2.0] [expiration= EX seconds:integer^2.6.12|PX \
                 milliseconds:integer^2.6.12|EXAT unix-time-seconds:unix-time^6.2.0|PXAT \
                 unix-time-milliseconds:unix-time^6.2.0|KEEPTTL^6.0.0]",
        handler: set,
        ..ROW
    },
    Command {
        name: "setex",
        arity: 4,
        flags: WRITE.union(OOM),
        keys: &[KeySpec::first(OVERWRITE)],
        since: "2.0.0",
        summary: "Sets a string that expires after some seconds.",
        syntax: "key seconds:integer value",
        replaced_by: Some("`SET` with the `EX` argument"),
        deprecated_since: Some("2.6.12"),
        handler: setex,
        ..ROW
    },
    Command {
        name: "setnx",
        arity: 3,
        flags: WRITE.union(OOM).union(FAST),
        keys: &[KeySpec::first(KeyFlags::OW.union(KeyFlags::INSERT))],
        summary: "Sets a string if the key is not there.",
        syntax: "key value",
        replaced_by: Some("`SET` with the `NX` argument"),
        deprecated_since: Some("2.6.12"),
        handler: setnx,
        ..ROW
    },
    Command {
        name: "setrange",
        arity: 4,
        flags: WRITE.union(OOM),
        keys: &[KeySpec::first(UPDATE)],
        since: "2.2.0",
        complexity: "O(M) in the length of the value",
        summary: "Overwrites a part of a string, which is made or made longer if need be.",
        syntax: "key offset:integer value",
        handler: setrange,
        ..ROW
    },
    Command {
        name: "strlen",
        arity: 2,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(KeyFlags::RO)],
        since: "2.2.0",
        summary: "Answers the length of the string under a key.",
        syntax: "key",
        handler: strlen,
        ..ROW
    },
    Command {
        name: "substr",
        arity: 4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        complexity: "O(N) in the length of the answer",
        summary: "Answers a part of the string under a key.",
        syntax: "key start:integer end:integer",
        replaced_by: Some("`GETRANGE`"),
        deprecated_since: Some("2.0.0"),
        handler: getrange,
        ..ROW
    },
];

/// Writes a string, or the null that stands for none.
#[inline]
fn reply_string(found: Option<StringRef<'_>>, out: &mut Reply<'_>) {
    match found {
        Some(StringRef::Bytes { bytes, .. }) => out.bulk(bytes),
        Some(StringRef::Integer(n)) => out.bulk_integer(n),
        None => out.null(),
    }
}

fn get(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_string(cx.string(cx.key(1))?, out);
    Ok(())
}

fn mget(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.array(cx.argc() - 1);
    for index in 1..cx.argc() {
        // A key of another type answers as a missing one.
        reply_string(cx.string(cx.key(index)).unwrap_or(None), out);
    }
    Ok(())
}

fn strlen(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.string(cx.key(1))?.map_or(0, StringRef::len) as i64);
    Ok(())
}

fn set(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let value = cx.arg(2);
    if cx.argc() == 3 {
        set_and_tell(cx, key, value, None);
        out.ok();
        return Ok(());
    }
    let SetOptions {
        condition,
        wants_old,
        expiry,
        ..
    } = SetOptions::parse(cx, 3, Setter::Set)?;
    cx.expire_if_needed(key);
    if wants_old {
        reply_string(cx.string(key)?, out);
    }
    let is_met = match condition {
        Condition::Always => true,
        Condition::IfMissing => !cx.exists(key),
        Condition::IfPresent => cx.exists(key),
        Condition::IfEqual(expected) => cx
            .string_to_write(key)?
            .is_some_and(|string| string.with_bytes(|bytes| bytes == expected)),
    };
    if !is_met {
        if !wants_old {
            out.null();
        }
        return Ok(());
    }
    match expiry {
        Expiry::Clear => set_and_tell(cx, key, value, None),
        Expiry::At(at) => set_and_tell(cx, key, value, Some(at)),
        Expiry::Keep => {
            cx.set_string_keeping_expire(key, value);
            cx.changed(key, EventClass::STRING, "set");
        }
    }
    if !wants_old {
        out.ok();
    }
    Ok(())
}

/// Sets a string with an expiry or none, and tells everyone. A time that is over already deletes
/// the key instead.
#[inline]
pub(crate) fn set_and_tell(
    cx: &mut Context<'_>,
    key: Key<'_>,
    value: &[u8],
    expire_ms: Option<i64>,
) {
    cx.set_string(key, value, expire_ms);
    cx.changed(key, EventClass::STRING, "set");
    if let Some(at) = expire_ms {
        let at = at.to_string();
        cx.rewrite(&[b"SET", key.bytes, value, b"PXAT", at.as_bytes()]);
        cx.notify(key.bytes, EventClass::GENERIC, "expire");
    }
}

fn setnx(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    cx.expire_if_needed(key);
    if cx.exists(key) {
        out.integer(0);
        return Ok(());
    }
    set_and_tell(cx, key, cx.arg(2), None);
    out.integer(1);
    Ok(())
}

fn setex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    set_expiring(cx, b"EX", "setex", out)
}

fn psetex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    set_expiring(cx, b"PX", "psetex", out)
}

fn set_expiring(
    cx: &mut Context<'_>,
    unit: &[u8],
    command: &'static str,
    out: &mut Reply<'_>,
) -> CommandResult {
    let at = expire_at(cx, unit, cx.arg(2), command)?;
    set_and_tell(cx, cx.key(1), cx.arg(3), Some(at));
    out.ok();
    Ok(())
}

fn getset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    reply_string(cx.string(key)?, out);
    set_and_tell(cx, key, cx.arg(2), None);
    Ok(())
}

fn getdel(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    reply_string(cx.string(key)?, out);
    if cx.delete(key) {
        cx.rewrite(&[b"DEL", key.bytes]);
        cx.changed(key, EventClass::GENERIC, "del");
    }
    Ok(())
}

fn delifeq(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let expected = cx.arg(2);
    let is_equal = cx
        .string_to_write(key)?
        .is_some_and(|string| string.with_bytes(|bytes| bytes == expected));
    if is_equal && cx.delete(key) {
        cx.rewrite(&[b"DEL", key.bytes]);
        cx.changed(key, EventClass::GENERIC, "del");
        out.integer(1);
    } else {
        out.integer(0);
    }
    Ok(())
}

fn getex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let mut expiry = Expiry::Keep;
    let mut unit_at = None;
    let mut index = 2;
    while index < cx.argc() {
        if cx.arg_is(index, "PERSIST") && unit_at.is_none() {
            expiry = Expiry::Clear;
        } else if is_expire_unit(cx.arg(index))
            && expiry == Expiry::Keep
            && unit_at.is_none_or(|at| is_same_word(cx, at, index))
            && index + 1 < cx.argc()
        {
            unit_at = Some(index);
            index += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        index += 1;
    }
    let found = cx.string(key)?;
    let Some(found) = found else {
        out.null();
        return Ok(());
    };
    if let Some(at) = unit_at {
        expiry = Expiry::At(expire_at(cx, cx.arg(at), cx.arg(at + 1), "getex")?);
    }
    reply_string(Some(found), out);
    match expiry {
        Expiry::Keep => {}
        Expiry::At(at) if cx.ends_at_once(at) => {
            cx.delete(key);
            cx.rewrite(&[b"DEL", key.bytes]);
            cx.changed(key, EventClass::GENERIC, "del");
        }
        Expiry::At(at) => {
            cx.set_expire(key, Some(at));
            let at = at.to_string();
            cx.rewrite(&[b"PEXPIREAT", key.bytes, at.as_bytes()]);
            cx.changed(key, EventClass::GENERIC, "expire");
        }
        Expiry::Clear => {
            if cx.expire_ms(key).flatten().is_some() {
                cx.set_expire(key, None);
                cx.rewrite(&[b"PERSIST", key.bytes]);
                cx.changed(key, EventClass::GENERIC, "persist");
            }
        }
    }
    Ok(())
}

fn mset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    set_pairs(cx)?;
    out.ok();
    Ok(())
}

fn msetnx(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc().is_multiple_of(2) {
        return Err(CommandError::WrongArity("msetnx".into()));
    }
    if (1..cx.argc())
        .step_by(2)
        .any(|index| cx.exists(cx.key(index)))
    {
        out.integer(0);
        return Ok(());
    }
    set_pairs(cx)?;
    out.integer(1);
    Ok(())
}

/// Sets `numkeys` strings if all of their keys are missing, or all present, and with one expiry.
fn msetex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let invalid = CommandError::text("ERR invalid numkeys value or out of range");
    let count = count_or(cx.arg(1), invalid)?;
    if count > i32::MAX as usize {
        return Err(CommandError::text(
            "ERR invalid numkeys value or out of range",
        ));
    }
    let end = 2 + count * 2;
    if end > cx.argc() {
        return Err(CommandError::Syntax);
    }
    let options = SetOptions::parse(cx, end, Setter::Many)?;
    let keys = (2..end).step_by(2);
    let is_present = |cx: &mut Context<'_>, index| {
        let key = cx.key(index);
        cx.expire_if_needed(key);
        cx.exists(key)
    };
    let is_met = match options.condition {
        Condition::IfMissing => !keys.clone().any(|index| is_present(cx, index)),
        Condition::IfPresent => keys.clone().all(|index| is_present(cx, index)),
        _ => true,
    };
    if !is_met {
        out.integer(0);
        return Ok(());
    }
    for index in keys {
        let (key, value) = (cx.key(index), cx.arg(index + 1));
        match options.expiry {
            Expiry::Clear => cx.set_string(key, value, None),
            Expiry::Keep => cx.set_string_keeping_expire(key, value),
            Expiry::At(at) => cx.set_string(key, value, Some(at)),
        }
        cx.changed(key, EventClass::STRING, "set");
        if let Expiry::At(_) = options.expiry {
            cx.notify(key.bytes, EventClass::GENERIC, "expire");
        }
    }
    if let (Expiry::At(at), Some(unit_at)) = (options.expiry, options.unit_at) {
        let at = at.to_string();
        let mut command: Vec<&[u8]> = cx.args().iter().collect();
        command[unit_at] = b"PXAT";
        command[unit_at + 1] = at.as_bytes();
        cx.rewrite(&command);
    }
    out.integer(1);
    Ok(())
}

fn set_pairs(cx: &mut Context<'_>) -> CommandResult {
    if cx.argc().is_multiple_of(2) {
        return Err(CommandError::WrongArity(cx.command_name().into()));
    }
    for index in (1..cx.argc()).step_by(2) {
        let key = cx.key(index);
        cx.set_string(key, cx.arg(index + 1), None);
        cx.changed(key, EventClass::STRING, "set");
    }
    Ok(())
}

fn incr(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    add(cx, 1, out)
}

fn decr(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    add(cx, -1, out)
}

fn incrby(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    add(cx, cx.integer(2)?, out)
}

fn decrby(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let decrement = cx.integer(2)?;
    // -2^63 has no opposite.
    let increment = decrement
        .checked_neg()
        .ok_or(CommandError::text("ERR decrement would overflow"))?;
    add(cx, increment, out)
}

fn add(cx: &mut Context<'_>, increment: i64, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let value = match cx.string_to_write(key)? {
        Some(string) => string.as_integer().ok_or(CommandError::NotInteger)?,
        None => 0,
    };
    let sum = value.checked_add(increment).ok_or(CommandError::text(
        "ERR increment or decrement would overflow",
    ))?;
    cx.set_integer_keeping_expire(key, sum);
    cx.changed(key, EventClass::STRING, "incrby");
    out.integer(sum);
    Ok(())
}

fn incrbyfloat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let value = match cx.string_to_write(key)? {
        Some(string) => string
            .with_bytes(LongDouble::parse)
            .ok_or(CommandError::NotFloat)?,
        None => LongDouble::ZERO,
    };
    let increment = LongDouble::parse(cx.arg(2)).ok_or(CommandError::NotFloat)?;
    let sum = value + increment;
    if !sum.is_finite() {
        return Err(CommandError::text(
            "ERR increment would produce NaN or Infinity",
        ));
    }
    let sum = sum.to_string();
    cx.set_text_keeping_expire(key, sum.as_bytes());
    cx.rewrite(&[b"SET", key.bytes, sum.as_bytes(), b"KEEPTTL"]);
    cx.changed(key, EventClass::STRING, "incrbyfloat");
    out.bulk(sum.as_bytes());
    Ok(())
}

/// Refuses a string that would become longer than `proto-max-bulk-len`.
fn check_length(cx: &Context<'_>, length: Option<usize>) -> CommandResult {
    let limit = cx.engine().config().proto_max_bulk_len();
    if length.is_none_or(|length| length > limit) {
        return Err(CommandError::text(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ));
    }
    Ok(())
}

fn append(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let suffix = cx.arg(2);
    cx.expire_if_needed(key);
    let length = match cx.string_to_write(key)? {
        None => {
            cx.set_string(key, suffix, None);
            suffix.len()
        }
        Some(string) => {
            check_length(cx, string.len().checked_add(suffix.len()))?;
            let mut string = cx.raw_string_or_create(key)?;
            string.extend_from_slice(suffix);
            string.len()
        }
    };
    cx.changed(key, EventClass::STRING, "append");
    out.integer(length as i64);
    Ok(())
}

fn setrange(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let offset = cx.integer(2)?;
    let patch = cx.arg(3);
    let Ok(offset) = usize::try_from(offset) else {
        return Err(CommandError::text("ERR offset is out of range"));
    };
    cx.expire_if_needed(key);
    let length = cx.string_to_write(key)?.map_or(0, StringRef::len);
    if patch.is_empty() {
        out.integer(length as i64);
        return Ok(());
    }
    check_length(cx, offset.checked_add(patch.len()))?;
    let mut string = cx.raw_string_or_create(key)?;
    let end = offset + patch.len();
    if string.len() < end {
        string.resize(end, 0);
    }
    string[offset..end].copy_from_slice(patch);
    let length = string.len();
    drop(string);
    cx.changed(key, EventClass::STRING, "setrange");
    out.integer(length as i64);
    Ok(())
}

fn getrange(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (start, end) = (cx.integer(2)?, cx.integer(3)?);
    let Some(string) = cx.string(cx.key(1))? else {
        out.bulk(b"");
        return Ok(());
    };
    string.with_bytes(|bytes| out.bulk(&bytes[range(start, end, bytes.len())]));
    Ok(())
}

/// The bytes that GETRANGE means: both ends counted, negative ones from the end of the string.
fn range(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    if length == 0 || start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let length = length as i64;
    let from_end = |index: i64| {
        if index < 0 {
            (length + index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    if start > end {
        0..0
    } else {
        start as usize..end as usize + 1
    }
}

/// The strings of the first two keys of a command, for LCS.
fn two_strings(cx: &Context<'_>) -> Result<[Vec<u8>; 2], CommandError> {
    // Both are looked up before either is refused.
    let found = [1, 2].map(|index| cx.string(cx.key(index)));
    let [first, second] = found.map(|string| {
        string
            .map(|string| string.map(StringRef::to_vec).unwrap_or_default())
            .map_err(|_| CommandError::text("ERR The specified keys must contain string values"))
    });
    Ok([first?, second?])
}

/// Whether the argument list `args` names `word` at `index`; used by the family's rooms.
fn is_word(args: Args<'_>, index: usize, word: &str) -> bool {
    args.get(index).eq_ignore_ascii_case(word.as_bytes())
}
