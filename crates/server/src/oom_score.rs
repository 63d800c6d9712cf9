//! How readily the kernel ends this process when memory runs out: `oom-score-adj` and its values, by which
//! Linux's `/proc/self/oom_score_adj` is written. What was there before is put back when the server is told
//! to leave it alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oxidis_engine::config::{Config, OomScoreAdjust};
use parking_lot::Mutex;

/// Where Linux keeps the score; from proc(5).
const FILE: &str = "/proc/self/oom_score_adj";

/// The scores that Linux knows; from proc(5).
const SCORES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// The score of this process, and what it was before the server changed it.
pub(crate) struct OomScore {
    file: PathBuf,
    /// The score that was found, while another one is set.
    found: Mutex<Option<i32>>,
}

impl Default for OomScore {
    fn default() -> Self {
        Self::at(Path::new(FILE))
    }
}

impl OomScore {
    fn at(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            found: Mutex::new(None),
        }
    }

    /// Sets the score that the configuration wants, or puts back what was there.
    ///
    /// # Errors
    /// When the kernel does not let it be read or written.
    pub(crate) fn follow(&self, config: &Config) -> io::Result<()> {
        let values = config.oom_score_adj_values();
        self.set(config.oom_score_adj(), values[0])
    }

    fn set(&self, mode: OomScoreAdjust, value: i32) -> io::Result<()> {
        let mut found = self.found.lock();
        let score = match (mode, *found) {
            (OomScoreAdjust::No, None) => return Ok(()),
            (OomScoreAdjust::No, Some(before)) => before,
            (_, Some(before)) => wanted(mode, value, before),
            (_, None) => wanted(mode, value, *found.insert(self.read()?)),
        };
        if mode == OomScoreAdjust::No {
            *found = None;
        }
        fs::write(&self.file, format!("{score}\n"))
    }

    fn read(&self) -> io::Result<i32> {
        let text = fs::read_to_string(&self.file)?;
        let score = text.trim().parse();
        score.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no score"))
    }
}

fn wanted(mode: OomScoreAdjust, value: i32, before: i32) -> i32 {
    let score = match mode {
        OomScoreAdjust::Relative => before + value,
        OomScoreAdjust::Absolute | OomScoreAdjust::No => value,
    };
    score.clamp(*SCORES.start(), *SCORES.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_follows_the_mode_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("score");
        fs::write(&file, "22\n").unwrap();
        let score = OomScore::at(&file);
        let shown = || fs::read_to_string(&file).unwrap().trim().to_owned();
        score.set(OomScoreAdjust::No, 9).unwrap();
        assert_eq!(shown(), "22");
        score.set(OomScoreAdjust::Relative, 9).unwrap();
        assert_eq!(shown(), "31");
        score.set(OomScoreAdjust::Relative, 2000).unwrap();
        assert_eq!(shown(), "1000");
        score.set(OomScoreAdjust::Absolute, -2000).unwrap();
        assert_eq!(shown(), "-1000");
        score.set(OomScoreAdjust::No, 9).unwrap();
        assert_eq!(shown(), "22");
        fs::remove_file(&file).unwrap();
        assert!(score.set(OomScoreAdjust::Absolute, 1).is_err());
    }
}
