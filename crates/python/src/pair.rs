//! Two sockets that are connected with each other, and the number by which Python knows one. Here, and nowhere else in
//! this crate, systems differ.

pub use system::{End, connected, number};

#[cfg(unix)]
mod system {
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    /// One of the two.
    pub type End = UnixStream;

    /// Both.
    pub fn connected() -> io::Result<(End, End)> {
        UnixStream::pair()
    }

    /// What `fileno` answers.
    pub fn number(end: &End) -> u64 {
        // A descriptor that is open is not negative.
        end.as_raw_fd().unsigned_abs().into()
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::windows::io::AsRawSocket;

    /// One of the two.
    pub type End = TcpStream;

    /// Both, over the machine's own network: there are no pairs. Who else connects meanwhile is turned away.
    pub fn connected() -> io::Result<(End, End)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let writer = TcpStream::connect(listener.local_addr()?)?;
        loop {
            let (reader, from) = listener.accept()?;
            if from == writer.local_addr()? {
                writer.set_nodelay(true)?;
                return Ok((reader, writer));
            }
        }
    }

    /// What `fileno` answers.
    pub fn number(end: &End) -> u64 {
        end.as_raw_socket()
    }
}
