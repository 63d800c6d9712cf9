//! How much memory each client takes, and all together; `maxmemory-clients`.
//!
//! A client takes what waits to be executed, what waits to be sent, and what is kept for it: queued
//! commands, watched keys, subscriptions, tracked prefixes. Each part is noted where it changes. The sum over all
//! clients is only kept while there is a limit; it is looked at before each request is
//! executed and regularly. When it is above the limit the greediest clients are closed, down to the
//! limit, those with CLIENT NO-EVICT excepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crate::client::{Client, ClientShared, Clients};
use crate::config::LogLevel;
use crate::engine::Engine;
use crate::session::Session;

/// What a watched key or a subscription takes beside its name, which is kept twice: by the session,
/// and by those who have to find it.
const NAME_OVERHEAD_BYTES: usize = 128;

/// Bytes that a name takes which a session watches or is subscribed to.
pub(crate) fn name_bytes(name: &[u8]) -> usize {
    2 * name.len() + NAME_OVERHEAD_BYTES
}

/// What the owner of a session keeps for it, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Buffers {
    /// Requests that wait to be executed, or to be complete.
    pub unread_bytes: usize,
    /// The memory that those lie in, and others have room in.
    pub unread_capacity_bytes: usize,
    /// Replies that wait to be sent.
    pub unsent_bytes: usize,
    /// The memory that those lie in, and others have room in.
    pub unsent_capacity_bytes: usize,
}

/// What one client takes. What every request changes comes first, as in [`ClientShared`].
#[derive(Default)]
#[repr(C)]
pub(crate) struct ClientMemory {
    sum: Arc<ClientsMemory>,
    /// Replies to the requests that are being executed, which the owner has not got yet.
    reply_bytes: AtomicUsize,
    /// Memory of the buffers of the connection, empty space in them included.
    buffer_bytes: AtomicUsize,
    /// Of those, what is empty behind requests, and what is there for replies.
    pub(crate) query_buffer_free_bytes: AtomicUsize,
    pub(crate) reply_buffer_bytes: AtomicUsize,
    /// Arguments of an incomplete request; they lie in the buffers.
    pub(crate) argument_bytes: AtomicUsize,
    /// Arguments of the command on which the session is blocked.
    pub(crate) blocked_bytes: AtomicUsize,
    /// The queue of MULTI.
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) watched_bytes: AtomicUsize,
    pub(crate) subscribed_bytes: AtomicUsize,
    /// Prefixes of CLIENT TRACKING.
    pub(crate) tracked_bytes: AtomicUsize,
    /// What the sum has of it.
    counted_bytes: AtomicI64,
    /// Whether the sum is to have nothing of it any more.
    is_gone: AtomicBool,
    /// What it took when it was closed for that.
    leaving_bytes: AtomicUsize,
}

/// What all clients take.
#[derive(Default)]
pub(crate) struct ClientsMemory {
    /// Whether the sum is kept.
    is_kept: AtomicBool,
    bytes: AtomicI64,
    /// Clients closed for it.
    evicted: AtomicU64,
    /// What those of them take who are still there: their connections end when their tasks run next.
    leaving_bytes: AtomicUsize,
}

impl ClientsMemory {
    /// Clients closed because all together took too much.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Bytes that are as good as free: of closed clients whose connections have yet to end.
    pub(crate) fn leaving_bytes(&self) -> usize {
        self.leaving_bytes.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        self.evicted.store(0, Ordering::Relaxed);
    }
}

impl ClientMemory {
    pub(crate) fn new(sum: &Arc<ClientsMemory>) -> Self {
        let mut memory = ClientMemory::default();
        memory.sum = sum.clone();
        memory
    }

