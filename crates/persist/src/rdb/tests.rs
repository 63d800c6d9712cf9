//! Values and data sets written and read again, and what is wrong with those that are wrong.

use std::sync::Mutex;

use oxidis_engine::snapshot::{
    LoadOptions, Loaded, LoadedEntry, SaveOptions, SnapshotCodec, SnapshotEncoder, SnapshotEntry,
};
use oxidis_engine::value::stream::{EntryId, Pending};
use oxidis_engine::value::{
    EncodingLimits, Hash, List, Set, SortedSet, Stream, StreamId, Value, ValueRef,
};
use proptest::prelude::*;

use super::codes::*;
use super::{Rdb, RdbError, checksum, load, payload};

const COMPRESSED: SaveOptions = SaveOptions { compresses: true };
const PLAIN: SaveOptions = SaveOptions { compresses: false };

/// What a value holds, in an order of its own.
pub(crate) fn contents(value: &Value) -> (&'static str, Vec<Vec<u8>>) {
    let sorted = |mut items: Vec<Vec<u8>>| {
        items.sort();
        items
    };
    let items = match value.as_ref() {
        ValueRef::String(string) => vec![string.to_vec()],
        ValueRef::List(list) => list.iter().map(|item| item.to_vec()).collect(),
        ValueRef::Set(set) => sorted(set.iter().map(|member| member.to_vec()).collect()),
        ValueRef::Hash(hash) => sorted(
            hash.iter()
                .map(|(field, value)| {
                    let field = field.to_vec();
                    let expiry = match hash.expiry(&field).flatten() {
                        Some(at_ms) => format!(" until {at_ms}").into_bytes(),
                        None => Vec::new(),
                    };
                    [field, value.to_vec(), expiry].concat()
                })
                .collect(),
        ),
        ValueRef::SortedSet(set) => set
            .iter()
            .map(|(member, score)| [member.to_vec(), score.to_le_bytes().to_vec()].concat())
            .collect(),
        ValueRef::Stream(stream) => stream_contents(stream),
    };
    (value.value_type().name(), items)
}

fn stream_contents(stream: &Stream) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    for block in stream.blocks() {
        for entry in block.entries() {
            let fields: Vec<_> = entry.fields.collect();
            contents.push(format!("{} {} {fields:?}", entry.id, entry.is_deleted));
        }
        contents.push("end of block".to_owned());
    }
    let (first, last) = (stream.first_id(), stream.last_id());
    let (deleted, added) = (stream.max_deleted_id(), stream.entries_added());
    contents.push(format!("{first} {last} {deleted} {added} {}", stream.len()));
    for (name, group) in stream.groups() {
        let pending: Vec<_> = group
            .pending()
            .map(|(id, pending)| {
                (
                    id,
                    group.consumer(pending.consumer).name(),
                    pending.delivery_ms,
                )
            })
            .collect();
        let (last, read) = (group.last_id(), group.entries_read());
        contents.push(format!("{name:?} {last} {read:?} {pending:?}"));
    }
    contents.into_iter().map(String::into_bytes).collect()
}

fn stream() -> impl Strategy<Value = Value> {
    let pairs = prop_oneof![
        4 => word().prop_map(|value| vec![b"field".to_vec(), value]),
        1 => (word(), word(), word(), word()).prop_map(|(a, b, c, d)| vec![a, b, c, d]),
    ];
    let entry = (0u64..3, any::<u64>(), pairs, prop::bool::weighted(0.2));
    let entries = prop::collection::vec(entry, 0..30);
    let group = (
        any::<bool>(),
        prop::collection::vec((0..3u8, any::<i64>()), 0..8),
    );
    (entries, prop::collection::vec(group, 0..3)).prop_map(|(entries, groups)| {
        let limits = EncodingLimits {
            stream_node_max_entries: 7,
            ..EncodingLimits::default()
        };
        let mut stream = Stream::new();
        for (ms, seq, pairs, is_deleted) in entries {
            let pairs: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
            let id = match ms {
                0 => EntryId::Milliseconds(stream.last_id().ms),
                ms => EntryId::Exactly(StreamId::new(stream.last_id().ms + ms, seq)),
            };
            if let Ok(id) = stream.append(id, &pairs, &limits)
                && is_deleted
            {
                stream.delete(id);
            }
        }
        for (index, (is_known, pending)) in (0u8..).zip(groups) {
            let (name, last_id) = ([index], stream.last_id());
            stream.create_group(&name, last_id, is_known.then_some(3));
            let group = stream.group_mut(&name).unwrap();
            for (seq, (consumer, delivery_ms)) in (0u64..).zip(pending) {
                let (consumer, _) = group.find_or_create_consumer(&[consumer], delivery_ms);
                let pending = Pending {
                    consumer,
                    delivery_ms,
                    delivery_count: seq * seq * 1000,
                };
                group.set_pending(StreamId::new(1, seq), pending);
            }
        }
        Value::Stream(stream)
    })
}

