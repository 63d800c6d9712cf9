//! Collections as they are read: element by element into our own forms.

use std::fmt;

use oxidis_engine::value::sorted_set::Upsert;
use oxidis_engine::value::{EncodingLimits, Hash, List, Set, SortedSet};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::text::Bytes;

/// Implements reading for a seed that visits what is of one JSON type; its value is `None` if there are no elements.
macro_rules! seed {
    ($seed:ident, $value:ty, $method:ident) => {
        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = Option<$value>;

            fn deserialize<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Option<$value>, D::Error> {
                deserializer.$method(self)
            }
        }
    };
}

/// Reads a list.
pub(super) struct ListSeed<'a>(pub(super) &'a EncodingLimits);
seed!(ListSeed, List, deserialize_seq);

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = Option<List>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of the strings of a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = List::new();
        while let Some(Bytes(item)) = items.next_element()? {
            list.push_back(&item, self.0);
        }
        Ok((!list.is_empty()).then_some(list))
    }
}

/// Reads a set.
pub(super) struct SetSeed<'a>(pub(super) &'a EncodingLimits);
seed!(SetSeed, Set, deserialize_seq);

impl<'de> Visitor<'de> for SetSeed<'_> {
    type Value = Option<Set>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of the members of a set")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut set = Set::new();
        while let Some(Bytes(member)) = members.next_element()? {
            if !set.insert(&member, self.0) {
                return Err(twice("member", &member));
            }
        }
        Ok((!set.as_ref().is_empty()).then_some(set))
    }
}

fn twice<E: Error>(what: &str, name: &[u8]) -> E {
    E::custom(format_args!("{what} '{}' twice", name.escape_ascii()))
}

/// Reads a hash.
pub(super) struct HashSeed<'a>(pub(super) &'a EncodingLimits);
seed!(HashSeed, Hash, deserialize_map);

impl<'de> Visitor<'de> for HashSeed<'_> {
    type Value = Option<Hash>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of the fields of a hash")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut hash = Hash::new();
        while let Some(Bytes(field)) = fields.next_key()? {
            let FieldValue {
                value,
                expires_ms,
                is_timed,
            } = fields.next_value()?;
            if is_timed {
                hash.make_expiring();
            }
            if !hash.load_timed(&field, &value, expires_ms, self.0) {
                return Err(twice("field", &field));
            }
        }
        Ok((!hash.as_ref().is_empty()).then_some(hash))
    }
}

/// The latest time at which a field may expire, in milliseconds since 1970, as in RDB.
const FIELD_EXPIRY_MAX_MS: i64 = (1 << 48) - 1;

/// What belongs to a field.
struct FieldValue {
    value: Vec<u8>,
    expires_ms: Option<i64>,
    /// Whether it is said when it expires, be it never.
    is_timed: bool,
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

/// An object in the place of a field's value.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TimedField {
    value: Bytes,
    /// `null` if it does not. That it must be there takes the call: what is left out would be `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    expires_ms: Option<i64>,
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = FieldValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string, or an object with \"value\" and \"expires_ms\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FieldValue, E> {
        plain(serde::de::value::StrDeserializer::new(text))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<FieldValue, E> {
        plain(serde::de::value::I64Deserializer::new(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<FieldValue, E> {
        plain(serde::de::value::U64Deserializer::new(number))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<FieldValue, A::Error> {
        let members = serde::de::value::MapAccessDeserializer::new(members);
        let TimedField { value, expires_ms } = TimedField::deserialize(members)?;
        match expires_ms {
            None | Some(1..=FIELD_EXPIRY_MAX_MS) => Ok(FieldValue {
                value: value.0,
                expires_ms,
                is_timed: true,
            }),
            Some(at_ms) => Err(A::Error::custom(format_args!(
                "a field that expires at {at_ms} ms, which must be 1 to {FIELD_EXPIRY_MAX_MS}"
            ))),
        }
    }
}

fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldValue, D::Error> {
    Ok(FieldValue {
        value: Bytes::deserialize(deserializer)?.0,
        expires_ms: None,
        is_timed: false,
    })
}

/// Reads a sorted set.
pub(super) struct SortedSetSeed<'a>(pub(super) &'a EncodingLimits);
seed!(SortedSetSeed, SortedSet, deserialize_map);

impl<'de> Visitor<'de> for SortedSetSeed<'_> {
    type Value = Option<SortedSet>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of the members of a sorted set and their scores")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        // Few: which form they take depends on the longest.
        let mut few: Vec<(Vec<u8>, f64)> = Vec::new();
        while let Some((Bytes(member), Score(score))) = members.next_entry()? {
            few.push((member, score));
            if few.len() > self.0.zset_max_listpack_entries {
                return self.many(few, members).map(Some);
            }
        }
        let mut sorted: Vec<&[u8]> = few.iter().map(|(member, _)| member.as_slice()).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(twice("member", pair[0]));
        }
        Ok((!few.is_empty()).then(|| SortedSet::from_pairs(few, self.0)))
    }
}

impl SortedSetSeed<'_> {
    /// Goes on with more members than fit into the compact form.
    fn many<'de, A: MapAccess<'de>>(
        &self,
        first: Vec<(Vec<u8>, f64)>,
        mut rest: A,
    ) -> Result<SortedSet, A::Error> {
        let mut sorted_set = SortedSet::with_hint(first.len(), 0, self.0);
        let mut insert = |member: &[u8], score| match sorted_set.insert(member, score, self.0) {
            Upsert::Added => Ok(()),
            _ => Err(twice("member", member)),
        };
        for (member, score) in &first {
            insert(member, *score)?;
        }
        while let Some((Bytes(member), Score(score))) = rest.next_entry()? {
            insert(&member, score)?;
        }
        Ok(sorted_set)
    }
}

struct Score(f64);

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScoreVisitor)
    }
}

struct ScoreVisitor;

impl Visitor<'_> for ScoreVisitor {
    type Value = Score;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, \"inf\" or \"-inf\"")
    }

    fn visit_f64<E: Error>(self, score: f64) -> Result<Score, E> {
        Ok(Score(score))
    }

    fn visit_i64<E: Error>(self, score: i64) -> Result<Score, E> {
        Ok(Score(score as f64))
    }

    fn visit_u64<E: Error>(self, score: u64) -> Result<Score, E> {
        Ok(Score(score as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Score, E> {
        match text {
            "inf" => Ok(Score(f64::INFINITY)),
            "-inf" => Ok(Score(f64::NEG_INFINITY)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }
}
