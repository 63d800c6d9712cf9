//! The parser of replies, for those who speak to a server: the cli, the tests, the bench.
//!
//! It sees a stream cut at arbitrary places. What it has understood it keeps itself, so
//! that the caller drops the bytes at once; an aggregate of a million elements that
//! arrives in small reads is parsed once.

use std::fmt;

use crate::Value;
use crate::limits::{REPLY_DEPTH_MAX, REPLY_LINE_MAX_BYTES};
use crate::number::parse_integer;

/// Why a stream is not one of replies. Nothing after the mistake can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyError {
    /// A reply starts with a byte that names no type.
    UnknownType(u8),
    /// A length is not a number, is negative where no null exists, or is too big.
    InvalidLength,
    /// An integer, a double, a big number, a boolean or a null is none.
    InvalidScalar,
    /// A line or a string does not end where it must.
    MissingLineEnd,
    /// A verbatim string does not begin with three characters of format and a colon.
    InvalidVerbatim,
    /// A line is longer than [`REPLY_LINE_MAX_BYTES`].
    LineTooLong,
    /// Aggregates nest deeper than [`REPLY_DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            ReplyError::UnknownType(byte) => {
                return write!(f, "'{}' is no type of reply", byte.escape_ascii());
            }
            ReplyError::InvalidLength => "invalid length",
            ReplyError::InvalidScalar => "invalid number, boolean or null",
            ReplyError::MissingLineEnd => "a line end is missing",
            ReplyError::InvalidVerbatim => "invalid verbatim string",
            ReplyError::LineTooLong => "too long a line",
            ReplyError::TooDeep => "too deeply nested",
        })
    }
}

impl std::error::Error for ReplyError {}

/// What a call of [`ReplyParser::parse`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedReply {
    /// How many bytes of the input were understood. The caller drops them.
    pub consumed: usize,
    /// The reply, if these bytes completed one.
    pub value: Option<Value>,
}

/// Builds replies from a stream of bytes. One for each connection.
#[derive(Debug, Default)]
pub struct ReplyParser {
    /// The aggregates that are open, outermost first.
    open: Vec<Aggregate>,
    /// How many bytes of the input are known not to end its first line.
    searched: usize,
}

#[derive(Clone, Copy, Debug)]
enum AggregateKind {
    Array,
    Set,
    Push,
    Map,
    Attribute,
}

/// An aggregate whose elements are still coming.
#[derive(Debug)]
struct Aggregate {
    kind: AggregateKind,
    /// How many values are to come; a pair is two, and the reply after attributes one.
    missing: u64,
    values: Vec<Value>,
}

/// Room for so many elements is made at once; more come as they come, because a length
/// is only a promise.
const ELEMENTS_RESERVED_MAX: u64 = 1024;

/// One thing at the front of the input.
enum Token {
    Value(Value),
    Aggregate(AggregateKind, u64),
}

