//! `cargo xtask bench --maxmemory`: how much memory a server really takes when it is told how much it may, by shape of data
//! set, each in a process of its own. (What a key takes is in `memory`.)
//!
//! A server gets keys until as many have been evicted as it holds, so that what is looked at has been through every place of
//! its memory. Holes that another shape has left are not measured: that is what `activedefrag` is for.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use oxidis_benchmark::load::Numbers;
use oxidis_benchmark::request::Template;
use oxidis_testkit::{Client, TestServer};
use serde::Serialize;

use super::contenders::{self, Contender, OXIDIS};
use super::run::{self, Arguments};
use super::{cpu, keep, workload};

/// `maxmemory`, and that of a quick run.
const LIMIT_BYTES: u64 = 1 << 30;
const LIMIT_BYTES_QUICK: u64 = 1 << 27;

/// Requests are sent in portions of about so many, by the bytes of the limit.
const PORTIONS_OF_LIMIT: u64 = 8;

/// After so many portions it is looked at in any case.
const PORTIONS_MAX: u64 = 100;

/// How long a server is left alone before it is looked at again: jemalloc gives pages that hold nothing back within ten
/// seconds.
const SETTLING: Duration = Duration::from_secs(12);

/// A process is to be larger than the limit by at most this share.
const GOAL: f64 = 1.10;

/// Numbers in keys are drawn below this, so that hardly any comes twice.
const KEYS: u64 = 1_000_000_000_000;

/// Streams get entries one by one, so there are only so many of them for each GiB of the limit.
const STREAMS_PER_GIB: u64 = 2_000_000;

/// A data set: its name, and the requests that make it, which are sent side by side.
struct Shape {
    name: &'static str,
    templates: Vec<Template>,
}

/// What became of a server.
#[derive(Debug, Serialize)]
struct Cell {
    shape: &'static str,
    server: String,
    /// Resident bytes in parts of the limit, when the last key had come and later.
    at_once: f64,
    later: f64,
    keys: u64,
    evicted: u64,
}

/// A whole run.
#[derive(Debug, Serialize)]
struct Report {
    date: String,
    limit_bytes: u64,
    cells: Vec<Cell>,
}

/// Runs the tool.
///
/// # Errors
/// When a server does not start or answers errors; never because of a figure.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let limit_bytes = if arguments.quick {
        LIMIT_BYTES_QUICK
    } else {
        LIMIT_BYTES
    };
    let contenders = contenders::as_they_come(arguments)?;
    let mut cells = Vec::new();
    for shape in shapes(limit_bytes) {
        for contender in &contenders {
            let cell = measure(contender, &shape, limit_bytes).context(shape.name)?;
            println!(
                "{}, {}: {:.3}, later {:.3}; {} keys, {} evicted",
                cell.shape, cell.server, cell.at_once, cell.later, cell.keys, cell.evicted
            );
            cells.push(cell);
        }
    }
    let report = Report {
        date: keep::today(),
        limit_bytes,
        cells,
    };
    println!("\n{}", report.to_markdown());
    let name = format!("maxmemory-{}", report.date);
    keep::keep(arguments, &name, &report.to_markdown(), &report)
}

fn shapes(limit_bytes: u64) -> Vec<Shape> {
    let text = |length: usize| workload::VALUE.repeat(length.div_ceil(16))[..length].to_owned();
    let set = |length| format!("SET key:{{{KEYS}}} {}", text(length));
    let several = |command: &str, count: usize, element: &dyn Fn(usize) -> String| {
        let elements: String = (0..count).map(element).collect();
        format!("{command}:{{{KEYS}}}{elements}")
    };
    let field = |number| format!(" field:{number} {}", text(16));
    let member = |number| format!(" member:{number}");
    let scored = |number| format!(" {number}.5 member:{number}");
    let streams = STREAMS_PER_GIB * limit_bytes / LIMIT_BYTES;
    let short: Vec<String> = (4..=48).step_by(4).map(set).collect();
    let collections = [
        several("HSET hash", 10, &field),
        several("HSET hash", 300, &field),
        several("RPUSH list", 100, &|_| format!(" {}", text(16))),
        several("SADD set", 50, &member),
        several("SADD set", 300, &member),
        several("ZADD zset", 20, &scored),
        several("ZADD zset", 300, &scored),
    ];
    let [hashes, big_hashes, lists, sets, big_sets, zsets, big_zsets] = collections.clone();
    let stream = format!("XADD stream:{{{streams}}} * field {}", text(16));
    let mut mixed = short.clone();
    mixed.extend(collections);
    mixed.push(set(1_000));
    let shape = |name, requests: Vec<String>| Shape {
        name,
        templates: requests.iter().map(|it| workload::template(it)).collect(),
    };
    vec![
        shape("strings of 16 bytes", vec![set(16)]),
        shape("strings of 4 to 48 bytes", short),
        shape("strings of 1 KB", vec![set(1_000)]),
        shape("strings of 100 KB", vec![set(100_000)]),
        shape("hashes of 10", vec![hashes]),
        shape("hashes of 300", vec![big_hashes]),
        shape("lists of 100", vec![lists]),
        shape("sets of 50", vec![sets]),
        shape("sets of 300", vec![big_sets]),
        shape("sorted sets of 20", vec![zsets]),
        shape("sorted sets of 300", vec![big_zsets]),
        shape("streams", vec![stream]),
        shape("short strings, collections and strings of 1 KB", mixed),
    ]
}