    /// Notes that the client is closed, and that so many bytes are free soon.
    fn note_leaving(&self, bytes: usize) {
        self.leaving_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.sum.leaving_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for ClientMemory {
    fn drop(&mut self) {
        let bytes = *self.leaving_bytes.get_mut();
        self.sum.leaving_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl ClientShared {
    /// Bytes that the session takes: its requests, its replies and what is kept for it.
    pub(crate) fn memory_bytes(&self) -> usize {
        let memory = &self.memory;
        let parts = [
            &memory.buffer_bytes,
            &memory.reply_bytes,
            &memory.blocked_bytes,
            &memory.queued_bytes,
            &memory.watched_bytes,
            &memory.subscribed_bytes,
            &memory.tracked_bytes,
        ];
        let parts = parts.iter().map(|bytes| bytes.load(Ordering::Relaxed));
        let fixed = size_of::<ClientShared>() + size_of::<Client>();
        fixed + parts.sum::<usize>() + self.mailbox.pushed_bytes()
    }

    /// Notes how many bytes of arguments the command has on which the session is blocked.
    pub(crate) fn note_blocked(&self, argument_bytes: usize) {
        self.memory
            .blocked_bytes
            .store(argument_bytes, Ordering::Relaxed);
    }

    /// Notes how many bytes of requests and of replies wait.
    pub(crate) fn note_waiting(&self, input_bytes: usize, output_bytes: usize) {
        self.query_buffer_bytes
            .store(input_bytes, Ordering::Relaxed);
        self.output_buffer_bytes
            .store(output_bytes, Ordering::Relaxed);
        // Only the owner of the connection says this, so that nothing is lost between the two.
        let peak_bytes = &self.output_buffer_peak_bytes;
        if output_bytes > peak_bytes.load(Ordering::Relaxed) {
            peak_bytes.store(output_bytes, Ordering::Relaxed);
        }
    }

    /// Notes that so much input is about to be executed.
    pub(crate) fn note_input_memory(&self, bytes: usize) {
        /// What is shorter may lie in a buffer that all clients of a worker share.
        const OWN_MIN: usize = 64 << 10;
        if bytes > OWN_MIN {
            self.memory.buffer_bytes.fetch_max(bytes, Ordering::Relaxed);
            self.count_memory();
        }
    }

    /// Notes that the requests that are being executed have so much in reply up to now.
    pub(crate) fn note_reply_memory(&self, bytes: usize) {
        self.memory.reply_bytes.store(bytes, Ordering::Relaxed);
        self.count_memory();
    }

    /// Notes that the owner has the replies.
    #[inline]
    pub(crate) fn hand_replies_over(&self) {
        self.memory.reply_bytes.store(0, Ordering::Relaxed);
    }

    /// Brings the sum up to date with what the session takes.
    #[inline]
    pub(crate) fn count_memory(&self) {
        if self.memory.sum.is_kept.load(Ordering::Relaxed) {
            self.recount_memory();
        }
    }

    #[cold]
    fn recount_memory(&self) {
        let memory = &self.memory;
        let set = |bytes: i64| {
            let before = memory.counted_bytes.swap(bytes, Ordering::SeqCst);
            memory
                .sum
                .bytes
                .fetch_add(bytes - before, Ordering::Relaxed);
        };
        if !memory.is_gone.load(Ordering::SeqCst) {
            set(self.memory_bytes() as i64);
        }
        // It may have gone meanwhile.
        if memory.is_gone.load(Ordering::SeqCst) {
            set(0);
        }
    }

    /// Takes the session out of the sum for good.
    pub(crate) fn leave_memory_sum(&self) {
        self.memory.is_gone.store(true, Ordering::SeqCst);
        self.recount_memory();
    }
}

impl Session {
    /// Tells CLIENT LIST and `maxmemory-clients` what the owner keeps for the session. Of what is unread, CLIENT LIST
    /// calls arguments what is understood: so does Redis, which takes them out of its buffer.
    pub fn note_buffers(&self, buffers: Buffers) {
        let (shared, parser) = (self.shared(), &self.parser);
        let unread_bytes = buffers
            .unread_bytes
            .saturating_sub(parser.understood_bytes());
        shared.note_waiting(unread_bytes, buffers.unsent_bytes);
        let memory = &shared.memory;
        let set = |count: &AtomicUsize, bytes| count.store(bytes, Ordering::Relaxed);
        let free_bytes = buffers.unread_capacity_bytes - buffers.unread_bytes;
        set(&memory.query_buffer_free_bytes, free_bytes);
        set(&memory.reply_buffer_bytes, buffers.unsent_capacity_bytes);
        set(&memory.argument_bytes, parser.argument_bytes());
        let buffer_bytes = buffers.unread_capacity_bytes + buffers.unsent_capacity_bytes;
        set(&memory.buffer_bytes, buffer_bytes + parser.memory_usage());
        shared.count_memory();
    }
}

impl Clients {
    /// Starts or stops keeping the sum.
    pub(crate) fn keep_memory_sum(&self, is_kept: bool) {
        self.memory.is_kept.store(is_kept, Ordering::Relaxed);
        if is_kept {
            self.all().iter().for_each(|client| client.count_memory());
        }
    }

    /// Whether all clients together take more than `limit_bytes`.
    #[inline]
    pub(crate) fn take_too_much(&self, limit_bytes: u64) -> bool {
        self.memory.bytes.load(Ordering::Relaxed) > limit_bytes as i64
    }
}

impl Engine {
    /// Closes the greediest clients until all together take no more than `limit_bytes`.
    #[cold]
    pub(crate) fn evict_clients(&self, limit_bytes: u64) {
        let mut clients: Vec<(usize, Arc<ClientShared>)> = self
            .clients
            .all()
            .into_iter()
            .filter(|client| !client.no_evict.load(Ordering::Relaxed) && !client.is_killed())
            .map(|client| (client.memory_bytes(), client))
            .collect();
        clients.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (bytes, client) in clients {
            if !self.clients.take_too_much(limit_bytes) {
                break;
            }
            let line = format!("Evicting client: {}", client.description(self.now_ms()));
            self.host.log(LogLevel::Notice, &line);
            self.clients.memory.evicted.fetch_add(1, Ordering::Relaxed);
            client.memory.note_leaving(bytes);
            client.kill();
            self.clients.forget(client.id);
        }
    }
}
