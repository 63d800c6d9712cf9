//! A session: what a connection, or a program that embeds the engine, talks to.
//!
//! The owner gives it the bytes that came and gets back the bytes to send; it lends it a worker for
//! the time of each call. Requests are parsed in batches, so that the memory that a batch will touch
//! is on its way from main memory before the first of its commands runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use oxidis_resp::{Parsed, Protocol, RequestLimits, RequestParser, Source, Span, Writer};
use smallvec::SmallVec;

use crate::blocking::{Blocked, BlockedState};
use crate::chance::Chance;
use crate::client::{Client, ClientShared, ReplyMode};
use crate::command::context::OUTPUT_UNLIMITED_BYTES;
use crate::command::dispatch::{self, Prepared};
use crate::command::{Args, CommandError, Flags, Group, Registered};
use crate::command_log::{Measured, request_bytes};
use crate::engine::Engine;
use crate::faults::FaultEffect;
use crate::foresight::RecentCommand;
use crate::keyspace::PREFETCH_MIN;
use crate::latency::Event;
use crate::mailbox::Message;
use crate::worker::Worker;

/// Requests that are parsed, and whose keys are prefetched, before the first of them is executed.
const BATCH_MAX: usize = 64;

/// Places of arguments that a worker keeps room for from batch to batch.
const SPANS_KEEP_MAX: usize = 4096;

/// Replies that may gather before the owner is asked to send them, in bytes.
const OUTPUT_SOFT_MAX_BYTES: usize = 1 << 20;

/// One session. Dropping it without [`Session::close`] leaves its traces in the engine.
///
/// What every request needs lies side by side: what comes before `client`, and the beginning of that.
#[repr(C)]
pub struct Session {
    pub(crate) parser: RequestParser,
    pub(crate) recent_command: RecentCommand,
    /// Whoever the mailbox wakes, as far as that is known.
    registered_waker: Option<Waker>,
    /// What its commands draw from, whichever worker executes them.
    pub(crate) chance: Option<Chance>,
    /// Whether the next request has met its fault already.
    is_excused: bool,
    /// What is to become of the reply to the request that runs, or waits.
    breakage: Option<Breakage>,
    pub(crate) client: Client,
}

/// How a fault takes a reply away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breakage {
    Half,
    Whole,
}

/// What [`Session::process`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes of the input are done with. The rest must come again, with more behind it.
    pub consumed: usize,
    /// How many more bytes the request at the end of the input certainly needs; 0 if the session
    /// stopped for another reason.
    pub needs: usize,
    /// When the replies may leave.
    pub release: Release,
}

/// When replies may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// At once.
    Now,
    /// When [`Worker::flush_log`] has succeeded; only on a worker that [defers](Worker::defer_log) that. If it fails, the
    /// replies of a session that has logged something are to be [withheld](Session::withhold).
    AfterLog {
        /// Whether the session has.
        has_logged: bool,
    },
}

/// What one batch of requests came to, as in [`Progress`].
struct Batch {
    consumed: usize,
    needs: usize,
}

/// A request of a batch.
struct Request {
    first_span: usize,
    span_count: usize,
    /// Where the input stands behind it.
    end: usize,
    /// Where its spans count from.
    base: usize,
    /// Nothing where there is no such command: for the error it is prepared anew when it is its turn.
    prepared: Option<Prepared>,
}

/// Requests of a batch, one behind the other, that name the same key.
struct Run {
    hash: u64,
    requests: std::ops::Range<usize>,
}

/// Elements of one key's collection that a batch looks up: a range of all that it does. None are the ends of a list.
struct Lookup {
    hash: u64,
    elements: std::ops::Range<usize>,
}

