//! Streams as they are read.

use std::fmt;

use oxidis_engine::value::packed::PackedItem;
use oxidis_engine::value::stream::{ConsumerParts, GroupParts, PartsError, StreamBuilder};
use oxidis_engine::value::{Stream, StreamId};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor,
};

use super::text::Bytes;

/// A block has so many entries, and so many bytes of them, at the most: Redis's defaults.
const BLOCK_ENTRIES: usize = 100;
const BLOCK_BYTES: usize = 4096;

/// What stands in the place of a stream. Whoever writes one by hand needs no more than the entries.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamParts {
    entries: Entries,
    last_id: Option<Id>,
    max_deleted_id: Option<Id>,
    entries_added: Option<u64>,
    #[serde(default)]
    groups: Vec<NamedGroup>,
}

impl StreamParts {
    /// The stream of these parts.
    pub(super) fn into_stream(self) -> Result<Stream, PartsError> {
        let entries_added = self.entries_added.unwrap_or(self.entries.count);
        let mut stream = self.entries.builder.finish(
            self.last_id.map(|id| id.0),
            entries_added,
            self.max_deleted_id.map_or(StreamId::MIN, |id| id.0),
        )?;
        for group in self.groups {
            let (name, parts) = group.into_parts();
            stream.add_group(&name, &parts)?;
        }
        Ok(stream)
    }
}

#[derive(Clone, Copy)]
struct Id(StreamId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IdVisitor)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the ID of an entry, such as \"1700000000000-0\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
        let id = StreamId::parse(text.as_bytes(), 0);
        // Only in its one form.
        let id = id.filter(|id| id.to_text().as_slice() == text.as_bytes());
        id.map(Id)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Entries that went into a stream as they were read.
struct Entries {
    builder: StreamBuilder,
    count: u64,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Entries, A::Error> {
        let mut builder = StreamBuilder::new();
        let mut count = 0;
        let (mut in_block, mut bytes) = (0, 0);
        let mut strings = Vec::new();
        while let Some(id) = entries.next_element_seed(Entry(&mut strings))? {
            let pairs: Vec<PackedItem<'_>> = strings
                .iter()
                .map(|string| PackedItem::from_string(string))
                .collect();
            let len: usize = strings.iter().map(Vec::len).sum();
            if in_block == BLOCK_ENTRIES || bytes + len > BLOCK_BYTES {
                let fields: Vec<PackedItem<'_>> = pairs.iter().step_by(2).copied().collect();
                builder.begin_block(fields.into_iter());
                (in_block, bytes) = (0, 0);
            }
            in_block += 1;
            bytes += len;
            builder.push(id, &pairs, false).map_err(A::Error::custom)?;
            count += 1;
        }
        Ok(Entries { builder, count })
    }
}

/// Reads an entry: an array of its ID, fields and values.
struct Entry<'a>(&'a mut Vec<Vec<u8>>);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = StreamId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<StreamId, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = StreamId;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of an ID, fields and values in turn")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<StreamId, A::Error> {
        let Some(Id(id)) = parts.next_element()? else {
            return Err(A::Error::invalid_length(0, &self));
        };
        self.0.clear();
        while let Some(Bytes(string)) = parts.next_element()? {
            self.0.push(string);
        }
        match self.0.is_empty() {
            true => Err(A::Error::invalid_length(1, &self)),
            false => Ok(id),
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedGroup {
    name: Bytes,
    last_id: Id,
    entries_read: Option<i64>,
    #[serde(default)]
    consumers: Vec<NamedConsumer>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedConsumer {
    name: Bytes,
    seen_ms: i64,
    active_ms: Option<i64>,
    /// ID, delivery time, delivery count.
    #[serde(default)]
    pending: Vec<(Id, i64, u64)>,
}

impl NamedGroup {
    fn into_parts(self) -> (Vec<u8>, GroupParts) {
        let mut parts = GroupParts {
            last_id: self.last_id.0,
            entries_read: self.entries_read,
            ..GroupParts::default()
        };
        for consumer in self.consumers {
            parts.consumers.push(ConsumerParts {
                name: consumer.name.0,
                seen_ms: consumer.seen_ms,
                active_ms: consumer.active_ms,
                pending: consumer.pending.iter().map(|(id, ..)| id.0).collect(),
            });
            let pending = consumer.pending.into_iter();
            parts
                .pending
                .extend(pending.map(|(id, at_ms, count)| (id.0, at_ms, count)));
        }
        (self.name.0, parts)
    }
}
