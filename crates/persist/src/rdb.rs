//! Whole data sets in the RDB format of Redis, version 10 (that of Redis 7.0).
//!
//! Written are the plain forms of values, which every version of Redis since 4 loads: strings, lists,
//! sets and hashes as counted strings, sorted sets with binary scores. Read is what is written here;
//! the compact forms that Redis itself writes are refused by name, as are checksums.
//!
//! The format is described in Redis's `rdb.h`; the numbers below are its.

use oxidis_engine::snapshot::{LoadedEntry, Snapshot, SnapshotCodec, SnapshotError};
use oxidis_engine::text::{IntegerText, parse_integer};
use oxidis_engine::value::{EncodingLimits, Hash, List, Set, SortedSet, Value, ValueRef};

const MAGIC: &[u8] = b"REDIS0010";

const TYPE_STRING: u8 = 0;
const TYPE_LIST: u8 = 1;
const TYPE_SET: u8 = 2;
const TYPE_HASH: u8 = 4;
const TYPE_SORTED_SET_2: u8 = 5;

const OPCODE_AUX: u8 = 0xfa;
const OPCODE_RESIZE: u8 = 0xfb;
const OPCODE_EXPIRE_MS: u8 = 0xfc;
const OPCODE_SELECT: u8 = 0xfe;
const OPCODE_END: u8 = 0xff;

const LENGTH_32: u8 = 0x80;
const LENGTH_64: u8 = 0x81;
const ENCODED_INT8: u8 = 0xc0;
const ENCODED_INT16: u8 = 0xc1;
const ENCODED_INT32: u8 = 0xc2;

/// Why a data set could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// It does not begin as an RDB file of a version that is read.
    #[error("not an RDB file of a known version")]
    Magic,
    /// It ends too early.
    #[error("truncated at byte {offset}")]
    Truncated {
        /// Where more was expected.
        offset: usize,
    },
    /// There is something that is not known.
    #[error("unknown type or opcode {code} at byte {offset}")]
    Unknown {
        /// What stands there.
        code: u8,
        /// Where.
        offset: usize,
    },
    /// A value cannot be what it says.
    #[error("invalid value before byte {offset}")]
    Invalid {
        /// Where it ends.
        offset: usize,
    },
}

/// The codec of RDB data sets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rdb;

impl SnapshotCodec for Rdb {
    fn encode(&self, snapshot: &dyn Snapshot) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for (name, value) in snapshot.facts() {
            out.push(OPCODE_AUX);
            push_string(&mut out, name.as_bytes());
            push_string(&mut out, value.as_bytes());
        }
        let mut selected = None;
        snapshot.for_each(&mut |entry| {
            if selected != Some(entry.database) {
                selected = Some(entry.database);
                out.push(OPCODE_SELECT);
                push_length(&mut out, entry.database as u64);
            }
            if let Some(at) = entry.expire_ms {
                out.push(OPCODE_EXPIRE_MS);
                out.extend_from_slice(&at.to_le_bytes());
            }
            push_entry(&mut out, entry.key, entry.value);
        });
        out.push(OPCODE_END);
        // Eight zeros say that there is no checksum.
        out.extend_from_slice(&[0; 8]);
        out
    }

    fn decode(
        &self,
        bytes: &[u8],
        limits: &EncodingLimits,
        load: &mut dyn FnMut(LoadedEntry),
    ) -> Result<(), SnapshotError> {
        decode(bytes, limits, load).map_err(|error| SnapshotError::new(error.to_string()))
    }
}

fn push_entry(out: &mut Vec<u8>, key: &[u8], value: ValueRef<'_>) {
    match value {
        ValueRef::String(string) => {
            out.push(TYPE_STRING);
            push_string(out, key);
            string.with_bytes(|bytes| push_string(out, bytes));
        }
        ValueRef::List(list) => {
            out.push(TYPE_LIST);
            push_string(out, key);
            push_length(out, list.len() as u64);
            list.iter()
                .for_each(|item| push_string(out, &item.to_vec()));
        }
        ValueRef::Set(set) => {
            out.push(TYPE_SET);
            push_string(out, key);
            push_length(out, set.len() as u64);
            set.iter()
                .for_each(|member| push_string(out, &member.to_vec()));
        }
        ValueRef::Hash(hash) => {
            out.push(TYPE_HASH);
            push_string(out, key);
            push_length(out, hash.len() as u64);
            for (field, value) in hash.iter() {
                push_string(out, &field.to_vec());
                push_string(out, &value.to_vec());
            }
        }
        ValueRef::SortedSet(sorted_set) => {
            out.push(TYPE_SORTED_SET_2);
            push_string(out, key);
            push_length(out, sorted_set.len() as u64);
            for (member, score) in sorted_set.iter() {
                push_string(out, member);
                out.extend_from_slice(&score.to_le_bytes());
            }
        }
    }
}

