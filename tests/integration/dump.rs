//! DUMP and RESTORE: to and from a real redis-server, and their options.

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

use crate::random_data;

fn oxidis() -> TestServer {
    ServerBuilder::oxidis()
        .arguments(["--enable-debug-command", "yes"])
        .start()
        .expect("the server starts")
}

fn redis() -> Option<TestServer> {
    let Some(program) = redis_server() else {
        eprintln!("redis-server is not installed: nothing was compared");
        return None;
    };
    let server = ServerBuilder::new(program)
        .arguments(["--enable-debug-command", "yes"])
        .start();
    Some(server.expect("redis-server starts"))
}

fn dump(client: &mut Client, key: &str) -> Vec<u8> {
    let reply = client.run(&format!("DUMP {key}"));
    reply.bytes().expect("the key is there").to_vec()
}

fn restore(client: &mut Client, key: &str, ttl: &str, payload: &[u8], options: &[&str]) -> String {
    let mut command: Vec<&[u8]> = vec![b"RESTORE", key.as_bytes(), ttl.as_bytes(), payload];
    command.extend(options.iter().map(|option| option.as_bytes()));
    let reply = client.command(&command).expect("the server answers");
    match reply {
        Reply::Simple(text) | Reply::Error(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    }
}

/// DEBUG OBJECT says how long a value is in a file, which is what Redis says of the same value.
#[test]
fn debug_object_says_how_long_a_value_is_in_a_file() {
    let Some(redis) = redis() else { return };
    let servers = [redis, oxidis()];
    let lengths = servers.each_ref().map(|server| {
        let mut client = server.client();
        for command in [
            "SET text abc",
            "SET number 12345",
            "SET long abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ",
            "SADD numbers 1 2 3",
            "HSET hash a 1 b 2",
            "ZADD scores 1 a 2 b",
        ] {
            client.run(command);
        }
        ["text", "number", "long", "numbers", "hash", "scores"].map(|key| {
            let text = client.run(&format!("DEBUG OBJECT {key}")).text();
            let mut words = text.split(' ').map(str::to_owned);
            let length = words.find(|word| word.starts_with("serializedlength:"));
            length.unwrap_or_else(|| panic!("{text}"))
        })
    });
    assert_eq!(lengths[0], lengths[1]);
}

/// The nodes of a list that has only grown at its end are those of Redis.
#[test]
fn nodes_of_long_lists_end_where_those_of_redis_do() {
    let Some(redis) = redis() else { return };
    let servers = [redis, oxidis()];
    let elements: [fn(usize) -> String; 5] = [
        |_| "x".to_owned(),
        |_| "fives".to_owned(),
        |_| "v".repeat(4090),
        |n| (n as i64 - 1000).to_string(),
        |n| (1_000_000_000_000_000 + n).to_string(),
    ];
    for (place, element) in elements.into_iter().enumerate() {
        let dumps = servers.each_ref().map(|server| {
            let mut client = server.client();
            client.run("CONFIG SET rdbcompression no");
            client.run("DEL list");
            for n in 0..3000 >> (if place == 2 { 8 } else { 0 }) {
                client.run(&format!("RPUSH list {}", element(n)));
            }
            dump(&mut client, "list")
        });
        assert!(dumps[0].len() > 8192);
        assert_eq!(dumps[0], dumps[1], "{place}");
    }
}

/// Every value of one server is carried to the other; then both have the same digest.
#[test]
fn values_go_to_redis_and_come_from_it() {
    let Some(redis) = redis() else { return };
    let oxidis = oxidis();
    let mut random = fastrand::Rng::with_seed(6);
    for (from, to, prefix) in [(&redis, &oxidis, "theirs"), (&oxidis, &redis, "ours")] {
        let (mut from, mut to) = (from.client(), to.client());
        random_data::fill(&mut from, &mut random, prefix, 150);
        for index in 0..150 {
            let key = format!("{prefix}{index}");
            let payload = dump(&mut from, &key);
            assert_eq!(restore(&mut to, &key, "0", &payload, &[]), "OK", "{key}");
            let digest = format!("DEBUG DIGEST-VALUE {key}");
            assert_eq!(from.run(&digest), to.run(&digest), "{key}");
        }
    }
    let digest = |server: &TestServer| server.client().run("DEBUG DIGEST");
    assert_eq!(digest(&redis), digest(&oxidis));
}

#[test]
fn restore_has_options() {
    let server = oxidis();
    let mut client = server.client();
    client.run("SET source value");
    let payload = dump(&mut client, "source");
    assert_eq!(
        restore(&mut client, "source", "0", &payload, &[]),
        "BUSYKEY Target key name already exists."
    );
    assert_eq!(
        restore(&mut client, "source", "0", &payload, &["replace"]),
        "OK"
    );
    assert_eq!(restore(&mut client, "timed", "5000", &payload, &[]), "OK");
    assert!(matches!(client.run("PTTL timed"), Reply::Integer(1..=5000)));
    let at = "4102444800123";
    assert_eq!(
        restore(&mut client, "dated", at, &payload, &["ABSTTL"]),
        "OK"
    );
    assert_eq!(
        client.run("PEXPIRETIME dated"),
        Reply::Integer(4_102_444_800_123)
    );
    // A time that is over makes no key, and takes the one that is to be replaced.
    assert_eq!(
        restore(&mut client, "gone", "1", &payload, &["ABSTTL"]),
        "OK"
    );
    assert_eq!(
        restore(&mut client, "timed", "1", &payload, &["ABSTTL", "REPLACE"]),
        "OK"
    );
    assert_eq!(client.run("EXISTS gone timed"), Reply::Integer(0));
    assert_eq!(
        restore(&mut client, "idle", "0", &payload, &["IDLETIME", "1000"]),
        "OK"
    );
    assert!(matches!(
        client.run("OBJECT IDLETIME idle"),
        Reply::Integer(1000..=1100)
    ));
    client.run("CONFIG SET maxmemory-policy allkeys-lfu");
    assert_eq!(
        restore(&mut client, "used", "0", &payload, &["FREQ", "100"]),
        "OK"
    );
    assert!(matches!(
        client.run("OBJECT FREQ used"),
        Reply::Integer(95..=105)
    ));
    for (ttl, options, error) in [
        ("-1", &[][..], "ERR Invalid TTL value, must be >= 0"),
        ("x", &[], "ERR value is not an integer or out of range"),
        (
            "0",
            &["IDLETIME", "-1"],
            "ERR Invalid IDLETIME value, must be >= 0",
        ),
        (
            "0",
            &["FREQ", "256"],
            "ERR Invalid FREQ value, must be >= 0 and <= 255",
        ),
        ("0", &["FREQ", "1", "IDLETIME", "1"], "ERR syntax error"),
        ("0", &["FREQ"], "ERR syntax error"),
    ] {
        assert_eq!(restore(&mut client, "new", ttl, &payload, options), error);
    }
}

#[test]
fn what_is_no_payload_is_refused() {
    let server = oxidis();
    let mut client = server.client();
    client.run("RPUSH source a b c");
    let payload = dump(&mut client, "source");
    let frame = "ERR DUMP payload version or checksum are wrong";
    for at in 0..payload.len() {
        let mut changed = payload.clone();
        changed[at] ^= 1;
        assert_eq!(
            restore(&mut client, "new", "0", &changed, &[]),
            frame,
            "byte {at}"
        );
        assert_eq!(restore(&mut client, "new", "0", &payload[..at], &[]), frame);
    }
    client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let mut changed = payload.clone();
    changed[5] ^= 0xff;
    assert_eq!(
        restore(&mut client, "new", "0", &changed, &[]),
        "ERR Bad data format"
    );
    assert_eq!(client.run("EXISTS new"), Reply::Integer(0));
}
