//! Both forms and the tree alone against a sorted vector, and the promises of cursors and encodings.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

use proptest::prelude::*;

use super::member::Member;
use super::tree::Tree;
use super::{LexBound, LexRange, ScoreRange, SortedSet, SortedSetRef, Upsert};
use crate::random::Random;
use crate::value::EncodingLimits;

const CASES: u32 = if cfg!(miri) { 2 } else { 256 };
const STEPS: usize = if cfg!(miri) { 60 } else { 400 };

/// The naive model: a vector kept in order.
#[derive(Debug, Clone, Default)]
struct Model(Vec<(Vec<u8>, f64)>);

impl Model {
    fn insert(&mut self, member: &[u8], score: f64) -> Upsert {
        let old = self.remove(member);
        self.0.push((member.to_vec(), score));
        self.0.sort_by(|(a, a_score), (b, b_score)| {
            let scores = a_score.partial_cmp(b_score).expect("no NaN enters");
            scores.then_with(|| a.cmp(b))
        });
        match old {
            None => Upsert::Added,
            Some(old) if old == score => Upsert::Unchanged,
            Some(_) => Upsert::Updated,
        }
    }

    fn position(&self, member: &[u8]) -> Option<usize> {
        self.0.iter().position(|(other, _)| other == member)
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let index = self.position(member)?;
        Some(self.0.remove(index).1)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, f64),
    Leave(Vec<u8>),
    Remove(Vec<u8>),
    RemoveRanks(f64, f64),
}

/// Few scores, so that many are equal, and those whose order is peculiar.
fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-4i8..4).prop_map(f64::from),
        2 => any::<i32>().prop_map(f64::from),
        2 => any::<f64>().prop_filter("NaN never enters", |score| !score.is_nan()),
        1 => prop::sample::select(vec![
            0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 9007199254740992.0, 9007199254740994.0,
            1e300, -9007199254740992.0,
        ]),
    ]
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u16..120).prop_map(|n| n.to_string().into_bytes()),
        3 => prop::collection::vec(prop::sample::select(b"ab\0\xff".to_vec()), 0..4),
        1 => (0usize..3).prop_map(|n| vec![b'x'; 250 + 5 * n]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => (member(), score()).prop_map(|(member, score)| Step::Insert(member, score)),
        2 => member().prop_map(Step::Leave),
        8 => member().prop_map(Step::Remove),
        1 => (0.0..1.0, 0.0..0.4).prop_map(|(start, length)| Step::RemoveRanks(start, length)),
    ]
}

fn score_bound() -> impl Strategy<Value = Bound<f64>> {
    prop_oneof![
        score().prop_map(Bound::Included),
        score().prop_map(Bound::Excluded),
        Just(Bound::Unbounded),
    ]
}

fn lex_bound(member: &[u8], kind: u8) -> LexBound<'_> {
    match kind % 4 {
        0 => LexBound::Lowest,
        1 => LexBound::Included(member),
        2 => LexBound::Excluded(member),
        _ => LexBound::Highest,
    }
}

/// Scores by their bits. `-0` counts as `0`, which it becomes in one of the forms.
fn exactly<'a>(pairs: impl Iterator<Item = (&'a [u8], f64)>) -> Vec<(Vec<u8>, u64)> {
    pairs
        .map(|(member, score)| (member.to_vec(), (score + 0.0).to_bits()))
        .collect()
}

fn model_pairs(pairs: &[(Vec<u8>, f64)]) -> Vec<(Vec<u8>, u64)> {
    exactly(pairs.iter().map(|(member, score)| (&member[..], *score)))
}

fn part(len: usize, start: f64, length: f64) -> std::ops::Range<usize> {
    let from = (len as f64 * start) as usize;
    let to = len.min(from + (len as f64 * length).ceil() as usize);
    from..to
}

fn limits(entries: usize, value: usize) -> EncodingLimits {
    EncodingLimits {
        zset_max_listpack_entries: entries,
        zset_max_listpack_value: value,
        hash_seed: 99,
        ..EncodingLimits::default()
    }
}

