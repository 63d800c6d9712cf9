//! How the data reach files, as far as the engine knows: what was saved when, and what is going on.

use std::sync::atomic::{AtomicBool, Ordering};

/// The state of saving and loading.
#[derive(Default)]
pub(crate) struct Persistence {
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION.
    skips_checksum: AtomicBool,
}

impl Persistence {
    /// Whether checksums are believed unseen, as tests of damaged data want it.
    pub(crate) fn skips_checksum(&self) -> bool {
        self.skips_checksum.load(Ordering::Relaxed)
    }

    /// Says whether checksums are believed unseen.
    pub(crate) fn skip_checksum(&self, skips: bool) {
        self.skips_checksum.store(skips, Ordering::Relaxed);
    }
}
