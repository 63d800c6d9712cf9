//! The commands about how long fields of hashes live: HEXPIRE, HTTL, HPERSIST and their like, HGETEX
//! and HSETEX.
//!
//! They propagate absolute times, and fields that are over before they begin as HDEL. HEXPIRE takes
//! a field whose time is over, and that nobody has deleted yet, for one that is there, as in Redis.

use super::{
    BAD_FIELD_COUNT, FAST_GROWING_WRITE, FAST_READ, FAST_WRITE, FieldsArgument, HASH, KEY_TO_COUNT,
    KEY_TO_READ, KEY_TO_UPDATE, check_type, fields_argument, reply_value, tell_of_deletion,
};
use crate::command::{Command, CommandError, CommandResult, Context, EventClass, KeySpec, Reply};
use crate::keyspace::Key;
use crate::text::{IntegerText, parse_integer};

/// The latest time at which a field may expire, in milliseconds since 1970: Redis keeps 46 bits.
const EXPIRY_MAX_MS: i64 = (1 << 46) - 1;

const SECOND_MS: i64 = 1000;

/// What the rows of this family have in common.
const EXPIRY: Command = Command {
    keys: &[KeySpec::first(KEY_TO_UPDATE)],
    since: "7.4.0",
    complexity: "O(N) for N fields.",
    ..HASH
};

const SETS_EXPIRY: Command = Command {
    arity: -6,
    flags: FAST_WRITE,
    ..EXPIRY
};

const READS_EXPIRY: Command = Command {
    arity: -5,
    flags: FAST_READ,
    keys: &[KeySpec::first(KEY_TO_READ)],
    syntax: "key FIELDS numfields:integer field [field ...]",
    ..EXPIRY
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "hexpire",
        summary: "Lets fields of a hash live for so many seconds.",
        syntax: "key seconds:integer [condition= NX|XX|GT|LT] FIELDS numfields:integer field [field ...]",
        handler: |cx, out| hexpire(cx, out, Unit::Seconds, cx.now_ms()),
        ..SETS_EXPIRY
    },
    Command {
        name: "hpexpire",
        summary: "Lets fields of a hash live for so many milliseconds.",
        syntax: "key milliseconds:integer [condition= NX|XX|GT|LT] FIELDS numfields:integer field [field ...]",
        handler: |cx, out| hexpire(cx, out, Unit::Milliseconds, cx.now_ms()),
        ..SETS_EXPIRY
    },
    Command {
        name: "hexpireat",
        summary: "Lets fields of a hash live until a time in seconds since 1970.",
        syntax: "key unix-time-seconds:unix-time [condition= NX|XX|GT|LT] FIELDS numfields:integer field [field ...]",
        handler: |cx, out| hexpire(cx, out, Unit::Seconds, 0),
        ..SETS_EXPIRY
    },
    Command {
        name: "hpexpireat",
        summary: "Lets fields of a hash live until a time in milliseconds since 1970.",
        syntax: "key unix-time-milliseconds:unix-time [condition= NX|XX|GT|LT] FIELDS numfields:integer field [field \
                 ...]",
        handler: |cx, out| hexpire(cx, out, Unit::Milliseconds, 0),
        ..SETS_EXPIRY
    },
    Command {
        name: "httl",
        summary: "Answers how long fields of a hash have to live, in seconds.",
        tips: &["nondeterministic_output"],
        handler: |cx, out| httl(cx, out, Unit::Seconds, cx.now_ms()),
        ..READS_EXPIRY
    },
    Command {
        name: "hpttl",
        summary: "Answers how long fields of a hash have to live, in milliseconds.",
        tips: &["nondeterministic_output"],
        handler: |cx, out| httl(cx, out, Unit::Milliseconds, cx.now_ms()),
        ..READS_EXPIRY
    },
    Command {
        name: "hexpiretime",
        summary: "Answers until when fields of a hash live, in seconds since 1970.",
        handler: |cx, out| httl(cx, out, Unit::Seconds, 0),
        ..READS_EXPIRY
    },
    Command {
        name: "hpexpiretime",
        summary: "Answers until when fields of a hash live, in milliseconds since 1970.",
        handler: |cx, out| httl(cx, out, Unit::Milliseconds, 0),
        ..READS_EXPIRY
    },
    Command {
        name: "hpersist",
        arity: -5,
        flags: FAST_WRITE,
        summary: "Lets fields of a hash live as long as the hash.",
        syntax: "key FIELDS numfields:integer field [field ...]",
        handler: hpersist,
        ..EXPIRY
    },
    Command {
        name: "hgetex",
        arity: -5,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_COUNT)],
        since: "8.0.0",
        summary: "Answers the values of fields, null for those that are missing, and sets or removes when the fields expire.",
        syntax: "key [expiration= EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT \
                 unix-time-milliseconds:unix-time|PERSIST] FIELDS numfields:integer field [field ...]",
        handler: hgetex,
        ..EXPIRY
    },
    Command {
        name: "hsetex",
        arity: -6,
        flags: FAST_GROWING_WRITE,
        since: "8.0.0",
        summary: "Sets fields of a hash to values and sets when the fields expire, perhaps only if the key, or none or all of the fields, are there.",
        syntax: "key [key-condition= NX|XX] [condition= FNX|FXX] [expiration= EX seconds:integer|PX \
                 milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT unix-time-milliseconds:unix-time|KEEPTTL] \
                 FIELDS numfields:integer data= (field value) [(field value) ...]",
        handler: hsetex,
        ..EXPIRY
    },
];