pub(crate) fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-300i64..300).prop_map(|n| n.to_string().into_bytes()),
        (16_000usize..17_000).prop_map(|len| vec![b'x'; len]),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let words = || {
        prop_oneof![
            3 => prop::collection::btree_set(word(), 1..20),
            1 => prop::collection::btree_set(any::<i16>().prop_map(|n| n.to_string().into_bytes()), 1..700),
        ]
    };
    let limits = EncodingLimits::default;
    prop_oneof![
        word().prop_map(Value::String),
        stream(),
        words().prop_map(move |words| {
            let mut list = List::new();
            words
                .iter()
                .for_each(|word| list.push_back(word, &limits()));
            Value::List(list)
        }),
        words().prop_map(move |words| {
            let mut set = Set::new();
            for word in &words {
                set.insert(word, &limits());
            }
            Value::Set(set)
        }),
        (
            words(),
            prop::collection::vec(prop::option::of(1..1i64 << 46), 0..20)
        )
            .prop_map(move |(words, expiries)| {
                let mut hash = Hash::new();
                for word in &words {
                    hash.set(word, b"value", &limits());
                }
                for (word, expiry) in words.iter().zip(expiries) {
                    hash.set_expiry(word, expiry);
                }
                Value::Hash(hash)
            }),
        (words(), any::<f64>()).prop_map(move |(words, score)| {
            let score = if score.is_nan() { f64::INFINITY } else { score };
            let pairs = words.into_iter().map(|word| (word, score)).collect();
            Value::SortedSet(SortedSet::from_pairs(pairs, &limits()))
        }),
    ]
}

fn restore(payload: &[u8]) -> Result<Value, RdbError> {
    payload::restore(payload, true, &EncodingLimits::default())
}

/// The value of a payload that consists of this type and these bytes.
fn decoded(code: u8, bytes: &[u8]) -> Result<Value, RdbError> {
    let mut payload = vec![code];
    payload.extend_from_slice(bytes);
    payload.extend_from_slice(&[12, 0]);
    let sum = checksum::extend(0, &payload);
    payload.extend_from_slice(&sum.to_le_bytes());
    restore(&payload)
}

/// An entry that was loaded, apart from where it was read.
pub(crate) struct Held {
    pub(crate) database: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) expire_ms: Option<i64>,
    pub(crate) idle_seconds: Option<u64>,
    pub(crate) frequency: Option<u8>,
    pub(crate) value: Value,
}

impl From<LoadedEntry<'_>> for Held {
    fn from(entry: LoadedEntry<'_>) -> Self {
        Held {
            database: entry.database,
            key: entry.key.into_owned(),
            expire_ms: entry.expire_ms,
            idle_seconds: entry.idle_seconds,
            frequency: entry.frequency,
            value: entry.value.into_value(),
        }
    }
}

/// Everything that a file holds.
fn load_all(bytes: &[u8], verifies_checksum: bool) -> Result<Vec<Held>, RdbError> {
    load_with(bytes, verifies_checksum, 1)
}

fn load_with(
    mut bytes: &[u8],
    verifies_checksum: bool,
    threads: usize,
) -> Result<Vec<Held>, RdbError> {
    let entries = Mutex::new(Vec::new());
    let options = LoadOptions {
        limits: &EncodingLimits::default(),
        verifies_checksum,
        threads,
    };
    load::load(&mut bytes, &options, &|loaded| {
        if let Loaded::Entry(entry) = loaded {
            entries.lock().expect("no thread panics").push(entry.into());
        }
        Ok(())
    })?;
    Ok(entries.into_inner().expect("no thread panics"))
}

