//! The engine: everything that all sessions share, and what its embedder gives it.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::acl::Acl;
use crate::append_log::{AppendFiles, AppendLog};
use crate::checkpoint::Checkpoint;
use crate::client::Clients;
use crate::client_limits::ClientLimits;
use crate::clock::Clock;
use crate::command::CommandNames;
use crate::command_log::CommandLogs;
use crate::config::{Config, ConfigError, LogLevel, RewriteScope, Setter};
use crate::defragmentation::Defragmentation;
use crate::eviction::EvictionTimes;
use crate::expire::ExpiredShare;
use crate::faults::{ActiveFault, Fault, FaultError, Faults};
use crate::fork::Fork;
use crate::gate::Gate;
use crate::keyspace::{Keyspace, Meters};
use crate::latency::LatencyMonitor;
use crate::lazy_free::{Garbage, LazyFree};
use crate::migration::{Migration, MigrationError, MigrationOutcome, MigrationRequest, Migrations};
use crate::observe::Monitors;
use crate::pause::Pause;
use crate::persistence::{LoadProgress, Persistence};
use crate::propagation::Propagation;
use crate::pubsub::PubSub;
use crate::random::Random;
use crate::rates::Rates;
use crate::record::{Record, RecordedCommand};
use crate::relocation::Fragmentation;
use crate::replication::Replication;
use crate::scripting::{Interpreter, Scripting};
use crate::shutdown::Shutdown;
use crate::snapshot::{
    BackgroundWork, SnapshotCodec, SnapshotFile, SnapshotFormat, SnapshotSource,
};
use crate::stats::Stats;
use crate::table::LargeBlock;
use crate::tracking::Tracking;

/// What the process around the engine knows and does.
pub trait Host: Send + Sync {
    /// Frees what may take long. The default does so at once.
    fn reclaim(&self, garbage: Garbage) {
        drop(garbage);
    }

    /// Has memory put into a large page that is used as a whole and at random, where the system has such pages. It may
    /// be freed, and used for something else, while this looks at it. The default leaves it where it is.
    fn put_into_large_page(&self, _block: LargeBlock) {}

    /// Heap bytes in use by the process; 0 if nobody knows, and then the engine estimates what its
    /// data take. It must be quick: while there is a `maxmemory`, every request asks.
    fn used_memory_bytes(&self) -> u64 {
        0
    }

    /// Heap bytes that this thread has allocated and not freed (which may be less than none); 0 if nobody
    /// knows. Only differences mean anything.
    fn thread_memory_bytes(&self) -> i64 {
        0
    }

    /// Told by a worker at the end of each batch of requests, for hosts that count memory by thread.
    fn note_thread_memory(&self) {}

    /// Gives memory that holds nothing back to the system (MEMORY PURGE).
    fn purge_memory(&self) {}

    /// Told some times a second while about as much memory is used as may be: what holds nothing should not make the
    /// process much larger than `limit_bytes`. It must be quick. The default leaves it to the allocator.
    fn bound_idle_memory(&self, _limit_bytes: u64) {}

    /// How much of the allocator's memory lies idle between small blocks, if it can move them ([`Self::copy_block`]);
    /// `None` if not. Asked about once a second.
    fn fragmentation(&self) -> Option<Fragmentation> {
        None
    }

    /// A copy of a block at a place that the allocator likes better, in memory that is fuller than what lies around the
    /// block; `None` if the block shall stay where it is. By default all do.
    ///
    /// # Safety
    ///
    /// `block` was allocated with `layout`, and nobody writes to it meanwhile.
    unsafe fn copy_block(&self, _block: NonNull<u8>, _layout: Layout) -> Option<NonNull<u8>> {
        None
    }

    /// Frees a block that [`Self::copy_block`] has copied, and so that it is not what is allocated next.
    ///
    /// # Safety
    ///
    /// `block` was allocated with `layout`, and nobody uses it any more.
    unsafe fn free_copied_block(&self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: promised by the caller.
        unsafe { std::alloc::dealloc(block.as_ptr(), layout) };
    }

    /// Reads a control of the allocator that is a number, such as `arenas.page` (DEBUG MALLCTL).
    ///
    /// # Errors
    /// Why it cannot be read.
    fn allocator_control(&self, _name: &[u8]) -> Result<u64, String> {
        Err("the allocator has no controls".to_owned())
    }

