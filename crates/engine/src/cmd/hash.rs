//! The hash commands; those that are about the expiry of fields are in `expiry`.
//!
//! A command that names fields deletes those of them whose time is over (`Context::expire_fields`);
//! one that lists a hash does not see them, but for HLEN, which counts them. HSET sets a field
//! without asking whether its time is over, and so it is not new.

pub(super) mod expiry;

use super::sampling::sample_count;
use super::scan::{ScanOptions, Scanned, parse_cursor, reply_item, reply_items};
use crate::command::{
    Args, Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group,
    KeyFlags, KeySpec, Reply,
};
use crate::keyspace::Key;
use crate::text::{IntegerText, LongDouble, parse_integer};
use crate::value::packed::{self, PackedItem};
use crate::value::{HashRef, ValueType};

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = READ.union(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.union(Flags::FAST);
const FAST_GROWING_WRITE: Flags = FAST_WRITE.union(Flags::DENYOOM);

const KEY_TO_READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const KEY_TO_UPDATE: KeyFlags = KeyFlags::RW.union(KeyFlags::UPDATE);
const KEY_TO_COUNT: KeyFlags = KEY_TO_UPDATE.union(KeyFlags::ACCESS);
const KEY_TO_CUT: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);

/// What the rows of this family have in common.
const HASH: Command = Command {
    categories: Categories::HASH,
    since: "2.0.0",
    group: Group::Hash,
    ..Command::DEFAULT
};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hset",
        history: &[(
            "4.0.0",
            "More than one pair of field and value may be given.",
        )],
        arity: -4,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_UPDATE)],
        element: 2,
        complexity: "O(N) for N fields.",
        summary: "Sets fields of a hash to values and answers how many of the fields are new; a missing hash is made.",
        syntax: "key data= (field value) [(field value) ...]",
        handler: |cx, out| hset(cx, out, SetReply::NewFields),
        ..HASH
    },
    Command {
        name: "hmset",
        arity: -4,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_UPDATE)],
        element: 2,
        complexity: "O(N) for N fields.",
        summary: "Sets fields of a hash to values; a missing hash is made.",
        syntax: "key data= (field value) [(field value) ...]",
        replaced_by: Some("`HSET` with several fields"),
        deprecated_since: Some("4.0.0"),
        handler: |cx, out| hset(cx, out, SetReply::Ok),
        ..HASH
    },
    Command {
        name: "hsetnx",
        arity: 4,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        element: 2,
        complexity: "O(1)",
        summary: "Sets a field of a hash to a value, unless the hash has that field.",
        syntax: "key field value",
        handler: hsetnx,
        ..HASH
    },
    Command {
        name: "hget",
        arity: 3,
        flags: FAST_READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        element: 2,
        complexity: "O(1)",
        summary: "Answers the value of a field.",
        syntax: "key field",
        handler: hget,
        ..HASH
    },
    Command {
        name: "hmget",
        arity: -3,
        flags: FAST_READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        element: 2,
        complexity: "O(N) for N fields.",
        summary: "Answers the values of fields, null for those that are missing.",
        syntax: "key field [field ...]",
        handler: hmget,
        ..HASH
    },
    Command {
        name: "hgetall",
        arity: 2,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(N) for a hash of N fields.",
        summary: "Answers all fields of a hash with their values.",
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        handler: hgetall,
        ..HASH
    },
    Command {
        name: "hkeys",
        arity: 2,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(N) for a hash of N fields.",
        summary: "Answers all fields of a hash.",
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        handler: |cx, out| list_items(cx, out, |(field, _)| field),
        ..HASH
    },
    Command {
        name: "hvals",
        arity: 2,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(N) for a hash of N fields.",
        summary: "Answers all values of a hash.",
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        handler: |cx, out| list_items(cx, out, |(_, value)| value),
        ..HASH
    },
    Command {
        name: "hdel",
        history: &[("2.4.0", "More than one field may be given.")],
        arity: -3,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        element: 2,
        complexity: "O(N) for N fields.",
        summary: "Deletes fields of a hash and answers how many there were; with its last field the hash goes too.",
        syntax: "key field [field ...]",
        handler: hdel,
        ..HASH
    },
    Command {
        name: "hgetdel",
        arity: -5,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT.union(KeyFlags::ACCESS))],
        since: "8.0.0",
        complexity: "O(N) for N fields.",
        summary: "Answers the values of fields, null for those that are missing, and deletes the fields.",
        syntax: "key FIELDS numfields:integer field [field ...]",
        handler: hgetdel,
        ..HASH
    },
    Command {
        name: "hexists",
        arity: 3,
        flags: FAST_READ,
        keys: &[KeySpec::first(KeyFlags::RO)],
        element: 2,
        complexity: "O(1)",
        summary: "Answers whether a hash has a field.",
        syntax: "key field",
        handler: hexists,
        ..HASH
    },
    Command {
        name: "hlen",
        arity: 2,
        flags: FAST_READ,
        keys: &[KeySpec::first(KeyFlags::RO)],
        complexity: "O(1)",
        summary: "Answers how many fields a hash has.",
        syntax: "key",
        handler: hlen,
        ..HASH
    },
    Command {
        name: "hstrlen",
        arity: 3,
        flags: FAST_READ,
        keys: &[KeySpec::first(KeyFlags::RO)],
        element: 2,
        since: "3.2.0",
        complexity: "O(1)",
        summary: "Answers how many bytes the value of a field has.",
        syntax: "key field",
        handler: hstrlen,
        ..HASH
    },
    Command {
        name: "hincrby",
        arity: 4,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_COUNT)],
        element: 2,
        complexity: "O(1)",
        summary: "Adds an integer to the value of a field; a missing field counts as 0.",
        syntax: "key field increment:integer",
        handler: hincrby,
        ..HASH
    },
    Command {
        name: "hincrbyfloat",
        arity: 4,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_COUNT)],
        since: "2.6.0",
        complexity: "O(1)",
        summary: "Adds a floating point number to the value of a field; a missing field counts as 0.",
        syntax: "key field increment:double",
        handler: hincrbyfloat,
        ..HASH
    },
    Command {
        name: "hrandfield",
        arity: -2,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        since: "6.2.0",
        complexity: "O(N) for N fields answered.",
        summary: "Answers fields of a hash that are chosen at random: different ones, or with a negative count any so many times.",
        syntax: "key [options= count:integer [WITHVALUES]]",
        tips: &["nondeterministic_output"],
        handler: hrandfield,
        ..HASH
    },
    Command {
        name: "hscan",
        arity: -3,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        since: "2.8.0",
        complexity: "O(1) a call, O(N) for all calls that visit a hash of N fields.",
        summary: "Visits the fields of a hash with their values, some at each call.",
        syntax: "key cursor:integer [MATCH pattern] [COUNT count:integer] [NOVALUES]",
        tips: &["nondeterministic_output"],
        handler: hscan,
        ..HASH
    },
];

