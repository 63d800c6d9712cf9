//! The side of the replica: what it asks its primary for, and how it takes over and repeats what comes.
//!
//! The host holds the connection, on a thread of its own, and gives the bytes to a [`PrimaryLink`]. Commands of the
//! primary pass no gates and see no key as expired: it was decided where they were executed first. Each is put
//! into this server's own stream as it came, byte for byte, before its locks are given back, so that data and
//! offset always fit together and replicas of a replica have the same stream.
//!
//! REPLICAOF locks everything and counts the *generation* up. A command of the primary looks at the generation once
//! it has its locks, and does nothing if it is of an earlier one: so nothing of the old primary is applied
//! after REPLICAOF has answered.

use std::io::Read;
use std::sync::Arc;

use oxidis_resp::{Parsed, RequestLimits, RequestParser, Source, Span};

use super::backlog::Backlog;
use super::serve::begin_stream;
use super::state::{Link, State, Upstream};

use crate::command::Args;
use crate::config::LogLevel;
use crate::engine::Engine;
use crate::mailbox::Message;
use crate::session::Session;
use crate::snapshot::{SaveRefused, start_log_rewrite};
use crate::worker::Worker;

/// Bytes of a buffer that are kept for the next command.
const KEPT_BYTES: usize = 64 * 1024;

/// Whom a server follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    generation: u64,
}

/// How far a link is that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStage {
    /// The connection is being made.
    Connecting,
    /// The primary is told who asks.
    Handshake,
}

/// What a worker needs to know that repeats the commands of a primary.
#[derive(Debug, Default)]
pub(crate) struct Following {
    generation: u64,
    /// What came and is not in the stream of this server yet.
    verbatim: Vec<u8>,
    is_in_transaction: bool,
    /// Whether the primary has asked how far this server is.
    pub(crate) is_asked: bool,
}

impl Engine {
    /// Whom this server follows, if anyone.
    pub fn primary(&self) -> Option<Primary> {
        let state = self.replication.lock();
        let upstream = state.upstream.as_ref()?;
        Some(Primary {
            host: String::from_utf8_lossy(&upstream.host).into_owned(),
            port: upstream.port,
            generation: self.replication.generation(),
        })
    }

    /// Begins to follow the primary that the configuration names, if it names one.
    pub fn follow_at_start(self: &Arc<Self>) {
        if let Some((host, port)) = self.config.replica_of() {
            self.set_upstream(&mut self.replication.lock(), host, port);
            self.persistence.set_replica(true);
            self.host.primary_changed(self);
        }
    }

    fn set_upstream(&self, state: &mut State, host: Vec<u8>, port: u16) {
        state.upstream = Some(Upstream {
            host,
            port,
            link: Link::Down,
            last_io_ms: self.now_ms(),
            down_since_ms: Some(self.now_ms()),
            read_offset: 0,
            transferred_bytes: 0,
            client: None,
        });
    }

    /// Ends the waits of all sessions that wait for keys: nobody will serve them here.
    fn unblock_all(&self) {
        for client in self.clients.all() {
            let blocked = client.blocked.lock().clone();
            let ended = blocked.is_some_and(|blocked| {
                blocked.finish_with(|out| {
                    out.error(
                        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> \
                         replica?)",
                    );
                })
            });
            if ended {
                client.post(Message::Close);
            }
        }
    }
}

/// Makes this server follow another, or nobody (REPLICAOF). Every stripe is locked.
pub(crate) fn follow(worker: &Worker, target: Option<(Vec<u8>, u16)>) {
    let engine = &worker.engine;
    engine.replication.next_generation();
    let mut state = engine.replication.lock();
    let old = state.upstream.take();
    let was_replica = old.is_some();
    if let Some(client) = old.and_then(|upstream| upstream.client) {
        client.kill();
    }
    let words = match &target {
        Some((host, port)) => [&host[..], b" ", port.to_string().as_bytes()].concat(),
        None => b"no one".to_vec(),
    };
    match target {
        Some((host, port)) => engine.set_upstream(&mut state, host, port),
        None if was_replica => {
            // The data go on here under another name. Replicas learn it when they come again.
            let keeps_old = state.is_streaming();
            state.change_id(keeps_old);
            part_with_replicas(&mut state);
        }
        None => {}
    }
    let is_replica = state.upstream.is_some();
    drop(state);
    engine.replication.own_keys.forget();
    if !is_replica {
        engine.propagation.forget_selected();
    } else if !was_replica {
        engine.unblock_all();
    }
    engine.persistence.set_replica(is_replica);
    engine.config.set_replica_of(&words);
    engine.host.primary_changed(engine);
}

