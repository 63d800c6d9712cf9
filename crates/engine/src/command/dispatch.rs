//! The life of a command: the gates before its handler, the locks around it, the effects after it.
//!
//! The gates stand in Redis's order, since a client that trips two of them gets the error of the
//! first.

use std::sync::atomic::Ordering;

use oxidis_resp::Writer;
use smallvec::SmallVec;

use super::context::{Mode, delete_expired, fail_transaction};
use super::table::Registered;
use super::{
    Args, BeginSearch, Command, CommandError, CommandResult, Context, FindKeys, Flags, Group,
    Locks, Reply,
};
use crate::acl::{self, DenialContext, Denied};
use crate::blocking::{Blocked, BlockedState};
use crate::busy::Busy;
use crate::client::{Client, ClientShared};
use crate::client_limits::is_web_request;
use crate::cmd::flags_of_call;
use crate::command_log::Measured;
use crate::debugging::DebugMode;
use crate::engine::Engine;
use crate::keyspace::Key;
use crate::latency::Event;
use crate::persistence::{Unsafe, refuses_while_loading};
use crate::replication::{forward, is_outdated, remember_own_keys};
use crate::tracking;
use crate::transaction::Queued;
use crate::value::ValueType;
use crate::worker::{BRIEF_REPLY_MAX_BYTES, ReadyKey, Worker};

/// What the caller of [`execute`] may already know of a request.
#[derive(Clone, Copy)]
pub(crate) struct Prepared {
    pub(crate) registered: &'static Registered,
    /// The first key's argument and its hash; argument 0, which is no key, if it is not known.
    pub(crate) hashed: (usize, u64),
}

impl Prepared {
    #[inline(always)]
    fn new(engine: &Engine, registered: &'static Registered, args: Args<'_>) -> Self {
        Prepared {
            registered,
            hashed: hash_first_key(engine, registered, args),
        }
    }
}

/// Looks a request's command up and hashes its key, where it has one at a fixed place.
pub(crate) fn prepare(engine: &Engine, args: Args<'_>) -> Result<Prepared, CommandError> {
    let registered = engine.names.resolve(args)?;
    Ok(Prepared::new(engine, registered, args))
}

/// As [`prepare`], where the error does not matter yet. `previous` may be a name that means one command whatever follows:
/// pipelined requests tend to repeat it. Part of its caller, so that what is found is written where it stays, once:
/// copying words that have just been written in parts waits for them.
#[inline(always)]
pub(crate) fn prepare_next(
    engine: &Engine,
    args: Args<'_>,
    previous: Option<(&[u8], &'static Registered)>,
) -> Option<Prepared> {
    match previous {
        Some((name, registered)) if name == args.get(0) => {
            Some(Prepared::new(engine, registered, args))
        }
        _ => prepare(engine, args).ok(),
    }
}

/// The hash of the key of a command that has exactly one, at a fixed place.
#[inline]
pub(crate) fn hash_first_key(
    engine: &Engine,
    registered: &Registered,
    args: Args<'_>,
) -> (usize, u64) {
    match single_key(registered) {
        Some(index) if index < args.len() => (index, engine.keyspace.key(args.get(index)).hash),
        _ => (0, 0),
    }
}

/// The hash of the key of a command that touches this one and nothing else.
pub(crate) fn key_of_one(engine: &Engine, prepared: &Prepared, args: Args<'_>) -> Option<u64> {
    if prepared.hashed.0 > 0 {
        return Some(prepared.hashed.1);
    }
    // Commands that take several keys may be given one.
    let [spec] = prepared.registered.command.keys else {
        return None;
    };
    match (spec.begin, spec.find) {
        (BeginSearch::Index(index), FindKeys::Range { .. }) if args.len() == index + 1 => {
            Some(engine.keyspace.key(args.get(index)).hash)
        }
        _ => None,
    }
}

/// The argument of the only key, for the commands that have one at a fixed place.
#[inline]
fn single_key(registered: &Registered) -> Option<usize> {
    let [spec] = registered.command.keys else {
        return None;
    };
    match (spec.begin, spec.find) {
        (BeginSearch::Index(index), FindKeys::Range { last: 0, .. }) => Some(index),
        _ => None,
    }
}

/// Executes one request of a session, or queues it, or refuses it; writes the reply.
pub(crate) fn execute(
    worker: &mut Worker,
    client: &mut Client,
    args: Args<'_>,
    prepared: Result<Prepared, CommandError>,
    out: &mut Reply<'_>,
) {
    note_command(client, &prepared);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(_) if is_web_request(args.get(0)) => return worker.engine.close_web_client(client),
        Err(error) => return reject(worker, client, None, &error, out),
    };
    let registered = prepared.registered;
    if let Err(error) = gates(worker, client, registered, args) {
        return reject(worker, client, Some(registered), &error, out);
    }
    if client.transaction.is_open && is_queued(registered) {
        enqueue(client, registered, args);
        out.simple("QUEUED");
        return;
    }
    if client.debugging.mode.is_some() && opens_debugger(worker, client, registered) {
        return hand_to_debugger(worker, client, registered, args);
    }
    // WATCH leaves its keys to the busy script that has their locks.
    let is_locked = lock(worker, client, registered, args, prepared.hashed).is_ok();
    if !is_locked && !registered.command.flags.contains(Flags::ALLOW_BUSY) {
        let error = worker.engine.busy_error();
        return reject(worker, client, Some(registered), &error, out);
    }
    if worker.following.is_some() && is_outdated(worker) {
        worker.view.unlock();
        return;
    }
    if is_locked
        && worker.engine.migrations.is_on()
        && waits_for_migration(worker, client, registered, args)
    {
        return;
    }
    let mut cx = Context::new(
        registered,
        args,
        client,
        worker,
        Mode::Direct,
        prepared.hashed,
    );
    call(&mut cx, out);
    finish(worker);
    if worker.written_offset != 0 {
        client.written_offset = std::mem::take(&mut worker.written_offset);
    }
}

