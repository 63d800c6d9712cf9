//! JSON as the engine asks for it.

use std::io::Read;

use oxidis_engine::snapshot::{
    LoadOptions, SaveOptions, SnapshotEncoder, SnapshotEntry, SnapshotError, SnapshotFormat,
    TakeLoaded,
};

use super::{read, write};

/// The format of data sets as JSON.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl SnapshotEncoder for Json {
    fn begin(&self, facts: &[(&str, String)], out: &mut Vec<u8>) {
        write::begin(facts, out);
    }

    /// Each key has its database with it.
    fn select(&self, _: usize, _: Option<(u64, u64)>, _: &mut Vec<u8>) {}

    fn function(&self, code: &[u8], _: SaveOptions, out: &mut Vec<u8>) {
        write::function(code, out);
    }

    fn entry(&self, entry: &SnapshotEntry<'_>, _: SaveOptions, out: &mut Vec<u8>) {
        write::entry(entry, out);
    }

    fn end(&self, _: Option<u64>, out: &mut Vec<u8>) {
        write::end(out);
    }

    /// People are to change such files, so there is none.
    fn checksum(&self, _: u64, _: &[u8]) -> u64 {
        0
    }
}

impl SnapshotFormat for Json {
    fn load(
        &self,
        source: &mut dyn Read,
        options: &LoadOptions<'_>,
        take: &TakeLoaded<'_>,
    ) -> Result<(), SnapshotError> {
        read::load(source, options, take, read::BATCH_LEN)
            .map_err(|error| SnapshotError::new(format!("not the JSON of a data set: {error}")))
    }
}
