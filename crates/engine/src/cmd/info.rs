//! INFO: the state of the server as text, in sections whose names and fields clients and
//! dashboards know.
//!
//! A field's value comes from the engine, or from the process around it ([`Host::information`](crate::Host::information)),
//! whose word goes first: it knows better what is true of files, memory and processors. A field
//! about something that this server does not do has the value that is then true (no replicas, no
//! scripts); a field that nobody can fill truly is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use super::key_sizes::key_sizes;
use super::memory::Overview;
use crate::acl::Denial;
use crate::command::{Command, CommandResult, Context, Flags, Group, Locks, Reply, table};
use crate::engine::Engine;
use crate::replication::{Link, Phase, State, Upstream};
use crate::stats::printable_in_info;
use crate::version::{OXIDIS_VERSION, REDIS_VERSION};
use crate::worker::Worker;

/// The row.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "info",
    history: &[("7.0.0", "More than one section may be asked for.")],
    arity: -1,
    flags: Flags::LOADING.union(Flags::STALE),
    // Counting the keys visits every stripe, one after the other.
    locks: Locks::Stepwise,
    categories: crate::command::Categories::DANGEROUS,
    group: Group::Server,
    complexity: "O(1)",
    summary: "Answers what is known about the server, its clients and its data.",
    syntax: "[section:string [section:string ...]]",
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    handler: info,
    ..Command::DEFAULT
}];

/// When a section is shown though nobody names it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Always: `default`, and therefore `all` and `everything`.
    Default,
    /// With `all` and `everything`.
    All,
    /// Only by its name: it looks at every key.
    Named,
}

struct Section {
    name: &'static str,
    title: &'static str,
    shown: Shown,
    write: fn(&mut Page, &mut Worker),
}

/// Every section, in the order in which they are shown.
const SECTIONS: &[Section] = &[
    Section {
        name: "server",
        title: "Server",
        shown: Shown::Default,
        write: server,
    },
    Section {
        name: "clients",
        title: "Clients",
        shown: Shown::Default,
        write: clients,
    },
    Section {
        name: "memory",
        title: "Memory",
        shown: Shown::Default,
        write: memory,
    },
    Section {
        name: "persistence",
        title: "Persistence",
        shown: Shown::Default,
        write: persistence,
    },
    Section {
        name: "threads",
        title: "Threads",
        shown: Shown::Default,
        write: threads,
    },
    Section {
        name: "stats",
        title: "Stats",
        shown: Shown::Default,
        write: stats,
    },
    Section {
        name: "replication",
        title: "Replication",
        shown: Shown::Default,
        write: replication,
    },
    Section {
        name: "cpu",
        title: "CPU",
        shown: Shown::Default,
        write: nothing,
    },
    Section {
        name: "module_list",
        title: "Modules",
        shown: Shown::Default,
        write: nothing,
    },
    Section {
        name: "commandstats",
        title: "Commandstats",
        shown: Shown::All,
        write: commandstats,
    },
    Section {
        name: "errorstats",
        title: "Errorstats",
        shown: Shown::Default,
        write: errorstats,
    },
    Section {
        name: "latencystats",
        title: "Latencystats",
        shown: Shown::All,
        write: latencystats,
    },
    Section {
        name: "cluster",
        title: "Cluster",
        shown: Shown::Default,
        write: cluster,
    },
    Section {
        name: "keyspace",
        title: "Keyspace",
        shown: Shown::Default,
        write: keyspace,
    },
    Section {
        name: "keysizes",
        title: "Keysizes",
        shown: Shown::Named,
        write: keysizes,
    },
];

impl Section {
    fn is_asked_for(&self, words: &[&[u8]]) -> bool {
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        words.is_empty() && self.shown == Shown::Default
            || words.iter().any(|word| {
                is(word, self.name)
                    || is(word, "everything") && self.shown != Shown::Named
                    || is(word, "all") && self.shown != Shown::Named
                    || is(word, "default") && self.shown == Shown::Default
                    || is(word, "modules") && self.name == "module_list"
            })
    }
}

