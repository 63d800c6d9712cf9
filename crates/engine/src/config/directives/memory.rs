//! Rows of the configuration table: how much memory the data may take, what goes when it is full, and how it is freed.

use super::checks;
use crate::config::directive::{
    Directive, Kind,
    bounds::{INT_MAX, LONG_MAX, ULONG_MAX},
    integer, memory, one_of, yes_no,
};
use crate::config::enumerations::MaxmemoryPolicy;

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "maxmemory",
        kind: memory(0, ULONG_MAX, 0),
        summary: "Bytes that the data may use; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "maxmemory-policy",
        kind: one_of(MaxmemoryPolicy::WORDS, MaxmemoryPolicy::NoEviction as i64),
        summary: "Which keys go when maxmemory is reached.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "maxmemory-samples",
        kind: integer(1, 64, 5),
        summary: "How many keys are compared to find the one to evict.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "maxmemory-eviction-tenacity",
        kind: integer(0, 100, 10),
        summary: "How long eviction may keep a request waiting, from 0 to 100 (for as long as it takes).",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lfu-log-factor",
        kind: integer(0, INT_MAX, 10),
        summary: "How slowly the access counter of a key grows.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lfu-decay-time",
        kind: integer(0, INT_MAX, 1),
        summary: "Minutes after which the access counter of an unused key shrinks.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-expire-effort",
        kind: integer(1, 10, 1),
        summary: "How hard background work looks for expired keys, from 1 to 10.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lazyexpire-nested-arbitrary-keys",
        kind: yes_no(true),
        summary: "Lets commands in scripts and transactions delete expired keys that they merely meet.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lazyfree-lazy-eviction",
        kind: yes_no(false),
        summary: "Frees evicted values in the background.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lazyfree-lazy-expire",
        kind: yes_no(false),
        summary: "Frees expired values in the background.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lazyfree-lazy-server-del",
        kind: yes_no(false),
        summary: "Frees overwritten values in the background.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lazyfree-lazy-user-del",
        kind: yes_no(false),
        summary: "Makes DEL behave as UNLINK.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "lazyfree-lazy-user-flush",
        kind: yes_no(false),
        summary: "Makes FLUSHALL, FLUSHDB, SCRIPT FLUSH and FUNCTION FLUSH asynchronous unless told otherwise.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "activerehashing",
        kind: yes_no(true),
        summary: "Spends background time on finishing the growth of tables.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "jemalloc-bg-thread",
        kind: yes_no(true),
        summary: "Lets the allocator return memory in a thread of its own.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "activedefrag",
        kind: Kind::YesNo {
            default: false,
            refusal: Some(checks::NO_ACTIVE_DEFRAGMENTATION),
        },
        summary: "Moves values together while the server runs.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-ignore-bytes",
        kind: memory(1, LONG_MAX, 100 << 20),
        summary: "Bytes of fragmentation below which nothing is moved.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-threshold-lower",
        kind: integer(0, 1000, 10),
        summary: "Percent of fragmentation at which moving starts.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-threshold-upper",
        kind: integer(0, 1000, 100),
        summary: "Percent of fragmentation at which most effort is spent.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-cycle-min",
        kind: integer(1, 99, 1),
        summary: "Percent of a processor spent on it at the lower threshold.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-cycle-max",
        kind: integer(1, 99, 25),
        summary: "Percent of a processor spent on it at the upper threshold.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-cycle-us",
        kind: integer(0, 100000, 500),
        summary: "Microseconds that one step of it lasts.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "active-defrag-max-scan-fields",
        kind: integer(1, LONG_MAX, 1000),
        summary: "Elements of a collection above which it is moved in several steps.",
        ..Directive::DEFAULT
    },
];