    /// Has the allocator do what a control without a value stands for, such as
    /// `thread.tcache.flush` (DEBUG MALLCTL-STR).
    ///
    /// # Errors
    /// Why it cannot be done.
    fn allocator_command(&self, _name: &[u8]) -> Result<(), String> {
        Err("the allocator has no controls".to_owned())
    }

    /// What the allocator says of itself (MEMORY MALLOC-STATS), if it does.
    fn allocator_report(&self) -> Option<String> {
        None
    }

    /// Whether who owns the sessions takes calls out that are debugged ([`Session::begin_debugging`](crate::Session)).
    fn serves_debuggers(&self) -> bool {
        false
    }

    /// Starts a server as another one that is like this one now; answers its port. It ends with this one, or when it is
    /// told to: by SHUTDOWN, or [`Self::end_fork`].
    ///
    /// # Errors
    /// Why there is none.
    fn fork(&self, _fork: Fork) -> Result<u16, String> {
        Err("there is no server around this engine".to_owned())
    }

    /// Ends a server that [`Self::fork`] has started; answers whether there was one on this port.
    fn end_fork(&self, _port: u16) -> bool {
        false
    }

    /// Facts for INFO that only the process knows: section, field, value.
    fn information(&self) -> Vec<(&'static str, &'static str, String)> {
        Vec::new()
    }

    /// What the loops have done that wait for sockets and serve them, all together; `None` where there are none.
    fn event_loops(&self) -> Option<EventLoops> {
        None
    }

    /// Brings the configuration file at `path` up to date with [`Config::rewrite`]. `users` are
    /// what it takes as such.
    ///
    /// # Errors
    /// The operating system's word for why it cannot be written.
    fn rewrite_config(
        &self,
        _config: &Config,
        _path: &[u8],
        _users: &[Vec<u8>],
        _scope: RewriteScope,
    ) -> Result<(), String> {
        Err("there is nobody to write it".to_owned())
    }

    /// Reads the file that `aclfile` names.
    ///
    /// # Errors
    /// The operating system's word for why it cannot be read.
    fn read_access_file(&self, _config: &Config) -> Result<Vec<u8>, String> {
        Err("there is nobody to read it".to_owned())
    }

    /// Puts a text in the place of the file that `aclfile` names: whole, or not at all.
    ///
    /// # Errors
    /// The operating system's word for why it cannot be written.
    fn write_access_file(&self, _config: &Config, _text: &[u8]) -> Result<(), String> {
        Err("there is nobody to write it".to_owned())
    }

    /// Fills a buffer with what nobody can guess, for passwords; answers whether it could.
    fn fill_with_secrets(&self, _buffer: &mut [u8]) -> bool {
        false
    }

    /// Lets the thread that calls sleep (DEBUG SLEEP). Where nobody's time passes, it does not.
    fn sleep(&self, _duration: std::time::Duration) {}

    /// Serves other sessions of this thread while a script on it is busy, for which the thread's own
    /// worker cannot be used: their commands are refused, but for those that are allowed. Called every
    /// few milliseconds from inside the script.
    fn serve_while_busy(&self, _engine: &Arc<Engine>) {}

    /// Sends keys to another server, and waits for what it says (MIGRATE inside MULTI or a script, while
    /// locks are held). Where nobody can, it fails.
    fn migrate(&self, _request: &MigrationRequest) -> MigrationOutcome {
        MigrationOutcome::failed(MigrationError::Connecting)
    }

