//! The source of a file, and passing over its records one after another.

use std::io::Read;

use super::codes::*;
use super::reader::Reader;
use super::{RdbError, checksum, skip};

/// Bytes that are read at once, at least.
const CHUNK_LEN: usize = 256 * 1024;

/// A part of what stands before a key and belongs to it.
pub(super) enum PrefixPart {
    ExpireMs(i64),
    IdleSeconds(u64),
    Frequency(u8),
}

/// A record that was passed over.
pub(super) enum Record {
    /// A key with its value; where the key ends.
    Entry,
    Prefix(PrefixPart),
    Select(usize),
    Sizes {
        keys: u64,
        volatile: u64,
    },
    Fact,
    Function,
    ModuleData,
    Nothing,
    End,
}

/// What a file begins with.
#[derive(Clone, Copy)]
pub(super) struct Signature {
    /// The version of its format.
    pub(super) version: u32,
    /// Whether it is Valkey's own format.
    pub(super) is_of_valkey: bool,
}

/// Reads the signature of a file.
pub(super) fn signature(reader: &mut Reader<'_>) -> Result<Signature, RdbError> {
    let word = reader.take(MAGIC.len() + 4)?;
    let of_valkey = word.strip_prefix(MAGIC_VALKEY);
    let digits = of_valkey.or_else(|| word.strip_prefix(MAGIC));
    let digits = std::str::from_utf8(digits.ok_or(RdbError::Magic)?);
    let version = digits.ok().and_then(|digits| digits.parse().ok());
    let version: u32 = version.ok_or(RdbError::Magic)?;
    let is_of_valkey = of_valkey.is_some();
    let is_known = match is_of_valkey {
        true => version == u32::from(VERSION_VALKEY),
        false => (1..=u32::from(VERSION_NEWEST)).contains(&version),
    };
    match is_known {
        true => Ok(Signature {
            version,
            is_of_valkey,
        }),
        false => Err(RdbError::Version(version)),
    }
}

/// Passes over a record.
pub(super) fn record(reader: &mut Reader<'_>, is_of_valkey: bool) -> Result<Record, RdbError> {
    let code = reader.byte()?;
    Ok(match code {
        0..=TYPE_LAST => {
            reader.skip_text()?;
            skip::value(reader, type_in(is_of_valkey, code))?;
            Record::Entry
        }
        OPCODE_EXPIRE_SECONDS => {
            let seconds = i32::from_le_bytes(reader.array()?);
            Record::Prefix(PrefixPart::ExpireMs(i64::from(seconds) * 1000))
        }
        OPCODE_EXPIRE_MS => {
            Record::Prefix(PrefixPart::ExpireMs(i64::from_le_bytes(reader.array()?)))
        }
        OPCODE_IDLE => Record::Prefix(PrefixPart::IdleSeconds(reader.length()?)),
        OPCODE_FREQUENCY => Record::Prefix(PrefixPart::Frequency(reader.byte()?)),
        OPCODE_SELECT => {
            let database = usize::try_from(reader.length()?);
            Record::Select(database.map_err(|_| reader.corrupt("impossible database"))?)
        }
        OPCODE_RESIZE => Record::Sizes {
            keys: reader.length()?,
            volatile: reader.length()?,
        },
        OPCODE_SLOT => {
            for _ in 0..3 {
                reader.length()?;
            }
            Record::Nothing
        }
        OPCODE_AUX => {
            reader.skip_text()?;
            reader.skip_text()?;
            Record::Fact
        }
        OPCODE_FUNCTION => {
            reader.skip_text()?;
            Record::Function
        }
        OPCODE_FUNCTION_EARLY => {
            reader.skip_text()?;
            reader.skip_text()?;
            if reader.length()? != 0 {
                reader.skip_text()?;
            }
            reader.skip_text()?;
            Record::Function
        }
        OPCODE_MODULE_AUX => {
            reader.length()?;
            skip::module_parts(reader)?;
            Record::ModuleData
        }
        OPCODE_END => Record::End,
        _ => {
            return Err(RdbError::Unknown {
                code,
                offset: reader.offset() - 1,
            });
        }
    })
}

/// The source, and what was read of it and is not done with.
pub(super) struct Input<'s> {
    source: &'s mut dyn Read,
    buffer: Vec<u8>,
    /// Where in the buffer the last record begins and where it ends.
    last: (usize, usize),
    /// Where the buffer begins in the file.
    base: u64,
    has_ended: bool,
    /// The checksum of what was read, up to `summed` in the buffer.
    checksum: u64,
    summed: usize,
    /// Whether something was read since this was last asked.
    has_read: bool,
}

impl<'s> Input<'s> {
    pub(super) fn new(source: &'s mut dyn Read) -> Self {
        Input {
            source,
            buffer: Vec::new(),
            last: (0, 0),
            base: 0,
            has_ended: false,
            checksum: 0,
            summed: 0,
            has_read: false,
        }
    }

    /// Where the next record begins in the file.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.last.1 as u64
    }

    /// Whether something was read since this was last asked.
    pub(super) fn has_read(&mut self) -> bool {
        std::mem::take(&mut self.has_read)
    }

    /// The bytes of the last record.
    pub(super) fn last(&self) -> &[u8] {
        &self.buffer[self.last.0..self.last.1]
    }

    /// The checksum of all records so far.
    pub(super) fn sum(&mut self) -> u64 {
        let records = &self.buffer[self.summed..self.last.1];
        self.checksum = checksum::extend(self.checksum, records);
        self.summed = self.last.1;
        self.checksum
    }

    /// Passes over the next record.
    pub(super) fn next<R>(
        &mut self,
        pass: impl Fn(&mut Reader<'_>) -> Result<R, RdbError>,
    ) -> Result<R, RdbError> {
        let mut read = 0;
        loop {
            let start = self.last.1;
            let mut reader = Reader::new(&self.buffer[start..], self.offset());
            match pass(&mut reader) {
                Err(RdbError::Truncated { .. }) if !self.has_ended => {
                    read = self.read_more(read)?;
                }
                Err(error) => return Err(error),
                Ok(passed) => {
                    self.last = (start, start + reader.position());
                    return Ok(passed);
                }
            }
        }
    }

    /// Reads more, forgetting the last record: at least twice as much as before, so that a long record is
    /// passed over only a few times.
    fn read_more(&mut self, before: usize) -> Result<usize, RdbError> {
        self.sum();
        let done = self.last.1;
        self.summed = 0;
        self.has_read = true;
        self.buffer.drain(..done);
        self.base += done as u64;
        self.last = (0, 0);
        let wanted = CHUNK_LEN.max(before * 2);
        let len = self.buffer.len();
        let source = &mut *self.source;
        // The source gives what there is, so that no length that it claims is believed.
        let mut limited = source.take(wanted as u64);
        match limited.read_to_end(&mut self.buffer) {
            Ok(count) => {
                self.has_ended = count < wanted;
                Ok(self.buffer.len() - len)
            }
            Err(error) => Err(RdbError::Source {
                reason: error.to_string(),
                offset: self.base + self.buffer.len() as u64,
            }),
        }
    }
}
