//! Values from RDB, in every form that any version of Redis up to 8 has written.
//!
//! What is read is written anew into our own forms, element by element; so every length, every order and
//! every duplicate is checked on the way, which is what Redis does with `sanitize-dump-payload yes`.

use oxidis_engine::text::parse_double_loosely;
use oxidis_engine::value::packed::{IntegerText, PackedItem};
use oxidis_engine::value::sorted_set::Upsert;
use oxidis_engine::value::{EncodingLimits, Hash, List, Set, SortedSet, Value, intset};

use super::codes::*;
use super::reader::{Reader, Text};
use super::{RdbError, intset as rdb_intset, listpack, ziplist};

/// The limits of what was packed when it was written: it stays so however long its elements are, as in Redis,
/// where only their number counts then.
fn limits_of_packed(limits: &EncodingLimits) -> EncodingLimits {
    EncodingLimits {
        hash_max_listpack_value: usize::MAX,
        set_max_listpack_value: usize::MAX,
        zset_max_listpack_value: usize::MAX,
        ..*limits
    }
}

/// Reads a value of the type that stands before it.
pub(super) fn value(
    reader: &mut Reader<'_>,
    code: u8,
    limits: &EncodingLimits,
) -> Result<Value, RdbError> {
    let offset = reader.offset();
    let of_packed = &limits_of_packed(limits);
    Ok(match code {
        TYPE_STRING => Value::String(reader.text()?.into_vec()),
        TYPE_LIST => Value::List(plain_list(reader, limits)?),
        TYPE_LIST_ZIPLIST => {
            let mut list = List::new();
            push_node(reader, &mut list, Packing::Ziplist, limits)?;
            Value::List(filled(reader, list)?)
        }
        TYPE_LIST_QUICKLIST | TYPE_LIST_QUICKLIST_2 => {
            Value::List(quicklist(reader, code, limits)?)
        }
        TYPE_SET => Value::Set(plain_set(reader, limits)?),
        TYPE_SET_INTSET => Value::Set(integers(reader, limits)?),
        TYPE_SET_LISTPACK => Value::Set(packed_set(reader, of_packed)?),
        TYPE_SORTED_SET | TYPE_SORTED_SET_2 => {
            Value::SortedSet(plain_sorted_set(reader, code, limits)?)
        }
        TYPE_SORTED_SET_ZIPLIST => {
            Value::SortedSet(packed_sorted_set(reader, Packing::Ziplist, of_packed)?)
        }
        TYPE_SORTED_SET_LISTPACK => {
            Value::SortedSet(packed_sorted_set(reader, Packing::Listpack, of_packed)?)
        }
        TYPE_HASH => Value::Hash(plain_hash(reader, limits)?),
        TYPE_HASH_ZIPMAP => Value::Hash(packed_hash(reader, Packing::Zipmap, limits)?),
        TYPE_HASH_ZIPLIST => Value::Hash(packed_hash(reader, Packing::Ziplist, of_packed)?),
        TYPE_HASH_LISTPACK => Value::Hash(packed_hash(reader, Packing::Listpack, of_packed)?),
        TYPE_HASH_EXPIRES_EARLY | TYPE_HASH_EXPIRES => {
            Value::Hash(plain_hash_with_expiries(reader, code, limits)?)
        }
        TYPE_HASH_VALKEY => Value::Hash(plain_hash_of_valkey(reader, limits)?),
        TYPE_HASH_LISTPACK_EXPIRES_EARLY | TYPE_HASH_LISTPACK_EXPIRES => {
            Value::Hash(packed_hash_with_expiries(reader, code, of_packed)?)
        }
        TYPE_STREAM | TYPE_STREAM_2 | TYPE_STREAM_3 => {
            Value::Stream(super::stream::read(reader, code)?)
        }
        TYPE_MODULE | TYPE_MODULE_2 => {
            return Err(RdbError::Module {
                name: module_name(reader.length()?),
                offset,
            });
        }
        _ => return Err(RdbError::Unknown { code, offset }),
    })
}

