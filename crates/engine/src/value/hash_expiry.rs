//! Fields that expire: what a hash can do beside the rest if some of its fields do.
//!
//! The compact form is in `hash_triples`, the big one in `hash_expiring`. A hash takes one of them
//! when a field is to get an expiry for the first time ([`Hash::make_expiring`]).
//!
//! A field whose time is over stays in the hash until somebody removes it. Reading does not see it
//! from [`HashRef::at`] on.
//!
//! # For those who write hashes down
//!
//! [`ExpiringRef::timed`] gives each field with its value and expiry; [`Hash::load_timed`] puts
//! it back. [`HashRef::next_expiry_ms`] is what Redis writes before the fields.

use super::EncodingLimits;
use super::hash::{Choice, Hash, HashRef, Inner};
use super::hash_expiring::{self, ExpiringTable};
use super::hash_table::HashTable;
use super::hash_triples::{self, Ties, TimedField};
use super::packed::{self, PackedItem};

/// A time that is never over, for reading a hash with all that is in it.
const BEFORE_ALL_MS: i64 = i64::MIN;

impl Hash {
    /// Takes the form in which fields may expire. A big hash takes it only when one does.
    pub fn make_expiring(&mut self) {
        if let Self::Packed(pairs) = self {
            *self = Self::PackedExpiring(hash_triples::from_pairs(pairs));
        }
    }

    /// Sets or removes the expiry of `field`, in milliseconds since 1970 and more than 0; answers
    /// whether the field is there.
    pub fn set_expiry(&mut self, field: &[u8], expires_at_ms: Option<i64>) -> bool {
        self.set_expiry_among(field, expires_at_ms, Ties::First)
    }

    fn set_expiry_among(&mut self, field: &[u8], expires_at_ms: Option<i64>, ties: Ties) -> bool {
        debug_assert!(expires_at_ms.is_none_or(|at_ms| at_ms > 0), "0 says never");
        if expires_at_ms.is_some() {
            self.make_expiring();
            if let Self::Table(table) = self
                && table.get(field).is_some()
            {
                let fields = std::mem::replace(table, HashTable::new(table.seed()));
                *self = Self::TableExpiring(Box::new(ExpiringTable::new(fields)));
            }
        }
        match self {
            Self::Packed(_) | Self::Table(_) => self.as_ref().contains(field),
            Self::PackedExpiring(triples) => {
                hash_triples::set_expiry(triples, field, expires_at_ms, ties)
            }
            Self::TableExpiring(table) => {
                let is_there = table.fields().get(field).is_some();
                if is_there {
                    table.set_expiry(field, expires_at_ms);
                    self.forget_no_expiries();
                }
                is_there
            }
        }
    }

    pub(super) fn remove_expiry(&mut self, field: &[u8]) {
        if matches!(self, Self::PackedExpiring(_) | Self::TableExpiring(_)) {
            self.set_expiry(field, None);
        }
    }

    /// Makes a table with expiries a plain one if there are none.
    pub(super) fn forget_no_expiries(&mut self) {
        if matches!(self, Self::TableExpiring(table) if !table.has_expiries())
            && let Self::TableExpiring(table) = std::mem::take(self)
        {
            *self = Self::Table(table.into_fields());
        }
    }

    /// Adds a field that has been written down, with its expiry in milliseconds since 1970, more than
    /// 0; answers whether the field is new. Fields that are loaded in the order in which
    /// [`ExpiringRef::timed`] gave them are in that order again.
    pub fn load_timed(
        &mut self,
        field: &[u8],
        value: &[u8],
        expires_at_ms: Option<i64>,
        limits: &EncodingLimits,
    ) -> bool {
        let is_new = self.set(field, value, limits);
        if expires_at_ms.is_some() {
            self.set_expiry_among(field, expires_at_ms, Ties::Last);
        }
        is_new
    }

    /// Removes fields whose time is over, giving each to `removed`, and stops when it has looked at
    /// `budget` fields or somewhat more. Answers at how many it looked, and whether there may be
    /// more to remove.
    pub fn remove_overdue(
        &mut self,
        now_ms: i64,
        budget: usize,
        removed: &mut dyn FnMut(&[u8]),
    ) -> (usize, bool) {
        match self {
            Self::Packed(_) | Self::Table(_) => (0, false),
            // There are not many.
            Self::PackedExpiring(_) => (self.remove_all_overdue(now_ms, removed), false),
            Self::TableExpiring(table) => {
                let answer = table.remove_overdue(now_ms, budget, removed);
                self.forget_no_expiries();
                answer
            }
        }
    }

