//! The engine's time, and moving a clock that stands still: what is due on the way happens, in its order.
//!
//! A clock that runs is read. One that is *manual* moves when it is told to ([`Worker::advance`]), and then
//! everything that time brings about happens before the call returns: keys and fields expire with their
//! events, commands that wait give up, pauses end. Each happens when the clock stands at its moment, so that
//! what it leads to (a stream ID, another expiry) has the time that it would have had if somebody had waited.
//!
//! Who waits is answered through the mailbox, and so wakes up in real time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::ClientShared;
use crate::command::context::delete_expired;
use crate::command::dispatch::serve_left;
use crate::command::field_expiry::delete_fields;
use crate::engine::Engine;
use crate::keyspace::{EntryRef, Key, expiring_hash};
use crate::mailbox::Message;
use crate::worker::Worker;

/// Where the engine gets the time from.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970.
    fn now_us(&self) -> i64;

    /// Microseconds on a clock that nobody stops, since some moment: to see how long something takes that must
    /// not go on for ever.
    fn stopwatch_us(&self) -> i64 {
        self.now_us()
    }

    /// Whether it stands still until it is moved.
    fn is_manual(&self) -> bool {
        false
    }

    /// Lets it stand still at a moment, in microseconds since 1970, or run; answers whether it can.
    fn set_manual(&self, _at_us: Option<i64>) -> bool {
        false
    }
}

/// Why a clock was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// It runs by itself.
    #[error("the clock runs by itself")]
    Runs,
    /// It can only run.
    #[error("the clock cannot be stopped")]
    CannotStop,
    /// There is no such moment.
    #[error("the time is out of range")]
    OutOfRange,
}

/// The last moment that a clock can be moved to: the end of the year 9999.
const LAST_US: i64 = 253_402_300_799_999_999;

/// A key that may be due, or have fields that are: when, in milliseconds since 1970, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ms: i64,
    database: usize,
    key: Vec<u8>,
    hash: u64,
}

impl Worker {
    /// Moves a manual clock on. When this returns, everything has happened that was due.
    ///
    /// # Errors
    /// The clock is not manual, or would end up beyond the year 9999.
    pub fn advance(&mut self, time: Duration) -> Result<(), ClockError> {
        let engine = self.engine.clone();
        let _moving = engine.moving.lock();
        let time_us = i64::try_from(time.as_micros()).map_err(|_| ClockError::OutOfRange)?;
        let until_us = engine.clock.now_us().checked_add(time_us);
        self.move_clock(until_us.ok_or(ClockError::OutOfRange)?)
    }

    /// Moves a manual clock to a moment, in microseconds since 1970. Nothing that has happened is undone when
    /// that is in its past.
    ///
    /// # Errors
    /// The clock is not manual, or the moment is before 1970 or beyond the year 9999.
    pub fn set_time(&mut self, at_us: i64) -> Result<(), ClockError> {
        let engine = self.engine.clone();
        let _moving = engine.moving.lock();
        self.move_clock(at_us)
    }

    /// Lets the clock stand still where it is.
    ///
    /// # Errors
    /// It can only run.
    pub fn stop_clock(&mut self) -> Result<(), ClockError> {
        self.has_moved_clock = true;
        let now_us = self.engine.clock.now_us();
        let can_stop = self.engine.set_clock(Some(now_us));
        can_stop.then_some(()).ok_or(ClockError::CannotStop)
    }

    /// Lets the clock run, with the time of day.
    ///
    /// # Errors
    /// It can only stand still.
    pub fn start_clock(&mut self) -> Result<(), ClockError> {
        if !self.engine.set_clock(None) {
            return Err(ClockError::CannotStop);
        }
        self.has_moved_clock = true;
        // Who waits goes on waiting in real time.
        for client in self.engine.clients.all() {
            client.mailbox.post(Message::Look);
        }
        Ok(())
    }

    fn move_clock(&mut self, until_us: i64) -> Result<(), ClockError> {
        let engine = self.engine.clone();
        if !engine.clock.is_manual() {
            return Err(ClockError::Runs);
        }
        if !(0..=LAST_US).contains(&until_us) {
            return Err(ClockError::OutOfRange);
        }
        let until_ms = until_us / 1000;
        self.has_moved_clock = true;
        let mut keys = self.keys_due(until_ms);
        // Who begins to wait meanwhile waits from the moment on at which the clock is then.
        while engine.clock.now_us() < until_us {
            let key_ms = keys.peek().map(|Reverse(due)| due.at_ms);
            let wait_ms = engine.next_deadline_ms().filter(|&at_ms| at_ms <= until_ms);
            let Some(at_ms) = key_ms.into_iter().chain(wait_ms).min() else {
                break;
            };
            let at_us = at_ms.saturating_mul(1000);
            if at_us > engine.clock.now_us() {
                engine.set_clock(Some(at_us));
            }
            self.refresh();
            while keys.peek().is_some_and(|Reverse(due)| due.at_ms <= at_ms) {
                if let Some(Reverse(due)) = keys.pop() {
                    keys.extend(self.expire_due(due, until_ms).map(Reverse));
                }
            }
            engine.end_waits_until(at_ms);
        }
        engine.set_clock(Some(until_us));
        self.refresh();
        engine.end_waits_until(until_ms);
        // What those who were woken, or others, have written meanwhile; and what a pause had kept.
        for Reverse(due) in self.keys_due(until_ms) {
            self.expire_due(due, until_ms);
        }
        while self.run_cron() {}
        Ok(())
    }

