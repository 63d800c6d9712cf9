//! Where a server is, and non-blocking sockets to it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use oxidis_client::{Stream, Target, TlsConnector, TlsSession};

/// The address of a server, looked up: connecting anew costs no look at names.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A TCP address, and how TLS is spoken there.
    Tls(SocketAddr, TlsConnector),
    /// The path of a Unix socket.
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

impl Endpoint {
    /// The endpoint that a connection to `target` has reached.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn of(target: &Target, connection: &Stream) -> io::Result<Self> {
        match connection {
            Stream::Tcp(stream) => stream.peer_addr().map(Endpoint::Tcp),
            Stream::Tls(stream) => {
                let options = target.tls.clone().unwrap_or_default();
                let connector = TlsConnector::new(&target.host, &options)?;
                Ok(Endpoint::Tls(stream.socket().peer_addr()?, connector))
            }
            #[cfg(unix)]
            Stream::Unix(_) => {
                let path = target.unix_socket.clone();
                path.map(Endpoint::Unix)
                    .ok_or(io::ErrorKind::NotConnected.into())
            }
        }
    }
}

/// A non-blocking socket.
pub(super) enum Socket {
    Tcp(mio::net::TcpStream),
    Tls(mio::net::TcpStream, Box<TlsSession>),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

impl Socket {
    /// Begins to connect; [`Socket::finish_connecting`] tells when that is done.
    pub fn open(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => mio::net::TcpStream::connect(*address).map(Socket::Tcp),
            Endpoint::Tls(address, connector) => {
                let session = Box::new(TlsSession::new(connector)?);
                let stream = mio::net::TcpStream::connect(*address)?;
                Ok(Socket::Tls(stream, session))
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                // Without blocking, a full queue of the server would be an error.
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Socket::Unix(mio::net::UnixStream::from_std(stream)))
            }
        }
    }

    /// Whether the socket is connected by now.
    pub fn finish_connecting(&mut self) -> io::Result<bool> {
        match self {
            Socket::Tcp(stream) => is_connected(stream),
            Socket::Tls(stream, session) => {
                Ok(is_connected(stream)? && session.shake_hands(stream)?)
            }
            #[cfg(unix)]
            Socket::Unix(_) => Ok(true),
        }
    }

    /// Whether a read that fills less than its buffer has read all there is.
    pub fn is_emptied_by_short_reads(&self) -> bool {
        !matches!(self, Socket::Tls(..))
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Socket::Tcp(stream) | Socket::Tls(stream, _) => stream,
            #[cfg(unix)]
            Socket::Unix(stream) => stream,
        }
    }

    /// Asks to be told of everything that happens to the socket.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.source().register(registry, token, interests)
    }

    /// Undoes [`Socket::register`].
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Tls(stream, session) => session.read(stream, buffer),
            #[cfg(unix)]
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Tls(stream, session) => session.write(stream, bytes),
            #[cfg(unix)]
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    /// Writes what was taken and not written, as far as that goes without waiting.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Tls(stream, session) => session.flush(stream),
            _ => Ok(()),
        }
    }
}

fn is_connected(stream: &mio::net::TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => stream.set_nodelay(true).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
