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
    fn append(&self, unit: &[u8]) -> bool;

    /// Whether it wants units that consist of messages, which change no data.
    fn wants_messages(&self) -> bool;
}

/// A session that asked for the log with SYNC.
struct Follower(Arc<ClientShared>);

impl PropagationListener for Follower {
    fn append(&self, unit: &[u8]) -> bool {
        self.0.post(Message::Push(unit.into()));
        !self.0.is_gone()
    }

    fn wants_messages(&self) -> bool {
        true
    }
}

struct Listening {
    listener: Box<dyn PropagationListener>,
    /// The database that was last selected of what it got.
    selected: Option<usize>,
}

impl Listening {
    /// Hands a unit over; answers whether the listener goes on.
    fn take(&mut self, unit: &Unit) -> bool {
        let is_selected = self.selected == Some(unit.first_database);
        self.selected = Some(unit.last_database);
        self.listener.append(unit.bytes(is_selected))
    }
}

/// The log of an engine.
#[derive(Default)]
pub(crate) struct Propagation {
    is_heard: AtomicBool,
    listening: Mutex<Vec<Listening>>,
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
        self.listening.lock().push(Listening {
            listener,
            selected: None,
        });
        self.is_heard.store(true, Ordering::Relaxed);
    }

    /// Forgets which database is selected, so that the next unit says it: a new file begins.
    pub(crate) fn forget_selected(&self) {
        for listening in self.listening.lock().iter_mut() {
            listening.selected = None;
        }
    }

    /// Sends the log to a session from now on.
    pub(crate) fn follow(&self, client: Arc<ClientShared>) {
        self.listen(Box::new(Follower(client)));
    }

    /// Appends one unit. Call it with the locks of its keys held.
    pub(crate) fn append(&self, unit: &[Propagated], is_transaction: bool) {
        let mut listening = self.listening.lock();
        let changes = || unit.iter().filter(|command| !command.is_message);
        let (mut whole, mut without_messages) = (None, None);
        listening.retain_mut(|listening| {
            let encoded = if listening.listener.wants_messages() {
                whole.get_or_insert_with(|| Unit::encode(unit.iter(), is_transaction))
            } else {
                without_messages.get_or_insert_with(|| Unit::encode(changes(), is_transaction))
            };
            encoded.as_ref().is_none_or(|unit| listening.take(unit))
        });
        if listening.is_empty() {
            self.is_heard.store(false, Ordering::Relaxed);
        }
    }
}

/// A unit as listeners get it.
struct Unit {
    /// With a SELECT of the first database at the front.
    bytes: Vec<u8>,
    /// How long that SELECT is.
    select_len: usize,
    first_database: usize,
    last_database: usize,
}

impl Unit {
    /// Writes commands down; `None` if there are none.
    fn encode<'p>(
        commands: impl Iterator<Item = &'p Propagated>,
        is_transaction: bool,
    ) -> Option<Unit> {
        let commands: Vec<&Propagated> = commands.collect();
        let first_database = commands.first()?.database;
        let mut bytes = Vec::new();
        select(&mut bytes, first_database);
        let select_len = bytes.len();
        let is_wrapped = is_transaction && commands.len() > 1;
        if is_wrapped {
            write_command(&mut bytes, &[b"MULTI"]);
        }
        let mut last_database = first_database;
        for command in commands {
            if command.database != last_database {
                last_database = command.database;
                select(&mut bytes, last_database);
            }
            let arguments: Vec<&[u8]> = command.arguments.iter().map(Vec::as_slice).collect();
            write_command(&mut bytes, &arguments);
        }
        if is_wrapped {
            write_command(&mut bytes, &[b"EXEC"]);
        }
        Some(Unit {
            bytes,
            select_len,
            first_database,
            last_database,
        })
    }

    fn bytes(&self, is_selected: bool) -> &[u8] {
        let start = if is_selected { self.select_len } else { 0 };
        &self.bytes[start..]
    }
}

fn select(bytes: &mut Vec<u8>, database: usize) {
    write_command(bytes, &[b"SELECT", database.to_string().as_bytes()]);
}

fn write_command(bytes: &mut Vec<u8>, arguments: &[&[u8]]) {
    let mut out = Writer::new(bytes, Protocol::Resp2);
    out.array(arguments.len());
    arguments.iter().for_each(|argument| out.bulk(argument));
}
