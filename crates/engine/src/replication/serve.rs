//! What a primary does for its replicas: takes them on, and looks after them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::backlog::Backlog;
use super::state::{Phase, Replica, State};
use super::{own_keys, transfer};
use crate::client::ClientShared;
use crate::command::{CommandError, CommandResult, Context, Reply};
use crate::config::{ClientClass, LogLevel};
use crate::engine::Engine;
use crate::mailbox::Message;
use crate::snapshot;
use crate::worker::Worker;

/// Where a replica would like to go on.
#[derive(Debug, Clone)]
pub(crate) struct Continuation {
    /// The identity of the stream that it knows.
    pub(crate) id: Vec<u8>,
    /// The number of the next byte that it wants.
    pub(crate) next: i64,
}

/// How often replicas are looked at, in milliseconds.
const LOOK_INTERVAL_MS: i64 = 1000;

/// Makes a session a replica, which gets what it missed of the stream, or everything (`wanted` is `None` for
/// SYNC). Every stripe is locked.
pub(crate) fn take_on(
    cx: &mut Context<'_>,
    wanted: Option<&Continuation>,
    out: &mut Reply<'_>,
) -> CommandResult {
    let engine = cx.worker.engine.clone();
    let shared = cx.client.shared.clone();
    if shared.is_replica.load(Ordering::Relaxed) {
        return Ok(());
    }
    let Some(codec) = &engine.snapshot_codec else {
        return Err(CommandError::text("ERR SYNC is for servers"));
    };
    if engine.replication.is_cut_off() {
        return Err(CommandError::text(
            "NOMASTERLINK Can't SYNC while not connected with my master",
        ));
    }
    let options = cx.client.replica.clone();
    let now_ms = engine.now_ms();
    if let Some(wanted) = wanted
        && resume(&engine, &shared, &options, wanted, out)
    {
        return Ok(());
    }
    begin_stream(&engine);
    let is_plain = wanted.is_none();
    let count = &engine.replication.counts.full;
    count.fetch_add(1, Ordering::Relaxed);
    if !options.contents.keys {
        // Without keys it is not much: it goes at once.
        if !is_plain {
            let state = engine.replication.lock();
            let line = format!("+FULLRESYNC {} {}\r\n", state.id, state.offset);
            out.raw(line.as_bytes());
        }
        let purpose = snapshot::Purpose::Replicas;
        let bytes = snapshot::write_all(cx.worker, &**codec, purpose, options.contents);
        out.raw(format!("${}\r\n", bytes.len()).as_bytes());
        out.raw(&bytes);
        if options.data_only {
            cx.client.close_after_reply = true;
            return Ok(());
        }
        engine.propagation.forget_selected();
        let replica = Replica::new(shared, options, Phase::Online, is_plain, now_ms);
        engine.replication.lock().replicas.push(replica);
        return Ok(());
    }
    let is_delayed = options.knows_marks
        && engine.config.repl_diskless_sync()
        && engine.config.repl_diskless_sync_delay_seconds() > 0;
    let replica = Replica::new(shared, options, Phase::Waits, is_plain, now_ms);
    engine.replication.lock().replicas.push(replica);
    if is_delayed {
        let line = "Delay next BGSAVE for diskless SYNC";
        engine.host.log(LogLevel::Notice, line);
    } else {
        transfer::start(cx.worker);
    }
    Ok(())
}

/// Goes on with the stream where a replica wants it, if what it missed is in the backlog.
fn resume(
    engine: &Engine,
    shared: &Arc<ClientShared>,
    options: &crate::client::ReplicaOptions,
    wanted: &Continuation,
    out: &mut Reply<'_>,
) -> bool {
    let is_first_time = wanted.id == b"?";
    let counts = &engine.replication.counts;
    let mut state = engine.replication.lock();
    let Some(missed) = missed(&state, wanted) else {
        drop(state);
        if !is_first_time {
            counts.partial_refused.fetch_add(1, Ordering::Relaxed);
            let line = format!(
                "Unable to partial resync with replica {} for lack of backlog (Replica request was: {})",
                shared.address, wanted.next
            );
            engine.host.log(LogLevel::Notice, &line);
        }
        return false;
    };
    match options.knows_ids {
        true => out.raw(format!("+CONTINUE {}\r\n", state.id).as_bytes()),
        false => out.raw(b"+CONTINUE\r\n"),
    }
    out.raw(&missed);
    let now_ms = engine.now_ms();
    let mut replica = Replica::new(
        shared.clone(),
        options.clone(),
        Phase::Online,
        false,
        now_ms,
    );
    replica.acknowledged = (wanted.next - 1).max(0) as u64;
    state.replicas.push(replica);
    engine
        .replication
        .count_good(&state, &engine.config, now_ms);
    drop(state);
    counts.partial.fetch_add(1, Ordering::Relaxed);
    let line = format!(
        "Partial resynchronization request from {} accepted. Sending {} bytes of backlog starting from offset {}.",
        shared.address,
        missed.len(),
        wanted.next
    );
    engine.host.log(LogLevel::Notice, &line);
    true
}

/// What a replica missed, if it knows this stream and the backlog has it.
fn missed(state: &State, wanted: &Continuation) -> Option<Vec<u8>> {
    let next = u64::try_from(wanted.next).ok()?;
    let is_known = wanted.id == state.id.as_bytes()
        || state
            .second
            .as_ref()
            .is_some_and(|(id, end)| wanted.id == id.as_bytes() && next <= *end);
    is_known.then(|| state.backlog.as_ref()?.since(next))?
}

