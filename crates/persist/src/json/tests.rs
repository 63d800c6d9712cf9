//! Data sets written and read again, and what is wrong with those that are wrong.

use std::sync::Mutex;

use oxidis_engine::snapshot::{LoadOptions, Loaded, SaveOptions, SnapshotEncoder, SnapshotEntry};
use oxidis_engine::value::{EncodingLimits, Hash, SortedSet, Stream, Value, ValueRef};
use proptest::prelude::*;

use super::{Json, read};
use crate::rdb::tests::{Held as HeldEntry, contents, value, word};

/// What a file holds.
#[derive(Default)]
struct Held {
    entries: Vec<HeldEntry>,
    functions: Vec<Vec<u8>>,
    empty: Vec<Vec<u8>>,
}

fn load(bytes: &[u8]) -> Result<Held, String> {
    load_with(bytes, &EncodingLimits::default())
}

/// Reads in batches of different sizes, with one thread and with several, which must come to the same.
fn load_with(bytes: &[u8], limits: &EncodingLimits) -> Result<Held, String> {
    let whole = load_in_batches(bytes, limits, read::BATCH_LEN, 1);
    for (batch_len, threads) in [(1, 1), (100, 1), (1, 3), (100, 2)] {
        let cut = load_in_batches(bytes, limits, batch_len, threads);
        assert_eq!(
            cut.as_ref().map(Held::summary),
            whole.as_ref().map(Held::summary),
            "in batches of {batch_len} bytes, with {threads} threads"
        );
    }
    whole
}

fn load_in_batches(
    mut bytes: &[u8],
    limits: &EncodingLimits,
    batch_len: usize,
    threads: usize,
) -> Result<Held, String> {
    let held = Mutex::new(Held::default());
    let options = LoadOptions {
        limits,
        verifies_checksum: true,
        threads,
    };
    let take = |loaded: Loaded<'_>| {
        let mut held = held.lock().expect("no thread panics");
        match loaded {
            Loaded::Entry(entry) => held.entries.push(entry.into()),
            Loaded::Function { code } => held.functions.push(code.to_vec()),
            Loaded::EmptyKey { key, .. } => held.empty.push(key.to_vec()),
            _ => {}
        }
        Ok(())
    };
    let loaded = read::load(&mut bytes, &options, &take, batch_len);
    loaded.map_err(|error| error.to_string())?;
    Ok(held.into_inner().expect("no thread panics"))
}

impl Held {
    /// What is in it, in an order of its own.
    fn summary(&self) -> Vec<String> {
        let entries = self.entries.iter().map(|entry| {
            let (database, key, expire_ms) = (entry.database, &entry.key, entry.expire_ms);
            let value = contents(&entry.value);
            format!("{database} {key:?} {expire_ms:?} {value:?}")
        });
        let rest = [&self.functions, &self.empty].map(|it| format!("{it:?}"));
        let mut all: Vec<String> = entries.chain(rest).collect();
        all.sort_unstable();
        all
    }
}

type Entries = Vec<(usize, Vec<u8>, Option<i64>, Value)>;

fn save(entries: &Entries, code: &[u8]) -> Vec<u8> {
    let options = SaveOptions::default();
    let mut out = Vec::new();
    Json.begin(&[("redis-ver", "8.0.6".to_owned())], &mut out);
    Json.function(code, options, &mut out);
    for (database, key, expire_ms, value) in entries {
        let entry = SnapshotEntry {
            database: *database,
            key,
            expire_ms: *expire_ms,
            idle_seconds: expire_ms.map(|at| at.unsigned_abs()),
            frequency: expire_ms.map(|at| at as u8),
            value: value.as_ref(),
        };
        Json.entry(&entry, options, &mut out);
    }
    Json.end(None, &mut out);
    out
}

