//! What the engine asks of the process around it.
//!
//! Unsafe where blocks of the heap are moved, whose owners make the promises.

use std::alloc::Layout;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oxidis_embedded::large_pages;
use oxidis_engine::append_log::AppendFiles;
use oxidis_engine::config::{Config, LogLevel, RewriteScope};
use oxidis_engine::snapshot::{BackgroundWork, SnapshotFile, SnapshotFormat, SnapshotSource};
use oxidis_engine::{
    Crash, Engine, EventLoops, Fork, Fragmentation, Garbage, Host, LargeBlock, Migration,
    MigrationOutcome, MigrationRequest, ShutdownOptions,
};
use oxidis_persist::Json;
use oxidis_persist::aof::{AppendDirectory, AppendNames};
use oxidis_persist::storage::{ReplacingFile, Storage, open_snapshot, reason_of};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::configuration::{self, path_of};
use crate::forks::Forks;
use crate::listeners::Listeners;
use crate::migration::Migrator;
use crate::process::{self, Allocator};
use crate::replication::Follower;
use crate::restart;
use crate::storage::Disk;
use crate::worker;
use crate::workers::Activity;
use crate::{log, memory};

/// What is done off the request path.
enum Errand {
    Free(Garbage),
    PutIntoLargePage(LargeBlock),
    BoundIdleMemory { limit_bytes: u64 },
}

/// The process of a server: frees garbage on a thread of its own, and knows its memory.
pub struct ProcessHost {
    errands: Mutex<Sender<Errand>>,
    shutdown: Arc<Notify>,
    listeners: Arc<Listeners>,
    allocator: Allocator,
    storage: Arc<dyn Storage>,
    /// The thread that saves in the background, or did.
    saving: Mutex<Option<JoinHandle<()>>>,
    migrator: Arc<Migrator>,
    follower: Follower,
    forks: Forks,
    config: Arc<Config>,
    /// What the threads do that serve connections.
    activities: Mutex<Vec<Activity>>,
}

impl ProcessHost {
    /// A host whose garbage goes to a thread that this starts, and whose SHUTDOWN closes `listeners`
    /// and wakes `shutdown`.
    pub(crate) fn new(
        config: Arc<Config>,
        shutdown: Arc<Notify>,
        listeners: Arc<Listeners>,
        allocator: Allocator,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("oxidis-lazyfree".to_owned())
            .spawn(move || run_errands(&receiver, &allocator))?;
        Ok(ProcessHost {
            errands: Mutex::new(sender),
            shutdown,
            listeners,
            allocator,
            storage: Arc::new(Disk),
            saving: Mutex::new(None),
            migrator: Arc::default(),
            follower: Follower::default(),
            forks: Forks::default(),
            config,
            activities: Mutex::default(),
        })
    }

    /// Counts the rounds of this thread from now on.
    pub(crate) fn observe(&self, activity: Activity) {
        self.activities.lock().push(activity);
    }

