//! Typed readers of the values that the engine and the server use. Numbers, switches and words
//! cost one relaxed load; the others take the lock and copy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::directive::DirectiveId;
use super::enumerations::{
    AclPubsubDefault, AppendFsync, LogFormat, LogLevel, LogTimestampFormat, MaxmemoryPolicy,
    OomScoreAdjust, ProtectedAction, ShutdownFlags, Supervised, SyslogFacility,
    TlsClientAuthentication,
};
use super::store::Config;
use super::value::{OutputBufferLimit, SavePoint, Value};
use crate::keyspace::AccessRules;
use crate::value::EncodingLimits;

pub(super) const OUTPUT_BUFFER_LIMITS: DirectiveId = DirectiveId::of("client-output-buffer-limit");

/// Readers of numbers, one a line: the method, its type, its directive.
macro_rules! numbers {
    ($( $method:ident: $type:ty = $name:literal; )+) => {
        impl Config {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub fn $method(&self) -> $type {
                    const ID: DirectiveId = DirectiveId::of($name);
                    self.number(ID) as $type
                }
            )+
        }
    };
}

macro_rules! switches {
    ($( $method:ident = $name:literal; )+) => {
        impl Config {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub fn $method(&self) -> bool {
                    const ID: DirectiveId = DirectiveId::of($name);
                    self.number(ID) != 0
                }
            )+
        }
    };
}

macro_rules! enumerations {
    ($( $method:ident: $type:ty = $name:literal; )+) => {
        impl Config {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub fn $method(&self) -> $type {
                    const ID: DirectiveId = DirectiveId::of($name);
                    <$type>::from_code(self.number(ID)).expect("only codes of its words are stored")
                }
            )+
        }
    };
}

macro_rules! texts {
    ($( $method:ident = $name:literal; )+) => {
        impl Config {
            $(
                #[doc = concat!("`", $name, "`; empty if there is none.")]
                pub fn $method(&self) -> Vec<u8> {
                    const ID: DirectiveId = DirectiveId::of($name);
                    self.text(ID)
                }
            )+
        }
    };
}

numbers! {
    maxmemory: u64 = "maxmemory";
    maxmemory_samples: usize = "maxmemory-samples";
    maxmemory_eviction_tenacity: u32 = "maxmemory-eviction-tenacity";
    maxclients: usize = "maxclients";
    databases: usize = "databases";
    port: u16 = "port";
    tls_port: u16 = "tls-port";
    tls_session_cache_size: usize = "tls-session-cache-size";
    tcp_backlog: u32 = "tcp-backlog";
    tcp_keepalive_seconds: u64 = "tcp-keepalive";
    timeout_seconds: u64 = "timeout";
    hz: u32 = "hz";
    io_threads: usize = "io-threads";
    default_ttl_seconds: u64 = "default-ttl";
    active_expire_effort: u32 = "active-expire-effort";
    lfu_log_factor: u32 = "lfu-log-factor";
    lfu_decay_time_minutes: u32 = "lfu-decay-time";
    proto_max_bulk_len: usize = "proto-max-bulk-len";
    client_query_buffer_limit: usize = "client-query-buffer-limit";
    busy_reply_threshold_ms: u64 = "busy-reply-threshold";
    tracking_table_max_keys: usize = "tracking-table-max-keys";
    acllog_max_len: usize = "acllog-max-len";
    slowlog_log_slower_than_us: i64 = "slowlog-log-slower-than";
    slowlog_max_len: usize = "slowlog-max-len";
    commandlog_request_larger_than: i64 = "commandlog-request-larger-than";
    commandlog_large_request_max_len: usize = "commandlog-large-request-max-len";
    commandlog_reply_larger_than: i64 = "commandlog-reply-larger-than";
    commandlog_large_reply_max_len: usize = "commandlog-large-reply-max-len";
    latency_monitor_threshold_ms: u64 = "latency-monitor-threshold";
    notify_keyspace_events: u32 = "notify-keyspace-events";
    stream_node_max_bytes: usize = "stream-node-max-bytes";
    stream_node_max_entries: usize = "stream-node-max-entries";
    hll_sparse_max_bytes: usize = "hll-sparse-max-bytes";
    unixsocketperm: u32 = "unixsocketperm";
    shutdown_timeout_seconds: u64 = "shutdown-timeout";
    rdb_key_save_delay_us: i64 = "rdb-key-save-delay";
    key_load_delay_us: i64 = "key-load-delay";
    auto_aof_rewrite_percentage: u32 = "auto-aof-rewrite-percentage";
    auto_aof_rewrite_min_size: u64 = "auto-aof-rewrite-min-size";
    active_defrag_ignore_bytes: u64 = "active-defrag-ignore-bytes";
    active_defrag_threshold_lower_percent: u32 = "active-defrag-threshold-lower";
    active_defrag_threshold_upper_percent: u32 = "active-defrag-threshold-upper";
    active_defrag_cycle_min_percent: u32 = "active-defrag-cycle-min";
    active_defrag_cycle_max_percent: u32 = "active-defrag-cycle-max";
    active_defrag_cycle_us: u32 = "active-defrag-cycle-us";
    active_defrag_max_scan_fields: usize = "active-defrag-max-scan-fields";
    repl_backlog_size: u64 = "repl-backlog-size";
    repl_backlog_ttl_seconds: u64 = "repl-backlog-ttl";
    repl_timeout_seconds: u64 = "repl-timeout";
    repl_ping_replica_period_seconds: u64 = "repl-ping-replica-period";
    repl_diskless_sync_delay_seconds: u64 = "repl-diskless-sync-delay";
    repl_diskless_sync_max_replicas: usize = "repl-diskless-sync-max-replicas";
    replica_priority: u32 = "replica-priority";
    replica_announce_port: u16 = "replica-announce-port";
    min_replicas_to_write: u32 = "min-replicas-to-write";
    min_replicas_max_lag_seconds: u64 = "min-replicas-max-lag";
}

