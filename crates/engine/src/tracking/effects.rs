//! What happens to tracked keys when commands read and change them, when they expire or are
//! evicted, and when there are too many.

use std::sync::atomic::Ordering;

use super::TrackedKeys;
use super::keys::Sessions;
use super::message::{Invalidated, Invalidation};
use super::registry::{Broadcast, TrackingFlags};
use crate::client::ClientShared;
use crate::command::{Categories, Context, Flags};
use crate::engine::Engine;
use crate::keyspace::Key;
use crate::mailbox::Message;
use crate::worker::Worker;

/// Names that one command forgets at most, the first time that there are too many; the second time
/// twice as many, and so on, as in Redis.
const FORGOTTEN_PER_ROUND: u32 = 100;

/// Remembers that the session has read the keys of the command that just ran. Their locks are held.
#[cold]
pub(crate) fn remember(cx: &mut Context<'_>) {
    let command = cx.registered.command;
    // What a script reads is remembered command by command.
    if !command.flags.contains(Flags::READONLY)
        || command.categories.contains(Categories::SCRIPTING)
    {
        return;
    }
    let session = cx.client.id();
    let args = cx.args();
    command.find_keys(args, &mut |index| {
        let key = cx.worker.view.key(args.get(index));
        if !cx.worker.view.holds_key(key.hash) {
            return;
        }
        let added = cx
            .worker
            .view
            .stripe_mut(key.hash)
            .tracked
            .add(key, session);
        let tracking = &cx.worker.engine.tracking;
        tracking.count(added.is_new_key.into(), added.is_new_session.into());
    });
}

/// Tells those who may have a key cached that it has changed. Its stripe is locked. `changer` is
/// the session whose command changed it, 0 if none did.
#[cold]
pub(crate) fn invalidate(worker: &mut Worker, key: Key<'_>, changer: u64) {
    worker.has_broadcasts |= worker.engine.tracking.note_change(key.bytes, changer);
    let tracked = &mut worker.view.stripe_mut(key.hash).tracked;
    if let Some(sessions) = tracked.take(key) {
        worker.engine.tracking.uncount(1, sessions.len());
        tell(worker, key.bytes, &sessions);
    }
}

/// Tells these sessions of a key, those that still track by reading.
fn tell(worker: &mut Worker, key: &[u8], sessions: &Sessions) {
    let mut invalidation = Invalidation::of_key(key);
    let engine = worker.engine.clone();
    for &session in sessions {
        let Some(tracker) = engine.clients.get(session) else {
            continue;
        };
        let flags = tracker.tracking.flags();
        let is_own = session == worker.current_session;
        if !flags.contains(TrackingFlags::ON)
            || flags.contains(TrackingFlags::BCAST)
            || flags.contains(TrackingFlags::NOLOOP) && is_own
        {
            continue;
        }
        invalidation.send(&engine, &tracker, &mut |receiver, message| {
            worker.push(receiver, message);
        });
    }
}

/// How many names count as freed lazily when all are forgotten: none if they are few.
pub(crate) fn freed_lazily_by_flush(engine: &Engine) -> u64 {
    const NAMES_MIN: usize = 64;
    match engine.tracking.key_count() {
        ..=NAMES_MIN => 0,
        count => count as u64,
    }
}

/// Tells everyone who tracks that any key may have changed, and forgets all names. Every stripe is
/// locked.
pub(crate) fn flushed(worker: &mut Worker) {
    let engine = worker.engine.clone();
    if engine.tracking.client_count() > 0 {
        let mut invalidation = Invalidation::new(Invalidated::Everything);
        for tracker in engine.clients.all() {
            if tracker.tracking.flags().contains(TrackingFlags::ON) {
                invalidation.send(&engine, &tracker, &mut |receiver, message| {
                    worker.push(receiver, message);
                });
            }
        }
    }
    if engine.tracking.key_count() > 0 {
        for index in 0..worker.view.keyspace().stripe_count() {
            worker.forget_tracked_of(index);
        }
    }
}

impl Worker {
    /// Posts a message to a session. While the command of a blocked session is served, what goes to
    /// that session is kept back until its reply is posted.
    fn push(&mut self, receiver: &ClientShared, message: Message) {
        match &mut self.kept_back {
            Some(kept_back) if receiver.id == self.current_session => kept_back.push(message),
            _ => receiver.post(message),
        }
    }

