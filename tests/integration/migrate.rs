//! MIGRATE between two servers: ours and ours, and ours and redis-server both ways, where that is
//! installed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

fn ours() -> TestServer {
    ServerBuilder::oxidis().start().expect("the server starts")
}

/// Pairs of servers, from which and to which keys go.
fn pairs() -> Vec<(TestServer, TestServer)> {
    let mut pairs = vec![(ours(), ours())];
    if let Some(program) = redis_server() {
        let redis = || ServerBuilder::new(&program).start().expect("it starts");
        pairs.push((ours(), redis()));
        pairs.push((redis(), ours()));
    }
    pairs
}

fn text(client: &mut Client, line: &str) -> String {
    client.run(line).to_string()
}

#[track_caller]
fn check(client: &mut Client, line: &str, expected: &str) {
    assert_eq!(text(client, line), expected, "{line}");
}

#[test]
fn values_of_every_type_arrive_as_they_were() {
    for (from, to) in pairs() {
        let (mut source, mut target) = (from.client(), to.client());
        let port = to.port();
        let many: Vec<String> = (0..600).map(|n| format!("m{n}")).collect();
        let (many, mut names) = (many.join(" "), Vec::new());
        for (name, line) in [
            ("string", "SET string value".to_owned()),
            ("integer", "SET integer 12345".to_owned()),
            ("list", format!("RPUSH list {many}")),
            ("set", format!("SADD set {many}")),
            ("small", "SADD small 1 2 3".to_owned()),
            ("hash", format!("HSET hash {many}")),
            ("zset", "ZADD zset 1 a 2.5 b inf c".to_owned()),
            ("stream", "XADD stream 1-1 f v".to_owned()),
        ] {
            assert!(!source.run(&line).is_error(), "{line}");
            names.push(name);
        }
        source.run("PEXPIRE string 100000");
        let dumps: Vec<Reply> = names
            .iter()
            .map(|name| source.run(&format!("DEBUG DIGEST-VALUE {name}")))
            .collect();
        let line = format!(
            "MIGRATE 127.0.0.1 {port} \"\" 3 5000 KEYS absent {}",
            names.join(" ")
        );
        check(&mut source, &line, "+OK");
        check(&mut source, "DBSIZE", ":0");
        check(&mut target, "DBSIZE", ":0");
        target.run("SELECT 3");
        check(&mut target, "DBSIZE", &format!(":{}", names.len()));
        for (name, dump) in names.iter().zip(dumps) {
            if !dump.is_error() {
                assert_eq!(
                    target.run(&format!("DEBUG DIGEST-VALUE {name}")),
                    dump,
                    "{name}"
                );
            }
        }
        let Reply::Integer(ttl) = target.run("PTTL string") else {
            panic!("PTTL answers an integer");
        };
        assert!((1..=100_000).contains(&ttl), "{ttl}");
        check(&mut target, "LINDEX list 599", "$\"m599\"");
        check(&mut target, "ZSCORE zset c", "$\"inf\"");
    }
}

