//! Sockets as connections use them: through the runtime, which waits for them, and past it.
//!
//! Past the runtime is for the time in which a script keeps the runtime's thread: the system is asked
//! directly, and what is not there at once is not waited for. The runtime does not notice: it asks
//! the system again before it believes that a socket is ready.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A socket, or something that lies over one.
pub(crate) trait Transport: Send + Unpin {
    /// Receives bytes, or has the task woken when there are some; 0 is the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Sends bytes, or has the task woken when some can be sent.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Receives bytes past the runtime.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] if there are none now.
    fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends bytes past the runtime.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WouldBlock`] if none can be sent now.
    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Ends the connection past the runtime, so that the far end learns of it.
    fn end_now(&mut self);

    /// Says what is to be said before the connection is closed.
    fn take_leave(&mut self) {}

    /// Takes the socket from the runtime of this thread, on the way to another's. If that fails, the
    /// connection ends with the next attempt to use it.
    fn leave_runtime(&mut self);

    /// Gives the socket to the runtime of this thread. If that fails, the connection ends with the
    /// next attempt to use it.
    fn enter_runtime(&mut self);
}

/// How a connection is made to progress.
pub(crate) enum Drive<'a, 'b> {
    /// As a task of the runtime.
    Task(&'a mut Context<'b>),
    /// Past the runtime.
    Now,
}

impl Drive<'_, '_> {
    /// Receives what there is.
    pub(crate) fn receive(
        &mut self,
        transport: &mut impl Transport,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Drive::Task(cx) => transport.poll_receive(cx, buffer),
            Drive::Now => at_once(|| transport.receive_now(buffer)),
        }
    }

    /// Sends what can be sent.
    pub(crate) fn send(
        &mut self,
        transport: &mut impl Transport,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Drive::Task(cx) => transport.poll_send(cx, bytes),
            Drive::Now => at_once(|| transport.send_now(bytes)),
        }
    }
}

fn at_once(mut attempt: impl FnMut() -> io::Result<usize>) -> Poll<io::Result<usize>> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}

/// A socket of the runtime, as it is between two runtimes, too.
pub(crate) trait RuntimeSocket: AsyncRead + AsyncWrite + Send + Unpin + Sized {
    /// The socket without a runtime.
    type Bare: Send + Unpin;

    /// Takes the socket from its runtime.
    fn into_bare(self) -> io::Result<Self::Bare>;

    /// Gives a socket to the runtime of this thread.
    fn from_bare(bare: Self::Bare) -> io::Result<Self>;

    /// The socket past the runtime.
    fn direct(&self) -> SockRef<'_>;
}

macro_rules! runtime_socket {
    ($socket:ty, $bare:ty) => {
        impl RuntimeSocket for $socket {
            type Bare = $bare;

            fn into_bare(self) -> io::Result<$bare> {
                self.into_std()
            }

            fn from_bare(bare: $bare) -> io::Result<Self> {
                Self::from_std(bare)
            }

            fn direct(&self) -> SockRef<'_> {
                SockRef::from(self)
            }
        }
    };
}

runtime_socket!(TcpStream, std::net::TcpStream);
#[cfg(unix)]
runtime_socket!(UnixStream, std::os::unix::net::UnixStream);

/// A socket that may be on its way from one thread's runtime to another's. Nothing can be received
/// or sent on the way.
pub(crate) enum Socket<S: RuntimeSocket> {
    Here(S),
    OnTheWay(S::Bare),
    Lost,
}

impl<S: RuntimeSocket> Socket<S> {
    /// Receives, or has the task woken.
    #[inline]
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Socket::Here(socket) = self else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(socket)
            .poll_read(cx, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }

    /// Sends, or has the task woken.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Socket::Here(socket) => Pin::new(socket).poll_write(cx, bytes),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// The socket past the runtime.
    ///
    /// # Errors
    /// It is on its way.
    pub(crate) fn direct(&self) -> io::Result<SockRef<'_>> {
        match self {
            Socket::Here(socket) => Ok(socket.direct()),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// As [`Transport::leave_runtime`].
    pub(crate) fn leave_runtime(&mut self) {
        *self = match std::mem::replace(self, Socket::Lost) {
            Socket::Here(socket) => socket.into_bare().map_or(Socket::Lost, Socket::OnTheWay),
            other => other,
        };
    }

    /// As [`Transport::enter_runtime`].
    pub(crate) fn enter_runtime(&mut self) {
        *self = match std::mem::replace(self, Socket::Lost) {
            Socket::OnTheWay(bare) => S::from_bare(bare).map_or(Socket::Lost, Socket::Here),
            other => other,
        };
    }
}

impl<S: RuntimeSocket> Transport for Socket<S> {
    #[inline]
    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Socket::poll_receive(self, cx, buffer)
    }

    #[inline]
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Socket::poll_send(self, cx, bytes)
    }

    fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.direct()?).read(buffer)
    }

    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.direct()?).write(bytes)
    }

    fn end_now(&mut self) {
        if let Ok(socket) = self.direct() {
            // One that is gone already has ended, too.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn leave_runtime(&mut self) {
        Socket::leave_runtime(self);
    }

    fn enter_runtime(&mut self) {
        Socket::enter_runtime(self);
    }
}
