//! WAIT and WAITAOF: sessions that wait until replicas have what they wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oxidis_resp::Writer;

use crate::blocking::Blocked;

/// What a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// How far replicas must be.
    pub(crate) offset: u64,
    /// How many of them.
    pub(crate) replicas: i64,
    /// Whether it must be on their disks.
    pub(crate) on_disk: bool,
}

/// How many copies there are, which a session is told that waits no more.
#[derive(Debug)]
pub struct WaitCounts {
    /// Whether what was written is on this server's disk, where that is asked for.
    local: Option<i64>,
    replicas: AtomicI64,
}

impl WaitCounts {
    pub(crate) fn new(local: Option<i64>, replicas: i64) -> Self {
        WaitCounts {
            local,
            replicas: AtomicI64::new(replicas),
        }
    }

    /// Notes that so many replicas have it.
    pub(crate) fn set_replicas(&self, count: i64) {
        self.replicas.store(count, Ordering::Relaxed);
    }

    /// Writes the reply.
    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        let replicas = self.replicas.load(Ordering::Relaxed);
        if let Some(local) = self.local {
            out.array(2);
            out.integer(local);
        }
        out.integer(replicas);
    }
}

/// A session that waits.
pub(super) struct Waiter {
    pub(super) blocked: Arc<Blocked>,
    pub(super) wanted: Wanted,
    pub(super) counts: Arc<WaitCounts>,
}
