//! Rows of the configuration table: masters and replicas.

use crate::config::directive::{
    Directive, Flags, Kind, NumberForm,
    bounds::{INT_MAX, LONG_MAX, PORT_MAX},
    integer, memory, one_of, optional_text, yes_no,
};
use crate::config::enumerations::{DisklessLoad, PropagationError};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "replicaof",
        alias: Some("slaveof"),
        kind: Kind::ReplicaOf,
        flags: Flags::IMMUTABLE.union(Flags::MULTI_ARGUMENT),
        summary: "The host and port of the master.",
    },
    Directive {
        name: "masterauth",
        alias: Some("primaryauth"),
        kind: optional_text(),
        flags: Flags::SENSITIVE.union(Flags::HIDDEN_ALIAS),
        summary: "The password with which a replica logs in.",
    },
    Directive {
        name: "masteruser",
        alias: Some("primaryuser"),
        kind: optional_text(),
        flags: Flags::SENSITIVE.union(Flags::HIDDEN_ALIAS),
        summary: "The user as whom a replica logs in.",
    },
    Directive {
        name: "replica-serve-stale-data",
        alias: Some("slave-serve-stale-data"),
        kind: yes_no(true),
        summary: "Lets a replica answer while it is cut off from its master.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-read-only",
        alias: Some("slave-read-only"),
        kind: yes_no(true),
        summary: "Lets a replica refuse writes.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-ignore-maxmemory",
        alias: Some("slave-ignore-maxmemory"),
        kind: yes_no(true),
        summary: "Leaves eviction to the master.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-ignore-disk-write-errors",
        kind: yes_no(false),
        summary: "Lets a replica go on when it cannot write to disk.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-lazy-flush",
        alias: Some("slave-lazy-flush"),
        kind: yes_no(false),
        summary: "Frees the old data set in the background before a full synchronization.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-full-sync-buffer-limit",
        kind: memory(0, LONG_MAX, 0),
        summary: "Bytes of the replication stream that a replica keeps during a full synchronization; 0 is client-output-buffer-limit's.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-priority",
        alias: Some("slave-priority"),
        kind: integer(0, INT_MAX, 100),
        summary: "Which replica is promoted first, the lowest; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-announced",
        kind: yes_no(true),
        summary: "Lets Sentinel know of this replica.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-announce-ip",
        alias: Some("slave-announce-ip"),
        kind: optional_text(),
        summary: "The address that a replica tells its master.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "replica-announce-port",
        alias: Some("slave-announce-port"),
        kind: integer(0, PORT_MAX, 0),
        summary: "The port that a replica tells its master; 0 is its own.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-diskless-sync",
        kind: yes_no(true),
        summary: "Sends the data set to replicas without a file.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-diskless-sync-delay",
        kind: integer(0, INT_MAX, 5),
        summary: "Seconds to wait for more replicas before it is sent.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-diskless-sync-max-replicas",
        kind: integer(0, INT_MAX, 0),
        summary: "How many replicas end that wait; 0 is no number.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-diskless-load",
        kind: one_of(DisklessLoad::WORDS, DisklessLoad::Disabled as i64),
        flags: Flags::DENY_LOADING,
        summary: "Whether a replica loads the data set straight from the connection.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "dual-channel-replication-enabled",
        kind: yes_no(false),
        summary: "Sends data set and changes over two connections.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-disable-tcp-nodelay",
        kind: yes_no(false),
        summary: "Sends fewer packets to replicas, later.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-backlog-size",
        // Redis keeps at least 16 KiB, whatever is asked for.
        kind: Kind::Number {
            form: NumberForm::Memory,
            minimum: 1,
            maximum: LONG_MAX,
            default: 1024 * 1024,
            clamp: Some((16 * 1024, i64::MAX)),
        },
        summary: "Bytes of changes kept for replicas that come back.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-backlog-ttl",
        kind: integer(0, LONG_MAX, 3600),
        summary: "Seconds after the last replica left until they are forgotten; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-timeout",
        kind: integer(1, INT_MAX, 60),
        summary: "Seconds of silence after which master or replica is taken for dead.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-ping-replica-period",
        alias: Some("repl-ping-slave-period"),
        kind: integer(1, INT_MAX, 10),
        summary: "Seconds between two pings to replicas.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "repl-mptcp",
        kind: yes_no(false),
        summary: "Uses Multipath TCP to the master.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "min-replicas-to-write",
        alias: Some("min-slaves-to-write"),
        kind: integer(0, INT_MAX, 0),
        summary: "How many replicas must be near for writes to be accepted; 0 is off.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "min-replicas-max-lag",
        alias: Some("min-slaves-max-lag"),
        kind: integer(0, INT_MAX, 10),
        summary: "Seconds of lag up to which a replica is near.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "propagation-error-behavior",
        kind: one_of(PropagationError::WORDS, PropagationError::Ignore as i64),
        summary: "What happens when the replication stream makes no sense.",
        ..Directive::DEFAULT
    },
];