fn info(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let words: Vec<&[u8]> = cx.args().iter().skip(1).collect();
    let mut page = Page {
        // Looked at before the page itself takes memory.
        used_memory_bytes: cx.engine().used_memory_bytes(),
        text: String::new(),
        section: "",
        facts: cx.engine().host.information(),
    };
    for section in SECTIONS
        .iter()
        .filter(|section| section.is_asked_for(&words))
    {
        page.begin(section);
        (section.write)(&mut page, cx.worker);
        page.end();
    }
    out.verbatim("txt", page.text.as_bytes());
    Ok(())
}

/// The text, and what the host knows and has not been shown yet.
struct Page {
    used_memory_bytes: u64,
    text: String,
    section: &'static str,
    facts: Vec<(&'static str, &'static str, String)>,
}

impl Page {
    fn begin(&mut self, section: &Section) {
        let blank_line = if self.text.is_empty() { "" } else { "\r\n" };
        self.line(format_args!("{blank_line}# {}", section.title));
        self.section = section.name;
    }

    /// Ends the section with the facts that nothing has asked for.
    fn end(&mut self) {
        let section = self.section;
        let (rest, others) = std::mem::take(&mut self.facts)
            .into_iter()
            .partition(|(of, _, _)| *of == section);
        self.facts = others;
        let rest: Vec<(&str, &str, String)> = rest;
        for (_, field, value) in rest {
            self.line(format_args!("{field}:{value}"));
        }
    }

    /// A field; what the host says of it goes before `value`.
    fn field(&mut self, field: &str, value: impl Display) {
        match self.take_fact(field) {
            Some(fact) => self.line(format_args!("{field}:{fact}")),
            None => self.line(format_args!("{field}:{value}")),
        }
    }

    /// A field that only the host knows.
    fn fact(&mut self, field: &str) {
        if let Some(fact) = self.take_fact(field) {
            self.line(format_args!("{field}:{fact}"));
        }
    }

    /// A number of bytes, and the same for people.
    fn bytes(&mut self, field: &str, bytes: u64) {
        self.field(field, bytes);
        self.field(&format!("{field}_human"), human(bytes));
    }

    /// Fields that are zero because there is nothing to count.
    fn zeros(&mut self, fields: &[&str]) {
        for field in fields {
            self.field(field, 0);
        }
    }

    fn take_fact(&mut self, field: &str) -> Option<String> {
        let is_it = |fact: &(&str, &str, String)| fact.0 == self.section && fact.1 == field;
        let index = self.facts.iter().position(is_it)?;
        Some(self.facts.remove(index).2)
    }

    fn known(&self, field: &str) -> Option<u64> {
        let is_it = |fact: &&(&str, &str, String)| fact.0 == self.section && fact.1 == field;
        self.facts.iter().find(is_it)?.2.parse().ok()
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{line}\r\n");
    }
}

fn nothing(_: &mut Page, _: &mut Worker) {}

fn server(page: &mut Page, worker: &mut Worker) {
    let engine = &worker.engine;
    let config = &engine.config;
    let uptime_seconds = (worker.now_ms() - engine.started_ms).max(0) / 1000;
    page.field("redis_version", REDIS_VERSION);
    page.field("oxidis_version", OXIDIS_VERSION);
    page.field("redis_git_sha1", "00000000");
    page.field("redis_git_dirty", 0);
    page.field("redis_build_id", 0);
    page.field(
        "redis_mode",
        if config.cluster_enabled() {
            "cluster"
        } else {
            "standalone"
        },
    );
    page.fact("os");
    page.field("arch_bits", usize::BITS);
    page.fact("multiplexing_api");
    page.fact("monotonic_clock");
    page.fact("process_id");
    page.field("process_supervised", config.supervised().word());
    page.field("run_id", &engine.run_id);
    page.field(
        "tcp_port",
        match config.port() {
            0 => config.tls_port(),
            port => port,
        },
    );
    page.field("server_time_usec", worker.now_us);
    page.field("uptime_in_seconds", uptime_seconds);
    page.field("uptime_in_days", uptime_seconds / 86_400);
    page.field("hz", config.hz());
    page.field("configured_hz", config.hz());
    page.field("lru_clock", (worker.now_us / 1_000_000) & 0x00ff_ffff);
    page.fact("executable");
    page.field(
        "config_file",
        String::from_utf8_lossy(&config.file().unwrap_or_default()),
    );
    page.field("io_threads_active", u8::from(config.io_threads() > 1));
    page.field(
        "availability_zone",
        String::from_utf8_lossy(&config.availability_zone()),
    );
    if let Some(deadline_ms) = engine.shutdown.deadline_ms() {
        page.field("shutdown_in_milliseconds", deadline_ms - engine.now_ms());
    }
}

