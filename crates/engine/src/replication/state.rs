//! Who follows this server, whom it follows, and how far everyone is.
//!
//! A stream has an identity, 40 digits, and its bytes are counted: identity and offset together say which
//! data set a server has. A replica takes over those of its primary. A replica that becomes a primary begins a new
//! identity, and remembers the old one with the offset up to which it was true: so the other replicas of the
//! primary that is gone can go on with the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::backlog::Backlog;
use super::own_keys::OwnKeys;
use super::waiting::{WaitCounts, Waiter, Wanted};
use crate::blocking::Blocked;
use crate::client::{ClientShared, ReplicaOptions};
use crate::config::Config;
use crate::engine::Engine;
use crate::mailbox::Message;
use crate::random::Random;

/// How far a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for a data set to be begun.
    Waits,
    /// A data set is being written for it; what changes meanwhile is kept back.
    Receives,
    /// It has the data set, and has yet to say that it wants what was kept back.
    Loads,
    /// It gets the stream.
    Online,
}

impl Phase {
    /// As INFO has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Phase::Waits => "wait_bgsave",
            Phase::Receives => "send_bulk",
            Phase::Loads | Phase::Online => "online",
        }
    }
}

/// A replica of this server.
pub(crate) struct Replica {
    pub(crate) client: Arc<ClientShared>,
    pub(crate) options: ReplicaOptions,
    pub(crate) phase: Phase,
    /// Whether it came with SYNC: it acknowledges nothing.
    pub(crate) is_plain: bool,
    pub(crate) acknowledged: u64,
    /// How much is on its disk, by its own account.
    pub(crate) on_disk: u64,
    pub(crate) acknowledged_ms: i64,
    /// What is kept back.
    pub(super) kept_back: Vec<Arc<[u8]>>,
    pub(super) kept_back_bytes: usize,
    pub(super) since_ms: i64,
    /// What was sent to it when that was last looked at, and when it became more.
    pub(super) sent_bytes: u64,
    pub(super) progress_ms: i64,
}

impl Replica {
    pub(super) fn new(
        client: Arc<ClientShared>,
        options: ReplicaOptions,
        phase: Phase,
        is_plain: bool,
        now_ms: i64,
    ) -> Self {
        client.is_replica.store(true, Ordering::Relaxed);
        Replica {
            client,
            options,
            phase,
            is_plain,
            acknowledged: 0,
            on_disk: 0,
            acknowledged_ms: now_ms,
            kept_back: Vec::new(),
            kept_back_bytes: 0,
            since_ms: now_ms,
            sent_bytes: 0,
            progress_ms: now_ms,
        }
    }

    /// Gives it what was kept back, and the stream from now on.
    pub(super) fn go_online(&mut self) {
        self.phase = Phase::Online;
        self.kept_back_bytes = 0;
        for bytes in std::mem::take(&mut self.kept_back) {
            self.client.post(Message::Push(bytes));
        }
    }

    fn take(&mut self, bytes: &Arc<[u8]>) {
        match self.phase {
            Phase::Waits => {}
            Phase::Receives | Phase::Loads => {
                self.kept_back_bytes += bytes.len();
                self.kept_back.push(bytes.clone());
            }
            Phase::Online => self.client.post(Message::Push(bytes.clone())),
        }
    }

    /// Whether it has the data set.
    pub(crate) fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Loads | Phase::Online)
    }

    /// Its address: the one that it said, or the one that it comes from.
    pub(crate) fn address(&self) -> Vec<u8> {
        match &self.options.address {
            Some(address) => address.clone(),
            None => {
                let (host, _) = self.client.address.rsplit_once(':').unwrap_or_default();
                let host = host.trim_matches(['[', ']']);
                host.as_bytes().to_vec()
            }
        }
    }

    /// Bytes that wait for it here.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let unsent = self.client.output_buffer_bytes.load(Ordering::Relaxed);
        self.kept_back_bytes + unsent + self.client.mailbox.pushed_bytes()
    }

    fn is_good(&self, now_ms: i64, max_lag_ms: i64) -> bool {
        self.phase == Phase::Online && now_ms - self.acknowledged_ms <= max_lag_ms
    }
}

/// How far the link to the primary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is to be made.
    Down,
    Connecting,
    Handshake,
    /// The data set comes.
    Transfer,
    Up,
}

impl Link {
    /// As ROLE has it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Link::Down => "connect",
            Link::Connecting => "connecting",
            Link::Handshake => "handshake",
            Link::Transfer => "sync",
            Link::Up => "connected",
        }
    }
}

