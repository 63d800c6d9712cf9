//! An engine with a clock that stands still until it is moved, and sessions that talk to it without
//! sockets.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oxidis_engine::config::{Config, Setter};
use oxidis_engine::{Clock, Engine, EngineOptions, NoHost, Session, Worker};

/// When every test begins, in milliseconds since 1970.
pub const START_MS: i64 = 1_700_000_000_000;

pub struct ManualClock {
    now_us: AtomicI64,
    /// So much time passes whenever somebody looks at the clock.
    look_us: AtomicI64,
}

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        let look_us = self.look_us.load(Ordering::Relaxed);
        self.now_us.fetch_add(look_us, Ordering::Relaxed)
    }
}

pub struct Server {
    pub clock: Arc<ManualClock>,
    pub engine: Arc<Engine>,
    pub worker: Worker,
}

impl Server {
    pub fn new(workers: usize, directives: &[(&str, &str)]) -> Self {
        let config = Arc::new(Config::new(11));
        for (name, value) in directives {
            config
                .set(&[(name.as_bytes(), value.as_bytes())], Setter::default())
                .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
        }
        let clock = Arc::new(ManualClock {
            now_us: AtomicI64::new(START_MS * 1000),
            look_us: AtomicI64::new(0),
        });
        let engine = Engine::new(EngineOptions {
            config,
            clock: clock.clone(),
            host: Arc::new(NoHost),
            snapshot_codec: None,
            interpreter: None,
            seed: 5,
            workers,
        });
        Server {
            worker: Worker::new(&engine),
            clock,
            engine,
        }
    }

    pub fn connect(&self) -> Session {
        Session::new(&self.engine, "10.0.0.1:1".into(), "10.0.0.2:6379".into())
    }

    pub fn advance_ms(&self, milliseconds: i64) {
        self.clock
            .now_us
            .fetch_add(milliseconds * 1000, Ordering::Relaxed);
    }

    /// Lets so much time pass from now on whenever the engine looks at the clock.
    pub fn let_looks_take_us(&self, microseconds: i64) {
        self.clock.look_us.store(microseconds, Ordering::Relaxed);
    }

    /// Sends inline requests, `;` between them, and answers the replies with blanks in the place of
    /// line ends.
    pub fn run(&mut self, session: &mut Session, commands: &str) -> String {
        let input: String = commands
            .split(';')
            .map(|command| format!("{}\r\n", command.trim()))
            .collect();
        let mut output = Vec::new();
        session.process(&mut self.worker, input.as_bytes(), &mut output);
        readable(&output)
    }

    /// What others sent to the session since.
    pub fn deliver(&mut self, session: &mut Session) -> String {
        let mut output = Vec::new();
        session.deliver(&mut self.worker, &mut output);
        readable(&output)
    }
}

fn readable(output: &[u8]) -> String {
    String::from_utf8_lossy(output)
        .trim_end()
        .replace("\r\n", " ")
}