fn check_reads(set: SortedSetRef<'_>, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(set.len(), model.0.len());
    prop_assert_eq!(set.is_empty(), model.0.is_empty());
    prop_assert_eq!(exactly(set.iter()), model_pairs(&model.0));
    let mut backward = model_pairs(&model.0);
    backward.reverse();
    prop_assert_eq!(exactly(set.iter().rev()), backward);
    for (rank, (member, score)) in model.0.iter().enumerate() {
        prop_assert_eq!(set.rank(member), Some((rank, *score)));
        prop_assert_eq!(set.score(member), Some(*score));
        prop_assert_eq!(set.get(rank), Some((&member[..], *score)));
    }
    prop_assert_eq!(set.get(model.0.len()), None);
    prop_assert_eq!(set.score(b"never a member"), None);
    prop_assert_eq!(set.rank(b"never a member"), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn both_forms_behave_as_a_sorted_vector(
        steps in prop::collection::vec(step(), 0..STEPS),
        entries in prop::sample::select(vec![0usize, 5, 1000]),
    ) {
        let limits = limits(entries, 300);
        let mut set = SortedSet::new();
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Insert(member, score) => {
                    prop_assert_eq!(set.insert(member, *score, &limits), model.insert(member, *score));
                }
                Step::Leave(member) => {
                    let mut seen = None;
                    let done = set.upsert(member, &limits, |old| { seen = old; None });
                    prop_assert_eq!(done, Upsert::Unchanged);
                    prop_assert_eq!(seen, model.position(member).map(|index| model.0[index].1));
                }
                Step::Remove(member) => prop_assert_eq!(set.remove(member), model.remove(member)),
                Step::RemoveRanks(start, length) => {
                    let ranks = part(model.0.len(), *start, *length);
                    set.remove_ranks(ranks.clone());
                    model.0.drain(ranks);
                }
            }
            if let SortedSet::Big(big) = &set {
                big.order.check();
            }
        }
        check_reads(set.as_ref(), &model)?;
        check_reads(set.clone().as_ref(), &model)?;
        check_reads(set.as_ref().to_owned().as_ref(), &model)?;
        let rebuilt = SortedSet::from_pairs(model.0.iter().rev().cloned().collect(), &limits);
        check_reads(rebuilt.as_ref(), &model)?;
    }

    #[test]
    fn ranges_are_those_of_a_filter(
        pairs in prop::collection::vec((member(), score()), 0..STEPS),
        bounds in prop::collection::vec((score_bound(), score_bound()), 1..20),
        is_packed: bool,
    ) {
        let limits = limits(if is_packed { 1000 } else { 0 }, 300);
        let mut set = SortedSet::new();
        let mut model = Model::default();
        for (member, score) in &pairs {
            set.insert(member, *score, &limits);
            model.insert(member, *score);
        }
        for (min, max) in bounds {
            let range = ScoreRange { min, max };
            let found = set.as_ref().ranks_by_score(&range);
            let expected: Vec<_> = model.0.iter()
                .filter(|(_, score)| {
                    let not_below = match min {
                        Bound::Included(min) => *score >= min,
                        Bound::Excluded(min) => *score > min,
                        Bound::Unbounded => true,
                    };
                    let not_above = match max {
                        Bound::Included(max) => *score <= max,
                        Bound::Excluded(max) => *score < max,
                        Bound::Unbounded => true,
                    };
                    not_below && not_above
                })
                .cloned()
                .collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(exactly(set.as_ref().range(found)), model_pairs(&expected));
        }
    }

    #[test]
    fn lex_ranges_are_those_of_a_filter(
        members in prop::collection::btree_set(member(), 0..100),
        bounds in prop::collection::vec((member(), any::<u8>(), member(), any::<u8>()), 1..20),
        is_packed: bool,
    ) {
        let limits = limits(if is_packed { 1000 } else { 0 }, 300);
        let pairs: Vec<_> = members.iter().map(|member| (member, 7.0)).collect();
        let set = SortedSet::from_pairs(pairs, &limits);
        for (min, min_kind, max, max_kind) in &bounds {
            let range = LexRange { min: lex_bound(min, *min_kind), max: lex_bound(max, *max_kind) };
            let found = set.as_ref().ranks_by_lex(&range);
            let expected: Vec<_> = members.iter()
                .filter(|member| match range.min {
                    LexBound::Lowest => true,
                    LexBound::Included(min) => member.as_slice() >= min,
                    LexBound::Excluded(min) => member.as_slice() > min,
                    LexBound::Highest => false,
                })
                .filter(|member| match range.max {
                    LexBound::Lowest => false,
                    LexBound::Included(max) => member.as_slice() <= max,
                    LexBound::Excluded(max) => member.as_slice() < max,
                    LexBound::Highest => true,
                })
                .map(|member| (member.clone(), 7.0))
                .collect();
            prop_assert_eq!(exactly(set.as_ref().range(found.clone())), model_pairs(&expected));
            for offset in [0, 1, 3, 1000] {
                let kept = expected.len().saturating_sub(offset);
                let walk = set.as_ref().walk_by_lex(&range, offset, false);
                prop_assert_eq!(exactly(set.as_ref().range(walk)), model_pairs(&expected[expected.len() - kept..]));
                let walk = set.as_ref().walk_by_lex(&range, offset, true);
                prop_assert_eq!(exactly(set.as_ref().range(walk)), model_pairs(&expected[..kept]));
            }
        }
    }

    /// Both ends of an iterator may be asked in any order.
    #[test]
    fn an_iterator_is_double_ended(
        pairs in prop::collection::vec((member(), score()), 0..200),
        cut in (0.0..1.0, 0.0..1.0),
        ends in prop::collection::vec(any::<bool>(), 0..250),
        is_packed: bool,
    ) {
        let limits = limits(if is_packed { 1000 } else { 0 }, 300);
        let mut set = SortedSet::new();
        let mut model = Model::default();
        for (member, score) in &pairs {
            set.insert(member, *score, &limits);
            model.insert(member, *score);
        }
        let ranks = part(model.0.len(), cut.0, cut.1);
        let mut found = set.as_ref().range(ranks.clone());
        let mut expected = model.0[ranks].iter();
        for from_front in ends {
            let (found, expected) = if from_front {
                (found.next(), expected.next())
            } else {
                (found.next_back(), expected.next_back())
            };
            prop_assert_eq!(found, expected.map(|(member, score)| (&member[..], *score)));
        }
        prop_assert_eq!(found.len(), expected.len());
    }

    /// The tree alone, with nodes so small that it is deep.
    #[test]
    fn a_deep_tree_keeps_its_order(
        steps in prop::collection::vec((0u8..8, 0u16..300, -3i8..3), 0..4 * STEPS),
        pattern in 0u8..3,
    ) {
        let mut tree = Tree::<4, 4>::new();
        let mut members: Vec<Member> = Vec::new();
        let mut model: BTreeSet<Ordered> = BTreeSet::new();
        for (index, (kind, n, score)) in steps.into_iter().enumerate() {
            // Insertions at random, only at the end, or only at the front.
            let score = match pattern {
                0 => f64::from(score),
                1 => index as f64,
                _ => -(index as f64),
            };
            let name = n.to_string();
            let present = members.iter().position(|member| handle_of(member).bytes() == name.as_bytes());
            match (kind, present) {
                (0..=4, None) => {
                    let member = Member::new(score, name.as_bytes());
                    tree.insert(handle_of(&member));
                    model.insert(Ordered(score, name.into_bytes()));
                    members.push(member);
                }
                (0..=4, Some(index)) => {
                    let handle = handle_of(&members[index]);
                    model.remove(&Ordered(handle.score(), name.clone().into_bytes()));
                    // SAFETY: nobody else reads scores in this test.
                    unsafe { tree.update_score(handle, score) };
                    model.insert(Ordered(score, name.into_bytes()));
                }
                (5..=6, Some(index)) => {
                    let member = members.swap_remove(index);
                    let handle = handle_of(&member);
                    model.remove(&Ordered(handle.score(), name.into_bytes()));
                    tree.remove(handle);
                }
                (7, _) => {
                    let ranks = part(tree.len(), f64::from(n) / 300.0, 0.1);
                    let mut removed = Vec::new();
                    tree.remove_range(ranks.clone(), &mut |handle| {
                        let index = members.iter().position(|member| handle_of(member) == handle).expect("a member");
                        removed.push(Ordered(handle.score(), handle.bytes().to_vec()));
                        // Freed at once, as the set does: the tree must not read it again.
                        drop(members.swap_remove(index));
                    });
                    let expected: Vec<_> = model.iter().skip(ranks.start).take(ranks.len()).cloned().collect();
                    prop_assert_eq!(&removed, &expected);
                    for gone in &expected {
                        model.remove(gone);
                    }
                }
                _ => {}
            }
            tree.check();
            prop_assert_eq!(tree.len(), model.len());
        }
        let order: Vec<_> = tree.range(0..tree.len()).map(|h| Ordered(h.score(), h.bytes().to_vec())).collect();
        prop_assert_eq!(order, model.into_iter().collect::<Vec<_>>());
        for rank in 0..tree.len() {
            prop_assert_eq!(tree.rank(tree.select(rank)), rank);
        }
    }
}

