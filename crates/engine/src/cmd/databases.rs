//! Commands on whole databases: listing their keys, counting, emptying and exchanging them.

use super::scan::{ScanOptions, Scanned, parse_cursor, reply_cursor};
use crate::command::context::{Mode, delete_expired};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Locks, Reply,
};
use crate::keyspace::{EntryRef, Key};
use crate::text::{Case, glob_matches};
use crate::worker::Worker;

const ROW: Command = Command {
    categories: Categories::KEYSPACE,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "dbsize",
        arity: 1,
        flags: Flags::READONLY.union(Flags::FAST),
        summary: "Counts the keys of the database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        locks: Locks::Stepwise,
        handler: dbsize,
        group: Group::Server,
        ..ROW
    },
    Command {
        name: "flushall",
        history: &[
            ("4.0.0", "ASYNC frees the data afterwards."),
            (
                "6.2.0",
                "SYNC frees them before the reply, whatever the configuration says.",
            ),
        ],
        arity: -1,
        flags: Flags::WRITE,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        complexity: "O(N) in the number of keys, though not on the request path",
        summary: "Deletes every key.",
        syntax: "[flush-type= ASYNC^4.0.0|SYNC^6.2.0]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        locks: Locks::All,
        handler: flushall,
        group: Group::Server,
        ..ROW
    },
    Command {
        name: "flushdb",
        history: &[
            ("4.0.0", "ASYNC frees the data afterwards."),
            (
                "6.2.0",
                "SYNC frees them before the reply, whatever the configuration says.",
            ),
        ],
        arity: -1,
        flags: Flags::WRITE,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        complexity: "O(N) in the number of keys, though not on the request path",
        summary: "Deletes every key of the database.",
        syntax: "[flush-type= ASYNC^4.0.0|SYNC^6.2.0]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        locks: Locks::All,
        handler: flushdb,
        group: Group::Server,
        ..ROW
    },
    Command {
        name: "keys",
        arity: 2,
        flags: Flags::READONLY,
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        complexity: "O(N) in the number of keys",
        summary: "Lists the keys that match a pattern.",
        syntax: "pattern",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        locks: Locks::All,
        handler: keys,
        ..ROW
    },
    Command {
        name: "randomkey",
        arity: 1,
        flags: Flags::READONLY,
        summary: "Answers one key, whichever.",
        tips: &[
            "request_policy:all_shards",
            "response_policy:special",
            "nondeterministic_output",
        ],
        locks: Locks::All,
        handler: randomkey,
        ..ROW
    },
    Command {
        name: "scan",
        history: &[("6.0.0", "TYPE passes over keys of other types.")],
        arity: -2,
        flags: Flags::READONLY,
        since: "2.8.0",
        complexity: "O(1) a call; O(N) for all calls until the cursor is 0 again",
        summary: "Lists some of the keys, and where to go on.",
        syntax: "cursor:integer [MATCH pattern] [COUNT count:integer] [TYPE type:string^6.0.0]",
        tips: &[
            "nondeterministic_output",
            "request_policy:special",
            "response_policy:special",
        ],
        locks: Locks::Stepwise,
        handler: scan,
        ..ROW
    },
    Command {
        name: "swapdb",
        arity: 3,
        flags: Flags::WRITE.union(Flags::FAST),
        categories: Categories::KEYSPACE.union(Categories::DANGEROUS),
        since: "4.0.0",
        complexity: "O(N) in the number of clients that watch or wait for keys in them",
        summary: "Exchanges two databases.",
        syntax: "index1:integer index2:integer",
        locks: Locks::All,
        handler: swapdb,
        group: Group::Server,
        ..ROW
    },
];

fn is_expired(entry: EntryRef<'_>, now_ms: i64) -> bool {
    entry.expire_ms().is_some_and(|at_ms| at_ms <= now_ms)
}

