//! Streams against a naive model: a vector of entries, cut into nodes by Redis's own arithmetic on
//! a listpack that is written out in full.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::value::EncodingLimits;
use crate::value::packed::PackedItem;

/// An entry of the model.
#[derive(Debug, Clone, PartialEq)]
struct ModelEntry {
    id: StreamId,
    pairs: Vec<Vec<u8>>,
    is_deleted: bool,
}

/// The model: nodes of entries.
#[derive(Debug, Clone, Default)]
struct Model {
    nodes: Vec<Vec<ModelEntry>>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
}

/// Bytes of one listpack entry, as the documentation of the format has them.
fn element_len(text: &[u8]) -> usize {
    let integer = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<i64>().ok().filter(|n| n.to_string() == text));
    let len = match integer {
        Some(0..=127) => 1,
        Some(-4096..=4095) => 2,
        Some(-32_768..=32_767) => 3,
        Some(-8_388_608..=8_388_607) => 4,
        Some(-2_147_483_648..=2_147_483_647) => 5,
        Some(_) => 9,
        None if text.len() < 64 => 1 + text.len(),
        None if text.len() < 4096 => 2 + text.len(),
        None => 5 + text.len(),
    };
    len + match len {
        0..=127 => 1,
        128..=16_383 => 2,
        _ => 3,
    }
}

fn node_len(node: &[ModelEntry]) -> usize {
    let master: Vec<&Vec<u8>> = node[0].pairs.iter().step_by(2).collect();
    let live = node.iter().filter(|entry| !entry.is_deleted).count();
    let number = |n: i64| element_len(n.to_string().as_bytes());
    let mut len = 7 + number(live as i64) + number((node.len() - live) as i64);
    len += number(master.len() as i64) + number(0);
    len += master.iter().map(|field| element_len(field)).sum::<usize>();
    for entry in node {
        let first = node[0].id;
        let is_same = entry.pairs.iter().step_by(2).eq(master.iter().copied());
        len += number(i64::from(is_same) * 2 + i64::from(entry.is_deleted));
        len += number((entry.id.ms - first.ms) as i64);
        len += number(entry.id.seq.wrapping_sub(first.seq) as i64);
        let count = entry.pairs.len() / 2;
        let mut parts = 3 + count;
        if !is_same {
            len += number(count as i64);
            parts += count + 1;
        }
        let stored = entry.pairs.iter().enumerate();
        let stored = stored.filter(|(index, _)| !is_same || index % 2 == 1);
        len += stored.map(|(_, part)| element_len(part)).sum::<usize>();
        len += number(parts as i64);
    }
    len
}

impl Model {
    fn live(&self) -> impl DoubleEndedIterator<Item = &ModelEntry> {
        self.nodes
            .iter()
            .flatten()
            .filter(|entry| !entry.is_deleted)
    }

    fn append(&mut self, id: StreamId, pairs: Vec<Vec<u8>>, limits: &EncodingLimits) {
        let added: usize = pairs.iter().map(Vec::len).sum();
        let is_full = self.nodes.last().is_none_or(|node| {
            node_len(node) + added >= limits.stream_node_max_bytes as usize
                || node.len() >= limits.stream_node_max_entries as usize
        });
        if is_full {
            self.nodes.push(Vec::new());
        }
        let is_deleted = false;
        let node = self.nodes.last_mut().unwrap();
        node.push(ModelEntry {
            id,
            pairs,
            is_deleted,
        });
        self.last_id = id;
        self.added += 1;
    }

