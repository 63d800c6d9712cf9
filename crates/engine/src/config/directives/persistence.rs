//! Rows of the configuration table: RDB and append-only file.

use super::checks;
use crate::config::directive::{
    Directive, Flags, Kind,
    bounds::{INT_MAX, INT_MIN, LONG_MAX},
    integer, memory, one_of, yes_no,
};
use crate::config::enumerations::{AppendFsync, RdbVersionCheck};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "dir",
        kind: Kind::Directory,
        flags: Flags::PROTECTED.union(Flags::DENY_LOADING),
        summary: "The directory in which the data files lie.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "save",
        kind: Kind::Save,
        flags: Flags::MULTI_ARGUMENT,
        summary: "Pairs of seconds and changes: a background save starts after so many seconds with so many changes.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "dbfilename",
        kind: Kind::Text {
            default: Some("dump.rdb"),
            empty_is_none: false,
            check: Some(checks::database_file_name),
        },
        flags: Flags::PROTECTED,
        summary: "The name of the RDB file.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "rdbcompression",
        kind: yes_no(true),
        summary: "Compresses strings in the RDB file.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "rdbchecksum",
        kind: yes_no(true),
        flags: Flags::IMMUTABLE,
        summary: "Ends the RDB file with a checksum, and checks it when loading.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "rdb-version-check",
        kind: one_of(RdbVersionCheck::WORDS, RdbVersionCheck::Strict as i64),
        summary: "Whether RDB files of unknown versions are refused.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "rdb-del-sync-files",
        kind: yes_no(false),
        summary: "Deletes the RDB files of replication when nothing else needs them.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "rdb-save-incremental-fsync",
        kind: yes_no(true),
        summary: "Flushes the RDB file to disk bit by bit while it is written.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "rdb-key-save-delay",
        kind: integer(INT_MIN, INT_MAX, 0),
        flags: Flags::HIDDEN,
        summary: "Microseconds to wait after each saved key, for tests.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "key-load-delay",
        kind: integer(INT_MIN, INT_MAX, 0),
        flags: Flags::HIDDEN,
        summary: "Microseconds to wait after each loaded key, for tests.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "loading-process-events-interval-bytes",
        kind: integer(1024, INT_MAX, 2 * 1024 * 1024),
        flags: Flags::HIDDEN,
        summary: "Bytes between two looks at the clients while loading.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "stop-writes-on-bgsave-error",
        kind: yes_no(true),
        summary: "Refuses writes after a background save has failed.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "appendonly",
        kind: yes_no(false),
        flags: Flags::DENY_LOADING,
        summary: "Logs every write to the append-only file.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "appendfilename",
        kind: Kind::Text {
            default: Some("appendonly.aof"),
            empty_is_none: false,
            check: Some(checks::append_file_name),
        },
        flags: Flags::IMMUTABLE,
        summary: "The base name of the append-only files.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "appenddirname",
        kind: Kind::Text {
            default: Some("appendonlydir"),
            empty_is_none: false,
            check: Some(checks::append_directory_name),
        },
        flags: Flags::IMMUTABLE,
        summary: "The directory of the append-only files, inside dir.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "appendfsync",
        kind: one_of(AppendFsync::WORDS, AppendFsync::EverySecond as i64),
        summary: "When the append-only file is forced to disk.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "no-appendfsync-on-rewrite",
        kind: yes_no(false),
        summary: "Does not force it to disk while a save or rewrite is running.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "auto-aof-rewrite-percentage",
        kind: integer(0, INT_MAX, 100),
        summary: "Percent of growth after which it is rewritten; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "auto-aof-rewrite-min-size",
        kind: memory(0, LONG_MAX, 64 * 1024 * 1024),
        summary: "Bytes below which it is not rewritten by itself.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "aof-load-truncated",
        kind: yes_no(true),
        summary: "Loads an append-only file whose end is missing.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "aof-use-rdb-preamble",
        kind: yes_no(true),
        summary: "Writes the base of the append-only file as RDB.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "aof-timestamp-enabled",
        kind: yes_no(false),
        summary: "Notes the time in the append-only file.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "aof-rewrite-incremental-fsync",
        kind: yes_no(true),
        summary: "Flushes the rewritten file to disk bit by bit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "aof-disable-auto-gc",
        kind: yes_no(false),
        summary: "Keeps append-only files that are no longer needed.",
        ..Directive::DEFAULT
    },
];
