//! OXIDIS: what tests do over the wire, in whatever language they are.

use std::thread;
use std::time::{Duration, SystemTime};

use oxidis::{Clock, Engine, Server};
use oxidis_testkit::{Client, Reply};

fn server() -> Server {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let builder = Server::builder().clock(Clock::ManualAt(at)).seed(1);
    builder.start().expect("a server")
}

fn client(server: &Server) -> Client {
    Client::connect(server.address()).expect("a connection")
}

fn ok() -> Reply {
    Reply::Simple(b"OK".to_vec())
}

fn text(text: &str) -> Reply {
    Reply::Bulk(text.as_bytes().to_vec())
}

fn is_error(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(_))
}

#[test]
fn it_is_refused_where_nobody_made_an_instance_for_tests() {
    let server = Server::start().expect("a server");
    let refused = client(&server).run("OXIDIS ADVANCE 1");
    let Reply::Error(reason) = refused else {
        panic!("{refused:?}");
    };
    let reason = String::from_utf8_lossy(&reason).into_owned();
    let beginning = "ERR OXIDIS command not allowed.";
    assert!(reason.starts_with(beginning), "{reason}");
    assert!(reason.contains("enable-test-commands"), "{reason}");
    let server = Server::builder().directive("enable-test-commands", "local");
    let server = server.start().expect("a server");
    let mut client = client(&server);
    assert_eq!(client.run("OXIDIS CLOCK"), text("system"));
    assert!(is_error(&client.run("OXIDIS ADVANCE 1")));
    assert_eq!(client.run("OXIDIS CLOCK MANUAL"), ok());
    client.run("SET k v EX 10");
    assert_eq!(client.run("OXIDIS ADVANCE 10"), ok());
    assert_eq!(client.run("DBSIZE"), Reply::Integer(0));
}

#[test]
fn the_clock_is_moved_and_set_free() {
    let server = server();
    let mut client = client(&server);
    assert_eq!(client.run("OXIDIS CLOCK"), text("manual"));
    client.run("SET k v EX 10");
    assert_eq!(client.run("OXIDIS ADVANCE 9.5"), ok());
    assert_eq!(client.run("PTTL k"), Reply::Integer(500));
    assert_eq!(client.run("OXIDIS ADVANCE 0.5"), ok());
    assert_eq!(client.run("DBSIZE"), Reply::Integer(0));
    assert_eq!(client.run("OXIDIS SETTIME 2000000000.25"), ok());
    let time = Reply::Array(vec![text("2000000000"), text("250000")]);
    assert_eq!(client.run("TIME"), time);
    for wrong in [
        "ADVANCE -1",
        "ADVANCE x",
        "ADVANCE inf",
        "SETTIME 1e18",
        "CLOCK x",
        "NONE",
    ] {
        assert!(is_error(&client.run(&format!("OXIDIS {wrong}"))), "{wrong}");
    }
    // It took no time itself.
    client.run("CONFIG SET slowlog-log-slower-than 1000");
    client.run("OXIDIS ADVANCE 3600");
    assert_eq!(client.run("SLOWLOG LEN"), Reply::Integer(0));
    // Who waits when the clock is let go goes on waiting in real time, until the time that it had in mind.
    server.set_time(SystemTime::now()).expect("moved");
    let mut waiting = Client::connect(server.address()).expect("a connection");
    waiting.send(&["BLPOP", "queue", "0.05"]).expect("sent");
    while !server
        .engine()
        .query::<String>(["INFO", "clients"])
        .expect("a page")
        .contains("blocked_clients:1")
    {
        thread::yield_now();
    }
    assert_eq!(client.run("OXIDIS CLOCK SYSTEM"), ok());
    assert_eq!(waiting.receive().expect("a reply"), Reply::NullArray);
    assert!(is_error(&client.run("OXIDIS ADVANCE 1")));
    assert_eq!(client.run("OXIDIS CLOCK MANUAL"), ok());
    assert_eq!(client.run("OXIDIS ADVANCE 1"), ok());
}

