//! JSON files as a server loads them at its start: any bytes are an error or a data set, in memory that they justify;
//! and a data set must be the same after it went through JSON and RDB.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use oxidis_fuzz::data_sets::{Measuring, check_data_set};
use oxidis_persist::{Json, Rdb};

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

fuzz_target!(|bytes: &[u8]| {
    check_data_set(Arc::new(Json), bytes, &[Arc::new(Json), Arc::new(Rdb)]);
});
