//! How long keys live: EXPIRE, TTL, PERSIST and their like.

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, KeyFlags,
    KeySpec, Reply,
};

const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const UPDATE_KEY: KeyFlags = KeyFlags::RW.union(KeyFlags::UPDATE);

const ROW: Command = Command {
    categories: Categories::KEYSPACE,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "expire",
        history: &[(
            "7.0.0",
            "NX, XX, GT and LT make it depend on the expiry that there is.",
        )],
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::first(UPDATE_KEY)],
        summary: "Lets a key live for so many seconds.",
        syntax: "key seconds:integer [condition^7.0.0= NX|XX|GT|LT]",
        handler: expire,
        ..ROW
    },
    Command {
        name: "expireat",
        history: &[(
            "7.0.0",
            "NX, XX, GT and LT make it depend on the expiry that there is.",
        )],
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::first(UPDATE_KEY)],
        since: "1.2.0",
        summary: "Lets a key live until a time in seconds since 1970.",
        syntax: "key unix-time-seconds:unix-time [condition^7.0.0= NX|XX|GT|LT]",
        handler: expireat,
        ..ROW
    },
    Command {
        name: "expiretime",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "7.0.0",
        summary: "Answers until when a key lives, in seconds since 1970.",
        syntax: "key",
        handler: expiretime,
        ..ROW
    },
    Command {
        name: "persist",
        arity: 2,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::first(UPDATE_KEY)],
        since: "2.2.0",
        summary: "Lets a key live for ever.",
        syntax: "key",
        handler: persist,
        ..ROW
    },
    Command {
        name: "pexpire",
        history: &[(
            "7.0.0",
            "NX, XX, GT and LT make it depend on the expiry that there is.",
        )],
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::first(UPDATE_KEY)],
        since: "2.6.0",
        summary: "Lets a key live for so many milliseconds.",
        syntax: "key milliseconds:integer [condition^7.0.0= NX|XX|GT|LT]",
        handler: pexpire,
        ..ROW
    },
    Command {
        name: "pexpireat",
        history: &[(
            "7.0.0",
            "NX, XX, GT and LT make it depend on the expiry that there is.",
        )],
        arity: -3,
        flags: Flags::WRITE.union(Flags::FAST),
        keys: &[KeySpec::first(UPDATE_KEY)],
        since: "2.6.0",
        summary: "Lets a key live until a time in milliseconds since 1970.",
        syntax: "key unix-time-milliseconds:unix-time [condition^7.0.0= NX|XX|GT|LT]",
        handler: pexpireat,
        ..ROW
    },
    Command {
        name: "pexpiretime",
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "7.0.0",
        summary: "Answers until when a key lives, in milliseconds since 1970.",
        syntax: "key",
        handler: pexpiretime,
        ..ROW
    },
    Command {
        name: "pttl",
        history: &[("2.8.0", "A key that is not there is answered by -2.")],
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.6.0",
        summary: "Answers how long a key has to live, in milliseconds.",
        syntax: "key",
        tips: &["nondeterministic_output"],
        handler: pttl,
        ..ROW
    },
    Command {
        name: "ttl",
        history: &[("2.8.0", "A key that is not there is answered by -2.")],
        arity: 2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(READ_KEY)],
        summary: "Answers how long a key has to live, in seconds.",
        syntax: "key",
        tips: &["nondeterministic_output"],
        handler: ttl,
        ..ROW
    },
];

const SECOND_MS: i64 = 1000;

fn expire(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    expire_at(cx, cx.now_ms(), SECOND_MS, out)
}

fn pexpire(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    expire_at(cx, cx.now_ms(), 1, out)
}

fn expireat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    expire_at(cx, 0, SECOND_MS, out)
}

fn pexpireat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    expire_at(cx, 0, 1, out)
}

/// Under which conditions an expiry is set.
#[derive(Debug, Clone, Copy, Default)]
struct Conditions {
    /// NX: there is none.
    missing: bool,
    /// XX: there is one.
    present: bool,
    /// GT: the new one is later; none at all is the latest.
    later: bool,
    /// LT: the new one is earlier.
    earlier: bool,
}

