//! MIGRATE's side of the conversation with the other server, and the connections that are kept for the
//! next one.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxidis_embedded::SystemClock;
use oxidis_engine::{Clock, Migration, MigrationError, MigrationOutcome, MigrationRequest};
use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::worker::with_worker;

/// So many connections are kept, as in Redis.
const KEPT_MAX: usize = 64;

/// For how long a connection is kept that nobody uses, as in Redis.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Bytes that are written at a time: each time may take as long as the timeout says.
const CHUNK_BYTES: usize = 64 << 10;

/// Bytes of a reply line beyond which nobody answers sensibly.
const LINE_MAX_BYTES: u64 = 64 << 10;

/// A host and a port, as they were given.
type Target = (Vec<u8>, Vec<u8>);

/// A connection to another server.
struct Connection {
    stream: TcpStream,
    /// The database that it has selected.
    selected: Option<i64>,
    /// Whether a reply did not come: it is not used again.
    has_ended: bool,
    used: Instant,
}

/// Sends keys to other servers.
#[derive(Default)]
pub(crate) struct Migrator {
    kept: Mutex<HashMap<Target, Connection>>,
}

/// How one attempt failed before anything was acknowledged.
struct Failure {
    error: MigrationError,
    /// Whether the connection may have ended while it was kept: then it is worth another attempt.
    may_retry: bool,
}

impl Failure {
    fn new(error: MigrationError, cause: &io::Error) -> Self {
        let is_timeout = matches!(
            cause.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        Failure {
            error,
            may_retry: !is_timeout,
        }
    }
}

impl Migrator {
    /// How many connections are kept.
    pub(crate) fn kept_count(&self) -> usize {
        self.close_idle();
        self.kept.lock().len()
    }

    fn close_idle(&self) {
        self.kept
            .lock()
            .retain(|_, it| it.used.elapsed() < KEPT_FOR);
    }

    /// Carries a request out. The thread waits for the other server.
    pub(crate) fn migrate(&self, request: &MigrationRequest) -> MigrationOutcome {
        let target = (request.host.clone(), request.port.clone());
        let mut may_retry = true;
        loop {
            let kept = self.kept.lock().remove(&target);
            let connection = match kept {
                Some(connection) => Ok(connection),
                None => connect(request),
            };
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(cause) => return MigrationOutcome::failed(not_connected(&cause)),
            };
            match connection.send(request) {
                Ok(outcome) => {
                    if !connection.has_ended {
                        self.keep(target, connection);
                    }
                    return outcome;
                }
                Err(failure) if may_retry && failure.may_retry => may_retry = false,
                Err(failure) => return MigrationOutcome::failed(failure.error),
            }
        }
    }

    fn keep(&self, target: Target, mut connection: Connection) {
        self.close_idle();
        connection.used = Instant::now();
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX
            && let Some(other) = kept.keys().next().cloned()
        {
            kept.remove(&other);
        }
        kept.insert(target, connection);
    }

    /// Carries out a migration whose session waits, beside the thread's other work; gives it back where
    /// there is no runtime for that.
    pub(crate) fn begin(self: &Arc<Self>, migration: Migration) -> Result<(), Migration> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return Err(migration);
        };
        let migrator = self.clone();
        runtime.spawn(async move {
            let (request, talking) = (migration.request().clone(), migrator.clone());
            let done = tokio::task::spawn_blocking(move || talking.migrate(&request)).await;
            let outcome =
                done.unwrap_or_else(|_| MigrationOutcome::failed(MigrationError::Reading));
            with_worker(|state| migration.finish(&mut state.worker, &outcome));
            tokio::time::sleep(KEPT_FOR).await;
            migrator.close_idle();
        });
        Ok(())
    }
}

fn connect(request: &MigrationRequest) -> io::Result<Connection> {
    let host = String::from_utf8_lossy(&request.host);
    let port = port_of(&request.port).ok_or(io::ErrorKind::InvalidInput)?;
    let addresses = (&*host, port).to_socket_addrs()?;
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        result = TcpStream::connect_timeout(&address, request.timeout);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    stream.set_nodelay(true)?;
    Ok(Connection {
        stream,
        selected: None,
        has_ended: false,
        used: Instant::now(),
    })
}

/// Redis does not see that it was refused before it writes.
fn not_connected(cause: &io::Error) -> MigrationError {
    match cause.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::HostUnreachable => MigrationError::Writing,
        _ => MigrationError::Connecting,
    }
}

