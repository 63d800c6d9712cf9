//! Entries and databases against a naive model: every way of writing an entry, in any order, over
//! keys and values of every length class.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Collection, Database, Entry, EntryRef, Meters, SLOT_BYTES, collection_ref};
use crate::table::hash_bytes;
use crate::value::{EncodingLimits, Hash, Set, StringRef, Value, ValueType};

const SEED: u64 = 5;

/// What a key holds in the model.
#[derive(Debug, Clone, PartialEq)]
enum Held {
    String(Vec<u8>),
    Hash(HashMap<Vec<u8>, Vec<u8>>),
}

#[derive(Debug, Clone)]
enum Operation {
    SetString(Vec<u8>, Option<i64>),
    SetKeepingExpire(Vec<u8>),
    SetInteger(i64),
    Append(Vec<u8>),
    SetExpire(Option<i64>),
    SetField(Vec<u8>, Vec<u8>),
    RemoveField(Vec<u8>),
    Store(Vec<u8>),
    Rename(usize),
    Remove,
}

/// Strings around every boundary: integers, one-byte lengths, three-byte lengths, boxed.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-200i64..200).prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40),
        (240usize..270).prop_map(|len| vec![b'x'; len]),
        (1000usize..1050).prop_map(|len| vec![b'y'; len]),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let expire = || prop::option::of(1i64..1_000_000);
    prop_oneof![
        (value(), expire()).prop_map(|(value, expire)| Operation::SetString(value, expire)),
        value().prop_map(Operation::SetKeepingExpire),
        any::<i64>().prop_map(Operation::SetInteger),
        value().prop_map(Operation::Append),
        expire().prop_map(Operation::SetExpire),
        (value(), value()).prop_map(|(field, value)| Operation::SetField(field, value)),
        value().prop_map(Operation::RemoveField),
        value().prop_map(Operation::Store),
        (0usize..KEYS).prop_map(Operation::Rename),
        Just(Operation::Remove),
    ]
}

const KEYS: usize = 6;

/// Keys of every length class, the empty one among them.
fn key(index: usize) -> Vec<u8> {
    vec![b'k'; [0, 1, 16, 255, 256, 700][index]]
}

fn hash(key: &[u8]) -> u64 {
    hash_bytes(SEED, key)
}

type Model = HashMap<Vec<u8>, (Held, Option<i64>)>;

fn apply(database: &mut Database, model: &mut Model, key: &[u8], operation: Operation) {
    let hash = hash(key);
    let limits = EncodingLimits {
        hash_max_listpack_entries: 8,
        ..Default::default()
    };
    let held = model.get(key).map(|(held, _)| held.clone());
    match operation {
        Operation::SetString(value, expire) => {
            assert_eq!(
                database.set_string(hash, key, &value, expire, |_| {}),
                held.is_some()
            );
            model.insert(key.to_vec(), (Held::String(value), expire));
        }
        Operation::SetKeepingExpire(value) => {
            database.set_string_keeping_expire(hash, key, &value);
            let expire = model.get(key).and_then(|(_, expire)| *expire);
            model.insert(key.to_vec(), (Held::String(value), expire));
        }
        Operation::SetInteger(n) => {
            database.set_integer_keeping_expire(hash, key, n);
            let expire = model.get(key).and_then(|(_, expire)| *expire);
            model.insert(
                key.to_vec(),
                (Held::String(n.to_string().into_bytes()), expire),
            );
        }
        Operation::Append(suffix) => {
            let string = database.raw_string_mut(hash, key);
            match model.get_mut(key) {
                Some((Held::String(value), _)) => {
                    let mut string = string.expect("a string is there");
                    string.extend_from_slice(&suffix);
                    value.extend_from_slice(&suffix);
                }
                _ => assert!(string.is_none()),
            }
        }
        Operation::SetExpire(expire) => {
            assert_eq!(database.set_expire(hash, key, expire), held.is_some());
            if let Some((_, at)) = model.get_mut(key) {
                *at = expire;
            }
        }
        Operation::SetField(field, value) => {
            if matches!(held, Some(Held::String(_))) {
                return;
            }
            let mut collection = database.collection_mut::<Hash>(hash, key);
            assert_eq!(collection.existed(), held.is_some());
            collection.set(&field, &value, &limits);
            drop(collection);
            let empty = || (Held::Hash(HashMap::new()), None);
            let (Held::Hash(fields), _) = model.entry(key.to_vec()).or_insert_with(empty) else {
                unreachable!("strings were left alone");
            };
            fields.insert(field, value);
        }
        Operation::RemoveField(field) => {
            let Some((Held::Hash(fields), _)) = model.get_mut(key) else {
                return;
            };
            let mut collection = database.collection_mut::<Hash>(hash, key);
            assert_eq!(collection.remove(&field), fields.remove(&field).is_some());
            drop(collection);
            if fields.is_empty() {
                model.remove(key);
            }
        }
        Operation::Store(member) => {
            let mut set = Set::new();
            set.insert(&member, &limits);
            database.insert(hash, Entry::from_value(key, Value::Set(set), None));
            // The model needs no sets: take it away again and see that it was one.
            let entry = database.remove(hash, key).expect("just stored");
            assert_eq!(entry.as_ref().value_type(), ValueType::Set);
            assert_eq!(
                <Set as Collection>::count(collection_ref::<Set>(entry.as_ref())),
                1
            );
            model.remove(key);
        }
        Operation::Rename(index) => {
            let target = self::key(index);
            let Some(entry) = database.remove(hash, key) else {
                return;
            };
            let expire = entry.as_ref().expire_ms();
            database.insert(self::hash(&target), entry.renamed(&target, expire));
            let moved = model.remove(key).expect("the database had it");
            model.insert(target, moved);
        }
        Operation::Remove => {
            assert_eq!(
                database.remove(hash, key).is_some(),
                model.remove(key).is_some()
            );
        }
    }
}

