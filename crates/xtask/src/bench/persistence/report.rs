//! What was found, as a table with the goals and as data.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::keep;
use super::run::depths;

/// What was measured of a server: in one round, or the medians over all.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) undisturbed_p50_ms: f64,
    pub(super) undisturbed_p999_ms: f64,
    pub(super) saving_p50_ms: f64,
    pub(super) saving_p99_ms: f64,
    pub(super) saving_p999_ms: f64,
    pub(super) saving_longest_ms: f64,
    pub(super) save_seconds: f64,
    pub(super) memory_before_bytes: f64,
    /// The most during BGSAVE over what it was before.
    pub(super) memory_ratio: f64,
    pub(super) load_seconds: f64,
    pub(super) load_cpu_seconds: f64,
    /// CPU microseconds for a SET, by depth.
    pub(super) set_cpu_us: [f64; 3],
    pub(super) set_cpu_us_with_log: [f64; 3],
    /// The second over the first: the median over slices that were measured one after the other.
    pub(super) log_ratios: [f64; 3],
}

impl Figures {
    /// The median of each figure.
    pub(super) fn median(rounds: &[Figures]) -> Figures {
        let of = |figure: &dyn Fn(&Figures) -> f64| keep::median(rounds.iter().map(figure));
        Figures {
            undisturbed_p50_ms: of(&|it| it.undisturbed_p50_ms),
            undisturbed_p999_ms: of(&|it| it.undisturbed_p999_ms),
            saving_p50_ms: of(&|it| it.saving_p50_ms),
            saving_p99_ms: of(&|it| it.saving_p99_ms),
            saving_p999_ms: of(&|it| it.saving_p999_ms),
            saving_longest_ms: of(&|it| it.saving_longest_ms),
            save_seconds: of(&|it| it.save_seconds),
            memory_before_bytes: of(&|it| it.memory_before_bytes),
            memory_ratio: of(&|it| it.memory_ratio),
            load_seconds: of(&|it| it.load_seconds),
            load_cpu_seconds: of(&|it| it.load_cpu_seconds),
            set_cpu_us: std::array::from_fn(|index| of(&|it| it.set_cpu_us[index])),
            set_cpu_us_with_log: std::array::from_fn(|index| {
                of(&|it| it.set_cpu_us_with_log[index])
            }),
            log_ratios: std::array::from_fn(|index| of(&|it| it.log_ratios[index])),
        }
    }

    /// What the log adds to the cost of a SET, as a share of it.
    fn log_costs(&self, index: usize) -> f64 {
        self.log_ratios[index] - 1.0
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) date: String,
    keys: u64,
    requests_per_second: f64,
    rounds: usize,
    cores: usize,
    oxidis: Figures,
    redis_server: Figures,
}

impl Report {
    /// A run of today on this machine.
    pub(super) fn new(
        keys: u64,
        requests_per_second: f64,
        rounds: usize,
        oxidis: Figures,
        redis_server: Figures,
    ) -> Self {
        Report {
            date: keep::today(),
            keys,
            requests_per_second,
            rounds,
            cores: keep::cores(),
            oxidis,
            redis_server,
        }
    }

