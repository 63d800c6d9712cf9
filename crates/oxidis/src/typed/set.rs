//! Sets.

use std::collections::BTreeSet;

use oxidis_engine::DirectCommand;
use oxidis_engine::value::ValueRef;

use crate::{Engine, Error};

/// Commands on sets.
///
/// ```
/// let engine = oxidis::Engine::open()?;
/// let sets = engine.set();
/// assert!(sets.add("tags", "red")?);
/// assert!(!sets.add("tags", "red")?);
/// assert!(sets.contains("tags", "red")?);
/// assert_eq!(sets.members("tags")?.len(), 1);
/// assert!(sets.remove("tags", "red")?);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Sets<'e>(&'e Engine);

impl<'e> Sets<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Sets(engine)
    }

    /// Adds a member; answers whether it is new (SADD).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn add(self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"SADD"[..], key.as_ref(), member.as_ref()])
    }

    /// Removes a member; answers whether it was there (SREM).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn remove(self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"SREM"[..], key.as_ref(), member.as_ref()])
    }

    /// Whether something is a member (SISMEMBER).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn contains(self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<bool, Error> {
        let request: [&[u8]; 3] = [b"SISMEMBER", key.as_ref(), member.as_ref()];
        self.0
            .read_value(DirectCommand::SIsMember, &request, |found| match found {
                None => Some(false),
                Some(ValueRef::Set(set)) => Some(set.contains(request[2])),
                Some(_) => None,
            })
    }

    /// All members (SMEMBERS).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn members(self, key: impl AsRef<[u8]>) -> Result<BTreeSet<Vec<u8>>, Error> {
        let members: Vec<Vec<u8>> = self.0.query([&b"SMEMBERS"[..], key.as_ref()])?;
        Ok(members.into_iter().collect())
    }

    /// Takes a random member (SPOP).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn pop(self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.0.query([&b"SPOP"[..], key.as_ref()])
    }

    /// How many members there are (SCARD).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn len(self, key: impl AsRef<[u8]>) -> Result<usize, Error> {
        let request: [&[u8]; 2] = [b"SCARD", key.as_ref()];
        self.0
            .read_value(DirectCommand::SCard, &request, |found| match found {
                None => Some(0),
                Some(ValueRef::Set(set)) => Some(set.len()),
                Some(_) => None,
            })
    }
}
