//! LATENCY DOCTOR: what the moments that took too long have in common, and what can be done about it.

use std::fmt::Write as _;

use super::monitor::{Event, Series};

/// What the advice goes by beside the moments themselves.
pub(crate) struct Circumstances {
    /// `latency-monitor-threshold`; 0 is off.
    pub(crate) threshold_ms: u64,
    /// `slowlog-log-slower-than`; negative is off.
    pub(crate) slow_us: i64,
    /// `slowlog-max-len`.
    pub(crate) slow_log_len: usize,
    /// The time, in seconds since 1970.
    pub(crate) now_seconds: i64,
}

/// A report for people.
pub(crate) fn advise(all: &[(Event, Series)], circumstances: &Circumstances) -> String {
    // What was met while something was watched is told even if nothing is any more.
    if circumstances.threshold_ms == 0 && all.is_empty() {
        return "Nothing is watched: latency-monitor-threshold is 0. Set it to the number of \
                milliseconds from which something takes too long for you, for example with CONFIG \
                SET latency-monitor-threshold 100.\n"
            .to_owned();
    }
    if all.is_empty() {
        return format!(
            "Nothing took {} ms or longer since the events were reset.\n",
            circumstances.threshold_ms
        );
    }
    let mut text = String::from("These took longer than they should:\n\n");
    for (number, (event, series)) in all.iter().enumerate() {
        let (mean_ms, deviation_ms) = series.mean_and_deviation_ms();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}. {}: {} times, {mean_ms} ms on average (mean deviation {deviation_ms} ms), {:.1} s \
             between them, {} ms at worst.",
            number + 1,
            event.name(),
            series.samples.len(),
            period_seconds(series, circumstances.now_seconds),
            series.longest_ms,
        );
    }
    text.push_str("\nWhat can be done:\n\n");
    let has = |wanted: &[Event]| all.iter().any(|(event, _)| wanted.contains(event));
    let mut advice = |line: &str| {
        let _ = writeln!(text, "- {line}");
    };
    const COMMANDS: &[Event] = &[Event::Command, Event::CommandUnblocking];
    if has(COMMANDS) {
        let of_commands = all.iter().filter(|(event, _)| COMMANDS.contains(event));
        let longest_ms = of_commands.map(|(_, series)| series.longest_ms).max();
        let longest_us = longest_ms.unwrap_or_default().saturating_mul(1000);
        let is_logged = u64::try_from(circumstances.slow_us).is_ok_and(|it| it <= longest_us);
        advice(match (circumstances.slow_log_len, circumstances.slow_us) {
            (0, _) => {
                "The slow log keeps nothing: raise slowlog-max-len, so that SLOWLOG GET shows which commands it was."
            }
            (_, ..0) => {
                "The slow log is off: set slowlog-log-slower-than, so that SLOWLOG GET shows which commands it was."
            }
            _ if is_logged => "SLOWLOG GET shows which commands it was.",
            _ => "Lower slowlog-log-slower-than, so that SLOWLOG GET shows which commands it was.",
        });
        advice(
            "Commands that visit many elements (KEYS, SORT, ranges of everything, scripts with long \
             loops) can often be cut into pieces: SCAN and its like, ranges with limits.",
        );
    }
    if has(&[Event::FastCommand]) {
        advice(
            "A fast command takes long only when something else does: look for other processes on \
             the machine, memory that is swapped out, virtual machines that are not given their time.",
        );
    }
    if has(&[Event::ExpireCycle]) {
        advice("Many keys expire at the same moment: spread their times to live.");
    }
    if has(&[Event::ActiveDefragmentation]) {
        advice("Active defragmentation takes long: lower active-defrag-max-scan-fields.");
    }
    if has(&[Event::EvictionCycle]) {
        advice(
            "Eviction has to free much at once: lower maxmemory-eviction-tenacity, or avoid writing \
             in big bursts while memory is full.",
        );
    }
    text
}

/// How far the moments lie apart on average.
fn period_seconds(series: &Series, now_seconds: i64) -> f64 {
    let first = series
        .samples
        .front()
        .map_or(now_seconds, |it| it.time_seconds);
    (now_seconds - first).max(0) as f64 / series.samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::monitor::Sample;

    const CIRCUMSTANCES: Circumstances = Circumstances {
        threshold_ms: 100,
        slow_us: 10_000,
        slow_log_len: 128,
        now_seconds: 50,
    };

    fn series(moments: &[(i64, u64)]) -> Series {
        let samples = moments.iter().map(|&(time_seconds, latency_ms)| Sample {
            time_seconds,
            latency_ms,
        });
        Series {
            samples: samples.collect(),
            longest_ms: moments.iter().map(|it| it.1).max().unwrap_or_default(),
        }
    }

    #[test]
    fn who_watches_nothing_is_told_how_to() {
        let off = Circumstances {
            threshold_ms: 0,
            ..CIRCUMSTANCES
        };
        assert!(advise(&[], &off).contains("CONFIG SET latency-monitor-threshold"));
        assert!(advise(&[], &CIRCUMSTANCES).contains("Nothing took 100 ms"));
    }

    #[test]
    fn each_event_is_summed_up() {
        let all = [
            (Event::Command, series(&[(30, 100), (40, 300)])),
            (Event::ExpireCycle, series(&[(45, 120)])),
        ];
        let report = advise(&all, &CIRCUMSTANCES);
        let first = "1. command: 2 times, 200 ms on average (mean deviation 100 ms), 10.0 s between \
                     them, 300 ms at worst.";
        assert!(report.contains(first), "{report}");
        assert!(report.contains("2. expire-cycle: 1 times"), "{report}");
        assert!(report.contains("SLOWLOG GET"), "{report}");
        assert!(report.contains("spread their times"), "{report}");
        assert!(!report.contains("Eviction"), "{report}");
    }

    #[test]
    fn a_slow_log_that_shows_nothing_is_to_be_changed() {
        // What takes longer than any command does not tell what the log has.
        let all = [
            (Event::Command, series(&[(30, 100)])),
            (Event::ExpireCycle, series(&[(30, 9000)])),
        ];
        let of = |slow_us, slow_log_len| {
            let circumstances = Circumstances {
                slow_us,
                slow_log_len,
                ..CIRCUMSTANCES
            };
            advise(&all, &circumstances)
        };
        assert!(of(-1, 128).contains("The slow log is off"));
        assert!(of(0, 0).contains("The slow log keeps nothing"));
        assert!(of(100_001, 128).contains("Lower slowlog-log-slower-than"));
        assert!(of(100_000, 128).contains("- SLOWLOG GET shows"));
    }

    #[test]
    fn what_was_met_is_told_when_nothing_is_watched_any_more() {
        let all = [(Event::Command, series(&[(30, 100)]))];
        let off = Circumstances {
            threshold_ms: 0,
            ..CIRCUMSTANCES
        };
        assert!(advise(&all, &off).contains("1. command: 1 times"));
    }
}
