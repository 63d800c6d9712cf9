//! Doing what a plan says, and telling how far it is.

use std::convert::Infallible;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::supply::{Pace, Supply};
use super::worker::Worker;
use super::{LoadError, Plan};
use crate::latency::Latencies;

/// How often the progress of a run is told.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// How far a run is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// The time since the first request.
    pub elapsed: Duration,
    /// How many requests were answered.
    pub answered: u64,
    /// How long they took, one added to the other, in microseconds.
    pub latency_sum_us: u64,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How many requests were answered.
    pub requests: u64,
    /// The time from the first request to the last reply.
    pub elapsed: Duration,
    /// How long the requests took, each as long as the batch that it came in: from the moment that
    /// the batch is sent to the moment that its first reply is there.
    pub latencies: Latencies,
    /// The longest that a request left late, at a rate, though a connection was free: what the generator itself and
    /// the machine below it have added to latencies.
    pub longest_own_delay: Duration,
}

impl Outcome {
    /// How many requests were answered in a second.
    pub fn requests_per_second(&self) -> f64 {
        if self.requests == 0 {
            return 0.0;
        }
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs a plan to its end, and tells how far it is every [`PROGRESS_INTERVAL`].
///
/// The clock runs when all connections are open and have greeted.
///
/// # Errors
/// When a connection fails or a request is answered with an error: then nothing was measured.
pub fn run(plan: &Plan<'_>, mut tell_progress: impl FnMut(Progress)) -> Result<Outcome, LoadError> {
    let mut workers = open_workers(plan)?;
    let start = Instant::now();
    let pace = plan.rate.map(|rate| Pace { start, rate });
    let supply = Supply::new(plan.requests, plan.depth(), pace);
    let mut elapsed = Duration::ZERO;
    let mut failure = None;
    thread::scope(|scope| {
        let (sender, ends) = mpsc::channel();
        for worker in &mut workers {
            let sender = sender.clone();
            let supply = &supply;
            scope.spawn(move || {
                let result = worker.run(supply);
                if result.is_err() {
                    supply.stop();
                }
                // The receiver is there until all threads have ended.
                let _ = sender.send((result, start.elapsed()));
            });
        }
        drop(sender);
        loop {
            match ends.recv_timeout(PROGRESS_INTERVAL) {
                Ok((result, ended)) => {
                    elapsed = elapsed.max(ended);
                    failure = failure.take().or(result.err());
                }
                Err(RecvTimeoutError::Timeout) => tell_progress(Progress {
                    elapsed: start.elapsed(),
                    answered: supply.answered(),
                    latency_sum_us: supply.latency_sum_us(),
                }),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let mut latencies = Latencies::new(plan.latency_digits);
    let mut longest_own_delay = Duration::ZERO;
    for worker in &workers {
        latencies.add(worker.latencies());
        longest_own_delay = longest_own_delay.max(worker.longest_own_delay());
    }
    Ok(Outcome {
        longest_own_delay,
        requests: supply.answered(),
        elapsed,
        latencies,
    })
}

/// Opens the connections of a plan, on this thread alone, and holds them without sending anything;
/// calls `opened` when they are there. Returns only when a connection fails.
///
/// # Errors
/// Always: why it is over.
pub fn hold_idle(plan: &Plan<'_>, opened: impl FnOnce()) -> Result<Infallible, LoadError> {
    let mut worker = Worker::open(plan, plan.clients.max(1), 0)?;
    opened();
    worker.hold_idle()
}

/// The workers, with the clients dealt out evenly; none is without a client.
fn open_workers<'a>(plan: &'a Plan<'a>) -> Result<Vec<Worker<'a>>, LoadError> {
    let clients = plan.clients.max(1);
    let threads = plan.threads.clamp(1, clients);
    (0..threads)
        .map(|index| {
            let share = clients / threads + usize::from(index < clients % threads);
            Worker::open(plan, share, index)
        })
        .collect()
}
