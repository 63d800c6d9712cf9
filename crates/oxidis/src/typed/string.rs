//! Strings.

use std::time::Duration;

use oxidis_engine::DirectCommand;
use oxidis_engine::value::ValueRef;

use crate::{Engine, Error};

/// Commands on strings.
///
/// ```
/// use std::time::Duration;
///
/// let engine = oxidis::Engine::open()?;
/// let strings = engine.string();
/// strings.set("greeting", "hello")?;
/// assert_eq!(strings.get("greeting")?.as_deref(), Some(&b"hello"[..]));
/// assert_eq!(strings.increment("visits", 2)?, 2);
/// strings.set_for("session", "anna", Duration::from_secs(60))?;
/// assert!(!strings.set_if_absent("session", "berta")?);
/// assert_eq!(strings.get_many(["greeting", "none"])?, [Some(b"hello".to_vec()), None]);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Strings<'e>(&'e Engine);

impl<'e> Strings<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Strings(engine)
    }

    /// The string under a key (GET). It is read without a request and a reply.
    ///
    /// # Errors
    /// The key holds something else.
    #[inline]
    pub fn get(self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.0
            .read_string(key.as_ref(), |found| found.map(<[u8]>::to_vec))
    }

    /// Copies the string under a key to `value`, in the place of what is there, if there is one; answers whether there
    /// is (GET). Who gives the same buffer each time spares the allocator a call.
    ///
    /// # Errors
    /// The key holds something else.
    #[inline]
    pub fn get_into(self, key: impl AsRef<[u8]>, value: &mut Vec<u8>) -> Result<bool, Error> {
        self.0.read_string(key.as_ref(), |found| {
            if let Some(bytes) = found {
                value.clear();
                value.extend_from_slice(bytes);
            }
            found.is_some()
        })
    }

    /// Gives the string under a key to `read` where it lies, if there is one, and answers what that answers (GET).
    /// **The key is locked meanwhile**: `read` must be brief, and must not use the engine, or it waits for itself.
    ///
    /// ```
    /// let engine = oxidis::Engine::open()?;
    /// engine.string().set("greeting", "hello")?;
    /// let vowels = |bytes: &[u8]| bytes.iter().filter(|byte| b"aeiou".contains(byte)).count();
    /// assert_eq!(engine.string().get_with("greeting", vowels)?, Some(2));
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    ///
    /// # Errors
    /// The key holds something else.
    #[inline]
    pub fn get_with<R>(
        self,
        key: impl AsRef<[u8]>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Error> {
        self.0.read_string(key.as_ref(), |found| found.map(read))
    }

    /// Sets a string, without an expiry, whatever was there (SET). Nothing is parsed for it.
    ///
    /// # Errors
    /// The engine refuses writes.
    #[inline]
    pub fn set(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Error> {
        self.0.set_string(key.as_ref(), value.as_ref())
    }

    /// Sets a string that lives for so long, in whole milliseconds (SET PX).
    ///
    /// # Errors
    /// The time is less than a millisecond or too long; or as [`set`](Self::set).
    pub fn set_for(
        self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time: Duration,
    ) -> Result<(), Error> {
        let ms = time.as_millis().to_string();
        let command: [&[u8]; 5] = [b"SET", key.as_ref(), value.as_ref(), b"PX", ms.as_bytes()];
        self.0.query(command)
    }

    /// Sets a string if there is nothing under the key (SET NX); answers whether it did.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_if_absent(
        self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, Error> {
        self.0
            .query([&b"SET"[..], key.as_ref(), value.as_ref(), b"NX"])
    }

    /// The string under a key, which is deleted (GETDEL).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn take(self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.0.query([&b"GETDEL"[..], key.as_ref()])
    }

    /// The strings under keys; what holds something else has none (MGET).
    ///
    /// # Errors
    /// There are no keys.
    pub fn get_many<K: AsRef<[u8]>>(
        self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let mut strings = Vec::with_capacity(keys.len());
        (self.0).read_strings(&keys, |_, found| strings.push(found.map(<[u8]>::to_vec)))?;
        Ok(strings)
    }

    /// Gives the strings under keys to `read` where they lie, one after the other with the numbers of their keys; nothing
    /// is copied (MGET). Many keys at once take a fraction of the time that they take one by one, since memory is
    /// waited for once.
    ///
    /// **The keys are locked meanwhile**: `read` must be brief, and must not use the engine, or it waits for itself.
    ///
    /// ```
    /// let engine = oxidis::Engine::open()?;
    /// engine.string().set("b", "hello")?;
    /// let mut lengths = [None; 2];
    /// (engine.string()).get_many_with(&["a", "b"], |index, string| lengths[index] = string.map(<[u8]>::len))?;
    /// assert_eq!(lengths, [None, Some(5)]);
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are no keys.
    pub fn get_many_with<K: AsRef<[u8]>>(
        self,
        keys: &[K],
        read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<(), Error> {
        self.0.read_strings(keys, read)
    }

    /// Adds to the integer under a key, which is 0 if there is none; answers the sum (INCRBY).
    ///
    /// # Errors
    /// The key holds no integer, or the sum is none.
    pub fn increment(self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, Error> {
        let by = by.to_string();
        self.0.query([&b"INCRBY"[..], key.as_ref(), by.as_bytes()])
    }

    /// Appends to the string under a key; answers its length in bytes (APPEND).
    ///
    /// # Errors
    /// The key holds something else, or the string would be too long.
    pub fn append(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<usize, Error> {
        self.0.query([&b"APPEND"[..], key.as_ref(), value.as_ref()])
    }

    /// The length of the string under a key in bytes; 0 if there is none (STRLEN).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn len(self, key: impl AsRef<[u8]>) -> Result<usize, Error> {
        let request: [&[u8]; 2] = [b"STRLEN", key.as_ref()];
        self.0
            .read_value(DirectCommand::StrLen, &request, |found| match found {
                None => Some(0),
                Some(ValueRef::String(string)) => Some(string.len()),
                Some(_) => None,
            })
    }
}
