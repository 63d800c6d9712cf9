//! DEBUG: what developers and tests of servers ask for. It needs `enable-debug-command`.
//!
//! As in Redis the subcommands are no rows of their own. Those that tell how things lie in memory are
//! in `layout`, what two servers' data are compared by in `digest`, replies that are asked for in
//! `replies`, what concerns scripts in `scripts`, and the allocator's controls in `allocator`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::arguments::positive_or;
use super::databases::count_keys;
use super::object::{idle_seconds, reference_count};
use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Locks, Reply};
use crate::config::LogLevel;
use crate::engine::{Crash, Engine, ShutdownOptions};
use crate::keyspace::{EntryRef, encoding, value_of};
use crate::propagation::Unit;
use crate::snapshot::{self, FileOptions, SaveOptions, SnapshotContents};
use crate::text::{Case, glob_matches, parse_integer};
use crate::value::ListRef;

mod allocator;
mod digest;
mod layout;
mod replies;
mod scripts;

use digest::Digest;

/// The row.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "debug",
    is_internal: true,
    arity: -2,
    flags: Flags::ADMIN
        .union(Flags::NOSCRIPT)
        .union(Flags::LOADING)
        .union(Flags::STALE)
        .union(Flags::PROTECTED),
    locks: Locks::All,
    group: Group::Server,
    complexity: "That of the subcommand",
    summary: "Looks inside and does what tests need; for developers.",
    handler: debug,
    ..Command::DEFAULT
}];

