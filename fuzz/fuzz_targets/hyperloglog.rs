//! Strings that say that they are HyperLogLogs: whatever stands in them, there is an answer or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::value::hyperloglog::{self, MergedRegisters};

fuzz_target!(|data: &[u8]| {
    let mut string = hyperloglog::empty()[..16].to_vec();
    string.extend_from_slice(data);
    let Ok(count) = hyperloglog::count(&string) else {
        assert!(hyperloglog::make_dense(&mut string.clone()).is_err());
        let _ = hyperloglog::add(&mut string, data, 3000);
        return;
    };
    let mut dense = string.clone();
    hyperloglog::make_dense(&mut dense).expect("it can be counted");
    assert_eq!(hyperloglog::count(&dense), Ok(count));
    let mut merged = MergedRegisters::new();
    merged.merge(&string).expect("it can be counted");
    assert_eq!(merged.count(), count);
    let has_changed = hyperloglog::add(&mut string, data, 3000).expect("it can be counted");
    assert_eq!(hyperloglog::add(&mut dense, data, 3000), Ok(has_changed));
    assert_eq!(hyperloglog::count(&string), hyperloglog::count(&dense));
});