type Entries = Vec<(usize, Vec<u8>, Option<i64>, Value)>;

fn save_all(entries: &Entries, options: SaveOptions) -> Vec<u8> {
    let mut out = Vec::new();
    Rdb.begin(
        &[
            ("redis-ver", "8.0.6".to_owned()),
            ("redis-bits", "64".to_owned()),
        ],
        &mut out,
    );
    Rdb.function(b"#!lua name=example\n", options, &mut out);
    let mut selected = None;
    for (database, key, expire_ms, value) in entries {
        if selected != Some(*database) {
            selected = Some(*database);
            Rdb.select(*database, Some((1, 0)), &mut out);
        }
        let entry = SnapshotEntry {
            database: *database,
            key,
            expire_ms: *expire_ms,
            idle_seconds: expire_ms.map(|at| at as u64),
            frequency: expire_ms.map(|at| at as u8),
            value: value.as_ref(),
        };
        Rdb.entry(&entry, options, &mut out);
    }
    let sum = Rdb.checksum(0, &out);
    Rdb.end(Some(sum), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_data_set_that_is_written_is_read(
        entries in prop::collection::vec(
            (0usize..300, word(), prop::option::of(0i64..1 << 50), value()), 0..10),
        compresses: bool,
    ) {
        let bytes = save_all(&entries, SaveOptions { compresses });
        let loaded = load_all(&bytes, true).expect("our own bytes");
        prop_assert_eq!(loaded.len(), entries.len());
        for (entry, (database, key, expire_ms, value)) in loaded.iter().zip(&entries) {
            prop_assert_eq!(entry.database, *database);
            prop_assert_eq!(&entry.key, key);
            prop_assert_eq!(entry.expire_ms, *expire_ms);
            prop_assert_eq!(entry.idle_seconds, expire_ms.map(|at| at as u64));
            prop_assert_eq!(entry.frequency, expire_ms.map(|at| at as u8));
            prop_assert_eq!(contents(&entry.value), contents(value));
        }
    }

    /// Several threads load what one does, and stop where one does.
    #[test]
    fn threads_load_the_same(
        entries in prop::collection::vec(
            (0usize..3, word(), prop::option::of(0i64..1 << 50), value()), 0..60),
        at: prop::sample::Index,
    ) {
        let mut bytes = save_all(&entries, PLAIN);
        let sorted = |loaded: Vec<Held>| {
            let mut keys: Vec<_> = loaded.iter().map(|it| (it.key.clone(), contents(&it.value))).collect();
            keys.sort();
            keys
        };
        let one = load_with(&bytes, true, 1).map(sorted);
        prop_assert_eq!(one, load_with(&bytes, true, 3).map(sorted));
        let at = at.index(bytes.len());
        bytes[at] ^= 0x55;
        let one = load_with(&bytes, false, 1).map(sorted);
        let three = load_with(&bytes, false, 3).map(sorted);
        prop_assert_eq!(one.is_ok(), three.is_ok());
        if let Ok(one) = one {
            prop_assert_eq!(Ok(one), three);
        }
    }

    /// A file that is cut anywhere, or has one byte changed, is refused: the checksum sees to that.
    #[test]
    fn a_damaged_file_is_refused(
        entries in prop::collection::vec(
            (0usize..3, word(), prop::option::of(0i64..1 << 50), value()), 1..4),
        at: prop::sample::Index,
        bits in 1u8..,
    ) {
        let mut bytes = save_all(&entries, COMPRESSED);
        let at = at.index(bytes.len());
        prop_assert!(load_all(&bytes[..at], true).is_err());
        bytes[at] ^= bits;
        // A version that is not this one is one all the same.
        let is_version = (MAGIC.len()..MAGIC.len() + 4).contains(&at);
        prop_assert!(is_version || load_all(&bytes, true).is_err());
        // Whether it is an error without the checksum is up to the byte.
        let _ = load_all(&bytes, false);
    }

    #[test]
    fn a_payload_that_is_dumped_is_restored(value in value(), compresses: bool) {
        let restored = restore(&payload::dump(value.as_ref(), compresses)).expect("our own bytes");
        prop_assert_eq!(contents(&restored), contents(&value));
    }

    /// Changed bytes under a checksum that fits them: an error, or some value of a size that the bytes
    /// justify.
    #[test]
    fn a_changed_payload_is_an_error_or_a_value(
        value in value(),
        compresses: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = payload::dump(value.as_ref(), compresses);
        bytes.truncate(bytes.len() - 10);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let code = bytes[0];
        let end = cut.map_or(bytes.len(), |cut| 1 + cut.index(bytes.len()));
        let bytes = bytes.get(1..end).unwrap_or_default();
        if let Ok(value) = decoded(code, bytes) {
            let held: usize = contents(&value).1.iter().map(|item| item.len()).sum();
            // As text: for each entry of a stream the names of fields that the bytes have once.
            prop_assert!(held <= 1000 * (bytes.len() + 1));
        }
    }

    #[test]
    fn no_bytes_make_the_loader_panic(
        version in 1u32..14,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut file = format!("REDIS{version:04}").into_bytes();
        file.extend_from_slice(&bytes);
        // Whether it is an error is up to the bytes.
        let _ = load_all(&file, false);
        if let [code, rest @ ..] = &bytes[..] {
            let _ = decoded(*code % 26, rest);
        }
    }

    /// Passing over a value ends where reading it does.
    #[test]
    fn a_value_is_passed_over_as_it_is_read(value in value()) {
        let bytes = payload::dump(value.as_ref(), true);
        let mut reader = super::reader::Reader::new(&bytes[1..], 0);
        prop_assert_eq!(super::skip::value(&mut reader, bytes[0]), Ok(()));
        prop_assert_eq!(1 + reader.position() + 10, bytes.len());
    }
}

#[test]
fn errors_say_where() {
    let error = |bytes: &[u8]| load_all(bytes, false).map(drop).expect_err("broken");
    assert_eq!(error(b"RED"), RdbError::Magic);
    assert_eq!(error(b"RUDIS0010"), RdbError::Magic);
    assert_eq!(error(b"REDIS0013"), RdbError::Version(13));
    assert_eq!(error(b"REDIS0010"), RdbError::Truncated { offset: 9 });
    assert_eq!(
        error(b"REDIS0010\x63\x01k"),
        RdbError::Unknown {
            code: 0x63,
            offset: 9
        }
    );
    assert_eq!(
        error(b"REDIS0010\x07\x01k\x81\x00\x00\x00\x00\x00\x00\x04\x00\x00\xff"),
        RdbError::Module {
            name: "AAAAAAAAB".to_owned(),
            offset: 12
        }
    );
}

#[test]
fn a_key_without_elements_is_passed_over() {
    let bytes = b"REDIS0004\x02\x01k\x00\x00\x01a\x01b\xff";
    let loaded = load_all(bytes, true).expect("one key");
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].key, b"a");
}

