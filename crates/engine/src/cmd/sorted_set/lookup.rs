//! The commands that look members up: sizes, scores, ranks, counts, random members, ZSCAN.

use super::super::sampling::sample_count;
use super::super::scan::{ScanOptions, Scanned, parse_cursor, reply_cursor};
use super::bounds::{lex_range, score_range};
use super::reply::{begin_pairs, reply_pair};
use super::{FAST, READ, READ_KEY, ROW};
use crate::command::{Command, CommandError, CommandResult, Context, KeyFlags, KeySpec, Reply};
use crate::text::DoubleText;
use crate::value::SortedSetRef;

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "zcard",
        arity: 2,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(KeyFlags::RO)],
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Answers how many members a sorted set has.",
        syntax: "key",
        handler: zcard,
        ..ROW
    },
    Command {
        name: "zcount",
        arity: 4,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.0.0",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Counts the members within a range of scores.",
        syntax: "key min:double max:double",
        handler: zcount,
        ..ROW
    },
    Command {
        name: "zlexcount",
        arity: 4,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.8.9",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Counts the members within a range of names; all scores should be equal.",
        syntax: "key min:string max:string",
        handler: zlexcount,
        ..ROW
    },
    Command {
        name: "zmscore",
        arity: -3,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "6.2.0",
        complexity: "O(N) in the number of members asked for.",
        summary: "Answers the scores of several members.",
        syntax: "key member [member ...]",
        handler: zmscore,
        ..ROW
    },
    Command {
        name: "zrandmember",
        arity: -2,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "6.2.0",
        complexity: "O(N) in the number of members answered.",
        summary: "Answers members chosen at random: different ones, or with a negative count any so many times.",
        syntax: "key [options= count:integer [WITHSCORES]]",
        tips: &["nondeterministic_output"],
        handler: zrandmember,
        ..ROW
    },
    Command {
        name: "zrank",
        history: &[("7.2.0", "WITHSCORE adds the score to the reply.")],
        arity: -3,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        element: 2,
        since: "2.0.0",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Answers how many members stand before a member, by ascending scores.",
        syntax: "key member [WITHSCORE]",
        handler: |cx, out| rank(cx, out, false),
        ..ROW
    },
    Command {
        name: "zrevrank",
        history: &[("7.2.0", "WITHSCORE adds the score to the reply.")],
        arity: -3,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.0.0",
        complexity: "O(log(N)), N being the size of the set.",
        summary: "Answers how many members stand before a member, by descending scores.",
        syntax: "key member [WITHSCORE]",
        handler: |cx, out| rank(cx, out, true),
        ..ROW
    },
    Command {
        name: "zscan",
        arity: -3,
        flags: READ,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.8.0",
        complexity: "O(1) a call, O(N) for the whole set.",
        summary: "Visits the members of a sorted set step by step.",
        syntax: "key cursor:integer [MATCH pattern] [COUNT count:integer] [NOSCORES]",
        tips: &["nondeterministic_output"],
        handler: zscan,
        ..ROW
    },
    Command {
        name: "zscore",
        arity: 3,
        flags: READ.union(FAST),
        keys: &[KeySpec::first(READ_KEY)],
        element: 2,
        since: "1.2.0",
        complexity: "O(1)",
        summary: "Answers the score of a member.",
        syntax: "key member",
        handler: zscore,
        ..ROW
    },
];

fn zcard(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let len = cx.sorted_set(cx.key(1))?.map_or(0, SortedSetRef::len);
    out.integer(len as i64);
    Ok(())
}

fn zcount(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let range = score_range(cx.arg(2), cx.arg(3))?;
    let set = cx.sorted_set(cx.key(1))?;
    out.integer(set.map_or(0, |set| set.ranks_by_score(&range).len()) as i64);
    Ok(())
}

fn zlexcount(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let range = lex_range(cx.arg(2), cx.arg(3))?;
    let set = cx.sorted_set(cx.key(1))?;
    out.integer(set.map_or(0, |set| set.ranks_by_lex(&range).len()) as i64);
    Ok(())
}

fn zscore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let set = cx.sorted_set(cx.key(1))?;
    reply_score(out, set.and_then(|set| set.score(cx.arg(2))));
    Ok(())
}

