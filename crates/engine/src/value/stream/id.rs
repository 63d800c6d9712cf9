//! The IDs of entries: two numbers, of which the first usually is a time.

use std::fmt;

use smallvec::SmallVec;

use crate::text::{IntegerText, parse_unsigned};

/// The longest text that is looked at as an ID, as in Redis.
const TEXT_LEN_MAX: usize = 127;

/// The ID of an entry: milliseconds since 1970, unless a client has chosen otherwise, and a number
/// among those of one millisecond. IDs are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds since 1970.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest ID.
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// The ID `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The ID right after this one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => self.ms.checked_add(1).map(|ms| StreamId { ms, seq: 0 }),
        }
    }

    /// The ID right before this one.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => {
                let ms = self.ms.checked_sub(1)?;
                let seq = u64::MAX;
                Some(StreamId { ms, seq })
            }
        }
    }

    /// The ID as clients see it, `<ms>-<seq>`.
    pub fn to_text(self) -> IdText {
        let mut text = IdText::new();
        text.extend_from_slice(&IntegerText::unsigned(self.ms));
        text.push(b'-');
        text.extend_from_slice(&IntegerText::unsigned(self.seq));
        text
    }

    /// Reads `<ms>-<seq>`, or `<ms>` alone, which then gets `missing_seq`. The numbers are read as
    /// loosely as Redis reads them, and a text ends at a NUL.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        let (ms, seq) = split(text)?;
        let seq = match seq {
            Some(seq) => parse_unsigned(seq)?,
            None => missing_seq,
        };
        let ms = parse_unsigned(ms)?;
        Some(StreamId { ms, seq })
    }

    /// Reads `<ms>-*`, the form in which the stream chooses the number.
    pub fn parse_ms_of_partial(text: &[u8]) -> Option<u64> {
        match split(text)? {
            (ms, Some(b"*")) => parse_unsigned(ms),
            _ => None,
        }
    }
}

/// The text of an ID, on the stack.
pub type IdText = SmallVec<[u8; 48]>;

/// The two parts of an ID's text.
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if text.len() > TEXT_LEN_MAX {
        return None;
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let dash = text.iter().position(|&byte| byte == b'-');
    Some(match dash {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    })
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let id = |ms, seq| Some(StreamId::new(ms, seq));
        for (text, read) in [
            ("1-2", id(1, 2)),
            ("5", id(5, 7)),
            ("0-0", id(0, 0)),
            ("007-+3", id(7, 3)),
            ("1-2\0-3", id(1, 2)),
            (
                "18446744073709551615-18446744073709551615",
                Some(StreamId::MAX),
            ),
            ("18446744073709551616-0", None),
            ("-1", None),
            ("1-", None),
            ("1--2", None),
            ("1-2-3", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("a-1", None),
            ("1-*", None),
        ] {
            assert_eq!(StreamId::parse(text.as_bytes(), 7), read, "{text:?}");
        }
        assert_eq!(StreamId::parse_ms_of_partial(b"9-*"), Some(9));
        assert_eq!(StreamId::parse_ms_of_partial(b"9-1"), None);
    }

    #[test]
    fn neighbours_carry_over() {
        let last = StreamId::new(1, u64::MAX);
        assert_eq!(last.next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(last));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }
}
