//! Replies off a stream of bytes, of a socket or anything else.

use std::io::{ErrorKind, Read};

use oxidis_resp::{ReplyParser, Value};

use super::ConnectionError;

/// How many bytes one read asks for.
const READ_BYTES: usize = 64 * 1024;

/// Reads replies and keeps what was read beyond them.
#[derive(Default)]
pub struct ReplyReader {
    parser: ReplyParser,
    buffer: Vec<u8>,
    /// How many bytes of the buffer the parser has understood.
    consumed: usize,
}

impl ReplyReader {
    /// Answers the next reply, reading as much as it takes.
    pub fn receive(&mut self, stream: &mut impl Read) -> Result<Value, ConnectionError> {
        loop {
            if let Some(reply) = self.next_reply()? {
                return Ok(reply);
            }
            self.fill(stream)?;
        }
    }

    /// Answers the next reply among the bytes that are there, `None` where they end before
    /// it does.
    pub fn next_reply(&mut self) -> Result<Option<Value>, ConnectionError> {
        let parsed = self.parser.parse(&self.buffer[self.consumed..])?;
        self.consumed += parsed.consumed;
        Ok(parsed.value)
    }

    /// Takes bytes that came otherwise than by a stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn fill(&mut self, stream: &mut impl Read) -> Result<(), ConnectionError> {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + READ_BYTES, 0);
        let read = loop {
            match stream.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(ConnectionError::Closed),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives a byte at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn replies_may_arrive_in_any_pieces() {
        let bytes = b"*2\r\n$1\r\na\r\n:1\r\n+OK\r\n$3\r\nab";
        let expected = [
            Value::Array(vec![Value::Bulk(b"a".into()), Value::Integer(1)]),
            Value::Simple(b"OK".into()),
        ];
        for stream in [&mut &bytes[..] as &mut dyn Read, &mut Trickle(bytes)] {
            let mut stream = stream;
            let mut reader = ReplyReader::default();
            for reply in &expected {
                assert_eq!(&reader.receive(&mut stream).unwrap(), reply);
            }
            assert!(matches!(
                reader.receive(&mut stream),
                Err(ConnectionError::Closed)
            ));
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let mut reader = ReplyReader::default();
        let error = reader.receive(&mut &b"HTTP/1.1 400\r\n"[..]).unwrap_err();
        assert!(matches!(error, ConnectionError::Protocol(_)));
        assert!(!error.is_disconnection());
    }
}
