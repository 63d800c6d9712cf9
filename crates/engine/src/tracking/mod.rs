//! Client side caching: which sessions may have which keys in caches of their own, and telling them
//! when those keys change (CLIENT TRACKING).
//!
//! A session tracks in one of two ways.
//!
//! * By default, the names of the keys that its reading commands name are remembered, and the first
//!   change of such a key sends an invalidation and forgets it: the session tells that it has the
//!   key again by reading it again. The table of names is split as the key space is: each stripe
//!   has the names whose keys would lie in it ([`TrackedKeys`]), under the stripe's own lock, which
//!   both who reads a key and who changes it hold anyway. So there is no other lock, and no change
//!   can slip between a read and its being remembered. As in Redis a name stands for the keys of
//!   that name in all databases, and sessions are remembered by their numbers: one that has gone,
//!   or tracks no more, is found out when the message is to be sent.
//! * With BCAST nothing is remembered. Whatever key begins with one of the session's prefixes is
//!   noted when it changes, and told to everyone with the prefix in one message when the batch of
//!   requests is over ([`Tracking`]). Who changed a key last is noted with it, for NOLOOP.
//!
//! Messages go through mailboxes, so those for the session whose command is running come after its
//! reply, or after the reply of the whole transaction. A command that is served for a blocked session
//! has to take care of that itself ([`Worker::begin_serving`](crate::Worker)).
//!
//! While nobody tracks and nothing is remembered, a command asks once whether that is so.
//!
//! * `keys`: the names of one stripe.
//! * `registry`: what all sessions share: counts, prefixes, what is to be broadcast.
//! * `message`: how invalidations are written, and to whom they go.
//! * `effects`: what commands, expiry, eviction and flushing do to all that.

mod effects;
mod keys;
mod message;
mod registry;

pub(crate) use effects::{flushed, freed_lazily_by_flush, invalidate, remember};
pub(crate) use keys::TrackedKeys;
pub(crate) use registry::{Tracking, TrackingFlags, TrackingRequest, disable, enable};
