//! What other sessions send to a session: published messages, invalidations, the reply to a blocked
//! command, the order to close. The owner of the session takes it out when it next runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

/// One thing sent to a session.
#[derive(Debug, Clone)]
pub enum Message {
    /// Bytes of a published message or invalidation, already in the session's protocol.
    Push(Arc<[u8]>),
    /// The reply to the command on which the session was blocked.
    Unblock(Vec<u8>),
    /// The reply to the MIGRATE that was carried out for the session.
    Concluded(Vec<u8>),
    /// A command that was held back may run.
    Resume,
    /// Nothing, but the owner is to look whether the session waits, and for how long.
    Look,
    /// The session is to be closed.
    Close,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    waker: Option<Waker>,
}

/// A session's letter box: anyone may post, its session takes.
#[derive(Default)]
pub struct Mailbox {
    state: Mutex<State>,
    /// Whether there is anything inside; read without the lock after each command.
    is_filled: AtomicBool,
    /// Bytes of the pushes that wait inside.
    pushed_bytes: AtomicUsize,
}

impl Mailbox {
    /// Adds a message and wakes the session's owner. Answers the bytes of pushes that now wait.
    pub fn post(&self, message: Message) -> usize {
        let bytes = match &message {
            Message::Push(bytes) => bytes.len(),
            Message::Unblock(_)
            | Message::Concluded(_)
            | Message::Resume
            | Message::Look
            | Message::Close => 0,
        };
        let mut state = self.state.lock();
        state.messages.push_back(message);
        self.is_filled.store(true, Ordering::Release);
        let waiting = self.pushed_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        waiting
    }

    /// Whether there is anything to take.
    #[inline]
    pub fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Acquire)
    }

    /// Bytes of pushes that wait.
    pub fn pushed_bytes(&self) -> usize {
        self.pushed_bytes.load(Ordering::Relaxed)
    }

    /// Takes everything out, oldest first.
    pub fn take(&self) -> VecDeque<Message> {
        let mut state = self.state.lock();
        self.is_filled.store(false, Ordering::Release);
        self.pushed_bytes.store(0, Ordering::Relaxed);
        std::mem::take(&mut state.messages)
    }

    /// Leaves a waker that the next message wakes; answers whether there is something already.
    pub fn register(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        if !state.messages.is_empty() {
            return true;
        }
        match &mut state.waker {
            Some(old) if old.will_wake(waker) => {}
            slot => *slot = Some(waker.clone()),
        }
        false
    }
}
