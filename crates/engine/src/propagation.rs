//! The propagation log: what must be repeated elsewhere to get the same data, and who listens.
//!
//! A command that changed something is logged as it was sent, unless its handler said what to log
//! instead (`Context::rewrite`): random choices by their outcome, relative times as absolute ones.
//! Keys that expire are logged as deletions. What one request changed is logged as one unit, under
//! the locks of the keys concerned, so that the order of the log is the order of execution for every
//! key; a unit of several commands is wrapped into MULTI and EXEC.
//!
//! Nothing is collected while nobody listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::client::ClientShared;
use crate::mailbox::Message;

/// One command of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagated {
    /// The database that it was executed in.
    pub database: usize,
    /// Its arguments, the name first.
    pub arguments: Vec<Vec<u8>>,
    /// Whether it is a message, which changes nothing.
    pub is_message: bool,
}

/// Someone who gets every unit of the log, in its order, while the locks of its keys are held. It
/// must be quick.
pub trait PropagationListener: Send + Sync {
    /// Takes one unit, encoded as requests, SELECT, MULTI and EXEC included. Answers whether it
    /// goes on listening.
    fn append(&self, unit: &Arc<[u8]>) -> bool;

    /// Whether it wants units that consist of messages, which change no data.
    fn wants_messages(&self) -> bool;
}

/// A session that asked for the log with SYNC.
struct Follower(Arc<ClientShared>);

impl PropagationListener for Follower {
    fn append(&self, unit: &Arc<[u8]>) -> bool {
        self.0.post(Message::Push(unit.clone()));
        !self.0.is_gone()
    }

    fn wants_messages(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct State {
    listeners: Vec<Box<dyn PropagationListener>>,
    /// The database that the log last selected.
    selected: Option<usize>,
}

/// The log of an engine.
#[derive(Default)]
pub(crate) struct Propagation {
    is_heard: AtomicBool,
    state: Mutex<State>,
}

impl Propagation {
    /// Whether anyone listens; while nobody does, commands need not be collected.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed)
    }

    /// Adds a listener. Call it with every stripe locked, so that it misses nothing of what follows
    /// and hears nothing of what came before.
    pub(crate) fn listen(&self, listener: Box<dyn PropagationListener>) {
        let mut state = self.state.lock();
        state.listeners.push(listener);
        // The new listener knows of no SELECT so far.
        state.selected = None;
        self.is_heard.store(true, Ordering::Relaxed);
    }

    /// Forgets which database is selected, so that the next unit says it: a new file begins.
    pub(crate) fn forget_selected(&self) {
        self.state.lock().selected = None;
    }

    /// Sends the log to a session from now on.
    pub(crate) fn follow(&self, client: Arc<ClientShared>) {
        self.listen(Box::new(Follower(client)));
    }

    /// Appends one unit. Call it with the locks of its keys held.
    pub(crate) fn append(&self, unit: &[Propagated], is_transaction: bool) {
        let mut state = self.state.lock();
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes, Protocol::Resp2);
        let is_wrapped = is_transaction && unit.len() > 1;
        let are_messages = unit.iter().all(|command| command.is_message);
        for (index, command) in unit.iter().enumerate() {
            // Messages belong to no database.
            if !command.is_message && state.selected != Some(command.database) {
                state.selected = Some(command.database);
                write_command(
                    &mut out,
                    &[b"SELECT", command.database.to_string().as_bytes()],
                );
            }
            if is_wrapped && index == 0 {
                write_command(&mut out, &[b"MULTI"]);
            }
            let arguments: Vec<&[u8]> = command.arguments.iter().map(Vec::as_slice).collect();
            write_command(&mut out, &arguments);
        }
        if is_wrapped {
            write_command(&mut out, &[b"EXEC"]);
        }
        let unit: Arc<[u8]> = bytes.into();
        state.listeners.retain(|listener| {
            let is_wanted = !are_messages || listener.wants_messages();
            !is_wanted || listener.append(&unit)
        });
        if state.listeners.is_empty() {
            self.is_heard.store(false, Ordering::Relaxed);
        }
    }
}

fn write_command(out: &mut Writer<'_>, arguments: &[&[u8]]) {
    out.array(arguments.len());
    arguments.iter().for_each(|argument| out.bulk(argument));
}