    /// Begins to do the same beside everything else, and ends with [`Migration::finish`].
    ///
    /// # Errors
    /// Gives the migration back if that is not possible: then [`Self::migrate`] is called.
    #[allow(
        clippy::result_large_err,
        reason = "what cannot be begun is given back whole"
    )]
    fn begin_migration(&self, migration: Migration) -> Result<(), Migration> {
        Err(migration)
    }

    /// Writes a line to the process's log, if lines of its level are kept.
    fn log(&self, _level: LogLevel, _message: &str) {}

    /// Whether data sets can be kept in files.
    fn keeps_files(&self) -> bool {
        false
    }

    /// Opens a file that is to take the place of the one that `dir` and `dbfilename` name.
    ///
    /// # Errors
    /// The operating system's word for why there is none.
    fn create_snapshot_file(&self, _config: &Config) -> Result<Box<dyn SnapshotFile>, String> {
        Err("there is nobody to keep files".to_owned())
    }

    /// The format of the file that `dbfilename` names, if it is another than that of single values.
    fn snapshot_format(&self, _config: &Config) -> Option<Arc<dyn SnapshotFormat>> {
        None
    }

    /// Opens the file that `dir` and `dbfilename` name, if it is there.
    ///
    /// # Errors
    /// The operating system's word for why it cannot be read.
    fn open_snapshot_file(&self, _config: &Config) -> Result<Option<SnapshotSource>, String> {
        Ok(None)
    }

    /// Does work step by step, apart from the requests and after this call has returned; answers whether it
    /// will. Work that is dropped undoes what it has begun.
    fn run_in_background(&self, _work: BackgroundWork) -> bool {
        false
    }

    /// The append-only log that `dir`, `appenddirname` and `appendfilename` name, whether it is there or not.
    ///
    /// # Errors
    /// What is wrong with it.
    fn open_append_files(&self, _config: &Config) -> Result<Box<dyn AppendFiles>, String> {
        Err("there is nobody to keep files".to_owned())
    }

    /// Runs something short that may wait for a disk, apart from the thread that calls. The default runs it at once.
    fn sync_apart(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }

    /// Ends the process as a fault would (DEBUG SEGFAULT and its like). The default does nothing: a process
    /// that holds an engine beside other things is not the engine's to end.
    fn crash(&self, _crash: Crash) {}

    /// Puts the process that this program was started as in the place of this one, after some time in which nobody is
    /// served (DEBUG RESTART and its like). Does not return if it succeeds. By default a process that holds an engine
    /// beside other things is not the engine's to start anew.
    ///
    /// # Errors
    /// Why it cannot.
    fn restart(&self, _delay: std::time::Duration) -> Result<std::convert::Infallible, String> {
        Err("this process is not the server's own".to_owned())
    }

    /// Told that the server follows another primary, or none any more ([`Engine::primary`] says which).
    fn primary_changed(&self, _engine: &Arc<Engine>) {}

    /// Asks the process to end (SHUTDOWN).
    fn shut_down(&self, _options: ShutdownOptions) -> Result<(), String> {
        Err("SHUTDOWN is for servers".to_owned())
    }
}

/// The fault as which a crash shall look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// An access to memory that is not there.
    Access,
    /// A fault that the program has noticed itself.
    Abort,
}

/// What loops have done that wait for sockets and serve them, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventLoops {
    /// How often they have gone round: each time they had nothing to do and waited.
    pub cycles: u64,
    /// How long they were busy, in microseconds.
    pub busy_us: u64,
}

/// How SHUTDOWN was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShutdownOptions {
    /// Save, or not, whatever the configuration says.
    pub save: Option<bool>,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go down even if saving fails.
    pub force: bool,
}

/// A host that knows nothing.
pub struct NoHost;

impl Host for NoHost {}

/// What an engine is made from.
pub struct EngineOptions {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The process around it.
    pub host: Arc<dyn Host>,
    /// How a data set is written down, where SYNC and DEBUG RELOAD are to work.
    pub snapshot_codec: Option<Arc<dyn SnapshotCodec>>,
    /// What runs scripts, if anything does.
    pub interpreter: Option<Arc<dyn Interpreter>>,
    /// The seed of everything random.
    pub seed: u64,
    /// How many threads will execute commands; sets the number of stripes.
    pub workers: usize,
}

impl EngineOptions {
    /// The [`workers`](Self::workers) of an engine that is to do the same with the same seed on any machine, whoever
    /// executes its commands: what is drawn from all keys, and their order, depend on the stripes.
    pub const WORKERS_OF_SEEDED: usize = 2;
}

/// What has sessions draw from other numbers than workers do.
const SESSIONS_APART: u64 = 0x5e55_1025;