fn part_with_replicas(state: &mut State) {
    for replica in state.replicas.drain(..) {
        replica.client.kill();
    }
}

/// A link to the primary, as long as there is one.
pub struct PrimaryLink<'w> {
    worker: &'w mut Worker,
    session: Session,
    parser: RequestParser,
    spans: Vec<Span>,
    reply: Vec<u8>,
    primary: Primary,
    /// The database that is selected, as far as others have been told.
    database: usize,
}

/// How much of a data set has come, while it is being loaded.
pub struct TransferProgress {
    engine: Arc<Engine>,
    generation: u64,
}

impl TransferProgress {
    /// Counts bytes that came; answers whether the data set is still wanted.
    pub fn add(&self, bytes: usize) -> bool {
        let now_ms = self.engine.now_ms();
        let mut state = self.engine.replication.lock();
        let is_current = self.engine.replication.generation() == self.generation;
        if let Some(upstream) = state.upstream.as_mut().filter(|_| is_current) {
            upstream.transferred_bytes += bytes as u64;
            upstream.last_io_ms = now_ms;
        }
        is_current
    }
}

impl<'w> PrimaryLink<'w> {
    /// A link that is being made. The worker does nothing else meanwhile.
    pub fn new(worker: &'w mut Worker, primary: &Primary) -> Self {
        let engine = worker.engine.clone();
        let address = format!("{}:{}", primary.host, primary.port);
        let session = Session::obeying(&engine, address);
        worker.is_obeying = true;
        worker.following = Some(Box::new(Following {
            generation: primary.generation,
            ..Following::default()
        }));
        let link = PrimaryLink {
            worker,
            session,
            parser: RequestParser::new(),
            spans: Vec::new(),
            reply: Vec::new(),
            primary: primary.clone(),
            database: 0,
        };
        let client = link.session.shared().clone();
        link.with_upstream(|_, upstream| upstream.client = Some(client));
        link
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.worker.engine
    }

    /// Whether the primary is still the one that is followed, and nobody wants the link closed.
    pub fn is_current(&self) -> bool {
        let generation = self.engine().replication.generation();
        generation == self.primary.generation && !self.session.is_killed()
    }

    /// Does something to the state of a link that is current.
    fn with_upstream(&self, body: impl FnOnce(&mut State, &mut Upstream)) {
        let replication = &self.engine().replication;
        let mut state = replication.lock();
        if replication.generation() == self.primary.generation
            && let Some(mut upstream) = state.upstream.take()
        {
            body(&mut state, &mut upstream);
            state.upstream = Some(upstream);
        }
    }

    /// Says how far the link is.
    pub fn set_stage(&self, stage: LinkStage) {
        self.with_upstream(|_, upstream| {
            upstream.link = match stage {
                LinkStage::Connecting => Link::Connecting,
                LinkStage::Handshake => Link::Handshake,
            };
        });
    }

    /// What PSYNC asks for: the identity of the stream and the number of the next byte, or `?` and -1.
    pub fn wanted(&self) -> (String, i64) {
        let state = self.engine().replication.lock();
        match state.is_streaming() {
            true => (state.id.clone(), state.offset as i64 + 1),
            false => ("?".to_owned(), -1),
        }
    }

    fn is_up(state: &State, upstream: &mut Upstream, now_ms: i64) {
        upstream.link = Link::Up;
        upstream.last_io_ms = now_ms;
        upstream.down_since_ms = None;
        upstream.read_offset = state.offset;
    }

    /// The primary goes on where this server is; under another identity, if it says one.
    pub fn resume(&mut self, id: Option<&str>) {
        let engine = self.engine().clone();
        let now_ms = engine.now_ms();
        let mut database = 0;
        self.with_upstream(|state, upstream| {
            if let Some(id) = id.filter(|id| *id != state.id) {
                let old = std::mem::replace(&mut state.id, id.to_owned());
                state.second = Some((old, state.offset + 1));
                part_with_replicas(state);
            }
            Self::is_up(state, upstream, now_ms);
            database = state.stream_database;
        });
        self.session.select(database);
        self.database = database;
        let line = "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.";
        engine.host.log(LogLevel::Notice, line);
    }

