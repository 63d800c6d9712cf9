//! `compat/expected.json`: the tests that redis-server passes, unit by unit, as
//! `cargo xtask compat --record-expected` found them. It is kept in git so that a run needs to
//! ask only the server under test; of a unit that is not recorded, redis-server is asked on the spot.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::source;
use crate::workspace;

/// The recorded tests.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The version of redis-server, and of its suite.
    version: String,
    /// The names of the tests that it passes, sorted.
    units: BTreeMap<String, Vec<String>>,
}

impl Expected {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is malformed, or recorded from another version than the suite's.
    pub fn load() -> Result<Self> {
        let path = path();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let expected: Self =
            serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        if expected.version != source::VERSION {
            bail!(
                "{} is of version {}, the suite of {}",
                path.display(),
                expected.version,
                source::VERSION
            );
        }
        Ok(expected)
    }

    /// What is recorded of a unit.
    pub fn of_unit(&self, unit: &str) -> Option<&[String]> {
        self.units.get(unit).map(Vec::as_slice)
    }

    /// Puts other tests in the place of a unit's, and answers those that are new and those that are
    /// gone.
    pub fn replace(&mut self, unit: &str, tests: Vec<String>) -> (Vec<String>, Vec<String>) {
        let before = self.units.insert(unit.to_owned(), tests.clone());
        let before = before.unwrap_or_default();
        let missing_in = |these: &[String], those: &[String]| {
            let missing = those.iter().filter(|test| !these.contains(test));
            missing.cloned().collect::<Vec<_>>()
        };
        (missing_in(&before, &tests), missing_in(&tests, &before))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn save(&self) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path(), text).with_context(|| path().display().to_string())
    }
}

fn path() -> PathBuf {
    workspace::root().join("compat/expected.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_tells_what_changed() {
        let mut expected = Expected {
            version: source::VERSION.to_owned(),
            units: BTreeMap::new(),
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let first = expected.replace("unit/x", names(&["a", "b"]));
        assert_eq!(first, (names(&["a", "b"]), names(&[])));
        let second = expected.replace("unit/x", names(&["b", "c"]));
        assert_eq!(second, (names(&["c"]), names(&["a"])));
        assert_eq!(expected.of_unit("unit/x"), Some(&names(&["b", "c"])[..]));
        assert_eq!(expected.of_unit("unit/y"), None);
    }
}
