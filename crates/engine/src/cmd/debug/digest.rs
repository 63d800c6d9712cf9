//! Digests of values and of the whole data set, as DEBUG DIGEST and DEBUG DIGEST-VALUE answer them:
//! the same data give the same digest in every server that computes them this way.
//!
//! A digest is 20 bytes that begin as zeros. Something whose place does not matter is *added*: the
//! SHA-1 of its bytes is xored in. Something whose place matters is *mixed*: it is added, and the
//! digest is replaced by the SHA-1 of itself. So the elements of a list are mixed one after the
//! other, and those of a set added; a field and its value, or a member and its score, are mixed into
//! a digest of their own, which is added to that of the collection. (After Redis's `debug.c`.)

use sha1::{Digest as _, Sha1};

use crate::keyspace::{EntryRef, collection_ref};
use crate::value::packed::IntegerText;
use crate::value::{Hash, List, Set, SortedSet, Stream, ValueType};

/// What an expiry, whenever it is, adds to the digest of a key.
const EXPIRES: &[u8] = b"!!expire!!";

/// What an expiry adds to the digest of a field and its value.
const FIELD_EXPIRES: &[u8] = b"!!hexpire!!";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 20]);

impl Digest {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        for (byte, other) in self.0.iter_mut().zip(hash) {
            *byte ^= other;
        }
    }

    pub(super) fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// What two things mixed one after the other give.
    fn of_pair(first: &[u8], second: &[u8]) -> Self {
        let mut pair = Digest::default();
        pair.mix(first);
        pair.mix(second);
        pair
    }

    pub(super) fn add_digest(&mut self, other: Digest) {
        self.add(&other.0);
    }

    /// Mixes a value and, if it has one, that it has an expiry.
    pub(super) fn mix_value(&mut self, entry: EntryRef<'_>) {
        self.mix(&type_number(entry.value_type()).to_be_bytes());
        let mut first = IntegerText::new();
        let mut second = IntegerText::new();
        match entry.value_type() {
            ValueType::String => {
                if let Some(string) = entry.string() {
                    string.with_bytes(|bytes| self.mix(bytes));
                }
            }
            ValueType::List => {
                for element in collection_ref::<List>(entry).iter() {
                    self.mix(&element.to_vec());
                }
            }
            ValueType::Set => {
                for member in collection_ref::<Set>(entry).iter() {
                    self.add(member.as_bytes(&mut first));
                }
            }
            ValueType::Hash => {
                let hash = collection_ref::<Hash>(entry);
                for (field, value) in hash.iter() {
                    let field = field.as_bytes(&mut first);
                    let mut pair = Digest::of_pair(field, value.as_bytes(&mut second));
                    if hash.expiry(field).flatten().is_some() {
                        pair.add(FIELD_EXPIRES);
                    }
                    self.add_digest(pair);
                }
            }
            ValueType::SortedSet => {
                for (member, score) in collection_ref::<SortedSet>(entry).iter() {
                    self.add_digest(Digest::of_pair(member, score_text(score).as_bytes()));
                }
            }
            ValueType::Stream => {
                for entry in collection_ref::<Stream>(entry).iter() {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (field, value) in entry.fields {
                        self.mix(field.as_bytes(&mut first));
                        self.mix(value.as_bytes(&mut second));
                    }
                }
            }
        }
        if entry.expire_ms().is_some() {
            self.add(EXPIRES);
        }
    }

    pub(super) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The numbers that Redis gives to types.
fn type_number(value_type: ValueType) -> u32 {
    match value_type {
        ValueType::String => 0,
        ValueType::List => 1,
        ValueType::Set => 2,
        ValueType::SortedSet => 3,
        ValueType::Hash => 4,
        ValueType::Stream => 6,
    }
}

/// A double as C's `%.17g` prints it.
fn score_text(score: f64) -> String {
    const DIGITS: i32 = 17;
    if !score.is_finite() {
        return score.to_string().to_ascii_lowercase();
    }
    let scientific = format!("{score:.16e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..DIGITS).contains(&exponent) {
        let decimals = (DIGITS - 1 - exponent) as usize;
        return trim_zeros(&format!("{score:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.unsigned_abs();
    format!("{}e{sign}{exponent:02}", trim_zeros(mantissa))
}

fn trim_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(score: f64, expected: &str) {
        assert_eq!(score_text(score), expected);
    }

    /// The expected texts are those of C's `printf("%.17g")`.
    #[test]
    fn scores_are_printed_as_c_prints_them() {
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(0.1, "0.10000000000000001");
        check(1e17, "1e+17");
        check(1e16, "10000000000000000");
        check(123456789012345680.0, "1.2345678901234568e+17");
        check(0.0001, "0.0001");
        check(0.00001, "1.0000000000000001e-05");
        check(1.5e300, "1.5000000000000001e+300");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn what_is_added_may_come_in_any_order_and_what_is_mixed_may_not() {
        let fold = |mut digest: Digest, step: fn(&mut Digest, &[u8]), parts: [&[u8]; 2]| {
            parts.iter().for_each(|part| step(&mut digest, part));
            digest
        };
        let empty = Digest::default();
        let parts: [[&[u8]; 2]; 2] = [[b"a", b"b"], [b"b", b"a"]];
        assert_eq!(
            fold(empty, Digest::add, parts[0]),
            fold(empty, Digest::add, parts[1])
        );
        assert_ne!(
            fold(empty, Digest::mix, parts[0]),
            fold(empty, Digest::mix, parts[1])
        );
    }
}
