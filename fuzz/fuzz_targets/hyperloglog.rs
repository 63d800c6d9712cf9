//! Strings that say that they are HyperLogLogs: whatever stands in them, there is an answer or an error, in memory that
//! their length justifies.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::value::hyperloglog::{self, MergedRegisters};
use oxidis_fuzz::data_sets::{Measuring, within};

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

/// What any of them may take beside itself: 16384 registers of a byte each, and a dense string of 12 KiB while the sparse
/// one is still there.
const BASE_BYTES: usize = 32 << 10;

/// A sparse string whose vector grows is there twice, the second time with room for as much again.
const BYTES_PER_BYTE: usize = 3;

fuzz_target!(|data: &[u8]| {
    let mut string = hyperloglog::empty()[..16].to_vec();
    string.extend_from_slice(data);
    let most = BASE_BYTES + BYTES_PER_BYTE * string.len();
    let Ok(count) = within(most, || hyperloglog::count(&string)) else {
        let mut dense = string.clone();
        assert!(within(most, || hyperloglog::make_dense(&mut dense)).is_err());
        let _ = within(most, || hyperloglog::add(&mut string, data, 3000));
        return;
    };
    let mut dense = string.clone();
    within(most, || hyperloglog::make_dense(&mut dense)).expect("it can be counted");
    assert_eq!(hyperloglog::count(&dense), Ok(count));
    let merged = within(most, || {
        let mut merged = MergedRegisters::new();
        merged.merge(&string).map(|()| merged)
    });
    let merged = merged.expect("it can be counted");
    assert_eq!(merged.count(), count);
    let has_changed = within(most, || hyperloglog::add(&mut string, data, 3000));
    let has_changed = has_changed.expect("it can be counted");
    assert_eq!(hyperloglog::add(&mut dense, data, 3000), Ok(has_changed));
    assert_eq!(hyperloglog::count(&string), hyperloglog::count(&dense));
});
