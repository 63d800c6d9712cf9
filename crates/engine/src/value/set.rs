//! The set: integers in order while it has nothing else and not too many, packed while there are
//! few and short members, else in a table.
//!
//! Here are the choice between the three forms, and what all of them can do. Beneath are `intset`,
//! `packed` (the members in order of arrival) and `set_table`.
//!
//! The rules of the choice are those of Redis since 7.2. A set never goes back to a smaller form by
//! itself.

use super::EncodingLimits;
use super::intset;
use super::packed::{self, IntegerText, PackedItem, canonical_integer};
use super::sampling::Selection;
use super::set_table::{self, SetTable};
use crate::random::Random;
use crate::relocation::Relocator;

/// Different members, in an order that is nobody's business.
#[derive(Debug, Clone)]
pub enum Set {
    /// Integers in order, in the format of `intset`.
    Intset(Vec<u8>),
    /// A packed sequence.
    Packed(Vec<u8>),
    /// A table. Whoever keeps many small values beside it boxes the whole.
    Table(SetTable),
}

impl Set {
    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end.
    pub(crate) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        match self {
            Self::Intset(bytes) | Self::Packed(bytes) => {
                relocator.vec(bytes);
                0
            }
            Self::Table(table) => table.relocate(cursor, relocator),
        }
    }
}

/// A set, to read.
#[derive(Debug, Clone, Copy)]
pub enum SetRef<'a> {
    /// Integers in order, in the format of `intset`.
    Intset(&'a [u8]),
    /// A packed sequence.
    Packed(&'a [u8]),
    /// A table.
    Table(&'a SetTable),
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    /// A set without members.
    pub fn new() -> Self {
        Self::Intset(Vec::new())
    }

    /// The reading half.
    pub fn as_ref(&self) -> SetRef<'_> {
        match self {
            Self::Intset(bytes) => SetRef::Intset(bytes),
            Self::Packed(bytes) => SetRef::Packed(bytes),
            Self::Table(table) => SetRef::Table(table),
        }
    }

    /// Takes the form that one command asks for which adds `count` members, first of them `first`.
    /// More members than a form may have make a table at once, even if some are the same.
    pub fn expect_members(&mut self, first: &[u8], count: usize, limits: &EncodingLimits) {
        if self.as_ref().is_empty() && !matches!(self, Self::Table(_)) {
            let is_integer = canonical_integer(first).is_some();
            *self = if is_integer && count <= limits.set_max_intset_entries {
                Self::Intset(Vec::new())
            } else if count <= limits.set_max_listpack_entries {
                Self::Packed(Vec::new())
            } else {
                Self::Table(SetTable::new(limits.hash_seed))
            };
            return;
        }
        let most = match self {
            Self::Intset(_) => limits.set_max_intset_entries,
            Self::Packed(_) => limits.set_max_listpack_entries,
            Self::Table(_) => return,
        };
        if count > most {
            self.make_table(limits);
        }
    }

    /// Adds `member`, and answers whether it is new.
    pub fn insert(&mut self, member: &[u8], limits: &EncodingLimits) -> bool {
        self.insert_item(PackedItem::from_string(member), limits)
    }

    /// [`Set::insert`] for a member that was read from a set.
    pub fn insert_item(&mut self, member: PackedItem<'_>, limits: &EncodingLimits) -> bool {
        match self {
            Self::Intset(bytes) => match canonical(member) {
                PackedItem::Integer(integer) => {
                    if !intset::insert(bytes, integer) {
                        return false;
                    }
                    if intset::len(bytes) > most_integers(limits) {
                        self.make_table(limits);
                    }
                    true
                }
                // No integer: the set takes another form, and cannot have this member yet.
                member => {
                    if packs_with(bytes, member, limits) {
                        let mut packed = Vec::new();
                        for integer in intset::iter(bytes) {
                            packed::push_integer(&mut packed, integer);
                        }
                        packed::push_item(&mut packed, member);
                        *self = Self::Packed(packed);
                    } else {
                        self.make_table(limits).insert(packed::data_of(member));
                    }
                    true
                }
            },
            Self::Packed(bytes) => {
                let member = canonical(member);
                let Err(members) = packed::find_or_count(bytes, member, 1) else {
                    return false;
                };
                let len = member.string_len();
                if members < limits.set_max_listpack_entries
                    && len <= limits.set_max_listpack_value
                    && bytes.len() + len <= packed::MAX_SEQUENCE_LEN
                {
                    packed::push_item(bytes, member);
                } else {
                    let mut text = IntegerText::new();
                    self.make_table(limits).insert(member.as_bytes(&mut text));
                }
                true
            }
            Self::Table(table) => table.insert(member.as_bytes(&mut IntegerText::new())),
        }
    }

    /// Removes `member`, and answers whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Self::Intset(bytes) => {
                canonical_integer(member).is_some_and(|integer| intset::remove(bytes, integer))
            }
            Self::Packed(bytes) => match packed::find(bytes, member, 1) {
                Some(found) => {
                    bytes.drain(found);
                    true
                }
                None => false,
            },
            Self::Table(table) => table.remove(member),
        }
    }

    /// [`Set::remove`] for a member that was read from a set.
    pub fn remove_item(&mut self, member: PackedItem<'_>) -> bool {
        match (self, canonical(member)) {
            (Self::Intset(bytes), PackedItem::Integer(integer)) => intset::remove(bytes, integer),
            (set, member) => set.remove(member.as_bytes(&mut IntegerText::new())),
        }
    }

    /// Takes one member out, each equally likely.
    pub fn pop(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        let member = self.as_ref().random(random)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Becomes an intset if all members are integers and not too many: what SINTERSTORE does to its
    /// result.
    pub fn make_intset_if_possible(&mut self, limits: &EncodingLimits) {
        if matches!(self, Self::Intset(_)) || self.as_ref().len() > most_integers(limits) {
            return;
        }
        let mut bytes = Vec::new();
        for member in self.as_ref().iter() {
            let PackedItem::Integer(integer) = canonical(member) else {
                return;
            };
            intset::insert(&mut bytes, integer);
        }
        *self = Self::Intset(bytes);
    }

    fn make_table(&mut self, limits: &EncodingLimits) -> &mut SetTable {
        if !matches!(self, Self::Table(_)) {
            let mut table = SetTable::new(limits.hash_seed);
            let mut text = IntegerText::new();
            for member in self.as_ref().iter() {
                table.insert(member.as_bytes(&mut text));
            }
            *self = Self::Table(table);
        }
        match self {
            Self::Table(table) => table,
            _ => unreachable!("the set was just made a table"),
        }
    }
}

