//! A reply as a test sees it: every RESP2 and RESP3 type kept apart, even the three spellings of
//! null, and its readable one-token-a-line text form, which the recorded transcripts are made of.
//!
//! The decoder is the testkit's own on purpose: a mistake in the server's protocol crate must not
//! hide behind the same mistake in the tests.

use std::fmt::{self, Write as _};
use std::io;

/// One reply. Numbers that may be printed in several ways (doubles, big numbers) keep their text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `,`
    Double(Vec<u8>),
    /// `#`
    Boolean(bool),
    /// `(`
    BigNumber(Vec<u8>),
    /// `=`, with its three-letter format and colon
    Verbatim(Vec<u8>),
    /// `*`
    Array(Vec<Reply>),
    /// `~`
    Set(Vec<Reply>),
    /// `>`
    Push(Vec<Reply>),
    /// `%`
    Map(Vec<(Reply, Reply)>),
    /// `|` and the reply that it is about
    Attribute(Vec<(Reply, Reply)>, Box<Reply>),
}

impl Reply {
    /// A bulk string.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// Whether this is any of the spellings of null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::NullBulk | Self::NullArray)
    }

    /// The bytes of a string-like reply (simple, error, bulk, verbatim, double, big number).
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes)
            | Self::Error(bytes)
            | Self::Bulk(bytes)
            | Self::Verbatim(bytes)
            | Self::Double(bytes)
            | Self::BigNumber(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a string-like reply; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            _ => String::from_utf8_lossy(self.bytes().unwrap_or_default()).into_owned(),
        }
    }

    /// The elements of an array, set or push.
    pub fn elements(&self) -> Option<&[Reply]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            _ => None,
        }
    }

    /// Decodes one reply from the front of the buffer: the reply and how many bytes it took, or
    /// `None` when the buffer does not hold the whole of it.
    ///
    /// # Errors
    /// `InvalidData` when the bytes are no RESP.
    pub fn decode(buffer: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut decoder = Decoder {
            buffer,
            position: 0,
        };
        Ok(decoder.reply()?.map(|reply| (reply, decoder.position)))
    }
}

/// Shorthand: `Ok(None)` means that bytes are missing.
type Partial<T> = io::Result<Option<T>>;

macro_rules! whole {
    ($partial:expr) => {
        match $partial? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

struct Decoder<'a> {
    buffer: &'a [u8],
    position: usize,
}

impl<'a> Decoder<'a> {
    fn reply(&mut self) -> Partial<Reply> {
        let line = whole!(self.line());
        let Some((&kind, rest)) = line.split_first() else {
            return Err(invalid("an empty line", line));
        };
        let reply = match kind {
            b'+' => Reply::Simple(rest.to_vec()),
            b'-' => Reply::Error(rest.to_vec()),
            b':' => Reply::Integer(number(rest)?),
            b'_' if rest.is_empty() => Reply::Null,
            b',' => Reply::Double(rest.to_vec()),
            b'#' if rest == b"t" => Reply::Boolean(true),
            b'#' if rest == b"f" => Reply::Boolean(false),
            b'(' => Reply::BigNumber(rest.to_vec()),
            b'$' if rest == b"-1" => Reply::NullBulk,
            b'*' if rest == b"-1" => Reply::NullArray,
            b'$' => Reply::Bulk(whole!(self.blob(rest))),
            b'=' => Reply::Verbatim(whole!(self.blob(rest))),
            b'*' => Reply::Array(whole!(self.elements(rest))),
            b'~' => Reply::Set(whole!(self.elements(rest))),
            b'>' => Reply::Push(whole!(self.elements(rest))),
            b'%' => Reply::Map(whole!(self.pairs(rest))),
            b'|' => {
                let pairs = whole!(self.pairs(rest));
                Reply::Attribute(pairs, Box::new(whole!(self.reply())))
            }
            _ => return Err(invalid("not the start of a reply", line)),
        };
        Ok(Some(reply))
    }

    fn line(&mut self) -> Partial<&'a [u8]> {
        let rest = &self.buffer[self.position..];
        let Some(len) = rest.windows(2).position(|window| window == b"\r\n") else {
            return Ok(None);
        };
        self.position += len + 2;
        Ok(Some(&rest[..len]))
    }

    fn blob(&mut self, len: &[u8]) -> Partial<Vec<u8>> {
        let len = length(len)?;
        let rest = &self.buffer[self.position..];
        if rest.len() < len + 2 {
            return Ok(None);
        }
        if &rest[len..len + 2] != b"\r\n" {
            return Err(invalid(
                "a string that does not end in CR LF",
                &rest[..len + 2],
            ));
        }
        self.position += len + 2;
        Ok(Some(rest[..len].to_vec()))
    }

    fn elements(&mut self, len: &[u8]) -> Partial<Vec<Reply>> {
        let len = length(len)?;
        let mut elements = Vec::with_capacity(len.min(1024));
        for _ in 0..len {
            elements.push(whole!(self.reply()));
        }
        Ok(Some(elements))
    }

    fn pairs(&mut self, len: &[u8]) -> Partial<Vec<(Reply, Reply)>> {
        let len = length(len)?;
        let mut pairs = Vec::with_capacity(len.min(1024));
        for _ in 0..len {
            pairs.push((whole!(self.reply()), whole!(self.reply())));
        }
        Ok(Some(pairs))
    }
}

