//! Streams as RDB has them: a listpack for each of their nodes, then what is remembered about the
//! stream, then its groups.
//!
//! A node stands behind the ID of its first entry, 16 bytes, the high ones first. Its listpack, from
//! Redis's `t_stream.c`, has the number of live entries, that of deleted ones, the fields that most entries
//! share behind their number, a 0; and then each entry: flags, how far both numbers of its ID are from the
//! first, fields and values (or values only, when the fields are the shared ones), and of how many parts
//! the entry consists. Our blocks cut a stream where Redis's nodes do, so what is written is what Redis
//! writes for the same history.

use oxidis_engine::value::packed::PackedItem;
use oxidis_engine::value::stream::{
    BlockRef, ConsumerParts, Group, GroupParts, PartsError, StreamBuilder,
};
use oxidis_engine::value::{Stream, StreamId};

use super::RdbError;
use super::codes::{TYPE_STREAM, TYPE_STREAM_3};
use super::encode::push_item;
use super::listpack::{self, ListpackWriter};
use super::reader::Reader;
use super::writer::Writer;

const DELETED: i64 = 1;
const SHARED_FIELDS: i64 = 1 << 1;

/// What stands for a number of entries read that is not known: -1.
const UNKNOWN: u64 = u64::MAX;

fn write_length_pair(writer: &mut Writer<'_>, id: StreamId) {
    writer.length(id.ms);
    writer.length(id.seq);
}

fn id_bytes(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

/// Writes a stream as Redis 7.0 does: of its consumers, when they were last given anything is left out.
pub(super) fn write(writer: &mut Writer<'_>, stream: &Stream) {
    writer.length(stream.block_count() as u64);
    for block in stream.blocks() {
        writer.text(&id_bytes(block.first_id()));
        writer.text(&node(block));
    }
    writer.length(stream.len());
    write_length_pair(writer, stream.last_id());
    write_length_pair(writer, stream.first_id());
    write_length_pair(writer, stream.max_deleted_id());
    writer.length(stream.entries_added());
    writer.length(stream.group_len() as u64);
    for (name, group) in stream.groups() {
        writer.text(name);
        write_group(writer, group);
    }
}

/// The listpack of a node.
fn node(block: BlockRef<'_>) -> Vec<u8> {
    let mut listpack = ListpackWriter::new();
    let first = block.first_id();
    listpack.push_integer(block.live_len() as i64);
    listpack.push_integer(block.deleted_len() as i64);
    listpack.push_integer(block.master_fields().count() as i64);
    for field in block.master_fields() {
        push_item(&mut listpack, field);
    }
    listpack.push_integer(0);
    for entry in block.entries() {
        let is_shared = entry.fields.are_master_fields();
        let deleted = if entry.is_deleted { DELETED } else { 0 };
        let count = entry.fields.len() as i64;
        listpack.push_integer(if is_shared { SHARED_FIELDS } else { 0 } | deleted);
        listpack.push_integer(entry.id.ms.wrapping_sub(first.ms) as i64);
        listpack.push_integer(entry.id.seq.wrapping_sub(first.seq) as i64);
        if !is_shared {
            listpack.push_integer(count);
        }
        for (field, value) in entry.fields {
            if !is_shared {
                push_item(&mut listpack, field);
            }
            push_item(&mut listpack, value);
        }
        // Flags and two differences, the values; and the fields with their number.
        let parts = 3 + count + if is_shared { 0 } else { 1 + count };
        listpack.push_integer(parts);
    }
    listpack.finish()
}

fn write_group(writer: &mut Writer<'_>, group: &Group) {
    write_length_pair(writer, group.last_id());
    writer.length(group.entries_read().map_or(UNKNOWN, |read| read as u64));
    writer.length(group.pending_len() as u64);
    for (id, pending) in group.pending() {
        writer.bytes(&id_bytes(id));
        writer.bytes(&pending.delivery_ms.to_le_bytes());
        writer.length(pending.delivery_count);
    }
    writer.length(group.consumer_len() as u64);
    for consumer in group.consumers() {
        writer.text(consumer.name());
        writer.bytes(&consumer.seen_ms.to_le_bytes());
        writer.length(consumer.pending_len() as u64);
        for id in consumer.pending_ids() {
            writer.bytes(&id_bytes(id));
        }
    }
}

/// Reads a stream of any version.
pub(super) fn read(reader: &mut Reader<'_>, code: u8) -> Result<Stream, RdbError> {
    let mut builder = StreamBuilder::new();
    for _ in 0..reader.length()? {
        let first = reader.text()?;
        let first: [u8; 16] = first
            .as_ref()
            .try_into()
            .map_err(|_| reader.corrupt("Stream node key entry is not the size of a stream ID"))?;
        let bytes = reader.text()?;
        let items = listpack::read(&bytes);
        let items = items.ok_or(reader.corrupt("Stream listpack integrity check failed"))?;
        read_node(&mut builder, id_of(first), items)
            .ok_or(reader.corrupt("Stream listpack integrity check failed"))?
            .map_err(|error| parts_error(reader, error))?;
    }
    let length = reader.length()?;
    let last_id = read_length_pair(reader)?;
    let (mut max_deleted_id, mut entries_added) = (StreamId::MIN, length);
    if code != TYPE_STREAM {
        // Which entry is the first is seen.
        read_length_pair(reader)?;
        max_deleted_id = read_length_pair(reader)?;
        entries_added = reader.length()?;
    }
    let mut stream = builder
        .finish(Some(last_id), entries_added, max_deleted_id)
        .map_err(|error| parts_error(reader, error))?;
    if stream.len() != length {
        return Err(reader.corrupt("Stream length inconsistent with its nodes"));
    }
    for _ in 0..reader.length()? {
        let name = reader.text()?;
        let parts = read_group(reader, code, &stream)?;
        stream
            .add_group(&name, &parts)
            .map_err(|error| parts_error(reader, error))?;
    }
    Ok(stream)
}

fn parts_error(reader: &Reader<'_>, error: PartsError) -> RdbError {
    reader.corrupt(match error {
        PartsError::NotAscending => "Stream entries are not in the order of their IDs",
        PartsError::OddPairs => "Stream entry with a field without a value",
        PartsError::LastIdTooSmall => "Stream last ID smaller than that of an entry",
        PartsError::DuplicateGroup => "Duplicated consumer group name",
        PartsError::DuplicateConsumer => "Duplicate stream consumer detected",
        PartsError::DuplicatePending => "Duplicated global PEL entry loading stream consumer group",
        PartsError::UnknownPending => "Consumer entry not found in group global PEL",
        PartsError::UnownedPending => "NACK without consumer",
    })
}

/// Reads the entries of a node; `None` if its parts are not those of a node.
fn read_node(
    builder: &mut StreamBuilder,
    first: StreamId,
    mut items: listpack::Items<'_>,
) -> Option<Result<(), PartsError>> {
    let (live, deleted) = (count(items.next()?)?, count(items.next()?)?);
    let field_count = count(items.next()?)?;
    let shared = take(&mut items, field_count)?;
    if items.next()? != PackedItem::Integer(0) {
        return None;
    }
    builder.begin_block(shared.clone());
    let mut pairs = Vec::new();
    for index in 0..live.checked_add(deleted)? {
        let flags = number(items.next()?)?;
        let (ms, seq) = (number(items.next()?)?, number(items.next()?)?);
        let id = StreamId::new(
            first.ms.wrapping_add(ms as u64),
            first.seq.wrapping_add(seq as u64),
        );
        pairs.clear();
        let parts = if flags & SHARED_FIELDS != 0 {
            let values = take(&mut items, field_count)?;
            let fields = shared.clone();
            // These are longer than what they stand for, so that there is room for no more of them.
            pairs.reserve_exact(2 * field_count);
            pairs.extend(fields.zip(values).flat_map(|(field, value)| [field, value]));
            3 + field_count
        } else {
            let count = count(items.next()?)?;
            let own = take(&mut items, count.checked_mul(2)?)?;
            pairs.reserve_exact(own.len());
            pairs.extend(own);
            4 + count * 2
        };
        if count(items.next()?)? != parts || index == 0 && id != first {
            return None;
        }
        let pushed = builder.push(id, &pairs, flags & DELETED != 0);
        if pushed.is_err() {
            return Some(pushed);
        }
    }
    (items.len() == 0).then_some(Ok(()))
}

/// The next `count` parts of a node, if there are so many: no number in it is believed further than these go.
fn take<'b>(
    items: &mut listpack::Items<'b>,
    count: usize,
) -> Option<std::iter::Take<listpack::Items<'b>>> {
    if count > items.len() {
        return None;
    }
    let taken = items.clone().take(count);
    if let Some(last) = count.checked_sub(1) {
        items.nth(last);
    }
    Some(taken)
}

