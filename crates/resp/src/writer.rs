//! The writer of replies: appends them to a buffer in the protocol of the session.
//!
//! A handler says what it answers (a map, a double, a null); this file knows how each
//! protocol spells it.

use crate::Protocol;
use crate::number::{DoubleText, IntegerText, short_decimal};

/// Appends replies to a buffer.
///
/// Aggregates are written as their header, then as many replies as the header
/// promises. Nothing checks the promise.
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
    protocol: Protocol,
}

/// The place of an aggregate header whose length is not known yet.
///
/// Made by [`Writer::deferred_array`] and its kin, used up by the `finish` of the same
/// kind. Marks that are open at once must be finished inner ones first.
#[derive(Debug)]
#[must_use = "an aggregate whose length is never written is not a reply"]
pub struct Mark {
    position: usize,
}

/// The bytes of `?N\r\n` for small N, to be copied as one word: most headers and many
/// integers are small. The first byte is the type's.
static SMALL_HEADERS: [[u8; 8]; SMALL_HEADER_LIMIT] = small_headers();
const SMALL_HEADER_LIMIT: usize = 128;

const fn small_headers() -> [[u8; 8]; SMALL_HEADER_LIMIT] {
    let mut headers = [[0; 8]; SMALL_HEADER_LIMIT];
    let mut value = 0;
    while value < SMALL_HEADER_LIMIT {
        let digits = small_header_length(value) - 3;
        let mut rest = value;
        let mut at = digits;
        while at > 0 {
            headers[value][at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            at -= 1;
        }
        headers[value][digits + 1] = b'\r';
        headers[value][digits + 2] = b'\n';
        value += 1;
    }
    headers
}

#[inline]
const fn small_header_length(value: usize) -> usize {
    4 + (value >= 10) as usize + (value >= 100) as usize
}

/// A type byte, an integer and a line end.
const HEADER_MAX_BYTES: usize = 23;

/// What a [`Mark`] leaves room for: a header of one digit.
const DEFERRED_BYTES: usize = 4;

impl<'a> Writer<'a> {
    /// A writer that appends to `buffer`.
    #[inline]
    pub fn new(buffer: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Writer { buffer, protocol }
    }

    /// The protocol that replies are written in.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol for what is written from here on.
    #[inline]
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// How many bytes the buffer holds, those before this writer included.
    #[inline]
    pub fn position(&self) -> usize {
        self.buffer.len()
    }

    /// Takes back what was written after `position`.
    #[inline]
    pub fn truncate(&mut self, position: usize) {
        self.buffer.truncate(position);
    }

    /// The bytes of the buffer from `position` on.
    #[inline]
    pub fn written_since(&self, position: usize) -> &[u8] {
        self.buffer.get(position..).unwrap_or_default()
    }

    /// Makes room for `additional` bytes, so that what follows does not have to.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        self.buffer.reserve(additional);
    }

    /// Appends bytes that are replies already.
    #[inline]
    pub fn raw(&mut self, replies: &[u8]) {
        self.buffer.extend_from_slice(replies);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buffer.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string. Carriage returns and newlines, which would end it early,
    /// become spaces.
    pub fn simple(&mut self, text: &str) {
        self.simple_bytes(text.as_bytes());
    }

    /// [`simple`](Self::simple) for a text that need not be UTF-8.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.buffer.reserve(text.len() + 3);
        self.buffer.push(b'+');
        self.push_one_line(text);
    }

    /// An error: its code word and message, without the `-`. Carriage returns and
    /// newlines are trimmed at the ends and become spaces elsewhere.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// [`error`](Self::error) for a text that quotes what a client sent, which need not be UTF-8.
    pub fn error_bytes(&mut self, mut text: &[u8]) {
        while let [b'\r' | b'\n', rest @ ..] | [rest @ .., b'\r' | b'\n'] = text {
            text = rest;
        }
        self.buffer.reserve(text.len() + 3);
        self.buffer.push(b'-');
        self.push_one_line(text);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.buffer.reserve(bytes.len() + HEADER_MAX_BYTES + 2);
        self.header(b'$', bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string: how a string that is kept as an integer is answered.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(&IntegerText::new(value));
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.header(b':', value),
            Err(_) => self.long_header(b':', &IntegerText::new(value)),
        }
    }

    /// The null that stands for a missing value.
    #[inline]
    pub fn null(&mut self) {
        self.buffer.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The null that stands for a missing array.
    #[inline]
    pub fn null_array(&mut self) {
        self.buffer.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// A double; a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        self.double_text(&DoubleText::new(value));
    }

    /// A number that has its text already (that of a long double, for one) where
    /// [`double`](Self::double) would stand.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.long_header(b',', text),
        }
    }

    /// A boolean; `1` or `0` in RESP2.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.buffer.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
        });
    }

    /// A number of any length, given in decimal; a bulk string in RESP2.
    pub fn big_number(&mut self, decimal: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(decimal.as_bytes()),
            Protocol::Resp3 => self.long_header(b'(', decimal.as_bytes()),
        }
    }

    /// A text that is meant for people, with its format in three characters (`txt`,
    /// `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                let mut prefix = *b"   :";
                for (place, byte) in prefix[..3].iter_mut().zip(format.bytes()) {
                    *place = byte;
                }
                self.buffer.reserve(text.len() + HEADER_MAX_BYTES + 6);
                self.header(b'=', text.len() as u64 + 4);
                self.buffer.extend_from_slice(&prefix);
                self.buffer.extend_from_slice(text);
                self.buffer.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The header of an array of `length` replies.
    #[inline]
    pub fn array(&mut self, length: usize) {
        self.header(b'*', length as u64);
    }

    /// The header of a map of `pairs` pairs of replies; an array of both in RESP2.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', pairs as u64 * 2),
            Protocol::Resp3 => self.header(b'%', pairs as u64),
        }
    }

    /// The header of a set of `length` replies; an array in RESP2.
    #[inline]
    pub fn set(&mut self, length: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', length as u64),
            Protocol::Resp3 => self.header(b'~', length as u64),
        }
    }

    /// The header of a push of `length` replies; an array in RESP2.
    #[inline]
    pub fn push(&mut self, length: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', length as u64),
            Protocol::Resp3 => self.header(b'>', length as u64),
        }
    }

    /// The header of `pairs` attributes of the reply that comes after them. RESP2 has
    /// no such thing, and a client of it would take them for the reply: ask for the
    /// [`protocol`](Self::protocol) first.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert_eq!(self.protocol, Protocol::Resp3, "RESP2 has no attributes");
        self.header(b'|', pairs as u64);
    }

    /// Leaves room for the header of an array whose length comes later.
    #[inline]
    pub fn deferred_array(&mut self) -> Mark {
        let position = self.buffer.len();
        self.buffer.extend_from_slice(b"*0\r\n");
        Mark { position }
    }

    /// Leaves room for the header of a map whose length comes later.
    #[inline]
    pub fn deferred_map(&mut self) -> Mark {
        self.deferred_array()
    }

    /// Leaves room for the header of a set whose length comes later.
    #[inline]
    pub fn deferred_set(&mut self) -> Mark {
        self.deferred_array()
    }

    /// Writes the header of the array at `mark`.
    pub fn finish_array(&mut self, mark: Mark, length: usize) {
        self.finish(mark, b'*', length);
    }

    /// Writes the header of the map at `mark`; its length is in pairs.
    pub fn finish_map(&mut self, mark: Mark, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.finish(mark, b'*', pairs * 2),
            Protocol::Resp3 => self.finish(mark, b'%', pairs),
        }
    }

    /// Writes the header of the set at `mark`.
    pub fn finish_set(&mut self, mark: Mark, length: usize) {
        match self.protocol {
            Protocol::Resp2 => self.finish(mark, b'*', length),
            Protocol::Resp3 => self.finish(mark, b'~', length),
        }
    }

    /// Puts the header at its mark. Only a header of more than one digit has to push
    /// the elements aside.
    fn finish(&mut self, mark: Mark, kind: u8, length: usize) {
        let start = mark.position;
        let end = self.buffer.len();
        let digits = IntegerText::unsigned(length as u64);
        let extra = digits.len() - 1;
        if extra > 0 {
            self.buffer
                .extend_from_slice(&[0; HEADER_MAX_BYTES][..extra]);
            let elements = start + DEFERRED_BYTES;
            self.buffer.copy_within(elements..end, elements + extra);
        }
        let header = &mut self.buffer[start..start + DEFERRED_BYTES + extra];
        header[0] = kind;
        header[1..1 + digits.len()].copy_from_slice(&digits);
        header[1 + digits.len()..].copy_from_slice(b"\r\n");
    }

    /// A type byte, a number that is not negative, and a line end.
    #[inline]
    fn header(&mut self, kind: u8, value: u64) {
        if value < SMALL_HEADER_LIMIT as u64 {
            let value = value as usize;
            let mut header = SMALL_HEADERS[value];
            header[0] = kind;
            // One store of a word whose tail is taken back is cheaper than a copy of a
            // length that the compiler does not know.
            let end = self.buffer.len() + small_header_length(value);
            self.buffer.extend_from_slice(&header);
            self.buffer.truncate(end);
        } else {
            self.number_header(kind, value);
        }
    }

    /// [`header`](Self::header) for any number. A call of its own, so that what writes many headers stays short.
    #[inline(never)]
    fn number_header(&mut self, kind: u8, value: u64) {
        let Some((digits, length)) = short_decimal(value) else {
            return self.long_header(kind, &IntegerText::unsigned(value));
        };
        let end = self.buffer.len() + length + 3;
        let line_end = u128::from(u16::from_le_bytes(*b"\r\n"));
        let header = u128::from(kind) | u128::from(digits) << 8 | line_end << (8 * (length + 1));
        self.buffer.extend_from_slice(&header.to_le_bytes());
        self.buffer.truncate(end);
    }

    fn long_header(&mut self, kind: u8, text: &[u8]) {
        self.buffer.reserve(text.len() + 3);
        self.buffer.push(kind);
        self.buffer.extend_from_slice(text);
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn push_one_line(&mut self, text: &[u8]) {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(text);
        for byte in &mut self.buffer[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.buffer.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ReplyParser, Value};

    fn written(protocol: Protocol, write: impl Fn(&mut Writer<'_>)) -> String {
        let mut buffer = Vec::new();
        write(&mut Writer::new(&mut buffer, protocol));
        buffer.escape_ascii().to_string().replace("\\r\\n", "|")
    }

    #[track_caller]
    fn assert_written(resp2: &str, resp3: &str, write: impl Fn(&mut Writer<'_>)) {
        assert_eq!(written(Protocol::Resp2, &write), resp2);
        assert_eq!(written(Protocol::Resp3, &write), resp3);
    }

    #[test]
    fn each_protocol_spells_each_reply_its_own_way() {
        assert_written("+OK|", "+OK|", |out| out.ok());
        assert_written("+a b|", "+a b|", |out| out.simple("a\nb"));
        assert_written("$0||$3|a\\x00b|", "$0||$3|a\\x00b|", |out| {
            out.bulk(b"");
            out.bulk(b"a\0b");
        });
        assert_written("$3|-12|", "$3|-12|", |out| out.bulk_integer(-12));
        assert_written("$-1|", "_|", |out| out.null());
        assert_written("*-1|", "_|", |out| out.null_array());
        assert_written("$3|1.5|", ",1.5|", |out| out.double(1.5));
        assert_written("$4|-inf|", ",-inf|", |out| out.double(f64::NEG_INFINITY));
        assert_written("$3|nan|", ",nan|", |out| out.double(f64::NAN));
        assert_written("$4|3.10|", ",3.10|", |out| out.double_text(b"3.10"));
        assert_written(":1|:0|", "#t|#f|", |out| {
            out.boolean(true);
            out.boolean(false);
        });
        assert_written("$3|123|", "(123|", |out| out.big_number("123"));
        assert_written("$2|hi|", "=6|txt:hi|", |out| out.verbatim("txt", b"hi"));
        assert_written("*2|", "*2|", |out| out.array(2));
        assert_written("*4|", "%2|", |out| out.map(2));
        assert_written("*2|", "~2|", |out| out.set(2));
        assert_written("*2|", ">2|", |out| out.push(2));
        assert_eq!(written(Protocol::Resp3, |out| out.attribute(1)), "|1|");
    }

    #[test]
    fn an_error_stays_on_its_line() {
        assert_written("-ERR a  b|", "-ERR a  b|", |out| {
            out.error("\r\nERR a\r\nb\n\r")
        });
        assert_written("-ERR \\xff|", "-ERR \\xff|", |out| {
            out.error_bytes(b"ERR \xff")
        });
    }

    #[test]
    fn what_was_written_can_be_taken_back() {
        let mut buffer = b"+before\r\n".to_vec();
        let mut out = Writer::new(&mut buffer, Protocol::Resp2);
        let position = out.position();
        out.array(2);
        assert_eq!(out.written_since(position), b"*2\r\n");
        out.truncate(position);
        out.ok();
        assert_eq!(buffer, b"+before\r\n+OK\r\n");
    }

    proptest! {
        #[test]
        fn integers_are_read_back(value in any::<i64>(), shift in 0u32..64) {
            let value = value >> shift;
            let expected = (format!(":{value}|"), format!("${}|{value}|", value.to_string().len()));
            prop_assert_eq!(written(Protocol::Resp2, |out| out.integer(value)), expected.0);
            prop_assert_eq!(written(Protocol::Resp2, |out| out.bulk_integer(value)), expected.1);
        }

        #[test]
        fn deferred_headers_are_those_of_known_lengths(
            lengths in prop::collection::vec(0usize..1200, 1..4),
            resp3 in any::<bool>(),
        ) {
            // Aggregates in each other, each the last element of the one around it.
            let protocol = if resp3 { Protocol::Resp3 } else { Protocol::Resp2 };
            let (mut deferred, mut known) = (b":7\r\n".to_vec(), b":7\r\n".to_vec());
            let mut out = Writer::new(&mut deferred, protocol);
            let mut marks = Vec::new();
            for &length in &lengths {
                marks.push(match length % 3 {
                    0 => out.deferred_array(),
                    1 => out.deferred_map(),
                    _ => out.deferred_set(),
                });
                for element in 0..length {
                    out.integer(element as i64);
                }
            }
            for &length in lengths.iter().rev() {
                let mark = marks.pop().unwrap();
                match length % 3 {
                    0 => out.finish_array(mark, length),
                    1 => out.finish_map(mark, length),
                    _ => out.finish_set(mark, length),
                }
            }
            let mut out = Writer::new(&mut known, protocol);
            for &length in &lengths {
                match length % 3 {
                    0 => out.array(length),
                    1 => out.map(length),
                    _ => out.set(length),
                }
                for element in 0..length {
                    out.integer(element as i64);
                }
            }
            prop_assert_eq!(deferred, known);
        }

        #[test]
        fn bulks_of_any_length_are_read_back(length in prop_oneof![0usize..300, 0usize..100_000]) {
            let mut buffer = Vec::new();
            let bytes = vec![b'x'; length];
            Writer::new(&mut buffer, Protocol::Resp3).bulk(&bytes);
            let parsed = ReplyParser::new().parse(&buffer).unwrap();
            prop_assert_eq!(parsed.consumed, buffer.len());
            prop_assert_eq!(parsed.value, Some(Value::Bulk(bytes)));
        }
    }
}
