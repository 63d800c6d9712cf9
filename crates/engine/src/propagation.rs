//! The propagation log: what must be repeated elsewhere to get the same data, and who listens.
//!
//! A command that changed something is logged as it was sent, unless its handler said what to log
//! instead (`Context::rewrite`): random choices by their outcome, relative times as absolute ones.
//! Keys that expire are logged as deletions. What one request changed is logged as one unit, under
//! the locks of the keys concerned, so that the order of the log is the order of execution for every
//! key; a unit of several commands is wrapped into MULTI and EXEC.
//!
//! Nothing is collected while nobody listens.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::worker::Worker;

/// What one request has changed so far, as it goes into the log. Commands are encoded as they come: most units are one
/// command, which is appended as it stands.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    /// The commands, encoded as requests one behind the other.
    bytes: Vec<u8>,
    commands: Vec<UnitCommand>,
}

/// One command of a unit.
#[derive(Debug, Clone, Copy)]
struct UnitCommand {
    /// The database that it was executed in.
    database: usize,
    /// Where it ends.
    end: usize,
    /// Whether it is a message, which changes nothing.
    is_message: bool,
    targets: Targets,
}

/// Who gets a command: a script may leave some out (`redis.set_repl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Targets(u32);

impl Targets {
    const LOG: Targets = Targets(1);
    const FOLLOWERS: Targets = Targets(2);
    pub(crate) const ALL: Targets = Targets(3);

    /// By the numbers that scripts give: 1 is the append-only log, 2 those who follow.
    pub(crate) fn of_script(number: u32) -> Targets {
        Targets(number & Targets::ALL.0)
    }

    fn contains(self, other: Targets) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A buffer that has grown beyond this is not kept for the next unit, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

impl Unit {
    pub(crate) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// How many commands there are.
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// Adds a command that was executed in a database; `is_message` if it changed nothing.
    pub(crate) fn push<'a>(
        &mut self,
        database: usize,
        is_message: bool,
        arguments: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        write_command(&mut self.bytes, arguments);
        self.commands.push(UnitCommand {
            database,
            end: self.bytes.len(),
            is_message,
            targets: Targets::ALL,
        });
    }

    /// Says who gets the commands from the one with this number on.
    pub(crate) fn direct(&mut self, from: usize, targets: Targets) {
        for command in &mut self.commands[from..] {
            command.targets = targets;
        }
    }

    /// Forgets all commands.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.commands.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }

    /// What is appended for `target` where a database is selected already and messages are wanted or not; and the
    /// database that is selected then. `None` if there is nothing.
    fn encoded(
        &self,
        selected: Option<usize>,
        wants_messages: bool,
        target: Targets,
        is_transaction: bool,
    ) -> Option<(Cow<'_, [u8]>, usize)> {
        let is_wanted = |command: &UnitCommand| {
            (wants_messages || !command.is_message) && command.targets.contains(target)
        };
        if let [only] = &self.commands[..]
            && selected == Some(only.database)
        {
            // What nearly all are.
            return is_wanted(only).then(|| (Cow::Borrowed(&self.bytes[..]), only.database));
        }
        let count = self.commands.iter().filter(|it| is_wanted(it)).count();
        let first_database = self.commands.iter().find(|it| is_wanted(it))?.database;
        let mut bytes = Vec::with_capacity(self.bytes.len() + 64);
        let mut database = first_database;
        if selected != Some(database) {
            select(&mut bytes, database);
        }
        let is_wrapped = is_transaction && count > 1;
        if is_wrapped {
            write_command(&mut bytes, [b"MULTI".as_slice()].into_iter());
        }
        let mut start = 0;
        for command in &self.commands {
            if is_wanted(command) {
                if command.database != database {
                    database = command.database;
                    select(&mut bytes, database);
                }
                bytes.extend_from_slice(&self.bytes[start..command.end]);
            }
            start = command.end;
        }
        if is_wrapped {
            write_command(&mut bytes, [b"EXEC".as_slice()].into_iter());
        }
        Some((Cow::Owned(bytes), database))
    }
}

