//! What a bench run found, as a table in Markdown and as data in JSON.

use std::fmt::Write as _;

use serde::Serialize;

use super::contenders::{OXIDIS, REFERENCE};
use super::keep;

/// What was measured: a command at a depth on a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CellName {
    /// The place of the command in the tables.
    #[serde(skip)]
    pub command: usize,
    #[serde(rename = "command")]
    pub command_name: String,
    pub depth: usize,
    pub server: String,
    pub workers: u32,
}

/// The median of what was measured.
#[derive(Debug, Serialize)]
pub struct Cell {
    #[serde(flatten)]
    pub name: CellName,
    /// Microseconds of CPU time (user and system) that the server spent on a request.
    pub cpu_us_per_request: f64,
    pub requests_per_second: f64,
    /// The CPU times of all rounds' slices.
    pub cpu_us_slices: Vec<f64>,
}

impl Cell {
    /// The medians over all rounds' slices of `(CPU microseconds, requests per second)`.
    pub fn median(name: CellName, slices: &[(f64, f64)]) -> Self {
        Self {
            name,
            cpu_us_per_request: keep::median(slices.iter().map(|slice| slice.0)),
            requests_per_second: keep::median(slices.iter().map(|slice| slice.1)),
            cpu_us_slices: slices.iter().map(|slice| slice.0).collect(),
        }
    }

    /// What this costs as a ratio to what `other` costs: the median over the slices of both, each with the one that was
    /// measured right beside it, so that the machine's mood falls out.
    fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.cpu_us_slices.iter().zip(&other.cpu_us_slices);
        keep::median(pairs.map(|(ours, theirs)| ours / theirs))
    }
}

/// What a request with two workers is to cost at most, as a ratio to one.
const TWO_WORKERS_GOAL: f64 = 1.10;

/// What a request is to cost at most, as a ratio to the reference.
fn goal(command: &str, depth: usize) -> Option<f64> {
    match (command, depth) {
        (_, 1) => Some(0.85),
        ("GET", 16) => Some(0.55),
        ("GET", 64) => Some(0.33),
        ("SET", 64) => Some(0.30),
        (_, 64) => Some(0.55),
        _ => None,
    }
}

fn verdict(ratio: f64, goal: f64) -> &'static str {
    if ratio <= goal { "holds" } else { "**missed**" }
}

/// The memory of a server after loading.
#[derive(Debug, Serialize)]
pub struct Resident {
    pub name: String,
    pub bytes_per_key: f64,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub date: String,
    keys: u64,
    clients: usize,
    rounds: usize,
    cores: usize,
    resident: Vec<Resident>,
    cells: Vec<Cell>,
}

impl Report {
    /// A run of today on this machine.
    pub fn new(
        keys: u64,
        clients: usize,
        rounds: usize,
        resident: Vec<Resident>,
        cells: Vec<Cell>,
    ) -> Self {
        Self {
            date: keep::today(),
            keys,
            clients,
            rounds,
            cores: keep::cores(),
            resident,
            cells,
        }
    }

