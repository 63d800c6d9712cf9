//! `compat/skips.toml`: the tests of the suite that Oxidis does not pass, each with its reason. The
//! list may only shrink: a listed test that passes is an error, as is one that does not exist.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::workspace;

/// The listed tests.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skips {
    #[serde(default, rename = "skip")]
    rows: Vec<Row>,
}

/// One listed test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    unit: String,
    test: String,
    reason: String,
    #[serde(default)]
    needs: Option<Need>,
}

/// What a test needs that Oxidis does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Replicas: REPLICAOF.
    Replication,
    /// The process that Redis forks to save.
    Fork,
}

impl Skips {
    /// Reads the list.
    ///
    /// # Errors
    /// When a row is malformed, has no reason, or stands there twice.
    pub fn load() -> Result<Self> {
        let path = workspace::root().join("compat/skips.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let skips: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        let mut seen = BTreeSet::new();
        for row in &skips.rows {
            if row.reason.trim().is_empty() {
                bail!(
                    "{}: {}: {:?} has no reason",
                    path.display(),
                    row.unit,
                    row.test
                );
            }
            if !seen.insert((&row.unit, &row.test)) {
                bail!(
                    "{}: {}: {:?} is listed twice",
                    path.display(),
                    row.unit,
                    row.test
                );
            }
        }
        Ok(skips)
    }

    /// The tests of a unit that are listed.
    pub fn of_unit<'a>(&'a self, unit: &'a str) -> impl Iterator<Item = &'a str> {
        self.rows
            .iter()
            .filter(move |row| row.unit == unit)
            .map(|row| row.test.as_str())
    }

    /// How many of the listed tests of a unit need this.
    pub fn needing(&self, unit: &str, need: Need) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| row.unit == unit && row.needs == Some(need))
            .count()
    }
}

/// A row as it would stand in the file.
pub fn as_toml(unit: &str, test: &str) -> String {
    format!("[[skip]]\nunit = {unit:?}\ntest = {test:?}\nreason = \"\"\n")
}