fn measure(contender: &Contender, shape: &Shape, limit_bytes: u64) -> Result<Cell> {
    let limit = limit_bytes.to_string();
    let builder = contender.builder.clone().arguments([
        "--maxmemory",
        &limit,
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let server = builder.start().with_context(|| contender.name.clone())?;
    let mut client = server.client();
    let mut seed = 0;
    let (keys, evicted) = loop {
        fill(&server, shape, limit_bytes, seed)?;
        seed += 1;
        let keys = number(&client.run("DBSIZE").text());
        let evicted = counted(&mut client, "evicted_keys");
        if evicted >= keys || seed == PORTIONS_MAX {
            break (keys, evicted);
        }
    };
    let resident = || {
        let bytes = cpu::resident_bytes(server.pid()).context("the platform tells no memory")?;
        anyhow::Ok(bytes as f64 / limit_bytes as f64)
    };
    let at_once = resident()?;
    thread::sleep(SETTLING);
    Ok(Cell {
        shape: shape.name,
        server: contender.name.clone(),
        at_once,
        later: resident()?,
        keys,
        evicted,
    })
}

/// Sends a portion, the same bytes of each kind of request.
fn fill(server: &TestServer, shape: &Shape, limit_bytes: u64, seed: u64) -> Result<()> {
    let bytes = limit_bytes / PORTIONS_OF_LIMIT / shape.templates.len() as u64;
    thread::scope(|scope| {
        let send = |(index, template): (usize, &'_ Template)| {
            let requests = (bytes / template.bytes().len() as u64).max(1);
            let numbers = Numbers::Random(seed * 1_000 + index as u64);
            run::load(server, template, requests, numbers)
        };
        let senders: Vec<_> = shape
            .templates
            .iter()
            .enumerate()
            .map(|it| scope.spawn(move || send(it)))
            .collect();
        senders.into_iter().try_for_each(|it| {
            // A panic of a sender is one of this tool.
            it.join().expect("it sends")
        })
    })
}

/// A field of INFO's statistics.
fn counted(client: &mut Client, name: &str) -> u64 {
    let information = client.run("INFO stats").text();
    let mut fields = information.lines().filter_map(|line| line.split_once(':'));
    fields
        .find(|(found, _)| *found == name)
        .map_or(0, |(_, value)| number(value))
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or_default()
}

impl Report {
    /// The table: a row a shape, and for each server what it takes at once and later.
    fn to_markdown(&self) -> String {
        let mut servers: Vec<&str> = Vec::new();
        for cell in &self.cells {
            if !servers.contains(&cell.server.as_str()) {
                servers.push(&cell.server);
            }
        }
        let mut text = format!(
            "# maxmemory, {}\n\nResident bytes in parts of `maxmemory` ({} bytes, `allkeys-lru`) when as many keys had been evicted as \
             were there, and {} s later; a fresh process a cell, everything else as it is by itself.\n\n|",
            self.date,
            self.limit_bytes,
            SETTLING.as_secs()
        );
        for server in &servers {
            let _ = write!(text, " | {server} | later");
        }
        let columns = "---|".repeat(servers.len() * 2);
        let _ = writeln!(text, " | goal | |\n|---|{columns}---|---|");
        for row in self.cells.chunk_by(|one, next| one.shape == next.shape) {
            let _ = write!(text, "| {}", row[0].shape);
            for server in &servers {
                let cell = row.iter().find(|cell| cell.server == *server);
                let _ = match cell {
                    Some(cell) => write!(text, " | {:.2} | {:.2}", cell.at_once, cell.later),
                    None => write!(text, " |  | "),
                };
            }
            let ours = row.iter().find(|cell| cell.server == OXIDIS);
            let verdict = match ours.map(|cell| cell.at_once.max(cell.later)) {
                Some(most) if most <= GOAL => "holds",
                Some(_) => "**missed**",
                None => "",
            };
            let _ = writeln!(text, " | {GOAL:.2} | {verdict} |");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_a_row_that_says_whether_the_limit_holds() {
        let cell = |shape, server: &str, at_once, later| Cell {
            shape,
            server: server.to_owned(),
            at_once,
            later,
            keys: 1,
            evicted: 1,
        };
        let report = Report {
            date: "today".to_owned(),
            limit_bytes: 1,
            cells: vec![
                cell("one", OXIDIS, 1.1, 1.0),
                cell("one", "other", 1.5, 1.25),
                cell("two", OXIDIS, 1.05, 1.105),
            ],
        };
        let text = report.to_markdown();
        let table = text.split("itself.\n\n").nth(1).unwrap();
        assert_eq!(
            table,
            "| | oxidis | later | other | later | goal | |\n\
             |---|---|---|---|---|---|---|\n\
             | one | 1.10 | 1.00 | 1.50 | 1.25 | 1.10 | holds |\n\
             | two | 1.05 | 1.10 |  |  | 1.10 | **missed** |\n"
        );
    }

    #[test]
    fn requests_are_as_large_as_their_names_say() {
        let shapes = shapes(LIMIT_BYTES);
        let elements = |name: &str| {
            let shape = shapes.iter().find(|it| it.name == name).unwrap();
            let text = shape.templates[0].bytes();
            let count = text[1..].iter().take_while(|it| it.is_ascii_digit());
            count.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
        };
        assert_eq!(elements("hashes of 300"), 2 + 2 * 300);
        assert_eq!(elements("sets of 50"), 2 + 50);
        assert_eq!(elements("sorted sets of 20"), 2 + 2 * 20);
        let mixed = shapes.last().unwrap();
        assert_eq!(mixed.templates.len(), 12 + 7 + 1);
    }
}
