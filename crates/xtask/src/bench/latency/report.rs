//! What was found, as a table with the bound on stalls and as data.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::super::contenders::OXIDIS;
use super::super::keep;
use super::super::offered::{Latency, OfferedLoad};
use super::super::run::CLIENTS;
use super::activity::Activity;
use super::run::KEYS;

/// No request is to wait longer for another client's work.
const STALL_MAX_MS: f64 = 1.0;

/// What was measured of a server with something going on.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    activity: String,
    is_bounded: bool,
    server: String,
    rounds: Vec<Latency>,
    /// The worst stall of each round, in milliseconds.
    stalls_ms: Vec<f64>,
    /// What the server found slow, in the round with the least stall.
    said: String,
}

impl Cell {
    /// Without a round yet.
    pub(super) fn new(activity: Activity, server: &str) -> Self {
        Cell {
            activity: activity.to_string(),
            is_bounded: activity.is_bounded(KEYS),
            server: server.to_owned(),
            rounds: Vec::new(),
            stalls_ms: Vec::new(),
            said: String::new(),
        }
    }

    /// Adds a round, with its worst stall and what the server said of it.
    pub(super) fn push(&mut self, latency: Latency, stall: Duration, said: String) {
        let stall_ms = stall.as_secs_f64() * 1000.0;
        if self.stall_ms().is_none_or(|least| stall_ms < least) {
            self.said = said;
        }
        self.rounds.push(latency);
        self.stalls_ms.push(stall_ms);
    }

    fn median(&self, figure: impl Fn(&Latency) -> f64) -> f64 {
        keep::median(self.rounds.iter().map(figure))
    }

    /// The worst stall of the round in which it was least: noise only adds to it.
    fn stall_ms(&self) -> Option<f64> {
        self.stalls_ms.iter().copied().min_by(f64::total_cmp)
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
    cells: Vec<Cell>,
}

impl Report {
    /// A run of today on this machine.
    pub(super) fn new(load: OfferedLoad, rounds: usize, cells: Vec<Cell>) -> Self {
        Report {
            date: keep::today(),
            keys: load.keys,
            requests_per_second: load.rate,
            rounds,
            cores: keep::cores(),
            cells,
        }
    }

    /// The table: a row for each server and what goes on in it.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = format!(
            "# Latency, {}\n\nSETs of {} keys, random, of 16 bytes with values of 16 bytes, offered at {} a second over {CLIENTS} \
             connections, while in the server something else goes on. Milliseconds from when a request was due to its reply; \
             three seconds and more count as three. Medians of {} rounds, {} cores.\n\n\
             The worst stall is the longest that a request of one client more waited while the server computed: at most the CPU time \
             that the server used from the request to its reply, less what that client itself waited for a core. The round counts \
             in which it was least: what the server does is there in each. It is to be at most {STALL_MAX_MS} ms; what is longer, \
             and no longer than with nothing going on, is called noise. \"Generator late\" is how late requests left by the generator's own fault or \
             the machine's; the last column is what the server itself found slow (its slow log, its latency events).\n\n\
             | meanwhile | server | p50 | p99 | p99.9 | longest | generator late | worst stall | | the server says |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
            self.date, self.keys, self.requests_per_second, self.rounds, self.cores
        );
        for cell in &self.cells {
            let Some(stall_ms) = cell.stall_ms() else {
                let _ = writeln!(
                    text,
                    "| {} | {} | | | | | | | | |",
                    cell.activity, cell.server
                );
                continue;
            };
            let _ = writeln!(
                text,
                "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {stall_ms:.2} | {} | {} |",
                cell.activity,
                cell.server,
                cell.median(|it| it.p50_ms),
                cell.median(|it| it.p99_ms),
                cell.median(|it| it.p999_ms),
                cell.median(|it| it.longest_ms),
                cell.median(|it| it.generator_ms),
                self.verdict(cell, stall_ms),
                cell.said
            );
        }
        text
    }

    fn verdict(&self, cell: &Cell, stall_ms: f64) -> &'static str {
        if cell.server != OXIDIS || !cell.is_bounded {
            return "";
        }
        let nothing = Activity::Nothing.to_string();
        let is_control = |it: &&Cell| it.server == cell.server && it.activity == nothing;
        let control_ms = self.cells.iter().find(is_control).and_then(Cell::stall_ms);
        if stall_ms <= STALL_MAX_MS {
            "holds"
        } else if control_ms.is_some_and(|control_ms| stall_ms <= control_ms) {
            "noise"
        } else {
            "**missed**"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(longest_ms: f64) -> Latency {
        Latency {
            p50_ms: 0.1,
            p99_ms: 0.2,
            p999_ms: 0.3,
            longest_ms,
            generator_ms: 0.05,
        }
    }

    fn cell(activity: Activity, server: &str, stalls_ms: &[f64]) -> Cell {
        let mut cell = Cell::new(activity, server);
        for &stall_ms in stalls_ms {
            let stall = Duration::from_secs_f64(stall_ms / 1000.0);
            cell.push(
                latency(stall_ms * 10.0),
                stall,
                format!("SET {stall_ms} ms"),
            );
        }
        cell
    }

    #[test]
    fn a_stall_is_judged_by_the_bound_and_by_the_control() {
        let load = OfferedLoad {
            keys: 10,
            rate: 1000.0,
        };
        let snapshot = Activity::Snapshot { keys: 10 };
        let growth = Activity::Growth { keys: 50 };
        let flush = Activity::Flush { keys: 10 };
        let cells = vec![
            cell(Activity::Nothing, OXIDIS, &[1.5, 2.5, 9.0]),
            cell(snapshot, OXIDIS, &[7.0, 0.9, 8.0]),
            cell(snapshot, "redis-server", &[30.0]),
            cell(growth, OXIDIS, &[1.4]),
            cell(flush, OXIDIS, &[1.6]),
            cell(flush, "other", &[]),
        ];
        let text = Report::new(load, 3, cells).to_markdown();
        let table = text.split("|---|\n").nth(1).unwrap();
        assert_eq!(
            table,
            "| nothing | oxidis | 0.10 | 0.20 | 0.30 | 25.00 | 0.05 | 1.50 |  | SET 1.5 ms |\n\
             | BGSAVE of 10 keys | oxidis | 0.10 | 0.20 | 0.30 | 70.00 | 0.05 | 0.90 | holds | SET 0.9 ms |\n\
             | BGSAVE of 10 keys | redis-server | 0.10 | 0.20 | 0.30 | 300.00 | 0.05 | 30.00 |  | SET 30 ms |\n\
             | growth to 50 keys | oxidis | 0.10 | 0.20 | 0.30 | 14.00 | 0.05 | 1.40 | noise | SET 1.4 ms |\n\
             | FLUSHALL ASYNC of 10 keys | oxidis | 0.10 | 0.20 | 0.30 | 16.00 | 0.05 | 1.60 | **missed** | SET 1.6 ms |\n\
             | FLUSHALL ASYNC of 10 keys | other | | | | | | | | |\n"
        );
    }
}
