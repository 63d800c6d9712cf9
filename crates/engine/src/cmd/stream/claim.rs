//! The commands that make one consumer's pending entries another's: XCLAIM and XAUTOCLAIM.

use super::arguments::{Ids, interval_start, strict_id};
use super::propagate::GroupLog;
use super::reply::{reply_entry_of, reply_id};
use super::rows::{FAST_WRITE, KEY_TO_CUT, KEY_TO_UPDATE, ROW, no_key_or_group};
use crate::command::{Command, CommandError, CommandResult, Context, EventClass, KeySpec, Reply};
use crate::text::parse_integer;
use crate::value::stream::{ConsumerId, Group, Pending};
use crate::value::{Stream, StreamId};

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "xautoclaim",
        history: &[(
            "7.0.0",
            "The reply ends with the entries that are deleted and were taken off the list.",
        )],
        arity: -6,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Gives a consumer entries that others have had for long, and answers them.",
        syntax: "key group consumer min-idle-time start [COUNT count:integer] [JUSTID]",
        tips: &["nondeterministic_output"],
        handler: xautoclaim,
        ..ROW
    },
    Command {
        name: "xclaim",
        arity: -6,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_UPDATE)],
        complexity: "O(log(N)) for each ID, N entries being pending.",
        summary: "Gives a consumer these entries if others have had them for long, and answers them.",
        syntax: "key group consumer min-idle-time id [id ...] [IDLE ms:integer] [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid]",
        tips: &["nondeterministic_output"],
        handler: xclaim,
        ..ROW
    },
];

/// How many entries XAUTOCLAIM claims when nothing else is said.
const COUNT_DEFAULT: usize = 100;

/// How many entries XAUTOCLAIM looks at for each that it may claim.
const ATTEMPTS_FACTOR: usize = 10;

/// The options of XCLAIM.
struct ClaimOptions {
    ids: Ids,
    delivery_ms: i64,
    delivery_count: Option<u64>,
    is_forced: bool,
    ids_only: bool,
    last_id: StreamId,
}

impl ClaimOptions {
    fn parse(cx: &Context<'_>) -> Result<Self, CommandError> {
        let mut at = 5;
        let mut ids = Ids::new();
        while let Some(id) = StreamId::parse(cx.arg(at), 0)
            && at < cx.argc()
        {
            ids.push(id);
            at += 1;
        }
        let now_ms = cx.now_ms();
        let mut delivery_ms = None;
        let mut options = ClaimOptions {
            ids,
            delivery_ms: now_ms,
            delivery_count: None,
            is_forced: false,
            ids_only: false,
            last_id: StreamId::MIN,
        };
        while at < cx.argc() {
            let has_value = at + 1 < cx.argc();
            if cx.arg_is(at, "force") {
                options.is_forced = true;
            } else if cx.arg_is(at, "justid") {
                options.ids_only = true;
            } else if cx.arg_is(at, "idle") && has_value {
                at += 1;
                delivery_ms = Some(now_ms.wrapping_sub(number(cx, at, "IDLE option argument")?));
            } else if cx.arg_is(at, "time") && has_value {
                at += 1;
                delivery_ms = Some(number(cx, at, "TIME option argument")?);
            } else if cx.arg_is(at, "retrycount") && has_value {
                at += 1;
                let count = number(cx, at, "RETRYCOUNT option argument")?;
                options.delivery_count = u64::try_from(count).ok();
            } else if cx.arg_is(at, "lastid") && has_value {
                at += 1;
                options.last_id = strict_id(cx.arg(at))?;
            } else {
                let before = "ERR Unrecognized XCLAIM option '";
                return Err(CommandError::quoting(before, cx.arg(at), "'"));
            }
            at += 1;
        }
        // A time that cannot be is taken for now, not refused: the client's clock may be ahead.
        if let Some(delivery_ms) = delivery_ms
            && (cx.worker.is_obeying || (0..=now_ms).contains(&delivery_ms))
        {
            options.delivery_ms = delivery_ms;
        }
        Ok(options)
    }
}

fn number(cx: &Context<'_>, at: usize, what: &str) -> Result<i64, CommandError> {
    parse_integer(cx.arg(at)).ok_or_else(|| format!("ERR Invalid {what} for XCLAIM").into())
}

/// What a claiming command does to a group, and what it has to tell when the stream is let go.
struct Claims<'a> {
    log: GroupLog<'a>,
    changes: u64,
    is_consumer_new: bool,
    /// The new consumer, until a claim tells of it.
    untold_consumer: Option<Vec<u8>>,
}