/// What HSET and HMSET answer, which do the same.
enum SetReply {
    NewFields,
    Ok,
}

fn hset(cx: &mut Context<'_>, out: &mut Reply<'_>, reply: SetReply) -> CommandResult {
    let args = cx.args();
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(cx.command_name().into()));
    }
    let key = cx.key(1);
    let limits = cx.limits();
    let mut hash = cx.hash_or_create(key)?;
    let fields = args.len() / 2 - 1;
    hash.expect_fields(fields, &limits);
    let mut new = 0;
    for index in (2..args.len()).step_by(2) {
        new += i64::from(hash.set(args.get(index), args.get(index + 1), &limits));
    }
    drop(hash);
    cx.changed(key, EventClass::HASH, "hset");
    cx.count_changes(fields as u64 - 1);
    match reply {
        SetReply::NewFields => out.integer(new),
        SetReply::Ok => out.ok(),
    }
    Ok(())
}

fn hsetnx(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, field, value) = (cx.key(1), cx.arg(2), cx.arg(3));
    let limits = cx.limits();
    cx.expire_fields(key, [field].into_iter());
    let mut hash = cx.hash_or_create(key)?;
    if hash.as_ref().contains(field) {
        out.integer(0);
        return Ok(());
    }
    hash.set(field, value, &limits);
    drop(hash);
    cx.changed(key, EventClass::HASH, "hset");
    out.integer(1);
    Ok(())
}