/// The primary that this server follows.
pub(crate) struct Upstream {
    pub(crate) host: Vec<u8>,
    pub(crate) port: u16,
    pub(crate) link: Link,
    pub(crate) last_io_ms: i64,
    /// Since when there is no link; `None` if there is one.
    pub(crate) down_since_ms: Option<i64>,
    /// How much of the stream has come; what of it is applied is the state's `offset`.
    pub(crate) read_offset: u64,
    /// Bytes of the data set that have come.
    pub(crate) transferred_bytes: u64,
    /// The link as a session.
    pub(crate) client: Option<Arc<ClientShared>>,
}

/// What is guarded by one lock.
pub(crate) struct State {
    /// The stream's identity.
    pub(crate) id: String,
    /// The identity that it had before, and the number of the first byte for which that is not true any more.
    pub(crate) second: Option<(String, u64)>,
    /// How many bytes the stream has.
    pub(crate) offset: u64,
    pub(crate) backlog: Option<Backlog>,
    /// How often there began to be a backlog.
    pub(super) turn: u64,
    pub(crate) replicas: Vec<Replica>,
    pub(super) no_replicas_since_ms: i64,
    pub(super) last_ping_ms: i64,
    pub(super) last_look_ms: i64,
    pub(super) waiters: Vec<Waiter>,
    pub(crate) upstream: Option<Upstream>,
    /// The database that is selected in the stream of the primary.
    pub(crate) stream_database: usize,
    random: Random,
}

/// Replication of an engine.
pub(crate) struct Replication {
    /// Whether there is a stream, which costs every write something.
    has_stream: AtomicBool,
    is_replica: AtomicBool,
    is_link_up: AtomicBool,
    /// How many replicas are near enough for `min-replicas-to-write`.
    good_replicas: AtomicUsize,
    /// The state's `offset`, without the lock.
    offset: AtomicU64,
    /// How often it was changed whom this server follows.
    generation: AtomicU64,
    pub(crate) counts: SyncCounts,
    pub(crate) own_keys: OwnKeys,
    state: Mutex<State>,
}

/// How replicas were taken on, for INFO.
#[derive(Debug, Default)]
pub(crate) struct SyncCounts {
    pub(crate) full: AtomicU64,
    pub(crate) partial: AtomicU64,
    pub(crate) partial_refused: AtomicU64,
}

impl SyncCounts {
    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        for count in [&self.full, &self.partial, &self.partial_refused] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

impl Replication {
    pub(crate) fn new(seed: u64) -> Self {
        /// So that nothing else draws the same.
        const APART: u64 = 0x7265_706c_6963_6173;
        let mut random = Random::new(seed ^ APART);
        Replication {
            has_stream: AtomicBool::new(false),
            is_replica: AtomicBool::new(false),
            is_link_up: AtomicBool::new(false),
            good_replicas: AtomicUsize::new(0),
            offset: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            counts: SyncCounts::default(),
            own_keys: OwnKeys::default(),
            state: Mutex::new(State {
                id: new_id(&mut random),
                second: None,
                offset: 0,
                backlog: None,
                turn: 0,
                replicas: Vec::new(),
                no_replicas_since_ms: 0,
                last_ping_ms: 0,
                last_look_ms: 0,
                waiters: Vec::new(),
                upstream: None,
                stream_database: 0,
                random,
            }),
        }
    }

    /// The state; what can be seen without the lock is brought up to date when it is given back.
    pub(crate) fn lock(&self) -> StateGuard<'_> {
        StateGuard {
            replication: self,
            state: self.state.lock(),
        }
    }

    /// Whether there is anything to look after.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.has_stream.load(Ordering::Relaxed) || self.is_replica()
    }

    /// Whether this server follows another.
    #[inline]
    pub(crate) fn is_replica(&self) -> bool {
        self.is_replica.load(Ordering::Relaxed)
    }

    /// Whether it follows another, and has lost it or not reached it yet.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_replica() && !self.is_link_up.load(Ordering::Relaxed)
    }

    /// How many bytes the stream has.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// How many replicas are near.
    pub(crate) fn good_replicas(&self) -> usize {
        self.good_replicas.load(Ordering::Relaxed)
    }

    /// How often it was changed whom this server follows: what is done for an earlier one is void.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Makes everything void that is done for the primary that is followed now.
    pub(super) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets a session that was a replica.
    pub(crate) fn remove_replica(&self, id: u64, engine: &Engine) {
        let now_ms = engine.now_ms();
        let mut state = self.lock();
        state.replicas.retain(|replica| replica.client.id != id);
        if state.replicas.is_empty() {
            state.no_replicas_since_ms = now_ms;
        }
        self.count_good(&state, &engine.config, now_ms);
    }

    /// Notes what a replica has, by its own account.
    pub(crate) fn acknowledge(
        &self,
        id: u64,
        acknowledged: u64,
        on_disk: Option<u64>,
        engine: &Engine,
    ) {
        let mut state = self.lock();
        let now_ms = engine.now_ms();
        let replica = state.replicas.iter_mut().find(|it| it.client.id == id);
        let Some(replica) = replica else {
            return;
        };
        replica.acknowledged = replica.acknowledged.max(acknowledged);
        replica.on_disk = replica.on_disk.max(on_disk.unwrap_or(0));
        replica.acknowledged_ms = now_ms;
        if replica.phase == Phase::Loads {
            replica.go_online();
        }
        state.serve_waiters();
        self.count_good(&state, &engine.config, now_ms);
    }

    /// What replication takes of memory.
    pub(crate) fn memory(&self) -> ReplicationMemory {
        let state = self.lock();
        let backlog = state.backlog.as_ref();
        ReplicationMemory {
            backlog_bytes: backlog.map_or(0, Backlog::memory_bytes),
            replica_bytes: state.replicas.iter().map(Replica::waiting_bytes).sum(),
        }
    }

    /// Counts the replicas that are near.
    pub(super) fn count_good(&self, state: &State, config: &Config, now_ms: i64) {
        let max_lag_ms = config.min_replicas_max_lag_seconds() as i64 * 1000;
        let replicas = state.replicas.iter();
        let good = replicas.filter(|it| it.is_good(now_ms, max_lag_ms));
        self.good_replicas.store(good.count(), Ordering::Relaxed);
    }
}

