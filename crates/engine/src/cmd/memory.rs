//! MEMORY: what the memory is used for.

use super::info::{DatabaseSum, sum_databases};
use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags, KeySpec, Locks, Reply,
};
use crate::keyspace::{SLOT_BYTES, memory_usage as entry_memory_usage};
use std::sync::atomic::Ordering;

const ROW: Command = Command {
    group: Group::Server,
    ..Command::DEFAULT
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    complexity: "That of the subcommand",
    summary: "Says what memory is used for.",
    subcommands: &[
        Command {
            name: "doctor",
            arity: 2,
            since: "4.0.0",
            summary: "Says what looks wrong with the memory.",
            tips: &[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ],
            handler: memory_doctor,
            ..ROW
        },
        Command {
            name: "help",
            arity: 2,
            flags: Flags::LOADING.union(Flags::STALE),
            since: "4.0.0",
            summary: "Explains the subcommands.",
            handler: memory_help,
            ..ROW
        },
        Command {
            name: "malloc-stats",
            arity: 2,
            since: "4.0.0",
            complexity: "As the allocator is",
            summary: "Answers what the allocator tells.",
            tips: &[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ],
            handler: memory_malloc_stats,
            ..ROW
        },
        Command {
            name: "purge",
            arity: 2,
            since: "4.0.0",
            complexity: "As the allocator is",
            summary: "Asks the allocator to give memory back.",
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            handler: memory_purge,
            ..ROW
        },
        Command {
            name: "stats",
            arity: 2,
            since: "4.0.0",
            summary: "Says what memory is used for.",
            tips: &[
                "nondeterministic_output",
                "request_policy:all_shards",
                "response_policy:special",
            ],
            locks: Locks::Stepwise,
            handler: memory_stats,
            ..ROW
        },
        Command {
            name: "usage",
            arity: -3,
            flags: Flags::READONLY,
            keys: &[KeySpec::at(2, KeyFlags::RO)],
            since: "4.0.0",
            complexity: "O(N) in the number of samples",
            summary: "Answers how many bytes a key takes.",
            syntax: "key [SAMPLES count:integer]",
            handler: memory_usage,
            ..ROW
        },
    ],
    ..ROW
}];

fn memory_usage(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut index = 3;
    while index < cx.argc() {
        if !cx.arg_is(index, "SAMPLES") || index + 1 >= cx.argc() {
            return Err(CommandError::Syntax);
        }
        // Big collections know their size: nothing is sampled, however many are asked for.
        if cx.integer(index + 1)? < 0 {
            return Err(CommandError::Syntax);
        }
        index += 2;
    }
    match cx.entry_even_if_expired(cx.key(2)) {
        Some(entry) => out.integer((entry_memory_usage(entry) + SLOT_BYTES) as i64),
        None => out.null(),
    }
    Ok(())
}

fn memory_stats(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let sums = sum_databases(cx.worker);
    let engine = cx.engine();
    let used = engine.used_memory_bytes();
    let peak = engine.peak_memory_bytes(used);
    let startup = engine.startup_memory_bytes;
    let clients = engine.clients.all();
    let client_bytes: usize = clients
        .iter()
        .map(|client| {
            client.query_buffer_bytes.load(Ordering::Relaxed)
                + client.output_buffer_bytes.load(Ordering::Relaxed)
        })
        .sum();
    let table_bytes: usize = sums.iter().map(|sum| sum.table_bytes).sum();
    let keys: usize = sums.iter().map(|sum| sum.keys).sum();
    let overhead = startup + (table_bytes + client_bytes) as u64;
    let dataset = used.saturating_sub(overhead);
    let net = used.saturating_sub(startup);
    let percent = |part: u64, whole: u64| {
        if whole == 0 {
            0.0
        } else {
            part as f64 * 100.0 / whole as f64
        }
    };
    let mark = out.deferred_map();
    let mut pairs = 0;
    let mut field = |name: &str, value: u64, out: &mut Reply<'_>| {
        out.bulk(name.as_bytes());
        out.integer(value as i64);
        pairs += 1;
    };
    field("peak.allocated", peak, out);
    field("total.allocated", used, out);
    field("startup.allocated", startup, out);
    field("replication.backlog", 0, out);
    field("clients.slaves", 0, out);
    field("clients.normal", client_bytes as u64, out);
    field("cluster.links", 0, out);
    field("aof.buffer", 0, out);
    field("lua.caches", 0, out);
    field("functions.caches", 0, out);
    field("overhead.total", overhead, out);
    field("keys.count", keys as u64, out);
    field(
        "keys.bytes-per-key",
        net.checked_div(keys as u64).unwrap_or(0),
        out,
    );
    field("dataset.bytes", dataset, out);
    for (index, sum) in sums.iter().enumerate().filter(|(_, sum)| sum.keys > 0) {
        write_database(index, sum, out);
        pairs += 1;
    }
    for (name, value) in [
        ("dataset.percentage", percent(dataset, net)),
        ("peak.percentage", percent(used, peak)),
    ] {
        out.bulk(name.as_bytes());
        out.double(value);
        pairs += 1;
    }
    out.finish_map(mark, pairs);
    Ok(())
}

fn write_database(index: usize, sum: &DatabaseSum, out: &mut Reply<'_>) {
    out.bulk(format!("db.{index}").as_bytes());
    out.map(2);
    out.bulk(b"overhead.hashtable.main");
    out.integer(sum.table_bytes as i64);
    // Expiries stand in the entries.
    out.bulk(b"overhead.hashtable.expires");
    out.integer(0);
}

fn memory_doctor(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    /// Below this a report would say nothing.
    const WORTH_A_REPORT_BYTES: u64 = 5 << 20;
    let engine = cx.engine();
    let used = engine.used_memory_bytes();
    let peak = engine.peak_memory_bytes(used);
    let report = if used < WORTH_A_REPORT_BYTES {
        "There is too little in memory for a diagnosis.\n"
    } else if peak > used + used / 2 {
        "Memory use was far higher than it is now. What the allocator has not given back will be \
         used again; MEMORY PURGE asks it to give back what it can.\n"
    } else {
        "Nothing looks wrong with the memory.\n"
    };
    out.verbatim("txt", report.as_bytes());
    Ok(())
}

fn memory_malloc_stats(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.bulk(b"Stats not supported for the current allocator");
    Ok(())
}

/// The allocator gives back what it does not need by itself.
fn memory_purge(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.ok();
    Ok(())
}

fn memory_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "MEMORY",
        &[
            ("DOCTOR", "Says what looks wrong with the memory."),
            ("MALLOC-STATS", "Answers what the allocator tells."),
            ("PURGE", "Asks the allocator to give memory back."),
            ("STATS", "Says what memory is used for."),
            (
                "USAGE <key> [SAMPLES <count>]",
                "Answers how many bytes a key takes.",
            ),
        ],
    )
}