switches! {
    protected_mode = "protected-mode";
    io_threads_always_active = "io-threads-always-active";
    daemonize = "daemonize";
    dynamic_hz = "dynamic-hz";
    activerehashing = "activerehashing";
    activedefrag = "activedefrag";
    jemalloc_bg_thread = "jemalloc-bg-thread";
    appendonly = "appendonly";
    aof_load_truncated = "aof-load-truncated";
    aof_disable_auto_gc = "aof-disable-auto-gc";
    aof_timestamp_enabled = "aof-timestamp-enabled";
    aof_use_rdb_preamble = "aof-use-rdb-preamble";
    always_show_logo = "always-show-logo";
    set_proc_title = "set-proc-title";
    lazyfree_lazy_eviction = "lazyfree-lazy-eviction";
    lazyfree_lazy_expire = "lazyfree-lazy-expire";
    lazyfree_lazy_server_del = "lazyfree-lazy-server-del";
    lazyfree_lazy_user_del = "lazyfree-lazy-user-del";
    lazyfree_lazy_user_flush = "lazyfree-lazy-user-flush";
    lua_enable_deprecated_api = "lua-enable-deprecated-api";
    lazyexpire_nested_arbitrary_keys = "lazyexpire-nested-arbitrary-keys";
    latency_tracking = "latency-tracking";
    stop_writes_on_bgsave_error = "stop-writes-on-bgsave-error";
    rdbcompression = "rdbcompression";
    rdbchecksum = "rdbchecksum";
    rdb_save_incremental_fsync = "rdb-save-incremental-fsync";
    repl_diskless_sync = "repl-diskless-sync";
    replica_announced = "replica-announced";
    replica_ignore_maxmemory = "replica-ignore-maxmemory";
    replica_read_only = "replica-read-only";
    replica_serve_stale_data = "replica-serve-stale-data";
    cluster_enabled = "cluster-enabled";
    import_mode = "import-mode";
    syslog_enabled = "syslog-enabled";
    crash_log_enabled = "crash-log-enabled";
    tls_prefer_server_ciphers = "tls-prefer-server-ciphers";
    tls_session_caching = "tls-session-caching";
    hide_user_data_from_log = "hide-user-data-from-log";
}

