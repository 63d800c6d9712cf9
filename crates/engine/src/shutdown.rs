//! A shutdown that waits for replicas: what was acknowledged here is to outlive this server there.
//!
//! While it waits writes are held back, and the sessions that asked for it are blocked. It goes on when every replica
//! has acknowledged the whole stream, or when `shutdown-timeout` is over; SHUTDOWN ABORT takes it back. What is saved
//! at the end stands in `persistence`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oxidis_resp::Writer;
use parking_lot::Mutex;

use crate::blocking::Blocked;
use crate::config::LogLevel;
use crate::engine::{Engine, ShutdownOptions};
use crate::worker::Worker;

/// What clients are told when the server goes on.
pub(crate) const SHUTDOWN_FAILED: &str = "Errors trying to SHUTDOWN. Check logs.";

/// The shutdown of an engine.
#[derive(Default)]
pub(crate) struct Shutdown {
    /// When the one that waits does so no longer, in milliseconds since 1970; 0 if none does.
    deadline_ms: AtomicI64,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// How the server is to end; `None` if no shutdown waits.
    options: Option<ShutdownOptions>,
    /// The sessions that want to hear if it does not.
    blocked: Vec<Arc<Blocked>>,
}

impl Shutdown {
    /// When the shutdown that waits for replicas does so no longer, in milliseconds since 1970.
    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        let deadline_ms = self.deadline_ms.load(Ordering::Acquire);
        (deadline_ms != 0).then_some(deadline_ms)
    }

    /// Has a session wait for what becomes of the shutdown.
    pub(crate) fn join(&self, blocked: Arc<Blocked>) {
        let mut waiting = self.waiting.lock();
        if self.deadline_ms().is_some() {
            waiting.blocked.push(blocked);
        } else {
            // It has failed in between.
            blocked.finish_with(tell_failure);
        }
    }

    /// Forgets the shutdown that waits: the server goes on. Answers whether there was one.
    fn cancel(&self, engine: &Engine) -> bool {
        let mut waiting = self.waiting.lock();
        if self.deadline_ms.swap(0, Ordering::AcqRel) == 0 {
            return false;
        }
        let waiting = std::mem::take(&mut *waiting);
        engine.pause.end_shutdown(&engine.gate);
        for blocked in waiting.blocked {
            blocked.finish_with(tell_failure);
        }
        true
    }

    /// SHUTDOWN ABORT: answers whether there was a shutdown to abort.
    pub(crate) fn abort(&self, engine: &Engine) -> bool {
        let is_aborted = self.cancel(engine);
        if is_aborted {
            let line = "Shutdown manually aborted: the server goes on.";
            engine.host.log(LogLevel::Notice, line);
        }
        is_aborted
    }
}

fn tell_failure(out: &mut Writer<'_>) {
    out.error(&format!("ERR {SHUTDOWN_FAILED}"));
}

impl Engine {
    /// Whether a shutdown waits for replicas.
    pub fn is_shutdown_waiting(&self) -> bool {
        self.shutdown.deadline_ms().is_some()
    }
}

impl Worker {
    /// Saves the data set if that is wanted, and asks the host to end the process; first waits for replicas that lag,
    /// unless it is wanted now: then this returns, and the rest is done [later](Engine::is_shutdown_waiting). Does
    /// nothing if a shutdown waits already. The worker holds no locks, or all.
    ///
    /// # Errors
    /// Why the server goes on.
    pub fn shut_down(&mut self, options: ShutdownOptions) -> Result<(), String> {
        let engine = self.engine.clone();
        if engine.is_shutdown_waiting() {
            return Ok(());
        }
        let patience_ms = engine.config.shutdown_timeout_seconds() as i64 * 1000;
        // A script that hinders everyone hinders the replicas, too.
        let is_urgent = options.now || patience_ms == 0 || engine.is_script_busy();
        if is_urgent || count_lagging(&engine, None) == 0 {
            return self.end_service(options);
        }
        let mut waiting = engine.shutdown.waiting.lock();
        if engine.is_shutdown_waiting() {
            return Ok(());
        }
        waiting.options = Some(options);
        if !engine.pause.holds_writes(engine.now_ms()) {
            engine.replication.lock().ask_for_acknowledgements();
        }
        engine.pause.start_shutdown(&engine.gate);
        let deadline_ms = engine.now_ms().saturating_add(patience_ms);
        (engine.shutdown.deadline_ms).store(deadline_ms, Ordering::Release);
        let line = "Writes wait, and so does the end, until the replicas have everything.";
        engine.host.log(LogLevel::Notice, line);
        Ok(())
    }

    /// Ends the server, as far as replicas are concerned.
    fn end_service(&mut self, options: ShutdownOptions) -> Result<(), String> {
        let engine = self.engine.clone();
        let lagging = count_lagging(&engine, Some(LogLevel::Warning));
        let all = engine.replication.lock().replicas.len();
        if all > 0 {
            let line = format!(
                "{} of {all} replicas are in sync at the end.",
                all.saturating_sub(lagging)
            );
            engine.host.log(LogLevel::Notice, &line);
        }
        self.save_and_end(options).inspect_err(|reason| {
            let line = format!("Errors trying to shut down: {reason}");
            engine.host.log(LogLevel::Warning, &line);
        })
    }
}

/// How many replicas have not acknowledged the whole stream; the log tells of each, if a level is given.
fn count_lagging(engine: &Engine, level: Option<LogLevel>) -> usize {
    let state = engine.replication.lock();
    let lagging = (state.replicas.iter()).filter(|replica| replica.acknowledged < state.offset);
    lagging
        .inspect(|replica| {
            let Some(level) = level else { return };
            let line = format!(
                "Lagging replica {}:{}: {} bytes of the stream are not acknowledged.",
                String::from_utf8_lossy(&replica.address()),
                replica.options.port,
                state.offset - replica.acknowledged,
            );
            engine.host.log(level, &line);
        })
        .count()
}

/// Goes on with a shutdown that has waited for replicas, if it has waited enough. The worker holds no locks.
pub(crate) fn tend(worker: &mut Worker) {
    let engine = worker.engine.clone();
    let Some(deadline_ms) = engine.shutdown.deadline_ms() else {
        return;
    };
    if engine.now_ms() < deadline_ms && count_lagging(&engine, None) > 0 {
        return;
    }
    // When it has succeeded, writes wait and sessions hear nothing until the process is over.
    let options = engine.shutdown.waiting.lock().options.take();
    if options.is_some_and(|options| worker.end_service(options).is_err()) {
        engine.shutdown.cancel(&engine);
    }
}
