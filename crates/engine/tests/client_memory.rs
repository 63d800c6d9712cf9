//! `maxmemory-clients`: whom it closes and whom it spares, and what a client is found to take.

mod harness;

use harness::Server;
use oxidis_engine::{Buffers, Session};

const MEGABYTE: usize = 1 << 20;

/// A field of a session's line in CLIENT LIST; `None` if it is not there.
fn field(server: &mut Server, name: &str, wanted: &str) -> Option<usize> {
    let mut asker = server.connect();
    server.run(&mut asker, "client no-evict on");
    let list = server.run(&mut asker, "client list");
    asker.close(&mut server.worker);
    let line = list
        .split("id=")
        .find(|line| line.contains(&format!(" name={name} ")))?;
    let start = format!(" {wanted}=");
    let value = line.split_once(&start).expect("the field is there").1;
    let value = value.split(' ').next().expect("there is a first");
    Some(value.parse().expect("a number"))
}

fn is_there(server: &mut Server, name: &str) -> bool {
    field(server, name, "tot-mem").is_some()
}

/// Empty buffers that take so much.
fn room(bytes: usize) -> Buffers {
    Buffers {
        unsent_capacity_bytes: bytes,
        ..Buffers::default()
    }
}

/// A session of this name whose buffers take so much.
fn client(server: &mut Server, name: &str, bytes: usize) -> Session {
    let mut session = server.connect();
    server.run(&mut session, &format!("client setname {name}"));
    session.note_buffers(room(bytes));
    session
}

fn admin(server: &mut Server, command: &str) -> String {
    let mut session = server.connect();
    server.run(&mut session, "client no-evict on");
    let reply = server.run(&mut session, command);
    session.close(&mut server.worker);
    reply
}

#[test]
fn the_greediest_go_first_and_only_as_many_as_must() {
    let mut server = Server::new(1, &[]);
    let small = client(&mut server, "small", MEGABYTE / 2);
    let big = client(&mut server, "big", 3 * MEGABYTE);
    let medium = client(&mut server, "medium", MEGABYTE);
    admin(&mut server, "config set maxmemory-clients 2mb");
    assert!(!is_there(&mut server, "big"));
    assert!(big.should_close());
    assert!(is_there(&mut server, "medium") && is_there(&mut server, "small"));
    admin(&mut server, "config set maxmemory-clients 1mb");
    assert!(!is_there(&mut server, "medium"));
    assert!(medium.should_close() && !small.should_close());
    assert!(admin(&mut server, "info stats").contains("evicted_clients:2 "));
    admin(&mut server, "config resetstat");
    assert!(admin(&mut server, "info stats").contains("evicted_clients:0 "));
}

#[test]
fn who_must_not_be_evicted_is_not_though_the_others_are() {
    let mut server = Server::new(1, &[]);
    let mut spared = client(&mut server, "spared", 8 * MEGABYTE);
    server.run(&mut spared, "client no-evict on");
    spared.note_buffers(room(8 * MEGABYTE));
    let other = client(&mut server, "other", MEGABYTE);
    let mut asker = server.connect();
    server.run(&mut asker, "client no-evict on");
    server.run(&mut asker, "config set maxmemory-clients 4mb");
    let list = server.run(&mut asker, "client list");
    assert!(list.contains("name=spared") && !list.contains("name=other"));
    assert!(other.should_close() && !spared.should_close());
    assert_eq!(server.run(&mut spared, "client no-evict off"), "+OK");
    let list = server.run(&mut asker, "client list");
    assert!(!list.contains("name=spared"));
    assert!(spared.should_close());
}

#[test]
fn a_percentage_is_of_maxmemory() {
    let mut server = Server::new(1, &[("maxmemory-clients", "10%")]);
    let greedy = client(&mut server, "greedy", MEGABYTE);
    assert!(is_there(&mut server, "greedy"), "10% of no limit is none");
    admin(&mut server, "config set maxmemory 20mb");
    assert!(is_there(&mut server, "greedy"));
    admin(&mut server, "config set maxmemory 5mb");
    assert!(!is_there(&mut server, "greedy"));
    assert!(greedy.should_close());
}

#[test]
fn nobody_need_ask() {
    let mut server = Server::new(1, &[("maxmemory-clients", "1mb")]);
    let greedy = client(&mut server, "greedy", 2 * MEGABYTE);
    assert!(!greedy.should_close());
    server.worker.run_cron();
    assert!(greedy.should_close());
}