    /// The tables: a row a command and depth, a column a server.
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "# Benchmark of {}\n\n{} keys, {} clients, 16-byte values, uniformly random keys, {} cores, medians of {} rounds, each in slices that the servers take in turn. Ratios are medians of the ratios of slices, too.\n",
            self.date, self.keys, self.clients, self.cores, self.rounds
        );
        let _ = writeln!(
            text,
            "\n## Server CPU per request, in microseconds (and as a ratio to {REFERENCE})\n"
        );
        self.write_table(&mut text, |cell, reference| {
            let ratio = reference.map(|reference| cell.ratio_to(reference));
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
            format!("{:.3}{ratio}", cell.cpu_us_per_request)
        });
        let _ = writeln!(text, "\n## Thousands of requests per second\n");
        self.write_table(&mut text, |cell, _| {
            format!("{:.0}", cell.requests_per_second / 1000.0)
        });
        self.write_goals_table(&mut text);
        self.write_workers_table(&mut text);
        let _ = writeln!(
            text,
            "\n## Resident bytes per key after loading\n\n| server | bytes per key |\n|---|---|"
        );
        for resident in &self.resident {
            let _ = writeln!(
                text,
                "| {} | {:.1} |",
                resident.name, resident.bytes_per_key
            );
        }
        text
    }

    fn write_table(&self, text: &mut String, show: impl Fn(&Cell, Option<&Cell>) -> String) {
        let servers = self.servers();
        let _ = write!(text, "| command | depth |");
        for (server, workers) in &servers {
            let _ = write!(text, " {server}, {workers} w |");
        }
        let _ = writeln!(text, "\n|---|---|{}", "---|".repeat(servers.len()));
        for (command, depth) in self.rows() {
            let _ = write!(text, "| {command} | {depth} |");
            let reference = self.cell(command, depth, REFERENCE, 1);
            for (server, workers) in &servers {
                let shown = self
                    .cell(command, depth, server, *workers)
                    .map(|cell| show(cell, reference));
                let _ = write!(text, " {} |", shown.unwrap_or_default());
            }
            text.push('\n');
        }
    }

    /// What a request is to cost at most beside the reference, and whether it does.
    fn write_goals_table(&self, text: &mut String) {
        let rows: Vec<String> = self
            .rows()
            .into_iter()
            .filter_map(|(command, depth)| {
                let goal = goal(command, depth)?;
                let ours = self.cell(command, depth, OXIDIS, 1)?;
                let ratio = ours.ratio_to(self.cell(command, depth, REFERENCE, 1)?);
                let verdict = verdict(ratio, goal);
                Some(format!(
                    "| {command} | {depth} | {ratio:.2} | {goal:.2} | {verdict} |\n"
                ))
            })
            .collect();
        if !rows.is_empty() {
            let _ = write!(
                text,
                "\n## CPU per request of oxidis with one worker, as a ratio to {REFERENCE}\n\n\
                 | command | depth | ratio | goal | |\n|---|---|---|---|---|\n{}",
                rows.concat()
            );
        }
    }

    /// What a second worker costs each request.
    fn write_workers_table(&self, text: &mut String) {
        let pairs: Vec<String> = self
            .rows()
            .into_iter()
            .filter_map(|(command, depth)| {
                let two = self.cell(command, depth, OXIDIS, 2)?;
                let ratio = two.ratio_to(self.cell(command, depth, OXIDIS, 1)?);
                let verdict = verdict(ratio, TWO_WORKERS_GOAL);
                Some(format!(
                    "| {command} | {depth} | {ratio:.2} | {TWO_WORKERS_GOAL:.2} | {verdict} |\n"
                ))
            })
            .collect();
        if !pairs.is_empty() {
            let _ = write!(
                text,
                "\n## CPU per request of oxidis with two workers, as a ratio to one\n\n"
            );
            let _ = write!(
                text,
                "| command | depth | ratio | goal | |\n|---|---|---|---|---|\n{}",
                pairs.concat()
            );
        }
    }

    fn servers(&self) -> Vec<(&str, u32)> {
        let mut servers = Vec::new();
        for cell in &self.cells {
            let server = (cell.name.server.as_str(), cell.name.workers);
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        servers.sort();
        servers
    }

    fn rows(&self) -> Vec<(&str, usize)> {
        let mut rows = Vec::new();
        for cell in &self.cells {
            let row = (cell.name.command_name.as_str(), cell.name.depth);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    fn cell(&self, command: &str, depth: usize, server: &str, workers: u32) -> Option<&Cell> {
        self.cells.iter().find(|cell| {
            let name = &cell.name;
            (
                name.command_name.as_str(),
                name.depth,
                name.server.as_str(),
                name.workers,
            ) == (command, depth, server, workers)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(server: &str, workers: u32, rounds: &[(f64, f64)]) -> Cell {
        let command_name = "GET".to_owned();
        Cell::median(
            CellName {
                command: 0,
                command_name,
                depth: 64,
                server: server.to_owned(),
                workers,
            },
            rounds,
        )
    }

    #[test]
    fn the_table_shows_medians_and_ratios() {
        let cells = vec![
            cell("oxidis", 1, &[(0.9, 1e6), (0.5, 2e6), (0.1, 3e6)]),
            cell("oxidis", 2, &[(1.08, 1e6), (0.55, 1e6), (0.1, 1e6)]),
            // The medians are 0.5 and 1; but twice of three times it cost four times as much.
            cell(REFERENCE, 1, &[(3.6, 1e6), (1.0, 1e6), (0.4, 1e6)]),
        ];
        let text = Report::new(10, 50, 3, Vec::new(), cells).to_markdown();
        assert!(
            text.contains("| GET | 64 | 0.500 (0.25) | 0.550 (0.30) | 1.000 (1.00) |"),
            "{text}"
        );
        assert!(
            text.contains("| GET | 64 | 0.25 | 0.33 | holds |"),
            "{text}"
        );
        assert!(
            text.contains("| GET | 64 | 1.10 | 1.10 | holds |"),
            "{text}"
        );
        assert!(text.contains("| GET | 64 | 2000 | 1000 | 1000 |"), "{text}");
    }
}
