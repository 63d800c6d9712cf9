//! The set commands.

use super::arguments::positive_or;
use super::sampling::sample_count;
use super::scan::{ScanOptions, Scanned, parse_cursor, reply_item, reply_items};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group, KeyFlags,
    KeySpec, Reply,
};
use crate::keyspace::Key;
use crate::text::parse_integer;
use crate::value::packed::PackedItem;
use crate::value::{EncodingLimits, Set, SetRef, Value, ValueType};

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = READ.union(Flags::FAST);
const FAST_WRITE: Flags = Flags::WRITE.union(Flags::FAST);
const GROWING_WRITE: Flags = Flags::WRITE.union(Flags::DENYOOM);

const KEY_TO_READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const KEY_TO_GROW: KeyFlags = KeyFlags::RW.union(KeyFlags::INSERT);
const KEY_TO_CUT: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);
const KEY_TO_POP: KeyFlags = KEY_TO_CUT.union(KeyFlags::ACCESS);
const KEY_TO_OVERWRITE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);

const COMPLEXITY_OF_SINTER: &str =
    "O(N*M) at worst, for M sets of which the smallest has N members.";
const COMPLEXITY_OF_SUNION: &str = "O(N) for sets that have N members together.";

/// What the rows of this family have in common.
const SET: Command = Command {
    categories: Categories::SET,
    group: Group::Set,
    ..Command::DEFAULT
};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        history: &[("2.4.0", "More than one member may be given.")],
        arity: -3,
        flags: FAST_WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::first(KEY_TO_GROW)],
        element: 2,
        complexity: "O(N) for N members.",
        summary: "Adds members to a set and answers how many of them are new; a missing set is made.",
        syntax: "key member [member ...]",
        handler: sadd,
        ..SET
    },
    Command {
        name: "srem",
        history: &[("2.4.0", "More than one member may be given.")],
        arity: -3,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        element: 2,
        complexity: "O(N) for N members.",
        summary: "Removes members from a set and answers how many there were; with its last member the set goes too.",
        syntax: "key member [member ...]",
        handler: srem,
        ..SET
    },
    Command {
        name: "smembers",
        arity: 2,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(N) for a set of N members.",
        summary: "Answers all members of a set.",
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        handler: smembers,
        ..SET
    },
    Command {
        name: "sismember",
        arity: 3,
        flags: FAST_READ,
        keys: &[KeySpec::first(KeyFlags::RO)],
        element: 2,
        complexity: "O(1)",
        summary: "Answers whether a set has a member.",
        syntax: "key member",
        handler: sismember,
        ..SET
    },
    Command {
        name: "smismember",
        arity: -3,
        flags: FAST_READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        element: 2,
        since: "6.2.0",
        complexity: "O(N) for N members.",
        summary: "Answers for each of several members whether a set has it.",
        syntax: "key member [member ...]",
        handler: smismember,
        ..SET
    },
    Command {
        name: "scard",
        arity: 2,
        flags: FAST_READ,
        keys: &[KeySpec::first(KeyFlags::RO)],
        complexity: "O(1)",
        summary: "Answers how many members a set has.",
        syntax: "key",
        handler: scard,
        ..SET
    },
    Command {
        name: "spop",
        history: &[("3.2.0", "A count of members may be given.")],
        arity: -2,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_POP)],
        complexity: "O(N) for N members taken.",
        summary: "Takes members that are chosen at random out of a set.",
        syntax: "key [count:integer^3.2.0]",
        tips: &["nondeterministic_output"],
        handler: spop,
        ..SET
    },
    Command {
        name: "srandmember",
        history: &[("2.6.0", "A count of members may be given.")],
        arity: -2,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(N) for N members answered.",
        summary: "Answers members of a set that are chosen at random: different ones, or with a negative count any so many times.",
        syntax: "key [count:integer^2.6.0]",
        tips: &["nondeterministic_output"],
        handler: srandmember,
        ..SET
    },
    Command {
        name: "smove",
        arity: 4,
        flags: FAST_WRITE,
        keys: &[KeySpec::at(1, KEY_TO_POP), KeySpec::at(2, KEY_TO_GROW)],
        complexity: "O(1)",
        summary: "Moves a member from one set to another.",
        syntax: "source:key destination:key member",
        handler: smove,
        ..SET
    },
    Command {
        name: "sinter",
        arity: -2,
        flags: READ,
        keys: &[KeySpec::range(1, -1, 1, KEY_TO_READ)],
        complexity: COMPLEXITY_OF_SINTER,
        summary: "Answers the members that all sets have.",
        syntax: "key [key ...]",
        tips: &["nondeterministic_output_order"],
        handler: sinter,
        ..SET
    },
    Command {
        name: "sintercard",
        arity: -3,
        flags: READ.union(Flags::MOVABLEKEYS),
        keys: &[KeySpec::counted(1, KEY_TO_READ)],
        since: "7.0.0",
        complexity: COMPLEXITY_OF_SINTER,
        summary: "Answers how many members all sets have, counting no further than a limit.",
        syntax: "numkeys:integer key [key ...] [LIMIT limit:integer]",
        handler: sintercard,
        ..SET
    },
    Command {
        name: "sinterstore",
        arity: -3,
        flags: GROWING_WRITE,
        keys: &[
            KeySpec::at(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::range(2, -1, 1, KEY_TO_READ),
        ],
        complexity: COMPLEXITY_OF_SINTER,
        summary: "Stores the members that all sets have, and answers how many there are.",
        syntax: "destination:key key [key ...]",
        handler: sinterstore,
        ..SET
    },
    Command {
        name: "sunion",
        arity: -2,
        flags: READ,
        keys: &[KeySpec::range(1, -1, 1, KEY_TO_READ)],
        complexity: COMPLEXITY_OF_SUNION,
        summary: "Answers the members that any of the sets has.",
        syntax: "key [key ...]",
        tips: &["nondeterministic_output_order"],
        handler: |cx, out| combine(cx, out, union),
        ..SET
    },
    Command {
        name: "sunionstore",
        arity: -3,
        flags: GROWING_WRITE,
        keys: &[
            KeySpec::at(1, KEY_TO_OVERWRITE),
            KeySpec::range(2, -1, 1, KEY_TO_READ),
        ],
        complexity: COMPLEXITY_OF_SUNION,
        summary: "Stores the members that any of the sets has, and answers how many there are.",
        syntax: "destination:key key [key ...]",
        handler: |cx, out| combine_and_store(cx, out, union, "sunionstore"),
        ..SET
    },
    Command {
        name: "sdiff",
        arity: -2,
        flags: READ,
        keys: &[KeySpec::range(1, -1, 1, KEY_TO_READ)],
        complexity: COMPLEXITY_OF_SUNION,
        summary: "Answers the members that the first set has and none of the others.",
        syntax: "key [key ...]",
        tips: &["nondeterministic_output_order"],
        handler: |cx, out| combine(cx, out, difference),
        ..SET
    },
    Command {
        name: "sdiffstore",
        arity: -3,
        flags: GROWING_WRITE,
        keys: &[
            KeySpec::at(1, KEY_TO_OVERWRITE),
            KeySpec::range(2, -1, 1, KEY_TO_READ),
        ],
        complexity: COMPLEXITY_OF_SUNION,
        summary: "Stores the members that the first set has and none of the others, and answers how many there are.",
        syntax: "destination:key key [key ...]",
        handler: |cx, out| combine_and_store(cx, out, difference, "sdiffstore"),
        ..SET
    },
    Command {
        name: "sscan",
        arity: -3,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        since: "2.8.0",
        complexity: "O(1) a call, O(N) for all calls that visit a set of N members.",
        summary: "Visits the members of a set, some at each call.",
        syntax: "key cursor:integer [MATCH pattern] [COUNT count:integer]",
        tips: &["nondeterministic_output"],
        handler: sscan,
        ..SET
    },
];