fn zmscore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let set = cx.sorted_set(cx.key(1))?;
    out.array(cx.argc() - 2);
    for member in cx.args().iter().skip(2) {
        reply_score(out, set.and_then(|set| set.score(member)));
    }
    Ok(())
}

fn reply_score(out: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

fn rank(cx: &mut Context<'_>, out: &mut Reply<'_>, is_reverse: bool) -> CommandResult {
    let with_score = match cx.argc() {
        3 => false,
        4 if cx.arg_is(3, "withscore") => true,
        4 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::WrongArity(cx.command_name().into())),
    };
    let set = cx.sorted_set(cx.key(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(cx.arg(2))?;
        let rank = if is_reverse {
            set.len() - 1 - rank
        } else {
            rank
        };
        Some((rank as i64, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            out.array(2);
            out.integer(rank);
            out.double(score);
        }
        Some((rank, _)) => out.integer(rank),
        None if with_score => out.null_array(),
        None => out.null(),
    }
    Ok(())
}

fn zrandmember(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let mut random = cx.random().fork();
    if cx.argc() == 2 {
        match cx.sorted_set(key)?.and_then(|set| set.random(&mut random)) {
            Some((member, _)) => out.bulk(member),
            None => out.null(),
        }
        return Ok(());
    }
    let count = sample_count(cx, 2)?;
    let with_scores = match cx.argc() {
        3 => false,
        4 if cx.arg_is(3, "withscores") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::OutOfRange);
    }
    let Some(set) = cx.sorted_set(key)?.filter(|_| count != 0) else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let answered = if count > 0 {
        wanted.min(set.len())
    } else {
        wanted
    };
    if with_scores {
        begin_pairs(out, answered);
    } else {
        out.array(answered);
    }
    let write = |out: &mut Reply<'_>, (member, score): (&[u8], f64)| {
        if with_scores {
            reply_pair(out, member, score);
        } else {
            out.bulk(member);
        }
    };
    if count > 0 {
        set.sample(wanted, &mut random, &mut |found| write(out, found));
    } else {
        let picker = set.picker();
        for _ in 0..wanted {
            if cx.exceeds_output_limit(out) {
                break;
            }
            if let Some(found) = picker.pick(&mut random) {
                write(out, found);
            }
        }
    }
    Ok(())
}

fn zscan(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(cx.arg(2))?;
    let Some(set) = cx.sorted_set(cx.key(1))? else {
        reply_cursor(out, 0);
        out.array(0);
        return Ok(());
    };
    let options = ScanOptions::parse(cx.args(), 3, Scanned::SortedSet)?;
    let mut found = Vec::new();
    let next = options.run(cursor, |cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, &mut |member, score| {
            visited += 1;
            if options.matches(member) {
                found.push((member, score));
            }
        });
        (next, visited)
    });
    reply_cursor(out, next);
    if options.no_scores {
        out.array(found.len());
        for (member, _) in found {
            out.bulk(member);
        }
        return Ok(());
    }
    out.array(2 * found.len());
    for (member, score) in found {
        out.bulk(member);
        match set {
            SortedSetRef::Packed(_) => out.bulk(&DoubleText::new(score)),
            SortedSetRef::Big(_) => out.bulk(general_text(score).as_bytes()),
        }
    }
    Ok(())
}

/// A score in the form `%.17g` of C, in which Redis's ZSCAN writes the scores of a set that is not small.
fn general_text(score: f64) -> String {
    const PRECISION: i32 = 17;
    if score.is_infinite() {
        return if score > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{:.*e}", PRECISION as usize - 1, score);
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let without_zeros = |digits: &str| -> String {
        match digits.contains('.') {
            true => digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned(),
            false => digits.to_owned(),
        }
    };
    if (-4..PRECISION).contains(&exponent) {
        return without_zeros(&format!(
            "{:.*}",
            (PRECISION - 1 - exponent) as usize,
            score
        ));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_zeros(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::general_text;

    #[test]
    fn general_text_is_that_of_printf() {
        for (score, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (1.1, "1.1000000000000001"),
            (0.1, "0.10000000000000001"),
            (100.0, "100"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(general_text(score), expected);
        }
    }
}
