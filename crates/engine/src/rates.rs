//! What INFO says per second, and the most memory there ever was: sampled regularly, because
//! counters alone do not tell.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::engine::{Engine, EventLoops};
use crate::stats::Totals;

/// Samples over which a rate is averaged, as in Redis.
const SAMPLES: usize = 16;
/// Milliseconds between two samples.
const PERIOD_MS: i64 = 100;

/// Things per second, averaged over the last samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PerSecond {
    pub(crate) commands: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    /// Rounds of the loops that serve sockets.
    pub(crate) cycles: u64,
    /// How long a round took, in microseconds; no rate, but an average over the same time.
    pub(crate) cycle_us: u64,
}

/// The samples of one engine.
#[derive(Default)]
pub(crate) struct Rates {
    window: Mutex<Window>,
    peak_memory_bytes: AtomicU64,
    /// When that was, in milliseconds since 1970.
    peak_memory_ms: AtomicI64,
}

#[derive(Default)]
struct Window {
    last_ms: i64,
    last: Totals,
    last_loops: EventLoops,
    samples: [PerSecond; SAMPLES],
    next: usize,
}

impl Engine {
    /// Takes a sample if it is time to.
    pub(crate) fn sample_rates(&self) {
        let now_ms = self.now_ms();
        let mut window = self.rates.window.lock();
        if now_ms - window.last_ms < PERIOD_MS {
            return;
        }
        let loops = self.host.event_loops().unwrap_or_default();
        window.add(now_ms, self.stats.totals(), loops);
        drop(window);
        self.peak_memory_bytes(self.used_memory_bytes());
    }

    /// The rates of the last seconds; zero where nobody takes samples.
    pub(crate) fn rates(&self) -> PerSecond {
        self.rates.window.lock().average()
    }

    /// The most memory there ever was, given what is used now.
    pub(crate) fn peak_memory_bytes(&self, used_bytes: u64) -> u64 {
        let before = self
            .rates
            .peak_memory_bytes
            .fetch_max(used_bytes, Ordering::Relaxed);
        if used_bytes > before {
            let now_ms = self.now_ms();
            self.rates.peak_memory_ms.store(now_ms, Ordering::Relaxed);
        }
        before.max(used_bytes)
    }

    /// When there was the most memory, in milliseconds since 1970.
    pub(crate) fn peak_memory_ms(&self) -> i64 {
        self.rates.peak_memory_ms.load(Ordering::Relaxed)
    }
}

impl Window {
    fn add(&mut self, now_ms: i64, totals: Totals, loops: EventLoops) {
        let elapsed_ms = (now_ms - self.last_ms).max(1) as u64;
        // A counter that was reset in between has gone nowhere.
        let rate =
            |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1000) / elapsed_ms;
        let is_first = self.last_ms == 0;
        let cycles = loops.cycles.saturating_sub(self.last_loops.cycles);
        let busy_us = loops.busy_us.saturating_sub(self.last_loops.busy_us);
        let sample = PerSecond {
            commands: rate(totals.commands_processed, self.last.commands_processed),
            input_bytes: rate(totals.input_bytes, self.last.input_bytes),
            output_bytes: rate(totals.output_bytes, self.last.output_bytes),
            cycles: rate(loops.cycles, self.last_loops.cycles),
            cycle_us: busy_us.checked_div(cycles).unwrap_or(0),
        };
        self.last_ms = now_ms;
        self.last_loops = loops;
        self.last = totals;
        // The first look only sets the starting point.
        if !is_first {
            self.samples[self.next] = sample;
            self.next = (self.next + 1) % SAMPLES;
        }
    }

    fn average(&self) -> PerSecond {
        let average =
            |of: fn(&PerSecond) -> u64| self.samples.iter().map(of).sum::<u64>() / SAMPLES as u64;
        PerSecond {
            commands: average(|sample| sample.commands),
            input_bytes: average(|sample| sample.input_bytes),
            output_bytes: average(|sample| sample.output_bytes),
            cycles: average(|sample| sample.cycles),
            cycle_us: average(|sample| sample.cycle_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_its_average_and_a_reset_does_not_matter() {
        let mut window = Window::default();
        let totals = |commands_processed| Totals {
            commands_processed,
            ..Totals::default()
        };
        for tick in 0..=SAMPLES as u64 {
            let loops = EventLoops {
                cycles: tick * 10,
                busy_us: tick * 70,
            };
            window.add(1000 + tick as i64 * 100, totals(tick * 50), loops);
        }
        assert_eq!(window.average().commands, 500);
        assert_eq!(window.average().cycles, 100);
        assert_eq!(window.average().cycle_us, 7);
        window.add(10_000, totals(0), EventLoops::default());
        assert_eq!(
            window.average().commands,
            500 * (SAMPLES as u64 - 1) / SAMPLES as u64
        );
    }
}
