//! How the ends of ranges are written: ranks, scores and members.

use std::ops::{Bound, Range};

use crate::command::CommandError;
use crate::text::parse_double_loosely;
use crate::value::sorted_set::{LexBound, LexRange, ScoreRange};

/// Reads a range of scores. An end is a number, or `(` and a number to leave the number itself out.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    let bounds = score_bound(min).zip(score_bound(max));
    let (min, max) = bounds.ok_or(CommandError::text("ERR min or max is not a float"))?;
    Ok(ScoreRange { min, max })
}

fn score_bound(text: &[u8]) -> Option<Bound<f64>> {
    match text {
        [b'(', text @ ..] => parse_double_loosely(text).map(Bound::Excluded),
        text => parse_double_loosely(text).map(Bound::Included),
    }
}

/// Reads a range of members. An end is `[member`, `(member` to leave the member itself out, `-` or `+`.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    let bounds = lex_bound(min).zip(lex_bound(max));
    let (min, max) = bounds.ok_or(CommandError::text(
        "ERR min or max not valid string range item",
    ))?;
    Ok(LexRange { min, max })
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        // Redis compares C strings here: a NUL ends them.
        [b'-'] | [b'-', 0, ..] => Some(LexBound::Lowest),
        [b'+'] | [b'+', 0, ..] => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}

/// The ranks from `start` to `end`, both included, of `len` members; negative numbers count from the end.
pub(super) fn rank_range(start: i64, end: i64, len: usize) -> Range<usize> {
    let absolute = |index: i64| {
        if index < 0 {
            index.saturating_add_unsigned(len as u64)
        } else {
            index
        }
    };
    let start = usize::try_from(absolute(start)).unwrap_or(0).min(len);
    // An end before the first member is -1 or less, of which this makes 0 or less.
    let end = usize::try_from(absolute(end).saturating_add(1))
        .unwrap_or(0)
        .min(len);
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_either_end() {
        assert_eq!(rank_range(0, -1, 5), 0..5);
        assert_eq!(rank_range(1, 2, 5), 1..3);
        assert_eq!(rank_range(-2, -1, 5), 3..5);
        assert_eq!(rank_range(-100, 100, 5), 0..5);
        assert!(rank_range(3, 2, 5).is_empty());
        assert!(rank_range(5, 9, 5).is_empty());
        assert!(rank_range(0, -6, 5).is_empty());
        assert!(rank_range(0, -1, 0).is_empty());
        assert_eq!(rank_range(i64::MIN, i64::MAX, 5), 0..5);
        assert!(rank_range(i64::MAX, i64::MIN, 5).is_empty());
    }

    #[test]
    fn score_bounds_are_numbers_with_or_without_a_parenthesis() {
        assert_eq!(score_bound(b"1.5"), Some(Bound::Included(1.5)));
        assert_eq!(score_bound(b"(1.5"), Some(Bound::Excluded(1.5)));
        assert_eq!(
            score_bound(b"-inf"),
            Some(Bound::Included(f64::NEG_INFINITY))
        );
        assert_eq!(score_bound(b"(+inf"), Some(Bound::Excluded(f64::INFINITY)));
        assert_eq!(score_bound(b"1e400"), Some(Bound::Included(f64::INFINITY)));
        assert_eq!(score_bound(b""), Some(Bound::Included(0.0)));
        for bad in ["nan", "((1", "1 ", "[1", "(", "x"] {
            let expected = (bad == "(").then_some(Bound::Excluded(0.0));
            assert_eq!(score_bound(bad.as_bytes()), expected, "{bad}");
        }
    }

    #[test]
    fn lex_bounds_need_their_first_character() {
        assert_eq!(lex_bound(b"-"), Some(LexBound::Lowest));
        assert_eq!(lex_bound(b"+"), Some(LexBound::Highest));
        assert_eq!(lex_bound(b"[a"), Some(LexBound::Included(b"a")));
        assert_eq!(lex_bound(b"("), Some(LexBound::Excluded(b"")));
        for bad in [&b""[..], b"a", b"+a", b"--", b"-inf"] {
            assert_eq!(lex_bound(bad), None);
        }
    }
}
