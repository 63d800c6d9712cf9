//! The list against a naive model, with limits so small that short lists have many nodes.

use super::element::Element;
use super::iter::Iter;
use super::limit::BlockLimit;
use super::quicklist::Quicklist;
use super::run::Run;
use super::{End, List, ListRef};
use crate::value::EncodingLimits;
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::VecDeque;

type Model = VecDeque<Vec<u8>>;

#[derive(Debug, Clone)]
enum Change {
    Push(End, Vec<Vec<u8>>),
    Pop(End),
    Insert(Index, Vec<u8>),
    InsertBeside(Vec<u8>, bool, Vec<u8>),
    Set(Index, Vec<u8>),
    Remove(Index, Index),
    RemoveEqual(Vec<u8>, usize, End),
    Keep(Index, Index),
    Append(Vec<Vec<u8>>),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

/// Few different values, so that equal ones meet; of one length, of many, and integers of all widths.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..6u8).prop_map(|n| vec![b'a' + n; 5]),
        4 => (0..20i64).prop_map(|n| n.to_string().into_bytes()),
        3 => (0..63u32, -1..2i64, any::<bool>()).prop_map(|(bits, offset, negative)| {
            let integer = (1i64 << bits).wrapping_add(offset);
            let integer = if negative { integer.wrapping_neg() } else { integer };
            integer.to_string().into_bytes()
        }),
        2 => Just(b"12345".to_vec()),
        2 => Just(Vec::new()),
        1 => Just(b"007".to_vec()),
        2 => (0..70usize).prop_map(|len| vec![b'v'; len]),
        1 => (0..4usize).prop_map(|n| vec![b'w'; [150, 1000, 2500, 5000][n]]),
    ]
}

/// Values that let nodes stay uniform.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop_oneof![
        prop::collection::vec(value(), 1..6),
        prop::collection::vec((0..6u8).prop_map(|n| vec![b'a' + n; 5]), 1..40),
        prop::collection::vec(
            (-300..300i64).prop_map(|n| n.to_string().into_bytes()),
            1..40
        ),
        (1..80usize).prop_map(|count| vec![Vec::new(); count]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (end(), values()).prop_map(|(end, values)| Change::Push(end, values)),
        4 => end().prop_map(Change::Pop),
        6 => (any::<Index>(), value()).prop_map(|(at, value)| Change::Insert(at, value)),
        2 => (value(), any::<bool>(), value())
            .prop_map(|(pivot, after, value)| Change::InsertBeside(pivot, after, value)),
        4 => (any::<Index>(), value()).prop_map(|(at, value)| Change::Set(at, value)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(at, count)| Change::Remove(at, count)),
        2 => (value(), 1..4usize, end())
            .prop_map(|(value, most, from)| Change::RemoveEqual(value, most, from)),
        1 => (value(), end())
            .prop_map(|(value, from)| Change::RemoveEqual(value, usize::MAX, from)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, count)| Change::Keep(at, count)),
        1 => values().prop_map(Change::Append),
    ]
}

fn limits() -> impl Strategy<Value = EncodingLimits> {
    let size = prop_oneof![1..6i64, Just(20), Just(-1), Just(-2)];
    (size, 0..4i64).prop_map(
        |(list_max_listpack_size, list_compress_depth)| EncodingLimits {
            list_max_listpack_size,
            list_compress_depth,
            ..EncodingLimits::default()
        },
    )
}

/// Removes as LREM does, and answers how many it has removed.
fn remove_equal(model: &mut Model, value: &[u8], most: usize, from: End) -> usize {
    let mut found: Vec<usize> = (0..model.len()).filter(|&i| model[i] == value).collect();
    if from == End::Back {
        found.reverse();
    }
    found.truncate(most);
    found.sort_unstable();
    for &index in found.iter().rev() {
        model.remove(index);
    }
    found.len()
}

