//! The sorted set as commands see it: one type over the two forms, and its borrowed, copyable reading half.
//!
//! All ranges become ranges of ranks ([`SortedSetRef::ranks_by_score`], [`SortedSetRef::ranks_by_lex`]), so that
//! counting, limiting, reversing, reading and removing are each written once.

use std::cmp::Ordering;
use std::ops::Range;

use super::big::BigSortedSet;
use super::compact::{self, Pairs};
use super::range::{LexRange, ScoreRange};
use super::tree;
use crate::random::Random;
use crate::relocation::Relocator;
use crate::value::EncodingLimits;
use crate::value::packed::MAX_SEQUENCE_LEN;
use crate::value::sampling::sample;

/// A sorted set.
#[derive(Clone)]
pub enum SortedSet {
    /// Few short members: pairs of member and score in order, in the form of [`crate::value::packed`].
    Packed(Vec<u8>),
    /// Many members, or long ones.
    Big(BigSortedSet),
}

impl SortedSet {
    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end.
    pub(crate) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        match self {
            Self::Packed(bytes) => {
                relocator.vec(bytes);
                0
            }
            Self::Big(big) => big.relocate(cursor, relocator),
        }
    }
}

/// A sorted set for reading.
#[derive(Clone, Copy)]
pub enum SortedSetRef<'a> {
    /// The bytes of [`SortedSet::Packed`].
    Packed(&'a [u8]),
    /// The set of [`SortedSet::Big`].
    Big(&'a BigSortedSet),
}

/// What [`SortedSet::upsert`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upsert {
    /// The member is new.
    Added,
    /// The member has another score than before.
    Updated,
    /// Nothing changed.
    Unchanged,
}

impl SortedSet {
    /// An empty set.
    pub fn new() -> Self {
        SortedSet::Packed(Vec::new())
    }

    /// An empty set in the form that Redis chooses when it is told beforehand how many members will come and how long
    /// one of them is.
    pub fn with_hint(len: usize, member_len: usize, limits: &EncodingLimits) -> Self {
        if is_small(len, member_len, limits) {
            SortedSet::Packed(Vec::new())
        } else {
            SortedSet::Big(BigSortedSet::new(limits.hash_seed))
        }
    }

    /// The set of these members, which must be distinct, in any order.
    pub fn from_pairs<M: AsRef<[u8]>>(mut pairs: Vec<(M, f64)>, limits: &EncodingLimits) -> Self {
        pairs.sort_unstable_by(|(a, a_score), (b, b_score)| {
            // NaN never enters, so scores that do not compare do not exist.
            let scores = a_score.partial_cmp(b_score).unwrap_or(Ordering::Equal);
            scores.then_with(|| a.as_ref().cmp(b.as_ref()))
        });
        let lengths = pairs.iter().map(|(member, _)| member.as_ref().len());
        let longest = lengths.clone().max().unwrap_or(0);
        let mut set = if has_room(0, lengths.sum()) {
            Self::with_hint(pairs.len(), longest, limits)
        } else {
            SortedSet::Big(BigSortedSet::new(limits.hash_seed))
        };
        for (member, score) in &pairs {
            match &mut set {
                SortedSet::Packed(bytes) => compact::push(bytes, member.as_ref(), *score),
                SortedSet::Big(big) => big.insert_new(member.as_ref(), *score),
            }
        }
        set
    }