fn clients(page: &mut Page, worker: &mut Worker) {
    let engine = &worker.engine;
    let mut sessions = engine.clients.all();
    sessions.retain(|client| !client.is_killed());
    let count = |is: &dyn Fn(&crate::client::ClientShared) -> bool| {
        sessions.iter().filter(|client| is(client)).count()
    };
    let peak = engine.recent_peak();
    let load = |number: &std::sync::atomic::AtomicUsize| number.load(Ordering::Relaxed);
    let mut blocked_keys = BTreeSet::new();
    let mut keys_whose_loss_matters = BTreeSet::new();
    let (mut blocked, mut with_deadline) = (0, 0);
    for client in &sessions {
        blocked += usize::from(client.is_blocked());
        if let Some(waiting) = &*client.blocked.lock() {
            with_deadline += usize::from(waiting.blocking.deadline_ms.is_some());
            let keys = waiting
                .blocking
                .keys
                .iter()
                .map(|key| (waiting.database, key.key.clone()));
            let keys: Vec<(usize, Vec<u8>)> = keys.collect();
            if waiting.blocking.wants_loss {
                keys_whose_loss_matters.extend(keys.iter().cloned());
            }
            blocked_keys.extend(keys);
        }
    }
    let replicas = count(&|client| client.is_replica.load(Ordering::Relaxed));
    page.field("connected_clients", sessions.len() - replicas);
    page.field("cluster_connections", 0);
    page.field("maxclients", engine.config.maxclients());
    page.field("client_recent_max_input_buffer", peak.input_bytes);
    page.field("client_recent_max_output_buffer", peak.output_bytes);
    page.field("blocked_clients", blocked);
    page.field("tracking_clients", engine.tracking.client_count());
    page.field(
        "pubsub_clients",
        count(&|client| {
            load(&client.channel_count)
                + load(&client.pattern_count)
                + load(&client.shard_channel_count)
                > 0
        }),
    );
    page.field(
        "watching_clients",
        count(&|client| client.watched_count() > 0),
    );
    page.field("clients_in_timeout_table", with_deadline);
    page.field(
        "total_watched_keys",
        sessions
            .iter()
            .map(|client| client.watched_count())
            .sum::<usize>(),
    );
    page.field("total_blocking_keys", blocked_keys.len());
    page.field(
        "total_blocking_keys_on_nokey",
        keys_whose_loss_matters.len(),
    );
    let pause = engine.pause.report(engine.now_ms());
    let (reason, actions) = match pause {
        _ if engine.pause.is_for_shutdown() => ("shutdown_in_progress", "write"),
        None => ("none", "none"),
        Some((true, _)) => ("client_pause", "write"),
        Some((false, _)) => ("client_pause", "all"),
    };
    page.field("paused_reason", reason);
    page.field("paused_actions", actions);
    let left_ms = match pause {
        // It has no end of its own, and this is how Redis says so.
        _ if engine.pause.is_for_shutdown() => i64::MAX - engine.now_ms(),
        Some((_, left_ms)) => left_ms,
        None => 0,
    };
    page.field("paused_timeout_milliseconds", left_ms);
}