    /// Removes all fields whose time is over, giving each to `removed`; answers how many they were.
    pub fn remove_all_overdue(&mut self, now_ms: i64, removed: &mut dyn FnMut(&[u8])) -> usize {
        let mut count = 0;
        let mut removed = |field: &[u8]| {
            count += 1;
            removed(field);
        };
        match self {
            Self::Packed(_) | Self::Table(_) => {}
            Self::PackedExpiring(triples) => {
                let overdue = hash_triples::overdue(triples, now_ms);
                let mut text = packed::IntegerText::new();
                for (field, _, _) in hash_triples::iter(&triples[overdue.clone()]) {
                    removed(field.as_bytes(&mut text));
                }
                triples.drain(overdue);
            }
            Self::TableExpiring(table) => {
                table.remove_all_overdue(now_ms, &mut removed);
                self.forget_no_expiries();
            }
        }
        count
    }
}

/// The table of these fields, with the expiries that they have in `triples`.
pub(super) fn table_with_expiries(fields: HashTable, triples: &[u8]) -> Hash {
    let mut hash = Hash::Table(fields);
    let mut text = packed::IntegerText::new();
    // Those with an expiry come first.
    for (field, _, at_ms) in hash_triples::iter(triples).take_while(|timed| timed.2.is_some()) {
        hash.set_expiry(field.as_bytes(&mut text), at_ms);
    }
    hash
}

impl<'a> HashRef<'a> {
    /// When `field` expires, in milliseconds since 1970: `None` if it is not there, `Some(None)` if it
    /// never does.
    pub fn expiry(self, field: &[u8]) -> Option<Option<i64>> {
        match self {
            Self::Expiring(hash) => hash.expiry(field),
            never_expires => never_expires.contains(field).then_some(None),
        }
    }

    /// Whether any field expires.
    pub fn has_expiries(self) -> bool {
        self.next_expiry_ms().is_some()
    }

    /// A time before which no field expires, in milliseconds since 1970; `None` if none ever does. It
    /// is the time of the first one to expire, unless that field was there and is not any more.
    pub fn next_expiry_ms(self) -> Option<i64> {
        match self {
            Self::Packed(_) | Self::Table(_) => None,
            Self::Expiring(hash) => hash.next_expiry_ms(),
        }
    }

    /// Whether `field` is there and its time is over.
    pub fn is_over(self, field: &[u8], now_ms: i64) -> bool {
        match self {
            Self::Packed(_) | Self::Table(_) => false,
            Self::Expiring(hash) => hash.is_over(field, now_ms),
        }
    }
}

/// A hash whose fields may expire, to read, at some time.
#[derive(Debug, Clone, Copy)]
pub struct ExpiringRef<'a> {
    form: Form<'a>,
    now_ms: i64,
}

