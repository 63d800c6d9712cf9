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

/// What is the same for all sockets of the runtime.
macro_rules! socket_transport {
    ($socket:ty) => {
        impl Transport for $socket {
            #[inline]
            fn poll_receive(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let mut buffer = ReadBuf::new(buffer);
                Pin::new(self)
                    .poll_read(cx, &mut buffer)
                    .map_ok(|()| buffer.filled().len())
            }

            #[inline]
            fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(self).poll_write(cx, bytes)
            }

            fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                (&*SockRef::from(&*self)).read(buffer)
            }

            fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
                (&*SockRef::from(&*self)).write(bytes)
            }

            fn end_now(&mut self) {
                // One that is gone already has ended, too.
                let _ = SockRef::from(&*self).shutdown(Shutdown::Both);
            }
        }
    };
}

socket_transport!(TcpStream);
#[cfg(unix)]
socket_transport!(UnixStream);