fn memory(page: &mut Page, worker: &mut Worker) {
    let overview = Overview::with_used(worker, page.used_memory_bytes);
    let engine = &worker.engine;
    let (used, peak) = (overview.used, overview.peak);
    let resident = page.known("used_memory_rss");
    page.bytes("used_memory", used);
    if let Some(resident) = resident {
        page.bytes("used_memory_rss", resident);
    }
    page.bytes("used_memory_peak", peak);
    page.field("used_memory_peak_time", engine.peak_memory_ms() / 1000);
    page.field("used_memory_peak_perc", percent(used, peak));
    page.field("used_memory_overhead", overview.overhead);
    page.field("used_memory_startup", overview.startup);
    page.field("used_memory_dataset", overview.dataset);
    page.field(
        "used_memory_dataset_perc",
        percent(overview.dataset, overview.net),
    );
    if let Some(total) = page.known("total_system_memory") {
        page.bytes("total_system_memory", total);
    }
    let interpreter = engine.scripting.memory_bytes() as u64;
    page.field("used_memory_vm_eval", interpreter);
    page.bytes("used_memory_lua", interpreter);
    page.field("used_memory_scripts_eval", overview.scripts);
    page.field("number_of_cached_scripts", overview.script_count);
    let (library_count, function_count, function_bytes) = engine.scripting.functions.counts();
    let function_bytes = function_bytes as u64;
    page.field("number_of_functions", function_count);
    page.field("number_of_libraries", library_count);
    let functions_interpreter = engine.scripting.functions_memory_bytes() as u64;
    page.field("used_memory_vm_functions", functions_interpreter);
    page.bytes("used_memory_vm_total", interpreter + functions_interpreter);
    page.field("used_memory_functions", function_bytes);
    page.bytes("used_memory_scripts", overview.scripts + function_bytes);
    page.bytes("maxmemory", engine.config.maxmemory());
    page.field("maxmemory_policy", engine.config.maxmemory_policy().word());
    if let Some(resident) = resident.filter(|_| used > 0) {
        page.field(
            "mem_fragmentation_ratio",
            format_args!("{:.2}", resident as f64 / used as f64),
        );
        page.field("mem_fragmentation_bytes", resident as i64 - used as i64);
    }
    let replication = engine.replication.memory();
    page.field("mem_not_counted_for_evict", replication.replica_bytes);
    page.field("mem_replication_backlog", replication.backlog_bytes);
    let buffers = replication.replica_bytes + replication.backlog_bytes;
    page.field("mem_total_replication_buffers", buffers);
    page.zeros(&["mem_replica_full_sync_buffer"]);
    page.field("mem_clients_slaves", replication.replica_bytes);
    page.field("mem_clients_normal", overview.clients);
    page.zeros(&["mem_cluster_links"]);
    page.field("mem_aof_buffer", engine.append_log.buffered_bytes());
    page.fact("mem_allocator");
    page.zeros(&["mem_overhead_db_hashtable_rehashing"]);
    let running_percent = engine.defragmentation.running_percent();
    page.field("active_defrag_running", running_percent);
    let lazy_free = &engine.lazy_free;
    page.field("lazyfree_pending_objects", lazy_free.pending_objects());
    page.field("lazyfreed_objects", lazy_free.freed_objects());
}

fn persistence(page: &mut Page, worker: &mut Worker) {
    let engine = &worker.engine;
    let state = &engine.persistence;
    let report = state.report();
    let now_ms = worker.now_ms();
    let seconds = |duration_ms: Option<i64>| duration_ms.map_or(-1, |it| it / 1000);
    let status = |is_good: bool| if is_good { "ok" } else { "err" };
    page.field("loading", u8::from(state.is_loading()));
    page.zeros(&[
        "async_loading",
        "current_cow_peak",
        "current_cow_size",
        "current_cow_size_age",
    ]);
    let (done, total) = (report.save_keys_done, report.save_keys_total);
    page.field(
        "current_fork_perc",
        format_args!("{:.2}", done as f64 * 100.0 / total.max(1) as f64),
    );
    page.field("current_save_keys_processed", done);
    page.field("current_save_keys_total", total);
    let changes = state.changes_since_save(engine.stats.changes());
    page.field("rdb_changes_since_last_save", changes);
    let saving_since_ms = report.saving_since_ms;
    page.field(
        "rdb_bgsave_in_progress",
        u8::from(saving_since_ms.is_some() && !report.is_rewriting),
    );
    page.field("rdb_last_save_time", state.last_save_ms() / 1000);
    page.field("rdb_last_bgsave_status", status(!state.has_save_failed()));
    page.field("rdb_last_bgsave_time_sec", seconds(report.last_duration_ms));
    page.field(
        "rdb_current_bgsave_time_sec",
        seconds(
            saving_since_ms
                .filter(|_| !report.is_rewriting)
                .map(|since_ms| now_ms - since_ms),
        ),
    );
    page.field("rdb_saves", report.saves);
    page.zeros(&["rdb_last_cow_size"]);
    page.field("rdb_last_load_keys_expired", report.expired_keys);
    page.field("rdb_last_load_keys_loaded", report.loaded_keys);
    let log = &engine.append_log;
    let rewrites = log.report();
    page.field("aof_enabled", u8::from(log.is_on()));
    page.field("aof_rewrite_in_progress", u8::from(report.is_rewriting));
    page.field(
        "aof_rewrite_scheduled",
        u8::from(log.is_rewrite_scheduled()),
    );
    page.field(
        "aof_last_rewrite_time_sec",
        seconds(rewrites.last_rewrite_ms),
    );
    let rewriting_since_ms = saving_since_ms.filter(|_| report.is_rewriting);
    page.field(
        "aof_current_rewrite_time_sec",
        seconds(rewriting_since_ms.map(|since_ms| now_ms - since_ms)),
    );
    page.field(
        "aof_last_bgrewrite_status",
        status(!rewrites.last_rewrite_failed),
    );
    page.field("aof_rewrites", rewrites.rewrites);
    page.field(
        "aof_rewrites_consecutive_failures",
        rewrites.consecutive_failures,
    );
    page.field("aof_last_write_status", status(!state.has_log_failed()));
    page.zeros(&[
        "aof_last_cow_size",
        "module_fork_in_progress",
        "module_fork_last_cow_size",
    ]);
    if log.is_on() {
        page.field("aof_current_size", log.current_size());
        page.field("aof_base_size", log.base_size());
        page.field("aof_pending_rewrite", u8::from(log.is_rewrite_scheduled()));
        page.field("aof_buffer_length", log.buffered_bytes());
        page.field("aof_pending_bio_fsync", u8::from(log.is_syncing()));
        page.zeros(&["aof_delayed_fsync"]);
    }
    if state.is_loading() {
        loading(page, worker);
    }
}

