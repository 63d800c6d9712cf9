//! ZRANGE, its older relatives, and ZRANGESTORE: one selection of members, answered or stored.

use std::ops::Range;

use super::bounds::{lex_range, rank_range, score_range};
use super::reply::{reply_members, store_result};
use super::{READ, READ_KEY, ROW, STORE, STORE_KEY};
use crate::command::{Command, CommandError, CommandResult, Context, KeySpec, Reply};
use crate::value::sorted_set::{LexRange, ScoreRange};
use crate::value::{SortedSet, SortedSetRef};

const COMPLEXITY: &str =
    "O(log(N)+M), N being the size of the set and M the number of members answered.";

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "zrange",
        history: &[(
            "6.2.0",
            "BYSCORE and BYLEX give the range in other terms, REV turns it round, LIMIT takes a part of it.",
        )],
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "1.2.0",
        complexity: COMPLEXITY,
        summary: "Answers the members within a range of ranks, scores or names, in either direction.",
        syntax: "key start:string stop:string [sortby^6.2.0= BYSCORE|BYLEX] [REV^6.2.0] [LIMIT^6.2.0 offset:integer count:integer] \
                 [WITHSCORES]",
        handler: |cx, out| answer(cx, out, Form::Any),
        ..ROW
    },
    Command {
        name: "zrangebylex",
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.8.9",
        complexity: COMPLEXITY,
        summary: "Answers the members within a range of names; all scores should be equal.",
        syntax: "key min:string max:string [LIMIT offset:integer count:integer]",
        deprecated_since: Some("6.2.0"),
        replaced_by: Some("`ZRANGE` with the `BYLEX` argument"),
        handler: |cx, out| answer(cx, out, Form::Fixed(Kind::Names, Direction::Forward)),
        ..ROW
    },
    Command {
        name: "zrangebyscore",
        history: &[("2.0.0", "WITHSCORES answers the scores too.")],
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "1.0.5",
        complexity: COMPLEXITY,
        summary: "Answers the members within a range of scores.",
        syntax: "key min:double max:double [WITHSCORES^2.0.0] [LIMIT offset:integer count:integer]",
        deprecated_since: Some("6.2.0"),
        replaced_by: Some("`ZRANGE` with the `BYSCORE` argument"),
        handler: |cx, out| answer(cx, out, Form::Fixed(Kind::Scores, Direction::Forward)),
        ..ROW
    },
    Command {
        name: "zrangestore",
        arity: -5,
        flags: STORE,
        keys: &[KeySpec::first(STORE_KEY), KeySpec::at(2, READ_KEY)],
        since: "6.2.0",
        complexity: "O(log(N)+M), N being the size of the set and M the number of members stored.",
        summary: "Stores the members within a range of ranks, scores or names under another key.",
        syntax: "dst:key src:key min:string max:string [sortby= BYSCORE|BYLEX] [REV] [LIMIT offset:integer \
                 count:integer]",
        handler: zrangestore,
        ..ROW
    },
    Command {
        name: "zrevrange",
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "1.2.0",
        complexity: COMPLEXITY,
        summary: "Answers the members within a range of ranks, by descending scores.",
        syntax: "key start:integer stop:integer [WITHSCORES]",
        deprecated_since: Some("6.2.0"),
        replaced_by: Some("`ZRANGE` with the `REV` argument"),
        handler: |cx, out| answer(cx, out, Form::Fixed(Kind::Ranks, Direction::Reverse)),
        ..ROW
    },
    Command {
        name: "zrevrangebylex",
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.8.9",
        complexity: COMPLEXITY,
        summary: "Answers the members within a range of names, last first; all scores should be equal.",
        syntax: "key max:string min:string [LIMIT offset:integer count:integer]",
        deprecated_since: Some("6.2.0"),
        replaced_by: Some("`ZRANGE` with the `REV` and `BYLEX` arguments"),
        handler: |cx, out| answer(cx, out, Form::Fixed(Kind::Names, Direction::Reverse)),
        ..ROW
    },
    Command {
        name: "zrevrangebyscore",
        history: &[("2.1.6", "Ends of the range may be excluded.")],
        arity: -4,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.2.0",
        complexity: COMPLEXITY,
        summary: "Answers the members within a range of scores, highest first.",
        syntax: "key max:double min:double [WITHSCORES] [LIMIT offset:integer count:integer]",
        deprecated_since: Some("6.2.0"),
        replaced_by: Some("`ZRANGE` with the `REV` and `BYSCORE` arguments"),
        handler: |cx, out| answer(cx, out, Form::Fixed(Kind::Scores, Direction::Reverse)),
        ..ROW
    },
];

/// What the ends of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ranks,
    Scores,
    Names,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Reverse,
}

