//! The parser of client requests.
//!
//! It finds the arguments of requests in a buffer that the caller owns and reads into;
//! it copies nothing but inline arguments with quotes. It sees a stream cut at
//! arbitrary places, and never looks twice at what it has understood: a request that
//! arrives in many small reads costs no more than one that arrives whole.

use crate::inline;
use crate::limits::{
    ARGUMENTS_MAX, LINE_MAX_BYTES, RequestLimits, UNAUTHENTICATED_ARGUMENTS_MAX,
    UNAUTHENTICATED_BULK_MAX_BYTES,
};
use crate::number::parse_integer;
use crate::protocol::{Protocol, ProtocolError};
use crate::writer::Writer;

/// The place of one argument in a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The offset of its first byte.
    pub start: usize,
    /// The offset after its last byte.
    pub end: usize,
}

impl Span {
    /// The bytes of this span in the buffer that it is a span of. Empty if the buffer is
    /// another, shorter one.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// How many bytes it spans.
    #[inline]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether it spans nothing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Which buffer the spans of a request index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The input that was parsed.
    Input,
    /// [`RequestParser::unescaped`]: the request was a line with quotes.
    Unescaped,
}

/// What a call of [`RequestParser::parse`] found. In either case the caller advances its
/// input by `consumed` bytes before the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// One whole request, with at least one argument.
    Request {
        /// How many bytes of the input it and the empty requests before it took.
        consumed: usize,
        /// What its spans index.
        source: Source,
    },
    /// The input ends before the request does.
    Incomplete {
        /// How many bytes of the input empty requests took. The rest must be there
        /// unchanged, with more behind it, at the next call.
        consumed: usize,
        /// How many more bytes are certainly needed, so that room for a huge argument
        /// can be made at once. At least 1. The client chose this number: it is at
        /// most the limit of an argument, and not to be trusted further.
        hint: usize,
    },
}

/// Finds requests in a stream of bytes. One for each connection.
#[derive(Debug, Default)]
pub struct RequestParser {
    limits: RequestLimits,
    stage: Stage,
    /// Where the next header, or the body that is awaited, begins. Counted from the
    /// start of the request, as everything here is.
    at: usize,
    /// How many bytes from `at` on are known not to end the line.
    searched: usize,
    /// The arguments found so far of a request that is not complete.
    pending: Vec<Span>,
    /// The lengths of those, together.
    pending_bytes: usize,
    unescaped: Vec<u8>,
}

/// What the parser waits for.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// The first line of a request.
    #[default]
    Start,
    /// The header of the first of `remaining` arguments.
    Header { remaining: u32 },
    /// The body of the first of `remaining` arguments.
    Body { remaining: u32, length: usize },
}

/// How far one attempt at a request came.
enum Step {
    Request { end: usize, source: Source },
    Empty { end: usize },
    Incomplete { hint: usize },
}

impl RequestParser {
    /// A parser at the start of a stream, with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits for what is parsed from here on. Cheap: call it before each batch.
    #[inline]
    pub fn set_limits(&mut self, limits: RequestLimits) {
        self.limits = limits;
    }

    /// The arguments of the last request whose source was [`Source::Unescaped`], until
    /// the next call of [`parse`](Self::parse).
    pub fn unescaped(&self) -> &[u8] {
        &self.unescaped
    }

    /// Whether a request has begun and not ended.
    pub fn is_mid_request(&self) -> bool {
        self.searched > 0 || !matches!(self.stage, Stage::Start)
    }

    /// How many bytes of an incomplete request are headers and arguments that are understood: all of
    /// the input but the argument that is on its way.
    pub fn understood_bytes(&self) -> usize {
        self.at
    }

    /// How many bytes those arguments of an incomplete request have that are complete themselves.
    pub fn argument_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// How many bytes of heap the parser holds.
    pub fn memory_usage(&self) -> usize {
        self.pending.capacity() * size_of::<Span>() + self.unescaped.capacity()
    }