/// The most members of an intset: Redis's format counts no more than 2^30.
fn most_integers(limits: &EncodingLimits) -> usize {
    limits.set_max_intset_entries.min(1 << 30)
}

/// Whether an intset that gets `member`, no integer, may be packed. The longest integer is the
/// least or the greatest.
fn packs_with(intset: &[u8], member: PackedItem<'_>, limits: &EncodingLimits) -> bool {
    let len = intset::len(intset);
    let mut ends = intset::iter(intset);
    let longest = [ends.next(), ends.next_back()]
        .into_iter()
        .flatten()
        .map(|integer| PackedItem::Integer(integer).string_len())
        .fold(member.string_len(), usize::max);
    len < limits.set_max_listpack_entries
        && longest <= limits.set_max_listpack_value
        && longest.saturating_mul(len + 1) <= packed::MAX_SEQUENCE_LEN
}

/// A member as a packed sequence keeps it: members of tables are plain bytes.
fn canonical(member: PackedItem<'_>) -> PackedItem<'_> {
    match member {
        PackedItem::Bytes(bytes) => PackedItem::from_string(bytes),
        number => number,
    }
}

impl<'a> SetRef<'a> {
    /// How many members there are. Walks a packed set.
    pub fn len(self) -> usize {
        match self {
            Self::Intset(bytes) => intset::len(bytes),
            Self::Packed(bytes) => packed::count(bytes),
            Self::Table(table) => table.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(self) -> bool {
        match self {
            Self::Intset(bytes) => intset::len(bytes) == 0,
            Self::Packed(bytes) => bytes.is_empty(),
            Self::Table(table) => table.is_empty(),
        }
    }

    /// Whether `member` is one.
    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            Self::Intset(bytes) => {
                canonical_integer(member).is_some_and(|integer| intset::contains(bytes, integer))
            }
            Self::Packed(bytes) => packed::find(bytes, member, 1).is_some(),
            Self::Table(table) => table.contains(member),
        }
    }

    /// [`SetRef::contains`] for a member that was read from a set.
    pub fn contains_item(self, member: PackedItem<'_>) -> bool {
        match (self, member) {
            (_, PackedItem::Bytes(bytes)) => self.contains(bytes),
            (Self::Intset(bytes), PackedItem::Integer(integer)) => intset::contains(bytes, integer),
            (Self::Packed(bytes), integer) => packed::find_item(bytes, integer, 1).is_some(),
            (_, integer) => self.contains(integer.as_bytes(&mut IntegerText::new())),
        }
    }

    /// Every member: ascending from an intset, in order of arrival from a packed set.
    pub fn iter(self) -> Iter<'a> {
        Iter(match self {
            Self::Intset(bytes) => Inner::Intset(bytes, 0),
            Self::Packed(bytes) => Inner::Packed(packed::items(bytes)),
            Self::Table(table) => Inner::Table(table.iter()),
        })
    }

    /// Visits some members and answers the next cursor, 0 at the end. A member that is there from
    /// the first call to the last is visited; one may be visited more than once. Only a table takes
    /// more than one call.
    pub fn scan(self, cursor: u64, visit: &mut dyn FnMut(PackedItem<'a>)) -> u64 {
        match self {
            Self::Table(table) => table.scan(cursor, visit),
            small => {
                small.iter().for_each(visit);
                0
            }
        }
    }

    /// One member, each equally likely. Walks a packed set; see [`SetRef::picker`].
    pub fn random(self, random: &mut Random) -> Option<PackedItem<'a>> {
        match self {
            Self::Packed(bytes) => {
                let offset = packed::offset_of(bytes, random.index(packed::count(bytes)));
                (offset < bytes.len()).then(|| packed::item_at(bytes, offset).0)
            }
            direct => direct.picker().pick(random),
        }
    }

    /// Something to draw members from, each drawing independent of those before.
    pub fn picker(self) -> Picker<'a> {
        let mut offsets = Vec::new();
        if let Self::Packed(bytes) = self {
            let mut offset = 0;
            while offset < bytes.len() {
                offsets.push(offset);
                offset = packed::skip(bytes, offset);
            }
        }
        Picker { set: self, offsets }
    }

    /// Visits `count` different members, or all if there are fewer, every choice equally likely.
    pub fn sample(self, count: usize, random: &mut Random, visit: &mut dyn FnMut(PackedItem<'a>)) {
        match self {
            Self::Table(table) => table.sample(count, random, visit),
            small => {
                let mut selection = Selection::new(small.len(), count);
                for member in small.iter() {
                    if selection.takes_next(random) {
                        visit(member);
                    }
                }
            }
        }
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Intset(_) => "intset",
            Self::Packed(_) => "listpack",
            Self::Table(_) => "hashtable",
        }
    }

    /// What the set takes of the heap, in bytes, as far as can be told.
    pub fn memory_usage(self) -> usize {
        match self {
            Self::Intset(bytes) | Self::Packed(bytes) => bytes.len(),
            Self::Table(table) => size_of::<SetTable>() + table.memory_usage(),
        }
    }
}