#[test]
fn options_and_errors_are_those_of_redis() {
    for (from, to) in pairs() {
        let (mut source, mut target) = (from.client(), to.client());
        let port = to.port();
        let migrate = |rest: &str| format!("MIGRATE 127.0.0.1 {port} {rest}");
        check(&mut source, &migrate("k 0 1000"), "+NOKEY");
        check(&mut source, &migrate("\"\" 0 1000 KEYS a b"), "+NOKEY");
        source.run("SET k 1");
        for (rest, expected) in [
            ("k 0 1000 NONSENSE", "-ERR syntax error"),
            ("k 0 1000 AUTH", "-ERR syntax error"),
            ("k 0 1000 AUTH2 x", "-ERR syntax error"),
            ("k x 1000", "-ERR value is not an integer or out of range"),
            ("k 0 x", "-ERR value is not an integer or out of range"),
            (
                "k 0 1000 KEYS k",
                "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
            ),
            (
                "k 99 1000",
                "-ERR Target instance replied with error: ERR DB index is out of range",
            ),
            (
                "k 0 1000 AUTH x",
                "-ERR Target instance replied with error: ERR AUTH <password> called without any \
                 password configured for the default user. Are you sure your configuration is \
                 correct?",
            ),
            (
                "k 0 1000 AUTH2 nobody x",
                "-ERR Target instance replied with error: WRONGPASS invalid username-password pair \
                 or user is disabled.",
            ),
        ] {
            check(&mut source, &migrate(rest), expected);
            check(&mut source, "GET k", "$\"1\"");
            // What is refused before RESTORE is restored all the same, where the connection stands, as
            // with Redis; but it is not deleted here.
            target.run("FLUSHALL");
        }
        check(&mut source, &migrate("k 0 1000 COPY"), "+OK");
        check(&mut source, "GET k", "$\"1\"");
        let busy =
            "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        check(&mut source, &migrate("k 0 1000 COPY"), busy);
        source.run("SET k 2");
        // What was acknowledged is gone, though another key was refused.
        source.run("MSET a 1 z 1");
        check(&mut source, &migrate("\"\" 0 1000 KEYS a k z"), busy);
        check(&mut source, "EXISTS a k z", ":1");
        check(&mut source, &migrate("k 0 0 REPLACE COPY"), "+OK");
        check(&mut target, "GET k", "$\"2\"");
        check(&mut source, "GET k", "$\"2\"");
        check(&mut source, &migrate("k 0 -5 REPLACE"), "+OK");
        check(&mut source, "EXISTS k", ":0");
        check(
            &mut target,
            "MGET a k z",
            "*3\n  $\"1\"\n  $\"2\"\n  $\"1\"",
        );

        // In a transaction and in a script.
        source.run("MSET k 3 l 4");
        source.run("MULTI");
        check(&mut source, &migrate("k 0 1000 REPLACE"), "+QUEUED");
        source.run("EXISTS k");
        check(&mut source, "EXEC", "*2\n  +OK\n  :0");
        let script = "return redis.call('MIGRATE', '127.0.0.1', ARGV[1], KEYS[1], 0, 1000)";
        check(&mut source, &format!("EVAL \"{script}\" 1 l {port}"), "+OK");
        check(&mut target, "MGET k l", "*2\n  $\"3\"\n  $\"4\"");
        let reply = text(&mut source, &format!("EVAL \"{script}\" 1 l {port}"));
        assert_eq!(reply, "+NOKEY");
    }
}

#[test]
fn a_password_is_asked_for_and_given() {
    let (from, to) = (ours(), ours());
    let (mut source, mut target) = (from.client(), to.client());
    let port = to.port();
    target.run("CONFIG SET requirepass secret");
    source.run("SET k 1");
    let refused = "-ERR Target instance replied with error: NOAUTH Authentication required.";
    check(
        &mut source,
        &format!("MIGRATE 127.0.0.1 {port} k 0 1000"),
        refused,
    );
    let wrong = "-ERR Target instance replied with error: WRONGPASS invalid username-password pair \
                 or user is disabled.";
    let line = format!("MIGRATE 127.0.0.1 {port} k 0 1000 AUTH other");
    check(&mut source, &line, wrong);
    source.run("CONFIG SET slowlog-log-slower-than 0");
    let line = format!("MIGRATE 127.0.0.1 {port} k 0 1000 COPY AUTH secret");
    check(&mut source, &line, "+OK");
    let line = format!("MIGRATE 127.0.0.1 {port} k 0 1000 REPLACE AUTH2 default secret");
    check(&mut source, &line, "+OK");
    let both = format!("MIGRATE 127.0.0.1 {port} k 0 1000 AUTH secret AUTH2 default secret");
    check(&mut source, &both, "+NOKEY");
    let log = text(&mut source, "SLOWLOG GET -1");
    assert!(
        log.contains("(redacted)") && !log.contains("secret"),
        "{log}"
    );
    let info = text(&mut source, "INFO stats");
    assert!(info.contains("migrate_cached_sockets:1"), "{info}");
}

/// A server that takes a connection and says nothing until it is told to.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Silent(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }

    /// The next connection, when all of the request has come that ends so.
    fn accept_request(&self, end: &[u8]) -> TcpStream {
        let (mut stream, _) = self.0.accept().expect("a connection");
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(end) {
            let count = stream.read(&mut buffer).expect("a request");
            assert_ne!(count, 0, "the connection ended within the request");
            request.extend_from_slice(&buffer[..count]);
        }
        stream
    }
}

#[test]
fn who_does_not_answer_costs_nothing_but_time() {
    let server = ours();
    let mut client = server.client();
    client.run("SET k 1");
    let port = Silent::new().port();
    // A port that refuses is noticed when something is written to it; one that cannot be, at once.
    let (connecting, writing) = (
        "-IOERR error or timeout connecting to the client",
        "-IOERR error or timeout writing to target instance",
    );
    for (target, expected) in [
        (format!("127.0.0.1 {port}"), writing),
        ("127.0.0.1 none".to_owned(), writing),
        ("127.0.0.1 -1".to_owned(), connecting),
        ("256.1.1.1 6379".to_owned(), connecting),
    ] {
        check(&mut client, &format!("MIGRATE {target} k 0 300"), expected);
    }
    let silent = Silent::new();
    check(
        &mut client,
        &format!("MIGRATE 127.0.0.1 {} k 0 300", silent.port()),
        "-IOERR error or timeout reading to target instance",
    );
    check(&mut client, "GET k", "$\"1\"");
}

