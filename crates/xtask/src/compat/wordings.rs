//! `compat/wordings.toml`: where Redis since 7.2 answers other words or numbers than 7.0.15, whose suite
//! is run. A row puts what newer servers answer in the place of what the suite wants, in the folder that is laid
//! out for a unit, so that the test demands the newer answer: unlike a skip, it can fail.
//!
//! A row must be found in the suite exactly as often as it says. Whether newer servers indeed answer so is seen
//! by running them: `cargo xtask compat --server PATH UNIT` with a redis-server of 8.0 or later.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace;

/// The rows.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wordings {
    #[serde(default, rename = "wording")]
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    unit: String,
    /// What stands in the unit's file.
    suite: String,
    /// What is put in its place.
    newer: String,
    /// How often it stands there.
    #[serde(default = "once")]
    times: usize,
    reason: String,
}

fn once() -> usize {
    1
}

impl Wordings {
    /// Reads the rows.
    ///
    /// # Errors
    /// When one is malformed, has no reason or changes nothing.
    pub fn load() -> Result<Self> {
        let path = workspace::root().join("compat/wordings.toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let wordings: Self = toml::from_str(text)?;
        for row in &wordings.rows {
            if row.reason.trim().is_empty() || row.suite == row.newer || row.suite.is_empty() {
                bail!(
                    "{}: {:?} has no reason, or changes nothing",
                    row.unit,
                    row.suite
                );
            }
        }
        Ok(wordings)
    }

    /// Whether the suite has everything that the rows change, whichever units are run.
    ///
    /// # Errors
    /// When it has not, or not as often as a row says.
    pub fn check(&self, suite: &Path) -> Result<()> {
        let mut units: Vec<&str> = self.rows.iter().map(|row| row.unit.as_str()).collect();
        units.sort_unstable();
        units.dedup();
        units.iter().try_for_each(|unit| {
            let text =
                fs::read_to_string(file_of(suite, unit)).with_context(|| (*unit).to_owned())?;
            self.change(unit, text).map(drop)
        })
    }

    /// Changes the file of a unit in a folder that is laid out.
    ///
    /// # Errors
    /// As [`Wordings::check`].
    pub fn apply(&self, folder: &Path, unit: &str) -> Result<()> {
        let file = file_of(folder, unit);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(fs::write(&file, self.change(unit, text)?)?)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn change(&self, unit: &str, mut text: String) -> Result<String> {
        for row in self.rows.iter().filter(|row| row.unit == unit) {
            let found = text.matches(&row.suite).count();
            if found != row.times {
                bail!(
                    "{unit} has {:?} {found} times, and compat/wordings.toml says {}",
                    row.suite,
                    row.times
                );
            }
            text = text.replace(&row.suite, &row.newer);
        }
        Ok(text)
    }
}

fn file_of(folder: &Path, unit: &str) -> PathBuf {
    folder.join("tests").join(format!("{unit}.tcl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(suite: &str, newer: &str, times: usize) -> String {
        format!(
            "[[wording]]\nunit = \"unit/x\"\nsuite = \"{suite}\"\nnewer = \"{newer}\"\ntimes = {times}\nreason = \"r\"\n"
        )
    }

    #[test]
    fn rows_change_their_unit_only() {
        let wordings = Wordings::parse(&row("old", "new", 2)).unwrap();
        let change = |unit: &str| wordings.change(unit, "old, old".to_owned()).unwrap();
        assert_eq!(change("unit/x"), "new, new");
        assert_eq!(change("unit/y"), "old, old");
    }

    #[test]
    fn what_is_not_found_as_often_as_said_is_an_error() {
        for (text, times) in [("none", 1), ("old", 2), ("old, old", 1)] {
            let wordings = Wordings::parse(&row("old", "new", times)).unwrap();
            assert!(
                wordings.change("unit/x", text.to_owned()).is_err(),
                "{text}"
            );
        }
        assert!(Wordings::parse(&row("same", "same", 1)).is_err());
    }
}
