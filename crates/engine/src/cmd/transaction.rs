//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::acl::{self, DenialContext};
use crate::client_memory::name_bytes;
use crate::command::dispatch::{discard_transaction, unwatch, write_error};
use crate::command::{
    Args, Categories, Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags,
    KeySpec, Locks, Reply,
};
use crate::scripting::LateWatch;
use crate::transaction::Watched;

const ALWAYS: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::ALLOW_BUSY);

const ROW: Command = Command {
    categories: Categories::TRANSACTION,
    group: Group::Transactions,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "discard",
        arity: 1,
        flags: ALWAYS.union(Flags::FAST),
        since: "2.0.0",
        complexity: "O(N) in the number of queued commands",
        summary: "Drops the commands that were queued, and forgets the watched keys.",
        handler: discard,
        ..ROW
    },
    Command {
        name: "exec",
        arity: 1,
        flags: Flags::NOSCRIPT
            .union(Flags::LOADING)
            .union(Flags::STALE)
            .union(Flags::SKIP_SLOWLOG),
        locks: Locks::Transaction,
        since: "1.2.0",
        complexity: "That of the queued commands",
        summary: "Executes the commands that were queued, with nothing between them.",
        handler: exec,
        ..ROW
    },
    Command {
        name: "multi",
        arity: 1,
        flags: ALWAYS.union(Flags::FAST),
        since: "1.2.0",
        summary: "Starts a transaction: commands are queued until EXEC.",
        handler: multi,
        ..ROW
    },
    Command {
        name: "unwatch",
        arity: 1,
        flags: ALWAYS.union(Flags::FAST),
        since: "2.2.0",
        summary: "Forgets the watched keys.",
        handler: unwatch_all,
        ..ROW
    },
    Command {
        name: "watch",
        arity: -2,
        flags: ALWAYS.union(Flags::FAST),
        keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
        since: "2.2.0",
        complexity: "O(1) a key",
        summary: "Makes the next transaction fail if one of the keys changes before EXEC.",
        syntax: "key [key ...]",
        handler: watch,
        ..ROW
    },
];

fn multi(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.client.transaction.is_open {
        return Err(CommandError::text("ERR MULTI calls can not be nested"));
    }
    cx.client.transaction.is_open = true;
    cx.client.shared.queued_count.store(0, Ordering::Relaxed);
    out.ok();
    Ok(())
}

fn discard(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.client.transaction.is_open {
        return Err(CommandError::text("ERR DISCARD without MULTI"));
    }
    discard_transaction(cx.worker, cx.client);
    out.ok();
    Ok(())
}

fn unwatch_all(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    unwatch(cx.worker, cx.client);
    out.ok();
    Ok(())
}

fn watch(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.client.transaction.is_open {
        return Err(CommandError::text("ERR WATCH inside MULTI is not allowed"));
    }
    // Keys are watched even when the session's transaction is lost already: EXEC forgets them all.
    for index in 1..cx.argc() {
        let key = cx.key(index);
        let database = cx.database_index();
        let is_watched =
            |watched: &Watched| watched.database == database && watched.key == key.bytes;
        if cx.client.transaction.watched.iter().any(is_watched) {
            continue;
        }
        let watched = Watched {
            database,
            key: key.bytes.to_vec(),
            hash: key.hash,
        };
        let is_dirty = cx.client.transaction.is_dirty.clone();
        begin_to_watch(cx, &watched, is_dirty);
        let watched_bytes = &cx.client.shared.memory.watched_bytes;
        watched_bytes.fetch_add(name_bytes(key.bytes), Ordering::Relaxed);
        cx.client.transaction.watched.push(watched);
    }
    let count = cx.client.transaction.watched.len();
    cx.client
        .shared
        .watched_count
        .store(count, Ordering::Relaxed);
    *cx.client.shared.is_dirty.lock() = Some(cx.client.transaction.is_dirty.clone());
    out.ok();
    Ok(())
}

/// Notes with the key that it is watched, or has the busy script do so that has its lock.
fn begin_to_watch(cx: &mut Context<'_>, watched: &Watched, is_dirty: Arc<AtomicBool>) {
    let now_ms = cx.now_ms();
    if cx.worker.view.holds_key(watched.hash) {
        return cx.worker.add_watcher(watched, is_dirty, now_ms);
    }
    loop {
        if cx.worker.lock_one(watched.hash).is_ok() {
            cx.worker.add_watcher(watched, is_dirty, now_ms);
            return cx.worker.view.unlock();
        }
        let watch = LateWatch {
            watched: watched.clone(),
            is_dirty: is_dirty.clone(),
        };
        if cx.engine().scripting.running.watch(watch).is_some() {
            return;
        }
    }
}

fn exec(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.client.transaction.is_open {
        return Err(CommandError::text("ERR EXEC without MULTI"));
    }
    if cx.client.transaction.has_failed {
        discard_transaction(cx.worker, cx.client);
        return Err(CommandError::text(
            "EXECABORT Transaction discarded because of previous errors.",
        ));
    }
    let is_dirty = cx.client.transaction.is_dirty.load(Ordering::Relaxed) || watched_expired(cx);
    if is_dirty {
        discard_transaction(cx.worker, cx.client);
        out.null_array();
        return Ok(());
    }
    let queue = std::mem::take(&mut cx.client.transaction.queue);
    // Watched keys are forgotten first: the transaction's own changes are nobody's business.
    discard_transaction(cx.worker, cx.client);
    // Others, and the transaction itself, see it as one until it is over.
    let queued_count = queue.len() as i64;
    let shared = cx.client.shared.clone();
    shared.queued_count.store(queued_count, Ordering::Relaxed);
    if !cx.client.reply_mode.drops() {
        out.array(queue.len());
    }
    for queued in queue {
        out.set_protocol(cx.client.protocol);
        let start = out.position();
        let args = Args::owned(&queued.arguments);
        let context = DenialContext::Transaction;
        let engine = cx.worker.engine.clone();
        if let Err(denied) = acl::authorize(&engine, cx.client, queued.registered, args, context) {
            write_error(cx.worker, &denied.exec_error(), out);
        } else {
            cx.nested(queued.registered, args, out);
        }
        // One of them may have been CLIENT REPLY.
        if cx.client.reply_mode.drops() {
            out.truncate(start);
        }
    }
    shared.queued_count.store(-1, Ordering::Relaxed);
    out.set_protocol(cx.client.protocol);
    Ok(())
}

/// Whether a watched key's time has come since WATCH, though nobody has deleted it yet.
fn watched_expired(cx: &Context<'_>) -> bool {
    let now_ms = cx.now_ms();
    let transaction = &cx.client.transaction;
    transaction.watched.iter().any(|watched| {
        let stripe = cx.worker.view.stripe(watched.hash);
        let entry = stripe
            .database(watched.database)
            .and_then(|database| database.get(watched.hash, &watched.key));
        entry
            .and_then(|entry| entry.expire_ms())
            .is_some_and(|at| at <= now_ms)
            && !stripe.watchers.was_expired(watched, &transaction.is_dirty)
    })
}
