//! What INFO counts, after what is counted has happened. What is expected is what redis-server 8.0.6 says after the same
//! commands.

use std::thread;
use std::time::{Duration, Instant};

use oxidis_testkit::{Client, ServerBuilder, TestServer};

fn server() -> TestServer {
    ServerBuilder::oxidis().start().expect("the server starts")
}

/// What INFO says in this field.
fn field(client: &mut Client, name: &str) -> Option<String> {
    let page = client.run("INFO everything").text();
    let mut values = page.lines().filter_map(|line| line.split_once(':'));
    values
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn number(client: &mut Client, name: &str) -> u64 {
    let value = field(client, name).unwrap_or_else(|| panic!("{name} is not there"));
    value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
}

/// Waits until a field is as it should be.
fn wait_for(client: &mut Client, name: &str, is_right: impl Fn(u64) -> bool) {
    let started = Instant::now();
    while !is_right(number(client, name)) {
        let value = number(client, name);
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{name}: {value}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn errors_count_under_their_codes_and_too_many_codes_as_none() {
    let server = server();
    let mut client = server.client();
    // Whoever asked whether the server is there already may have been told that it is loading.
    client.run("CONFIG RESETSTAT");
    client.run("EVAL \"return {err='lower'}\" 0");
    client.run("EVAL \"return {err='A:B c'}\" 0");
    client.run("EVAL \"return {err='a23456789a23456789a2345678901234 c'}\" 0");
    assert_eq!(
        field(&mut client, "errorstat_ERR").as_deref(),
        Some("count=2")
    );
    assert_eq!(
        field(&mut client, "errorstat_A_B").as_deref(),
        Some("count=1")
    );
    for n in 0..200 {
        client.run(&format!(
            "EVAL \"return redis.error_reply('E{n} thing')\" 0"
        ));
    }
    client.run("GET");
    let page = client.run("INFO errorstats").text();
    assert_eq!(
        page.trim_end(),
        "# Errorstats\r\nerrorstat_ERRORSTATS_DISABLED:count=1"
    );
    assert_eq!(number(&mut client, "total_error_replies"), 204);
    client.run("CONFIG RESETSTAT");
    client.run("GET");
    let page = client.run("INFO errorstats").text();
    assert_eq!(page.trim_end(), "# Errorstats\r\nerrorstat_ERR:count=1");
    let log = server.log();
    let list = "Current errors code list: A_B, E0, E1, E10, E100,";
    assert!(log.contains(list), "{log}");
}

#[test]
fn keys_whose_end_would_wake_somebody_count_apart() {
    let server = server();
    let mut client = server.client();
    client.run("XGROUP CREATE s g $ MKSTREAM");
    let (mut one, mut other) = (server.client(), server.client());
    let read = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";
    let words: Vec<&str> = read.split(' ').collect();
    one.send(&words).expect("sent");
    other.send(&["BLPOP", "l", "m", "0"]).expect("sent");
    wait_for(&mut client, "blocked_clients", |it| it == 2);
    assert_eq!(number(&mut client, "total_blocking_keys"), 3);
    assert_eq!(number(&mut client, "total_blocking_keys_on_nokey"), 1);
}

#[test]
fn the_most_that_waited_is_remembered_when_it_waits_no_more() {
    let server = server();
    let mut client = server.client();
    let mut slow = server.raw_client();
    slow.send("*2\r\n$3\r\nGET\r\n$200000\r\n").expect("sent");
    slow.send("x".repeat(100_000)).expect("sent");
    wait_for(&mut client, "client_recent_max_input_buffer", |it| {
        it >= 100_000
    });
    drop(slow);
    wait_for(&mut client, "connected_clients", |it| it == 1);
    assert!(number(&mut client, "client_recent_max_input_buffer") >= 100_000);
}

#[test]
fn rounds_of_the_loops_count_from_the_last_reset() {
    let server = server();
    let mut client = server.client();
    for _ in 0..1000 {
        client.run("PING");
    }
    let before = number(&mut client, "eventloop_cycles");
    assert!(before >= 1000, "{before}");
    client.run("CONFIG RESETSTAT");
    let after = number(&mut client, "eventloop_cycles");
    assert!(after < 1000, "{after}");
}

#[test]
fn what_goes_between_primary_and_replica_counts_apart() {
    let (primary, replica) = (server(), server());
    let (mut above, mut below) = (primary.client(), replica.client());
    above.run("SET before 1");
    assert_eq!(number(&mut above, "total_net_repl_output_bytes"), 0);
    below.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    let started = Instant::now();
    while field(&mut below, "master_link_status").as_deref() != Some("up") {
        assert!(started.elapsed() < Duration::from_secs(60), "no link");
        thread::sleep(Duration::from_millis(20));
    }
    let value = "x".repeat(100_000);
    above.command(&["SET", "k", &value]).expect("it answers");
    wait_for(&mut below, "total_net_repl_input_bytes", |it| it > 100_000);
    assert!(number(&mut above, "total_net_repl_output_bytes") > 100_000);
    assert!(number(&mut below, "total_net_input_bytes") > 100_000);
    assert_eq!(number(&mut below, "total_net_repl_output_bytes"), 0);
    assert_eq!(number(&mut above, "total_net_repl_input_bytes"), 0);
}

#[test]
fn payloads_that_were_looked_through_count() {
    let server = server();
    let mut client = server.client();
    client.run("RPUSH l a b");
    client.run("SET s x");
    let list = client.run("DUMP l").bytes().expect("a payload").to_vec();
    let string = client.run("DUMP s").bytes().expect("a payload").to_vec();
    for payload in [&list, &string, &list] {
        let words: [&[u8]; 5] = [b"RESTORE", b"k", b"0", payload, b"REPLACE"];
        assert_eq!(client.command(&words).expect("it answers").text(), "OK");
    }
    assert_eq!(number(&mut client, "dump_payload_sanitizations"), 2);
}

#[test]
fn what_waits_to_get_into_the_log_is_told() {
    let server = ServerBuilder::oxidis()
        .arguments(["--appendonly", "yes"])
        .start()
        .expect("the server starts");
    let mut client = server.client();
    let value = "x".repeat(10_000);
    // Both are executed before the log is written.
    let commands = [vec!["SET", "k", &value], vec!["INFO", "memory"]];
    let replies = client.pipeline(&commands).expect("it answers");
    let page = replies[1].text();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("mem_aof_buffer:"));
    let waiting: u64 = line
        .and_then(|it| it.trim().parse().ok())
        .expect("a number");
    assert!((10_000..100_000).contains(&waiting), "{waiting}");
    assert!(number(&mut client, "mem_aof_buffer") < 1_000);
}

#[test]
fn errors_that_a_replica_answers_to_its_primary_count() {
    let primary = server();
    let replica = ServerBuilder::oxidis()
        .arguments(["--replica-read-only", "no"])
        .start()
        .expect("the server starts");
    let (mut above, mut below) = (primary.client(), replica.client());
    above.run("SET k 1");
    below.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    let started = Instant::now();
    while field(&mut below, "master_link_status").as_deref() != Some("up") {
        assert!(started.elapsed() < Duration::from_secs(60), "no link");
        thread::sleep(Duration::from_millis(20));
    }
    // An error that is answered to a client is not unexpected.
    below.run("LPUSH k a");
    assert_eq!(number(&mut below, "unexpected_error_replies"), 0);
    below.run("DEL k");
    below.run("LPUSH k a");
    above.run("APPEND k 2");
    wait_for(&mut below, "unexpected_error_replies", |it| it == 1);
    assert_eq!(number(&mut above, "unexpected_error_replies"), 0);
    below.run("CONFIG RESETSTAT");
    assert_eq!(number(&mut below, "unexpected_error_replies"), 0);
}

/// Runs commands on an empty server, one a line; answers how many values INFO counts as freed lazily.
fn lazily_freed(client: &mut Client, script: &[&str]) -> u64 {
    client.run("FLUSHALL ASYNC");
    wait_for(client, "lazyfree_pending_objects", |it| it == 0);
    client.run("CONFIG RESETSTAT");
    for command in script {
        client.run(command);
    }
    wait_for(client, "lazyfree_pending_objects", |it| it == 0);
    number(client, "lazyfreed_objects")
}

#[test]
fn what_redis_frees_in_another_thread_counts() {
    let server = server();
    let mut client = server.client();
    let elements = |count: usize| (0..count).map(|n| format!(" e{n}")).collect::<String>();
    let pairs = |count: usize| (0..count).map(|n| format!(" {n} e{n}")).collect::<String>();
    let fill = |command: &str, elements: String| format!("{command} k{elements}");
    let (list, set) = (fill("RPUSH", elements(20_000)), fill("SADD", elements(200)));
    for (create, expected) in [
        (list.clone(), 0),
        (fill("SADD", elements(128)), 0),
        (set.clone(), 1),
        (fill("HSET", pairs(500)), 0),
        (fill("HSET", pairs(600)), 1),
        (fill("ZADD", pairs(128)), 0),
        (fill("ZADD", pairs(200)), 1),
        ("SETRANGE k 5000000 x".to_owned(), 0),
    ] {
        let name = &create[..create.len().min(60)];
        assert_eq!(
            lazily_freed(&mut client, &[&create, "UNLINK k"]),
            expected,
            "{name}"
        );
        assert_eq!(lazily_freed(&mut client, &[&create, "DEL k"]), 0, "{name}");
    }
    client.run("CONFIG SET list-max-listpack-size 4");
    for (count, expected) in [(256, 0), (257, 1)] {
        let create = fill("RPUSH", elements(count));
        assert_eq!(lazily_freed(&mut client, &[&create, "UNLINK k"]), expected);
    }
    let groups: Vec<String> = (0..70)
        .map(|n| format!("XGROUP CREATE k g{n} 0 MKSTREAM"))
        .collect();
    let mut script: Vec<&str> = groups.iter().map(String::as_str).collect();
    script.push("UNLINK k");
    assert_eq!(lazily_freed(&mut client, &script), 1);
    assert_eq!(
        lazily_freed(&mut client, &["XADD k 1-1 f v", "UNLINK k"]),
        0
    );

    for flush in [
        "FLUSHALL",
        "FLUSHDB",
        "FLUSHALL SYNC",
        "FLUSHDB SYNC",
        "FLUSHDB ASYNC",
    ] {
        assert_eq!(
            lazily_freed(&mut client, &[&set, "SET s 1", flush]),
            2,
            "{flush}"
        );
    }
    let in_transaction = ["SET s 1", "MULTI", "FLUSHALL", "EXEC"];
    assert_eq!(lazily_freed(&mut client, &in_transaction), 0);
    let in_script = ["SET s 1", "EVAL redis.call('flushall') 0"];
    assert_eq!(lazily_freed(&mut client, &in_script), 0);

    for (option, expected) in [("server-del", 0), ("expire", 1)] {
        let script = [&*set, "EXPIREAT k 1"];
        client.run(&format!("CONFIG SET lazyfree-lazy-{option} yes"));
        assert_eq!(lazily_freed(&mut client, &script), expected, "{option}");
        client.run(&format!("CONFIG SET lazyfree-lazy-{option} no"));
    }
}
