//! A server that does nothing: it reads requests, and answers each with `+OK`, whatever it asks. No server
//! that uses a socket of the system for each client can cost much less; beside it one sees which part
//! of a request's cost is the system's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// Bytes that are read at a time.
const READ_SIZE: usize = 64 * 1024;

const LISTENER: Token = Token(usize::MAX);

#[derive(clap::Args)]
pub struct FloorArguments {
    #[arg(long)]
    port: u16,
}

struct Client {
    socket: TcpStream,
    /// The beginning of a request that is not complete.
    unread: Vec<u8>,
}

/// Serves until it is killed.
///
/// # Errors
/// When the port cannot be listened on.
pub fn serve(arguments: &FloorArguments) -> Result<()> {
    let mut poll = Poll::new()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let mut listener = TcpListener::bind(address)?;
    let registry = poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut input = vec![0; READ_SIZE];
    let mut output = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true)?;
                    let token = Token(clients.len());
                    poll.registry()
                        .register(&mut socket, token, Interest::READABLE)?;
                    let unread = Vec::new();
                    clients.push(Some(Client { socket, unread }));
                }
                continue;
            }
            let slot = &mut clients[event.token().0];
            if let Some(client) = slot
                && client.serve(&mut input, &mut output).is_err()
            {
                *slot = None;
            }
        }
    }
}

impl Client {
    fn serve(&mut self, input: &mut [u8], output: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let count = match self.socket.read(input) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            output.clear();
            if self.unread.is_empty() {
                let consumed = answer(&input[..count], output);
                self.unread.extend_from_slice(&input[consumed..count]);
            } else {
                self.unread.extend_from_slice(&input[..count]);
                let consumed = answer(&self.unread, output);
                self.unread.drain(..consumed);
            }
            // Replies this short always fit.
            self.socket.write_all(output)?;
            if count < input.len() {
                return Ok(());
            }
        }
    }
}

/// Answers each complete request; answers how many bytes they were.
fn answer(input: &[u8], output: &mut Vec<u8>) -> usize {
    let mut consumed = 0;
    while let Some(length) = request_length(&input[consumed..]) {
        consumed += length;
        output.extend_from_slice(b"+OK\r\n");
    }
    consumed
}

/// The length of the request that `input` begins with, if it is complete.
fn request_length(input: &[u8]) -> Option<usize> {
    let (words, mut at) = number_line(input)?;
    for _ in 0..words {
        let (length, line) = number_line(&input[at..])?;
        at += line + length + 2;
        if at > input.len() {
            return None;
        }
    }
    Some(at)
}

/// The number in a line like `$16`, and the length of the line with its end.
fn number_line(input: &[u8]) -> Option<(usize, usize)> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    let digits = input.get(1..end)?.iter().filter(|it| it.is_ascii_digit());
    let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    Some((number, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_complete_request_is_answered_once() {
        let mut output = Vec::new();
        let input =
            b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$13\r\n*\r\n345678901\n\r\n*1\r\n$4\r\nPI";
        let consumed = answer(input, &mut output);
        assert_eq!(output, b"+OK\r\n+OK\r\n");
        assert_eq!(&input[consumed..], b"*1\r\n$4\r\nPI");
    }
}
