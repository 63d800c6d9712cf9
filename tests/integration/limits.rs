//! Limits on what clients may do: how many there are, how long they idle, how much they send and
//! leave unread.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use oxidis_testkit::{ServerBuilder, TestServer};

fn server(arguments: &[&str]) -> TestServer {
    ServerBuilder::oxidis()
        .arguments(arguments)
        .start()
        .expect("the server starts")
}

fn information(server: &TestServer, field: &str) -> String {
    let info = server.client().run("INFO").text();
    let line = info.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|rest| rest.strip_prefix(':'));
    value
        .unwrap_or_else(|| panic!("{field} is missing"))
        .to_owned()
}

#[test]
fn a_rush_of_clients_does_not_pass_the_limit() {
    let server = server(&["--maxclients", "5"]);
    for _ in 0..50 {
        let mut streams: Vec<TcpStream> = (0..20)
            .map(|_| TcpStream::connect(server.address()).expect("connected"))
            .collect();
        let answered = streams.iter_mut().filter_map(|stream| {
            let mut answer = [0; 7];
            // Who is refused may find the connection closed.
            stream.write_all(b"PING\r\n").ok()?;
            stream.read_exact(&mut answer).ok()?;
            (&answer == b"+PONG\r\n").then_some(())
        });
        assert!(answered.count() <= 5);
    }
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = server(&["--maxclients", "2"]);
    let mut first = server.client();
    let _second = server.client();
    // The connection by which the start was noticed may still be on its way out.
    let answer = (0..1000).find_map(|_| {
        let mut third = TcpStream::connect(server.address()).expect("connected");
        third
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a limit");
        let mut answer = String::new();
        third.read_to_string(&mut answer).ok().map(|_| answer)
    });
    assert_eq!(
        answer.as_deref(),
        Some("-ERR max number of clients reached\r\n")
    );
    let stats = first.run("INFO stats").text();
    assert!(!stats.contains("rejected_connections:0"), "{stats}");
}

#[test]
fn idle_clients_are_closed_but_not_those_who_wait() {
    let server = server(&["--timeout", "1"]);
    let mut subscriber = server.raw_client();
    subscriber.expect(
        "SUBSCRIBE news\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n",
    );
    let mut blocked = server.raw_client();
    blocked.send("BLPOP queue 0\r\n").expect("sent");
    let mut idle = server.raw_client();
    idle.expect("PING\r\n", "+PONG\r\n");
    assert_eq!(idle.read_to_close().expect("it is closed"), b"");
    let mut client = server.client();
    assert_eq!(client.run("PUBLISH news x").text(), "1");
    assert_eq!(client.run("RPUSH queue x").text(), "1");
    assert_eq!(blocked.read_exactly(5).expect("an answer"), b"*2\r\n$");
}

#[test]
fn a_client_that_sends_more_than_it_may_is_closed() {
    let server = server(&["--client-query-buffer-limit", "1mb"]);
    let mut greedy = server.raw_client();
    let mut request = b"*2\r\n$3\r\nGET\r\n$3000000\r\n".to_vec();
    request.resize(2_000_000, b'x');
    // It may be closed before it has sent everything.
    let _ = greedy.send(&request);
    // The rest was never read, so the system may call this a reset.
    assert!(greedy.read_to_close().unwrap_or_default().is_empty());
    assert_eq!(
        information(&server, "client_query_buffer_limit_disconnections"),
        "1"
    );
    assert!(
        server
            .log()
            .contains("reached max query buffer length: id=")
    );
    // Whole arguments do not count.
    let mut fair = server.raw_client();
    let mut request = b"*4\r\n$4\r\nMSET\r\n$3\r\nkey\r\n$900000\r\n".to_vec();
    request.resize(request.len() + 900_000, b'x');
    request.extend_from_slice(b"\r\n$900000\r\n");
    request.resize(request.len() + 900_000, b'x');
    request.extend_from_slice(b"\r\n");
    fair.send(&request).expect("sent");
    assert!(
        fair.read_line()
            .expect("a reply")
            .starts_with(b"-ERR wrong number")
    );
}

