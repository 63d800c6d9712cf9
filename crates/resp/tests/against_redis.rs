//! Compares the request parser with the one in a real redis-server, stream by stream.
//!
//! Where there is no redis-server these tests say so and check nothing.
#![cfg(unix)]

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oxidis_resp::{
    Parsed, Protocol, ProtocolError, ReplyParser, RequestLimits, RequestParser, Source, Value,
    Writer, write_request,
};

/// A redis-server of our own, gone when dropped.
struct Redis {
    process: Child,
    socket: PathBuf,
}

impl Redis {
    /// Starts a server; `None` if there is none on this machine.
    fn start(name: &str, flags: &[&str]) -> Option<Redis> {
        let socket =
            std::env::temp_dir().join(format!("oxidis-resp-{name}-{}.sock", std::process::id()));
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .args(flags)
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: there is no redis-server here to compare with");
            return None;
        };
        let server = Redis { process, socket };
        for _ in 0..500 {
            if UnixStream::connect(&server.socket).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not come up");
    }

    /// All that the server answers to a stream sent in these pieces, until it closes or
    /// has seen the end of what we send. That end is sent when `expected` replies have
    /// come: the server drops what it has not written by then.
    fn answer<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>, expected: usize) -> Vec<Value> {
        let mut connection = UnixStream::connect(&self.socket).expect("the server listens");
        connection
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("not zero");
        for piece in pieces {
            // The server may have closed already, which the answer will show.
            if connection.write_all(piece).is_err() {
                break;
            }
        }
        let (mut parser, mut buffer, mut replies) = (ReplyParser::new(), Vec::new(), Vec::new());
        let mut room = vec![0; 1 << 16];
        let mut half_closed = false;
        loop {
            if replies.len() >= expected && !half_closed {
                let _ = connection.shutdown(Shutdown::Write);
                half_closed = true;
            }
            match connection.read(&mut room) {
                Ok(0) => break,
                Ok(length) => buffer.extend_from_slice(&room[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error} after {replies:?}"),
            }
            loop {
                let parsed = parser.parse(&buffer).expect("the server answers replies");
                buffer.drain(..parsed.consumed);
                match parsed.value {
                    Some(value) => replies.push(value),
                    None => break,
                }
            }
        }
        assert!(buffer.is_empty() && !parser.is_mid_reply(), "half a reply");
        replies
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// What our parser makes of a stream.
fn parse(limits: RequestLimits, stream: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut parser = RequestParser::new();
    parser.set_limits(limits);
    let (mut at, mut requests) = (0, Vec::new());
    loop {
        let mut spans = Vec::new();
        match parser.parse(&stream[at..], &mut spans) {
            Ok(Parsed::Request { consumed, source }) => {
                let bytes = match source {
                    Source::Input => &stream[at..],
                    Source::Unescaped => parser.unescaped(),
                };
                requests.push(spans.iter().map(|span| span.of(bytes).to_vec()).collect());
                at += consumed;
            }
            Ok(Parsed::Incomplete { .. }) => return (requests, None),
            Err(error) => return (requests, Some(error)),
        }
    }
}

/// Asserts that the server saw the requests that we see, and made of the mistake that
/// ends the stream what we make of it.
fn assert_same(redis: &Redis, limits: RequestLimits, stream: &[u8], piece: usize) {
    let shown = stream[..stream.len().min(200)].escape_ascii();
    let (requests, error) = parse(limits, stream);
    let expected = requests.len() + usize::from(error.is_some());
    let mut answers = redis.answer(stream.chunks(piece), expected);
    if let Some(error) = error {
        let mut expected = Vec::new();
        error.write_to(&mut Writer::new(&mut expected, Protocol::Resp2));
        let mut last = Vec::new();
        answers.pop().expect("an error reply").write_to(&mut last);
        assert_eq!(
            last.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{shown}"
        );
    }
    assert_eq!(answers.len(), requests.len(), "{shown}");
    for (request, answer) in requests.iter().zip(&answers) {
        match &request[..] {
            [name, text]
                if (name.eq_ignore_ascii_case(b"echo") || name.eq_ignore_ascii_case(b"ping"))
                    && !limits.unauthenticated =>
            {
                assert!(*answer == Value::Bulk(text.clone()), "{shown}");
            }
            [name] if name.eq_ignore_ascii_case(b"ping") && !limits.unauthenticated => {
                assert_eq!(answer, &Value::Simple(b"PONG".to_vec()), "{shown}");
            }
            _ => assert!(answer.is_error(), "{answer:?} {shown}"),
        }
    }
}

fn request(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_request(arguments, &mut bytes);
    bytes
}

#[test]
fn sound_and_malformed_requests_are_taken_as_redis_takes_them() {
    let Some(redis) = Redis::start("malformed", &["--proto-max-bulk-len", "2mb"]) else {
        return;
    };
    let limits = RequestLimits {
        bulk_max_bytes: 2 << 20,
        ..RequestLimits::default()
    };
    let streams: &[&[u8]] = &[
        // Counts.
        b"*0\r\nPING\r\n",
        b"*-1\r\nPING\r\n",
        b"*-9223372036854775808\r\nPING\r\n",
        b"*-9223372036854775809\r\nPING\r\n",
        b"*\r\n",
        b"**\r\n",
        b"*a\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"*-0\r\n$4\r\nPING\r\n",
        b"* 1\r\n$4\r\nPING\r\n",
        b"*1 \r\n$4\r\nPING\r\n",
        b"*1024\r\n",
        b"*1048577\r\n",
        b"*1073741824\r\n",
        b"*1073741825\r\n",
        b"*2147483647\r\n",
        b"*2147483648\r\n",
        b"*4294967297\r\n",
        b"*9223372036854775808\r\n",
        b"*18446744073709551617\r\n",
        b"*3000000000\r\n",
        // Bulk lengths.
        b"*1\r\n$-1\r\n",
        b"*1\r\n$-0\r\n",
        b"*1\r\n$04\r\nPING\r\n",
        b"*1\r\n$\r\n",
        b"*1\r\n$a\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*1\r\n$2097152\r\n",
        b"*1\r\n$2097153\r\n",
        b"*1\r\n$536870912\r\n",
        b"*1\r\n$2147483648\r\n",
        b"*1\r\n$9223372036854775807\r\n",
        b"*1\r\n$9223372036854775808\r\n",
        b"*1\r\n$ 4\r\nPING\r\n",
        // Another type where an argument should be.
        b"*1\r\n:4\r\nPING\r\n",
        b"*1\r\n\r\n",
        b"*1\r\nPING\r\n",
        b"*1\r\n*1\r\n$4\r\nPING\r\n",
        b"*1\r\n\x80\r\n",
        b"*1\r\n\n\r\n",
        b"*1\r\n'\r\n",
        b"*2\r\n$4\r\nECHO\r\n+2\r\nab\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n",
        // Line ends that are not quite.
        b"*1\n$4\nPING\n",
        b"*1\n$4\r\nPING\r\n",
        b"*1\rX$4\rYPINGZZ",
        b"*1\r\r$4\r\rPING\r\r",
        b"*1\r\n$4\n\rPING\r\n",
        b"*1\r\n$4\r\nPINGPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n$3\r\n\r\n\0\r\n",
        b"*\0\r\n",
        b"*1\0\r\n$4\r\nPING\r\n",
        b"*1\r\n$4\0\r\nPING\r\n",
        b"*1\r\n\0\r\nPING\r\n",
        // Inline requests.
        b"PING\r\n",
        b"ping\n",
        b"  PING  \r\n",
        b"\r\n\n \n\t\r\nPING\r\n",
        b"PING\rPING\n",
        b"echo a\rb\r\n",
        b"echo\ta\x0bb\r\n",
        b"echo \x0b\x0ca\x0c\r\n",
        b"\x0b\r\nPING\r\n",
        b"echo \"a b\"\r\n",
        b"echo \"\\x41\\x4g\\n\\r\\t\\b\\a\\q\\\\\\\"\"\r\n",
        b"echo 'it\\'s \\n \"'\r\n",
        b"echo a\"b c\"\r\n",
        b"echo a'b c'\r\n",
        b"echo \"\"\r\n",
        b"echo ''\r\n",
        b"\"\"\r\n",
        b"echo \"a\r\n",
        b"echo 'a\r\n",
        b"echo \"a\\\r\n",
        b"echo \"a\\\"\r\n",
        b"echo \"a\"b\r\n",
        b"echo 'a'b\r\n",
        b"echo \"a\"\"b\"\r\n",
        b"echo \"a\"\x0b\r\n",
        b"echo a\\ b\r\n",
        b"echo \\x41\r\n",
        b"echo \"a\0b\"\r\n",
        b"echo a\0b\r\n",
        b"\0\r\nPING\r\n",
        b"$4\r\nPING\r\n",
        b"+PING\r\n",
        b"echo \xff\xfe\r\n",
        b"ECHO *1\r\n",
        // Half requests.
        b"*",
        b"*1",
        b"*1\r",
        b"*1\r\n",
        b"*1\r\n$4\r\nPING",
        b"*1\r\n$4\r\nPING\r",
        b"PING",
        b"PING\r",
        // One after the other.
        b"PING\r\n*1\r\n$4\r\nPING\r\n*0\r\nECHO 1\r\n*1\r\nxyz\r\nPING\r\n",
    ];
    for stream in streams {
        assert_same(&redis, limits, stream, stream.len());
        assert_same(&redis, limits, stream, 1);
    }
}

#[test]
fn lines_that_never_end_are_refused_as_redis_refuses_them() {
    let Some(redis) = Redis::start("lines", &[]) else {
        return;
    };
    let limits = RequestLimits::default();
    for start in [
        &b"*"[..],
        b"*1\r\n$",
        b"*1\r\n$4\r\nPING\r\n*1\r\n$",
        b"",
        b"\0",
        b"*1\r\n\0",
    ] {
        let line = start
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        for (line_length, piece) in [(65536, 65536), (65537, 65537), (65537, 1000)] {
            let mut stream = start.to_vec();
            stream.resize(line + line_length, b'1');
            assert_same(&redis, limits, &stream, piece);
        }
    }
}

#[test]
fn unauthenticated_clients_get_the_small_limits() {
    let Some(redis) = Redis::start("password", &["--requirepass", "secret"]) else {
        return;
    };
    let limits = RequestLimits {
        unauthenticated: true,
        ..RequestLimits::default()
    };
    let streams: &[&[u8]] = &[
        b"*10\r\n",
        b"*11\r\n",
        b"*2147483648\r\n",
        b"*1\r\n$16384\r\n",
        b"*1\r\n$16385\r\n",
        b"*1\r\n$536870913\r\n",
        b"PING\r\n*11\r\n",
        b"a b c d e f g h i j k l m\r\n",
    ];
    for stream in streams {
        assert_same(&redis, limits, stream, stream.len());
        assert_same(&redis, limits, stream, 1);
    }
}

#[test]
fn big_arguments_and_many_of_them_arrive_whole() {
    let Some(redis) = Redis::start("big", &[]) else {
        return;
    };
    let limits = RequestLimits::default();
    for length in [
        9,
        10,
        99,
        100,
        999,
        1000,
        16384,
        32767,
        32768,
        32769,
        1 << 20,
    ] {
        let text: Vec<u8> = (0..length).map(|i| (i * 7 % 256) as u8).collect();
        let stream = [request(&[b"ECHO", &text]), request(&[b"ECHO", b"after"])].concat();
        assert_same(&redis, limits, &stream, stream.len());
        assert_same(&redis, limits, &stream, 1000);
    }
    let many = vec![&b"x"[..]; 100_000];
    assert_same(&redis, limits, &request(&many), 5000);
}