fn keys(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let pattern = cx.arg(1);
    let now_ms = cx.now_ms();
    let sees_expired = cx.sees_expired();
    let view = &cx.worker.view;
    let mark = out.deferred_array();
    let mut count = 0;
    for index in 0..view.keyspace().stripe_count() {
        let Some(database) = view.stripe_at(index).database(cx.client.database) else {
            continue;
        };
        for entry in database.iter() {
            let is_match = pattern == b"*" || glob_matches(pattern, entry.key(), Case::Sensitive);
            if is_match && (sees_expired || !is_expired(entry, now_ms)) {
                out.bulk(entry.key());
                count += 1;
            }
        }
    }
    out.finish_array(mark, count);
    Ok(())
}

fn dbsize(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(count_keys(cx.worker, cx.client.database) as i64);
    Ok(())
}

/// Keys of a database, those whose time is over but that are still there included. Locks stripe
/// by stripe unless all are locked.
pub(super) fn count_keys(worker: &mut Worker, database: usize) -> usize {
    let stripes = 0..worker.view.keyspace().stripe_count();
    stripes
        .map(|index| {
            with_stripe(worker, index, |worker| {
                let stripe = worker.view.stripe_at(index);
                stripe.database(database).map_or(0, |found| found.len())
            })
        })
        .sum()
}

/// Runs `body` with a stripe locked; where all are locked already, they stay so. Where a busy script
/// has it, the answer is nothing and the command is about to fail.
fn with_stripe<R: Default>(
    worker: &mut Worker,
    index: usize,
    body: impl FnOnce(&mut Worker) -> R,
) -> R {
    if worker.view.is_all() {
        return body(worker);
    }
    if !worker.lock_stripe(index) {
        return R::default();
    }
    let answer = body(worker);
    worker.view.unlock();
    answer
}

fn randomkey(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    /// Where nothing may be deleted, all keys may be past their time.
    const TRIES: usize = 100;
    let database = cx.client.database;
    let keeps_expired = cx.engine().keeps_expired(cx.now_ms());
    let sees_expired = cx.sees_expired();
    for tries in 1.. {
        let Some((key, is_expired)) = pick(cx.worker, database) else {
            out.null();
            break;
        };
        if !is_expired || sees_expired || keeps_expired && tries == TRIES {
            out.bulk(&key);
            break;
        }
        if !keeps_expired {
            let key = cx.worker.view.key(&key);
            delete_apart(cx.worker, database, key, cx.mode == Mode::Direct);
        }
    }
    Ok(())
}

/// A key, each with the same probability, and whether its time is over.
fn pick(worker: &mut Worker, database: usize) -> Option<(Vec<u8>, bool)> {
    let total = count_keys(worker, database) as u64;
    let mut place = worker.random.below(total);
    let now_ms = worker.now_ms();
    for index in 0..worker.view.keyspace().stripe_count() {
        let Some(share) = worker.view.stripe_at(index).database(database) else {
            continue;
        };
        let count = share.len() as u64;
        if place < count {
            let entry = share.random(&mut worker.random)?;
            return Some((entry.key().to_vec(), is_expired(entry, now_ms)));
        }
        place -= count;
    }
    None
}

/// Bits of a SCAN cursor that are the cursor of a stripe's table; the stripe's number is above
/// them. Together they stay below 2^53, so that a client that reads cursors as doubles loses
/// nothing.
const TABLE_CURSOR_BITS: u32 = 40;

fn scan(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(cx.arg(1))?;
    let options = ScanOptions::parse(cx.args(), 2, Scanned::Keys)?;
    let mut scan = Scan {
        database: cx.client.database,
        options: &options,
        is_direct: cx.mode == Mode::Direct,
        sees_expired: cx.sees_expired(),
        found: Vec::new(),
    };
    let next = options.run(cursor, |cursor| scan.step(cx.worker, cursor));
    reply_cursor(out, next);
    out.array(scan.found.len());
    scan.found.iter().for_each(|key| out.bulk(key));
    Ok(())
}

