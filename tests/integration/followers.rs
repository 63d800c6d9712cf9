//! REPLCONF and SYNC: who asks for the data gets the parts that it wants, and then the changes.

use std::thread;
use std::time::Duration;

use oxidis_testkit::{Client, RawClient, Reply, ServerBuilder, TestServer};

fn server_with_data() -> TestServer {
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut client = server.client();
    client.run("SET a-key a-value");
    let library: &[&[u8]] = &[
        b"FUNCTION",
        b"LOAD",
        b"#!lua name=a_library\nredis.register_function('f', function() return 1 end)",
    ];
    client.command(library).expect("the server answers");
    server
}

/// Says these things and asks for the data, which it answers.
fn synchronize(client: &mut RawClient, said: &[&str]) -> Vec<u8> {
    for said in said {
        client.expect(format!("REPLCONF {said}\r\n"), "+OK\r\n");
    }
    client.send("SYNC\r\n").expect("sent");
    let line = String::from_utf8(client.read_line().expect("announced")).expect("ASCII");
    let length = line.trim().trim_start_matches('$').parse();
    let data = client.read_exactly(length.unwrap_or_else(|_| panic!("{line}")));
    data.expect("the data come")
}

fn contains(data: &[u8], part: &str) -> bool {
    data.windows(part.len())
        .any(|window| window == part.as_bytes())
}

#[test]
fn the_data_come_in_the_parts_that_are_wanted() {
    let server = server_with_data();
    for (said, has_keys, has_functions) in [
        (&[][..], true, true),
        (&["rdb-filter-only functions"], false, true),
        (&["rdb-filter-only \"\""], false, false),
    ] {
        let mut client = server.raw_client();
        let data = synchronize(&mut client, said);
        assert!(data.starts_with(b"REDIS"), "{said:?}");
        assert_eq!(contains(&data, "a-key"), has_keys, "{said:?}");
        assert_eq!(contains(&data, "a_library"), has_functions, "{said:?}");
    }
}

#[test]
fn changes_follow_unless_only_the_data_are_wanted() {
    let server = server_with_data();
    let mut follower = server.raw_client();
    synchronize(&mut follower, &[]);
    server.client().run("SET b 1");
    let change = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n";
    let followed = follower.read_exactly(change.len()).expect("it follows");
    assert_eq!(String::from_utf8_lossy(&followed), change);
    let mut client = server.raw_client();
    synchronize(&mut client, &["rdb-only 1"]);
    assert_eq!(client.read_to_close().expect("it is closed"), b"");
}

/// A script may say who is told of what it changes; what Redis 7.0.15 wrote into both.
#[test]
fn a_script_says_whether_the_log_or_the_followers_are_told() {
    const SCRIPT: &str = "EVAL \"redis.call('set', 'all', '1') \
        redis.set_repl(redis.REPL_AOF) redis.call('set', 'log', '1') redis.call('incr', 'log') \
        redis.set_repl(redis.REPL_REPLICA) redis.call('set', 'followers', '1') \
        redis.set_repl(redis.REPL_NONE) redis.call('set', 'none', '1')\" 0";
    let server = ServerBuilder::oxidis()
        .arguments(["--appendonly", "yes", "--aof-use-rdb-preamble", "no"])
        .start()
        .expect("the server starts");
    let mut follower = server.raw_client();
    synchronize(&mut follower, &[]);
    let mut client = server.client();
    client.run(SCRIPT);
    client.run("EVAL \"redis.set_repl(redis.REPL_AOF) redis.call('set', 'alone', '1')\" 0");
    client.run("SET last 1");
    let followed = follower
        .read_until("last\r\n$1\r\n1\r\n")
        .expect("it follows");
    let file = server.dir().join("appendonlydir/appendonly.aof.1.incr.aof");
    let log = std::fs::read(file).expect("it is written");
    let keys = ["all", "log", "followers", "none", "alone", "last"];
    let told = |bytes: &[u8]| {
        let named = keys.map(|key| contains(bytes, &format!("\r\n{key}\r\n")));
        keys.into_iter()
            .zip(named)
            .filter(|(_, is_named)| *is_named)
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&followed), ["all", "followers", "last"]);
    assert_eq!(told(&log), ["all", "log", "alone", "last"]);
    let transactions = |bytes: &[u8]| (contains(bytes, "MULTI"), contains(bytes, "EXEC"));
    assert_eq!(transactions(&followed), (true, true));
    assert_eq!(transactions(&log), (true, true));
}

