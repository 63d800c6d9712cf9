//! DUMP and RESTORE: single values written down and made again, here or at another server.
//!
//! What a payload looks like is the codec's affair; see `snapshot`.

use std::sync::Arc;

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group, KeyFlags,
    KeySpec, Reply,
};
use crate::config::LogLevel;
use crate::keyspace::access::of_idle_seconds;
use crate::keyspace::value_of;
use crate::snapshot::{RestoreError, SaveOptions, SnapshotCodec};
use crate::value::Value;

const ROW: Command = Command {
    categories: Categories::KEYSPACE,
    since: "2.6.0",
    ..Command::DEFAULT
};

const RESTORED_KEY: &[KeySpec] = &[KeySpec::first(KeyFlags::OW.union(KeyFlags::UPDATE))];

const RESTORE_ROW: Command = Command {
    arity: -4,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    keys: RESTORED_KEY,
    categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
    complexity: "O(N) in the elements of the value, O(N log N) for sorted sets",
    history: &[
        ("3.0.0", "REPLACE puts it in the place of another value."),
        ("5.0.0", "ABSTTL takes the expiry as a time of day."),
        ("5.0.0", "IDLETIME and FREQ say how it was used."),
    ],
    summary: "Makes a key from what DUMP has answered.",
    syntax: "key ttl:integer serialized-value:string [REPLACE^3.0.0] [ABSTTL^5.0.0] [IDLETIME seconds:integer^5.0.0] [FREQ frequency:integer^5.0.0]",
    handler: restore,
    ..ROW
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "dump",
        arity: 2,
        flags: Flags::READONLY,
        keys: &[KeySpec::first(KeyFlags::RO.union(KeyFlags::ACCESS))],
        complexity: "O(N) in the elements of the value",
        summary: "Answers a value as bytes, for RESTORE.",
        syntax: "key",
        tips: &["nondeterministic_output"],
        handler: dump,
        ..ROW
    },
    Command {
        name: "restore",
        ..RESTORE_ROW
    },
    Command {
        name: "restore-asking",
        is_internal: true,
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::ASKING),
        since: "3.0.0",
        group: Group::Server,
        summary: "Makes a key from what DUMP has answered, while its slot is on its way to this server.",
        ..RESTORE_ROW
    },
];

pub(super) fn codec(cx: &Context<'_>) -> Result<Arc<dyn SnapshotCodec>, CommandError> {
    let codec = cx.engine().snapshot_codec.clone();
    codec.ok_or(CommandError::text(
        "ERR this engine was made without a format for values",
    ))
}

fn dump(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let codec = codec(cx)?;
    let options = SaveOptions {
        compresses: cx.engine().config.rdbcompression(),
    };
    match cx.read(cx.key(1)) {
        Some(entry) => out.bulk(&codec.dump(value_of(entry), options)),
        None => out.null(),
    }
    Ok(())
}

/// What may stand behind the payload.
#[derive(Default)]
struct RestoreOptions {
    replaces: bool,
    /// The expiry is a time, not a duration.
    is_absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

impl RestoreOptions {
    fn parse(cx: &Context<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut index = 4;
        while index < cx.argc() {
            let has_value = index + 1 < cx.argc();
            if cx.arg_is(index, "REPLACE") {
                options.replaces = true;
            } else if cx.arg_is(index, "ABSTTL") {
                options.is_absolute = true;
            } else if cx.arg_is(index, "IDLETIME") && has_value && options.frequency.is_none() {
                index += 1;
                let seconds = cx.integer(index)?;
                if seconds < 0 {
                    return Err(CommandError::text(
                        "ERR Invalid IDLETIME value, must be >= 0",
                    ));
                }
                options.idle_seconds = Some(seconds);
            } else if cx.arg_is(index, "FREQ") && has_value && options.idle_seconds.is_none() {
                index += 1;
                let frequency = u8::try_from(cx.integer(index)?);
                options.frequency = Some(frequency.map_err(|_| {
                    CommandError::text("ERR Invalid FREQ value, must be >= 0 and <= 255")
                })?);
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }

    /// The access information of an entry, where the eviction policy goes by what was given.
    fn access(&self, cx: &Context<'_>) -> Option<u32> {
        let rules = cx.engine().config.access_rules();
        let now_us = cx.now_us();
        if rules.is_lfu {
            let frequency = self.frequency?;
            return Some(rules.of_frequency(now_us, frequency));
        }
        Some(of_idle_seconds(now_us, self.idle_seconds?))
    }
}

fn restore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = RestoreOptions::parse(cx)?;
    let key = cx.key(1);
    if !options.replaces {
        cx.expire_if_needed(key);
        if cx.exists(key) {
            return Err(CommandError::text(
                "BUSYKEY Target key name already exists.",
            ));
        }
    }
    let expire_ms = match cx.integer(2)? {
        0 => None,
        ttl @ 1.. if options.is_absolute => Some(ttl),
        // What is beyond all time is over, as in Redis, which does not look.
        ttl @ 1.. => Some(cx.now_ms().wrapping_add(ttl)),
        _ => return Err(CommandError::text("ERR Invalid TTL value, must be >= 0")),
    };
    let verifies_checksum = !cx.engine().persistence.skips_checksum();
    let value = codec(cx)?
        .restore(cx.arg(3), verifies_checksum, &cx.limits())
        .map_err(|error| match error {
            RestoreError::Footer => {
                CommandError::text("ERR DUMP payload version or checksum are wrong")
            }
            RestoreError::Data(reason) => {
                let line = format!("RESTORE was given damaged data: {reason}");
                cx.engine().host.log(LogLevel::Warning, &line);
                CommandError::text("ERR Bad data format")
            }
        })?;
    if !matches!(
        value,
        Value::Integer(_) | Value::String(_) | Value::RawString(_)
    ) {
        cx.worker.counters.payloads_checked.add(1);
    }
    // So that whoever hears of new keys hears of this one. What is replaced is not looked at: a key whose time is
    // over is replaced as any other.
    let existed = options.replaces && cx.delete_destination(key);
    if expire_ms.is_some_and(|at| at <= cx.now_ms()) {
        if existed {
            cx.changed(key, EventClass::GENERIC, "del");
            cx.rewrite(&[b"DEL", key.bytes]);
        }
        out.ok();
        return Ok(());
    }
    cx.store(key, value, expire_ms);
    if let Some(access) = options.access(cx)
        && let Some(entry) = cx.peek(key)
    {
        entry.set_access(access);
    }
    if let Some(at) = expire_ms
        && !options.is_absolute
    {
        let at = at.to_string();
        let mut command: Vec<&[u8]> = cx.args().iter().collect();
        command[2] = at.as_bytes();
        command.push(b"ABSTTL");
        cx.rewrite(&command);
    }
    cx.changed(key, EventClass::GENERIC, "restore");
    out.ok();
    Ok(())
}
