//! Reading a file: it is cut between records into batches, which one thread or several make values of. Nothing but some
//! batches is in memory, or one record that is longer.

use std::fmt;
use std::io::{self, Read};

use oxidis_engine::snapshot::{LoadOptions, Loaded, LoadedEntry, LoadedValue, TakeLoaded};
use oxidis_engine::value::Value;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cut::Cutter;
use super::stream;
use super::text::Bytes;
use super::value::{HashSeed, ListSeed, SetSeed, SortedSetSeed};
use super::write::{FORMAT, VERSION};
use crate::batches::decode_in_threads;

/// Bytes of a batch, about.
pub(super) const BATCH_LEN: usize = 128 * 1024;

/// Stands before every batch but the first, so that each is an array.
const PREFIX: &[u8] = b"[0,";

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    #[error(transparent)]
    Source(#[from] io::Error),
    #[error("{reason} at line {} column {}", at.line, at.column)]
    Text { reason: String, at: Place },
}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// From 1 on.
    line: usize,
    /// How many bytes of the line are before it.
    column: usize,
}

impl Place {
    /// The place behind these bytes.
    fn behind(self, bytes: &[u8]) -> Place {
        match bytes.iter().rposition(|&byte| byte == b'\n') {
            None => Place {
                column: self.column + bytes.len(),
                ..self
            },
            Some(last) => Place {
                line: self.line + bytes.iter().filter(|&&byte| byte == b'\n').count(),
                column: bytes.len() - last - 1,
            },
        }
    }
}

/// Records on their way to who makes values of them.
struct Batch {
    /// An array, if the file is right.
    text: Vec<u8>,
    is_first: bool,
    /// Where the text, or what is behind the prefix, stands in the file.
    place: Place,
}

impl Batch {
    fn first() -> Self {
        Batch {
            text: Vec::new(),
            is_first: true,
            place: Place { line: 1, column: 0 },
        }
    }

    /// How many bytes of the text do not stand in the file.
    fn prefix_len(&self) -> usize {
        match self.is_first {
            true => 0,
            false => PREFIX.len(),
        }
    }

    /// Cuts off what is behind a comma in the text, and makes an array of what is before it.
    fn cut(&mut self, comma: usize) -> Batch {
        let rest = &self.text[comma + 1..];
        let rest = Batch {
            text: [PREFIX, rest].concat(),
            is_first: false,
            place: self.place.behind(&self.text[self.prefix_len()..=comma]),
        };
        self.text.truncate(comma);
        self.text.push(b']');
        rest
    }

    /// An error in the text as one in the file.
    fn error(&self, error: &serde_json::Error) -> JsonError {
        let (line, column) = (error.line(), error.column());
        let mut reason = error.to_string();
        let place = format!(" at line {line} column {column}");
        if reason.ends_with(&place) {
            reason.truncate(reason.len() - place.len());
        }
        let at = match line {
            // None of its own.
            0 => self.place,
            1 => Place {
                line: self.place.line,
                column: (self.place.column + column).saturating_sub(self.prefix_len()),
            },
            _ => Place {
                line: self.place.line + line - 1,
                column,
            },
        };
        JsonError::Text { reason, at }
    }
}

/// Reads a file, giving everything in it to `take`, in batches of `batch_len` bytes, about.
pub(super) fn load(
    source: &mut dyn Read,
    options: &LoadOptions<'_>,
    take: &TakeLoaded<'_>,
    batch_len: usize,
) -> Result<(), JsonError> {
    let decode = |batch: Batch| {
        let records = Records {
            options,
            take,
            is_first: batch.is_first,
        };
        let mut deserializer = serde_json::Deserializer::from_slice(&batch.text);
        let read = records.deserialize(&mut deserializer);
        let read = read.and_then(|()| deserializer.end());
        read.map_err(|error| batch.error(&error))
    };
    if options.threads <= 1 {
        return read_all(source, take, batch_len, &mut { decode });
    }
    decode_in_threads(options.threads, decode, |sender| {
        read_all(source, take, batch_len, &mut |batch| sender.send(batch))
    })
}

/// Reads a file to its end, or to what cannot be right, and gives it to `send` in batches.
fn read_all(
    source: &mut dyn Read,
    take: &TakeLoaded<'_>,
    batch_len: usize,
    send: &mut dyn FnMut(Batch) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut cutter = Cutter::default();
    let mut batch = Batch::first();
    let mut comma = None;
    let mut bytes = 0;
    while !cutter.is_wrong() {
        let known = batch.text.len();
        batch.text.reserve(batch_len);
        let read = (&mut *source)
            .take(batch_len as u64)
            .read_to_end(&mut batch.text)?;
        if read == 0 {
            break;
        }
        if let Some(index) = cutter.last_comma(&batch.text[known..]) {
            comma = Some(known + index);
        }
        if batch.text.len() >= batch_len
            && let Some(comma) = comma.take()
        {
            let rest = batch.cut(comma);
            send(std::mem::replace(&mut batch, rest))?;
        }
        bytes += read as u64;
        take(Loaded::Progress { bytes }).map_err(|reason| JsonError::Text {
            reason,
            at: batch.place,
        })?;
    }
    send(batch)
}

fn give<E: Error>(take: &TakeLoaded<'_>, loaded: Loaded<'_>) -> Result<(), E> {
    take(loaded).map_err(E::custom)
}