    /// Looks for one request at the start of `input` and appends the spans of its
    /// arguments to `arguments`, relative to the start of `input`. Appends nothing unless
    /// the request is complete. Empty requests (blank lines, `*0`, `*-1`) are passed over.
    ///
    /// # Errors
    ///
    /// The first mistake in the stream. What comes after it means nothing: the
    /// connection gets the error and is closed.
    // As a call, this and what it calls would cost a GET a twentieth of all its instructions.
    #[inline(always)]
    pub fn parse(
        &mut self,
        input: &[u8],
        arguments: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        if self.unescaped.capacity() > 0 {
            self.unescaped = Vec::new();
        }
        let mut start = 0;
        if self.is_mid_request() {
            match self.resume(input, arguments)? {
                Step::Request { end, source } => {
                    return Ok(Parsed::Request {
                        consumed: end,
                        source,
                    });
                }
                Step::Empty { end } => start = end,
                Step::Incomplete { hint } => return Ok(Parsed::Incomplete { consumed: 0, hint }),
            }
        }
        let base = arguments.len();
        while start < input.len() {
            match self.begin(input, start, 0, arguments) {
                Ok(Step::Request { end, source }) => {
                    return Ok(Parsed::Request {
                        consumed: end,
                        source,
                    });
                }
                Ok(Step::Empty { end }) => start = end,
                Ok(Step::Incomplete { hint }) => {
                    let found = arguments.drain(base..);
                    self.pending_bytes = found.as_slice().iter().map(|span| span.len()).sum();
                    self.pending.extend(found.map(|span| Span {
                        start: span.start - start,
                        end: span.end - start,
                    }));
                    return Ok(Parsed::Incomplete {
                        consumed: start,
                        hint,
                    });
                }
                Err(error) => {
                    arguments.truncate(base);
                    return Err(error);
                }
            }
        }
        Ok(Parsed::Incomplete {
            consumed: start,
            hint: 1,
        })
    }

    /// Goes on with the request whose beginning an earlier call saw.
    #[cold]
    fn resume(&mut self, input: &[u8], arguments: &mut Vec<Span>) -> Result<Step, ProtocolError> {
        let stage = std::mem::take(&mut self.stage);
        let searched = std::mem::take(&mut self.searched);
        let mut found = std::mem::take(&mut self.pending);
        let (old_count, old_bytes) = (found.len(), std::mem::take(&mut self.pending_bytes));
        let step = match stage {
            Stage::Start => self.begin(input, 0, searched, &mut found)?,
            Stage::Header { remaining } => {
                self.arguments(input, 0, self.at, searched, remaining, &mut found)?
            }
            Stage::Body { remaining, length } => {
                let end = self.at + length;
                if input.len() < end + 2 {
                    self.stage = stage;
                    Step::Incomplete {
                        hint: end + 2 - input.len(),
                    }
                } else {
                    found.push(Span {
                        start: self.at,
                        end,
                    });
                    self.arguments(input, 0, end + 2, 0, remaining - 1, &mut found)?
                }
            }
        };
        match step {
            Step::Incomplete { .. } => {
                let new = found[old_count..].iter().map(|span| span.len());
                self.pending_bytes = old_bytes + new.sum::<usize>();
                self.pending = found;
            }
            _ => arguments.append(&mut found),
        }
        Ok(step)
    }

