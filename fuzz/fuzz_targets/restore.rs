//! What RESTORE is given: any bytes under a checksum that fits them must be an error or a value that is
//! no bigger than they justify, and a value must come back from what DUMP makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::snapshot::{RestoreError, SaveOptions, SnapshotCodec};
use oxidis_engine::value::{EncodingLimits, Stream, Value, ValueRef};
use oxidis_persist::Rdb;

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
    match Rdb.restore(&sealed, false, &limits) {
        Err(RestoreError::Data(_)) => {}
        Err(RestoreError::Footer) => panic!("the version is one that is known"),
        Ok(value) => {
            let held = strings(&value);
            // Compressed strings stand for 88 times their length at most, an element for a score.
            let bytes: usize = held.iter().map(Vec::len).sum();
            assert!(bytes <= 100 * sealed.len(), "{bytes} from {}", sealed.len());
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