/// Someone who gets every unit of the log, in its order, while the locks of its keys are held. It
/// must be quick.
pub trait PropagationListener: Send + Sync {
    /// Takes one unit, encoded as requests, SELECT, MULTI and EXEC included. Answers whether it
    /// goes on listening.
    fn append(&self, unit: &[u8]) -> bool;

    /// Whether it wants units that consist of messages, which change no data.
    fn wants_messages(&self) -> bool;

    /// Learns which database is selected behind the unit that it got last.
    fn note_selected(&self, _database: usize) {}

    /// Whether it is the append-only log, which takes commands past this where nobody else listens.
    fn is_append_log(&self) -> bool {
        false
    }
}

struct Listening {
    listener: Box<dyn PropagationListener>,
    /// The database that was last selected of what it got.
    selected: Option<usize>,
}

impl Listening {
    /// Hands a unit over; answers whether the listener goes on.
    fn take(&mut self, unit: &Unit, is_transaction: bool) -> bool {
        let wants_messages = self.listener.wants_messages();
        let target = match self.listener.is_append_log() {
            true => Targets::LOG,
            false => Targets::FOLLOWERS,
        };
        let encoded = unit.encoded(self.selected, wants_messages, target, is_transaction);
        let Some((bytes, database)) = encoded else {
            return true;
        };
        let goes_on = self.listener.append(&bytes);
        if self.selected.replace(database) != Some(database) {
            self.listener.note_selected(database);
        }
        goes_on
    }
}

/// The log of an engine.
#[derive(Default)]
pub(crate) struct Propagation {
    is_heard: AtomicBool,
    /// Whether the append-only log is all that listens.
    is_log_alone: AtomicBool,
    listening: Mutex<Vec<Listening>>,
}

impl Propagation {
    /// Whether anyone listens; while nobody does, commands need not be collected.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed)
    }

    /// Whether the append-only log is all that listens; then it takes single commands itself.
    #[inline]
    pub(crate) fn is_log_alone(&self) -> bool {
        self.is_log_alone.load(Ordering::Relaxed)
    }

    fn note_listeners(&self, listening: &[Listening]) {
        let is_log_alone = matches!(listening, [only] if only.listener.is_append_log());
        self.is_log_alone.store(is_log_alone, Ordering::Relaxed);
        self.is_heard
            .store(!listening.is_empty(), Ordering::Relaxed);
    }

    /// Adds a listener. Call it with every stripe locked, so that it misses nothing of what follows
    /// and hears nothing of what came before.
    pub(crate) fn listen(&self, listener: Box<dyn PropagationListener>) {
        let mut listening = self.listening.lock();
        listening.push(Listening {
            listener,
            selected: None,
        });
        self.note_listeners(&listening);
    }

    /// Forgets which database is selected, so that the next unit says it: a new file begins.
    pub(crate) fn forget_selected(&self) {
        for listening in self.listening.lock().iter_mut() {
            listening.selected = None;
        }
    }

    /// Appends one unit; wrapped into MULTI and EXEC if it is to be a transaction and has several commands. Call it
    /// with the locks of its keys held.
    pub(crate) fn append(&self, unit: &Unit, is_transaction: bool) {
        let mut listening = self.listening.lock();
        let count = listening.len();
        listening.retain_mut(|listening| listening.take(unit, is_transaction));
        if listening.len() < count {
            self.note_listeners(&listening);
        }
    }
}

impl Worker {
    /// Appends what was collected, each command for itself: such are deletions that no command asked for.
    pub(crate) fn propagate_apart(&mut self) {
        if !self.propagated.is_empty() {
            self.engine.propagation.append(&self.propagated, false);
            self.propagated.clear();
        }
    }
}

fn select(bytes: &mut Vec<u8>, database: usize) {
    let number = database.to_string();
    write_command(bytes, [b"SELECT".as_slice(), number.as_bytes()].into_iter());
}

/// Appends a command as a request.
pub(crate) fn write_command<'a>(
    bytes: &mut Vec<u8>,
    arguments: impl ExactSizeIterator<Item = &'a [u8]>,
) {
    let mut out = Writer::new(bytes, Protocol::Resp2);
    out.array(arguments.len());
    arguments.for_each(|argument| out.bulk(argument));
}
