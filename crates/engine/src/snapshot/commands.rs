//! A data set as the commands that make it: the base of an append-only log without `aof-use-rdb-preamble`.
//!
//! The commands are those that Redis writes in this place, so that each version of it which knows a type can
//! read it; fields that expire follow their hash as HPEXPIREAT.

use oxidis_resp::{Protocol, Writer};

use super::{SaveOptions, SnapshotEncoder, SnapshotEntry};
use crate::text::DoubleText;
use crate::value::packed::PackedItem;
use crate::value::stream::Group;
use crate::value::{HashRef, ListItem, Stream, StreamId, StringRef, ValueRef};

/// Elements that one command has at most, as in Redis: replaying it must not take long.
const ITEMS_PER_COMMAND: usize = 64;

/// Writes commands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Commands {
    /// The second that is noted in front of them, if one is to be.
    pub noted_s: Option<i64>,
}

impl SnapshotEncoder for Commands {
    fn begin(&self, _: &[(&str, String)], out: &mut Vec<u8>) {
        if let Some(noted_s) = self.noted_s {
            out.extend_from_slice(format!("#TS:{noted_s}\r\n").as_bytes());
        }
    }

    fn select(&self, database: usize, _: Option<(u64, u64)>, out: &mut Vec<u8>) {
        Output::new(out).command(&[b"SELECT", database.to_string().as_bytes()]);
    }

    fn function(&self, code: &[u8], _: SaveOptions, out: &mut Vec<u8>) {
        Output::new(out).command(&[b"FUNCTION", b"LOAD", code]);
    }

    fn entry(&self, entry: &SnapshotEntry<'_>, _: SaveOptions, out: &mut Vec<u8>) {
        let mut out = Output::new(out);
        out.value(entry.key, entry.value);
        if let Some(at_ms) = entry.expire_ms {
            out.command(&[b"PEXPIREAT", entry.key, at_ms.to_string().as_bytes()]);
        }
    }

    fn end(&self, _: Option<u64>, _: &mut Vec<u8>) {}

    fn checksum(&self, _: u64, _: &[u8]) -> u64 {
        0
    }
}

/// A part of a command: bytes, or a number that is written as text.
#[derive(Clone, Copy)]
enum Part<'a> {
    Bytes(&'a [u8]),
    Integer(i64),
    Double(f64),
    Id(StreamId),
}

impl<'a> From<PackedItem<'a>> for Part<'a> {
    fn from(item: PackedItem<'a>) -> Self {
        match item {
            PackedItem::Bytes(bytes) => Part::Bytes(bytes),
            PackedItem::Integer(n) => Part::Integer(n),
            PackedItem::Double(n) => Part::Double(n),
        }
    }
}

struct Output<'a>(Writer<'a>);

