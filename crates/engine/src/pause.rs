//! CLIENT PAUSE: for some time, commands of clients (all, or those that may write) are held back.
//!
//! A session whose command is held back does not consume the request and executes nothing more; it
//! leaves its mailbox here and goes on when the time is over or the pause is ended. While there is
//! no pause, all this costs a command one relaxed load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::client::{Client, ClientShared};
use crate::gate::{Gate, Watch};
use crate::mailbox::Message;

/// The pause of an engine.
#[derive(Default)]
pub(crate) struct Pause {
    /// When the pause ends, in milliseconds since 1970; 0 when there is none.
    until_ms: AtomicI64,
    writes_only: AtomicBool,
    /// Sessions with a command held back.
    waiting: Mutex<Vec<Arc<ClientShared>>>,
}

impl Pause {
    /// Whether there may be a pause (it may be one whose time is over).
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.until_ms.load(Ordering::Relaxed) != 0
    }

    /// Whether writes are held back now, so that nothing may be deleted for being expired either.
    pub(crate) fn holds_writes(&self, now_ms: i64) -> bool {
        self.until_ms.load(Ordering::Relaxed) > now_ms
    }

    /// Whether a command is held back now, of which it is said whether it may write.
    pub(crate) fn holds(&self, writes: bool, now_ms: i64) -> bool {
        self.holds_writes(now_ms) && (writes || !self.writes_only.load(Ordering::Relaxed))
    }

    /// Whether only writes are held back, and for how many milliseconds more; `None` if there is no pause.
    pub(crate) fn report(&self, now_ms: i64) -> Option<(bool, i64)> {
        let left_ms = self.until_ms.load(Ordering::Relaxed) - now_ms;
        (left_ms > 0).then(|| (self.writes_only.load(Ordering::Relaxed), left_ms))
    }

    /// Starts a pause. One that is already going on is never made shorter or laxer.
    pub(crate) fn start(&self, gate: &Gate, now_ms: i64, until_ms: i64, writes_only: bool) {
        let _waiting = self.waiting.lock();
        let was_on = self.holds_writes(now_ms);
        let was_writes_only = self.writes_only.load(Ordering::Relaxed);
        self.writes_only.store(
            writes_only && (!was_on || was_writes_only),
            Ordering::Relaxed,
        );
        self.until_ms.fetch_max(until_ms, Ordering::Relaxed);
        gate.shut(Watch::Pause);
    }

    /// Ends the pause and lets everyone go on.
    pub(crate) fn end(&self, gate: &Gate) {
        let mut waiting = self.waiting.lock();
        gate.open(Watch::Pause);
        self.until_ms.store(0, Ordering::Relaxed);
        for client in waiting.drain(..) {
            client.post(Message::Resume);
        }
    }

    /// Holds a command back, of which it is said whether it may write, if it must be: answers until
    /// when, in milliseconds since 1970, and remembers the session.
    #[cold]
    pub(crate) fn hold_back(
        &self,
        gate: &Gate,
        client: &Client,
        writes: bool,
        now_ms: i64,
    ) -> Option<i64> {
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        if until_ms <= now_ms {
            self.end(gate);
            return None;
        }
        if self.writes_only.load(Ordering::Relaxed) && !writes {
            return None;
        }
        let mut waiting = self.waiting.lock();
        if !self.is_on() {
            // It was ended in between.
            return None;
        }
        waiting.push(client.shared.clone());
        Some(until_ms)
    }
}