#[test]
fn a_client_that_leaves_too_much_unread_for_too_long_is_closed() {
    let server = server(&["--client-output-buffer-limit", "normal 0 100kb 1"]);
    let mut client = server.client();
    client.run(&format!("SET key {}", "v".repeat(1_000_000)));
    let mut deaf = server.raw_client();
    for _ in 0..30 {
        deaf.send("GET key\r\n").expect("sent");
    }
    let closed = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        information(&server, "client_output_buffer_limit_disconnections") == "1"
    });
    assert!(closed);
    assert!(
        server
            .log()
            .contains("closed for overcoming of output buffer limits")
    );
    assert_eq!(client.run("STRLEN key").text(), "1000000");
}

/// Who has not given the password may make the server keep next to nothing.
#[test]
fn a_stranger_that_does_not_read_is_closed() {
    let server = server(&["--requirepass", "secret"]);
    let mut stranger = server.raw_client();
    let requests = "GET key\r\n".repeat(10_000);
    // 35 bytes of error for each: far more than sockets hold.
    let was_closed = (0..1000).any(|_| stranger.send(&requests).is_err());
    assert!(was_closed);
}

#[test]
fn an_argument_longer_than_the_limit_is_a_protocol_error() {
    let server = server(&[]);
    server.client().run("CONFIG SET proto-max-bulk-len 2mb");
    let mut client = server.raw_client();
    client
        .send("*2\r\n$3\r\nGET\r\n$2000001\r\n")
        .expect("sent");
    client.send("x".repeat(2_000_001)).expect("sent");
    client.expect("\r\n", "$-1\r\n");
    client
        .send("*2\r\n$3\r\nGET\r\n$2097153\r\n")
        .expect("sent");
    assert_eq!(
        client.read_to_close().expect("closed"),
        b"-ERR Protocol error: invalid bulk length\r\n"
    );
}

#[test]
fn replies_beyond_the_limit_are_not_sent_at_all() {
    let server = server(&["--client-output-buffer-limit", "normal", "100000", "0", "0"]);
    let mut client = server.client();
    for _ in 0..150 {
        client.run(&format!("RPUSH list {}", "x".repeat(1000)));
    }
    client.run("HSET hash field value");
    client.run("SADD set member");
    client.run("ZADD zset 1 member");
    client.run(&format!("SET big {}", "x".repeat(10_000)));
    let pipeline = "SET a 1\r\nGET big\r\n".repeat(15);
    for requests in [
        "LRANGE list 0 -1\r\n",
        // These would not end for years.
        "HRANDFIELD hash -999999999999\r\n",
        "SRANDMEMBER set -999999999999\r\n",
        "ZRANDMEMBER zset -999999999999 WITHSCORES\r\n",
        &pipeline,
    ] {
        let mut greedy = server.raw_client();
        greedy.send(requests).expect("sent");
        let answer = greedy.read_to_close().expect("it is closed");
        assert!(answer.is_empty(), "{requests:?} got {} bytes", answer.len());
    }
    assert_eq!(
        information(&server, "client_output_buffer_limit_disconnections"),
        "5"
    );
    // A transaction is executed whole; a script's own commands have no limit.
    let mut greedy = server.raw_client();
    let transaction = "MULTI\r\nLRANGE list 0 -1\r\nSET after 1\r\nEXEC\r\n";
    greedy.send(transaction).expect("sent");
    assert!(greedy.read_to_close().expect("it is closed").is_empty());
    assert_eq!(client.run("GET after").text(), "1");
    let script = "EVAL \"return #redis.call('srandmember', 'set', -50000)\" 0";
    assert_eq!(client.run(script).text(), "50000");
}
