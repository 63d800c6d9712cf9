//! The list commands that answer at once. Those that may wait are in `list_blocking`.

use super::arguments::{count_or, positive_or, symmetric_integer};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group, KeyFlags,
    KeySpec, Reply,
};
use crate::keyspace::Key;
use crate::value::list::End;
use crate::value::{EncodingLimits, List, ListItem, ListRef, ValueType};

const READ: Flags = Flags::READONLY;
const FAST_READ: Flags = READ.union(Flags::FAST);
const WRITE: Flags = Flags::WRITE;
const FAST_WRITE: Flags = WRITE.union(Flags::FAST);
const GROWING_WRITE: Flags = WRITE.union(Flags::DENYOOM);
const FAST_GROWING_WRITE: Flags = GROWING_WRITE.union(Flags::FAST);

const KEY_TO_READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const KEY_TO_GROW: KeyFlags = KeyFlags::RW.union(KeyFlags::INSERT);
const KEY_TO_CUT: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);
pub(super) const KEY_TO_POP: KeyFlags = KEY_TO_CUT.union(KeyFlags::ACCESS);

/// What the rows of this family have in common.
pub(super) const LIST: Command = Command {
    categories: Categories::LIST,
    group: Group::List,
    ..Command::DEFAULT
};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lpush",
        history: &[("2.4.0", "More than one element may be given.")],
        arity: -3,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_GROW)],
        complexity: "O(N) for N elements.",
        summary: "Puts elements before the first one of a list, each before the one that came earlier; a missing list is made.",
        syntax: "key element [element ...]",
        handler: |cx, out| push(cx, out, End::Front, true),
        ..LIST
    },
    Command {
        name: "rpush",
        history: &[("2.4.0", "More than one element may be given.")],
        arity: -3,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_GROW)],
        complexity: "O(N) for N elements.",
        summary: "Puts elements behind the last one of a list; a missing list is made.",
        syntax: "key element [element ...]",
        handler: |cx, out| push(cx, out, End::Back, true),
        ..LIST
    },
    Command {
        name: "lpushx",
        history: &[("4.0.0", "More than one element may be given.")],
        arity: -3,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_GROW)],
        since: "2.2.0",
        complexity: "O(N) for N elements.",
        summary: "Puts elements before the first one of a list, if there is such a list.",
        syntax: "key element [element ...]",
        handler: |cx, out| push(cx, out, End::Front, false),
        ..LIST
    },
    Command {
        name: "rpushx",
        history: &[("4.0.0", "More than one element may be given.")],
        arity: -3,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_GROW)],
        since: "2.2.0",
        complexity: "O(N) for N elements.",
        summary: "Puts elements behind the last one of a list, if there is such a list.",
        syntax: "key element [element ...]",
        handler: |cx, out| push(cx, out, End::Back, false),
        ..LIST
    },
    Command {
        name: "lpop",
        history: &[("6.2.0", "A count of elements may be given.")],
        arity: -2,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_POP)],
        complexity: "O(N) for N elements taken.",
        summary: "Takes elements off the front of a list.",
        syntax: "key [count:integer^6.2.0]",
        handler: |cx, out| pop(cx, out, End::Front),
        ..LIST
    },
    Command {
        name: "rpop",
        history: &[("6.2.0", "A count of elements may be given.")],
        arity: -2,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_POP)],
        complexity: "O(N) for N elements taken.",
        summary: "Takes elements off the back of a list.",
        syntax: "key [count:integer^6.2.0]",
        handler: |cx, out| pop(cx, out, End::Back),
        ..LIST
    },
    Command {
        name: "llen",
        arity: 2,
        flags: FAST_READ,
        keys: &[KeySpec::first(KeyFlags::RO)],
        complexity: "O(1)",
        summary: "Answers how many elements a list has.",
        syntax: "key",
        handler: llen,
        ..LIST
    },
    Command {
        name: "lindex",
        arity: 3,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(N) for N nodes of the list, a few hundred elements each; O(1) at both ends.",
        summary: "Answers the element at an index.",
        syntax: "key index:integer",
        handler: lindex,
        ..LIST
    },
    Command {
        name: "lrange",
        arity: 4,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        complexity: "O(S+N) where S is the distance of the start from the nearer end, in nodes, and N the number of elements answered.",
        summary: "Answers the elements between two indexes, both included.",
        syntax: "key start:integer stop:integer",
        handler: lrange,
        ..LIST
    },
    Command {
        name: "lset",
        arity: 4,
        flags: GROWING_WRITE,
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        complexity: "O(N) for N nodes of the list, a few hundred elements each; O(1) at both ends.",
        summary: "Replaces the element at an index.",
        syntax: "key index:integer element",
        handler: lset,
        ..LIST
    },
    Command {
        name: "linsert",
        arity: 5,
        flags: GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_GROW)],
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements before the pivot.",
        summary: "Puts an element before or behind the first one that equals the pivot.",
        syntax: "key where= BEFORE|AFTER pivot element",
        handler: linsert,
        ..LIST
    },
    Command {
        name: "lrem",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        complexity: "O(N) where N is the length of the list.",
        summary: "Removes elements that equal a value: the first ones, the last ones, or all.",
        syntax: "key count:integer element",
        handler: lrem,
        ..LIST
    },
    Command {
        name: "ltrim",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        complexity: "O(N) where N is the number of nodes removed, a few hundred elements each.",
        summary: "Removes all elements but those between two indexes, both included.",
        syntax: "key start:integer stop:integer",
        handler: ltrim,
        ..LIST
    },
    Command {
        name: "lpos",
        arity: -3,
        flags: READ,
        keys: &[KeySpec::first(KEY_TO_READ)],
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements looked at.",
        summary: "Answers the indexes of elements that equal a value.",
        syntax: "key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]",
        handler: lpos,
        ..LIST
    },
    Command {
        name: "lmove",
        arity: 5,
        flags: GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_POP), KeySpec::at(2, KEY_TO_GROW)],
        since: "6.2.0",
        complexity: "O(1)",
        summary: "Takes an element off one end of a list and puts it to an end of another or the same list.",
        syntax: "source:key destination:key wherefrom= LEFT|RIGHT whereto= LEFT|RIGHT",
        handler: lmove,
        ..LIST
    },
    Command {
        name: "rpoplpush",
        arity: 3,
        flags: GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_POP), KeySpec::at(2, KEY_TO_GROW)],
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Takes the last element off a list and puts it before the first one of another or the same list.",
        syntax: "source:key destination:key",
        replaced_by: Some("`LMOVE` with the `RIGHT` and `LEFT` arguments"),
        deprecated_since: Some("6.2.0"),
        handler: |cx, out| move_element(cx, out, End::Back, End::Front),
        ..LIST
    },
    Command {
        name: "lmpop",
        arity: -4,
        flags: WRITE,
        keys: &[KeySpec::counted(1, KEY_TO_POP)],
        since: "7.0.0",
        complexity: "O(N+M) for N keys and M elements taken.",
        summary: "Takes elements off an end of the first list of several that is there.",
        syntax: "numkeys:integer key [key ...] where= LEFT|RIGHT [COUNT count:integer]",
        handler: lmpop,
        ..LIST
    },
];