    /// Parses the request that begins at `start`, of whose first line the first
    /// `searched` bytes are known not to end it.
    #[inline(always)]
    fn begin(
        &mut self,
        input: &[u8],
        start: usize,
        searched: usize,
        found: &mut Vec<Span>,
    ) -> Result<Step, ProtocolError> {
        if input.get(start) != Some(&b'*') {
            return self.inline(input, start, searched, found);
        }
        let (count, next) = match short_header(input, start, b'*') {
            Some((count, next)) => (count as i64, next),
            None => match find_line(input, start, searched, b'\r') {
                Line::Found { end } => {
                    let count = parse_integer(&input[start + 1..end])
                        .ok_or(ProtocolError::InvalidMultibulkLength)?;
                    (count, end + 2)
                }
                Line::Missing { searched } => {
                    return Ok(self.suspend(Stage::Start, 0, searched, 1));
                }
                Line::TooLong => return Err(ProtocolError::MultibulkCountTooBig),
            },
        };
        if count > ARGUMENTS_MAX {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if self.limits.unauthenticated && count > UNAUTHENTICATED_ARGUMENTS_MAX {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        if count <= 0 {
            return Ok(Step::Empty { end: next });
        }
        self.arguments(input, start, next, 0, count as u32, found)
    }

    /// Parses the last `remaining` arguments of the request that began at `start`. The
    /// first of them is at `at`, and `searched` bytes of its header are no line end.
    #[inline(always)]
    fn arguments(
        &mut self,
        input: &[u8],
        start: usize,
        mut at: usize,
        mut searched: usize,
        mut remaining: u32,
        found: &mut Vec<Span>,
    ) -> Result<Step, ProtocolError> {
        while remaining > 0 {
            let (length, body) = match short_header(input, at, b'$') {
                Some(header) => header,
                None => match find_line(input, at, searched, b'\r') {
                    Line::Found { end } => (self.bulk_length(&input[at..end])?, end + 2),
                    Line::Missing { searched } => {
                        return Ok(self.suspend(
                            Stage::Header { remaining },
                            at - start,
                            searched,
                            1,
                        ));
                    }
                    Line::TooLong => return Err(ProtocolError::BulkCountTooBig),
                },
            };
            searched = 0;
            let end = body + length;
            if input.len() < end + 2 {
                let missing = end + 2 - input.len();
                let stage = Stage::Body { remaining, length };
                return Ok(self.suspend(stage, body - start, 0, missing));
            }
            found.push(Span { start: body, end });
            at = end + 2;
            remaining -= 1;
        }
        Ok(Step::Request {
            end: at,
            source: Source::Input,
        })
    }

    /// Reads the header of an argument, a whole line without its end.
    fn bulk_length(&self, line: &[u8]) -> Result<usize, ProtocolError> {
        let digits = match line {
            [b'$', digits @ ..] => digits,
            // An empty line: what stands where the `$` should is the line's end.
            [] => return Err(ProtocolError::ExpectedBulk { found: b'\r' }),
            [found, ..] => return Err(ProtocolError::ExpectedBulk { found: *found }),
        };
        let length = parse_integer(digits)
            .and_then(|length| u64::try_from(length).ok())
            .filter(|&length| length <= self.limits.bulk_max_bytes.min(ADDRESSABLE_MAX_BYTES))
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if self.limits.unauthenticated && length > UNAUTHENTICATED_BULK_MAX_BYTES {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(length as usize)
    }

    /// Parses a request that is a line, as from telnet.
    #[cold]
    fn inline(
        &mut self,
        input: &[u8],
        start: usize,
        searched: usize,
        found: &mut Vec<Span>,
    ) -> Result<Step, ProtocolError> {
        let newline = match find_line(input, start, searched, b'\n') {
            Line::Found { end } => end,
            Line::Missing { searched } => return Ok(self.suspend(Stage::Start, 0, searched, 1)),
            Line::TooLong => return Err(ProtocolError::InlineTooBig),
        };
        let line = &input[start..newline];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = found.len();
        let source = if line.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
            inline::split_into(line, &mut self.unescaped, found)
                .map_err(|_| ProtocolError::UnbalancedQuotes)?;
            Source::Unescaped
        } else {
            inline::split_unquoted(line, start, found);
            Source::Input
        };
        let end = newline + 1;
        if found.len() == before {
            Ok(Step::Empty { end })
        } else {
            Ok(Step::Request { end, source })
        }
    }

    /// Remembers how far the request came.
    fn suspend(&mut self, stage: Stage, at: usize, searched: usize, hint: usize) -> Step {
        self.stage = stage;
        self.at = at;
        self.searched = searched;
        Step::Incomplete { hint }
    }
}

/// Appends a request with these arguments, as clients send it.
pub fn write_request<A: AsRef<[u8]>>(arguments: &[A], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Protocol::Resp2);
    writer.array(arguments.len());
    for argument in arguments {
        writer.bulk(argument.as_ref());
    }
}

/// The request whose arguments are these places in `buffer`, if it stands there byte for byte as [`write_request`] would
/// write it and no argument is longer than 99 bytes. The parser has found most requests so; others are lines, or end
/// their lines otherwise, which the parser lets pass.
#[inline]
pub fn plain_request<'b>(buffer: &'b [u8], arguments: &[Span]) -> Option<&'b [u8]> {
    let first = arguments.first()?;
    let headers_len = short_header_len(arguments.len()) + short_header_len(first.len());
    let start = first.start.checked_sub(headers_len)?;
    let mut at = plain_header_end(buffer, start, b'*', arguments.len())?;
    for argument in arguments {
        if plain_header_end(buffer, at, b'$', argument.len())? != argument.start {
            return None;
        }
        if buffer.get(argument.end..)?.first_chunk() != Some(b"\r\n") {
            return None;
        }
        at = argument.end + 2;
    }
    buffer.get(start..at)
}

