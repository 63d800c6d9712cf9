//! Time that stands still until it is moved, and what happens then.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxidis::{Clock, Engine, Error, Server, Value};
use oxidis_testkit::{Client, Reply};

/// A day in 2030, in seconds since 1970.
const START_SECONDS: u64 = 1_900_000_000;

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START_SECONDS)
}

fn engine() -> Engine {
    let builder = Engine::builder().seed(1).clock(Clock::ManualAt(start()));
    builder.open().expect("an engine")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn wait_for_blocked(engine: &Engine, count: usize) {
    let wanted = format!("blocked_clients:{count}\r\n");
    let page = || -> String { engine.query(["INFO", "clients"]).expect("a page") };
    while !page().contains(&wanted) {
        thread::yield_now();
    }
}

#[test]
fn time_stands_still() {
    let engine = engine();
    let time: (i64, i64) = engine.query(["TIME"]).map(pair).expect("a time");
    thread::sleep(Duration::from_millis(3));
    assert_eq!(engine.query(["TIME"]).map(pair).expect("a time"), time);
    assert_eq!(time, (START_SECONDS as i64, 0));
    assert_eq!(engine.now(), start());
    let script = "return redis.call('TIME')";
    let in_lua = engine.query(["EVAL", script, "0"]).map(pair);
    assert_eq!(in_lua.expect("a time"), time);
    engine
        .advance(Duration::from_micros(1_500_250))
        .expect("moved");
    let moved = (START_SECONDS as i64 + 1, 500_250);
    assert_eq!(engine.query(["TIME"]).map(pair).expect("a time"), moved);
    let in_lua = engine.query(["EVAL", script, "0"]).map(pair);
    assert_eq!(in_lua.expect("a time"), moved);
}

fn pair(parts: Vec<i64>) -> (i64, i64) {
    (parts[0], parts[1])
}

#[test]
fn keys_expire_with_their_events_in_the_order_of_their_times() {
    let engine = engine();
    engine
        .execute(["CONFIG", "SET", "notify-keyspace-events", "Exh"])
        .expect("set");
    let mut listener = engine.connect();
    let channels = ["PSUBSCRIBE", "__keyevent@0__:*"];
    listener.execute(channels).expect("subscribed");
    for (key, ms) in [("c", 3000), ("a", 1000), ("d", 10_000), ("b", 2000)] {
        let ms = ms.to_string();
        engine.execute(["SET", key, "v", "PX", &ms]).expect("set");
    }
    engine
        .execute(["HSET", "hash", "field", "1", "other", "2"])
        .expect("set");
    engine
        .execute(["HPEXPIRE", "hash", "1500", "FIELDS", "1", "field"])
        .expect("set");
    engine.advance(seconds(5)).expect("moved");
    assert_eq!(engine.query::<i64>(["DBSIZE"]).expect("a number"), 2);
    let mut seen = Vec::new();
    while let Some(message) = listener
        .next_message_for(Duration::from_millis(1))
        .expect("a connection")
    {
        let event = String::from_utf8_lossy(&message.channel[15..]).into_owned();
        seen.push((
            event,
            String::from_utf8_lossy(&message.payload).into_owned(),
        ));
    }
    let expected = [
        ("hset", "hash"),
        ("hexpire", "hash"),
        ("expired", "a"),
        ("hexpired", "hash"),
        ("expired", "b"),
        ("expired", "c"),
    ];
    let expected = expected.map(|(event, key)| (event.to_owned(), key.to_owned()));
    assert_eq!(seen, expected);
}

#[test]
fn nothing_expires_early_and_everything_on_time() {
    let engine = engine();
    for n in 0..1000 {
        let (key, seconds) = (format!("key:{n}"), (n + 1).to_string());
        engine
            .execute(["SET", &key, "v", "EX", &seconds])
            .expect("set");
    }
    for passed in [1, 499, 250] {
        let before: i64 = engine.query(["DBSIZE"]).expect("a number");
        engine.advance(seconds(passed)).expect("moved");
        let left: i64 = engine.query(["DBSIZE"]).expect("a number");
        assert_eq!(left, before - passed as i64);
    }
}

#[test]
fn those_who_wait_give_up_in_the_order_of_their_deadlines() {
    let engine = engine();
    let (sender, woken) = mpsc::channel();
    for (name, timeout) in [("late", "30"), ("early", "10"), ("never", "100")] {
        let mut connection = engine.connect();
        let sender = sender.clone();
        thread::spawn(move || {
            let reply = connection.execute(["BLPOP", name, timeout]);
            // The test may be over.
            let _ = sender.send((name, reply.expect("a reply")));
        });
    }
    wait_for_blocked(&engine, 3);
    engine.advance(seconds(9)).expect("moved");
    assert!(woken.try_recv().is_err());
    engine.advance(seconds(1)).expect("moved");
    assert_eq!(woken.recv().expect("one"), ("early", Value::Null));
    engine.advance(seconds(20)).expect("moved");
    assert_eq!(woken.recv().expect("one"), ("late", Value::Null));
    wait_for_blocked(&engine, 1);
    engine.execute(["RPUSH", "never", "x"]).expect("pushed");
    assert_eq!(woken.recv().expect("one").0, "never");
}

#[test]
fn clients_of_a_server_wake_in_real_time() {
    let server = Server::builder().clock(Clock::Manual).workers(2).start();
    let server = server.expect("a server");
    let client = || Client::connect(server.address()).expect("a connection");
    let mut waiting: Vec<_> = [
        "BLPOP q 3600",
        "XREAD BLOCK 3600000 STREAMS s $",
        "BLMOVE a b LEFT LEFT 3600",
        "BZPOPMIN z 3600",
    ]
    .iter()
    .map(|command| {
        let mut client = client();
        let words: Vec<&str> = command.split(' ').collect();
        client.send(&words).expect("sent");
        client
    })
    .collect();
    wait_for_blocked(&server.engine(), waiting.len());
    server.advance(seconds(3599)).expect("moved");
    wait_for_blocked(&server.engine(), waiting.len());
    server.advance(seconds(1)).expect("moved");
    for client in &mut waiting {
        let reply = client.receive().expect("a reply");
        assert!(matches!(reply, Reply::NullArray | Reply::Null), "{reply:?}");
    }
}

#[test]
fn a_pause_ends_when_its_time_is_over() {
    let server = Server::builder().clock(Clock::Manual).start();
    let server = server.expect("a server");
    let client = || Client::connect(server.address()).expect("a connection");
    let (mut one, mut other) = (client(), client());
    one.run("SET k v PX 10");
    one.run("CLIENT PAUSE 60000 WRITE");
    other.send(&["SET", "paused", "v"]).expect("sent");
    wait_for_blocked(&server.engine(), 1);
    server.advance(seconds(59)).expect("moved");
    wait_for_blocked(&server.engine(), 1);
    // Nothing is deleted meanwhile, though nobody sees it any more.
    assert_eq!(one.run("DBSIZE"), Reply::Integer(1));
    server.advance(seconds(1)).expect("moved");
    let reply = other.receive().expect("a reply");
    assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
    assert_eq!(
        one.run("KEYS *"),
        Reply::Array(vec![Reply::Bulk(b"paused".to_vec())])
    );
}

#[test]
fn who_waits_for_replicas_gives_up_in_time() {
    let server = Server::builder().clock(Clock::ManualAt(start()));
    let server = server.start().expect("a server");
    let address = server.address();
    let waiter = thread::spawn(move || {
        let mut client = Client::connect(address).expect("a connection");
        client.run("SET k v");
        client.run("WAIT 1 5000")
    });
    wait_for_blocked(&server.engine(), 1);
    server.advance(Duration::from_millis(4999)).expect("moved");
    wait_for_blocked(&server.engine(), 1);
    server.advance(Duration::from_millis(1)).expect("moved");
    assert_eq!(waiter.join().expect("an answer"), Reply::Integer(0));
}

#[test]
fn save_points_go_by_the_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.rdb");
    let server = Server::builder()
        .clock(Clock::ManualAt(start()))
        .path(&path)
        .directive("save", "60 2")
        .start()
        .expect("a server");
    let engine = server.engine();
    let last_save = || -> u64 { engine.query(["LASTSAVE"]).expect("a time") };
    engine.string().set("a", "1").expect("set");
    server.advance(seconds(3600)).expect("moved");
    assert_eq!(last_save(), START_SECONDS, "one change is too few");
    // An hour has gone by since the last save, which is enough.
    engine.string().set("b", "2").expect("set");
    server.advance(seconds(1)).expect("moved");
    while last_save() == START_SECONDS {
        thread::yield_now();
    }
    assert_eq!(last_save(), START_SECONDS + 3601);
    assert!(path.is_file());
    engine.string().set("a", "3").expect("set");
    engine.string().set("b", "4").expect("set");
    server.advance(seconds(59)).expect("moved");
    let page: String = engine.query(["INFO", "persistence"]).expect("a page");
    assert!(page.contains("rdb_changes_since_last_save:2"), "{page}");
    server.advance(seconds(2)).expect("moved");
    while last_save() == START_SECONDS + 3601 {
        thread::yield_now();
    }
    assert_eq!(last_save(), START_SECONDS + 3662);
}