fn sadd(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let args = cx.args();
    let limits = cx.limits();
    let mut set = cx.set_or_create(key)?;
    set.expect_members(args.get(2), args.len() - 2, &limits);
    let added = args
        .iter()
        .skip(2)
        .filter(|member| set.insert(member, &limits))
        .count();
    drop(set);
    if added > 0 {
        cx.changed(key, EventClass::SET, "sadd");
        cx.count_changes(added as u64 - 1);
    }
    out.integer(added as i64);
    Ok(())
}

fn srem(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let args = cx.args();
    let Some(mut set) = cx.set_mut(key)? else {
        out.integer(0);
        return Ok(());
    };
    let removed = args
        .iter()
        .skip(2)
        .filter(|member| set.remove(member))
        .count();
    let is_gone = set.as_ref().is_empty();
    drop(set);
    if removed > 0 {
        tell_of_removal(cx, key, removed, is_gone, "srem");
    }
    out.integer(removed as i64);
    Ok(())
}

/// Tells everyone that a set has lost members, one at least, and is deleted if `is_gone`.
fn tell_of_removal(cx: &mut Context<'_>, key: Key<'_>, removed: usize, is_gone: bool, event: &str) {
    cx.changed(key, EventClass::SET, event);
    cx.count_changes(removed as u64 - 1);
    if is_gone {
        cx.notify(key.bytes, EventClass::GENERIC, "del");
    }
}

