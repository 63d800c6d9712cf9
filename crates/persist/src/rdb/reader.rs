//! Reading the parts that everything in RDB consists of: bytes, lengths, strings.
//!
//! Nothing here trusts a length: what is allocated is never more than what has been read justifies.

use std::borrow::Cow;
use std::ops::Deref;

use oxidis_engine::text::IntegerText;

use super::codes::{ENCODED_INT8, ENCODED_INT16, ENCODED_INT32, ENCODED_LZF, LENGTH_32, LENGTH_64};
use oxidis_engine::lzf;

use super::RdbError;

/// A string as it was read.
pub(super) enum Text<'a> {
    /// It stands there as it is.
    Borrowed(&'a [u8]),
    /// It was written as an integer.
    Integer(IntegerText),
    /// It was compressed.
    Owned(Vec<u8>),
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Borrowed(bytes) => bytes,
            Text::Integer(text) => text.as_str().as_bytes(),
            Text::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<'a> Text<'a> {
    pub(super) fn into_cow(self) -> Cow<'a, [u8]> {
        match self {
            Text::Borrowed(bytes) => Cow::Borrowed(bytes),
            other => Cow::Owned(other.into_vec()),
        }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        match self {
            Text::Owned(bytes) => bytes,
            other => other.to_vec(),
        }
    }
}

/// Reads from bytes that are at hand.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the bytes begin in the file.
    base: u64,
}

impl<'a> Reader<'a> {
    /// A reader of bytes that begin at `base` in their file.
    pub(super) fn new(bytes: &'a [u8], base: u64) -> Self {
        Reader { bytes, at: 0, base }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Where the next byte is in the file.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// An error about what was read last.
    pub(super) fn corrupt(&self, what: &'static str) -> RdbError {
        RdbError::Corrupt {
            what,
            offset: self.offset(),
        }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], RdbError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..count) else {
            return Err(RdbError::Truncated {
                offset: self.base + self.bytes.len() as u64,
            });
        };
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("so many bytes were taken"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, RdbError> {
        Ok(self.array::<1>()?[0])
    }

    /// A length, or any other number that is not negative.
    pub(super) fn length(&mut self) -> Result<u64, RdbError> {
        let first = self.byte()?;
        self.length_after(first)
    }

    fn length_after(&mut self, first: u8) -> Result<u64, RdbError> {
        match first {
            0..=0x3f => Ok(u64::from(first)),
            0x40..=0x7f => {
                let second = self.byte()?;
                Ok(u64::from(u16::from_be_bytes([first & 0x3f, second])))
            }
            LENGTH_32 => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            LENGTH_64 => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(self.corrupt("invalid length")),
        }
    }

    /// A number of elements; a collection that says it has none is an error of its own.
    pub(super) fn count(&mut self) -> Result<u64, RdbError> {
        match self.length()? {
            0 => Err(RdbError::Empty {
                offset: self.offset(),
            }),
            count => Ok(count),
        }
    }

    /// As many bytes as `length` says, if they are there.
    fn take_length(&mut self, length: u64) -> Result<&'a [u8], RdbError> {
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) fn text(&mut self) -> Result<Text<'a>, RdbError> {
        let integer = match self.byte()? {
            ENCODED_INT8 => i64::from(i8::from_le_bytes(self.array()?)),
            ENCODED_INT16 => i64::from(i16::from_le_bytes(self.array()?)),
            ENCODED_INT32 => i64::from(i32::from_le_bytes(self.array()?)),
            ENCODED_LZF => {
                let compressed = self.length()?;
                let len = self.length()?;
                let data = self.take_length(compressed)?;
                let decompressed = usize::try_from(len)
                    .ok()
                    .and_then(|len| lzf::decompress(data, len))
                    .ok_or(self.corrupt("invalid LZF compressed string"))?;
                return Ok(Text::Owned(decompressed));
            }
            first @ 0xc4.. => {
                return Err(RdbError::Unknown {
                    code: first,
                    offset: self.offset() - 1,
                });
            }
            first => {
                let length = self.length_after(first)?;
                return Ok(Text::Borrowed(self.take_length(length)?));
            }
        };
        Ok(Text::Integer(IntegerText::new(integer)))
    }

    /// Passes over a string.
    pub(super) fn skip_text(&mut self) -> Result<(), RdbError> {
        let length = match self.byte()? {
            ENCODED_INT8 => 1,
            ENCODED_INT16 => 2,
            ENCODED_INT32 => 4,
            ENCODED_LZF => {
                let compressed = self.length()?;
                self.length()?;
                compressed
            }
            first @ 0xc4.. => {
                return Err(RdbError::Unknown {
                    code: first,
                    offset: self.offset() - 1,
                });
            }
            first => self.length_after(first)?,
        };
        self.take_length(length)?;
        Ok(())
    }

    /// A binary double, which is a number.
    pub(super) fn double(&mut self) -> Result<f64, RdbError> {
        let double = f64::from_le_bytes(self.array()?);
        match double.is_nan() {
            true => Err(self.corrupt("score that is not a number")),
            false => Ok(double),
        }
    }

    /// A double as old versions wrote them: one byte of length and text, or one of three marks.
    pub(super) fn double_text(&mut self) -> Result<f64, RdbError> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Err(self.corrupt("score that is not a number")),
            len => {
                let text = self.take(usize::from(len))?;
                // What C prints for a number, which is enough to know it again. Nothing is no number here.
                oxidis_engine::text::parse_double_loosely(text)
                    .filter(|score| !score.is_nan() && !matches!(text, [] | [0, ..]))
                    .ok_or(self.corrupt("invalid score"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<Vec<u8>, RdbError> {
        Reader::new(bytes, 100).text().map(Text::into_vec)
    }

    #[test]
    fn strings_have_many_forms() {
        assert_eq!(text(b"\x03abcd").unwrap(), b"abc");
        assert_eq!(text(b"\x40\x03abcd").unwrap(), b"abc");
        assert_eq!(text(b"\x80\0\0\0\x03abcd").unwrap(), b"abc");
        assert_eq!(text(b"\x81\0\0\0\0\0\0\0\x03abcd").unwrap(), b"abc");
        assert_eq!(text(b"\xc0\xff").unwrap(), b"-1");
        assert_eq!(text(b"\xc1\x00\x80").unwrap(), b"-32768");
        assert_eq!(text(b"\xc2\xff\xff\xff\x7f").unwrap(), b"2147483647");
        assert_eq!(text(b"\xc3\x03\x02\x01xx").unwrap(), b"xx");
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(text(b"\x03ab"), Err(RdbError::Truncated { offset: 103 }));
        assert_eq!(
            text(b"\x81\xff\xff\xff\xff\xff\xff\xff\xffab"),
            Err(RdbError::Truncated { offset: 111 })
        );
        assert_eq!(
            text(b"\xc4ab"),
            Err(RdbError::Unknown {
                code: 0xc4,
                offset: 100
            })
        );
        assert!(matches!(
            text(b"\x82"),
            Err(RdbError::Corrupt { offset: 101, .. })
        ));
        assert!(matches!(
            text(b"\xc3\x03\x09\x01xx"),
            Err(RdbError::Corrupt { .. })
        ));
    }
}