#[test]
fn who_asks_for_too_much_at_once_is_closed_before_keys_are_evicted() {
    let rules = [
        ("maxmemory-clients", "1mb"),
        ("maxmemory", "4mb"),
        ("maxmemory-policy", "allkeys-lru"),
    ];
    let mut server = Server::new(1, &rules);
    admin(&mut server, "setrange a 99999 x");
    let mut session = server.connect();
    let mut output = Vec::new();
    let requests = "get a\r\n".repeat(64);
    session.process(&mut server.worker, requests.as_bytes(), &mut output);
    assert!(session.should_close());
    // What was over the limit was closed at the next request.
    assert!(
        (MEGABYTE..MEGABYTE + 110_000).contains(&output.len()),
        "{}",
        output.len()
    );
    let stats = admin(&mut server, "info stats");
    assert!(stats.contains("evicted_clients:1 ") && stats.contains("evicted_keys:0 "));
}

#[test]
fn replies_count_until_the_owner_has_them() {
    let mut server = Server::new(1, &[("maxmemory-clients", "1mb")]);
    admin(&mut server, "setrange a 99999 x");
    let mut session = server.connect();
    server.run(&mut session, "client setname reader");
    for _ in 0..30 {
        // It reads all of it.
        server.run(&mut session, "get a");
    }
    assert!(!session.should_close());
    assert!(field(&mut server, "reader", "tot-mem").is_some_and(|bytes| bytes < 100_000));
}

#[test]
fn a_request_that_is_too_long_is_not_executed() {
    let mut server = Server::new(1, &[("maxmemory-clients", "200000")]);
    let mut session = server.connect();
    let mut set = |length: usize| {
        let value = "x".repeat(length);
        let request = format!("*3\r\n$3\r\nset\r\n$1\r\na\r\n${length}\r\n{value}\r\n");
        let mut output = Vec::new();
        session.process(&mut server.worker, request.as_bytes(), &mut output);
        output
    };
    assert_eq!(set(100_000), b"+OK\r\n");
    assert_eq!(set(200_000), b"");
    assert!(session.should_close());
    assert_eq!(admin(&mut server, "strlen a"), ":100000");
}

#[test]
fn what_is_kept_for_a_client_counts_until_it_is_let_go() {
    for (keep, let_go) in [
        ("multi; set a xxxxxxxx", "discard"),
        ("multi; set a xxxxxxxx", "exec"),
        ("watch a b c", "unwatch"),
        ("subscribe a b c", "unsubscribe"),
        ("psubscribe a b c", "reset; client setname it"),
        ("ssubscribe a b c", "sunsubscribe"),
    ] {
        let mut server = Server::new(1, &[]);
        let mut session = client(&mut server, "it", 0);
        let before = field(&mut server, "it", "tot-mem").expect("it is there");
        server.run(&mut session, keep);
        let during = field(&mut server, "it", "tot-mem").expect("it is there");
        assert!(during > before, "{keep}");
        let multi = field(&mut server, "it", "multi-mem").expect("it is there");
        assert_eq!(multi > 0, keep.starts_with("multi"), "{keep}");
        server.run(&mut session, let_go);
        let after = field(&mut server, "it", "tot-mem").expect("it is there");
        assert_eq!(after, before, "{keep}; {let_go}");
    }
}

#[test]
fn every_way_to_hoard_is_limited() {
    for command in [
        "watch",
        "subscribe",
        "psubscribe",
        "ssubscribe",
        "multi; get",
    ] {
        let mut server = Server::new(1, &[("maxmemory-clients", "20000")]);
        let mut session = server.connect();
        server.run(&mut session, "hello 3");
        let rounds = (0..1000).take_while(|number| {
            server.run(&mut session, &format!("{command} {number}"));
            !session.should_close()
        });
        let rounds = rounds.count();
        assert!((10..1000).contains(&rounds), "{command}: {rounds}");
    }
}

#[test]
fn messages_that_nobody_takes_count() {
    let mut server = Server::new(1, &[("maxmemory-clients", "100000")]);
    let mut subscriber = server.connect();
    server.run(&mut subscriber, "client setname subscriber; subscribe news");
    let mut publisher = server.connect();
    server.run(&mut publisher, "client no-evict on");
    let publish = format!("publish news {}", "x".repeat(10_000));
    let rounds = (0..100).take_while(|_| {
        server.run(&mut publisher, &publish);
        !subscriber.should_close()
    });
    let rounds = rounds.count();
    assert!((7..=10).contains(&rounds), "{rounds}");
    assert!(!is_there(&mut server, "subscriber"));
    assert!(subscriber.should_close());
    subscriber.close(&mut server.worker);
    assert_eq!(server.run(&mut publisher, &publish), ":0");
}