#[test]
fn faults_come_and_go() {
    let server = server();
    let mut client = client(&server);
    let words = [
        "OXIDIS",
        "FAULT",
        "ADD",
        "ERROR",
        "LOADING not yet",
        "COMMAND",
        "GET",
        "KEY",
        "a*",
        "COUNT",
        "1",
    ];
    assert_eq!(client.command(&words).expect("a reply"), Reply::Integer(1));
    assert_eq!(client.run("GET b"), Reply::NullBulk);
    assert_eq!(
        client.run("GET a"),
        Reply::Error(b"LOADING not yet".to_vec())
    );
    assert_eq!(client.run("GET a"), Reply::NullBulk);
    let Reply::Array(list) = client.run("OXIDIS FAULT LIST") else {
        panic!("an array");
    };
    assert_eq!(list.len(), 1);
    assert_eq!(client.run("OXIDIS FAULT REMOVE 1"), Reply::Integer(1));
    assert!(is_error(&client.run("OXIDIS FAULT REMOVE 1")));
    // What everyone meets can still be ended.
    assert_eq!(client.run("OXIDIS FAULT ADD ERROR BUSY"), Reply::Integer(2));
    assert_eq!(client.run("PING"), Reply::Error(b"BUSY".to_vec()));
    assert_eq!(client.run("OXIDIS FAULT CLEAR"), Reply::Integer(1));
    assert_eq!(client.run("PING"), Reply::Simple(b"PONG".to_vec()));
    for wrong in [
        "ADD",
        "ADD NONE",
        "ADD ERROR",
        "ADD CUT COUNT",
        "ADD CUT COUNT x",
        "REMOVE x",
    ] {
        assert!(
            is_error(&client.run(&format!("OXIDIS FAULT {wrong}"))),
            "{wrong}"
        );
    }
}

#[test]
fn snapshots_have_names() {
    let server = server();
    let mut client = client(&server);
    client.run("SET a 1");
    assert_eq!(client.run("OXIDIS SNAPSHOT"), Reply::Integer(1));
    client.run("SET a 2");
    client.run("SET b 1");
    assert_eq!(client.run("OXIDIS SNAPSHOT both"), Reply::Integer(2));
    let key = |key: &str| Reply::Array(vec![Reply::Integer(0), text(key)]);
    let expected = [
        text("added"),
        Reply::Array(vec![key("b")]),
        text("removed"),
        Reply::Array(vec![]),
        text("changed"),
        Reply::Array(vec![key("a")]),
    ];
    assert_eq!(client.run("OXIDIS DIFF"), Reply::Array(expected.to_vec()));
    assert_eq!(client.run("OXIDIS RESTORE"), ok());
    assert_eq!(
        client.run("MGET a b"),
        Reply::Array(vec![text("1"), Reply::NullBulk])
    );
    assert_eq!(client.run("OXIDIS RESTORE both"), ok());
    assert_eq!(
        client.run("MGET a b"),
        Reply::Array(vec![text("2"), text("1")])
    );
    assert_eq!(client.run("OXIDIS DROP both"), ok());
    assert!(is_error(&client.run("OXIDIS RESTORE both")));
}

#[test]
fn commands_are_kept() {
    let server = server();
    let mut client = client(&server);
    assert_eq!(client.run("OXIDIS COMMANDS START 2"), ok());
    client.run("SET a 1");
    client.run("SET b 1");
    client.run("GET b");
    assert_eq!(client.run("OXIDIS COMMANDS STOP"), ok());
    client.run("GET c");
    let Reply::Array(kept) = client.run("OXIDIS COMMANDS") else {
        panic!("an array");
    };
    let words = kept.iter().map(|entry| match entry {
        Reply::Array(parts) => parts[4].clone(),
        other => other.clone(),
    });
    let expected = [
        Reply::Array(vec![text("SET"), text("b"), text("1")]),
        Reply::Array(vec![text("GET"), text("b")]),
    ];
    assert_eq!(words.collect::<Vec<_>>(), expected);
    assert_eq!(client.run("OXIDIS COMMANDS CLEAR"), ok());
    assert_eq!(client.run("OXIDIS COMMANDS"), Reply::Array(vec![]));
}

#[test]
fn chance_follows_the_seed() {
    let chances = |seed: &str| {
        let server = server();
        let mut client = client(&server);
        for n in 0..50 {
            client.run(&format!("SET key:{n} v"));
            client.run(&format!("SADD set m{n}"));
            client.run(&format!("HSET hash f{n} v"));
        }
        assert_eq!(client.run(&format!("OXIDIS SEED {seed}")), ok());
        thread::sleep(Duration::from_millis(1));
        [
            "RANDOMKEY",
            "SRANDMEMBER set 3",
            "SPOP set 3",
            "HRANDFIELD hash 3",
            "ACL GENPASS",
        ]
        .map(|command| client.run(command))
    };
    assert_eq!(chances("7"), chances("7"));
    assert_ne!(chances("7"), chances("8"));
}