/// Counts a command that waits no more. One that nobody served has its end here.
fn note_end_of_wait(worker: &Worker, blocked: &Blocked, reply: &[u8]) {
    let counters = &worker.counters.commands[blocked.registered.id];
    counters.calls.add(1);
    blocked.client.count_command();
    if *blocked.state.lock() != BlockedState::GivenUp {
        return;
    }
    if let Some(error) = reply.strip_prefix(b"-") {
        counters.failed_calls.add(1);
        worker.counters.error_replies.add(1);
        worker.engine.count_error(error);
    }
    let measured = Measured {
        ended_us: worker.engine.clock.now_us(),
        duration_us: 0,
        reply_bytes: reply.len(),
    };
    worker.note_duration(blocked.registered, measured.duration_us);
    dispatch::note_measured(
        &worker.engine,
        Event::CommandUnblocking,
        measured,
        &blocked.client,
        blocked.registered.command,
        Args::owned(&blocked.arguments),
    );
}

impl Session {
    /// A new session. `address` is the far end and `local_address` ours, as CLIENT LIST shows them.
    pub fn new(engine: &Engine, address: String, local_address: String) -> Self {
        let shared = engine.clients.add(address, local_address, engine.now_ms());
        let mut client = Client::new(shared);
        client.is_authenticated = !engine.acl.asks_password();
        Session::of_client(client)
    }

    /// The session of a client.
    pub(crate) fn of_client(client: Client) -> Self {
        Session {
            client,
            parser: RequestParser::new(),
            is_excused: false,
            breakage: None,
            recent_command: RecentCommand::default(),
            registered_waker: None,
            chance: None,
        }
    }

    pub(crate) fn into_client(self) -> Client {
        self.client
    }

    /// The session of the link to a primary: it may do everything, and nobody sees its replies.
    pub(crate) fn obeying(engine: &Engine, address: String) -> Self {
        let mut session = Session::new(engine, address, String::new());
        session.client.is_authenticated = true;
        let is_primary = &session.client.shared.is_primary;
        is_primary.store(true, Ordering::Relaxed);
        session
    }

    /// What others see of it.
    pub(crate) fn shared(&self) -> &Arc<ClientShared> {
        &self.client.shared
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The database that is selected.
    pub(crate) fn database(&self) -> usize {
        self.client.database
    }

    /// Selects a database.
    pub(crate) fn select(&mut self, database: usize) {
        self.client.select(database);
    }

    /// Whether a pause holds a command of the primary back.
    pub(crate) fn is_to_wait(&mut self, worker: &Worker, args: Args<'_>) -> bool {
        let prepared = dispatch::prepare(&worker.engine, args);
        dispatch::is_paused(worker, &self.client, args, &prepared)
    }

    /// Executes a command of the primary.
    pub(crate) fn obey(&mut self, worker: &mut Worker, args: Args<'_>, output: &mut Vec<u8>) {
        worker.refresh();
        // Also in a transaction, where each command is looked at again.
        self.client.unrestricted_generation = worker.engine.acl.generation();
        let prepared = dispatch::prepare(&worker.engine, args);
        worker.current_session = self.id();
        let now_ms = worker.engine.now_ms();
        let last_interaction_ms = &self.client.shared.last_interaction_ms;
        last_interaction_ms.store(now_ms, Ordering::Relaxed);
        self.execute(worker, args, prepared, output);
        worker.measure_rest();
        self.end_batch(worker, output);
    }

    /// The session's number.
    pub fn id(&self) -> u64 {
        self.client.id()
    }

    /// The protocol that it speaks.
    pub fn protocol(&self) -> Protocol {
        self.client.protocol
    }

    /// Chooses the protocol, as HELLO does for clients.
    pub fn speak(&mut self, protocol: Protocol) {
        self.client.set_protocol(protocol);
    }

    /// Whether the connection is to be closed once what was written is sent.
    pub fn should_close(&self) -> bool {
        self.client.close_after_reply || self.client.shared.is_killed()
    }

    /// Whether it waits for a key, for the end of a pause or for another server; it executes nothing until it does no
    /// more.
    pub fn is_blocked(&self) -> bool {
        self.client.blocked.is_some()
            || self.client.held_back_until_ms.is_some()
            || self.client.is_migrating
            || self.awaits_debugger()
    }

    /// When a blocked session gives up, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> Option<i64> {
        match &self.client.blocked {
            Some(blocked) => blocked.blocking.deadline_ms,
            None => self.client.held_back_until_ms,
        }
    }

