//! Which server is measured with what going on, and in what order.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::contenders::{self, Contender, OXIDIS};
use super::super::offered::{Latency, OfferedLoad};
use super::super::run::Arguments;
use super::super::{keep, persistence};
use super::activity::{Activity, activities};
use super::report::{Cell, Report};
use super::{probe, testimony};

/// How many keys there are, where nothing else is asked for; also how many elements there may be for the bound on stalls
/// to hold.
pub(super) const KEYS: u64 = 1_000_000;

/// The load is offered for at least so long, however soon the work is done.
const WINDOW_MIN: Duration = Duration::from_secs(2);

/// Runs the tool.
///
/// # Errors
/// When a server does not start, or Oxidis answers errors; never because of a time.
pub(in super::super) fn run(arguments: &Arguments) -> Result<()> {
    let contenders = contenders::as_they_come(arguments)?;
    let floor = contenders::floor()?;
    let rounds = arguments.rounds();
    let load = OfferedLoad {
        keys: arguments.keys_or(KEYS),
        rate: arguments.rate,
    };
    let is_wanted = |activity: &Activity| {
        let name = activity.to_string();
        let mut wanted = arguments.during.iter();
        *activity == Activity::Nothing
            || arguments.during.is_empty()
            || wanted.any(|it| name.starts_with(it.as_str()))
    };
    let mut cells = Vec::new();
    for activity in activities(load.keys).into_iter().filter(is_wanted) {
        let mut measured = |contender: &Contender| -> Result<()> {
            let mut cell = Cell::new(activity, &contender.name);
            for _ in 0..rounds {
                match measure(contender, activity, load) {
                    Ok((latency, stall, said)) => cell.push(latency, stall, said),
                    // A peer need not have every command.
                    Err(error) if contender.name != OXIDIS => {
                        println!("{}, {activity}: {error:#}", contender.name);
                        break;
                    }
                    Err(error) => return Err(error).context(activity.to_string()),
                }
            }
            println!("{activity}, {}: {cell:?}", contender.name);
            cells.push(cell);
            Ok(())
        };
        if activity == Activity::Nothing {
            measured(&floor)?;
        }
        for contender in &contenders {
            measured(contender)?;
        }
    }
    let report = Report::new(load, rounds, cells);
    println!("\n{}", report.to_markdown());
    let name = format!("latency-{}", report.date);
    keep::keep(arguments, &name, &report.to_markdown(), &report)
}

/// One round in a process of its own: latency, the worst stall, and what the server itself found slow.
fn measure(
    contender: &Contender,
    activity: Activity,
    load: OfferedLoad,
) -> Result<(Latency, Duration, String)> {
    let server = persistence::start_with_keys(&contender.builder, load.keys)
        .with_context(|| contender.name.clone())?;
    let is_control = activity == Activity::Nothing;
    let prepared = match activity {
        // The server that does nothing has no keys to count.
        Activity::Nothing => None,
        _ => Some(activity.prepare(&server, load.keys)?),
    };
    let mut client = server.client();
    if !is_control {
        testimony::begin(&mut client)?;
    }
    let (latency, stall) = load.during(&server, || {
        probe::during(&server, load.keys, || {
            let start = Instant::now();
            if let Some(prepared) = prepared {
                prepared.act(&server)?;
            }
            thread::sleep(WINDOW_MIN.saturating_sub(start.elapsed()));
            Ok(())
        })
    })?;
    let said = if is_control {
        String::new()
    } else {
        testimony::end(&mut client)?
    };
    Ok((latency, stall, said))
}