fn apply(change: &Change, list: &mut List, model: &mut Model, limits: &EncodingLimits) {
    match change {
        Change::Push(end, values) => {
            list.push_all(*end, values.iter().map(Vec::as_slice), limits);
            for value in values {
                match end {
                    End::Front => model.push_front(value.clone()),
                    End::Back => model.push_back(value.clone()),
                }
            }
        }
        Change::Pop(end) => {
            let expected = match end {
                End::Front => model.pop_front(),
                End::Back => model.pop_back(),
            };
            assert_eq!(list.pop(*end, limits), expected);
        }
        Change::Insert(at, value) => {
            let at = at.index(model.len() + 1);
            list.insert(at, value, limits);
            model.insert(at, value.clone());
        }
        Change::InsertBeside(pivot, after, value) => {
            let found = model.iter().position(|it| it == pivot);
            if let Some(at) = found {
                model.insert(at + usize::from(*after), value.clone());
            }
            let inserted = list.insert_beside(pivot, *after, value, limits);
            assert_eq!(inserted, found.is_some());
        }
        Change::Set(at, value) => {
            let at = at.index(model.len() + 1);
            assert_eq!(list.set(at, value, limits), at < model.len());
            if at < model.len() {
                model[at] = value.clone();
            }
        }
        Change::Remove(at, count) => {
            let at = at.index(model.len() + 1);
            let end = at + count.index(model.len() - at + 1);
            list.remove(at..end, limits);
            model.drain(at..end);
        }
        Change::RemoveEqual(value, most, from) => {
            let removed = list.remove_equal(value, *most, *from, limits);
            assert_eq!(removed, remove_equal(model, value, *most, *from));
        }
        Change::Keep(at, count) => {
            // Half of the list at least, so that lists grow.
            let at = at.index(model.len() / 4 + 1);
            let end = model.len() - count.index(model.len() / 4 + 1);
            list.keep(at..end, limits);
            model.drain(end..);
            model.drain(..at);
        }
        Change::Append(values) => {
            let mut other = List::new();
            other.push_all(End::Back, values.iter().map(Vec::as_slice), limits);
            list.append(other.as_ref(), limits);
            model.extend(values.iter().cloned());
        }
    }
}

fn check(list: ListRef<'_>, model: &Model) {
    assert_eq!(list.len(), model.len());
    let forward: Vec<_> = list.iter().map(|item| item.to_vec()).collect();
    assert_eq!(*model, forward);
    if let ListRef::Quicklist(list) = list {
        list.check();
    }
}

