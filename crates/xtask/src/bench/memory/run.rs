//! Loading each data set into a fresh process of each server, and reading what it takes.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::contenders::{self, Contender, OXIDIS};
use super::super::run::{self, Arguments};
use super::super::{cpu, keep};
use super::report::{Cell, Report};
use super::shapes::{Shape, shapes};

/// How many keys or elements there are, where nothing else is asked for.
const UNITS: u64 = 1_000_000;

/// How long a server is left alone before its memory is read.
const SETTLING: Duration = Duration::from_secs(2);

/// The same after loading. jemalloc, which most servers have, gives pages that hold nothing back within ten seconds.
const SETTLING_LOADED: Duration = Duration::from_secs(12);

/// Runs the tool.
///
/// # Errors
/// When a server does not start, or Oxidis answers errors; never because of a figure.
pub(in super::super) fn run(arguments: &Arguments) -> Result<()> {
    let contenders = contenders::as_they_come(arguments)?;
    let units = arguments.keys_or(UNITS);
    let rounds = arguments.rounds();
    let mut cells = Vec::new();
    for shape in shapes(units) {
        for contender in &contenders {
            let mut measured = Vec::new();
            for _ in 0..rounds {
                match bytes_per_unit(contender, &shape, units) {
                    Ok(bytes) => measured.push(bytes),
                    // A peer need not have every command.
                    Err(error) if contender.name != OXIDIS => {
                        println!("{}, {}: {error:#}", contender.name, shape.name);
                        break;
                    }
                    Err(error) => return Err(error).context(shape.name),
                }
            }
            println!("{}, {}: {measured:.1?}", shape.name, contender.name);
            cells.push(Cell::new(&shape, &contender.name, measured));
        }
    }
    let report = Report::new(units, rounds, cells);
    println!("\n{}", report.to_markdown());
    let name = format!("memory-{}", report.date);
    keep::keep(arguments, &name, &report.to_markdown(), &report)
}

fn bytes_per_unit(contender: &Contender, shape: &Shape, units: u64) -> Result<f64> {
    let server = contender
        .builder
        .start()
        .with_context(|| contender.name.clone())?;
    let resident_after = |settling| {
        thread::sleep(settling);
        cpu::resident_bytes(server.pid()).context("the platform tells no memory")
    };
    let before = resident_after(SETTLING)?;
    let requests = units / shape.units_per_request;
    run::load(&server, &shape.template, requests, shape.numbers)?;
    let taken = resident_after(SETTLING_LOADED)?.saturating_sub(before);
    Ok(taken as f64 / (requests * shape.units_per_request) as f64)
}
