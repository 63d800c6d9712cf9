//! What was found, as a table with the goals and as data.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::contenders::OXIDIS;
use super::super::keep;
use super::shapes::Shape;

/// What a server takes for a shape.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    shape: &'static str,
    unit: &'static str,
    goal_bytes: f64,
    server: String,
    /// The median, if the server could be measured.
    bytes_per_unit: Option<f64>,
    rounds: Vec<f64>,
}

impl Cell {
    /// The median of what was measured, which may be nothing.
    pub(super) fn new(shape: &Shape, server: &str, rounds: Vec<f64>) -> Self {
        Cell {
            shape: shape.name,
            unit: shape.unit,
            goal_bytes: shape.goal_bytes,
            server: server.to_owned(),
            bytes_per_unit: (!rounds.is_empty()).then(|| keep::median(rounds.iter().copied())),
            rounds,
        }
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) date: String,
    units: u64,
    rounds: usize,
    cells: Vec<Cell>,
}

impl Report {
    /// A run of today; the cells come shape by shape.
    pub(super) fn new(units: u64, rounds: usize, cells: Vec<Cell>) -> Self {
        Report {
            date: keep::today(),
            units,
            rounds,
            cells,
        }
    }

    /// The table: a row a shape, a column a server, and whether Oxidis is at or under its goal.
    pub(super) fn to_markdown(&self) -> String {
        let mut servers: Vec<&str> = Vec::new();
        for cell in &self.cells {
            if !servers.contains(&cell.server.as_str()) {
                servers.push(&cell.server);
            }
        }
        let mut text = format!(
            "# Memory, {}\n\nResident bytes per key or element: what a fresh process takes after loading {} of them less what it \
             took before. Keys, members, fields and values of 16 bytes, but for fields in hashes of 10 (2 bytes) and stream \
             entries (a field and a value of one byte); median of {} rounds.\n\n| | per |",
            self.date, self.units, self.rounds
        );
        for server in &servers {
            let _ = write!(text, " {server} |");
        }
        let _ = writeln!(
            text,
            " goal | |\n|---|---|{}---|---|",
            "---|".repeat(servers.len())
        );
        for row in self.cells.chunk_by(|one, next| one.shape == next.shape) {
            let _ = write!(text, "| {} | {} |", row[0].shape, row[0].unit);
            let bytes_of = |server: &str| {
                let cell = row.iter().find(|cell| cell.server == server);
                cell.and_then(|cell| cell.bytes_per_unit)
            };
            for server in &servers {
                let shown = bytes_of(server).map_or_else(String::new, |it| format!("{it:.1}"));
                let _ = write!(text, " {shown} |");
            }
            let verdict = match bytes_of(OXIDIS) {
                Some(bytes) if bytes <= row[0].goal_bytes => "holds",
                Some(_) => "**missed**",
                None => "",
            };
            let _ = writeln!(text, " {} | {verdict} |", row[0].goal_bytes);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes::shapes;
    use super::*;

    #[test]
    fn each_shape_is_a_row_that_says_whether_its_goal_holds() {
        let shapes = shapes(10);
        let cells = vec![
            Cell::new(&shapes[0], OXIDIS, vec![51.0, 52.0, 99.0]),
            Cell::new(&shapes[0], "redis-server", vec![130.0]),
            Cell::new(&shapes[0], "other", Vec::new()),
            Cell::new(&shapes[8], OXIDIS, vec![12.04]),
            Cell::new(&shapes[8], "redis-server", vec![13.5]),
            Cell::new(&shapes[8], "other", vec![254.0]),
        ];
        let text = Report::new(10, 3, cells).to_markdown();
        let table = text.split("rounds.\n\n").nth(1).unwrap();
        assert_eq!(
            table,
            "| | per | oxidis | redis-server | other | goal | |\n\
             |---|---|---|---|---|---|---|\n\
             | string | key | 52.0 | 130.0 |  | 52 | holds |\n\
             | stream | entry | 12.0 | 13.5 | 254.0 | 12 | **missed** |\n"
        );
    }
}
