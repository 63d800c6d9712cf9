//! A server behind a TCP or Unix socket, or behind TLS, with blocking I/O: a prompt does one thing
//! at a time.

use std::io::{self, Write};

use oxidis_client::{ConnectionError, ReplyReader, Stream, Target};
use oxidis_resp::Value;

use super::{Connection, Listening, encode};

/// A connection to a server.
pub struct Socket {
    stream: Stream,
    unsent: Vec<u8>,
    replies: ReplyReader,
}

impl Socket {
    /// Connects to a server.
    pub fn connect(target: &Target) -> io::Result<Socket> {
        Ok(Socket {
            stream: Stream::connect(target)?,
            unsent: Vec::new(),
            replies: ReplyReader::default(),
        })
    }

    /// Parts the connection into the stream and what reads replies from it.
    pub(crate) fn into_parts(self) -> (Stream, ReplyReader) {
        (self.stream, self.replies)
    }
}

impl Connection for Socket {
    fn send(&mut self, request: &[&[u8]]) {
        encode(request, &mut self.unsent);
    }

    fn receive(&mut self) -> Result<Value, ConnectionError> {
        if !self.unsent.is_empty() {
            let sent = self.stream.write_all(&self.unsent);
            self.unsent.clear();
            // A server that refuses a client says why before it closes: what it
            // said is worth more than the failure to write.
            if let Err(error) = sent {
                return self
                    .replies
                    .receive(&mut self.stream)
                    .map_err(|_| error.into());
            }
        }
        self.replies.receive(&mut self.stream)
    }

    fn breaker(&self) -> Option<Box<dyn Fn() + Send>> {
        let stream = self.stream.try_clone().ok()?;
        Some(Box::new(move || stream.shutdown()))
    }

    fn listening(self: Box<Self>) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(Listening::start(*self)?))
    }

    fn into_socket(self: Box<Self>) -> Option<Socket> {
        Some(*self)
    }
}