enumerations! {
    maxmemory_policy: MaxmemoryPolicy = "maxmemory-policy";
    log_level: LogLevel = "loglevel";
    append_fsync: AppendFsync = "appendfsync";
    acl_pubsub_default: AclPubsubDefault = "acl-pubsub-default";
    enable_protected_configs: ProtectedAction = "enable-protected-configs";
    enable_debug_command: ProtectedAction = "enable-debug-command";
    enable_module_command: ProtectedAction = "enable-module-command";
    enable_test_commands: ProtectedAction = "enable-test-commands";
    supervised: Supervised = "supervised";
    log_format: LogFormat = "log-format";
    log_timestamp_format: LogTimestampFormat = "log-timestamp-format";
    tls_auth_clients: TlsClientAuthentication = "tls-auth-clients";
    syslog_facility: SyslogFacility = "syslog-facility";
    oom_score_adj: OomScoreAdjust = "oom-score-adj";
}

texts! {
    requirepass = "requirepass";
    masteruser = "masteruser";
    masterauth = "masterauth";
    replica_announce_ip = "replica-announce-ip";
    bind_source_addr = "bind-source-addr";
    aclfile = "aclfile";
    dir = "dir";
    dbfilename = "dbfilename";
    appendfilename = "appendfilename";
    appenddirname = "appenddirname";
    logfile = "logfile";
    pidfile = "pidfile";
    syslog_ident = "syslog-ident";
    tls_cert_file = "tls-cert-file";
    tls_key_file = "tls-key-file";
    tls_key_file_pass = "tls-key-file-pass";
    tls_ca_cert_file = "tls-ca-cert-file";
    tls_ca_cert_dir = "tls-ca-cert-dir";
    tls_protocols = "tls-protocols";
    tls_ciphersuites = "tls-ciphersuites";
    unixsocketgroup = "unixsocketgroup";
    unixsocket = "unixsocket";
    proc_title_template = "proc-title-template";
    availability_zone = "availability-zone";
}

/// The classes of clients that `client-output-buffer-limit` tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientClass {
    /// Those who send commands.
    Normal = 0,
    /// Replicas.
    Replica = 1,
    /// Those who are subscribed to a channel or pattern.
    PubSub = 2,
}

impl Config {
    /// How much may wait for a client of this class.
    pub fn output_buffer_limit(&self, class: ClientClass) -> OutputBufferLimit {
        self.output_buffer_limits[class as usize].load()
    }

    /// `maxmemory-clients` in bytes, a percentage being of `maxmemory`; 0 is no limit.
    pub fn maxmemory_clients(&self) -> u64 {
        const ID: DirectiveId = DirectiveId::of("maxmemory-clients");
        match u64::try_from(self.number(ID)) {
            Ok(bytes) => bytes,
            Err(_) => {
                let percent = u128::from(self.number(ID).unsigned_abs());
                // At most 100 percent of a u64.
                (u128::from(self.maxmemory()) * percent / 100) as u64
            }
        }
    }

    /// How entries note their use, as `maxmemory-policy` and the `lfu-*` directives want it.
    pub(crate) fn access_rules(&self) -> AccessRules {
        AccessRules {
            is_lfu: self.maxmemory_policy().is_lfu(),
            lfu_log_factor: self.lfu_log_factor(),
            lfu_decay_minutes: self.lfu_decay_time_minutes(),
        }
    }

    /// `shutdown-on-sigint`.
    pub fn shutdown_on_sigint(&self) -> ShutdownFlags {
        const ID: DirectiveId = DirectiveId::of("shutdown-on-sigint");
        ShutdownFlags::from_bits_truncate(self.number(ID))
    }

    /// `shutdown-on-sigterm`.
    pub fn shutdown_on_sigterm(&self) -> ShutdownFlags {
        const ID: DirectiveId = DirectiveId::of("shutdown-on-sigterm");
        ShutdownFlags::from_bits_truncate(self.number(ID))
    }

    /// `save`; empty when nothing is ever saved by itself.
    pub fn save_points(&self) -> Vec<SavePoint> {
        const ID: DirectiveId = DirectiveId::of("save");
        match &self.state.read().values[ID.index()] {
            Value::Save(points) => points.clone(),
            _ => Vec::new(),
        }
    }

