//! The data set at one moment, to go back to or to compare with.

use std::fmt;
use std::sync::Arc;

pub use oxidis_engine::{DatabaseKey, Differences};

/// The data set of an engine at one moment: all databases, scripts and functions, consumer groups included, and the
/// time of a clock that stands still. Clones are the same snapshot, which never changes.
#[derive(Clone)]
pub struct Snapshot(pub(crate) Arc<oxidis_engine::Checkpoint>);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