/// The arguments of the request that `input` begins with, as far as it is of the usual form and no argument is longer than
/// 99 bytes: a guess for those who want to begin with what the request will need.
#[derive(Debug, Clone)]
pub struct GuessedArguments<'a> {
    input: &'a [u8],
    at: usize,
    /// How many arguments there are still to be.
    left: usize,
}

impl<'a> GuessedArguments<'a> {
    /// Guesses at the beginning of `input`.
    #[inline]
    pub fn new(input: &'a [u8]) -> Self {
        let (left, at) = short_header(input, 0, b'*').unwrap_or_default();
        GuessedArguments { input, at, left }
    }
}

impl<'a> Iterator for GuessedArguments<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (len, start) = short_header(self.input, self.at, b'$')?;
        let argument = self.input.get(start..start + len)?;
        self.at = start + len + 2;
        Some(argument)
    }
}

/// How long a header is whose number has one or two digits.
#[inline]
fn short_header_len(number: usize) -> usize {
    4 + usize::from(number >= 10)
}

/// Where the header ends that stands at `at`, if it is just this one, of one or two digits. Something must follow it.
#[inline]
fn plain_header_end(buffer: &[u8], at: usize, kind: u8, number: usize) -> Option<usize> {
    let found: &[u8; 5] = buffer.get(at..)?.first_chunk()?;
    let [tens, ones] = [number / 10, number % 10].map(|digit| b'0'.wrapping_add(digit as u8));
    let is_plain = match number {
        0..10 => found[..4] == [kind, ones, b'\r', b'\n'],
        10..100 => *found == [kind, tens, ones, b'\r', b'\n'],
        _ => false,
    };
    is_plain.then(|| at + short_header_len(number))
}

/// No buffer can hold more than `isize::MAX` bytes; half of it leaves room to add offsets
/// without a thought of overflow.
const ADDRESSABLE_MAX_BYTES: u64 = isize::MAX as u64 / 2;

/// Reads a header of one or two digits, which most are: the number and where the
/// header ends. `None` is no judgement: the header may be longer, not all there, or wrong.
///
/// As with every line of a multibulk request, whatever byte follows the carriage return
/// is taken for the newline.
#[inline(always)]
fn short_header(input: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let header = input.get(at..at + 4)?;
    if header[0] != kind {
        return None;
    }
    let tens = header[1].wrapping_sub(b'0');
    if header[2] == b'\r' && tens <= 9 {
        return Some((usize::from(tens), at + 4));
    }
    let ones = header[2].wrapping_sub(b'0');
    if header[3] == b'\r' && matches!(tens, 1..=9) && ones <= 9 && input.len() > at + 4 {
        return Some((usize::from(tens) * 10 + usize::from(ones), at + 5));
    }
    None
}

