//! Unions, intersections and differences of sorted sets and sets.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::FixedState;

use super::reply::{reply_members, store_result};
use super::{MOVABLE, READ, READ_KEY, ROW, STORE, STORE_KEY};
use crate::command::{Command, CommandError, CommandResult, Context, KeySpec, Reply};
use crate::keyspace::collection_ref;
use crate::text::{parse_double, parse_integer};
use crate::value::packed::PackedItem;
use crate::value::{Set, SetRef, SortedSet, SortedSetRef, ValueType};

const UNION_COMPLEXITY: &str =
    "O(N)+O(M*log(M)), N being the size of all sets together and M that of the result.";
const INTERSECTION_COMPLEXITY: &str = "O(N*K)+O(M*log(M)) at worst, N being the size of the smallest set, \
     K the number of sets and M the size of the result.";
const DIFFERENCE_COMPLEXITY: &str = "O(N*K)+O(M*log(M)) at worst, N being the size of the first set, \
     K the number of sets and M the size of the result.";

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "zdiff",
        arity: -3,
        flags: READ.union(MOVABLE),
        keys: &[KeySpec::counted(1, READ_KEY)],
        since: "6.2.0",
        complexity: DIFFERENCE_COMPLEXITY,
        summary: "Answers the members of the first set that are in none of the others.",
        syntax: "numkeys:integer key [key ...] [WITHSCORES]",
        handler: |cx, out| answer(cx, out, Operation::Difference),
        ..ROW
    },
    Command {
        name: "zdiffstore",
        arity: -4,
        flags: STORE.union(MOVABLE),
        keys: &[KeySpec::first(STORE_KEY), KeySpec::counted(2, READ_KEY)],
        since: "6.2.0",
        complexity: DIFFERENCE_COMPLEXITY,
        summary: "Stores the members of the first set that are in none of the others.",
        syntax: "destination:key numkeys:integer key [key ...]",
        handler: |cx, out| store(cx, out, Operation::Difference, "zdiffstore"),
        ..ROW
    },
    Command {
        name: "zinter",
        arity: -3,
        flags: READ.union(MOVABLE),
        keys: &[KeySpec::counted(1, READ_KEY)],
        since: "6.2.0",
        complexity: INTERSECTION_COMPLEXITY,
        summary: "Answers the members that are in all of several sets.",
        syntax: "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] [AGGREGATE aggregate= \
                 (SUM|MIN|MAX)] [WITHSCORES]",
        handler: |cx, out| answer(cx, out, Operation::Intersection),
        ..ROW
    },
    Command {
        name: "zintercard",
        arity: -3,
        flags: READ.union(MOVABLE),
        keys: &[KeySpec::counted(1, READ_KEY)],
        since: "7.0.0",
        complexity: "O(N*K) at worst, N being the size of the smallest set and K the number of sets.",
        summary: "Counts the members that are in all of several sets.",
        syntax: "numkeys:integer key [key ...] [LIMIT limit:integer]",
        handler: zintercard,
        ..ROW
    },
    Command {
        name: "zinterstore",
        arity: -4,
        flags: STORE.union(MOVABLE),
        keys: &[KeySpec::first(STORE_KEY), KeySpec::counted(2, READ_KEY)],
        since: "2.0.0",
        complexity: INTERSECTION_COMPLEXITY,
        summary: "Stores the members that are in all of several sets.",
        syntax: "destination:key numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] \
                 [AGGREGATE aggregate= (SUM|MIN|MAX)]",
        handler: |cx, out| store(cx, out, Operation::Intersection, "zinterstore"),
        ..ROW
    },
    Command {
        name: "zunion",
        arity: -3,
        flags: READ.union(MOVABLE),
        keys: &[KeySpec::counted(1, READ_KEY)],
        since: "6.2.0",
        complexity: UNION_COMPLEXITY,
        summary: "Answers the members that are in any of several sets.",
        syntax: "numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] [AGGREGATE aggregate= \
                 (SUM|MIN|MAX)] [WITHSCORES]",
        handler: |cx, out| answer(cx, out, Operation::Union),
        ..ROW
    },
    Command {
        name: "zunionstore",
        arity: -4,
        flags: STORE.union(MOVABLE),
        keys: &[KeySpec::first(STORE_KEY), KeySpec::counted(2, READ_KEY)],
        since: "2.0.0",
        complexity: UNION_COMPLEXITY,
        summary: "Stores the members that are in any of several sets.",
        syntax: "destination:key numkeys:integer key [key ...] [WEIGHTS weight:integer [weight:integer ...]] \
                 [AGGREGATE aggregate= (SUM|MIN|MAX)]",
        handler: |cx, out| store(cx, out, Operation::Union, "zunionstore"),
        ..ROW
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// How the scores of one member become one score.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn apply(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => zero_if_nan(score + other),
            // NaN, which a weight can make of an infinity or 0, loses every comparison.
            Aggregate::Min if other < score => other,
            Aggregate::Max if other > score => other,
            Aggregate::Min | Aggregate::Max => score,
        }
    }
}

fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One of the sets that are combined.
#[derive(Clone, Copy)]
struct Source<'a> {
    members: Members<'a>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Members<'a> {
    None,
    /// Their scores count as 1.
    Set(SetRef<'a>),
    SortedSet(SortedSetRef<'a>),
}

impl<'a> Source<'a> {
    fn len(&self) -> usize {
        match self.members {
            Members::None => 0,
            Members::Set(set) => set.len(),
            Members::SortedSet(set) => set.len(),
        }
    }

    /// The score of a member, before its weight.
    fn score(&self, member: &[u8]) -> Option<f64> {
        match self.members {
            Members::None => None,
            Members::Set(set) => set.contains(member).then_some(1.0),
            Members::SortedSet(set) => set.score(member),
        }
    }

    /// Every member with its score, before its weight.
    fn for_each(&self, mut visit: impl FnMut(Cow<'a, [u8]>, f64)) {
        match self.members {
            Members::None => {}
            Members::Set(set) => {
                for member in set.iter() {
                    let name = match member {
                        PackedItem::Bytes(bytes) => Cow::Borrowed(bytes),
                        other => Cow::Owned(other.to_vec()),
                    };
                    visit(name, 1.0);
                }
            }
            Members::SortedSet(set) => {
                for (member, score) in set.iter() {
                    visit(Cow::Borrowed(member), score);
                }
            }
        }
    }
}

/// A command of this room, read.
struct Request<'a> {
    sources: Vec<Source<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// ZINTERCARD's LIMIT; 0 is none.
    limit: usize,
}

/// What options a command has besides WEIGHTS and AGGREGATE, which a difference or a count has not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Answer,
    Store,
    Count,
}

type Pairs<'a> = Vec<(Cow<'a, [u8]>, f64)>;

