//! What INFO says per second, and the most memory there ever was: sampled regularly, because
//! counters alone do not tell.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

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
    /// Of those, what the primary sent and what replicas were sent.
    pub(crate) replication_input_bytes: u64,
    pub(crate) replication_output_bytes: u64,
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
    /// What the loops had done when the statistics were last reset.
    loops_at_reset: Mutex<EventLoops>,
    recent_peaks: Mutex<RecentPeaks>,
}

/// The most that a client had waiting, to be executed and to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Peak {
    pub(crate) input_bytes: usize,
    pub(crate) output_bytes: usize,
}

/// Seconds for which peaks of single clients are remembered, as in Redis.
const PEAK_SECONDS: usize = 8;

/// The peaks of the last seconds, each in the place of its second.
#[derive(Default)]
struct RecentPeaks {
    last_second: i64,
    seconds: [Peak; PEAK_SECONDS],
}

impl RecentPeaks {
    /// Forgets what is too old by now, and takes in what clients have waiting.
    fn note(&mut self, now_ms: i64, peak: Peak) {
        let second = now_ms / 1000;
        let elapsed = second - self.last_second;
        if elapsed != 0 {
            // A clock that was set back makes all of it old.
            let count = usize::try_from(elapsed).map_or(PEAK_SECONDS, |it| it.min(PEAK_SECONDS));
            for back in 0..count as i64 {
                self.seconds[place_of(second - back)] = Peak::default();
            }
            self.last_second = second;
        }
        let held = &mut self.seconds[place_of(second)];
        held.input_bytes = held.input_bytes.max(peak.input_bytes);
        held.output_bytes = held.output_bytes.max(peak.output_bytes);
    }

    fn highest(&self) -> Peak {
        let highest =
            |of: fn(&Peak) -> usize| self.seconds.iter().map(of).max().unwrap_or_default();
        Peak {
            input_bytes: highest(|peak| peak.input_bytes),
            output_bytes: highest(|peak| peak.output_bytes),
        }
    }
}

fn place_of(second: i64) -> usize {
    second.rem_euclid(PEAK_SECONDS as i64) as usize
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
        self.note_peaks(now_ms);
        self.peak_memory_bytes(self.used_memory_bytes());
    }

    fn note_peaks(&self, now_ms: i64) {
        let mut peak = Peak::default();
        for client in self.clients.all() {
            let load = |bytes: &AtomicUsize| bytes.load(Ordering::Relaxed);
            let unsent_bytes = load(&client.output_buffer_bytes) + client.mailbox.pushed_bytes();
            peak.input_bytes = peak.input_bytes.max(load(&client.query_buffer_bytes));
            peak.output_bytes = peak.output_bytes.max(unsent_bytes);
        }
        self.rates.recent_peaks.lock().note(now_ms, peak);
    }

    /// The most that a client had waiting during the last seconds.
    pub(crate) fn recent_peak(&self) -> Peak {
        self.note_peaks(self.now_ms());
        self.rates.recent_peaks.lock().highest()
    }

    /// What the loops have done that serve sockets, since the statistics were last reset; `None` without such loops.
    pub(crate) fn event_loops(&self) -> Option<EventLoops> {
        let loops = self.host.event_loops()?;
        let before = *self.rates.loops_at_reset.lock();
        Some(EventLoops {
            cycles: loops.cycles.saturating_sub(before.cycles),
            busy_us: loops.busy_us.saturating_sub(before.busy_us),
        })
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset_event_loops(&self) {
        *self.rates.loops_at_reset.lock() = self.host.event_loops().unwrap_or_default();
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
            replication_input_bytes: rate(
                totals.replication_input_bytes,
                self.last.replication_input_bytes,
            ),
            replication_output_bytes: rate(
                totals.replication_output_bytes,
                self.last.replication_output_bytes,
            ),
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
            replication_input_bytes: average(|sample| sample.replication_input_bytes),
            replication_output_bytes: average(|sample| sample.replication_output_bytes),
            cycles: average(|sample| sample.cycles),
            cycle_us: average(|sample| sample.cycle_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_remembered_for_eight_seconds() {
        let mut peaks = RecentPeaks::default();
        let peak = |input_bytes, output_bytes| Peak {
            input_bytes,
            output_bytes,
        };
        peaks.note(100_500, peak(7, 1));
        peaks.note(100_900, peak(3, 2));
        peaks.note(103_000, peak(5, 0));
        assert_eq!(peaks.highest(), peak(7, 2));
        peaks.note(107_999, peak(0, 0));
        assert_eq!(peaks.highest(), peak(7, 2));
        peaks.note(108_000, peak(0, 0));
        assert_eq!(peaks.highest(), peak(5, 0));
        peaks.note(300_000, peak(0, 0));
        assert_eq!(peaks.highest(), peak(0, 0));
    }

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