/// Every member of a set; made by [`SetRef::iter`].
pub struct Iter<'a>(Inner<'a>);

enum Inner<'a> {
    /// The set and the next index.
    Intset(&'a [u8], usize),
    Packed(packed::Items<'a>),
    Table(set_table::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = PackedItem<'a>;

    fn next(&mut self) -> Option<PackedItem<'a>> {
        match &mut self.0 {
            Inner::Intset(bytes, index) => {
                if *index >= intset::len(bytes) {
                    return None;
                }
                *index += 1;
                Some(PackedItem::Integer(intset::get(bytes, *index - 1)))
            }
            Inner::Packed(items) => items.next(),
            Inner::Table(members) => members.next(),
        }
    }
}

/// Draws members from a set; made by [`SetRef::picker`].
#[derive(Debug, Clone)]
pub struct Picker<'a> {
    set: SetRef<'a>,
    /// Where the members of a packed set are.
    offsets: Vec<usize>,
}

impl<'a> Picker<'a> {
    /// A member, each equally likely; `None` from an empty set.
    pub fn pick(&self, random: &mut Random) -> Option<PackedItem<'a>> {
        match self.set {
            SetRef::Intset(bytes) => {
                let len = intset::len(bytes);
                (len > 0).then(|| PackedItem::Integer(intset::get(bytes, random.index(len))))
            }
            SetRef::Packed(bytes) => {
                let &offset = self.offsets.get(random.index(self.offsets.len()))?;
                Some(packed::item_at(bytes, offset).0)
            }
            SetRef::Table(table) => table.random(random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn limits(intset: usize, entries: usize, value: usize) -> EncodingLimits {
        EncodingLimits {
            set_max_intset_entries: intset,
            set_max_listpack_entries: entries,
            set_max_listpack_value: value,
            ..EncodingLimits::default()
        }
    }

    fn text(set: SetRef<'_>) -> BTreeSet<Vec<u8>> {
        set.iter().map(|member| member.to_vec()).collect()
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            6 => (-9i64..40).prop_map(|n| n.to_string().into_bytes()),
            2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            1 => "[a-c0-9]{0,2}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..80),
            1 => prop::collection::vec(any::<u8>(), 120..300),
        ]
    }

    /// Which form a set takes that has this one and gets a new member, now among `members`.
    fn next_encoding(
        now: &'static str,
        member: &[u8],
        members: &BTreeSet<Vec<u8>>,
        limits: &EncodingLimits,
    ) -> &'static str {
        let fits = members.len() <= limits.set_max_listpack_entries
            && member.len() <= limits.set_max_listpack_value;
        let longest = members.iter().map(Vec::len).max().unwrap_or(0);
        let is_integer = canonical_integer(member).is_some();
        match now {
            "intset" if is_integer && members.len() <= limits.set_max_intset_entries => "intset",
            "intset" if is_integer => "hashtable",
            "intset" if fits && longest <= limits.set_max_listpack_value => "listpack",
            "listpack" if fits => "listpack",
            _ => "hashtable",
        }
    }