fn reply_value(out: &mut Reply<'_>, value: Option<PackedItem<'_>>) {
    match value {
        Some(value) => reply_item(out, value),
        None => out.null(),
    }
}

fn hget(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (cx.key(1), cx.arg(2));
    let value = cx.hash(key)?.and_then(|hash| hash.get(field));
    let is_missing = value.is_none();
    reply_value(out, value);
    if is_missing {
        cx.expire_fields(key, [field].into_iter());
    }
    Ok(())
}

fn hmget(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let fields = cx.args().iter().skip(2);
    let hash = cx.hash(key)?;
    out.array(cx.argc() - 2);
    for field in fields.clone() {
        reply_value(out, hash.and_then(|hash| hash.get(field)));
    }
    cx.expire_fields(key, fields);
    Ok(())
}

fn hgetall(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let Some(hash) = cx.hash(cx.key(1))? else {
        out.map(0);
        return Ok(());
    };
    out.map(hash.live_len());
    for (field, value) in hash.iter() {
        reply_item(out, field);
        reply_item(out, value);
    }
    Ok(())
}

/// Answers one item of each field.
fn list_items(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    choose: for<'a> fn((PackedItem<'a>, PackedItem<'a>)) -> PackedItem<'a>,
) -> CommandResult {
    let Some(hash) = cx.hash(cx.key(1))? else {
        out.array(0);
        return Ok(());
    };
    out.array(hash.live_len());
    for entry in hash.iter() {
        reply_item(out, choose(entry));
    }
    Ok(())
}

fn hdel(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let args = cx.args();
    let Some(mut hash) = cx.hash_mut(key)? else {
        out.integer(0);
        return Ok(());
    };
    let deleted = args
        .iter()
        .skip(2)
        .filter(|field| hash.remove(field))
        .count();
    let is_gone = hash.as_ref().is_empty();
    drop(hash);
    tell_of_deletion(cx, deleted, is_gone);
    out.integer(deleted as i64);
    Ok(())
}

/// Tells everyone that fields of the first key are deleted, and the key with them if `is_gone`.
fn tell_of_deletion(cx: &mut Context<'_>, deleted: usize, is_gone: bool) {
    if deleted == 0 {
        return;
    }
    let key = cx.key(1);
    cx.changed(key, EventClass::HASH, "hdel");
    cx.count_changes(deleted as u64 - 1);
    if is_gone {
        cx.notify(key.bytes, EventClass::GENERIC, "del");
    }
}

/// Fails if there is something else than a hash under the key.
fn check_type(cx: &Context<'_>, key: Key<'_>) -> Result<(), CommandError> {
    match cx.value_type(key) {
        None | Some(ValueType::Hash) => Ok(()),
        Some(_) => Err(CommandError::WrongType),
    }
}

/// The fields behind `FIELDS numfields`, which are the last arguments.
#[derive(Clone, Copy)]
struct FieldsArgument<'a> {
    args: Args<'a>,
    first: usize,
}

impl<'a> FieldsArgument<'a> {
    fn len(self) -> usize {
        self.args.len() - self.first
    }

    fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        (self.first..self.args.len()).map(move |index| self.args.get(index))
    }
}

/// What most commands answer to a number of fields that is none.
const BAD_FIELD_COUNT: &str = "ERR Number of fields must be a positive integer";