fn check_reading(list: ListRef<'_>, model: &Model, at: Index, sought: &[u8], rank: i64) {
    let backward = list.range_back(0..model.len());
    let backward: Vec<_> = backward.map(|it| it.to_vec()).collect();
    assert!(backward.iter().eq(model.iter().rev()));
    for index in 0..model.len() + 2 {
        let found = list.get(index).map(|item| item.to_vec());
        assert_eq!(found.as_ref(), model.get(index));
    }
    let at = at.index(model.len() + 1);
    let texts = |items: Iter<'_>| {
        let mut texts = Vec::new();
        items.for_each(|item| texts.push(item.to_vec()));
        texts
    };
    let after = list.range(at..usize::MAX);
    assert_eq!(after.len(), model.len() - at);
    assert!(texts(after).iter().eq(model.iter().skip(at)));
    let before = list.range_back(0..at);
    assert!(texts(before.clone()).iter().eq(model.iter().take(at).rev()));
    // Step by step is another way than all at once.
    let mut by_steps = Vec::new();
    for item in before {
        by_steps.push(item.to_vec());
    }
    assert!(by_steps.iter().eq(model.iter().take(at).rev()));
    let middle = at / 2..at;
    let forward = texts(list.range(middle.clone()));
    assert!(forward.iter().eq(model.range(middle.clone())));
    let backward = texts(list.range_back(middle.clone()));
    assert!(backward.iter().eq(model.range(middle).rev()));
    assert_eq!(
        list.find(sought),
        model.iter().position(|value| value == sought)
    );

    let mut matches: Vec<usize> = (0..model.len()).collect();
    if rank < 0 {
        matches.reverse();
    }
    matches.truncate(at);
    matches.retain(|&index| model[index] == sought);
    let expected: Vec<_> = matches
        .into_iter()
        .skip(rank.unsigned_abs() as usize - 1)
        .collect();
    let mut positions = Vec::new();
    list.positions(sought, rank, at, |index| {
        positions.push(index);
        true
    });
    assert_eq!(positions, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]

    #[test]
    fn a_list_is_a_deque_of_strings(
        mut limits in limits(),
        changes in prop::collection::vec(change(), 1..60),
        at: Index,
        sought in value(),
        rank in prop_oneof![-4..0i64, 1..4i64],
    ) {
        let mut list = List::new();
        let mut model = Model::new();
        for (step, change) in changes.iter().enumerate() {
            if step % 16 == 15 {
                // CONFIG SET in between.
                limits.list_compress_depth = (limits.list_compress_depth + 1) % 4;
            }
            apply(change, &mut list, &mut model, &limits);
            check(list.as_ref(), &model);
        }
        check_reading(list.as_ref(), &model, at, &sought, rank);
        check(list.clone().as_ref(), &model);
    }

    /// Nodes of a few dozen bytes, which no configuration gives.
    #[test]
    fn a_quicklist_of_tiny_nodes_is_a_deque_of_strings(
        bytes in 8..100usize,
        count in prop_oneof![Just(usize::MAX), 1..5usize],
        depth in 0..4usize,
        changes in prop::collection::vec((0..8u8, any::<Index>(), any::<Index>(), value()), 1..150),
    ) {
        let limit = BlockLimit { bytes, count, depth };
        let mut list = Quicklist::from_run(Run::EMPTY, false);
        let mut model = Model::new();
        for (change, at, other, value) in changes {
            match change {
                0..=3 => {
                    let at = at.index(model.len() + 1);
                    list.insert(at, Element::new(&value), limit);
                    model.insert(at, value);
                }
                4 if !model.is_empty() => {
                    let at = at.index(model.len());
                    list.replace(at, Element::new(&value), limit);
                    model[at] = value;
                }
                5 => {
                    let at = at.index(model.len() + 1);
                    let removed = other.index(model.len() - at + 1) / 3;
                    list.remove(at, removed, limit);
                    model.drain(at..at + removed);
                }
                6 => {
                    let most = other.index(3) + 1;
                    let removed = list.remove_equal(Element::new(&value), most, true, limit);
                    prop_assert_eq!(removed, remove_equal(&mut model, &value, most, End::Back));
                }
                _ => {
                    for n in 0..other.index(30) {
                        list.insert(0, Element::new(&[b'a' + n as u8; 3]), limit);
                        model.push_front(vec![b'a' + n as u8; 3]);
                    }
                }
            }
            check(ListRef::Quicklist(&list), &model);
        }
    }

    #[test]
    fn indexes_count_from_both_ends(len in 0..6usize, first in -9..9i64, last in -9..9i64) {
        let mut list = List::new();
        for _ in 0..len {
            list.push_back(b"x", &EncodingLimits::default());
        }
        let list = list.as_ref();
        let len = len as i64;
        let from_front = |index: i64| if index < 0 { len + index } else { index };
        let expected = Some(from_front(first)).filter(|index| (0..len).contains(index));
        prop_assert_eq!(list.resolve(first), expected.map(|index| index as usize));
        let members = (0..len).filter(|it| (from_front(first)..=from_front(last)).contains(it));
        let range = list.resolve_range(first, last);
        prop_assert_eq!(range.map(|it| it as i64).collect::<Vec<_>>(), members.collect::<Vec<_>>());
    }
}

#[test]
fn indexes_at_the_edge_of_i64_are_no_elements() {
    let mut list = List::new();
    list.push_back(b"x", &EncodingLimits::default());
    let list = list.as_ref();
    assert_eq!(list.resolve(i64::MIN), None);
    assert_eq!(list.resolve(i64::MAX), None);
    assert_eq!(list.resolve_range(i64::MIN, i64::MAX), 0..1);
    assert_eq!(list.resolve_range(i64::MAX, i64::MIN), 0..0);
    let mut found = Vec::new();
    list.positions(b"x", i64::MIN, usize::MAX, |index| {
        found.push(index);
        true
    });
    assert_eq!(found, []);
}