/// One call of SCAN.
struct Scan<'a> {
    database: usize,
    options: &'a ScanOptions<'a>,
    /// Whether it is a request of its own.
    is_direct: bool,
    /// Whether keys whose time is over are there as well.
    sees_expired: bool,
    found: Vec<Vec<u8>>,
}

impl Scan<'_> {
    /// Visits one bucket; answers where to go on and how many keys were there. Stripes without
    /// keys are passed over.
    fn step(&mut self, worker: &mut Worker, cursor: u64) -> (u64, usize) {
        const TABLE_MASK: u64 = (1 << TABLE_CURSOR_BITS) - 1;
        let first = cursor >> TABLE_CURSOR_BITS;
        let stripe_count = worker.view.keyspace().stripe_count() as u64;
        for index in first..stripe_count {
            let table_cursor = if index == first {
                cursor & TABLE_MASK
            } else {
                0
            };
            let visited = with_stripe(worker, index as usize, |worker| {
                self.bucket(worker, index as usize, table_cursor)
            });
            match visited {
                Some((0, count)) if index + 1 < stripe_count => {
                    return ((index + 1) << TABLE_CURSOR_BITS, count);
                }
                Some((0, count)) => return (0, count),
                Some((next, count)) => return (index << TABLE_CURSOR_BITS | next, count),
                None => {}
            }
        }
        (0, 0)
    }

    /// Visits one bucket of a stripe's table, unless that is empty. Keys whose time is over are
    /// deleted.
    fn bucket(&mut self, worker: &mut Worker, index: usize, cursor: u64) -> Option<(u64, usize)> {
        let now_ms = worker.now_ms();
        let share = worker.view.stripe_at(index).database(self.database)?;
        if share.len() == 0 {
            return None;
        }
        let mut count = 0;
        let mut expired = Vec::new();
        let next = share.scan(cursor, &mut |entry| {
            count += 1;
            if !self.wants(entry) {
                return;
            }
            let key = entry.key().to_vec();
            if !self.sees_expired && is_expired(entry, now_ms) {
                expired.push(key);
            } else {
                self.found.push(key);
            }
        });
        if !worker.engine.keeps_expired(now_ms) {
            for key in expired {
                let key = worker.view.key(&key);
                delete_apart(worker, self.database, key, self.is_direct);
            }
        }
        Some((next, count))
    }

    fn wants(&self, entry: EntryRef<'_>) -> bool {
        let type_name = entry.value_type().name();
        self.options.matches(entry.key())
            && self
                .options
                .type_name
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(type_name.as_bytes()))
    }
}

/// Deletes a key whose time is over, and propagates the deletion at once and alone: a command that
/// only meets keys by chance makes no transaction of their deletions. Inside a transaction or
/// script it belongs to that.
fn delete_apart(worker: &mut Worker, database: usize, key: Key<'_>, is_direct: bool) {
    delete_expired(worker, database, key);
    if is_direct && !worker.propagated.is_empty() {
        worker.propagate_apart();
    }
}

// Emptying.

fn flushdb(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let database = cx.client.database;
    flush(cx, database..database + 1, out)
}

fn flushall(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let databases = 0..cx.engine().databases;
    flush(cx, databases, out)?;
    // What is being saved is gone, and so must be what was saved before, where data are saved at all.
    let engine = cx.worker.engine.clone();
    if !engine.persistence.is_rewriting() {
        engine.persistence.cancel_save();
    }
    let saves = !engine.config.save_points().is_empty() && engine.host.keeps_files();
    if saves && !cx.worker.is_replaying {
        // It is said in the log if that fails; the data are gone all the same.
        let _ = crate::snapshot::save_now(cx.worker);
    }
    Ok(())
}

