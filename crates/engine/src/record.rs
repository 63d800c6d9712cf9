//! The record of what clients send, kept where somebody asks for it, for tests that look at it.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::client::Client;
use crate::command::Args;
use crate::gate::{Gate, Watch};

/// A request as it was sent. One that was refused, or met a fault, was sent all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCommand {
    /// When it ran, in microseconds since 1970 on the engine's clock.
    pub at_us: i64,
    /// The number of the client.
    pub client_id: u64,
    /// Its name, if it has given itself one.
    pub client_name: Vec<u8>,
    /// The database that it had selected.
    pub database: usize,
    /// The command and its arguments.
    pub arguments: Vec<Vec<u8>>,
}

/// The record of an engine.
#[derive(Default)]
pub(crate) struct Record(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    count_max: usize,
    commands: VecDeque<RecordedCommand>,
}

impl Record {
    /// Keeps what comes from now on, the last `count_max` of it; with 0 nothing is kept, not even what was.
    pub(crate) fn start(&self, gate: &Gate, count_max: usize) {
        let mut kept = self.0.lock();
        kept.count_max = count_max;
        let surplus = kept.commands.len().saturating_sub(count_max);
        kept.commands.drain(..surplus);
        match count_max {
            0 => gate.open(Watch::Record),
            _ => gate.shut(Watch::Record),
        }
    }

    /// Keeps nothing more, but what was kept.
    pub(crate) fn stop(&self, gate: &Gate) {
        let _kept = self.0.lock();
        gate.open(Watch::Record);
    }

    #[cold]
    pub(crate) fn note(&self, client: &Client, args: Args<'_>, at_us: i64) {
        let mut kept = self.0.lock();
        if kept.count_max == 0 {
            return;
        }
        if kept.commands.len() >= kept.count_max {
            kept.commands.pop_front();
        }
        kept.commands.push_back(RecordedCommand {
            at_us,
            client_id: client.id(),
            client_name: client.shared.names.lock().name.clone(),
            database: client.database,
            arguments: args.to_owned(),
        });
    }

    /// What is kept, oldest first.
    pub(crate) fn all(&self) -> Vec<RecordedCommand> {
        self.0.lock().commands.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().commands.clear();
    }
}