/// The name of a module's type: nine characters of six bits each above ten bits of version (`module.c`).
pub(super) fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9)
        .map(|place| char::from(CHARACTERS[(id >> (58 - 6 * place)) as usize & 63]))
        .collect()
}

/// In what many strings are put together.
#[derive(Clone, Copy)]
enum Packing {
    Listpack,
    Ziplist,
    Zipmap,
}

impl Packing {
    /// The strings in it; `what` is said if they are not to be read.
    fn read<'b>(
        self,
        reader: &Reader<'_>,
        bytes: &'b [u8],
        what: &'static str,
    ) -> Result<Items<'b>, RdbError> {
        let items = match self {
            Packing::Listpack => listpack::read(bytes).map(Items::Listpack),
            Packing::Ziplist => ziplist::read_ziplist(bytes).map(Items::Ziplist),
            // No version has written one without fields.
            Packing::Zipmap => ziplist::read_zipmap(bytes)
                .filter(|items| items.len() > 0)
                .map(Items::Zipmap),
        };
        items.ok_or_else(|| reader.corrupt(what))
    }
}

/// Strings that are put together in one.
#[derive(Clone)]
enum Items<'b> {
    Listpack(listpack::Items<'b>),
    Ziplist(ziplist::ZiplistItems<'b>),
    Zipmap(ziplist::ZipmapItems<'b>),
}

impl<'b> Iterator for Items<'b> {
    type Item = PackedItem<'b>;

    fn next(&mut self) -> Option<PackedItem<'b>> {
        match self {
            Items::Listpack(items) => items.next(),
            Items::Ziplist(items) => items.next(),
            Items::Zipmap(items) => items.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Items::Listpack(items) => items.size_hint(),
            Items::Ziplist(items) => items.size_hint(),
            Items::Zipmap(items) => items.size_hint(),
        }
    }
}

impl ExactSizeIterator for Items<'_> {}

impl<'b> Items<'b> {
    /// The next `N` of them, which stand together; `None` at the end.
    fn next_group<const N: usize>(&mut self) -> Option<[PackedItem<'b>; N]> {
        if self.len() < N {
            return None;
        }
        let group = std::array::from_fn(|_| self.next());
        Some(group.map(|item| item.expect("there are as many as it says")))
    }
}

/// A collection that must not be empty.
trait Filled {
    fn is_empty(&self) -> bool;
}

impl Filled for List {
    fn is_empty(&self) -> bool {
        List::is_empty(self)
    }
}

impl Filled for Items<'_> {
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn filled<T: Filled>(reader: &Reader<'_>, collection: T) -> Result<T, RdbError> {
    match collection.is_empty() {
        true => Err(RdbError::Empty {
            offset: reader.offset(),
        }),
        false => Ok(collection),
    }
}

// Lists.

fn plain_list(reader: &mut Reader<'_>, limits: &EncodingLimits) -> Result<List, RdbError> {
    let mut list = List::new();
    for _ in 0..reader.count()? {
        list.push_back(&reader.text()?, limits);
    }
    Ok(list)
}

fn quicklist(reader: &mut Reader<'_>, code: u8, limits: &EncodingLimits) -> Result<List, RdbError> {
    let mut list = List::new();
    for _ in 0..reader.count()? {
        if code == TYPE_LIST_QUICKLIST {
            push_node(reader, &mut list, Packing::Ziplist, limits)?;
            continue;
        }
        match reader.length()? {
            NODE_PLAIN => {
                let element = reader.text()?;
                if element.is_empty() {
                    return Err(reader.corrupt("empty node of a list"));
                }
                list.push_back(&element, limits);
            }
            NODE_PACKED => push_node(reader, &mut list, Packing::Listpack, limits)?,
            _ => return Err(reader.corrupt("Quicklist integrity check failed")),
        }
    }
    filled(reader, list)
}

/// Appends the elements of one node; it may be empty.
fn push_node(
    reader: &mut Reader<'_>,
    list: &mut List,
    packing: Packing,
    limits: &EncodingLimits,
) -> Result<(), RdbError> {
    let bytes = reader.text()?;
    let mut text = IntegerText::new();
    let what = match packing {
        Packing::Listpack => "List listpack integrity check failed",
        _ => "List ziplist integrity check failed",
    };
    for item in packing.read(reader, &bytes, what)? {
        list.push_back(item.as_bytes(&mut text), limits);
    }
    Ok(())
}

// Sets.

fn plain_set(reader: &mut Reader<'_>, limits: &EncodingLimits) -> Result<Set, RdbError> {
    let count = reader.count()?;
    let mut set = Set::new();
    for index in 0..count {
        let member = reader.text()?;
        if index == 0 {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            set.expect_members(&member, count, limits);
        }
        if !set.insert(&member, limits) {
            return Err(reader.corrupt("Duplicate set members detected"));
        }
    }
    Ok(set)
}

fn integers(reader: &mut Reader<'_>, limits: &EncodingLimits) -> Result<Set, RdbError> {
    let bytes = reader.text()?;
    let read = rdb_intset::read(&bytes).filter(|(_, integers)| !integers.is_empty());
    let (width, integers) = read.ok_or(reader.corrupt("Intset integrity check failed"))?;
    // What stands behind our width is what stands behind Redis's header.
    let mut ours = Vec::with_capacity(1 + integers.len());
    ours.push(width as u8);
    ours.extend_from_slice(integers);
    if intset::len(&ours) <= limits.set_max_intset_entries {
        return Ok(Set::Intset(ours));
    }
    let mut set = Set::new();
    set.expect_members(b"0", intset::len(&ours), limits);
    for integer in intset::iter(&ours) {
        set.insert_item(PackedItem::Integer(integer), limits);
    }
    Ok(set)
}

fn packed_set(reader: &mut Reader<'_>, limits: &EncodingLimits) -> Result<Set, RdbError> {
    let bytes = reader.text()?;
    let what = "Set listpack integrity check failed";
    let items = filled(reader, Packing::Listpack.read(reader, &bytes, what)?)?;
    let mut set = Set::Packed(Vec::new());
    for item in items {
        if !set.insert_item(item, limits) {
            return Err(reader.corrupt(what));
        }
    }
    Ok(set)
}

// Hashes.

fn set_field(
    reader: &Reader<'_>,
    hash: &mut Hash,
    field: &[u8],
    value: &[u8],
    limits: &EncodingLimits,
) -> Result<(), RdbError> {
    match hash.set(field, value, limits) {
        true => Ok(()),
        false => Err(reader.corrupt("Duplicate hash fields detected")),
    }
}

fn expect_fields(hash: &mut Hash, count: u64, limits: &EncodingLimits) {
    hash.expect_fields(usize::try_from(count).unwrap_or(usize::MAX), limits);
}

fn plain_hash(reader: &mut Reader<'_>, limits: &EncodingLimits) -> Result<Hash, RdbError> {
    let count = reader.count()?;
    let mut hash = Hash::new();
    expect_fields(&mut hash, count, limits);
    for _ in 0..count {
        let (field, value) = (reader.text()?, reader.text()?);
        set_field(reader, &mut hash, &field, &value, limits)?;
    }
    Ok(hash)
}

fn packed_hash(
    reader: &mut Reader<'_>,
    packing: Packing,
    limits: &EncodingLimits,
) -> Result<Hash, RdbError> {
    let bytes = reader.text()?;
    // The words are those that Redis's suite looks for in the log.
    let (what, duplicates) = match packing {
        Packing::Listpack => (
            "Hash listpack integrity check failed",
            "Hash listpack integrity check failed: listpack with dup elements",
        ),
        Packing::Ziplist => (
            "Hash ziplist integrity check failed",
            "Hash ziplist integrity check failed: ziplist with dup elements",
        ),
        Packing::Zipmap => (
            "Hash Zipmap integrity check failed",
            "Hash Zipmap integrity check failed: zipmap with dup elements",
        ),
    };
    let mut items = filled(reader, packing.read(reader, &bytes, what)?)?;
    if !items.len().is_multiple_of(2) {
        return Err(reader.corrupt("field without a value"));
    }
    let mut hash = Hash::new();
    expect_fields(&mut hash, items.len() as u64 / 2, limits);
    let (mut field_text, mut value_text) = (IntegerText::new(), IntegerText::new());
    while let Some([field, value]) = items.next_group() {
        let field = field.as_bytes(&mut field_text);
        let value = value.as_bytes(&mut value_text);
        if !hash.set(field, value, limits) {
            return Err(reader.corrupt(duplicates));
        }
    }
    Ok(hash)
}

/// The latest time at which a field may expire, in milliseconds since 1970: Redis reads 48 bits.
const FIELD_EXPIRY_MAX_MS: u64 = (1 << 48) - 1;

/// A time at which a field expires, 0 being none.
fn field_expiry(reader: &Reader<'_>, at_ms: u64) -> Result<Option<i64>, RdbError> {
    match at_ms {
        0 => Ok(None),
        1..=FIELD_EXPIRY_MAX_MS => Ok(Some(at_ms.cast_signed())),
        _ => Err(reader.corrupt("invalid expiry of a hash field")),
    }
}

fn set_timed_field(
    reader: &Reader<'_>,
    hash: &mut Hash,
    (field, value, at_ms): (&[u8], &[u8], Option<i64>),
    limits: &EncodingLimits,
) -> Result<(), RdbError> {
    match hash.load_timed(field, value, at_ms, limits) {
        true => Ok(()),
        false => Err(reader.corrupt("Duplicate hash fields detected")),
    }
}

/// A hash whose fields may expire: their times stand before them.
fn plain_hash_with_expiries(
    reader: &mut Reader<'_>,
    code: u8,
    limits: &EncodingLimits,
) -> Result<Hash, RdbError> {
    // Times are counted from just before the earliest, or in the early form from 1970.
    let base_ms = match code {
        TYPE_HASH_EXPIRES => u64::from_le_bytes(reader.array()?).saturating_sub(1),
        _ => 0,
    };
    let count = reader.count()?;
    let mut hash = Hash::new();
    hash.make_expiring();
    expect_fields(&mut hash, count, limits);
    for _ in 0..count {
        let at_ms = match reader.length()? {
            0 => 0,
            time => time.saturating_add(base_ms),
        };
        let at_ms = field_expiry(reader, at_ms)?;
        let (field, value) = (reader.text()?, reader.text()?);
        set_timed_field(reader, &mut hash, (&field, &value, at_ms), limits)?;
    }
    Ok(hash)
}

/// A hash whose fields may expire, by Valkey: the time, or -1, stands behind each field and its value.
fn plain_hash_of_valkey(
    reader: &mut Reader<'_>,
    limits: &EncodingLimits,
) -> Result<Hash, RdbError> {
    let count = reader.count()?;
    let mut hash = Hash::new();
    hash.make_expiring();
    expect_fields(&mut hash, count, limits);
    for _ in 0..count {
        let (field, value) = (reader.text()?, reader.text()?);
        let at_ms = match i64::from_le_bytes(reader.array()?) {
            -1 => None,
            // One that expires at 1970 is not one that never does.
            at_ms => field_expiry(reader, at_ms.max(1).cast_unsigned())?,
        };
        set_timed_field(reader, &mut hash, (&field, &value, at_ms), limits)?;
    }
    Ok(hash)
}

/// The same as a listpack of field, value and time.
fn packed_hash_with_expiries(
    reader: &mut Reader<'_>,
    code: u8,
    limits: &EncodingLimits,
) -> Result<Hash, RdbError> {
    if code == TYPE_HASH_LISTPACK_EXPIRES {
        // The earliest of the times.
        reader.array::<8>()?;
    }
    let bytes = reader.text()?;
    let what = "Hash listpack integrity check failed";
    let mut items = filled(reader, Packing::Listpack.read(reader, &bytes, what)?)?;
    if !items.len().is_multiple_of(3) {
        return Err(reader.corrupt("field without a value"));
    }
    let mut hash = Hash::new();
    hash.make_expiring();
    expect_fields(&mut hash, items.len() as u64 / 3, limits);
    let (mut field_text, mut value_text) = (IntegerText::new(), IntegerText::new());
    while let Some([field, value, at]) = items.next_group() {
        let field = field.as_bytes(&mut field_text);
        let value = value.as_bytes(&mut value_text);
        let PackedItem::Integer(at_ms) = at else {
            return Err(reader.corrupt("invalid expiry of a hash field"));
        };
        // A negative time is far too late.
        let at_ms = field_expiry(reader, at_ms.cast_unsigned())?;
        set_timed_field(reader, &mut hash, (field, value, at_ms), limits)?;
    }
    Ok(hash)
}

// Sorted sets.

fn plain_sorted_set(
    reader: &mut Reader<'_>,
    code: u8,
    limits: &EncodingLimits,
) -> Result<SortedSet, RdbError> {
    let count = reader.count()?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > limits.zset_max_listpack_entries {
        let mut sorted_set = SortedSet::with_hint(count, 0, limits);
        for _ in 0..count {
            let (member, score) = scored_member(reader, code)?;
            if sorted_set.insert(&member, score, limits) != Upsert::Added {
                return Err(reader.corrupt(DUPLICATE_MEMBERS));
            }
        }
        return Ok(sorted_set);
    }
    // Few: which form they take depends on the longest.
    let mut pairs: Vec<(Text<'_>, f64)> = Vec::new();
    for _ in 0..count {
        pairs.push(scored_member(reader, code)?);
    }
    few_members(reader, pairs, limits)
}

fn scored_member<'a>(reader: &mut Reader<'a>, code: u8) -> Result<(Text<'a>, f64), RdbError> {
    let member = reader.text()?;
    let score = match code {
        TYPE_SORTED_SET => reader.double_text()?,
        _ => reader.double()?,
    };
    Ok((member, score))
}

const DUPLICATE_MEMBERS: &str = "Duplicate zset fields detected";

fn few_members<M: AsRef<[u8]>>(
    reader: &Reader<'_>,
    pairs: Vec<(M, f64)>,
    limits: &EncodingLimits,
) -> Result<SortedSet, RdbError> {
    let mut members: Vec<&[u8]> = pairs.iter().map(|(member, _)| member.as_ref()).collect();
    members.sort_unstable();
    if members.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(reader.corrupt(DUPLICATE_MEMBERS));
    }
    Ok(SortedSet::from_pairs(pairs, limits))
}