    fn delete(&mut self, id: StreamId) -> bool {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let found = node.iter_mut().find(|entry| entry.id == id);
            if let Some(entry) = found.filter(|entry| !entry.is_deleted) {
                entry.is_deleted = true;
                self.max_deleted_id = self.max_deleted_id.max(id);
                if node.iter().all(|entry| entry.is_deleted) {
                    self.nodes.remove(index);
                }
                return true;
            }
        }
        false
    }

    fn trim(&mut self, trim: &Trim) -> u64 {
        let before = self.live().count();
        let is_kept = |entry: &ModelEntry, left: usize| match trim.target {
            TrimTarget::Length(length) => left as u64 <= length,
            TrimTarget::From(id) => entry.id >= id,
        };
        loop {
            let left = self.live().count();
            let Some(node) = self.nodes.first() else {
                break;
            };
            let live = node.iter().filter(|entry| !entry.is_deleted).count();
            if matches!(trim.target, TrimTarget::Length(length) if left as u64 <= length)
                || trim.limit != 0 && (before - left + live) as u64 > trim.limit
            {
                break;
            }
            let goes = match trim.target {
                TrimTarget::Length(length) => (left - live) as u64 >= length,
                TrimTarget::From(id) => node.last().unwrap().id < id,
            };
            if goes {
                self.nodes.remove(0);
                continue;
            }
            if !trim.is_approximate {
                let mut left = left;
                for entry in &mut self.nodes[0] {
                    if is_kept(entry, left) {
                        break;
                    }
                    left -= usize::from(!entry.is_deleted);
                    entry.is_deleted = true;
                }
            }
            break;
        }
        (before - self.live().count()) as u64
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append {
        ms: u64,
        seq: u64,
        pairs: Vec<Vec<u8>>,
    },
    Delete(prop::sample::Index),
    Trim {
        by_length: bool,
        at: prop::sample::Index,
        is_approximate: bool,
        limit: u64,
    },
    Range(prop::sample::Index, prop::sample::Index),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        5 => prop::sample::select(vec!["f", "name", "12", ""]).prop_map(|s| s.as_bytes().to_vec()),
        3 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        3 => (-200i64..200).prop_map(|n| n.to_string().into_bytes()),
        2 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 60..140),
    ]
}

fn pairs() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let alike = text().prop_map(|value| vec![b"field".to_vec(), value]);
    let any = prop::collection::vec((text(), text()), 1..4)
        .prop_map(|pairs| pairs.into_iter().flat_map(|(a, b)| [a, b]).collect());
    prop_oneof![3 => alike, 1 => any]
}

fn step() -> impl Strategy<Value = Step> {
    let distance = prop_oneof![4 => Just(0u64), 2 => 1..3u64, 1 => 1..1_000_000u64];
    let seq = prop_oneof![3 => Just(1u64), 1 => 0..1000u64, 1 => Just(u64::MAX / 2)];
    prop_oneof![
        12 => (distance, seq, pairs()).prop_map(|(ms, seq, pairs)| Step::Append { ms, seq, pairs }),
        3 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => (any::<bool>(), any::<prop::sample::Index>(), any::<bool>(), 0..8u64).prop_map(
            |(by_length, at, is_approximate, limit)| Step::Trim { by_length, at, is_approximate, limit }
        ),
        2 => (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(start, end)| Step::Range(start, end)),
    ]
}

fn owned(entry: StreamEntry<'_>) -> (StreamId, Vec<Vec<u8>>) {
    let pairs = entry
        .fields
        .flat_map(|(field, value)| [field.to_vec(), value.to_vec()]);
    (entry.id, pairs.collect())
}

fn check_same(stream: &Stream, model: &Model) {
    let live: Vec<_> = model
        .live()
        .map(|entry| (entry.id, entry.pairs.clone()))
        .collect();
    assert_eq!(stream.len(), live.len() as u64);
    assert_eq!(stream.iter().map(owned).collect::<Vec<_>>(), live);
    let backwards = stream.range_backwards(StreamId::MIN, StreamId::MAX);
    let mut backwards: Vec<_> = backwards.map(owned).collect();
    backwards.reverse();
    assert_eq!(backwards, live);
    let first = live.first().map_or(StreamId::MIN, |(id, _)| *id);
    assert_eq!(stream.first_id(), first);
    assert_eq!(stream.last_entry_id(), live.last().map(|(id, _)| *id));
    assert_eq!(stream.last_id(), model.last_id);
    assert_eq!(stream.max_deleted_id(), model.max_deleted_id);
    assert_eq!(stream.entries_added(), model.added);
    let blocks: Vec<_> = stream
        .blocks()
        .map(|block| (block.first_id(), block.live_len(), block.deleted_len()))
        .collect();
    let nodes = model.nodes.iter().map(|node| {
        let live = node.iter().filter(|entry| !entry.is_deleted).count();
        (node[0].id, live as u64, (node.len() - live) as u64)
    });
    assert_eq!(blocks, nodes.collect::<Vec<_>>());
    for (block, node) in stream.blocks().zip(&model.nodes) {
        assert_eq!(block.block.listpack_len(), node_len(node) as u64);
    }
}