impl<'a> Claims<'a> {
    fn new(cx: &Context<'_>, key: &'a [u8], group: &'a [u8]) -> Self {
        Claims {
            log: GroupLog::new(cx, key, group),
            changes: 0,
            is_consumer_new: false,
            untold_consumer: None,
        }
    }

    /// The consumer that claims, who is seen now.
    fn consumer(&mut self, group: &mut Group, name: &[u8], now_ms: i64) -> ConsumerId {
        let (consumer, is_new) = group.find_or_create_consumer(name, now_ms);
        self.is_consumer_new = is_new;
        self.untold_consumer = is_new.then(|| name.to_vec());
        self.changes += u64::from(is_new);
        group.consumer_mut(consumer).seen_ms = now_ms;
        consumer
    }

    /// Forgets a pending entry that is no more in the stream.
    fn forget(&mut self, group: &mut Group, id: StreamId, pending: Pending) {
        self.log.claimed(group, id, pending);
        group.remove_pending(id);
        self.changes += 1;
    }

    fn claim(&mut self, group: &mut Group, id: StreamId, pending: Pending, now_ms: i64) {
        group.set_pending(id, pending);
        group.consumer_mut(pending.consumer).active_ms = Some(now_ms);
        self.log.claimed(group, id, pending);
        self.untold_consumer = None;
        self.changes += 1;
    }

    fn finish(mut self, cx: &mut Context<'_>, key: &[u8]) {
        if self.is_consumer_new {
            cx.notify(key, EventClass::STREAM, "xgroup-createconsumer");
        }
        if let Some(consumer) = self.untold_consumer {
            self.log.created_consumer(&consumer);
        }
        cx.count_changes(self.changes);
        cx.rewrite_all(self.log.into_commands());
    }
}

/// Looks a stream and its group up, before anything is changed.
fn find<'a>(
    cx: &'a Context<'_>,
    key_index: usize,
    group_index: usize,
) -> Result<&'a Stream, CommandError> {
    let (key, name) = (cx.key(key_index), cx.arg(group_index));
    let stream = cx.stream(key)?;
    stream
        .filter(|stream| stream.group(name).is_some())
        .ok_or_else(|| no_key_or_group(key.bytes, name, ""))
}

fn xclaim(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    find(cx, 1, 2)?;
    let (key, name, consumer, now_ms) = (cx.key(1), cx.arg(2), cx.arg(3), cx.now_ms());
    let min_idle_ms = number(cx, 4, "min-idle-time argument")?.max(0);
    let options = ClaimOptions::parse(cx)?;
    let mut claims = Claims::new(cx, key.bytes, name);
    if let Some(mut stream) = cx.stream_mut(key)? {
        claim(
            &mut stream,
            (name, consumer),
            &options,
            (now_ms, min_idle_ms),
            &mut claims,
            out,
        );
    }
    claims.finish(cx, key.bytes);
    Ok(())
}

/// Claims the entries of XCLAIM and writes the reply.
fn claim(
    stream: &mut Stream,
    (name, consumer): (&[u8], &[u8]),
    options: &ClaimOptions,
    (now_ms, min_idle_ms): (i64, i64),
    claims: &mut Claims<'_>,
    out: &mut Reply<'_>,
) {
    let found: smallvec::SmallVec<[(StreamId, bool); 8]> = options
        .ids
        .iter()
        .map(|&id| (id, stream.contains(id)))
        .collect();
    let mut claimed = Ids::new();
    let Some(group) = stream.group_mut(name) else {
        return out.array(0);
    };
    let mut is_advance_untold = group.advance(options.last_id);
    let consumer = claims.consumer(group, consumer, now_ms);
    for (id, is_there) in found {
        let pending = group.find_pending(id).copied();
        if !is_there {
            if let Some(pending) = pending {
                claims.forget(group, id, pending);
                is_advance_untold = false;
            }
            continue;
        }
        let delivered = match pending {
            None if !options.is_forced => continue,
            None => 1,
            Some(pending) if is_idle(&pending, now_ms, min_idle_ms) => pending.delivery_count,
            Some(_) => continue,
        };
        let redelivered = delivered.wrapping_add(u64::from(!options.ids_only));
        let pending = Pending {
            consumer,
            delivery_ms: options.delivery_ms,
            delivery_count: options.delivery_count.unwrap_or(redelivered),
        };
        claims.claim(group, id, pending, now_ms);
        is_advance_untold = false;
        claimed.push(id);
    }
    if is_advance_untold {
        claims.log.advanced(group);
        claims.changes += 1;
    }
    reply_claimed(out, stream, &claimed, options.ids_only);
}

