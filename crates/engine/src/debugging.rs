//! Sessions whose scripts are debugged: SCRIPT DEBUG, and the call that opens the conversation.
//!
//! A session that debugs does not execute EVAL where it came in: it waits ([`Session::is_blocked`]), and its owner takes
//! the call out ([`Session::begin_debugging`]) and runs it where waiting for a client is in nobody's way. What is said
//! during the conversation is the interpreter's; here stands how it reaches the client.

use std::sync::Arc;

use crate::client::Client;
use crate::command::Args;
use crate::engine::Engine;
use crate::session::Session;
use crate::worker::Worker;

/// Which data a debugged script works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugMode {
    /// On a copy of all data, which is gone with the conversation; others go on meanwhile.
    Copy,
    /// On the data themselves; others wait until the conversation is over.
    Synchronous,
}

/// The connection to the client of a debugger, past requests and replies.
pub trait DebuggerLine: Send {
    /// Sends bytes. Whether the client is still there shows when something is to be received.
    fn send(&mut self, bytes: &[u8]);

    /// Waits for bytes; `None` if none will come: the client is gone, or the conversation is to end.
    fn receive(&mut self) -> Option<Vec<u8>>;

    /// Whether the conversation is to end, whatever the client wants.
    fn is_over(&mut self) -> bool;
}

/// A conversation with the client of a debugger: entries gather until they are sent as one reply.
pub struct Conversation {
    line: Box<dyn DebuggerLine>,
    entries: Vec<Vec<u8>>,
}

impl Conversation {
    fn new(line: Box<dyn DebuggerLine>) -> Self {
        Conversation {
            line,
            entries: Vec::new(),
        }
    }

    /// Has this sent with the next reply. Ends of lines in it become blanks.
    pub fn note(&mut self, mut entry: Vec<u8>) {
        for byte in &mut entry {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.entries.push(entry);
    }

    /// Sends what was noted: an array of simple strings.
    pub fn send(&mut self) {
        let mut reply = format!("*{}\r\n", self.entries.len()).into_bytes();
        for entry in self.entries.drain(..) {
            reply.push(b'+');
            reply.extend_from_slice(&entry);
            reply.extend_from_slice(b"\r\n");
        }
        self.line.send(&reply);
    }

    /// As [`DebuggerLine::is_over`].
    pub fn is_over(&mut self) -> bool {
        self.line.is_over()
    }

    /// As [`DebuggerLine::receive`].
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        self.line.receive()
    }
}

/// What a session keeps of debugging.
#[derive(Default)]
pub(crate) struct Debugging {
    /// What SCRIPT DEBUG has chosen for the next EVAL.
    pub(crate) mode: Option<DebugMode>,
    /// The call that waits to be taken out.
    pub(crate) call: Option<Vec<Vec<u8>>>,
}

/// A call that opens a conversation, with the session that it is made for.
pub struct DebuggedCall {
    session: Session,
    mode: DebugMode,
    arguments: Vec<Vec<u8>>,
}

impl Session {
    /// Whether it waits for its owner to take a call out that opens a debugger's conversation.
    #[inline]
    pub fn awaits_debugger(&self) -> bool {
        self.client.debugging.call.is_some()
    }

    /// Takes the call out, if there is one. The session is to be closed when the call is over; until then it does
    /// nothing.
    pub fn begin_debugging(&mut self) -> Option<DebuggedCall> {
        let mode = self.client.debugging.mode?;
        let arguments = self.client.debugging.call.take()?;
        let shell = Client::new(self.client.shared.clone());
        let client = std::mem::replace(&mut self.client, shell);
        Some(DebuggedCall {
            session: Session::of_client(client),
            mode,
            arguments,
        })
    }

    /// Takes back what [`Self::begin_debugging`] had given.
    pub fn end_debugging(&mut self, call: DebuggedCall) {
        self.client = call.session.into_client();
        self.client.close_after_reply = true;
    }
}

impl DebuggedCall {
    /// Which data it works on.
    pub fn mode(&self) -> DebugMode {
        self.mode
    }

    /// The same call of a session of another engine, which has a copy of the data.
    pub fn on_copy(&mut self, engine: &Engine) -> DebuggedCall {
        let own = &mut self.session.client;
        let mut session = Session::new(engine, String::new(), String::new());
        let client = &mut session.client;
        client.select(own.database);
        client.set_protocol(own.protocol);
        client.is_authenticated = own.is_authenticated;
        let user = own.shared.names.lock().user.clone();
        client.set_user(&user);
        client.debugging.mode = own.debugging.mode;
        client.transaction.is_open = own.transaction.is_open;
        client.transaction.queue = std::mem::take(&mut own.transaction.queue);
        DebuggedCall {
            session,
            mode: self.mode,
            arguments: std::mem::take(&mut self.arguments),
        }
    }

    /// Runs the call and answers its reply.
    pub fn run(&mut self, worker: &mut Worker, line: Box<dyn DebuggerLine>) -> Vec<u8> {
        let mut reply = Vec::new();
        worker.conversation = Some(Box::new(Conversation::new(line)));
        let arguments = Args::owned(&self.arguments);
        self.session
            .execute_arguments(worker, arguments, &mut reply);
        worker.conversation = None;
        reply
    }

    /// Whether somebody has the session closed.
    pub fn is_killed(&self) -> bool {
        self.session.is_killed()
    }

    /// Takes the session of a copy out of its engine.
    pub fn close(mut self, engine: &Arc<Engine>) {
        self.session.close(&mut Worker::new(engine));
    }
}