/// What a time is given or answered in.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    fn in_ms(self) -> i64 {
        match self {
            Unit::Seconds => SECOND_MS,
            Unit::Milliseconds => 1,
        }
    }
}

/// The time in argument `index`, counted from `base_ms` on, in milliseconds since 1970.
fn time_argument(
    cx: &Context<'_>,
    index: usize,
    unit: Unit,
    base_ms: i64,
) -> Result<i64, CommandError> {
    let time = cx.integer(index)?;
    if time < 0 {
        return Err(CommandError::text("ERR invalid expire time, must be >= 0"));
    }
    time.checked_mul(unit.in_ms())
        .and_then(|time_ms| time_ms.checked_add(base_ms))
        .filter(|&at_ms| at_ms <= EXPIRY_MAX_MS)
        .ok_or(CommandError::InvalidExpire(cx.command_name()))
}

/// The unit and the base of the option in argument `index`, if it is one that sets an expiry.
fn time_option(cx: &Context<'_>, index: usize) -> Option<(Unit, i64)> {
    let options = [
        ("ex", Unit::Seconds, cx.now_ms()),
        ("px", Unit::Milliseconds, cx.now_ms()),
        ("exat", Unit::Seconds, 0),
        ("pxat", Unit::Milliseconds, 0),
    ];
    let found = options
        .into_iter()
        .find(|option| cx.arg_is(index, option.0));
    found.map(|(_, unit, base_ms)| (unit, base_ms))
}

/// Under which condition an expiry is set; none at all counts as the latest.
#[derive(Debug, Clone, Copy)]
enum Condition {
    /// NX: there is none.
    Missing,
    /// XX: there is one.
    Present,
    /// GT: the new one is later.
    Later,
    /// LT: the new one is earlier.
    Earlier,
}

impl Condition {
    fn parse(word: &[u8]) -> Option<Self> {
        let conditions: [(&[u8], Self); 4] = [
            (b"nx", Self::Missing),
            (b"xx", Self::Present),
            (b"gt", Self::Later),
            (b"lt", Self::Earlier),
        ];
        let found = conditions
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name));
        found.map(|(_, condition)| condition)
    }

    fn is_met(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        match self {
            Self::Missing => old_ms.is_none(),
            Self::Present => old_ms.is_some(),
            Self::Later => old_ms.is_some_and(|old_ms| new_ms > old_ms),
            Self::Earlier => old_ms.is_none_or(|old_ms| new_ms < old_ms),
        }
    }
}

/// What the commands answer for a field that is not there, and for one that never expires.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;

/// What HEXPIRE and its like answer for a field whose condition is not met, whose expiry is set, and
/// that is deleted because its time was over before it began.
const NOT_SET: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

fn hexpire(cx: &mut Context<'_>, out: &mut Reply<'_>, unit: Unit, base_ms: i64) -> CommandResult {
    let key = cx.key(1);
    check_type(cx, key)?;
    let at_ms = time_argument(cx, 2, unit, base_ms)?;
    let condition = Condition::parse(cx.arg(3));
    let fields_at = 3 + usize::from(condition.is_some());
    let fields = fields_argument(
        cx,
        fields_at,
        "ERR Parameter `numFields` should be greater than 0",
    )?;
    let is_over = at_ms <= cx.now_ms();
    out.array(fields.len());
    let Some(mut hash) = cx.hash_mut(key)? else {
        fields.iter().for_each(|_| out.integer(NO_FIELD));
        return Ok(());
    };
    hash.make_expiring();
    let mut changed = Vec::new();
    for field in fields.iter() {
        let is_met = |old_ms| condition.is_none_or(|condition| condition.is_met(old_ms, at_ms));
        out.integer(match hash.as_ref().expiry(field) {
            None => NO_FIELD,
            Some(old_ms) if !is_met(old_ms) => NOT_SET,
            Some(_) => {
                changed.push(field);
                if is_over {
                    hash.remove(field);
                    DELETED
                } else {
                    hash.set_expiry(field, Some(at_ms));
                    SET
                }
            }
        });
    }
    let is_gone = hash.as_ref().is_empty();
    drop(hash);
    if is_over {
        tell_of_end(cx, key, &changed, is_gone);
    } else if !changed.is_empty() {
        tell_of_expiry(cx, key, changed.len());
        let condition = condition.map(|_| cx.arg(3));
        propagate_expiry(cx, key, at_ms, condition, &changed);
    }
    Ok(())
}