    /// The reading half.
    #[inline]
    pub fn as_ref(&self) -> SortedSetRef<'_> {
        match self {
            SortedSet::Packed(bytes) => SortedSetRef::Packed(bytes),
            SortedSet::Big(big) => SortedSetRef::Big(big),
        }
    }

    /// Adds a member or changes its score, as `decide` will have it: given the member's score, or `None` when it is
    /// not in the set, it answers the new score, or `None` to leave everything as it is. The score must not be NaN.
    pub fn upsert(
        &mut self,
        member: &[u8],
        limits: &EncodingLimits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Upsert {
        let bytes = match self {
            SortedSet::Big(big) => return big.upsert(member, decide),
            SortedSet::Packed(bytes) => bytes,
        };
        let found = compact::find(bytes, member).map(|pair| (pair.score, pair.bytes));
        let old = found.as_ref().map(|(score, _)| *score);
        let Some(score) = decide(old).filter(|new| old != Some(*new)) else {
            return Upsert::Unchanged;
        };
        debug_assert!(!score.is_nan());
        match found {
            Some((_, range)) => {
                bytes.drain(range);
                compact::insert(bytes, member, score);
                Upsert::Updated
            }
            None => {
                if is_small(compact::len(bytes) + 1, member.len(), limits)
                    && has_room(bytes.len(), member.len())
                {
                    compact::insert(bytes, member, score);
                } else {
                    self.enlarge(limits).insert_new(member, score);
                }
                Upsert::Added
            }
        }
    }

    /// Gives a member this score, adding it if need be. The score must not be NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: &EncodingLimits) -> Upsert {
        self.upsert(member, limits, |_| Some(score))
    }

    /// Removes a member and answers its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Packed(bytes) => {
                let pair = compact::find(bytes, member)?;
                let (score, range) = (pair.score, pair.bytes);
                bytes.drain(range);
                Some(score)
            }
            SortedSet::Big(big) => big.remove(member),
        }
    }

    /// Removes the members at a range of ranks, which must lie within the set.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        match self {
            SortedSet::Packed(bytes) => compact::remove_ranks(bytes, ranks),
            SortedSet::Big(big) => big.remove_ranks(ranks),
        }
    }

    /// Takes the large form if a set of `len` members would have it, before that many are added.
    pub fn enlarge_for(&mut self, len: usize, limits: &EncodingLimits) {
        if matches!(self, SortedSet::Packed(_)) && !is_small(len, 0, limits) {
            self.enlarge(limits);
        }
    }

    /// Takes the large form.
    fn enlarge(&mut self, limits: &EncodingLimits) -> &mut BigSortedSet {
        if let SortedSet::Packed(bytes) = self {
            let mut big = BigSortedSet::new(limits.hash_seed);
            for pair in compact::pairs(bytes) {
                big.insert_new(pair.member, pair.score);
            }
            *self = SortedSet::Big(big);
        }
        match self {
            SortedSet::Big(big) => big,
            SortedSet::Packed(_) => unreachable!("the set has just taken the large form"),
        }
    }
}