/// Reads `FIELDS numfields field [field ...]` from argument `index` on; `bad_count` is the error for
/// a number that is none.
fn fields_argument<'a>(
    cx: &Context<'a>,
    index: usize,
    bad_count: &'static str,
) -> Result<FieldsArgument<'a>, CommandError> {
    if !cx.arg_is(index, "fields") {
        return Err(CommandError::text(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let Some(count @ 1..) = parse_integer(cx.arg(index + 1)) else {
        return Err(CommandError::text(bad_count));
    };
    let fields = FieldsArgument {
        args: cx.args(),
        first: (index + 2).min(cx.argc()),
    };
    if count != fields.len() as i64 {
        return Err(CommandError::text(
            "ERR The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(fields)
}

fn hgetdel(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    // Redis looks at the type before it looks at the options.
    check_type(cx, key)?;
    let fields = fields_argument(cx, 2, BAD_FIELD_COUNT)?;
    out.array(fields.len());
    let fields = fields.iter();
    cx.expire_fields(key, fields.clone());
    let Some(mut hash) = cx.hash_mut(key)? else {
        fields.for_each(|_| out.null());
        return Ok(());
    };
    let mut deleted = 0;
    for field in fields.clone() {
        reply_value(out, hash.as_ref().get(field));
        deleted += usize::from(hash.remove(field));
    }
    let is_gone = hash.as_ref().is_empty();
    drop(hash);
    tell_of_deletion(cx, deleted, is_gone);
    if deleted > 0 {
        let words = [&b"HDEL"[..], key.bytes].into_iter().chain(fields);
        cx.rewrite(&words.collect::<Vec<_>>());
    }
    Ok(())
}

fn hexists(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (cx.key(1), cx.arg(2));
    let exists = cx.hash(key)?.is_some_and(|hash| hash.contains(field));
    out.integer(i64::from(exists));
    cx.expire_fields(key, [field].into_iter());
    Ok(())
}

fn hlen(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let hash = cx.hash(cx.key(1))?;
    out.integer(hash.map_or(0, HashRef::len) as i64);
    Ok(())
}

fn hstrlen(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (cx.key(1), cx.arg(2));
    let value = cx.hash(key)?.and_then(|hash| hash.get(field));
    out.integer(value.map_or(0, |value| value.string_len()) as i64);
    cx.expire_fields(key, [field].into_iter());
    Ok(())
}

fn hincrby(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (cx.key(1), cx.arg(2));
    let increment = cx.integer(3)?;
    let limits = cx.limits();
    cx.expire_fields(key, [field].into_iter());
    let mut hash = cx.hash_or_create(key)?;
    let old = match hash.as_ref().get(field) {
        None => 0,
        Some(PackedItem::Integer(old)) => old,
        Some(_) => return Err(CommandError::text("ERR hash value is not an integer")),
    };
    let Some(new) = old.checked_add(increment) else {
        return Err(CommandError::text(
            "ERR increment or decrement would overflow",
        ));
    };
    hash.set_keeping_expiry(field, &IntegerText::new(new), &limits);
    drop(hash);
    cx.changed(key, EventClass::HASH, "hincrby");
    out.integer(new);
    Ok(())
}

fn hincrbyfloat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (cx.key(1), cx.arg(2));
    let increment = LongDouble::parse(cx.arg(3)).ok_or(CommandError::NotFloat)?;
    if !increment.is_finite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    let limits = cx.limits();
    cx.expire_fields(key, [field].into_iter());
    let mut hash = cx.hash_or_create(key)?;
    let old = match hash.as_ref().get(field) {
        None => LongDouble::ZERO,
        Some(old) => LongDouble::parse(old.as_bytes(&mut packed::IntegerText::new()))
            .ok_or(CommandError::text("ERR hash value is not a float"))?,
    };
    let new = old + increment;
    if !new.is_finite() {
        return Err(CommandError::text(
            "ERR increment would produce NaN or Infinity",
        ));
    }
    let new = new.to_string();
    hash.set_keeping_expiry(field, new.as_bytes(), &limits);
    let expires = hash.as_ref().expiry(field).flatten().is_some();
    drop(hash);
    cx.changed(key, EventClass::HASH, "hincrbyfloat");
    // The sum is what replicas get: their floating point numbers might be other ones. HSET would take
    // the expiry away; replicas that are too old for HSETEX have none.
    let new_text = new.as_bytes();
    if expires {
        let fields = [b"FIELDS", &b"1"[..], field, new_text];
        cx.rewrite(&[&[b"HSETEX", key.bytes, b"KEEPTTL"], &fields[..]].concat());
    } else {
        cx.rewrite(&[b"HSET", key.bytes, field, new_text]);
    }
    out.bulk(new.as_bytes());
    Ok(())
}

fn hrandfield(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let mut random = cx.random().fork();
    if cx.argc() == 2 {
        cx.expire_all_fields(key);
        let picked = cx
            .hash(key)?
            .and_then(|hash| hash.picker().pick(&mut random));
        reply_value(out, picked.map(|(field, _)| field));
        return Ok(());
    }
    let count = sample_count(cx, 2)?;
    let with_values = cx.argc() > 3;
    if with_values {
        if cx.argc() > 4 || !cx.arg_is(3, "withvalues") {
            return Err(CommandError::Syntax);
        }
        if count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(CommandError::OutOfRange);
        }
    }
    cx.expire_all_fields(key);
    // While writes are paused there may be fields that are over and still there.
    let is_drawn_from = |hash: &HashRef<'_>| count != 0 && hash.iter().next().is_some();
    let Some(hash) = cx.hash(key)?.filter(is_drawn_from) else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let replies = if count < 0 {
        wanted
    } else {
        wanted.min(hash.live_len())
    };
    let is_nested = with_values && out.protocol() == oxidis_resp::Protocol::Resp3;
    out.array(if with_values && !is_nested {
        replies * 2
    } else {
        replies
    });
    let write = |out: &mut Reply<'_>, field, value| {
        if is_nested {
            out.array(2);
        }
        reply_item(out, field);
        if with_values {
            reply_item(out, value);
        }
    };
    if count > 0 {
        hash.sample(wanted, &mut random, &mut |field, value| {
            write(out, field, value);
        });
        return Ok(());
    }
    let picker = hash.picker();
    for _ in 0..wanted {
        if cx.exceeds_output_limit(out) {
            break;
        }
        if let Some((field, value)) = picker.pick(&mut random) {
            write(out, field, value);
        }
    }
    Ok(())
}

fn hscan(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(cx.arg(2))?;
    let Some(hash) = cx.hash(cx.key(1))? else {
        reply_items(out, 0, &[]);
        return Ok(());
    };
    let options = ScanOptions::parse(cx.args(), 3, Scanned::Hash)?;
    let mut found = Vec::new();
    let next = options.run(cursor, |cursor| {
        let mut visited = 0;
        let next = hash.scan(cursor, &mut |field, value| {
            visited += 1;
            if options.matches_item(field) {
                found.push(field);
                if !options.no_values {
                    found.push(value);
                }
            }
        });
        (next, visited)
    });
    reply_items(out, next, &found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::testing::TestSession;

    #[test]
    fn hgetdel_answers_and_deletes() {
        let mut session = TestSession::new(&[]);
        session.run("HSET h a 1 b two c 3");
        assert_eq!(
            session.run("HGETDEL h FIELDS 3 a missing a"),
            "*3 $1 1 $-1 $-1"
        );
        assert_eq!(session.run("HGETALL h"), "*4 $1 b $3 two $1 c $1 3");
        assert_eq!(session.run("HGETDEL h fields 2 c b"), "*2 $1 3 $3 two");
        assert_eq!(session.run("HLEN h"), ":0");
        assert_eq!(session.run("HGETDEL h FIELDS 2 a b"), "*2 $-1 $-1");
        // Nothing is left under the key: any type may come there.
        assert_eq!(session.run("SADD h 1"), ":1");
    }

    #[test]
    fn hgetex_refuses_what_redis_refuses() {
        let mut session = TestSession::new(&[]);
        session.run("HSET h a 1");
        let arity = "-ERR wrong number of arguments for 'hgetex' command";
        for (command, error) in [
            ("HGETEX h PX 100 FIELDS", arity),
            ("HGETEX h EXAT 1 FIELD", arity),
            (
                "HGETEX h PERSIST FIELDS 1",
                "-ERR The `numfields` parameter must match the number of arguments",
            ),
            (
                "HGETEX h PERSIST FIELDS x",
                "-ERR Number of fields must be a positive integer",
            ),
            (
                "HGETEX h PX 100 a b",
                "-ERR Mandatory argument FIELDS is missing or not at the right position",
            ),
            (
                "HGETEX h EX x FIELDS",
                "-ERR value is not an integer or out of range",
            ),
        ] {
            assert_eq!(session.run(command), error, "{command}");
        }
    }

    #[test]
    fn hgetdel_refuses_what_redis_refuses() {
        let mut session = TestSession::new(&[]);
        session.run("SET string v");
        session.run("HSET h a 1");
        for (command, error) in [
            (
                "HGETDEL h FIELDS 1",
                "-ERR wrong number of arguments for 'hgetdel' command",
            ),
            (
                "HGETDEL string NONSENSE x a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            (
                "HGETDEL h FIELD 1 a",
                "-ERR Mandatory argument FIELDS is missing or not at the right position",
            ),
            (
                "HGETDEL h FIELDS 0 a",
                "-ERR Number of fields must be a positive integer",
            ),
            (
                "HGETDEL h FIELDS one a",
                "-ERR Number of fields must be a positive integer",
            ),
            (
                "HGETDEL h FIELDS 2 a",
                "-ERR The `numfields` parameter must match the number of arguments",
            ),
        ] {
            assert_eq!(session.run(command), error, "{command}");
        }
        assert_eq!(session.run("HLEN h"), ":1");
    }

    #[test]
    fn hscan_without_values_answers_fields_alone() {
        let mut session = TestSession::new(&[]);
        session.run("HSET h a 1 b 2");
        assert_eq!(session.run("HSCAN h 0 NOVALUES"), "*2 $1 0 *2 $1 a $1 b");
        assert_eq!(
            session.run("HSCAN h 0 novalues MATCH b COUNT 5"),
            "*2 $1 0 *1 $1 b"
        );
        session.run("SADD s 1");
        assert_eq!(
            session.run("SSCAN s 0 NOVALUES"),
            "-ERR NOVALUES option can only be used in HSCAN"
        );
    }

    #[test]
    fn hscan_of_a_table_goes_on_where_it_was() {
        let mut session = TestSession::new(&[("hash-max-listpack-entries", "0")]);
        for n in 0..1000 {
            session.run(&format!("HSET h field:{n} {n}"));
        }
        let mut seen = BTreeSet::new();
        let mut cursor = "0".to_owned();
        let mut calls = 0;
        loop {
            let reply = session.run(&format!("HSCAN h {cursor} COUNT 20 NOVALUES"));
            let words: Vec<&str> = reply.split(' ').collect();
            let found = words.iter().filter(|word| word.starts_with("field:"));
            seen.extend(found.map(|&word| word.to_owned()));
            calls += 1;
            cursor = words[2].to_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 1000);
        // A call visits 20 fields at least, and no more than the last bucket adds.
        assert!((20..=50).contains(&calls), "{calls} calls");
    }

    #[test]
    fn more_fields_in_one_command_than_a_packed_hash_may_have_make_a_table() {
        let mut session = TestSession::new(&[("hash-max-listpack-entries", "2")]);
        session.run("HSET same a 1 a 2 a 3");
        assert_eq!(session.run("HGETALL same"), "*2 $1 a $1 3");
        assert_eq!(session.run("OBJECT ENCODING same"), "$9 hashtable");
        session.run("HSET few a 1 b 2");
        assert_eq!(session.run("OBJECT ENCODING few"), "$8 listpack");
    }
}
