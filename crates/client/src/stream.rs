//! A connection to a server, over TCP, TLS or a Unix socket, with blocking I/O.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::Path;

use crate::{Target, TlsConnector, TlsStream};

/// A stream of any kind.
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// TLS over a TCP connection.
    Tls(TlsStream),
    /// A connection to a Unix socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// Connects to a server.
    ///
    /// # Errors
    /// When it has no address, or none that accepts.
    pub fn connect(target: &Target) -> io::Result<Stream> {
        match (&target.unix_socket, &target.tls) {
            (Some(path), _) => Stream::connect_unix(path),
            (None, None) => connect_tcp(&target.host, target.port).map(Stream::Tcp),
            (None, Some(options)) => {
                let connector = TlsConnector::new(&target.host, options)?;
                let socket = connect_tcp(&target.host, target.port)?;
                TlsStream::connect(socket, &connector).map(Stream::Tls)
            }
        }
    }

    #[cfg(unix)]
    fn connect_unix(path: &Path) -> io::Result<Stream> {
        std::os::unix::net::UnixStream::connect(path).map(Stream::Unix)
    }

    /// There are no Unix sockets here.
    #[cfg(not(unix))]
    fn connect_unix(_path: &Path) -> io::Result<Stream> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Unix sockets are not supported here",
        ))
    }

    /// Another handle for the same stream.
    pub fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            Stream::Tls(stream) => stream.try_clone().map(Stream::Tls),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        }
    }

    /// Ends the stream: whoever reads from it sees its end.
    pub fn shutdown(&self) {
        // A stream that has ended already is what was wanted.
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Tls(stream) => stream.shutdown(),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

/// Connects by TCP, to the first address of `host` that accepts.
fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    // Addresses of the older version go first, as in hiredis: servers that
    // listen on both are the rule, and 127.0.0.1 is what people see named.
    let mut addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(|address| address.is_ipv6());
    for address in addresses {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