/// The event of an element being put to `end`.
fn push_event(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

/// The event of elements being taken off `end`.
fn pop_event(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
}

/// The command that takes elements off `end`, as it is propagated.
pub(super) fn pop_command(end: End) -> &'static [u8] {
    match end {
        End::Front => b"LPOP",
        End::Back => b"RPOP",
    }
}

/// The end that the argument at `index` names.
pub(super) fn end_at(cx: &Context<'_>, index: usize) -> Result<End, CommandError> {
    if cx.arg_is(index, "left") {
        Ok(End::Front)
    } else if cx.arg_is(index, "right") {
        Ok(End::Back)
    } else {
        Err(CommandError::Syntax)
    }
}

fn write_item(out: &mut Reply<'_>, item: ListItem<'_>) {
    match item {
        ListItem::Bytes(bytes) => out.bulk(&bytes),
        ListItem::Integer(integer) => out.bulk_integer(integer),
    }
}

fn push(cx: &mut Context<'_>, out: &mut Reply<'_>, end: End, create: bool) -> CommandResult {
    let key = cx.key(1);
    let limits = cx.limits();
    let values = cx.args().iter_from(2);
    let len = {
        let mut list = if create {
            cx.list_or_create(key)?
        } else {
            match cx.list_mut(key)? {
                Some(list) => list,
                None => {
                    out.integer(0);
                    return Ok(());
                }
            }
        };
        list.push_all(end, values, &limits);
        list.len()
    };
    cx.changed(key, EventClass::LIST, push_event(end));
    cx.count_changes(cx.argc() as u64 - 3);
    out.integer(len as i64);
    Ok(())
}

