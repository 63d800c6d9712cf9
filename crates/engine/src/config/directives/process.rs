//! Rows of the configuration table: the process itself: threads, identity, logs, signals and the machine under it.

use super::checks;
use crate::config::directive::{
    Directive, Flags, Kind, NumberForm,
    bounds::{INT_MAX, LONG_MAX},
    integer, one_of, optional_text, text, yes_no,
};
use crate::config::enumerations::{
    LogFormat, LogLevel, LogTimestampFormat, OomScoreAdjust, ShutdownFlags, Supervised,
    SyslogFacility,
};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "daemonize",
        kind: yes_no(false),
        flags: Flags::IMMUTABLE,
        summary: "Runs in the background.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "supervised",
        kind: one_of(Supervised::WORDS, Supervised::No as i64),
        flags: Flags::IMMUTABLE,
        summary: "The supervisor that is told when the server is ready.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "pidfile",
        kind: optional_text(),
        flags: Flags::IMMUTABLE,
        summary: "The file into which the process id is written.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "databases",
        kind: integer(1, INT_MAX, 16),
        flags: Flags::IMMUTABLE,
        summary: "How many databases there are to SELECT.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "default-ttl",
        kind: integer(0, (i64::MAX / 1000) as u64, 0),
        summary: "Seconds that a key written without an expiry lives; 0 is for ever.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "hz",
        kind: Kind::Number {
            form: NumberForm::Integer,
            minimum: 0,
            maximum: INT_MAX,
            default: 10,
            clamp: Some((1, 500)),
        },
        summary: "How often in a second background work is done.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "dynamic-hz",
        kind: yes_no(true),
        summary: "Does background work more often when there are many clients.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "io-threads",
        kind: integer(1, 128, 1),
        flags: Flags::IMMUTABLE,
        summary: "How many workers read, execute and answer requests.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "io-threads-always-active",
        kind: yes_no(false),
        summary: "Lets every worker have connections, also where fewer would do as well.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "io-threads-do-reads",
        kind: yes_no(false),
        flags: Flags::IMMUTABLE,
        summary: "Accepted and ignored: every worker reads its own requests.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "prefetch-batch-max-size",
        kind: integer(0, 128, 16),
        summary: "How many pipelined commands have their keys fetched from memory ahead of execution.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "always-show-logo",
        kind: yes_no(false),
        flags: Flags::IMMUTABLE,
        summary: "Greets in the log with a picture even when the log is no terminal.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "set-proc-title",
        kind: yes_no(true),
        flags: Flags::IMMUTABLE,
        summary: "Shows what the server does in its process title.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "proc-title-template",
        kind: Kind::Text {
            default: Some("{title} {listen-addr} {server-mode}"),
            empty_is_none: false,
            check: Some(checks::process_title_template),
        },
        summary: "The process title, with variables in braces.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "loglevel",
        kind: one_of(LogLevel::WORDS, LogLevel::Notice as i64),
        summary: "How much is logged.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "logfile",
        kind: text(""),
        flags: Flags::IMMUTABLE,
        summary: "The file that is logged to; empty is standard output.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "log-format",
        kind: one_of(LogFormat::WORDS, LogFormat::Legacy as i64),
        summary: "The form of a line in the log.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "log-timestamp-format",
        kind: one_of(LogTimestampFormat::WORDS, LogTimestampFormat::Legacy as i64),
        summary: "The form of the time in a line of the log.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "hide-user-data-from-log",
        kind: yes_no(false),
        summary: "Keeps names and values of keys out of the log.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "syslog-enabled",
        kind: yes_no(false),
        flags: Flags::IMMUTABLE,
        summary: "Logs to syslog as well.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "syslog-ident",
        kind: text("redis"),
        flags: Flags::IMMUTABLE,
        summary: "The name under which syslog knows the server.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "syslog-facility",
        kind: one_of(SyslogFacility::WORDS, SyslogFacility::Local0 as i64),
        flags: Flags::IMMUTABLE,
        summary: "The facility under which syslog files our lines.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "crash-log-enabled",
        kind: yes_no(true),
        summary: "Logs a report when the server crashes.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "crash-memcheck-enabled",
        kind: yes_no(true),
        summary: "Tests the memory when the server crashes.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "use-exit-on-panic",
        kind: yes_no(false),
        flags: Flags::HIDDEN,
        summary: "Exits instead of aborting when an assertion fails.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "watchdog-period",
        kind: integer(0, INT_MAX, 0),
        flags: Flags::HIDDEN,
        summary: "Milliseconds of silence of the event loop after which it is logged where it hangs; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "ignore-warnings",
        kind: text(""),
        summary: "The startup warnings that are not to stop the server.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "locale-collate",
        kind: text(""),
        summary: "The locale by which SORT ALPHA compares; empty is the environment's.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "disable-thp",
        kind: yes_no(true),
        flags: Flags::IMMUTABLE,
        summary: "Asks the kernel not to use transparent huge pages.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "oom-score-adj",
        kind: one_of(OomScoreAdjust::WORDS, OomScoreAdjust::No as i64),
        summary: "Whether to tell the kernel how readily to kill this process when memory runs out.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "oom-score-adj-values",
        kind: Kind::OomScoreValues,
        flags: Flags::MULTI_ARGUMENT,
        summary: "What it is told for a master, a replica and a background child.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "server_cpulist",
        alias: Some("server-cpulist"),
        kind: optional_text(),
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN_ALIAS),
        summary: "The processors on which the server runs.",
    },
    Directive {
        name: "bio_cpulist",
        alias: Some("bio-cpulist"),
        kind: optional_text(),
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN_ALIAS),
        summary: "The processors on which background work runs.",
    },
    Directive {
        name: "aof_rewrite_cpulist",
        alias: Some("aof-rewrite-cpulist"),
        kind: optional_text(),
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN_ALIAS),
        summary: "The processors on which the append-only file is rewritten.",
    },
    Directive {
        name: "bgsave_cpulist",
        alias: Some("bgsave-cpulist"),
        kind: optional_text(),
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN_ALIAS),
        summary: "The processors on which background saves run.",
    },
    Directive {
        name: "shutdown-on-sigint",
        kind: Kind::Enumeration {
            words: ShutdownFlags::WORDS,
            default: 0,
            check: Some(ShutdownFlags::check),
        },
        flags: Flags::MULTI_ARGUMENT,
        summary: "How SIGINT shuts the server down.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "shutdown-on-sigterm",
        kind: Kind::Enumeration {
            words: ShutdownFlags::WORDS,
            default: 0,
            check: Some(ShutdownFlags::check),
        },
        flags: Flags::MULTI_ARGUMENT,
        summary: "How SIGTERM shuts the server down.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "shutdown-timeout",
        kind: integer(0, INT_MAX, 10),
        summary: "Seconds that a shutdown waits for lagging replicas.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "busy-reply-threshold",
        alias: Some("lua-time-limit"),
        kind: integer(0, LONG_MAX, 5000),
        summary: "Milliseconds after which other clients learn that a script is still running.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lua-enable-deprecated-api",
        alias: Some("lua-enable-insecure-api"),
        kind: yes_no(false),
        flags: Flags::IMMUTABLE
            .union(Flags::HIDDEN)
            .union(Flags::HIDDEN_ALIAS),
        summary: "Lets scripts use what is deprecated in their API.",
    },
    Directive {
        name: "extended-redis-compatibility",
        kind: yes_no(false),
        summary: "Calls itself Redis in more places.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "import-mode",
        kind: yes_no(false),
        summary: "Keeps expired keys while data is being imported.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "availability-zone",
        kind: text(""),
        summary: "The availability zone that clients are told.",
        ..Directive::DEFAULT
    },
];
