//! CLIENT PAUSE: for some time, commands of clients (all, or those that may write) are held back. A shutdown that waits
//! for replicas holds writes back, too.
//!
//! A session whose command is held back does not consume the request and executes nothing more; it
//! leaves its mailbox here and goes on when the time is over or the pause is ended. While there is
//! no pause, all this costs a command one relaxed load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::client::{Client, ClientShared};
use crate::gate::{Gate, Watch};
use crate::mailbox::Message;

/// The pause of an engine.
#[derive(Default)]
pub(crate) struct Pause {
    /// When the pause ends, in milliseconds since 1970; 0 when there is none.
    until_ms: AtomicI64,
    writes_only: AtomicBool,
    /// Whether a shutdown holds writes back, for as long as it waits.
    is_for_shutdown: AtomicBool,
    /// Sessions with a command held back.
    waiting: Mutex<Vec<Arc<ClientShared>>>,
}

impl Pause {
    /// Whether there may be a pause (it may be one whose time is over).
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.until_ms.load(Ordering::Relaxed) != 0 || self.is_for_shutdown()
    }

    /// Whether writes are held back now, so that nothing may be deleted for being expired either.
    pub(crate) fn holds_writes(&self, now_ms: i64) -> bool {
        self.has_time_left(now_ms) || self.is_for_shutdown()
    }

    /// Whether a shutdown holds writes back.
    pub(crate) fn is_for_shutdown(&self) -> bool {
        self.is_for_shutdown.load(Ordering::Relaxed)
    }

    fn has_time_left(&self, now_ms: i64) -> bool {
        self.until_ms.load(Ordering::Relaxed) > now_ms
    }

    fn holds_all(&self, now_ms: i64) -> bool {
        self.has_time_left(now_ms) && !self.writes_only.load(Ordering::Relaxed)
    }

    /// Whether a command is held back now, of which it is said whether it may write.
    pub(crate) fn holds(&self, writes: bool, now_ms: i64) -> bool {
        self.holds_all(now_ms) || writes && self.holds_writes(now_ms)
    }

    /// Whether only writes are held back, and for how many milliseconds more; `None` if there is no pause.
    pub(crate) fn report(&self, now_ms: i64) -> Option<(bool, i64)> {
        let left_ms = self.until_ms.load(Ordering::Relaxed) - now_ms;
        (left_ms > 0).then(|| (self.writes_only.load(Ordering::Relaxed), left_ms))
    }

    /// Starts a pause. One that is already going on is never made shorter or laxer.
    pub(crate) fn start(&self, gate: &Gate, now_ms: i64, until_ms: i64, writes_only: bool) {
        let _waiting = self.waiting.lock();
        let was_on = self.has_time_left(now_ms);
        let was_writes_only = self.writes_only.load(Ordering::Relaxed);
        self.writes_only.store(
            writes_only && (!was_on || was_writes_only),
            Ordering::Relaxed,
        );
        self.until_ms.fetch_max(until_ms, Ordering::Relaxed);
        gate.shut(Watch::Pause);
    }

    /// Holds writes back until [`Self::end_shutdown`].
    pub(crate) fn start_shutdown(&self, gate: &Gate) {
        let _waiting = self.waiting.lock();
        self.is_for_shutdown.store(true, Ordering::Relaxed);
        gate.shut(Watch::Pause);
    }

    /// The server goes on; a pause that clients asked for does, too.
    pub(crate) fn end_shutdown(&self, gate: &Gate) {
        let waiting = self.waiting.lock();
        self.is_for_shutdown.store(false, Ordering::Relaxed);
        self.resume(waiting, gate);
    }

    /// Ends the pause that clients asked for.
    pub(crate) fn end(&self, gate: &Gate) {
        let waiting = self.waiting.lock();
        self.until_ms.store(0, Ordering::Relaxed);
        self.resume(waiting, gate);
    }

    /// Lets everyone go on, or find another reason to wait.
    fn resume(&self, mut waiting: MutexGuard<'_, Vec<Arc<ClientShared>>>, gate: &Gate) {
        if !self.is_on() {
            gate.open(Watch::Pause);
        }
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
        if !self.holds_writes(now_ms) {
            self.end(gate);
            return None;
        }
        let mut waiting = self.waiting.lock();
        if !self.holds(writes, now_ms) {
            return None;
        }
        let until_ms = match writes && self.is_for_shutdown() {
            true => i64::MAX,
            false => self.until_ms.load(Ordering::Relaxed),
        };
        waiting.push(client.shared.clone());
        Some(until_ms)
    }
}