#[test]
fn stream_ids_idle_times_and_frequencies_follow() {
    let engine = engine();
    let id = || -> String { engine.query(["XADD", "s", "*", "f", "v"]).expect("an ID") };
    let start_ms = START_SECONDS * 1000;
    assert_eq!(id(), format!("{start_ms}-0"));
    assert_eq!(id(), format!("{start_ms}-1"));
    engine.execute(["SET", "k", "v"]).expect("set");
    engine.advance(seconds(100)).expect("moved");
    assert_eq!(id(), format!("{}-0", start_ms + 100_000));
    assert_eq!(
        engine.query::<i64>(["OBJECT", "IDLETIME", "k"]).expect("s"),
        100
    );
    engine
        .execute(["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"])
        .expect("set");
    engine.execute(["SET", "often", "v"]).expect("set");
    let frequency = || -> i64 { engine.query(["OBJECT", "FREQ", "often"]).expect("a number") };
    let begun = frequency();
    assert!(begun > 1);
    engine.advance(seconds(2 * 60)).expect("moved");
    assert_eq!(frequency(), begun - 2);
}

#[test]
fn pending_entries_grow_old() {
    let engine = engine();
    engine
        .execute(["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"])
        .expect("made");
    engine
        .execute(["XADD", "s", "1-1", "f", "v"])
        .expect("added");
    engine
        .execute(["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"])
        .expect("read");
    engine.advance(seconds(7)).expect("moved");
    let pending = engine.execute(["XPENDING", "s", "g", "-", "+", "10"]);
    let pending = pending.expect("entries");
    let entry = pending.as_elements().expect("an array")[0].clone();
    assert_eq!(
        entry.as_elements().expect("an array")[2],
        Value::Integer(7000)
    );
}

