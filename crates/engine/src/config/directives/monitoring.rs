//! Rows of the configuration table: slow log, latency, and the events that clients may listen to.

use crate::config::directive::{Directive, Flags, Kind, bounds::LONG_MAX, integer, yes_no};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "slowlog-log-slower-than",
        alias: Some("commandlog-execution-slower-than"),
        kind: integer(-1, LONG_MAX, 10000),
        flags: Flags::HIDDEN_ALIAS,
        summary: "Microseconds from which a command is put into the slow log; -1 is never.",
    },
    Directive {
        name: "slowlog-max-len",
        alias: Some("commandlog-slow-execution-max-len"),
        kind: integer(0, LONG_MAX, 128),
        flags: Flags::HIDDEN_ALIAS,
        summary: "How many commands the slow log remembers.",
    },
    Directive {
        name: "commandlog-request-larger-than",
        kind: integer(-1, LONG_MAX, 1024 * 1024),
        summary: "Bytes from which a request is put into the command log; -1 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "commandlog-large-request-max-len",
        kind: integer(0, LONG_MAX, 128),
        summary: "How many large requests the command log remembers.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "commandlog-reply-larger-than",
        kind: integer(-1, LONG_MAX, 1024 * 1024),
        summary: "Bytes from which the command of a reply is put into the command log; -1 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "commandlog-large-reply-max-len",
        kind: integer(0, LONG_MAX, 128),
        summary: "How many large replies the command log remembers.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "latency-monitor-threshold",
        kind: integer(0, LONG_MAX, 0),
        summary: "Milliseconds from which LATENCY remembers an event; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "latency-tracking",
        kind: yes_no(true),
        summary: "Keeps a histogram of durations for every command.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "latency-tracking-info-percentiles",
        kind: Kind::Percentiles,
        flags: Flags::MULTI_ARGUMENT,
        summary: "The percentiles of those histograms that INFO shows.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "notify-keyspace-events",
        kind: Kind::KeyspaceEvents,
        summary: "Which changes of keys are published, by their letters.",
        ..Directive::DEFAULT
    },
];
