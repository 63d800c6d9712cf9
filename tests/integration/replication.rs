//! REPLICAOF between servers: ours and ours, and ours and redis-server both ways, where that is installed.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

use crate::random_data::fill;

/// How long anything may take, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(program: Option<&PathBuf>, arguments: &[&str]) -> TestServer {
    let builder = match program {
        Some(program) => ServerBuilder::new(program),
        None => ServerBuilder::oxidis(),
    };
    let builder = builder.arguments(["--repl-diskless-sync-delay", "0"]);
    let builder = builder.arguments(["--enable-debug-command", "local"]);
    let builder = builder.arguments(arguments);
    builder.start().expect("the server starts")
}

fn ours() -> TestServer {
    start(None, &[])
}

/// Primary and replica, of us and of Redis.
fn pairs() -> Vec<(TestServer, TestServer)> {
    let mut pairs = vec![(ours(), ours())];
    if let Some(redis) = redis_server() {
        pairs.push((ours(), start(Some(&redis), &[])));
        pairs.push((start(Some(&redis), &[]), ours()));
    }
    pairs
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A field of INFO.
fn field(client: &mut Client, section: &str, name: &str) -> String {
    let page = client.run(&format!("INFO {section}"));
    let page = String::from_utf8_lossy(page.bytes().expect("a page")).into_owned();
    let start = format!("{name}:");
    let found = page.lines().find_map(|line| line.strip_prefix(&start));
    found.unwrap_or_default().to_owned()
}

fn follow(replica: &mut Client, primary: &TestServer) {
    let line = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    assert_eq!(replica.run(&line).to_string(), "+OK");
    wait_for_link(replica);
}

fn wait_for_link(replica: &mut Client) {
    wait_until("the link is up", || {
        field(replica, "replication", "master_link_status") == "up"
    });
}

/// Waits until a replica has everything that its primary has.
#[track_caller]
fn wait_for_same_data(primary: &mut Client, replica: &mut Client) {
    let offset = |client: &mut Client| field(client, "replication", "master_repl_offset");
    wait_until("the offsets are the same", || {
        offset(primary) == offset(replica)
    });
    let digest = primary.run("DEBUG DIGEST");
    assert!(!digest.is_error(), "{digest:?}");
    assert_eq!(digest, replica.run("DEBUG DIGEST"));
}

fn integer(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(number) => *number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_of_every_type_arrive_and_changes_follow() {
    for (from, to) in pairs() {
        let (mut primary, mut replica) = (from.client(), to.client());
        let mut random = Rng::with_seed(7);
        fill(&mut primary, &mut random, "before", 150);
        primary.run("XADD stream 1-1 f v");
        primary.run("XGROUP CREATE stream g 0");
        primary.run("PFADD hll a b c");
        primary.run("SET volatile v PX 10000000");
        replica.run("SET old 1");
        follow(&mut replica, &from);
        wait_for_same_data(&mut primary, &mut replica);
        assert_eq!(replica.run("EXISTS old"), Reply::Integer(0));

        fill(&mut primary, &mut random, "after", 60);
        primary.run("DEL before1 before2 before3");
        primary.run("SELECT 3");
        for line in [
            "SET other 1",
            "XADD stream * f v",
            "EXPIRE other 1000",
            "MULTI",
            "INCR n",
            "SPOP nothing",
            "INCR n",
            "EXEC",
            "EVAL \"redis.call('set', KEYS[1], 'x') redis.call('select', 4) redis.call('incr', KEYS[1] .. '2')\" 1 e",
            "SADD s 1 2 3 4 5",
            "SPOP s",
        ] {
            primary.run(line);
        }
        wait_for_same_data(&mut primary, &mut replica);
        assert_eq!(integer(&primary.run("WAIT 1 0")), 1);
        primary.run("FLUSHALL");
        wait_for_same_data(&mut primary, &mut replica);
        assert_eq!(replica.run("DBSIZE"), Reply::Integer(0));
    }
}

#[test]
fn changes_during_the_transfer_are_not_lost() {
    for (from, to) in pairs() {
        let (mut primary, mut replica) = (from.client(), to.client());
        fill(&mut primary, &mut Rng::with_seed(8), "k", 600);
        let line = format!("REPLICAOF 127.0.0.1 {}", from.port());
        replica.run(&line);
        let mut random = Rng::with_seed(9);
        let mut rounds = 0;
        while field(&mut replica, "replication", "master_link_status") != "up" {
            rounds += 1;
            fill(&mut primary, &mut random, &format!("r{rounds}-"), 5);
            primary.run(&format!("DEL k{rounds}"));
            primary.run("INCR count");
        }
        wait_for_same_data(&mut primary, &mut replica);
    }
}

#[test]
fn a_link_that_was_cut_goes_on_where_it_was() {
    for (from, to) in pairs() {
        let (mut primary, mut replica) = (from.client(), to.client());
        follow(&mut replica, &from);
        primary.run("SELECT 5");
        primary.run("SET a 1");
        wait_for_same_data(&mut primary, &mut replica);
        for round in 0..2 {
            assert_eq!(integer(&replica.run("CLIENT KILL TYPE master")), 1);
            primary.run(&format!("SET missed{round} 1"));
            wait_until("it is resumed", || {
                field(&mut primary, "stats", "sync_partial_ok") == (round + 1).to_string()
            });
            wait_for_link(&mut replica);
            primary.run(&format!("SET after{round} 1"));
            wait_for_same_data(&mut primary, &mut replica);
        }
        assert_eq!(field(&mut primary, "stats", "sync_full"), "1");
    }
}

#[test]
fn what_is_not_in_the_backlog_any_more_takes_everything_anew() {
    for (from, to) in pairs() {
        let (mut primary, mut replica) = (from.client(), to.client());
        primary.run("CONFIG SET repl-backlog-size 16kb");
        follow(&mut replica, &from);
        replica.run("REPLICAOF 127.0.0.1 1");
        let value = "x".repeat(100_000);
        primary.run(&format!("SET big {value}"));
        follow(&mut replica, &from);
        wait_for_same_data(&mut primary, &mut replica);
        assert_eq!(field(&mut primary, "stats", "sync_full"), "2");
    }
}

#[test]
fn a_replica_refuses_writes_and_says_what_it_is() {
    let (from, to) = (ours(), ours());
    let (mut primary, mut replica) = (from.client(), to.client());
    follow(&mut replica, &from);
    let refused = "-READONLY You can't write against a read only replica.";
    for line in [
        "SET a 1",
        "DEL a",
        "FLUSHALL",
        "EVAL \"return redis.call('set','a','1')\" 0",
    ] {
        let reply = replica.run(line).to_string();
        assert!(reply.contains(&refused[1..]), "{line}: {reply}");
    }
    assert!(replica.run("GET a").is_null());
    let role = replica.run("ROLE");
    let role: Vec<String> = role
        .elements()
        .expect("parts")
        .iter()
        .map(Reply::text)
        .collect();
    assert_eq!(role[0], Reply::bulk("slave").text());
    assert_eq!(role[3], Reply::bulk("connected").text());
    wait_until("it is online", || {
        field(&mut primary, "replication", "slave0").contains("state=online")
    });
    assert_eq!(field(&mut primary, "replication", "connected_slaves"), "1");
    // What is not for replicas.
    assert!(replica.run("WAIT 0 0").is_error());
    replica.run("CONFIG SET replica-read-only no");
    assert_eq!(replica.run("SET local 1").to_string(), "+OK");
    replica.run("REPLICAOF NO ONE");
    assert_eq!(field(&mut replica, "replication", "role"), "master");
    assert_eq!(replica.run("GET local").text(), Reply::bulk("1").text());
}

#[test]
fn stale_data_are_shown_only_if_that_is_wanted() {
    let to = ours();
    let mut replica = to.client();
    replica.run("SET a 1");
    replica.run("REPLICAOF 127.0.0.1 1");
    assert_eq!(replica.run("GET a").text(), Reply::bulk("1").text());
    replica.run("CONFIG SET replica-serve-stale-data no");
    for line in ["GET a", "SET a 1"] {
        let reply = replica.run(line).to_string();
        let refused = ["-MASTERDOWN Link with MASTER is down", "-READONLY"];
        assert!(
            refused.iter().any(|start| reply.starts_with(start)),
            "{reply}"
        );
    }
    assert!(!replica.run("INFO").is_error());
    replica.run("REPLICAOF NO ONE");
    assert_eq!(replica.run("GET a").text(), Reply::bulk("1").text());
}

#[test]
fn keys_whose_time_is_over_are_gone_for_readers_and_deleted_by_the_primary() {
    for (from, to) in pairs() {
        let (mut primary, mut replica) = (from.client(), to.client());
        primary.run("DEBUG SET-ACTIVE-EXPIRE 0");
        follow(&mut replica, &from);
        primary.run("SET a 1 PX 30");
        primary.run("SET b 1");
        wait_until("its time is over", || {
            replica.run("EXISTS b") == Reply::Integer(1) && replica.run("GET a").is_null()
        });
        assert_eq!(replica.run("DBSIZE"), Reply::Integer(2));
        // The primary meets it now.
        assert!(primary.run("GET a").is_null());
        wait_until("it is deleted", || {
            replica.run("DBSIZE") == Reply::Integer(1)
        });
    }
}

#[test]
fn replicas_of_replicas_have_the_same_stream_and_outlive_the_primary() {
    let mut thirds = vec![ours()];
    if let Some(redis) = redis_server() {
        thirds.push(start(Some(&redis), &[]));
    }
    for last in thirds {
        let (first, middle) = (ours(), ours());
        let (mut a, mut b, mut c) = (first.client(), middle.client(), last.client());
        a.run("SELECT 2");
        fill(&mut a, &mut Rng::with_seed(3), "k", 30);
        follow(&mut b, &first);
        follow(&mut c, &middle);
        fill(&mut a, &mut Rng::with_seed(4), "l", 30);
        a.run("MULTI");
        a.run("INCR n");
        a.run("INCR n");
        a.run("EXEC");
        wait_for_same_data(&mut a, &mut b);
        wait_for_same_data(&mut b, &mut c);
        b.run("REPLICAOF NO ONE");
        b.run("SET here 1");
        wait_until("the last one has come back", || {
            field(&mut b, "stats", "sync_partial_ok") == "1"
        });
        wait_for_link(&mut c);
        wait_for_same_data(&mut b, &mut c);
        // The old primary becomes a replica, and gets only what it missed.
        follow(&mut a, &middle);
        wait_for_same_data(&mut a, &mut b);
        assert_eq!(field(&mut b, "stats", "sync_partial_ok"), "2");
        assert_eq!(field(&mut b, "stats", "sync_full"), "1");
    }
}

#[test]
fn writes_need_replicas_where_that_is_asked_for() {
    let (from, to) = (ours(), ours());
    let (mut primary, mut replica) = (from.client(), to.client());
    primary.run("CONFIG SET min-replicas-to-write 1");
    let refused = "-NOREPLICAS Not enough good replicas to write.";
    assert_eq!(primary.run("SET a 1").to_string(), refused);
    follow(&mut replica, &from);
    wait_until("it is near", || primary.run("SET a 1").to_string() == "+OK");
    assert_eq!(integer(&primary.run("WAIT 2 50")), 1);
    replica.run("REPLICAOF NO ONE");
    wait_until("it is missed", || {
        primary.run("SET a 1").to_string() == refused
    });
}

#[test]
fn a_log_of_a_replica_holds_what_came() {
    let from = ours();
    let to = start(None, &["--appendonly", "yes", "--appendfsync", "always"]);
    let (mut primary, mut replica) = (from.client(), to.client());
    fill(&mut primary, &mut Rng::with_seed(5), "k", 40);
    follow(&mut replica, &from);
    fill(&mut primary, &mut Rng::with_seed(6), "l", 40);
    wait_for_same_data(&mut primary, &mut replica);
    // On its disk too.
    assert_eq!(
        primary.run("WAITAOF 0 1 0").elements().map(<[Reply]>::len),
        Some(2)
    );
    wait_until("the log is rewritten", || {
        field(&mut replica, "persistence", "aof_rewrite_in_progress") == "0"
    });
    replica.run("REPLICAOF NO ONE");
    let digest = replica.run("DEBUG DIGEST");
    let loaded = replica.run("DEBUG LOADAOF");
    assert!(!loaded.is_error(), "{loaded:?}");
    assert_eq!(replica.run("DEBUG DIGEST"), digest);
}

#[test]
fn a_password_is_asked_for_and_given() {
    let from = start(None, &["--requirepass", "secret"]);
    let port = from.port().to_string();
    let to = start(
        None,
        &["--masterauth", "secret", "--replicaof", "127.0.0.1", &port],
    );
    let mut replica = to.client();
    wait_for_link(&mut replica);
    assert_eq!(
        replica.run("CONFIG GET replicaof").text(),
        Reply::Array(vec![
            Reply::bulk("replicaof"),
            Reply::bulk(format!("127.0.0.1 {port}")),
        ])
        .text()
    );
}
