//! Values as RDB has them: for each type the form that redis-server 7.0 writes for what it keeps
//! alike, and that of Redis 7.4 for hashes with fields that expire, which are new there.

use oxidis_engine::text::{DoubleText, IntegerText};
use oxidis_engine::value::packed::PackedItem;
use oxidis_engine::value::{
    ExpiringRef, HashRef, ListItem, ListRef, SetRef, SortedSetRef, StringRef, ValueRef,
    intset as our_intset,
};

use super::codes::{
    NODE_PACKED, NODE_PLAIN, TYPE_HASH, TYPE_HASH_EXPIRES, TYPE_HASH_LISTPACK,
    TYPE_HASH_LISTPACK_EXPIRES, TYPE_LIST_QUICKLIST_2, TYPE_SET, TYPE_SET_INTSET,
    TYPE_SORTED_SET_2, TYPE_SORTED_SET_LISTPACK, TYPE_STREAM_2, TYPE_STRING, VERSION_NEWEST,
    VERSION_WRITTEN,
};
use super::intset;
use super::listpack::ListpackWriter;
use super::writer::Writer;

/// A node of a list takes elements while it has no more than so many bytes: Redis's default.
const NODE_LEN: usize = 8 * 1024;

/// What Redis takes an element of a node to need beside its text, be it a number or not. It is mostly too much, but
/// with another number the nodes would end elsewhere.
const ELEMENT_FRAME_LEN: usize = 8;

/// An element from this length on stands alone, out of any listpack: those end at a gigabyte.
const PLAIN_FROM: usize = 1 << 29;

/// The code of the type that the value is written as.
pub(super) fn type_of(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::String(_) => TYPE_STRING,
        ValueRef::List(_) => TYPE_LIST_QUICKLIST_2,
        ValueRef::Set(SetRef::Intset(_)) => TYPE_SET_INTSET,
        // Redis 7.0 knows no listpacks of sets.
        ValueRef::Set(_) => TYPE_SET,
        ValueRef::Hash(HashRef::Packed(_)) => TYPE_HASH_LISTPACK,
        ValueRef::Hash(HashRef::Table(_)) => TYPE_HASH,
        ValueRef::Hash(HashRef::Expiring(hash)) if hash.is_packed() => TYPE_HASH_LISTPACK_EXPIRES,
        ValueRef::Hash(HashRef::Expiring(_)) => TYPE_HASH_EXPIRES,
        ValueRef::SortedSet(SortedSetRef::Packed(_)) => TYPE_SORTED_SET_LISTPACK,
        ValueRef::SortedSet(_) => TYPE_SORTED_SET_2,
        ValueRef::Stream(_) => TYPE_STREAM_2,
    }
}

/// The version in which the value's type is known: the one that is written, wherever that is possible.
pub(super) fn version_of(value: ValueRef<'_>) -> u16 {
    match value {
        ValueRef::Hash(HashRef::Expiring(_)) => VERSION_NEWEST,
        _ => VERSION_WRITTEN,
    }
}

/// Writes a value, whose type stands before already.
pub(super) fn value(writer: &mut Writer<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::String(StringRef::Integer(n)) => writer.integer(n),
        ValueRef::String(StringRef::Bytes { bytes, .. }) => writer.text(bytes),
        ValueRef::List(list) => write_list(writer, list),
        ValueRef::Set(SetRef::Intset(bytes)) => {
            let integers = bytes.get(1..).unwrap_or_default();
            writer.text(&intset::write(our_intset::width(bytes), integers));
        }
        ValueRef::Set(set) => {
            writer.length(set.len() as u64);
            set.iter().for_each(|member| write_item(writer, member));
        }
        ValueRef::Hash(hash @ HashRef::Packed(_)) => {
            let mut listpack = ListpackWriter::new();
            for (field, value) in hash.iter() {
                push_item(&mut listpack, field);
                push_item(&mut listpack, value);
            }
            writer.text(&listpack.finish());
        }
        ValueRef::Hash(HashRef::Expiring(hash)) => write_expiring_hash(writer, hash),
        ValueRef::Hash(hash @ HashRef::Table(_)) => {
            writer.length(hash.len() as u64);
            for (field, value) in hash.iter() {
                write_item(writer, field);
                write_item(writer, value);
            }
        }
        ValueRef::SortedSet(sorted_set @ SortedSetRef::Packed(_)) => {
            let mut listpack = ListpackWriter::new();
            for (member, score) in sorted_set.iter() {
                listpack.push(member);
                listpack.push(&DoubleText::new(score));
            }
            writer.text(&listpack.finish());
        }
        ValueRef::SortedSet(sorted_set) => {
            writer.length(sorted_set.len() as u64);
            for (member, score) in sorted_set.iter() {
                writer.text(member);
                writer.bytes(&score.to_le_bytes());
            }
        }
        ValueRef::Stream(stream) => super::stream::write(writer, stream),
    }
}