fn pop(cx: &mut Context<'_>, out: &mut Reply<'_>, end: End) -> CommandResult {
    let count = match cx.argc() {
        2 => None,
        3 => Some(positive_or(cx.arg(2), CommandError::MustBePositive)?),
        _ => return Err(CommandError::WrongArity(cx.command_name().into())),
    };
    let key = cx.key(1);
    let limits = cx.limits();
    let (removed, is_empty) = {
        let Some(mut list) = cx.list_mut(key)? else {
            match count {
                Some(_) => out.null_array(),
                None => out.null(),
            }
            return Ok(());
        };
        let removed = match count {
            Some(count) => {
                let count = count.min(list.len());
                out.array(count);
                count
            }
            None => 1,
        };
        take(&mut list, end, removed, &limits, out);
        (removed, list.is_empty())
    };
    if removed > 0 {
        note_popped(cx, key, end, removed, is_empty);
    }
    Ok(())
}

/// Removes `count` elements at `end`, of which there are so many, and answers them one by one.
fn take(list: &mut List, end: End, count: usize, limits: &EncodingLimits, out: &mut Reply<'_>) {
    if count == 1 {
        return list.take_end(end, limits, |item| write_item(out, item));
    }
    let len = list.len();
    let write = |item| write_item(out, item);
    match end {
        End::Front => {
            list.as_ref().range(0..count).for_each(write);
            list.remove(0..count, limits);
        }
        End::Back if len > 0 => {
            list.as_ref().range_back(len - count..len).for_each(write);
            list.remove(len - count..len, limits);
        }
        End::Back => {}
    }
}

/// Tells of `removed` elements that were taken off `end`.
fn note_popped(cx: &mut Context<'_>, key: Key<'_>, end: End, removed: usize, is_empty: bool) {
    cx.changed(key, EventClass::LIST, pop_event(end));
    cx.count_changes(removed as u64 - 1);
    if is_empty {
        cx.notify(key.bytes, EventClass::GENERIC, "del");
    }
}

/// What [`pop_from_first`] has taken, and from which key.
pub(super) struct Popped<'a> {
    pub(super) key: Key<'a>,
    pub(super) removed: usize,
}

/// Takes elements off the first of the keys that is there, which must be a list, and answers the key and
/// an element, or with a `count` an array of elements. `None` if no key is there.
pub(super) fn pop_from_first<'a>(
    cx: &mut Context<'a>,
    out: &mut Reply<'_>,
    keys: impl Iterator<Item = usize>,
    end: End,
    count: Option<usize>,
) -> Result<Option<Popped<'a>>, CommandError> {
    let limits = cx.limits();
    for index in keys {
        let key = cx.key(index);
        let (removed, is_empty) = {
            let Some(mut list) = cx.list_mut(key)? else {
                continue;
            };
            let removed = count.unwrap_or(1).min(list.len());
            out.array(2);
            out.bulk(key.bytes);
            if count.is_some() {
                out.array(removed);
            }
            take(&mut list, end, removed, &limits, out);
            (removed, list.is_empty())
        };
        note_popped(cx, key, end, removed, is_empty);
        return Ok(Some(Popped { key, removed }));
    }
    Ok(None)
}

