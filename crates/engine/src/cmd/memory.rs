//! MEMORY: what the memory is used for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::info::{DatabaseSum, sum_databases};
use crate::client::ClientShared;
use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags, KeySpec, Locks, Reply,
};
use crate::keyspace::{SLOT_BYTES, memory_usage as entry_memory_usage};
use crate::worker::Worker;

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
            locks: Locks::Stepwise,
            handler: memory_doctor,
            ..ROW
        },
        ROW.help("4.0.0", memory_help),
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

/// What the memory is used for, in bytes, as INFO and MEMORY STATS say it.
pub(super) struct Overview {
    pub(super) used: u64,
    pub(super) peak: u64,
    pub(super) startup: u64,
    /// Requests and replies of the clients that are no replicas.
    pub(super) clients: u64,
    /// How many these are.
    client_count: u64,
    /// The cache of scripts.
    pub(super) scripts: u64,
    pub(super) script_count: usize,
    /// What is not data.
    pub(super) overhead: u64,
    pub(super) dataset: u64,
    /// What has come since the start.
    pub(super) net: u64,
    pub(super) keys: usize,
    databases: Vec<DatabaseSum>,
}

impl Overview {
    pub(super) fn new(worker: &mut Worker) -> Self {
        let used = worker.engine.used_memory_bytes();
        Self::with_used(worker, used)
    }

    /// An overview for somebody who has taken memory since `used` bytes were.
    pub(super) fn with_used(worker: &mut Worker, used: u64) -> Self {
        let databases = sum_databases(worker);
        let engine = &worker.engine;
        let startup = engine.startup_memory_bytes;
        let (script_count, scripts) = engine.scripting.kept();
        // What waits for replicas is told apart.
        let mut all_clients = engine.clients.all();
        let sum = |clients: &[Arc<ClientShared>]| -> usize {
            clients.iter().map(|client| client.memory_bytes()).sum()
        };
        let buffers = sum(&all_clients) + engine.replication.memory().backlog_bytes;
        all_clients.retain(|client| !client.is_replica.load(Ordering::Relaxed));
        let clients = sum(&all_clients);
        let tables: usize = databases.iter().map(|sum| sum.table_bytes).sum();
        let overhead = startup + (tables + buffers + scripts) as u64;
        Overview {
            used,
            peak: engine.peak_memory_bytes(used),
            startup,
            clients: clients as u64,
            client_count: all_clients.len() as u64,
            scripts: scripts as u64,
            script_count,
            overhead,
            dataset: used.saturating_sub(overhead),
            net: used.saturating_sub(startup),
            keys: databases.iter().map(|sum| sum.keys).sum(),
            databases,
        }
    }
}

/// A number that the process around the engine knows of its memory.
fn known(facts: &[(&str, &str, String)], field: &str) -> Option<f64> {
    let fact = facts
        .iter()
        .find(|fact| (fact.0, fact.1) == ("memory", field))?;
    fact.2.parse().ok()
}

fn memory_stats(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let overview = Overview::new(cx.worker);
    let facts = cx.engine().host.information();
    let mark = out.deferred_map();
    let mut pairs = 0;
    let mut field = |name: &str, value: u64, out: &mut Reply<'_>| {
        out.bulk(name.as_bytes());
        out.integer(value as i64);
        pairs += 1;
    };
    field("peak.allocated", overview.peak, out);
    field("total.allocated", overview.used, out);
    field("startup.allocated", overview.startup, out);
    let replication = cx.engine().replication.memory();
    field("replication.backlog", replication.backlog_bytes as u64, out);
    // Replicas get what they lack from the backlog: no whole data set waits for them.
    field("replica.fullsync.buffer", 0, out);
    field("clients.slaves", replication.replica_bytes as u64, out);
    field("clients.normal", overview.clients, out);
    field("cluster.links", 0, out);
    let unwritten = cx.engine().append_log.buffered_bytes();
    field("aof.buffer", unwritten as u64, out);
    field("lua.caches", overview.scripts, out);
    let (_, _, function_bytes) = cx.engine().scripting.functions.counts();
    field("functions.caches", function_bytes as u64, out);
    let scripting = &cx.engine().scripting;
    let interpreters = scripting.memory_bytes() + scripting.functions_memory_bytes();
    field("script.VMs", interpreters as u64, out);
    let databases = overview.databases.iter().enumerate();
    let mut tables = 0;
    for (index, sum) in databases.filter(|(_, sum)| sum.keys > 0) {
        write_database(index, sum, out);
        tables += 1;
    }
    let per_key = overview.net.checked_div(overview.keys as u64).unwrap_or(0);
    let table_bytes: usize = overview.databases.iter().map(|sum| sum.table_bytes).sum();
    field("overhead.db.hashtable.lut", table_bytes as u64, out);
    field("overhead.db.hashtable.rehashing", 0, out);
    field("overhead.total", overview.overhead, out);
    field("db.dict.rehashing.count", 0, out);
    field("keys.count", overview.keys as u64, out);
    field("keys.bytes-per-key", per_key, out);
    field("dataset.bytes", overview.dataset, out);
    let percent = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    let shares = [
        (
            "dataset.percentage",
            percent(overview.dataset, overview.net),
        ),
        ("peak.percentage", percent(overview.used, overview.peak)),
    ];
    for (name, share) in shares {
        out.bulk(name.as_bytes());
        out.double(share);
    }
    for (name, of_info, is_ratio) in ALLOCATOR_FIELDS {
        let value = known(&facts, of_info);
        out.bulk(name.as_bytes());
        if *is_ratio {
            out.double(value.unwrap_or(0.0));
        } else {
            out.integer(value.unwrap_or(0.0) as i64);
        }
    }
    let resident = known(&facts, "used_memory_rss").unwrap_or(overview.used as f64);
    out.bulk(b"fragmentation");
    out.double(resident / overview.used.max(1) as f64);
    out.bulk(b"fragmentation.bytes");
    out.integer(resident as i64 - overview.used as i64);
    out.finish_map(
        mark,
        pairs + tables + shares.len() + ALLOCATOR_FIELDS.len() + 2,
    );
    Ok(())
}