    /// The table.
    pub(super) fn to_markdown(&self) -> String {
        let (ours, theirs) = (&self.oxidis, &self.redis_server);
        let mut text = format!(
            "# Persistence, {}\n\n{} keys of 16 bytes with values of 16 bytes; SETs of random keys offered at {} a second \
             over 50 connections, latency counted from when each was due; {} cores, medians of {} rounds. What the log adds is the median of the ratios of slices with and without it.\n\n\
             | | oxidis | redis-server | goal | |\n|---|---|---|---|---|\n",
            self.date, self.keys, self.requests_per_second, self.cores, self.rounds
        );
        let mut row =
            |name: &str, ours: String, theirs: String, goal: &str, holds: Option<bool>| {
                let holds = match holds {
                    None => "",
                    Some(true) => "holds",
                    Some(false) => "**missed**",
                };
                let _ = writeln!(text, "| {name} | {ours} | {theirs} | {goal} | {holds} |");
            };
        let mut plain = |name: &str, unit: &str, figure: fn(&Figures) -> f64| {
            let shown = |it| format!("{:.2} {unit}", figure(it));
            row(name, shown(ours), shown(theirs), "", None);
        };
        plain("p50, nothing saved", "ms", |it| it.undisturbed_p50_ms);
        plain("p99.9, nothing saved", "ms", |it| it.undisturbed_p999_ms);
        plain("p50 during BGSAVE", "ms", |it| it.saving_p50_ms);
        plain("p99 during BGSAVE", "ms", |it| it.saving_p99_ms);
        plain("longest during BGSAVE", "ms", |it| it.saving_longest_ms);
        plain("BGSAVE takes", "s", |it| it.save_seconds);
        plain("memory before BGSAVE", "MB", |it| {
            it.memory_before_bytes / 1e6
        });
        plain("loading takes", "s", |it| it.load_seconds);
        row(
            "p99.9 during BGSAVE",
            format!("{:.2} ms", ours.saving_p999_ms),
            format!("{:.2} ms", theirs.saving_p999_ms),
            "at most half",
            Some(ours.saving_p999_ms <= theirs.saving_p999_ms / 2.0),
        );
        row(
            "peak memory during BGSAVE, over that before",
            format!("{:.3}", ours.memory_ratio),
            format!("{:.3}", theirs.memory_ratio),
            "at most 1.15",
            Some(ours.memory_ratio <= 1.15),
        );
        row(
            "loading, CPU seconds (seconds x cores used)",
            format!("{:.2} s", ours.load_cpu_seconds),
            format!("{:.2} s", theirs.load_cpu_seconds),
            "at most half",
            Some(ours.load_cpu_seconds <= theirs.load_cpu_seconds / 2.0),
        );
        for (index, depth) in depths().into_iter().enumerate() {
            let shown = |it: &Figures| {
                let (without, with) = (it.set_cpu_us[index], it.set_cpu_us_with_log[index]);
                let percent = it.log_costs(index) * 100.0;
                format!("{without:.3} -> {with:.3} us ({percent:+.1} %)")
            };
            row(
                &format!("CPU of a SET at depth {depth}, no AOF -> everysec"),
                shown(ours),
                shown(theirs),
                "at most +15 %",
                Some(ours.log_costs(index) <= 0.15),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(p999_ms: f64) -> Figures {
        Figures {
            undisturbed_p50_ms: 0.1,
            undisturbed_p999_ms: 0.5,
            saving_p50_ms: 0.1,
            saving_p99_ms: 0.2,
            saving_p999_ms: p999_ms,
            saving_longest_ms: 9.0,
            save_seconds: 3.0,
            memory_before_bytes: 1e9,
            memory_ratio: 1.2,
            load_seconds: 2.0,
            load_cpu_seconds: 2.0,
            set_cpu_us: [1.0; 3],
            set_cpu_us_with_log: [1.1, 1.2, 1.1],
            log_ratios: [1.1, 1.2, 1.1],
        }
    }

    #[test]
    fn the_table_says_which_goals_hold() {
        let ours = Figures::median(&[figures(1.0), figures(8.0), figures(2.0)]);
        let text = Report::new(10, 1000.0, 3, ours, figures(4.0)).to_markdown();
        let row = "| p99.9 during BGSAVE | 2.00 ms | 4.00 ms | at most half | holds |";
        assert!(text.contains(row), "{text}");
        let row = "1.200 | 1.200 | at most 1.15 | **missed** |";
        assert!(text.contains(row), "{text}");
        let row = "depth 16, no AOF -> everysec | 1.000 -> 1.200 us (+20.0 %)";
        assert!(text.contains(row), "{text}");
    }
}