/// Tells everyone that `count` fields have got an expiry.
fn tell_of_expiry(cx: &mut Context<'_>, key: Key<'_>, count: usize) {
    cx.changed(key, EventClass::HASH, "hexpire");
    cx.count_changes(count as u64 - 1);
}

/// Tells everyone that fields are deleted because they were to be over before they began, and the
/// key with them if `is_gone`.
fn tell_of_end(cx: &mut Context<'_>, key: Key<'_>, deleted: &[&[u8]], is_gone: bool) {
    tell_of_deletion(cx, deleted.len(), is_gone);
    propagate_deletions(cx, key, deleted);
}

fn propagate_deletions(cx: &mut Context<'_>, key: Key<'_>, deleted: &[&[u8]]) {
    for field in deleted {
        cx.rewrite(&[b"HDEL", key.bytes, field]);
    }
}

fn propagate_expiry(
    cx: &mut Context<'_>,
    key: Key<'_>,
    at_ms: i64,
    condition: Option<&[u8]>,
    fields: &[&[u8]],
) {
    let (at, count) = (
        IntegerText::new(at_ms),
        IntegerText::new(fields.len() as i64),
    );
    let mut command: Vec<&[u8]> = vec![b"HPEXPIREAT", key.bytes, &at];
    command.extend(condition);
    command.extend([&b"FIELDS"[..], &count]);
    command.extend(fields);
    cx.rewrite(&command);
}

fn httl(cx: &mut Context<'_>, out: &mut Reply<'_>, unit: Unit, base_ms: i64) -> CommandResult {
    let hash = cx.hash(cx.key(1))?;
    let fields = fields_argument(cx, 2, BAD_FIELD_COUNT)?;
    out.array(fields.len());
    for field in fields.iter() {
        out.integer(match hash.and_then(|hash| hash.expiry(field)) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            // Rounded up, unlike the expiry of a key. Some clients see fields whose time is over.
            Some(Some(at_ms)) => ((at_ms - base_ms).max(0) + unit.in_ms() - 1) / unit.in_ms(),
        });
    }
    Ok(())
}

fn hpersist(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    check_type(cx, key)?;
    let fields = fields_argument(cx, 2, BAD_FIELD_COUNT)?;
    let as_of_ms = cx.fields_as_of_ms();
    out.array(fields.len());
    let Some(mut hash) = cx.hash_mut(key)? else {
        fields.iter().for_each(|_| out.integer(NO_FIELD));
        return Ok(());
    };
    let mut count = 0;
    for field in fields.iter() {
        out.integer(match hash.as_ref().at(as_of_ms).expiry(field) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(_)) => {
                hash.set_expiry(field, None);
                count += 1;
                SET
            }
        });
    }
    drop(hash);
    tell_of_persistence(cx, key, count);
    Ok(())
}

/// Tells everyone that `count` fields have lost their expiry.
fn tell_of_persistence(cx: &mut Context<'_>, key: Key<'_>, count: usize) {
    if count > 0 {
        cx.changed(key, EventClass::HASH, "hpersist");
        cx.count_changes(count as u64 - 1);
    }
}

/// What becomes of the expiry of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Keep,
    Remove,
    SetMs(i64),
}

fn hgetex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    check_type(cx, key)?;
    let (change, fields_at) = if let Some((unit, base_ms)) = time_option(cx, 2) {
        (Change::SetMs(time_argument(cx, 3, unit, base_ms)?), 4)
    } else if cx.arg_is(2, "persist") {
        (Change::Remove, 3)
    } else {
        (Change::Keep, 2)
    };
    if fields_at + 1 >= cx.argc() {
        return Err(CommandError::WrongArity("hgetex".into()));
    }
    let fields = fields_argument(cx, fields_at, BAD_FIELD_COUNT)?;
    out.array(fields.len());
    cx.expire_fields(key, fields.iter());
    match change {
        Change::Keep => {
            let hash = cx.hash(key)?;
            for field in fields.iter() {
                reply_value(out, hash.and_then(|hash| hash.get(field)));
            }
        }
        Change::Remove => get_and_persist(cx, out, key, fields)?,
        Change::SetMs(at_ms) => get_and_expire(cx, out, key, fields, at_ms)?,
    }
    Ok(())
}