/// Whether a command of a session that debugs runs a script, itself or as EXEC, and is to be run elsewhere for that.
#[cold]
fn opens_debugger(worker: &Worker, client: &Client, registered: &Registered) -> bool {
    let is_debugged =
        |registered: &Registered| matches!(registered.command.name, "eval" | "eval_ro");
    let runs_script = match registered.command.name {
        "exec" => (client.transaction.queue.iter()).any(|queued| is_debugged(queued.registered)),
        _ => is_debugged(registered),
    };
    runs_script && worker.conversation.is_none()
}

/// Leaves such a command to the session's owner.
#[cold]
fn hand_to_debugger(
    worker: &mut Worker,
    client: &mut Client,
    registered: &'static Registered,
    args: Args<'_>,
) {
    // On a copy nobody would see it.
    let is_shown = client.debugging.mode == Some(DebugMode::Copy);
    if is_shown && worker.engine.monitors.is_on() {
        let cx = Context::new(registered, args, client, worker, Mode::Direct, (0, 0));
        cx.feed_monitors(cx.now_us());
    }
    client.debugging.call = Some(args.to_owned());
}

/// Keeps a command for EXEC, unless that is bound to fail.
fn enqueue(client: &mut Client, registered: &'static Registered, args: Args<'_>) {
    let transaction = &mut client.transaction;
    if transaction.has_failed || transaction.is_dirty.load(Ordering::Relaxed) {
        return;
    }
    let queued = Queued {
        registered,
        arguments: args.to_owned(),
    };
    let queued_bytes = &client.shared.memory.queued_bytes;
    queued_bytes.fetch_add(queued.memory_bytes(), Ordering::Relaxed);
    transaction.queue.push(queued);
    let count = transaction.queue.len() as i64;
    client.shared.queued_count.store(count, Ordering::Relaxed);
}

/// Notes which command the session sent last, for CLIENT LIST, be it executed or not.
#[inline]
fn note_command(client: &Client, prepared: &Result<Prepared, CommandError>) {
    let number = match prepared {
        Ok(prepared) => prepared.registered.id as u32 + 1,
        Err(_) => 0,
    };
    let last_command = &client.shared.last_command;
    last_command.store(number, Ordering::Relaxed);
}

/// Whether a command whose locks are held has to wait for a key that is on its way to another server; if
/// it has, the locks are gone.
#[cold]
fn waits_for_migration(
    worker: &mut Worker,
    client: &mut Client,
    registered: &'static Registered,
    args: Args<'_>,
) -> bool {
    let queue = match registered.command.locks {
        Locks::Transaction => &client.transaction.queue[..],
        _ => &[],
    };
    let takes_all = worker.view.is_all();
    let migrations = &worker.engine.migrations;
    let waits = migrations.hold_back(client, takes_all, |visit| {
        let mut visit_keys = |registered: &Registered, args: Args<'_>| {
            let command = registered.command;
            command.find_keys(args, &mut |index| visit(args.get(index)));
        };
        visit_keys(registered, args);
        for queued in queue {
            visit_keys(queued.registered, Args::owned(&queued.arguments));
        }
    });
    if waits {
        worker.view.unlock();
        client.set_held_back(Some(i64::MAX));
    }
    waits
}

/// Ends a command whose session waited while others went on: `body` does what remains to be done, under
/// the locks that are held.
pub(crate) fn conclude(
    worker: &mut Worker,
    client: &mut Client,
    registered: &'static Registered,
    args: Args<'_>,
    out: &mut Reply<'_>,
    body: impl FnOnce(&mut Context<'_>, &mut Reply<'_>) -> CommandResult,
) {
    let dirty_before = worker.dirty;
    worker.is_tracking = worker.engine.tracking.is_on();
    let mut cx = Context::new(registered, args, client, worker, Mode::Direct, (0, 0));
    if let Err(error) = body(&mut cx, out) {
        let counters = &cx.worker.counters.commands[registered.id];
        counters.failed_calls.add(1);
        write_error(cx.worker, &error, out);
    }
    if cx.worker.engine.propagation.is_heard() {
        collect(&mut cx, dirty_before);
    }
    finish(worker);
}

