//! How IDs and entries are answered.

use crate::command::Reply;
use crate::value::packed::PackedItem;
use crate::value::stream::StreamEntry;
use crate::value::{Stream, StreamId};

/// Writes an ID.
pub(super) fn reply_id(out: &mut Reply<'_>, id: StreamId) {
    out.bulk(&id.to_text());
}

fn reply_item(out: &mut Reply<'_>, item: PackedItem<'_>) {
    match item {
        PackedItem::Bytes(bytes) => out.bulk(bytes),
        PackedItem::Integer(integer) => out.bulk_integer(integer),
        PackedItem::Double(double) => out.double(double),
    }
}

/// Writes an entry: its ID, and its fields and values in turn.
pub(super) fn reply_entry(out: &mut Reply<'_>, entry: StreamEntry<'_>) {
    out.array(2);
    reply_id(out, entry.id);
    out.array(entry.fields.len() * 2);
    for (field, value) in entry.fields {
        reply_item(out, field);
        reply_item(out, value);
    }
}

/// Writes entries as an array.
pub(super) fn reply_entries<'a>(
    out: &mut Reply<'_>,
    entries: impl Iterator<Item = StreamEntry<'a>>,
) {
    let mark = out.deferred_array();
    let mut count = 0;
    for entry in entries {
        reply_entry(out, entry);
        count += 1;
    }
    out.finish_array(mark, count);
}

/// Writes the entry `id`; answers whether it is there.
pub(super) fn reply_entry_of(out: &mut Reply<'_>, stream: &Stream, id: StreamId) -> bool {
    match stream.range(id, id).next() {
        Some(entry) => {
            reply_entry(out, entry);
            true
        }
        None => false,
    }
}
