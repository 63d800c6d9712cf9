//! Clients that send nonsense, read nothing, or leave in the middle: they are answered as Redis
//! answers them, and hurt nobody else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

fn server(arguments: &[&str]) -> TestServer {
    ServerBuilder::oxidis()
        .arguments(arguments)
        .start()
        .expect("the server starts")
}

/// What a request is answered before the connection is closed.
fn last_words(server: &TestServer, request: &[u8]) -> String {
    let mut client = server.raw_client();
    client.send(request).expect("sent");
    let answer = client
        .read_to_close()
        .expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn malformed_requests_get_their_error_and_a_close() {
    let server = server(&[]);
    for (request, answer) in [
        (
            &b"*notanumber\r\n"[..],
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            b"*2147483648\r\n",
            "-ERR Protocol error: invalid multibulk length\r\n",
        ),
        (
            b"*1\r\n:3\r\n",
            "-ERR Protocol error: expected '$', got ':'\r\n",
        ),
        (
            b"*1\r\n$-5\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            b"*1\r\n$99999999999999\r\n",
            "-ERR Protocol error: invalid bulk length\r\n",
        ),
        (
            b"SET \"a\r\n",
            "-ERR Protocol error: unbalanced quotes in request\r\n",
        ),
    ] {
        assert_eq!(
            last_words(&server, request),
            answer,
            "{:?}",
            String::from_utf8_lossy(request)
        );
    }
    assert_eq!(server.client().run("PING"), Reply::Simple(b"PONG".to_vec()));
}

#[test]
fn requests_before_a_malformed_one_are_answered() {
    let server = server(&[]);
    let answer = last_words(&server, b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n");
    assert_eq!(
        answer,
        "+PONG\r\n+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"
    );
}

#[test]
fn requests_may_come_byte_by_byte() {
    let server = server(&[]);
    let mut client = server.raw_client();
    client
        .send_byte_by_byte(b"*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$2\r\n\r\n\r\n")
        .expect("sent");
    assert_eq!(client.read_line().expect("a line"), b"+OK\r\n");
    client
        .send_byte_by_byte(b"GET \"a\\x00b\"\r\n")
        .expect("sent");
    assert_eq!(client.read_line().expect("a line"), b"$2\r\n");
    assert_eq!(client.read_exactly(4).expect("the value"), b"\r\n\r\n");
}

/// A client may send a long pipeline before it reads the first reply: the server must go on reading,
/// or both would wait for each other for ever.
#[test]
fn a_pipeline_longer_than_the_sockets_buffers_is_answered() {
    let server = server(&[]);
    let mut client = server.client();
    let value = "v".repeat(1000);
    client.run(&format!("SET key {value}"));
    let mut request = Vec::new();
    const COUNT: usize = 20_000;
    for _ in 0..COUNT {
        request.extend_from_slice(b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
    }
    let mut slow = server.raw_client();
    slow.send(&request)
        .expect("the server takes the whole pipeline");
    let reply = format!("$1000\r\n{value}\r\n").into_bytes();
    for _ in 0..COUNT {
        assert_eq!(slow.read_exactly(reply.len()).expect("a reply"), reply);
    }
}

/// Replies to many requests at once wait for others: they come all the same when the client says no more, or farewell.
#[test]
fn who_sends_much_and_leaves_is_answered() {
    let server = server(&[]);
    let requests = "PING\r\n".repeat(200);
    let replies = "+PONG\r\n".repeat(200);
    for _ in 0..20 {
        let answer = last_words(&server, format!("{requests}QUIT\r\n").as_bytes());
        assert_eq!(answer, format!("{replies}+OK\r\n"));
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        stream.write_all(requests.as_bytes()).expect("sent");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert_eq!(answer, replies);
    }
}

/// `client-output-buffer-limit` ends a client that reads nothing, and others never notice it.
#[test]
fn a_subscriber_that_reads_nothing_is_closed() {
    let server = server(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut deaf = server.raw_client();
    deaf.send(b"SUBSCRIBE flood\r\n").expect("sent");
    let mut publisher: Client = server.client();
    publisher
        .set_reply_limit(Duration::from_secs(20))
        .expect("a limit");
    let message = "m".repeat(100_000);
    let mut was_closed = false;
    for _ in 0..2_000 {
        let reply = publisher.run(&format!("PUBLISH flood {message}"));
        if reply == Reply::Integer(0) {
            was_closed = true;
            break;
        }
    }
    assert!(was_closed, "200 MB for a client that reads nothing");
    assert_eq!(publisher.run("PING"), Reply::Simple(b"PONG".to_vec()));
}

#[test]
fn a_client_may_leave_at_any_point() {
    let server = server(&[]);
    let mut client = server.client();
    let mut number = |field: &str| -> u64 {
        let info = client.run("INFO clients stats").text();
        let value = info.lines().find_map(|line| line.strip_prefix(field));
        value.expect("a field").parse().expect("a number")
    };
    let before = number("total_connections_received:");
    let requests = [
        &b"*3\r\n$3\r\nSET\r\n$1\r\na"[..],
        b"MULTI\r\nSET a 1\r\n",
        b"WATCH a\r\n",
        b"SUBSCRIBE a\r\nPSUBSCRIBE b*\r\n",
    ];
    for request in requests {
        server.raw_client().send(request).expect("sent");
    }
    let all = before + requests.len() as u64;
    let mut is_over =
        || number("total_connections_received:") == all && number("connected_clients:") == 1;
    let start = Instant::now();
    while !is_over() {
        assert!(start.elapsed() < Duration::from_secs(20), "some stay");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(client.run("PUBLISH a x"), Reply::Integer(0));
    assert_eq!(client.run("GET a"), Reply::NullBulk);
}

#[cfg(unix)]
#[test]
fn sigterm_ends_the_server_cleanly() {
    let mut server = server(&[]);
    let _idle = server.client();
    crate::process::signal(server.pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.wait_for_end(Duration::from_secs(5)), Some(true));
}

#[test]
fn who_speaks_http_is_closed_and_gets_nothing_done() {
    let server = server(&[]);
    for request in [
        "POST / HTTP/1.1\r\nSET a 1\r\n",
        "PING\r\nhost: example.org\r\nSET a 1\r\n",
    ] {
        let answer = last_words(&server, request.as_bytes());
        assert!(
            !answer.contains("OK") && !answer.contains("ERR"),
            "{answer}"
        );
    }
    assert_eq!(server.client().run("EXISTS a"), Reply::Integer(0));
    let log = server.log();
    assert_eq!(log.matches("SECURITY ATTACK").count(), 1, "{log}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_connection_takes_less_than_three_kibibytes() {
    const CONNECTIONS: usize = 800;
    let server = server(&["--maxclients", "900"]);
    let resident_bytes = || {
        let path = format!("/proc/{}/statm", server.pid());
        let text = std::fs::read_to_string(path).expect("it runs");
        let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.map_or(0, |pages: usize| pages * 4096)
    };
    let mut first = server.client();
    first.run("PING");
    let before = resident_bytes();
    let clients: Vec<Client> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = server.client();
            client.run("SET key value");
            client
        })
        .collect();
    let each = resident_bytes().saturating_sub(before) / clients.len();
    assert!(each < 3 * 1024, "{each} bytes");
    drop(clients);
    assert_eq!(first.run("PING").text(), "PONG");
}
