//! The session with a server: connecting with everything that was asked for, running
//! one command and printing its replies, and the state that the prompt shows.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use oxidis_client::{ConnectionError, describe};
use oxidis_embedded::EmbeddedEngine;
use oxidis_resp::Value;
use oxidis_resp::number::leading_integer;

use crate::arguments::{DebugMode, Options, Output, ProtocolChoice};
use crate::connection::{Connection, Embedded, Socket, call, open_engine};
use crate::debugger::{self, Debugger};
use crate::help::Help;
use crate::{format, interrupt};

/// The pause between two attempts to connect again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The program ends now, with this exit code. Whatever was to be said has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

/// No command could be run: there is no connection, or it was lost. The reason has
/// been printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnected;

/// Whether a failure to connect is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// On standard error.
    Loud,
    /// Not at all: somebody will try again.
    Quiet,
}

/// A session.
pub struct Client {
    /// What the command line asked for; `CONNECT`, `SELECT` and redirections change
    /// the target in it.
    pub options: Options,
    /// Whether commands come from a person or a file rather than from the command
    /// line: a lost connection is then no reason to end.
    pub interactive: bool,
    /// Whether push messages are to be noticed between commands.
    pub notice_pushes: bool,
    connection: Option<Box<dyn Connection>>,
    /// The engine that answers where no server does.
    engine: Option<EmbeddedEngine>,
    help: Option<Help>,
    /// The database that the server has selected for us.
    database: i64,
    /// The database to return to where a transaction that selected another fails.
    database_before_multi: i64,
    in_transaction: bool,
    debugger: Debugger,
    /// Whether the reply that is waited for may be the first of a debugger.
    may_open_debugger: bool,
    shutting_down: bool,
    redirect: Option<Redirect>,
}

/// A cluster node told us to ask another, which the target names by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redirect {
    Moved,
    Ask,
}

/// How one reply was received.
enum Received {
    /// It was printed; this is what it was.
    Reply(Kind),
    /// The session ended as the user wished, by Ctrl-C or `SHUTDOWN`.
    Ended,
}

/// What the state of the prompt depends on in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Error,
    Null,
    Other,
}

/// Why a command stopped short.
enum Failure {
    Exit(Exit),
    Disconnected,
}

impl From<Exit> for Failure {
    fn from(exit: Exit) -> Self {
        Failure::Exit(exit)
    }
}

impl Client {
    /// A session that is not connected yet.
    pub fn new(options: Options) -> Client {
        Client {
            options,
            interactive: false,
            notice_pushes: false,
            connection: None,
            engine: None,
            help: None,
            database: 0,
            database_before_multi: 0,
            in_transaction: false,
            debugger: Debugger::Off,
            may_open_debugger: false,
            shutting_down: false,
            redirect: None,
        }
    }

    /// Whether there is a connection, as far as one can know.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// The connection, where there is one.
    pub fn connection(&mut self) -> Option<&mut (dyn Connection + 'static)> {
        self.connection.as_deref_mut()
    }

    /// The connection, for good.
    pub fn take_connection(&mut self) -> Option<Box<dyn Connection>> {
        self.connection.take()
    }

    /// What the prompt reads: where commands go, the database where it is not 0, and
    /// whether a transaction is open.
    pub fn prompt(&self) -> String {
        if !self.is_connected() {
            return "not connected> ".into();
        }
        if self.debugger.is_open() {
            return "lua debugger> ".into();
        }
        let target = &self.options.target;
        let mut prompt = match &target.unix_socket {
            _ if self.options.embedded => "oxidis".into(),
            Some(path) => format!("redis {}", path.display()),
            // The brackets part an IPv6 address from the port.
            None if target.host.contains(':') => format!("[{}]:{}", target.host, target.port),
            None => format!("{}:{}", target.host, target.port),
        };
        if self.database != 0 {
            prompt.push_str(&format!("[{}]", self.database));
        }
        if self.in_transaction {
            prompt.push_str("(TX)");
        }
        prompt.push_str("> ");
        prompt
    }

