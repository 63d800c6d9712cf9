//! The commands that add members, change their scores and remove members.

use smallvec::SmallVec;

use super::bounds::{lex_range, rank_range, score_range};
use super::reply::note_removed;
use super::{FAST, REMOVE_FROM_KEY, ROW, STORE, WRITE};
use crate::command::{
    Command, CommandError, CommandResult, Context, EventClass, KeyFlags, KeySpec, Reply,
};
use crate::text::parse_double;
use crate::value::SortedSet;
use crate::value::sorted_set::{LexRange, ScoreRange, Upsert};

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "zadd",
        history: &[
            ("2.4.0", "More than one member may be given."),
            (
                "3.0.2",
                "XX and NX limit it to known or to new members, CH counts changed ones too, INCR adds.",
            ),
            ("6.2.0", "GT and LT let scores only grow or only shrink."),
        ],
        arity: -4,
        flags: STORE.union(FAST),
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::UPDATE))],
        element: 3,
        since: "1.2.0",
        complexity: "O(log(N)) a member, N being the size of the set.",
        summary: "Adds members to a sorted set, or gives members of it other scores.",
        syntax: "key [condition^3.0.2= NX|XX] [comparison^6.2.0= GT|LT] [change^3.0.2= CH] [increment^3.0.2= INCR] data= (score:double \
                 member) [(score:double member) ...]",
        handler: zadd,
        ..ROW
    },
    Command {
        name: "zincrby",
        arity: 4,
        flags: STORE.union(FAST),
        keys: &[KeySpec::first(
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        )],
        element: 3,
        since: "1.2.0",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Adds a number to the score of a member, which is added if it is missing.",
        syntax: "key increment:integer member",
        handler: zincrby,
        ..ROW
    },
    Command {
        name: "zrem",
        history: &[("2.4.0", "More than one member may be given.")],
        arity: -3,
        flags: WRITE.union(FAST),
        keys: &[KeySpec::first(REMOVE_FROM_KEY)],
        element: 2,
        since: "1.2.0",
        complexity: "O(M*log(N)) for M members, N being the size of the set.",
        summary: "Removes members from a sorted set.",
        syntax: "key member [member ...]",
        handler: zrem,
        ..ROW
    },
    Command {
        name: "zremrangebylex",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::first(REMOVE_FROM_KEY)],
        since: "2.8.9",
        complexity: "O(log(N)+M), N being the size of the set and M the number of members removed.",
        summary: "Removes the members within a range of names; all scores should be equal.",
        syntax: "key min:string max:string",
        handler: zremrangebylex,
        ..ROW
    },
    Command {
        name: "zremrangebyrank",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::first(REMOVE_FROM_KEY)],
        since: "2.0.0",
        complexity: "O(log(N)+M), N being the size of the set and M the number of members removed.",
        summary: "Removes the members within a range of ranks.",
        syntax: "key start:integer stop:integer",
        handler: zremrangebyrank,
        ..ROW
    },
    Command {
        name: "zremrangebyscore",
        arity: 4,
        flags: WRITE,
        keys: &[KeySpec::first(REMOVE_FROM_KEY)],
        since: "1.2.0",
        complexity: "O(log(N)+M), N being the size of the set and M the number of members removed.",
        summary: "Removes the members within a range of scores.",
        syntax: "key min:double max:double",
        handler: zremrangebyscore,
        ..ROW
    },
];

/// The options of ZADD.
#[derive(Default)]
pub(in crate::cmd) struct AddOptions {
    /// NX: leave members alone that are there.
    pub(in crate::cmd) only_new: bool,
    /// XX: leave members out that are not there.
    pub(in crate::cmd) only_present: bool,
    /// GT: leave scores alone that would not grow.
    pub(in crate::cmd) only_greater: bool,
    /// LT: leave scores alone that would not shrink.
    pub(in crate::cmd) only_less: bool,
    /// CH: count changed scores too.
    pub(in crate::cmd) count_changed: bool,
    /// INCR: add to the score, and answer the sum.
    pub(in crate::cmd) increment: bool,
}