fn smembers(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let set = cx.set(cx.key(1))?;
    reply_set(out, set);
    Ok(())
}

fn reply_set(out: &mut Reply<'_>, set: Option<SetRef<'_>>) {
    out.set(set.map_or(0, SetRef::len));
    for member in set.into_iter().flat_map(SetRef::iter) {
        reply_item(out, member);
    }
}

fn sismember(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let set = cx.set(cx.key(1))?;
    out.integer(i64::from(set.is_some_and(|set| set.contains(cx.arg(2)))));
    Ok(())
}

fn smismember(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let set = cx.set(cx.key(1))?;
    out.array(cx.argc() - 2);
    for member in cx.args().iter().skip(2) {
        out.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn scard(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let set = cx.set(cx.key(1))?;
    out.integer(set.map_or(0, SetRef::len) as i64);
    Ok(())
}

fn spop(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    match cx.argc() {
        2 => {}
        3 => return spop_many(cx, out),
        _ => return Err(CommandError::Syntax),
    }
    let key = cx.key(1);
    let mut random = cx.random().fork();
    let Some(mut set) = cx.set_mut(key)? else {
        out.null();
        return Ok(());
    };
    let Some(member) = set.pop(&mut random) else {
        out.null();
        return Ok(());
    };
    let is_gone = set.as_ref().is_empty();
    drop(set);
    tell_of_removal(cx, key, 1, is_gone, "spop");
    cx.rewrite(&[b"SREM", key.bytes, &member]);
    out.bulk(&member);
    Ok(())
}

fn spop_many(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let count = positive_or(cx.arg(2), CommandError::MustBePositive)?;
    let mut random = cx.random().fork();
    let Some(mut set) = cx.set_mut(key)?.filter(|_| count > 0) else {
        out.set(0);
        return Ok(());
    };
    let len = set.as_ref().len();
    if count >= len {
        // The set is deleted whole, so that a big one is freed later.
        reply_set(out, Some(set.as_ref()));
        drop(set);
        cx.delete(key);
        tell_of_removal(cx, key, len, true, "spop");
        cx.rewrite(&[b"DEL", key.bytes]);
        return Ok(());
    }
    out.set(count);
    let mut popped = Vec::with_capacity(count);
    for _ in 0..count {
        if let Some(member) = set.pop(&mut random) {
            out.bulk(&member);
            popped.push(member);
        }
    }
    drop(set);
    tell_of_removal(cx, key, count, false, "spop");
    /// Members in one of the commands that take the place of this one.
    const MEMBERS_A_COMMAND: usize = 1024;
    for members in popped.chunks(MEMBERS_A_COMMAND) {
        let mut command = vec![&b"SREM"[..], key.bytes];
        command.extend(members.iter().map(Vec::as_slice));
        cx.rewrite(&command);
    }
    Ok(())
}

fn srandmember(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    if cx.argc() > 3 {
        return Err(CommandError::Syntax);
    }
    let mut random = cx.random().fork();
    if cx.argc() == 2 {
        match cx.set(key)?.and_then(|set| set.random(&mut random)) {
            Some(member) => reply_item(out, member),
            None => out.null(),
        }
        return Ok(());
    }
    let count = sample_count(cx, 2)?;
    let Some(set) = cx.set(key)?.filter(|_| count != 0) else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count > 0 {
        out.array(wanted.min(set.len()));
        set.sample(wanted, &mut random, &mut |member| reply_item(out, member));
        return Ok(());
    }
    out.array(wanted);
    let picker = set.picker();
    for _ in 0..wanted {
        if cx.exceeds_output_limit(out) {
            break;
        }
        if let Some(member) = picker.pick(&mut random) {
            reply_item(out, member);
        }
    }
    Ok(())
}

fn smove(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (source, destination, member) = (cx.key(1), cx.key(2), cx.arg(3));
    match cx.value_type(source) {
        None => {
            out.integer(0);
            return Ok(());
        }
        Some(ValueType::Set) => {}
        Some(_) => return Err(CommandError::WrongType),
    }
    if cx
        .value_type(destination)
        .is_some_and(|found| found != ValueType::Set)
    {
        return Err(CommandError::WrongType);
    }
    if source.bytes == destination.bytes {
        let is_member = cx.set(source)?.is_some_and(|set| set.contains(member));
        out.integer(i64::from(is_member));
        return Ok(());
    }
    let limits = cx.limits();
    let Some(mut set) = cx.set_mut(source)? else {
        out.integer(0);
        return Ok(());
    };
    if !set.remove(member) {
        out.integer(0);
        return Ok(());
    }
    let is_gone = set.as_ref().is_empty();
    drop(set);
    tell_of_removal(cx, source, 1, is_gone, "srem");
    let mut set = cx.set_or_create(destination)?;
    if !set.existed() {
        set.expect_members(member, 1, &limits);
    }
    let is_new = set.insert(member, &limits);
    drop(set);
    if is_new {
        cx.changed(destination, EventClass::SET, "sadd");
    }
    out.integer(1);
    Ok(())
}

/// The sets under the arguments from `first` to `last`, `None` for those that are missing.
fn sets<'a>(
    cx: &'a Context<'_>,
    first: usize,
    last: usize,
) -> Result<Vec<Option<SetRef<'a>>>, CommandError> {
    (first..=last).map(|index| cx.set(cx.key(index))).collect()
}