#[test]
fn what_waits_for_a_follower_is_no_memory_of_other_clients() {
    const VALUE_BYTES: usize = 1 << 20;
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut follower = server.raw_client();
    synchronize(&mut follower, &[]);
    // It reads no more: what the sockets do not take waits.
    let mut client = server.client();
    let value = vec![b'x'; VALUE_BYTES];
    for _ in 0..24 {
        let words: &[&[u8]] = &[b"SET", b"big", &value];
        client.command(words).expect("the server answers");
    }
    let number = |info: &str, field: &str| -> usize {
        let line = info.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.strip_prefix(':')?.parse().ok());
        number.unwrap_or_else(|| panic!("{field} in {info}"))
    };
    // What is just being sent is counted when the sockets took no more.
    let waits = |info: &String| number(info, "mem_clients_slaves") > 4 * VALUE_BYTES;
    let mut infos = (0..500).map(|_| {
        thread::sleep(Duration::from_millis(10));
        client.run("INFO memory").text()
    });
    let info = infos.find(waits).expect("much waits for the follower");
    assert!(number(&info, "mem_clients_normal") < VALUE_BYTES * 5 / 2);
}

/// Waits until INFO says that a shutdown waits.
fn await_waiting(client: &mut Client) {
    for _ in 0..3000 {
        let info = client.run("INFO server");
        if info.text().contains("\r\nshutdown_in_milliseconds:") {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("no shutdown waits");
}

#[test]
fn a_shutdown_waits_until_who_follows_has_everything() {
    const ASKS: &str = "SHUTDOWN NOSAVE\r\n";
    let mut server = server_with_data();
    let mut follower = server.raw_client();
    synchronize(&mut follower, &[]);
    let mut client = server.client();
    client.run("CONFIG SET shutdown-timeout 300");
    client.run("SET b 1");
    let mut ending = server.raw_client();
    ending.send("CLIENT ID\r\n").expect("sent");
    let id = ending.read_line().expect("its number");
    let id = String::from_utf8_lossy(&id);
    ending.send(ASKS).expect("sent");
    await_waiting(&mut client);
    let unblocked = client.run(&format!(
        "CLIENT UNBLOCK {}",
        id.trim_matches([':', '\r', '\n'])
    ));
    assert_eq!(unblocked, Reply::Integer(0));
    let mut writing = server.raw_client();
    writing.send("SET b 2\r\n").expect("sent");
    assert_eq!(client.run("GET b").text(), "1");
    // The server goes on, and so does who was held back.
    assert_eq!(client.run("SHUTDOWN ABORT").text(), "OK");
    let told = ending.read_line().expect("it is told");
    let expected = "-ERR Errors trying to SHUTDOWN. Check logs.\r\n";
    assert_eq!(String::from_utf8_lossy(&told), expected);
    assert_eq!(writing.read_line().expect("it goes on"), b"+OK\r\n");
    let told = client.run("SHUTDOWN ABORT");
    assert_eq!(told.text(), "ERR No shutdown in progress.");
    ending.send(ASKS).expect("sent");
    await_waiting(&mut client);
    let info = client.run("INFO replication").text();
    let offset = info
        .lines()
        .find_map(|line| line.strip_prefix("master_repl_offset:"))
        .expect("it is there");
    let line = format!("REPLCONF ACK {offset}\r\n");
    follower.send(line).expect("sent");
    assert_eq!(server.wait_for_end(Duration::from_secs(60)), Some(true));
    let log = server.log();
    assert!(log.contains("1 of 1 replicas are in sync"), "{log}");
}