impl<'a> Output<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Output(Writer::new(out, Protocol::Resp2))
    }

    fn command(&mut self, arguments: &[&[u8]]) {
        self.0.array(arguments.len());
        arguments.iter().for_each(|argument| self.0.bulk(argument));
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Bytes(bytes) => self.0.bulk(bytes),
            Part::Integer(n) => self.0.bulk_integer(n),
            Part::Double(n) => self.0.bulk(&DoubleText::new(n)),
            Part::Id(id) => self.0.bulk(id.to_string().as_bytes()),
        }
    }

    fn parts(&mut self, parts: &[Part<'_>]) {
        self.0.array(parts.len());
        parts.iter().for_each(|part| self.part(*part));
    }

    /// Writes as many commands as `items` need, of each of which `of` gives its parts.
    fn in_pieces<const N: usize, I>(
        &mut self,
        name: &[u8],
        key: &[u8],
        items: impl Iterator<Item = I>,
        of: impl Fn(I) -> [Part<'a>; N],
    ) {
        self.in_pieces_by(name, key, items, N, |output, item| {
            of(item).into_iter().for_each(|part| output.part(part));
        });
    }

    /// The same, where `write` writes the `parts` parts of an item.
    fn in_pieces_by<I>(
        &mut self,
        name: &[u8],
        key: &[u8],
        items: impl Iterator<Item = I>,
        parts: usize,
        write: impl Fn(&mut Self, I),
    ) {
        let mut items = items.peekable();
        while items.peek().is_some() {
            let mark = self.0.deferred_array();
            self.0.bulk(name);
            self.0.bulk(key);
            let mut len = 2;
            for item in items.by_ref().take(ITEMS_PER_COMMAND) {
                write(self, item);
                len += parts;
            }
            self.0.finish_array(mark, len);
        }
    }

    fn value(&mut self, key: &[u8], value: ValueRef<'a>) {
        match value {
            ValueRef::String(StringRef::Integer(n)) => {
                self.parts(&[Part::Bytes(b"SET"), Part::Bytes(key), Part::Integer(n)]);
            }
            ValueRef::String(StringRef::Bytes { bytes, .. }) => self.command(&[b"SET", key, bytes]),
            ValueRef::List(list) => {
                let items = list.iter();
                self.in_pieces_by(b"RPUSH", key, items, 1, |output, item| match item {
                    ListItem::Bytes(bytes) => output.0.bulk(&bytes),
                    ListItem::Integer(n) => output.0.bulk_integer(n),
                });
            }
            ValueRef::Set(set) => self.in_pieces(b"SADD", key, set.iter(), |item| [item.into()]),
            ValueRef::SortedSet(sorted_set) => {
                self.in_pieces(b"ZADD", key, sorted_set.iter(), |(member, score)| {
                    [Part::Double(score), Part::Bytes(member)]
                });
            }
            ValueRef::Hash(hash) => self.hash(key, hash),
            ValueRef::Stream(stream) => self.stream(key, stream),
        }
    }

    fn hash(&mut self, key: &[u8], hash: HashRef<'a>) {
        let HashRef::Expiring(hash) = hash else {
            let parts = |(field, value): (PackedItem<'a>, PackedItem<'a>)| {
                [Part::from(field), Part::from(value)]
            };
            return self.in_pieces(b"HMSET", key, hash.iter(), parts);
        };
        self.in_pieces(b"HMSET", key, hash.timed(), |(field, value, _)| {
            [field.into(), value.into()]
        });
        for (field, _, at_ms) in hash.timed() {
            if let Some(at_ms) = at_ms {
                self.parts(&[
                    Part::Bytes(b"HPEXPIREAT"),
                    Part::Bytes(key),
                    Part::Integer(at_ms),
                    Part::Bytes(b"FIELDS"),
                    Part::Integer(1),
                    field.into(),
                ]);
            }
        }
    }

    fn stream(&mut self, key: &[u8], stream: &Stream) {
        let key = Part::Bytes(key);
        let entries = stream.blocks().flat_map(|block| block.entries());
        for entry in entries.filter(|entry| !entry.is_deleted) {
            self.0.array(3 + 2 * entry.fields.len());
            self.0.bulk(b"XADD");
            self.part(key);
            self.part(Part::Id(entry.id));
            for (field, value) in entry.fields {
                self.part(field.into());
                self.part(value.into());
            }
        }
        if stream.is_empty() {
            // An entry that is gone at once leaves an empty stream behind.
            let parts: [&[u8]; 5] = [b"MAXLEN", b"0", b"0-1", b"x", b"y"];
            self.0.array(2 + parts.len());
            self.0.bulk(b"XADD");
            self.part(key);
            parts.iter().for_each(|part| self.0.bulk(part));
        }
        self.parts(&[
            Part::Bytes(b"XSETID"),
            key,
            Part::Id(stream.last_id()),
            Part::Bytes(b"ENTRIESADDED"),
            Part::Integer(stream.entries_added() as i64),
            Part::Bytes(b"MAXDELETEDID"),
            Part::Id(stream.max_deleted_id()),
        ]);
        for (name, group) in stream.groups() {
            self.group(key, Part::Bytes(name), group);
        }
    }

    fn group(&mut self, key: Part<'_>, name: Part<'_>, group: &Group) {
        self.parts(&[
            Part::Bytes(b"XGROUP"),
            Part::Bytes(b"CREATE"),
            key,
            name,
            Part::Id(group.last_id()),
            Part::Bytes(b"ENTRIESREAD"),
            Part::Integer(group.entries_read().unwrap_or(-1)),
        ]);
        for consumer in group.consumers() {
            if consumer.pending_len() == 0 {
                self.parts(&[
                    Part::Bytes(b"XGROUP"),
                    Part::Bytes(b"CREATECONSUMER"),
                    key,
                    name,
                    Part::Bytes(consumer.name()),
                ]);
            }
            for id in consumer.pending_ids() {
                let Some(pending) = group.find_pending(id) else {
                    continue;
                };
                self.parts(&[
                    Part::Bytes(b"XCLAIM"),
                    key,
                    name,
                    Part::Bytes(consumer.name()),
                    Part::Integer(0),
                    Part::Id(id),
                    Part::Bytes(b"TIME"),
                    Part::Integer(pending.delivery_ms),
                    Part::Bytes(b"RETRYCOUNT"),
                    Part::Integer(pending.delivery_count as i64),
                    Part::Bytes(b"JUSTID"),
                    Part::Bytes(b"FORCE"),
                ]);
            }
        }
    }
}
