//! Engines that load what the fuzzer gives them as their file or log, and how much memory that takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oxidis_engine::append_log::{AppendFiles, BaseForm, LogSource, Sync};
use oxidis_engine::command::Args;
use oxidis_engine::config::Config;
use oxidis_engine::snapshot::{SnapshotEncoder, SnapshotFile, SnapshotFormat, SnapshotSource};
use oxidis_engine::{Clock, Engine, EngineOptions, Host, Session, Worker};
use oxidis_persist::Rdb;

/// What is loaded.
#[derive(Clone)]
pub enum Files {
    /// A data set in a format.
    DataSet(Arc<dyn SnapshotFormat>, Vec<u8>),
    /// Files of a log.
    Log(Vec<Vec<u8>>),
}

/// An engine that has loaded files.
pub struct Loaded {
    worker: Worker,
    session: Session,
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now_us(&self) -> i64 {
        1_700_000_000_000_000
    }
}

struct Reader(Files);

impl Host for Reader {
    fn keeps_files(&self) -> bool {
        true
    }

    fn snapshot_format(&self, _: &Config) -> Option<Arc<dyn SnapshotFormat>> {
        match &self.0 {
            Files::DataSet(format, _) => Some(format.clone()),
            Files::Log(_) => None,
        }
    }

    fn open_snapshot_file(&self, _: &Config) -> Result<Option<SnapshotSource>, String> {
        let Files::DataSet(_, bytes) = &self.0 else {
            return Ok(None);
        };
        let len = bytes.len() as u64;
        let bytes = Box::new(std::io::Cursor::new(bytes.clone()));
        Ok(Some(SnapshotSource { bytes, len }))
    }

    fn open_append_files(&self, _: &Config) -> Result<Box<dyn AppendFiles>, String> {
        match &self.0 {
            Files::Log(files) => Ok(Box::new(Log(files.clone()))),
            Files::DataSet(..) => Err("there is no log".to_owned()),
        }
    }
}

/// A log that takes what is appended and forgets it.
struct Log(Vec<Vec<u8>>);

impl AppendFiles for Log {
    fn sources(&mut self) -> Result<Vec<LogSource>, String> {
        let source = |bytes: &Vec<u8>| LogSource {
            name: "log".to_owned(),
            len: bytes.len() as u64,
            bytes: Box::new(std::io::Cursor::new(bytes.clone())),
        };
        Ok(self.0.iter().map(source).collect())
    }

    fn cut_last(&mut self, len: u64) -> Result<(), String> {
        let last = self.0.last_mut().expect("there is a file");
        assert!(len <= last.len() as u64, "cutting makes nothing longer");
        last.truncate(len as usize);
        Ok(())
    }

    fn open(&mut self) -> Result<u64, String> {
        Ok(0)
    }

    fn append(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn syncer(&mut self) -> Result<Sync, String> {
        Ok(Box::new(|| Ok(())))
    }

    fn note_failed_sync(&mut self) {}

    fn rotate(&mut self, _: bool, _: BaseForm) -> Result<Box<dyn SnapshotFile>, String> {
        Err("nothing is written here".to_owned())
    }
}

/// A file in memory.
struct Memory(Vec<u8>);

impl SnapshotFile for Memory {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), String> {
        Ok(())
    }
}

/// Loads files as a server does at its start. Of logs only whole ones are taken.
///
/// # Errors
/// What the server would say.
pub fn load(files: Files) -> Result<Loaded, String> {
    let config = Config::new(1);
    let is_log = matches!(files, Files::Log(_));
    for (name, value) in [
        ("appendonly", if is_log { "yes" } else { "no" }),
        ("aof-load-truncated", "no"),
        ("enable-debug-command", "no"),
        ("save", ""),
        // No sum stands in the way of what is to be found.
        ("rdbchecksum", "no"),
        // SETRANGE and SETBIT make strings of any length.
        ("proto-max-bulk-len", "1mb"),
    ] {
        config
            .set_default(name, value.as_bytes())
            .expect("it is a value of the directive");
    }
    let engine = Engine::new(EngineOptions {
        config: Arc::new(config),
        clock: Arc::new(StoppedClock),
        host: Arc::new(Reader(files)),
        snapshot_codec: Some(Arc::new(Rdb)),
        interpreter: None,
        seed: 1,
        workers: 1,
    });
    let mut worker = Worker::new(&engine);
    worker.load_at_start()?;
    let session = Session::new(&engine, String::new(), String::new());
    Ok(Loaded { worker, session })
}

impl Loaded {
    /// Executes a command; what it answers.
    pub fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut reply = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(words), &mut reply);
        reply
    }

    /// What all data add up to.
    pub fn digest(&mut self) -> Vec<u8> {
        self.run(&[b"DEBUG", b"DIGEST"])
    }

    /// The data set as a file.
    pub fn write(&mut self, encoder: &dyn SnapshotEncoder) -> Vec<u8> {
        let mut file = Memory(Vec::new());
        let written = self.worker.write_data_set(encoder, &mut file);
        written.expect("memory takes everything");
        file.0
    }
}

/// Loads a data set that may be anything in memory that its length justifies, and if it is one, takes it through the
/// formats: it must be the same behind each.
pub fn check_data_set(
    format: Arc<dyn SnapshotFormat>,
    bytes: &[u8],
    others: &[Arc<dyn SnapshotFormat>],
) {
    // A compressed string stands for 88 times its length at most; a member of two bytes is a key of some hundred.
    let most = LOADING_BYTES + 400 * bytes.len();
    let files = Files::DataSet(format, bytes.to_vec());
    let Ok(mut loaded) = within(most, || load(files)) else {
        return;
    };
    let digest = loaded.digest();
    for other in others {
        let written = loaded.write(&**other);
        let mut again = load(Files::DataSet(other.clone(), written)).expect("our own file");
        assert_eq!(again.digest(), digest);
    }
}

/// What an engine takes by itself, with what it reads at once, in bytes.
pub const LOADING_BYTES: usize = 24 << 20;

/// An allocator that knows the most that was in use at once, and the most that was asked for.
pub struct Measuring;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; only sizes are noted.
unsafe impl GlobalAlloc for Measuring {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps what `dealloc` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Does something; and the most bytes that were in use at once meanwhile beyond those before.
pub fn measured<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    let taken = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    (result, taken)
}

/// Does something; fails if that takes more memory at once than `bytes`.
pub fn within<R>(bytes: usize, work: impl FnOnce() -> R) -> R {
    let (result, taken) = measured(work);
    assert!(
        taken <= bytes,
        "{taken} bytes were in use, {bytes} are justified"
    );
    result
}

/// Does something; fails if it asks for more memory than `bytes` in one piece.
pub fn in_pieces_within<R>(bytes: usize, work: impl FnOnce() -> R) -> R {
    LARGEST.store(0, Ordering::Relaxed);
    let result = work();
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(
        largest <= bytes,
        "{largest} bytes were asked for at once, {bytes} are justified"
    );
    result
}
