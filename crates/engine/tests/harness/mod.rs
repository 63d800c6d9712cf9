//! What the tests of the engine share: an engine whose clock stands still.

mod steered;

pub use steered::*;