#[derive(Debug, Clone, Copy)]
enum Form<'a> {
    Packed(&'a [u8]),
    Table(&'a ExpiringTable),
}

impl<'a> ExpiringRef<'a> {
    pub(crate) fn packed(triples: &'a [u8]) -> Self {
        Self {
            form: Form::Packed(triples),
            now_ms: BEFORE_ALL_MS,
        }
    }

    pub(super) fn table(table: &'a ExpiringTable) -> Self {
        Self {
            form: Form::Table(table),
            now_ms: BEFORE_ALL_MS,
        }
    }

    pub(super) fn at(self, now_ms: i64) -> Self {
        Self { now_ms, ..self }
    }

    /// The fields as a table that knows nothing of expiries, if there are many.
    pub(crate) fn fields_table(self) -> Option<&'a HashTable> {
        match self.form {
            Form::Packed(_) => None,
            Form::Table(table) => Some(table.fields()),
        }
    }

    /// The fields as such a table, if there are many and no one's time is over.
    pub(super) fn table_without_overdue(self) -> Option<&'a HashTable> {
        self.fields_table().filter(|_| !self.may_have_overdue())
    }

    fn may_have_overdue(self) -> bool {
        self.next_expiry_ms()
            .is_some_and(|next_ms| next_ms <= self.now_ms)
    }

    /// The triples whose time is not over.
    fn live_triples(self, triples: &'a [u8]) -> hash_triples::Iter<'a> {
        let overdue = hash_triples::overdue(triples, self.now_ms);
        hash_triples::iter(&triples[overdue.end..])
    }

    /// Every field with its value and its expiry in milliseconds since 1970, those whose time is
    /// over among them. A packed hash has what expires first in front.
    pub fn timed(self) -> Box<dyn Iterator<Item = TimedField<'a>> + 'a> {
        match self.form {
            Form::Packed(triples) => Box::new(hash_triples::iter(triples)),
            Form::Table(table) => Box::new(table.fields().iter().map(|(field, value)| {
                let mut text = packed::IntegerText::new();
                (field, value, table.expiry(field.as_bytes(&mut text)))
            })),
        }
    }

    /// Whether it is packed: what Redis calls `listpackex`.
    pub fn is_packed(self) -> bool {
        matches!(self.form, Form::Packed(_))
    }

    pub(super) fn len(self) -> usize {
        match self.form {
            Form::Packed(triples) => packed::count(triples) / hash_triples::STRIDE,
            Form::Table(table) => table.fields().len(),
        }
    }

    pub(super) fn live_len(self) -> usize {
        match self.form {
            Form::Packed(triples) => self.live_triples(triples).count(),
            Form::Table(table) => table.fields().len() - table.count_overdue(self.now_ms),
        }
    }

    pub(super) fn get(self, field: &[u8]) -> Option<PackedItem<'a>> {
        match self.form {
            Form::Packed(triples) => {
                let (value, at_ms) = hash_triples::get(triples, field)?;
                Some(value).filter(|_| at_ms.is_none_or(|at_ms| at_ms > self.now_ms))
            }
            Form::Table(table) => {
                let value = table.fields().get(field)?;
                Some(value).filter(|_| !table.is_over(field, self.now_ms))
            }
        }
    }

    fn expiry(self, field: &[u8]) -> Option<Option<i64>> {
        let at_ms = match self.form {
            Form::Packed(triples) => hash_triples::get(triples, field)?.1,
            Form::Table(table) => {
                table.fields().get(field)?;
                table.expiry(field)
            }
        };
        Some(at_ms).filter(|at_ms| at_ms.is_none_or(|at_ms| at_ms > self.now_ms))
    }

    fn is_over(self, field: &[u8], now_ms: i64) -> bool {
        match self.form {
            Form::Packed(triples) => hash_triples::next_expiry_ms(triples)
                .filter(|&next_ms| next_ms <= now_ms)
                .and_then(|_| hash_triples::get(triples, field)?.1)
                .is_some_and(|at_ms| at_ms <= now_ms),
            Form::Table(table) => table.is_over(field, now_ms),
        }
    }

    fn next_expiry_ms(self) -> Option<i64> {
        match self.form {
            Form::Packed(triples) => hash_triples::next_expiry_ms(triples),
            Form::Table(table) => table.has_expiries().then(|| table.next_expiry_ms()),
        }
    }

    pub(super) fn iter(self) -> Inner<'a> {
        match self.form {
            Form::Packed(triples) => Inner::Triples(self.live_triples(triples)),
            Form::Table(table) => {
                Inner::TableExpiring(hash_expiring::Iter::new(table, self.now_ms))
            }
        }
    }

    pub(super) fn scan(
        self,
        cursor: u64,
        visit: &mut dyn FnMut(PackedItem<'a>, PackedItem<'a>),
    ) -> u64 {
        match self.form {
            Form::Packed(triples) => {
                self.live_triples(triples)
                    .for_each(|(field, value, _)| visit(field, value));
                0
            }
            Form::Table(table) => table.fields().scan(cursor, &mut |field, value| {
                let mut text = packed::IntegerText::new();
                if !table.is_over(field.as_bytes(&mut text), self.now_ms) {
                    visit(field, value);
                }
            }),
        }
    }

    pub(super) fn choice(self) -> Choice<'a> {
        match self.table_without_overdue() {
            Some(table) => Choice::Table(table),
            None => Choice::Listed(HashRef::Expiring(self).iter().collect()),
        }
    }

    pub(super) fn encoding(self) -> &'static str {
        match self.form {
            Form::Packed(_) => "listpackex",
            Form::Table(_) => "hashtable",
        }
    }

    pub(super) fn memory_usage(self) -> usize {
        match self.form {
            Form::Packed(triples) => triples.len(),
            Form::Table(table) => table.memory_usage(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn limits(entries: usize) -> EncodingLimits {
        EncodingLimits {
            hash_max_listpack_entries: entries,
            ..EncodingLimits::default()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set,
        SetKeeping,
        Expire(i64),
        Persist,
        Remove,
        /// Lets time pass, and removes what is over: everything, or so many looked at.
        Pass(i64, Option<usize>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Set),
            2 => Just(Step::SetKeeping),
            6 => (1i64..60).prop_map(Step::Expire),
            1 => Just(Step::Persist),
            1 => Just(Step::Remove),
            2 => (0i64..20, prop::option::of(0usize..40)).prop_map(|(ms, budget)| Step::Pass(ms, budget)),
        ]
    }

    type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

    fn is_over(expiry: Option<i64>, now_ms: i64) -> bool {
        expiry.is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Everything that can be read of a hash at some time.
    fn check(hash: &Hash, model: &Model, now_ms: i64, seed: u64) {
        let all = hash.as_ref();
        assert_eq!((all.len(), all.is_empty()), (model.len(), model.is_empty()));
        let earliest = model.values().filter_map(|&(_, expiry)| expiry).min();
        assert_eq!(all.has_expiries(), earliest.is_some());
        if let (Some(next_ms), Some(earliest_ms)) = (all.next_expiry_ms(), earliest) {
            assert!(next_ms <= earliest_ms, "{next_ms} {earliest_ms}");
        }
        let now = all.at(now_ms);
        let live: BTreeMap<Vec<u8>, Vec<u8>> = model
            .iter()
            .filter(|(_, (_, expiry))| !is_over(*expiry, now_ms))
            .map(|(field, (value, _))| (field.clone(), value.clone()))
            .collect();
        let pair =
            |(field, value): (PackedItem<'_>, PackedItem<'_>)| (field.to_vec(), value.to_vec());
        assert_eq!(now.iter().map(pair).collect::<BTreeMap<_, _>>(), live);
        assert_eq!(now.iter().count(), now.live_len());
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = now.scan(cursor, &mut |field, value| {
                scanned.insert(field.to_vec(), value.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned, live);
        for (field, (value, expiry)) in model {
            assert_eq!(
                all.get(field).map(|item| item.to_vec()).as_ref(),
                Some(value)
            );
            assert_eq!(all.expiry(field), Some(*expiry));
            assert_eq!(all.is_over(field, now_ms), is_over(*expiry, now_ms));
            assert_eq!(
                now.get(field).map(|item| item.to_vec()).as_ref(),
                live.get(field)
            );
            let expected = Some(*expiry).filter(|&expiry| !is_over(expiry, now_ms));
            assert_eq!(now.expiry(field), expected);
        }
        let mut random = Random::new(seed);
        let mut sampled = BTreeSet::new();
        now.sample(3, &mut random, &mut |field, _| {
            assert!(sampled.insert(field.to_vec()))
        });
        assert_eq!(sampled.len(), live.len().min(3));
        assert!(sampled.iter().all(|field| live.contains_key(field)));
        let picked = now.picker().pick(&mut random).map(pair);
        assert_eq!(picked.is_some(), !live.is_empty());
        assert!(picked.is_none_or(|(field, value)| live.get(&field) == Some(&value)));
    }

    proptest! {
        #[test]
        fn fields_expire_as_in_a_map(
            steps in prop::collection::vec((step(), "[a-e0-9]{1,2}", "[a-z0-9]{0,4}|[x]{90}"), 0..80),
            entries in prop_oneof![Just(0usize), Just(6), Just(128)],
            seed: u64,
        ) {
            let limits = limits(entries);
            let mut hash = Hash::new();
            let mut model = Model::new();
            let mut now_ms = 1_000_000;
            for (step, field, value) in steps {
                let (field, value) = (field.into_bytes(), value.into_bytes());
                match step {
                    Step::Set => {
                        let is_new = hash.set(&field, &value, &limits);
                        prop_assert_eq!(is_new, model.insert(field, (value, None)).is_none());
                    }
                    Step::SetKeeping => {
                        let is_new = hash.set_keeping_expiry(&field, &value, &limits);
                        let expiry = model.get(&field).and_then(|&(_, expiry)| expiry);
                        prop_assert_eq!(is_new, model.insert(field, (value, expiry)).is_none());
                    }
                    Step::Expire(ms) => {
                        let found = model.get_mut(&field).map(|entry| entry.1 = Some(now_ms + ms));
                        prop_assert_eq!(hash.set_expiry(&field, Some(now_ms + ms)), found.is_some());
                    }
                    Step::Persist => {
                        let found = model.get_mut(&field).map(|entry| entry.1 = None);
                        prop_assert_eq!(hash.set_expiry(&field, None), found.is_some());
                    }
                    Step::Remove => {
                        prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                    }
                    Step::Pass(ms, budget) => {
                        now_ms += ms;
                        let mut removed = Vec::new();
                        let mut note = |field: &[u8]| removed.push(field.to_vec());
                        let has_more = match budget {
                            Some(budget) => hash.remove_overdue(now_ms, budget, &mut note).1,
                            None => {
                                let count = hash.remove_all_overdue(now_ms, &mut note);
                                prop_assert_eq!(count, removed.len());
                                false
                            }
                        };
                        for field in removed {
                            prop_assert!(is_over(model.remove(&field).unwrap().1, now_ms));
                        }
                        let left = model.values().filter(|entry| is_over(entry.1, now_ms)).count();
                        prop_assert!(left == 0 || has_more);
                    }
                }
                check(&hash, &model, now_ms, seed);
            }
            check(&hash.clone(), &model, now_ms + 30, seed);
            let mut loaded = Hash::new();
            if let HashRef::Expiring(timed) = hash.as_ref() {
                for (field, value, expiry) in timed.timed() {
                    loaded.load_timed(&field.to_vec(), &value.to_vec(), expiry, &limits);
                }
                check(&loaded, &model, now_ms, seed);
                if hash.as_ref().encoding() == "listpackex" && loaded.as_ref().encoding() == "listpackex" {
                    prop_assert!(loaded.as_ref().iter().eq(hash.as_ref().iter()));
                }
            }
        }
    }

    /// The order was asked of a Redis 8.2.3: `HKEYS` after these commands.
    #[test]
    fn a_packed_hash_has_what_expires_first_in_front() {
        let limits = limits(128);
        let mut hash = Hash::new();
        let keys = |hash: &Hash| -> String {
            let fields = hash.as_ref().iter().map(|(field, _)| field.to_vec());
            String::from_utf8(fields.collect::<Vec<_>>().concat()).unwrap()
        };
        for field in [b"a", b"b", b"c"] {
            hash.set(field, b"1", &limits);
        }
        assert_eq!(hash.as_ref().encoding(), "listpack");
        for field in [b"b", b"a", b"c"] {
            hash.set_expiry(field, Some(70_368_744_177_663));
        }
        assert_eq!(hash.as_ref().encoding(), "listpackex");
        assert_eq!(keys(&hash), "cab");
        hash.set_expiry(b"b", Some(70_368_744_177_663));
        assert_eq!(keys(&hash), "bca");
        hash.set(b"c", b"9", &limits);
        assert_eq!(keys(&hash), "bac");
        hash.set_expiry(b"c", Some(70_368_744_177_662));
        hash.set_keeping_expiry(b"c", b"10", &limits);
        hash.set(b"d", b"1", &limits);
        assert_eq!(keys(&hash), "cbad");
    }

    #[test]
    fn a_table_without_expiries_is_a_plain_one_again() {
        let limits = limits(0);
        let mut hash = Hash::new();
        for n in 0..2000 {
            hash.set(format!("f{n}").as_bytes(), b"v", &limits);
        }
        let plain = hash.as_ref().memory_usage();
        for n in 0..1000 {
            assert!(hash.set_expiry(format!("f{n}").as_bytes(), Some(1000 + n)));
        }
        assert!(hash.as_ref().memory_usage() > plain);
        assert_eq!(hash.as_ref().encoding(), "hashtable");
        // A part at a time, until nothing is left that is over.
        let mut removed = 0;
        let mut calls = 0;
        while hash.remove_overdue(1499, 100, &mut |_| removed += 1).1 {
            calls += 1;
        }
        assert_eq!(removed, 500);
        assert!((4..=40).contains(&calls), "{calls} calls");
        assert_eq!(hash.as_ref().next_expiry_ms(), Some(1500));
        hash.remove_all_overdue(5000, &mut |_| ());
        assert!(matches!(hash, Hash::Table(_)));
        assert_eq!(hash.as_ref().len(), 1000);
    }
}
