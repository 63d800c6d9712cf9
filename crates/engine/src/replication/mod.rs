//! Replication: one primary sends all its changes to replicas, which repeat them.
//!
//! Here lies what both sides remember and decide; sockets are the host's.
//!
//! * `state`: who follows, who is followed, identities and offsets.
//! * `backlog`: the newest part of the stream, for replicas that come back.
//! * `stream`: how changes get into the stream.
//! * `transfer`: the whole data set for a replica that has none of it.
//! * `follow`: the side of the replica.
//! * `own_keys`: what clients of a writable replica have made.
//! * `serve`: what a primary does for its replicas: SYNC, ACK, what is to be done regularly.
//! * `waiting`: WAIT and WAITAOF.

mod backlog;
mod follow;
mod own_keys;
mod serve;
mod state;
mod stream;
mod transfer;
mod waiting;

pub(crate) use follow::{Following, follow, forward, is_outdated};
pub use follow::{LinkStage, Primary, PrimaryLink, TransferProgress};
pub(crate) use own_keys::remember_own_keys;
pub(crate) use serve::{Continuation, take_on, tend};
pub(crate) use state::{Link, Phase, Replication, State, Upstream};
pub use waiting::WaitCounts;
pub(crate) use waiting::Wanted;