    /// Connects anew, authenticates, selects the database and the protocol. A server
    /// that refuses one of these leaves a connection all the same: the next command
    /// will show what it is good for.
    pub fn connect(&mut self, report: Report) -> Result<(), Disconnected> {
        self.forget_connection();
        let connection = self.open().map_err(|error| {
            if report == Report::Loud {
                eprintln!(
                    "Could not connect to Redis at {}: {}",
                    self.options.target,
                    describe(&error)
                );
            }
            Disconnected
        })?;
        self.connection = Some(connection);
        self.authenticate()?;
        self.select()?;
        self.choose_protocol()
    }

    fn open(&mut self) -> io::Result<Box<dyn Connection>> {
        if self.options.embedded {
            // A new session sees what the ones before it have written.
            let engine = match self.engine.take() {
                Some(engine) => engine,
                None => open_engine()?,
            };
            let engine = self.engine.insert(engine);
            return Ok(Box::new(Embedded::open(engine)));
        }
        let socket = Socket::connect(&self.options.target)?;
        let connection: Box<dyn Connection> = Box::new(socket);
        if self.notice_pushes {
            connection.listening()
        } else {
            Ok(connection)
        }
    }

    /// The state of a session is the connection's, and ends with it.
    fn forget_connection(&mut self) {
        self.connection = None;
        self.database = 0;
        self.in_transaction = false;
    }

    fn authenticate(&mut self) -> Result<(), Disconnected> {
        let target = self.options.target.clone();
        let Some(password) = target.password else {
            return Ok(());
        };
        let mut request: Vec<&[u8]> = vec![b"AUTH"];
        request.extend(target.user.as_deref());
        request.push(&password);
        self.handshake(&request, "AUTH failed: ").map(drop)
    }

    fn select(&mut self) -> Result<(), Disconnected> {
        let database = self.options.target.database;
        if database == self.database {
            return Ok(());
        }
        let text = database.to_string();
        let refusal = format!("SELECT {database} failed: ");
        self.handshake(&[b"SELECT", text.as_bytes()], &refusal)?;
        self.database = database;
        Ok(())
    }

    fn choose_protocol(&mut self) -> Result<(), Disconnected> {
        let choice = self.options.protocol;
        if !matches!(choice, ProtocolChoice::Resp3 | ProtocolChoice::PreferResp3) {
            return Ok(());
        }
        let answer = self.handshake(&[b"HELLO", b"3"], "HELLO 3 failed: ");
        if choice == ProtocolChoice::PreferResp3 && self.is_connected() {
            return Ok(());
        }
        answer
    }

    fn handshake(&mut self, request: &[&[u8]], refusal: &str) -> Result<(), Disconnected> {
        let connection = self.connection.as_deref_mut().ok_or(Disconnected)?;
        match call(connection, request) {
            Ok(Value::Error(text) | Value::BulkError(text)) => {
                eprintln!("{refusal}{}", String::from_utf8_lossy(&text));
                Err(Disconnected)
            }
            Ok(_) => Ok(()),
            Err(_) => {
                eprintln!("\nI/O error");
                self.forget_connection();
                Err(Disconnected)
            }
        }
    }

    /// Queues a request of a mode that reads its replies itself.
    pub fn send(&mut self, request: &[&[u8]]) -> Result<(), Exit> {
        match self.connection.as_deref_mut() {
            Some(connection) => {
                connection.send(request);
                Ok(())
            }
            None => Err(Exit(1)),
        }
    }

    /// Answers the next reply to a request that was queued, without printing it.
    pub fn receive_reply(&mut self) -> Result<Value, ConnectionError> {
        let connection = self
            .connection
            .as_deref_mut()
            .ok_or(ConnectionError::Closed)?;
        loop {
            match connection.receive()? {
                Value::Push(_) => {}
                reply => return Ok(reply),
            }
        }
    }

    /// Sends a request and answers its reply, without printing it.
    pub fn call(&mut self, request: &[&[u8]]) -> Result<Value, ConnectionError> {
        let connection = self
            .connection
            .as_deref_mut()
            .ok_or(ConnectionError::Closed)?;
        call(connection, request)
    }