/// How far the loading is.
fn loading(page: &mut Page, worker: &Worker) {
    let progress = worker.engine.persistence.load_progress();
    let (done, total) = (progress.bytes_done, progress.bytes_total);
    let elapsed_seconds = (worker.now_ms() - progress.started_ms).max(0) as u64 / 1000;
    page.field("loading_start_time", progress.started_ms / 1000);
    page.field("loading_total_bytes", total);
    page.field("loading_rdb_used_mem", progress.memory_of_writer_bytes);
    page.field("loading_loaded_bytes", done);
    page.field(
        "loading_loaded_perc",
        format_args!("{:.2}", done as f64 * 100.0 / total.max(1) as f64),
    );
    // As long again for each byte that is left, if there were any yet.
    let eta_seconds = (elapsed_seconds * total.saturating_sub(done)).checked_div(done);
    page.field("loading_eta_seconds", eta_seconds.unwrap_or(1).max(1));
}

fn stats(page: &mut Page, worker: &mut Worker) {
    let engine = &worker.engine;
    let totals = engine.stats.totals();
    let rates = engine.rates();
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    page.field(
        "total_connections_received",
        engine.clients.received.load(Ordering::Relaxed),
    );
    page.field("total_commands_processed", totals.commands_processed);
    page.field("instantaneous_ops_per_sec", rates.commands);
    page.field("total_net_input_bytes", totals.input_bytes);
    page.field("total_net_output_bytes", totals.output_bytes);
    let (received, sent) = (
        totals.replication_input_bytes,
        totals.replication_output_bytes,
    );
    page.field("total_net_repl_input_bytes", received);
    page.field("total_net_repl_output_bytes", sent);
    page.field("instantaneous_input_kbps", kilobytes(rates.input_bytes));
    page.field("instantaneous_output_kbps", kilobytes(rates.output_bytes));
    let (received, sent) = (
        rates.replication_input_bytes,
        rates.replication_output_bytes,
    );
    page.field("instantaneous_input_repl_kbps", kilobytes(received));
    page.field("instantaneous_output_repl_kbps", kilobytes(sent));
    page.field(
        "rejected_connections",
        engine.rejected_connections.load(Ordering::Relaxed),
    );
    let counts = &engine.replication.counts;
    let syncs = [
        ("sync_full", &counts.full),
        ("sync_partial_ok", &counts.partial),
        ("sync_partial_err", &counts.partial_refused),
    ];
    for (name, count) in syncs {
        page.field(name, count.load(Ordering::Relaxed));
    }
    page.field("expired_subkeys", totals.expired_subkeys);
    // The same by Valkey's name.
    page.field("expired_fields", totals.expired_subkeys);
    page.field("expired_keys", totals.expired_keys);
    page.field(
        "expired_stale_perc",
        format_args!("{:.2}", engine.expired_share.percent()),
    );
    page.field("expired_time_cap_reached_count", totals.expire_cycles_cut);
    page.field(
        "expire_cycle_cpu_milliseconds",
        totals.expire_cycle_us / 1000,
    );
    page.field("evicted_keys", totals.evicted_keys);
    page.field("evicted_clients", engine.clients.memory.evicted());
    page.field("evicted_scripts", engine.scripting.evicted());
    let (total_ms, current_ms) = engine.eviction_times.total_and_current_ms(worker.now_us);
    page.field("total_eviction_exceeded_time", total_ms);
    page.field("current_eviction_exceeded_time", current_ms);
    page.field("keyspace_hits", totals.keyspace_hits);
    page.field("keyspace_misses", totals.keyspace_misses);
    page.field("pubsub_channels", engine.pubsub.channel_count());
    page.field("pubsub_patterns", engine.pubsub.pattern_count());
    page.field("pubsubshard_channels", engine.pubsub.shard_channel_count());
    page.zeros(&["latest_fork_usec", "total_forks", "migrate_cached_sockets"]);
    let own_keys = engine.replication.own_keys.len();
    page.field("slave_expires_tracked_keys", own_keys);
    page.field("active_defrag_hits", totals.defragmentation_hits);
    page.field("active_defrag_misses", totals.defragmentation_misses);
    page.field("active_defrag_key_hits", totals.defragmentation_key_hits);
    page.field(
        "active_defrag_key_misses",
        totals.defragmentation_key_misses,
    );
    let current_us = engine.defragmentation.current_us(worker.now_us);
    let total_us = totals.defragmentation_us + current_us;
    page.field("total_active_defrag_time", total_us / 1000);
    page.field("current_active_defrag_time", current_us / 1000);
    page.field("tracking_total_keys", engine.tracking.key_count());
    page.field("tracking_total_items", engine.tracking.item_count());
    page.field("tracking_total_prefixes", engine.tracking.prefix_count());
    page.field("unexpected_error_replies", totals.unexpected_error_replies);
    page.field("total_error_replies", totals.error_replies);
    page.field("dump_payload_sanitizations", totals.payloads_checked);
    page.field("total_reads_processed", totals.reads_processed);
    page.field("total_writes_processed", totals.writes_processed);
    let others = engine.stats.threads();
    let others = others.iter().filter(|(thread, _)| **thread > 0);
    let (reads, writes) = others.fold((0, 0), |(reads, writes), (_, totals)| {
        (
            reads + totals.reads_processed,
            writes + totals.writes_processed,
        )
    });
    page.field("io_threaded_reads_processed", reads);
    page.field("io_threaded_writes_processed", writes);
    page.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    if let Some(loops) = engine.event_loops() {
        page.field("eventloop_cycles", loops.cycles);
        page.field("eventloop_duration_sum", loops.busy_us);
        page.field(
            "eventloop_duration_cmd_sum",
            engine.stats.command_duration_us(),
        );
        page.field("instantaneous_eventloop_cycles_per_sec", rates.cycles);
        page.field("instantaneous_eventloop_duration_usec", rates.cycle_us);
    }
    let limits = &engine.client_limits;
    page.field(
        "client_query_buffer_limit_disconnections",
        limits.query_disconnections.load(Ordering::Relaxed),
    );
    page.field(
        "client_output_buffer_limit_disconnections",
        limits.output_disconnections.load(Ordering::Relaxed),
    );
    let acl = &engine.acl;
    let denied = |denial| acl.denial_count(denial);
    page.field("acl_access_denied_auth", denied(Denial::Authentication));
    page.field("acl_access_denied_cmd", denied(Denial::Command));
    page.field("acl_access_denied_key", denied(Denial::Key));
    page.field("acl_access_denied_channel", denied(Denial::Channel));
}