#[test]
fn what_is_not_a_key_is_told_of() {
    let bytes = b"REDIS0009\xfa\x04name\x05value\xf5\x04code\xf6\x03lib\x03lua\x00\x04more\
        \xf7\x81\x00\x00\x00\x00\x00\x00\x04\x00\x02\x05\x05\x01x\x00\xf4\x01\x02\x03\xfb\x02\x01\xff\0\0\0\0\0\0\0\0";
    let told = Mutex::new(Vec::new());
    let options = LoadOptions {
        limits: &EncodingLimits::default(),
        verifies_checksum: true,
        threads: 1,
    };
    let mut source = &bytes[..];
    load::load(&mut source, &options, &|loaded| {
        let mut told = told.lock().expect("no thread panics");
        match loaded {
            Loaded::Fact { name, value } => told.push([name, b"=", value].concat()),
            Loaded::Function { code } => told.push(code.to_vec()),
            Loaded::ModuleData { name } => told.push(name.as_bytes().to_vec()),
            Loaded::Sizes { keys, volatile, .. } => told.push(vec![keys as u8, volatile as u8]),
            _ => {}
        }
        Ok(())
    })
    .expect("well-formed");
    assert_eq!(
        told.into_inner().expect("no thread panics"),
        [
            b"name=value".to_vec(),
            b"code".to_vec(),
            b"#!lua name=lib\nmore".to_vec(),
            b"AAAAAAAAB".to_vec(),
            vec![2, 1]
        ]
    );
}

