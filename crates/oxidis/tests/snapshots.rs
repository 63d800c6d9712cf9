//! Snapshots in memory: going back, forks, differences; and the record of commands.

use std::time::{Duration, SystemTime};

use oxidis::{Clock, DatabaseKey, Engine, Error, Server, Value};
use oxidis_testkit::{Client, Reply};

/// Something of every type, big and small.
fn fill(engine: &Engine) {
    for n in 0..300 {
        let n = n.to_string();
        engine
            .execute(["SET", &format!("text:{n}"), &n])
            .expect("set");
        engine.execute(["RPUSH", "list", &n]).expect("pushed");
        engine
            .execute(["SADD", "set", &format!("m{n}")])
            .expect("added");
        engine
            .execute(["HSET", "hash", &format!("f{n}"), &n])
            .expect("set");
        engine
            .execute(["ZADD", "sorted", &n, &format!("m{n}")])
            .expect("added");
        engine
            .execute(["XADD", "stream", &format!("{n}-1"), "f", &n])
            .expect("added");
    }
    engine
        .execute(["SET", "long", &"x".repeat(5000)])
        .expect("set");
    engine
        .execute(["SET", "volatile", "v", "EX", "100"])
        .expect("set");
    engine
        .execute(["SADD", "numbers", "1", "2", "3"])
        .expect("added");
    engine
        .execute(["HPEXPIRE", "hash", "90000", "FIELDS", "1", "f7"])
        .expect("set");
    engine
        .execute(["XGROUP", "CREATE", "stream", "g", "0"])
        .expect("made");
    engine
        .execute([
            "XREADGROUP",
            "GROUP",
            "g",
            "c",
            "COUNT",
            "5",
            "STREAMS",
            "stream",
            ">",
        ])
        .expect("read");
    let mut other = engine.connect();
    other.execute(["SELECT", "3"]).expect("selected");
    other.execute(["SET", "elsewhere", "v"]).expect("set");
    engine
        .execute(["SCRIPT", "LOAD", "return 7"])
        .expect("loaded");
    engine
        .execute([
            "FUNCTION",
            "LOAD",
            "#!lua name=lib\nredis.register_function('seven', function() return 7 end)",
        ])
        .expect("loaded");
}

fn digest(engine: &Engine) -> String {
    engine.query(["DEBUG", "DIGEST"]).expect("a digest")
}

fn engine() -> Engine {
    let builder = Engine::builder().clock(Clock::Manual).seed(1);
    let builder = builder.directive("enable-debug-command", "yes");
    builder.open().expect("an engine")
}

#[test]
fn what_comes_back_is_not_deleted_by_the_time_that_was_left() {
    let engine = engine();
    for n in 0..200 {
        let name = n.to_string();
        engine
            .execute(["SET", &name, "v", "EX", "100"])
            .expect("set");
        let hash = format!("hash:{n}");
        let fields = ["HSET", &hash, "f", "1", "g", "2"];
        engine.execute(fields).expect("set");
        let expire = ["HPEXPIRE", &hash, "90000", "FIELDS", "1", "f"];
        engine.execute(expire).expect("set");
    }
    let before = engine.snapshot().expect("one");
    // What deletes in the background may be anywhere when the data come back.
    for _ in 0..300 {
        engine.advance(Duration::from_secs(1000)).expect("moved");
        engine.restore(&before).expect("restored");
        let differences = engine.diff(&before).expect("differences");
        assert!(differences.is_empty(), "{differences:?}");
    }
}

