//! Blocked sessions: the queues of their keys, and how a waiting command is served.
//!
//! A handler that finds nothing to take calls `Context::block` with a [`Blocking`]. The session is
//! then put into the queue of each of its keys, under the locks that the command already holds, and
//! its owner stops reading requests from it.
//!
//! A writer that makes a key ready serves the key's waiters, first come first served, before it
//! lets go of the key's lock, by executing their commands again on their behalf; so no third
//! command can come between. That is why a waiter leaves, for each key, the command *on that key
//! alone* ([`BlockedKey::retry`]): the other keys' stripes are not locked by the writer. Of keys that
//! one writer makes ready at once the first of the command counts, as for Redis since 7.2. A command
//! that needs another key to be served (BLMOVE's destination) says so, and a writer that meets such
//! a waiter locks all stripes instead (`View::has_transfer_waiters`).
//!
//! A waiter is in several queues and is served, times out or leaves once: [`Blocked::state`]
//! decides. Dead waiters are taken out of queues by whoever meets them, and by their own session
//! when it wakes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::client::ClientShared;
use crate::command::Registered;
use crate::mailbox::Message;
use crate::replication::WaitCounts;

/// What a command blocks on.
pub struct Blocking {
    /// The keys, in the order in which the command looks at them.
    pub keys: Vec<BlockedKey>,
    /// When to give up, in milliseconds since 1970 on the engine's clock; `None` is never.
    pub deadline_ms: Option<i64>,
    /// The reply when it gives up; `None` if it does not, even when it is told to.
    pub on_timeout: Option<TimeoutReply>,
    /// Whether serving the command takes other keys than the one that became ready.
    pub needs_other_keys: bool,
    /// Whether the command is executed too when a key is gone, or holds another type than the
    /// command is for.
    pub wants_loss: bool,
}

/// One key that a command blocks on.
pub struct BlockedKey {
    /// The key.
    pub key: Vec<u8>,
    /// The command, with its name, that takes from this key alone; executed when it is ready.
    pub retry: Vec<Vec<u8>>,
}

/// What a blocked command answers when its time is over.
#[derive(Debug, Clone)]
pub enum TimeoutReply {
    /// The null array.
    NullArray,
    /// How many copies there are by then.
    Copies(Arc<WaitCounts>),
}

impl TimeoutReply {
    /// Writes the reply.
    pub fn write(&self, out: &mut Writer<'_>) {
        match self {
            TimeoutReply::NullArray => out.null_array(),
            TimeoutReply::Copies(counts) => counts.write(out),
        }
    }
}

/// Where a blocked command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockedState {
    Waiting,
    /// Nothing more will happen to it: somebody served it.
    Served,
    /// Nothing more will happen to it: its time was over, or it was told to wait no more, or its
    /// session is gone.
    GivenUp,
}

/// A session's blocked command, shared by the queues of its keys.
pub(crate) struct Blocked {
    pub(crate) client: Arc<ClientShared>,
    pub(crate) database: usize,
    pub(crate) protocol: Protocol,
    /// Whether the session tracks what the command reads.
    pub(crate) tracks_reads: bool,
    /// As in the session: for which generation of the users its user may do everything.
    pub(crate) unrestricted_generation: u64,
    pub(crate) registered: &'static Registered,
    /// The command as it was sent.
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) blocking: Blocking,
    /// Held while somebody serves the command, so that two writers do not serve it twice.
    pub(crate) state: Mutex<BlockedState>,
}