/// What a search for the end of a line found.
enum Line {
    /// The terminator, at `end`.
    Found { end: usize },
    /// Not yet; the first `searched` bytes need not be searched again.
    Missing { searched: usize },
    /// No end within the limit.
    TooLong,
}

/// Looks for the end of the line at `start`: `\n`, or `\r` and any byte after it. Like
/// Redis, which searches with C's string functions, it does not look beyond a NUL:
/// a line with one in it never ends, until it is too long.
fn find_line(input: &[u8], start: usize, searched: usize, terminator: u8) -> Line {
    let line = input.get(start..).unwrap_or_default();
    let window = &line[..line.len().min(LINE_MAX_BYTES + 1)];
    let stop = window[searched.min(window.len())..]
        .iter()
        .position(|&byte| byte == terminator || byte == 0)
        .map_or(window.len(), |offset| searched + offset);
    if window.get(stop) == Some(&terminator) {
        return if terminator == b'\n' || stop + 1 < line.len() {
            Line::Found { end: start + stop }
        } else {
            Line::Missing { searched: stop }
        };
    }
    if line.len() > LINE_MAX_BYTES {
        Line::TooLong
    } else {
        Line::Missing { searched: stop }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a stream of requests comes to: its requests, and the mistake that ended it.
    type Outcome = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

    proptest! {
        /// What is taken as it stands is what would be written, and what was written is taken.
        #[test]
        fn plain_requests_are_what_would_be_written(
            arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..130), 1..13),
            before in prop::sample::select(vec!["", "*0\r\n", "\r\n", "*-1\r\n\n"]),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut written = Vec::new();
            write_request(&arguments, &mut written);
            let is_short = arguments.iter().all(|argument| argument.len() < 100);
            let mut input = [before.as_bytes(), &written].concat();
            if let Some((at, byte)) = change {
                let at = at.index(input.len());
                input[at] = byte;
            }
            let mut parser = RequestParser::new();
            let mut spans = Vec::new();
            let parsed = parser.parse(&input, &mut spans);
            if let Ok(Parsed::Request { source: Source::Input, .. }) = parsed {
                let mut again = Vec::new();
                let found: Vec<&[u8]> = spans.iter().map(|span| span.of(&input)).collect();
                write_request(&found, &mut again);
                let plain = plain_request(&input, &spans);
                prop_assert!(plain.is_none_or(|plain| plain == again));
                if change.is_none() {
                    prop_assert_eq!(plain, is_short.then_some(&written[..]));
                }
            } else {
                prop_assert!(change.is_some());
            }
        }
    }

    proptest! {
        /// What is guessed are the first arguments; of plain requests it is all up to the first long one.
        #[test]
        fn guessed_arguments_are_the_first_arguments(
            arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..130), 1..5),
            cut in prop::option::of(any::<prop::sample::Index>()),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut input = Vec::new();
            write_request(&arguments, &mut input);
            if let Some((at, byte)) = change {
                let at = at.index(input.len());
                input[at] = byte;
            }
            if let Some(at) = cut {
                input.truncate(at.index(input.len()));
            }
            let guessed: Vec<&[u8]> = GuessedArguments::new(&input).collect();
            let mut spans = Vec::new();
            let parsed = RequestParser::new().parse(&input, &mut spans);
            if let Ok(Parsed::Request { source: Source::Input, .. }) = parsed {
                let parsed: Vec<&[u8]> = spans.iter().map(|span| span.of(&input)).collect();
                prop_assert!(parsed.starts_with(&guessed), "{guessed:?} of {parsed:?}");
            }
            if cut.is_none() && change.is_none() {
                let short = arguments.iter().take_while(|argument| argument.len() < 100);
                prop_assert_eq!(guessed, short.map(Vec::as_slice).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn requests_with_other_line_ends_are_not_plain() {
        for input in [
            "*2\rx$3\r\nGET\r\n$1\r\na\r\n",
            "*2\r\n$3\rxGET\r\n$1\r\na\r\n",
            "*2\r\n$3\r\nGETxx$1\r\na\r\n",
            "*2\r\n$3\r\nGET\r\n$1\r\naxx",
            "GET a\r\n",
            "PING\r\n",
        ] {
            let mut spans = Vec::new();
            let parsed = RequestParser::new().parse(input.as_bytes(), &mut spans);
            let is_request = matches!(parsed, Ok(Parsed::Request { .. }));
            assert!(is_request, "{input:?}: {parsed:?}");
            assert_eq!(plain_request(input.as_bytes(), &spans), None, "{input:?}");
        }
    }

    /// Feeds the stream to a parser in pieces, as a driver would.
    fn parse_pieces<'a>(
        limits: RequestLimits,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Outcome {
        let mut parser = RequestParser::new();
        parser.set_limits(limits);
        let (mut buffer, mut spans, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                spans.clear();
                match parser.parse(&buffer, &mut spans) {
                    Ok(Parsed::Request { consumed, source }) => {
                        let bytes = match source {
                            Source::Input => &buffer[..],
                            Source::Unescaped => parser.unescaped(),
                        };
                        requests.push(spans.iter().map(|span| span.of(bytes).to_vec()).collect());
                        buffer.drain(..consumed);
                    }
                    Ok(Parsed::Incomplete { consumed, hint }) => {
                        assert!(hint >= 1);
                        assert!(spans.is_empty());
                        buffer.drain(..consumed);
                        break;
                    }
                    Err(error) => return (requests, Some(error)),
                }
            }
        }
        (requests, None)
    }

    fn parse_whole(stream: &[u8]) -> Outcome {
        parse_pieces(RequestLimits::default(), [stream])
    }

    /// The same, written for clarity: one pass over a whole stream, no memory of the past.
    fn parse_naively(limits: RequestLimits, mut stream: &[u8]) -> Outcome {
        let mut requests = Vec::new();
        loop {
            match naive_request(limits, stream) {
                Ok(Some((request, rest))) => {
                    if !request.is_empty() {
                        requests.push(request);
                    }
                    stream = rest;
                }
                Ok(None) => return (requests, None),
                Err(error) => return (requests, Some(error)),
            }
        }
    }

    /// A line and what comes after its terminator.
    type NaiveLine<'a> = Option<(&'a [u8], &'a [u8])>;

    type NaiveRequest<'a> = Option<(Vec<Vec<u8>>, &'a [u8])>;

    fn naive_request(
        limits: RequestLimits,
        stream: &[u8],
    ) -> Result<NaiveRequest<'_>, ProtocolError> {
        if stream.is_empty() {
            return Ok(None);
        }
        if stream[0] != b'*' {
            let Some((line, rest)) = naive_line(stream, b'\n', ProtocolError::InlineTooBig)? else {
                return Ok(None);
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let request = inline::split(line).map_err(|_| ProtocolError::UnbalancedQuotes)?;
            return Ok(Some((request, rest)));
        }
        let Some((line, rest)) = naive_line(stream, b'\r', ProtocolError::MultibulkCountTooBig)?
        else {
            return Ok(None);
        };
        let Some(mut rest) = rest.get(1..) else {
            return Ok(None);
        };
        let count = naive_integer(&line[1..]).ok_or(ProtocolError::InvalidMultibulkLength)?;
        if count > i64::from(i32::MAX) {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if limits.unauthenticated && count > 10 {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        let mut request = Vec::new();
        for _ in 0..count {
            let Some((line, after)) = naive_line(rest, b'\r', ProtocolError::BulkCountTooBig)?
            else {
                return Ok(None);
            };
            let Some(body) = after.get(1..) else {
                return Ok(None);
            };
            if line.first() != Some(&b'$') {
                let found = *line.first().unwrap_or(&b'\r');
                return Err(ProtocolError::ExpectedBulk { found });
            }
            let length = naive_integer(&line[1..]).ok_or(ProtocolError::InvalidBulkLength)?;
            if length < 0 || length as u64 > limits.bulk_max_bytes {
                return Err(ProtocolError::InvalidBulkLength);
            }
            if limits.unauthenticated && length > 16384 {
                return Err(ProtocolError::UnauthenticatedBulkLength);
            }
            if (body.len() as u64) < length as u64 + 2 {
                return Ok(None);
            }
            request.push(body[..length as usize].to_vec());
            rest = &body[length as usize + 2..];
        }
        Ok(Some((request, rest)))
    }

    fn naive_line(
        stream: &[u8],
        terminator: u8,
        too_long: ProtocolError,
    ) -> Result<NaiveLine<'_>, ProtocolError> {
        let end = stream.iter().position(|&byte| byte == terminator);
        let nul = stream.iter().position(|&byte| byte == 0);
        match end {
            Some(end) if end <= 65536 && nul.is_none_or(|nul| nul > end) => {
                Ok(Some((&stream[..end], &stream[end + 1..])))
            }
            _ if stream.len() > 65536 => Err(too_long),
            _ => Ok(None),
        }
    }

    fn naive_integer(text: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(text).ok()?;
        let value: i64 = text.parse().ok()?;
        (value.to_string() == text).then_some(value)
    }

    /// Streams in which most lines are sound, some are not, and some are huge.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let bulk = prop_oneof![
            8 => prop::collection::vec(any::<u8>(), 0..30),
            2 => prop::collection::vec(any::<u8>(), 90..1100),
            1 => (16380usize..16390).prop_map(|length| vec![b'x'; length]),
        ];
        let request = prop::collection::vec(bulk, 1..14).prop_map(|arguments| {
            let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
            for argument in arguments {
                bytes.extend(format!("${}\r\n", argument.len()).bytes());
                bytes.extend(argument);
                bytes.extend(b"\r\n");
            }
            bytes
        });
        let line = prop::collection::vec(
            prop::sample::select(&b"abx0019 \t\x0b\r\\\"'\0*$"[..]),
            0..20,
        )
        .prop_map(|mut line| {
            line.push(b'\n');
            line
        });
        let odd = prop::sample::select(vec![
            &b"*0\r\n"[..],
            b"*-1\r\n",
            b"\r\n",
            b"\n",
            b"*-00\r\n",
            b"*1\r\n$-1\r\n",
            b"*01\r\n",
            b"*2147483647\r\n",
            b"*2147483648\r\n",
            b"*1\r\n:1\r\n",
            b"*1\r\n\r\n",
            b"*\r\n",
            b"*1\rX$4\rYPINGZZ",
            b"*11\r\n",
            b"*1\r\n$16385\r\n",
            b"*1\n$4\r\nPING\r\n",
            b"*1\r\n$2000000\r\n",
            b"*1\r\n$9223372036854775807\r\n",
            b"*1\r\n$\r\n",
            b"PING\r\n",
            b"SET a \"b\\x41\\n\"\r\n",
            b"GET 'it\\'s'\n",
            b"\"a\"b\r\n",
        ])
        .prop_map(<[u8]>::to_vec);
        let long = (
            65530usize..65540,
            prop::sample::select(vec!["*", "a", "*1\r\n$", "*1\r\n"]),
        )
            .prop_map(|(length, start)| {
                let mut line = start.as_bytes().to_vec();
                line.resize(start.len() + length, b'1');
                line.extend(b"\r\n");
                line
            });
        let piece = prop_oneof![30 => request, 10 => line, 8 => odd, 1 => long];
        prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
    }

    fn limits() -> impl Strategy<Value = RequestLimits> {
        any::<bool>().prop_map(|unauthenticated| RequestLimits {
            bulk_max_bytes: 1 << 20,
            unauthenticated,
        })
    }

    proptest! {
        #[test]
        fn any_cut_parses_as_the_naive_model_does(
            stream in stream(),
            limits in limits(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
            prop_assert_eq!(parse_pieces(limits, pieces), parse_naively(limits, &stream));
        }

        #[test]
        fn byte_by_byte_parses_the_same(stream in stream(), limits in limits()) {
            let whole = parse_pieces(limits, [&stream[..]]);
            prop_assert_eq!(parse_pieces(limits, stream.chunks(1)), whole);
        }
    }

    #[test]
    fn requests_in_one_buffer_come_one_by_one() {
        let (requests, error) =
            parse_whole(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n\r\n*0\r\nPING x\r\n*1\r\n$0\r\n\r\n");
        assert_eq!(error, None);
        assert_eq!(
            requests,
            [
                vec![b"GET".to_vec(), b"a".to_vec()],
                vec![b"PING".to_vec(), b"x".to_vec()],
                vec![vec![]]
            ]
        );
    }

    #[test]
    fn spans_are_appended_behind_those_of_earlier_requests() {
        let mut parser = RequestParser::new();
        let mut spans = vec![Span { start: 7, end: 9 }];
        let input = b"\r\nECHO hi\r\n*1\r\n$4\r\nPI";
        let parsed = parser.parse(input, &mut spans);
        assert_eq!(
            parsed,
            Ok(Parsed::Request {
                consumed: 11,
                source: Source::Input
            })
        );
        assert_eq!(spans.len(), 3);
        assert_eq!(spans[2].of(input), b"hi");
        let parsed = parser.parse(&input[11..], &mut spans);
        assert_eq!(
            parsed,
            Ok(Parsed::Incomplete {
                consumed: 0,
                hint: 4
            })
        );
        assert_eq!(spans.len(), 3);
    }

    #[test]
    fn complete_arguments_of_an_incomplete_request_are_counted() {
        let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
        let stream = b"*4\r\n$4\r\nMSET\r\n$3\r\nkey\r\n$12\r\nlong enough.\r\n$1\r\nk\r\n";
        for (end, bytes) in [(9, 0), (14, 4), (30, 7), (41, 7), (42, 19), (46, 19)] {
            parser
                .parse(&stream[..end], &mut spans)
                .expect("it goes on");
            assert_eq!(parser.argument_bytes(), bytes, "{end}");
        }
        parser.parse(stream, &mut spans).expect("it is complete");
        assert_eq!((parser.argument_bytes(), spans.len()), (0, 4));
    }

    #[test]
    fn the_hint_is_what_the_argument_lacks() {
        let mut parser = RequestParser::new();
        let parsed = parser.parse(b"*1\r\n$100000000\r\nabc", &mut Vec::new());
        assert_eq!(
            parsed,
            Ok(Parsed::Incomplete {
                consumed: 0,
                hint: 99_999_999
            })
        );
    }

    #[test]
    fn a_million_arguments_in_small_reads_are_found_once() {
        const COUNT: usize = 1_000_000;
        let mut stream = format!("*{COUNT}\r\n").into_bytes();
        for _ in 0..COUNT {
            stream.extend_from_slice(b"$1\r\na\r\n");
        }
        let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
        let mut parsed = Ok(Parsed::Incomplete {
            consumed: 0,
            hint: 1,
        });
        for end in (0..stream.len()).step_by(1000).chain([stream.len()]) {
            parsed = parser.parse(&stream[..end], &mut spans);
        }
        let consumed = stream.len();
        assert_eq!(
            parsed,
            Ok(Parsed::Request {
                consumed,
                source: Source::Input
            })
        );
        assert_eq!(spans.len(), COUNT);
        assert!(spans.iter().all(|span| span.of(&stream) == b"a"));
        assert_eq!(parser.memory_usage(), 0);
    }
}