    /// Like [`call`](Client::call), but tries to connect again for as long as it takes,
    /// once a second, and says so on the line where the cursor is.
    pub fn call_reconnecting(&mut self, request: &[&[u8]]) -> Result<Value, Exit> {
        let clear_line = "\r\x1b[0K";
        for attempt in 1u64.. {
            match self.call(request) {
                Ok(reply) => {
                    if attempt > 1 {
                        print(clear_line.as_bytes())?;
                    }
                    return Ok(reply);
                }
                Err(error @ ConnectionError::Protocol(_)) => {
                    eprintln!("Error: {error}");
                    return Err(Exit(1));
                }
                Err(_) => {
                    print(format!("{clear_line}Reconnecting... {attempt}\r").as_bytes())?;
                    // It shows by the next call whether that was of use.
                    let _ = self.connect(Report::Quiet);
                    thread::sleep(RECONNECT_PAUSE);
                }
            }
        }
        Err(Exit(1))
    }

    /// Runs a command so many times (for ever where `repeat` is below zero) and prints
    /// the replies.
    pub fn run(
        &mut self,
        arguments: &[Vec<u8>],
        repeat: i64,
    ) -> Result<Result<(), Disconnected>, Exit> {
        let wants_help = arguments[0].eq_ignore_ascii_case(b"help") || arguments[0] == b"?";
        // The debugger has a help of its own.
        if wants_help && !self.debugger.is_open() {
            let topic = &arguments[1..];
            let help = self.help();
            print(&help.describe(topic))?;
            return Ok(Ok(()));
        }
        loop {
            if (self.redirect.is_some() || !self.is_connected())
                && self.connect(Report::Loud).is_err()
                && !self.is_connected()
            {
                self.redirect = None;
                return Ok(Err(Disconnected));
            }
            if self.redirect.take() == Some(Redirect::Ask)
                && self.handshake(&[b"ASKING"], "ASKING failed: ").is_err()
            {
                return Ok(Err(Disconnected));
            }
            match self.send_repeatedly(arguments, repeat) {
                Ok(()) if self.redirect.is_some() => continue,
                Ok(()) => return Ok(Ok(())),
                Err(Failure::Exit(exit)) => return Err(exit),
                Err(Failure::Disconnected) => {
                    self.forget_connection();
                    return Ok(Err(Disconnected));
                }
            }
        }
    }

    fn send_repeatedly(&mut self, arguments: &[Vec<u8>], mut repeat: i64) -> Result<(), Failure> {
        let command = Command::new(arguments);
        let request: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        self.shutting_down |= command.is("shutdown", 1..);
        let opens_debugger = command.is("eval", 1..);
        while repeat != 0 {
            repeat = (repeat - 1).max(-1);
            let Some(connection) = self.connection.as_deref_mut() else {
                return Err(Failure::Disconnected);
            };
            connection.send(&request);
            if command.is("monitor", 1..) {
                return self.watch();
            }
            if ["subscribe", "psubscribe", "ssubscribe"]
                .iter()
                .any(|name| command.is(name, 1..))
            {
                if self.options.output != Output::Raw {
                    print(b"Reading messages... (press Ctrl-C to quit)\n")?;
                }
                self.watch()?;
                continue;
            }
            self.may_open_debugger = opens_debugger;
            let received = self.receive(command.is_meant_for_people(), false)?;
            self.may_open_debugger = false;
            if let Received::Reply(kind) = received {
                self.note_state(&command, kind);
            }
            if self.redirect.is_some() {
                return Ok(());
            }
            thread::sleep(self.options.interval);
        }
        Ok(())
    }

    /// Prints what arrives until an error reply or Ctrl-C ends it; after the latter the
    /// connection is a new one, for there is no other way out of `MONITOR`.
    fn watch(&mut self) -> Result<(), Failure> {
        let breaker = match (self.interactive, self.connection.as_deref()) {
            (true, Some(connection)) => connection.breaker(),
            _ => None,
        };
        let guard = breaker.map(interrupt::while_waiting);
        loop {
            match self.receive(false, true)? {
                Received::Reply(Kind::Error) => return Ok(()),
                Received::Reply(_) => {}
                Received::Ended => break,
            }
        }
        drop(guard);
        self.connect(Report::Loud)
            .map_err(|Disconnected| Failure::Disconnected)
    }

