//! Whole data sets: reading an RDB file from a source that is too long to be held at once.
//!
//! A file is a row of records: a key with its value, or an opcode with what belongs to it. A record is first
//! passed over, which finds its end or that more must be read (`input`); then it is decoded from bytes that
//! are all at hand. So nothing but the longest record has to be in memory, no decoder has to deal with data
//! that stop in the middle, and records can be decoded by several threads while the next are being read.

use std::io::Read;

use oxidis_engine::snapshot::{LoadOptions, Loaded, LoadedEntry, LoadedValue, TakeLoaded};

use super::RdbError;
use super::codes::*;
use super::decode::{self, module_name};
use super::input::{Input, PrefixPart, Record, record, signature};
use super::reader::Reader;
use crate::batches::decode_in_threads;

/// From this version on a file ends with a checksum.
const CHECKSUM_SINCE: u32 = 5;

/// Records are given to a thread when they have so many bytes, about.
const BATCH_LEN: usize = 128 * 1024;

/// Reads a file, giving everything in it to `take`.
pub(super) fn load(
    source: &mut dyn Read,
    options: &LoadOptions<'_>,
    take: &TakeLoaded<'_>,
) -> Result<(), RdbError> {
    let decoder = Decoder { options, take };
    if options.threads <= 1 {
        return read_all(source, options, take, &mut |entry, bytes| {
            decoder.decode(entry, bytes)
        });
    }
    decode_in_threads(
        options.threads,
        |batch| decoder.decode_batch(batch),
        |sender| {
            let mut batch = Batch::default();
            read_all(
                source,
                options,
                take,
                &mut |entry, bytes| match batch.add(entry, bytes) {
                    0..BATCH_LEN => Ok(()),
                    _ => sender.send(std::mem::take(&mut batch)),
                },
            )?;
            sender.send(batch)
        },
    )
}

/// A key and its value that were passed over.
struct Entry {
    database: usize,
    prefix: Prefix,
    /// Where it begins in the file.
    offset: u64,
    /// Whether that is in Valkey's own format.
    is_of_valkey: bool,
}

/// Takes an entry with its bytes.
type AddEntry<'a> = dyn FnMut(Entry, &[u8]) -> Result<(), RdbError> + 'a;

/// Reads a file to its end. Gives the entries to `add` with their bytes, everything else to `take`.
fn read_all(
    source: &mut dyn Read,
    options: &LoadOptions<'_>,
    take: &TakeLoaded<'_>,
    add: &mut AddEntry<'_>,
) -> Result<(), RdbError> {
    let mut input = Input::new(source);
    let signature = input.next(signature).map_err(|error| match error {
        // Too short to be one.
        RdbError::Truncated { .. } => RdbError::Magic,
        error => error,
    })?;
    // What goes with the next key.
    let mut prefix = Prefix::default();
    let mut database = 0;
    loop {
        let offset = input.offset();
        let record = input.next(|reader| record(reader, signature.is_of_valkey))?;
        let mut reader = Reader::new(input.last(), offset);
        let end = offset + input.last().len() as u64;
        let give = |loaded: Loaded<'_>| {
            take(loaded).map_err(|reason| RdbError::Refused {
                reason,
                offset: end,
            })
        };
        match record {
            Record::Entry => {
                let prefix = std::mem::take(&mut prefix);
                let entry = Entry {
                    database,
                    prefix,
                    offset,
                    is_of_valkey: signature.is_of_valkey,
                };
                add(entry, input.last())?;
            }
            Record::Prefix(part) => prefix.add(part),
            Record::Select(index) => database = index,
            Record::Sizes { keys, volatile } => give(Loaded::Sizes {
                database,
                keys,
                volatile,
            })?,
            Record::Fact => {
                reader.byte()?;
                let (name, value) = (reader.text()?, reader.text()?);
                give(Loaded::Fact {
                    name: &name,
                    value: &value,
                })?;
            }
            Record::Function => give(Loaded::Function {
                code: &function(&mut reader)?,
            })?,
            Record::ModuleData => {
                reader.byte()?;
                let name = module_name(reader.length()?);
                give(Loaded::ModuleData { name: &name })?;
            }
            Record::Nothing => {}
            Record::End => break,
        }
        if input.has_read() {
            give(Loaded::Progress {
                bytes: input.offset(),
            })?;
        }
    }
    if signature.version >= CHECKSUM_SINCE {
        let expected = input.sum();
        let found = input.next(|reader| Ok(u64::from_le_bytes(reader.array()?)))?;
        // Zero says that whoever wrote it wanted none.
        if options.verifies_checksum && found != 0 && found != expected {
            return Err(RdbError::Checksum { expected, found });
        }
    }
    let bytes = input.offset();
    take(Loaded::Progress { bytes }).map_err(|reason| RdbError::Refused {
        reason,
        offset: bytes,
    })
}

/// The code of a library of functions. What release candidates of Redis 7.0 kept beside it stands in
/// the first line of later ones.
pub(super) fn function(reader: &mut Reader<'_>) -> Result<Vec<u8>, RdbError> {
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

/// Makes values of entries.
struct Decoder<'a> {
    options: &'a LoadOptions<'a>,
    take: &'a TakeLoaded<'a>,
}

impl Decoder<'_> {
    fn decode(&self, entry: Entry, bytes: &[u8]) -> Result<(), RdbError> {
        let Entry {
            database,
            prefix,
            offset,
            is_of_valkey,
        } = entry;
        let mut reader = Reader::new(bytes, offset);
        let code = type_in(is_of_valkey, reader.byte()?);
        let key = reader.text()?.into_cow();
        let value = match code {
            TYPE_STRING => reader.text().map(|text| LoadedValue::Text(text.into_cow())),
            _ => decode::value(&mut reader, code, self.options.limits).map(LoadedValue::Made),
        };
        let loaded = match value {
            Ok(value) => Loaded::Entry(LoadedEntry {
                database,
                key,
                value,
                expire_ms: prefix.expire_ms,
                idle_seconds: prefix.idle_seconds,
                frequency: prefix.frequency,
            }),
            Err(RdbError::Empty { .. }) => Loaded::EmptyKey {
                database,
                key: &key,
            },
            Err(error) => return Err(error),
        };
        let offset = reader.offset();
        (self.take)(loaded).map_err(|reason| RdbError::Refused { reason, offset })
    }

    fn decode_batch(&self, batch: Batch) -> Result<(), RdbError> {
        let mut start = 0;
        for (entry, end) in batch.entries {
            self.decode(entry, &batch.bytes[start..end])?;
            start = end;
        }
        Ok(())
    }
}

/// Entries on their way to a thread.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// With where each ends in the bytes.
    entries: Vec<(Entry, usize)>,
}

impl Batch {
    /// Adds an entry; how many bytes there are now.
    fn add(&mut self, entry: Entry, bytes: &[u8]) -> usize {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        self.entries.push((entry, end));
        end
    }
}
