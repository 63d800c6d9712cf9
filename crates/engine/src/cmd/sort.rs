//! SORT and SORT_RO: lists, sets and sorted sets in another order, or through the patterns of GET.
//!
//! Which keys are read follows from the elements and the patterns, so all stripes are locked.

use std::cmp::Ordering;
use std::ops::Range;

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group, KeyFlags,
    KeySpec, Locks, Reply,
};
use crate::keyspace::Key;
use crate::text::parse_double;
use crate::value::list::End;
use crate::value::{EncodingLimits, List, SortedSet, Value, ValueType};

const KEY_TO_READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);

const SORT: Command = Command {
    arity: -2,
    locks: Locks::All,
    categories: Categories::SET
        .union(Categories::SORTEDSET)
        .union(Categories::LIST)
        .union(Categories::DANGEROUS),
    group: Group::Generic,
    complexity: "O(N+M*log(M)) for N elements of which M are sorted.",
    ..Command::DEFAULT
};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sort",
        flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
        keys: &[
            KeySpec::first(KEY_TO_READ),
            // The keys of BY and GET, which only the elements tell, and that of STORE.
            KeySpec::unknown(KEY_TO_READ),
            KeySpec::unknown(KeyFlags::OW.union(KeyFlags::UPDATE)),
        ],
        summary: "Answers or stores the elements of a list, set or sorted set in order.",
        syntax: "key [by-pattern= BY pattern@1] [LIMIT offset:integer count:integer] [get-pattern= GET pattern@1 [GET \
                 pattern@1 ...]] [order= ASC|DESC] [sorting= ALPHA] [STORE destination:key@2]",
        handler: |cx, out| sort(cx, out, true),
        ..SORT
    },
    Command {
        name: "sort_ro",
        flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
        keys: &[KeySpec::first(KEY_TO_READ), KeySpec::unknown(KEY_TO_READ)],
        since: "7.0.0",
        summary: "Answers the elements of a list, set or sorted set in order; it never stores them.",
        syntax: "key [by-pattern= BY pattern@1] [LIMIT offset:integer count:integer] [get-pattern= GET pattern@1 [GET \
                 pattern@1 ...]] [order= ASC|DESC] [sorting= ALPHA]",
        handler: |cx, out| sort(cx, out, false),
        ..SORT
    },
];

/// What the arguments behind the key say.
struct Options<'a> {
    is_descending: bool,
    is_alphabetic: bool,
    offset: i64,
    /// How many elements are wanted; all if negative.
    count: i64,
    by: Option<&'a [u8]>,
    /// A `BY` without `*` was given: the elements stay in the order in which they are kept.
    keeps_order: bool,
    gets: Vec<&'a [u8]>,
    store: Option<Key<'a>>,
}

