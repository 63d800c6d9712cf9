//! Writing records. All but the first begin with the comma that parts them from the one before, so that records can be made
//! one by one, in any order, by whoever has them.

use oxidis_engine::snapshot::SnapshotEntry;
use oxidis_engine::text::{DoubleText, IntegerText};
use oxidis_engine::value::packed::PackedItem;
use oxidis_engine::value::stream::Group;
use oxidis_engine::value::{HashRef, ListItem, Stream, StreamId, StringRef, ValueRef};

use super::stream::BlockRule;
use super::text;

/// What the first record calls the format.
pub(super) const FORMAT: &str = "oxidis";

/// The version of the format that is written, and the newest that is read.
pub(super) const VERSION: u64 = 1;

/// The beginning, with facts about the server.
pub(super) fn begin(facts: &[(&str, String)], out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\n{");
    member("format", out);
    text::write(FORMAT.as_bytes(), out);
    next_member("version", out);
    integer(VERSION, out);
    for (name, value) in facts {
        // What one cannot do without in an append-only log says nothing here.
        if *name != "aof-base" {
            next_member(name, out);
            text::write(value.as_bytes(), out);
        }
    }
    out.push(b'}');
}

/// A library of functions.
pub(super) fn function(code: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\n{");
    member("function", out);
    text::write(code, out);
    out.push(b'}');
}

/// A key with its value.
pub(super) fn entry(entry: &SnapshotEntry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\n{");
    if entry.database != 0 {
        member("database", out);
        integer(entry.database as u64, out);
        out.extend_from_slice(b", ");
    }
    member("key", out);
    text::write(entry.key, out);
    value(entry.value, out);
    if let Some(at_ms) = entry.expire_ms {
        next_member("expires_ms", out);
        signed(at_ms, out);
    }
    if let Some(seconds) = entry.idle_seconds {
        next_member("idle_seconds", out);
        integer(seconds, out);
    }
    if let Some(frequency) = entry.frequency {
        next_member("frequency", out);
        integer(u64::from(frequency), out);
    }
    out.push(b'}');
}

/// The end.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\n]\n");
}

fn member(name: &str, out: &mut Vec<u8>) {
    text::write(name.as_bytes(), out);
    out.extend_from_slice(b": ");
}

fn next_member(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b", ");
    member(name, out);
}

fn integer(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&IntegerText::unsigned(number));
}

fn signed(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&IntegerText::new(number));
}

/// What stands between brackets, with commas.
fn row<I: Iterator>(
    items: I,
    brackets: [u8; 2],
    out: &mut Vec<u8>,
    mut write: impl FnMut(I::Item, &mut Vec<u8>),
) {
    out.push(brackets[0]);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        write(item, out);
    }
    out.push(brackets[1]);
}

fn array<I: Iterator>(items: I, out: &mut Vec<u8>, write: impl FnMut(I::Item, &mut Vec<u8>)) {
    row(items, *b"[]", out, write);
}

fn object<I: Iterator>(items: I, out: &mut Vec<u8>, write: impl FnMut(I::Item, &mut Vec<u8>)) {
    row(items, *b"{}", out, write);
}

fn value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::String(string) => {
            next_member("string", out);
            match string {
                StringRef::Integer(n) => text::write(&IntegerText::new(n), out),
                StringRef::Bytes { bytes, .. } => text::write(bytes, out),
            }
        }
        ValueRef::List(list) => {
            next_member("list", out);
            array(list.iter(), out, |item, out| match item {
                ListItem::Bytes(bytes) => text::write(&bytes, out),
                ListItem::Integer(n) => text::write(&IntegerText::new(n), out),
            });
        }
        ValueRef::Set(set) => {
            next_member("set", out);
            array(set.iter(), out, text::write_item);
        }
        ValueRef::Hash(hash) => {
            next_member("hash", out);
            fields(hash, out);
        }
        ValueRef::SortedSet(sorted_set) => {
            next_member("sorted_set", out);
            object(sorted_set.iter(), out, |(member, score), out| {
                text::write(member, out);
                out.extend_from_slice(b": ");
                if score.is_finite() {
                    out.extend_from_slice(&DoubleText::new(score));
                } else {
                    // JSON has no numbers for these.
                    text::write(&DoubleText::new(score), out);
                }
            });
        }
        ValueRef::Stream(value) => {
            next_member("stream", out);
            stream(value, out);
        }
    }
}