fn held(entry: EntryRef<'_>) -> Held {
    match entry.value_type() {
        ValueType::String => Held::String(entry.string().expect("a string").to_vec()),
        _ => {
            let fields = collection_ref::<Hash>(entry);
            let pairs = fields
                .iter()
                .map(|(field, value)| (field.to_vec(), value.to_vec()));
            Held::Hash(pairs.collect())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 256 }))]

    #[test]
    fn behaves_as_a_map(
        operations in prop::collection::vec((0usize..KEYS, operation()), 0..60),
    ) {
        let meters = Meters::new(true);
        let mut database = Database::new(SEED, &meters);
        let mut model = Model::new();
        for (index, operation) in operations {
            apply(&mut database, &mut model, &key(index), operation);
            prop_assert_eq!(database.len(), model.len());
            let volatile = model.values().filter(|(_, expire)| expire.is_some()).count();
            prop_assert_eq!(database.volatile_len(), volatile);
            for (key, (expected, expire)) in &model {
                let entry = database.get(hash(key), key).expect("in the model");
                prop_assert_eq!(entry.key(), &key[..]);
                prop_assert_eq!(entry.expire_ms(), *expire);
                prop_assert_eq!(&held(entry), expected);
            }
            let costs = database.iter().map(|entry| entry.approximate_bytes() + SLOT_BYTES);
            prop_assert_eq!(meters.bytes(), costs.sum::<usize>() as u64);
        }
        drop(database);
        prop_assert_eq!(meters.bytes(), 0);
    }

    #[test]
    fn access_information_survives(value in value(), access in 0u32..1 << 24) {
        let mut database = Database::new(SEED, &Meters::default());
        let key = b"a key";
        database.set_string(hash(key), key, &value, None, |_| {});
        let entry = database.get(hash(key), key).expect("just set");
        entry.set_access(access);
        database.set_expire(hash(key), key, Some(7));
        database.set_string_keeping_expire(hash(key), key, b"another");
        let entry = database.get(hash(key), key).expect("still there");
        prop_assert_eq!(entry.access(), access);
        prop_assert_eq!(entry.string().map(StringRef::to_vec), Some(b"another".to_vec()));
    }
}

#[test]
fn encodings_are_those_of_redis() {
    let mut database = Database::new(SEED, &Meters::default());
    let mut encoding_of = |value: &[u8]| {
        database.set_string(hash(b"k"), b"k", value, None, |_| {});
        let entry = database.get(hash(b"k"), b"k").expect("just set");
        entry.string().expect("a string").encoding()
    };
    assert_eq!(encoding_of(b"12"), "int");
    assert_eq!(encoding_of(b"-9223372036854775808"), "int");
    assert_eq!(encoding_of(b"9223372036854775808"), "embstr");
    assert_eq!(encoding_of(b"012"), "embstr");
    assert_eq!(encoding_of(b""), "embstr");
    assert_eq!(encoding_of(&[b'x'; 44]), "embstr");
    assert_eq!(encoding_of(&[b'x'; 45]), "raw");
    assert_eq!(encoding_of(&[b'x'; 5000]), "raw");
}

#[test]
fn blocks_are_as_small_as_promised() {
    let size = |key: &[u8], value: &[u8], expire| {
        Entry::from_string(key, value, expire).as_ref().block_size()
    };
    let key = b"key:000000000001";
    assert_eq!(size(key, b"value-of-16-byte", None), 40);
    assert_eq!(size(key, b"value-of-16-byte", Some(1)), 48);
    assert_eq!(size(key, b"1000000", None), 24);
}
