//! The stream: every change as a request, for the backlog and for all replicas, in the order of execution.

use std::sync::Arc;

use super::state::Replication;
use crate::propagation::PropagationListener;

/// Puts what is propagated into the stream, as long as there is one.
struct Stream {
    replication: Arc<Replication>,
    /// Which backlog it is for.
    turn: u64,
}

impl PropagationListener for Stream {
    fn append(&self, unit: &[u8]) -> bool {
        let mut state = self.replication.lock();
        if !state.is_streaming() || state.turn != self.turn {
            return false;
        }
        // Replicas of a replica get what its primary sends, and nothing else.
        if state.upstream.is_none() {
            state.feed(unit);
        }
        true
    }

    fn wants_messages(&self) -> bool {
        true
    }
}

impl Replication {
    /// A listener that feeds the stream for as long as the backlog lasts that was begun as the `turn`th.
    pub(super) fn listener(self: &Arc<Self>, turn: u64) -> Box<dyn PropagationListener> {
        let replication = self.clone();
        Box::new(Stream { replication, turn })
    }
}
