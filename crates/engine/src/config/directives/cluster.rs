//! Rows of the configuration table: the cluster.

use super::checks;
use crate::config::directive::{
    Directive, Flags, Kind,
    bounds::{INT_MAX, LONG_MAX, PORT_MAX, ULONG_MAX},
    integer, memory, one_of, optional_text, text, yes_no,
};
use crate::config::enumerations::ClusterEndpoint;

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "cluster-enabled",
        kind: yes_no(false),
        flags: Flags::IMMUTABLE,
        summary: "Runs as a node of a cluster.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-config-file",
        kind: text("nodes.conf"),
        flags: Flags::IMMUTABLE,
        summary: "The file in which the node keeps what it knows of the cluster.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-node-timeout",
        kind: integer(0, LONG_MAX, 15000),
        summary: "Milliseconds of silence after which a node is taken for dead.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-port",
        kind: integer(0, PORT_MAX, 0),
        flags: Flags::IMMUTABLE,
        summary: "The port of the cluster bus; 0 is the TCP port plus 10000.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-replica-validity-factor",
        alias: Some("cluster-slave-validity-factor"),
        kind: integer(0, INT_MAX, 10),
        summary: "How stale a replica may be to be promoted; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-replica-no-failover",
        alias: Some("cluster-slave-no-failover"),
        kind: yes_no(false),
        summary: "Keeps this replica from promoting itself.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-migration-barrier",
        kind: integer(0, INT_MAX, 1),
        summary: "How many replicas a master keeps when one leaves it for an orphan.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-allow-replica-migration",
        kind: yes_no(true),
        summary: "Lets replicas leave for masters that have none.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-require-full-coverage",
        kind: yes_no(true),
        summary: "Stops answering when a slot has no node.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-allow-reads-when-down",
        kind: yes_no(false),
        summary: "Answers reads although the cluster is down.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-allow-pubsubshard-when-down",
        kind: yes_no(true),
        summary: "Serves sharded channels although the cluster is down.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-link-sendbuf-limit",
        kind: memory(0, ULONG_MAX, 0),
        summary: "Bytes waiting to be sent at which a link to another node is dropped; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-announce-ip",
        kind: optional_text(),
        summary: "The address that other nodes are told.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-announce-port",
        kind: integer(0, PORT_MAX, 0),
        summary: "The port that other nodes are told; 0 is its own.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-announce-tls-port",
        kind: integer(0, PORT_MAX, 0),
        summary: "The TLS port that other nodes are told; 0 is its own.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-announce-bus-port",
        kind: integer(0, PORT_MAX, 0),
        summary: "The bus port that other nodes are told; 0 is its own.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-announce-hostname",
        kind: Kind::Text {
            default: None,
            empty_is_none: true,
            check: Some(checks::announced_host_name),
        },
        summary: "The host name that clients are told.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-announce-human-nodename",
        kind: Kind::Text {
            default: None,
            empty_is_none: true,
            check: Some(checks::announced_node_name),
        },
        summary: "The name by which logs call this node.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "cluster-preferred-endpoint-type",
        kind: one_of(ClusterEndpoint::WORDS, ClusterEndpoint::Ip as i64),
        summary: "Whether clients are told addresses or host names.",
        ..Directive::DEFAULT
    },
];
