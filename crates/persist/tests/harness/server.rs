//! An engine whose files are in a storage that can fail and crash, and whose background work is done a step
//! at a time, when the test says so.

use std::alloc::{Layout, alloc, dealloc};
use std::io::Read;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use oxidis_engine::append_log::AppendFiles;
use oxidis_engine::command::Args;
use oxidis_engine::config::Config;
use oxidis_engine::snapshot::{BackgroundWork, SnapshotFile, SnapshotFormat, SnapshotSource};
use oxidis_engine::{Clock, Engine, EngineOptions, Fragmentation, Garbage, Host, Session, Worker};
use oxidis_persist::aof::{AppendDirectory, AppendNames};
use oxidis_persist::storage::{ReplacingFile, Storage, open_snapshot};
use oxidis_persist::{Json, Rdb};
use oxidis_script::Lua;
use oxidis_testkit::storage::FaultyStorage;

/// When every test begins.
pub const START_MS: i64 = 1_700_000_000_000;

/// Where the data set is kept.
pub const FILE: &str = "/data/dump.rdb";

/// Milliseconds that it shows, and microseconds beside them, of which each look takes as many as the third says.
pub struct ManualClock(pub AtomicI64, AtomicI64, pub AtomicI64);

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        let look_us = self.2.load(Ordering::Relaxed);
        self.0.load(Ordering::Relaxed) * 1000 + self.1.fetch_add(look_us, Ordering::Relaxed)
    }
}

pub struct StoredHost {
    pub storage: FaultyStorage,
    pub work: Mutex<Option<BackgroundWork>>,
    /// What lies idle, as it says when it is asked for the first time; then half of that, and so on.
    pub idle_bytes: AtomicU64,
    /// Blocks that it has moved.
    pub moved_blocks: AtomicU64,
    /// Where garbage goes that another thread shall free; `None` if none does.
    pub garbage: Mutex<Option<Sender<Garbage>>>,
}

impl StoredHost {
    /// Does a step of the background save; answers whether there are more.
    pub fn step(&self) -> bool {
        let mut work = self.work.lock().unwrap();
        let goes_on = work.as_mut().is_some_and(BackgroundWork::step);
        if !goes_on {
            *work = None;
        }
        goes_on
    }

    /// Takes the file away that was saved, if one was.
    pub fn take_file(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let (mut file, _) = self.storage.read(Path::new(FILE)).ok()?;
        file.read_to_end(&mut bytes).ok()?;
        self.storage.remove(Path::new(FILE)).ok()?;
        Some(bytes)
    }
}

impl Host for StoredHost {
    fn fragmentation(&self) -> Option<Fragmentation> {
        let idle_bytes = self.idle_bytes.load(Ordering::Relaxed);
        self.idle_bytes.store(idle_bytes / 2, Ordering::Relaxed);
        Some(Fragmentation {
            allocated_bytes: 1,
            idle_bytes,
        })
    }

    /// Everything moves.
    unsafe fn copy_block(&self, block: NonNull<u8>, layout: Layout) -> Option<NonNull<u8>> {
        self.moved_blocks.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the block has a size, and its owner says that it is so long.
        unsafe {
            let copy = NonNull::new(alloc(layout))?;
            copy.copy_from_nonoverlapping(block, layout.size());
            Some(copy)
        }
    }

    unsafe fn free_copied_block(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: promised by the caller. Whoever still looks there shall see it.
        unsafe {
            block.write_bytes(0xee, layout.size());
            dealloc(block.as_ptr(), layout);
        }
    }

    fn keeps_files(&self) -> bool {
        true
    }

    fn snapshot_format(&self, config: &Config) -> Option<Arc<dyn SnapshotFormat>> {
        let is_json = config.dbfilename().ends_with(b".json");
        is_json.then(|| Arc::new(Json) as _)
    }

    fn create_snapshot_file(&self, _: &Config) -> Result<Box<dyn SnapshotFile>, String> {
        let storage = Arc::new(self.storage.clone());
        match ReplacingFile::create(storage, Path::new(FILE), true) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn open_snapshot_file(&self, _: &Config) -> Result<Option<SnapshotSource>, String> {
        open_snapshot(&self.storage, Path::new(FILE))
    }

    fn open_append_files(&self, _: &Config) -> Result<Box<dyn AppendFiles>, String> {
        let names = AppendNames {
            parent: "/data".into(),
            directory: "appendonlydir".to_owned(),
            base_name: "appendonly.aof".to_owned(),
            keeps_history: false,
        };
        let storage = Arc::new(self.storage.clone());
        Ok(Box::new(AppendDirectory::find(storage, names)?))
    }

    fn run_in_background(&self, work: BackgroundWork) -> bool {
        *self.work.lock().unwrap() = Some(work);
        true
    }

    fn reclaim(&self, garbage: Garbage) {
        match &*self.garbage.lock().unwrap() {
            Some(sender) => sender.send(garbage).expect("somebody frees it"),
            None => drop(garbage),
        }
    }
}

pub struct Server {
    pub host: Arc<StoredHost>,
    pub clock: Arc<ManualClock>,
    pub worker: Worker,
    session: Session,
}

impl Server {
    pub fn new(directives: &[(&str, &str)], now_ms: i64) -> Self {
        Self::with_storage(directives, now_ms, FaultyStorage::new())
    }

