//! `--pipe`: standard input goes to the server as it is, as fast as it can be read, while
//! replies are only counted. To know when the last one has come, an ECHO of random bytes
//! is sent after the input.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{process, thread};

use oxidis_resp::Value;

use crate::client::{Client, Exit, print};
use oxidis_client::{ReplyReader, describe};

/// How many bytes are sent at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many random bytes the last ECHO carries.
const MARK_BYTES: usize = 20;

/// What the replies have come to so far.
#[derive(Default)]
struct Counts {
    replies: AtomicU64,
    errors: AtomicU64,
}

/// Sends everything, waits for the last reply (not longer than so many seconds without
/// any, 0 for ever) and prints how many there were.
pub fn pipe(client: &mut Client, timeout_seconds: u64) -> Result<(), Exit> {
    let Some(socket) = client
        .take_connection()
        .and_then(|connection| connection.into_socket())
    else {
        eprintln!("--pipe needs a server to send to.");
        return Err(Exit(1));
    };
    let (mut stream, reader) = socket.into_parts();
    let readable = stream.try_clone().map_err(|error| fail("Error", &error))?;
    let mark = random_mark();
    let counts = Arc::new(Counts::default());
    let (done, last_reply) = mpsc::channel();
    let counting = Arc::clone(&counts);
    thread::spawn(move || {
        if !count_replies(readable, reader, &mark, &counting) {
            // Whoever waits for more input to send would wait in vain.
            process::exit(1);
        }
        // The other side hangs up first when it has given up.
        let _ = done.send(());
    });

    send_input(&mut stream)?;
    // Input that ends within a command leaves the rest of its line to this one, so the
    // line is ended first; to a server that expects a command, an empty line is nothing.
    let mut echo = b"\r\n".to_vec();
    let mut writer = oxidis_resp::Writer::new(&mut echo, oxidis_resp::Protocol::Resp2);
    writer.array(2);
    writer.bulk(b"ECHO");
    writer.bulk(&mark);
    stream
        .write_all(&echo)
        .map_err(|error| fail("Error writing to the server", &error))?;
    print(b"All data transferred. Waiting for the last reply...\n")?;

    let mut errors_more = 0;
    let mut last_change = (0, Instant::now());
    loop {
        match last_reply.recv_timeout(Duration::from_millis(250)) {
            Ok(()) => {
                print(b"Last reply received from server.\n")?;
                break;
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Exit(1)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let replies = counts.replies.load(Ordering::Relaxed);
        if replies != last_change.0 {
            last_change = (replies, Instant::now());
        }
        if timeout_seconds > 0 && last_change.1.elapsed().as_secs() > timeout_seconds {
            eprintln!("No replies for {timeout_seconds} seconds: exiting.");
            errors_more = 1;
            break;
        }
    }
    let replies = counts.replies.load(Ordering::Relaxed);
    let errors = counts.errors.load(Ordering::Relaxed) + errors_more;
    print(format!("errors: {errors}, replies: {replies}\n").as_bytes())?;
    if errors > 0 { Err(Exit(1)) } else { Ok(()) }
}

fn send_input(stream: &mut impl Write) -> Result<(), Exit> {
    let mut input = io::stdin().lock();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => stream
                .write_all(&chunk[..count])
                .map_err(|error| fail("Error writing to the server", &error))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail("Error reading from stdin", &error)),
        }
    }
}

/// Counts replies until the one that equals `mark` comes; answers whether it came.
fn count_replies(
    mut stream: impl Read,
    mut reader: ReplyReader,
    mark: &[u8],
    counts: &Counts,
) -> bool {
    loop {
        match reader.receive(&mut stream) {
            Ok(Value::Bulk(bytes)) if bytes == mark => return true,
            Ok(Value::Push(_)) => continue,
            Ok(Value::Error(text)) => {
                // What cannot be shown is counted all the same.
                let _ = io::stderr().write_all(&[&text[..], b"\n"].concat());
                counts.errors.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(_) => {
                eprintln!("Error reading replies from server");
                return false;
            }
        }
        counts.replies.fetch_add(1, Ordering::Relaxed);
    }
}

/// Bytes that no reply will equal by chance.
fn random_mark() -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    for (index, chunk) in mark.chunks_mut(8).enumerate() {
        // The standard library seeds its hashers from the system's randomness.
        let bytes = RandomState::new().hash_one(index).to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    mark
}

fn fail(what: &str, error: &io::Error) -> Exit {
    eprintln!("{what}: {}", describe(error));
    Exit(1)
}