#[test]
fn the_footer_must_fit() {
    let mut payload = payload::dump(Value::Integer(5).as_ref(), false);
    assert!(restore(&payload).is_ok());
    assert!(matches!(restore(&payload[..9]), Err(RdbError::Footer)));
    let version_at = payload.len() - 10;
    payload[version_at] = 13;
    assert!(matches!(restore(&payload), Err(RdbError::Footer)));
    let unchecked = payload::restore(&payload, false, &EncodingLimits::default());
    assert!(matches!(unchecked, Err(RdbError::Footer)));
    payload[version_at] = 12;
    assert!(matches!(restore(&payload), Err(RdbError::Footer)));
    assert!(payload::restore(&payload, false, &EncodingLimits::default()).is_ok());
}

/// What Valkey 9.1.2 wrote for a hash of which one field expires: its format has other numbers than that of Redis.
#[test]
fn what_valkey_writes_is_read() {
    const FILE: &[u8] = b"VALKEY080\xfa\x0avalkey-ver\x059.1.2\xfa\x0aredis-bits\xc0@\xfa\x05ctime\xc2,\xf3\x02k\
        \xfa\x08used-mem\xc2p\xc8\x11\x00\xfa\x08aof-base\xc0\x00\xfe\x00\xfb\x01\x00\x16\x01h\x02\x01a\xc0\x01\x00\xd8\
        \xc3,\xbb\x03\x00\x00\x01b\xc0\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff1{\xe6^\xbb\xc6e2";
    const PAYLOAD: &[u8] =
        b"\x16\x02\x01a\xc0\x01\x00\xd8\xc3,\xbb\x03\x00\x00\x01b\xc0\x02\xff\xff\xff\xff\xff\
        \xff\xff\xff\x50\x00\x5f\x5f\x2b\xc0\xa7\xe3\xb8\xd3";
    let expected = [b"a1 until 4102444800000".to_vec(), b"b2".to_vec()];
    for threads in [1, 2] {
        let loaded = load_with(FILE, true, threads).expect("its own bytes");
        assert_eq!(loaded.len(), 1);
        assert_eq!(loaded[0].key, b"h");
        assert_eq!(contents(&loaded[0].value).1, expected);
    }
    let restored = restore(PAYLOAD).expect("its own bytes");
    assert_eq!(contents(&restored).1, expected);
    let error = |bytes: &[u8]| load_all(bytes, false).map(drop).expect_err("broken");
    assert_eq!(error(b"VALKEY081"), RdbError::Version(81));
    assert_eq!(error(b"REDIS0080"), RdbError::Version(80));
    // The number that stands for it among ours is nobody's.
    assert_eq!(
        error(b"VALKEY080\x40\x01h\x00"),
        RdbError::Unknown {
            code: 0x40,
            offset: 9
        }
    );
}

