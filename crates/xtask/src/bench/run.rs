//! What is measured in what order, and how the measurements of several rounds become one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use oxidis_benchmark::load::{self, Endpoint, LoadError, Numbers, Outcome, Plan};
use oxidis_benchmark::request::Template;
use oxidis_testkit::TestServer;

use super::contenders::{self, Contender};
use super::report::{self, Cell, Report, Resident};
use super::{
    cpu, embedding, instructions, keep, latency, maxmemory, memory, persistence, workload,
};

/// How many connections send requests.
pub(super) const CLIENTS: usize = 50;

/// How many keys there are, where nothing else is asked for.
const KEYS: u64 = 3_000_000;

/// At which depths of pipelining is measured, how many requests the cheapest command sends, and in how many slices
/// that is done in each round, one server after the other in each. The machine's mood changes within tenths of a
/// second, by more than what is to be seen; so everybody is to get a little of each mood.
const DEPTHS: &[(usize, u64, usize)] =
    &[(1, 800_000, 16), (16, 4_000_000, 8), (64, 12_000_000, 12)];

/// How many of those requests are sent before, unmeasured.
const WARM_UP_SHARE: f64 = 0.2;

/// How long a server may keep every connection waiting.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub struct Arguments {
    /// Another server: NAME=COMMAND, where {port} and {workers} stand for numbers and {dir} for a folder;
    /// measured with several numbers of workers if it has {workers}.
    #[arg(long = "peer", value_name = "NAME=COMMAND")]
    pub(super) peers: Vec<String>,
    /// Measure the memory that keys and elements take instead, by shape of data set; of the options, those for peers, keys,
    /// rounds, the server and the name count.
    #[arg(long, group = "subject")]
    memory: bool,
    /// Measure how much memory is taken where `maxmemory` says how much may be, by shape of data set; of the options, those
    /// for peers, the server and the name count.
    #[arg(long, group = "subject")]
    maxmemory: bool,
    /// Measure latency at a fixed rate of requests instead, with and without work in the background; of the options, those
    /// for peers, keys, rounds, the rate, the server, the name and what goes on meanwhile count.
    #[arg(long, group = "subject")]
    latency: bool,
    /// With --latency: only these kinds of background work (the first words of their rows).
    #[arg(long, value_delimiter = ',', requires = "latency")]
    pub(super) during: Vec<String>,
    /// Measure what saving, loading and logging cost instead; of the options, those for keys, rounds, the rate, the
    /// server and the name count.
    #[arg(long, group = "subject")]
    persistence: bool,
    /// Count the instructions of requests by callgrind instead, and fail where they are a tenth more than what is kept
    /// in bench/instructions.json; of the options, those for the server and for keeping count.
    #[arg(long, group = "subject")]
    instructions: bool,
    /// With --instructions: keep the figures.
    #[arg(long, requires = "instructions")]
    pub(super) keep: bool,
    /// Measure Oxidis inside programs instead, beside what else is put there; of the options, the one for rounds counts.
    #[arg(long, group = "subject")]
    embedding: bool,
    /// How many keys are loaded before measuring: 3,000,000, with --persistence 5,000,000, with --memory (elements, too)
    /// and --latency 1,000,000.
    #[arg(long)]
    pub(super) keys: Option<u64>,
    /// How many rounds are measured; the tables show medians.
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
    /// With --persistence and --latency: how many requests a second are offered.
    #[arg(long, default_value_t = 20_000.0)]
    pub(super) rate: f64,
    /// The numbers of workers.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub(super) workers: Vec<u32>,
    /// The depths of pipelining.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    depths: Vec<usize>,
    /// Only these commands.
    #[arg(long, value_delimiter = ',')]
    commands: Vec<String>,
    /// The server under test, instead of this workspace's.
    #[arg(long)]
    pub(super) server: Option<PathBuf>,
    /// The name of the files under bench/, instead of the date.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// A short run, for trying something out: fewer keys, requests and rounds; nothing is written
    /// unless --name is given.
    #[arg(long)]
    pub(super) quick: bool,
}

impl Arguments {
    /// How many rounds there are.
    pub(super) fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    /// As many keys as were asked for, or `usual`, of which a quick run takes a tenth.
    pub(super) fn keys_or(&self, usual: u64) -> u64 {
        let unasked = if self.quick { usual / 10 } else { usual };
        self.keys.unwrap_or(unasked)
    }
}

