//! Bytes as JSON strings: as they are when they are UTF-8, else in base64 behind a prefix. What begins with the prefix by
//! itself is written in base64, too, so that every string stands for exactly one row of bytes.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oxidis_engine::value::packed::{IntegerText, PackedItem};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

const PREFIX: &str = "base64:";

/// Appends bytes as a JSON string.
pub(super) fn write(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with(PREFIX) => {
            serde_json::to_writer(out, text).expect("a vector takes everything");
        }
        _ => {
            out.push(b'"');
            out.extend_from_slice(PREFIX.as_bytes());
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}

/// Appends an element of a collection as a JSON string.
pub(super) fn write_item(item: PackedItem<'_>, out: &mut Vec<u8>) {
    write(item.as_bytes(&mut IntegerText::new()), out);
}

/// How many bytes an element of a collection has.
pub(super) fn item_len(item: PackedItem<'_>) -> usize {
    item.as_bytes(&mut IntegerText::new()).len()
}

/// Bytes as they are read: a string, or an integer, which is its decimal form.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        match text.strip_prefix(PREFIX) {
            None => Ok(Bytes(text.as_bytes().to_vec())),
            Some(encoded) => STANDARD.decode(encoded).map(Bytes).map_err(|_| {
                E::invalid_value(Unexpected::Str(text), &"base64 behind the prefix 'base64:'")
            }),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Bytes, E> {
        Ok(Bytes(number.to_string().into_bytes()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Bytes, E> {
        Ok(Bytes(number.to_string().into_bytes()))
    }
}
