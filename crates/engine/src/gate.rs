//! The gate in front of requests: while it is shut, each is looked at before it runs.
//!
//! What looks are a pause, faults that tests have asked for, and the record of what clients send. While there
//! is none of them, all this costs a request one relaxed load.

use std::sync::atomic::{AtomicU32, Ordering};

/// Who has the gate shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Watch {
    Pause = 1,
    Faults = 2,
    Record = 4,
}

/// The gate of an engine.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU32);

impl Gate {
    /// Whether anyone looks at requests.
    #[inline]
    pub(crate) fn is_shut(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn shut(&self, watch: Watch) {
        self.0.fetch_or(watch as u32, Ordering::SeqCst);
    }

    pub(crate) fn open(&self, watch: Watch) {
        self.0.fetch_and(!(watch as u32), Ordering::SeqCst);
    }
}
