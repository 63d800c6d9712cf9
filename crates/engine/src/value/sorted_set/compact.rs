//! The small form of a sorted set: pairs of member and score in one packed sequence, in order.
//!
//! A member is always stored as a string, also where it looks like an integer: it can then be compared and handed out
//! where it lies. A score that is an integer of at most 53 bits is stored as an integer of one to eight bytes, any
//! other as a double. So -0 becomes 0, as it does in a listpack of Redis, whereas the large form keeps it. When a set
//! outgrows this form is decided in `set`.

use std::cmp::Ordering;
use std::ops::Range;

use crate::value::packed::{self, PackedItem};

/// One member with its score and the bytes that the pair takes in the sequence.
pub(super) struct Pair<'a> {
    pub(super) member: &'a [u8],
    pub(super) score: f64,
    pub(super) bytes: Range<usize>,
}

impl Pair<'_> {
    fn compare(&self, score: f64, member: &[u8]) -> Ordering {
        if self.score < score {
            Ordering::Less
        } else if self.score > score {
            Ordering::Greater
        } else {
            self.member.cmp(member)
        }
    }
}

/// The pairs of a sequence in order.
#[derive(Clone)]
pub(super) struct Pairs<'a> {
    sequence: &'a [u8],
    offset: usize,
}

/// The pairs from a byte offset on, which must be the start of a pair.
pub(super) fn pairs_from(sequence: &[u8], offset: usize) -> Pairs<'_> {
    Pairs { sequence, offset }
}

pub(super) fn pairs(sequence: &[u8]) -> Pairs<'_> {
    pairs_from(sequence, 0)
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        if self.offset == self.sequence.len() {
            return None;
        }
        let start = self.offset;
        let (member, middle) = packed::item_at(self.sequence, start);
        let (score, end) = packed::item_at(self.sequence, middle);
        self.offset = end;
        let PackedItem::Bytes(member) = member else {
            unreachable!("members are stored as strings")
        };
        let score = match score {
            PackedItem::Integer(score) => score as f64,
            PackedItem::Double(score) => score,
            PackedItem::Bytes(_) => unreachable!("scores are stored as numbers"),
        };
        Some(Pair {
            member,
            score,
            bytes: start..end,
        })
    }
}

/// How many members there are. Walks the sequence.
pub(super) fn len(sequence: &[u8]) -> usize {
    packed::count(sequence) / 2
}

/// The byte offset of the pair at a rank; the length of the sequence at its end.
pub(super) fn offset_of(sequence: &[u8], rank: usize) -> usize {
    packed::offset_of(sequence, 2 * rank)
}

pub(super) fn find<'a>(sequence: &'a [u8], member: &[u8]) -> Option<Pair<'a>> {
    let found = packed::find_item(sequence, PackedItem::Bytes(member), 2)?;
    pairs_from(sequence, found.start).next()
}

/// Puts a member in its place. It must not be in the sequence.
pub(super) fn insert(sequence: &mut Vec<u8>, member: &[u8], score: f64) {
    let at = pairs(sequence)
        .find(|pair| pair.compare(score, member) == Ordering::Greater)
        .map_or(sequence.len(), |pair| pair.bytes.start);
    let items = [PackedItem::Bytes(member), score_item(score)];
    packed::splice(sequence, at..at, &items);
}

/// Appends a member that comes after all others.
pub(super) fn push(sequence: &mut Vec<u8>, member: &[u8], score: f64) {
    packed::push_item(sequence, PackedItem::Bytes(member));
    packed::push_item(sequence, score_item(score));
}

/// How many members there are until the first for which `before` is false.
pub(super) fn count_while(sequence: &[u8], before: impl Fn(&Pair<'_>) -> bool) -> usize {
    pairs(sequence).take_while(before).count()
}

pub(super) fn remove_ranks(sequence: &mut Vec<u8>, ranks: Range<usize>) {
    let start = offset_of(sequence, ranks.start);
    let length = offset_of(&sequence[start..], ranks.len());
    sequence.drain(start..start + length);
}

fn score_item(score: f64) -> PackedItem<'static> {
    /// Integers up to here are exact in an `f64`.
    const MAX: f64 = (1u64 << 53) as f64;
    if score.abs() <= MAX && score.fract() == 0.0 {
        PackedItem::Integer(score as i64)
    } else {
        PackedItem::Double(score)
    }
}