/// The threads that serve connections. All of them execute commands too.
fn threads(page: &mut Page, worker: &mut Worker) {
    let engine = &worker.engine;
    let mut clients: BTreeMap<usize, usize> = BTreeMap::new();
    for client in engine.clients.all() {
        let thread = client.thread.load(Ordering::Relaxed);
        *clients.entry(thread).or_default() += 1;
    }
    for (thread, totals) in engine.stats.threads() {
        page.line(format_args!(
            "io_thread_{thread}:clients={},reads={},writes={}",
            clients.get(&thread).unwrap_or(&0),
            totals.reads_processed,
            totals.writes_processed
        ));
    }
}

fn replication(page: &mut Page, worker: &mut Worker) {
    let engine = &worker.engine;
    let state = engine.replication.lock();
    let now_ms = engine.now_ms();
    match &state.upstream {
        None => page.field("role", "master"),
        Some(upstream) => primary(page, engine, upstream, &state),
    }
    page.field("connected_slaves", state.replicas.len());
    if engine.config.min_replicas_to_write() > 0 {
        let good = engine.replication.good_replicas();
        page.field("min_slaves_good_slaves", good);
    }
    for (index, replica) in state.replicas.iter().enumerate() {
        let lag = match replica.phase {
            _ if replica.is_plain => -1,
            Phase::Online => (now_ms - replica.acknowledged_ms) / 1000,
            _ => 0,
        };
        page.line(format_args!(
            "slave{index}:ip={},port={},state={},offset={},lag={lag}",
            String::from_utf8_lossy(&replica.address()),
            replica.options.port,
            replica.phase.word(),
            replica.acknowledged,
        ));
    }
    page.field("master_failover_state", "no-failover");
    page.field("master_replid", &state.id);
    match &state.second {
        Some((id, _)) => page.field("master_replid2", id),
        None => page.field("master_replid2", "0".repeat(40)),
    }
    page.field("master_repl_offset", state.offset);
    match &state.second {
        Some((_, end)) => page.field("second_repl_offset", end),
        None => page.field("second_repl_offset", -1),
    }
    let backlog = state.backlog.as_ref();
    page.field("repl_backlog_active", u8::from(backlog.is_some()));
    page.field("repl_backlog_size", engine.config.repl_backlog_size());
    let first = backlog.map_or(0, |backlog| backlog.first());
    page.field("repl_backlog_first_byte_offset", first);
    let len = backlog.map_or(0, |backlog| backlog.len());
    page.field("repl_backlog_histlen", len);
}