/// Visits the members that all sets have, as long as `visit` answers `true`. The members come in the
/// order of the smallest set.
fn for_each_common<'a>(
    sets: Vec<Option<SetRef<'a>>>,
    visit: &mut dyn FnMut(PackedItem<'a>) -> bool,
) {
    let Some(mut sets) = sets.into_iter().collect::<Option<Vec<_>>>() else {
        return;
    };
    sets.sort_by_cached_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else {
        return;
    };
    for member in smallest.iter() {
        if others.iter().all(|set| set.contains_item(member)) && !visit(member) {
            return;
        }
    }
}

fn sinter(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let sets = sets(cx, 1, cx.argc() - 1)?;
    let mark = out.deferred_set();
    let mut count = 0;
    for_each_common(sets, &mut |member| {
        reply_item(out, member);
        count += 1;
        true
    });
    out.finish_set(mark, count);
    Ok(())
}

fn sintercard(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const FIRST_KEY: usize = 2;
    let Some(key_count @ 1..) = parse_integer(cx.arg(1)) else {
        return Err(CommandError::text("ERR numkeys should be greater than 0"));
    };
    let key_count = usize::try_from(key_count).unwrap_or(usize::MAX);
    if key_count > cx.argc() - FIRST_KEY {
        return Err(CommandError::text(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let mut limit = 0;
    let mut index = FIRST_KEY + key_count;
    while index < cx.argc() {
        if !cx.arg_is(index, "limit") || index + 1 == cx.argc() {
            return Err(CommandError::Syntax);
        }
        limit = match parse_integer(cx.arg(index + 1)) {
            Some(limit @ 0..) => usize::try_from(limit).unwrap_or(usize::MAX),
            _ => return Err(CommandError::text("ERR LIMIT can't be negative")),
        };
        index += 2;
    }
    let sets = sets(cx, FIRST_KEY, FIRST_KEY + key_count - 1)?;
    let mut count = 0;
    for_each_common(sets, &mut |_| {
        count += 1;
        count != limit
    });
    out.integer(count as i64);
    Ok(())
}

fn sinterstore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let limits = cx.limits();
    let sets = sets(cx, 2, cx.argc() - 1)?;
    let mut result = Set::Packed(Vec::new());
    for_each_common(sets, &mut |member| {
        result.insert_item(member, &limits);
        true
    });
    // Integers alone are an intset even if they come from sets that had strings too.
    result.make_intset_if_possible(&limits);
    store(cx, out, result, "sinterstore");
    Ok(())
}

/// Puts the result of a command under its first key, and answers how many members it has.
fn store(cx: &mut Context<'_>, out: &mut Reply<'_>, result: Set, event: &str) {
    let destination = cx.key(1);
    let len = result.as_ref().len();
    if len > 0 {
        cx.store(destination, Value::Set(result), None);
        cx.changed(destination, EventClass::SET, event);
    } else if cx.delete_destination(destination) {
        cx.changed(destination, EventClass::GENERIC, "del");
    }
    out.integer(len as i64);
}

/// Makes one set of several.
type Combination = fn(&[Option<SetRef<'_>>], &EncodingLimits) -> Set;

fn combine(cx: &mut Context<'_>, out: &mut Reply<'_>, combination: Combination) -> CommandResult {
    let limits = cx.limits();
    let result = combination(&sets(cx, 1, cx.argc() - 1)?, &limits);
    reply_set(out, Some(result.as_ref()));
    Ok(())
}

fn combine_and_store(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    combination: Combination,
    event: &str,
) -> CommandResult {
    let limits = cx.limits();
    let result = combination(&sets(cx, 2, cx.argc() - 1)?, &limits);
    store(cx, out, result, event);
    Ok(())
}

fn union(sets: &[Option<SetRef<'_>>], limits: &EncodingLimits) -> Set {
    let mut result = Set::new();
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        result.insert_item(member, limits);
    }
    result
}

/// The members of the first set that no other has. Either each of them is looked for in the others,
/// or the members of the others are removed from a copy of the first, whichever is less work.
fn difference(sets: &[Option<SetRef<'_>>], limits: &EncodingLimits) -> Set {
    let mut result = Set::new();
    let Some((&Some(first), others)) = sets.split_first() else {
        return result;
    };
    let mut others: Vec<SetRef<'_>> = others.iter().flatten().copied().collect();
    let work_of_looking = first.len().saturating_mul(sets.len());
    let work_of_removing: usize = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    // Looking stops at the first set that has the member, so that it is half the work on average.
    if work_of_looking / 2 <= work_of_removing {
        // Most likely the biggest has it.
        others.sort_by_cached_key(|set| std::cmp::Reverse(set.len()));
        for member in first.iter() {
            if !others.iter().any(|set| set.contains_item(member)) {
                result.insert_item(member, limits);
            }
        }
    } else {
        for member in first.iter() {
            result.insert_item(member, limits);
        }
        for member in others.iter().flat_map(|set| set.iter()) {
            result.remove_item(member);
            if result.as_ref().is_empty() {
                break;
            }
        }
    }
    result
}

fn sscan(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(cx.arg(2))?;
    let Some(set) = cx.set(cx.key(1))? else {
        reply_items(out, 0, &[]);
        return Ok(());
    };
    let options = ScanOptions::parse(cx.args(), 3, Scanned::Members)?;
    let mut found = Vec::new();
    let next = options.run(cursor, |cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, &mut |member| {
            visited += 1;
            if options.matches_item(member) {
                found.push(member);
            }
        });
        (next, visited)
    });
    reply_items(out, next, &found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestSession;

    #[test]
    fn both_ways_of_subtracting_answer_the_same() {
        let mut session = TestSession::new(&[]);
        // Many sets against a small first one are looked into; one against a big first one ...
        session.run("SADD a 1 2 3 4 5 6 7 8");
        for n in 1..=6 {
            session.run(&format!("SADD s{n} {n} x{n}"));
        }
        assert_eq!(
            session.run("SDIFF a s1 s2"),
            "*6 $1 3 $1 4 $1 5 $1 6 $1 7 $1 8"
        );
        // ... and here the others, having fewer members together than all lookups, are removed.
        assert_eq!(session.run("SDIFF a s1 s2 s3 s4 s5 s6"), "*2 $1 7 $1 8");
        assert_eq!(session.run("SDIFF a s1 missing a"), "*0");
        assert_eq!(session.run("SDIFFSTORE a a a"), ":0");
        assert_eq!(session.run("SCARD a"), ":0");
    }

    #[test]
    fn what_is_popped_is_gone() {
        for entries in ["0", "128"] {
            let mut session = TestSession::new(&[("set-max-listpack-entries", entries)]);
            session.run("SADD s a b c d e f g h");
            let mut popped: Vec<String> = session
                .run("SPOP s 3")
                .split(' ')
                .skip(2)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            popped.push(session.run("SPOP s").split_off(3));
            popped.sort();
            popped.dedup();
            assert_eq!(popped.len(), 4);
            for member in popped {
                assert_eq!(session.run(&format!("SISMEMBER s {member}")), ":0");
            }
            assert_eq!(session.run("SCARD s"), ":4");
            assert_eq!(session.run("SPOP s 9").split(' ').next(), Some("*4"));
            assert_eq!(session.run("SPOP s 1"), "*0");
            assert_eq!(session.run("SPOP s"), "$-1");
        }
    }

    #[test]
    fn strings_beside_integers_are_packed() {
        // Redis 7.0, with which conversations are recorded, has no packed sets.
        let mut session = TestSession::new(&[("set-max-listpack-entries", "3")]);
        let encoding = |session: &mut TestSession| session.run("OBJECT ENCODING s");
        session.run("SADD s 2 1");
        assert_eq!(encoding(&mut session), "$6 intset");
        session.run("SADD s x");
        assert_eq!(encoding(&mut session), "$8 listpack");
        assert_eq!(session.run("SMEMBERS s"), "*3 $1 1 $1 2 $1 x");
        session.run("SADD s y");
        assert_eq!(encoding(&mut session), "$9 hashtable");
        // What remains after an intersection may be integers alone.
        session.run("SADD t 1 2 3");
        session.run("SINTERSTORE s s t");
        assert_eq!(encoding(&mut session), "$6 intset");
        session.run("SUNIONSTORE s t u");
        assert_eq!(encoding(&mut session), "$6 intset");
    }

    #[test]
    fn without_packed_sets_a_string_makes_a_table() {
        let mut session = TestSession::new(&[("set-max-listpack-entries", "0")]);
        session.run("SADD s 1");
        assert_eq!(session.run("OBJECT ENCODING s"), "$6 intset");
        session.run("SADD s x");
        assert_eq!(session.run("OBJECT ENCODING s"), "$9 hashtable");
    }
}