/// Writes the earliest time, and the fields with theirs: in a listpack as they are, 0 being none, and
/// otherwise counted from just before the earliest.
fn write_expiring_hash(writer: &mut Writer<'_>, hash: ExpiringRef<'_>) {
    let earliest_ms = hash.timed().filter_map(|timed| timed.2).min().unwrap_or(0);
    writer.bytes(&earliest_ms.to_le_bytes());
    if hash.is_packed() {
        let mut listpack = ListpackWriter::new();
        for (field, value, at_ms) in hash.timed() {
            push_item(&mut listpack, field);
            push_item(&mut listpack, value);
            listpack.push_integer(at_ms.unwrap_or(0));
        }
        return writer.text(&listpack.finish());
    }
    writer.length(HashRef::Expiring(hash).len() as u64);
    for (field, value, at_ms) in hash.timed() {
        writer.length(at_ms.map_or(0, |at_ms| at_ms.abs_diff(earliest_ms) + 1));
        write_item(writer, field);
        write_item(writer, value);
    }
}

fn write_item(writer: &mut Writer<'_>, item: PackedItem<'_>) {
    match item {
        PackedItem::Bytes(bytes) => writer.text(bytes),
        PackedItem::Integer(n) => writer.integer(n),
        PackedItem::Double(_) => debug_assert!(false, "only sorted sets have scores"),
    }
}

pub(super) fn push_item(listpack: &mut ListpackWriter, item: PackedItem<'_>) {
    match item {
        PackedItem::Bytes(bytes) => listpack.push(bytes),
        PackedItem::Integer(n) => listpack.push_integer(n),
        PackedItem::Double(_) => debug_assert!(false, "only sorted sets have scores"),
    }
}

/// Writes the nodes of a list: how many there are, then each.
fn write_list(writer: &mut Writer<'_>, list: ListRef<'_>) {
    // How many nodes there are is known when they are all there, and stands before them.
    let mut nodes = Vec::new();
    let mut count = 0;
    let mut node_writer = Writer {
        out: &mut nodes,
        compresses: writer.compresses,
    };
    let mut listpack = ListpackWriter::new();
    for item in list.iter() {
        if let ListItem::Bytes(bytes) = &item
            && bytes.len() >= PLAIN_FROM
        {
            count += finish_node(&mut node_writer, &mut listpack);
            node_writer.length(NODE_PLAIN);
            node_writer.text(bytes);
            count += 1;
            continue;
        }
        let len = match &item {
            ListItem::Bytes(bytes) => bytes.len(),
            ListItem::Integer(n) => IntegerText::new(*n).len(),
        };
        if listpack.len() + len + ELEMENT_FRAME_LEN > NODE_LEN {
            count += finish_node(&mut node_writer, &mut listpack);
        }
        match item {
            ListItem::Bytes(bytes) => listpack.push(&bytes),
            ListItem::Integer(n) => listpack.push_integer(n),
        }
    }
    count += finish_node(&mut node_writer, &mut listpack);
    writer.length(count);
    writer.bytes(&nodes);
}

/// Writes a node, unless there is nothing in it; answers how many nodes that were.
fn finish_node(writer: &mut Writer<'_>, listpack: &mut ListpackWriter) -> u64 {
    if listpack.count() == 0 {
        return 0;
    }
    let finished = std::mem::replace(listpack, ListpackWriter::new());
    writer.length(NODE_PACKED);
    writer.text(&finished.finish());
    1
}
