//! RDB as the engine asks for it.

use std::io::Read;

use oxidis_engine::snapshot::{
    LoadOptions, RestoreError, SaveOptions, SnapshotCodec, SnapshotEncoder, SnapshotEntry,
    SnapshotError, SnapshotFormat, TakeLoaded,
};
use oxidis_engine::value::{EncodingLimits, Value, ValueRef};

use super::{RdbError, checksum, load, payload, save};

/// The codec of RDB data sets and DUMP payloads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rdb;

impl SnapshotEncoder for Rdb {
    fn begin(&self, facts: &[(&str, String)], out: &mut Vec<u8>) {
        save::begin(facts, out);
    }

    fn select(&self, database: usize, sizes: Option<(u64, u64)>, out: &mut Vec<u8>) {
        save::select(database, sizes, out);
    }

    fn function(&self, code: &[u8], options: SaveOptions, out: &mut Vec<u8>) {
        save::function(code, options, out);
    }

    fn entry(&self, entry: &SnapshotEntry<'_>, options: SaveOptions, out: &mut Vec<u8>) {
        save::entry(entry, options, out);
    }

    fn end(&self, checksum_before: Option<u64>, out: &mut Vec<u8>) {
        save::end(checksum_before, out);
    }

    fn checksum(&self, before: u64, bytes: &[u8]) -> u64 {
        checksum::extend(before, bytes)
    }
}

impl SnapshotFormat for Rdb {
    fn load(
        &self,
        source: &mut dyn Read,
        options: &LoadOptions<'_>,
        take: &TakeLoaded<'_>,
    ) -> Result<(), SnapshotError> {
        load::load(source, options, take).map_err(|error| SnapshotError::new(error.to_string()))
    }
}

impl SnapshotCodec for Rdb {
    fn dump(&self, value: ValueRef<'_>, options: SaveOptions) -> Vec<u8> {
        payload::dump(value, options.compresses)
    }

    fn restore(
        &self,
        payload: &[u8],
        verifies_checksum: bool,
        limits: &EncodingLimits,
    ) -> Result<Value, RestoreError> {
        payload::restore(payload, verifies_checksum, limits).map_err(|error| match error {
            RdbError::Footer => RestoreError::Footer,
            error => RestoreError::Data(SnapshotError::new(error.to_string())),
        })
    }

    fn dump_functions(&self, codes: &[Vec<u8>], options: SaveOptions) -> Vec<u8> {
        payload::dump_functions(codes, options)
    }

    fn restore_functions(
        &self,
        payload: &[u8],
        verifies_checksum: bool,
    ) -> Vec<Result<Vec<u8>, RestoreError>> {
        payload::restore_functions(payload, verifies_checksum)
    }
}