/// What a command leaves to its options.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Kind and direction, and whether there are scores.
    Any,
    /// Kind and direction; scores are always there.
    Store,
    /// Whether there are scores.
    Fixed(Kind, Direction),
}

/// The ends of a range.
enum Ends<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Names(LexRange<'a>),
}

/// Which members a command wants.
struct Selection<'a> {
    ends: Ends<'a>,
    is_reverse: bool,
    with_scores: bool,
    /// LIMIT's first number; a negative one selects nothing.
    offset: i64,
    /// LIMIT's second number; a negative one is no limit.
    count: i64,
}

impl<'a> Selection<'a> {
    /// Reads the arguments from `ends_at` on: two ends, then options.
    fn parse(cx: &Context<'a>, ends_at: usize, form: Form) -> Result<Self, CommandError> {
        let (mut kind, mut direction) = match form {
            Form::Fixed(kind, direction) => (Some(kind), Some(direction)),
            Form::Any | Form::Store => (None, None),
        };
        let mut with_scores = false;
        let (mut offset, mut count) = (0, -1);
        let mut index = ends_at + 2;
        while index < cx.argc() {
            if form != Form::Store && cx.arg_is(index, "withscores") {
                with_scores = true;
            } else if cx.arg_is(index, "limit") && index + 2 < cx.argc() {
                offset = cx.integer(index + 1)?;
                count = cx.integer(index + 2)?;
                index += 2;
            } else if direction.is_none() && cx.arg_is(index, "rev") {
                direction = Some(Direction::Reverse);
            } else if kind.is_none() && cx.arg_is(index, "bylex") {
                kind = Some(Kind::Names);
            } else if kind.is_none() && cx.arg_is(index, "byscore") {
                kind = Some(Kind::Scores);
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        let kind = kind.unwrap_or(Kind::Ranks);
        let is_reverse = direction == Some(Direction::Reverse);
        if count != -1 && kind == Kind::Ranks {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && kind == Kind::Names {
            return Err(CommandError::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (first, second) = (cx.arg(ends_at), cx.arg(ends_at + 1));
        // Scores and names are given from the side at which the answer begins.
        let (min, max) = if is_reverse {
            (second, first)
        } else {
            (first, second)
        };
        let ends = match kind {
            Kind::Ranks => Ends::Ranks(cx.integer(ends_at)?, cx.integer(ends_at + 1)?),
            Kind::Scores => Ends::Scores(score_range(min, max)?),
            Kind::Names => Ends::Names(lex_range(min, max)?),
        };
        Ok(Selection {
            ends,
            is_reverse,
            with_scores,
            offset,
            count,
        })
    }

    /// The ranks of the selected members, from the lowest whatever the direction.
    fn ranks(&self, set: SortedSetRef<'_>) -> Range<usize> {
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let ranks = match &self.ends {
            Ends::Ranks(start, end) => {
                let len = set.len();
                let ranks = rank_range(*start, *end, len);
                return match self.is_reverse {
                    true => len - ranks.end..len - ranks.start,
                    false => ranks,
                };
            }
            Ends::Scores(range) => {
                let ranks = set.ranks_by_score(range);
                let offset = offset.min(ranks.len());
                match self.is_reverse {
                    true => ranks.start..ranks.end - offset,
                    false => ranks.start + offset..ranks.end,
                }
            }
            Ends::Names(range) => set.walk_by_lex(range, offset, self.is_reverse),
        };
        let count = count.min(ranks.len());
        match self.is_reverse {
            true => ranks.end - count..ranks.end,
            false => ranks.start..ranks.start + count,
        }
    }
}

fn answer(cx: &mut Context<'_>, out: &mut Reply<'_>, form: Form) -> CommandResult {
    let selection = Selection::parse(cx, 2, form)?;
    let Some(set) = cx.sorted_set(cx.key(1))? else {
        out.array(0);
        return Ok(());
    };
    let members = set.range(selection.ranks(set));
    if selection.is_reverse {
        reply_members(out, members.rev(), selection.with_scores);
    } else {
        reply_members(out, members, selection.with_scores);
    }
    Ok(())
}

fn zrangestore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let selection = Selection::parse(cx, 3, Form::Store)?;
    let limits = cx.limits();
    let mut result = SortedSet::new();
    if let Some(set) = cx.sorted_set(cx.key(2))? {
        let members = set.range(selection.ranks(set));
        // Redis knows beforehand how many members a range of ranks has, and no more.
        let expected = match selection.ends {
            Ends::Ranks(..) => members.len(),
            Ends::Scores(_) | Ends::Names(_) => 0,
        };
        result = SortedSet::with_hint(expected, 0, &limits);
        for (member, score) in members {
            result.insert(member, score, &limits);
        }
    }
    store_result(cx, out, cx.key(1), result, "zrangestore");
    Ok(())
}