    /// Says that a data set comes; its bytes are to be counted.
    pub fn begin_transfer(&self) -> TransferProgress {
        let now_ms = self.engine().now_ms();
        self.with_upstream(|_, upstream| {
            upstream.link = Link::Transfer;
            upstream.transferred_bytes = 0;
            upstream.last_io_ms = now_ms;
        });
        TransferProgress {
            engine: self.engine().clone(),
            generation: self.primary.generation,
        }
    }

    /// Puts the primary's data set in the place of what is here; the stream follows from `offset` on.
    ///
    /// # Errors
    /// What is wrong with it; then what is here stays.
    pub fn take_over(
        &mut self,
        source: &mut dyn Read,
        id: &str,
        offset: u64,
    ) -> Result<(), String> {
        let engine = self.engine().clone();
        let generation = self.primary.generation;
        let mut database = 0;
        let loaded = self.worker.load_from_primary(source, |worker, found| {
            if engine.replication.generation() != generation {
                return false;
            }
            database = found;
            adopt(worker, id, offset, database);
            true
        });
        let mut bytes = 0;
        self.with_upstream(|_, upstream| bytes = upstream.transferred_bytes);
        self.worker.counters.input_bytes.add(bytes);
        self.worker.counters.replication_input_bytes.add(bytes);
        loaded?;
        if !self.is_current() {
            return Err("the primary is no longer followed".to_owned());
        }
        self.session.select(database);
        self.database = database;
        let now_ms = engine.now_ms();
        self.with_upstream(|state, upstream| Self::is_up(state, upstream, now_ms));
        let line = "MASTER <-> REPLICA sync: Finished with success";
        engine.host.log(LogLevel::Notice, line);
        Ok(())
    }

    /// Notes that so many bytes of the stream have come.
    pub fn note_read(&self, bytes: usize) {
        let now_ms = self.engine().now_ms();
        self.with_upstream(|_, upstream| {
            upstream.read_offset += bytes as u64;
            upstream.last_io_ms = now_ms;
        });
        self.session.note_received(self.worker, bytes);
    }

    /// Executes the commands in `input`; answers how much of it is done with. The rest is to come again: it is not
    /// whole, or a pause holds it back.
    ///
    /// # Errors
    /// What comes is no stream of commands.
    pub fn apply(&mut self, input: &[u8]) -> Result<usize, String> {
        let mut consumed = 0;
        self.parser.set_limits(RequestLimits {
            bulk_max_bytes: i64::MAX as u64,
            unauthenticated: false,
        });
        let mut spans = std::mem::take(&mut self.spans);
        while self.is_current() {
            spans.clear();
            let rest = &input[consumed..];
            match self.parser.parse(rest, &mut spans) {
                Ok(Parsed::Request {
                    consumed: used,
                    source,
                }) => {
                    let is_done = match source {
                        Source::Input => self.repeat(&rest[..used], Args::spans(rest, &spans)),
                        Source::Unescaped => {
                            let buffer = self.parser.unescaped().to_vec();
                            self.repeat(&rest[..used], Args::spans(&buffer, &spans))
                        }
                    };
                    if !is_done {
                        self.parser = RequestParser::new();
                        break;
                    }
                    consumed += used;
                }
                Ok(Parsed::Incomplete { consumed: used, .. }) => {
                    if let Some(following) = &mut self.worker.following {
                        following.verbatim.extend_from_slice(&rest[..used]);
                    }
                    consumed += used;
                    break;
                }
                Err(error) => return Err(format!("{error:?}")),
            }
        }
        self.spans = spans;
        let engine = self.engine().clone();
        // If it cannot be written that is in the log, and writes are refused.
        let _ = engine.append_log.flush(&engine);
        engine.host.note_thread_memory();
        Ok(consumed)
    }

