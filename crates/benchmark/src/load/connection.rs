//! The life of one connection: it is opened, greets, and then sends batches and awaits their
//! replies until there are no more requests.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Registry, Token};

use super::endpoint::Socket;
use super::{LoadError, Plan};
use crate::replies::ReplyCounter;
use crate::request::Batch;

/// Whether a socket tells of new bytes only after a read that found none, as where readiness is
/// emulated. Elsewhere such reads are saved: no news is lost by not looking.
const READS_UNTIL_NOTHING: bool = cfg!(windows);

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// It has sent its greeting and awaits the replies.
    Greeting,
    /// It may send a batch.
    Ready,
    /// It has sent a batch, or a part of it, and awaits the replies.
    Busy,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that the worker need know of.
    Waiting,
    /// The connection can send its first batch.
    Opened,
    /// A batch was answered after this time: how long the first of its replies took.
    Answered(Duration),
}

/// A connection.
pub(super) struct Connection {
    socket: Socket,
    phase: Phase,
    batch: Batch,
    /// How much of the greeting or the batch was sent.
    sent: usize,
    /// How many replies to it are still to come.
    missing: u64,
    replies: ReplyCounter,
    batch_start: Instant,
    latency: Option<Duration>,
}

impl Connection {
    /// Begins to connect.
    pub fn open(plan: &Plan<'_>, registry: &Registry, token: Token) -> Result<Self, LoadError> {
        Ok(Self {
            socket: open_socket(plan, registry, token)?,
            phase: Phase::Connecting,
            batch: plan.template.batch(plan.depth()),
            sent: 0,
            missing: 0,
            replies: ReplyCounter::default(),
            batch_start: Instant::now(),
            latency: None,
        })
    }

    /// Ends the connection and begins a new one in its place.
    pub fn reopen(
        &mut self,
        plan: &Plan<'_>,
        registry: &Registry,
        token: Token,
    ) -> Result<(), LoadError> {
        self.socket.deregister(registry)?;
        self.socket = open_socket(plan, registry, token)?;
        self.phase = Phase::Connecting;
        self.replies = ReplyCounter::default();
        Ok(())
    }

    /// The requests that are sent next; between batches they may be changed.
    pub fn batch_mut(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Sends the batch, or as much of it as the socket takes now. Its latency counts from `start`.
    pub fn start_batch(&mut self, plan: &Plan<'_>, start: Instant) -> Result<(), LoadError> {
        self.phase = Phase::Busy;
        self.sent = 0;
        self.missing = plan.depth() as u64;
        self.latency = None;
        self.batch_start = start;
        self.write(plan)
    }

    /// Goes on as far as it goes without waiting, after the socket was told of.
    pub fn advance(
        &mut self,
        plan: &Plan<'_>,
        event: &Event,
        buffer: &mut [u8],
    ) -> Result<Step, LoadError> {
        match self.phase {
            Phase::Connecting => {
                let step = self.finish_connecting(plan)?;
                // A server that refuses a client says so unasked.
                if step == Step::Opened && event.is_readable() {
                    self.listen(buffer)?;
                }
                Ok(step)
            }
            Phase::Ready => self.listen(buffer).map(|()| Step::Waiting),
            Phase::Greeting | Phase::Busy => {
                self.write(plan)?;
                // Of the end of the stream one is told only once.
                let to_the_end = READS_UNTIL_NOTHING
                    || event.is_read_closed()
                    || event.is_error()
                    || !self.socket.is_emptied_by_short_reads();
                self.read(buffer, to_the_end)
            }
        }
    }

    fn finish_connecting(&mut self, plan: &Plan<'_>) -> Result<Step, LoadError> {
        if !self
            .socket
            .finish_connecting()
            .map_err(LoadError::Connect)?
        {
            return Ok(Step::Waiting);
        }
        self.missing = plan.greeting.requests();
        if self.missing == 0 {
            self.phase = Phase::Ready;
            return Ok(Step::Opened);
        }
        self.phase = Phase::Greeting;
        self.sent = 0;
        self.write(plan)?;
        Ok(Step::Waiting)
    }

    fn read(&mut self, buffer: &mut [u8], to_the_end: bool) -> Result<Step, LoadError> {
        // The clock of a reply stops before it is read.
        let now = (self.phase == Phase::Busy && self.latency.is_none()).then(Instant::now);
        let mut step = Step::Waiting;
        while self.missing > 0 || READS_UNTIL_NOTHING {
            match self.socket.read(buffer) {
                Ok(0) => return Err(LoadError::Closed),
                Ok(len) => {
                    if let (None, Some(now)) = (self.latency, now) {
                        self.latency = Some(now - self.batch_start);
                    }
                    if let reached @ (Step::Opened | Step::Answered(_)) =
                        self.take_in(&buffer[..len])?
                    {
                        step = reached;
                    }
                    // A short read has emptied the socket: asking again would only cost.
                    if len < buffer.len() && !to_the_end {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(step)
    }

    fn take_in(&mut self, bytes: &[u8]) -> Result<Step, LoadError> {
        let complete = self.replies.feed(bytes)?;
        self.missing = self
            .missing
            .checked_sub(complete)
            .ok_or(LoadError::TooManyReplies)?;
        if self.missing > 0 || complete == 0 {
            return Ok(Step::Waiting);
        }
        let was = std::mem::replace(&mut self.phase, Phase::Ready);
        Ok(match was {
            Phase::Busy => Step::Answered(self.latency.unwrap_or_default()),
            _ => Step::Opened,
        })
    }

    fn write(&mut self, plan: &Plan<'_>) -> Result<(), LoadError> {
        let bytes = match self.phase {
            Phase::Greeting => plan.greeting.bytes(),
            _ => self.batch.bytes(),
        };
        while self.sent < bytes.len() {
            match self.socket.write(&bytes[self.sent..]) {
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if has_been_refused(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        match self.socket.flush() {
            Err(error) if !has_been_refused(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Reads what the server sends to a connection that asks for nothing.
    ///
    /// # Errors
    /// When that is an error or the end.
    pub fn listen(&mut self, buffer: &mut [u8]) -> Result<(), LoadError> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(LoadError::Closed),
                Ok(len) => {
                    self.replies.feed(&buffer[..len])?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a failure to write means that the server has gone. One that refuses a connection says why
/// before it goes: what it said is worth more than the failure, and is read next.
fn has_been_refused(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

fn open_socket(plan: &Plan<'_>, registry: &Registry, token: Token) -> Result<Socket, LoadError> {
    let mut socket = Socket::open(plan.endpoint).map_err(LoadError::Connect)?;
    socket.register(registry, token)?;
    Ok(socket)
}
