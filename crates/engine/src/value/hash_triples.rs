//! The compact form of a hash whose fields may expire: a packed sequence of triples, each a field,
//! its value, and when it expires in milliseconds since 1970, or 0 if it never does.
//!
//! What expires first stands first, and what never does stands last, so that one look tells whether
//! anything is over. Fields with the same time stand in the reverse of the order in which they got
//! it. All of this is as in Redis's `listpackex`, where clients see the order. Which form a hash has
//! is decided in `hash`.

use std::ops::Range;

use super::packed::{self, PackedItem};

/// Items of a field.
pub(super) const STRIDE: usize = 3;

/// Stands for no expiry.
const NEVER: i64 = 0;

/// A field with its value and its expiry in milliseconds since 1970.
pub type TimedField<'a> = (PackedItem<'a>, PackedItem<'a>, Option<i64>);

/// Among fields that expire at the same time, where a new one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    /// Before them, as when a command sets the expiry.
    First,
    /// Behind them, as when a triple is loaded.
    Last,
}

/// Where the three items of a field begin, and where the last one ends.
pub(super) struct Place {
    start: usize,
    value: usize,
    expiry: usize,
    end: usize,
}

/// The triples of a sequence of fields and values, none of which expires.
pub(super) fn from_pairs(pairs: &[u8]) -> Vec<u8> {
    let mut triples = Vec::with_capacity(pairs.len() + packed::count(pairs));
    let mut offset = 0;
    while offset < pairs.len() {
        let end = packed::skip(pairs, packed::skip(pairs, offset));
        triples.extend_from_slice(&pairs[offset..end]);
        packed::push_integer(&mut triples, NEVER);
        offset = end;
    }
    triples
}

/// Every field.
pub(super) fn iter(triples: &[u8]) -> Iter<'_> {
    Iter(packed::items(triples))
}

/// Every field of a sequence of triples; made by [`iter`].
#[derive(Debug, Clone)]
pub(super) struct Iter<'a>(packed::Items<'a>);

impl Iter<'_> {
    /// Where the next field begins.
    pub(super) fn offset(&self) -> usize {
        self.0.offset()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = TimedField<'a>;

    fn next(&mut self) -> Option<TimedField<'a>> {
        Some((self.0.next()?, self.0.next()?, time(self.0.next()?)))
    }
}

fn time(item: PackedItem<'_>) -> Option<i64> {
    match item {
        PackedItem::Integer(at_ms) if at_ms != NEVER => Some(at_ms),
        _ => None,
    }
}

/// The field that begins at `offset`.
pub(super) fn at(triples: &[u8], offset: usize) -> TimedField<'_> {
    let (field, value_at) = packed::item_at(triples, offset);
    let (value, expiry_at) = packed::item_at(triples, value_at);
    (field, value, time(packed::item_at(triples, expiry_at).0))
}

/// When the first field expires that does, in milliseconds since 1970.
pub(super) fn next_expiry_ms(triples: &[u8]) -> Option<i64> {
    iter(triples).next()?.2
}

/// Where `field` is.
pub(super) fn find(triples: &[u8], field: &[u8]) -> Option<Place> {
    let found = packed::find(triples, field, STRIDE)?;
    let expiry = packed::skip(triples, found.end);
    Some(Place {
        start: found.start,
        value: found.end,
        expiry,
        end: packed::skip(triples, expiry),
    })
}

/// The value and the expiry of `field`.
pub(super) fn get<'a>(triples: &'a [u8], field: &[u8]) -> Option<(PackedItem<'a>, Option<i64>)> {
    let place = find(triples, field)?;
    let (_, value, expires_at_ms) = at(triples, place.start);
    Some((value, expires_at_ms))
}

/// Sets the value of `field`, which keeps its expiry; answers whether the field is new.
pub(super) fn set(triples: &mut Vec<u8>, field: &[u8], value: PackedItem<'_>) -> bool {
    if let Some(place) = find(triples, field) {
        packed::splice(triples, place.value..place.expiry, &[value]);
        return false;
    }
    packed::push_string(triples, field);
    packed::push_item(triples, value);
    packed::push_integer(triples, NEVER);
    true
}

/// Sets or removes the expiry of `field`; answers whether the field is there.
pub(super) fn set_expiry(
    triples: &mut Vec<u8>,
    field: &[u8],
    expires_at_ms: Option<i64>,
    ties: Ties,
) -> bool {
    let Some(place) = find(triples, field) else {
        return false;
    };
    if expires_at_ms.is_none() && at(triples, place.start).2.is_none() {
        return true;
    }
    let mut moved = triples[place.start..place.expiry].to_vec();
    packed::push_integer(&mut moved, expires_at_ms.unwrap_or(NEVER));
    triples.drain(place.start..place.end);
    let at = match expires_at_ms {
        Some(at_ms) => position(triples, at_ms, ties),
        None => triples.len(),
    };
    triples.splice(at..at, moved);
    true
}

/// Where a field that expires at `at_ms` goes.
fn position(triples: &[u8], at_ms: i64, ties: Ties) -> usize {
    let mut fields = iter(triples);
    loop {
        let offset = fields.offset();
        match fields.next() {
            Some((_, _, Some(other_ms))) if other_ms < at_ms => {}
            Some((_, _, Some(other_ms))) if other_ms == at_ms && ties == Ties::Last => {}
            _ => return offset,
        }
    }
}

/// Removes `field`, and answers whether it was there.
pub(super) fn remove(triples: &mut Vec<u8>, field: &[u8]) -> bool {
    let Some(place) = find(triples, field) else {
        return false;
    };
    triples.drain(place.start..place.end);
    true
}

/// Where the fields stand whose time is over.
pub(super) fn overdue(triples: &[u8], now_ms: i64) -> Range<usize> {
    let mut fields = iter(triples);
    loop {
        let offset = fields.offset();
        match fields.next() {
            Some((_, _, Some(at_ms))) if at_ms <= now_ms => {}
            _ => return 0..offset,
        }
    }
}
