//! Sessions as others see them: the registry behind CLIENT LIST, CLIENT KILL and friends.
//!
//! [`Client`] is the private half, which the session's own commands change; [`ClientShared`] the
//! half that other sessions may read, and through which they reach its mailbox.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use oxidis_resp::Protocol;
use parking_lot::Mutex;

use crate::acl::User;
use crate::blocking::Blocked;
use crate::client_memory::{ClientMemory, ClientsMemory};
use crate::debugging::Debugging;
use crate::mailbox::{Mailbox, Message};
use crate::pubsub::Subscriptions;
use crate::snapshot::SnapshotContents;
use crate::tracking::TrackingFlags;
use crate::transaction::Transaction;

/// How a session's replies are treated (CLIENT REPLY).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ReplyMode {
    /// Sent.
    #[default]
    On,
    /// Dropped until CLIENT REPLY ON.
    Off,
    /// The next one is dropped.
    SkipNext,
    /// The one of the command that runs is dropped.
    Skip,
}

impl ReplyMode {
    /// Whether the reply to the command that runs is dropped.
    #[inline]
    pub(crate) fn drops(self) -> bool {
        matches!(self, ReplyMode::Off | ReplyMode::Skip)
    }
}

/// The state of a session that its commands see and change.
///
/// As in [`ClientShared`], what every request needs comes first.
#[repr(C)]
pub struct Client {
    pub(crate) shared: Arc<ClientShared>,
    pub(crate) database: usize,
    /// The generation of the users for which the session's user is known to be unrestricted; 0 if it is not.
    pub(crate) unrestricted_generation: u64,
    pub(crate) blocked: Option<Arc<Blocked>>,
    /// Until when a pause, or a key on its way to another server, holds the next command back, in
    /// milliseconds since 1970.
    pub(crate) held_back_until_ms: Option<i64>,
    /// How far the stream of replication was when the session's last change was in it.
    pub(crate) written_offset: u64,
    pub(crate) protocol: Protocol,
    pub(crate) is_authenticated: bool,
    pub(crate) reply_mode: ReplyMode,
    /// Whether its MIGRATE is being carried out.
    pub(crate) is_migrating: bool,
    /// The connection is closed once the replies so far are sent.
    pub(crate) close_after_reply: bool,
    /// Whether the command before was CLIENT CACHING.
    pub(crate) is_caching_said: bool,
    /// Whether the keys of reading commands are remembered.
    pub(crate) tracks_reads: bool,
    /// CLIENT NO-TOUCH.
    pub(crate) no_touch: bool,
    /// CLIENT NO-EVICT.
    pub(crate) no_evict: bool,
    /// CLIENT IMPORT-SOURCE.
    pub(crate) is_import_source: bool,
    /// SCRIPT DEBUG.
    pub(crate) debugging: Debugging,
    pub(crate) transaction: Transaction,
    pub(crate) subscriptions: Subscriptions,
    // From here on it is looked at now and then.
    pub(crate) user: Option<Arc<User>>,
    /// The session's user as it was at this generation of the users.
    pub(crate) user_generation: u64,
    /// The prefixes that it tracks with BCAST.
    pub(crate) tracked_prefixes: BTreeSet<Vec<u8>>,
    /// What it wants to be sent when it asks for the data set.
    pub(crate) replica: ReplicaOptions,
}

/// What a client said with REPLCONF.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplicaOptions {
    /// The port that it listens on.
    pub(crate) port: u16,
    /// The address that it wants to be known by, if not by the one that it comes from.
    pub(crate) address: Option<Vec<u8>>,
    /// Whether it finds the end of a data set by a mark.
    pub(crate) knows_marks: bool,
    /// Whether it takes a new identity of the stream when it goes on.
    pub(crate) knows_ids: bool,
    /// Whether it wants the data set only, and not the changes that follow.
    pub(crate) data_only: bool,
    /// Which part of the data set it wants.
    pub(crate) contents: SnapshotContents,
}

impl Client {
    pub(crate) fn new(shared: Arc<ClientShared>) -> Self {
        Client {
            shared,
            database: 0,
            protocol: Protocol::Resp2,
            is_authenticated: false,
            user: None,
            user_generation: 0,
            unrestricted_generation: 0,
            transaction: Transaction::default(),
            subscriptions: Subscriptions::default(),
            reply_mode: ReplyMode::On,
            blocked: None,
            held_back_until_ms: None,
            is_migrating: false,
            close_after_reply: false,
            no_evict: false,
            no_touch: false,
            is_import_source: false,
            tracked_prefixes: BTreeSet::new(),
            is_caching_said: false,
            tracks_reads: false,
            written_offset: 0,
            replica: ReplicaOptions::default(),
            debugging: Debugging::default(),
        }
    }

