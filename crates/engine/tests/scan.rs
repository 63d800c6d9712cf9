//! SCAN's promise: a key that is there all the time is returned, whatever else comes and goes.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::Server;
use oxidis_engine::Session;
use proptest::prelude::*;

/// One call: where to go on, and the keys.
fn scan(
    server: &mut Server,
    session: &mut Session,
    cursor: u64,
    options: &str,
) -> (u64, Vec<String>) {
    let reply = server.run(session, &format!("scan {cursor} {options}"));
    let words: Vec<&str> = reply.split(' ').collect();
    // *2 $n cursor *count ($n key)...
    let cursor: u64 = words[2].parse().unwrap();
    let keys = words[4..].chunks_exact(2).map(|pair| pair[1].to_owned());
    (cursor, keys.collect())
}

fn scan_all(server: &mut Server, session: &mut Session, options: &str) -> Vec<String> {
    let mut cursor = 0;
    let mut found = Vec::new();
    loop {
        let (next, keys) = scan(server, session, cursor, options);
        assert!(next < 1 << 53, "a double would lose {next}");
        found.extend(keys);
        if next == 0 {
            return found;
        }
        cursor = next;
    }
}

fn fill(server: &mut Server, session: &mut Session, prefix: &str, count: usize) {
    for number in 0..count {
        server.run(session, &format!("set {prefix}{number} {number}"));
    }
}

#[test]
fn a_quiet_key_space_is_listed_once() {
    for workers in [1, 4] {
        let mut server = Server::new(workers, &[]);
        let mut session = server.connect();
        assert_eq!(
            scan_all(&mut server, &mut session, ""),
            Vec::<String>::new()
        );
        fill(&mut server, &mut session, "k", 1000);
        for options in [
            "",
            "count 1",
            "count 100",
            "count 100000",
            "match k*",
            "type string",
        ] {
            let found = scan_all(&mut server, &mut session, options);
            let different: BTreeSet<&String> = found.iter().collect();
            assert_eq!((found.len(), different.len()), (1000, 1000), "{options}");
        }
        assert_eq!(scan_all(&mut server, &mut session, "match k1?").len(), 10);
        assert_eq!(scan_all(&mut server, &mut session, "type list").len(), 0);
        // Another database, and the same inside a transaction.
        assert_eq!(
            server.run(&mut session, "select 1; scan 0"),
            "+OK *2 $1 0 *0"
        );
        let reply = server.run(&mut session, "select 0; multi; scan 0 count 100000; exec");
        assert!(reply.contains("*1 *2 $1 0 *1000 "), "{}", &reply[..60]);
    }
}

#[test]
fn a_few_keys_come_in_one_call() {
    for workers in [1, 4] {
        let mut server = Server::new(workers, &[]);
        let mut session = server.connect();
        fill(&mut server, &mut session, "k", 5);
        let (cursor, keys) = scan(&mut server, &mut session, 0, "");
        assert_eq!((cursor, keys.len()), (0, 5));
    }
}

#[test]
fn any_cursor_is_answered() {
    let mut server = Server::new(1, &[]);
    let mut session = server.connect();
    fill(&mut server, &mut session, "k", 100);
    for cursor in [
        1,
        7,
        1 << 39,
        (1 << 40) + 5,
        1 << 44,
        1 << 52,
        1 << 63,
        u64::MAX,
    ] {
        let (next, _) = scan(&mut server, &mut session, cursor, "count 1000000");
        assert_eq!(next, 0, "from {cursor}");
    }
    for cursor in ["x", "-1", "1.5", "18446744073709551616"] {
        let reply = server.run(&mut session, &format!("scan {cursor}"));
        assert_eq!(reply, "-ERR invalid cursor");
    }
}

#[test]
fn expired_keys_are_deleted_and_not_listed() {
    let mut server = Server::new(1, &[]);
    let mut session = server.connect();
    server.run(
        &mut session,
        "debug set-active-expire 0; set a 1 px 10; set b 1",
    );
    server.advance_ms(10);
    assert_eq!(server.run(&mut session, "dbsize"), ":2");
    assert_eq!(scan_all(&mut server, &mut session, ""), ["b"]);
    assert_eq!(server.run(&mut session, "dbsize"), ":1");
}

/// What happens between two calls.
#[derive(Debug, Clone)]
enum Change {
    Add(u16),
    Remove(u16),
    AddMany(u16),
    RemoveMany,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<u16>().prop_map(Change::Add),
        4 => any::<u16>().prop_map(Change::Remove),
        1 => (0u16..400).prop_map(Change::AddMany),
        1 => Just(Change::RemoveMany),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn keys_that_stay_are_returned(
        workers in 1usize..3,
        stay in 1usize..300,
        fickle in 0usize..600,
        count in 1usize..40,
        changes in proptest::collection::vec(change(), 0..200),
    ) {
        let mut server = Server::new(workers, &[]);
        let mut session = server.connect();
        fill(&mut server, &mut session, "stay", stay);
        fill(&mut server, &mut session, "fickle", fickle);
        let mut ever: BTreeSet<String> = (0..fickle).map(|n| format!("fickle{n}")).collect();
        let mut changes = changes.into_iter();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut cursor = 0;
        loop {
            let (next, keys) = scan(&mut server, &mut session, cursor, &format!("count {count}"));
            for key in keys {
                *seen.entry(key).or_default() += 1;
            }
            if next == 0 {
                break;
            }
            cursor = next;
            match changes.next() {
                Some(Change::Add(n)) => {
                    server.run(&mut session, &format!("set fickle{n} 1"));
                    ever.insert(format!("fickle{n}"));
                }
                Some(Change::Remove(n)) => {
                    server.run(&mut session, &format!("del fickle{n}"));
                }
                Some(Change::AddMany(n)) => {
                    fill(&mut server, &mut session, "fickle", usize::from(n));
                    ever.extend((0..n).map(|n| format!("fickle{n}")));
                }
                Some(Change::RemoveMany) => {
                    for key in &ever {
                        server.run(&mut session, &format!("del {key}"));
                    }
                }
                None => {}
            }
        }
        for number in 0..stay {
            let key = format!("stay{number}");
            prop_assert!(seen.contains_key(&key), "{} was passed over", key);
        }
        for key in seen.keys() {
            prop_assert!(key.starts_with("stay") || ever.contains(key), "{} was never there", key);
        }
    }
}