fn handle_of(member: &Member) -> super::member::Handle {
    // SAFETY: the tests read a handle only while its member lives.
    unsafe { member.handle() }
}

/// A score and a member in the order of a sorted set.
#[derive(Debug, Clone, PartialEq)]
struct Ordered(f64, Vec<u8>);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        let scores = self.0.partial_cmp(&other.0).expect("no NaN enters");
        scores.then_with(|| self.1.cmp(&other.1))
    }
}

#[test]
fn the_form_follows_the_thresholds() {
    let limits = limits(3, 4);
    let mut set = SortedSet::new();
    for name in ["a", "b", "c"] {
        set.insert(name.as_bytes(), 1.0, &limits);
    }
    assert_eq!(set.as_ref().encoding(), "listpack");
    set.insert(b"c", 2.0, &limits);
    assert_eq!(set.as_ref().encoding(), "listpack");
    let mut long = set.clone();
    set.insert(b"d", 1.0, &limits);
    assert_eq!(set.as_ref().encoding(), "skiplist");
    set.remove(b"d");
    assert_eq!(set.as_ref().encoding(), "skiplist");

    long.remove(b"a");
    long.insert(b"four", 1.0, &limits);
    assert_eq!(long.as_ref().encoding(), "listpack");
    long.remove(b"b");
    long.insert(b"fives", 1.0, &limits);
    assert_eq!(long.as_ref().encoding(), "skiplist");

    assert_eq!(
        SortedSet::with_hint(3, 4, &limits).as_ref().encoding(),
        "listpack"
    );
    assert_eq!(
        SortedSet::with_hint(4, 1, &limits).as_ref().encoding(),
        "skiplist"
    );
    assert_eq!(
        SortedSet::with_hint(1, 5, &limits).as_ref().encoding(),
        "skiplist"
    );
    let mut hinted = SortedSet::new();
    hinted.enlarge_for(3, &limits);
    assert_eq!(hinted.as_ref().encoding(), "listpack");
    hinted.enlarge_for(4, &limits);
    assert_eq!(hinted.as_ref().encoding(), "skiplist");
}