impl<'a> Request<'a> {
    /// Reads the arguments from the number of keys on.
    fn parse(
        cx: &'a Context<'_>,
        numkeys_at: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Request<'a>, CommandError> {
        let numkeys = cx.integer(numkeys_at)?;
        if numkeys < 1 {
            let command = cx.command_name();
            return Err(
                format!("ERR at least 1 input key is needed for '{command}' command").into(),
            );
        }
        let first = numkeys_at + 1;
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        if numkeys > cx.argc() - first {
            return Err(CommandError::Syntax);
        }
        let sources = (first..first + numkeys).map(|index| source(cx, index));
        let mut request = Request {
            sources: sources.collect::<Result<_, _>>()?,
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        request.parse_options(cx, first + numkeys, operation, purpose)?;
        Ok(request)
    }

    fn parse_options(
        &mut self,
        cx: &Context<'_>,
        first: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<(), CommandError> {
        let has_scores = operation != Operation::Difference && purpose != Purpose::Count;
        let mut index = first;
        while index < cx.argc() {
            let following = cx.argc() - index - 1;
            if has_scores && following >= self.sources.len() && cx.arg_is(index, "weights") {
                for source in &mut self.sources {
                    index += 1;
                    source.weight = parse_double(cx.arg(index))
                        .ok_or(CommandError::text("ERR weight value is not a float"))?;
                }
            } else if has_scores && following >= 1 && cx.arg_is(index, "aggregate") {
                index += 1;
                self.aggregate = match cx.arg(index) {
                    word if word.eq_ignore_ascii_case(b"sum") => Aggregate::Sum,
                    word if word.eq_ignore_ascii_case(b"min") => Aggregate::Min,
                    word if word.eq_ignore_ascii_case(b"max") => Aggregate::Max,
                    _ => return Err(CommandError::Syntax),
                };
            } else if purpose == Purpose::Answer && cx.arg_is(index, "withscores") {
                self.with_scores = true;
            } else if purpose == Purpose::Count && following >= 1 && cx.arg_is(index, "limit") {
                index += 1;
                self.limit = parse_integer(cx.arg(index))
                    .and_then(|limit| usize::try_from(limit).ok())
                    .ok_or(CommandError::text("ERR LIMIT can't be negative"))?;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(())
    }

    /// The members of the result with their scores, in no order. `seed` is that of the engine's hashes.
    fn combine(&mut self, operation: Operation, seed: u64) -> Pairs<'a> {
        if operation == Operation::Difference {
            return self.difference();
        }
        // From the smallest to the largest: fewest lookups for an intersection; and the order in which scores are
        // added shows in the last bits of a sum.
        self.sources.sort_by_key(Source::len);
        match operation {
            Operation::Union => self.union(seed),
            _ => {
                let mut pairs = Vec::new();
                self.intersection(|member, score| {
                    pairs.push((member, score));
                    true
                });
                pairs
            }
        }
    }

    fn union(&self, seed: u64) -> Pairs<'a> {
        let largest = self.sources.last().map_or(0, Source::len);
        let hasher = FixedState::with_seed(seed);
        let mut scores: HashMap<Cow<'a, [u8]>, f64, _> =
            HashMap::with_capacity_and_hasher(largest, hasher);
        for source in &self.sources {
            source.for_each(|member, score| {
                let score = zero_if_nan(source.weight * score);
                match scores.entry(member) {
                    Entry::Vacant(vacant) => {
                        vacant.insert(score);
                    }
                    Entry::Occupied(mut occupied) => {
                        let total = occupied.get_mut();
                        *total = self.aggregate.apply(*total, score);
                    }
                }
            });
        }
        scores.into_iter().collect()
    }

    /// Visits the members that all sources have, until `visit` answers false.
    fn intersection(&self, mut visit: impl FnMut(Cow<'a, [u8]>, f64) -> bool) {
        let Some((smallest, others)) = self.sources.split_first() else {
            return;
        };
        let mut goes_on = true;
        smallest.for_each(|member, score| {
            if !goes_on {
                return;
            }
            let mut total = zero_if_nan(smallest.weight * score);
            for other in others {
                match other.score(&member) {
                    Some(score) => total = self.aggregate.apply(total, other.weight * score),
                    None => return,
                }
            }
            goes_on = visit(member, total);
        });
    }

    fn difference(&self) -> Pairs<'a> {
        let mut pairs = Vec::new();
        if let Some((first, others)) = self.sources.split_first() {
            first.for_each(|member, score| {
                if others.iter().all(|other| other.score(&member).is_none()) {
                    pairs.push((member, score));
                }
            });
        }
        pairs
    }
}

/// The set or sorted set under the key at `index`.
fn source<'a>(cx: &'a Context<'_>, index: usize) -> Result<Source<'a>, CommandError> {
    let members = match cx.read(cx.key(index)) {
        None => Members::None,
        Some(entry) => match entry.value_type() {
            ValueType::Set => Members::Set(collection_ref::<Set>(entry)),
            ValueType::SortedSet => Members::SortedSet(collection_ref::<SortedSet>(entry)),
            _ => return Err(CommandError::WrongType),
        },
    };
    Ok(Source {
        members,
        weight: 1.0,
    })
}

fn answer(cx: &mut Context<'_>, out: &mut Reply<'_>, operation: Operation) -> CommandResult {
    let seed = cx.limits().hash_seed;
    let mut request = Request::parse(cx, 1, operation, Purpose::Answer)?;
    let mut pairs = request.combine(operation, seed);
    pairs.sort_unstable_by(|(a, a_score), (b, b_score)| {
        let scores = a_score.partial_cmp(b_score).unwrap_or(Ordering::Equal);
        scores.then_with(|| a.cmp(b))
    });
    let members = pairs.iter().map(|(member, score)| (&member[..], *score));
    reply_members(out, members, request.with_scores);
    Ok(())
}

fn store(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    operation: Operation,
    event: &str,
) -> CommandResult {
    let limits = cx.limits();
    let pairs =
        Request::parse(cx, 2, operation, Purpose::Store)?.combine(operation, limits.hash_seed);
    let result = SortedSet::from_pairs(pairs, &limits);
    store_result(cx, out, cx.key(1), result, event);
    Ok(())
}

fn zintercard(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut request = Request::parse(cx, 1, Operation::Intersection, Purpose::Count)?;
    request.sources.sort_by_key(Source::len);
    let mut count = 0;
    request.intersection(|_, _| {
        count += 1;
        request.limit == 0 || count < request.limit
    });
    out.integer(count as i64);
    Ok(())
}
