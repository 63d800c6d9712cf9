//! A small blocking client: a command is a list of byte strings, a reply is a [`Reply`]. It queues,
//! so that whole batches travel at once, and it never deadlocks with a server that stops reading
//! until its replies are read.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::Reply;
use crate::reply::split_words;

/// How long a reply may take, unless told otherwise.
const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// One command: its name and arguments.
pub type Words = Vec<Vec<u8>>;

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    consumed: usize,
}

impl Client {
    /// Connects; replies that take longer than twenty seconds are errors.
    ///
    /// # Errors
    /// When nothing listens at the address.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            consumed: 0,
        })
    }

    /// Sets how long a reply may take.
    ///
    /// # Errors
    /// When the limit is zero.
    pub fn set_reply_limit(&mut self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// When the connection ends, the reply takes too long, or is no RESP. Error replies are replies.
    pub fn command<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Reply> {
        self.send(words)?;
        self.receive()
    }

    /// A command as one would type it: `SET key "some value"`.
    ///
    /// # Panics
    /// When the connection ends, the reply takes too long, or the line has an open quote: a test has
    /// nothing better to do.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Reply {
        let words = split_words(line).unwrap_or_else(|| panic!("an open quote in {line:?}"));
        self.command(&words)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Sends a command and does not wait.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn send<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode_command(&mut bytes, words);
        self.send_bytes(&bytes)
    }

    /// Sends encoded commands, however many, and does not wait for replies; but takes in what comes
    /// meanwhile, so that the server can never be stuck writing to us while we write to it.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn send_bytes(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let sent = loop {
            match self.stream.write(bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self.fill() {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_micros(50))
                    }
                    Err(error) => break Err(error),
                },
                Err(error) => break Err(error),
            }
            if bytes.is_empty() {
                break Ok(());
            }
        };
        self.stream.set_nonblocking(false)?;
        sent
    }

    /// Waits for the next reply or push message.
    ///
    /// # Errors
    /// As [`Client::command`].
    pub fn receive(&mut self) -> io::Result<Reply> {
        loop {
            if let Some((reply, len)) = Reply::decode(&self.unread[self.consumed..])? {
                self.consumed += len;
                return Ok(reply);
            }
            self.unread.drain(..self.consumed);
            self.consumed = 0;
            self.fill()?;
        }
    }

    /// Sends all commands at once and collects their replies.
    ///
    /// # Errors
    /// As [`Client::command`].
    pub fn pipeline<W: AsRef<[u8]>>(&mut self, commands: &[Vec<W>]) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        commands
            .iter()
            .for_each(|words| encode_command(&mut bytes, words));
        self.send_bytes(&bytes)?;
        commands.iter().map(|_| self.receive()).collect()
    }

    fn fill(&mut self) -> io::Result<()> {
        let start = self.unread.len();
        self.unread.resize(start + 64 * 1024, 0);
        let read = loop {
            match self.stream.read(&mut self.unread[start..]) {
                // The process was stopped and goes on.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.unread.truncate(start + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Appends a command in the form that clients send it: an array of bulk strings.
pub fn encode_command<W: AsRef<[u8]>>(out: &mut Vec<u8>, words: &[W]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
