//! Bounds of ranges by score and by member, and on which side of them a member falls.
//!
//! How bounds are written in commands stands with the commands.

use std::ops::Bound;

/// A range of scores. It is empty when `min` lies above `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreRange {
    /// The lower end.
    pub min: Bound<f64>,
    /// The upper end.
    pub max: Bound<f64>,
}

impl ScoreRange {
    /// Whether a score is too low for the range.
    #[inline]
    pub fn is_below(&self, score: f64) -> bool {
        match self.min {
            Bound::Included(min) => score < min,
            Bound::Excluded(min) => score <= min,
            Bound::Unbounded => false,
        }
    }

    /// Whether a score is too high for the range.
    #[inline]
    pub fn is_above(&self, score: f64) -> bool {
        match self.max {
            Bound::Included(max) => score > max,
            Bound::Excluded(max) => score >= max,
            Bound::Unbounded => false,
        }
    }
}

/// One end of a range of members. Either end of a range may be either infinity: a range from
/// `Highest` to `Lowest` is allowed, and empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before every member, `-` in commands.
    Lowest,
    /// From this member on, with it: `[member` in commands.
    Included(&'a [u8]),
    /// From this member on, without it: `(member` in commands.
    Excluded(&'a [u8]),
    /// After every member, `+` in commands.
    Highest,
}

/// A range of members by their bytes. It means something where all scores are equal; elsewhere it selects some
/// members, as it does in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// The lower end.
    pub min: LexBound<'a>,
    /// The upper end.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether a member stands before the range.
    #[inline]
    pub fn is_below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Included(min) => member < min,
            LexBound::Excluded(min) => member <= min,
            LexBound::Highest => true,
        }
    }

    /// Whether a member stands behind the range.
    #[inline]
    pub fn is_above(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => true,
            LexBound::Included(max) => member > max,
            LexBound::Excluded(max) => member >= max,
            LexBound::Highest => false,
        }
    }
}