/// Whether an entry has been with its consumer for so long; with 0 any has.
fn is_idle(pending: &Pending, now_ms: i64, min_idle_ms: i64) -> bool {
    min_idle_ms == 0 || now_ms.wrapping_sub(pending.delivery_ms) >= min_idle_ms
}

fn reply_claimed(out: &mut Reply<'_>, stream: &Stream, ids: &[StreamId], ids_only: bool) {
    let mark = out.deferred_array();
    let mut count = 0;
    for &id in ids {
        if ids_only {
            reply_id(out, id);
            count += 1;
        } else {
            count += usize::from(reply_entry_of(out, stream, id));
        }
    }
    out.finish_array(mark, count);
}

fn xautoclaim(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const COUNT_ERROR: CommandError = CommandError::text("ERR COUNT must be > 0");
    // A key that is not there is missed whatever the arguments are.
    let found = find(cx, 1, 2).map(drop);
    let min_idle_ms = parse_integer(cx.arg(4)).ok_or(CommandError::text(
        "ERR Invalid min-idle-time argument for XAUTOCLAIM",
    ))?;
    let min_idle_ms = min_idle_ms.max(0);
    let start = interval_start(cx.arg(5))?;
    let mut count = COUNT_DEFAULT;
    let mut ids_only = false;
    let mut at = 6;
    while at < cx.argc() {
        if cx.arg_is(at, "count") && at + 1 < cx.argc() {
            at += 1;
            count = parse_integer(cx.arg(at))
                .filter(|count| (1..=i64::MAX / 16).contains(count))
                .ok_or(COUNT_ERROR)? as usize;
        } else if cx.arg_is(at, "justid") {
            ids_only = true;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    found?;
    let (key, name, consumer, now_ms) = (cx.key(1), cx.arg(2), cx.arg(3), cx.now_ms());
    let mut claims = Claims::new(cx, key.bytes, name);
    if let Some(mut stream) = cx.stream_mut(key)? {
        let outcome = autoclaim(
            &mut stream,
            (name, consumer),
            (start, count, ids_only),
            (now_ms, min_idle_ms),
            &mut claims,
        );
        out.array(3);
        reply_id(out, outcome.next.unwrap_or_default());
        reply_claimed(out, &stream, &outcome.claimed, ids_only);
        out.array(outcome.deleted.len());
        outcome.deleted.iter().for_each(|&id| reply_id(out, id));
    }
    claims.finish(cx, key.bytes);
    Ok(())
}

/// What XAUTOCLAIM has done.
#[derive(Default)]
struct Autoclaimed {
    claimed: Ids,
    /// Pending entries that are no more in the stream.
    deleted: Ids,
    /// Where to go on.
    next: Option<StreamId>,
}

/// The first pending entry of a group from `start` on.
fn first_pending(stream: &Stream, name: &[u8], start: StreamId) -> Option<(StreamId, Pending)> {
    let mut pending = stream.group(name)?.pending_range(start..=StreamId::MAX);
    pending.next().map(|(id, &pending)| (id, pending))
}

fn autoclaim(
    stream: &mut Stream,
    (name, consumer): (&[u8], &[u8]),
    (start, count, ids_only): (StreamId, usize, bool),
    (now_ms, min_idle_ms): (i64, i64),
    claims: &mut Claims<'_>,
) -> Autoclaimed {
    let mut outcome = Autoclaimed::default();
    let Some(group) = stream.group_mut(name) else {
        return outcome;
    };
    let consumer = claims.consumer(group, consumer, now_ms);
    let mut left = count;
    let mut attempts_left = count.saturating_mul(ATTEMPTS_FACTOR);
    let mut next = Some(start);
    // The group is borrowed anew for each entry: the stream must be asked in between.
    while let Some((id, pending)) = next.and_then(|start| first_pending(stream, name, start)) {
        if left == 0 || attempts_left == 0 {
            outcome.next = Some(id);
            break;
        }
        attempts_left -= 1;
        next = id.next();
        let is_there = stream.contains(id);
        let Some(group) = stream.group_mut(name) else {
            break;
        };
        if !is_there {
            claims.forget(group, id, pending);
            outcome.deleted.push(id);
            left -= 1;
        } else if is_idle(&pending, now_ms, min_idle_ms) {
            let pending = Pending {
                consumer,
                delivery_ms: now_ms,
                delivery_count: pending.delivery_count.wrapping_add(u64::from(!ids_only)),
            };
            claims.claim(group, id, pending, now_ms);
            outcome.claimed.push(id);
            left -= 1;
        }
    }
    outcome
}
