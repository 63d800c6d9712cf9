//! Sorted sets.

use oxidis_engine::DirectCommand;
use oxidis_engine::value::ValueRef;
use oxidis_resp::Value;

use crate::{Engine, Error, FromValue};

/// Commands on sorted sets.
///
/// ```
/// let engine = oxidis::Engine::open()?;
/// let scores = engine.sorted_set();
/// scores.add("scores", "anna", 3.5)?;
/// scores.add("scores", "berta", 1.0)?;
/// assert_eq!(scores.score("scores", "anna")?, Some(3.5));
/// assert_eq!(scores.rank("scores", "anna")?, Some(1));
/// assert_eq!(scores.range("scores", 0, 0)?, [(b"berta".to_vec(), 1.0)]);
/// assert_eq!(scores.increment("scores", "berta", 5.0)?, 6.0);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct SortedSets<'e>(&'e Engine);

impl<'e> SortedSets<'e> {
    pub(crate) fn new(engine: &'e Engine) -> Self {
        SortedSets(engine)
    }

    /// Sets the score of a member; answers whether it is new (ZADD).
    ///
    /// # Errors
    /// The key holds something else, or the score is no number.
    pub fn add(
        self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
        score: f64,
    ) -> Result<bool, Error> {
        let score = score.to_string();
        let command: [&[u8]; 4] = [b"ZADD", key.as_ref(), score.as_bytes(), member.as_ref()];
        self.0.query(command)
    }

    /// The score of a member (ZSCORE).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn score(
        self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
    ) -> Result<Option<f64>, Error> {
        let request: [&[u8]; 3] = [b"ZSCORE", key.as_ref(), member.as_ref()];
        self.0
            .read_value(DirectCommand::ZScore, &request, |found| match found {
                None => Some(None),
                Some(ValueRef::SortedSet(set)) => Some(set.score(request[2])),
                Some(_) => None,
            })
    }

    /// How many members come before one (ZRANK).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn rank(
        self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
    ) -> Result<Option<usize>, Error> {
        self.0.query([&b"ZRANK"[..], key.as_ref(), member.as_ref()])
    }

    /// Adds to the score of a member, which is 0 if it is not there; answers the sum (ZINCRBY).
    ///
    /// # Errors
    /// The key holds something else, or the sum is no number.
    pub fn increment(
        self,
        key: impl AsRef<[u8]>,
        member: impl AsRef<[u8]>,
        by: f64,
    ) -> Result<f64, Error> {
        let by = by.to_string();
        let command: [&[u8]; 4] = [b"ZINCRBY", key.as_ref(), by.as_bytes(), member.as_ref()];
        self.0.query(command)
    }

    /// The members from one rank to another, both included, with their scores, lowest first; negative ranks count from
    /// the end (ZRANGE).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn range(
        self,
        key: impl AsRef<[u8]>,
        first: i64,
        last: i64,
    ) -> Result<Vec<(Vec<u8>, f64)>, Error> {
        let (first, last) = (first.to_string(), last.to_string());
        self.pairs(&[
            b"ZRANGE",
            key.as_ref(),
            first.as_bytes(),
            last.as_bytes(),
            b"WITHSCORES",
        ])
    }

    /// The members with scores from one to another, both included, lowest first (ZRANGE BYSCORE).
    ///
    /// # Errors
    /// The key holds something else, or a score is no number.
    pub fn range_by_score(
        self,
        key: impl AsRef<[u8]>,
        first: f64,
        last: f64,
    ) -> Result<Vec<(Vec<u8>, f64)>, Error> {
        let (first, last) = (first.to_string(), last.to_string());
        self.pairs(&[
            b"ZRANGE",
            key.as_ref(),
            first.as_bytes(),
            last.as_bytes(),
            b"BYSCORE",
            b"WITHSCORES",
        ])
    }

    /// Takes the member with the lowest score (ZPOPMIN).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn pop_lowest(self, key: impl AsRef<[u8]>) -> Result<Option<(Vec<u8>, f64)>, Error> {
        let mut popped = self.pairs(&[b"ZPOPMIN", key.as_ref(), b"1"])?;
        Ok(popped.pop())
    }

    /// Removes a member; answers whether it was there (ZREM).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn remove(self, key: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<bool, Error> {
        self.0.query([&b"ZREM"[..], key.as_ref(), member.as_ref()])
    }

    /// How many members there are (ZCARD).
    ///
    /// # Errors
    /// The key holds something else.
    pub fn len(self, key: impl AsRef<[u8]>) -> Result<usize, Error> {
        let request: [&[u8]; 2] = [b"ZCARD", key.as_ref()];
        self.0
            .read_value(DirectCommand::ZCard, &request, |found| match found {
                None => Some(0),
                Some(ValueRef::SortedSet(set)) => Some(set.len()),
                Some(_) => None,
            })
    }

    fn pairs(self, command: &[&[u8]]) -> Result<Vec<(Vec<u8>, f64)>, Error> {
        let pairs: Vec<Value> = self.0.query(command)?;
        let pair = |pair: Value| {
            let mut parts = Vec::<Value>::from_value(pair)?.into_iter();
            let mut part = || parts.next().unwrap_or(Value::Null);
            Ok((Vec::from_value(part())?, f64::from_value(part())?))
        };
        pairs.into_iter().map(pair).collect()
    }
}