fn get_and_persist(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    key: Key<'_>,
    fields: FieldsArgument<'_>,
) -> CommandResult {
    let Some(mut hash) = cx.hash_mut(key)? else {
        fields.iter().for_each(|_| out.null());
        return Ok(());
    };
    // Redis makes it one whose fields expire before it looks for fields that do: OBJECT ENCODING tells.
    hash.make_expiring();
    let mut changed = 0;
    for field in fields.iter() {
        reply_value(out, hash.as_ref().get(field));
        if hash.as_ref().expiry(field).flatten().is_some() {
            hash.set_expiry(field, None);
            changed += 1;
        }
    }
    drop(hash);
    tell_of_persistence(cx, key, changed);
    if changed > 0 {
        let count = IntegerText::new(fields.len() as i64);
        let mut command: Vec<&[u8]> = vec![b"HPERSIST", key.bytes, b"FIELDS", &count];
        command.extend(fields.iter());
        cx.rewrite(&command);
    }
    Ok(())
}

fn get_and_expire(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    key: Key<'_>,
    fields: FieldsArgument<'_>,
    at_ms: i64,
) -> CommandResult {
    let is_over = at_ms <= cx.now_ms();
    let Some(mut hash) = cx.hash_mut(key)? else {
        fields.iter().for_each(|_| out.null());
        return Ok(());
    };
    hash.make_expiring();
    let mut changed = Vec::new();
    for field in fields.iter() {
        reply_value(out, hash.as_ref().get(field));
        let is_changed = if is_over {
            hash.remove(field)
        } else {
            hash.set_expiry(field, Some(at_ms))
        };
        if is_changed {
            changed.push(field);
        }
    }
    let is_gone = hash.as_ref().is_empty();
    drop(hash);
    if is_over {
        tell_of_end(cx, key, &changed, is_gone);
    } else if !changed.is_empty() {
        tell_of_expiry(cx, key, changed.len());
        // Those that are missing here are missing there.
        let fields: Vec<&[u8]> = fields.iter().collect();
        propagate_expiry(cx, key, at_ms, None, &fields);
    }
    Ok(())
}

/// What HSETEX is asked to do.
struct SetOptions<'a> {
    /// `Some(true)`: only if there is no such key (NX, Valkey's); `Some(false)`: only if there is (XX).
    if_new: Option<bool>,
    /// `Some(true)`: only if no field is there (FNX); `Some(false)`: only if all are (FXX).
    if_missing: Option<bool>,
    /// What becomes of the expiry; without an option it is removed.
    change: Option<Change>,
    /// The argument of the option that sets an expiry; its time is in the next one.
    time_option_at: usize,
    /// Fields and values.
    pairs: FieldsArgument<'a>,
}

