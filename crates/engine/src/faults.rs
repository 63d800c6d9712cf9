//! Faults that tests ask for: errors, delays and lost connections where nothing is wrong.
//!
//! A fault says which requests it is for and what becomes of them. The first fault that is for a request, and
//! has not been met as often as it should be, counts. Commands inside scripts meet none, nor does OXIDIS, by which
//! faults are ended; a command of a transaction meets them when it is queued.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::client::ClientShared;
use crate::command::{Args, Registered, table};
use crate::gate::{Gate, Watch};
use crate::text::{Case, glob_matches};

/// What becomes of a request that meets a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultEffect {
    /// It is not executed, and answered with this error, whose first word is its code.
    Error(String),
    /// It is executed after so long on the engine's clock. Only its client waits.
    Delay(Duration),
    /// It is not executed, and its connection ends.
    Cut,
    /// It is executed, but the connection ends in the middle of the reply.
    CutReply,
    /// It is executed, but the connection ends before the reply.
    LoseReply,
}

/// Why there cannot be a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// No request could ever meet it: there is no such command.
    #[error("there is no command {0} that could meet a fault")]
    UnknownCommand(String),
}

/// A fault: what happens, and to which requests. What is not said, does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub effect: FaultEffect,
    /// The command, such as `GET`, `CONFIG`, `CONFIG|GET` or `CONFIG GET`, by its own name also where it is renamed; `*`
    /// is any.
    pub command: Option<String>,
    /// A pattern, as for KEYS, that one of the command's keys matches.
    pub key: Option<Vec<u8>>,
    /// The number of a client, or a pattern that its name matches.
    pub client: Option<Vec<u8>>,
    /// How many requests it lets pass first.
    pub skip: u64,
    /// How many requests meet it.
    pub count: Option<u64>,
}

impl Fault {
    /// A fault that every request meets.
    pub fn new(effect: FaultEffect) -> Self {
        Fault {
            effect,
            command: None,
            key: None,
            client: None,
            skip: 0,
            count: None,
        }
    }

    /// Whether requests can meet it.
    ///
    /// # Errors
    /// They cannot, as there is no such command, or it is OXIDIS, which ends faults. A test that waits for what cannot happen would
    /// otherwise pass without having tested anything.
    fn check(&self) -> Result<(), FaultError> {
        let Some(command) = &self.command else {
            return Ok(());
        };
        let found = table().find_full(separated(command).as_bytes());
        let can_meet = |it: &Registered| !it.full_name.starts_with("oxidis");
        match command == ANY_COMMAND || found.is_some_and(can_meet) {
            true => Ok(()),
            false => Err(FaultError::UnknownCommand(command.clone())),
        }
    }

    fn is_for(&self, client: &ClientShared, registered: &Registered, args: Args<'_>) -> bool {
        let is_named = |wanted: &str| {
            let wanted = separated(wanted);
            let full_name = &registered.full_name;
            let container = full_name.split('|').next().unwrap_or_default();
            wanted == ANY_COMMAND
                || wanted.eq_ignore_ascii_case(full_name)
                || wanted.eq_ignore_ascii_case(container)
        };
        let has_key = |pattern: &[u8]| {
            let mut has = false;
            (registered.command).find_keys(args, &mut |index| {
                has |= glob_matches(pattern, args.get(index), Case::Sensitive);
            });
            has
        };
        let is_client = |wanted: &[u8]| {
            wanted == client.id.to_string().as_bytes()
                || glob_matches(wanted, &client.names.lock().name, Case::Sensitive)
        };
        self.command.as_deref().is_none_or(is_named)
            && self.client.as_deref().is_none_or(is_client)
            && self.key.as_deref().is_none_or(has_key)
    }
}

/// The name that stands for every command.
const ANY_COMMAND: &str = "*";

/// The name of a command and its subcommand as the table has it, of which people put a space between them.
fn separated(name: &str) -> String {
    name.replace(' ', "|")
}

/// A fault that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveFault {
    /// Its number.
    pub id: u64,
    /// The fault.
    pub fault: Fault,
    /// How many requests it was for, those that it let pass included.
    pub seen: u64,
    /// How many met it.
    pub met: u64,
}

/// The faults of an engine.
#[derive(Default)]
pub(crate) struct Faults {
    active: Mutex<Vec<ActiveFault>>,
    last_id: AtomicU64,
}

impl Faults {
    pub(crate) fn add(&self, gate: &Gate, fault: Fault) -> Result<u64, FaultError> {
        fault.check()?;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut active = self.active.lock();
        active.push(ActiveFault {
            id,
            fault,
            seen: 0,
            met: 0,
        });
        gate.shut(Watch::Faults);
        Ok(id)
    }

    /// Ends a fault, and answers what came of it.
    pub(crate) fn remove(&self, gate: &Gate, id: u64) -> Option<ActiveFault> {
        let mut active = self.active.lock();
        let place = active.iter().position(|it| it.id == id)?;
        let removed = active.remove(place);
        if active.is_empty() {
            gate.open(Watch::Faults);
        }
        Some(removed)
    }

    /// Ends every fault; answers how many there were.
    pub(crate) fn clear(&self, gate: &Gate) -> usize {
        let mut active = self.active.lock();
        gate.open(Watch::Faults);
        std::mem::take(&mut *active).len()
    }

    pub(crate) fn all(&self) -> Vec<ActiveFault> {
        self.active.lock().clone()
    }

    /// What is to become of a request.
    #[cold]
    pub(crate) fn meet(
        &self,
        client: &ClientShared,
        registered: &Registered,
        args: Args<'_>,
    ) -> Option<FaultEffect> {
        let mut active = self.active.lock();
        for it in active.iter_mut() {
            let is_over = it.fault.count.is_some_and(|count| it.met >= count);
            if is_over || !it.fault.is_for(client, registered, args) {
                continue;
            }
            it.seen += 1;
            if it.seen > it.fault.skip {
                it.met += 1;
                return Some(it.fault.effect.clone());
            }
        }
        None
    }
}