/// Until when a request must wait because clients are paused, in milliseconds since 1970. One that
/// will be refused anyway is not kept waiting.
#[cold]
pub(crate) fn hold_back(
    worker: &Worker,
    client: &mut Client,
    args: Args<'_>,
    prepared: &Result<Prepared, CommandError>,
) -> Option<i64> {
    if client.shared.is_follower() {
        return None;
    }
    let registered = prepared.as_ref().ok()?.registered;
    identity_gates(worker, client, registered, args).ok()?;
    if !acl::is_permitted(&worker.engine, client, registered, args) {
        return None;
    }
    state_gates(worker, client, registered, args).ok()?;
    let engine = &worker.engine;
    let writes = may_write(engine, client, registered, args);
    let pause = &engine.pause;
    let until_ms = pause.hold_back(&engine.gate, client, writes, worker.now_ms());
    if until_ms.is_some() {
        note_command(client, prepared);
    }
    until_ms
}

/// Whether a pause holds a command of the primary back. Nobody refuses it.
#[cold]
pub(crate) fn is_paused(
    worker: &Worker,
    client: &Client,
    args: Args<'_>,
    prepared: &Result<Prepared, CommandError>,
) -> bool {
    let engine = &worker.engine;
    let Ok(prepared) = prepared else {
        return false;
    };
    let writes = may_write(engine, client, prepared.registered, args);
    engine.pause.holds(writes, engine.now_ms())
}

/// Whether a request may change the key space, or what replicas have.
fn may_write(engine: &Engine, client: &Client, registered: &Registered, args: Args<'_>) -> bool {
    const WRITING: Flags = Flags::WRITE.union(Flags::MAY_REPLICATE);
    asks(engine, client, registered, args, |flags| {
        flags.intersects(WRITING)
    })
}

/// Whether a request has such flags: its command, or with EXEC one of the queue. Scripts are judged by what they say
/// of themselves.
#[cold]
fn asks(
    engine: &Engine,
    client: &Client,
    registered: &Registered,
    args: Args<'_>,
    are_such: impl Fn(Flags) -> bool,
) -> bool {
    if registered.command.name == "exec" {
        let mut queue = client.transaction.queue.iter();
        return queue.any(|queued| {
            let args = Args::owned(&queued.arguments);
            are_such(flags_of_call(engine, queued.registered, args))
        });
    }
    are_such(flags_of_call(engine, registered, args))
}

/// The checks before a command runs or is queued.
#[inline]
fn gates(
    worker: &Worker,
    client: &mut Client,
    registered: &Registered,
    args: Args<'_>,
) -> Result<(), CommandError> {
    if worker.is_obeying {
        // What is in the log was permitted when it was done.
        return match registered.command.accepts(args.len()) {
            true => Ok(()),
            false => Err(CommandError::WrongArity(registered_name(registered))),
        };
    }
    identity_gates(worker, client, registered, args)?;
    let context = match client.transaction.is_open {
        true => DenialContext::Transaction,
        false => DenialContext::TopLevel,
    };
    if let Err(denied) = acl::authorize(&worker.engine, client, registered, args, context) {
        return Err(permission_error(worker, client, registered, denied));
    }
    state_gates(worker, client, registered, args)
}

/// What a session's user gets that may not do what it asked for.
#[cold]
fn permission_error(
    worker: &Worker,
    client: &mut Client,
    registered: &Registered,
    denied: Denied,
) -> CommandError {
    let user = acl::refresh(&worker.engine, client);
    let message = denied.message(user, registered);
    CommandError::of_parts(&[b"NOPERM ", &message])
}

/// The checks of the request itself, and of who sends it.
#[inline]
fn identity_gates(
    worker: &Worker,
    client: &Client,
    registered: &Registered,
    args: Args<'_>,
) -> Result<(), CommandError> {
    let command = registered.command;
    if !command.accepts(args.len()) {
        return Err(CommandError::WrongArity(registered_name(registered)));
    }
    if command.flags.contains(Flags::PROTECTED) {
        protected(worker, client, registered)?;
    }
    if !client.is_authenticated
        && !command.flags.contains(Flags::NO_AUTH)
        && worker.engine.acl.asks_password()
    {
        return Err(CommandError::text("NOAUTH Authentication required."));
    }
    if client.transaction.is_open && command.flags.contains(Flags::NO_MULTI) {
        return Err(CommandError::text(
            "ERR Command not allowed inside a transaction",
        ));
    }
    Ok(())
}