    /// Whether commands do for the session what they do for any other.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.transaction.is_open
            && self.blocked.is_none()
            && self.held_back_until_ms.is_none()
            && !self.is_migrating
            && !self.close_after_reply
            && !self.no_touch
            && !self.is_import_source
            && !self.is_caching_said
            && !self.tracks_reads
            && matches!(self.reply_mode, ReplyMode::On)
            && !self.shared.is_killed()
    }

    /// The session's number, as CLIENT ID answers it.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// The selected database.
    pub fn database(&self) -> usize {
        self.database
    }

    /// The protocol that the session speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Makes the session one of this user; everybody learns its name.
    pub(crate) fn set_user(&mut self, name: &[u8]) {
        self.shared.names.lock().user = name.to_vec();
        self.user = None;
        self.unrestricted_generation = 0;
    }

    pub(crate) fn select(&mut self, database: usize) {
        self.database = database;
        self.shared.database.store(database, Ordering::Relaxed);
    }

    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.shared
            .protocol
            .store(protocol.version() as u8, Ordering::Relaxed);
    }

    /// Says until when a pause holds the next command back, in milliseconds since 1970, if it does.
    pub(crate) fn set_held_back(&mut self, until_ms: Option<i64>) {
        self.held_back_until_ms = until_ms;
        let is_held_back = &self.shared.is_held_back;
        is_held_back.store(until_ms.is_some(), Ordering::Relaxed);
        let deadline = &self.shared.held_back_until_ms;
        deadline.store(until_ms.unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Says whether its MIGRATE is being carried out.
    pub(crate) fn set_migrating(&mut self, is_migrating: bool) {
        self.is_migrating = is_migrating;
        let is_held_back = &self.shared.is_held_back;
        is_held_back.store(is_migrating, Ordering::Relaxed);
    }

    /// CLIENT NO-EVICT.
    pub(crate) fn set_no_evict(&mut self, no_evict: bool) {
        self.no_evict = no_evict;
        self.shared.no_evict.store(no_evict, Ordering::Relaxed);
    }

    /// CLIENT NO-TOUCH.
    pub(crate) fn set_no_touch(&mut self, no_touch: bool) {
        self.no_touch = no_touch;
        self.shared.no_touch.store(no_touch, Ordering::Relaxed);
    }

    /// CLIENT IMPORT-SOURCE.
    pub(crate) fn set_import_source(&mut self, is_import_source: bool) {
        self.is_import_source = is_import_source;
        let shared = &self.shared.is_import_source;
        shared.store(is_import_source, Ordering::Relaxed);
    }

    /// Decides whether the keys of reading commands are remembered, after what that depends on has
    /// changed.
    pub(crate) fn refresh_tracks_reads(&mut self) {
        let flags = self.shared.tracking.flags();
        let is_opted_out = if flags.contains(TrackingFlags::OPTIN) {
            !self.is_caching_said
        } else {
            flags.contains(TrackingFlags::OPTOUT) && self.is_caching_said
        };
        self.tracks_reads = flags.contains(TrackingFlags::ON)
            && !flags.contains(TrackingFlags::BCAST)
            && !is_opted_out;
    }

    /// Says whether CLIENT CACHING stands before the command that comes.
    pub(crate) fn set_caching_said(&mut self, is_said: bool) {
        self.is_caching_said = is_said;
        self.refresh_tracks_reads();
    }

    /// Whether the session may only use the commands of a RESP2 subscriber.
    pub(crate) fn is_subscriber_only(&self) -> bool {
        self.protocol == Protocol::Resp2 && self.subscriptions.total() > 0
    }
}

/// Names that a client gave itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientNames {
    pub(crate) name: Vec<u8>,
    pub(crate) lib_name: Vec<u8>,
    pub(crate) lib_ver: Vec<u8>,
    pub(crate) user: Vec<u8>,
}

/// How a session tracks keys, as those see it who change them.
#[derive(Default)]
pub(crate) struct ClientTracking {
    flags: AtomicU8,
    /// The session that gets its messages; 0 is itself.
    pub(crate) redirect: AtomicU64,
}