#[test]
fn a_watched_key_that_expires_spoils_the_transaction() {
    let engine = engine();
    let mut connection = engine.connect();
    for (wait_seconds, runs) in [(5, true), (10, false)] {
        connection
            .execute(["SET", "k", "v", "EX", "10"])
            .expect("set");
        connection.execute(["WATCH", "k"]).expect("watched");
        connection.execute(["MULTI"]).expect("begun");
        connection.execute(["SET", "other", "v"]).expect("queued");
        engine.advance(seconds(wait_seconds)).expect("moved");
        let reply = connection.execute(["EXEC"]).expect("a reply");
        assert_eq!(!reply.is_null(), runs);
    }
}

#[test]
fn what_lasts_is_measured_on_the_clock_too() {
    let engine = engine();
    engine
        .execute(["CONFIG", "SET", "slowlog-log-slower-than", "0"])
        .expect("set");
    engine.advance(seconds(60)).expect("moved");
    engine.execute(["PING"]).expect("a reply");
    let log = engine.execute(["SLOWLOG", "GET", "1"]).expect("a log");
    let entry = log.as_elements().expect("an array")[0].clone();
    let parts = entry.as_elements().expect("an entry");
    assert_eq!(parts[1], Value::Integer(START_SECONDS as i64 + 60));
    assert_eq!(parts[2], Value::Integer(0));
}

#[test]
fn the_past_brings_nothing_back() {
    let engine = engine();
    engine.execute(["SET", "k", "v", "EX", "10"]).expect("set");
    engine.set_time(start() + seconds(10)).expect("moved");
    engine.set_time(start()).expect("moved back");
    assert_eq!(engine.now(), start());
    assert_eq!(engine.query::<i64>(["EXISTS", "k"]).expect("a number"), 0);
}

#[test]
fn what_cannot_be_is_said() {
    let running = Engine::open().expect("an engine");
    assert!(matches!(running.advance(seconds(1)), Err(Error::Clock(_))));
    let engine = engine();
    assert!(matches!(
        engine.advance(Duration::MAX),
        Err(Error::Clock(_))
    ));
    assert_eq!(engine.now(), start());
}

#[test]
fn a_script_that_never_ends_can_be_killed_though_time_stands_still() {
    let server = Server::builder()
        .clock(Clock::Manual)
        .directive("busy-reply-threshold", "5")
        .start()
        .expect("a server");
    let client = || Client::connect(server.address()).expect("a connection");
    let (mut one, mut other) = (client(), client());
    one.send(&["EVAL", "while true do end", "0"]).expect("sent");
    while other.run("SCRIPT KILL") != Reply::Simple(b"OK".to_vec()) {
        thread::yield_now();
    }
    assert!(matches!(one.receive().expect("a reply"), Reply::Error(_)));
}