    proptest! {
        #[test]
        fn a_set_is_a_set_and_changes_form_at_its_limits(
            steps in prop::collection::vec((0u8..4, string()), 0..120),
            intset in prop_oneof![Just(0usize), Just(5), Just(512)],
            entries in prop_oneof![Just(0usize), Just(5), Just(128)],
            value_len in prop_oneof![Just(1usize), Just(2), Just(64)],
        ) {
            let limits = limits(intset, entries, value_len);
            let mut set = Set::new();
            let mut model = BTreeSet::new();
            let mut encoding = "intset";
            for (step, member) in steps {
                if step == 0 {
                    prop_assert_eq!(set.remove(&member), model.remove(&member));
                } else {
                    let is_new = model.insert(member.clone());
                    prop_assert_eq!(set.insert(&member, &limits), is_new);
                    if is_new {
                        encoding = next_encoding(encoding, &member, &model, &limits);
                    }
                }
                prop_assert_eq!(set.as_ref().encoding(), encoding);
                prop_assert_eq!(set.as_ref().len(), model.len());
                prop_assert_eq!(set.as_ref().is_empty(), model.is_empty());
                prop_assert_eq!(set.as_ref().contains(&member), model.contains(&member));
                prop_assert_eq!(set.as_ref().contains_item(PackedItem::from_string(&member)), model.contains(&member));
            }
            prop_assert_eq!(&text(set.clone().as_ref()), &model);
            prop_assert_eq!(&text(set.as_ref()), &model);
            // What is read from one set goes into any other.
            for other_limits in [limits, EncodingLimits::default(), self::limits(0, 0, 0)] {
                let mut other = Set::new();
                for member in set.as_ref().iter() {
                    prop_assert!(!other.as_ref().contains_item(member));
                    prop_assert!(other.insert_item(member, &other_limits));
                    prop_assert!(other.as_ref().contains_item(member));
                }
                prop_assert_eq!(&text(other.as_ref()), &model);
                let integers_only = model.iter().all(|m| canonical_integer(m).is_some());
                if let Some(member) = set.as_ref().iter().next() {
                    prop_assert!(other.remove_item(member));
                    prop_assert!(!other.remove_item(member));
                    prop_assert!(other.insert_item(member, &other_limits));
                }
                let was = other.as_ref().encoding();
                other.make_intset_if_possible(&limits);
                if integers_only && model.len() <= limits.set_max_intset_entries {
                    prop_assert_eq!(other.as_ref().encoding(), "intset");
                } else {
                    prop_assert_eq!(other.as_ref().encoding(), was);
                }
                prop_assert_eq!(&text(other.as_ref()), &model);
            }
        }

        #[test]
        fn a_sample_is_as_many_different_members(
            seed: u64,
            members in prop::collection::btree_set(string(), 0..40),
            count in 0usize..50,
            entries in 0usize..64,
        ) {
            let limits = limits(entries, entries, 64);
            let mut set = Set::new();
            for member in &members {
                set.insert(member, &limits);
            }
            let mut random = Random::new(seed);
            let mut seen = BTreeSet::new();
            set.as_ref().sample(count, &mut random, &mut |member| {
                assert!(seen.insert(member.to_vec()));
            });
            prop_assert_eq!(seen.len(), count.min(members.len()));
            prop_assert!(seen.is_subset(&members));
            let mut popped = BTreeSet::new();
            while let Some(member) = set.pop(&mut random) {
                prop_assert!(popped.insert(member));
            }
            prop_assert_eq!(popped, members);
            prop_assert!(set.as_ref().is_empty());
        }

        #[test]
        fn what_stays_is_scanned_while_others_come_and_go(
            stays in 0usize..300,
            changes in prop::collection::vec((any::<bool>(), 0usize..2000), 0..60),
        ) {
            let limits = EncodingLimits::default();
            let mut set = Set::new();
            for n in 0..stays {
                set.insert(format!("f{n}").as_bytes(), &limits);
            }
            let mut changes = changes.into_iter();
            let mut seen = BTreeSet::new();
            let mut cursor = 0;
            loop {
                cursor = set.as_ref().scan(cursor, &mut |member| { seen.insert(member.to_vec()); });
                if cursor == 0 { break; }
                if let Some((grows, many)) = changes.next() {
                    for n in 0..many {
                        let member = n.to_string();
                        if grows { set.insert(member.as_bytes(), &limits); } else { set.remove(member.as_bytes()); }
                    }
                }
            }
            for n in 0..stays {
                prop_assert!(seen.contains(format!("f{n}").as_bytes()), "f{} was missed", n);
            }
        }
    }