    pub fn with_storage(directives: &[(&str, &str)], now_ms: i64, storage: FaultyStorage) -> Self {
        let config = Arc::new(Config::new(11));
        config.allow_defragmentation();
        let own = [
            ("enable-debug-command", "yes"),
            ("save", ""),
            ("databases", "4"),
        ];
        for (name, value) in own.iter().chain(directives) {
            config
                .set_default(name, value.as_bytes())
                .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
        }
        let clock = Arc::new(ManualClock(
            AtomicI64::new(now_ms),
            AtomicI64::new(0),
            AtomicI64::new(0),
        ));
        let host = Arc::new(StoredHost {
            storage,
            work: Mutex::new(None),
            idle_bytes: AtomicU64::new(0),
            moved_blocks: AtomicU64::new(0),
            garbage: Mutex::new(None),
        });
        let engine = Engine::new(EngineOptions {
            config: config.clone(),
            clock: clock.clone(),
            host: host.clone(),
            snapshot_codec: Some(Arc::new(Rdb)),
            // Miri does not run C.
            interpreter: (!cfg!(miri)).then(|| Arc::new(Lua::new(config, 5)) as _),
            seed: 5,
            workers: 1,
        });
        Self::sharing(&engine, &clock, &host)
    }

    /// Another client of an engine that there is.
    pub fn sharing(
        engine: &Arc<Engine>,
        clock: &Arc<ManualClock>,
        host: &Arc<StoredHost>,
    ) -> Server {
        Server {
            worker: Worker::new(engine),
            session: Session::new(engine, String::new(), String::new()),
            clock: clock.clone(),
            host: host.clone(),
        }
    }

    /// A server that has loaded what this one saves now, in the format of the file's name.
    pub fn saved_and_loaded(&mut self, directives: &[(&str, &str)], name: &str) -> Server {
        let config = self.worker.engine().config();
        config
            .set_default("dbfilename", name.as_bytes())
            .expect("it is a name");
        assert_eq!(self.run("SAVE"), "+OK");
        let directives = [directives, &[("dbfilename", name)]].concat();
        let now_ms = self.clock.0.load(Ordering::Relaxed);
        let mut loaded = Server::with_storage(&directives, now_ms, self.host.storage.clone());
        loaded.worker.load_at_start().expect("our own file");
        loaded
    }

    /// Executes a command with blanks between its arguments.
    pub fn run(&mut self, command: &str) -> String {
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        self.run_arguments(&arguments)
    }

    /// The payload that DUMP answers for a key, if it is there.
    pub fn dump(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let mut reply = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(&[b"DUMP", key]), &mut reply);
        let start = reply.iter().position(|&byte| byte == b'\n')? + 1;
        let end = reply.len().checked_sub(2)?;
        (reply.starts_with(b"$") && end > start).then(|| reply[start..end].to_vec())
    }

    /// Executes a command.
    pub fn run_arguments(&mut self, arguments: &[&[u8]]) -> String {
        let mut reply = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(arguments), &mut reply);
        String::from_utf8_lossy(&reply)
            .trim_end()
            .replace("\r\n", " ")
    }

    /// Does one slice of regular work; each look at the clock takes a microsecond, until it is over.
    pub fn run_cron_slowly(&mut self) -> bool {
        self.clock.2.store(1, Ordering::Relaxed);
        let has_more = self.worker.run_cron();
        self.clock.2.store(0, Ordering::Relaxed);
        self.clock.1.store(0, Ordering::Relaxed);
        has_more
    }

    /// Does a step of the background save; answers whether there are more.
    pub fn step(&mut self) -> bool {
        self.host.step()
    }

    pub fn finish_save(&mut self) {
        while self.step() {}
    }

    /// Takes the file away that was saved, if one was.
    pub fn take_file(&mut self) -> Option<Vec<u8>> {
        self.host.take_file()
    }

    pub fn information(&mut self, field: &str) -> String {
        let text = self.run("INFO persistence");
        let line = text.split(' ').find_map(|line| line.strip_prefix(field));
        line.unwrap_or_default().trim_start_matches(':').to_owned()
    }
}

/// The digest of a data set that was saved, loaded at `now_ms`.
pub fn digest_of(file: &[u8], now_ms: i64) -> String {
    loaded_from(file, now_ms).run("DEBUG DIGEST")
}

/// A server that has loaded what was saved, at `now_ms`.
pub fn loaded_from(file: &[u8], now_ms: i64) -> Server {
    let storage = FaultyStorage::new();
    let mut stored = storage.create(Path::new(FILE)).expect("it may");
    stored.append(file).expect("it may");
    loaded_in(storage, now_ms).expect("what was saved is loaded")
}

/// The digest of the data set that a storage holds; an error if it cannot be loaded.
pub fn digest_in(storage: FaultyStorage, now_ms: i64) -> Result<String, String> {
    Ok(loaded_in(storage, now_ms)?.run("DEBUG DIGEST"))
}

fn loaded_in(storage: FaultyStorage, now_ms: i64) -> Result<Server, String> {
    let mut server = Server::with_storage(&[], now_ms, storage);
    server.worker.load_at_start()?;
    Ok(server)
}