impl ClientTracking {
    pub(crate) fn flags(&self) -> TrackingFlags {
        TrackingFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn set_flags(&self, flags: TrackingFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    pub(crate) fn add_flags(&self, flags: TrackingFlags) {
        self.flags.fetch_or(flags.bits(), Ordering::Relaxed);
    }

    /// The session that gets the messages, 0 for itself, -1 if it does not track: as clients are
    /// told.
    pub(crate) fn redirect_or_none(&self) -> i64 {
        if self.flags().contains(TrackingFlags::ON) {
            self.redirect.load(Ordering::Relaxed) as i64
        } else {
            -1
        }
    }
}

/// The half of a session that other sessions see.
///
/// What every request reads or writes comes first, in two cache lines: when one of many sessions has its turn, nothing of it
/// is in the processor's first cache.
#[repr(C, align(64))]
pub struct ClientShared {
    pub(crate) id: u64,
    pub(crate) mailbox: Arc<Mailbox>,
    /// When the session last sent something.
    pub(crate) last_interaction_ms: AtomicI64,
    pub(crate) input_bytes: AtomicU64,
    pub(crate) output_bytes: AtomicU64,
    pub(crate) command_count: AtomicU64,
    /// Index of the last command in the command table, plus one.
    pub(crate) last_command: AtomicU32,
    pub(crate) is_killed: AtomicBool,
    pub(crate) is_monitor: AtomicBool,
    /// Whether it is a replica of this server.
    pub(crate) is_replica: AtomicBool,
    /// Whether it is the link to the primary of this server.
    pub(crate) is_primary: AtomicBool,
    /// Bytes of requests that wait to be executed, less the arguments that are understood, and of replies that wait to
    /// be sent, as the driver last reported them.
    pub(crate) query_buffer_bytes: AtomicUsize,
    pub(crate) output_buffer_bytes: AtomicUsize,
    /// The most replies that have waited at once, in bytes.
    pub(crate) output_buffer_peak_bytes: AtomicUsize,
    /// Since when more replies wait than the soft limit allows, in milliseconds since 1970; 0 if
    /// no more do.
    pub(crate) soft_limit_since_ms: AtomicI64,
    pub(crate) memory: ClientMemory,
    // From here on it is looked at now and then.
    /// `address:port`, or the path of a Unix socket with `:0`, of the far end.
    pub(crate) address: String,
    /// The same of our end.
    pub(crate) local_address: String,
    pub(crate) is_unix_socket: bool,
    pub(crate) created_ms: i64,
    pub(crate) names: Mutex<ClientNames>,
    pub(crate) database: AtomicUsize,
    pub(crate) protocol: AtomicU8,
    pub(crate) channel_count: AtomicUsize,
    pub(crate) pattern_count: AtomicUsize,
    pub(crate) shard_channel_count: AtomicUsize,
    pub(crate) watched_count: AtomicUsize,
    /// Whether a key was changed that the session watches, as its transaction has it; `None` while it watches none.
    pub(crate) is_dirty: Mutex<Option<Arc<AtomicBool>>>,
    /// Commands queued by MULTI, or -1.
    pub(crate) queued_count: AtomicI64,
    pub(crate) no_evict: AtomicBool,
    pub(crate) no_touch: AtomicBool,
    pub(crate) is_import_source: AtomicBool,
    /// Whether the client goes where a reply redirects it (CLIENT CAPA).
    pub(crate) follows_redirects: AtomicBool,
    /// The descriptor of the socket, -1 if there is none, and the thread that serves it.
    pub(crate) descriptor: AtomicI64,
    pub(crate) thread: AtomicUsize,
    pub(crate) tracking: ClientTracking,
    /// Whether a pause holds a command back.
    pub(crate) is_held_back: AtomicBool,
    /// When a command that is held back may run; `i64::MAX` if none is, or nobody knows.
    pub(crate) held_back_until_ms: AtomicI64,
    /// Whether the session has ended.
    pub(crate) has_ended: AtomicBool,
    /// The command on which the session is blocked.
    pub(crate) blocked: Mutex<Option<Arc<Blocked>>>,
}

impl ClientShared {
    pub(crate) fn new(
        id: u64,
        address: String,
        local_address: String,
        now_ms: i64,
        memory: ClientMemory,
    ) -> Self {
        ClientShared {
            memory,
            id,
            is_unix_socket: address.ends_with(":0"),
            address,
            local_address,
            created_ms: now_ms,
            mailbox: Arc::default(),
            names: Mutex::new(ClientNames {
                user: crate::acl::DEFAULT_USER.to_vec(),
                ..Default::default()
            }),
            database: AtomicUsize::new(0),
            protocol: AtomicU8::new(2),
            last_interaction_ms: AtomicI64::new(now_ms),
            last_command: AtomicU32::new(0),
            channel_count: AtomicUsize::new(0),
            pattern_count: AtomicUsize::new(0),
            shard_channel_count: AtomicUsize::new(0),
            watched_count: AtomicUsize::new(0),
            is_dirty: Mutex::new(None),
            queued_count: AtomicI64::new(-1),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            is_import_source: AtomicBool::new(false),
            follows_redirects: AtomicBool::new(false),
            descriptor: AtomicI64::new(-1),
            thread: AtomicUsize::new(0),
            is_killed: AtomicBool::new(false),
            is_monitor: AtomicBool::new(false),
            is_replica: AtomicBool::new(false),
            is_primary: AtomicBool::new(false),
            tracking: ClientTracking::default(),
            is_held_back: AtomicBool::new(false),
            held_back_until_ms: AtomicI64::new(i64::MAX),
            has_ended: AtomicBool::new(false),
            blocked: Mutex::new(None),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            command_count: AtomicU64::new(0),
            query_buffer_bytes: AtomicUsize::new(0),
            output_buffer_bytes: AtomicUsize::new(0),
            output_buffer_peak_bytes: AtomicUsize::new(0),
            soft_limit_since_ms: AtomicI64::new(0),
        }
    }

    /// Whether it only follows what others do: a replica, or one that monitors.
    #[inline]
    pub(crate) fn is_follower(&self) -> bool {
        self.is_monitor.load(Ordering::Relaxed) || self.is_replica.load(Ordering::Relaxed)
    }

    /// Whether EXEC would answer that a watched key was changed.
    pub(crate) fn is_dirty(&self) -> bool {
        let is_dirty = self.is_dirty.lock();
        (is_dirty.as_ref()).is_some_and(|is_dirty| is_dirty.load(Ordering::Relaxed))
    }

    /// How many keys it watches that may still be as they were: once one has changed, none.
    pub(crate) fn watched_count(&self) -> usize {
        match self.watched_count.load(Ordering::Relaxed) {
            0 => 0,
            _ if self.is_dirty() => 0,
            count => count,
        }
    }

    /// Counts a command that the session, which nobody else counts for, has executed.
    #[inline]
    pub(crate) fn count_command(&self) {
        let count = &self.command_count;
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Whether the session comes from this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.is_unix_socket || self.address.starts_with("127.") || self.address.starts_with("[::1]")
    }

    /// Whether the session is subscribed to anything.
    pub(crate) fn is_subscribed(&self) -> bool {
        [
            &self.channel_count,
            &self.pattern_count,
            &self.shard_channel_count,
        ]
        .iter()
        .any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// The session's line in CLIENT LIST, as text for the log.
    pub(crate) fn description(&self, now_ms: i64) -> String {
        String::from_utf8_lossy(&crate::cmd::client::describe(self, now_ms)).into_owned()
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.protocol.load(Ordering::Relaxed) {
            3 => Protocol::Resp3,
            _ => Protocol::Resp2,
        }
    }

    pub(crate) fn post(&self, message: Message) {
        self.mailbox.post(message);
        self.count_memory();
    }

    /// Whether the session has ended, so that nobody takes what is posted to it.
    pub(crate) fn is_gone(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Whether the session is about to be closed by somebody else.
    pub(crate) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Acquire)
    }

    /// Whether the session waits for a key, for time to pass, or for the end of a pause.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_held_back.load(Ordering::Relaxed) || self.blocked.lock().is_some()
    }

    /// Has the session closed by its owner.
    pub(crate) fn kill(&self) {
        self.is_killed.store(true, Ordering::Release);
        self.mailbox.post(Message::Close);
    }
}

/// Every session of an engine, by its number.
#[derive(Default)]
pub(crate) struct Clients {
    by_id: Mutex<BTreeMap<u64, Arc<ClientShared>>>,
    last_id: AtomicU64,
    /// Whether nobody is served any more.
    is_closed: AtomicBool,
    /// Sessions opened since the statistics were last reset.
    pub(crate) received: AtomicU64,
    pub(crate) memory: Arc<ClientsMemory>,
}

impl Clients {
    pub(crate) fn add(
        &self,
        address: String,
        local_address: String,
        now_ms: i64,
    ) -> Arc<ClientShared> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let memory = ClientMemory::new(&self.memory);
        let client = ClientShared::new(id, address, local_address, now_ms, memory);
        let client = Arc::new(client);
        client.count_memory();
        self.by_id.lock().insert(id, client.clone());
        self.received.fetch_add(1, Ordering::Relaxed);
        if self.is_closed.load(Ordering::SeqCst) {
            client.kill();
        }
        client
    }

    /// Has every session closed by its owner, and each that comes from now on.
    pub(crate) fn close(&self) {
        // Before the sessions are looked for: one that is added meanwhile is found, or finds this.
        self.is_closed.store(true, Ordering::SeqCst);
        for client in self.all() {
            client.kill();
        }
    }

    /// Takes a session out that has ended.
    pub(crate) fn remove(&self, client: &ClientShared) {
        client.has_ended.store(true, Ordering::Release);
        self.forget(client.id);
    }

    /// Takes a session out that is to be seen no more, though its owner has yet to end it.
    pub(crate) fn forget(&self, id: u64) {
        let client = self.by_id.lock().remove(&id);
        if let Some(client) = client {
            client.leave_memory_sum();
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<ClientShared>> {
        let by_id = self.by_id.lock();
        by_id.get(&id).filter(|client| !client.is_killed()).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.lock().len()
    }

    /// Every session, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<ClientShared>> {
        self.by_id.lock().values().cloned().collect()
    }
}