impl ReplyParser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a reply has begun and not ended. Bytes that were not consumed may have
    /// begun one too.
    pub fn is_mid_reply(&self) -> bool {
        !self.open.is_empty()
    }

    /// Parses as much of `input` as belongs to one reply.
    ///
    /// # Errors
    ///
    /// The first mistake in the stream; the parser is of no use afterwards.
    pub fn parse(&mut self, input: &[u8]) -> Result<ParsedReply, ReplyError> {
        let mut consumed = 0;
        while let Some((token, length)) = self.token(&input[consumed..])? {
            consumed += length;
            let value = match token {
                Token::Value(value) => self.close_with(value),
                Token::Aggregate(kind, missing) => self.open(kind, missing)?,
            };
            if value.is_some() {
                return Ok(ParsedReply { consumed, value });
            }
        }
        Ok(ParsedReply {
            consumed,
            value: None,
        })
    }

    /// Begins an aggregate. One without elements is complete at once, and may complete
    /// those around it.
    fn open(&mut self, kind: AggregateKind, missing: u64) -> Result<Option<Value>, ReplyError> {
        if missing == 0 {
            let empty = Aggregate {
                kind,
                missing,
                values: Vec::new(),
            };
            return Ok(self.close_with(empty.finish()));
        }
        if self.open.len() == REPLY_DEPTH_MAX {
            return Err(ReplyError::TooDeep);
        }
        let values = Vec::with_capacity(missing.min(ELEMENTS_RESERVED_MAX) as usize);
        self.open.push(Aggregate {
            kind,
            missing,
            values,
        });
        Ok(None)
    }

    /// Gives a value to the innermost aggregate and closes what that completes. Returns
    /// the value that nothing is around.
    fn close_with(&mut self, mut value: Value) -> Option<Value> {
        while let Some(innermost) = self.open.last_mut() {
            innermost.values.push(value);
            innermost.missing -= 1;
            if innermost.missing > 0 {
                return None;
            }
            value = self.open.pop()?.finish();
        }
        Some(value)
    }

    /// Reads one token from the front of the input; `None` if it is not all there.
    fn token(&mut self, input: &[u8]) -> Result<Option<(Token, usize)>, ReplyError> {
        let Some(line) = self.line(input)? else {
            return Ok(None);
        };
        // A line has its type at least: see `line`.
        let (kind, text) = (line[0], &line[1..]);
        let line_length = line.len() + 2;
        let value = match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Integer(integer(text)?),
            b',' => Value::Double(double(text)?),
            b'(' => Value::BigNumber(big_number(text)?),
            b'#' => match text {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(ReplyError::InvalidScalar),
            },
            b'_' if text.is_empty() => Value::Null,
            b'_' => return Err(ReplyError::InvalidScalar),
            b'$' if text == b"-1" => Value::NullBulk,
            b'*' if text == b"-1" => Value::NullArray,
            b'$' | b'!' | b'=' => {
                let length = usize::try_from(length(text)?)
                    .ok()
                    .filter(|&length| length <= isize::MAX as usize / 2)
                    .ok_or(ReplyError::InvalidLength)?;
                let body = &input[line_length..];
                let Some(end) = body.get(length..length + 2) else {
                    // The header will be found again at once.
                    self.searched = 0;
                    return Ok(None);
                };
                if end != b"\r\n" {
                    return Err(ReplyError::MissingLineEnd);
                }
                self.searched = 0;
                let value = string(kind, &body[..length])?;
                return Ok(Some((Token::Value(value), line_length + length + 2)));
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let length = length(text)?;
                let (kind, missing) = match kind {
                    b'*' => (AggregateKind::Array, Some(length)),
                    b'~' => (AggregateKind::Set, Some(length)),
                    b'>' => (AggregateKind::Push, Some(length)),
                    b'%' => (AggregateKind::Map, length.checked_mul(2)),
                    _ => {
                        let values = length
                            .checked_mul(2)
                            .and_then(|values| values.checked_add(1));
                        (AggregateKind::Attribute, values)
                    }
                };
                let missing = missing.ok_or(ReplyError::InvalidLength)?;
                self.searched = 0;
                return Ok(Some((Token::Aggregate(kind, missing), line_length)));
            }
            other => return Err(ReplyError::UnknownType(other)),
        };
        self.searched = 0;
        Ok(Some((Token::Value(value), line_length)))
    }

    /// The first line of the input without its end, at least one byte long.
    fn line<'a>(&mut self, input: &'a [u8]) -> Result<Option<&'a [u8]>, ReplyError> {
        if let Some(&kind) = input.first()
            && !b"+-:$*_,(#!=%~>|".contains(&kind)
        {
            return Err(ReplyError::UnknownType(kind));
        }
        let from = self.searched.min(input.len());
        let Some(offset) = input[from..].iter().position(|&byte| byte == b'\r') else {
            self.searched = input.len();
            return if input.len() > REPLY_LINE_MAX_BYTES {
                Err(ReplyError::LineTooLong)
            } else {
                Ok(None)
            };
        };
        let end = from + offset;
        if end > REPLY_LINE_MAX_BYTES {
            return Err(ReplyError::LineTooLong);
        }
        match input.get(end + 1) {
            Some(b'\n') => Ok(Some(&input[..end])),
            Some(_) => Err(ReplyError::MissingLineEnd),
            None => {
                self.searched = end;
                Ok(None)
            }
        }
    }
}

impl Aggregate {
    fn finish(mut self) -> Value {
        match self.kind {
            AggregateKind::Array => Value::Array(self.values),
            AggregateKind::Set => Value::Set(self.values),
            AggregateKind::Push => Value::Push(self.values),
            AggregateKind::Map => Value::Map(pairs(self.values)),
            AggregateKind::Attribute => {
                // The reply itself is the last value; there is one, for `missing` counts it.
                let value = Box::new(self.values.pop().unwrap_or(Value::Null));
                Value::Attribute {
                    attributes: pairs(self.values),
                    value,
                }
            }
        }
    }
}

fn pairs(values: Vec<Value>) -> Vec<(Value, Value)> {
    let mut values = values.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn string(kind: u8, bytes: &[u8]) -> Result<Value, ReplyError> {
    match (kind, bytes) {
        (b'$', bytes) => Ok(Value::Bulk(bytes.to_vec())),
        (b'!', bytes) => Ok(Value::BulkError(bytes.to_vec())),
        (_, [a, b, c, b':', text @ ..]) => Ok(Value::Verbatim {
            format: [*a, *b, *c],
            text: text.to_vec(),
        }),
        _ => Err(ReplyError::InvalidVerbatim),
    }
}

fn length(text: &[u8]) -> Result<u64, ReplyError> {
    parse_integer(text)
        .and_then(|length| u64::try_from(length).ok())
        .ok_or(ReplyError::InvalidLength)
}

/// An integer, which the protocol allows a plus sign.
fn integer(text: &[u8]) -> Result<i64, ReplyError> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    parse_integer(digits).ok_or(ReplyError::InvalidScalar)
}