/// The checks of what is possible now.
#[inline]
fn state_gates(
    worker: &Worker,
    client: &Client,
    registered: &Registered,
    args: Args<'_>,
) -> Result<(), CommandError> {
    let engine = &*worker.engine;
    let has = |wanted: Flags| {
        asks(engine, client, registered, args, |flags| {
            flags.contains(wanted)
        })
    };
    if worker.is_out_of_memory && has(Flags::DENYOOM) {
        return Err(CommandError::OutOfMemory);
    }
    let is_shut = engine.persistence.is_gate_shut();
    if is_shut {
        let is_ping = registered.command.name == "ping";
        refuse_writes(engine, || is_ping || has(Flags::WRITE))?;
    }
    if engine.lacks_replicas() && has(Flags::WRITE) {
        return Err(CommandError::NoReplicas);
    }
    if is_shut && engine.is_read_only() && has(Flags::WRITE) {
        return Err(CommandError::ReadOnlyReplica);
    }
    if client.is_subscriber_only() && !is_allowed_to_subscribers(registered) {
        return Err(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
             are allowed in this context",
            registered.full_name.to_ascii_lowercase()
        )
        .into());
    }
    if is_shut {
        let is_for_fresh = |flags: Flags| !flags.contains(Flags::STALE);
        if engine.is_stale() && asks(engine, client, registered, args, is_for_fresh) {
            return Err(CommandError::Stale);
        }
        let flags = registered.command.flags;
        if let Some(error) = refuses_while_loading(&worker.engine, flags) {
            return Err(error);
        }
    }
    if worker.engine.is_script_busy() && !registered.command.flags.contains(Flags::ALLOW_BUSY) {
        return Err(worker.engine.busy_error());
    }
    if client.shared.is_follower() && uses_keys(client, registered) {
        return Err(CommandError::text(
            "ERR Replica can't interact with the keyspace",
        ));
    }
    Ok(())
}

/// Whether a command looks at the key space or changes what replicas have: itself, or as EXEC with such a command in
/// its queue. Those who follow what others do may not: pauses do not stop them.
#[cold]
fn uses_keys(client: &Client, registered: &Registered) -> bool {
    const USING: Flags = Flags::READONLY
        .union(Flags::WRITE)
        .union(Flags::MAY_REPLICATE);
    let uses = |registered: &Registered| registered.command.flags.intersects(USING);
    match registered.command.name {
        "exec" => client
            .transaction
            .queue
            .iter()
            .any(|it| uses(it.registered)),
        _ => uses(registered),
    }
}

/// Refuses what changes data, alone or in a transaction, when data cannot be saved; and PING, by which some
/// see whether a server is well.
#[cold]
fn refuse_writes(engine: &Engine, is_asked: impl Fn() -> bool) -> CommandResult {
    if engine.persistence.has_ended() {
        return Err(CommandError::text("ERR the server is shutting down"));
    }
    match Unsafe::of(engine).filter(|_| is_asked()) {
        Some(reason) => Err(reason.error()),
        None => Ok(()),
    }
}

fn registered_name(registered: &Registered) -> std::borrow::Cow<'static, str> {
    registered.full_name.clone().into()
}

#[cold]
fn protected(
    worker: &Worker,
    client: &Client,
    registered: &Registered,
) -> Result<(), CommandError> {
    use crate::config::ProtectedAction;
    let config = &worker.engine.config;
    let container = registered.full_name.split('|').next().unwrap_or_default();
    let (option, said) = match container {
        "module" => ("enable-module-command", config.enable_module_command()),
        "oxidis" => ("enable-test-commands", config.enable_test_commands()),
        _ => ("enable-debug-command", config.enable_debug_command()),
    };
    let allowed = match said {
        ProtectedAction::Yes => true,
        ProtectedAction::Local => client.shared.is_local(),
        ProtectedAction::No => false,
    };
    if allowed {
        return Ok(());
    }
    Err(format!(
        "ERR {} command not allowed. If the {option} option is set to \"local\", you \
         can run it from a local connection, otherwise you need to set this option in the \
         configuration file, and then restart the server.",
        container.to_ascii_uppercase()
    )
    .into())
}

fn is_queued(registered: &Registered) -> bool {
    // The whole name: SLOWLOG RESET is not RESET.
    !matches!(
        registered.full_name.as_str(),
        "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
    )
}