/// A subcommand: its name, how many arguments it takes (least and most, the two names included),
/// and its code.
struct Subcommand {
    name: &'static str,
    arguments: (usize, usize),
    form: &'static str,
    explanation: &'static str,
    handler: crate::command::Handler,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "aof-flush-sleep",
        arguments: (3, 3),
        form: "AOF-FLUSH-SLEEP <microseconds>",
        explanation: "Waits so long before each write to the append-only file.",
        handler: aof_flush_sleep,
    },
    Subcommand {
        name: "assert",
        arguments: (2, usize::MAX),
        form: "ASSERT",
        explanation: "Ends the process as a failed assertion would.",
        handler: crash_by_assertion,
    },
    Subcommand {
        name: "change-repl-id",
        arguments: (2, 2),
        form: "CHANGE-REPL-ID",
        explanation: "Gives the stream of changes another identity: replicas must take all data anew.",
        handler: change_replication_id,
    },
    Subcommand {
        name: "client-eviction",
        arguments: (2, 2),
        form: "CLIENT-EVICTION",
        explanation: "Says how many clients take how much memory, if maxmemory-clients limits it.",
        handler: layout::client_eviction,
    },
    Subcommand {
        name: "client-enforce-reply-list",
        arguments: (3, 3),
        form: "CLIENT-ENFORCE-REPLY-LIST (0|1)",
        explanation: "Accepted; replies that wait lie in one buffer anyway.",
        handler: accept,
    },
    Subcommand {
        name: "close-cluster-link-on-packet-drop",
        arguments: (3, 3),
        form: "CLOSE-CLUSTER-LINK-ON-PACKET-DROP (0|1)",
        explanation: "Accepted; there is no cluster bus.",
        handler: accept,
    },
    Subcommand {
        name: "clusterlink",
        arguments: (5, 5),
        form: "CLUSTERLINK KILL (to|from|all) <node>",
        explanation: "Refused; there is no cluster.",
        handler: refuse_without_cluster,
    },
    Subcommand {
        name: "config-rewrite-force-all",
        arguments: (2, 2),
        form: "CONFIG-REWRITE-FORCE-ALL",
        explanation: "As CONFIG REWRITE, but writes what is at its default too.",
        handler: rewrite_all_of_config,
    },
    Subcommand {
        name: "crash-and-recover",
        arguments: (2, usize::MAX),
        form: "CRASH-AND-RECOVER [<milliseconds>]",
        explanation: "Ends the process without a word, and starts it anew.",
        handler: restart_without_a_word,
    },
    Subcommand {
        name: "delay-rdb-client-free-seconds",
        arguments: (3, 3),
        form: "DELAY-RDB-CLIENT-FREE-SECONDS <seconds>",
        explanation: "Accepted; replicas get their data and the changes behind them over one connection.",
        handler: accept,
    },
    Subcommand {
        name: "dict-resizing",
        arguments: (3, 3),
        form: "DICT-RESIZING (0|1)",
        explanation: "Accepted; tables grow and shrink bucket by bucket, and never pause.",
        handler: accept,
    },
    Subcommand {
        name: "digest",
        arguments: (2, 2),
        form: "DIGEST",
        explanation: "Answers a digest of all data.",
        handler: digest,
    },
    Subcommand {
        name: "digest-value",
        arguments: (2, usize::MAX),
        form: "DIGEST-VALUE <key> [<key> ...]",
        explanation: "Answers a digest of each value.",
        handler: digest_value,
    },
    Subcommand {
        name: "disable-cluster-random-ping",
        arguments: (3, 3),
        form: "DISABLE-CLUSTER-RANDOM-PING (0|1)",
        explanation: "Accepted; there is no cluster bus.",
        handler: accept,
    },
    Subcommand {
        name: "disable-cluster-reconnection",
        arguments: (3, 3),
        form: "DISABLE-CLUSTER-RECONNECTION (0|1)",
        explanation: "Accepted; there is no cluster bus.",
        handler: accept,
    },
    Subcommand {
        name: "drop-cluster-packet-filter",
        arguments: (3, 3),
        form: "DROP-CLUSTER-PACKET-FILTER <type>",
        explanation: "Accepted; there is no cluster bus whose packets could be dropped.",
        handler: drop_packets,
    },
    Subcommand {
        name: "error",
        arguments: (3, 3),
        form: "ERROR <text>",
        explanation: "Answers an error with this text.",
        handler: replies::error,
    },
    Subcommand {
        name: "force-free-primary-async",
        arguments: (3, 3),
        form: "FORCE-FREE-PRIMARY-ASYNC (0|1)",
        explanation: "Accepted; the link to a primary is always ended by the thread that has it.",
        handler: accept,
    },
    Subcommand {
        name: "hashtable-can-abort-shrink",
        arguments: (3, 3),
        form: "HASHTABLE-CAN-ABORT-SHRINK (0|1)",
        explanation: "Accepted; tables shrink bucket by bucket, and there is nothing to give up.",
        handler: accept,
    },
    Subcommand {
        name: "htstats",
        arguments: (3, usize::MAX),
        form: "HTSTATS <db> [full]",
        explanation: "Says how the tables of a database are filled.",
        handler: layout::table_statistics,
    },
    Subcommand {
        name: "htstats-key",
        arguments: (3, usize::MAX),
        form: "HTSTATS-KEY <key> [full]",
        explanation: "Says how many elements the table of a value has.",
        handler: layout::table_statistics_of_key,
    },
    Subcommand {
        name: "internal_secret",
        arguments: (2, 2),
        form: "INTERNAL_SECRET",
        explanation: "Refused; only clusters have one.",
        handler: refuse_without_secret,
    },
    Subcommand {
        name: "leak",
        arguments: (3, 3),
        form: "LEAK <text>",
        explanation: "Keeps a copy of the text for ever.",
        handler: leak,
    },
    Subcommand {
        name: "listpack",
        arguments: (3, 3),
        form: "LISTPACK <key>",
        explanation: "Writes to the log how a small collection is kept.",
        handler: layout::listpack,
    },
    Subcommand {
        name: "log",
        arguments: (3, 3),
        form: "LOG <text>",
        explanation: "Writes a text to the log of the server.",
        handler: log,
    },
    Subcommand {
        name: "mallctl",
        arguments: (3, usize::MAX),
        form: "MALLCTL <key>",
        explanation: "Answers a number that the allocator keeps under a name.",
        handler: allocator::control,
    },
    Subcommand {
        name: "mallctl-str",
        arguments: (3, usize::MAX),
        form: "MALLCTL-STR <key> VOID",
        explanation: "Has the allocator do what has no value, such as thread.tcache.flush.",
        handler: allocator::command,
    },
    Subcommand {
        name: "mark-internal-client",
        arguments: (2, 3),
        form: "MARK-INTERNAL-CLIENT [UNMARK]",
        explanation: "Accepted; there are no commands for internal clients alone.",
        handler: mark_internal_client,
    },
    Subcommand {
        name: "object",
        arguments: (3, 4),
        form: "OBJECT <key> [fast]",
        explanation: "Says how a value is kept; with fast, not how long it is when it is written down.",
        handler: object,
    },
    Subcommand {
        name: "oom",
        arguments: (2, usize::MAX),
        form: "OOM",
        explanation: "Ends the process as if there were no memory left.",
        handler: crash_without_memory,
    },
    Subcommand {
        name: "panic",
        arguments: (2, usize::MAX),
        form: "PANIC",
        explanation: "Ends the process as a fault that was noticed would.",
        handler: crash_by_panic,
    },
    Subcommand {
        name: "pause-after-fork",
        arguments: (3, 3),
        form: "PAUSE-AFTER-FORK (0|1)",
        explanation: "Accepted; nothing forks.",
        handler: accept,
    },
    Subcommand {
        name: "pause-cron",
        arguments: (3, 3),
        form: "PAUSE-CRON (0|1)",
        explanation: "Stops what is done regularly.",
        handler: pause_cron,
    },
    Subcommand {
        name: "populate",
        arguments: (3, 5),
        form: "POPULATE <count> [<prefix>] [<size>]",
        explanation: "Makes so many string keys, unless they are there.",
        handler: populate,
    },
    Subcommand {
        name: "protect-client",
        arguments: (3, 3),
        form: "PROTECT-CLIENT <id>",
        explanation: "Accepted for a client that is there; each is ended by the thread that has it, never by another.",
        handler: protect_client,
    },
    Subcommand {
        name: "protocol",
        arguments: (3, 3),
        form: "PROTOCOL <type>",
        explanation: "Answers an example of a type of the protocol.",
        handler: replies::protocol,
    },
    Subcommand {
        name: "quicklist",
        arguments: (3, 4),
        form: "QUICKLIST <key> [<0|1>]",
        explanation: "Writes to the log how a big list is kept; with 1, each node of it.",
        handler: layout::quicklist,
    },
    Subcommand {
        name: "quicklist-packed-threshold",
        arguments: (3, 3),
        form: "QUICKLIST-PACKED-THRESHOLD <size>",
        explanation: "Accepted; big elements of a list stand alone, whatever their size.",
        handler: layout::quicklist_packed_threshold,
    },
    Subcommand {
        name: "repl-pause",
        arguments: (3, 3),
        form: "REPL-PAUSE (clear|after-fork|before-rdb-channel|on-streaming-repl-buf)",
        explanation: "Accepted; replicas are served without a fork and over one connection.",
        handler: pause_replication,
    },
    Subcommand {
        name: "replicate",
        arguments: (3, usize::MAX),
        form: "REPLICATE <argument> [<argument> ...]",
        explanation: "Sends a command to those who follow by SYNC, and executes nothing.",
        handler: replicate,
    },
    Subcommand {
        name: "replybuffer",
        arguments: (4, 4),
        form: "REPLYBUFFER (PEAK-RESET-TIME|RESIZING) <value>",
        explanation: "Accepted; a connection has no reply buffer while it has no replies.",
        handler: reply_buffer,
    },
    Subcommand {
        name: "script",
        arguments: (3, 3),
        form: "SCRIPT (LIST|<sha>)",
        explanation: "Writes to the log the sources of all scripts, or of one.",
        handler: scripts::write,
    },
    Subcommand {
        name: "sdslen",
        arguments: (3, 3),
        form: "SDSLEN <key>",
        explanation: "Says how many bytes a key and its string have, and take.",
        handler: layout::string,
    },
    Subcommand {
        name: "segfault",
        arguments: (2, usize::MAX),
        form: "SEGFAULT",
        explanation: "Ends the process as an access to memory that is not there would.",
        handler: crash_by_access,
    },
    Subcommand {
        name: "set-active-expire",
        arguments: (3, 3),
        form: "SET-ACTIVE-EXPIRE (0|1)",
        explanation: "Says whether keys whose time is over are deleted though nobody asks for them.",
        handler: set_active_expire,
    },
    Subcommand {
        name: "set-disable-deny-scripts",
        arguments: (3, 3),
        form: "SET-DISABLE-DENY-SCRIPTS (0|1)",
        explanation: "Says whether scripts may call what otherwise they may not.",
        handler: set_disable_deny_scripts,
    },
    Subcommand {
        name: "set-skip-checksum-validation",
        arguments: (3, 3),
        form: "SET-SKIP-CHECKSUM-VALIDATION (0|1)",
        explanation: "Says whether the checksums of files and payloads are believed unseen.",
        handler: set_skip_checksum_validation,
    },
    Subcommand {
        name: "loadaof",
        arguments: (2, usize::MAX),
        form: "LOADAOF",
        explanation: "Writes the append-only file down, and loads all data from it.",
        handler: load_log,
    },
    Subcommand {
        name: "reload",
        arguments: (2, usize::MAX),
        form: "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        explanation: "Writes all data down and loads them again.",
        handler: reload,
    },
    Subcommand {
        name: "restart",
        arguments: (2, usize::MAX),
        form: "RESTART [<milliseconds>]",
        explanation: "Writes data and configuration down, and starts the process anew.",
        handler: restart,
    },
    Subcommand {
        name: "sleep",
        arguments: (3, 3),
        form: "SLEEP <seconds>",
        explanation: "Stops the server for some time.",
        handler: sleep,
    },
    Subcommand {
        name: "slotmigration",
        arguments: (4, usize::MAX),
        form: "SLOTMIGRATION (PREVENT-PAUSE|PREVENT-FAILOVER) (0|1)",
        explanation: "Accepted; there is no cluster whose slots could move.",
        handler: slot_migration,
    },
    Subcommand {
        name: "stringmatch-test",
        arguments: (2, 2),
        form: "STRINGMATCH-TEST",
        explanation: "Matches random texts with random patterns.",
        handler: match_random_patterns,
    },
    Subcommand {
        name: "structsize",
        arguments: (2, 2),
        form: "STRUCTSIZE",
        explanation: "Answers the sizes of what there are many of.",
        handler: layout::structures,
    },
];