fn rebuilt(stream: &Stream) -> Stream {
    let mut builder = StreamBuilder::new();
    for block in stream.blocks() {
        let fields: Vec<_> = block.master_fields().collect();
        builder.begin_block(fields.into_iter());
        for entry in block.entries() {
            let is_deleted = entry.is_deleted;
            let id = entry.id;
            let pairs: Vec<_> = entry
                .fields
                .flat_map(|(field, value)| [field, value])
                .collect();
            builder.push(id, &pairs, is_deleted).unwrap();
        }
    }
    builder
        .finish(
            Some(stream.last_id()),
            stream.entries_added(),
            stream.max_deleted_id(),
        )
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]

    #[test]
    fn a_stream_behaves_like_its_model(
        steps in prop::collection::vec(step(), 1..120),
        max_entries in 1..12u64,
        max_bytes in 50..600u64,
    ) {
        let limits = EncodingLimits {
            stream_node_max_bytes: max_bytes,
            stream_node_max_entries: max_entries,
            ..EncodingLimits::default()
        };
        let mut stream = Stream::new();
        let mut model = Model::default();
        for step in steps {
            let ids: Vec<StreamId> = model.nodes.iter().flatten().map(|entry| entry.id).collect();
            let any_id = |index: &prop::sample::Index| match ids.len() {
                0 => StreamId::new(1, 1),
                len => ids[index.index(len)],
            };
            match step {
                Step::Append { ms, seq, pairs } => {
                    let last = model.last_id;
                    let seq = if ms == 0 { last.seq.saturating_add(seq.max(1)) } else { seq };
                    let id = StreamId::new(last.ms + ms, seq);
                    let borrowed: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
                    let added = stream.append(EntryId::Exactly(id), &borrowed, &limits);
                    if id > last {
                        prop_assert_eq!(added, Ok(id));
                        model.append(id, pairs, &limits);
                    } else {
                        prop_assert_eq!(added, Err(AppendError::NotGreater));
                    }
                }
                Step::Delete(index) => {
                    let id = any_id(&index);
                    prop_assert_eq!(stream.contains(id), model.live().any(|entry| entry.id == id));
                    prop_assert_eq!(stream.delete(id), model.delete(id));
                    prop_assert!(!stream.contains(id));
                }
                Step::Trim { by_length, at, is_approximate, limit } => {
                    let target = if by_length {
                        TrimTarget::Length(at.index(ids.len() + 1) as u64)
                    } else {
                        TrimTarget::From(any_id(&at))
                    };
                    let limit = if is_approximate { limit } else { 0 };
                    let trim = Trim { target, is_approximate, limit };
                    prop_assert_eq!(stream.trim(&trim), model.trim(&trim));
                }
                Step::Range(start, end) => {
                    let (start, end) = (any_id(&start), any_id(&end));
                    let found: Vec<_> = stream.range(start, end).map(|entry| entry.id).collect();
                    let expected: Vec<_> = model
                        .live()
                        .map(|entry| entry.id)
                        .filter(|&id| start <= id && id <= end)
                        .collect();
                    prop_assert_eq!(&found, &expected);
                    let mut backwards: Vec<_> =
                        stream.range_backwards(start, end).map(|entry| entry.id).collect();
                    backwards.reverse();
                    prop_assert_eq!(backwards, expected);
                }
            }
            check_same(&stream, &model);
        }
        check_same(&rebuilt(&stream), &model);
        check_same(&stream.clone(), &model);
    }

    #[test]
    fn a_group_knows_who_has_what(
        steps in prop::collection::vec((0..5u8, 0..4u8, 0..12u64), 1..80)
    ) {
        let mut stream = Stream::new();
        stream.create_group(b"g", StreamId::MIN, None);
        let group = stream.group_mut(b"g").unwrap();
        let mut owners: BTreeMap<u64, (u8, i64)> = BTreeMap::new();
        let mut consumers = std::collections::BTreeSet::new();
        for (time, (step, consumer, seq)) in (0i64..).zip(steps) {
            let name = [consumer];
            let id = StreamId::new(0, seq);
            match step {
                0 => {
                    let had = owners.iter().filter(|(_, owner)| owner.0 == consumer).count();
                    let was_there = consumers.remove(&consumer);
                    prop_assert_eq!(group.delete_consumer(&name), was_there.then_some(had));
                    owners.retain(|_, owner| owner.0 != consumer);
                }
                1 => {
                    let removed = group.remove_pending(id).is_some();
                    prop_assert_eq!(removed, owners.remove(&seq).is_some());
                }
                _ => {
                    let (owner, is_new) = group.find_or_create_consumer(&name, time);
                    prop_assert_eq!(is_new, consumers.insert(consumer));
                    let pending = Pending { consumer: owner, delivery_ms: time, delivery_count: 1 };
                    group.set_pending(id, pending);
                    owners.insert(seq, (consumer, time));
                }
            }
            let found: Vec<_> = group
                .pending()
                .map(|(id, pending)| {
                    (id.seq, (group.consumer(pending.consumer).name()[0], pending.delivery_ms))
                })
                .collect();
            prop_assert_eq!(found, owners.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(group.consumer_len(), consumers.len());
            for owner in group.consumers() {
                let has: Vec<_> = owner.pending_ids().map(|id| id.seq).collect();
                let expected = owners.iter().filter(|(_, found)| found.0 == owner.name()[0]);
                prop_assert_eq!(has, expected.map(|(&seq, _)| seq).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn deleted_entries_ahead_of_the_last_id_are_not_in_the_way() {
    let limits = EncodingLimits::default();
    let pairs: [&[u8]; 2] = [b"f", b"v"];
    let id = |ms| StreamId::new(ms, 1);
    for kept in [false, true] {
        let mut stream = Stream::new();
        for ms in [1, 3, 5] {
            let added = stream.append(EntryId::Exactly(id(ms)), &pairs, &limits);
            assert_eq!(added, Ok(id(ms)));
        }
        stream.delete(id(3));
        stream.delete(id(5));
        if !kept {
            // Leaves a block of which nothing is left but what was deleted.
            let target = TrimTarget::From(id(4));
            let (is_approximate, limit) = (false, 0);
            let trim = Trim {
                target,
                is_approximate,
                limit,
            };
            assert_eq!(stream.trim(&trim), 1);
            assert_eq!((stream.len(), stream.block_count()), (0, 1));
        }
        stream.set_facts(id(2), None, Some(StreamId::MIN));
        for ms in [3, 4, 6] {
            stream
                .append(EntryId::Exactly(id(ms)), &pairs, &limits)
                .unwrap();
        }
        let found: Vec<u64> = stream.iter().map(|entry| entry.id.ms).collect();
        assert_eq!(
            found,
            if kept {
                vec![1, 3, 4, 6]
            } else {
                vec![3, 4, 6]
            }
        );
        assert!(stream.contains(id(3)) && stream.delete(id(3)));
        assert!(!stream.contains(id(5)));
    }
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let pair = [PackedItem::Bytes(b"f"), PackedItem::Integer(5)];
    let mut builder = StreamBuilder::new();
    builder.push(StreamId::new(2, 0), &pair, false).unwrap();
    let again = builder.push(StreamId::new(2, 0), &pair, false);
    assert_eq!(again, Err(PartsError::NotAscending));
    let odd = builder.push(StreamId::new(3, 0), &pair[..1], false);
    assert_eq!(odd, Err(PartsError::OddPairs));
    let early = StreamId::new(1, 0);
    let finished = builder.finish(Some(early), 1, StreamId::MIN);
    assert_eq!(finished.err(), Some(PartsError::LastIdTooSmall));

    let mut stream = Stream::new();
    let consumer = |name: &str, ids: &[u64]| ConsumerParts {
        name: name.into(),
        seen_ms: 5,
        active_ms: None,
        pending: ids.iter().map(|&seq| StreamId::new(1, seq)).collect(),
    };
    let group = |pending: &[u64], consumers: Vec<ConsumerParts>| GroupParts {
        pending: pending
            .iter()
            .map(|&seq| (StreamId::new(1, seq), 3, 4))
            .collect(),
        consumers,
        ..GroupParts::default()
    };
    for (parts, error) in [
        (group(&[1, 1], vec![]), PartsError::DuplicatePending),
        (group(&[1], vec![]), PartsError::UnownedPending),
        (
            group(&[], vec![consumer("a", &[1])]),
            PartsError::UnknownPending,
        ),
        (
            group(&[1], vec![consumer("a", &[1]), consumer("b", &[1])]),
            PartsError::UnknownPending,
        ),
        (
            group(&[1], vec![consumer("a", &[1]), consumer("a", &[])]),
            PartsError::DuplicateConsumer,
        ),
    ] {
        assert_eq!(stream.add_group(b"g", &parts), Err(error));
        assert_eq!(stream.group_len(), 0);
    }
    let parts = group(&[1, 2], vec![consumer("a", &[2]), consumer("b", &[1])]);
    assert_eq!(stream.add_group(b"g", &parts), Ok(()));
    assert_eq!(
        stream.add_group(b"g", &parts),
        Err(PartsError::DuplicateGroup)
    );
    let group = stream.group(b"g").unwrap();
    let pending = group.find_pending(StreamId::new(1, 1)).unwrap();
    assert_eq!(group.consumer(pending.consumer).name(), b"b");
    assert_eq!((pending.delivery_ms, pending.delivery_count), (3, 4));
}
