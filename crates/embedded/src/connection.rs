//! A connection that runs straight into an engine of this process: what a socket and a server's driver
//! do for others, in small. The thread that asks executes, and sleeps while it is blocked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use oxidis_engine::value::ValueRef;
use oxidis_engine::{DirectCommand, Engine, Session, Worker};
use oxidis_resp::{Protocol, ReplyError, ReplyParser, Value, Writer};
use parking_lot::Mutex;

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The engine ended the connection (QUIT, CLIENT KILL, SHUTDOWN), or it was broken from outside.
    #[error("Server closed the connection")]
    Closed,
    /// What the engine answered is not RESP; it does not happen.
    #[error("{0}")]
    Protocol(#[from] ReplyError),
}

/// A session with an engine in this process. It may be used from any thread, by one at a time.
pub struct Connection {
    engine: Arc<Engine>,
    worker: Worker,
    session: Session,
    /// Requests that the session has not executed yet.
    requests: Vec<u8>,
    /// What the engine has answered, from `parsed` on not looked at yet.
    output: Vec<u8>,
    parsed: usize,
    parser: ReplyParser,
    alarm: Arc<Alarm>,
}

/// Makes a connection that waits fail, from another thread.
#[derive(Clone)]
pub struct Breaker(Arc<Alarm>);

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").finish_non_exhaustive()
    }
}

impl Breaker {
    /// Breaks the connection, for good.
    pub fn break_connection(&self) {
        self.0.is_broken.store(true, Ordering::SeqCst);
        self.0.ring();
    }
}

/// Wakes the thread that waits for a reply.
#[derive(Default)]
struct Alarm {
    waiting: Mutex<Option<Thread>>,
    /// Who is told instead where nobody waits.
    task: Mutex<Option<Waker>>,
    is_broken: AtomicBool,
}

impl Alarm {
    fn ring(&self) {
        if let Some(thread) = &*self.waiting.lock() {
            thread.unpark();
        }
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

impl Connection {
    /// A new session.
    pub fn open(engine: &Arc<Engine>) -> Connection {
        Connection {
            worker: Worker::new(engine),
            session: Session::new(engine, "embedded:0".into(), "embedded:0".into()),
            engine: Arc::clone(engine),
            requests: Vec::new(),
            output: Vec::new(),
            parsed: 0,
            parser: ReplyParser::default(),
            alarm: Arc::default(),
        }
    }

    /// As [`Session::get_directly`]: the short way to a string, if nothing but GET is to be done.
    #[inline]
    pub fn get_directly<R>(
        &mut self,
        key: &[u8],
        found: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Option<R> {
        if self.is_in_use() {
            return None;
        }
        self.session.get_directly(&mut self.worker, key, found)
    }

    /// As [`Session::get_many_directly`]: the short way to several strings; answers whether that was all.
    pub fn get_many_directly<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
        found: impl FnMut(usize, Option<&[u8]>),
    ) -> bool {
        !self.is_in_use() && (self.session).get_many_directly(&mut self.worker, keys, found)
    }

    /// As [`Session::read_directly`]: the short way to any value.
    #[inline]
    pub fn read_directly<R>(
        &mut self,
        command: DirectCommand,
        key: &[u8],
        read: impl FnOnce(Option<ValueRef<'_>>) -> Option<R>,
    ) -> Option<R> {
        if self.is_in_use() {
            return None;
        }
        (self.session).read_directly(&mut self.worker, command, key, read)
    }

    /// As [`Session::set_directly`]; answers whether that was all.
    #[inline]
    pub fn set_directly(&mut self, key: &[u8], value: &[u8]) -> bool {
        !self.is_in_use() && self.session.set_directly(&mut self.worker, key, value)
    }

    /// Whether requests wait to be executed, or somebody has broken the connection.
    #[inline]
    fn is_in_use(&self) -> bool {
        !self.requests.is_empty() || self.alarm.is_broken.load(Ordering::Relaxed)
    }

    /// Chooses the protocol; without this it is RESP2, until HELLO says otherwise.
    pub fn speak(&mut self, protocol: Protocol) {
        self.session.speak(protocol);
    }

    /// Queues a request; the next [`receive`](Self::receive) executes it. So a run of requests is
    /// executed as a pipeline.
    pub fn send<A: AsRef<[u8]>>(&mut self, request: &[A]) {
        let mut writer = Writer::new(&mut self.requests, Protocol::Resp2);
        writer.array(request.len());
        for argument in request {
            writer.bulk(argument.as_ref());
        }
    }

    /// Answers the next reply or message, for which it waits as long as it takes.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn receive(&mut self) -> Result<Value, ConnectionError> {
        loop {
            if let Some(reply) = self.receive_until(None)? {
                return Ok(reply);
            }
        }
    }

    /// As [`receive`](Self::receive), but does not wait for what nobody was asked for: `None` when every
    /// request is executed and none waits for anything.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn reply(&mut self) -> Result<Option<Value>, ConnectionError> {
        loop {
            if let Some(reply) = self.receive_until(Some(Instant::now()))? {
                return Ok(Some(reply));
            }
            if self.requests.is_empty() && !self.session.is_blocked() {
                return Ok(None);
            }
            self.wait(None);
        }
    }

    /// As [`receive`](Self::receive), but for `limit` at the most; `None` if nothing came.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn receive_for(&mut self, limit: Duration) -> Result<Option<Value>, ConnectionError> {
        self.receive_until(Instant::now().checked_add(limit))
    }