#[test]
fn negative_zero_lives_in_the_large_form_only() {
    for (entries, expected) in [(8, 0.0f64), (0, -0.0)] {
        let limits = limits(entries, 64);
        let mut set = SortedSet::new();
        set.insert(b"member", -0.0, &limits);
        let score = set.as_ref().score(b"member").expect("it was inserted");
        assert_eq!(score.to_bits(), expected.to_bits());
        // An equal score is not written.
        assert_eq!(set.insert(b"member", 0.0, &limits), Upsert::Unchanged);
        let score = set.as_ref().score(b"member").expect("it was inserted");
        assert_eq!(score.to_bits(), expected.to_bits());
    }
}

#[test]
fn a_scan_visits_what_stays() {
    let limits = limits(0, 64);
    let count = if cfg!(miri) { 100 } else { 3000 };
    let mut set = SortedSet::new();
    for n in 0..count {
        set.insert(n.to_string().as_bytes(), f64::from(n), &limits);
    }
    let mut seen = HashSet::new();
    let mut cursor = 0;
    let mut extra = count;
    loop {
        cursor = set.as_ref().scan(cursor, &mut |member, score| {
            assert_eq!(member, (score as i32).to_string().as_bytes());
            seen.insert(member.to_vec());
        });
        if cursor == 0 {
            break;
        }
        if extra < 3 * count {
            for _ in 0..10 {
                set.insert(extra.to_string().as_bytes(), f64::from(extra), &limits);
                extra += 1;
            }
        }
    }
    for n in 0..count {
        assert!(seen.contains(n.to_string().as_bytes()), "missed {n}");
    }
}

#[test]
fn chance_is_fair_in_both_forms() {
    for entries in [0, 1000] {
        let limits = limits(entries, 64);
        let pairs: Vec<_> = (0..100).map(|n: i32| (n.to_string(), 0.0)).collect();
        let set = SortedSet::from_pairs(pairs, &limits);
        let mut random = Random::new(5);
        let mut counts = std::collections::HashMap::new();
        let draws = if cfg!(miri) { 500 } else { 100_000 };
        for _ in 0..draws {
            let (member, _) = set
                .as_ref()
                .random(&mut random)
                .expect("the set has members");
            *counts.entry(member.to_vec()).or_insert(0) += 1;
        }
        if !cfg!(miri) {
            // Mean 1000, standard deviation 31: six of them either way.
            assert!(
                counts.len() == 100 && counts.values().all(|n| (810..1190).contains(n)),
                "{counts:?}"
            );
        }
    }
}

#[test]
fn sorted_sets_may_move_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<SortedSet>();
}

#[test]
fn ascending_scores_fill_their_leaves() {
    let limits = limits(0, 64);
    let count = if cfg!(miri) { 500 } else { 100_000 };
    let mut set = SortedSet::new();
    for n in 0..count {
        set.insert(n.to_string().as_bytes(), f64::from(n), &limits);
    }
    let SortedSet::Big(big) = &set else {
        panic!("the set is big")
    };
    big.order.check();
    let bytes = big.order.memory_usage();
    assert!(
        bytes < count as usize * 8,
        "{bytes} bytes for {count} members"
    );
}
