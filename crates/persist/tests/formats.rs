//! What the formats of data sets keep: whatever a client can see that RDB keeps, JSON keeps, too.

mod harness;

use std::sync::atomic::Ordering;

use harness::{START_MS, Server, command};
use proptest::prelude::*;

/// Streams have keys of their own, so that something becomes of them.
const STREAMS: u32 = 3;

/// Entries have the first numbers of one of the first milliseconds.
fn id() -> impl Strategy<Value = String> {
    (1u32..6, 0u32..8).prop_map(|(ms, seq)| format!("{ms}-{seq}"))
}

/// Commands on streams and their groups, in every way in which their state can change.
fn stream_command() -> impl Strategy<Value = String> {
    let key = || (0..STREAMS).prop_map(|n| format!("stream:{n}"));
    let group = || (0u32..2).prop_map(|n| format!("group{n}"));
    let consumer = || (0u32..3).prop_map(|n| format!("consumer{n}"));
    prop_oneof![
        8 => (key(), 1u32..6, 0u32..90).prop_map(|(key, ms, n)| format!("XADD {key} {ms}-* field {n}")),
        2 => (key(), id()).prop_map(|(key, id)| format!("XADD {key} {id} a 1 b two")),
        4 => (key(), id()).prop_map(|(key, id)| format!("XDEL {key} {id}")),
        1 => (key(), 1u32..9).prop_map(|(key, n)| format!("XTRIM {key} MAXLEN ~ {n}")),
        1 => (key(), id()).prop_map(|(key, id)| format!("XTRIM {key} MINID {id}")),
        1 => (key(), id()).prop_map(|(key, id)| {
            format!("XSETID {key} 9-9 ENTRIESADDED 200 MAXDELETEDID {id}")
        }),
        2 => (key(), group(), id()).prop_map(|(key, group, id)| format!("XGROUP CREATE {key} {group} {id} MKSTREAM")),
        1 => (key(), group()).prop_map(|(key, group)| format!("XGROUP CREATE {key} {group} $")),
        1 => (key(), group(), id(), 0u32..9).prop_map(|(key, group, id, n)| {
            format!("XGROUP SETID {key} {group} {id} ENTRIESREAD {n}")
        }),
        1 => (key(), group()).prop_map(|(key, group)| format!("XGROUP DESTROY {key} {group}")),
        1 => (key(), group(), consumer()).prop_map(|(key, group, consumer)| {
            format!("XGROUP CREATECONSUMER {key} {group} {consumer}")
        }),
        1 => (key(), group(), consumer()).prop_map(|(key, group, consumer)| {
            format!("XGROUP DELCONSUMER {key} {group} {consumer}")
        }),
        6 => (key(), group(), consumer(), 1u32..5).prop_map(|(key, group, consumer, n)| {
            format!("XREADGROUP GROUP {group} {consumer} COUNT {n} STREAMS {key} >")
        }),
        2 => (key(), group(), id()).prop_map(|(key, group, id)| format!("XACK {key} {group} {id}")),
        2 => (key(), group(), consumer(), id(), 0u32..9).prop_map(|(key, group, consumer, id, n)| {
            format!("XCLAIM {key} {group} {consumer} 0 {id} RETRYCOUNT {n} TIME 1600000000000 FORCE")
        }),
        1 => (key(), group(), consumer()).prop_map(|(key, group, consumer)| {
            format!("XAUTOCLAIM {key} {group} {consumer} 0 0")
        }),
        1 => (1u32..6).prop_map(|n| format!("CONFIG SET stream-node-max-entries {n}")),
    ]
}

/// Everything that can be seen of a server's data.
fn everything(server: &mut Server) -> Vec<String> {
    let mut seen = vec![
        server.run("DEBUG DIGEST"),
        server.run("FUNCTION LIST WITHCODE"),
    ];
    for database in 0..3 {
        server.run(&format!("SELECT {database}"));
        seen.push(server.run("DBSIZE"));
        let listed = server.run("KEYS *");
        let mut keys: Vec<&str> = listed
            .split(' ')
            .filter(|word| word.contains(':'))
            .collect();
        keys.sort_unstable();
        for key in keys {
            let mut questions = [
                "TYPE",
                "OBJECT ENCODING",
                "PEXPIRETIME",
                "OBJECT FREQ",
                "OBJECT IDLETIME",
            ]
            .map(|command| format!("{command} {key}"))
            .to_vec();
            match server.run(&questions[0]).as_str() {
                "+stream" => questions.extend([
                    format!("XINFO STREAM {key}"),
                    format!("XINFO STREAM {key} FULL COUNT 0"),
                    format!("XINFO GROUPS {key}"),
                    format!("XINFO CONSUMERS {key} group0"),
                ]),
                "+hash" => questions
                    .extend((0..50).map(|n| format!("HPEXPIRETIME {key} FIELDS 1 field:{n}"))),
                _ => {}
            }
            for question in questions {
                let answer = server.run(&question);
                seen.push(format!("{database} {question}: {answer}"));
            }
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn json_keeps_whatever_rdb_keeps(
        policy in prop::sample::select(vec!["noeviction", "allkeys-lru", "allkeys-lfu"]),
        commands in prop::collection::vec(
            (prop_oneof![1 => command(), 2 => stream_command()], 0i64..3000), 1..250),
    ) {
        let directives = [("maxmemory-policy", policy)];
        let mut server = Server::new(&directives, START_MS);
        let library = b"#!lua name=l\nredis.register_function('f', function() return 1 end)";
        server.run_arguments(&[b"FUNCTION", b"LOAD", library]);
        for (command, ms) in commands {
            // That many keys say nothing more.
            if !command.starts_with("DEBUG POPULATE") {
                server.run(&command);
                server.clock.0.fetch_add(ms / 100, Ordering::Relaxed);
            }
        }
        server.run("CONFIG SET maxmemory 0");
        for _ in 0..32 {
            server.worker.run_cron();
        }
        let there = everything(&mut server);
        let by_rdb = everything(&mut server.saved_and_loaded(&directives, "dump.rdb"));
        let by_json = everything(&mut server.saved_and_loaded(&directives, "data.json"));
        prop_assert_eq!(&by_rdb[0], &there[0]);
        prop_assert_eq!(by_rdb.len(), there.len());
        prop_assert_eq!(by_json.len(), there.len());
        for ((there, by_rdb), by_json) in there.iter().zip(&by_rdb).zip(&by_json) {
            if there == by_rdb {
                prop_assert_eq!(by_json, there);
            }
        }
    }
}
