//! Whole data sets: reading an RDB file from a source that is too long to be held at once.
//!
//! A file is a row of records: a key with its value, or an opcode with what belongs to it. A record is first
//! passed over, which finds its end or that more must be read; then it is decoded from bytes that are
//! all at hand. So nothing but the longest record has to be in memory, and no decoder has to deal
//! with data that stop in the middle.

use std::io::Read;

use oxidis_engine::snapshot::{LoadOptions, Loaded, LoadedEntry};

use super::codes::*;
use super::decode::{self, module_name};
use super::reader::Reader;
use super::{RdbError, checksum, skip};

/// Bytes that are read at once, at least.
const CHUNK_LEN: usize = 256 * 1024;

/// From this version on a file ends with a checksum.
const CHECKSUM_SINCE: u32 = 5;

/// Reads a file, giving everything in it to `take`.
pub(super) fn load(
    source: &mut dyn Read,
    options: &LoadOptions<'_>,
    take: &mut dyn FnMut(Loaded<'_>) -> Result<(), String>,
) -> Result<(), RdbError> {
    let mut input = Input::new(source);
    let version = input.next(signature).map_err(|error| match error {
        // Too short to be one.
        RdbError::Truncated { .. } => RdbError::Magic,
        error => error,
    })?;
    // What goes with the next key.
    let mut prefix = Prefix::default();
    let mut database = 0;
    loop {
        let offset = input.offset();
        let record = input.next(record)?;
        let bytes = input.last();
        let mut reader = Reader::new(bytes, offset);
        let refused = |reason| RdbError::Refused { reason, offset };
        match record {
            Record::Entry { key_len } => {
                let code = reader.byte()?;
                let key = reader.text()?.into_vec();
                debug_assert_eq!(reader.position(), key_len);
                let value = match decode::value(&mut reader, code, options.limits) {
                    Ok(value) => value,
                    Err(RdbError::Empty { .. }) => {
                        take(Loaded::EmptyKey {
                            database,
                            key: &key,
                        })
                        .map_err(refused)?;
                        prefix = Prefix::default();
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let entry = LoadedEntry {
                    database,
                    key,
                    value,
                    expire_ms: prefix.expire_ms,
                    idle_seconds: prefix.idle_seconds,
                    frequency: prefix.frequency,
                };
                prefix = Prefix::default();
                take(Loaded::Entry(entry)).map_err(refused)?;
            }
            Record::Prefix(part) => prefix.add(part),
            Record::Select(index) => database = index,
            Record::Sizes { keys, volatile } => {
                take(Loaded::Sizes { keys, volatile }).map_err(refused)?;
            }
            Record::Fact => {
                reader.byte()?;
                let (name, value) = (reader.text()?, reader.text()?);
                let fact = Loaded::Fact {
                    name: &name,
                    value: &value,
                };
                take(fact).map_err(refused)?;
            }
            Record::Function => {
                let code = function(&mut reader)?;
                take(Loaded::Function { code: &code }).map_err(refused)?;
            }
            Record::ModuleData => {
                reader.byte()?;
                let name = module_name(reader.length()?);
                take(Loaded::ModuleData { name: &name }).map_err(refused)?;
            }
            Record::Nothing => {}
            Record::End => break,
        }
        take(Loaded::Progress {
            bytes: input.offset(),
        })
        .map_err(|reason| RdbError::Refused { reason, offset })?;
    }
    if version >= CHECKSUM_SINCE {
        let expected = input.sum();
        let found = input.next(|reader| Ok(u64::from_le_bytes(reader.array()?)))?;
        // Zero says that whoever wrote it wanted none.
        if options.verifies_checksum && found != 0 && found != expected {
            return Err(RdbError::Checksum { expected, found });
        }
    }
    Ok(())
}

/// Expiry and use of a key, which stand before it.
#[derive(Default)]
struct Prefix {
    expire_ms: Option<i64>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Prefix {
    fn add(&mut self, part: PrefixPart) {
        match part {
            PrefixPart::ExpireMs(at) => self.expire_ms = Some(at),
            PrefixPart::IdleSeconds(seconds) => self.idle_seconds = Some(seconds),
            PrefixPart::Frequency(frequency) => self.frequency = Some(frequency),
        }
    }
}

enum PrefixPart {
    ExpireMs(i64),
    IdleSeconds(u64),
    Frequency(u8),
}

/// A record that was passed over.
enum Record {
    /// A key with its value; where the key ends.
    Entry {
        key_len: usize,
    },
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

fn signature(reader: &mut Reader<'_>) -> Result<u32, RdbError> {
    let word = reader.take(MAGIC.len() + 4)?;
    let digits = word.strip_prefix(MAGIC).ok_or(RdbError::Magic)?;
    let digits = std::str::from_utf8(digits).map_err(|_| RdbError::Magic)?;
    match digits.parse() {
        Ok(version @ 1..=12) => Ok(version),
        Ok(version) => Err(RdbError::Version(version)),
        Err(_) => Err(RdbError::Magic),
    }
}

fn record(reader: &mut Reader<'_>) -> Result<Record, RdbError> {
    let code = reader.byte()?;
    Ok(match code {
        0..=TYPE_LAST => {
            reader.skip_text()?;
            let key_len = reader.position();
            skip::value(reader, code)?;
            Record::Entry { key_len }
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

/// The code of a library of functions. What release candidates of Redis 7.0 kept beside it stands in
/// the first line of later ones.
fn function(reader: &mut Reader<'_>) -> Result<Vec<u8>, RdbError> {
    if reader.byte()? == OPCODE_FUNCTION {
        return Ok(reader.text()?.into_vec());
    }
    let (name, interpreter) = (reader.text()?, reader.text()?);
    if reader.length()? != 0 {
        reader.text()?;
    }
    let code = reader.text()?;
    Ok([b"#!", &*interpreter, b" name=", &*name, b"\n", &*code].concat())
}

/// The source, and what was read of it and is not done with.
struct Input<'s> {
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
}

impl<'s> Input<'s> {
    fn new(source: &'s mut dyn Read) -> Self {
        Input {
            source,
            buffer: Vec::new(),
            last: (0, 0),
            base: 0,
            has_ended: false,
            checksum: 0,
            summed: 0,
        }
    }

    /// Where the next record begins in the file.
    fn offset(&self) -> u64 {
        self.base + self.last.1 as u64
    }

    /// The bytes of the last record.
    fn last(&self) -> &[u8] {
        &self.buffer[self.last.0..self.last.1]
    }

    /// The checksum of all records so far.
    fn sum(&mut self) -> u64 {
        let records = &self.buffer[self.summed..self.last.1];
        self.checksum = checksum::extend(self.checksum, records);
        self.summed = self.last.1;
        self.checksum
    }

    /// Passes over the next record.
    fn next<R>(
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
