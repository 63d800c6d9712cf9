//! What carries a conversation: an engine of this process, or a socket that is read and written by who waits.

use std::io::{ErrorKind, Read, Write};
use std::task::Waker;
use std::time::{Duration, Instant};

use oxidis_client::Stream;
use oxidis_embedded::{Breaker, Connection};

use crate::inbox::Inbox;

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
    inbox: Inbox,
}

impl Link {
    /// Over a connected stream.
    pub fn over(stream: Stream) -> Self {
        Link::Socket(Box::new(Socket {
            stream,
            requests: Vec::new(),
            inbox: Inbox::default(),
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
            Link::Socket(socket) => socket.inbox.unread(),
        }
    }

    /// Drops what is dealt with.
    pub fn consume(&mut self, bytes: usize) {
        match self {
            Link::Engine(connection) => connection.consume(bytes),
            Link::Socket(socket) => socket.inbox.consume(bytes),
        }
    }

    /// Whether a reply is there.
    pub fn has_reply(&mut self) -> bool {
        match self {
            // An engine answers in whole replies.
            Link::Engine(connection) => !connection.unread().is_empty(),
            Link::Socket(socket) => socket.inbox.has_reply(),
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
        // A timeout of zero is none at all, to the system.
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| left.max(Duration::from_millis(1)));
        match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(left),
            Stream::Tls(stream) => stream.socket().set_read_timeout(left),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.set_read_timeout(left),
        }
        .map_err(|error| system(&error))?;
        let stream = &mut self.stream;
        match self.inbox.extend(READ_BYTES, |room| stream.read(room)) {
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