fn debug(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 2 && cx.arg_is(1, "HELP") {
        let lines: Vec<(&str, &str)> = SUBCOMMANDS
            .iter()
            .map(|subcommand| (subcommand.form, subcommand.explanation))
            .collect();
        return super::reply_help(out, "DEBUG", &lines);
    }
    let found = SUBCOMMANDS.iter().find(|subcommand| {
        let (least, most) = subcommand.arguments;
        cx.arg_is(1, subcommand.name) && (least..=most).contains(&cx.argc())
    });
    match found {
        Some(subcommand) => (subcommand.handler)(cx, out),
        None => Err(unknown(cx)),
    }
}

fn unknown(cx: &Context<'_>) -> CommandError {
    CommandError::unknown_subcommand(cx.arg(1), "DEBUG")
}

/// For what other servers must be told and this one need not.
fn accept(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.ok();
    Ok(())
}

fn rewrite_all_of_config(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.engine().config.file().is_none() {
        return Err(CommandError::text(
            "ERR CONFIG-REWRITE-FORCE-ALL failed: Bad address",
        ));
    }
    super::config::rewrite(cx, out, crate::config::RewriteScope::All)
}

fn change_replication_id(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.engine();
    let line = "Changing replication IDs after receiving DEBUG change-repl-id";
    engine.host.log(LogLevel::Notice, line);
    engine.replication.lock().change_id(false);
    out.ok();
    Ok(())
}