    /// `bind`, each address as it was written, with its leading `-` if it has one.
    pub fn bind_addresses(&self) -> Vec<Vec<u8>> {
        const ID: DirectiveId = DirectiveId::of("bind");
        match &self.state.read().values[ID.index()] {
            Value::Addresses(addresses) => addresses.clone(),
            _ => Vec::new(),
        }
    }

    /// `replicaof`: host and port.
    pub fn replica_of(&self) -> Option<(Vec<u8>, u16)> {
        const ID: DirectiveId = DirectiveId::of("replicaof");
        match &self.state.read().values[ID.index()] {
            Value::ReplicaOf(master) => master.clone(),
            _ => None,
        }
    }

    /// `oom-score-adj-values`: for a master, a replica and a background child.
    pub fn oom_score_adj_values(&self) -> [i32; 3] {
        const ID: DirectiveId = DirectiveId::of("oom-score-adj-values");
        match &self.state.read().values[ID.index()] {
            Value::OomScores(scores) => *scores,
            _ => [0; 3],
        }
    }

    /// `latency-tracking-info-percentiles`.
    pub fn latency_percentiles(&self) -> Vec<f64> {
        const ID: DirectiveId = DirectiveId::of("latency-tracking-info-percentiles");
        match &self.state.read().values[ID.index()] {
            Value::Percentiles(percentiles) => percentiles.clone(),
            _ => Vec::new(),
        }
    }

    /// A number that changes whenever the configuration does. Whoever keeps something derived from
    /// it compares.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The encoding limits as they are now; see [`CachedLimits`] for the hot path.
    pub fn encoding_limits(&self) -> Arc<EncodingLimits> {
        Arc::clone(&self.encoding_limits.read())
    }

    /// The limits by the numbers as they stand.
    pub(super) fn fresh_encoding_limits(&self, hash_seed: u64) -> EncodingLimits {
        macro_rules! number {
            ($name:literal) => {{
                const ID: DirectiveId = DirectiveId::of($name);
                self.number(ID)
            }};
        }
        EncodingLimits {
            hash_max_listpack_entries: number!("hash-max-listpack-entries") as usize,
            hash_max_listpack_value: number!("hash-max-listpack-value") as usize,
            set_max_intset_entries: number!("set-max-intset-entries") as usize,
            set_max_listpack_entries: number!("set-max-listpack-entries") as usize,
            set_max_listpack_value: number!("set-max-listpack-value") as usize,
            zset_max_listpack_entries: number!("zset-max-listpack-entries") as usize,
            zset_max_listpack_value: number!("zset-max-listpack-value") as usize,
            list_max_listpack_size: number!("list-max-listpack-size"),
            list_compress_depth: number!("list-compress-depth"),
            stream_node_max_bytes: number!("stream-node-max-bytes") as u64,
            stream_node_max_entries: number!("stream-node-max-entries") as u64,
            hash_seed,
        }
    }

    fn number(&self, id: DirectiveId) -> i64 {
        self.numbers[id.index()].load(Ordering::Relaxed)
    }

    fn text(&self, id: DirectiveId) -> Vec<u8> {
        match &self.state.read().values[id.index()] {
            Value::Text(Some(text)) => text.clone(),
            _ => Vec::new(),
        }
    }
}

/// A worker's own snapshot of the encoding limits: while nothing changes, reading them costs one
/// load.
#[derive(Debug, Clone)]
pub struct CachedLimits {
    generation: u64,
    limits: Arc<EncodingLimits>,
}

impl CachedLimits {
    /// Takes the first snapshot.
    pub fn new(config: &Config) -> Self {
        // The generation is read first: a change in between makes the snapshot too new for its
        // number, and it is then merely taken again.
        let generation = config.generation();
        Self {
            generation,
            limits: config.encoding_limits(),
        }
    }

    /// The limits as they are now.
    pub fn get(&mut self, config: &Config) -> &Arc<EncodingLimits> {
        if self.generation != config.generation() {
            *self = Self::new(config);
        }
        &self.limits
    }
}
