//! Reading records, one after another: nothing but the value of one key is in memory.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};

use oxidis_engine::snapshot::{LoadOptions, Loaded, LoadedEntry, LoadedValue, TakeLoaded};
use oxidis_engine::value::Value;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::stream;
use super::text::Bytes;
use super::value::{HashSeed, ListSeed, SetSeed, SortedSetSeed};
use super::write::{FORMAT, VERSION};

/// Bytes that are read at once.
const CHUNK_LEN: usize = 256 * 1024;

/// Reads a file, giving everything in it to `take`.
pub(super) fn load(
    source: &mut dyn Read,
    options: &LoadOptions<'_>,
    take: &TakeLoaded<'_>,
) -> serde_json::Result<()> {
    let progress = Cell::new(0);
    let counted = Counted {
        source,
        count: &progress,
    };
    let told = Cell::new(0);
    let records = Records {
        options,
        take,
        progress: &progress,
        told: &told,
    };
    let mut deserializer =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(CHUNK_LEN, counted));
    records.deserialize(&mut deserializer)?;
    deserializer.end()?;
    give(
        take,
        Loaded::Progress {
            bytes: progress.get(),
        },
    )
}

/// Counts what is read.
struct Counted<'a> {
    source: &'a mut dyn Read,
    count: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

fn give<E: Error>(take: &TakeLoaded<'_>, loaded: Loaded<'_>) -> Result<(), E> {
    take(loaded).map_err(E::custom)
}

/// All records.
#[derive(Clone, Copy)]
struct Records<'a> {
    options: &'a LoadOptions<'a>,
    take: &'a TakeLoaded<'a>,
    progress: &'a Cell<u64>,
    /// The progress that was told last.
    told: &'a Cell<u64>,
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
        if records.next_element_seed(Header)?.is_none() {
            return Err(A::Error::custom(
                "there is no record that says what format it is",
            ));
        }
        while records.next_element_seed(Record(self))?.is_some() {
            let bytes = self.progress.get();
            if self.told.replace(bytes) != bytes {
                give(self.take, Loaded::Progress { bytes })?;
            }
        }
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