    /// Whether it is subscribed to anything.
    pub fn is_subscribed(&self) -> bool {
        self.client.subscriptions.total() > 0
    }

    /// Bytes of published messages that wait to be taken.
    pub fn pushed_bytes(&self) -> usize {
        self.client.shared.mailbox.pushed_bytes()
    }

    /// Whether more waits to be sent to the client than `client-output-buffer-limit` allows its
    /// class, in which case the owner is to close it at once; that is logged. `unsent_bytes` is what
    /// the owner still has of earlier replies.
    pub fn exceeds_output_limit(&self, engine: &Engine, unsent_bytes: usize) -> bool {
        if unsent_bytes == 0 {
            return false;
        }
        let waiting = (unsent_bytes + self.pushed_bytes()) as u64;
        let exceeds = engine.exceeds_hard_limit(&self.client.shared, waiting)
            || !self.client.is_authenticated && engine.exceeds_unauthenticated_limit(waiting);
        if exceeds {
            self.client.shared.note_waiting(0, unsent_bytes);
            engine.close_for_output(&self.client.shared);
        }
        exceeds
    }

    /// Whether `unread`, of which the session can execute nothing yet, is more than
    /// `client-query-buffer-limit` allows, in which case the owner is to close the connection at
    /// once; that is logged.
    pub fn exceeds_query_limit(&self, engine: &Engine, unread: &[u8]) -> bool {
        // Nor does Redis count the arguments that it has taken out of its buffer.
        let bytes = unread.len().saturating_sub(self.parser.understood_bytes());
        let exceeds = bytes > engine.config.client_query_buffer_limit();
        if exceeds {
            self.client.shared.note_waiting(unread.len(), 0);
            engine.close_for_query(&self.client.shared, unread);
        }
        exceeds
    }

    /// Whether somebody else has it closed: what was not sent yet need not be.
    pub fn is_killed(&self) -> bool {
        self.client.shared.is_killed()
    }

    /// The session's line in CLIENT LIST, for the log.
    pub fn description(&self, engine: &Engine) -> String {
        self.client.shared.description(engine.now_ms())
    }

    /// Counts bytes that came.
    pub fn note_received(&self, worker: &Worker, bytes: usize) {
        worker.counters.reads_processed.add(1);
        worker.counters.input_bytes.add(bytes as u64);
        if self.client.shared.is_primary.load(Ordering::Relaxed) {
            worker.counters.replication_input_bytes.add(bytes as u64);
        }
        let received = &self.client.shared.input_bytes;
        received.store(
            received.load(Ordering::Relaxed) + bytes as u64,
            Ordering::Relaxed,
        );
    }

    /// Counts bytes that were sent.
    pub fn note_sent(&self, worker: &Worker, bytes: usize) {
        worker.counters.writes_processed.add(1);
        worker.counters.output_bytes.add(bytes as u64);
        if self.client.shared.is_replica.load(Ordering::Relaxed) {
            worker.counters.replication_output_bytes.add(bytes as u64);
        }
        let sent = &self.client.shared.output_bytes;
        sent.store(
            sent.load(Ordering::Relaxed) + bytes as u64,
            Ordering::Relaxed,
        );
    }