    /// As [`receive`](Self::receive), for tasks of whatever runtime: those wait without a thread. It is for what
    /// comes unasked; commands that block have their time measured only where a thread waits.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value, ConnectionError>> {
        loop {
            let parsed = self.parser.parse(&self.output[self.parsed..])?;
            self.parsed += parsed.consumed;
            if let Some(reply) = parsed.value {
                return Poll::Ready(Ok(reply));
            }
            if !self.fill_or_wake(cx.waker())? {
                return Poll::Pending;
            }
        }
    }

    fn receive_until(&mut self, end: Option<Instant>) -> Result<Option<Value>, ConnectionError> {
        loop {
            let parsed = self.parser.parse(&self.output[self.parsed..])?;
            self.parsed += parsed.consumed;
            if parsed.value.is_some() {
                return Ok(parsed.value);
            }
            if !self.fill_until(end)? {
                return Ok(None);
            }
        }
    }

    /// The requests that wait to be executed, as they go over the wire: who writes them himself appends them.
    /// They are executed when more is asked for.
    pub fn queue(&mut self) -> &mut Vec<u8> {
        &mut self.requests
    }

    /// What was answered and is neither parsed nor [consumed](Self::consume), for who parses himself.
    pub fn unread(&self) -> &[u8] {
        &self.output[self.parsed..]
    }

    /// Drops so many bytes of what is [unread](Self::unread).
    pub fn consume(&mut self, bytes: usize) {
        self.parsed = (self.parsed + bytes).min(self.output.len());
    }

    /// Executes what is queued, and waits until there is more unread than before; `false` when there is
    /// not at `end`.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn fill_until(&mut self, end: Option<Instant>) -> Result<bool, ConnectionError> {
        loop {
            if self.fill()? {
                return Ok(true);
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                return Ok(false);
            }
            self.wait(end);
        }
    }

    /// As [`fill_until`](Self::fill_until), but does not wait: when there is nothing new it leaves a waker
    /// that is woken when there may be. A deadline it does not see to, that is the owner's:
    /// [`patience`](Self::patience).
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn fill_or_wake(&mut self, waker: &Waker) -> Result<bool, ConnectionError> {
        loop {
            if self.fill()? {
                return Ok(true);
            }
            *self.alarm.task.lock() = Some(waker.clone());
            if self.alarm.is_broken.load(Ordering::SeqCst) {
                return Err(ConnectionError::Closed);
            }
            if self
                .session
                .poll_mailbox(&Waker::from(Arc::clone(&self.alarm)))
            {
                continue;
            }
            if self.patience() != Some(Duration::ZERO) {
                return Ok(false);
            }
            self.session.time_out();
        }
    }

    /// Does what can be done without waiting; answers whether there is more unread than before.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn fill(&mut self) -> Result<bool, ConnectionError> {
        if self.parsed > 0 {
            self.output.drain(..self.parsed);
            self.parsed = 0;
        }
        if self.advance() {
            return Ok(true);
        }
        if self.session.should_close() || self.alarm.is_broken.load(Ordering::SeqCst) {
            return Err(ConnectionError::Closed);
        }
        Ok(false)
    }

    /// How long the command that is blocked will wait from now on. Where the clock stands still that is for ever: who
    /// moves it ends the wait.
    pub fn patience(&self) -> Option<Duration> {
        let left_ms = (self.session.deadline_ms()? - self.engine.now_ms()).max(0);
        let patience = Duration::from_millis(left_ms.unsigned_abs());
        (patience.is_zero() || !self.engine.is_clock_manual()).then_some(patience)
    }

    /// Whether a command waits: nothing is executed until it does no more.
    pub fn is_blocked(&self) -> bool {
        self.session.is_blocked()
    }

    /// The session's number, as CLIENT LIST has it.
    pub fn id(&self) -> u64 {
        self.session.id()
    }

    /// What breaks the connection from another thread.
    pub fn breaker(&self) -> Breaker {
        Breaker(Arc::clone(&self.alarm))
    }

    /// Whether the session subscribes to anything.
    pub fn is_subscribed(&self) -> bool {
        self.session.is_subscribed()
    }

    /// Does what can be done without waiting; answers whether there is anything new to read.
    fn advance(&mut self) -> bool {
        let old_len = self.output.len();
        if !self.requests.is_empty() && !self.session.is_blocked() {
            let progress = self
                .session
                .process(&mut self.worker, &self.requests, &mut self.output);
            self.requests.drain(..progress.consumed);
        }
        if self.output.len() == old_len {
            self.session.deliver(&mut self.worker, &mut self.output);
        }
        self.output.len() > old_len
    }

    /// Sleeps until there is a message for the session, or its patience or the caller's is at an end.
    fn wait(&mut self, end: Option<Instant>) {
        *self.alarm.waiting.lock() = Some(thread::current());
        if self
            .session
            .poll_mailbox(&Waker::from(Arc::clone(&self.alarm)))
        {
            return;
        }
        let patience = self.patience();
        if patience == Some(Duration::ZERO) {
            self.session.time_out();
            return;
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        match patience.into_iter().chain(left).min() {
            None => thread::park(),
            Some(time) => thread::park_timeout(time),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.session.close(&mut self.worker);
    }
}

#[cfg(test)]
mod tests {
    use oxidis_engine::config::Config;

    use super::*;
    use crate::EmbeddedEngine;

    fn engine() -> EmbeddedEngine {
        EmbeddedEngine::open(Arc::new(Config::new(1)), 1).expect("a thread")
    }

    fn ask(connection: &mut Connection, words: &[&str]) -> Value {
        connection.send(words);
        connection.receive().expect("a reply")
    }

    #[test]
    fn a_pipeline_is_answered_in_order() {
        let engine = engine();
        let mut connection = Connection::open(engine.engine());
        for _ in 0..1000 {
            connection.send(&["INCR", "n"]);
        }
        for n in 1..=1000 {
            assert_eq!(connection.receive().expect("a reply"), Value::Integer(n));
        }
    }

    #[test]
    fn who_waits_is_woken_by_another_thread() {
        let engine = engine();
        let mut waiting = Connection::open(engine.engine());
        let mut other = Connection::open(engine.engine());
        let waiter = thread::spawn(move || ask(&mut waiting, &["BLPOP", "queue", "0"]));
        loop {
            let page = ask(&mut other, &["INFO", "clients"]);
            let page = String::from_utf8_lossy(page.as_bytes().expect("a text")).into_owned();
            if page.contains("blocked_clients:1") {
                break;
            }
        }
        ask(&mut other, &["RPUSH", "queue", "x"]);
        let popped = waiter.join().expect("the waiter ends");
        let elements = popped.as_elements().expect("an array").to_vec();
        assert_eq!(elements[1], Value::Bulk(b"x".to_vec()));
    }

    #[test]
    fn patience_ends() {
        let engine = engine();
        let mut connection = Connection::open(engine.engine());
        assert!(ask(&mut connection, &["BLPOP", "queue", "0.02"]).is_null());
        let nothing = connection.receive_for(Duration::from_millis(5));
        assert!(nothing.expect("a connection").is_none());
    }

    #[test]
    fn a_broken_connection_says_so() {
        let engine = engine();
        let mut connection = Connection::open(engine.engine());
        let breaker = connection.breaker();
        let waiter = thread::spawn(move || {
            connection.send(&["BLPOP", "queue", "0"]);
            connection.receive()
        });
        breaker.break_connection();
        let end = waiter.join().expect("the waiter ends");
        assert!(matches!(end, Err(ConnectionError::Closed)), "{end:?}");
    }

    #[test]
    fn keys_expire_without_being_asked_for() {
        let engine = engine();
        let mut connection = Connection::open(engine.engine());
        ask(&mut connection, &["SET", "k", "v", "PX", "1"]);
        while ask(&mut connection, &["DBSIZE"]) != Value::Integer(0) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