    /// The keys that are due until a moment, or have fields that are. None while nothing expires unasked.
    fn keys_due(&mut self, until_ms: i64) -> BinaryHeap<Reverse<Due>> {
        let mut found = BinaryHeap::new();
        if self.engine.is_active_expire_off.load(Ordering::Relaxed) {
            return found;
        }
        for index in 0..self.view.keyspace().stripe_count() {
            if !self.lock_stripe(index) {
                // A busy script has it; it will be found when somebody asks for it.
                self.gave_up = false;
                continue;
            }
            let stripe = self.view.stripe_at(index);
            for number in 0..stripe.database_count() {
                let Some(database) = stripe.database(number) else {
                    continue;
                };
                if database.volatile_len() == 0 && database.expiring_hashes() == 0 {
                    continue;
                }
                let due = database.iter().filter_map(|entry| {
                    let at_ms = next_end_ms(entry).filter(|&at_ms| at_ms <= until_ms)?;
                    Some(Reverse(Due {
                        at_ms,
                        database: number,
                        key: entry.key().to_vec(),
                        hash: database.hash_of(entry.key()),
                    }))
                });
                found.extend(due);
            }
            self.view.unlock();
        }
        found
    }

    /// Deletes a key that is due now, or its fields that are, unless that has changed; answers when more of
    /// it is due, if that is before a moment.
    fn expire_due(&mut self, mut due: Due, until_ms: i64) -> Option<Due> {
        let now_ms = self.now_ms();
        if self.engine.keeps_expired(now_ms) || self.lock_one(due.hash).is_err() {
            return None;
        }
        let entry = |worker: &Worker| {
            let database = worker.view.stripe(due.hash).database(due.database)?;
            let entry = database.get(due.hash, &due.key)?;
            Some((next_end_ms(entry)?, entry.expire_ms()))
        };
        let key = Key {
            bytes: &due.key,
            hash: due.hash,
        };
        match entry(self) {
            Some((_, Some(expire_ms))) if expire_ms <= now_ms => {
                delete_expired(self, due.database, key);
            }
            Some((next_ms, _)) if next_ms <= now_ms => {
                delete_fields(self, due.database, key, &mut |hash, removed| {
                    hash.remove_overdue(now_ms, usize::MAX, removed);
                });
            }
            _ => {}
        }
        let next_ms = entry(self).map(|(next_ms, _)| next_ms);
        self.end_deletions();
        serve_left(self);
        self.free_garbage();
        due.at_ms = next_ms.filter(|&next_ms| next_ms > now_ms && next_ms <= until_ms)?;
        Some(due)
    }
}

/// When the first of an entry's expiries is: its own, or one of its fields'.
fn next_end_ms(entry: EntryRef<'_>) -> Option<i64> {
    let fields_ms = expiring_hash(entry).and_then(|hash| hash.next_expiry_ms());
    entry.expire_ms().into_iter().chain(fields_ms).min()
}

impl Engine {
    /// Lets the clock stand still at a moment, in microseconds since 1970, or run; answers whether it can.
    pub(crate) fn set_clock(&self, at_us: Option<i64>) -> bool {
        let can = self.clock.set_manual(at_us);
        self.note_time(self.clock.now_us());
        can
    }

    /// Keeps the time for those to whom it need not be exact.
    #[inline]
    pub(crate) fn note_time(&self, now_us: i64) {
        self.rough_now_us.store(now_us, Ordering::Relaxed);
    }

    /// Microseconds since 1970, exactly while the clock stands still; while it runs, when regular work was done last,
    /// which is `hz` times a second.
    #[inline]
    pub(crate) fn rough_now_us(&self) -> i64 {
        self.rough_now_us.load(Ordering::Relaxed)
    }

    /// When the first of those gives up who wait, in milliseconds since 1970.
    fn next_deadline_ms(&self) -> Option<i64> {
        let clients = self.clients.all();
        clients.iter().filter_map(|it| deadline_ms(it)).min()
    }

    /// Ends the waits whose time is over, in the order of their deadlines.
    fn end_waits_until(&self, now_ms: i64) {
        let mut over: Vec<(i64, Arc<ClientShared>)> = Vec::new();
        for client in self.clients.all() {
            if let Some(at_ms) = deadline_ms(&client).filter(|&at_ms| at_ms <= now_ms) {
                over.push((at_ms, client));
            }
        }
        // Stable: of those that give up at the same moment the oldest session is the first.
        over.sort_by_key(|(at_ms, _)| *at_ms);
        for (_, client) in over {
            let is_held_back = client.held_back_until_ms.swap(i64::MAX, Ordering::AcqRel) <= now_ms;
            if is_held_back {
                client.post(Message::Resume);
            }
            let blocked = client.blocked.lock().clone();
            if let Some(blocked) = blocked {
                blocked.time_out();
            }
        }
    }
}

/// When a session gives up waiting, in milliseconds since 1970.
fn deadline_ms(client: &ClientShared) -> Option<i64> {
    let held_back_ms = client.held_back_until_ms.load(Ordering::Acquire);
    let blocked = client.blocked.lock();
    let waiting = blocked.as_ref().filter(|it| it.is_waiting());
    let blocked_ms = waiting.and_then(|it| it.blocking.deadline_ms);
    let held_back_ms = Some(held_back_ms).filter(|&at_ms| at_ms != i64::MAX);
    held_back_ms.into_iter().chain(blocked_ms).min()
}