fn sized(list_max_listpack_size: i64) -> EncodingLimits {
    EncodingLimits {
        list_max_listpack_size,
        ..EncodingLimits::default()
    }
}

#[test]
fn a_list_is_a_listpack_up_to_its_limit() {
    let limits = sized(3);
    let mut list = List::new();
    for value in [b"a", b"b", b"c"] {
        list.push_back(value, &limits);
        assert_eq!(list.as_ref().encoding(), "listpack");
    }
    list.push_back(b"d", &limits);
    assert_eq!(list.as_ref().encoding(), "quicklist");
    for _ in 0..2 {
        list.pop(End::Front, &limits);
        assert_eq!(list.as_ref().encoding(), "quicklist");
    }
    list.pop(End::Front, &limits);
    assert_eq!(list.as_ref().encoding(), "listpack");
}

#[test]
fn bytes_are_counted_as_a_listpack_would_take_them() {
    let limits = sized(-1);
    for (value, len) in [
        (b"5".as_slice(), 2),
        (b"abc", 5),
        (b"3000", 3),
        (b"-9000000", 6),
    ] {
        let mut list = List::new();
        let mut bytes = 7;
        while bytes + value.len() <= 4096 {
            list.push_back(value, &limits);
            assert_eq!(list.as_ref().encoding(), "listpack");
            bytes += len;
        }
        list.push_back(value, &limits);
        assert_eq!(list.as_ref().encoding(), "quicklist");
        bytes += len;
        while bytes > 2048 {
            assert_eq!(list.as_ref().encoding(), "quicklist", "{bytes} bytes");
            list.pop(End::Front, &limits);
            bytes -= len;
        }
        assert_eq!(list.as_ref().encoding(), "listpack");
    }
}

#[test]
fn what_is_far_from_the_ends_is_compressed_and_comes_back() {
    let limits = EncodingLimits {
        list_compress_depth: 1,
        ..EncodingLimits::default()
    };
    let mut plain = List::new();
    let mut compressed = List::new();
    for n in 0..2000 {
        let value = format!("the element with the number {n}");
        plain.push_back(value.as_bytes(), &EncodingLimits::default());
        compressed.push_back(value.as_bytes(), &limits);
    }
    assert!(compressed.memory_usage() < plain.memory_usage() / 2);
    let ListRef::Quicklist(list) = compressed.as_ref() else {
        panic!("it has nodes");
    };
    let states: Vec<bool> = list.nodes().map(|node| node.is_compressed).collect();
    let (last, rest) = states.split_last().unwrap();
    assert!(!last && !rest[0] && rest[1..].iter().all(|&it| it) && rest.len() > 3);
    // Who only changes the ends changes nothing in between, and at depth 0 all is opened again.
    compressed.push_back(b"x", &EncodingLimits::default());
    plain.push_back(b"x", &EncodingLimits::default());
    let ListRef::Quicklist(list) = compressed.as_ref() else {
        panic!("it has nodes");
    };
    assert!(list.nodes().all(|node| !node.is_compressed));
    let texts = |list: &List| -> Vec<_> { list.as_ref().iter().map(|it| it.to_vec()).collect() };
    assert_eq!(texts(&plain), texts(&compressed));
}

#[test]
fn values_pushed_together_count_together() {
    let limits = sized(-1);
    let half = [b'x'; 2100];
    let mut list = List::new();
    list.push_all(End::Back, [half.as_slice(), &half].into_iter(), &limits);
    assert_eq!(list.as_ref().encoding(), "quicklist");
    let mut list = List::new();
    list.push_back(&[b'x'; 4090], &limits);
    assert_eq!(list.as_ref().encoding(), "quicklist");
}