#[test]
fn the_seed_of_a_builder_is_for_everything() {
    let chances = |seed: u64| {
        let engine = Engine::builder().seed(seed).open().expect("an engine");
        for n in 0..200 {
            engine.set().add("set", format!("m{n}")).expect("added");
            engine.string().set(format!("key:{n}"), "v").expect("set");
        }
        let one = |words: &[&str]| -> String { engine.query(words).expect("a string") };
        let replication = one(&["INFO", "replication"]);
        let id = replication
            .lines()
            .find(|line| line.starts_with("master_replid:"));
        let order: Vec<String> = engine.query(["SMEMBERS", "set"]).expect("members");
        [
            one(&["RANDOMKEY"]),
            one(&["SPOP", "set"]),
            one(&["ACL", "GENPASS"]),
            id.expect("an ID").to_owned(),
            order.join(" "),
            one(&["EVAL", "return tostring(math.random())", "0"]),
        ]
    };
    assert_eq!(chances(1), chances(1));
    let (one, other) = (chances(1), chances(2));
    // Lua's numbers begin anew in each script, as in Redis, whatever the seed.
    for index in 0..5 {
        assert_ne!(one[index], other[index], "{index}");
    }
}

#[test]
fn a_server_is_forked_over_the_wire() {
    let server = server();
    let mut first = client(&server);
    for command in [
        "SET k v EX 100",
        "CONFIG SET maxmemory-policy allkeys-lfu",
        "ACL SETUSER anna on >secret ~k +@all",
        "SCRIPT LOAD return(7)",
        "OXIDIS ADVANCE 40",
    ] {
        assert!(!is_error(&first.run(command)), "{command}");
    }
    let fork = |client: &mut Client| match client.run("OXIDIS FORK") {
        Reply::Integer(port) => u16::try_from(port).expect("a port"),
        other => panic!("{other:?}"),
    };
    let port = fork(&mut first);
    assert_ne!(port, server.port());
    let connect = |port: u16| Client::connect(([127, 0, 0, 1], port).into());
    let mut second = connect(port).expect("a connection");
    assert_eq!(second.run("TTL k"), Reply::Integer(60));
    assert_eq!(second.run("OXIDIS ADVANCE 60"), ok());
    assert_eq!(second.run("GET k"), Reply::NullBulk);
    assert_eq!(first.run("GET k"), text("v"));
    let policy = second.run("CONFIG GET maxmemory-policy");
    assert_eq!(policy, first.run("CONFIG GET maxmemory-policy"));
    let evaluated = second.run("EVALSHA bc70ae583496ef68242126e5f723b4224435af02 0");
    assert_eq!(evaluated, Reply::Integer(7));
    assert_eq!(second.run("AUTH anna secret"), ok());
    drop(second);

    // A fork of a fork ends with it.
    let mut second = connect(port).expect("a connection");
    let third_port = fork(&mut second);
    assert!(connect(third_port).is_ok());
    assert!(is_error(
        &first.run(&format!("OXIDIS FORK END {third_port}"))
    ));
    assert_eq!(first.run(&format!("OXIDIS FORK END {port}")), ok());
    assert!(connect(port).is_err());
    assert!(connect(third_port).is_err());
    assert!(is_error(&first.run(&format!("OXIDIS FORK END {port}"))));
    assert!(is_error(&first.run("OXIDIS FORK END")));

    // SHUTDOWN ends it as well, and nobody else.
    let port = fork(&mut first);
    let mut other = connect(port).expect("a connection");
    other.send(&["SHUTDOWN", "NOSAVE"]).expect("sent");
    while connect(port).is_ok() {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(first.run("PING"), Reply::Simple(b"PONG".to_vec()));

    // What is left ends with the server.
    let port = fork(&mut first);
    drop(server);
    assert!(connect(port).is_err());
}

#[test]
fn an_engine_without_a_server_is_not_forked_over_the_wire() {
    let engine = Engine::builder().clock(Clock::Manual).open();
    let refused = engine.expect("an engine").execute(["OXIDIS", "FORK"]);
    let reason = refused.expect_err("an error").to_string();
    assert!(reason.contains("no server"), "{reason}");
}
