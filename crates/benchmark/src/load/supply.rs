//! What all threads of a run share: the requests that are left, and how far they are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When requests are due: each a little after the one before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When the first is due.
    pub start: Instant,
    /// Requests a second.
    pub rate: f64,
}

impl Pace {
    /// When a request is due.
    pub fn due(self, index: u64) -> Instant {
        self.start + Duration::from_secs_f64(index as f64 / self.rate)
    }

    fn due_by_now(self) -> u64 {
        (self.start.elapsed().as_secs_f64() * self.rate) as u64
    }
}

/// Hands out the requests that are left, a batch at a time, and counts what was answered.
pub(super) struct Supply {
    requests: AtomicU64,
    /// When requests are due, if they are.
    pace: Option<Pace>,
    depth: u64,
    issued: AtomicU64,
    answered: AtomicU64,
    latency_sum_us: AtomicU64,
    is_stopped: AtomicBool,
}

impl Supply {
    pub fn new(requests: u64, depth: usize, pace: Option<Pace>) -> Self {
        Self {
            requests: AtomicU64::new(requests),
            pace,
            depth: depth as u64,
            issued: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            latency_sum_us: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Takes the next batch: the index of its first request, `None` when all were taken.
    pub fn take(&self) -> Option<u64> {
        if !self.has_more() {
            return None;
        }
        let index = self.issued.fetch_add(self.depth, Ordering::Relaxed);
        (index < self.requests.load(Ordering::Relaxed)).then_some(index)
    }

    pub fn has_more(&self) -> bool {
        self.issued.load(Ordering::Relaxed) < self.requests.load(Ordering::Relaxed)
    }

    /// When requests are due, if they are.
    pub fn pace(&self) -> Option<Pace> {
        self.pace
    }

    /// Hands out no more than is due by now.
    pub fn end(&self) {
        let due = self.pace.map_or(0, Pace::due_by_now);
        self.requests.fetch_min(due, Ordering::Relaxed);
    }

    /// Counts a batch that was answered after this time.
    pub fn count_answered(&self, latency: Duration) {
        self.answered.fetch_add(self.depth, Ordering::Relaxed);
        let sum_us = (latency.as_micros() as u64).saturating_mul(self.depth);
        self.latency_sum_us.fetch_add(sum_us, Ordering::Relaxed);
    }

    /// How many requests were answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// How long they took, one added to the other, in microseconds.
    pub fn latency_sum_us(&self) -> u64 {
        self.latency_sum_us.load(Ordering::Relaxed)
    }

    /// Asks all threads to stop where they are.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}