/// A whole in-memory data structure server, without sockets, files or threads.
pub struct Engine {
    pub(crate) keyspace: Arc<Keyspace>,
    pub(crate) acl: Acl,
    pub(crate) pubsub: PubSub,
    pub(crate) tracking: Tracking,
    pub(crate) migrations: Migrations,
    pub(crate) propagation: Propagation,
    pub(crate) replication: Arc<Replication>,
    pub(crate) clients: Clients,
    pub(crate) stats: Stats,
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the clock showed when regular work was done last.
    pub(crate) rough_now_us: AtomicI64,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) snapshot_codec: Option<Arc<dyn SnapshotCodec>>,
    pub(crate) databases: usize,
    pub(crate) started_ms: i64,
    pub(crate) run_id: String,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub(crate) is_active_expire_off: AtomicBool,
    /// How many of the volatile keys were expired when the expiry cycle came by.
    pub(crate) expired_share: ExpiredShare,
    /// DEBUG PAUSE-CRON.
    pub(crate) is_cron_paused: AtomicBool,
    pub(crate) gate: Gate,
    pub(crate) pause: Pause,
    pub(crate) shutdown: Shutdown,
    pub(crate) faults: Faults,
    pub(crate) record: Record,
    pub(crate) persistence: Persistence,
    pub(crate) append_log: Arc<AppendLog>,
    pub(crate) monitors: Monitors,
    pub(crate) command_logs: CommandLogs,
    pub(crate) latency: LatencyMonitor,
    pub(crate) scripting: Scripting,
    pub(crate) rejected_connections: AtomicU64,
    pub(crate) client_limits: ClientLimits,
    pub(crate) rates: Rates,
    pub(crate) lazy_free: Arc<LazyFree>,
    pub(crate) eviction_times: EvictionTimes,
    pub(crate) defragmentation: Defragmentation,
    pub(crate) names: CommandNames,
    /// Heap bytes in use before there was any data.
    pub(crate) startup_memory_bytes: u64,
    /// Held by who moves the clock.
    pub(crate) moving: Mutex<()>,
    random: Mutex<Random>,
    /// Where sessions have theirs from: in the order of their first requests, so that it makes no difference how many
    /// workers there are, and which of them serve whom.
    session_random: Mutex<Random>,
    /// What it was opened with, or was given since.
    pub(crate) seed: AtomicU64,
    /// How often the seed was changed.
    pub(crate) reseeds: AtomicU64,
    /// Whether passwords follow from the seed.
    pub(crate) draws_secrets: AtomicBool,
    /// How many workers there have been.
    pub(crate) worker_count: AtomicU64,
    /// Snapshots that clients have asked for, by their names.
    pub(crate) checkpoints: Mutex<BTreeMap<Vec<u8>, Arc<Checkpoint>>>,
}

impl Engine {
    /// The format of the file of the data set.
    pub(crate) fn snapshot_format(&self) -> Option<Arc<dyn SnapshotFormat>> {
        let format = self.host.snapshot_format(&self.config);
        format.or_else(|| Some(self.snapshot_codec.clone()?))
    }

    /// Whether writes are refused because fewer replicas are near than `min-replicas-to-write` asks for.
    #[inline]
    pub(crate) fn lacks_replicas(&self) -> bool {
        self.config.min_replicas_to_write() > 0 && self.has_too_few_replicas()
    }

    /// Whether clients may not change the data, which are those of a primary.
    pub(crate) fn is_read_only(&self) -> bool {
        self.replication.is_replica() && self.config.replica_read_only()
    }

    /// Whether the data may be outdated, and are not to be shown then.
    pub(crate) fn is_stale(&self) -> bool {
        self.replication.is_cut_off() && !self.config.replica_serve_stale_data()
    }

    /// Whether keys stay though their time is over: they are not ours to delete, or nothing may change now.
    pub(crate) fn keeps_expired(&self, now_ms: i64) -> bool {
        self.replication.is_replica() || self.is_importing() || self.pause.holds_writes(now_ms)
    }

    /// Whether data are being imported (`import-mode`): who imports them says which keys go, so that none expires or is
    /// evicted. A replica has its primary for that.
    pub(crate) fn is_importing(&self) -> bool {
        self.config.import_mode() && !self.replication.is_replica()
    }

