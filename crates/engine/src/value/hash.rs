//! The hash: fields and their values, packed while there are few and short ones, else in a table.
//!
//! Here are the choice between the forms, and what all can do. The table is in `hash_table`, the packed
//! bytes (field, value, field, value ... in order of arrival) in `packed`. Both have a form beside
//! them for hashes whose fields may expire (`hash_triples`, `hash_expiring`), so that the others
//! need not know of it; what only those can do is in `hash_expiry`.
//!
//! A hash never goes back from a table to a packed form, as in Redis.

use super::EncodingLimits;
use super::hash_expiring::{self, ExpiringTable};
use super::hash_expiry::{self, ExpiringRef};
use super::hash_table::{self, HashTable};
use super::hash_triples;
use super::packed::{self, PackedItem};
use super::sampling::Selection;
use crate::random::Random;
use crate::relocation::Relocator;

/// Items of a field: itself and its value.
const STRIDE: usize = 2;

/// Fields with their values.
#[derive(Debug, Clone)]
pub enum Hash {
    /// A packed sequence.
    Packed(Vec<u8>),
    /// A table. Whoever keeps many small values beside it boxes the whole.
    Table(HashTable),
    /// A packed sequence with an expiry, or none, beside each value.
    PackedExpiring(Vec<u8>),
    /// A table with expiries.
    TableExpiring(Box<ExpiringTable>),
}

impl Hash {
    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end.
    pub(crate) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        match self {
            Self::Packed(bytes) | Self::PackedExpiring(bytes) => {
                relocator.vec(bytes);
                0
            }
            Self::Table(table) => table.relocate(cursor, relocator),
            Self::TableExpiring(table) => {
                if cursor == 0 {
                    relocator.boxed(table);
                }
                table.relocate(cursor, relocator)
            }
        }
    }
}

/// A hash, to read.
#[derive(Debug, Clone, Copy)]
pub enum HashRef<'a> {
    /// A packed sequence.
    Packed(&'a [u8]),
    /// A table.
    Table(&'a HashTable),
    /// A packed sequence or a table, at some time.
    Expiring(ExpiringRef<'a>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// A hash without fields.
    pub fn new() -> Self {
        Self::Packed(Vec::new())
    }

    /// The reading half. Fields whose time is over are there, until [`HashRef::at`] gives a time.
    pub fn as_ref(&self) -> HashRef<'_> {
        match self {
            Self::Packed(bytes) => HashRef::Packed(bytes),
            Self::Table(table) => HashRef::Table(table),
            Self::PackedExpiring(triples) => HashRef::Expiring(ExpiringRef::packed(triples)),
            Self::TableExpiring(table) => HashRef::Expiring(ExpiringRef::table(table)),
        }
    }

    /// Takes the form that one command which sets `count` fields asks for: since Redis 7.2 more
    /// fields than a packed hash may have make a table at once, even if some are the same.
    pub fn expect_fields(&mut self, count: usize, limits: &EncodingLimits) {
        if count > limits.hash_max_listpack_entries {
            self.make_table(limits);
        }
    }

    /// Sets the value of `field`, which has no expiry from then on; answers whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &EncodingLimits) -> bool {
        let is_new = self.set_keeping_expiry(field, value, limits);
        if !is_new {
            self.remove_expiry(field);
        }
        is_new
    }

    /// Sets the value of `field`, which keeps its expiry if it has one; answers whether the field is
    /// new.
    pub fn set_keeping_expiry(
        &mut self,
        field: &[u8],
        value: &[u8],
        limits: &EncodingLimits,
    ) -> bool {
        let longest = field.len().max(value.len());
        if let Self::Packed(bytes) | Self::PackedExpiring(bytes) = self
            && (longest > limits.hash_max_listpack_value
                || bytes.len() + field.len() + value.len() > packed::MAX_SEQUENCE_LEN)
        {
            self.make_table(limits);
        }
        let value = PackedItem::from_string(value);
        match self {
            Self::Packed(bytes) => {
                let field = PackedItem::from_string(field);
                let fields = match packed::find_or_count(bytes, field, STRIDE) {
                    Ok(found) => {
                        let old = found.end..packed::skip(bytes, found.end);
                        packed::splice(bytes, old, &[value]);
                        return false;
                    }
                    Err(fields) => fields,
                };
                packed::push_item(bytes, field);
                packed::push_item(bytes, value);
                if fields >= limits.hash_max_listpack_entries {
                    self.make_table(limits);
                }
                true
            }
            Self::Table(table) => table.set(field, value),
            Self::PackedExpiring(triples) => {
                let is_new = hash_triples::set(triples, field, value);
                let is_full = || packed::count(triples) / hash_triples::STRIDE;
                if is_new && is_full() > limits.hash_max_listpack_entries {
                    self.make_table(limits);
                }
                is_new
            }
            Self::TableExpiring(table) => table.set(field, value),
        }
    }

    /// Removes `field`, and answers whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Self::Packed(bytes) => {
                let Some(found) = packed::find(bytes, field, STRIDE) else {
                    return false;
                };
                let end = packed::skip(bytes, found.end);
                bytes.drain(found.start..end);
                true
            }
            Self::Table(table) => table.remove(field),
            Self::PackedExpiring(triples) => hash_triples::remove(triples, field),
            Self::TableExpiring(table) => {
                let was_there = table.remove(field);
                self.forget_no_expiries();
                was_there
            }
        }
    }

    pub(super) fn make_table(&mut self, limits: &EncodingLimits) {
        if matches!(self, Self::Table(_) | Self::TableExpiring(_)) {
            return;
        }
        let mut table = HashTable::new(limits.hash_seed);
        let mut text = packed::IntegerText::new();
        for (field, value) in self.as_ref().iter() {
            table.set(field.as_bytes(&mut text), value);
        }
        *self = match self {
            Self::PackedExpiring(triples) => hash_expiry::table_with_expiries(table, triples),
            _ => Self::Table(table),
        };
    }
}

