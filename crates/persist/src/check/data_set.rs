//! Data sets: every value is decoded, as a server would at its start, and thrown away.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::sync::Mutex;

use oxidis_engine::snapshot::{LoadOptions, Loaded, LoadedEntry, SnapshotFormat};
use oxidis_engine::value::EncodingLimits;

/// What is in a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataSetReport {
    /// Facts about the server that wrote it.
    pub facts: Vec<(String, String)>,
    /// How many keys each database has.
    pub keys: BTreeMap<usize, u64>,
    /// How many of them expire.
    pub volatile: u64,
    /// Keys without elements, which are not loaded.
    pub empty: u64,
    /// Libraries of functions.
    pub functions: u64,
    /// Where the data set ends, in bytes, as far as it was read.
    pub len: u64,
    /// What is wrong, in the words of the format, which say where.
    pub fault: Option<String>,
    /// The key that was read last.
    pub last_key: Option<Vec<u8>>,
}

impl DataSetReport {
    /// How many keys there are.
    pub fn key_count(&self) -> u64 {
        self.keys.values().sum()
    }
}

/// What was read, and what is needed to see keys that come twice.
struct Progress {
    report: DataSetReport,
    /// Two hashes of each key, as keys themselves may be too many to hold. That two keys have the same is
    /// less likely than that the memory errs.
    seen: HashSet<(u64, u64)>,
    states: (RandomState, RandomState),
}

impl Progress {
    fn add(&mut self, entry: LoadedEntry<'_>) -> Result<(), String> {
        let it = (entry.database, &entry.key);
        let hashes = (self.states.0.hash_one(it), self.states.1.hash_one(it));
        if !self.seen.insert(hashes) {
            let key = entry.key.escape_ascii();
            return Err(format!(
                "duplicated key '{key}' in database {}",
                entry.database
            ));
        }
        *self.report.keys.entry(entry.database).or_default() += 1;
        self.report.volatile += u64::from(entry.expire_ms.is_some());
        self.report.last_key = Some(entry.key.into_owned());
        Ok(())
    }
}

/// Reads a data set; `progress` is told how far it is now and then.
pub fn check_data_set(
    format: &dyn SnapshotFormat,
    source: &mut dyn Read,
    progress: &(dyn Fn(u64) + Sync),
) -> DataSetReport {
    let limits = EncodingLimits::default();
    let options = LoadOptions {
        limits: &limits,
        verifies_checksum: true,
        // Keys are given in their order, so that the last one says where one is.
        threads: 1,
    };
    let read = Mutex::new(Progress {
        report: DataSetReport::default(),
        seen: HashSet::new(),
        states: Default::default(),
    });
    let outcome = format.load(source, &options, &|loaded| {
        let mut read = read.lock().map_err(|error| error.to_string())?;
        match loaded {
            Loaded::Entry(entry) => return read.add(entry),
            Loaded::EmptyKey { .. } => read.report.empty += 1,
            Loaded::Fact { name, value } => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                read.report.facts.push((text(name), text(value)));
            }
            Loaded::Function { .. } => read.report.functions += 1,
            Loaded::Progress { bytes } => {
                read.report.len = bytes;
                progress(bytes);
            }
            Loaded::Sizes { .. } | Loaded::ModuleData { .. } => {}
        }
        Ok(())
    });
    // Whoever panicked with the lock would have ended this, too.
    let mut report = read.into_inner().map_or_else(
        |error| error.into_inner().report,
        |progress| progress.report,
    );
    report.fault = outcome.err().map(|error| error.to_string());
    report
}
