//! The moments at which something took longer than `latency-monitor-threshold`, by what it was.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use crate::config::Config;
use crate::worker::Worker;

/// So many moments are remembered of each event, as in Redis.
const SAMPLES_MAX: usize = 160;

/// What may take too long. The names are Redis's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A command that may be slow by its nature.
    Command,
    /// A command that never takes long by itself.
    FastCommand,
    /// Serving a session that waited.
    CommandUnblocking,
    /// A slice of the active expiry cycle.
    ExpireCycle,
    /// Making room when `maxmemory` is reached.
    EvictionCycle,
    /// A slice of active defragmentation.
    ActiveDefragmentation,
}

impl Event {
    const ALL: [Event; 6] = [
        Event::Command,
        Event::FastCommand,
        Event::CommandUnblocking,
        Event::ExpireCycle,
        Event::EvictionCycle,
        Event::ActiveDefragmentation,
    ];

    /// The name to clients.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Event::Command => "command",
            Event::FastCommand => "fast-command",
            Event::CommandUnblocking => "command-unblocking",
            Event::ExpireCycle => "expire-cycle",
            Event::EvictionCycle => "eviction-cycle",
            Event::ActiveDefragmentation => "active-defrag-cycle",
        }
    }

    /// The event of a name, whose case is to be right.
    pub(crate) fn of_name(name: &[u8]) -> Option<Self> {
        let named = |event: &Event| event.name().as_bytes() == name;
        Event::ALL.into_iter().find(named)
    }
}

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Seconds since 1970.
    pub(crate) time_seconds: i64,
    pub(crate) latency_ms: u64,
}

/// What is remembered of one event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Series {
    /// The oldest first, one a second; never empty.
    pub(crate) samples: VecDeque<Sample>,
    /// The longest since it was reset, also of those that are forgotten.
    pub(crate) longest_ms: u64,
}

impl Series {
    fn add(&mut self, sample: Sample) {
        self.longest_ms = self.longest_ms.max(sample.latency_ms);
        match self.samples.back_mut() {
            Some(last) if last.time_seconds == sample.time_seconds => {
                last.latency_ms = last.latency_ms.max(sample.latency_ms);
            }
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }

    /// The shortest and the longest that is remembered.
    pub(crate) fn range_ms(&self) -> (u64, u64) {
        let latencies = || self.samples.iter().map(|sample| sample.latency_ms);
        (
            latencies().min().unwrap_or_default(),
            latencies().max().unwrap_or_default(),
        )
    }

    /// The mean, and the mean distance from it, in whole milliseconds.
    pub(crate) fn mean_and_deviation_ms(&self) -> (u64, u64) {
        let count = self.samples.len().max(1) as u64;
        let latencies = || self.samples.iter().map(|sample| sample.latency_ms);
        let mean = latencies().sum::<u64>() / count;
        let deviation = latencies().map(|it| it.abs_diff(mean)).sum::<u64>() / count;
        (mean, deviation)
    }
}

/// All events of an engine.
#[derive(Default)]
pub(crate) struct LatencyMonitor {
    events: Mutex<BTreeMap<Event, Series>>,
}

impl LatencyMonitor {
    /// Remembers that something took so long, if that is too long.
    #[cold]
    pub(crate) fn note(&self, config: &Config, event: Event, duration_us: i64, now_us: i64) {
        let latency_ms = u64::try_from(duration_us / 1000).unwrap_or_default();
        let threshold_ms = config.latency_monitor_threshold_ms();
        if threshold_ms == 0 || latency_ms < threshold_ms {
            return;
        }
        let sample = Sample {
            time_seconds: now_us / 1_000_000,
            latency_ms,
        };
        self.events.lock().entry(event).or_default().add(sample);
    }

    /// What is remembered of one event.
    pub(crate) fn series(&self, event: Event) -> Option<Series> {
        self.events.lock().get(&event).cloned()
    }

    /// What is remembered of all events.
    pub(crate) fn all(&self) -> Vec<(Event, Series)> {
        let events = self.events.lock();
        events
            .iter()
            .map(|(event, it)| (*event, it.clone()))
            .collect()
    }

    /// Forgets one event, or all; answers how many there were.
    pub(crate) fn reset(&self, event: Option<Event>) -> usize {
        let mut events = self.events.lock();
        match event {
            Some(event) => usize::from(events.remove(&event).is_some()),
            None => std::mem::take(&mut *events).len(),
        }
    }
}

impl Worker {
    /// Remembers that something which began at `started_us` has taken until now, if that is too long.
    #[inline]
    pub(crate) fn note_latency(&self, event: Event, started_us: i64) {
        let config = &self.engine.config;
        if config.latency_monitor_threshold_ms() > 0 {
            let now_us = self.engine.clock.now_us();
            let latency = &self.engine.latency;
            latency.note(config, event, now_us - started_us, now_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_each_second_is_remembered() {
        let mut series = Series::default();
        for (time_seconds, latency_ms) in [(5, 10), (5, 30), (5, 20), (7, 9)] {
            series.add(Sample {
                time_seconds,
                latency_ms,
            });
        }
        let kept: Vec<(i64, u64)> = series
            .samples
            .iter()
            .map(|it| (it.time_seconds, it.latency_ms))
            .collect();
        assert_eq!(kept, [(5, 30), (7, 9)]);
        assert_eq!((series.range_ms(), series.longest_ms), ((9, 30), 30));
        assert_eq!(series.mean_and_deviation_ms(), (19, 10));
    }

    #[test]
    fn old_moments_are_forgotten_but_not_the_longest() {
        let mut series = Series::default();
        for time_seconds in 0..200 {
            let latency_ms = if time_seconds == 0 { 99 } else { 1 };
            series.add(Sample {
                time_seconds,
                latency_ms,
            });
        }
        assert_eq!(series.samples.len(), SAMPLES_MAX);
        assert_eq!(series.samples[0].time_seconds, 40);
        assert_eq!((series.range_ms(), series.longest_ms), ((1, 1), 99));
    }

    #[test]
    fn names_are_found_again() {
        for event in Event::ALL {
            assert_eq!(Event::of_name(event.name().as_bytes()), Some(event));
        }
        assert_eq!(Event::of_name(b"fork"), None);
    }
}
