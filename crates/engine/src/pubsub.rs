//! Who is subscribed to what, and publishing to them.
//!
//! The commands stand in `cmd::pubsub`; what a session itself remembers of its subscriptions is
//! [`Subscriptions`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oxidis_resp::{Protocol, Writer};
use parking_lot::RwLock;

use crate::client::ClientShared;
use crate::mailbox::Message;
use crate::text::{Case, glob_matches};

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    Shard,
}

/// One session's subscriptions.
#[derive(Default)]
pub(crate) struct Subscriptions {
    pub(crate) channels: BTreeSet<Vec<u8>>,
    pub(crate) patterns: BTreeSet<Vec<u8>>,
    pub(crate) shard_channels: BTreeSet<Vec<u8>>,
}

impl Subscriptions {
    pub(crate) fn of(&mut self, kind: Kind) -> &mut BTreeSet<Vec<u8>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard_channels,
        }
    }

    /// Subscriptions of any kind.
    pub(crate) fn total(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }

    /// The count that (P|S)SUBSCRIBE and (P|S)UNSUBSCRIBE of `kind` answer.
    pub(crate) fn count_for(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::Shard => self.shard_channels.len(),
        }
    }
}

type Subscribers = HashMap<Vec<u8>, Vec<Arc<ClientShared>>>;

#[derive(Default)]
struct Registry {
    channels: Subscribers,
    patterns: Subscribers,
    shard_channels: Subscribers,
}

impl Registry {
    fn of(&mut self, kind: Kind) -> &mut Subscribers {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard_channels,
        }
    }
}

/// All subscriptions of an engine.
#[derive(Default)]
pub(crate) struct PubSub {
    registry: RwLock<Registry>,
    /// Subscriptions of any kind; lets PUBLISH and keyspace events skip the lock.
    total: AtomicUsize,
}

impl PubSub {
    pub(crate) fn subscribe(&self, kind: Kind, name: &[u8], client: &Arc<ClientShared>) {
        let mut registry = self.registry.write();
        registry
            .of(kind)
            .entry(name.to_vec())
            .or_default()
            .push(client.clone());
        self.total.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn unsubscribe(&self, kind: Kind, name: &[u8], client: &Arc<ClientShared>) {
        let mut registry = self.registry.write();
        let subscribers = registry.of(kind);
        if let Some(clients) = subscribers.get_mut(name) {
            let before = clients.len();
            clients.retain(|other| !Arc::ptr_eq(other, client));
            self.total
                .fetch_sub(before - clients.len(), Ordering::Release);
            if clients.is_empty() {
                subscribers.remove(name);
            }
        }
    }

    /// Visits every channel, shard channel and pattern with those that are subscribed to it.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Kind, &[u8], &[Arc<ClientShared>])) {
        let registry = self.registry.read();
        let kinds = [
            (Kind::Channel, &registry.channels),
            (Kind::Pattern, &registry.patterns),
            (Kind::Shard, &registry.shard_channels),
        ];
        for (kind, subscribers) in kinds {
            for (name, clients) in subscribers {
                visit(kind, name, clients);
            }
        }
    }

    /// Whether nobody is subscribed to anything.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        self.total.load(Ordering::Acquire) == 0
    }

    /// Sends a message to everyone subscribed to the channel or to a pattern that matches it;
    /// answers how many got it.
    pub(crate) fn publish(&self, channel: &[u8], payload: &[u8]) -> usize {
        if self.is_silent() {
            return 0;
        }
        let registry = self.registry.read();
        let mut receivers = 0;
        if let Some(clients) = registry.channels.get(channel) {
            receivers += send(clients, &[b"message", channel, payload]);
        }
        for (pattern, clients) in &registry.patterns {
            if glob_matches(pattern, channel, Case::Sensitive) {
                receivers += send(clients, &[b"pmessage", pattern, channel, payload]);
            }
        }
        receivers
    }

    /// Sends a message to everyone subscribed to the shard channel; answers how many got it.
    pub(crate) fn publish_shard(&self, channel: &[u8], payload: &[u8]) -> usize {
        if self.is_silent() {
            return 0;
        }
        let registry = self.registry.read();
        let Some(clients) = registry.shard_channels.get(channel) else {
            return 0;
        };
        send(clients, &[b"smessage", channel, payload])
    }

    /// Channels (of `kind`) that somebody is subscribed to, those that match `pattern` if given.
    pub(crate) fn active(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Vec<u8>> {
        let mut registry = self.registry.write();
        let names = registry.of(kind).iter();
        names
            .filter(|(_, clients)| listening(clients) > 0)
            .map(|(name, _)| name)
            .filter(|name| {
                pattern.is_none_or(|pattern| glob_matches(pattern, name, Case::Sensitive))
            })
            .cloned()
            .collect()
    }

    /// Subscribers of one channel (of `kind`).
    pub(crate) fn subscriber_count(&self, kind: Kind, name: &[u8]) -> usize {
        let mut registry = self.registry.write();
        let clients = registry.of(kind).get(name);
        clients.map_or(0, |clients| listening(clients))
    }

    /// Different patterns that somebody is subscribed to.
    pub(crate) fn pattern_count(&self) -> usize {
        listened_to(&self.registry.read().patterns)
    }

    /// Different channels that somebody is subscribed to.
    pub(crate) fn channel_count(&self) -> usize {
        listened_to(&self.registry.read().channels)
    }

    /// Different shard channels that somebody is subscribed to.
    pub(crate) fn shard_channel_count(&self) -> usize {
        listened_to(&self.registry.read().shard_channels)
    }
}

/// How many of the sessions are not about to be closed by somebody: those listen no more, though their owners
/// may not know yet.
fn listening(clients: &[Arc<ClientShared>]) -> usize {
    clients.iter().filter(|client| !client.is_killed()).count()
}

/// How many names somebody listens to.
fn listened_to(subscribers: &Subscribers) -> usize {
    let subscribers = subscribers.values();
    subscribers.filter(|clients| listening(clients) > 0).count()
}

/// Posts one message to many sessions, encoded once for each protocol among them; answers how many get it.
fn send(clients: &[Arc<ClientShared>], parts: &[&[u8]]) -> usize {
    let mut encoded: [Option<Arc<[u8]>>; 2] = [None, None];
    let mut receivers = 0;
    for client in clients {
        if client.is_killed() {
            continue;
        }
        let protocol = client.protocol();
        let place = &mut encoded[usize::from(protocol == Protocol::Resp3)];
        let bytes = place.get_or_insert_with(|| {
            let mut buffer = Vec::new();
            let mut out = Writer::new(&mut buffer, protocol);
            out.push(parts.len());
            parts.iter().for_each(|part| out.bulk(part));
            buffer.into()
        });
        client.post(Message::Push(bytes.clone()));
        receivers += 1;
    }
    receivers
}
