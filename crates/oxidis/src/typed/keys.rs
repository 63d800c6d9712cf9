//! Keys of any type.

use std::time::Duration;

use oxidis_engine::DirectCommand;

use crate::{Engine, Error};

/// Commands on keys of any type.
///
/// ```
/// use std::time::Duration;
///
/// let engine = oxidis::Engine::open()?;
/// engine.string().set("k", "v")?;
/// let keys = engine.keys();
/// assert!(keys.contains("k")?);
/// assert_eq!(keys.kind("k")?.as_deref(), Some("string"));
/// assert!(keys.expire("k", Duration::from_secs(60))?);
/// assert!(keys.time_to_live("k")?.unwrap() <= Duration::from_secs(60));
/// assert!(keys.persist("k")?);
/// assert_eq!(keys.time_to_live("k")?, None);
/// assert!(keys.remove("k")?);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Keys<'e>(&'e Engine);

impl<'e> Keys<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Keys(engine)
    }

    /// Whether there is something under a key (EXISTS).
    ///
    /// # Errors
    /// The engine refuses reads.
    pub fn contains(self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let request: [&[u8]; 2] = [b"EXISTS", key.as_ref()];
        self.0.read_value(DirectCommand::Exists, &request, |found| {
            Some(found.is_some())
        })
    }

    /// Deletes a key; answers whether it was there (DEL).
    ///
    /// # Errors
    /// The engine refuses writes.
    pub fn remove(self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"DEL"[..], key.as_ref()])
    }

    /// The type of what is under a key, such as `zset` (TYPE).
    ///
    /// # Errors
    /// The engine refuses reads.
    pub fn kind(self, key: impl AsRef<[u8]>) -> Result<Option<String>, Error> {
        let kind: String = self.0.query([&b"TYPE"[..], key.as_ref()])?;
        Ok(Some(kind).filter(|kind| kind != "none"))
    }

    /// Has a key live for so long from now on, in whole milliseconds; answers whether it is there (PEXPIRE).
    ///
    /// # Errors
    /// The time is too long.
    pub fn expire(self, key: impl AsRef<[u8]>, time: Duration) -> Result<bool, Error> {
        let ms = time.as_millis().to_string();
        self.0.query([&b"PEXPIRE"[..], key.as_ref(), ms.as_bytes()])
    }

    /// How long a key will live; `None` if it has no expiry, or is not there (PTTL).
    ///
    /// # Errors
    /// The engine refuses reads.
    pub fn time_to_live(self, key: impl AsRef<[u8]>) -> Result<Option<Duration>, Error> {
        let ms: i64 = self.0.query([&b"PTTL"[..], key.as_ref()])?;
        Ok(u64::try_from(ms).ok().map(Duration::from_millis))
    }

    /// Takes a key's expiry away; answers whether it had one (PERSIST).
    ///
    /// # Errors
    /// The engine refuses writes.
    pub fn persist(self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"PERSIST"[..], key.as_ref()])
    }

    /// Gives a key another name, in the place of what has that name (RENAME).
    ///
    /// # Errors
    /// It is not there.
    pub fn rename(self, key: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> Result<(), Error> {
        self.0.query([&b"RENAME"[..], key.as_ref(), name.as_ref()])
    }

    /// The keys that match a pattern, in no order (KEYS).
    ///
    /// # Errors
    /// The engine refuses reads.
    pub fn matching(self, pattern: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>, Error> {
        self.0.query([&b"KEYS"[..], pattern.as_ref()])
    }

    /// How many keys there are (DBSIZE).
    ///
    /// # Errors
    /// The engine refuses reads.
    pub fn count(self) -> Result<usize, Error> {
        self.0.query(["DBSIZE"])
    }

    /// Deletes every key of the database (FLUSHDB).
    ///
    /// # Errors
    /// The engine refuses writes.
    pub fn clear(self) -> Result<(), Error> {
        self.0.query(["FLUSHDB"])
    }
}