/// A connection on which a reply did not come is not used again, whatever the other replies were.
#[test]
fn a_connection_that_ended_is_not_kept() {
    let server = ours();
    let silent = Silent::new();
    let mut client = server.client();
    client.run("MSET a 1 b 1");
    let line = format!(
        "MIGRATE 127.0.0.1 {}  0 60000 REPLACE KEYS a b",
        silent.port()
    );
    client.send(&line.split(' ').collect::<Vec<_>>()).unwrap();
    let mut stream = silent.accept_request(b"$7\r\nREPLACE\r\n");
    stream.write_all(b"+OK\r\n-BAD key\r\n").unwrap();
    drop(stream);
    assert_eq!(
        client.receive().unwrap().to_string(),
        "-ERR Target instance replied with error: BAD key"
    );
    check(&mut client, "EXISTS a b", ":2");
    let info = text(&mut client, "INFO stats");
    assert!(info.contains("migrate_cached_sockets:0"), "{info}");
}

/// While a key is on its way, others wait for it and are executed when it has gone; whatever has
/// nothing to do with it goes on.
#[test]
fn a_key_on_its_way_is_waited_for() {
    let server = ours();
    let silent = Silent::new();
    let mut client = server.client();
    let mut others: Vec<Client> = (0..5).map(|_| server.client()).collect();
    client.run("MSET k 1 other 1");
    let line = format!("MIGRATE 127.0.0.1 {} k 0 60000 REPLACE", silent.port());
    client.send(&line.split(' ').collect::<Vec<_>>()).unwrap();
    let mut stream = silent.accept_request(b"$7\r\nREPLACE\r\n");

    let mut free = server.client();
    check(&mut free, "INCR other", ":2");
    others[1].run("MULTI");
    others[1].run("INCR k");
    others[1].run("GET other");
    others[4].run("SELECT 4");
    let script = "return redis.call('incr', KEYS[1])";
    for (other, words) in others.iter_mut().zip([
        vec!["INCR", "k"],
        vec!["EXEC"],
        vec!["FLUSHDB"],
        vec!["EVAL", script, "1", "k"],
        vec!["SET", "k", "4"],
    ]) {
        other.send(&words).expect("it is sent");
    }
    // They are all there, and none has been executed.
    let is_waiting = |free: &mut Client| text(free, "CLIENT LIST").matches(" flags=b").count();
    for _ in 0..500 {
        if is_waiting(&mut free) >= 5 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    check(&mut free, "INCR other", ":3");
    // SELECT and RESTORE.
    stream.write_all(b"+OK\r\n+OK\r\n").unwrap();
    assert_eq!(client.receive().unwrap().to_string(), "+OK");
    let replies: Vec<String> = others
        .iter_mut()
        .map(|other| other.receive().expect("a reply").to_string())
        .collect();
    // Each began with no key, whatever their order was.
    let mut counts: Vec<&str> = vec![&replies[0], &replies[3]];
    counts.push(replies[1].lines().nth(1).expect("an array").trim());
    assert!(
        counts
            .iter()
            .all(|count| [":1", ":2", ":3"].contains(count)),
        "{replies:?}"
    );
    assert_eq!((&replies[2][..], &replies[4][..]), ("+OK", "+OK"));
    others[4].run("SELECT 4");
    check(&mut others[4], "GET k", "$\"4\"");
}

/// What was acknowledged is deleted, whatever becomes of whoever asked for it.
#[test]
fn a_migration_outlives_its_client() {
    let server = ours();
    let silent = Silent::new();
    let mut client = server.client();
    client.run("MSET a 1 b 1");
    let line = format!("MIGRATE 127.0.0.1 {}  0 60000 KEYS a b", silent.port());
    client.send(&line.split(' ').collect::<Vec<_>>()).unwrap();
    let (stream, _) = silent.0.accept().expect("a connection");
    drop(client);
    let mut other = server.client();
    other.send(&["EXISTS", "a", "b"]).unwrap();
    // SELECT and RESTORE are acknowledged; then the connection ends.
    let mut stream = stream;
    stream.write_all(b"+OK\r\n+OK\r\n").unwrap();
    let ended = stream.shutdown(std::net::Shutdown::Write);
    ended.expect("the connection is there");
    assert_eq!(other.receive().unwrap().to_string(), ":1");
}