fn number(digits: &[u8]) -> io::Result<i64> {
    let text = std::str::from_utf8(digits).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("not a number", digits))
}

fn length(digits: &[u8]) -> io::Result<usize> {
    usize::try_from(number(digits)?).map_err(|_| invalid("not a length", digits))
}

fn invalid(what: &str, bytes: &[u8]) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what}: {:?}", bytes.escape_ascii().to_string()),
    )
}

/// The text form: one token a line, children indented by two spaces under their parent. Strings
/// stand in double quotes with the escapes of [`quote`]; simple strings and errors stand bare where
/// they are printable.
impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_indented(&mut text, 0);
        formatter.write_str(text.trim_end_matches('\n'))
    }
}

impl Reply {
    fn write_indented(&self, out: &mut String, depth: usize) {
        let mut line = |sigil: char, rest: &str| {
            let _ = writeln!(out, "{:width$}{sigil}{rest}", "", width = depth * 2);
        };
        match self {
            Self::Simple(bytes) => line('+', &escape(bytes)),
            Self::Error(bytes) => line('-', &escape(bytes)),
            Self::Integer(number) => line(':', &number.to_string()),
            Self::Bulk(bytes) => line('$', &quote(bytes)),
            Self::NullBulk => line('$', "-1"),
            Self::NullArray => line('*', "-1"),
            Self::Null => line('_', ""),
            Self::Double(bytes) => line(',', &escape(bytes)),
            Self::Boolean(value) => line('#', if *value { "t" } else { "f" }),
            Self::BigNumber(bytes) => line('(', &escape(bytes)),
            Self::Verbatim(bytes) => line('=', &quote(bytes)),
            Self::Array(elements) => write_elements(out, depth, '*', elements),
            Self::Set(elements) => write_elements(out, depth, '~', elements),
            Self::Push(elements) => write_elements(out, depth, '>', elements),
            Self::Map(pairs) => write_pairs(out, depth, '%', pairs),
            Self::Attribute(pairs, reply) => {
                write_pairs(out, depth, '|', pairs);
                reply.write_indented(out, depth);
            }
        }
    }

    /// Reads back what `Display` wrote, from the front of the lines.
    ///
    /// # Errors
    /// A message that names the line which is no reply.
    pub fn from_text<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let whole = lines.next().ok_or("a reply is missing")?;
        let line = whole.trim_start_matches(' ');
        let sigil = line
            .chars()
            .next()
            .ok_or("a reply is missing: the line is empty")?;
        let rest = &line[sigil.len_utf8()..];
        let bad = || format!("not a reply: {whole:?}");
        let count = || rest.parse::<usize>().map_err(|_| bad());
        let mut children = |count: usize| {
            (0..count)
                .map(|_| Self::from_text(lines))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match sigil {
            '+' => Self::Simple(unescape(rest).ok_or_else(bad)?),
            '-' => Self::Error(unescape(rest).ok_or_else(bad)?),
            ':' => Self::Integer(rest.parse().map_err(|_| bad())?),
            '$' if rest == "-1" => Self::NullBulk,
            '*' if rest == "-1" => Self::NullArray,
            '_' => Self::Null,
            '$' => Self::Bulk(unquote(rest).ok_or_else(bad)?),
            '=' => Self::Verbatim(unquote(rest).ok_or_else(bad)?),
            ',' => Self::Double(unescape(rest).ok_or_else(bad)?),
            '#' => Self::Boolean(rest == "t"),
            '(' => Self::BigNumber(unescape(rest).ok_or_else(bad)?),
            '*' => Self::Array(children(count()?)?),
            '~' => Self::Set(children(count()?)?),
            '>' => Self::Push(children(count()?)?),
            '%' => Self::Map(in_pairs(children(count()? * 2)?)),
            '|' => {
                let pairs = in_pairs(children(count()? * 2)?);
                Self::Attribute(pairs, Box::new(Self::from_text(lines)?))
            }
            _ => return Err(bad()),
        })
    }
}

