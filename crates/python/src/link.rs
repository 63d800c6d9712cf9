//! What carries a conversation: an engine of this process, or a socket.

use std::io::{ErrorKind, Read, Write};
use std::task::Waker;
use std::time::{Duration, Instant};

use oxidis_client::Stream;
use oxidis_embedded::{Breaker, Connection};

/// How much one read of a socket asks for, in bytes.
const READ_BYTES: usize = 64 << 10;

/// Why nothing more comes.
#[derive(Debug)]
pub enum LinkError {
    /// The other side ended it.
    Closed,
    /// The system has something against it, in its words.
    System(String),
}

/// A way to an engine.
pub enum Link {
    /// Straight into an engine of this process.
    Engine(Box<Connection>),
    /// Over a socket.
    Socket(Box<Socket>),
}

/// A socket and what came over it.
pub struct Socket {
    stream: Stream,
    requests: Vec<u8>,
    input: Vec<u8>,
    read: usize,
    frontier: Frontier,
}

impl Link {
    /// Over a connected stream.
    pub fn over(stream: Stream) -> Self {
        Link::Socket(Box::new(Socket {
            stream,
            requests: Vec::new(),
            input: Vec::new(),
            read: 0,
            frontier: Frontier::default(),
        }))
    }

    /// Where requests are appended; they go when more is asked for.
    pub fn queue(&mut self) -> &mut Vec<u8> {
        match self {
            Link::Engine(connection) => connection.queue(),
            Link::Socket(socket) => &mut socket.requests,
        }
    }

    /// What came and was not consumed.
    pub fn unread(&self) -> &[u8] {
        match self {
            Link::Engine(connection) => connection.unread(),
            Link::Socket(socket) => &socket.input[socket.read..],
        }
    }

    /// Drops what is dealt with.
    pub fn consume(&mut self, bytes: usize) {
        match self {
            Link::Engine(connection) => connection.consume(bytes),
            Link::Socket(socket) => {
                socket.read += bytes;
                socket.frontier = Frontier::default();
            }
        }
    }

    /// Whether a reply is there.
    pub fn has_reply(&mut self) -> bool {
        match self {
            // An engine answers in whole replies.
            Link::Engine(connection) => !connection.unread().is_empty(),
            Link::Socket(socket) => socket.frontier.is_crossed(&socket.input[socket.read..]),
        }
    }

    /// Sends what is queued; answers whether something came at once, without waiting for it.
    pub fn fill(&mut self) -> Result<bool, LinkError> {
        match self {
            Link::Engine(connection) => connection.fill().map_err(|_| LinkError::Closed),
            Link::Socket(socket) => socket.send().map(|()| false),
        }
    }

    /// Waits until something came; `false` if nothing did until `end`. A signal ends the wait as well.
    pub fn fill_until(&mut self, end: Option<Instant>) -> Result<bool, LinkError> {
        match self {
            Link::Engine(connection) => connection.fill_until(end).map_err(|_| LinkError::Closed),
            Link::Socket(socket) => socket.receive(end),
        }
    }

    /// As [`fill`](Self::fill); if nothing came the waker is woken when something may have. Only an engine can.
    pub fn fill_or_wake(&mut self, waker: &Waker) -> Result<bool, LinkError> {
        match self {
            Link::Engine(connection) => connection
                .fill_or_wake(waker)
                .map_err(|_| LinkError::Closed),
            Link::Socket(socket) => socket.receive(None),
        }
    }

    /// How long the command that waits will wait from now on, if that is known here.
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Link::Engine(connection) => connection.patience(),
            Link::Socket(_) => None,
        }
    }

    /// The number of the session, if that is known here.
    pub fn id(&self) -> Option<u64> {
        match self {
            Link::Engine(connection) => Some(connection.id()),
            Link::Socket(_) => None,
        }
    }

    /// What ends it from another thread.
    pub fn breaker(&self) -> Option<LinkBreaker> {
        match self {
            Link::Engine(connection) => Some(LinkBreaker::Engine(connection.breaker())),
            Link::Socket(socket) => socket.stream.try_clone().ok().map(LinkBreaker::Socket),
        }
    }
}