    #[cold]
    fn has_too_few_replicas(&self) -> bool {
        let wanted = self.config.min_replicas_to_write() as usize;
        !self.replication.is_replica()
            && self.config.min_replicas_max_lag_seconds() > 0
            && self.replication.good_replicas() < wanted
    }

    /// How far loading is, while the data are being loaded.
    pub fn load_progress(&self) -> Option<LoadProgress> {
        let is_loading = self.persistence.is_loading();
        is_loading.then(|| self.persistence.load_progress())
    }

    /// An empty engine.
    pub fn new(options: EngineOptions) -> Arc<Self> {
        let mut random = Random::new(options.seed);
        let seed = random.next();
        let stripe_count = if options.workers <= 1 {
            16
        } else {
            (options.workers * 64).max(128)
        };
        let run_id = (0..5)
            .map(|_| format!("{:08x}", random.next() as u32))
            .collect();
        let mut names = CommandNames::default();
        for (from, to) in options.config.file_only().renamed_commands {
            // Who loaded the file has refused what cannot be.
            let _ = names.rename(&from, &to);
        }
        let startup_memory_bytes = options.host.used_memory_bytes();
        let meters = Meters::new(startup_memory_bytes == 0);
        let started_us = options.clock.now_us();
        let started_ms = started_us / 1000;
        Arc::new(Engine {
            keyspace: Arc::new(Keyspace::new(stripe_count, seed, meters)),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            migrations: Migrations::default(),
            propagation: Propagation::default(),
            replication: Arc::new(Replication::new(options.seed)),
            clients: Clients::default(),
            stats: Stats::default(),
            databases: options.config.databases(),
            started_ms,
            persistence: Persistence::new(started_ms),
            acl: Acl::new(&options.config.requirepass()),
            append_log: Arc::default(),
            config: options.config,
            clock: options.clock,
            rough_now_us: AtomicI64::new(started_us),
            host: options.host,
            snapshot_codec: options.snapshot_codec,
            run_id,
            is_active_expire_off: AtomicBool::new(false),
            expired_share: ExpiredShare::default(),
            is_cron_paused: AtomicBool::new(false),
            gate: Gate::default(),
            pause: Pause::default(),
            shutdown: Shutdown::default(),
            faults: Faults::default(),
            record: Record::default(),
            monitors: Monitors::default(),
            command_logs: CommandLogs::default(),
            latency: LatencyMonitor::default(),
            scripting: Scripting::new(options.interpreter),
            rejected_connections: AtomicU64::new(0),
            client_limits: ClientLimits::default(),
            rates: Rates::default(),
            lazy_free: Arc::default(),
            eviction_times: EvictionTimes::default(),
            defragmentation: Defragmentation::default(),
            names,
            startup_memory_bytes,
            moving: Mutex::default(),
            random: Mutex::new(random),
            session_random: Mutex::new(Random::new(options.seed ^ SESSIONS_APART)),
            seed: AtomicU64::new(options.seed),
            reseeds: AtomicU64::new(0),
            draws_secrets: AtomicBool::new(false),
            worker_count: AtomicU64::new(0),
            checkpoints: Mutex::default(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Sets directives as CONFIG SET does, all of them or none. Workers notice before their next request.
    ///
    /// # Errors
    /// What is wrong with the first that is wrong.
    pub fn set_config(&self, pairs: &[(&[u8], &[u8])], setter: Setter) -> Result<(), ConfigError> {
        self.config.set(pairs, setter)?;
        let mut latest_first = pairs.iter().rev();
        let password = latest_first.find(|(name, _)| name.eq_ignore_ascii_case(b"requirepass"));
        if let Some((_, password)) = password {
            self.set_default_password(password);
        }
        Ok(())
    }

    /// The process around the engine.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Milliseconds since 1970 on the engine's clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_us() / 1000
    }

    /// Whether the clock stands still until it is moved: then nobody is to wait for it in real time.
    pub fn is_clock_manual(&self) -> bool {
        self.clock.is_manual()
    }

    /// Heap bytes in use: the host's word, or what the data are estimated to take.
    #[inline]
    pub(crate) fn used_memory_bytes(&self) -> u64 {
        match self.host.used_memory_bytes() {
            0 => self.keyspace.metered_bytes(),
            bytes => bytes,
        }
    }

    /// Whether sessions have to say who they are: the default user has a password, or is off.
    pub fn asks_password(&self) -> bool {
        self.acl.asks_password()
    }

    /// Whether the default user takes any password, so that the server is open to everyone.
    pub fn is_open(&self) -> bool {
        self.acl.users().default_user().has_nopass()
    }

    /// Asks the background save to end without a file, if there is one.
    pub fn cancel_background_save(&self) {
        self.persistence.cancel_save();
    }

    /// Sessions that are open.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// Ends every session that there is, also one that is blocked, and each that is opened from now on: nobody is served
    /// any more, as when a server has gone away. What is asked past sessions, such as checkpoints, goes on.
    pub fn close_clients(&self) {
        self.clients.close();
    }

    /// Commands executed since the start or the last `CONFIG RESETSTAT`.
    pub fn commands_processed(&self) -> u64 {
        self.stats.totals().commands_processed
    }

    /// Counts a connection that was refused before it became a session.
    pub fn count_rejected_connection(&self) {
        self.rejected_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset_statistics(&self) {
        self.stats.reset();
        self.expired_share.reset();
        self.lazy_free.reset();
        self.eviction_times.reset();
        self.rejected_connections.store(0, Ordering::Relaxed);
        self.clients.received.store(0, Ordering::Relaxed);
        self.client_limits.reset();
        self.replication.counts.reset();
        let denials = self.acl.denials.iter();
        denials.for_each(|count| count.store(0, Ordering::Relaxed));
        self.clients.memory.reset();
        self.reset_event_loops();
    }

    /// Has requests meet a fault from now on; answers its number.
    ///
    /// # Errors
    /// None could.
    pub fn add_fault(&self, fault: Fault) -> Result<u64, FaultError> {
        self.faults.add(&self.gate, fault)
    }

    /// Ends a fault; answers what came of it, if there is one with this number.
    pub fn remove_fault(&self, id: u64) -> Option<ActiveFault> {
        self.faults.remove(&self.gate, id)
    }

    /// Ends every fault; answers how many there were.
    pub fn clear_faults(&self) -> usize {
        self.faults.clear(&self.gate)
    }

    /// The faults that there are, oldest first.
    pub fn faults(&self) -> Vec<ActiveFault> {
        self.faults.all()
    }

    /// Keeps what clients send from now on, the last `count_max` of it; with 0 nothing is kept, not even what was.
    pub fn record_commands(&self, count_max: usize) {
        self.record.start(&self.gate, count_max);
    }

    /// Keeps nothing more of what clients send, but what was kept.
    pub fn stop_recording_commands(&self) {
        self.record.stop(&self.gate);
    }

    /// What clients have sent, as far as it is kept, oldest first.
    pub fn recorded_commands(&self) -> Vec<RecordedCommand> {
        self.record.all()
    }

    /// Forgets what clients have sent.
    pub fn forget_recorded_commands(&self) {
        self.record.clear();
    }

    /// Has everything random follow from a seed from now on, passwords included. Workers notice before their next
    /// request.
    pub fn reseed(&self, seed: u64) {
        let mut random = self.random.lock();
        *random = Random::new(seed);
        *self.session_random.lock() = Random::new(seed ^ SESSIONS_APART);
        self.seed.store(seed, Ordering::Relaxed);
        self.draws_secrets.store(true, Ordering::Relaxed);
        self.reseeds.fetch_add(1, Ordering::Release);
        self.config.note_change();
    }

    /// Has passwords follow from the seed too, which nobody is to guess otherwise.
    pub fn draw_secrets_from_seed(&self) {
        self.draws_secrets.store(true, Ordering::Relaxed);
    }

    /// A generator for a new worker.
    pub(crate) fn fork_random(&self) -> Random {
        self.random.lock().fork()
    }

    /// A generator for a session, when its first request since the seed is executed.
    pub(crate) fn fork_session_random(&self) -> Random {
        self.session_random.lock().fork()
    }

    /// The generator of a worker after a new seed: the same, in whatever order the workers ask.
    pub(crate) fn random_of_worker(&self, number: u64) -> Random {
        let mut random = self.random.lock().clone();
        for _ in 0..number {
            random.next();
        }
        random.fork()
    }
}