fn double(text: &[u8]) -> Result<String, ReplyError> {
    let text = std::str::from_utf8(text).map_err(|_| ReplyError::InvalidScalar)?;
    text.parse::<f64>().map_err(|_| ReplyError::InvalidScalar)?;
    Ok(text.to_owned())
}

fn big_number(text: &[u8]) -> Result<String, ReplyError> {
    let digits = match text {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ReplyError::InvalidScalar);
    }
    String::from_utf8(text.to_vec()).map_err(|_| ReplyError::InvalidScalar)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_line() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|mut line| {
            line.retain(|byte| *byte != b'\r');
            line
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40);
        let leaf = prop_oneof![
            one_line().prop_map(Value::Simple),
            one_line().prop_map(Value::Error),
            any::<i64>().prop_map(Value::Integer),
            bytes().prop_map(Value::Bulk),
            bytes().prop_map(Value::BulkError),
            (any::<[u8; 3]>(), bytes()).prop_map(|(format, text)| Value::Verbatim { format, text }),
            any::<f64>().prop_map(|value| Value::Double(value.to_string())),
            "-?[0-9]{1,40}".prop_map(Value::BigNumber),
            any::<bool>().prop_map(Value::Boolean),
            Just(Value::Null),
            Just(Value::NullBulk),
            Just(Value::NullArray),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            let list = || prop::collection::vec(inner.clone(), 0..6);
            let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..4);
            prop_oneof![
                list().prop_map(Value::Array),
                list().prop_map(Value::Set),
                list().prop_map(Value::Push),
                pairs().prop_map(Value::Map),
                (pairs(), inner.clone()).prop_map(|(attributes, value)| Value::Attribute {
                    attributes,
                    value: Box::new(value)
                }),
            ]
        })
    }

    /// Feeds pieces to a parser, dropping what it consumed, as a client would.
    fn parse_pieces<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<Value>, Vec<u8>), ReplyError> {
        let (mut parser, mut buffer, mut values) = (ReplyParser::new(), Vec::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                let parsed = parser.parse(&buffer)?;
                buffer.drain(..parsed.consumed);
                match parsed.value {
                    Some(value) => values.push(value),
                    None => break,
                }
            }
        }
        Ok((values, buffer))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_at_any_cut(
            values in prop::collection::vec(value(), 1..5),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut stream = Vec::new();
            for value in &values {
                value.write_to(&mut stream);
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
            prop_assert_eq!(parse_pieces(pieces), Ok((values.clone(), vec![])));
            prop_assert_eq!(parse_pieces(stream.chunks(1)), Ok((values, vec![])));
        }

        #[test]
        fn noise_is_refused_or_awaited_the_same_at_any_cut(
            stream in prop::collection::vec(
                prop::sample::select(&b"+-:$*_,(#!=%~>|0123t\r\n\r\n"[..]), 0..60),
        ) {
            let whole = parse_pieces([&stream[..]]);
            prop_assert_eq!(parse_pieces(stream.chunks(1)), whole);
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |depth: usize| [b"*1\r\n".repeat(depth), b":1\r\n".to_vec()].concat();
        assert!(parse_pieces([&deep(REPLY_DEPTH_MAX)[..]]).is_ok());
        assert_eq!(
            parse_pieces([&deep(REPLY_DEPTH_MAX + 1)[..]]),
            Err(ReplyError::TooDeep)
        );
    }

    #[test]
    fn a_line_has_a_limit() {
        let line = vec![b'+'; REPLY_LINE_MAX_BYTES + 2];
        assert_eq!(parse_pieces([&line[..]]), Err(ReplyError::LineTooLong));
    }

    #[test]
    fn mistakes_are_named() {
        for (stream, error) in [
            (&b"?\r\n"[..], ReplyError::UnknownType(b'?')),
            (b"$-2\r\n", ReplyError::InvalidLength),
            (b"*x\r\n", ReplyError::InvalidLength),
            (b"%9223372036854775808\r\n", ReplyError::InvalidLength),
            (b"$1\r\nab\r\n", ReplyError::MissingLineEnd),
            (b"+a\rb", ReplyError::MissingLineEnd),
            (b":1.5\r\n", ReplyError::InvalidScalar),
            (b"#1\r\n", ReplyError::InvalidScalar),
            (b"_1\r\n", ReplyError::InvalidScalar),
            (b",abc\r\n", ReplyError::InvalidScalar),
            (b"(1-\r\n", ReplyError::InvalidScalar),
            (b"=3\r\ntxt\r\n", ReplyError::InvalidVerbatim),
        ] {
            assert_eq!(
                parse_pieces([stream]),
                Err(error),
                "{}",
                stream.escape_ascii()
            );
        }
    }
}