    /// Executes the requests in `input` and appends their replies to `output`. Stops early when the
    /// session blocks or is to be closed, or when there is much to send.
    pub fn process(&mut self, worker: &mut Worker, input: &[u8], output: &mut Vec<u8>) -> Progress {
        worker.refresh_for_batch();
        worker.note_input(input.len());
        if worker.memory_rules.maxmemory_clients_bytes > 0 {
            self.client.shared.note_input_memory(input.len());
        }
        let now_ms = worker.now_ms();
        self.client
            .shared
            .last_interaction_ms
            .store(now_ms, Ordering::Relaxed);
        self.client
            .shared
            .query_buffer_bytes
            .store(input.len(), Ordering::Relaxed);
        worker.current_session = self.id();
        self.lend_chance(worker);
        let mut spans = std::mem::take(&mut worker.spans);
        let start = output.len();
        let mut progress = Progress {
            consumed: 0,
            needs: 0,
            release: Release::Now,
        };
        while !self.is_blocked() && !self.should_close() {
            let rest = &input[progress.consumed..];
            let batch = self.process_batch(worker, rest, &mut spans, start, output);
            progress.consumed += batch.consumed;
            progress.needs = batch.needs;
            if batch.needs > 0 || output.len() > OUTPUT_SOFT_MAX_BYTES {
                break;
            }
        }
        worker.measure_batch();
        progress.release = self.wait_for_log(worker, start, output);
        spans.clear();
        if spans.capacity() > SPANS_KEEP_MAX {
            spans = Vec::new();
        }
        worker.spans = spans;
        self.take_chance_back(worker);
        self.end_batch(worker, output);
        self.client.shared.count_memory();
        worker.engine.host.note_thread_memory();
        worker.told_bytes = 0;
        progress
    }

    /// Returns when what was logged so far is as safe as `appendfsync` wants it before replies leave, or at once if the
    /// worker sees to that later.
    #[inline]
    fn wait_for_log(&mut self, worker: &mut Worker, start: usize, output: &mut Vec<u8>) -> Release {
        let has_logged = std::mem::take(&mut worker.has_logged);
        let log = &worker.engine.append_log;
        if !log.is_on() {
            return Release::Now;
        }
        if worker.defers_log {
            // Whoever only reads waits as well: nobody is told what might be lost yet.
            return match log.is_behind(&worker.engine) {
                true => Release::AfterLog { has_logged },
                false => Release::Now,
            };
        }
        if !worker.flush_log() && has_logged {
            self.withhold(start, output);
        }
        Release::Now
    }

    /// Closes the session without the replies from `start` on: what they say was done is not on disk, though it
    /// was promised that it would be.
    #[cold]
    pub fn withhold(&mut self, start: usize, output: &mut Vec<u8>) {
        self.client.shared.kill();
        output.truncate(start);
    }

    /// Closes the session, and drops its replies from `start` on, if they are more than may wait
    /// for it. That the socket might take them all at once makes no difference, as in Redis: the
    /// limit protects from commands whose replies are too big, too.
    #[inline]
    fn limit_output(&mut self, engine: &Engine, start: usize, output: &mut Vec<u8>) {
        let waiting = output.len() - start;
        if waiting > OUTPUT_UNLIMITED_BYTES
            && engine.exceeds_hard_limit(&self.client.shared, waiting as u64)
        {
            self.client.shared.note_waiting(0, waiting);
            engine.close_for_output(&self.client.shared);
            self.client.shared.kill();
            output.truncate(start);
            output.shrink_to_fit();
        }
    }

