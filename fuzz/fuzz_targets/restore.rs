//! What RESTORE is given: any bytes under a checksum that fits them must be an error or a value that is
//! no bigger than they justify, and a value must come back from what DUMP makes of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::snapshot::{RestoreError, SaveOptions, SnapshotCodec};
use oxidis_engine::value::{EncodingLimits, Value, ValueRef};
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
    };
    strings.sort_unstable();
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
                let again = Rdb.restore(&dumped, true, &limits).expect("our own payload");
                assert_eq!(strings(&again), held);
            }
        }
    }
});