fn flush(
    cx: &mut Context<'_>,
    databases: std::ops::Range<usize>,
    out: &mut Reply<'_>,
) -> CommandResult {
    // Either way another thread frees what was there: nobody is kept waiting for it.
    let is_known = cx.argc() == 1 || cx.arg_is(1, "ASYNC") || cx.arg_is(1, "SYNC");
    if !is_known || cx.argc() > 2 {
        return Err(CommandError::Syntax);
    }
    // Since 8.0 Redis has its other thread do it also where the client waits, if that can wait.
    let is_lazy = cx.arg_is(1, "ASYNC")
        || cx.argc() == 1 && cx.engine().config.lazyfree_lazy_user_flush()
        || cx.may_block();
    let flushed = databases.map(|database| empty(cx.worker, database)).sum();
    if is_lazy {
        cx.worker.lazily_freed += flushed + crate::tracking::freed_lazily_by_flush(cx.engine());
    }
    crate::tracking::flushed(cx.worker);
    cx.count_changes(flushed);
    // Propagated even if nothing was there.
    let arguments: Vec<&[u8]> = cx.args().iter().collect();
    cx.rewrite(&arguments);
    out.ok();
    Ok(())
}

/// Empties a database and marks the transactions that watch one of its keys; answers how many keys
/// there were. Every stripe is locked.
pub(crate) fn empty(worker: &mut Worker, database: usize) -> u64 {
    let mut count = 0;
    for index in 0..worker.view.keyspace().stripe_count() {
        let seed = worker.view.keyspace().seed();
        let stripe = worker.view.stripe_at_mut(index);
        let Some(taken) = stripe.take_database(database) else {
            continue;
        };
        for key in stripe.watchers.keys_of(database) {
            if taken
                .get(crate::table::hash_bytes(seed, &key), &key)
                .is_some()
            {
                stripe.watchers.touch(database, &key, false);
            }
        }
        let lost = if stripe.waiters.watch_for_loss() {
            stripe.waiters.keys_of(database)
        } else {
            Vec::new()
        };
        if taken.len() > 0 {
            count += taken.len() as u64;
            worker.discard_database(taken);
        }
        for key in lost {
            let hash = crate::table::hash_bytes(seed, &key);
            crate::command::context::note_ready(worker, database, Key { bytes: &key, hash });
        }
    }
    count
}

// Exchanging.

fn swapdb(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let first = swap_argument(cx, 1, "ERR invalid first DB index")?;
    let second = swap_argument(cx, 2, "ERR invalid second DB index")?;
    let limit = cx.engine().databases as i64;
    if !(0..limit).contains(&first) || !(0..limit).contains(&second) {
        return Err(CommandError::DatabaseOutOfRange);
    }
    let (first, second) = (first as usize, second as usize);
    if first != second {
        for index in 0..cx.worker.view.keyspace().stripe_count() {
            swap_in_stripe(cx.worker, index, first, second);
        }
    }
    cx.count_changes(1);
    out.ok();
    Ok(())
}

fn swap_argument(cx: &Context<'_>, index: usize, error: &'static str) -> Result<i64, CommandError> {
    let number = cx.integer(index).ok();
    number
        .filter(|&number| i32::try_from(number).is_ok())
        .ok_or(CommandError::text(error))
}

/// Exchanges two databases' shares. Sessions stay with their databases: those who watch or wait for
/// a key see another value, or none, come into its place.
fn swap_in_stripe(worker: &mut Worker, index: usize, first: usize, second: usize) {
    let now_ms = worker.now_ms();
    let seed = worker.view.keyspace().seed();
    let stripe = worker.view.stripe_at_mut(index);
    for (from, to) in [(first, second), (second, first)] {
        for key in stripe.watchers.keys_of(from) {
            let hash = crate::table::hash_bytes(seed, &key);
            let find = |database| stripe.database(database)?.get(hash, &key);
            let existed = find(from).is_some();
            let replacement = find(to).map(|entry| is_expired(entry, now_ms));
            stripe.watchers.replace(from, &key, existed, replacement);
        }
    }
    stripe.swap_databases(first, second);
    for database in [first, second] {
        for key in worker.view.stripe_at(index).waiters.keys_of(database) {
            let hash = crate::table::hash_bytes(seed, &key);
            crate::command::context::note_ready(worker, database, Key { bytes: &key, hash });
        }
    }
}