fn number(item: PackedItem<'_>) -> Option<i64> {
    match item {
        PackedItem::Integer(number) => Some(number),
        _ => None,
    }
}

fn count(item: PackedItem<'_>) -> Option<usize> {
    usize::try_from(number(item)?).ok()
}

fn id_of(bytes: [u8; 16]) -> StreamId {
    let id = u128::from_be_bytes(bytes);
    StreamId::new((id >> 64) as u64, id as u64)
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, RdbError> {
    Ok(id_of(reader.array()?))
}

fn read_length_pair(reader: &mut Reader<'_>) -> Result<StreamId, RdbError> {
    let ms = reader.length()?;
    let seq = reader.length()?;
    Ok(StreamId::new(ms, seq))
}

fn read_group(reader: &mut Reader<'_>, code: u8, stream: &Stream) -> Result<GroupParts, RdbError> {
    let last_id = read_length_pair(reader)?;
    let entries_read = if code == TYPE_STREAM {
        stream.entries_added_until(last_id)
    } else {
        Some(reader.length()?)
            .filter(|&read| read != UNKNOWN)
            .map(|read| read as i64)
    };
    let mut parts = GroupParts {
        last_id,
        entries_read,
        ..GroupParts::default()
    };
    for _ in 0..reader.length()? {
        let id = read_id(reader)?;
        let delivery_ms = i64::from_le_bytes(reader.array()?);
        let delivery_count = reader.length()?;
        parts.pending.push((id, delivery_ms, delivery_count));
    }
    for _ in 0..reader.length()? {
        let name = reader.text()?.into_vec();
        let seen_ms = i64::from_le_bytes(reader.array()?);
        // Before it was written down apart, being seen was being active.
        let active_ms = match code {
            TYPE_STREAM_3 => Some(i64::from_le_bytes(reader.array()?)).filter(|&at| at != -1),
            _ => Some(seen_ms),
        };
        let mut pending = Vec::new();
        for _ in 0..reader.length()? {
            pending.push(read_id(reader)?);
        }
        parts.consumers.push(ConsumerParts {
            name,
            seen_ms,
            active_ms,
            pending,
        });
    }
    Ok(parts)
}