fn llen(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let list = cx.list(cx.key(1))?;
    out.integer(list.map_or(0, ListRef::len) as i64);
    Ok(())
}

fn lindex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let Some(list) = cx.list(cx.key(1))? else {
        out.null();
        return Ok(());
    };
    let index = list.resolve(cx.integer(2)?);
    match index.and_then(|index| list.get(index)) {
        Some(item) => write_item(out, item),
        None => out.null(),
    }
    Ok(())
}

fn lrange(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (cx.integer(2)?, cx.integer(3)?);
    let Some(list) = cx.list(cx.key(1))? else {
        out.array(0);
        return Ok(());
    };
    let range = list.resolve_range(start, stop);
    out.array(range.len());
    list.range(range).for_each(|item| write_item(out, item));
    Ok(())
}

fn lset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let limits = cx.limits();
    let (index, value) = (cx.integer(2), cx.arg(3));
    {
        let mut list = cx.list_mut(key)?.ok_or(CommandError::NoSuchKey)?;
        let index = list.as_ref().resolve(index?);
        // The list may stop being a listpack even if there is no such element.
        if !list.set(index.unwrap_or(usize::MAX), value, &limits) {
            return Err(CommandError::IndexOutOfRange);
        }
    }
    cx.changed(key, EventClass::LIST, "lset");
    out.ok();
    Ok(())
}

fn linsert(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let after = if cx.arg_is(2, "after") {
        true
    } else if cx.arg_is(2, "before") {
        false
    } else {
        return Err(CommandError::Syntax);
    };
    let key = cx.key(1);
    let limits = cx.limits();
    let (pivot, value) = (cx.arg(3), cx.arg(4));
    let len = {
        let Some(mut list) = cx.list_mut(key)? else {
            out.integer(0);
            return Ok(());
        };
        if !list.insert_beside(pivot, after, value, &limits) {
            out.integer(-1);
            return Ok(());
        }
        list.len()
    };
    cx.changed(key, EventClass::LIST, "linsert");
    out.integer(len as i64);
    Ok(())
}

fn lrem(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let count = symmetric_integer(cx, 2)?;
    let (most, from) = match count {
        0 => (usize::MAX, End::Front),
        _ => (
            usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
            if count < 0 { End::Back } else { End::Front },
        ),
    };
    let key = cx.key(1);
    let limits = cx.limits();
    let value = cx.arg(3);
    let (removed, is_empty) = {
        let Some(mut list) = cx.list_mut(key)? else {
            out.integer(0);
            return Ok(());
        };
        let removed = list.remove_equal(value, most, from, &limits);
        (removed, list.is_empty())
    };
    if removed > 0 {
        cx.changed(key, EventClass::LIST, "lrem");
        cx.count_changes(removed as u64 - 1);
    }
    if is_empty {
        cx.notify(key.bytes, EventClass::GENERIC, "del");
    }
    out.integer(removed as i64);
    Ok(())
}

fn ltrim(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (cx.integer(2)?, cx.integer(3)?);
    let key = cx.key(1);
    let limits = cx.limits();
    let (removed, is_empty) = {
        let Some(mut list) = cx.list_mut(key)? else {
            out.ok();
            return Ok(());
        };
        let range = list.as_ref().resolve_range(start, stop);
        let removed = list.len() - range.len();
        list.keep(range, &limits);
        (removed, list.is_empty())
    };
    cx.changed(key, EventClass::LIST, "ltrim");
    match removed as u64 {
        0 => cx.discount_change(),
        removed => cx.count_changes(removed - 1),
    }
    if is_empty {
        cx.notify(key.bytes, EventClass::GENERIC, "del");
    }
    out.ok();
    Ok(())
}