#[test]
fn going_back_undoes_everything() {
    let engine = engine();
    fill(&engine);
    let (before, digest_before, time) = (
        engine.snapshot().expect("one"),
        digest(&engine),
        engine.now(),
    );
    assert!(engine.diff(&before).expect("no differences").is_empty());
    assert_eq!(before.len(), 309);
    engine.advance(Duration::from_secs(1000)).expect("moved");
    engine.execute(["FUNCTION", "FLUSH"]).expect("flushed");
    engine.execute(["SCRIPT", "FLUSH"]).expect("flushed");
    engine.execute(["SPOP", "set", "100"]).expect("popped");
    engine
        .execute(["XACK", "stream", "g", "0-1"])
        .expect("acknowledged");
    engine.execute(["SET", "new", "v"]).expect("set");
    assert_ne!(digest(&engine), digest_before);
    engine.restore(&before).expect("restored");
    assert_eq!(digest(&engine), digest_before);
    assert!(engine.diff(&before).expect("no differences").is_empty());
    assert_eq!(engine.now(), time);
    assert_eq!(engine.query::<i64>(["TTL", "volatile"]).expect("s"), 100);
    assert_eq!(engine.query::<i64>(["FCALL", "seven", "0"]).expect("7"), 7);
    let exists: Vec<i64> = engine
        .query(["SCRIPT", "EXISTS", &sha1_of("return 7")])
        .expect("whether it is there");
    assert_eq!(exists, [1]);
    let pending = engine
        .execute(["XPENDING", "stream", "g"])
        .expect("a summary");
    assert_eq!(pending.as_elements().expect("parts")[0], Value::Integer(5));
    // Time goes on from there.
    engine.advance(Duration::from_secs(100)).expect("moved");
    assert_eq!(engine.query::<i64>(["EXISTS", "volatile"]).expect("0"), 0);
}

/// The digest of a script, from an engine that it was not loaded into before.
fn sha1_of(script: &str) -> String {
    let other = Engine::open().expect("an engine");
    other.query(["SCRIPT", "LOAD", script]).expect("a digest")
}

#[test]
fn differences_are_named() {
    let engine = engine();
    fill(&engine);
    let before = engine.snapshot().expect("a snapshot");
    // What ends up as it was has not changed.
    engine.execute(["APPEND", "text:1", "x"]).expect("grown");
    engine.execute(["SET", "text:1", "1"]).expect("set back");
    engine.execute(["SREM", "set", "m3"]).expect("removed");
    engine.execute(["SADD", "set", "m3"]).expect("added again");
    assert!(engine.diff(&before).expect("none").is_empty());
    for command in [
        "LSET list 0 x",
        "SREM set m1",
        "HSET hash f1 x",
        "HPERSIST hash FIELDS 1 f7",
        "ZADD sorted 0.5 m1",
        "XACK stream g 0-1",
        "EXPIRE volatile 200",
        "EXPIRE text:2 200",
        "DEL text:3",
        "SET new v",
        "RENAME text:4 renamed",
    ] {
        engine.execute(command.split(' ')).expect(command);
    }
    engine.advance(Duration::from_secs(60)).expect("moved");
    let diff = engine.diff(&before).expect("differences");
    let names = |keys: &[DatabaseKey]| -> Vec<String> {
        let names = keys
            .iter()
            .map(|it| String::from_utf8_lossy(&it.key).into_owned());
        names.collect()
    };
    assert_eq!(names(&diff.added), ["new", "renamed"]);
    assert_eq!(names(&diff.removed), ["text:3", "text:4"]);
    assert_eq!(
        names(&diff.changed),
        [
            "hash", "list", "set", "sorted", "stream", "text:2", "volatile"
        ]
    );
}

#[test]
fn a_fork_is_another_engine_with_the_same_data() {
    let engine = engine();
    fill(&engine);
    engine.advance(Duration::from_secs(10)).expect("moved");
    let fork = engine.fork().expect("a fork");
    assert_eq!(digest(&fork), digest(&engine));
    assert_eq!(fork.now(), engine.now());
    fork.advance(Duration::from_secs(500)).expect("moved");
    fork.execute(["FLUSHDB"]).expect("flushed");
    assert_eq!(engine.query::<i64>(["EXISTS", "volatile"]).expect("1"), 1);
    assert_eq!(engine.query::<i64>(["FCALL", "seven", "0"]).expect("7"), 7);
}

#[test]
fn a_server_forks() {
    let server = Server::builder()
        .password("secret")
        .start()
        .expect("a server");
    server.engine().execute(["AUTH", "secret"]).expect("known");
    let mut connection = server.engine().connect();
    connection.execute(["AUTH", "secret"]).expect("known");
    connection
        .execute(["RPUSH", "list", "a", "b"])
        .expect("pushed");
    let fork = server.fork().expect("another");
    assert_ne!(fork.port(), server.port());
    let mut client = Client::connect(fork.address()).expect("a connection");
    assert_eq!(client.run("AUTH secret"), Reply::Simple(b"OK".to_vec()));
    assert_eq!(client.run("LLEN list"), Reply::Integer(2));
}