fn packed_sorted_set(
    reader: &mut Reader<'_>,
    packing: Packing,
    limits: &EncodingLimits,
) -> Result<SortedSet, RdbError> {
    let bytes = reader.text()?;
    let what = match packing {
        Packing::Listpack => "Zset listpack integrity check failed",
        _ => "Zset ziplist integrity check failed",
    };
    let mut items = filled(reader, packing.read(reader, &bytes, what)?)?;
    if !items.len().is_multiple_of(2) {
        return Err(reader.corrupt("member without a score"));
    }
    let count = items.len() / 2;
    if count <= limits.zset_max_listpack_entries {
        let mut pairs = Vec::with_capacity(count);
        while let Some([member, score]) = items.next_group() {
            pairs.push((member.to_vec(), packed_score(reader, score)?));
        }
        return few_members(reader, pairs, limits);
    }
    let mut sorted_set = SortedSet::with_hint(count, 0, limits);
    let mut text = IntegerText::new();
    while let Some([member, score]) = items.next_group() {
        let score = packed_score(reader, score)?;
        if sorted_set.insert(member.as_bytes(&mut text), score, limits) != Upsert::Added {
            return Err(reader.corrupt(DUPLICATE_MEMBERS));
        }
    }
    Ok(sorted_set)
}

fn packed_score(reader: &Reader<'_>, score: PackedItem<'_>) -> Result<f64, RdbError> {
    let score = match score {
        PackedItem::Integer(n) => Some(n as f64),
        PackedItem::Bytes(text) if !text.is_empty() => {
            parse_double_loosely(text).filter(|score| !score.is_nan())
        }
        _ => None,
    };
    score.ok_or(reader.corrupt("invalid score"))
}