impl Default for SortedSet {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> SortedSetRef<'a> {
    /// How many members there are.
    pub fn len(self) -> usize {
        match self {
            SortedSetRef::Packed(bytes) => compact::len(bytes),
            SortedSetRef::Big(big) => big.order.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        match self {
            SortedSetRef::Packed(bytes) => bytes.is_empty(),
            SortedSetRef::Big(big) => big.order.len() == 0,
        }
    }

    /// The score of a member.
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSetRef::Packed(bytes) => compact::find(bytes, member).map(|pair| pair.score),
            SortedSetRef::Big(big) => big.find(member).map(|handle| handle.score()),
        }
    }

    /// How many members stand before a member, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            SortedSetRef::Packed(bytes) => compact::pairs(bytes)
                .enumerate()
                .find(|(_, pair)| pair.member == member)
                .map(|(rank, pair)| (rank, pair.score)),
            SortedSetRef::Big(big) => {
                let handle = big.find(member)?;
                Some((big.order.rank(&handle), handle.score()))
            }
        }
    }

    /// The member at a rank, and its score.
    pub fn get(self, rank: usize) -> Option<(&'a [u8], f64)> {
        match self {
            SortedSetRef::Packed(bytes) => {
                let offset = compact::offset_of(bytes, rank);
                let pair = compact::pairs_from(bytes, offset).next()?;
                Some((pair.member, pair.score))
            }
            SortedSetRef::Big(big) if rank < big.order.len() => {
                let handle = big.order.select(rank);
                Some((handle.bytes(), handle.score()))
            }
            SortedSetRef::Big(_) => None,
        }
    }

    /// The ranks of the members whose scores lie in a range.
    pub fn ranks_by_score(self, range: &ScoreRange) -> Range<usize> {
        let (start, end) = match self {
            SortedSetRef::Packed(bytes) => (
                compact::count_while(bytes, |pair| range.is_below(pair.score)),
                compact::count_while(bytes, |pair| !range.is_above(pair.score)),
            ),
            SortedSetRef::Big(big) => (
                big.order.partition_point(|score, _| range.is_below(score)),
                big.order.partition_point(|score, _| !range.is_above(score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of the members that lie in a range by their bytes.
    pub fn ranks_by_lex(self, range: &LexRange<'_>) -> Range<usize> {
        self.walk_by_lex(range, 0, false)
    }

    /// The ranks of the members that lie in a range by their bytes, without the first `offset` of them, or without
    /// the last for a walk from the back.
    ///
    /// Where scores differ, so that the bytes are not in order, the answer means little; for the compact form it is
    /// nevertheless that of Redis, which looks for one end of the range, skips, and walks until it leaves the range.
    pub fn walk_by_lex(
        self,
        range: &LexRange<'_>,
        offset: usize,
        is_reverse: bool,
    ) -> Range<usize> {
        let bytes = match self {
            SortedSetRef::Packed(bytes) => bytes,
            SortedSetRef::Big(big) => {
                let order = &big.order;
                let start = order.partition_point(|_, handle| range.is_below(handle.bytes()));
                let end = order.partition_point(|_, handle| !range.is_above(handle.bytes()));
                let end = end.max(start);
                let offset = offset.min(end - start);
                return if is_reverse {
                    start..end - offset
                } else {
                    start + offset..end
                };
            }
        };
        let members: Vec<&[u8]> = compact::pairs(bytes).map(|pair| pair.member).collect();
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return 0..0;
        };
        if range.is_above(first) || range.is_below(last) {
            return 0..0;
        }
        let is_above = |member: &&[u8]| range.is_above(member);
        let is_below = |member: &&[u8]| range.is_below(member);
        if is_reverse {
            let found = members.iter().rposition(|member| !is_above(member));
            let found = found.filter(|&found| !is_below(&members[found]));
            let end = found.map_or(0, |found| (found + 1).saturating_sub(offset));
            let start = members[..end]
                .iter()
                .rposition(is_below)
                .map_or(0, |below| below + 1);
            start..end
        } else {
            let found = members.iter().position(|member| !is_below(member));
            let found = found.filter(|&found| !is_above(&members[found]));
            let start = found.map_or(members.len(), |found| {
                found.saturating_add(offset).min(members.len())
            });
            let within = members[start..].iter().position(is_above);
            start..within.map_or(members.len(), |length| start + length)
        }
    }

    /// All members with their scores, in order.
    pub fn iter(self) -> Iter<'a> {
        self.range(0..self.len())
    }

    /// The members at a range of ranks with their scores. The part of the range that lies beyond the set is ignored.
    pub fn range(self, ranks: Range<usize>) -> Iter<'a> {
        let forms = match self {
            SortedSetRef::Packed(bytes) => Forms::Packed {
                pairs: compact::pairs_from(bytes, compact::offset_of(bytes, ranks.start)),
                behind: Vec::new(),
            },
            SortedSetRef::Big(big) => {
                let end = ranks.end.min(big.order.len());
                let ranks = ranks.start.min(end)..end;
                return Iter {
                    remaining: ranks.len(),
                    forms: Forms::Big(big.order.range(ranks)),
                };
            }
        };
        let end = ranks.end.min(self.len());
        Iter {
            remaining: end.saturating_sub(ranks.start),
            forms,
        }
    }

    /// A member, each with the same probability, and its score.
    pub fn random(self, random: &mut Random) -> Option<(&'a [u8], f64)> {
        self.get(random.index(self.len()))
    }

    /// Something to draw members from, each drawing independent of those before.
    pub fn picker(self) -> Picker<'a> {
        match self {
            SortedSetRef::Packed(_) => Picker::Packed(self.iter().collect()),
            SortedSetRef::Big(big) => Picker::Big(big),
        }
    }

    /// Visits `count` different members with their scores, or all if there are fewer, every choice equally likely.
    pub fn sample(self, count: usize, random: &mut Random, visit: &mut dyn FnMut((&'a [u8], f64))) {
        let len = self.len();
        let picker = self.picker();
        let draw = |random: &mut Random| {
            let rank = random.index(len);
            picker.get(rank).map(|found| (rank, found))
        };
        sample(len, count, random, draw, self.iter(), visit);
    }

    /// Visits some members and answers the next cursor; 0 is the start and the end. A member that is in the set from
    /// the first call to the last is visited at least once. The compact form is visited whole.
    pub fn scan(self, cursor: u64, visit: &mut dyn FnMut(&'a [u8], f64)) -> u64 {
        match self {
            SortedSetRef::Packed(bytes) => {
                for pair in compact::pairs(bytes) {
                    visit(pair.member, pair.score);
                }
                0
            }
            SortedSetRef::Big(big) => big.scan(cursor, visit),
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(self) -> &'static str {
        match self {
            SortedSetRef::Packed(_) => "listpack",
            SortedSetRef::Big(_) => "skiplist",
        }
    }

    /// Bytes on the heap, estimated. Those of the compact form are counted although they may lie in the entry.
    pub fn memory_usage(self) -> usize {
        match self {
            SortedSetRef::Packed(bytes) => bytes.len(),
            SortedSetRef::Big(big) => big.memory_usage(),
        }
    }

    /// About as much as [`Self::memory_usage`], found quickly however many members there are.
    pub fn approximate_bytes(self) -> usize {
        match self {
            SortedSetRef::Packed(bytes) => bytes.len(),
            SortedSetRef::Big(big) => big.approximate_bytes(),
        }
    }

    /// A set of its own.
    pub fn to_owned(self) -> SortedSet {
        match self {
            SortedSetRef::Packed(bytes) => SortedSet::Packed(bytes.to_vec()),
            SortedSetRef::Big(big) => SortedSet::Big(big.clone()),
        }
    }
}

/// Draws members from a set; made by [`SortedSetRef::picker`].
pub enum Picker<'a> {
    /// The members of a packed set, which can otherwise only be walked.
    Packed(Vec<(&'a [u8], f64)>),
    /// A big set, which finds a member by its rank.
    Big(&'a BigSortedSet),
}

impl<'a> Picker<'a> {
    /// A member, each equally likely, and its score; `None` from an empty set.
    pub fn pick(&self, random: &mut Random) -> Option<(&'a [u8], f64)> {
        let len = match self {
            Picker::Packed(members) => members.len(),
            Picker::Big(big) => big.order.len(),
        };
        self.get(random.index(len))
    }

    fn get(&self, rank: usize) -> Option<(&'a [u8], f64)> {
        match self {
            Picker::Packed(members) => members.get(rank).copied(),
            Picker::Big(big) => SortedSetRef::Big(big).get(rank),
        }
    }
}

/// Members with their scores, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    remaining: usize,
    forms: Forms<'a>,
}

#[derive(Clone)]
enum Forms<'a> {
    Packed {
        pairs: Pairs<'a>,
        /// The pairs still to come, once the iterator has been asked for the last: a packed sequence is read
        /// forward only. Empty until then.
        behind: Vec<(&'a [u8], f64)>,
    },
    Big(tree::Iter<'a, { tree::LEAF }, { tree::FANOUT }>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        match &mut self.forms {
            Forms::Packed { pairs, .. } => pairs.next().map(|pair| (pair.member, pair.score)),
            Forms::Big(handles) => handles
                .next()
                .map(|handle| (handle.bytes(), handle.score())),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let remaining = self.remaining;
        self.remaining = remaining.checked_sub(1)?;
        match &mut self.forms {
            Forms::Packed { pairs, behind } => {
                if behind.is_empty() {
                    let rest = pairs.clone().take(remaining);
                    behind.extend(rest.map(|pair| (pair.member, pair.score)));
                }
                behind.pop()
            }
            Forms::Big(handles) => handles
                .next_back()
                .map(|handle| (handle.bytes(), handle.score())),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Whether a set of so many members, the longest of so many bytes, has the compact form.
fn is_small(len: usize, member_len: usize, limits: &EncodingLimits) -> bool {
    len <= limits.zset_max_listpack_entries && member_len <= limits.zset_max_listpack_value
}

/// Whether a sequence of so many bytes may get members of so many bytes.
fn has_room(sequence_len: usize, members_len: usize) -> bool {
    sequence_len.saturating_add(members_len) < MAX_SEQUENCE_LEN
}
