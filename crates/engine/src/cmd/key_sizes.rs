//! How many keys of each type are how long, as INFO keysizes shows it. Nothing is kept while keys change: they are counted
//! when somebody asks, stripe by stripe, so that others go on in between.

use std::collections::BTreeMap;

use crate::keyspace::{EntryRef, element_count};
use crate::value::ValueType;
use crate::worker::Worker;

/// The types that are counted, in the order in which they are shown, and what is said of them.
const TYPES: [(ValueType, &str); 5] = [
    (ValueType::String, "distrib_strings_sizes"),
    (ValueType::List, "distrib_lists_items"),
    (ValueType::Set, "distrib_sets_items"),
    (ValueType::SortedSet, "distrib_zsets_items"),
    (ValueType::Hash, "distrib_hashes_items"),
];

/// Keys by length: those of length 0, of 1, of 2 to 3, of 4 to 7 and so on.
type Bins = [u64; 1 + usize::BITS as usize];

fn bin_of(length: usize) -> usize {
    length.checked_ilog2().map_or(0, |power| power as usize + 1)
}

/// The least length of a bin, as `512` or `1K`.
fn label(bin: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    let Some(power) = bin.checked_sub(1) else {
        return "0".to_owned();
    };
    format!("{}{}", 1_u64 << (power % 10), UNITS[power / 10])
}

/// The length of a value, in bytes or elements, and which of the types it is of.
fn length(entry: EntryRef<'_>) -> Option<(usize, usize)> {
    let value_type = entry.value_type();
    let index = TYPES.iter().position(|(known, _)| *known == value_type)?;
    match entry.string() {
        Some(string) => Some((index, string.len())),
        None => Some((index, element_count(entry))),
    }
}

/// The lines of the section.
pub(super) fn key_sizes(worker: &mut Worker) -> Vec<String> {
    let mut databases: BTreeMap<usize, [Bins; TYPES.len()]> = BTreeMap::new();
    let engine = worker.engine.clone();
    let holds_all = worker.view.is_all();
    for stripe in 0..engine.keyspace.stripe_count() {
        if !holds_all && !worker.lock_stripe(stripe) {
            break;
        }
        let held = worker.view.stripe_at(stripe);
        for index in 0..engine.databases {
            let Some(database) = held.database(index) else {
                break;
            };
            if database.len() == 0 {
                continue;
            }
            let types = databases
                .entry(index)
                .or_insert([[0; size_of::<Bins>() / 8]; TYPES.len()]);
            for (value_type, length) in database.iter().filter_map(length) {
                types[value_type][bin_of(length)] += 1;
            }
        }
        if !holds_all {
            worker.view.unlock();
        }
    }
    let mut lines = Vec::new();
    for (database, types) in &databases {
        for ((_, name), bins) in TYPES.iter().zip(types) {
            let counts: Vec<String> = bins
                .iter()
                .enumerate()
                .filter(|(_, count)| **count > 0)
                .map(|(bin, count)| format!("{}={count}", label(bin)))
                .collect();
            if !counts.is_empty() {
                lines.push(format!("db{database}_{name}:{}", counts.join(",")));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{bin_of, label};

    #[test]
    fn a_bin_is_called_after_its_least_length() {
        for (length, text) in [
            (0, "0"),
            (1, "1"),
            (2, "2"),
            (3, "2"),
            (4, "4"),
            (1023, "512"),
            (1024, "1K"),
            (70_000, "64K"),
            (1 << 20, "1M"),
            (usize::MAX, "8E"),
        ] {
            assert_eq!(label(bin_of(length)), text);
        }
    }
}