    #[test]
    fn every_member_is_picked_equally_often() {
        for (limits, encoding) in [
            (limits(512, 128, 64), "intset"),
            (limits(0, 128, 64), "listpack"),
            (limits(0, 0, 64), "hashtable"),
        ] {
            let mut set = Set::new();
            set.expect_members(b"0", 1, &limits);
            for n in 0..20 {
                set.insert(n.to_string().as_bytes(), &limits);
            }
            assert_eq!(set.as_ref().encoding(), encoding);
            let picker = set.as_ref().picker();
            let mut random = Random::new(9);
            for picks_fast in [false, true] {
                let mut counts = BTreeMap::new();
                for _ in 0..40_000 {
                    let member = if picks_fast {
                        picker.pick(&mut random)
                    } else {
                        set.as_ref().random(&mut random)
                    };
                    *counts.entry(member.unwrap().to_vec()).or_insert(0u32) += 1;
                }
                // 2,000 expected, deviation 44.
                assert_eq!(counts.len(), 20);
                assert!(
                    counts.values().all(|n| (1_740..=2_260).contains(n)),
                    "{encoding} {counts:?}"
                );
            }
        }
        assert!(Set::new().as_ref().random(&mut Random::new(1)).is_none());
        assert!(Set::new().pop(&mut Random::new(1)).is_none());
    }

    #[test]
    fn the_first_form_depends_on_the_first_member_and_on_how_many_come() {
        let limits = limits(4, 2, 64);
        for (first, count, encoding) in [
            (&b"1"[..], 4, "intset"),
            (b"1", 5, "hashtable"),
            (b"x", 2, "listpack"),
            (b"x", 3, "hashtable"),
        ] {
            let mut set = Set::new();
            set.expect_members(first, count, &limits);
            assert_eq!(set.as_ref().encoding(), encoding, "{first:?} {count}");
        }
        // A set that has members takes the hint only when it is beyond its own form.
        let mut set = Set::new();
        set.insert(b"1", &limits);
        set.expect_members(b"x", 4, &limits);
        assert_eq!(set.as_ref().encoding(), "intset");
        set.insert(b"x", &limits);
        assert_eq!(set.as_ref().encoding(), "listpack");
        set.expect_members(b"x", 3, &limits);
        assert_eq!(set.as_ref().encoding(), "hashtable");
    }
}