/// What MEMORY STATS takes from the process: the name there, the name in INFO, and whether it is a
/// ratio.
const ALLOCATOR_FIELDS: &[(&str, &str, bool)] = &[
    ("allocator.allocated", "allocator_allocated", false),
    ("allocator.active", "allocator_active", false),
    ("allocator.resident", "allocator_resident", false),
    ("allocator.muzzy", "allocator_muzzy", false),
    (
        "allocator-fragmentation.ratio",
        "allocator_frag_ratio",
        true,
    ),
    (
        "allocator-fragmentation.bytes",
        "allocator_frag_bytes",
        false,
    ),
    ("allocator-rss.ratio", "allocator_rss_ratio", true),
    ("allocator-rss.bytes", "allocator_rss_bytes", false),
    ("rss-overhead.ratio", "rss_overhead_ratio", true),
    ("rss-overhead.bytes", "rss_overhead_bytes", false),
];

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
    let overview = Overview::new(cx.worker);
    let facts = cx.engine().host.information();
    let replica_bytes = cx.engine().replication.memory().replica_bytes as u64;
    let report = diagnose(&overview, &facts, replica_bytes);
    out.verbatim("txt", report.as_bytes());
    Ok(())
}

/// What looks wrong, by Redis's thresholds.
fn diagnose(overview: &Overview, facts: &[(&str, &str, String)], replica_bytes: u64) -> String {
    /// Below this a report would say nothing.
    const WORTH_A_REPORT_BYTES: u64 = 5 << 20;
    /// Waste below this is no matter, whatever its share.
    const WASTE_MIN_BYTES: f64 = (10 << 20) as f64;
    const CLIENT_MAX_BYTES: u64 = 200 << 10;
    const REPLICAS_MAX_BYTES: u64 = 10 << 20;
    const SCRIPTS_MAX: usize = 1000;
    if overview.used < WORTH_A_REPORT_BYTES {
        return "There is too little in memory for a diagnosis.\n".to_owned();
    }
    let wastes = |ratio, ratio_max, bytes| {
        known(facts, ratio).is_some_and(|ratio| ratio > ratio_max)
            && known(facts, bytes).is_some_and(|bytes| bytes > WASTE_MIN_BYTES)
    };
    let mut findings = Vec::new();
    if overview.peak > overview.used + overview.used / 2 {
        findings.push(
            "Peak: memory use was far higher than it is now. What the allocator has not given \
             back will be used again; MEMORY PURGE asks it to give back what it can.",
        );
    }
    let resident = known(facts, "used_memory_rss").unwrap_or(0.0);
    let waste = resident - overview.used as f64;
    if waste > WASTE_MIN_BYTES && resident > 1.4 * overview.used as f64 {
        findings.push(
            "Resident memory: the process holds far more than is in use. After a peak that is to \
             be expected; if there was none, look at the findings below.",
        );
    }
    if wastes("allocator_frag_ratio", 1.1, "allocator_frag_bytes") {
        findings.push(
            "Fragmentation: many pages of the allocator are only partly used, as happens when \
             values of changing sizes come and go. Where the allocator can move what lies there, \
             CONFIG SET activedefrag yes packs them; else a restart from a snapshot does.",
        );
    }
    if wastes("allocator_rss_ratio", 1.1, "allocator_rss_bytes") {
        findings.push(
            "Free pages: the allocator holds pages with nothing in them. It gives them back by \
             itself after some seconds, or at once with MEMORY PURGE.",
        );
    }
    if wastes("rss_overhead_ratio", 1.1, "rss_overhead_bytes") {
        findings
            .push("Overhead: much resident memory is not the allocator's: code, stacks, scripts.");
    }
    if replica_bytes > REPLICAS_MAX_BYTES {
        findings.push(
            "Replicas: much waits to be sent to them. One of them or the way to it is too slow; \
             INFO replication shows how far each has got, client-output-buffer-limit sets a bound.",
        );
    }
    if overview.clients / overview.client_count.max(1) > CLIENT_MAX_BYTES {
        findings.push(
            "Clients: their requests and replies take much memory. CLIENT LIST shows whose \
             (tot-mem); client-output-buffer-limit and maxmemory-clients set bounds.",
        );
    }
    if overview.script_count > SCRIPTS_MAX {
        findings.push(
            "Scripts: very many are kept. Scripts should be few and take what differs from call \
             to call as arguments; SCRIPT FLUSH forgets them.",
        );
    }
    if findings.is_empty() {
        return "Nothing looks wrong with the memory.\n".to_owned();
    }
    let lines = findings.iter().map(|finding| format!(" * {finding}\n"));
    format!(
        "What looks wrong with the memory:\n\n{}",
        lines.collect::<String>()
    )
}

fn memory_malloc_stats(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    match cx.engine().host.allocator_report() {
        Some(report) => out.verbatim("txt", report.as_bytes()),
        None => out.bulk(b"Stats not supported for the current allocator"),
    }
    Ok(())
}

fn memory_purge(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.engine().host.purge_memory();
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
