//! From one format to another.
//!
//! A data set goes from its decoder straight into the encoder, key by key, so that it need not fit into memory; keys whose time
//! is over are kept as they are. Commands must be executed to know what they amount to: an engine does that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use oxidis_engine::snapshot::{
    LoadOptions, Loaded, LoadedEntry, SaveOptions, SnapshotEncoder, SnapshotEntry, SnapshotFile,
    SnapshotFormat,
};
use oxidis_engine::value::EncodingLimits;
use oxidis_engine::version::REDIS_VERSION;
use oxidis_persist::check::FileForm;
use oxidis_persist::{Json, Rdb};

use super::arguments::ConvertOptions;
use super::bar::bar;
use super::replay::replay;
use super::source::{Found, find, path_of};
use super::target::{self, Target};

/// Bytes that are appended at once, about.
const APPENDED_AT_ONCE: usize = 256 * 1024;

/// Keys after which the bar tells how many there are.
const KEYS_PER_MESSAGE: u64 = 10_000;

/// Where the data are.
enum Source {
    /// A data set, of a file or the standard input, and how long it is if that is known.
    DataSet(Box<dyn Read>, Option<u64>, FileForm),
    /// Files of commands, the first of which may begin with a data set.
    Log(Vec<PathBuf>),
}

/// Converts, and says how fast.
///
/// # Errors
/// Why it cannot be; the target is as it was then.
pub fn convert(options: &ConvertOptions) -> Result<(), String> {
    let began = Instant::now();
    let source = open(&options.source)?;
    let target = target::open(options)?;
    let keys = match source {
        Source::DataSet(bytes, len, form) => stream(bytes, len, form, target, options)?,
        Source::Log(files) => execute(files, target, options)?,
    };
    if !options.is_quiet {
        let seconds = began.elapsed().as_secs_f64();
        let rate = keys as f64 / seconds.max(1e-9);
        eprintln!("{keys} keys in {seconds:.3} seconds, {rate:.0} keys per second");
    }
    Ok(())
}

fn open(path: &Path) -> Result<Source, String> {
    if path == Path::new("-") {
        let mut start = Vec::new();
        let mut input = io::stdin();
        input
            .by_ref()
            .take(FileForm::BYTES_NEEDED as u64)
            .read_to_end(&mut start)
            .map_err(|error| format!("standard input: {error}"))?;
        return match FileForm::of(&start) {
            form @ (FileForm::Rdb | FileForm::Json) => {
                let bytes = Box::new(io::Cursor::new(start).chain(input));
                Ok(Source::DataSet(bytes, None, form))
            }
            FileForm::Empty => Err("standard input: empty".to_owned()),
            FileForm::Manifest | FileForm::Commands => {
                Err("standard input: neither RDB nor JSON; an AOF must be named".to_owned())
            }
        };
    }
    match find(path)? {
        Found::File(path, form @ (FileForm::Rdb | FileForm::Json)) => {
            let wrong = |error: io::Error| format!("{}: {error}", path.display());
            let mut file = File::open(&path).map_err(wrong)?;
            let len = file.metadata().map_err(wrong)?.len();
            if form == FileForm::Rdb && ends_in_command(&mut file, len).map_err(wrong)? {
                return Ok(Source::Log(vec![path]));
            }
            Ok(Source::DataSet(Box::new(file), Some(len), form))
        }
        Found::File(path, FileForm::Empty) => Err(format!("{}: empty", path.display())),
        Found::File(path, _) => Ok(Source::Log(vec![path])),
        Found::Log { manifest, parts } => Ok(Source::Log(
            parts.live().map(|part| path_of(&manifest, part)).collect(),
        )),
    }
}

/// Whether an RDB file ends as commands do: versions before 7.0 wrote them behind the data. The checksum of a data set
/// that ends so by chance does no harm, as a log may have no commands.
fn ends_in_command(file: &mut File, len: u64) -> io::Result<bool> {
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(len.saturating_sub(2)))?;
    Read::by_ref(file).take(2).read_to_end(&mut end)?;
    file.rewind()?;
    Ok(end == b"\r\n")
}

/// Executes commands and writes what they amount to; answers how many keys there are.
fn execute(
    files: Vec<PathBuf>,
    mut target: Target,
    options: &ConvertOptions,
) -> Result<u64, String> {
    let len = files.iter().filter_map(|path| path.metadata().ok());
    let bar = bar(len.map(|facts| facts.len()).sum(), !options.is_quiet);
    let mut worker = replay(files, &bar)?;
    bar.set_message("writing");
    let keys = worker.write_data_set(&*target.encoder, &mut *target.file)?;
    target.file.commit()?;
    bar.finish_and_clear();
    // The process ends: what the engine has goes with it.
    std::mem::forget(worker);
    Ok(keys)
}

