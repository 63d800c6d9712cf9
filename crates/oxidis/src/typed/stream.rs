//! Streams.

use oxidis_resp::Value;

use crate::{Engine, Error, FromValue};

/// Commands on streams.
///
/// ```
/// let engine = oxidis::Engine::open()?;
/// let streams = engine.stream();
/// let id = streams.add("log", [("level", "info"), ("text", "started")])?;
/// let entries = streams.range("log", "-", "+")?;
/// assert_eq!(entries[0].id, id);
/// assert_eq!(entries[0].fields[1], (b"text".to_vec(), b"started".to_vec()));
/// assert!(streams.remove("log", &id)?);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Streams<'e>(&'e Engine);

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its ID: milliseconds, a dash, a number.
    pub id: String,
    /// Its fields and their values, in their order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl FromValue for StreamEntry {
    fn from_value(value: Value) -> Result<Self, Error> {
        let mut parts = Vec::<Value>::from_value(value)?.into_iter();
        let mut part = || parts.next().unwrap_or(Value::Null);
        let id = String::from_value(part())?;
        let mut words = Vec::<Vec<u8>>::from_value(part())?.into_iter();
        let mut fields = Vec::new();
        while let (Some(field), Some(value)) = (words.next(), words.next()) {
            fields.push((field, value));
        }
        Ok(StreamEntry { id, fields })
    }
}

impl<'e> Streams<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        Streams(engine)
    }

    /// Adds an entry, whose ID follows from the time; answers the ID (XADD).
    ///
    /// # Errors
    /// The key holds something else, or there are no fields.
    pub fn add<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        key: impl AsRef<[u8]>,
        fields: impl IntoIterator<Item = (F, V)>,
    ) -> Result<String, Error> {
        let mut command = vec![b"XADD".to_vec(), key.as_ref().to_vec(), b"*".to_vec()];
        for (field, value) in fields {
            command.extend([field.as_ref().to_vec(), value.as_ref().to_vec()]);
        }
        self.0.query(command)
    }

    /// The entries from one ID to another, both included; `-` and `+` are the first and the last (XRANGE).
    ///
    /// # Errors
    /// The key holds something else, or an ID is none.
    pub fn range(
        self,
        key: impl AsRef<[u8]>,
        first: impl AsRef<[u8]>,
        last: impl AsRef<[u8]>,
    ) -> Result<Vec<StreamEntry>, Error> {
        let command: [&[u8]; 4] = [b"XRANGE", key.as_ref(), first.as_ref(), last.as_ref()];
        let entries: Vec<Value> = self.0.query(command)?;
        entries.into_iter().map(StreamEntry::from_value).collect()
    }

    /// Removes an entry; answers whether it was there (XDEL).
    ///
    /// # Errors
    /// The key holds something else, or the ID is none.
    pub fn remove(self, key: impl AsRef<[u8]>, id: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"XDEL"[..], key.as_ref(), id.as_ref()])
    }

    /// How many entries there are (XLEN).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn len(self, key: impl AsRef<[u8]>) -> Result<usize, Error> {
        self.0.query([&b"XLEN"[..], key.as_ref()])
    }
}
