//! A script that runs for longer than `busy-reply-threshold`: who waits for it, and who is told BUSY.
//!
//! A script holds every stripe's lock. Sessions on other threads that need one wait for it, but only
//! until the script has had its time; from then on every command that is not flagged to be allowed
//! is refused without a try, so that the threads can answer. Sessions of the script's own thread are
//! served from inside the script: [`Host::serve_while_busy`](crate::Host::serve_while_busy).
//!
//! Work that is nobody's command does not wait at all then: it is put off ([`Worker::lock_stripe`]).

use std::sync::Arc;

use crate::blocking::Blocked;
use crate::command::CommandError;
use crate::engine::Engine;
use crate::worker::Worker;

/// The locks belong to a script that has held them for longer than others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Engine {
    /// Whether a script has run for longer than others wait for it.
    #[inline]
    pub fn is_script_busy(&self) -> bool {
        let since_ms = self.scripting.running.since_ms();
        since_ms.is_some_and(|since_ms| self.is_too_long_since(since_ms))
    }

    #[cold]
    fn is_too_long_since(&self, since_ms: i64) -> bool {
        let threshold_ms = self.config.busy_reply_threshold_ms();
        let now_ms = self.clock.stopwatch_us() / 1000;
        threshold_ms > 0
            && now_ms - since_ms >= threshold_ms as i64
            && !self.scripting.running.is_debugged()
    }

    /// What a command gets that may not run now.
    pub(crate) fn busy_error(&self) -> CommandError {
        self.scripting.running.busy_error()
    }

    /// Whether a script runs that was told to end.
    pub fn is_script_stopping(&self) -> bool {
        let running = &self.scripting.running;
        running.since_ms().is_some() && running.is_stopping()
    }

    /// Ends the script that runs, if one does, as soon as it looks up: before the server goes down.
    /// One that has written is ended half way only if `even_after_writes`. Answers whether nothing
    /// that runs is left alone.
    pub fn stop_script(&self, even_after_writes: bool) -> bool {
        let running = &self.scripting.running;
        if running.since_ms().is_none() {
            return true;
        }
        if running.has_written() && !even_after_writes {
            return false;
        }
        running.stop();
        true
    }
}

/// Taking locks, as long as no script keeps them for too long. The view must hold nothing. What a primary has done
/// must be repeated: it waits as long as it takes.
impl Worker {
    #[inline]
    pub(crate) fn lock_one(&mut self, hash: u64) -> Result<(), Busy> {
        let (engine, waits) = (&self.engine, self.following.is_some());
        self.view
            .lock_one(hash, &|| !waits && engine.is_script_busy())
    }

    pub(crate) fn lock_some(&mut self, hashes: impl Iterator<Item = u64>) -> Result<(), Busy> {
        let (engine, waits) = (&self.engine, self.following.is_some());
        self.view
            .lock_some(hashes, &|| !waits && engine.is_script_busy())
    }

    pub(crate) fn lock_all(&mut self) -> Result<(), Busy> {
        let (engine, waits) = (&self.engine, self.following.is_some());
        self.view.lock_all(&|| !waits && engine.is_script_busy())
    }

    /// Locks stripe `index` for one step of a command that goes from stripe to stripe; answers whether
    /// it could. If it could not, the command goes on without the stripe, and gets the error of a busy
    /// server in the end.
    pub(crate) fn lock_stripe(&mut self, index: usize) -> bool {
        let engine = &self.engine;
        let locked = self.view.lock_index(index, &|| engine.is_script_busy());
        self.gave_up |= locked.is_err();
        locked.is_ok()
    }

    /// Takes a session that waits no more out of the queues of its keys. While a script is busy its
    /// places are left for later: those who are done are harmless there.
    pub(crate) fn leave_queues(&mut self, blocked: Arc<Blocked>) {
        for blocked_key in &blocked.blocking.keys {
            let key = self.view.key(&blocked_key.key);
            let (bytes, hash) = (key.bytes, key.hash);
            if self.lock_one(hash).is_err() {
                self.left.push(blocked.clone());
                return;
            }
            let waiters = &mut self.view.stripe_mut(hash).waiters;
            waiters.remove(blocked.database, bytes, &blocked);
            self.view.unlock();
        }
    }

    /// Leaves the queues that could not be left before.
    #[cold]
    pub(crate) fn leave_rest(&mut self) {
        if self.engine.is_script_busy() {
            return;
        }
        for blocked in std::mem::take(&mut self.left) {
            self.leave_queues(blocked);
        }
    }
}