impl Blocked {
    /// Ends the wait with a reply, unless it has ended already; answers whether this call did.
    pub(crate) fn finish_with(&self, write: impl FnOnce(&mut Writer<'_>)) -> bool {
        let mut state = self.state.lock();
        if *state != BlockedState::Waiting {
            return false;
        }
        *state = BlockedState::GivenUp;
        let mut reply = Vec::new();
        write(&mut Writer::new(&mut reply, self.protocol));
        self.client.post(Message::Unblock(reply));
        true
    }

    /// Ends the wait because its time is over, unless it has ended already, or does not end in this way.
    pub(crate) fn time_out(&self) {
        if let Some(reply) = &self.blocking.on_timeout {
            self.finish_with(|out| reply.write(out));
        }
    }

    /// Whether nobody has ended the wait yet.
    pub(crate) fn is_waiting(&self) -> bool {
        *self.state.lock() == BlockedState::Waiting
    }

    /// Ends the wait without a reply: the session is closing.
    pub(crate) fn cancel(&self) {
        *self.state.lock() = BlockedState::GivenUp;
    }

    /// The retry command for `key`.
    pub(crate) fn retry_for(&self, key: &[u8]) -> Option<&[Vec<u8>]> {
        let found = self
            .blocking
            .keys
            .iter()
            .find(|blocked| blocked.key == key)?;
        Some(&found.retry)
    }
}

/// The queues of one stripe's keys: one word while there are none, for every command looks here.
#[derive(Default)]
pub(crate) struct Waiters {
    queues: Option<Box<Queues>>,
}

#[derive(Default)]
struct Queues {
    /// None of them is empty.
    by_key: HashMap<(usize, Vec<u8>), VecDeque<Arc<Blocked>>>,
    transfers: usize,
    /// Waiters that want to know when their key is lost.
    loss_watchers: usize,
}

impl Waiters {
    /// Whether nobody waits in this stripe.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.is_none()
    }

    /// Waiters that need other keys to be served.
    pub(crate) fn transfers(&self) -> usize {
        self.queues.as_ref().map_or(0, |it| it.transfers)
    }

    /// Whether anyone wants to know when a key is lost.
    #[inline]
    pub(crate) fn watch_for_loss(&self) -> bool {
        self.queues.as_ref().is_some_and(|it| it.loss_watchers > 0)
    }

    /// Whether anyone may wait for a key.
    pub(crate) fn has(&self, database: usize, key: &[u8]) -> bool {
        let queues = self.queues.as_ref();
        queues.is_some_and(|it| it.by_key.contains_key(&(database, key.to_vec())))
    }

    pub(crate) fn add(&mut self, key: &[u8], blocked: Arc<Blocked>) {
        let queues = self.queues.get_or_insert_default();
        queues.transfers += usize::from(blocked.blocking.needs_other_keys);
        queues.loss_watchers += usize::from(blocked.blocking.wants_loss);
        queues
            .by_key
            .entry((blocked.database, key.to_vec()))
            .or_default()
            .push_back(blocked);
    }

    /// The waiters of a key, oldest first.
    pub(crate) fn of(&self, database: usize, key: &[u8]) -> Vec<Arc<Blocked>> {
        let queues = self.queues.as_ref();
        let queue = queues.and_then(|it| it.by_key.get(&(database, key.to_vec())));
        queue
            .map(|queue| queue.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Takes one waiter out of a key's queue.
    pub(crate) fn remove(&mut self, database: usize, key: &[u8], blocked: &Arc<Blocked>) {
        let place = (database, key.to_vec());
        let Some(queues) = &mut self.queues else {
            return;
        };
        let Some(queue) = queues.by_key.get_mut(&place) else {
            return;
        };
        let before = queue.len();
        queue.retain(|other| !Arc::ptr_eq(other, blocked));
        let removed = before - queue.len();
        if blocked.blocking.needs_other_keys {
            queues.transfers -= removed;
        }
        if blocked.blocking.wants_loss {
            queues.loss_watchers -= removed;
        }
        if queue.is_empty() {
            queues.by_key.remove(&place);
        }
        if queues.by_key.is_empty() {
            self.queues = None;
        }
    }

    /// Keys of a database that somebody waits for.
    pub(crate) fn keys_of(&self, database: usize) -> Vec<Vec<u8>> {
        let keys = self.queues.iter().flat_map(|it| it.by_key.keys());
        let keys = keys.filter(|(index, _)| *index == database);
        keys.map(|(_, key)| key.clone()).collect()
    }
}