/// Gives a data set from decoder to encoder; answers how many keys there are.
fn stream(
    mut bytes: Box<dyn Read>,
    len: Option<u64>,
    form: FileForm,
    target: Target,
    options: &ConvertOptions,
) -> Result<u64, String> {
    let format: &dyn SnapshotFormat = match form {
        FileForm::Json => &Json,
        _ => &Rdb,
    };
    let bar = bar(len.unwrap_or(0), !options.is_quiet);
    let limits = EncodingLimits::default();
    let load_options = LoadOptions {
        limits: &limits,
        verifies_checksum: true,
        threads: 1,
    };
    let mut counted = Counted {
        bytes: &mut *bytes,
        count: 0,
    };
    let output = Mutex::new(Output::begin(target));
    format
        .load(&mut counted, &load_options, &|loaded| {
            let mut output = output.lock().map_err(|error| error.to_string())?;
            output.take(loaded)?;
            bar.set_position(output.bytes_done);
            if output.keys.is_multiple_of(KEYS_PER_MESSAGE) {
                bar.set_message(format!("{} keys", output.keys));
            }
            Ok(())
        })
        .map_err(|error| format!("{}: {error}", options.source.display()))?;
    let output = output.into_inner().map_err(|error| error.to_string())?;
    // The decoder has read ahead.
    let rest = io::copy(&mut counted, &mut io::sink()).map_err(|error| error.to_string())?;
    if counted.count > output.bytes_done || rest > 0 {
        return Err(format!(
            "{}: something follows the data set, at byte {} (an AOF must be named, and not piped)",
            options.source.display(),
            output.bytes_done
        ));
    }
    let keys = output.finish()?;
    bar.finish_and_clear();
    Ok(keys)
}

/// Counts what is read.
struct Counted<'a> {
    bytes: &'a mut dyn Read,
    count: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// What is on its way into a file.
struct Output {
    file: Box<dyn SnapshotFile>,
    encoder: Box<dyn SnapshotEncoder>,
    buffer: Vec<u8>,
    checksum: u64,
    keys: u64,
    /// The database of the key that was written last.
    selected: Option<usize>,
    bytes_done: u64,
}

impl Output {
    fn begin(target: Target) -> Self {
        let Target { file, encoder } = target;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let facts = [
            ("redis-ver", REDIS_VERSION.to_owned()),
            ("redis-bits", usize::BITS.to_string()),
            ("ctime", now.map_or(0, |now| now.as_secs()).to_string()),
        ];
        let mut buffer = Vec::new();
        encoder.begin(&facts, &mut buffer);
        Output {
            file,
            encoder,
            buffer,
            checksum: 0,
            keys: 0,
            selected: None,
            bytes_done: 0,
        }
    }

    fn take(&mut self, loaded: Loaded<'_>) -> Result<(), String> {
        match loaded {
            Loaded::Entry(entry) => self.write(&entry),
            Loaded::Function { code } => {
                let options = SaveOptions { compresses: true };
                self.encoder.function(code, options, &mut self.buffer);
            }
            Loaded::Progress { bytes } => self.bytes_done = bytes,
            Loaded::EmptyKey { database, key } => eprintln!(
                "The key '{}' in database {database} has no elements, and is left out",
                key.escape_ascii()
            ),
            Loaded::ModuleData { name } => {
                eprintln!("Data of the module '{name}' are left out");
            }
            Loaded::Sizes { .. } | Loaded::Fact { .. } => {}
        }
        match self.buffer.len() {
            0..APPENDED_AT_ONCE => Ok(()),
            _ => self.flush(),
        }
    }

    fn write(&mut self, entry: &LoadedEntry<'_>) {
        if self.selected.replace(entry.database) != Some(entry.database) {
            self.encoder.select(entry.database, None, &mut self.buffer);
        }
        let entry = SnapshotEntry {
            database: entry.database,
            key: &entry.key,
            expire_ms: entry.expire_ms,
            idle_seconds: entry.idle_seconds,
            frequency: entry.frequency,
            value: entry.value.as_ref(),
        };
        let options = SaveOptions { compresses: true };
        self.encoder.entry(&entry, options, &mut self.buffer);
        self.keys += 1;
    }

    fn flush(&mut self) -> Result<(), String> {
        self.checksum = self.encoder.checksum(self.checksum, &self.buffer);
        self.file.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<u64, String> {
        self.flush()?;
        self.encoder.end(Some(self.checksum), &mut self.buffer);
        self.file.append(&self.buffer)?;
        self.file.commit()?;
        Ok(self.keys)
    }
}
