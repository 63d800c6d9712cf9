//! The table against `HashSet`, and the guarantees of its cursors.

use std::alloc::Layout;
use std::collections::{HashMap, HashSet};
use std::ptr::NonNull;

use proptest::prelude::*;

use super::{Element, Table, hash_bytes};
use crate::random::Random;

/// A key on the heap, with a thin pointer to it.
#[allow(clippy::box_collection, reason = "a vector is not a thin pointer")]
struct Key(Box<Vec<u8>>);

impl Key {
    fn new(key: &[u8]) -> Self {
        Key(Box::new(key.to_vec()))
    }
}

// SAFETY: a box's address is valid until the box is made again from it.
unsafe impl Element for Key {
    fn into_raw(self) -> NonNull<u8> {
        NonNull::new(Box::into_raw(self.0).cast()).expect("a box is not null")
    }
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: promised by the caller.
        Key(unsafe { Box::from_raw(raw.as_ptr().cast()) })
    }
    unsafe fn key<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: promised by the caller.
        unsafe { raw.cast::<Vec<u8>>().as_ref() }
    }
    unsafe fn layout(_: NonNull<u8>) -> Layout {
        Layout::new::<Vec<u8>>()
    }
}

fn key_of(raw: NonNull<u8>) -> Vec<u8> {
    // SAFETY: only called with addresses that the table has just given.
    unsafe { Key::key(raw) }.to_vec()
}

fn number(n: u32) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn insert(table: &mut Table<Key>, key: &[u8]) {
    let hash = table.hash_of(key);
    if table.find(hash, key).is_none() {
        table.insert_new(hash, Key::new(key));
    }
}

fn remove(table: &mut Table<Key>, key: &[u8]) -> bool {
    let hash = table.hash_of(key);
    table.remove(hash, key).is_some()
}

const COUNT: u32 = if cfg!(miri) { 300 } else { 20_000 };

#[test]
fn room_that_is_reserved_is_used_or_given_back() {
    let count = COUNT as usize;
    let mut table = Table::<Key>::new(7);
    table.reserve(count);
    let buckets = table.bucket_count();
    assert!(table.is_empty() && table.scan(0, &mut |_| ()) < u64::MAX);
    assert!(table.random(&mut Random::new(1)).is_none());
    for n in 0..COUNT {
        insert(&mut table, &number(n));
    }
    assert_eq!(table.bucket_count(), buckets, "it need not have grown");
    // Only an empty table is made wider.
    table.reserve(10 * count);
    assert_eq!(table.bucket_count(), buckets);
    for n in 0..COUNT {
        let key = number(n);
        assert_eq!(table.find(table.hash_of(&key), &key).map(key_of), Some(key));
    }
    let mut sparse = Table::<Key>::new(7);
    sparse.reserve(count);
    for n in 0..10 {
        insert(&mut sparse, &number(n));
    }
    sparse.shrink_to_fit();
    assert!(sparse.bucket_count() <= 4);
    let kept: HashSet<_> = sparse.iter().map(key_of).collect();
    assert_eq!(kept, (0..10).map(number).collect());
    let mut empty = Table::<Key>::new(7);
    empty.reserve(count);
    empty.shrink_to_fit();
    assert_eq!((empty.bucket_count(), empty.memory_usage()), (0, 0));
}

#[test]
fn grows_and_shrinks_without_losing_anything() {
    let mut table = Table::<Key>::new(7);
    for n in 0..COUNT {
        insert(&mut table, &number(n));
        assert_eq!(table.len(), n as usize + 1);
    }
    for n in 0..COUNT {
        let key = number(n);
        assert_eq!(table.find(table.hash_of(&key), &key).map(key_of), Some(key));
    }
    assert!(table.find(table.hash_of(b"absent"), b"absent").is_none());
    assert_eq!(
        table.iter().map(key_of).collect::<HashSet<_>>().len(),
        COUNT as usize
    );
    for n in 0..COUNT {
        assert!(remove(&mut table, &number(n)));
        assert!(!remove(&mut table, &number(n)));
    }
    assert!(table.is_empty());
    assert_eq!(table.bucket_count(), 0);
}

/// Keys that all belong to the first bucket of any table with so many buckets or fewer.
fn crowd(seed: u64, buckets: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..)
        .map(number)
        .filter(move |key| hash_bytes(seed, key) & (buckets - 1) == 0)
}