fn pause_replication(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const STEPS: [&str; 4] = [
        "clear",
        "after-fork",
        "before-rdb-channel",
        "on-streaming-repl-buf",
    ];
    if !STEPS.iter().any(|step| cx.arg_is(2, step)) {
        return Err(unknown(cx));
    }
    accept(cx, out)
}

fn protect_client(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let id = parse_integer(cx.arg(2)).ok_or(CommandError::text("ERR Invalid client id"))?;
    let id = u64::try_from(id).unwrap_or_default();
    if cx.engine().clients.get(id).is_none() {
        return Err(CommandError::text("ERR No such client"));
    }
    accept(cx, out)
}

fn slot_migration(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.arg_is(2, "prevent-pause") && !cx.arg_is(2, "prevent-failover") {
        return Err(unknown(cx));
    }
    accept(cx, out)
}

fn mark_internal_client(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 3 && !cx.arg_is(2, "unmark") {
        return Err(unknown(cx));
    }
    accept(cx, out)
}

fn refuse_without_cluster(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    if !cx.arg_is(2, "KILL") {
        return Err(unknown(cx));
    }
    Err(CommandError::text(
        "ERR Debug option only available for cluster mode enabled setup!",
    ))
}

fn refuse_without_secret(_: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::text("ERR Internal secret is missing"))
}