/// What of a stream is kept: everything but what stood in entries that were deleted.
fn kept(stream: &Stream) -> Vec<String> {
    let mut visible = Vec::new();
    for block in stream.blocks() {
        visible.push(format!("block {}", block.first_id()));
        visible.extend(block.entries().map(|entry| {
            let fields: Option<Vec<_>> = (!entry.is_deleted).then(|| entry.fields.collect());
            format!("{} {fields:?}", entry.id)
        }));
    }
    let (last, deleted) = (stream.last_id(), stream.max_deleted_id());
    visible.push(format!("{last} {deleted} {}", stream.entries_added()));
    for (name, group) in stream.groups() {
        let (last, read) = (group.last_id(), group.entries_read());
        visible.push(format!("group {name:?} {last} {read:?}"));
        for consumer in group.consumers() {
            let (name, seen, active) = (consumer.name(), consumer.seen_ms, consumer.active_ms);
            visible.push(format!("consumer {name:?} {seen} {active:?}"));
            for id in consumer.pending_ids() {
                let pending = group.find_pending(id).expect("it has it");
                let (at, count) = (pending.delivery_ms, pending.delivery_count);
                visible.push(format!("pending {id} {at} {count}"));
            }
        }
    }
    visible
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.as_ref(), other.as_ref()) {
        (ValueRef::Stream(one), ValueRef::Stream(other)) => kept(one) == kept(other),
        (ValueRef::Hash(one_hash), ValueRef::Hash(other_hash)) => {
            contents(one) == contents(other) && one_hash.encoding() == other_hash.encoding()
        }
        _ => contents(one) == contents(other),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_data_set_that_is_written_is_read(
        entries in prop::collection::vec(
            (0usize..300, word(), prop::option::of(0i64..1 << 50), value()), 0..10),
        code in word(),
    ) {
        let bytes = save(&entries, &code);
        let held = load(&bytes).expect("our own bytes");
        prop_assert_eq!(&held.functions, &vec![code]);
        prop_assert_eq!(held.entries.len(), entries.len());
        for (entry, (database, key, expire_ms, value)) in held.entries.iter().zip(&entries) {
            prop_assert_eq!(entry.database, *database);
            prop_assert_eq!(&entry.key, key);
            prop_assert_eq!(entry.expire_ms, *expire_ms);
            prop_assert_eq!(entry.idle_seconds, expire_ms.map(|at| at as u64));
            prop_assert_eq!(entry.frequency, expire_ms.map(|at| at as u8));
            prop_assert!(same(&entry.value, value), "{:?}", value);
        }
        // It is JSON to others, too.
        let parsed: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        prop_assert_eq!(parsed.as_array().map(Vec::len), Some(entries.len() + 2));
    }

    /// A file that is cut anywhere is refused.
    #[test]
    fn a_file_that_is_cut_is_refused(
        entries in prop::collection::vec((0usize..3, word(), Just(None), value()), 1..4),
        at: prop::sample::Index,
    ) {
        let bytes = save(&entries, b"code");
        // The line end at the very end says nothing.
        let at = at.index(bytes.len() - 1);
        prop_assert!(load(&bytes[..at]).is_err());
    }

    /// Whatever becomes of a file, all ways to read it say the same.
    #[test]
    fn a_file_that_is_changed_is_read_in_one_way(
        entries in prop::collection::vec((0usize..3, word(), Just(None), value()), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"[]{},:\"\\ \n0a\x01\xff".to_vec())), 1..3),
    ) {
        let mut bytes = save(&entries, b"code");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // That they do is what it looks at.
        let _ = load(&bytes);
    }

    /// Any double, to the last bit: -0 is another one than 0.
    #[test]
    fn scores_are_exact(bits: u64) {
        let score = f64::from_bits(bits);
        prop_assume!(!score.is_nan());
        prop_assert_eq!(score_read(score).to_bits(), bits);
    }
}

fn score_read(score: f64) -> f64 {
    // The compact form of sorted sets has only one zero, as that of Redis.
    let limits = EncodingLimits {
        zset_max_listpack_entries: 0,
        ..EncodingLimits::default()
    };
    let value = Value::SortedSet(SortedSet::from_pairs(vec![("member", score)], &limits));
    let bytes = save(&vec![(0, b"key".to_vec(), None, value)], b"code");
    let held = load_with(&bytes, &limits).expect("our own bytes");
    match held.entries[0].value.as_ref() {
        ValueRef::SortedSet(set) => set.iter().next().expect("it has a member").1,
        _ => panic!("a sorted set was written"),
    }
}

#[test]
fn remarkable_scores_are_exact() {
    for score in [
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1 + 0.2,
        9_007_199_254_740_992.0,
        1e21,
        -1e22,
    ] {
        assert_eq!(score_read(score).to_bits(), score.to_bits(), "{score}");
    }
}

/// The record behind a first one that is right.
fn load_record(record: &str) -> Result<Held, String> {
    load(format!("[{{\"format\": \"oxidis\", \"version\": 1}},\n{record}]").as_bytes())
}

#[test]
fn what_people_write_is_understood() {
    let held = load_record(
        r#"{"string": 42, "key": "n"}, {"list": [], "key": "none"},
           {"key": "s", "stream": {"entries": [["1-1", "a", "b"]]}},
           {"key": "z", "sorted_set": {"a": 1, "b": -2.5e3}}"#,
    )
    .expect("it is right");
    assert_eq!(held.empty, [b"none".to_vec()]);
    assert_eq!(contents(&held.entries[0].value).1, [b"42".to_vec()]);
    let ValueRef::Stream(stream) = held.entries[1].value.as_ref() else {
        panic!("a stream was written");
    };
    assert_eq!(
        (stream.last_id().to_string(), stream.entries_added()),
        ("1-1".to_owned(), 1)
    );
}