impl<'a> HashRef<'a> {
    /// The hash as it is at a time, in milliseconds since 1970: fields that expire by then are not
    /// there, but for [`Self::len`] and [`Self::is_empty`].
    #[inline]
    pub fn at(self, now_ms: i64) -> Self {
        match self {
            Self::Expiring(hash) => Self::Expiring(hash.at(now_ms)),
            never_expires => never_expires,
        }
    }

    /// How many fields there are, those that have expired and are not yet removed among them. Walks
    /// a packed hash.
    pub fn len(self) -> usize {
        match self {
            Self::Packed(bytes) => packed::count(bytes) / STRIDE,
            Self::Table(table) => table.len(),
            Self::Expiring(hash) => hash.len(),
        }
    }

    /// How many fields [`Self::iter`] gives.
    pub fn live_len(self) -> usize {
        match self {
            Self::Expiring(hash) => hash.live_len(),
            never_expires => never_expires.len(),
        }
    }

    /// Whether there is no field, not even one that has expired and is not yet removed.
    pub fn is_empty(self) -> bool {
        match self {
            Self::Packed(bytes) => bytes.is_empty(),
            Self::Table(table) => table.is_empty(),
            Self::Expiring(hash) => hash.len() == 0,
        }
    }

    /// The value of `field`. It is [`PackedItem::Integer`] exactly if it is the canonical form of
    /// one.
    pub fn get(self, field: &[u8]) -> Option<PackedItem<'a>> {
        match self {
            Self::Packed(bytes) => {
                let found = packed::find(bytes, field, STRIDE)?;
                Some(packed::item_at(bytes, found.end).0)
            }
            Self::Table(table) => table.get(field),
            Self::Expiring(hash) => hash.get(field),
        }
    }

    /// Whether there is `field`.
    pub fn contains(self, field: &[u8]) -> bool {
        match self {
            Self::Packed(bytes) => packed::find(bytes, field, STRIDE).is_some(),
            Self::Table(table) => table.get(field).is_some(),
            Self::Expiring(hash) => hash.get(field).is_some(),
        }
    }

    /// Every field with its value; those of a packed hash in order of arrival, or, if any may
    /// expire, by their expiry.
    pub fn iter(self) -> Iter<'a> {
        Iter(match self {
            Self::Packed(bytes) => Inner::Packed(packed::items(bytes)),
            Self::Table(table) => Inner::Table(table.iter()),
            Self::Expiring(hash) => hash.iter(),
        })
    }

    /// Visits some fields and answers the next cursor, 0 at the end. A field that is there from the
    /// first call to the last is visited; one may be visited more than once. A packed hash is
    /// visited whole.
    pub fn scan(self, cursor: u64, visit: &mut dyn FnMut(PackedItem<'a>, PackedItem<'a>)) -> u64 {
        match self {
            Self::Packed(_) => {
                self.iter().for_each(|(field, value)| visit(field, value));
                0
            }
            Self::Table(table) => table.scan(cursor, visit),
            Self::Expiring(hash) => hash.scan(cursor, visit),
        }
    }

    /// Something to draw fields from, each drawing independent of those before.
    pub fn picker(self) -> Picker<'a> {
        match self {
            Self::Table(table) => Picker(Choice::Table(table)),
            Self::Packed(_) => Picker(Choice::Listed(self.iter().collect())),
            Self::Expiring(hash) => Picker(hash.choice()),
        }
    }

    /// Visits `count` different fields, or all if there are fewer, every choice equally likely.
    pub fn sample(
        self,
        count: usize,
        random: &mut Random,
        visit: &mut dyn FnMut(PackedItem<'a>, PackedItem<'a>),
    ) {
        let table = match self {
            Self::Packed(_) => None,
            Self::Table(table) => Some(table),
            Self::Expiring(hash) => hash.table_without_overdue(),
        };
        if let Some(table) = table {
            return table.sample(count, random, visit);
        }
        let mut selection = Selection::new(self.live_len(), count);
        for (field, value) in self.iter() {
            if selection.takes_next(random) {
                visit(field, value);
            }
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Packed(_) => "listpack",
            Self::Table(_) => "hashtable",
            Self::Expiring(hash) => hash.encoding(),
        }
    }

    /// What the hash takes of the heap, in bytes, as far as can be told.
    pub fn memory_usage(self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len(),
            Self::Table(table) => size_of::<HashTable>() + table.memory_usage(),
            Self::Expiring(hash) => hash.memory_usage(),
        }
    }
}

