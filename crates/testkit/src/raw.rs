//! A connection for tests that care about single bytes: malformed requests, half requests, the exact
//! bytes of an answer, the moment of a close. It parses nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a read waits until it fails, unless told otherwise.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// A TCP connection that reads and writes bytes as they are.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl RawClient {
    /// Connects; reads fail after ten seconds without bytes.
    ///
    /// # Errors
    /// When nothing listens at the address.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_LIMIT))?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Sets how long a read waits for bytes.
    ///
    /// # Errors
    /// When the limit is zero.
    pub fn set_read_limit(&mut self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }

    /// Sends the bytes.
    ///
    /// # Errors
    /// When the server has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends the bytes one at a time, each in a packet of its own as far as the kernel allows.
    ///
    /// # Errors
    /// As [`RawClient::send`].
    pub fn send_byte_by_byte(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        bytes
            .as_ref()
            .chunks(1)
            .try_for_each(|byte| self.stream.write_all(byte))
    }

    /// Reads exactly so many bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server closes before, `WouldBlock` or `TimedOut` when nothing comes.
    pub fn read_exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < len {
            self.fill()?;
        }
        Ok(self.unread.drain(..len).collect())
    }

    /// Reads up to and including the delimiter.
    ///
    /// # Errors
    /// As [`RawClient::read_exactly`].
    pub fn read_until(&mut self, delimiter: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
        let delimiter = delimiter.as_ref();
        let mut searched = 0;
        loop {
            let found = self.unread[searched..]
                .windows(delimiter.len())
                .position(|window| window == delimiter);
            if let Some(position) = found {
                return Ok(self
                    .unread
                    .drain(..searched + position + delimiter.len())
                    .collect());
            }
            searched = self.unread.len().saturating_sub(delimiter.len());
            self.fill()?;
        }
    }

    /// Reads one line, with its CR LF.
    ///
    /// # Errors
    /// As [`RawClient::read_exactly`].
    pub fn read_line(&mut self) -> io::Result<Vec<u8>> {
        self.read_until(b"\r\n")
    }

    /// Reads until the server closes the connection and returns what came until then.
    ///
    /// # Errors
    /// `WouldBlock` or `TimedOut` when the server neither sends nor closes.
    pub fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(()) => {}
                // A reset is a close as well: the server had unread bytes of ours.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                    ) =>
                {
                    return Ok(std::mem::take(&mut self.unread));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the bytes and asserts that exactly the expected bytes answer them.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn expect(&mut self, request: impl AsRef<[u8]>, answer: impl AsRef<[u8]>) {
        let (request, answer) = (request.as_ref(), answer.as_ref());
        self.send(request).expect("the request can be sent");
        let got = self.read_exactly(answer.len());
        let got = got.unwrap_or_else(|error| {
            panic!(
                "{}: {error} after {:?}",
                request.escape_ascii(),
                self.unread.escape_ascii().to_string()
            )
        });
        assert_eq!(
            got.escape_ascii().to_string(),
            answer.escape_ascii().to_string(),
            "for {}",
            request.escape_ascii()
        );
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let len = self.stream.read(&mut chunk)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&chunk[..len]);
        Ok(())
    }
}
