//! The whole data set for replicas that cannot go on from where they are.
//!
//! It is a snapshot like that of BGSAVE, at one moment of the stream, written down while the data change. Replicas
//! that know how to find its end get it as it is written (`$EOF:` and a mark of 40 bytes, which stands again at the
//! end): the pass waits for the slowest of them, and nothing of it is kept here. The others must be told its
//! length first: for them it is gathered in memory. What changes after the moment is kept back for each of them
//! until it has the data set; those who look for a mark get it when they acknowledge, as what stood behind the
//! mark would be taken for data.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::state::{Phase, Replica, Replication, State};
use crate::client::ClientShared;
use crate::config::LogLevel;
use crate::engine::Engine;
use crate::mailbox::Message;
use crate::snapshot::{SnapshotFile, start_transfer};
use crate::worker::Worker;

/// Bytes that may wait for a replica before the pass does.
const AHEAD_MAX_BYTES: usize = 4 << 20;

/// Where a data set goes that is written for replicas.
struct Transfer {
    replication: Arc<Replication>,
    to: Vec<Arc<ClientShared>>,
    /// What stands at the end, if they look for that.
    mark: Option<String>,
    /// The data set, if its length must be told first.
    gathered: Vec<u8>,
    is_whole: bool,
}

impl Transfer {
    /// Those who are still there.
    fn receivers(&self) -> impl Iterator<Item = &Arc<ClientShared>> {
        self.to.iter().filter(|it| !it.is_gone() && !it.is_killed())
    }

    fn send(&self, bytes: &[u8]) {
        let shared: Arc<[u8]> = bytes.into();
        for client in self.receivers() {
            client.post(Message::Push(shared.clone()));
        }
    }

    /// Lets those who have everything go on.
    fn conclude(&self) {
        let mut state = self.replication.lock();
        for client in self.receivers() {
            let Some(replica) = find(&mut state, client.id) else {
                continue;
            };
            if replica.options.data_only {
                client.post(Message::Close);
            } else if self.mark.is_some() {
                replica.phase = Phase::Loads;
            } else {
                replica.go_online();
            }
        }
    }
}

impl SnapshotFile for Transfer {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.receivers().next().is_none() {
            return Err("no replica is left".to_owned());
        }
        match self.mark {
            Some(_) => self.send(bytes),
            None => self.gathered.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn is_congested(&self) -> bool {
        let waits_long = |client: &Arc<ClientShared>| {
            let unsent = client.output_buffer_bytes.load(Ordering::Relaxed);
            unsent + client.mailbox.pushed_bytes() > AHEAD_MAX_BYTES
        };
        self.mark.is_some() && self.receivers().any(waits_long)
    }

    fn commit(mut self: Box<Self>) -> Result<(), String> {
        match &self.mark {
            Some(mark) => self.send(mark.as_bytes()),
            None => {
                self.send(format!("${}\r\n", self.gathered.len()).as_bytes());
                let gathered = std::mem::take(&mut self.gathered);
                self.send(&gathered);
            }
        }
        self.is_whole = true;
        self.conclude();
        Ok(())
    }
}

impl Drop for Transfer {
    /// Who has half of a data set begins anew.
    fn drop(&mut self) {
        if !self.is_whole {
            self.receivers().for_each(|client| client.kill());
        }
    }
}

fn find(state: &mut State, id: u64) -> Option<&mut Replica> {
    state.replicas.iter_mut().find(|it| it.client.id == id)
}

/// Begins to write the data set for the replicas that wait for one, if there are any and nothing else is being
/// written. Every stripe is locked.
pub(super) fn start(worker: &mut Worker) {
    let engine = worker.engine.clone();
    if engine.persistence.is_saving() {
        return;
    }
    let Some(transfer) = prepare(&engine) else {
        return;
    };
    // The next request says again which database it is for.
    engine.propagation.forget_selected();
    let receivers = transfer.to.len();
    let way = match transfer.mark {
        Some(_) => "replicas sockets",
        None => "memory",
    };
    let line = format!("Starting BGSAVE for SYNC with target: {way} ({receivers} replicas)");
    engine.host.log(LogLevel::Notice, &line);
    if start_transfer(worker, Box::new(transfer)).is_err() {
        let line = "BGSAVE for replication failed";
        engine.host.log(LogLevel::Warning, line);
    }
}

/// Tells those who wait from where on the stream will follow.
fn prepare(engine: &Engine) -> Option<Transfer> {
    let mut state = engine.replication.lock();
    let announcement = format!("+FULLRESYNC {} {}\r\n", state.id, state.offset);
    let announcement: Arc<[u8]> = announcement.into_bytes().into();
    let waits = |replica: &&Replica| replica.phase == Phase::Waits;
    let all_know_marks = (state.replicas.iter().filter(waits)).all(|it| it.options.knows_marks);
    let is_marked = all_know_marks && engine.config.repl_diskless_sync();
    let mark = is_marked.then(|| state.new_mark());
    let mut to = Vec::new();
    for replica in state.replicas.iter_mut() {
        if replica.phase == Phase::Waits {
            replica.phase = Phase::Receives;
            if !replica.is_plain {
                replica.client.post(Message::Push(announcement.clone()));
            }
            to.push(replica.client.clone());
        }
    }
    if to.is_empty() {
        return None;
    }
    let transfer = Transfer {
        replication: engine.replication.clone(),
        to,
        gathered: Vec::new(),
        is_whole: false,
        mark,
    };
    if let Some(mark) = &transfer.mark {
        transfer.send(format!("$EOF:{mark}\r\n").as_bytes());
    }
    Some(transfer)
}