fn is_allowed_to_subscribers(registered: &Registered) -> bool {
    matches!(
        registered.full_name.as_str(),
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "psubscribe"
            | "unsubscribe"
            | "sunsubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    )
}

/// Writes an error of the gates, and makes an open transaction fail.
#[cold]
pub(crate) fn reject(
    worker: &mut Worker,
    client: &mut Client,
    registered: Option<&'static Registered>,
    error: &CommandError,
    out: &mut Reply<'_>,
) {
    fail_transaction(client);
    if let Some(registered) = registered {
        worker.counters.commands[registered.id]
            .rejected_calls
            .add(1);
        if registered.command.name == "exec" {
            // A refused EXEC ends its transaction.
            discard_transaction(worker, client);
            let text = error.bytes();
            let text = text.strip_prefix(b"ERR ").unwrap_or(&text);
            let before = b"EXECABORT Transaction discarded because of: ";
            let error = CommandError::Quoting([&before[..], text].concat());
            return write_error(worker, &error, out);
        }
    }
    write_error(worker, error, out);
}

/// Writes an error reply and counts it.
#[cold]
pub(crate) fn write_error(worker: &Worker, error: &CommandError, out: &mut Reply<'_>) {
    worker.counters.error_replies.add(1);
    let text = error.bytes();
    worker.engine.count_error(&text);
    out.error_bytes(&text);
}

/// Ends a transaction: empties its queue and forgets its watched keys.
pub(crate) fn discard_transaction(worker: &mut Worker, client: &mut Client) {
    client.transaction.queue = Vec::new();
    let queued_bytes = &client.shared.memory.queued_bytes;
    queued_bytes.store(0, Ordering::Relaxed);
    client.transaction.is_open = false;
    client.transaction.has_failed = false;
    client.shared.queued_count.store(-1, Ordering::Relaxed);
    unwatch(worker, client);
}

/// Forgets the watched keys of a session.
pub(crate) fn unwatch(worker: &mut Worker, client: &mut Client) {
    let transaction = &mut client.transaction;
    for watched in std::mem::take(&mut transaction.watched) {
        let holds = worker.view.holds_key(watched.hash);
        if !holds && !worker.view.is_none() {
            // Inside another command's locks: the watcher is found dead later, and is harmless.
            continue;
        }
        if !holds && worker.lock_one(watched.hash).is_err() {
            // As above.
            continue;
        }
        let stripe = worker.view.stripe_mut(watched.hash);
        stripe.watchers.remove(&watched, &transaction.is_dirty);
        if !holds {
            worker.view.unlock();
        }
    }
    let watched_bytes = &client.shared.memory.watched_bytes;
    watched_bytes.store(0, Ordering::Relaxed);
    // A new flag: whoever still holds the old one marks nothing.
    transaction.is_dirty = Default::default();
    if client.shared.watched_count.swap(0, Ordering::Relaxed) > 0 {
        *client.shared.is_dirty.lock() = None;
    }
}

/// Locks what the command needs.
#[inline]
fn lock(
    worker: &mut Worker,
    client: &Client,
    registered: &Registered,
    args: Args<'_>,
    hashed: (usize, u64),
) -> Result<(), Busy> {
    let command = registered.command;
    match command.locks {
        Locks::Keys if hashed.0 != 0 => worker.lock_one(hashed.1)?,
        Locks::Keys if command.keys.is_empty() => return Ok(()),
        Locks::Keys => {
            let hashes = key_hashes(worker, registered, args);
            worker.lock_some(hashes.iter().copied())?;
            worker.view.prefetch_locked(client.database, &hashes);
        }
        Locks::Transaction => lock_transaction(worker, client)?,
        Locks::All => worker.lock_all()?,
        Locks::Stepwise => return Ok(()),
    }
    if command.flags.contains(Flags::WRITE) && worker.view.has_transfer_waiters() {
        worker.view.unlock();
        worker.lock_all()?;
    }
    Ok(())
}

fn key_hashes(worker: &Worker, registered: &Registered, args: Args<'_>) -> SmallVec<[u64; 16]> {
    let mut hashes = SmallVec::new();
    registered.command.find_keys(args, &mut |index| {
        hashes.push(worker.view.key(args.get(index)).hash);
    });
    hashes
}

/// Locks the stripes of all queued commands and watched keys.
fn lock_transaction(worker: &mut Worker, client: &Client) -> Result<(), Busy> {
    let transaction = &client.transaction;
    let needs_all = |queued: &Queued| {
        matches!(
            queued.registered.command.locks,
            Locks::All | Locks::Stepwise
        )
    };
    if transaction.queue.iter().any(needs_all) {
        return worker.lock_all();
    }
    let mut hashes: SmallVec<[u64; 32]> = transaction
        .watched
        .iter()
        .map(|watched| watched.hash)
        .collect();
    for queued in &transaction.queue {
        hashes.extend(key_hashes(
            worker,
            queued.registered,
            Args::owned(&queued.arguments),
        ));
    }
    worker.lock_some(hashes.iter().copied())?;
    worker.view.prefetch_locked(client.database, &hashes);
    if worker.view.has_transfer_waiters() {
        worker.view.unlock();
        worker.lock_all()?;
    }
    Ok(())
}

/// A command with more arguments is timed by itself.
const BRIEF_ARGUMENTS_MAX: usize = 8;

/// Whether the command will take less time than reading the clock costs, as a rule, and nobody wants
/// to know exactly: it shares a reading with others; see [`Worker::measure`].
#[inline]
fn may_be_brief(cx: &Context<'_>) -> bool {
    cx.registered.command.flags.contains(Flags::FAST)
        && cx.args().len() <= BRIEF_ARGUMENTS_MAX
        && cx.worker.shares_readings
        && !cx.worker.engine.monitors.is_on()
}

/// Runs a handler under the locks that are held, writes its error if it fails, and counts.
#[inline]
fn call(cx: &mut Context<'_>, out: &mut Reply<'_>) {
    let position = out.position();
    let registered = cx.registered;
    let may_be_brief = may_be_brief(cx);
    if !may_be_brief {
        cx.worker.measure_rest();
    }
    // Inside a transaction `now_us` stands still, but time passes.
    let started_us = cx.worker.next_now_us;
    let dirty_before = cx.worker.dirty;
    let is_heard = cx.worker.engine.propagation.is_heard();
    cx.worker.is_tracking = cx.worker.engine.tracking.is_on();
    let mut result = (registered.command.handler)(cx, out);
    if std::mem::take(&mut cx.worker.gave_up) {
        result = Err(cx.worker.engine.busy_error());
    }
    if let Err(error) = result {
        out.truncate(position);
        let counters = &cx.worker.counters.commands[registered.id];
        counters.failed_calls.add(1);
        write_error(cx.worker, &error, out);
    }
    if is_heard {
        collect(cx, dirty_before);
    }
    if cx.worker.is_tracking && cx.client.tracks_reads {
        remember_reads(cx);
    }
    // A command that waits is counted once, when its session has the reply.
    if cx.client.blocked.is_none() && !matches!(cx.mode, Mode::Serving { .. }) {
        cx.worker.counters.commands[registered.id].calls.add(1);
        cx.client.shared.count_command();
    }
    cx.worker.counters.commands_processed.add(1);
    if may_be_brief {
        let has_short_reply = out.position() <= position + BRIEF_REPLY_MAX_BYTES;
        if cx.worker.defer_measuring(registered) && has_short_reply {
            return;
        }
    }
    cx.worker.measure();
    let has_moved_clock = std::mem::take(&mut cx.worker.has_moved_clock);
    let started_us = match has_moved_clock {
        true => cx.worker.next_now_us,
        false => started_us,
    };
    let measured = Measured {
        ended_us: cx.worker.next_now_us,
        duration_us: cx.worker.next_now_us.saturating_sub(started_us).max(0),
        reply_bytes: out.position().saturating_sub(position),
    };
    if !may_be_brief {
        cx.worker.counters.commands[registered.id]
            .duration_us
            .add(measured.duration_us as u64);
        if cx.client.blocked.is_none() && !matches!(cx.mode, Mode::Serving { .. }) {
            cx.worker.note_duration(registered, measured.duration_us);
        }
    }
    let thresholds = &cx.worker.thresholds;
    if measured.duration_us >= thresholds.duration_us
        || measured.reply_bytes >= thresholds.reply_bytes
        || cx.worker.has_large_input
        || cx.worker.engine.monitors.is_on()
    {
        observe(cx, measured);
    }
}

/// Remembers what the session has read. Keys that turned out to be past their time go first: that
/// they did is no news to who has just been told so.
#[cold]
fn remember_reads(cx: &mut Context<'_>) {
    if cx.worker.has_expired.get() {
        delete_met_expired(cx.worker);
    }
    tracking::remember(cx);
}

/// Shows the command that just ran to those who watch commands.
#[cold]
fn observe(cx: &Context<'_>, measured: Measured) {
    let engine = &cx.worker.engine;
    let command = cx.registered.command;
    if matches!(cx.mode, Mode::Serving { .. }) {
        // It was seen when it blocked.
        return;
    }
    let is_private = command
        .flags
        .intersects(Flags::ADMIN.union(Flags::SKIP_MONITOR));
    if engine.monitors.is_on() && !is_private {
        cx.feed_monitors(measured.ended_us);
    }
    // One that waits gets its entry when it waits no more.
    if cx.client.blocked.is_none() {
        let event = match command.flags.contains(Flags::FAST) {
            true => Event::FastCommand,
            false => Event::Command,
        };
        note_measured(
            engine,
            event,
            measured,
            &cx.client.shared,
            command,
            cx.args(),
        );
    }
}

/// Adds a command to the logs, and to the moments of an event, as far as it is one for them.
#[cold]
pub(crate) fn note_measured(
    engine: &Engine,
    event: Event,
    measured: Measured,
    client: &ClientShared,
    command: &Command,
    args: Args<'_>,
) {
    let config = &engine.config;
    engine
        .latency
        .note(config, event, measured.duration_us, measured.ended_us);
    engine
        .command_logs
        .note(config, measured, client, command, args);
}

/// Notes what the command that just ran has to propagate.
fn collect(cx: &mut Context<'_>, dirty_before: u64) {
    if cx.worker.has_expired.get() {
        // Where the log is repeated nothing is over by itself: what the command did not see must be gone
        // before it comes.
        delete_met_expired(cx.worker);
    }
    let database = cx.client.database;
    let rewritten = cx.worker.rewritten.take();
    let flags = cx.registered.command.flags;
    let has_changed = cx.worker.dirty > dirty_before && flags.contains(Flags::WRITE);
    if has_changed && cx.worker.engine.replication.is_replica() && !cx.worker.is_obeying {
        remember_own_keys(cx);
    }
    if let Some(commands) = rewritten {
        for arguments in commands {
            let arguments = arguments.iter().map(Vec::as_slice);
            cx.worker.propagated.push(database, false, arguments);
        }
    } else if has_changed || is_always_propagated(cx.registered) {
        if has_changed && is_logged_past_unit(cx, database) {
            return;
        }
        let arguments = cx.args().iter();
        cx.worker.propagated.push(database, !has_changed, arguments);
    }
}

/// Whether the command that just ran is a unit by itself that only the append-only log hears, which then has it: what
/// nearly all are where nobody follows is not worth being put together first.
#[inline]
fn is_logged_past_unit(cx: &mut Context<'_>, database: usize) -> bool {
    let engine = &cx.worker.engine;
    let is_logged = cx.mode == Mode::Direct
        && cx.worker.propagated.is_empty()
        && !cx.worker.is_replaying
        && engine.propagation.is_log_alone()
        && engine
            .append_log
            .record(&engine.config, database, cx.args());
    cx.worker.has_logged |= is_logged;
    is_logged
}

/// Whether a command is propagated though it changes no key, as PUBLISH is. Scripts are by what they did, and what
/// reads says itself when it has written something down.
fn is_always_propagated(registered: &Registered) -> bool {
    let command = registered.command;
    command.flags.contains(Flags::MAY_REPLICATE)
        && !command.flags.contains(Flags::READONLY)
        && !command.categories.contains(super::Categories::SCRIPTING)
}

/// Runs a command inside another (EXEC, scripts, retries), under the locks that are held.
pub(crate) fn run(
    worker: &mut Worker,
    client: &mut Client,
    registered: &'static Registered,
    args: Args<'_>,
    mode: Mode,
    out: &mut Reply<'_>,
) -> Mode {
    let mut cx = Context::new(registered, args, client, worker, mode, (0, 0));
    call(&mut cx, out);
    let mode = cx.mode;
    if worker.has_expired.get() {
        delete_met_expired(worker);
    }
    mode
}

/// What remains to do after a command: deletes the expired keys that it met, serves those who wait
/// for what it made ready, lets go of the locks, frees.
#[inline]
pub(crate) fn finish(worker: &mut Worker) {
    if worker.has_expired.get() {
        delete_met_expired(worker);
    }
    propagate(worker);
    if worker.following.is_some() {
        forward(worker);
    }
    if !worker.ready.is_empty() {
        serve_ready(worker);
    }
    // Counted before anyone can begin a snapshot that has the changes.
    if worker.dirty > 0 {
        worker.counters.changes.add(worker.dirty);
        worker.dirty = 0;
    }
    worker.view.unlock();
    worker.free_garbage();
    worker.now_us = worker.next_now_us;
}

/// Appends what was collected to the propagation log, as one unit.
#[inline]
fn propagate(worker: &mut Worker) {
    if !worker.propagated.is_empty() {
        if !worker.is_replaying {
            worker.has_logged = true;
            worker.engine.propagation.append(&worker.propagated, true);
            worker.written_offset = worker.engine.replication.offset();
        }
        worker.propagated.clear();
    }
}

/// Deletes the expired keys that reading commands met.
#[cold]
fn delete_met_expired(worker: &mut Worker) {
    worker.has_expired.set(false);
    // Each stays in the list until it is deleted: that is how it is known that its end was told.
    let expired = worker.expired.get_mut().clone();
    for met in expired {
        let key = Key {
            bytes: &met.key,
            hash: met.hash,
        };
        if !worker.view.holds_key(met.hash) {
            // A stepwise command has let go of it; the active cycle will delete the key.
            continue;
        }
        let now_ms = worker.now_ms();
        let database = worker.view.stripe(met.hash).database(met.database);
        let expire_ms = database
            .and_then(|database| database.get(met.hash, &met.key))
            .and_then(|entry| entry.expire_ms());
        if expire_ms.is_some_and(|expire_ms| expire_ms <= now_ms) {
            delete_expired(worker, met.database, key);
        }
    }
    worker.expired.get_mut().clear();
}

/// Serves those who wait for what was deleted without a command. The worker holds no locks.
#[inline]
pub(crate) fn serve_left(worker: &mut Worker) {
    if !worker.ready.is_empty() {
        serve_ready(worker);
        worker.view.unlock();
        worker.free_garbage();
    }
}

/// Locks the stripe of a key that became ready while other locks were held than are now, and what those
/// need who wait for it.
///
/// # Errors
/// When a busy script has it.
#[cold]
fn reach_ready(worker: &mut Worker, hash: u64) -> Result<(), Busy> {
    worker.view.unlock();
    worker.lock_one(hash)?;
    if worker.view.has_transfer_waiters() {
        worker.view.unlock();
        worker.lock_all()?;
    }
    Ok(())
}

/// Serves the sessions that wait for keys that have become ready, until no key is.
#[cold]
fn serve_ready(worker: &mut Worker) {
    // Inside the command the time stood still; for those who waited it has gone on.
    worker.now_us = worker.next_now_us;
    while let Some(ready) = worker.ready.pop_front() {
        if !worker.view.holds_key(ready.hash) && reach_ready(worker, ready.hash).is_err() {
            // The next command that ends sees to it.
            worker.ready.push_front(ready);
            break;
        }
        let waiters = worker
            .view
            .stripe(ready.hash)
            .waiters
            .of(ready.database, &ready.key);
        for blocked in waiters {
            if !is_awaited(worker, &blocked, &ready) && !blocked.blocking.wants_loss {
                continue;
            }
            let key = first_awaited(worker, &blocked, &ready).key.clone();
            // An earlier key may have nothing for it, where this one has.
            let is_served = serve(worker, &blocked, &key)
                || key != ready.key && serve(worker, &blocked, &ready.key);
            if worker.has_expired.get() {
                delete_met_expired(worker);
            }
            // What was done for another session is a unit of its own, as if it had come later.
            propagate(worker);
            if is_served {
                let stripe = worker.view.stripe_mut(ready.hash);
                stripe.waiters.remove(ready.database, &ready.key, &blocked);
            }
        }
    }
}

/// Whether a key holds something for who waits for it: one of another type is not waited for.
fn is_awaited(worker: &Worker, blocked: &Blocked, ready: &ReadyKey) -> bool {
    let database = worker.view.stripe(ready.hash).database(ready.database);
    let entry = database.and_then(|it| it.get(ready.hash, &ready.key));
    entry.is_some_and(|entry| {
        awaited_type(blocked.registered.command.group)
            .is_none_or(|awaited| awaited == entry.value_type())
    })
}

/// Of the keys of a waiter that became ready at once the one that its command names first, as if the
/// command had come only now.
fn first_awaited<'a>(worker: &'a Worker, blocked: &Blocked, ready: &'a ReadyKey) -> &'a ReadyKey {
    let keys = blocked.blocking.keys.iter().map(|it| &it.key);
    let earlier = keys.take_while(|&key| *key != ready.key).find_map(|key| {
        worker.ready.iter().find(|other| {
            other.key == *key
                && other.database == ready.database
                && worker.view.holds_key(other.hash)
                && (is_awaited(worker, blocked, other) || blocked.blocking.wants_loss)
        })
    });
    earlier.unwrap_or(ready)
}

/// The type of the values that blocking commands of a family take.
fn awaited_type(group: Group) -> Option<ValueType> {
    match group {
        Group::List => Some(ValueType::List),
        Group::SortedSet => Some(ValueType::SortedSet),
        Group::Stream => Some(ValueType::Stream),
        _ => None,
    }
}

/// Executes a blocked command on a key that has become ready; answers whether it waits no more.
fn serve(worker: &mut Worker, blocked: &std::sync::Arc<Blocked>, key: &[u8]) -> bool {
    let mut state = blocked.state.lock();
    if *state != BlockedState::Waiting {
        return true;
    }
    if blocked.client.is_killed() {
        // Whoever is to be closed takes nothing more: nobody would get it.
        *state = BlockedState::GivenUp;
        return true;
    }
    let Some(arguments) = blocked.retry_for(key) else {
        return false;
    };
    let started_us = worker.next_now_us;
    let mut client = Client::new(blocked.client.clone());
    client.database = blocked.database;
    client.protocol = blocked.protocol;
    client.tracks_reads = blocked.tracks_reads;
    client.unrestricted_generation = blocked.unrestricted_generation;
    let context = DenialContext::TopLevel;
    let whole = Args::owned(&blocked.arguments);
    if let Err(denied) = acl::authorize(
        &worker.engine,
        &mut client,
        blocked.registered,
        whole,
        context,
    ) {
        // It was allowed to wait, and is no longer allowed to take.
        let error = permission_error(worker, &mut client, blocked.registered, denied);
        drop(state);
        return blocked.finish_with(|out| out.error_bytes(&error.bytes()));
    }
    let writer = worker.begin_serving(blocked.client.id);
    let mut reply = Vec::new();
    let mut out = Writer::new(&mut reply, blocked.protocol);
    let mode = run(
        worker,
        &mut client,
        blocked.registered,
        Args::owned(arguments),
        Mode::Serving {
            still_blocked: false,
        },
        &mut out,
    );
    let kept_back = worker.end_serving(writer);
    if mode
        == (Mode::Serving {
            still_blocked: true,
        })
    {
        return false;
    }
    *state = BlockedState::Served;
    drop(state);
    let measured = Measured {
        ended_us: worker.next_now_us,
        duration_us: worker.next_now_us.saturating_sub(started_us).max(0),
        reply_bytes: reply.len(),
    };
    worker.note_duration(blocked.registered, measured.duration_us);
    note_measured(
        &worker.engine,
        Event::CommandUnblocking,
        measured,
        &blocked.client,
        blocked.registered.command,
        Args::owned(&blocked.arguments),
    );
    // Before the reply can leave: with what was done for it, and what came before, logged, its session waits
    // until that is safe.
    propagate(worker);
    blocked.client.post(crate::mailbox::Message::Unblock(reply));
    kept_back
        .into_iter()
        .for_each(|message| blocked.client.post(message));
    true
}