/// A switch as C's `atoi` reads it: anything but a number is 0.
fn switch(argument: &[u8]) -> bool {
    parse_integer(argument).unwrap_or(0) != 0
}

// Data.

/// The data go into their file and back; where nobody keeps files, into their written form and back.
fn reload(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (mut saves, mut options) = (true, FileOptions::default());
    for index in 2..cx.argc() {
        if cx.arg_is(index, "MERGE") {
            options.allows_duplicates = true;
        } else if cx.arg_is(index, "NOFLUSH") {
            options.keeps_old = true;
        } else if cx.arg_is(index, "NOSAVE") {
            saves = false;
        } else {
            return Err(CommandError::text(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    let engine = cx.worker.engine.clone();
    if saves {
        let Some(codec) = &engine.snapshot_codec else {
            return Err(CommandError::text("ERR DEBUG RELOAD is for servers"));
        };
        if !engine.host.keeps_files() {
            let everything = SnapshotContents::default();
            let purpose = snapshot::Purpose::Snapshot;
            let bytes = snapshot::write_all(cx.worker, &**codec, purpose, everything);
            snapshot::replace(cx.worker, &**codec, &bytes)
                .map_err(|reason| not_loaded(&engine, &reason))?;
            out.ok();
            return Ok(());
        }
        // Why it failed is in the log.
        snapshot::save_now(cx.worker).map_err(|_| CommandError::text("ERR"))?;
    }
    if snapshot::load_file(cx.worker, options)
        .map_err(|reason| not_loaded(&engine, &reason))?
        .is_none()
    {
        return Err(not_loaded(&engine, "There is no RDB file to load"));
    }
    engine
        .host
        .log(LogLevel::Warning, "DB reloaded by DEBUG RELOAD");
    out.ok();
    Ok(())
}

fn load_log(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    for database in 0..cx.engine().databases {
        super::databases::empty(cx.worker, database);
    }
    let engine = cx.worker.engine.clone();
    if let Some(interpreter) = engine.scripting.interpreter() {
        engine.scripting.functions.flush(&**interpreter);
    }
    if let Err(reason) = cx.worker.reload_log() {
        engine.host.log(LogLevel::Warning, &reason);
        return Err(CommandError::text(
            "ERR Error trying to load the AOF files, check server logs.",
        ));
    }
    let line = "Append Only File loaded by DEBUG LOADAOF";
    engine.host.log(LogLevel::Warning, line);
    out.ok();
    Ok(())
}

fn not_loaded(engine: &Engine, reason: &str) -> CommandError {
    engine.host.log(LogLevel::Warning, reason);
    CommandError::text("ERR Error trying to load the RDB dump, check server logs.")
}

fn digest(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut all = Digest::default();
    let databases = cx.engine().databases;
    for index in 0..databases {
        if count_keys(cx.worker, index) == 0 {
            continue;
        }
        // The same data in another database are other data.
        all.mix(&(index as u32).to_be_bytes());
        let view = &cx.worker.view;
        for stripe in 0..view.keyspace().stripe_count() {
            let Some(database) = view.stripe_at(stripe).database(index) else {
                continue;
            };
            for entry in database.iter() {
                let mut pair = Digest::default();
                pair.mix(entry.key());
                pair.mix_value(entry);
                all.add_digest(pair);
            }
        }
    }
    out.simple(&all.to_hex());
    Ok(())
}

fn digest_value(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.array(cx.argc() - 2);
    for index in 2..cx.argc() {
        let mut digest = Digest::default();
        if let Some(entry) = cx.entry_even_if_expired(cx.key(index)) {
            digest.mix_value(entry);
        }
        out.simple(&digest.to_hex());
    }
    Ok(())
}

fn object(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_fast = cx.argc() == 4;
    if is_fast && !cx.arg_is(3, "fast") {
        return Err(unknown(cx));
    }
    let entry = cx.entry_even_if_expired(cx.key(2));
    let entry = entry.ok_or(CommandError::NoSuchKey)?;
    let length = match is_fast {
        true => String::new(),
        false => format!(" serializedlength:{}", serialized_bytes(cx, entry)),
    };
    let mut text = format!(
        "Value at:{:p} refcount:{} encoding:{}{length} lru:{} lru_seconds_idle:{}",
        entry.address(),
        reference_count(cx, entry),
        encoding(entry),
        entry.access(),
        idle_seconds(cx, entry),
    );
    if let Some(ListRef::Quicklist(list)) = cx.list(cx.key(2)).unwrap_or_default()
        && encoding(entry) == "quicklist"
        && !is_fast
    {
        text.push_str(&layout::node_summary(list, &cx.limits()));
    }
    out.simple(&text);
    Ok(())
}

/// How many bytes a value is in a file: what DUMP answers without the type before it, and the version and
/// the checksum behind it. The size of its block where there is no format.
fn serialized_bytes(cx: &Context<'_>, entry: EntryRef<'_>) -> usize {
    const FRAME_BYTES: usize = 1 + 2 + 8;
    let options = SaveOptions {
        compresses: cx.engine().config.rdbcompression(),
    };
    match &cx.engine().snapshot_codec {
        Some(codec) => codec.dump(value_of(entry), options).len() - FRAME_BYTES,
        None => entry.block_size(),
    }
}

fn populate(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    /// Redis puts the names together in a buffer of C's.
    const NAME_MAX_BYTES: usize = 127;
    let count = positive(cx, 2)?;
    let size = if cx.argc() == 5 { positive(cx, 4)? } else { 0 };
    let prefix = if cx.argc() > 3 { cx.arg(3) } else { b"key" };
    let prefix = prefix.split(|&byte| byte == 0).next().unwrap_or_default();
    let prefix = prefix.to_vec();
    for number in 0..count {
        let mut name = prefix.clone();
        name.extend_from_slice(format!(":{number}").as_bytes());
        name.truncate(NAME_MAX_BYTES);
        let key = cx.key_of(&name);
        cx.expire_if_needed(key);
        if cx.exists(key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        cx.set_string(key, &value, None);
        cx.modified(key);
    }
    out.ok();
    Ok(())
}

fn positive(cx: &Context<'_>, index: usize) -> Result<usize, CommandError> {
    positive_or(cx.arg(index), CommandError::MustBePositive)
}

// The server.

fn sleep(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    /// Nobody waits longer than a day on purpose.
    const LONGEST_SECONDS: f64 = 86_400.0;
    let seconds = crate::text::parse_double(cx.arg(2)).unwrap_or(0.0);
    let seconds = seconds.clamp(0.0, LONGEST_SECONDS);
    let duration = std::time::Duration::from_secs_f64(seconds);
    cx.engine().host.sleep(duration);
    out.ok();
    Ok(())
}

fn set_disable_deny_scripts(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let allows = switch(cx.arg(2));
    cx.engine().scripting.allow_everything(allows);
    out.ok();
    Ok(())
}

fn set_active_expire(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_off = !switch(cx.arg(2));
    let flag = &cx.engine().is_active_expire_off;
    flag.store(is_off, Ordering::Relaxed);
    out.ok();
    Ok(())
}

fn set_skip_checksum_validation(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let skips = switch(cx.arg(2));
    cx.engine().persistence.skip_checksum(skips);
    out.ok();
    Ok(())
}

fn pause_cron(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_paused = switch(cx.arg(2));
    let flag = &cx.engine().is_cron_paused;
    flag.store(is_paused, Ordering::Relaxed);
    out.ok();
    Ok(())
}

fn aof_flush_sleep(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let duration_us = parse_integer(cx.arg(2)).unwrap_or(0).max(0) as u64;
    cx.engine().append_log.sleep_before_writes(duration_us);
    out.ok();
    Ok(())
}

fn drop_packets(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.integer(2)?;
    out.ok();
    Ok(())
}

/// Whatever the patterns say, matching comes to an end.
fn match_random_patterns(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const ROUNDS: usize = 100_000;
    const LONGEST: usize = 32;
    let random = &mut cx.worker.random;
    let mut draw = |letters: &[u8]| -> Vec<u8> {
        let count = random.index(LONGEST);
        (0..count)
            .map(|_| letters[random.index(letters.len())])
            .collect()
    };
    for _ in 0..ROUNDS {
        let (pattern, text) = (draw(b"ab*?[]^-\\"), draw(b"ab*"));
        std::hint::black_box(glob_matches(&pattern, &text, Case::Sensitive));
    }
    out.simple("Apparently Redis did not crash: test passed");
    Ok(())
}

fn leak(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    std::mem::forget(cx.arg(2).to_vec());
    out.ok();
    Ok(())
}

/// What the followers get is a message to the log: no data have changed here.
fn replicate(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let arguments: Vec<&[u8]> = cx.args().iter().skip(2).collect();
    let mut unit = Unit::default();
    unit.push(cx.client.database, true, arguments.into_iter());
    cx.engine().propagation.append(&unit, false);
    out.ok();
    Ok(())
}

// Ends of the process.

fn crash_by_access(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    crash(cx, Crash::Access, "")
}

fn crash_by_assertion(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    crash(cx, Crash::Abort, "=== ASSERTION FAILED === by DEBUG ASSERT")
}

fn crash_by_panic(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    crash(cx, Crash::Abort, "Guru Meditation: DEBUG PANIC called")
}

fn crash_without_memory(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    crash(cx, Crash::Abort, "Out Of Memory: DEBUG OOM called")
}

fn crash(cx: &Context<'_>, crash: Crash, line: &str) -> CommandResult {
    let host = &cx.engine().host;
    if !line.is_empty() {
        host.log(LogLevel::Warning, line);
    }
    host.crash(crash);
    Err(CommandError::text(
        "ERR only a process of its own can crash",
    ))
}

fn restart(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    let delay = restart_delay(cx)?;
    let engine = cx.worker.engine.clone();
    if let Some(path) = engine.config.file() {
        let scope = crate::config::RewriteScope::Changed;
        let written =
            (engine.host).rewrite_config(&engine.config, &path, &engine.user_lines(), scope);
        if let Err(reason) = written {
            let line = format!("Can't restart: the configuration cannot be rewritten: {reason}");
            return Err(not_restarted(&engine, &line));
        }
    }
    let options = ShutdownOptions {
        now: true,
        ..ShutdownOptions::default()
    };
    if cx.worker.save_before_end(options).is_err() {
        let line = "Can't restart: what is to be saved before cannot be saved";
        return Err(not_restarted(&engine, line));
    }
    start_anew(&engine, delay)
}

fn restart_without_a_word(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    let delay = restart_delay(cx)?;
    start_anew(&cx.worker.engine.clone(), delay)
}

fn restart_delay(cx: &Context<'_>) -> Result<Duration, CommandError> {
    let delay_ms = if cx.argc() > 2 { cx.integer(2)? } else { 0 };
    Ok(Duration::from_millis(delay_ms.max(0) as u64))
}

fn start_anew(engine: &Engine, delay: Duration) -> CommandResult {
    let Err(reason) = engine.host.restart(delay);
    Err(not_restarted(engine, &format!("Can't restart: {reason}")))
}

fn not_restarted(engine: &Engine, line: &str) -> CommandError {
    engine.host.log(LogLevel::Warning, line);
    CommandError::text("ERR failed to restart the server. Check server logs.")
}

fn log(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let text = String::from_utf8_lossy(cx.arg(2));
    let line = format!("DEBUG LOG: {text}");
    cx.engine().host.log(LogLevel::Warning, &line);
    out.ok();
    Ok(())
}

fn reply_buffer(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.arg_is(2, "PEAK-RESET-TIME") {
        if !cx.arg_is(3, "NEVER") && !cx.arg_is(3, "RESET") {
            cx.integer(3)?;
        }
    } else if !cx.arg_is(2, "RESIZING") {
        return Err(unknown(cx));
    }
    out.ok();
    Ok(())
}