/// What a replica says of its primary.
fn primary(page: &mut Page, engine: &Engine, upstream: &Upstream, state: &State) {
    let now_ms = engine.now_ms();
    let is_up = upstream.link == Link::Up;
    let is_syncing = upstream.link == Link::Transfer;
    page.field("role", "slave");
    page.field("master_host", String::from_utf8_lossy(&upstream.host));
    page.field("master_port", upstream.port);
    page.field("master_link_status", if is_up { "up" } else { "down" });
    let silence = match is_up {
        true => (now_ms - upstream.last_io_ms) / 1000,
        false => -1,
    };
    page.field("master_last_io_seconds_ago", silence);
    page.field("master_sync_in_progress", u8::from(is_syncing));
    page.field(
        "slave_read_repl_offset",
        upstream.read_offset.max(state.offset),
    );
    page.field("slave_repl_offset", state.offset);
    if is_syncing {
        page.field("master_sync_read_bytes", upstream.transferred_bytes);
        let since_io = (now_ms - upstream.last_io_ms) / 1000;
        page.field("master_sync_last_io_seconds_ago", since_io);
    }
    if let Some(down_since_ms) = upstream.down_since_ms {
        let seconds = (now_ms - down_since_ms) / 1000;
        page.field("master_link_down_since_seconds", seconds);
    }
    page.field("slave_priority", engine.config.replica_priority());
    let is_read_only = engine.config.replica_read_only();
    page.field("slave_read_only", u8::from(is_read_only));
    let is_announced = engine.config.replica_announced();
    page.field("replica_announced", u8::from(is_announced));
}

fn commandstats(page: &mut Page, worker: &mut Worker) {
    for registered in table().all() {
        let totals = worker.engine.stats.command(registered.id);
        if totals.calls == 0 && totals.rejected_calls == 0 && totals.failed_calls == 0 {
            continue;
        }
        let each_us = totals.duration_us as f64 / totals.calls.max(1) as f64;
        page.line(format_args!(
            "cmdstat_{}:calls={},usec={},usec_per_call={each_us:.2},rejected_calls={},failed_calls={}",
            registered.full_name, totals.calls, totals.duration_us, totals.rejected_calls, totals.failed_calls,
        ));
    }
}