/// What replication takes of memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplicationMemory {
    pub(crate) backlog_bytes: usize,
    /// What waits for replicas.
    pub(crate) replica_bytes: usize,
}

impl State {
    /// Whether changes are put into the stream.
    pub(crate) fn is_streaming(&self) -> bool {
        self.backlog.is_some()
    }

    /// Adds bytes to the stream.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        backlog.append(bytes);
        self.offset += bytes.len() as u64;
        if !self.replicas.is_empty() {
            let shared: Arc<[u8]> = bytes.into();
            self.replicas
                .iter_mut()
                .for_each(|replica| replica.take(&shared));
        }
    }

    /// Adds a request that is no change.
    pub(super) fn feed_request(&mut self, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        let mut out = oxidis_resp::Writer::new(&mut bytes, oxidis_resp::Protocol::Resp2);
        out.array(words.len());
        words.iter().for_each(|word| out.bulk(word));
        self.feed(&bytes);
    }

    /// Gives the stream another identity; the one that it has is remembered if the data go on.
    pub(crate) fn change_id(&mut self, keeps_old: bool) {
        let id = new_id(&mut self.random);
        let old = std::mem::replace(&mut self.id, id);
        self.second = keeps_old.then_some((old, self.offset + 1));
    }

    /// 40 digits that nobody else has.
    pub(super) fn new_mark(&mut self) -> String {
        new_id(&mut self.random)
    }

    /// How many replicas have the stream up to an offset.
    pub(crate) fn count_copies(&self, wanted: Wanted) -> i64 {
        let has = |replica: &&Replica| {
            let reached = match wanted.on_disk {
                true => replica.on_disk,
                false => replica.acknowledged,
            };
            replica.phase == Phase::Online && !replica.is_plain && reached >= wanted.offset
        };
        self.replicas.iter().filter(has).count() as i64
    }

    /// Remembers a session that waits.
    pub(crate) fn wait(&mut self, blocked: Arc<Blocked>, wanted: Wanted, counts: Arc<WaitCounts>) {
        self.waiters.push(Waiter {
            blocked,
            wanted,
            counts,
        });
    }

    /// Asks the replicas how far they are.
    pub(crate) fn ask_for_acknowledgements(&mut self) {
        if self.upstream.is_none() {
            self.feed_request(&[b"REPLCONF", b"GETACK", b"*"]);
        }
    }

    /// Ends the waits of those whose number of copies is reached.
    pub(super) fn serve_waiters(&mut self) {
        let mut waiters = std::mem::take(&mut self.waiters);
        waiters.retain(|waiter| {
            let count = self.count_copies(waiter.wanted);
            waiter.counts.set_replicas(count);
            let is_served = count >= waiter.wanted.replicas
                && (waiter.blocked).finish_with(|out| waiter.counts.write(out));
            !is_served && waiter.blocked.is_waiting()
        });
        self.waiters = waiters;
    }
}

fn new_id(random: &mut Random) -> String {
    (0..5)
        .map(|_| format!("{:08x}", random.next() as u32))
        .collect()
}

/// The state while it is locked.
pub(crate) struct StateGuard<'a> {
    replication: &'a Replication,
    state: MutexGuard<'a, State>,
}

impl std::ops::Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let (to, from) = (self.replication, &*self.state);
        let link = from.upstream.as_ref().map(|upstream| upstream.link);
        to.offset.store(from.offset, Ordering::Relaxed);
        to.has_stream.store(from.is_streaming(), Ordering::Relaxed);
        to.is_replica.store(link.is_some(), Ordering::Relaxed);
        to.is_link_up
            .store(link == Some(Link::Up), Ordering::Relaxed);
    }
}