/// Runs the tool.
///
/// # Errors
/// When a server does not start or answers errors; never because of a time.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.memory {
        return memory::run(arguments);
    }
    if arguments.maxmemory {
        return maxmemory::run(arguments);
    }
    if arguments.latency {
        return latency::run(arguments);
    }
    if arguments.persistence {
        return persistence::run(arguments);
    }
    if arguments.instructions {
        return instructions::run(arguments);
    }
    if arguments.embedding {
        return embedding::run(arguments);
    }
    let contenders = contenders::by_workers(arguments)?;
    let keys = arguments.keys.unwrap_or(KEYS);
    let keys = if arguments.quick {
        keys.min(300_000)
    } else {
        keys
    };
    let rounds = arguments.rounds();
    let requests_share = if arguments.quick { 0.2 } else { 1.0 };
    let mut measurements: BTreeMap<report::CellName, Vec<(f64, f64)>> = BTreeMap::new();
    let mut residents: BTreeMap<String, Resident> = BTreeMap::new();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        let mut running = Vec::new();
        for contender in &contenders {
            let server = contender
                .builder
                .start()
                .with_context(|| contender.name.clone())?;
            let empty_bytes = cpu::resident_bytes(server.pid());
            load_keys(&server, keys)?;
            if let (Some(empty), Some(full)) = (empty_bytes, cpu::resident_bytes(server.pid())) {
                let bytes_per_key = (full.saturating_sub(empty)) as f64 / keys as f64;
                let name = format!("{} ({} workers)", contender.name, contender.workers);
                residents.insert(
                    name.clone(),
                    Resident {
                        name,
                        bytes_per_key,
                    },
                );
            }
            running.push((contender, server));
        }
        let mut measured =
            |name: report::CellName, figures| measurements.entry(name).or_default().push(figures);
        measure(
            &running,
            arguments,
            keys,
            requests_share,
            round,
            &mut measured,
        )?;
    }
    let cells = measurements
        .into_iter()
        .map(|(name, figures)| Cell::median(name, &figures))
        .collect();
    let report = Report::new(
        keys,
        CLIENTS,
        rounds,
        residents.into_values().collect(),
        cells,
    );
    println!("\n{}", report.to_markdown());
    keep::keep(arguments, &report.date, &report.to_markdown(), &report)
}

/// Sends the requests of a plan, to a server that is not to fall silent.
pub(super) fn send(plan: Plan<'_>) -> Result<Outcome, LoadError> {
    let plan = Plan {
        silence_limit: Some(SILENCE_LIMIT),
        ..plan
    };
    load::run(&plan, |_| {})
}

pub(super) fn load_keys(server: &TestServer, keys: u64) -> Result<()> {
    for (template, requests) in workload::loads(keys) {
        load(server, &template, requests, Numbers::Counting)?;
    }
    Ok(())
}

/// Sends so many requests as fast as they are answered, to put in place what is measured then.
pub(super) fn load(
    server: &TestServer,
    template: &Template,
    requests: u64,
    numbers: Numbers,
) -> Result<()> {
    let endpoint = Endpoint::Tcp(server.address());
    send(Plan {
        numbers,
        clients: 4,
        depth: 100,
        ..Plan::new(&endpoint, template, requests)
    })?;
    Ok(())
}

/// Measures cell by cell, in each slice one server after the other: what is compared is to get the same of what the
/// machine grants.
fn measure(
    running: &[(&Contender, TestServer)],
    arguments: &Arguments,
    keys: u64,
    requests_share: f64,
    round: usize,
    measured: &mut impl FnMut(report::CellName, (f64, f64)),
) -> Result<()> {
    let is_wanted = |name: &str| {
        arguments.commands.is_empty()
            || arguments
                .commands
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    for &depth in &arguments.depths {
        let known = DEPTHS.iter().rfind(|(known, ..)| *known <= depth);
        let (_, base, slices) = *known.unwrap_or(&DEPTHS[0]);
        for (index, workload) in workload::workloads(keys).iter().enumerate() {
            if !is_wanted(workload.name) {
                continue;
            }
            let turns =
                (0..slices).flat_map(|slice| (0..running.len()).map(move |turn| (slice, turn)));
            for (slice, turn) in turns {
                // Every contender gets the same requests in the same slice, and others in the next.
                let seed = ((round * slices + slice) * 1_000 + index) as u64;
                // The order turns with each cell, round and slice: nobody is always first.
                let place = (turn + index + round + slice) % running.len();
                let (contender, server) = &running[place];
                let name = report::CellName {
                    command: index,
                    command_name: workload.name.to_owned(),
                    depth,
                    server: contender.name.clone(),
                    workers: contender.workers,
                };
                let requests = base as f64 * workload.share * requests_share / slices as f64;
                let figures = measure_cell(server, &workload.template, depth, requests, seed)
                    .with_context(|| {
                        format!("{} {} at depth {depth}", contender.name, workload.name)
                    })?;
                measured(name, figures);
            }
        }
    }
    Ok(())
}

/// Answers the processor's time for a request, in microseconds, and requests per second.
fn measure_cell(
    server: &TestServer,
    template: &Template,
    depth: usize,
    requests: f64,
    seed: u64,
) -> Result<(f64, f64)> {
    let endpoint = Endpoint::Tcp(server.address());
    let plan = |share: f64, seed: u64| Plan {
        numbers: Numbers::Random(seed),
        clients: CLIENTS,
        depth,
        ..Plan::new(&endpoint, template, (requests * share) as u64)
    };
    send(plan(WARM_UP_SHARE, seed + 500))?;
    let before = cpu::time_used(server.pid()).context("the platform does not tell CPU times")?;
    let done = send(plan(1.0, seed))?;
    let after = cpu::time_used(server.pid()).context("the server has ended")?;
    let cpu_us = (after - before).as_secs_f64() * 1e6 / done.requests as f64;
    Ok((cpu_us, done.requests_per_second()))
}
