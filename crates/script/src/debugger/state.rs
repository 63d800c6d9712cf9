//! What a debugger has in mind, and what it tells its client: notes, which are sent when the script stands.

use super::describe;
use super::source::Source;
use crate::lua::{Frame, Raise};

/// Bytes of a value or a reply that are shown until the client wants more or less.
const LENGTH_MAX_DEFAULT: usize = 256;

/// The debugger of the script that runs.
pub(crate) struct Debugger {
    pub(super) source: Source,
    /// Whether the script is stopped at the next line, and what its commands do is told.
    pub(super) is_stepping: bool,
    /// Whether the script itself has asked to be stopped.
    pub(super) is_asked_by_script: bool,
    /// Bytes of a value or a reply that are shown; 0 is all.
    pub(super) length_max: usize,
    /// Whether the client knows that values are cut.
    pub(super) knows_limit: bool,
    /// What the client has sent of a request that is not complete.
    pub(super) unread: Vec<u8>,
    /// When the script went on, in microseconds after its start.
    pub(super) resumed_us: i64,
    /// What is to be told at the next stop.
    notes: Vec<Vec<u8>>,
}

impl Debugger {
    /// The debugger of a script with this source.
    pub(crate) fn new(source: &[u8]) -> Self {
        Debugger {
            source: Source::new(source),
            is_stepping: true,
            is_asked_by_script: false,
            length_max: LENGTH_MAX_DEFAULT,
            knows_limit: false,
            unread: Vec::new(),
            resumed_us: 0,
            notes: Vec::new(),
        }
    }

    /// What was not told yet.
    pub(crate) fn take_notes(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.notes)
    }

    /// Tells something.
    pub(super) fn note(&mut self, note: impl Into<Vec<u8>>) {
        self.notes.push(note.into());
    }

    /// Tells something that is cut if it is too long.
    pub(super) fn note_cut(&mut self, mut note: Vec<u8>) {
        if self.length_max == 0 || note.len() <= self.length_max {
            return self.note(note);
        }
        note.truncate(self.length_max);
        note.extend_from_slice(b" ...");
        self.note(note);
        if !self.knows_limit {
            self.knows_limit = true;
            self.note("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
        }
    }
}

/// Tells of a command that is about to be executed, if each step is told.
pub(crate) fn note_command(debugger: Option<&mut Debugger>, arguments: &[Vec<u8>]) {
    const SHOWN_MAX: usize = 10;
    let Some(debugger) = debugger.filter(|it| it.is_stepping) else {
        return;
    };
    let mut note = b"<redis>".to_vec();
    for argument in arguments.iter().take(SHOWN_MAX) {
        note.push(b' ');
        note.extend_from_slice(argument);
    }
    if arguments.len() > SHOWN_MAX {
        let more = arguments.len() - SHOWN_MAX - 1;
        note.extend_from_slice(format!(" ... ({more} more)").as_bytes());
    }
    debugger.note(note);
}

/// Tells of the reply to a command, if each step is told.
pub(crate) fn note_reply(debugger: Option<&mut Debugger>, reply: &[u8]) {
    let Some(debugger) = debugger.filter(|it| it.is_stepping) else {
        return;
    };
    if reply.starts_with(b"-") {
        let end = reply.iter().position(|&byte| byte == b'\r');
        debugger.note([b"<error> ", &reply[..end.unwrap_or(reply.len())]].concat());
    }
    let mut note = b"<reply> ".to_vec();
    describe::reply(reply, &mut note);
    debugger.note_cut(note);
}

/// Tells of an error that the script gets from the library, if each step is told.
pub(crate) fn note_error(debugger: Option<&mut Debugger>, text: &[u8]) {
    if let Some(debugger) = debugger.filter(|it| it.is_stepping) {
        debugger.note([b"<error> ", text].concat());
    }
}

/// `redis.debug`: tells the values of its arguments.
pub(crate) fn note_values(frame: &mut Frame<'_>) {
    let Some(debugger) = frame.debugger() else {
        return;
    };
    let mut note = format!("<debug> line {}: ", debugger.source.current).into_bytes();
    for index in 1..=frame.top() {
        if index > 1 {
            note.extend_from_slice(b", ");
        }
        describe::value(frame, index as i32, &mut note);
    }
    if let Some(debugger) = frame.debugger() {
        debugger.note(note);
    }
}

/// `redis.breakpoint`: stops the script at the next line; answers whether it is debugged.
pub(crate) fn stop_at_next_line(frame: &mut Frame<'_>) -> bool {
    match frame.debugger() {
        Some(debugger) => {
            debugger.is_asked_by_script = true;
            true
        }
        None => false,
    }
}

/// Fails with an error of the debugger's own.
pub(super) fn raise(frame: &mut Frame<'_>, text: &str) -> Raise {
    frame.ensure_stack(4);
    crate::libraries::push_error(frame, text.as_bytes(), false);
    Raise::Top
}