    fn process_batch(
        &mut self,
        worker: &mut Worker,
        input: &[u8],
        spans: &mut Vec<Span>,
        output_start: usize,
        output: &mut Vec<u8>,
    ) -> Batch {
        spans.clear();
        let mut requests: SmallVec<[Request; BATCH_MAX]> = SmallVec::new();
        // Until a session is authenticated small limits hold, and the next request may lift them.
        let batch_max = if self.client.is_authenticated {
            BATCH_MAX
        } else {
            1
        };
        self.parser.set_limits(RequestLimits {
            bulk_max_bytes: worker.engine.config.proto_max_bulk_len() as u64,
            unauthenticated: !self.client.is_authenticated,
        });
        let mut at = 0;
        let mut needs = 0;
        let mut failure = None;
        let mut previous = self.recent_command.get();
        let mut newest = None;
        let mut unescaped = None;
        while requests.len() < batch_max && unescaped.is_none() {
            let first_span = spans.len();
            match self.parser.parse(&input[at..], spans) {
                Ok(Parsed::Request { consumed, source }) => {
                    let span_count = spans.len() - first_span;
                    let request_spans = &spans[first_span..];
                    let args = match source {
                        Source::Input => Args::spans(&input[at..], request_spans),
                        Source::Unescaped => {
                            // The parser's buffer lasts until its next call: end the batch here.
                            let buffer = unescaped.insert(self.parser.unescaped().to_vec());
                            Args::spans(buffer, request_spans)
                        }
                    };
                    let prepared = dispatch::prepare_next(&worker.engine, args, previous);
                    if let (Some(prepared), Source::Input) = (&prepared, source)
                        && prepared.registered.is_plain
                    {
                        let name = request_spans[0].of(&input[at..]);
                        newest = Some((name, prepared.registered));
                        previous = newest;
                    }
                    let base = at;
                    at += consumed;
                    requests.push(Request {
                        first_span,
                        span_count,
                        end: at,
                        base,
                        prepared,
                    });
                }
                Ok(Parsed::Incomplete { consumed, hint }) => {
                    at += consumed;
                    needs = hint;
                    break;
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if let Some((name, registered)) = newest {
            self.recent_command.remember(name, registered);
        }
        if unescaped.is_none() {
            self.prefetch(worker, &requests, input, spans);
        }
        let last = requests.len();
        let mut consumed = 0;
        for (index, request) in requests.iter().enumerate() {
            let buffer = match &unescaped {
                Some(buffer) if index + 1 == last => &buffer[..],
                _ => &input[request.base..],
            };
            let request_spans = &spans[request.first_span..request.first_span + request.span_count];
            let args = Args::spans(buffer, request_spans);
            let mut prepared = match request.prepared {
                Some(prepared) => Ok(prepared),
                None => dispatch::prepare(&worker.engine, args),
            };
            if worker.engine.gate.is_shut() && !self.pass_gate(worker, args, &mut prepared) {
                consumed = request.end;
            } else if self.client.held_back_until_ms.is_none() {
                let reply_start = output.len();
                self.execute(worker, args, prepared, output);
                if self.breakage.is_some() && !self.is_blocked() {
                    self.break_reply(reply_start, output);
                }
                self.limit_output(&worker.engine, output_start, output);
                // One that came upon a key on its way to another server is executed anew.
                if self.client.held_back_until_ms.is_none() {
                    consumed = request.end;
                }
            }
            if self.is_blocked() || self.should_close() {
                // What was parsed ahead is parsed again when the session goes on.
                self.parser = RequestParser::new();
                return Batch { consumed, needs: 0 };
            }
        }
        if let Some(error) = failure {
            error.write_to(&mut Writer::new(output, self.client.protocol));
            self.client.close_after_reply = true;
            return Batch {
                consumed: input.len(),
                needs: 0,
            };
        }
        if needs > 0 {
            consumed = at;
        }
        Batch { consumed, needs }
    }

    /// Looks at a request before it runs, where somebody wants that; answers whether it may go on: to be executed,
    /// or to be held back.
    #[cold]
    fn pass_gate(
        &mut self,
        worker: &mut Worker,
        args: Args<'_>,
        prepared: &mut Result<Prepared, CommandError>,
    ) -> bool {
        let until_ms = dispatch::hold_back(worker, &mut self.client, args, prepared);
        self.client.set_held_back(until_ms);
        if until_ms.is_some() {
            return true;
        }
        let registered = prepared.as_ref().ok().map(|it| it.registered);
        if registered.is_some_and(|it| it.full_name.starts_with("oxidis")) {
            return true;
        }
        let is_excused = std::mem::take(&mut self.is_excused);
        let fault = match registered {
            Some(registered) if !is_excused => {
                (worker.engine.faults).meet(&self.client.shared, registered, args)
            }
            _ => None,
        };
        if let Some(FaultEffect::Delay(delay)) = fault {
            let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
            let until_ms = worker.engine.now_ms().saturating_add(delay_ms);
            self.is_excused = true;
            self.client.set_held_back(Some(until_ms));
            return true;
        }
        let record = &worker.engine.record;
        record.note(&self.client, args, worker.next_now_us);
        match fault {
            Some(FaultEffect::Error(text)) => *prepared = Err(text.into()),
            Some(FaultEffect::Cut) => {
                self.client.close_after_reply = true;
                return false;
            }
            Some(FaultEffect::CutReply) => self.breakage = Some(Breakage::Half),
            Some(FaultEffect::LoseReply) => self.breakage = Some(Breakage::Whole),
            Some(FaultEffect::Delay(_)) | None => {}
        }
        true
    }

    /// Takes the reply that begins at `start` away, or half of it, and has the connection closed.
    #[cold]
    fn break_reply(&mut self, start: usize, output: &mut Vec<u8>) {
        match self.breakage.take() {
            Some(Breakage::Half) => output.truncate(start + (output.len() - start) / 2),
            Some(Breakage::Whole) => output.truncate(start),
            None => return,
        }
        self.client.close_after_reply = true;
    }

    /// Brings what a batch will touch near: first every bucket, then every entry, then what big
    /// collections will look up, so that the cache misses of different requests overlap.
    fn prefetch(&self, worker: &mut Worker, requests: &[Request], input: &[u8], spans: &[Span]) {
        if requests.len() < PREFETCH_MIN {
            return;
        }
        let mut runs: SmallVec<[Run; BATCH_MAX]> = SmallVec::new();
        for (index, request) in requests.iter().enumerate() {
            let Some(prepared) = &request.prepared else {
                continue;
            };
            let (argument, hash) = prepared.hashed;
            if argument == 0 {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.hash == hash && run.requests.end == index => {
                    run.requests.end = index + 1;
                }
                _ => runs.push(Run {
                    hash,
                    requests: index..index + 1,
                }),
            }
        }
        let mut prefetcher = worker.view.keyspace().prefetcher();
        let database = self.client.database;
        for run in &runs {
            prefetcher.bucket((database, run.hash));
        }
        prefetcher.entries(runs.iter().map(|run| (database, run.hash)));
        let args = |request: &Request| {
            let span_range = request.first_span..request.first_span + request.span_count;
            Args::spans(&input[request.base..], &spans[span_range])
        };
        let mut elements: SmallVec<[&[u8]; BATCH_MAX]> = SmallVec::new();
        let mut lookups: SmallVec<[Lookup; BATCH_MAX]> = SmallVec::new();
        let mut list_count = 0;
        for run in &runs {
            let run_requests = &requests[run.requests.clone()];
            let Some(first) = &run_requests[0].prepared else {
                continue;
            };
            let command = first.registered.command;
            // What commands read of lists they mostly read at the ends. What they add comes beside what was added last.
            let reads_list =
                command.group == Group::List && !command.flags.contains(Flags::DENYOOM);
            if command.element == 0 && !reads_list {
                continue;
            }
            list_count += usize::from(reads_list);
            let first_element = elements.len();
            for request in run_requests {
                let element = match &request.prepared {
                    Some(prepared) => prepared.registered.command.element,
                    None => 0,
                };
                if element != 0 && element < request.span_count {
                    elements.push(args(request).get(element));
                }
            }
            lookups.push(Lookup {
                hash: run.hash,
                elements: first_element..elements.len(),
            });
        }
        if elements.len() + list_count >= PREFETCH_MIN {
            let lookups = lookups.into_iter();
            prefetcher.elements(lookups.map(|it| ((database, it.hash), &elements[it.elements])));
        }
    }

    /// Executes one request given as arguments and appends its reply to `output`.
    pub fn execute_arguments(&mut self, worker: &mut Worker, args: Args<'_>, output: &mut Vec<u8>) {
        let prepared = dispatch::prepare(&worker.engine, args);
        self.execute_prepared(worker, args, prepared, output);
    }

    /// As [`Self::execute_arguments`], where it is known what the arguments are.
    pub(crate) fn execute_prepared(
        &mut self,
        worker: &mut Worker,
        args: Args<'_>,
        prepared: Result<Prepared, CommandError>,
        output: &mut Vec<u8>,
    ) {
        worker.refresh();
        worker.note_input(request_bytes(args));
        worker.current_session = self.id();
        let start = output.len();
        self.execute(worker, args, prepared, output);
        worker.measure_rest();
        if !worker.is_replaying {
            self.wait_for_log(worker, start, output);
        }
        self.end_batch(worker, output);
    }

    /// Tells those who track by prefix what the requests have changed.
    #[inline]
    fn end_batch(&mut self, worker: &mut Worker, output: &mut Vec<u8>) {
        self.client.shared.hand_replies_over();
        worker.current_session = 0;
        if worker.broadcast_changes() && self.client.shared.mailbox.is_filled() {
            self.deliver(worker, output);
        }
    }

    /// Makes room for what is about to be executed; `output` has the replies before it. The session is told what that
    /// did to keys that it has cached before it gets its reply, in which they may be new ones. Answers whether to go on: not
    /// if room was made by closing the session itself.
    #[inline]
    fn make_room(&mut self, worker: &mut Worker, output: &mut Vec<u8>) -> bool {
        if worker.is_obeying {
            // The log says itself what was evicted.
            return true;
        }
        if worker.memory_rules.maxmemory_clients_bytes > 0 {
            // Before keys are evicted for what clients have not read.
            self.client.shared.note_reply_memory(output.len());
            worker.limit_clients();
            if self.client.shared.is_killed() {
                return false;
            }
        }
        worker.make_room();
        if worker.engine.tracking.is_on() {
            worker.limit_tracked_keys();
            if self.client.shared.mailbox.is_filled() {
                self.deliver(worker, output);
            }
        }
        true
    }

    /// CLIENT CACHING is about the command or transaction right behind it. `registered` is what was
    /// executed just now, as far as there is such a command.
    #[cold]
    fn end_caching(&mut self, registered: Option<&'static Registered>) {
        let is_client = registered.is_some_and(|it| it.full_name.starts_with("client|"));
        if !is_client && !self.client.transaction.is_open && !self.is_blocked() {
            self.client.set_caching_said(false);
        }
    }

    #[inline]
    fn execute(
        &mut self,
        worker: &mut Worker,
        args: Args<'_>,
        prepared: Result<Prepared, CommandError>,
        output: &mut Vec<u8>,
    ) {
        if !self.make_room(worker, output) {
            return;
        }
        let start = output.len();
        let mut out = Writer::new(output, self.client.protocol);
        let registered = prepared.as_ref().ok().map(|it| it.registered);
        let was_dropping = self.client.reply_mode.drops();
        dispatch::execute(worker, &mut self.client, args, prepared, &mut out);
        if self.client.is_caching_said {
            self.end_caching(registered);
        }
        if self.client.reply_mode != ReplyMode::On {
            self.drop_reply(was_dropping, start, output);
        }
        if self.client.shared.mailbox.is_filled() {
            self.deliver(worker, output);
        }
    }

    /// Drops the reply to a command after which not all replies are sent, if it was so before it, too. EXEC has dropped what
    /// was not to be sent when one of its commands asked for that.
    #[cold]
    fn drop_reply(&mut self, was_dropping: bool, start: usize, output: &mut Vec<u8>) {
        if was_dropping && self.client.reply_mode.drops() {
            output.truncate(start);
        }
        self.client.reply_mode = match self.client.reply_mode {
            // The reply to what blocks is still to come.
            ReplyMode::Skip if !self.is_blocked() => ReplyMode::On,
            ReplyMode::SkipNext => ReplyMode::Skip,
            mode => mode,
        };
    }

    /// Leaves a waker that is woken when there is something to deliver; answers whether there is.
    #[inline]
    pub fn poll_mailbox(&mut self, waker: &Waker) -> bool {
        let mailbox = &self.client.shared.mailbox;
        let is_registered = (self.registered_waker.as_ref()).is_some_and(|it| it.will_wake(waker));
        if is_registered {
            // The waker stays until something comes, and nobody else takes out what has come.
            return mailbox.is_filled();
        }
        let is_filled = mailbox.register(waker);
        self.registered_waker = (!is_filled).then(|| waker.clone());
        is_filled
    }

    /// Appends to `output` what other sessions have sent: messages, invalidations, the reply to the
    /// command on which the session was blocked.
    pub fn deliver(&mut self, worker: &mut Worker, output: &mut Vec<u8>) {
        let messages = self.client.shared.mailbox.take();
        self.registered_waker = None;
        let is_safe = worker.engine.append_log.flush(&worker.engine).is_ok();
        if !is_safe && messages.iter().any(|it| matches!(it, Message::Unblock(_))) {
            return self.withhold(output.len(), output);
        }
        for message in messages {
            match message {
                Message::Push(bytes) => output.extend_from_slice(&bytes),
                Message::Unblock(reply) => {
                    if let Some(blocked) = &self.client.blocked {
                        note_end_of_wait(worker, blocked, &reply);
                    }
                    self.leave_queues(worker);
                    if self.client.is_caching_said {
                        self.client.set_caching_said(false);
                    }
                    self.write_late(&reply, output);
                }
                Message::Concluded(reply) => {
                    self.client.set_migrating(false);
                    self.write_late(&reply, output);
                }
                Message::Resume => self.client.set_held_back(None),
                Message::Look => {}
                Message::Close => self.client.close_after_reply = true,
            }
        }
    }

    /// Appends the reply to a command that the session had to wait for.
    fn write_late(&mut self, reply: &[u8], output: &mut Vec<u8>) {
        let start = output.len();
        match self.client.reply_mode {
            ReplyMode::On => output.extend_from_slice(reply),
            ReplyMode::Skip => self.client.reply_mode = ReplyMode::On,
            ReplyMode::Off | ReplyMode::SkipNext => {}
        }
        if self.breakage.is_some() {
            self.break_reply(start, output);
        }
    }

    /// Ends the wait of a blocked session whose time is over. A reply is delivered as any other
    /// message is.
    pub fn time_out(&mut self) {
        self.client.set_held_back(None);
        if let Some(blocked) = &self.client.blocked {
            blocked.time_out();
        }
    }

    /// Takes the session out of the queues of the keys that it waited for.
    fn leave_queues(&mut self, worker: &mut Worker) {
        *self.client.shared.blocked.lock() = None;
        self.client.shared.note_blocked(0);
        let Some(blocked) = self.client.blocked.take() else {
            return;
        };
        worker.leave_queues(blocked);
    }

    /// Says that the far end is gone, where [`Session::close`] has yet to come: a replica that is gone counts no
    /// more.
    pub fn note_gone(&self, engine: &Engine) {
        if self.client.shared.is_replica.load(Ordering::Relaxed) {
            engine.replication.remove_replica(self.id(), engine);
        }
    }

    /// Takes the session out of the engine. Call it before dropping it.
    pub fn close(&mut self, worker: &mut Worker) {
        if let Some(blocked) = &self.client.blocked {
            blocked.cancel();
        }
        self.leave_queues(worker);
        dispatch::discard_transaction(worker, &mut self.client);
        crate::cmd::pubsub::unsubscribe_all(&worker.engine, &mut self.client);
        self.note_gone(&worker.engine);
        worker.engine.monitors.remove(&self.client.shared);
        crate::tracking::disable(&worker.engine, &mut self.client);
        worker.engine.clients.remove(&self.client.shared);
    }

    /// Tells CLIENT LIST which descriptor the session's socket has.
    pub fn note_descriptor(&self, descriptor: i64) {
        let shared = &self.client.shared;
        shared.descriptor.store(descriptor, Ordering::Relaxed);
    }

    /// Tells CLIENT LIST and INFO which of the owner's threads serves the session from now on.
    pub fn note_thread(&self, thread: usize) {
        self.client.shared.thread.store(thread, Ordering::Relaxed);
    }
}