#[test]
fn a_collection_has_no_element_twice_and_a_score_is_a_number() {
    for (code, bytes) in [
        (TYPE_SET, &b"\x02\x01a\x01a"[..]),
        (TYPE_HASH, b"\x02\x01a\x01x\x01a\x01y"),
        (TYPE_SORTED_SET, b"\x02\x01a\x011\x01a\x012"),
        (TYPE_SORTED_SET, b"\x01\x01a\xfd"),
        (TYPE_SORTED_SET, b"\x01\x01a\x01x"),
        (TYPE_SORTED_SET, b"\x01\x01a\x01\0"),
        (TYPE_SORTED_SET_2, b"\x01\x01a\0\0\0\0\0\0\xf8\x7f"),
        (TYPE_SET_INTSET, b"\x08\x02\0\0\0\0\0\0\0"),
    ] {
        assert!(
            matches!(decoded(code, bytes), Err(RdbError::Corrupt { .. })),
            "{code} {bytes:?}"
        );
    }
    let score = decoded(TYPE_SORTED_SET, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff").expect("scores");
    let Value::SortedSet(set) = score else {
        panic!("a sorted set")
    };
    let scores: Vec<f64> = set.as_ref().iter().map(|(_, score)| score).collect();
    assert_eq!(scores, [f64::NEG_INFINITY, 1.5, f64::INFINITY]);
}

#[test]
fn a_hash_that_may_have_expiries_and_has_none_is_a_hash() {
    let plain = decoded(TYPE_HASH_EXPIRES, b"\0\0\0\0\0\0\0\0\x01\x00\x01f\x01v").expect("a hash");
    let early = decoded(TYPE_HASH_EXPIRES_EARLY, b"\x01\x00\x01f\x01v").expect("a hash");
    let mut listpack = super::listpack::ListpackWriter::new();
    listpack.push(b"f");
    listpack.push(b"v");
    listpack.push_integer(0);
    let listpack = listpack.finish();
    let mut packed = vec![listpack.len() as u8];
    packed.extend_from_slice(&listpack);
    let early_packed = decoded(TYPE_HASH_LISTPACK_EXPIRES_EARLY, &packed).expect("a hash");
    for hash in [plain, early, early_packed] {
        assert_eq!(contents(&hash), ("hash", vec![b"fv".to_vec()]));
    }
}

/// The payloads are those of a redis-server 8.2.3, after `HSET h a 1 b two c 3` and `HPEXPIREAT` of b
/// and a; once with `hash-max-listpack-entries 0`.
#[test]
fn fields_keep_their_expiries() {
    let payloads: [&[u8]; 2] = [
        b"\x19h\xfd\xff\xff\xff?\x00\x00//\x00\x00\x00\t\x00\x81b\x02\x83two\x04\xf4h\xfd\xff\xff\xff?\
          \x00\x00\t\x81a\x02\x01\x01\xf4\xff\xff\xff\xff\xff?\x00\x00\t\x81c\x02\x03\x01\x00\x01\xff\x0c\
          \x00e\xed\xebz\xc6\xbe\xb5\xd8",
        b"\x18h\xfd\xff\xff\xff?\x00\x00\x03\x00\x01c\xc0\x03\x01\x01b\x03twoB\x98\x01a\xc0\x01\x0c\x00\
          \xfd\x06\xa8\x84\xc9\n\xba\x96",
    ];
    let expected = ["a1 until 70368744177663", "btwo until 70368744177000", "c3"];
    for payload in payloads {
        let value = restore(payload).expect("a hash");
        let expected = expected.map(|field| field.as_bytes().to_vec()).to_vec();
        assert_eq!(contents(&value), ("hash", expected));
        if payload[0] == TYPE_HASH_LISTPACK_EXPIRES {
            assert_eq!(Rdb.dump(value.as_ref(), PLAIN), payload);
        }
    }
    let late = decoded(TYPE_HASH_EXPIRES, b"\0\0\0\0\0\0\x01\0\x01\x02\x01f\x01v");
    assert!(matches!(late, Err(RdbError::Corrupt { .. })), "{late:?}");
    let table = |expiry: i64| {
        let limits = EncodingLimits {
            hash_max_listpack_entries: 0,
            ..EncodingLimits::default()
        };
        let mut hash = Hash::new();
        hash.set(b"f", b"v", &limits);
        hash.set_expiry(b"f", Some(expiry));
        Rdb.dump(Value::Hash(hash).as_ref(), PLAIN)
    };
    // The time of the first one is what the others are counted from, and itself one after that.
    assert_eq!(table(5)[..14], *b"\x18\x05\0\0\0\0\0\0\0\x01\x01\x01f\x01");
}

#[test]
fn long_strings_are_compressed_if_that_is_wanted() {
    let value = Value::String(vec![b'x'; 10_000]);
    let compressed = Rdb.dump(value.as_ref(), COMPRESSED);
    let plain = Rdb.dump(value.as_ref(), PLAIN);
    assert!(compressed.len() < 200 && plain.len() > 10_000);
}
