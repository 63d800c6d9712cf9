//! The commands that take the members with the lowest or highest scores, those that wait for one among them.

use std::ops::Range;

use oxidis_resp::Protocol;

use super::super::arguments::{count_or, deadline_ms, positive_or};
use super::reply::note_removed;
use super::{FAST, MOVABLE, ROW, WRITE};
use crate::blocking::{BlockedKey, Blocking, TimeoutReply};
use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, KeyFlags, KeySpec, Reply,
};
use crate::keyspace::Key;

const KEY_TO_POP: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
const BLOCKING: Flags = WRITE.union(Flags::BLOCKING);

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "bzmpop",
        arity: -5,
        flags: BLOCKING.union(MOVABLE),
        keys: &[KeySpec::counted(2, KEY_TO_POP)],
        since: "7.0.0",
        complexity: "O(K)+O(M*log(N)) for K keys and M members taken, N being the size of the set.",
        summary: "Takes members as ZMPOP does, or waits for some.",
        syntax: "timeout:double numkeys:integer key [key ...] where= MIN|MAX [COUNT count:integer]",
        handler: bzmpop,
        ..ROW
    },
    Command {
        name: "bzpopmax",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        arity: -3,
        flags: BLOCKING.union(FAST),
        keys: &[KeySpec::range(1, -2, 1, KEY_TO_POP)],
        since: "5.0.0",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Takes the member with the highest score of the first set of several that is there, or waits for one.",
        syntax: "key [key ...] timeout:double",
        handler: |cx, out| blocking_pop(cx, out, End::Max),
        ..ROW
    },
    Command {
        name: "bzpopmin",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        arity: -3,
        flags: BLOCKING.union(FAST),
        keys: &[KeySpec::range(1, -2, 1, KEY_TO_POP)],
        since: "5.0.0",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Takes the member with the lowest score of the first set of several that is there, or waits for one.",
        syntax: "key [key ...] timeout:double",
        handler: |cx, out| blocking_pop(cx, out, End::Min),
        ..ROW
    },
    Command {
        name: "zmpop",
        arity: -4,
        flags: WRITE.union(MOVABLE),
        keys: &[KeySpec::counted(1, KEY_TO_POP)],
        since: "7.0.0",
        complexity: "O(K)+O(M*log(N)) for K keys and M members taken, N being the size of the set.",
        summary: "Takes the members with the lowest or highest scores of the first set of several that is there.",
        syntax: "numkeys:integer key [key ...] where= MIN|MAX [COUNT count:integer]",
        handler: zmpop,
        ..ROW
    },
    Command {
        name: "zpopmax",
        arity: -2,
        flags: WRITE.union(FAST),
        keys: &[KeySpec::first(KEY_TO_POP)],
        since: "5.0.0",
        complexity: "O(M*log(N)) for M members taken, N being the size of the set.",
        summary: "Takes the members with the highest scores.",
        syntax: "key [count:integer]",
        handler: |cx, out| single_pop(cx, out, End::Max),
        ..ROW
    },
    Command {
        name: "zpopmin",
        arity: -2,
        flags: WRITE.union(FAST),
        keys: &[KeySpec::first(KEY_TO_POP)],
        since: "5.0.0",
        complexity: "O(M*log(N)) for M members taken, N being the size of the set.",
        summary: "Takes the members with the lowest scores.",
        syntax: "key [count:integer]",
        handler: |cx, out| single_pop(cx, out, End::Min),
        ..ROW
    },
];

/// From which end members are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    /// The command that takes members of one key from this end, as it is propagated.
    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }
}

/// How popped members are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Members and scores in one array.
    Flat,
    /// An array of pairs.
    Pairs,
    /// The key, the member and its score.
    KeyAndMember,
    /// The key and an array of pairs.
    KeyAndPairs,
}

/// Takes up to `count` members of the set under `key` and answers them; tells how many, or `None` if there is no set.
fn pop(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
    shape: Shape,
) -> Result<Option<usize>, CommandError> {
    let Some(mut set) = cx.sorted_set_mut(key)? else {
        return Ok(None);
    };
    let len = set.as_ref().len();
    let count = count.min(len);
    let ranks = match end {
        End::Min => 0..count,
        End::Max => len - count..len,
    };
    match shape {
        Shape::Flat => out.array(2 * count),
        Shape::Pairs => out.array(count),
        Shape::KeyAndMember => {
            out.array(1 + 2 * count);
            out.bulk(key.bytes);
        }
        Shape::KeyAndPairs => {
            out.array(2);
            out.bulk(key.bytes);
            out.array(count);
        }
    }
    let mut write = |(member, score): (&[u8], f64)| {
        if matches!(shape, Shape::Pairs | Shape::KeyAndPairs) {
            out.array(2);
        }
        out.bulk(member);
        out.double(score);
    };
    let members = set.as_ref().range(ranks.clone());
    match end {
        End::Min => members.for_each(&mut write),
        End::Max => members.rev().for_each(&mut write),
    }
    set.remove_ranks(ranks);
    let is_empty = set.as_ref().is_empty();
    drop(set);
    note_removed(cx, key, end.event(), count, is_empty);
    Ok(Some(count))
}

