//! What RESTORE is given: any bytes under a checksum that fits them must be an error or a value, in memory that they
//! justify, and a value must come back from what DUMP makes of it.
//!
//! Justified is, in use at once:
//!
//! * for any payload: 64 KiB, and for each of its bytes 88, what a compressed byte stands for at most, times 8, since a
//!   vector that grows is there twice and has room then for as much again. Of streams times 24: their fields and
//!   values take two bytes or more, and 32 each while an entry is read;
//! * for one that is a value: 64 KiB, four times the payload and four times the strings of the value; 16 bytes for
//!   each element of a list, and 128 for each of a set, field, member, entry or consumer. Zipmaps have room behind each
//!   value that nobody sees, 255 bytes of it: 1024 for each of their fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::snapshot::{RestoreError, SaveOptions, SnapshotCodec};
use oxidis_engine::value::{EncodingLimits, Stream, Value, ValueRef};
use oxidis_fuzz::data_sets::{Measuring, measured};
use oxidis_persist::Rdb;

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

/// The types of lists, of hashes as zipmaps, and of streams.
const TYPES_LIST: [u8; 4] = [1, 10, 14, 18];
const TYPE_HASH_ZIPMAP: u8 = 9;
const TYPES_STREAM: [u8; 3] = [15, 19, 21];

const BASE_BYTES: usize = 64 << 10;

/// What any payload justifies.
fn justified(payload: &[u8]) -> usize {
    let times = match TYPES_STREAM.contains(&payload[0]) {
        true => 24,
        false => 8,
    };
    BASE_BYTES + 88 * times * payload.len()
}

/// What a payload justifies that is a value with these strings.
fn justified_by(payload: &[u8], held: &[Vec<u8>]) -> usize {
    let strings: usize = held.iter().map(Vec::len).sum();
    let per_element = match payload[0] {
        TYPE_HASH_ZIPMAP => 1024,
        code if TYPES_LIST.contains(&code) => 16,
        _ => 128,
    };
    BASE_BYTES + 4 * payload.len() + 4 * strings + per_element * held.len()
}

/// The strings of a value, sorted where it has no order of its own.
fn strings(value: &Value) -> Vec<Vec<u8>> {
    let mut strings: Vec<Vec<u8>> = match value.as_ref() {
        ValueRef::String(string) => return vec![string.to_vec()],
        ValueRef::List(list) => return list.iter().map(|item| item.to_vec()).collect(),
        ValueRef::Set(set) => set.iter().map(|member| member.to_vec()).collect(),
        ValueRef::Hash(hash) => hash
            .iter()
            .map(|(field, value)| [field.to_vec(), value.to_vec()].join(&0))
            .collect(),
        ValueRef::SortedSet(sorted_set) => sorted_set
            .iter()
            .map(|(member, score)| [member, &score.to_bits().to_le_bytes()].concat())
            .collect(),
        ValueRef::Stream(stream) => return stream_strings(stream),
    };
    strings.sort_unstable();
    strings
}

/// The strings of a stream, those that entries share once.
fn stream_strings(stream: &Stream) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    for block in stream.blocks() {
        strings.extend(block.master_fields().map(|field| field.to_vec()));
        for entry in block.entries() {
            strings.push(entry.id.to_text().to_vec());
            let is_shared = entry.fields.are_master_fields();
            for (field, value) in entry.fields {
                strings.extend((!is_shared).then(|| field.to_vec()));
                strings.push(value.to_vec());
            }
        }
    }
    for (name, group) in stream.groups() {
        strings.push(name.to_vec());
        strings.extend(group.consumers().map(|consumer| consumer.name().to_vec()));
        strings.extend(group.pending().map(|(id, _)| id.to_text().to_vec()));
    }
    strings
}

fuzz_target!(|payload: &[u8]| {
    let limits = EncodingLimits::default();
    // The seeds are whole payloads; the footer is not what is to be found out.
    let body = &payload[..payload.len().saturating_sub(10)];
    let sealed = [body, &[12, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let (restored, taken) = measured(|| Rdb.restore(&sealed, false, &limits));
    let most = justified(&sealed);
    assert!(taken <= most, "{taken} bytes in use, {most} are justified");
    match restored {
        Err(RestoreError::Data(_)) => {}
        Err(RestoreError::Footer) => panic!("the version is one that is known"),
        Ok(value) => {
            let held = strings(&value);
            let most = justified_by(&sealed, &held);
            assert!(taken <= most, "{taken} bytes in use, {most} are justified");
            for compresses in [false, true] {
                let dumped = Rdb.dump(value.as_ref(), SaveOptions { compresses });
                let again = Rdb
                    .restore(&dumped, true, &limits)
                    .expect("our own payload");
                assert_eq!(strings(&again), held);
            }
        }
    }
});