fn errorstats(page: &mut Page, worker: &mut Worker) {
    for (code, count) in worker.engine.stats.errors() {
        let code = printable_in_info(&code);
        page.line(format_args!("errorstat_{code}:count={count}"));
    }
}

fn latencystats(page: &mut Page, worker: &mut Worker) {
    if !worker.engine.config.latency_tracking() {
        return;
    }
    let percentiles = worker.engine.config.latency_percentiles();
    for registered in table().all() {
        let durations = worker.engine.stats.durations(registered.id);
        if durations.count() == 0 {
            continue;
        }
        let figures = percentiles.iter().map(|&percentile| {
            let duration_us = durations.percentile_ns(percentile) as f64 / 1000.0;
            format!("p{percentile}={duration_us:.3}")
        });
        page.line(format_args!(
            "latency_percentiles_usec_{}:{}",
            registered.full_name,
            figures.collect::<Vec<_>>().join(",")
        ));
    }
}

fn cluster(page: &mut Page, worker: &mut Worker) {
    page.field(
        "cluster_enabled",
        u8::from(worker.engine.config.cluster_enabled()),
    );
}

fn keyspace(page: &mut Page, worker: &mut Worker) {
    for (index, sum) in sum_databases(worker).iter().enumerate() {
        if sum.keys > 0 {
            page.line(format_args!(
                "db{index}:keys={},expires={},avg_ttl={},subexpiry={}",
                sum.keys,
                sum.volatile,
                sum.average_ttl_ms(),
                sum.expiring_hashes
            ));
        }
    }
}

fn keysizes(page: &mut Page, worker: &mut Worker) {
    for line in key_sizes(worker) {
        page.line(format_args!("{line}"));
    }
}

/// What all stripes together hold of one database.
#[derive(Default, Clone, Copy)]
pub(super) struct DatabaseSum {
    pub(super) keys: usize,
    volatile: usize,
    expiring_hashes: usize,
    pub(super) table_bytes: usize,
    sampled: i64,
    sampled_ttl_ms: i64,
}

impl DatabaseSum {
    fn average_ttl_ms(self) -> i64 {
        self.sampled_ttl_ms / self.sampled.max(1)
    }
}

/// Entries of a database in one stripe that are looked at for the average time to live.
const SAMPLED_ENTRIES: usize = 32;

/// Adds up the databases, stripe by stripe.
pub(super) fn sum_databases(worker: &mut Worker) -> Vec<DatabaseSum> {
    let engine: std::sync::Arc<Engine> = worker.engine.clone();
    let now_ms = worker.now_ms();
    let mut sums = vec![DatabaseSum::default(); engine.databases];
    let holds_all = worker.view.is_all();
    for stripe in 0..engine.keyspace.stripe_count() {
        if !holds_all && !worker.lock_stripe(stripe) {
            break;
        }
        let held = worker.view.stripe_at(stripe);
        for (index, sum) in sums.iter_mut().enumerate() {
            let Some(database) = held.database(index) else {
                break;
            };
            sum.keys += database.len();
            sum.volatile += database.volatile_len();
            sum.expiring_hashes += database.expiring_hashes();
            sum.table_bytes += database.table_memory();
            if database.volatile_len() > 0 {
                for expire_ms in database
                    .iter()
                    .take(SAMPLED_ENTRIES)
                    .filter_map(|entry| entry.expire_ms())
                {
                    sum.sampled += 1;
                    // Some expire at the end of all time.
                    let ttl_ms = expire_ms.saturating_sub(now_ms).max(0);
                    sum.sampled_ttl_ms = sum.sampled_ttl_ms.saturating_add(ttl_ms);
                }
            }
        }
        if !holds_all {
            worker.view.unlock();
        }
    }
    sums
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", part as f64 * 100.0 / whole.max(1) as f64)
}

/// Bytes with two decimals and a letter, as `1.50K`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (bytes.ilog2() / 10) as usize;
    format!(
        "{:.2}{}",
        bytes as f64 / (1_u64 << (power * 10)) as f64,
        UNITS[power - 1]
    )
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn bytes_for_people_have_the_greatest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (965_816, "943.18K"),
            (1 << 30, "1.00G"),
            (u64::MAX, "16.00E"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
