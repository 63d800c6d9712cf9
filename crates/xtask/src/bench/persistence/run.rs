//! Which server is measured when, and how several rounds become one figure.

use std::time::Duration;

use anyhow::{Context, Result};
use oxidis_testkit::ServerBuilder;

use super::super::contenders::REFERENCE;
use super::super::keep;
use super::super::offered::OfferedLoad;
use super::super::run::Arguments;
use super::measure;
use super::report::{Figures, Report};
use crate::workspace;

/// How many keys there are, where nothing else is asked for.
const KEYS: u64 = 5_000_000;

/// How long latency is measured while nothing is saved.
const UNDISTURBED: Duration = Duration::from_secs(5);

/// At which depths of pipelining the cost of the log is measured, and with how many requests.
const DEPTHS: [(usize, u64); 3] = [(1, 400_000), (16, 2_000_000), (64, 4_000_000)];

/// In how many slices that is done, the server without and the one with the log in turn: the machine's mood changes by more
/// than what is to be seen.
const SLICES: u64 = 8;

/// Runs the tool.
///
/// # Errors
/// When a server does not start, or answers errors; never because of a time.
pub(in super::super) fn run(arguments: &Arguments) -> Result<()> {
    let ours = match &arguments.server {
        Some(path) => std::path::absolute(path)?,
        None => workspace::server_binary()?,
    };
    let contenders = [
        ("oxidis", ServerBuilder::new(ours)),
        (REFERENCE, ServerBuilder::new(workspace::redis_server()?)),
    ];
    let rounds = arguments.rounds();
    let load = OfferedLoad {
        keys: arguments.keys_or(KEYS),
        rate: arguments.rate,
    };
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        // The order turns with each round: nobody is always first.
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len();
            let (name, builder) = &contenders[index];
            println!("round {} of {rounds}: {name}", round + 1);
            let found = measure_all(builder, load).with_context(|| (*name).to_owned())?;
            println!("  {found:?}");
            figures[index].push(found);
        }
    }
    let [ours, reference] = [0, 1].map(|index| Figures::median(&figures[index]));
    let report = Report::new(load.keys, load.rate, rounds, ours, reference);
    println!("\n{}", report.to_markdown());
    let name = format!("persistence-{}", report.date);
    keep::keep(arguments, &name, &report.to_markdown(), &report)
}

fn measure_all(builder: &ServerBuilder, load: OfferedLoad) -> Result<Figures> {
    let with_log = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
    let builder_with_log = builder.clone().arguments(with_log);
    let builder = builder.clone().arguments(["--appendonly", "no"]);
    let server = measure::start_with_keys(&builder, load.keys)?;
    let undisturbed = load.latency_for(&server, UNDISTURBED)?;
    let (saving, save_seconds) = measure::latency_while_saving(load, &server)?;
    let (memory_before, memory_peak) = measure::memory_while_saving(load, &server)?;
    let loading = measure::loading(&builder, server.dir(), load.keys)?;
    let server_with_log = measure::start_with_keys(&builder_with_log, load.keys)?;
    let mut cpu_us = [0.0; DEPTHS.len()];
    let mut cpu_us_with_log = [0.0; DEPTHS.len()];
    let mut log_ratios = [0.0; DEPTHS.len()];
    for (index, (depth, requests)) in DEPTHS.into_iter().enumerate() {
        let of = |server, slice| {
            measure::cpu_us_per_set(server, load.keys, depth, requests / SLICES, slice)
        };
        let mut slices = Vec::new();
        for slice in 0..SLICES {
            // Nobody is always first.
            slices.push(if slice % 2 == 0 {
                let without = of(&server, slice)?;
                (without, of(&server_with_log, slice)?)
            } else {
                let with = of(&server_with_log, slice)?;
                (of(&server, slice)?, with)
            });
        }
        cpu_us[index] = keep::median(slices.iter().map(|it| it.0));
        cpu_us_with_log[index] = keep::median(slices.iter().map(|it| it.1));
        log_ratios[index] = keep::median(slices.iter().map(|it| it.1 / it.0));
    }
    Ok(Figures {
        undisturbed_p50_ms: undisturbed.p50_ms,
        undisturbed_p999_ms: undisturbed.p999_ms,
        saving_p50_ms: saving.p50_ms,
        saving_p99_ms: saving.p99_ms,
        saving_p999_ms: saving.p999_ms,
        saving_longest_ms: saving.longest_ms,
        save_seconds,
        memory_before_bytes: memory_before as f64,
        memory_ratio: memory_peak as f64 / memory_before as f64,
        load_seconds: loading.seconds,
        load_cpu_seconds: loading.cpu_seconds,
        set_cpu_us: cpu_us,
        set_cpu_us_with_log: cpu_us_with_log,
        log_ratios,
    })
}

/// The depths at which the cost of the log is measured.
pub(super) fn depths() -> [usize; DEPTHS.len()] {
    DEPTHS.map(|(depth, _)| depth)
}
