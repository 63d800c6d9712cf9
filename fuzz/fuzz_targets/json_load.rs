//! JSON files as a server loads them at its start: any bytes are an error or a data set, in memory that they justify;
//! and a data set must be the same after it went through JSON and RDB.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use oxidis_fuzz::data_sets::{Files, Measuring, load, within};
use oxidis_persist::{Json, Rdb};

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

/// An engine by itself, and what is read at once.
const BASE_BYTES: usize = 24 << 20;

fuzz_target!(|bytes: &[u8]| {
    // A member of two bytes is a key of some hundred.
    let most = BASE_BYTES + 400 * bytes.len();
    let files = Files::DataSet(Arc::new(Json), bytes.to_vec());
    let Ok(mut loaded) = within(most, || load(files)) else {
        return;
    };
    let digest = loaded.digest();
    let json = loaded.write(&Json);
    let rdb = loaded.write(&Rdb);
    for files in [
        Files::DataSet(Arc::new(Json), json),
        Files::DataSet(Arc::new(Rdb), rdb),
    ] {
        let mut again = load(files).expect("our own file");
        assert_eq!(again.digest(), digest);
    }
});