    /// What is listened on, a line for each kind of connection.
    fn listener_facts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let network = |name: &str, is_tls: bool| {
            let addresses = self.listeners.addresses(is_tls);
            let port = addresses.first()?.port();
            let binds: String = addresses
                .iter()
                .map(|address| format!(",bind={}", address.ip()))
                .collect();
            Some(format!("name={name}{binds},port={port}"))
        };
        lines.extend(network("tcp", false));
        let path = self.config.unixsocket();
        if !path.is_empty() {
            let path = String::from_utf8_lossy(&path);
            lines.push(format!("name=unix,bind={path}"));
        }
        lines.extend(network("tls", true));
        lines
    }

    /// Ends the forks and the thread that follows a primary, and waits for the one that saves.
    pub(crate) fn end(&self) {
        self.forks.end_all();
        self.follower.stop();
        self.join();
    }

    /// Waits for the thread that saves, if there is one.
    fn join(&self) {
        if let Some(thread) = self.saving.lock().take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Background work rests when it has worked for so long. A thread that never rests is at the end of its time slice when
/// requests come: then either they wait for it to be over, or it is made to wait itself, while it holds the
/// lock of a stripe that they need.
const WORK_WITHOUT_REST: Duration = Duration::from_micros(150);
const REST: Duration = Duration::from_micros(100);

fn work_with_rests(work: &mut BackgroundWork) {
    let mut since = Instant::now();
    while work.step() {
        if since.elapsed() >= WORK_WITHOUT_REST {
            std::thread::sleep(REST);
            since = Instant::now();
        }
    }
}

/// Runs errands until the host is gone.
fn run_errands(receiver: &Receiver<Errand>, allocator: &Allocator) {
    while let Ok(errand) = receiver.recv() {
        let garbage = match errand {
            Errand::Free(garbage) => garbage,
            Errand::PutIntoLargePage(block) => {
                large_pages::gather(block);
                continue;
            }
            Errand::BoundIdleMemory { limit_bytes } => {
                bound_idle_memory(allocator, limit_bytes);
                continue;
            }
        };
        garbage.free(|| publish(allocator));
        // This thread uses nothing of that again; what it kept would keep pages from being given back, one block of
        // each.
        (allocator.flush_thread_cache)();
    }
}

/// Gives pages that hold nothing back if they, and not what is used, make the process too large. Looking takes some tens
/// of microseconds, and giving back about a millisecond for ten megabytes.
fn bound_idle_memory(allocator: &Allocator, limit_bytes: u64) {
    /// The process may be larger than the limit by one part in so many.
    const EXCESS_PARTS: u64 = 32;
    /// What is less than one part in so many is not worth it.
    const IDLE_PARTS: u64 = 64;
    // It brings the other numbers up to date, too.
    (allocator.allocated_bytes)();
    let resident_bytes = (allocator.resident_bytes)().unwrap_or(0);
    // 4096 stands for all arenas.
    let idle_pages = (allocator.control)(b"stats.arenas.4096.pdirty");
    let page_bytes = (allocator.control)(b"arenas.page");
    let (Ok(idle_pages), Ok(page_bytes)) = (idle_pages, page_bytes) else {
        return;
    };
    if resident_bytes > limit_bytes + limit_bytes / EXCESS_PARTS
        && idle_pages * page_bytes > limit_bytes / IDLE_PARTS
    {
        (allocator.purge)();
    }
}

/// Tells the other threads how much memory this one uses.
#[inline]
fn publish(allocator: &Allocator) {
    if let Some(thread_balance) = allocator.thread_balance {
        memory::publish(thread_balance());
    }
}

impl Host for ProcessHost {
    fn reclaim(&self, garbage: Garbage) {
        if !garbage.is_large() {
            return drop(garbage);
        }
        // The thread lives as long as the sender does.
        if let Err(returned) = self.errands.lock().send(Errand::Free(garbage)) {
            drop(returned);
        }
    }

    fn put_into_large_page(&self, block: LargeBlock) {
        // Without the thread it stays where it is.
        let _ = (self.errands.lock()).send(Errand::PutIntoLargePage(block));
    }

    fn bound_idle_memory(&self, limit_bytes: u64) {
        // Without the thread the allocator gives back what it does by itself.
        let _ = (self.errands.lock()).send(Errand::BoundIdleMemory { limit_bytes });
    }

    fn sleep(&self, duration: std::time::Duration) {
        std::thread::sleep(duration);
    }

    fn serve_while_busy(&self, engine: &Arc<Engine>) {
        worker::serve_while_busy(engine);
    }

    fn log(&self, level: LogLevel, message: &str) {
        log::line(level, message);
    }

    fn used_memory_bytes(&self) -> u64 {
        match self.allocator.thread_balance {
            Some(thread_balance) => {
                memory::publish(thread_balance());
                memory::used_bytes()
            }
            None => (self.allocator.allocated_bytes)(),
        }
    }

    fn thread_memory_bytes(&self) -> i64 {
        let balance = self.allocator.thread_balance;
        balance.map_or(0, |balance| balance())
    }

    fn note_thread_memory(&self) {
        publish(&self.allocator);
    }

    fn purge_memory(&self) {
        (self.allocator.purge)();
    }

    fn fragmentation(&self) -> Option<Fragmentation> {
        self.allocator
            .mover
            .and_then(|mover| (mover.fragmentation)())
    }

    unsafe fn copy_block(&self, block: NonNull<u8>, layout: Layout) -> Option<NonNull<u8>> {
        let mover = self.allocator.mover?;
        // SAFETY: promised by the caller.
        unsafe { (mover.copy)(block, layout) }
    }

    unsafe fn free_copied_block(&self, block: NonNull<u8>, layout: Layout) {
        if let Some(mover) = self.allocator.mover {
            // SAFETY: promised by the caller.
            unsafe { (mover.free)(block, layout) };
        }
    }

    fn allocator_control(&self, name: &[u8]) -> Result<u64, String> {
        (self.allocator.control)(name)
    }

    fn allocator_command(&self, name: &[u8]) -> Result<(), String> {
        (self.allocator.command)(name)
    }

    fn allocator_report(&self) -> Option<String> {
        (self.allocator.statistics)()
    }

    fn serves_debuggers(&self) -> bool {
        true
    }

    fn fork(&self, fork: Fork) -> Result<u16, String> {
        self.forks.start(fork, self.allocator)
    }

    fn end_fork(&self, port: u16) -> bool {
        self.forks.end(port)
    }

    fn information(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut facts = process::facts(&self.allocator);
        let kept = self.migrator.kept_count().to_string();
        facts.push(("stats", "migrate_cached_sockets", kept));
        const LISTENERS: [&str; 3] = ["listener0", "listener1", "listener2"];
        let listeners = LISTENERS.into_iter().zip(self.listener_facts());
        facts.extend(listeners.map(|(name, line)| ("server", name, line)));
        facts
    }

    fn event_loops(&self) -> Option<EventLoops> {
        let mut sum = EventLoops::default();
        for activity in self.activities.lock().iter() {
            sum.cycles += activity.waits();
            sum.busy_us += activity.awake().as_micros() as u64;
        }
        Some(sum)
    }

    fn migrate(&self, request: &MigrationRequest) -> MigrationOutcome {
        self.migrator.migrate(request)
    }

    fn primary_changed(&self, engine: &Arc<Engine>) {
        self.follower.wake(engine);
    }

    fn begin_migration(&self, migration: Migration) -> Result<(), Migration> {
        self.migrator.begin(migration)
    }

    fn rewrite_config(
        &self,
        config: &Config,
        path: &[u8],
        users: &[Vec<u8>],
        scope: RewriteScope,
    ) -> Result<(), String> {
        configuration::rewrite(config, &path_of(path), Some(users), scope)
            .map_err(|error| reason_of(&error))
    }

    fn read_access_file(&self, config: &Config) -> Result<Vec<u8>, String> {
        std::fs::read(access_file_path(config)).map_err(|error| reason_of(&error))
    }

    fn write_access_file(&self, config: &Config, text: &[u8]) -> Result<(), String> {
        configuration::replace(&access_file_path(config), text).map_err(|error| reason_of(&error))
    }

    fn fill_with_secrets(&self, buffer: &mut [u8]) -> bool {
        getrandom::fill(buffer).is_ok()
    }

    fn keeps_files(&self) -> bool {
        true
    }

    fn create_snapshot_file(&self, config: &Config) -> Result<Box<dyn SnapshotFile>, String> {
        let path = snapshot_path(config);
        let file = ReplacingFile::create(
            self.storage.clone(),
            &path,
            config.rdb_save_incremental_fsync(),
        );
        match file {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(format!(
                "no file can be created beside {}: {}",
                path.display(),
                reason_of(&error)
            )),
        }
    }

    fn snapshot_format(&self, config: &Config) -> Option<Arc<dyn SnapshotFormat>> {
        let is_json = config.dbfilename().to_ascii_lowercase().ends_with(b".json");
        is_json.then(|| Arc::new(Json) as _)
    }

    fn open_snapshot_file(&self, config: &Config) -> Result<Option<SnapshotSource>, String> {
        open_snapshot(&*self.storage, &snapshot_path(config))
    }

    fn open_append_files(&self, config: &Config) -> Result<Box<dyn AppendFiles>, String> {
        let names = AppendNames {
            parent: path_of(&config.dir()),
            directory: String::from_utf8_lossy(&config.appenddirname()).into_owned(),
            base_name: String::from_utf8_lossy(&config.appendfilename()).into_owned(),
            keeps_history: config.aof_disable_auto_gc(),
        };
        Ok(Box::new(AppendDirectory::find(
            self.storage.clone(),
            names,
        )?))
    }

    fn sync_apart(&self, job: Box<dyn FnOnce() + Send>) {
        let thread = std::thread::Builder::new().name("oxidis-sync".to_owned());
        if let Err(error) = thread.spawn(job) {
            // The job is gone with the error; the next one is not begun before it would have ended.
            let line = format!("No thread can be made to sync the append-only file: {error}");
            log::line(LogLevel::Warning, &line);
        }
    }

    fn run_in_background(&self, mut work: BackgroundWork) -> bool {
        // The thread before has ended, or is about to.
        self.join();
        let thread = std::thread::Builder::new().name("oxidis-save".to_owned());
        let spawned = thread.spawn(move || work_with_rests(&mut work));
        match spawned {
            Ok(thread) => {
                *self.saving.lock() = Some(thread);
                true
            }
            Err(error) => {
                log::line(
                    LogLevel::Warning,
                    &format!("Can't save in background: {error}"),
                );
                false
            }
        }
    }

    fn crash(&self, crash: Crash) {
        match crash {
            Crash::Access => crate::crash::segmentation_fault(),
            Crash::Abort => std::process::abort(),
        }
    }

    fn restart(&self, delay: Duration) -> Result<std::convert::Infallible, String> {
        restart::restart(delay, || self.listeners.close_all())
    }

    fn shut_down(&self, _options: ShutdownOptions) -> Result<(), String> {
        // Who sees his connection end must not be able to connect again.
        self.listeners.close_all();
        self.shutdown.notify_one();
        Ok(())
    }
}

/// Where the users are kept.
fn access_file_path(config: &Config) -> PathBuf {
    path_of(&config.dir()).join(path_of(&config.aclfile()))
}

/// Where the data set is kept.
fn snapshot_path(config: &Config) -> PathBuf {
    path_of(&config.dir()).join(path_of(&config.dbfilename()))
}
