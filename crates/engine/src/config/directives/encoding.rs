//! Rows of the configuration table: the sizes up to which collections stay in their compact forms.

use crate::config::directive::{
    Directive,
    bounds::{INT_MAX, INT_MIN, LONG_MAX},
    integer, memory,
};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "hash-max-listpack-entries",
        alias: Some("hash-max-ziplist-entries"),
        kind: integer(0, LONG_MAX, 512),
        summary: "Fields up to which a hash stays compact.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "hash-max-listpack-value",
        alias: Some("hash-max-ziplist-value"),
        kind: memory(0, LONG_MAX, 64),
        summary: "Bytes of a field or value up to which a hash stays compact.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "list-max-listpack-size",
        alias: Some("list-max-ziplist-size"),
        kind: integer(INT_MIN, INT_MAX, -2),
        summary: "Elements in a node of a list, or as -1 to -5 its bytes: 4 to 64 KiB.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "list-compress-depth",
        kind: integer(0, INT_MAX, 0),
        summary: "Nodes at either end of a list that are never compressed; 0 compresses none.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "set-max-intset-entries",
        kind: integer(0, LONG_MAX, 512),
        summary: "Members up to which a set of integers is kept as such.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "set-max-listpack-entries",
        kind: integer(0, LONG_MAX, 128),
        summary: "Members up to which a set of strings stays compact.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "set-max-listpack-value",
        kind: integer(0, LONG_MAX, 64),
        summary: "Bytes of a member up to which a set of strings stays compact.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "zset-max-listpack-entries",
        alias: Some("zset-max-ziplist-entries"),
        kind: integer(0, LONG_MAX, 128),
        summary: "Members up to which a sorted set stays compact.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "zset-max-listpack-value",
        alias: Some("zset-max-ziplist-value"),
        kind: memory(0, LONG_MAX, 64),
        summary: "Bytes of a member up to which a sorted set stays compact.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "stream-node-max-bytes",
        kind: memory(0, LONG_MAX, 4096),
        summary: "Bytes in a node of a stream; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "stream-node-max-entries",
        kind: integer(0, LONG_MAX, 100),
        summary: "Entries in a node of a stream; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "hll-sparse-max-bytes",
        kind: memory(0, LONG_MAX, 3000),
        summary: "Bytes up to which a HyperLogLog stays sparse.",
        ..Directive::DEFAULT
    },
];