/// The options of LPOS.
struct PositionOptions {
    /// Which match is the first to be answered, from the back if negative.
    rank: i64,
    /// How many are answered, as an array; 0 for all.
    count: Option<usize>,
    /// How many elements are looked at; 0 for all.
    max_len: usize,
}

impl PositionOptions {
    fn parse(cx: &Context<'_>) -> Result<Self, CommandError> {
        let mut options = Self {
            rank: 1,
            count: None,
            max_len: 0,
        };
        let mut index = 3;
        while index < cx.argc() {
            let value = index + 1;
            if value == cx.argc() {
                return Err(CommandError::Syntax);
            }
            if cx.arg_is(index, "rank") {
                options.rank = parse_rank(cx, value)?;
            } else if cx.arg_is(index, "count") {
                let error = CommandError::text("ERR COUNT can't be negative");
                options.count = Some(positive_or(cx.arg(value), error)?);
            } else if cx.arg_is(index, "maxlen") {
                let error = CommandError::text("ERR MAXLEN can't be negative");
                options.max_len = positive_or(cx.arg(value), error)?;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 2;
        }
        Ok(options)
    }
}

fn parse_rank(cx: &Context<'_>, index: usize) -> Result<i64, CommandError> {
    match symmetric_integer(cx, index)? {
        0 => Err(CommandError::text(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
             or use negative to start from the end of the list",
        )),
        rank => Ok(rank),
    }
}

fn lpos(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = PositionOptions::parse(cx)?;
    let or_all = |n: usize| if n == 0 { usize::MAX } else { n };
    let most = options.count.map_or(1, or_all);
    let mut found: Vec<usize> = Vec::new();
    let list = cx.list(cx.key(1))?;
    if let Some(list) = list {
        let max_len = or_all(options.max_len);
        list.positions(cx.arg(2), options.rank, max_len, |index| {
            found.push(index);
            found.len() < most
        });
    }
    match (options.count, found.first()) {
        (Some(_), _) => {
            out.array(found.len());
            found.iter().for_each(|&index| out.integer(index as i64));
        }
        (None, Some(&index)) => out.integer(index as i64),
        (None, None) => out.null(),
    }
    Ok(())
}

fn lmove(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (end_at(cx, 3)?, end_at(cx, 4)?);
    move_element(cx, out, from, to)
}

/// Takes an element off one end of the list under the first key and puts it to an end of the one under
/// the second, which may be the same.
pub(super) fn move_element(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    from: End,
    to: End,
) -> CommandResult {
    let (source, destination) = (cx.key(1), cx.key(2));
    let is_list = |value_type: ValueType| value_type == ValueType::List;
    match cx.value_type(source) {
        None => {
            out.null();
            return Ok(());
        }
        Some(value_type) if !is_list(value_type) => return Err(CommandError::WrongType),
        Some(_) => {}
    }
    if !cx.value_type(destination).is_none_or(is_list) {
        return Err(CommandError::WrongType);
    }
    let limits = cx.limits();
    let mut value = Vec::new();
    let mut is_empty = false;
    if let Some(mut list) = cx.list_mut(source)? {
        value = list.pop(from, &limits).unwrap_or_default();
        if source.bytes == destination.bytes {
            // Within one borrow: a list of one element is empty in between, but keeps its expiry.
            list.push_all(to, std::iter::once(&value[..]), &limits);
        }
        is_empty = list.is_empty();
    }
    if source.bytes != destination.bytes {
        let mut list = cx.list_or_create(destination)?;
        list.push_all(to, std::iter::once(&value[..]), &limits);
    }
    cx.changed(destination, EventClass::LIST, push_event(to));
    note_popped(cx, source, from, 1, is_empty);
    out.bulk(&value);
    Ok(())
}

/// The arguments of LMPOP and BLMPOP from `numkeys` on.
pub(super) struct MultiPop {
    /// The arguments that are keys.
    pub(super) keys: std::ops::Range<usize>,
    pub(super) end: End,
    pub(super) count: usize,
}

impl MultiPop {
    pub(super) fn parse(cx: &Context<'_>, numkeys_at: usize) -> Result<Self, CommandError> {
        let numkeys = count_or(
            cx.arg(numkeys_at),
            CommandError::text("ERR numkeys should be greater than 0"),
        )?;
        let first = numkeys_at + 1;
        let end_index = first
            .checked_add(numkeys)
            .filter(|&index| index < cx.argc())
            .ok_or(CommandError::Syntax)?;
        let end = end_at(cx, end_index)?;
        let count = match cx.argc() - end_index - 1 {
            0 => 1,
            // COUNT may stand there once, with its number.
            rest if rest >= 2 && cx.arg_is(end_index + 1, "count") => {
                let count = count_or(
                    cx.arg(end_index + 2),
                    CommandError::text("ERR count should be greater than 0"),
                )?;
                if rest > 2 {
                    return Err(CommandError::Syntax);
                }
                count
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self {
            keys: first..end_index,
            end,
            count,
        })
    }
}

fn lmpop(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let MultiPop { keys, end, count } = MultiPop::parse(cx, 1)?;
    match pop_from_first(cx, out, keys, end, Some(count))? {
        Some(popped) => rewrite_as_pop(cx, &popped, end),
        None => out.null_array(),
    }
    Ok(())
}

/// Has the pop propagated as LPOP or RPOP with a count.
pub(super) fn rewrite_as_pop(cx: &mut Context<'_>, popped: &Popped<'_>, end: End) {
    let count = popped.removed.to_string();
    cx.rewrite(&[pop_command(end), popped.key.bytes, count.as_bytes()]);
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestSession;

    /// Redis 7.0 takes the least of all integers for a rank and negates it in vain.
    #[test]
    fn the_least_rank_is_refused() {
        let mut session = TestSession::new(&[]);
        session.run("RPUSH l a");
        assert_eq!(
            session.run("LPOS l a RANK -9223372036854775808"),
            "-ERR value is out of range, value must between -9223372036854775807 and \
             9223372036854775807"
        );
    }

    /// Since Redis 7.2 a list is a listpack up to its limit, and again at half of it.
    #[test]
    fn lists_change_their_encoding_with_their_length() {
        let mut session = TestSession::new(&[("list-max-listpack-size", "4")]);
        for (command, encoding) in [
            ("RPUSH l a b c d", "listpack"),
            ("RPUSH l e", "quicklist"),
            ("LTRIM l 0 2", "quicklist"),
            ("LREM l 0 b", "listpack"),
            ("LINSERT l AFTER a x", "listpack"),
            ("LPUSH l y", "listpack"),
            // A value that replaces another counts as if it were added.
            ("LSET l 0 z", "quicklist"),
            ("LMOVE l l LEFT RIGHT", "quicklist"),
            ("LPOP l 2", "listpack"),
            ("SORT l ALPHA STORE l", "listpack"),
        ] {
            session.run(command);
            let expected = format!("${} {encoding}", encoding.len());
            assert_eq!(session.run("OBJECT ENCODING l"), expected, "{command}");
        }
    }

    #[test]
    fn a_rotated_list_of_one_element_keeps_its_expiry() {
        let mut session = TestSession::new(&[]);
        session.run("RPUSH l a");
        session.run("EXPIRE l 100");
        assert_eq!(session.run("LMOVE l l LEFT RIGHT"), "$1 a");
        assert_eq!(session.run("TTL l"), ":100");
    }
}
