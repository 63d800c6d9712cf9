//! The load generator: one thread, many connections, each of which sends a batch of requests, waits
//! for all its replies and sends the next. It must be cheaper than any server, so it parses of a
//! reply only where it ends.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::workload::{Batch, Template};

/// How long a server may keep every connection waiting.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How the requests of a run are numbered.
#[derive(Debug, Clone, Copy)]
pub enum Numbers {
    /// At random, from this seed.
    Random(u64),
    /// One after the other.
    Counting,
}

/// What is sent.
#[derive(Debug)]
pub struct Plan<'a> {
    pub address: SocketAddr,
    pub template: &'a Template,
    pub numbers: Numbers,
    /// How many connections.
    pub clients: usize,
    /// How many requests each sends at once.
    pub depth: usize,
    /// How many requests are sent in all; rounded up to whole batches.
    pub requests: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// How many requests were answered.
    pub requests: u64,
    pub elapsed: Duration,
}

/// Runs a plan to its end.
///
/// # Errors
/// When a connection fails or a request is answered with an error: then nothing was measured.
pub fn run(plan: &Plan<'_>) -> Result<Done> {
    let mut poll = Poll::new()?;
    let mut connections = Vec::new();
    for index in 0..plan.clients {
        let mut stream = TcpStream::from_std(connect(plan.address)?);
        poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        connections.push(Connection::new(stream, plan.template.batch(plan.depth)));
    }
    let mut supply = Supply::new(plan);
    let start = Instant::now();
    for connection in &mut connections {
        connection.start_batch(&mut supply)?;
    }
    let mut events = Events::with_capacity(plan.clients);
    let mut buffer = vec![0; 256 * 1024];
    while supply.answered < supply.sent || supply.has_more() {
        poll.poll(&mut events, Some(SILENCE_LIMIT))?;
        if events.is_empty() {
            bail!(
                "the server answers nothing for {} s",
                SILENCE_LIMIT.as_secs()
            );
        }
        for event in &events {
            connections[event.token().0].advance(&mut supply, &mut buffer)?;
        }
    }
    Ok(Done {
        requests: supply.answered,
        elapsed: start.elapsed(),
    })
}

fn connect(address: SocketAddr) -> Result<std::net::TcpStream> {
    let stream = std::net::TcpStream::connect(address).context("the server takes no connection")?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Hands out the requests that are left.
struct Supply {
    numbers: Numbers,
    random: fastrand::Rng,
    next_number: u64,
    requests: u64,
    depth: u64,
    sent: u64,
    answered: u64,
}

impl Supply {
    fn new(plan: &Plan<'_>) -> Self {
        let seed = if let Numbers::Random(seed) = plan.numbers {
            seed
        } else {
            0
        };
        Self {
            numbers: plan.numbers,
            random: fastrand::Rng::with_seed(seed),
            next_number: 0,
            requests: plan.requests,
            depth: plan.depth as u64,
            sent: 0,
            answered: 0,
        }
    }

    fn has_more(&self) -> bool {
        self.sent < self.requests
    }

    fn fill(&mut self, batch: &mut Batch) {
        match self.numbers {
            Numbers::Random(_) => batch.draw(&mut self.random),
            Numbers::Counting => self.next_number = batch.count_from(self.next_number),
        }
        self.sent += self.depth;
    }
}

struct Connection {
    stream: TcpStream,
    batch: Batch,
    written: usize,
    missing: u64,
    replies: ReplyCounter,
}

impl Connection {
    fn new(stream: TcpStream, batch: Batch) -> Self {
        let written = batch.bytes.len();
        Self {
            stream,
            batch,
            written,
            missing: 0,
            replies: ReplyCounter::default(),
        }
    }

    fn start_batch(&mut self, supply: &mut Supply) -> Result<()> {
        if supply.has_more() {
            supply.fill(&mut self.batch);
            self.written = 0;
            self.missing = supply.depth;
            self.write()?;
        }
        Ok(())
    }

    fn advance(&mut self, supply: &mut Supply, buffer: &mut [u8]) -> Result<()> {
        if self.written < self.batch.bytes.len() {
            self.write()?;
        }
        // When the last reply is here there is nothing more to read: no need to ask the kernel,
        // though the poll tells of new bytes only once.
        while self.missing > 0 {
            match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(len) => {
                    let complete = self.replies.feed(&buffer[..len])?;
                    supply.answered += complete;
                    self.missing = self
                        .missing
                        .checked_sub(complete)
                        .context("more replies than requests")?;
                    if self.missing == 0 {
                        return self.start_batch(supply);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        while self.written < self.batch.bytes.len() {
            match self.stream.write(&self.batch.bytes[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Counts replies in a stream of bytes, however it is cut.
#[derive(Debug)]
struct ReplyCounter {
    /// How many elements of the current reply have not ended.
    open: i64,
    /// How many bytes of a string are still to come, with its CR LF.
    skip: usize,
    /// The kind of the line that is being read, or 0 between lines.
    kind: u8,
    /// The number in it.
    number: i64,
    is_negative: bool,
    error: Vec<u8>,
}

impl Default for ReplyCounter {
    fn default() -> Self {
        Self {
            open: 1,
            skip: 0,
            kind: 0,
            number: 0,
            is_negative: false,
            error: Vec::new(),
        }
    }
}

impl ReplyCounter {
    /// Takes in the next bytes; returns how many replies ended in them.
    fn feed(&mut self, mut bytes: &[u8]) -> Result<u64> {
        let mut complete = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(complete);
            };
            bytes = rest;
            match (self.kind, byte) {
                (0, kind) => {
                    self.kind = kind;
                    self.number = 0;
                    self.is_negative = false;
                }
                (_, b'\n') => {
                    self.end_line()?;
                    if self.open == 0 {
                        self.open = 1;
                        complete += 1;
                    }
                }
                (b'$' | b'*', b'0'..=b'9') => {
                    self.number = self.number * 10 + i64::from(byte - b'0')
                }
                (b'$' | b'*', b'-') => self.is_negative = true,
                (b'-', other) => self.error.push(other),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) -> Result<()> {
        match std::mem::take(&mut self.kind) {
            b'-' => bail!(
                "a request is answered with an error: {}",
                String::from_utf8_lossy(&self.error)
            ),
            b'*' if !self.is_negative => self.open += self.number - 1,
            b'$' if !self.is_negative => {
                // The string ends its element; its bytes are passed over before the next line.
                self.skip = usize::try_from(self.number)? + 2;
                self.open -= 1;
            }
            b'+' | b':' | b'$' | b'*' => self.open -= 1,
            other => bail!("not the start of a RESP2 reply: {:?}", char::from(other)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_however_they_are_cut() {
        let bytes =
            b"+OK\r\n$3\r\na\r\n\r\n:-5\r\n$-1\r\n*2\r\n$1\r\nx\r\n*1\r\n:1\r\n*0\r\n*-1\r\n";
        let whole = ReplyCounter::default().feed(bytes).unwrap();
        assert_eq!(whole, 7);
        let mut counter = ReplyCounter::default();
        let single: u64 = bytes
            .iter()
            .map(|byte| counter.feed(&[*byte]).unwrap())
            .sum();
        assert_eq!(single, whole);
        assert!(ReplyCounter::default().feed(b"-ERR no\r\n").is_err());
    }
}