#[test]
fn streams_lie_in_the_blocks_that_are_named() {
    let stream = |members: &str| {
        let record = format!(
            r#"{{"key": "s", "stream": {{"entries": [["1-1", "a", "b"], ["3-1", "a", "b"]]{members}}}}}"#
        );
        let held = load_record(&record)?;
        match held.entries[0].value.as_ref() {
            ValueRef::Stream(stream) => Ok(kept(stream)),
            _ => Err("a stream was written".to_owned()),
        }
    };
    let entry = |id: &str| format!("{id} Some([(Bytes([97]), Bytes([98]))])");
    let of = |parts: &[&str]| {
        Ok::<_, String>(parts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    };
    let (one, three) = (entry("1-1"), entry("3-1"));
    let end = "3-1 0-0 2";
    assert_eq!(stream(""), of(&["block 1-1", &one, &three, end]));
    assert_eq!(
        stream(r#", "blocks": ["1-1", "3-1"]"#),
        of(&["block 1-1", &one, "block 3-1", &three, end])
    );
    assert_eq!(
        stream(r#", "deleted": ["2-1", "3-0"], "blocks": ["1-1", "2-1"]"#),
        of(&[
            "block 1-1",
            &one,
            "block 2-1",
            "2-1 None",
            "3-0 None",
            &three,
            end
        ])
    );
    assert_eq!(
        stream(r#", "deleted": ["2-1"]"#),
        of(&["block 1-1", &one, "2-1 None", &three, end])
    );
    for (members, words) in [
        (r#", "blocks": ["2-1"]"#, "a block that begins at 2-1"),
        (
            r#", "blocks": ["3-1", "1-1"]"#,
            "a block that begins at 1-1",
        ),
        (r#", "deleted": ["3-1"]"#, "do not ascend"),
        (
            r#", "deleted": ["4-1"], "last_id": "3-1""#,
            "last ID is smaller",
        ),
    ] {
        let error = stream(members).expect_err("it is wrong");
        assert!(error.contains(words), "{members}: {error}");
    }
}

/// A hash that has no field any more that expires, but is of the form of those that do.
#[test]
fn a_hash_shows_that_its_fields_may_expire() {
    let limits = EncodingLimits::default();
    let mut hash = Hash::new();
    hash.set(b"a", b"1", &limits);
    hash.set(b"b", b"2", &limits);
    hash.make_expiring();
    let value = Value::Hash(hash);
    let bytes = save(&vec![(0, b"key".to_vec(), None, value)], b"code");
    let text = String::from_utf8(bytes.clone()).expect("it is text");
    let expected = r#""hash": {"a": {"value": "1", "expires_ms": null}, "b": "2"}"#;
    assert!(text.contains(expected), "{text}");
    let held = load(&bytes).expect("our own bytes");
    match held.entries[0].value.as_ref() {
        ValueRef::Hash(hash) => assert_eq!(hash.encoding(), "listpackex"),
        _ => panic!("a hash was written"),
    }
}

#[test]
fn what_is_wrong_is_said_with_line_and_column() {
    for (record, words) in [
        ("", "trailing comma at line 2 column 1"),
        (
            "{\"key\": \"a\"}",
            "neither a key and its value, nor a function alone at line 2",
        ),
        ("{\"string\": \"a\"}", "neither a key"),
        (
            "{\"key\": \"a\", \"string\": \"b\", \"list\": [1]}",
            "two values at line 2 column 40",
        ),
        (
            "{\"key\": \"a\", \"string\": \"base64:?\"}",
            "base64 behind the prefix",
        ),
        (
            "{\"key\": \"a\", \"string\": 1.5}",
            "expected a string at line 2 column 26",
        ),
        (
            "{\"key\": \"a\", \"strnig\": \"b\"}",
            "unknown field `strnig`",
        ),
        (
            "{\"key\": \"a\", \"key\": \"b\", \"string\": \"c\"}",
            "duplicate field `key`",
        ),
        (
            "{\"key\": \"a\", \"set\": [\"x\", \"x\"]}",
            "member 'x' twice at line 2 column 30",
        ),
        (
            "{\"key\": \"a\", \"hash\": {\"x\": \"\", \"x\": \"\"}}",
            "field 'x' twice",
        ),
        (
            "{\"key\": \"a\", \"hash\": {\"x\": {\"value\": \"\", \"expires_ms\": 0}}}",
            "expires at 0",
        ),
        (
            "{\"key\": \"a\", \"hash\": {\"x\": {\"value\": \"\"}}}",
            "missing field `expires_ms`",
        ),
        (
            "{\"key\": \"a\", \"sorted_set\": {\"x\": \"nan\"}}",
            "expected a number",
        ),
        (
            "{\"key\": \"a\", \"sorted_set\": {\"x\": 1e999}}",
            "number out of range",
        ),
        (
            "{\"key\": \"a\", \"stream\": {\"entries\": [[\"1-1\"]]}}",
            "invalid length 1",
        ),
        (
            "{\"key\": \"a\", \"stream\": {\"entries\": [[\"1-1\", \"a\"]]}}",
            "without a value",
        ),
        (
            "{\"key\": \"a\", \"stream\": {\"entries\": [[\"01-1\", \"a\", \"b\"]]}}",
            "the ID of an entry",
        ),
        (
            "{\"key\": \"a\", \"database\": -1, \"string\": \"\"}",
            "invalid value: integer `-1`",
        ),
        (
            "{\"key\": \"\\ud800\", \"string\": \"\"}",
            "at line 2 column",
        ),
        (
            "{\"key\": \"a\", \"string\": \"b\"}] x",
            "trailing characters at line 2 column",
        ),
        ("7", "expected an object with a key and its value"),
    ] {
        let error = load_record(record).err().unwrap_or_default();
        assert!(
            error.contains(words) && error.contains(" at line 2"),
            "{record}: {error}"
        );
    }
    for (file, words) in [
        (&b""[..], "EOF while parsing a value at line 1 column 0"),
        (b"[]", "what format it is at line 1 column 2"),
        (b"{\"a\": \"b\"}", "expected an array of records at line 1"),
        (
            b"[{\"format\": \"other\", \"version\": 1}]",
            "does not say \"format\"",
        ),
        (
            b"[{\"format\": \"oxidis\", \"version\": 2}]",
            "version 2 of the format",
        ),
        (b"[{\"format\": \"oxidis\"}]", "does not say"),
        (b"REDIS0010\xfa", "expected value at line 1 column 1"),
        (b"[{\"format\": \"oxidis\xff\"", "at line 1 column"),
    ] {
        let error = load(file).err().unwrap_or_default();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let error = load_record(&"[".repeat(100_000)).err().unwrap_or_default();
    assert!(error.contains("at line 2"), "{error}");
    let fact = format!("[{{\"a\": {}", "[".repeat(100_000));
    assert!(load(fact.as_bytes()).is_err());
}

/// The example of the documentation is loaded, and is what is written again.
#[test]
fn the_documented_example_is_right() {
    let text = include_str!("../../../../docs/json.md");
    let start = text.find("```json\n").expect("it has an example") + "```json\n".len();
    let example = &text[start..];
    let example = &example[..example.find("```").expect("it ends")];
    let held = load(example.as_bytes()).expect("the example is right");
    assert_eq!((held.entries.len(), held.functions.len()), (9, 1));
    let find = |key: &[u8]| {
        let found = held.entries.iter().find(|entry| entry.key == key);
        found.expect("it is in the example")
    };
    assert_eq!(
        contents(&find(b"\xff\0").value).1,
        [b"a key that is no text".to_vec()]
    );
    assert_eq!(
        contents(&find(b"picture").value).1,
        [b"\x89PNG\r\n\x1a\n".to_vec()]
    );
    assert_eq!(find(b"visits").expire_ms, Some(4_102_444_800_000));
    assert_eq!(find(b"log").database, 3);
    let entries: Entries = held
        .entries
        .into_iter()
        .map(|entry| (entry.database, entry.key, entry.expire_ms, entry.value))
        .collect();
    let written = save(&entries, &held.functions[0]);
    let parse =
        |bytes: &[u8]| -> serde_json::Value { serde_json::from_slice(bytes).expect("it is JSON") };
    let (ours, theirs) = (parse(&written), parse(example.as_bytes()));
    for (ours, theirs) in ours
        .as_array()
        .unwrap()
        .iter()
        .zip(theirs.as_array().unwrap())
    {
        // Its use is written for keys that expire here, to see that it is.
        let mut ours = ours.clone();
        let object = ours.as_object_mut().unwrap();
        object.remove("idle_seconds");
        object.remove("frequency");
        if object.contains_key("sorted_set") {
            // 12 and 12.0 are one number to us and two to the parser.
            continue;
        }
        assert_eq!(&ours, theirs);
    }
}