/// The number that a text begins with, 0 if it is none, as C's `atoi` and `getaddrinfo` read ports: only
/// the lower bits count, and none is negative.
fn port_of(text: &[u8]) -> Option<u16> {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let magnitude = digits.fold(0_i64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    let number = if is_negative { -magnitude } else { magnitude } as i32;
    (number >= 0).then_some(number as u16)
}

impl Connection {
    /// Sends the keys and takes the replies. Fails if nothing was acknowledged because the connection
    /// is broken.
    fn send(&mut self, request: &MigrationRequest) -> Result<MigrationOutcome, Failure> {
        let writing = |cause: io::Error| Failure::new(MigrationError::Writing, &cause);
        let reading = |cause: io::Error| Failure::new(MigrationError::Reading, &cause);
        let timeout = Some(request.timeout);
        self.stream.set_write_timeout(timeout).map_err(writing)?;
        self.stream.set_read_timeout(timeout).map_err(reading)?;
        let selects = self.selected != Some(request.database);
        let (bytes, sent) = encode(request, selects, SystemClock.now_us() / 1000);
        for chunk in bytes.chunks(CHUNK_BYTES) {
            self.stream.write_all(chunk).map_err(writing)?;
        }
        drop(bytes);

        let mut replies = BufReader::new(&self.stream);
        let mut first_error = None;
        for _ in 0..usize::from(request.credentials.is_some()) + usize::from(selects) {
            let line = read_line(&mut replies).map_err(reading)?;
            first_error = first_error.or(error_in(&line));
        }
        // Without a password or a database what follows is not acknowledged, whatever the replies say.
        let is_refused = first_error.is_some();
        let mut outcome = MigrationOutcome::default();
        for (count, index) in sent.into_iter().enumerate() {
            let line = match read_line(&mut replies) {
                Ok(line) => line,
                Err(cause) if count == 0 => return Err(reading(cause)),
                Err(_) => {
                    let error = first_error.map(MigrationError::Target);
                    // What was acknowledged stays so.
                    outcome.error = Some(error.unwrap_or(MigrationError::Reading));
                    self.has_ended = true;
                    return Ok(outcome);
                }
            };
            match error_in(&line) {
                Some(error) => first_error = first_error.or(Some(error)),
                None if !is_refused => outcome.acknowledged.push(index),
                None => {}
            }
        }
        self.selected = first_error.is_none().then_some(request.database);
        outcome.error = first_error.map(MigrationError::Target);
        Ok(outcome)
    }
}

/// The requests, and the places of the keys that are in them: those whose time is over are not.
fn encode(request: &MigrationRequest, selects: bool, now_ms: i64) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut out = Writer::new(&mut bytes, Protocol::Resp2);
    let mut command = |words: &[&[u8]]| {
        out.array(words.len());
        words.iter().for_each(|word| out.bulk(word));
    };
    if let Some(credentials) = &request.credentials {
        match &credentials.user {
            Some(user) => command(&[b"AUTH", user, &credentials.password]),
            None => command(&[b"AUTH", &credentials.password]),
        }
    }
    if selects {
        command(&[b"SELECT", request.database.to_string().as_bytes()]);
    }
    let mut sent = Vec::new();
    for (index, it) in request.keys.iter().enumerate() {
        let ttl_ms = match it.expire_ms.map(|expire_ms| expire_ms - now_ms) {
            Some(..0) => continue,
            Some(ttl_ms) => ttl_ms.max(1),
            None => 0,
        };
        let ttl_ms = ttl_ms.to_string();
        let words: [&[u8]; 5] = [
            b"RESTORE",
            &it.key,
            ttl_ms.as_bytes(),
            &it.payload,
            b"REPLACE",
        ];
        command(&words[..if request.replaces { 5 } else { 4 }]);
        sent.push(index);
    }
    (bytes, sent)
}

/// The next line, without its end.
fn read_line(replies: &mut BufReader<&TcpStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    replies
        .by_ref()
        .take(LINE_MAX_BYTES)
        .read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// The text of an error reply.
fn error_in(line: &[u8]) -> Option<Vec<u8>> {
    line.strip_prefix(b"-").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn ports_are_read_as_c_reads_them() {
        for (text, port) in [
            ("6379", Some(6379)),
            (" +6379x", Some(6379)),
            ("", Some(0)),
            ("x", Some(0)),
            ("-1", None),
            ("71915", Some(6379)),
            ("4294973675", Some(6379)),
            ("99999999999999999999", None),
        ] {
            assert_eq!(port_of(text.as_bytes()), port, "{text}");
        }
    }
}
