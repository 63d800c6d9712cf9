//! Whole data sets: the records of an RDB file.

use oxidis_engine::snapshot::{SaveOptions, SnapshotEntry};

use super::codes::*;
use super::writer::Writer;
use super::{checksum, encode};

/// What stands before all keys: the signature, and facts about the server.
pub(super) fn begin(facts: &[(&str, String)], out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(format!("{VERSION_WRITTEN:04}").as_bytes());
    let mut writer = plain(out);
    for (name, value) in facts {
        writer.byte(OPCODE_AUX);
        writer.text(name.as_bytes());
        writer.text(value.as_bytes());
    }
}

/// The beginning of a database, with its numbers of keys and of keys that expire, where they are known.
pub(super) fn select(database: usize, sizes: Option<(u64, u64)>, out: &mut Vec<u8>) {
    let mut writer = plain(out);
    writer.byte(OPCODE_SELECT);
    writer.length(database as u64);
    if let Some((keys, volatile)) = sizes {
        writer.byte(OPCODE_RESIZE);
        writer.length(keys);
        writer.length(volatile);
    }
}

/// A library of functions.
pub(super) fn function(code: &[u8], options: SaveOptions, out: &mut Vec<u8>) {
    let mut writer = Writer {
        out,
        compresses: options.compresses,
    };
    writer.byte(OPCODE_FUNCTION);
    writer.text(code);
}

/// A key with its value.
pub(super) fn entry(entry: &SnapshotEntry<'_>, options: SaveOptions, out: &mut Vec<u8>) {
    let mut writer = Writer {
        out,
        compresses: options.compresses,
    };
    if let Some(at) = entry.expire_ms {
        writer.byte(OPCODE_EXPIRE_MS);
        writer.bytes(&at.to_le_bytes());
    }
    if let Some(seconds) = entry.idle_seconds {
        writer.byte(OPCODE_IDLE);
        writer.length(seconds);
    }
    if let Some(frequency) = entry.frequency {
        writer.byte(OPCODE_FREQUENCY);
        writer.byte(frequency);
    }
    writer.byte(encode::type_of(entry.value));
    writer.text(entry.key);
    encode::value(&mut writer, entry.value);
}

/// The end, with the checksum of everything if there is to be one: that of what was written so far is
/// `before`.
pub(super) fn end(before: Option<u64>, out: &mut Vec<u8>) {
    let sum = before.map_or(0, |before| checksum::extend(before, &[OPCODE_END]));
    out.push(OPCODE_END);
    out.extend_from_slice(&sum.to_le_bytes());
}

fn plain(out: &mut Vec<u8>) -> Writer<'_> {
    Writer {
        out,
        compresses: false,
    }
}