fn single_pop(cx: &mut Context<'_>, out: &mut Reply<'_>, end: End) -> CommandResult {
    if cx.argc() > 3 {
        return Err(CommandError::Syntax);
    }
    let (count, shape) = if cx.argc() == 3 {
        let count = positive_or(cx.arg(2), CommandError::MustBePositive)?;
        match out.protocol() {
            Protocol::Resp2 => (count, Shape::Flat),
            Protocol::Resp3 => (count, Shape::Pairs),
        }
    } else {
        (1, Shape::Flat)
    };
    if pop(cx, out, cx.key(1), end, count, shape)?.is_none() {
        out.array(0);
    }
    Ok(())
}

/// What was taken from the first of several sets.
struct Popped<'a> {
    key: Key<'a>,
    count: usize,
}

/// Takes from the first of the keys that is there.
fn pop_from_first<'a>(
    cx: &mut Context<'a>,
    out: &mut Reply<'_>,
    keys: Range<usize>,
    end: End,
    count: usize,
    shape: Shape,
) -> Result<Option<Popped<'a>>, CommandError> {
    for index in keys {
        let key = cx.key(index);
        if let Some(count) = pop(cx, out, key, end, count, shape)? {
            return Ok(Some(Popped { key, count }));
        }
    }
    Ok(None)
}

fn blocking_pop(cx: &mut Context<'_>, out: &mut Reply<'_>, end: End) -> CommandResult {
    let last = cx.argc() - 1;
    let deadline_ms = deadline_ms(cx.arg(last), cx.now_ms())?;
    if let Some(popped) = pop_from_first(cx, out, 1..last, end, 1, Shape::KeyAndMember)? {
        cx.rewrite(&[end.command(), popped.key.bytes]);
        return Ok(());
    }
    let name = cx.command_name();
    let retry = |key: &[u8]| [name.as_bytes(), key, b"0"].map(<[u8]>::to_vec).to_vec();
    wait(cx, out, 1..last, deadline_ms, retry)
}

/// Blocks until one of the keys is there; `retry` is the command that takes from one key alone.
fn wait(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    keys: Range<usize>,
    deadline_ms: Option<i64>,
    retry: impl Fn(&[u8]) -> Vec<Vec<u8>>,
) -> CommandResult {
    let keys = keys.map(|index| BlockedKey {
        key: cx.arg(index).to_vec(),
        retry: retry(cx.arg(index)),
    });
    let blocking = Blocking {
        keys: keys.collect(),
        deadline_ms,
        on_timeout: Some(TimeoutReply::NullArray),
        needs_other_keys: false,
        wants_loss: false,
    };
    cx.block(blocking, out)
}

/// The arguments of ZMPOP and BZMPOP from the number of keys on.
struct MultiPop {
    /// The arguments that are keys.
    keys: Range<usize>,
    end: End,
    count: usize,
}

impl MultiPop {
    fn parse(cx: &Context<'_>, numkeys_at: usize) -> Result<Self, CommandError> {
        let not_positive = CommandError::text("ERR numkeys should be greater than 0");
        let numkeys = count_or(cx.arg(numkeys_at), not_positive)?;
        let first = numkeys_at + 1;
        let end_at = first
            .checked_add(numkeys)
            .filter(|&index| index < cx.argc())
            .ok_or(CommandError::Syntax)?;
        let end = match cx.arg(end_at) {
            word if word.eq_ignore_ascii_case(b"min") => End::Min,
            word if word.eq_ignore_ascii_case(b"max") => End::Max,
            _ => return Err(CommandError::Syntax),
        };
        let mut count = None;
        let mut index = end_at + 1;
        while index < cx.argc() {
            if count.is_some() || !cx.arg_is(index, "count") || index + 1 == cx.argc() {
                return Err(CommandError::Syntax);
            }
            let not_positive = CommandError::text("ERR count should be greater than 0");
            count = Some(count_or(cx.arg(index + 1), not_positive)?);
            index += 2;
        }
        Ok(MultiPop {
            keys: first..end_at,
            end,
            count: count.unwrap_or(1),
        })
    }

    /// Takes from the first key that is there; answers whether there was one.
    fn run(&self, cx: &mut Context<'_>, out: &mut Reply<'_>) -> Result<bool, CommandError> {
        let keys = self.keys.clone();
        let popped = pop_from_first(cx, out, keys, self.end, self.count, Shape::KeyAndPairs)?;
        if let Some(popped) = &popped {
            let count = popped.count.to_string();
            cx.rewrite(&[self.end.command(), popped.key.bytes, count.as_bytes()]);
        }
        Ok(popped.is_some())
    }
}

fn zmpop(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let request = MultiPop::parse(cx, 1)?;
    if !request.run(cx, out)? {
        out.null_array();
    }
    Ok(())
}

fn bzmpop(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let request = MultiPop::parse(cx, 2)?;
    let deadline_ms = deadline_ms(cx.arg(1), cx.now_ms())?;
    if request.run(cx, out)? {
        return Ok(());
    }
    let end = cx.arg(request.keys.end);
    let count = request.count.to_string();
    let retry = |key: &[u8]| {
        let command = [
            b"bzmpop",
            &b"0"[..],
            b"1",
            key,
            end,
            b"count",
            count.as_bytes(),
        ];
        command.map(<[u8]>::to_vec).to_vec()
    };
    wait(cx, out, request.keys.clone(), deadline_ms, retry)
}
