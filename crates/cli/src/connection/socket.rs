//! A server behind a TCP or Unix socket, or behind TLS, with blocking I/O: a prompt does one thing
//! at a time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::Path;

use oxidis_resp::Value;

use super::tls::TlsStream;
use super::{Connection, ConnectionError, Listening, ReplyReader, encode};
use crate::arguments::TlsOptions;

/// A connection to a server.
pub struct Socket {
    stream: SocketStream,
    unsent: Vec<u8>,
    replies: ReplyReader,
}

impl Socket {
    /// Connects by TCP, to the first address of `host` that accepts.
    pub fn connect_tcp(host: &str, port: u16) -> io::Result<Socket> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        // Addresses of the older version go first, as in hiredis: servers that
        // listen on both are the rule, and 127.0.0.1 is what people see named.
        let mut addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
        addresses.sort_by_key(|address| address.is_ipv6());
        for address in addresses {
            match TcpStream::connect(address) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Socket::over(SocketStream::Tcp(stream)));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Connects by TCP as [`Socket::connect_tcp`] does, and speaks TLS.
    pub fn connect_tls(host: &str, port: u16, options: &TlsOptions) -> io::Result<Socket> {
        let socket = Socket::connect_tcp(host, port)?;
        let SocketStream::Tcp(stream) = socket.stream else {
            return Ok(socket);
        };
        let stream = TlsStream::connect(stream, host, options)?;
        Ok(Socket::over(SocketStream::Tls(stream)))
    }

    /// Connects to a Unix socket.
    #[cfg(unix)]
    pub fn connect_unix(path: &Path) -> io::Result<Socket> {
        let stream = std::os::unix::net::UnixStream::connect(path)?;
        Ok(Socket::over(SocketStream::Unix(stream)))
    }

    /// There are no Unix sockets here.
    #[cfg(not(unix))]
    pub fn connect_unix(_path: &Path) -> io::Result<Socket> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Unix sockets are not supported here",
        ))
    }

    fn over(stream: SocketStream) -> Socket {
        Socket {
            stream,
            unsent: Vec::new(),
            replies: ReplyReader::default(),
        }
    }

    /// Parts the connection into the stream and what reads replies from it.
    pub(crate) fn into_parts(self) -> (SocketStream, ReplyReader) {
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

/// A stream of any kind.
pub enum SocketStream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// TLS over a TCP connection.
    Tls(TlsStream),
    /// A connection to a Unix socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl SocketStream {
    /// Another handle for the same stream.
    pub fn try_clone(&self) -> io::Result<SocketStream> {
        match self {
            SocketStream::Tcp(stream) => stream.try_clone().map(SocketStream::Tcp),
            SocketStream::Tls(stream) => stream.try_clone().map(SocketStream::Tls),
            #[cfg(unix)]
            SocketStream::Unix(stream) => stream.try_clone().map(SocketStream::Unix),
        }
    }

    /// Ends the stream: whoever reads from it sees its end.
    pub fn shutdown(&self) {
        // A stream that has ended already is what was wanted.
        let _ = match self {
            SocketStream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            SocketStream::Tls(stream) => stream.shutdown(),
            #[cfg(unix)]
            SocketStream::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for SocketStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            SocketStream::Tcp(stream) => stream.read(buffer),
            SocketStream::Tls(stream) => stream.read(buffer),
            #[cfg(unix)]
            SocketStream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for SocketStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            SocketStream::Tcp(stream) => stream.write(bytes),
            SocketStream::Tls(stream) => stream.write(bytes),
            #[cfg(unix)]
            SocketStream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