    /// Repeats one command; answers whether it could, or was held back.
    fn repeat(&mut self, bytes: &[u8], args: Args<'_>) -> bool {
        let engine = self.worker.engine.clone();
        if engine.pause.is_on() && self.session.is_to_wait(self.worker, args) {
            return false;
        }
        let following = self.worker.following.as_mut();
        let following = following.expect("the link has made it");
        following.verbatim.extend_from_slice(bytes);
        if args.len() > 0 {
            let name = args.get(0);
            if name.eq_ignore_ascii_case(b"multi") {
                following.is_in_transaction = true;
            } else if name.eq_ignore_ascii_case(b"exec") || name.eq_ignore_ascii_case(b"discard") {
                following.is_in_transaction = false;
            }
        }
        self.reply.clear();
        self.session.obey(self.worker, args, &mut self.reply);
        forward(self.worker);
        if self.reply.first() == Some(&b'-') {
            let line = format!(
                "== CRITICAL == This replica is sending an error to its master: '{}' after processing the command \
                 '{}'",
                String::from_utf8_lossy(&self.reply).trim_end(),
                String::from_utf8_lossy(args.get(0)),
            );
            engine.host.log(LogLevel::Warning, &line);
            self.worker.counters.unexpected_error_replies.add(1);
        }
        let database = self.session.database();
        if std::mem::replace(&mut self.database, database) != database {
            self.with_upstream(|state, _| state.stream_database = database);
        }
        true
    }

    /// Whether a pause may hold commands back.
    pub fn is_held_back(&self) -> bool {
        self.engine().pause.is_on()
    }

    /// Whether the primary has asked how far this server is since this was last called.
    pub fn is_asked(&mut self) -> bool {
        let following = self.worker.following.as_mut();
        following.is_some_and(|following| std::mem::take(&mut following.is_asked))
    }

    /// How far this server is, and how much of that is on its disk if it has a log.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let engine = self.engine();
        let offset = engine.replication.offset();
        let has_log = engine.append_log.is_on();
        let on_disk = has_log && engine.append_log.flush_and_sync(engine).is_ok();
        (offset, on_disk.then_some(offset))
    }
}

impl Drop for PrimaryLink<'_> {
    fn drop(&mut self) {
        let now_ms = self.engine().now_ms();
        self.with_upstream(|_, upstream| {
            upstream.link = Link::Down;
            upstream.client = None;
            upstream.down_since_ms = upstream.down_since_ms.or(Some(now_ms));
        });
        self.session.close(self.worker);
        self.worker.is_obeying = false;
        self.worker.following = None;
    }
}

/// Takes the primary's place in the stream over, with its data. Every stripe is locked.
fn adopt(worker: &mut Worker, id: &str, offset: u64, database: usize) {
    let engine = worker.engine.clone();
    begin_stream(&engine);
    engine.replication.own_keys.forget();
    {
        let mut state = engine.replication.lock();
        state.id = id.to_owned();
        state.second = None;
        state.offset = offset;
        state.stream_database = database;
        let capacity = engine.config.repl_backlog_size() as usize;
        state.backlog = Some(Backlog::new(capacity, offset));
        part_with_replicas(&mut state);
    }
    if engine.append_log.is_on() {
        match start_log_rewrite(worker) {
            Ok(()) => {}
            // What is in the log is of other data until then.
            Err(SaveRefused::InProgress | SaveRefused::Impossible) => {
                engine.append_log.schedule_rewrite();
            }
        }
    }
}

/// Whether a command whose locks are held is of a primary that is no longer followed.
#[cold]
pub(crate) fn is_outdated(worker: &Worker) -> bool {
    let generation = worker.engine.replication.generation();
    let following = worker.following.as_ref();
    following.is_some_and(|following| following.generation != generation)
}

/// Puts what came into the stream of this server, unless it is half of a transaction. The locks of the command are
/// held.
#[cold]
pub(crate) fn forward(worker: &mut Worker) {
    let engine = worker.engine.clone();
    let Some(following) = &mut worker.following else {
        return;
    };
    if following.is_in_transaction || following.verbatim.is_empty() {
        return;
    }
    let mut state = engine.replication.lock();
    if engine.replication.generation() == following.generation {
        state.feed(&following.verbatim);
    }
    drop(state);
    following.verbatim.clear();
    following.verbatim.shrink_to(KEPT_BYTES);
}