    /// Receives one reply and prints it. Push messages before it are printed where they
    /// were asked for; where they are what is waited for they count as replies.
    fn receive(&mut self, as_is: bool, wait_for_pushes: bool) -> Result<Received, Failure> {
        loop {
            let Some(connection) = self.connection.as_deref_mut() else {
                return Err(Failure::Disconnected);
            };
            match connection.receive() {
                Ok(push @ Value::Push(_)) if !wait_for_pushes => {
                    if self.options.show_pushes {
                        print(&shown_push(&push, &self.options))?;
                    }
                }
                Ok(reply) => return self.show(&reply, as_is),
                Err(error) => return self.lose_connection(&error),
            }
        }
    }

    fn show(&mut self, reply: &Value, as_is: bool) -> Result<Received, Failure> {
        if let Value::Error(text) | Value::BulkError(text) = reply {
            if self.options.follow_redirects && self.note_redirect(text)? {
                return Ok(Received::Reply(Kind::Error));
            }
            if !self.interactive && self.options.fail_on_error {
                eprintln!("{}", String::from_utf8_lossy(text));
                return Err(Exit(1).into());
            }
        }
        self.note_debugger(reply);
        if let Debugger::Open(_) | Debugger::Ended(_) = self.debugger {
            let mut text = Vec::new();
            debugger::push(&mut text, reply, &self.options.element_delimiter);
            text.extend_from_slice(&self.options.reply_delimiter);
            print(&text)?;
        } else {
            print(&format::reply(reply, &self.options, as_is))?;
        }
        Ok(Received::Reply(match reply {
            reply if reply.is_error() => Kind::Error,
            reply if reply.is_null() => Kind::Null,
            _ => Kind::Other,
        }))
    }

    /// Keeps track of where the conversation with the debugger is.
    fn note_debugger(&mut self, reply: &Value) {
        if let (Debugger::Armed(mode), true) = (self.debugger, self.may_open_debugger)
            && debugger::is_said(reply)
        {
            self.open_debugger(mode);
        }
        if let Debugger::Open(mode) = self.debugger
            && debugger::is_end(reply)
        {
            self.debugger = Debugger::Ended(mode);
        }
    }

    /// Says that replies are the debugger's from here on.
    pub fn open_debugger(&mut self, mode: DebugMode) {
        self.debugger = Debugger::Open(mode);
        self.options.output = Output::Raw;
    }

    /// Whether what is typed goes to the debugger.
    pub fn is_debugging(&self) -> bool {
        self.debugger.is_open()
    }

    /// Answers how the script worked that has come to its end since this was asked last: its reply is what
    /// [`print_reply`](Client::print_reply) receives next, and is printed for people.
    pub fn take_debugger_end(&mut self) -> Option<DebugMode> {
        let Debugger::Ended(mode) = self.debugger else {
            return None;
        };
        self.debugger = Debugger::Off;
        self.options.output = Output::Standard;
        Some(mode)
    }

    /// Prints a reply to what was sent before.
    pub fn print_reply(&mut self) -> Result<Result<(), Disconnected>, Exit> {
        match self.receive(false, false) {
            Ok(_) => Ok(Ok(())),
            Err(Failure::Exit(exit)) => Err(exit),
            Err(Failure::Disconnected) => {
                self.forget_connection();
                Ok(Err(Disconnected))
            }
        }
    }

    fn lose_connection(&mut self, error: &ConnectionError) -> Result<Received, Failure> {
        if interrupt::requested() {
            return Ok(Received::Ended);
        }
        if self.shutting_down {
            self.shutting_down = false;
            self.forget_connection();
            return Ok(Received::Ended);
        }
        eprintln!("Error: {error}");
        if self.interactive && error.is_disconnection() {
            Err(Failure::Disconnected)
        } else {
            Err(Exit(1).into())
        }
    }

    /// Follows `MOVED slot host:port` and `ASK slot host:port`; answers whether the
    /// error was one of these.
    fn note_redirect(&mut self, error: &[u8]) -> Result<bool, Exit> {
        let text = String::from_utf8_lossy(error);
        let mut words = text.split(' ');
        let redirect = match words.next() {
            Some("MOVED") => Redirect::Moved,
            Some("ASK") => Redirect::Ask,
            _ => return Ok(false),
        };
        let (Some(slot), Some((host, port))) = (
            words.next(),
            words.next().and_then(|address| address.rsplit_once(':')),
        ) else {
            return Ok(false);
        };
        let Ok(port) = port.trim().parse() else {
            return Ok(false);
        };
        // A node that does not know its own name leaves the host empty: same host.
        if !host.is_empty() {
            self.options.target.host = host.into();
        }
        self.options.target.port = port;
        if self.interactive {
            let host = &self.options.target.host;
            print(format!("-> Redirected to slot [{slot}] located at {host}:{port}\n").as_bytes())?;
        }
        self.redirect = Some(redirect);
        Ok(true)
    }