/// Ends a link from another thread.
pub enum LinkBreaker {
    /// A link into an engine.
    Engine(Breaker),
    /// A link over a socket.
    Socket(Stream),
}

impl LinkBreaker {
    /// Ends it: who waits on it learns that it is closed.
    pub fn end(&self) {
        match self {
            LinkBreaker::Engine(breaker) => breaker.break_connection(),
            LinkBreaker::Socket(stream) => stream.shutdown(),
        }
    }
}

impl Socket {
    fn send(&mut self) -> Result<(), LinkError> {
        if !self.requests.is_empty() {
            let sent = self.stream.write_all(&self.requests);
            self.requests.clear();
            sent.map_err(|error| system(&error))?;
        }
        Ok(())
    }

    fn receive(&mut self, end: Option<Instant>) -> Result<bool, LinkError> {
        self.send()?;
        self.input.drain(..self.read);
        self.read = 0;
        // A timeout of zero is none at all, to the system.
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| left.max(Duration::from_millis(1)));
        match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(left),
            Stream::Tls(stream) => stream.socket().set_read_timeout(left),
            Stream::Unix(stream) => stream.set_read_timeout(left),
        }
        .map_err(|error| system(&error))?;
        let length = self.input.len();
        self.input.resize(length + READ_BYTES, 0);
        let read = self.stream.read(&mut self.input[length..]);
        self.input.truncate(length + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(LinkError::Closed),
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(false),
                ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Err(LinkError::Closed),
                _ => Err(system(&error)),
            },
        }
    }
}

fn system(error: &std::io::Error) -> LinkError {
    match error.kind() {
        ErrorKind::BrokenPipe => LinkError::Closed,
        _ => LinkError::System(oxidis_client::describe(error)),
    }
}

/// How far a reply that comes in pieces has been looked at, so that a long one is looked at once.
#[derive(Default)]
struct Frontier {
    at: usize,
    /// How many values are still to come, in each aggregate that is open.
    missing: Vec<u64>,
    is_behind: bool,
}

impl Frontier {
    /// Whether the bytes hold a whole reply, or what is none.
    fn is_crossed(&mut self, bytes: &[u8]) -> bool {
        while !self.is_behind {
            let Some((end, elements)) = token(&bytes[self.at..]) else {
                return false;
            };
            self.at += end;
            if elements > 0 {
                self.missing.push(elements);
                continue;
            }
            loop {
                let Some(innermost) = self.missing.last_mut() else {
                    self.is_behind = true;
                    break;
                };
                *innermost -= 1;
                if *innermost > 0 {
                    break;
                }
                self.missing.pop();
            }
        }
        true
    }
}

/// Where the first thing of some bytes ends, and how many values it says will follow as parts of it. What is no
/// reply ends at once: the decoder will say so.
fn token(bytes: &[u8]) -> Option<(usize, u64)> {
    let line = bytes.iter().position(|&byte| byte == b'\r')?;
    let end = line + 2;
    if bytes.len() < end {
        return None;
    }
    let text = std::str::from_utf8(&bytes[1..line.max(1)]).unwrap_or("");
    let count: u64 = text.parse().unwrap_or(0);
    match bytes[0] {
        b'$' | b'!' | b'=' if !text.starts_with('-') => {
            let whole = usize::try_from(count).ok()?.checked_add(end + 2)?;
            (bytes.len() >= whole).then_some((whole, 0))
        }
        b'*' | b'~' | b'>' => Some((end, count)),
        b'%' => Some((end, count.saturating_mul(2))),
        b'|' => Some((end, count.saturating_mul(2).saturating_add(1))),
        _ => Some((end, 0)),
    }
}
