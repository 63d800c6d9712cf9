//! Hashes.

use std::collections::BTreeMap;

use oxidis_engine::DirectCommand;
use oxidis_engine::value::{HashRef, ValueRef};

use crate::{Engine, Error};

/// Commands on hashes.
///
/// ```
/// let engine = oxidis::Engine::open()?;
/// let hashes = engine.hash();
/// assert!(hashes.set("user:1", "name", "Anna")?);
/// assert_eq!(hashes.get("user:1", "name")?.as_deref(), Some(&b"Anna"[..]));
/// assert_eq!(hashes.increment("user:1", "visits", 1)?, 1);
/// assert_eq!(hashes.get_all("user:1")?.len(), 2);
/// assert!(hashes.remove("user:1", "name")?);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Hashes<'e>(&'e Engine);

impl<'e> Hashes<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Hashes(engine)
    }

    /// The value of a field (HGET).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn get(
        self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let request: [&[u8]; 3] = [b"HGET", key.as_ref(), field.as_ref()];
        self.0.read_value(DirectCommand::HGet, &request, |found| {
            let value = lasting(found)?.and_then(|hash| hash.get(request[2]));
            Some(value.map(|value| value.to_vec()))
        })
    }

    /// Sets a field; answers whether it is new (HSET).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn set(
        self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, Error> {
        let command: [&[u8]; 4] = [b"HSET", key.as_ref(), field.as_ref(), value.as_ref()];
        self.0.query(command)
    }

    /// All fields with their values (HGETALL).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn get_all(self, key: impl AsRef<[u8]>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Error> {
        self.0.query([&b"HGETALL"[..], key.as_ref()])
    }

    /// Whether there is a field (HEXISTS).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn contains(self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<bool, Error> {
        let request: [&[u8]; 3] = [b"HEXISTS", key.as_ref(), field.as_ref()];
        self.0
            .read_value(DirectCommand::HExists, &request, |found| {
                Some(lasting(found)?.is_some_and(|hash| hash.contains(request[2])))
            })
    }

    /// Removes a field; answers whether it was there (HDEL).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn remove(self, key: impl AsRef<[u8]>, field: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"HDEL"[..], key.as_ref(), field.as_ref()])
    }

    /// Adds to the integer in a field, which is 0 if there is none; answers the sum (HINCRBY).
    ///
    /// # Errors
    /// The key or the field holds something else, or the sum is no integer of 64 bits.
    pub fn increment(
        self,
        key: impl AsRef<[u8]>,
        field: impl AsRef<[u8]>,
        by: i64,
    ) -> Result<i64, Error> {
        let by = by.to_string();
        let command: [&[u8]; 4] = [b"HINCRBY", key.as_ref(), field.as_ref(), by.as_bytes()];
        self.0.query(command)
    }

    /// How many fields there are (HLEN).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn len(self, key: impl AsRef<[u8]>) -> Result<usize, Error> {
        let request: [&[u8]; 2] = [b"HLEN", key.as_ref()];
        self.0.read_value(DirectCommand::HLen, &request, |found| {
            Some(lasting(found)?.map_or(0, HashRef::len))
        })
    }
}

/// The hash that was found, if one was, as long as none of its fields expires: of those the commands know more.
fn lasting(found: Option<ValueRef<'_>>) -> Option<Option<HashRef<'_>>> {
    match found {
        None => Some(None),
        Some(ValueRef::Hash(HashRef::Expiring(_))) => None,
        Some(ValueRef::Hash(hash)) => Some(Some(hash)),
        Some(_) => None,
    }
}