/// Begins the stream, if there is none. Every stripe is locked.
pub(super) fn begin_stream(engine: &Engine) {
    let mut state = engine.replication.lock();
    if state.is_streaming() {
        return;
    }
    if state.upstream.is_none() {
        // What was changed until now is in no stream.
        state.change_id(false);
    }
    let capacity = engine.config.repl_backlog_size() as usize;
    state.backlog = Some(Backlog::new(capacity, state.offset));
    state.turn += 1;
    state.no_replicas_since_ms = engine.now_ms();
    state.last_ping_ms = state.no_replicas_since_ms;
    let turn = state.turn;
    drop(state);
    engine.propagation.listen(engine.replication.listener(turn));
}

/// Does for replicas what is to be done regularly. The worker holds no locks.
pub(crate) fn tend(worker: &mut Worker) {
    if !worker.engine.replication.is_active() {
        return;
    }
    let engine = worker.engine.clone();
    let now_ms = engine.now_ms();
    let is_due = {
        let mut state = engine.replication.lock();
        let is_paused = engine.pause.holds_writes(now_ms);
        if !is_paused && state.upstream.is_none() {
            ping(&mut state, &engine, now_ms);
        }
        if !(0..LOOK_INTERVAL_MS).contains(&(now_ms - state.last_look_ms)) {
            state.last_look_ms = now_ms;
            look_after(&mut state, &engine, now_ms);
        }
        is_transfer_due(&state, &engine, now_ms)
    };
    if engine.replication.is_replica() {
        own_keys::expire_own_keys(worker);
    }
    if is_due && !engine.persistence.is_saving() && worker.lock_all().is_ok() {
        transfer::start(worker);
        worker.view.unlock();
    }
}

/// Tells replicas every now and then that the primary is there.
fn ping(state: &mut State, engine: &Engine, now_ms: i64) {
    let period_ms = engine.config.repl_ping_replica_period_seconds() as i64 * 1000;
    if state.replicas.is_empty() {
        // Who comes has just heard of the primary.
        state.last_ping_ms = now_ms;
        return;
    }
    if (0..period_ms).contains(&(now_ms - state.last_ping_ms)) {
        return;
    }
    state.last_ping_ms = now_ms;
    state.feed_request(&[b"PING"]);
}

fn look_after(state: &mut State, engine: &Engine, now_ms: i64) {
    let config = &engine.config;
    let timeout_ms = config.repl_timeout_seconds() as i64 * 1000;
    for replica in &mut state.replicas {
        let sent_bytes = replica.client.output_bytes.load(Ordering::Relaxed);
        if sent_bytes != replica.sent_bytes {
            replica.sent_bytes = sent_bytes;
            replica.progress_ms = now_ms;
        }
        let silent_since_ms = match replica.phase {
            Phase::Waits => {
                replica.client.post(Message::Push(Arc::from(&b"\n"[..])));
                now_ms
            }
            Phase::Receives => replica.progress_ms,
            Phase::Loads => now_ms,
            Phase::Online if replica.is_plain => now_ms,
            Phase::Online => replica.acknowledged_ms,
        };
        if now_ms - silent_since_ms > timeout_ms {
            let line = format!("Disconnecting timedout replica: {}", replica.client.address);
            engine.host.log(LogLevel::Warning, &line);
            replica.client.kill();
        } else if exceeds_limit(engine, replica) {
            engine.close_for_output(&replica.client);
            replica.client.kill();
        }
    }
    if let Some(backlog) = &mut state.backlog {
        backlog.set_capacity(config.repl_backlog_size() as usize);
    }
    let lifetime_ms = config.repl_backlog_ttl_seconds() as i64 * 1000;
    let is_forgotten = lifetime_ms > 0 && now_ms - state.no_replicas_since_ms > lifetime_ms;
    if state.replicas.is_empty() && state.upstream.is_none() && is_forgotten {
        // What changes from now on is in no stream: whoever knows the old one must not go on with it.
        state.backlog = None;
        state.change_id(false);
    }
    state.serve_waiters();
    engine.replication.count_good(state, config, now_ms);
}

/// Whether more is kept back for a replica than may wait for it.
fn exceeds_limit(engine: &Engine, replica: &Replica) -> bool {
    let limit = engine.config.output_buffer_limit(ClientClass::Replica);
    let hard_bytes = limit.hard_bytes.max(engine.config.repl_backlog_size());
    limit.hard_bytes > 0 && replica.kept_back_bytes as u64 >= hard_bytes
}

/// Whether replicas have waited long enough for others that may come, and get the data set with them.
fn is_transfer_due(state: &State, engine: &Engine, now_ms: i64) -> bool {
    let waiting = || state.replicas.iter().filter(|it| it.phase == Phase::Waits);
    let Some(since_ms) = waiting().map(|it| it.since_ms).min() else {
        return false;
    };
    let config = &engine.config;
    let is_marked = waiting().all(|it| it.options.knows_marks) && config.repl_diskless_sync();
    let delay_ms = match is_marked {
        true => config.repl_diskless_sync_delay_seconds() as i64 * 1000,
        false => 0,
    };
    let enough = config.repl_diskless_sync_max_replicas();
    now_ms - since_ms >= delay_ms || enough > 0 && waiting().count() >= enough
}