#[test]
fn a_crowded_bucket_is_as_good_as_any_other() {
    const SEED: u64 = 7;
    let (count, buckets) = if cfg!(miri) { (40, 8) } else { (400, 64) };
    let keys: Vec<_> = crowd(SEED, buckets).take(count).collect();
    let mut table = Table::<Key>::new(SEED);
    let roomy = table.memory_usage();
    for (position, key) in keys.iter().enumerate() {
        insert(&mut table, key);
        assert_eq!(table.len(), position + 1);
        assert!(remove(&mut table, &keys[position / 2]));
        assert!(!remove(&mut table, &keys[position / 2]));
        insert(&mut table, &keys[position / 2]);
    }
    assert!(table.bucket_count() <= buckets as usize);
    let mut sizes = Vec::new();
    for index in 0..table.bucket_count() {
        let mut size = 0;
        table.for_each_in_bucket(index, &mut |_| size += 1);
        sizes.push(size);
    }
    assert_eq!(sizes[0], count, "{sizes:?}");
    assert!(table.memory_usage() > roomy + count * 7);
    let mut scanned = HashSet::new();
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, &mut |raw| {
            scanned.insert(key_of(raw));
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned, keys.iter().cloned().collect());
    let drawn = table.random(&mut Random::new(1)).map(key_of);
    assert!(drawn.is_some_and(|key| keys.contains(&key)));
    for (position, key) in keys.iter().enumerate() {
        assert!(remove(&mut table, key));
        for kept in keys[position + 1..].iter().step_by(20) {
            let hash = table.hash_of(kept);
            assert_eq!(table.find(hash, kept).map(key_of).as_ref(), Some(kept));
        }
    }
    assert_eq!(table.bucket_count(), 0);
}

#[test]
fn a_table_dropped_full_frees_its_elements() {
    let mut table = Table::<Key>::new(7);
    for n in 0..1000 {
        insert(&mut table, &number(n));
    }
    drop(table);
}

#[test]
fn draining_takes_every_element_once() {
    let mut table = Table::<Key>::new(7);
    for n in 0..COUNT {
        insert(&mut table, &number(n));
    }
    let mut seen = HashSet::new();
    loop {
        let taken = table.drain_bucket();
        if taken.is_empty() {
            break;
        }
        for element in taken {
            assert!(seen.insert(element.0));
        }
        assert_eq!(table.len() + seen.len(), COUNT as usize);
    }
    assert_eq!(seen.len(), COUNT as usize);
}

#[test]
fn random_choice_is_fair() {
    let mut table = Table::<Key>::new(3);
    let keys = 100;
    for n in 0..keys {
        insert(&mut table, &number(n));
    }
    let mut random = Random::new(1);
    let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
    let draws = if cfg!(miri) { 1000 } else { 100_000 };
    for _ in 0..draws {
        *counts
            .entry(key_of(table.random(&mut random).expect("not empty")))
            .or_default() += 1;
    }
    assert_eq!(counts.len(), keys as usize);
    if !cfg!(miri) {
        // Mean 1000, standard deviation 31: six of them either way.
        assert!(
            counts.values().all(|&count| (810..1190).contains(&count)),
            "{counts:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]

    #[test]
    fn behaves_as_a_set(operations in prop::collection::vec((any::<bool>(), 0u32..400), 0..2000)) {
        let mut table = Table::<Key>::new(11);
        let mut model = HashSet::new();
        for (is_insert, n) in operations {
            let key = number(n);
            if is_insert {
                insert(&mut table, &key);
                model.insert(key);
            } else {
                prop_assert_eq!(remove(&mut table, &key), model.remove(&key));
            }
            prop_assert_eq!(table.len(), model.len());
        }
        prop_assert_eq!(table.iter().map(key_of).collect::<HashSet<_>>(), model);
    }

    /// Keys that are there from the first cursor to the last are visited, whatever grows or
    /// shrinks in between.
    #[test]
    fn scan_visits_what_stays(
        stable in 1u32..300,
        steps in prop::collection::vec((any::<bool>(), 1u32..200), 1..100),
    ) {
        let mut table = Table::<Key>::new(5);
        for n in 0..stable {
            insert(&mut table, &number(n));
        }
        let mut seen = HashSet::new();
        let mut cursor = 0;
        let mut steps = steps.into_iter().cycle();
        let mut extra = 1_000_000;
        for round in 0..100_000 {
            cursor = table.scan(cursor, &mut |raw| { seen.insert(key_of(raw)); });
            if cursor == 0 {
                break;
            }
            prop_assert!(round < 99_999, "the scan does not end");
            let (grow, by) = steps.next().expect("the cycle is endless");
            for _ in 0..by {
                if grow {
                    insert(&mut table, &number(extra));
                    extra += 1;
                } else if extra > 1_000_000 {
                    extra -= 1;
                    remove(&mut table, &number(extra));
                }
            }
            // Bounds the growth, or the scan would rightly run for ever.
            if table.len() > 20_000 {
                while extra > 1_000_000 {
                    extra -= 1;
                    remove(&mut table, &number(extra));
                }
            }
        }
        for n in 0..stable {
            prop_assert!(seen.contains(&number(n)), "missed {n}");
        }
    }
}
