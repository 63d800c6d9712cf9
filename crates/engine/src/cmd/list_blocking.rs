//! The list commands that wait until there is an element to take.

use super::arguments::deadline_ms;
use super::list::{
    KEY_TO_POP, LIST, MultiPop, end_at, move_element, pop_command, pop_from_first, rewrite_as_pop,
};
use crate::blocking::{BlockedKey, Blocking, TimeoutReply};
use crate::command::{Command, CommandResult, Context, Flags, KeyFlags, KeySpec, Reply};
use crate::value::list::End;

const BLOCKING_WRITE: Flags = Flags::WRITE.union(Flags::BLOCKING);
const BLOCKING_POP: Flags = BLOCKING_WRITE;
const BLOCKING_MOVE: Flags = BLOCKING_POP.union(Flags::DENYOOM);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "blpop",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        arity: -3,
        flags: BLOCKING_POP,
        keys: &[KeySpec::range(1, -2, 1, KEY_TO_POP)],
        since: "2.0.0",
        complexity: "O(N) for N keys.",
        summary: "Takes the first element of the first list of several that is there, or waits for one.",
        syntax: "key [key ...] timeout:double",
        handler: |cx, out| blocking_pop(cx, out, "blpop", End::Front),
        ..LIST
    },
    Command {
        name: "brpop",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        arity: -3,
        flags: BLOCKING_POP,
        keys: &[KeySpec::range(1, -2, 1, KEY_TO_POP)],
        since: "2.0.0",
        complexity: "O(N) for N keys.",
        summary: "Takes the last element of the first list of several that is there, or waits for one.",
        syntax: "key [key ...] timeout:double",
        handler: |cx, out| blocking_pop(cx, out, "brpop", End::Back),
        ..LIST
    },
    Command {
        name: "blmove",
        arity: 6,
        flags: BLOCKING_MOVE,
        keys: &[
            KeySpec::first(KEY_TO_POP),
            KeySpec::at(2, KeyFlags::RW.union(KeyFlags::INSERT)),
        ],
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Moves an element as LMOVE does, or waits for one.",
        syntax: "source:key destination:key wherefrom= LEFT|RIGHT whereto= LEFT|RIGHT timeout:double",
        handler: blmove,
        ..LIST
    },
    Command {
        name: "brpoplpush",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        arity: 4,
        flags: BLOCKING_MOVE,
        keys: &[
            KeySpec::first(KEY_TO_POP),
            KeySpec::at(2, KeyFlags::RW.union(KeyFlags::INSERT)),
        ],
        since: "2.2.0",
        complexity: "O(1)",
        summary: "Moves an element as RPOPLPUSH does, or waits for one.",
        syntax: "source:key destination:key timeout:double",
        replaced_by: Some("`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
        deprecated_since: Some("6.2.0"),
        handler: brpoplpush,
        ..LIST
    },
    Command {
        name: "blmpop",
        arity: -5,
        flags: BLOCKING_WRITE,
        keys: &[KeySpec::counted(2, KEY_TO_POP)],
        since: "7.0.0",
        complexity: "O(N+M) for N keys and M elements taken.",
        summary: "Takes elements as LMPOP does, or waits for some.",
        syntax: "timeout:double numkeys:integer key [key ...] where= LEFT|RIGHT [COUNT count:integer]",
        handler: blmpop,
        ..LIST
    },
];

fn blocking_pop(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    name: &'static str,
    end: End,
) -> CommandResult {
    let last = cx.argc() - 1;
    let deadline_ms = deadline_ms(cx.arg(last), cx.now_ms())?;
    if let Some(popped) = pop_from_first(cx, out, 1..last, end, None)? {
        cx.rewrite(&[pop_command(end), popped.key.bytes]);
        return Ok(());
    }
    let keys = (1..last)
        .map(|index| cx.arg(index))
        .map(|key| BlockedKey {
            key: key.to_vec(),
            retry: owned(&[name.as_bytes(), key, b"0"]),
        })
        .collect();
    let blocking = Blocking {
        keys,
        deadline_ms,
        on_timeout: Some(TimeoutReply::NullArray),
        needs_other_keys: false,
        wants_loss: false,
    };
    cx.block(blocking, out)
}

fn blmpop(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let MultiPop { keys, end, count } = MultiPop::parse(cx, 2)?;
    let deadline_ms = deadline_ms(cx.arg(1), cx.now_ms())?;
    if let Some(popped) = pop_from_first(cx, out, keys.clone(), end, Some(count))? {
        rewrite_as_pop(cx, &popped, end);
        return Ok(());
    }
    let end_name = cx.arg(keys.end);
    let count = count.to_string();
    let keys = keys
        .map(|index| cx.arg(index))
        .map(|key| BlockedKey {
            key: key.to_vec(),
            retry: owned(&[
                b"blmpop",
                b"0",
                b"1",
                key,
                end_name,
                b"count",
                count.as_bytes(),
            ]),
        })
        .collect();
    let blocking = Blocking {
        keys,
        deadline_ms,
        on_timeout: Some(TimeoutReply::NullArray),
        needs_other_keys: false,
        wants_loss: false,
    };
    cx.block(blocking, out)
}

fn blmove(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (end_at(cx, 3)?, end_at(cx, 4)?);
    let deadline_ms = deadline_ms(cx.arg(5), cx.now_ms())?;
    let args = cx.args();
    let moved = [b"LMOVE", args.get(1), args.get(2), args.get(3), args.get(4)];
    blocking_move(cx, out, (from, to), deadline_ms, &moved)
}

fn brpoplpush(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let deadline_ms = deadline_ms(cx.arg(3), cx.now_ms())?;
    let args = cx.args();
    let moved = [b"RPOPLPUSH", args.get(1), args.get(2)];
    blocking_move(cx, out, (End::Back, End::Front), deadline_ms, &moved)
}

/// Moves an element or waits for one. `moved` is the command that does the same without waiting.
fn blocking_move(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    (from, to): (End, End),
    deadline_ms: Option<i64>,
    moved: &[&[u8]],
) -> CommandResult {
    let source = cx.key(1);
    if cx.exists(source) {
        move_element(cx, out, from, to)?;
        cx.rewrite(moved);
        return Ok(());
    }
    if !cx.may_block() {
        // Unlike a timeout, which answers a null array.
        out.null();
        return Ok(());
    }
    let mut retry = cx.args().to_owned();
    if let Some(timeout) = retry.last_mut() {
        *timeout = b"0".to_vec();
    }
    let blocking = Blocking {
        keys: vec![BlockedKey {
            key: source.bytes.to_vec(),
            retry,
        }],
        deadline_ms,
        on_timeout: Some(TimeoutReply::NullArray),
        needs_other_keys: true,
        wants_loss: false,
    };
    cx.block(blocking, out)
}

fn owned(arguments: &[&[u8]]) -> Vec<Vec<u8>> {
    arguments.iter().map(|argument| argument.to_vec()).collect()
}
