//! Engines without a socket.

use std::collections::{BTreeMap, HashSet};
use std::thread;

use oxidis::{Engine, Error, Value};

#[test]
fn commands_are_calls_from_any_thread() {
    let engine = Engine::open().expect("an engine");
    thread::scope(|scope| {
        for _ in 0..4 {
            let engine = engine.clone();
            scope.spawn(move || {
                for _ in 0..500 {
                    engine.execute(["INCR", "n"]).expect("counted");
                }
            });
        }
    });
    assert_eq!(engine.query::<i64>(["GET", "n"]).expect("a number"), 2000);
}

#[test]
fn replies_come_as_what_they_are() {
    let engine = Engine::open().expect("an engine");
    engine
        .execute(["HSET", "h", "a", "1", "b", "2"])
        .expect("set");
    let map: BTreeMap<String, i64> = engine.query(["HGETALL", "h"]).expect("a map");
    assert_eq!(map, BTreeMap::from([("a".into(), 1), ("b".into(), 2)]));
    engine.execute(["SADD", "s", "x", "y"]).expect("added");
    let set: HashSet<String> = engine.query(["SMEMBERS", "s"]).expect("a set");
    assert_eq!(set, HashSet::from(["x".into(), "y".into()]));
    engine.execute(["ZADD", "z", "1.5", "m"]).expect("added");
    assert_eq!(
        engine.query::<f64>(["ZSCORE", "z", "m"]).expect("a double"),
        1.5
    );
    assert_eq!(
        engine
            .query::<Option<Vec<u8>>>(["GET", "none"])
            .expect("null"),
        None
    );
    let bytes = [0xff, 0, b'\r', b'\n'];
    engine
        .execute([&b"SET"[..], b"binary", &bytes])
        .expect("set");
    assert_eq!(
        engine.query::<Vec<u8>>(["GET", "binary"]).expect("bytes"),
        bytes
    );
    assert!(
        engine
            .query::<bool>(["SISMEMBER", "s", "x"])
            .expect("a boolean")
    );
}

#[test]
fn errors_are_redis_s() {
    let engine = Engine::open().expect("an engine");
    engine.execute(["SET", "k", "v"]).expect("set");
    let error = engine
        .execute(["LPUSH", "k", "x"])
        .expect_err("it is a string");
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert_eq!(
        error.to_string(),
        "WRONGTYPE Operation against a key holding the wrong kind of value"
    );
    assert!(engine.execute::<&str>([]).is_err());
}

#[test]
fn what_belongs_to_one_client_stays_with_its_connection() {
    let engine = Engine::open().expect("an engine");
    engine
        .execute(["SELECT", "1"])
        .expect("selected, and forgotten");
    engine.execute(["MULTI"]).expect("begun, and forgotten");
    engine.execute(["SET", "k", "zero"]).expect("set");
    let mut connection = engine.connect();
    connection.execute(["SELECT", "1"]).expect("selected");
    connection.execute(["SET", "k", "one"]).expect("set");
    assert_eq!(
        engine.query::<String>(["GET", "k"]).expect("a string"),
        "zero"
    );
    assert_eq!(
        connection.query::<String>(["GET", "k"]).expect("a string"),
        "one"
    );
}

#[test]
fn a_pipeline_has_an_answer_for_each_command() {
    let engine = Engine::open().expect("an engine");
    let mut connection = engine.connect();
    let commands = [vec!["SET", "k", "v"], vec!["INCR", "k"], vec!["GET", "k"]];
    let replies = connection.pipeline(commands).expect("a connection");
    assert!(matches!(&replies[0], Ok(Value::Simple(word)) if word == b"OK"));
    assert!(matches!(&replies[1], Err(Error::Command { .. })));
    assert!(matches!(&replies[2], Ok(Value::Bulk(value)) if value == b"v"));
}

#[test]
fn a_waiting_connection_can_be_ended() {
    let engine = Engine::open().expect("an engine");
    let mut connection = engine.connect();
    let breaker = connection.breaker();
    let waiter = thread::spawn(move || connection.execute(["BLPOP", "queue", "0"]));
    breaker.break_connection();
    assert!(matches!(
        waiter.join().expect("it ends"),
        Err(Error::Closed)
    ));
}

#[test]
fn scripts_and_streams_are_there() {
    let engine = Engine::builder().seed(1).open().expect("an engine");
    let sum: i64 = engine
        .query([
            "EVAL",
            "return redis.call('INCRBY', KEYS[1], ARGV[1])",
            "1",
            "n",
            "5",
        ])
        .expect("a number");
    assert_eq!(sum, 5);
    engine
        .execute(["XADD", "stream", "1-1", "field", "value"])
        .expect("added");
    assert_eq!(
        engine.query::<i64>(["XLEN", "stream"]).expect("a number"),
        1
    );
}

#[test]
fn directives_hold() {
    let error = Engine::builder()
        .directive("databases", "none")
        .open()
        .err();
    assert!(matches!(error, Some(Error::Option { .. })));
    let engine = Engine::builder()
        .directive("databases", "2")
        .open()
        .expect("an engine");
    assert!(engine.execute(["SELECT", "2"]).is_err());
}

#[test]
fn subscriptions_are_confirmed_command_by_command() {
    let engine = Engine::open().expect("an engine");
    let mut connection = engine.connect();
    let commands = [
        vec!["SUBSCRIBE", "a", "b", "c"],
        vec!["PING"],
        vec!["UNSUBSCRIBE"],
        vec!["GET", "k"],
    ];
    let replies = connection.pipeline(commands).expect("a connection");
    let counts = |reply: &Result<Value, Error>| match reply {
        Ok(Value::Push(parts)) => parts[2].as_integer(),
        _ => None,
    };
    assert_eq!(counts(&replies[0]), Some(3));
    assert!(matches!(&replies[1], Ok(Value::Simple(word)) if word == b"PONG"));
    assert_eq!(counts(&replies[2]), Some(0));
    assert!(matches!(&replies[3], Ok(Value::Null)));
}

#[test]
fn a_command_without_a_reply_does_not_wait_for_one() {
    let engine = Engine::open().expect("an engine");
    let mut connection = engine.connect();
    let reply = connection.execute(["CLIENT", "REPLY", "OFF"]);
    assert_eq!(reply.expect("nothing"), Value::Null);
    connection.execute(["SET", "k", "v"]).expect("nothing");
    assert_eq!(engine.query::<String>(["GET", "k"]).expect("a string"), "v");
}
