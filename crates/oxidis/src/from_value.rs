//! Values as the types of Rust.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use oxidis_resp::Value;

use crate::Error;

/// What a reply can be asked for as.
pub trait FromValue: Sized {
    /// The value as this type.
    ///
    /// # Errors
    /// It is something else.
    fn from_value(value: Value) -> Result<Self, Error>;
}

fn refuse<T>(wanted: &'static str, value: Value) -> Result<T, Error> {
    Err(Error::Conversion { wanted, value })
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(value)
    }
}

/// Any reply will do.
impl FromValue for () {
    fn from_value(_: Value) -> Result<Self, Error> {
        Ok(())
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Bulk(bytes) | Value::Simple(bytes) => Ok(bytes),
            Value::Verbatim { text, .. } => Ok(text),
            Value::Integer(number) => Ok(number.to_string().into_bytes()),
            Value::Double(number) => Ok(number.into_bytes()),
            other => refuse("string", other),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, Error> {
        String::from_utf8(Vec::from_value(value)?)
            .or_else(|error| refuse("string of UTF-8", Value::Bulk(error.into_bytes())))
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Boolean(is) => Ok(is),
            Value::Integer(number @ (0 | 1)) => Ok(number == 1),
            // What SET with a condition answers.
            Value::Simple(word) if word == b"OK" => Ok(true),
            value if value.is_null() => Ok(false),
            other => refuse("boolean", other),
        }
    }
}

/// Numbers come as such, or as strings.
macro_rules! number {
    ($($number:ty = $wanted:literal),*) => {$(
        impl FromValue for $number {
            fn from_value(value: Value) -> Result<Self, Error> {
                let parsed = match &value {
                    Value::Integer(number) => number.to_string().parse().ok(),
                    Value::Double(text) => text.parse().ok(),
                    Value::Bulk(text) | Value::Simple(text) => {
                        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
                    }
                    _ => None,
                };
                parsed.map_or_else(|| refuse($wanted, value), Ok)
            }
        }
    )*};
}

number!(
    i64 = "integer of 64 bits",
    u64 = "unsigned integer of 64 bits",
    i32 = "integer of 32 bits",
    u32 = "unsigned integer of 32 bits",
    usize = "size",
    f64 = "double"
);

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, Error> {
        if value.is_null() {
            return Ok(None);
        }
        T::from_value(value).map(Some)
    }
}

fn elements(value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => Ok(elements),
        other => refuse("array", other),
    }
}

/// Pairs of a map, or of an array in which fields and values take turns.
fn pairs(value: Value) -> Result<Vec<(Value, Value)>, Error> {
    if let Value::Map(pairs) = value {
        return Ok(pairs);
    }
    let elements = elements(value)?;
    if elements.len() % 2 == 1 {
        return refuse("map", Value::Array(elements));
    }
    let mut elements = elements.into_iter();
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((field, value));
    }
    Ok(pairs)
}

macro_rules! vector {
    ($($element:ty),*) => {$(
        impl FromValue for Vec<$element> {
            fn from_value(value: Value) -> Result<Self, Error> {
                elements(value)?.into_iter().map(FromValue::from_value).collect()
            }
        }
    )*};
}

// Not for every element, since a vector of bytes is a string.
vector!(
    Value,
    Vec<u8>,
    String,
    i64,
    u64,
    f64,
    bool,
    Option<Vec<u8>>,
    Option<String>,
    Option<i64>
);

impl<T: FromValue + Eq + Hash> FromValue for HashSet<T> {
    fn from_value(value: Value) -> Result<Self, Error> {
        elements(value)?.into_iter().map(T::from_value).collect()
    }
}

impl<K: FromValue + Eq + Hash, V: FromValue> FromValue for HashMap<K, V> {
    fn from_value(value: Value) -> Result<Self, Error> {
        let pairs = pairs(value)?.into_iter();
        pairs
            .map(|(field, value)| Ok((K::from_value(field)?, V::from_value(value)?)))
            .collect()
    }
}

impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn from_value(value: Value) -> Result<Self, Error> {
        let pairs = pairs(value)?.into_iter();
        pairs
            .map(|(field, value)| Ok((K::from_value(field)?, V::from_value(value)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_is_not_is_an_error_that_holds_it() {
        let value = Value::Bulk(b"twelve".to_vec());
        let Err(Error::Conversion { value: kept, .. }) = i64::from_value(value.clone()) else {
            panic!("twelve is no number");
        };
        assert_eq!(kept, value);
        assert!(u32::from_value(Value::Integer(-1)).is_err());
        assert!(String::from_value(Value::Bulk(vec![0xff])).is_err());
        assert!(HashMap::<String, i64>::from_value(Value::Array(vec![Value::Null])).is_err());
    }

    #[test]
    fn nulls_are_none_and_pairs_are_maps() {
        assert_eq!(Option::<String>::from_value(Value::Null).unwrap(), None);
        let flat = ["a", "1", "b", "2"].map(|it| Value::Bulk(it.as_bytes().to_vec()));
        let map = BTreeMap::<String, i64>::from_value(Value::Array(flat.to_vec())).unwrap();
        assert_eq!(map, BTreeMap::from([("a".into(), 1), ("b".into(), 2)]));
    }
}