    /// Begins to execute the command of a blocked session; answers the session whose command
    /// really runs, for [`Self::end_serving`].
    pub(crate) fn begin_serving(&mut self, session: u64) -> u64 {
        self.kept_back = Some(Vec::new());
        std::mem::replace(&mut self.current_session, session)
    }

    /// Ends what [`Self::begin_serving`] began; answers what the blocked session is to be told after
    /// the reply to its command.
    pub(crate) fn end_serving(&mut self, writer: u64) -> Vec<Message> {
        self.current_session = writer;
        self.kept_back.take().unwrap_or_default()
    }

    /// Broadcasts what the batch of requests, or the work that is done regularly, has changed. The
    /// view must hold nothing.
    #[inline]
    pub(crate) fn broadcast_changes(&mut self) -> bool {
        let has_broadcasts = std::mem::take(&mut self.has_broadcasts);
        if has_broadcasts {
            for broadcast in self.engine.tracking.take_changes() {
                self.broadcast(&broadcast);
            }
        }
        has_broadcasts
    }

    fn broadcast(&self, broadcast: &Broadcast) {
        let engine = &self.engine;
        let keys = |skipped: Option<u64>| -> Vec<&[u8]> {
            let wanted = broadcast
                .keys
                .iter()
                .filter(|&(_, &changer)| Some(changer) != skipped);
            wanted.map(|(key, _)| &key[..]).collect()
        };
        let mut post = |receiver: &ClientShared, message| receiver.post(message);
        let mut to_all = Invalidation::new(Invalidated::Keys(keys(None)));
        for tracker in &broadcast.clients {
            if !tracker.tracking.flags().contains(TrackingFlags::NOLOOP) {
                to_all.send(engine, tracker, &mut post);
                continue;
            }
            let others = keys(Some(tracker.id));
            if !others.is_empty() {
                Invalidation::new(Invalidated::Keys(others)).send(engine, tracker, &mut post);
            }
        }
    }

    /// Forgets random names while there are more than `tracking-table-max-keys`, as if they had
    /// changed. The view must hold nothing. While nobody tracks, the names stay as they are: none come,
    /// and those who tracked may do so again, and be told of what they had read before.
    #[inline]
    pub(crate) fn limit_tracked_keys(&mut self) {
        let tracking = &self.engine.tracking;
        let keys_max = self.engine.config.tracking_table_max_keys();
        if keys_max > 0 && tracking.client_count() > 0 && tracking.key_count() > keys_max {
            self.forget_some(keys_max);
        }
    }

    #[cold]
    fn forget_some(&mut self, keys_max: usize) {
        let engine = self.engine.clone();
        let rounds = engine.tracking.rounds_over_limit.load(Ordering::Relaxed);
        for _ in 0..FORGOTTEN_PER_ROUND.saturating_mul(rounds + 1) {
            if engine.tracking.key_count() <= keys_max || !self.forget_random() {
                break;
            }
        }
        let rounds = match engine.tracking.key_count() {
            count if count > keys_max => rounds.saturating_add(1).min(u32::MAX - 1),
            _ => 0,
        };
        let rounds_over_limit = &engine.tracking.rounds_over_limit;
        rounds_over_limit.store(rounds, Ordering::Relaxed);
    }

    /// Forgets a random name, as if it had changed; answers whether there was one to be had.
    fn forget_random(&mut self) -> bool {
        let stripes = self.view.keyspace().stripe_count();
        let start = self.random.index(stripes);
        for step in 0..stripes {
            let index = (start + step) % stripes;
            if !self.lock_stripe(index) {
                self.gave_up = false;
                return false;
            }
            let tracked = &mut self.view.stripe_at_mut(index).tracked;
            if let Some((key, sessions)) = tracked.take_random(&mut self.random) {
                self.engine.tracking.uncount(1, sessions.len());
                tell(self, &key, &sessions);
                self.view.unlock();
                return true;
            }
            self.view.unlock();
        }
        false
    }

    /// Forgets the names of stripe `index`, which is locked, and tells nobody.
    fn forget_tracked_of(&mut self, index: usize) {
        let tracked: TrackedKeys = self.view.stripe_at_mut(index).tracked.take_all();
        if tracked.len() > 0 {
            let tracking = &self.engine.tracking;
            tracking.uncount(tracked.len(), tracked.item_count());
            self.garbage_tracked.push(tracked);
        }
    }
}