#[test]
fn a_fork_has_the_directives_as_they_are_now() {
    let server = Server::builder()
        .directive("list-max-listpack-size", "3")
        .start()
        .expect("a server");
    let engine = server.engine();
    let changes = [
        ("maxmemory-policy", "allkeys-lfu"),
        ("default-ttl", "60"),
        ("save", "1 1"),
        ("requirepass", "a word"),
    ];
    for (name, value) in changes {
        let mut connection = engine.connect();
        connection
            .execute(["CONFIG", "SET", name, value])
            .expect("set");
    }
    assert!(server.url().contains(":a%20word@"), "{}", server.url());
    let fork = server.fork().expect("another");
    assert!(fork.url().contains(":a%20word@"), "{}", fork.url());
    let mut connection = fork.engine().connect();
    connection.execute(["AUTH", "a word"]).expect("known");
    let mut get = |name: &str| -> String {
        let request = ["CONFIG", "GET", name];
        let pairs: std::collections::BTreeMap<String, String> =
            connection.query(request).expect("a pair");
        pairs[name].clone()
    };
    assert_eq!(get("maxmemory-policy"), "allkeys-lfu");
    assert_eq!(get("default-ttl"), "60");
    assert_eq!(get("list-max-listpack-size"), "3");
    // A fork has no files.
    assert_eq!(get("save"), "");

    let engine = Engine::open().expect("an engine");
    engine
        .execute(["CONFIG", "SET", "hash-max-listpack-entries", "1"])
        .expect("set");
    let fork = engine.fork().expect("another");
    fork.execute(["HSET", "h", "a", "1", "b", "2"])
        .expect("set");
    let encoding: String = fork.query(["OBJECT", "ENCODING", "h"]).expect("a word");
    assert_eq!(encoding, "hashtable");
}

#[test]
fn sessions_notice_that_the_data_are_others() {
    let engine = engine();
    engine.execute(["RPUSH", "queue", "x"]).expect("pushed");
    engine.execute(["SET", "watched", "v"]).expect("set");
    let before = engine.snapshot().expect("a snapshot");
    engine.execute(["DEL", "queue"]).expect("deleted");
    let mut watching = engine.connect();
    watching.execute(["WATCH", "watched"]).expect("watched");
    watching.execute(["MULTI"]).expect("begun");
    let mut waiting = engine.connect();
    let waiter = std::thread::spawn(move || waiting.query::<Vec<String>>(["BLPOP", "queue", "0"]));
    while !engine
        .query::<String>(["INFO", "clients"])
        .expect("a page")
        .contains("blocked_clients:1")
    {}
    engine.restore(&before).expect("restored");
    assert_eq!(
        waiter.join().expect("it ends").expect("served"),
        ["queue", "x"]
    );
    assert!(watching.execute(["EXEC"]).expect("a reply").is_null());
}

#[test]
fn what_does_not_fit_is_refused() {
    let big = engine();
    big.connect()
        .pipeline([vec!["SELECT", "9"], vec!["SET", "k", "v"]])
        .expect("set");
    let snapshot = big.snapshot().expect("a snapshot");
    let small = Engine::builder()
        .directive("databases", "2")
        .open()
        .expect("an engine");
    small.execute(["SET", "kept", "v"]).expect("set");
    assert!(matches!(small.restore(&snapshot), Err(Error::Snapshot(_))));
    assert_eq!(small.query::<i64>(["DBSIZE"]).expect("a number"), 1);
}

#[test]
fn commands_are_kept_for_assertions() {
    let server = Server::builder()
        .clock(Clock::ManualAt(
            SystemTime::UNIX_EPOCH + Duration::from_secs(5),
        ))
        .start()
        .expect("a server");
    let mut client = Client::connect(server.address()).expect("a connection");
    client.run("SET before v");
    server.record_commands(3);
    client.run("CLIENT SETNAME app");
    client.run("SELECT 2");
    client.run("SET k v");
    client.run("NOSUCH x");
    client.run("GET k");
    let commands = server.commands();
    let words: Vec<String> = commands
        .iter()
        .map(|it| String::from_utf8_lossy(&it.arguments.join(&b' ')).into_owned())
        .collect();
    assert_eq!(words, ["SET k v", "NOSUCH x", "GET k"]);
    assert_eq!(commands[0].client_name, b"app");
    assert_eq!(commands[0].database, 2);
    assert_eq!(commands[0].at_us, 5_000_000);
    server.record_commands(0);
    client.run("GET k");
    assert!(server.commands().is_empty());
}
