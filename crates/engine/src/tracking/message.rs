//! Invalidations on their way: how they are written in either protocol, and who gets them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use oxidis_resp::{Protocol, Writer};

use super::registry::TrackingFlags;
use crate::client::ClientShared;
use crate::engine::Engine;
use crate::mailbox::Message;

/// The channel on which RESP2 subscribers get the invalidations of those who redirect to them.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// What an invalidation says.
pub(super) enum Invalidated<'a> {
    /// These keys have changed.
    Keys(Vec<&'a [u8]>),
    /// Any key may have.
    Everything,
}

/// One invalidation, encoded once for each protocol among those who get it.
pub(super) struct Invalidation<'a> {
    invalidated: Invalidated<'a>,
    encoded: [Option<Arc<[u8]>>; 2],
}

impl<'a> Invalidation<'a> {
    pub(super) fn new(invalidated: Invalidated<'a>) -> Self {
        Invalidation {
            invalidated,
            encoded: [None, None],
        }
    }

    pub(super) fn of_key(key: &'a [u8]) -> Self {
        Self::new(Invalidated::Keys(vec![key]))
    }

    fn bytes(&mut self, protocol: Protocol) -> Arc<[u8]> {
        let place = &mut self.encoded[usize::from(protocol == Protocol::Resp3)];
        let encode = || {
            let mut buffer = Vec::new();
            let mut out = Writer::new(&mut buffer, protocol);
            write(&self.invalidated, protocol, &mut out);
            buffer.into()
        };
        place.get_or_insert_with(encode).clone()
    }

    /// Sends it on behalf of a session that tracks: to itself if it speaks RESP3, or to the session
    /// that it redirects to, if that speaks RESP3 or is a subscriber. Others get nothing, as in
    /// Redis: nobody could tell the message from a reply.
    pub(super) fn send(
        &mut self,
        engine: &Engine,
        tracker: &Arc<ClientShared>,
        post: &mut dyn FnMut(&ClientShared, Message),
    ) {
        let redirect = tracker.tracking.redirect.load(Ordering::Relaxed);
        if redirect == 0 {
            if tracker.protocol() == Protocol::Resp3 {
                post(tracker, Message::Push(self.bytes(Protocol::Resp3)));
            }
            return;
        }
        let Some(receiver) = engine.clients.get(redirect) else {
            let broken = TrackingFlags::BROKEN_REDIRECT;
            tracker.tracking.add_flags(broken);
            if tracker.protocol() == Protocol::Resp3 {
                post(tracker, Message::Push(broken_redirect(redirect)));
            }
            return;
        };
        let protocol = receiver.protocol();
        if protocol == Protocol::Resp3 || receiver.is_subscribed() {
            post(&receiver, Message::Push(self.bytes(protocol)));
        }
    }
}

fn write(invalidated: &Invalidated<'_>, protocol: Protocol, out: &mut Writer<'_>) {
    if protocol == Protocol::Resp3 {
        out.push(2);
        out.bulk(b"invalidate");
    } else {
        out.array(3);
        out.bulk(b"message");
        out.bulk(CHANNEL);
    }
    match invalidated {
        Invalidated::Everything => out.null(),
        Invalidated::Keys(keys) => {
            out.array(keys.len());
            keys.iter().for_each(|key| out.bulk(key));
        }
    }
}

fn broken_redirect(redirect: u64) -> Arc<[u8]> {
    let mut buffer = Vec::new();
    let mut out = Writer::new(&mut buffer, Protocol::Resp3);
    out.push(2);
    out.bulk(b"tracking-redir-broken");
    out.integer(redirect as i64);
    buffer.into()
}
