//! A data set out of commands: an engine without a server loads the log, from files that it cannot change.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use indicatif::ProgressBar;
use oxidis_embedded::SystemClock;
use oxidis_engine::append_log::{AppendFiles, BaseForm, LogSource, Sync};
use oxidis_engine::config::{Config, LogLevel};
use oxidis_engine::snapshot::SnapshotFile;
use oxidis_engine::{Engine, EngineOptions, Host, Worker};
use oxidis_persist::Rdb;

/// As many databases as there may be: nobody knows how many the server had.
const DATABASES: &str = "1024";

/// An engine with what these files hold, in their order.
///
/// # Errors
/// Why they cannot be loaded.
pub(super) fn replay(files: Vec<PathBuf>, bar: &ProgressBar) -> Result<Worker, String> {
    // Nothing here depends on chance, and nobody can ask for anything.
    let seed = 0;
    let config = Arc::new(Config::new(seed));
    for (name, value) in [
        ("appendonly", "yes"),
        ("aof-load-truncated", "no"),
        ("databases", DATABASES),
        ("save", ""),
    ] {
        config
            .set_default(name, value.as_bytes())
            .map_err(|error| error.to_string())?;
    }
    let host = Reader {
        files,
        bar: bar.clone(),
    };
    let engine = Engine::new(EngineOptions {
        interpreter: Some(Arc::new(oxidis_script::Lua::new(config.clone(), seed))),
        config,
        clock: Arc::new(SystemClock),
        host: Arc::new(host),
        snapshot_codec: Some(Arc::new(Rdb)),
        seed,
        workers: 1,
    });
    let mut worker = Worker::new(&engine);
    worker.load_at_start()?;
    Ok(worker)
}

/// A process that reads files.
struct Reader {
    files: Vec<PathBuf>,
    bar: ProgressBar,
}

impl Host for Reader {
    fn log(&self, level: LogLevel, message: &str) {
        if level == LogLevel::Warning {
            self.bar.suspend(|| eprintln!("{message}"));
        }
    }

    fn keeps_files(&self) -> bool {
        true
    }

    fn open_append_files(&self, _: &Config) -> Result<Box<dyn AppendFiles>, String> {
        Ok(Box::new(Files {
            paths: self.files.clone(),
            bar: self.bar.clone(),
        }))
    }
}

/// Files that are read and not written.
struct Files {
    paths: Vec<PathBuf>,
    bar: ProgressBar,
}

fn unchanged() -> String {
    "the files are only read".to_owned()
}

impl AppendFiles for Files {
    fn sources(&mut self) -> Result<Vec<LogSource>, String> {
        let source = |path: &PathBuf| {
            let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (len, file) = opened.map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(LogSource {
                name: path.display().to_string(),
                bytes: Box::new(self.bar.wrap_read(file)),
                len,
            })
        };
        self.paths.iter().map(source).collect()
    }

    fn cut_last(&mut self, _: u64) -> Result<(), String> {
        Err(unchanged())
    }

    /// The engine opens them to go on; nothing comes.
    fn open(&mut self) -> Result<u64, String> {
        Ok(0)
    }

    fn append(&mut self, _: &[u8]) -> Result<(), String> {
        Err(unchanged())
    }

    fn sync(&mut self) -> Result<(), String> {
        Err(unchanged())
    }

    fn syncer(&mut self) -> Result<Sync, String> {
        Err(unchanged())
    }

    fn note_failed_sync(&mut self) {}

    fn rotate(&mut self, _: bool, _: BaseForm) -> Result<Box<dyn SnapshotFile>, String> {
        Err(unchanged())
    }
}
