//! Lists.

use std::time::Duration;

use oxidis_engine::DirectCommand;
use oxidis_engine::value::ValueRef;

use crate::{Engine, Error};

/// Commands on lists.
///
/// ```
/// use std::time::Duration;
///
/// let engine = oxidis::Engine::open()?;
/// let lists = engine.list();
/// assert_eq!(lists.push_back("jobs", "first")?, 1);
/// assert_eq!(lists.push_back("jobs", "second")?, 2);
/// assert_eq!(lists.range("jobs", 0, -1)?, [b"first".to_vec(), b"second".to_vec()]);
/// assert_eq!(lists.pop_front("jobs")?.as_deref(), Some(&b"first"[..]));
/// let waited = lists.wait_front("jobs", Some(Duration::from_secs(1)))?;
/// assert_eq!(waited.as_deref(), Some(&b"second"[..]));
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Lists<'e>(&'e Engine);

impl<'e> Lists<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Lists(engine)
    }

    /// Adds an element at the front; answers how many there are (LPUSH).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn push_front(
        self,
        key: impl AsRef<[u8]>,
        element: impl AsRef<[u8]>,
    ) -> Result<usize, Error> {
        self.0
            .query([&b"LPUSH"[..], key.as_ref(), element.as_ref()])
    }

    /// Adds an element at the back; answers how many there are (RPUSH).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn push_back(
        self,
        key: impl AsRef<[u8]>,
        element: impl AsRef<[u8]>,
    ) -> Result<usize, Error> {
        self.0
            .query([&b"RPUSH"[..], key.as_ref(), element.as_ref()])
    }

    /// Takes the first element (LPOP).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn pop_front(self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.0.query([&b"LPOP"[..], key.as_ref()])
    }

    /// Takes the last element (RPOP).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn pop_back(self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        self.0.query([&b"RPOP"[..], key.as_ref()])
    }

    /// Takes the first element, for which it waits, for ever or for so long on the engine's clock (BLPOP).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn wait_front(
        self,
        key: impl AsRef<[u8]>,
        limit: Option<Duration>,
    ) -> Result<Option<Vec<u8>>, Error> {
        // No time at all would be for ever.
        let seconds = limit.map_or(0.0, |limit| limit.as_secs_f64().max(0.001));
        let seconds = seconds.to_string();
        let command: [&[u8]; 3] = [b"BLPOP", key.as_ref(), seconds.as_bytes()];
        let popped: Option<Vec<Vec<u8>>> = self.0.query(command)?;
        Ok(popped.and_then(|mut parts| parts.pop()))
    }

    /// The elements from one place to another, both included; negative places count from the end (LRANGE).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn range(
        self,
        key: impl AsRef<[u8]>,
        first: i64,
        last: i64,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let (first, last) = (first.to_string(), last.to_string());
        let command: [&[u8]; 4] = [b"LRANGE", key.as_ref(), first.as_bytes(), last.as_bytes()];
        self.0.query(command)
    }

    /// How many elements there are (LLEN).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn len(self, key: impl AsRef<[u8]>) -> Result<usize, Error> {
        let request: [&[u8]; 2] = [b"LLEN", key.as_ref()];
        self.0
            .read_value(DirectCommand::LLen, &request, |found| match found {
                None => Some(0),
                Some(ValueRef::List(list)) => Some(list.len()),
                Some(_) => None,
            })
    }
}