fn write_elements(out: &mut String, depth: usize, sigil: char, elements: &[Reply]) {
    let _ = writeln!(
        out,
        "{:width$}{sigil}{}",
        "",
        elements.len(),
        width = depth * 2
    );
    elements
        .iter()
        .for_each(|element| element.write_indented(out, depth + 1));
}

fn write_pairs(out: &mut String, depth: usize, sigil: char, pairs: &[(Reply, Reply)]) {
    let _ = writeln!(
        out,
        "{:width$}{sigil}{}",
        "",
        pairs.len(),
        width = depth * 2
    );
    for (key, value) in pairs {
        key.write_indented(out, depth + 1);
        value.write_indented(out, depth + 1);
    }
}

fn in_pairs(flat: Vec<Reply>) -> Vec<(Reply, Reply)> {
    let mut flat = flat.into_iter();
    std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect()
}

/// Bytes as text: printable ASCII as it is, the rest as `\r \n \t \\ \" \xHH`.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b'"' => text.push_str("\\\""),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

/// [`escape`] in double quotes.
pub fn quote(bytes: &[u8]) -> String {
    format!("\"{}\"", escape(bytes))
}

/// The inverse of [`escape`]; `None` for an escape that is none.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&kind, tail) = rest.split_first()?;
        rest = tail;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => {
                let digits = rest.get(..2)?;
                rest = &rest[2..];
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

fn unquote(text: &str) -> Option<Vec<u8>> {
    unescape(text.strip_prefix('"')?.strip_suffix('"')?)
}

/// Splits a command line into its words: separated by spaces, a word in double quotes may hold
/// anything with the escapes of [`escape`]. `None` when a quote is not closed.
pub fn split_words(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = closing_quote(quoted)?;
            words.push(unescape(&quoted[..end])?);
            rest = quoted[end + 1..].trim_start();
        } else {
            let end = rest.find(' ').unwrap_or(rest.len());
            words.push(rest.as_bytes()[..end].to_vec());
            rest = rest[end..].trim_start();
        }
    }
    Some(words)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(position),
            _ => {}
        }
    }
    None
}

/// The inverse of [`split_words`]: words that need quotes get them.
pub fn join_words<W: AsRef<[u8]>>(words: &[W]) -> String {
    let word = |word: &W| {
        let bytes = word.as_ref();
        let bare = !bytes.is_empty()
            && bytes
                .iter()
                .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(byte));
        if bare { escape(bytes) } else { quote(bytes) }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = b"%2\r\n+key\r\n*3\r\n$4\r\na\r\n\xff\r\n:-7\r\n*-1\r\n$-1\r\n|1\r\n,1.5\r\n#t\r\n~2\r\n_\r\n=5\r\ntxt:a\r\n";

    #[test]
    fn a_reply_is_decoded_only_when_it_is_whole() {
        for len in 0..SAMPLE.len() {
            assert_eq!(Reply::decode(&SAMPLE[..len]).unwrap(), None, "{len} bytes");
        }
        let (reply, len) = Reply::decode(SAMPLE).unwrap().unwrap();
        assert_eq!(len, SAMPLE.len());
        let Reply::Map(pairs) = &reply else {
            panic!("{reply}")
        };
        assert_eq!(pairs[0].0, Reply::Simple(b"key".to_vec()));
        assert_eq!(
            pairs[0].1,
            Reply::Array(vec![
                Reply::bulk(b"a\r\n\xff"),
                Reply::Integer(-7),
                Reply::NullArray
            ])
        );
    }

    #[test]
    fn the_text_form_reads_back() {
        let (reply, _) = Reply::decode(SAMPLE).unwrap().unwrap();
        let text = reply.to_string();
        assert_eq!(Reply::from_text(&mut text.lines()), Ok(reply), "{text}");
    }

    #[test]
    fn bytes_that_are_no_reply_are_an_error() {
        for bytes in [
            &b"hello\r\n"[..],
            b":x\r\n",
            b"$2\r\nabcd",
            b"*-2\r\n",
            b"#x\r\n",
            b"\r\n",
        ] {
            assert!(Reply::decode(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn words_survive_joining_and_splitting() {
        let words: Vec<Vec<u8>> = vec![
            b"SET".into(),
            b"".into(),
            b"a b".into(),
            (0..=255).collect(),
            b"\"\\x".into(),
        ];
        assert_eq!(split_words(&join_words(&words)), Some(words));
        assert_eq!(split_words("a \"b"), None);
    }
}