impl Conditions {
    fn parse(cx: &Context<'_>) -> Result<Self, CommandError> {
        let mut conditions = Conditions::default();
        for index in 3..cx.argc() {
            if cx.arg_is(index, "NX") {
                conditions.missing = true;
            } else if cx.arg_is(index, "XX") {
                conditions.present = true;
            } else if cx.arg_is(index, "GT") {
                conditions.later = true;
            } else if cx.arg_is(index, "LT") {
                conditions.earlier = true;
            } else {
                let option = cx.arg(index);
                return Err(CommandError::quoting("ERR Unsupported option ", option, ""));
            }
        }
        let Conditions {
            missing,
            present,
            later,
            earlier,
        } = conditions;
        if missing && (present || later || earlier) {
            return Err(CommandError::text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if later && earlier {
            return Err(CommandError::text(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    fn are_met(self, old_ms: Option<i64>, new_ms: i64) -> bool {
        match old_ms {
            Some(old_ms) => {
                !self.missing
                    && (!self.later || new_ms > old_ms)
                    && (!self.earlier || new_ms < old_ms)
            }
            None => !self.present && !self.later,
        }
    }
}

/// Sets the expiry that argument 2 gives, in units of `unit_ms` from `base_ms` on.
fn expire_at(
    cx: &mut Context<'_>,
    base_ms: i64,
    unit_ms: i64,
    out: &mut Reply<'_>,
) -> CommandResult {
    let conditions = Conditions::parse(cx)?;
    let at_ms = cx
        .integer(2)?
        .checked_mul(unit_ms)
        .and_then(|time_ms| time_ms.checked_add(base_ms))
        .ok_or(CommandError::InvalidExpire(cx.command_name()))?;
    let key = cx.key(1);
    cx.expire_if_needed(key);
    let is_set = cx
        .expire_ms(key)
        .is_some_and(|old_ms| conditions.are_met(old_ms, at_ms));
    out.integer(is_set.into());
    if !is_set {
        return Ok(());
    }
    if cx.ends_at_once(at_ms) {
        let is_lazy = cx.engine().config.lazyfree_lazy_expire();
        cx.delete_as(key, is_lazy);
        let name: &[u8] = if is_lazy { b"UNLINK" } else { b"DEL" };
        cx.rewrite(&[name, key.bytes]);
        cx.changed(key, EventClass::GENERIC, "del");
    } else {
        cx.set_expire(key, Some(at_ms));
        cx.rewrite(&[b"PEXPIREAT", key.bytes, at_ms.to_string().as_bytes()]);
        cx.changed(key, EventClass::GENERIC, "expire");
    }
    Ok(())
}

/// What TTL and its like answer for a key that is not there, and for one that lives for ever.
const NO_KEY: i64 = -2;
const NO_EXPIRE: i64 = -1;

fn ttl(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_expire(cx, cx.now_ms(), SECOND_MS, out)
}

fn pttl(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_expire(cx, cx.now_ms(), 1, out)
}

fn expiretime(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_expire(cx, 0, SECOND_MS, out)
}

fn pexpiretime(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_expire(cx, 0, 1, out)
}

/// Answers the expiry of the first key, from `base_ms` on, rounded to units of `unit_ms`.
fn reply_expire(
    cx: &Context<'_>,
    base_ms: i64,
    unit_ms: i64,
    out: &mut Reply<'_>,
) -> CommandResult {
    out.integer(match cx.look(cx.key(1)) {
        None => NO_KEY,
        Some(entry) => match entry.expire_ms() {
            None => NO_EXPIRE,
            Some(at_ms) => round(at_ms.saturating_sub(base_ms), unit_ms),
        },
    });
    Ok(())
}

/// A time that is not over, rounded to units of `unit_ms`.
fn round(time_ms: i64, unit_ms: i64) -> i64 {
    // Half a unit more than the greatest time needs the 64th bit.
    ((time_ms.max(0) as u64 + unit_ms as u64 / 2) / unit_ms as u64) as i64
}

fn persist(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    cx.expire_if_needed(key);
    let has_expire = cx.expire_ms(key).flatten().is_some();
    if has_expire {
        cx.set_expire(key, None);
        // Not `changed`: that would give the key the default expiry, which PERSIST is to take away.
        cx.signal(key);
        cx.count_changes(1);
        cx.notify(key.bytes, EventClass::GENERIC, "persist");
    }
    out.integer(has_expire.into());
    Ok(())
}