fn push_length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..=0x3f => out.push(length as u8),
        0x40..=0x3fff => out.extend_from_slice(&(0x4000 | length as u16).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(LENGTH_32);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.push(LENGTH_64);
                out.extend_from_slice(&length.to_be_bytes());
            }
        },
    }
}

/// Writes a string, in one of the short integer forms if it spells such an integer.
fn push_string(out: &mut Vec<u8>, string: &[u8]) {
    // Eleven bytes are the longest integer of 32 bits.
    if string.len() <= 11
        && let Some(n) = parse_integer(string)
    {
        if let Ok(n) = i8::try_from(n) {
            return out.extend_from_slice(&[ENCODED_INT8, n as u8]);
        }
        if let Ok(n) = i16::try_from(n) {
            out.push(ENCODED_INT16);
            return out.extend_from_slice(&n.to_le_bytes());
        }
        if let Ok(n) = i32::try_from(n) {
            out.push(ENCODED_INT32);
            return out.extend_from_slice(&n.to_le_bytes());
        }
    }
    push_length(out, string.len() as u64);
    out.extend_from_slice(string);
}

fn decode(
    bytes: &[u8],
    limits: &EncodingLimits,
    load: &mut dyn FnMut(LoadedEntry),
) -> Result<(), RdbError> {
    if !bytes.starts_with(MAGIC) {
        return Err(RdbError::Magic);
    }
    let mut reader = Reader {
        bytes,
        at: MAGIC.len(),
    };
    let mut database = 0;
    let mut expire_ms = None;
    loop {
        let offset = reader.at;
        match reader.byte()? {
            OPCODE_AUX => {
                reader.string()?;
                reader.string()?;
            }
            OPCODE_RESIZE => {
                reader.length()?;
                reader.length()?;
            }
            OPCODE_EXPIRE_MS => expire_ms = Some(i64::from_le_bytes(reader.array()?)),
            OPCODE_SELECT => database = reader.length()? as usize,
            OPCODE_END => return Ok(()),
            code => {
                let key = reader.string()?;
                let value = reader.value(code, offset, limits)?;
                load(LoadedEntry {
                    database,
                    key,
                    value,
                    expire_ms: expire_ms.take(),
                });
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], RdbError> {
        let end = self
            .at
            .checked_add(count)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(RdbError::Truncated {
            offset: self.bytes.len(),
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, RdbError> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| RdbError::Truncated { offset: self.at })
    }

    fn length(&mut self) -> Result<u64, RdbError> {
        let first = self.byte()?;
        self.length_after(first)
    }

    fn length_after(&mut self, first: u8) -> Result<u64, RdbError> {
        match first {
            0..=0x3f => Ok(u64::from(first)),
            0x40..=0x7f => {
                let second = self.byte()?;
                Ok(u64::from(u16::from_be_bytes([first & 0x3f, second])))
            }
            LENGTH_32 => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            LENGTH_64 => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(RdbError::Unknown {
                code: first,
                offset: self.at - 1,
            }),
        }
    }

    fn string(&mut self) -> Result<Vec<u8>, RdbError> {
        let integer = match self.byte()? {
            ENCODED_INT8 => i64::from(i8::from_le_bytes(self.array()?)),
            ENCODED_INT16 => i64::from(i16::from_le_bytes(self.array()?)),
            ENCODED_INT32 => i64::from(i32::from_le_bytes(self.array()?)),
            first => {
                let length = self.length_after(first)?;
                let length =
                    usize::try_from(length).map_err(|_| RdbError::Truncated { offset: self.at })?;
                return Ok(self.take(length)?.to_vec());
            }
        };
        Ok(IntegerText::new(integer).as_str().as_bytes().to_vec())
    }

    fn value(
        &mut self,
        code: u8,
        offset: usize,
        limits: &EncodingLimits,
    ) -> Result<Value, RdbError> {
        if code == TYPE_STRING {
            return Ok(Value::String(self.string()?));
        }
        if !matches!(code, TYPE_LIST | TYPE_SET | TYPE_HASH | TYPE_SORTED_SET_2) {
            return Err(RdbError::Unknown { code, offset });
        }
        let count = self.length()?;
        if count == 0 {
            return Err(RdbError::Invalid { offset: self.at });
        }
        match code {
            TYPE_LIST => {
                let mut list = List::new();
                for _ in 0..count {
                    list.push_back(&self.string()?, limits);
                }
                Ok(Value::List(list))
            }
            TYPE_SET => {
                let mut set = Set::new();
                for _ in 0..count {
                    if !set.insert(&self.string()?, limits) {
                        return Err(RdbError::Invalid { offset: self.at });
                    }
                }
                Ok(Value::Set(set))
            }
            TYPE_HASH => {
                let mut hash = Hash::new();
                for _ in 0..count {
                    let (field, value) = (self.string()?, self.string()?);
                    if !hash.set(&field, &value, limits) {
                        return Err(RdbError::Invalid { offset: self.at });
                    }
                }
                Ok(Value::Hash(hash))
            }
            _ => self.sorted_set(count, limits),
        }
    }

    fn sorted_set(&mut self, count: u64, limits: &EncodingLimits) -> Result<Value, RdbError> {
        let mut pairs = Vec::new();
        for _ in 0..count {
            let member = self.string()?;
            let score = f64::from_le_bytes(self.array()?);
            if score.is_nan() {
                return Err(RdbError::Invalid { offset: self.at });
            }
            pairs.push((member, score));
        }
        let mut members: Vec<&Vec<u8>> = pairs.iter().map(|(member, _)| member).collect();
        members.sort_unstable();
        if members.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(RdbError::Invalid { offset: self.at });
        }
        Ok(Value::SortedSet(SortedSet::from_pairs(pairs, limits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxidis_engine::snapshot::SnapshotEntry;
    use proptest::prelude::*;

    struct Entries(Vec<(usize, Vec<u8>, Option<i64>, Value)>);

    impl Snapshot for Entries {
        fn facts(&self) -> Vec<(&'static str, String)> {
            vec![
                ("redis-ver", "8.0.6".to_owned()),
                ("redis-bits", "64".to_owned()),
            ]
        }

        fn for_each(&self, visit: &mut dyn FnMut(SnapshotEntry<'_>)) {
            for (database, key, expire_ms, value) in &self.0 {
                visit(SnapshotEntry {
                    database: *database,
                    key,
                    expire_ms: *expire_ms,
                    value: value.as_ref(),
                });
            }
        }
    }

    /// What a value holds, in an order of its own.
    fn contents(value: &Value) -> (u8, Vec<Vec<u8>>) {
        let mut bytes = Vec::new();
        push_entry(&mut bytes, b"", value.as_ref());
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
                    .map(|(field, value)| [field.to_vec(), value.to_vec()].concat())
                    .collect(),
            ),
            ValueRef::SortedSet(set) => set
                .iter()
                .map(|(member, score)| [member.to_vec(), score.to_le_bytes().to_vec()].concat())
                .collect(),
        };
        (bytes[0], items)
    }

    fn word() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            (-300i64..300).prop_map(|n| n.to_string().into_bytes()),
            (16_000usize..17_000).prop_map(|len| vec![b'x'; len]),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let words = || prop::collection::btree_set(word(), 1..20);
        prop_oneof![
            word().prop_map(Value::String),
            words().prop_map(|words| {
                let mut list = List::new();
                words
                    .iter()
                    .for_each(|word| list.push_back(word, &EncodingLimits::default()));
                Value::List(list)
            }),
            words().prop_map(|words| {
                let mut set = Set::new();
                for word in &words {
                    set.insert(word, &EncodingLimits::default());
                }
                Value::Set(set)
            }),
            words().prop_map(|words| {
                let mut hash = Hash::new();
                for word in &words {
                    hash.set(word, b"value", &EncodingLimits::default());
                }
                Value::Hash(hash)
            }),
            (words(), any::<i32>()).prop_map(|(words, score)| {
                let pairs = words
                    .into_iter()
                    .map(|word| (word, f64::from(score) / 3.0))
                    .collect();
                Value::SortedSet(SortedSet::from_pairs(pairs, &EncodingLimits::default()))
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read(
            entries in prop::collection::vec(
                (0usize..300, word(), prop::option::of(0i64..1 << 50), value()), 0..10),
        ) {
            let entries = Entries(entries);
            let bytes = Rdb.encode(&entries);
            let mut loaded = Vec::new();
            let limits = EncodingLimits::default();
            Rdb.decode(&bytes, &limits, &mut |entry| loaded.push(entry)).expect("our own bytes");
            prop_assert_eq!(loaded.len(), entries.0.len());
            for (entry, (database, key, expire_ms, value)) in loaded.iter().zip(&entries.0) {
                prop_assert_eq!(entry.database, *database);
                prop_assert_eq!(&entry.key, key);
                prop_assert_eq!(entry.expire_ms, *expire_ms);
                prop_assert_eq!(contents(&entry.value), contents(value));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in 0usize..400,
        ) {
            bytes.splice(0..0, MAGIC.iter().copied());
            bytes.truncate(cut);
            // Whether it is an error is up to the bytes.
            let _ = decode(&bytes, &EncodingLimits::default(), &mut |_| {});
        }
    }

    #[test]
    fn errors_say_where() {
        let limits = EncodingLimits::default();
        let error = |bytes: &[u8]| decode(bytes, &limits, &mut |_| {}).expect_err("broken");
        assert_eq!(error(b"RED"), RdbError::Magic);
        assert_eq!(error(b"REDIS0010"), RdbError::Truncated { offset: 9 });
        assert_eq!(
            error(b"REDIS0010\x63\x01k"),
            RdbError::Unknown {
                code: 0x63,
                offset: 9
            }
        );
        assert_eq!(
            error(b"REDIS0010\x02\x01k\x00"),
            RdbError::Invalid { offset: 13 }
        );
    }
}
