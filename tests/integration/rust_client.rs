//! The Rust `redis` crate against the server, in RESP2 and RESP3. Other people's clients in other
//! languages are in `compat/clients`.

use std::collections::{BTreeSet, HashMap};

use oxidis_testkit::{ServerBuilder, TestServer};
use redis::{Commands, Connection, ErrorKind, RedisResult, ServerErrorKind};

fn connect(server: &TestServer, protocol: &str) -> Connection {
    let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", server.port());
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

fn check(protocol: &str) {
    let server = ServerBuilder::oxidis().start().unwrap();
    let mut client = connect(&server, protocol);
    strings_and_collections(&mut client).unwrap();
    pipelines_and_transactions(&mut client).unwrap();
    publish_and_subscribe(&server, protocol).unwrap();
}

fn strings_and_collections(client: &mut Connection) -> RedisResult<()> {
    let binary = vec![0, 255, 13, 10];
    let () = client.set("k", &binary)?;
    assert_eq!(client.get::<_, Vec<u8>>("k")?, binary);
    assert_eq!(client.get::<_, Option<String>>("absent")?, None);
    assert_eq!(client.incr::<_, _, i64>("n", 42)?, 42);
    let () = client.set_ex("e", "v", 100)?;
    assert!((98..=100).contains(&client.ttl::<_, i64>("e")?));

    assert_eq!(client.rpush::<_, _, usize>("l", &["a", "b", "c"])?, 3);
    assert_eq!(
        client.lrange::<_, Vec<String>>("l", 0, -1)?,
        ["a", "b", "c"]
    );
    let () = client.hset_multiple("h", &[("a", 1), ("b", 2)])?;
    let hash: HashMap<String, i64> = client.hgetall("h")?;
    assert_eq!(
        hash,
        HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
    );
    assert_eq!(client.sadd::<_, _, usize>("s", &[1, 2, 3])?, 3);
    assert_eq!(
        client.smembers::<_, BTreeSet<i64>>("s")?,
        BTreeSet::from([1, 2, 3])
    );
    assert!(client.sismember::<_, _, bool>("s", 2)?);
    let () = client.zadd_multiple("z", &[(1.5, "one"), (2.0, "two")])?;
    let ranked: Vec<(String, f64)> = client.zrange_withscores("z", 0, -1)?;
    assert_eq!(ranked, [("one".to_owned(), 1.5), ("two".to_owned(), 2.0)]);

    let keys: BTreeSet<String> = client.scan::<String>()?.collect::<RedisResult<_>>()?;
    assert_eq!(keys.len(), 7);
    let error = client.lpush::<_, _, usize>("k", 1).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    let error = redis::cmd("NOSUCH").query::<()>(client).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ResponseError)
    );
    Ok(())
}

fn pipelines_and_transactions(client: &mut Connection) -> RedisResult<()> {
    let mut pipe = redis::pipe();
    for number in 0..500 {
        pipe.set(format!("p:{number}"), number).ignore();
    }
    pipe.get("p:499");
    assert_eq!(pipe.query::<(i64,)>(client)?, (499,));
    let (one, two): (i64, i64) = redis::pipe()
        .atomic()
        .incr("t", 1)
        .incr("t", 1)
        .query(client)?;
    assert_eq!((one, two), (1, 2));
    let sum: (i64,) = redis::transaction(client, &["t"], |client, pipe| {
        let value: i64 = client.get("t")?;
        pipe.set("t", value + 40).ignore().get("t").query(client)
    })?;
    assert_eq!(sum, (42,));
    Ok(())
}

fn publish_and_subscribe(server: &TestServer, protocol: &str) -> RedisResult<()> {
    let mut listener = connect(server, "resp2");
    let mut listener = listener.as_pubsub();
    listener.subscribe("channel")?;
    let mut client = connect(server, protocol);
    assert_eq!(client.publish::<_, _, usize>("channel", "hello")?, 1);
    let message = listener.get_message()?;
    assert_eq!(message.get_payload::<String>()?, "hello");
    Ok(())
}

#[test]
fn resp2() {
    check("resp2");
}

#[test]
fn resp3() {
    check("resp3");
}