impl AddOptions {
    /// Reads the options of ZADD; the scores and members begin at the index answered.
    fn parse(cx: &Context<'_>) -> Result<(AddOptions, usize), CommandError> {
        let mut options = AddOptions::default();
        let mut index = 2;
        while index < cx.argc() {
            let flag = match cx.arg(index) {
                word if word.eq_ignore_ascii_case(b"nx") => &mut options.only_new,
                word if word.eq_ignore_ascii_case(b"xx") => &mut options.only_present,
                word if word.eq_ignore_ascii_case(b"gt") => &mut options.only_greater,
                word if word.eq_ignore_ascii_case(b"lt") => &mut options.only_less,
                word if word.eq_ignore_ascii_case(b"ch") => &mut options.count_changed,
                word if word.eq_ignore_ascii_case(b"incr") => &mut options.increment,
                _ => break,
            };
            *flag = true;
            index += 1;
        }
        let rest = cx.argc() - index;
        if rest == 0 || !rest.is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        if options.only_new && options.only_present {
            return Err(CommandError::text(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        let conditions = [options.only_new, options.only_greater, options.only_less];
        if conditions.into_iter().filter(|&is_set| is_set).count() > 1 {
            return Err(CommandError::text(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if options.increment && rest > 2 {
            return Err(CommandError::text(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok((options, index))
    }

    /// The score that a member gets, given the one it has and the one in the command; `None` if nothing is to be done.
    fn decide(&self, old: Option<f64>, argument: f64) -> Option<f64> {
        let Some(old) = old else {
            return Some(argument).filter(|_| !self.only_present);
        };
        if self.only_new {
            return None;
        }
        let new = if self.increment {
            old + argument
        } else {
            argument
        };
        // A sum that is NaN passes both conditions, as in Redis; `add` refuses it.
        let is_refused = self.only_less && new >= old || self.only_greater && new <= old;
        Some(new).filter(|_| !is_refused)
    }
}

fn zadd(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (options, first) = AddOptions::parse(cx)?;
    add(cx, out, &options, first)
}

fn zincrby(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    // Options are taken here as in ZADD; there is no room for one beside increment and member.
    let (mut options, first) = AddOptions::parse(cx)?;
    options.increment = true;
    add(cx, out, &options, first)
}

/// Adds the pairs of score and member that begin at argument `first`.
fn add(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    options: &AddOptions,
    first: usize,
) -> CommandResult {
    let args = cx.args();
    // All scores are read before anything is added: the command does all or nothing.
    let pairs: SmallVec<[(f64, &[u8]); 4]> = (first..args.len())
        .step_by(2)
        .map(|index| {
            let score = parse_double(args.get(index)).ok_or(CommandError::NotFloat)?;
            Ok((score, args.get(index + 1)))
        })
        .collect::<Result<_, CommandError>>()?;
    add_pairs(cx, out, options, &pairs).map(drop)
}

/// Adds scores with their members, of which there is one at least, to the set under the first key;
/// answers how many members were added or changed.
pub(in crate::cmd) fn add_pairs(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    options: &AddOptions,
    pairs: &[(f64, &[u8])],
) -> Result<u64, CommandError> {
    let key = cx.key(1);
    let limits = cx.limits();

    let mut added = 0;
    let mut updated = 0;
    let mut result = None;
    {
        let set = match options.only_present {
            true => cx.sorted_set_mut(key)?,
            false => Some(cx.sorted_set_or_create(key)?),
        };
        if let Some(mut set) = set {
            if set.existed() {
                set.enlarge_for(pairs.len(), &limits);
            } else {
                *set = SortedSet::with_hint(pairs.len(), pairs[0].1.len(), &limits);
            }
            for &(score, member) in pairs {
                let done = set.upsert(member, &limits, |old| {
                    result = options.decide(old, score);
                    result.filter(|new| !new.is_nan())
                });
                match done {
                    Upsert::Added => added += 1,
                    Upsert::Updated => updated += 1,
                    Upsert::Unchanged => {}
                }
            }
        }
    }
    // Only the sum of infinities is none; then nothing was changed, because an increment has but one pair.
    if result.is_some_and(f64::is_nan) {
        return Err(CommandError::text(
            "ERR resulting score is not a number (NaN)",
        ));
    }
    if added + updated > 0 {
        let event = if options.increment { "zincr" } else { "zadd" };
        cx.changed(key, EventClass::SORTED_SET, event);
        cx.count_changes(added + updated - 1);
    }
    match result {
        Some(score) if options.increment => out.double(score),
        None if options.increment => out.null(),
        _ if options.count_changed => out.integer((added + updated) as i64),
        _ => out.integer(added as i64),
    }
    Ok(added + updated)
}

fn zrem(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let members = cx.args().iter().skip(2);
    let mut removed = 0;
    let mut is_empty = false;
    if let Some(mut set) = cx.sorted_set_mut(key)? {
        for member in members {
            removed += usize::from(set.remove(member).is_some());
        }
        is_empty = set.as_ref().is_empty();
    }
    note_removed(cx, key, "zrem", removed, is_empty);
    out.integer(removed as i64);
    Ok(())
}

/// What a ZREMRANGEBY command removes.
enum Removal<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Names(LexRange<'a>),
}

fn zremrangebyrank(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let removal = Removal::Ranks(cx.integer(2)?, cx.integer(3)?);
    remove_range(cx, out, &removal, "zremrangebyrank")
}

fn zremrangebyscore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let removal = Removal::Scores(score_range(cx.arg(2), cx.arg(3))?);
    remove_range(cx, out, &removal, "zremrangebyscore")
}

fn zremrangebylex(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let removal = Removal::Names(lex_range(cx.arg(2), cx.arg(3))?);
    remove_range(cx, out, &removal, "zremrangebylex")
}

fn remove_range(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    removal: &Removal<'_>,
    event: &str,
) -> CommandResult {
    let key = cx.key(1);
    let mut removed = 0;
    let mut is_empty = false;
    if let Some(mut set) = cx.sorted_set_mut(key)? {
        let members = set.as_ref();
        let ranks = match removal {
            Removal::Ranks(start, end) => rank_range(*start, *end, members.len()),
            Removal::Scores(range) => members.ranks_by_score(range),
            Removal::Names(range) => members.ranks_by_lex(range),
        };
        removed = ranks.len();
        set.remove_ranks(ranks);
        is_empty = set.as_ref().is_empty();
    }
    note_removed(cx, key, event, removed, is_empty);
    out.integer(removed as i64);
    Ok(())
}