    /// Keeps what the prompt shows true after a command.
    fn note_state(&mut self, command: &Command<'_>, reply: Kind) {
        let succeeded = reply != Kind::Error;
        if command.is("select", 2..=2) && succeeded {
            self.set_database(command.number(1));
        } else if command.is("auth", 2..=3) {
            // A failure to select is printed, and the prompt shows where we are.
            let _ = self.select();
        } else if command.is("multi", 1..=1) && succeeded {
            self.in_transaction = true;
            self.database_before_multi = self.database;
        } else if command.is("exec", 1..=1) && self.in_transaction {
            self.in_transaction = false;
            if reply != Kind::Other {
                self.set_database(self.database_before_multi);
            }
        } else if command.is("discard", 1..=1) && succeeded {
            self.in_transaction = false;
            self.set_database(self.database_before_multi);
        } else if command.is("script debug", 3..=3) && succeeded {
            let word = command.arguments[2].to_ascii_lowercase();
            self.debugger = match word.as_slice() {
                b"yes" => Debugger::Armed(DebugMode::Copy),
                b"sync" => Debugger::Armed(DebugMode::Synchronous),
                _ => Debugger::Off,
            };
        } else if command.is("reset", 1..=1) && succeeded {
            self.in_transaction = false;
            self.set_database(0);
            self.options.protocol = ProtocolChoice::Default;
        }
    }

    fn set_database(&mut self, database: i64) {
        self.database = database;
        self.options.target.database = database;
    }

    /// Which commands there are: from the server where it tells, else from our own
    /// table. Asked for once.
    pub fn help(&mut self) -> &Help {
        if self.help.is_none() {
            let connected = self.is_connected() || self.connect(Report::Quiet).is_ok();
            let from_server = match self.connection.as_deref_mut() {
                Some(connection) if connected => Help::ask(connection),
                _ => None,
            };
            self.help = Some(from_server.unwrap_or_else(Help::built_in));
        }
        self.help.get_or_insert_with(Help::built_in)
    }
}

/// How a push message is printed when it is not what a command waits for.
pub fn shown_push(push: &Value, options: &Options) -> Vec<u8> {
    match format::invalidation(push) {
        Some(line) if options.output == Output::Standard => line,
        _ => format::reply(push, options, false),
    }
}

/// Writes to standard output now. Where nobody reads it any more there is nothing left
/// to do.
pub fn print(bytes: &[u8]) -> Result<(), Exit> {
    let mut output = io::stdout().lock();
    output
        .write_all(bytes)
        .and_then(|()| output.flush())
        .map_err(|_| Exit(1))
}

/// A command's words, compared without regard to case.
struct Command<'a> {
    arguments: &'a [Vec<u8>],
}

impl<'a> Command<'a> {
    fn new(arguments: &'a [Vec<u8>]) -> Self {
        Command { arguments }
    }

    /// Whether the command is `words`, with a total count of words in `count`.
    fn is(&self, words: &str, count: impl std::ops::RangeBounds<usize>) -> bool {
        count.contains(&self.arguments.len())
            && words.split(' ').enumerate().all(|(index, word)| {
                self.arguments
                    .get(index)
                    .is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
            })
    }

    fn number(&self, index: usize) -> i64 {
        leading_integer(&self.arguments[index])
    }

    /// Whether the reply is a text with lines, to be printed as it is.
    fn is_meant_for_people(&self) -> bool {
        [
            "info",
            "lolwut",
            "debug htstats",
            "debug htstats-key",
            "debug client-eviction",
            "memory malloc-stats",
            "memory doctor",
            "client list",
            "client info",
            "proxy info",
        ]
        .iter()
        .any(|words| self.is(words, 1..))
            || ["cluster nodes", "cluster info", "latency doctor"]
                .iter()
                .any(|words| self.is(words, 2..=2))
            || self.is("latency graph", 3..=3)
    }
}