/// A field has its value, or with a time to live an object of both. In the compact form of hashes whose fields expire the
/// first has such an object anyway, so that the hash is of that form again though none of its fields may expire.
fn fields(hash: HashRef<'_>, out: &mut Vec<u8>) {
    let field = |(field, value): (PackedItem<'_>, PackedItem<'_>), out: &mut Vec<u8>| {
        text::write_item(field, out);
        out.extend_from_slice(b": ");
        text::write_item(value, out);
    };
    let HashRef::Expiring(expiring) = hash else {
        return object(hash.iter(), out, field);
    };
    let mut shows_form = expiring.is_packed();
    object(expiring.timed(), out, |(name, value, at_ms), out| {
        if at_ms.is_none() && !std::mem::take(&mut shows_form) {
            return field((name, value), out);
        }
        shows_form = false;
        text::write_item(name, out);
        out.extend_from_slice(b": {");
        member("value", out);
        text::write_item(value, out);
        next_member("expires_ms", out);
        time(at_ms, out);
        out.push(b'}');
    });
}

/// A time in milliseconds since 1970, if it is known.
fn time(at_ms: Option<i64>, out: &mut Vec<u8>) {
    match at_ms {
        Some(at_ms) => signed(at_ms, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn id(id: StreamId, out: &mut Vec<u8>) {
    text::write(&id.to_text(), out);
}

fn stream(stream: &Stream, out: &mut Vec<u8>) {
    out.push(b'{');
    member("entries", out);
    let entries = stream.blocks().flat_map(|block| block.entries());
    array(
        entries.filter(|entry| !entry.is_deleted),
        out,
        |entry, out| {
            out.push(b'[');
            id(entry.id, out);
            for (field, value) in entry.fields {
                out.extend_from_slice(b", ");
                text::write_item(field, out);
                out.extend_from_slice(b", ");
                text::write_item(value, out);
            }
            out.push(b']');
        },
    );
    next_member("last_id", out);
    id(stream.last_id(), out);
    next_member("max_deleted_id", out);
    id(stream.max_deleted_id(), out);
    next_member("entries_added", out);
    integer(stream.entries_added(), out);
    write_layout(stream, out);
    if stream.group_len() > 0 {
        next_member("groups", out);
        array(stream.groups(), out, |(name, group), out| {
            write_group(name, group, out);
        });
    }
    out.push(b'}');
}

/// Where the blocks of a stream begin, and what was deleted of them but has its place still, where a reader does not make
/// the same of the entries alone.
fn write_layout(stream: &Stream, out: &mut Vec<u8>) {
    let entries = || stream.blocks().flat_map(|block| block.entries());
    let has_deleted = stream.blocks().any(|block| block.deleted_len() > 0);
    let mut rule = BlockRule::default();
    let mut starts = stream.blocks().map(|block| block.first_id());
    let mut start = starts.next();
    let is_by_rule = entries().all(|entry| {
        let is_start = start == Some(entry.id);
        if is_start {
            start = starts.next();
        }
        let items = entry.fields.flat_map(|(field, value)| [field, value]);
        rule.begins_block(items.map(text::item_len).sum()) == is_start
    });
    if has_deleted || !is_by_rule {
        next_member("blocks", out);
        let starts = stream.blocks().map(|block| block.first_id());
        array(starts, out, id);
    }
    if has_deleted {
        next_member("deleted", out);
        let deleted = entries().filter(|entry| entry.is_deleted);
        array(deleted, out, |entry, out| id(entry.id, out));
    }
}

fn write_group(name: &[u8], group: &Group, out: &mut Vec<u8>) {
    out.push(b'{');
    member("name", out);
    text::write(name, out);
    next_member("last_id", out);
    id(group.last_id(), out);
    next_member("entries_read", out);
    match group.entries_read() {
        Some(read) => signed(read, out),
        None => out.extend_from_slice(b"null"),
    }
    next_member("consumers", out);
    array(group.consumers(), out, |consumer, out| {
        out.push(b'{');
        member("name", out);
        text::write(consumer.name(), out);
        next_member("seen_ms", out);
        signed(consumer.seen_ms, out);
        next_member("active_ms", out);
        time(consumer.active_ms, out);
        next_member("pending", out);
        let pending = consumer
            .pending_ids()
            .filter_map(|id| Some((id, group.find_pending(id)?)));
        array(pending, out, |(pending_id, pending), out| {
            out.push(b'[');
            id(pending_id, out);
            out.extend_from_slice(b", ");
            signed(pending.delivery_ms, out);
            out.extend_from_slice(b", ");
            integer(pending.delivery_count, out);
            out.push(b']');
        });
        out.push(b'}');
    });
    out.push(b'}');
}