impl<'a> SetOptions<'a> {
    fn parse(cx: &Context<'a>) -> Result<Self, CommandError> {
        let wrong_arity = || CommandError::WrongArity(cx.command_name().into());
        let mut if_new = None;
        let mut if_missing = None;
        let mut change = None;
        let mut time_option_at = 0;
        let mut index = 2;
        while !cx.arg_is(index, "fields") {
            let time_option = time_option(cx, index);
            if let Some(is_new) = word_of(cx, index, ["xx", "nx"]) {
                let is_new = is_new == 1;
                if if_new.replace(is_new).is_some_and(|other| other != is_new) {
                    return Err(CommandError::Syntax);
                }
            } else if let Some(is_missing) = word_of(cx, index, ["fxx", "fnx"]) {
                if if_missing.replace(is_missing == 1).is_some() {
                    return Err(CommandError::text(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
            } else if time_option.is_some() || cx.arg_is(index, "keepttl") {
                if change.is_some() {
                    return Err(CommandError::text(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                change = Some(Change::Keep);
                if let Some((unit, base_ms)) = time_option {
                    if index + 1 >= cx.argc() {
                        return Err(wrong_arity());
                    }
                    time_option_at = index;
                    index += 1;
                    change = Some(Change::SetMs(time_argument(cx, index, unit, base_ms)?));
                }
            } else if index >= cx.argc() {
                return Err(wrong_arity());
            } else {
                let word = cx.arg(index);
                return Err(CommandError::quoting("ERR unknown argument: ", word, ""));
            }
            index += 1;
        }
        if index + 3 >= cx.argc() {
            return Err(wrong_arity());
        }
        let Some(count @ 1..=0x7fff_ffff) = parse_integer(cx.arg(index + 1)) else {
            return Err(CommandError::text("ERR invalid number of fields"));
        };
        let pairs = FieldsArgument {
            args: cx.args(),
            first: index + 2,
        };
        if pairs.len() as i64 != count * 2 {
            return Err(wrong_arity());
        }
        Ok(Self {
            if_new,
            if_missing,
            change,
            time_option_at,
            pairs,
        })
    }

    fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.pairs.iter().step_by(2)
    }
}

/// Which of the words argument `index` is.
fn word_of(cx: &Context<'_>, index: usize, words: [&str; 2]) -> Option<usize> {
    words.into_iter().position(|word| cx.arg_is(index, word))
}

fn hsetex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = SetOptions::parse(cx)?;
    let key = cx.key(1);
    check_type(cx, key)?;
    if options
        .if_new
        .is_some_and(|is_new| cx.exists(key) == is_new)
    {
        out.integer(0);
        return Ok(());
    }
    if let Some(if_missing) = options.if_missing
        && !are_all(cx, key, &options, if_missing)?
    {
        out.integer(0);
        return Ok(());
    }
    let limits = cx.limits();
    let now_ms = cx.now_ms();
    let pairs = options.pairs;
    let is_new = !cx.exists(key);
    let mut hash = cx.hash_or_create(key)?;
    hash.expect_fields(pairs.len() / 2, &limits);
    if let Some(Change::SetMs(_)) = options.change {
        hash.make_expiring();
    }
    for index in (pairs.first..pairs.args.len()).step_by(2) {
        let (field, value) = (pairs.args.get(index), pairs.args.get(index + 1));
        match options.change {
            Some(Change::Keep) => _ = hash.set_keeping_expiry(field, value, &limits),
            Some(Change::SetMs(at_ms)) if at_ms <= now_ms => _ = hash.remove(field),
            Some(Change::SetMs(at_ms)) => {
                hash.set(field, value, &limits);
                hash.set_expiry(field, Some(at_ms));
            }
            Some(Change::Remove) | None => _ = hash.set(field, value, &limits),
        }
    }
    let is_gone = hash.as_ref().is_empty();
    drop(hash);
    if is_new && is_gone {
        // It was there for a moment.
        cx.notify(key.bytes, EventClass::NEW, "new");
    }
    cx.changed(key, EventClass::HASH, "hset");
    cx.count_changes(pairs.len() as u64 / 2 - 1);
    if let Some(Change::SetMs(at_ms)) = options.change {
        if at_ms <= now_ms {
            let deleted: Vec<&[u8]> = options.fields().collect();
            tell_of_end(cx, key, &deleted, is_gone);
        } else {
            cx.notify(key.bytes, EventClass::HASH, "hexpire");
            propagate_set(cx, at_ms, options.time_option_at);
        }
    }
    out.integer(1);
    Ok(())
}

/// Whether all fields are missing, or all there. Those whose time is over are missing, and deleted as
/// far as the answer depends on them.
fn are_all(
    cx: &mut Context<'_>,
    key: Key<'_>,
    options: &SetOptions<'_>,
    missing: bool,
) -> Result<bool, CommandError> {
    let as_of_ms = cx.fields_as_of_ms();
    let guard = cx.hash_mut(key)?;
    let hash = guard.as_ref().map(|hash| hash.as_ref().at(as_of_ms));
    let is_other = |field| hash.is_some_and(|hash| hash.contains(field)) == missing;
    let other_at = options.fields().position(is_other);
    drop(guard);
    let looked_at = other_at.map_or(usize::MAX, |index| index + 1);
    cx.expire_fields(key, options.fields().take(looked_at));
    Ok(other_at.is_none())
}

/// Propagates HSETEX as it was sent, but for the time, which becomes absolute.
fn propagate_set(cx: &mut Context<'_>, at_ms: i64, time_option_at: usize) {
    let at = IntegerText::new(at_ms);
    let words = cx
        .args()
        .iter()
        .enumerate()
        .map(|(index, word)| match index {
            _ if index == time_option_at => &b"PXAT"[..],
            _ if index == time_option_at + 1 => &at,
            _ => word,
        });
    let command: Vec<&[u8]> = words.collect();
    cx.rewrite(&command);
}
