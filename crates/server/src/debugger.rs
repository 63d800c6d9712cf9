//! Connections whose scripts are debugged: each has a thread of its own from EVAL to its end, on which waiting for the
//! client is in nobody's way. The thread has a worker like any other; for a session on a copy of the data, that of an
//! engine that has the copy and nobody else.
//!
//! The socket stays with the runtime that it belonged to, and is used past it.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use oxidis_embedded::VirtualClock;
use oxidis_engine::config::LogLevel;
use oxidis_engine::{DebugMode, DebuggedCall, DebuggerLine, Engine, EngineOptions, Host};
use tokio::sync::watch;

use crate::log;
use crate::server::STACK_BYTES;
use crate::worker::{self, WorkerState, with_worker};

/// The shortest and the longest time between two looks at a socket.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// How long a client may take to take what it is sent.
const SEND_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that are received at a time.
const RECEIVED_MAX: usize = 1024;

/// A connection as its debugger's thread sees it.
pub(crate) trait Debugged: Send + Sync {
    /// Takes the call out of the session.
    fn begin(&self) -> Option<DebuggedCall>;

    /// Gives it back.
    fn end(&self, call: DebuggedCall);

    /// Receives what there is.
    fn receive(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Sends what can be sent.
    fn send(&self, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Whether somebody has the session closed.
    fn is_killed(&self) -> bool;

    /// Has the client learn that this was all.
    fn close(&self);
}

/// Gives a connection, whose session awaits a debugger, to a thread of its own.
pub(crate) fn start(connection: Arc<dyn Debugged>, engine: Arc<Engine>) {
    let stopped = worker::stopped();
    let thread = std::thread::Builder::new().name("oxidis-debugger".to_owned());
    let started = thread.stack_size(STACK_BYTES).spawn(move || {
        worker::install_alone(WorkerState::new(&engine));
        debug(&connection, &engine, stopped);
        // It leaves its engine with the worker of this thread.
        drop(connection);
    });
    if let Err(error) = started {
        // The connection is closed with the thread's work.
        tracing::warn!("Cannot start a thread for a debugging session: {error}");
    }
}

fn debug(
    connection: &Arc<dyn Debugged>,
    engine: &Arc<Engine>,
    stopped: Option<watch::Receiver<bool>>,
) {
    let Some(mut call) = connection.begin() else {
        return;
    };
    let line = Line {
        connection: connection.clone(),
        engine: engine.clone(),
        stopped,
    };
    let mut last = line.clone();
    let reply = match call.mode() {
        DebugMode::Synchronous => {
            tracing::warn!("Redis synchronous debugging eval session started");
            let reply = with_worker(|state| call.run(&mut state.worker, Box::new(line)));
            tracing::warn!("Redis synchronous debugging eval session ended");
            reply
        }
        DebugMode::Copy => match copy() {
            Ok(copy) => {
                tracing::warn!("Redis forked for debugging eval");
                let mut state = WorkerState::new(&copy);
                let mut copied = call.on_copy(&copy);
                let reply = copied.run(&mut state.worker, Box::new(line));
                copied.close(&copy);
                tracing::warn!("Lua debugging session child exiting");
                reply
            }
            Err(reason) => {
                format!("-ERR Fork() failed: can't run EVAL in debugging mode: {reason}\r\n")
                    .into_bytes()
            }
        },
    };
    connection.end(call);
    last.send(&reply);
    connection.close();
}

/// An engine with a copy of all data.
fn copy() -> Result<Arc<Engine>, String> {
    let fork = with_worker(|state| state.worker.fork()).map_err(|error| error.to_string())?;
    let config = fork.config().clone();
    let interpreter = oxidis_script::Lua::new(config.clone(), fork.seed());
    let copy = Engine::new(EngineOptions {
        config,
        clock: Arc::new(VirtualClock::running()),
        host: Arc::new(CopyHost),
        snapshot_codec: Some(Arc::new(oxidis_persist::Rdb)),
        interpreter: Some(Arc::new(interpreter)),
        seed: fork.seed(),
        workers: 1,
    });
    fork.settle(&copy).map_err(|error| error.to_string())?;
    Ok(copy)
}

/// What is around an engine that is a copy: the log of the server that it is a copy of.
struct CopyHost;

impl Host for CopyHost {
    fn log(&self, level: LogLevel, message: &str) {
        log::line(level, message);
    }

    fn serves_debuggers(&self) -> bool {
        true
    }
}

/// The connection of a debugger to its client.
#[derive(Clone)]
struct Line {
    connection: Arc<dyn Debugged>,
    engine: Arc<Engine>,
    stopped: Option<watch::Receiver<bool>>,
}

impl DebuggerLine for Line {
    fn send(&mut self, bytes: &[u8]) {
        let started = Instant::now();
        let mut sent = 0;
        while sent < bytes.len() && started.elapsed() < SEND_PATIENCE {
            match self.connection.send(&bytes[sent..]) {
                Poll::Ready(Ok(0) | Err(_)) => return,
                Poll::Ready(Ok(count)) => sent += count,
                Poll::Pending => std::thread::sleep(PAUSE_MIN),
            }
        }
    }

    fn is_over(&mut self) -> bool {
        self.connection.is_killed()
            || self.engine.is_script_stopping()
            || self.stopped.as_ref().is_some_and(|it| *it.borrow())
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; RECEIVED_MAX];
        let mut pause = PAUSE_MIN;
        while !self.is_over() {
            match self.connection.receive(&mut buffer) {
                Poll::Ready(Ok(0) | Err(_)) => return None,
                Poll::Ready(Ok(count)) => return Some(buffer[..count].to_vec()),
                Poll::Pending => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        None
    }
}
