//! The time of day for the engine, and a clock that tests command.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use oxidis_engine::Clock;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        // A clock before 1970 is read as 1970.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// The system's clock, until it is stopped: then it shows what it is set to.
#[derive(Debug)]
pub struct VirtualClock {
    /// What it shows, in microseconds since 1970; [`RUNNING`] if it runs.
    at_us: AtomicI64,
    created: Instant,
}

/// No moment that a clock is set to.
const RUNNING: i64 = i64::MIN;

impl VirtualClock {
    /// One that runs, and can be stopped.
    pub fn running() -> Self {
        VirtualClock {
            at_us: AtomicI64::new(RUNNING),
            created: Instant::now(),
        }
    }

    /// One that stands still at a moment, in microseconds since 1970.
    pub fn stopped_at(at_us: i64) -> Self {
        VirtualClock {
            at_us: AtomicI64::new(at_us),
            created: Instant::now(),
        }
    }
}

impl Clock for VirtualClock {
    #[inline]
    fn now_us(&self) -> i64 {
        match self.at_us.load(Ordering::SeqCst) {
            RUNNING => SystemClock.now_us(),
            at_us => at_us,
        }
    }

    fn stopwatch_us(&self) -> i64 {
        i64::try_from(self.created.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn is_manual(&self) -> bool {
        self.at_us.load(Ordering::SeqCst) != RUNNING
    }

    fn set_manual(&self, at_us: Option<i64>) -> bool {
        self.at_us.store(at_us.unwrap_or(RUNNING), Ordering::SeqCst);
        true
    }
}
