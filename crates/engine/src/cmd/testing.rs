//! A session on an engine of its own, for the tests of this folder. What the real server answers is
//! tested over sockets, from recorded conversations; here is what those cannot hold.

use std::sync::Arc;

use crate::command::Args;
use crate::config::{Config, Setter};
use crate::{Clock, Engine, EngineOptions, NoHost, Session, Worker};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now_us(&self) -> i64 {
        1_700_000_000_000_000
    }
}

/// An engine with one session, which speaks RESP2.
pub(super) struct TestSession {
    worker: Worker,
    session: Session,
}

impl TestSession {
    pub(super) fn new(directives: &[(&str, &str)]) -> Self {
        let config = Arc::new(Config::new(7));
        for (name, value) in directives {
            config
                .set(&[(name.as_bytes(), value.as_bytes())], Setter::default())
                .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
        }
        let engine = Engine::new(EngineOptions {
            config,
            clock: Arc::new(StoppedClock),
            host: Arc::new(NoHost),
            snapshot_codec: None,
            interpreter: None,
            seed: 3,
            workers: 1,
        });
        Self {
            worker: Worker::new(&engine),
            session: Session::new(&engine, String::new(), String::new()),
        }
    }

    /// Executes a command whose arguments have blanks between them, and answers its reply with
    /// blanks in the place of line ends.
    pub(super) fn run(&mut self, command: &str) -> String {
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(&arguments), &mut reply);
        String::from_utf8_lossy(&reply)
            .trim_end()
            .replace("\r\n", " ")
    }
}