/// The records of a batch.
#[derive(Clone, Copy)]
struct Records<'a> {
    options: &'a LoadOptions<'a>,
    take: &'a TakeLoaded<'a>,
    is_first: bool,
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        if !self.is_first {
            records.next_element::<IgnoredAny>()?;
        } else if records.next_element_seed(Header)?.is_none() {
            return Err(A::Error::custom(
                "there is no record that says what format it is",
            ));
        }
        while records.next_element_seed(Record(self))?.is_some() {}
        Ok(())
    }
}

/// The first record.
struct Header;

impl<'de> DeserializeSeed<'de> for Header {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{{\"format\": \"{FORMAT}\", \"version\": {VERSION}}}"
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (mut has_format, mut has_version) = (false, false);
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "format" => {
                    has_format = members.next_value::<String>()? == FORMAT;
                }
                "version" => match members.next_value::<u64>()? {
                    1..=VERSION => has_version = true,
                    version => {
                        return Err(A::Error::custom(format_args!(
                            "version {version} of the format, of which {VERSION} is the newest that is known"
                        )));
                    }
                },
                // Facts about whoever wrote it.
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        match has_format && has_version {
            true => Ok(()),
            false => Err(A::Error::custom(format_args!(
                "the first record does not say \"format\": \"{FORMAT}\" and \"version\": {VERSION}"
            ))),
        }
    }
}

/// Members of records.
const MEMBERS: &[&str] = &[
    "database",
    "expires_ms",
    "frequency",
    "function",
    "hash",
    "idle_seconds",
    "key",
    "list",
    "set",
    "sorted_set",
    "stream",
    "string",
];

/// The name of a member, as its index in [`MEMBERS`].
struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for MemberName {
    type Value = &'static str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<&'static str, E> {
        let known = MEMBERS.binary_search(&name).map(|index| MEMBERS[index]);
        known.map_err(|_| E::unknown_field(name, MEMBERS))
    }
}

/// A record behind the first.
struct Record<'a>(Records<'a>);

/// What a record has said so far.
#[derive(Default)]
struct Parts {
    key: Option<Vec<u8>>,
    /// `Some(None)` for a collection without elements.
    value: Option<Option<Value>>,
    function: Option<Vec<u8>>,
    database: Option<usize>,
    expire_ms: Option<i64>,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl<'de> DeserializeSeed<'de> for Record<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with a key and its value, or a function")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let limits = self.0.options.limits;
        let mut parts = Parts::default();
        while let Some(name) = members.next_key_seed(MemberName)? {
            let value = match name {
                "key" => {
                    once(name, &mut parts.key, members.next_value::<Bytes>()?.0)?;
                    continue;
                }
                "function" => {
                    once(name, &mut parts.function, members.next_value::<Bytes>()?.0)?;
                    continue;
                }
                "database" => {
                    once(name, &mut parts.database, members.next_value()?)?;
                    continue;
                }
                "expires_ms" => {
                    once(name, &mut parts.expire_ms, members.next_value()?)?;
                    continue;
                }
                "idle_seconds" => {
                    once(name, &mut parts.idle_seconds, members.next_value()?)?;
                    continue;
                }
                "frequency" => {
                    once(name, &mut parts.frequency, members.next_value()?)?;
                    continue;
                }
                "string" => Some(Value::String(members.next_value::<Bytes>()?.0)),
                "list" => members.next_value_seed(ListSeed(limits))?.map(Value::List),
                "set" => members.next_value_seed(SetSeed(limits))?.map(Value::Set),
                "hash" => members.next_value_seed(HashSeed(limits))?.map(Value::Hash),
                "sorted_set" => members
                    .next_value_seed(SortedSetSeed(limits))?
                    .map(Value::SortedSet),
                _ => {
                    let parts = members.next_value::<stream::StreamParts>()?;
                    let stream = parts.into_stream().map_err(A::Error::custom)?;
                    Some(Value::Stream(stream))
                }
            };
            if parts.value.replace(value).is_some() {
                return Err(A::Error::custom("a key with two values"));
            }
        }
        self.0.give_record(parts)
    }
}

fn once<T, E: Error>(name: &'static str, part: &mut Option<T>, value: T) -> Result<(), E> {
    match part.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

impl Records<'_> {
    fn give_record<E: Error>(&self, parts: Parts) -> Result<(), E> {
        match parts {
            Parts {
                key: None,
                value: None,
                function: Some(code),
                ..
            } => give(self.take, Loaded::Function { code: &code }),
            Parts {
                key: Some(key),
                value: Some(value),
                function: None,
                ..
            } => {
                let database = parts.database.unwrap_or(0);
                let Some(value) = value else {
                    return give(
                        self.take,
                        Loaded::EmptyKey {
                            database,
                            key: &key,
                        },
                    );
                };
                give(
                    self.take,
                    Loaded::Entry(LoadedEntry {
                        database,
                        key: key.into(),
                        value: LoadedValue::Made(value),
                        expire_ms: parts.expire_ms,
                        idle_seconds: parts.idle_seconds,
                        frequency: parts.frequency,
                    }),
                )
            }
            _ => Err(E::custom(
                "a record with neither a key and its value, nor a function alone",
            )),
        }
    }
}
