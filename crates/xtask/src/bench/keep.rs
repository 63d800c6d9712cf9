//! Where results are kept: a pair of files under `bench/`, one to read and one with all figures.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use super::run::Arguments;
use crate::workspace;

/// Writes `bench/NAME.md` and `bench/NAME.json`; the name is `default_name` where none is given. A run that only
/// tries something out, and is given no name, is not kept.
///
/// # Errors
/// When the files cannot be written.
pub fn keep(
    arguments: &Arguments,
    default_name: &str,
    text: &str,
    data: &impl Serialize,
) -> Result<()> {
    let name = match (&arguments.name, arguments.quick) {
        (None, true) => return Ok(()),
        (name, _) => name.as_deref().unwrap_or(default_name),
    };
    let folder = workspace::root().join("bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{name}.md")), text)?;
    let data = serde_json::to_string_pretty(data)? + "\n";
    fs::write(folder.join(format!("{name}.json")), data)?;
    println!("kept as bench/{name}.md and bench/{name}.json");
    Ok(())
}

/// Today, as the names and headings of results have it.
pub fn today() -> String {
    time::OffsetDateTime::now_utc().date().to_string()
}

/// How many cores there are, 0 where that is not known.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// The one in the middle; of an even number, the upper of both in the middle.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
