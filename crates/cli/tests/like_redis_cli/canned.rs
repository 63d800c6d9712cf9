//! A server that answers what it is told to, so that replies can be printed that no real
//! server would give.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use oxidis_resp::{ReplyParser, Value};

/// Answers `REPLY n` with the n-th of `replies` (bytes as they go over the wire), `HELLO` and `ASKING`
/// with OK, and anything else with an error. Answers its port; it runs until the test
/// program ends.
pub fn serve(replies: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let replies = Arc::new(replies);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let replies = Arc::clone(&replies);
            thread::spawn(move || answer(stream, &replies));
        }
    });
    port
}

fn answer(mut stream: TcpStream, replies: &[Vec<u8>]) {
    let mut parser = ReplyParser::new();
    let (mut input, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        // A request is an array of bulk strings, which a reply can be too.
        let parsed = parser
            .parse(&input)
            .expect("clients send well-formed requests");
        input.drain(..parsed.consumed);
        let Some(request) = parsed.value else {
            match stream.read(&mut chunk) {
                Ok(count) if count > 0 => input.extend_from_slice(&chunk[..count]),
                _ => return,
            }
            continue;
        };
        let words = request.as_elements().unwrap_or_default();
        let reply: &[u8] = match words {
            [Value::Bulk(command), index] if command.eq_ignore_ascii_case(b"reply") => {
                let index = index.as_integer().expect("REPLY takes a number");
                &replies[index as usize]
            }
            [Value::Bulk(command), ..]
                if [&b"hello"[..], b"asking"]
                    .contains(&command.to_ascii_lowercase().as_slice()) =>
            {
                b"+OK\r\n"
            }
            _ => b"-ERR unknown command\r\n",
        };
        if stream.write_all(reply).is_err() {
            return;
        }
    }
}