/// Every field of a hash with its value; made by [`HashRef::iter`].
pub struct Iter<'a>(Inner<'a>);

pub(super) enum Inner<'a> {
    Packed(packed::Items<'a>),
    Table(hash_table::Iter<'a>),
    Triples(hash_triples::Iter<'a>),
    TableExpiring(hash_expiring::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (PackedItem<'a>, PackedItem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Packed(items) => Some((items.next()?, items.next()?)),
            Inner::Table(entries) => entries.next(),
            Inner::Triples(triples) => {
                let (field, value, _) = triples.next()?;
                Some((field, value))
            }
            Inner::TableExpiring(entries) => entries.next(),
        }
    }
}

/// Draws fields from a hash; made by [`HashRef::picker`].
#[derive(Debug, Clone)]
pub struct Picker<'a>(Choice<'a>);

/// What fields are drawn from.
#[derive(Debug, Clone)]
pub(super) enum Choice<'a> {
    Table(&'a HashTable),
    /// These fields with their values.
    Listed(Vec<(PackedItem<'a>, PackedItem<'a>)>),
}

impl<'a> Picker<'a> {
    /// A field with its value, each equally likely; `None` from an empty hash.
    pub fn pick(&self, random: &mut Random) -> Option<(PackedItem<'a>, PackedItem<'a>)> {
        match &self.0 {
            Choice::Table(table) => table.random(random),
            Choice::Listed(fields) => fields.get(random.index(fields.len())).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn limits(entries: usize, value: usize) -> EncodingLimits {
        EncodingLimits {
            hash_max_listpack_entries: entries,
            hash_max_listpack_value: value,
            ..EncodingLimits::default()
        }
    }

    fn filled(entries: usize, limits: &EncodingLimits) -> Hash {
        let mut hash = Hash::new();
        for n in 0..entries {
            hash.set(format!("f{n}").as_bytes(), n.to_string().as_bytes(), limits);
        }
        hash
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            6 => "[a-c0-9]{0,2}".prop_map(String::into_bytes),
            2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..300),
        ]
    }

    proptest! {
        #[test]
        fn a_hash_is_a_map_and_changes_form_at_its_limits(
            steps in prop::collection::vec((0u8..4, string(), string()), 0..120),
            entries in prop_oneof![Just(0usize), Just(5), Just(512)],
            value_len in prop_oneof![Just(1usize), Just(64), Just(1000)],
        ) {
            let limits = limits(entries, value_len);
            let mut hash = Hash::new();
            let mut model = BTreeMap::new();
            let mut is_table = false;
            for (step, field, value) in steps {
                if step == 0 {
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                } else {
                    let is_new = hash.set(&field, &value, &limits);
                    is_table |= field.len().max(value.len()) > value_len;
                    prop_assert_eq!(is_new, model.insert(field.clone(), value).is_none());
                    is_table |= model.len() > entries;
                }
                prop_assert_eq!(hash.as_ref().encoding(), if is_table { "hashtable" } else { "listpack" });
                prop_assert_eq!(hash.as_ref().len(), model.len());
                prop_assert_eq!(hash.as_ref().is_empty(), model.is_empty());
                prop_assert_eq!(hash.as_ref().contains(&field), model.contains_key(&field));
                prop_assert_eq!(hash.as_ref().get(&field).map(|v| v.to_vec()), model.get(&field).cloned());
            }
            for copy in [hash.clone(), hash] {
                let read: BTreeMap<_, _> = copy.as_ref().iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
                prop_assert_eq!(&read, &model);
                for (field, value) in &model {
                    let integer = packed::canonical_integer(value);
                    prop_assert_eq!(copy.as_ref().get(field) == integer.map(PackedItem::Integer), integer.is_some());
                }
            }
        }

        #[test]
        fn a_sample_is_as_many_different_fields(seed: u64, len in 0usize..40, count in 0usize..50, entries in 0usize..64) {
            let hash = filled(len, &limits(entries, 64));
            let mut random = Random::new(seed);
            let mut seen = BTreeSet::new();
            hash.as_ref().sample(count, &mut random, &mut |field, value| {
                assert_eq!(hash.as_ref().get(&field.to_vec()), Some(value));
                assert!(seen.insert(field.to_vec()));
            });
            prop_assert_eq!(seen.len(), count.min(len));
        }

        #[test]
        fn what_stays_is_scanned_while_others_come_and_go(
            stays in 0usize..300,
            changes in prop::collection::vec((any::<bool>(), 0usize..2000), 0..60),
            entries in prop_oneof![Just(16usize), Just(4096)],
        ) {
            let limits = limits(entries, 64);
            let mut hash = filled(stays, &limits);
            let mut changes = changes.into_iter();
            let mut seen = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = hash.as_ref().scan(cursor, &mut |field, _| { seen.insert(field.to_vec()); });
                if cursor == 0 { break; }
                if let Some((grows, many)) = changes.next() {
                    // Values that grow and shrink move their fields about.
                    for n in (0..stays).step_by(many % 7 + 1) {
                        let value = vec![b'x'; if grows { 200 } else { 1 }];
                        hash.set(format!("f{n}").as_bytes(), &value, &limits);
                    }
                    for n in 0..many {
                        let field = format!("g{n}");
                        if grows { hash.set(field.as_bytes(), b"", &limits); } else { hash.remove(field.as_bytes()); }
                    }
                }
            }
            for n in 0..stays {
                prop_assert!(seen.contains(format!("f{n}").as_bytes()), "f{} was missed", n);
            }
        }
    }

    #[test]
    fn every_field_is_picked_equally_often() {
        for entries in [0, 512] {
            let hash = filled(20, &limits(entries, 64));
            let picker = hash.as_ref().picker();
            let mut random = Random::new(9);
            let mut counts = BTreeMap::new();
            for _ in 0..40_000 {
                let (field, _) = picker.pick(&mut random).unwrap();
                *counts.entry(field.to_vec()).or_insert(0u32) += 1;
            }
            // 2,000 expected, deviation 44.
            assert_eq!(counts.len(), 20);
            assert!(
                counts.values().all(|n| (1_740..=2_260).contains(n)),
                "{counts:?}"
            );
        }
        assert!(
            Hash::new()
                .as_ref()
                .picker()
                .pick(&mut Random::new(1))
                .is_none()
        );
    }

    #[test]
    fn many_fields_in_one_command_make_a_table_at_once() {
        let limits = limits(4, 64);
        let mut hash = Hash::new();
        hash.expect_fields(4, &limits);
        assert_eq!(hash.as_ref().encoding(), "listpack");
        hash.expect_fields(5, &limits);
        assert_eq!(hash.as_ref().encoding(), "hashtable");
    }

    #[test]
    fn a_table_that_empties_takes_no_blocks() {
        let mut hash = filled(100, &limits(0, 64));
        let full = hash.as_ref().memory_usage();
        for n in 0..100 {
            assert!(hash.remove(format!("f{n}").as_bytes()));
        }
        assert!(full > 100 * 8);
        assert_eq!(hash.as_ref().memory_usage(), size_of::<HashTable>());
    }
}
