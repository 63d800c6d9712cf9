//! Streams as they are read.

use std::fmt;

use oxidis_engine::value::packed::PackedItem;
use oxidis_engine::value::stream::{ConsumerParts, GroupParts, PartsError, StreamBuilder};
use oxidis_engine::value::{Stream, StreamId};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor,
};

use super::text::Bytes;

/// Where blocks begin if nobody says so: one has so many entries, and so many bytes of them, at the most, which are
/// Redis's defaults.
#[derive(Default)]
pub(super) struct BlockRule {
    entries: usize,
    bytes: usize,
}

impl BlockRule {
    const ENTRIES: usize = 100;
    const BYTES: usize = 4096;

    /// Whether the next entry, whose fields and values have so many bytes, begins a block.
    pub(super) fn begins_block(&mut self, bytes: usize) -> bool {
        let is_full = self.entries == Self::ENTRIES || self.bytes + bytes > Self::BYTES;
        let begins = self.entries == 0 || is_full;
        if begins {
            *self = Self::default();
        }
        self.entries += 1;
        self.bytes += bytes;
        begins
    }
}

/// What stands in the place of a stream. Whoever writes one by hand needs no more than the entries.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamParts {
    entries: Entries,
    last_id: Option<Id>,
    max_deleted_id: Option<Id>,
    entries_added: Option<u64>,
    /// The first entry of each block.
    blocks: Option<Vec<Id>>,
    /// Entries that are there no more, but have their place in a block still.
    #[serde(default)]
    deleted: Vec<Id>,
    #[serde(default)]
    groups: Vec<NamedGroup>,
}

impl StreamParts {
    /// The stream of these parts.
    pub(super) fn into_stream(self) -> Result<Stream, StreamError> {
        let entries_added = self.entries_added.unwrap_or(self.entries.count);
        let mut builder = self.entries.builder;
        if self.blocks.is_some() || !self.deleted.is_empty() {
            let entries = builder.finish(None, 0, StreamId::MIN)?;
            builder = lay_out(&entries, self.blocks, self.deleted)?;
        }
        let mut stream = builder.finish(
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

/// What is wrong with the parts of a stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Parts(#[from] PartsError),
    #[error("a block that begins at {0}, where no entry follows in its order")]
    Block(StreamId),
}

/// Puts entries, and those that were deleted, into blocks that begin where it is said, or else where those of the entries
/// do.
fn lay_out(
    live: &Stream,
    starts: Option<Vec<Id>>,
    deleted: Vec<Id>,
) -> Result<StreamBuilder, StreamError> {
    let starts: Vec<StreamId> = match starts {
        Some(starts) => starts.into_iter().map(|id| id.0).collect(),
        None => live.blocks().map(|block| block.first_id()).collect(),
    };
    let mut starts = starts.into_iter().peekable();
    let mut deleted = deleted.into_iter().map(|id| id.0).peekable();
    let mut builder = StreamBuilder::new();
    let mut push = |id, pairs: &[PackedItem<'_>], is_deleted| {
        if starts.next_if_eq(&id).is_some() {
            let fields: Vec<PackedItem<'_>> = pairs.iter().step_by(2).copied().collect();
            builder.begin_block(fields.into_iter());
        }
        builder.push(id, pairs, is_deleted)
    };
    for entry in live.blocks().flat_map(|block| block.entries()) {
        while let Some(id) = deleted.next_if(|&id| id < entry.id) {
            push(id, &[], true)?;
        }
        let items = entry.fields.flat_map(|(field, value)| [field, value]);
        push(entry.id, &items.collect::<Vec<_>>(), false)?;
    }
    for id in deleted {
        push(id, &[], true)?;
    }
    match starts.next() {
        Some(start) => Err(StreamError::Block(start)),
        None => Ok(builder),
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
        let mut rule = BlockRule::default();
        let mut strings = Vec::new();
        while let Some(id) = entries.next_element_seed(Entry(&mut strings))? {
            let pairs: Vec<PackedItem<'_>> = strings
                .iter()
                .map(|string| PackedItem::from_string(string))
                .collect();
            let len: usize = strings.iter().map(Vec::len).sum();
            if rule.begins_block(len) {
                let fields: Vec<PackedItem<'_>> = pairs.iter().step_by(2).copied().collect();
                builder.begin_block(fields.into_iter());
            }
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
