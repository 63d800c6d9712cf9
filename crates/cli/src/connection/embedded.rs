//! An engine inside this process, instead of a server: `--embedded`, and where help comes
//! from when no server can be asked.
//!
//! The engine is given the time and does no waiting of its own, so this is a driver in
//! small: it hands over requests as bytes, takes replies as bytes, and sleeps while the
//! session is blocked.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxidis_client::{ConnectionError, ReplyReader};
use oxidis_engine::config::Config;
use oxidis_engine::{Clock, Engine, EngineOptions, NoHost, Session, Worker};
use oxidis_resp::Value;

use super::{Connection, Socket, encode};

/// Opens an engine with nothing in it.
pub fn open_engine() -> Arc<Engine> {
    // The standard library seeds its hashers from the system's randomness.
    let seed = RandomState::new().hash_one("engine");
    let config = Arc::new(Config::new(seed));
    Engine::new(EngineOptions {
        snapshot_codec: Some(Arc::new(oxidis_persist::Rdb)),
        interpreter: Some(Arc::new(oxidis_script::Lua::new(config.clone(), seed))),
        config,
        clock: Arc::new(SystemClock),
        host: Arc::new(NoHost),
        seed,
        workers: 1,
    })
}

/// The system's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // A clock before 1970 is read as 1970.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A session with an engine in this process.
pub struct Embedded {
    engine: Arc<Engine>,
    worker: Worker,
    session: Session,
    requests: Vec<u8>,
    output: Vec<u8>,
    replies: ReplyReader,
    alarm: Arc<Alarm>,
}

/// Wakes the thread that waits for a reply.
struct Alarm {
    waiting: Thread,
    is_broken: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.waiting.unpark();
    }
}

impl Embedded {
    /// A new session. The thread that opens it is the one that uses it.
    pub fn open(engine: &Arc<Engine>) -> Embedded {
        Embedded {
            worker: Worker::new(engine),
            session: Session::new(engine, "embedded".into(), "embedded".into()),
            engine: Arc::clone(engine),
            requests: Vec::new(),
            output: Vec::new(),
            replies: ReplyReader::default(),
            alarm: Arc::new(Alarm {
                waiting: thread::current(),
                is_broken: AtomicBool::new(false),
            }),
        }
    }

    /// Does what can be done without waiting; answers whether there is anything to read.
    fn advance(&mut self) -> bool {
        if !self.requests.is_empty() && !self.session.is_blocked() {
            let progress = self
                .session
                .process(&mut self.worker, &self.requests, &mut self.output);
            self.requests.drain(..progress.consumed);
        }
        if self.output.is_empty() {
            self.session.deliver(&mut self.worker, &mut self.output);
        }
        !self.output.is_empty()
    }

    /// Sleeps until there is a message for the session or its patience is at an end.
    fn wait(&mut self) {
        if self
            .session
            .poll_mailbox(&Waker::from(Arc::clone(&self.alarm)))
        {
            return;
        }
        match self.session.deadline_ms() {
            None => thread::park(),
            Some(deadline_ms) => {
                let left_ms = deadline_ms - self.engine.now_ms();
                if left_ms <= 0 {
                    self.session.time_out();
                } else {
                    thread::park_timeout(Duration::from_millis(left_ms as u64));
                }
            }
        }
    }
}

impl Connection for Embedded {
    fn send(&mut self, request: &[&[u8]]) {
        encode(request, &mut self.requests);
    }

    fn receive(&mut self) -> Result<Value, ConnectionError> {
        loop {
            if let Some(reply) = self.replies.next_reply()? {
                return Ok(reply);
            }
            if self.advance() {
                self.replies.feed(&self.output);
                self.output.clear();
            } else if self.session.should_close() || self.alarm.is_broken.load(Ordering::SeqCst) {
                return Err(ConnectionError::Closed);
            } else {
                self.wait();
            }
        }
    }

    fn breaker(&self) -> Option<Box<dyn Fn() + Send>> {
        let alarm = Arc::clone(&self.alarm);
        Some(Box::new(move || {
            alarm.is_broken.store(true, Ordering::SeqCst);
            alarm.waiting.unpark();
        }))
    }

    fn listening(self: Box<Self>) -> io::Result<Box<dyn Connection>> {
        Ok(self)
    }

    fn into_socket(self: Box<Self>) -> Option<Socket> {
        None
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.session.close(&mut self.worker);
    }
}