impl<'a> Options<'a> {
    fn parse(cx: &mut Context<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut options = Self {
            is_descending: false,
            is_alphabetic: false,
            offset: 0,
            count: -1,
            by: None,
            keeps_order: false,
            gets: Vec::new(),
            store: None,
        };
        let may_read_all = cx.may_read_all_keys();
        let mut index = 2;
        while index < cx.argc() {
            let rest = cx.argc() - index - 1;
            if cx.arg_is(index, "asc") {
                options.is_descending = false;
            } else if cx.arg_is(index, "desc") {
                options.is_descending = true;
            } else if cx.arg_is(index, "alpha") {
                options.is_alphabetic = true;
            } else if cx.arg_is(index, "limit") && rest >= 2 {
                options.offset = cx.integer(index + 1)?;
                options.count = cx.integer(index + 2)?;
                index += 2;
            } else if may_store && cx.arg_is(index, "store") && rest >= 1 {
                options.store = Some(cx.key(index + 1));
                index += 1;
            } else if cx.arg_is(index, "by") && rest >= 1 {
                let pattern = cx.arg(index + 1);
                options.by = Some(pattern);
                options.keeps_order |= !pattern.contains(&b'*');
                if pattern.contains(&b'*') && !may_read_all {
                    return Err(CommandError::text(
                        "ERR BY option of SORT denied due to insufficient ACL permissions.",
                    ));
                }
                index += 1;
            } else if cx.arg_is(index, "get") && rest >= 1 {
                if !may_read_all {
                    return Err(CommandError::text(
                        "ERR GET option of SORT denied due to insufficient ACL permissions.",
                    ));
                }
                options.gets.push(cx.arg(index + 1));
                index += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }

    /// Which of `len` elements, in the order that is answered, are wanted.
    fn window(&self, len: usize) -> Range<usize> {
        let clamp = |n: i64| usize::try_from(n.max(0)).map_or(len, |n| n.min(len));
        let start = clamp(self.offset);
        let end = match self.count {
            0.. => len.min(start + clamp(self.count)),
            _ => len,
        };
        start..end
    }
}

/// What an element is sorted by.
enum Weight {
    Score(f64),
    /// What the pattern of `BY` leads to, if anything is there.
    Text(Option<Vec<u8>>),
    /// The element's own text.
    Itself,
}

struct Item {
    text: Vec<u8>,
    weight: Weight,
}

fn sort(cx: &mut Context<'_>, out: &mut Reply<'_>, may_store: bool) -> CommandResult {
    let mut options = Options::parse(cx, may_store)?;
    let key = cx.key(1);
    let value_type = match cx.value_type(key) {
        Some(ValueType::String | ValueType::Hash | ValueType::Stream) => {
            return Err(CommandError::WrongType);
        }
        None => {
            // Counted and told; a key that is there is looked up for its elements.
            cx.look(key);
            None
        }
        value_type => value_type,
    };
    let must_repeat = options.store.is_some() || cx.is_in_script();
    if options.keeps_order && must_repeat && value_type == Some(ValueType::Set) {
        // A set has no order of its own, and neither what is stored nor what a script does with it
        // may depend on chance.
        options.keeps_order = false;
        options.is_alphabetic = true;
        options.by = None;
    }
    if value_type == Some(ValueType::SortedSet) {
        unpack(cx, key)?;
    }
    let chosen = if options.keeps_order {
        elements_in_order(cx, key, &options)?
    } else {
        let mut elements = elements(cx, key)?;
        if must_repeat && value_type == Some(ValueType::Set) {
            // As above: elements of one weight stay in this order.
            elements.sort();
        }
        let mut items = weighed(cx, elements, &options)?;
        items.sort_by(|a, b| compare(a, b, options.is_descending));
        let window = options.window(items.len());
        items.drain(..window.start);
        items.truncate(window.len());
        items.into_iter().map(|item| item.text).collect()
    };
    match options.store {
        Some(destination) => store(cx, out, destination, &chosen, &options.gets),
        None => answer(cx, out, &chosen, &options.gets),
    }
    Ok(())
}

/// Gives a sorted set its big form, as sorting it does in Redis too.
fn unpack(cx: &mut Context<'_>, key: Key<'_>) -> CommandResult {
    let Some(set) = cx
        .sorted_set(key)?
        .filter(|set| set.encoding() == "listpack")
    else {
        return Ok(());
    };
    let pairs: Vec<(Vec<u8>, f64)> = set
        .iter()
        .map(|(member, score)| (member.to_vec(), score))
        .collect();
    let limits = EncodingLimits {
        zset_max_listpack_entries: 0,
        ..EncodingLimits::clone(&cx.limits())
    };
    let expire_ms = cx.expire_ms(key).flatten();
    cx.store(
        key,
        Value::SortedSet(SortedSet::from_pairs(pairs, &limits)),
        expire_ms,
    );
    Ok(())
}

/// All elements, in any order.
fn elements(cx: &Context<'_>, key: Key<'_>) -> Result<Vec<Vec<u8>>, CommandError> {
    Ok(match cx.value_type(key) {
        Some(ValueType::List) => {
            let list = cx.list(key)?;
            list.into_iter()
                .flat_map(|it| it.iter())
                .map(|item| item.to_vec())
                .collect()
        }
        Some(ValueType::Set) => {
            let set = cx.set(key)?;
            set.into_iter()
                .flat_map(|it| it.iter())
                .map(|item| item.to_vec())
                .collect()
        }
        Some(ValueType::SortedSet) => {
            let set = cx.sorted_set(key)?;
            set.into_iter()
                .flat_map(|it| it.iter())
                .map(|(member, _)| member.to_vec())
                .collect()
        }
        _ => Vec::new(),
    })
}

/// The wanted elements in the order in which they are kept, or in reverse.
fn elements_in_order(
    cx: &Context<'_>,
    key: Key<'_>,
    options: &Options<'_>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    match cx.value_type(key) {
        Some(ValueType::List) => {
            let Some(list) = cx.list(key)? else {
                return Ok(Vec::new());
            };
            let window = options.window(list.len());
            let items = if options.is_descending {
                list.range_back(list.len() - window.end..list.len() - window.start)
            } else {
                list.range(window)
            };
            Ok(items.map(|item| item.to_vec()).collect())
        }
        Some(ValueType::SortedSet) => {
            let Some(set) = cx.sorted_set(key)? else {
                return Ok(Vec::new());
            };
            let window = options.window(set.len());
            let text = |(member, _): (&[u8], f64)| member.to_vec();
            Ok(if options.is_descending {
                let ranks = set.len() - window.end..set.len() - window.start;
                set.range(ranks).rev().map(text).collect()
            } else {
                set.range(window).map(text).collect()
            })
        }
        _ => {
            let mut elements = elements(cx, key)?;
            let window = options.window(elements.len());
            elements.drain(..window.start);
            elements.truncate(window.len());
            Ok(elements)
        }
    }
}

/// The elements with what they are sorted by.
fn weighed(
    cx: &Context<'_>,
    elements: Vec<Vec<u8>>,
    options: &Options<'_>,
) -> Result<Vec<Item>, CommandError> {
    let weigh = |text: Vec<u8>| {
        let weight = match (options.by, options.is_alphabetic) {
            (None, true) => Weight::Itself,
            (Some(pattern), true) => Weight::Text(look_up(cx, pattern, &text)),
            (None, false) => Weight::Score(score(&text)?),
            (Some(pattern), false) => match look_up(cx, pattern, &text) {
                Some(found) => Weight::Score(score(&found)?),
                None => Weight::Score(0.0),
            },
        };
        Ok(Item { text, weight })
    };
    // Also what comes after a text that is no number is looked up, as those who observe it see.
    let weighed: Vec<_> = elements.into_iter().map(weigh).collect();
    weighed.into_iter().collect()
}

/// The number that a text is, as C's `strtod` reads it: an empty text is 0.
fn score(text: &[u8]) -> Result<f64, CommandError> {
    // For C the text ends at the first NUL.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Ok(0.0);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().take_while(|byte| is_blank(byte)).count();
    parse_double(&text[start..]).ok_or(CommandError::text(
        "ERR One or more scores can't be converted into double",
    ))
}

fn compare(a: &Item, b: &Item, is_descending: bool) -> Ordering {
    let order = match (&a.weight, &b.weight) {
        // Elements of one score are told apart by their texts, so that the order is always the same.
        (Weight::Score(x), Weight::Score(y)) => x
            .partial_cmp(y)
            .unwrap_or(Ordering::Equal)
            .then_with(|| a.text.cmp(&b.text)),
        // What is not there comes first, as `None` does.
        (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
        _ => a.text.cmp(&b.text),
    };
    if is_descending {
        order.reverse()
    } else {
        order
    }
}

/// What a pattern of BY or GET leads to for an element: the element in place of the first `*` gives the name of a
/// string or, if `->` follows, of a hash whose field stands behind it. `#` is the element itself.
fn look_up(cx: &Context<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|pair| pair == b"->");
    let (suffix, field) = match arrow {
        // An arrow at the end points to nothing and belongs to the name.
        Some(at) if at + 2 < rest.len() => (&rest[..at], Some(&rest[at + 2..])),
        _ => (rest, None),
    };
    let name = [prefix, element, suffix].concat();
    let key = cx.key_of(&name);
    match field {
        None => Some(cx.string(key).ok()??.to_vec()),
        Some(field) => Some(cx.hash(key).ok()??.get(field)?.to_vec()),
    }
}

fn answer(cx: &Context<'_>, out: &mut Reply<'_>, elements: &[Vec<u8>], gets: &[&[u8]]) {
    out.array(elements.len() * gets.len().max(1));
    for element in elements {
        if gets.is_empty() {
            out.bulk(element);
        }
        for pattern in gets {
            match look_up(cx, pattern, element) {
                Some(found) => out.bulk(&found),
                None => out.null(),
            }
        }
    }
}

fn store(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    destination: Key<'_>,
    elements: &[Vec<u8>],
    gets: &[&[u8]],
) {
    let limits = cx.limits();
    let mut list = List::new();
    for element in elements {
        if gets.is_empty() {
            list.push_all(End::Back, std::iter::once(&element[..]), &limits);
        }
        for pattern in gets {
            let found = look_up(cx, pattern, element).unwrap_or_default();
            list.push_all(End::Back, std::iter::once(&found[..]), &limits);
        }
    }
    let len = list.len();
    if len > 0 {
        cx.store(destination, Value::List(list), None);
        cx.changed(destination, EventClass::LIST, "sortstore");
        cx.count_changes(len as u64 - 1);
    } else if cx.delete_destination(destination) {
        cx.changed(destination, EventClass::GENERIC, "del");
    }
    out.integer(len as i64);
}
