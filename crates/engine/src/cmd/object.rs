//! OBJECT: how values are kept.

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, KeyFlags, KeySpec, Reply,
};
use crate::config::MaxmemoryPolicy;
use crate::keyspace::{EntryRef, access, encoding};
use crate::value::StringRef;

const ROW: Command = Command {
    categories: Categories::KEYSPACE,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "object",
    categories: Categories::empty(),
    arity: -2,
    since: "2.2.3",
    complexity: "That of the subcommand",
    summary: "Looks at how values are kept.",
    subcommands: &[
        Command {
            name: "encoding",
            arity: 3,
            flags: Flags::READONLY,
            keys: KEY,
            since: "2.2.3",
            summary: "Answers the encoding of a value.",
            syntax: "key",
            tips: &["nondeterministic_output"],
            handler: object_encoding,
            ..ROW
        },
        Command {
            name: "freq",
            arity: 3,
            flags: Flags::READONLY,
            keys: KEY,
            since: "4.0.0",
            summary: "Answers how often a key is used, as a logarithmic count.",
            syntax: "key",
            tips: &["nondeterministic_output"],
            handler: object_freq,
            ..ROW
        },
        ROW.help("6.2.0", object_help),
        Command {
            name: "idletime",
            arity: 3,
            flags: Flags::READONLY,
            keys: KEY,
            since: "2.2.3",
            summary: "Answers for how many seconds a key has not been used.",
            syntax: "key",
            tips: &["nondeterministic_output"],
            handler: object_idletime,
            ..ROW
        },
        Command {
            name: "refcount",
            arity: 3,
            flags: Flags::READONLY,
            keys: KEY,
            since: "2.2.3",
            summary: "Answers how many hold on to a value.",
            syntax: "key",
            tips: &["nondeterministic_output"],
            handler: object_refcount,
            ..ROW
        },
    ],
    ..ROW
}];

const KEY: &[KeySpec] = &[KeySpec::at(2, KeyFlags::RO)];

/// The integers below this are shared in Redis, where nobody counts their users.
const SHARED_INTEGERS: i64 = 10_000;

/// The entry of the key that a subcommand asks about, not used by being asked about.
fn entry<'k>(cx: &'k Context<'_>) -> Option<EntryRef<'k>> {
    cx.look_quietly(cx.key(2))
}

fn object_encoding(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    match entry(cx) {
        Some(entry) => out.bulk(encoding(entry).as_bytes()),
        None => out.null(),
    }
    Ok(())
}

fn object_refcount(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    match entry(cx) {
        Some(entry) => out.integer(reference_count(cx, entry)),
        None => out.null(),
    }
    Ok(())
}

/// How many hold on to a value, as Redis would say.
pub(super) fn reference_count(cx: &Context<'_>, entry: EntryRef<'_>) -> i64 {
    let config = &cx.engine().config;
    let policy = config.maxmemory_policy();
    let needs_own_access = policy.is_lfu()
        || matches!(
            policy,
            MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru
        );
    let are_shared = config.maxmemory() == 0 || !needs_own_access;
    match entry.string() {
        Some(StringRef::Integer(0..SHARED_INTEGERS)) if are_shared => i64::from(i32::MAX),
        _ => 1,
    }
}

fn object_idletime(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let Some(entry) = entry(cx) else {
        out.null();
        return Ok(());
    };
    if cx.engine().config.maxmemory_policy().is_lfu() {
        return Err(CommandError::text(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    out.integer(idle_seconds(cx, entry));
    Ok(())
}

/// Seconds since a value was last used.
pub(super) fn idle_seconds(cx: &Context<'_>, entry: EntryRef<'_>) -> i64 {
    i64::from(access::idle_seconds(entry.access(), cx.now_us()))
}

fn object_freq(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let Some(entry) = entry(cx) else {
        out.null();
        return Ok(());
    };
    if !cx.engine().config.maxmemory_policy().is_lfu() {
        return Err(CommandError::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please \
             note that when switching between policies at runtime LRU and LFU data will take some \
             time to adjust.",
        ));
    }
    let rules = cx.worker.access_rules;
    let frequency = rules.frequency(entry.access(), cx.now_us());
    out.integer(i64::from(frequency));
    Ok(())
}

fn object_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "OBJECT",
        &[
            ("ENCODING <key>", "Answers the encoding of the value."),
            (
                "FREQ <key>",
                "Answers how often the key is used, as a logarithmic count.",
            ),
            (
                "IDLETIME <key>",
                "Answers for how many seconds the key has not been used.",
            ),
            ("REFCOUNT <key>", "Answers how many hold on to the value."),
        ],
    )
}
