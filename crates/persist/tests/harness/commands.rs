//! Commands that change data in every way.

use proptest::prelude::*;

const KEYS: u32 = 400;

/// A command on one of some keys: every way in which an entry can change, come and go.
pub fn command() -> impl Strategy<Value = String> {
    let key = || (0..KEYS).prop_map(|n| format!("key:{n}"));
    let small = 0u32..50;
    prop_oneof![
        4 => (key(), small.clone()).prop_map(|(key, n)| format!("SET {key} value:{n}")),
        1 => key().prop_map(|key| format!("SET {key} {}", "long ".trim().repeat(400))),
        2 => key().prop_map(|key| format!("INCR {key}")),
        2 => key().prop_map(|key| format!("APPEND {key} more")),
        2 => (key(), small.clone()).prop_map(|(key, n)| format!("SETRANGE {key} {n} x")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("RPUSH {key} element:{n}")),
        1 => key().prop_map(|key| format!("LPOP {key}")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("SADD {key} {n}")),
        1 => (key(), small.clone()).prop_map(|(key, n)| format!("SREM {key} {n}")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("HSET {key} field:{n} {n}")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("ZADD {key} {n} member:{n}")),
        4 => key().prop_map(|key| format!("DEL {key}")),
        2 => (key(), 1u32..2000).prop_map(|(key, ms)| format!("PEXPIRE {key} {ms}")),
        2 => key().prop_map(|key| format!("PERSIST {key}")),
        3 => (key(), key()).prop_map(|(from, to)| format!("RENAME {from} {to}")),
        2 => (key(), key()).prop_map(|(from, to)| format!("COPY {from} {to} REPLACE")),
        3 => (key(), 0u32..3).prop_map(|(key, db)| format!("MOVE {key} {db}")),
        2 => (0u32..3).prop_map(|db| format!("SELECT {db}")),
        1 => (0u32..3, 0u32..3).prop_map(|(a, b)| format!("SWAPDB {a} {b}")),
        1 => Just("FLUSHDB".to_owned()),
        1 => (key(), key()).prop_map(|(a, b)| format!("SUNIONSTORE {a} {b}")),
        2 => (key(), small.clone()).prop_map(|(key, n)| {
            format!("HPEXPIRE {key} {} FIELDS 1 field:{n}", n * 20 + 1)
        }),
        1 => (key(), small.clone()).prop_map(|(key, n)| format!("HPERSIST {key} FIELDS 1 field:{n}")),
        1 => (key(), small.clone()).prop_map(|(key, n)| format!("HGETDEL {key} FIELDS 1 field:{n}")),
        2 => (key(), small.clone()).prop_map(|(key, n)| format!("XADD {key} * field {n}")),
        1 => key().prop_map(|key| format!("XTRIM {key} MAXLEN 2")),
        1 => (key(), key()).prop_map(|(from, to)| format!("RPOPLPUSH {from} {to}")),
        1 => key().prop_map(|key| format!("SPOP {key}")),
        1 => key().prop_map(|key| format!("GETDEL {key}")),
        1 => (key(), small.clone()).prop_map(|(key, n)| format!("PFADD {key} {n}")),
        1 => (key(), small.clone()).prop_map(|(key, n)| format!("SETBIT {key} {n} 1")),
        1 => (key(), 0u32..3).prop_map(|(key, db)| format!("COPY {key} {key} DB {db} REPLACE")),
        // Whoever comes next must make room.
        1 => (50u32..300).prop_map(|kb| format!("CONFIG SET maxmemory {kb}kb")),
        1 => Just("CONFIG SET maxmemory 0".to_owned()),
        // Many at once, so that tables grow between two steps; and shrink again.
        1 => (0u32..4).prop_map(|n| format!("DEBUG POPULATE 1500 many:{n} 8")),
        1 => Just("FLUSHDB ASYNC".to_owned()),
    ]
}
