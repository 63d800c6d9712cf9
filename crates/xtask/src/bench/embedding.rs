//! `cargo xtask bench --embedding`: Oxidis inside Python programs, beside what else is put there. Each contender is
//! measured in a process of its own, by `crates/python/bench/embedding.py`, in turn, several rounds; the table
//! shows medians.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::run::Arguments;
use crate::python::Environment;
use crate::workspace;

/// A row: how the program calls it, how the table does, and what it is compared with.
struct Contender {
    id: &'static str,
    name: &'static str,
    /// The rows whose rates it is to be so many times, and how many times.
    goals: &'static [(&'static str, f64)],
}

const CONTENDERS: &[Contender] = &[
    Contender {
        id: "oxidis-in-process",
        name: "redis-py, Oxidis in process",
        goals: &[("fakeredis", 3.0), ("redis-server", 3.0)],
    },
    Contender {
        id: "oxidis-over-tcp",
        name: "redis-py, Oxidis over TCP",
        goals: &[],
    },
    Contender {
        id: "redis-server",
        name: "redis-py, redis-server over TCP",
        goals: &[],
    },
    Contender {
        id: "fakeredis",
        name: "fakeredis",
        goals: &[],
    },
    Contender {
        id: "resp-server",
        name: "redis-py, resp-server over TCP",
        goals: &[],
    },
    Contender {
        id: "burner-redis",
        name: "burner-redis (asyncio)",
        goals: &[],
    },
    Contender {
        id: "oxidis-client",
        name: "oxidis.Client",
        goals: &[("burner-redis", 1.2)],
    },
    Contender {
        id: "oxidis-async-client",
        name: "oxidis.AsyncClient",
        goals: &[("burner-redis", 1.2)],
    },
];

/// What one run of the program says.
#[derive(Debug, Clone, Copy)]
struct Measured {
    start_ms: f64,
    get: f64,
    set: f64,
}

/// Runs the tool.
///
/// # Errors
/// When the wheel cannot be built or a contender fails; never because of a time.
pub fn run(arguments: &Arguments) -> Result<()> {
    let environment = Environment::for_bench()?;
    let rounds = arguments.rounds();
    let mut measured: BTreeMap<&str, Vec<Measured>> = BTreeMap::new();
    for round in 0..rounds {
        for turn in 0..CONTENDERS.len() {
            let contender = &CONTENDERS[(turn + round) % CONTENDERS.len()];
            println!("round {} of {rounds}: {}", round + 1, contender.name);
            let outcome = measure(&environment, contender.id)?;
            measured.entry(contender.id).or_default().push(outcome);
        }
    }
    let medians: BTreeMap<&str, Measured> = measured
        .iter()
        .map(|(id, runs)| (*id, median_of(runs)))
        .collect();
    print!("{}", table(&medians));
    print!("{}", rust_table(&rust_figures()?));
    Ok(())
}

/// A name, a number and its unit.
type Figure = (String, f64, String);

/// What the example of the crate says of Rust programs.
fn rust_figures() -> Result<Vec<Figure>> {
    let output = workspace::cargo()
        .args(["run", "--quiet", "--release", "-p", "oxidis"])
        .args(["--example", "embedding"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    anyhow::ensure!(output.status.success(), "the example `embedding` failed");
    figures_of(&String::from_utf8_lossy(&output.stdout))
}

/// A line a figure, with tabs between its parts.
fn figures_of(said: &str) -> Result<Vec<Figure>> {
    let figures = said.lines().map(|line| {
        let mut parts = line.split('\t');
        let mut part = || parts.next().with_context(|| format!("no figure: {line}"));
        Ok((part()?.to_owned(), part()?.parse()?, part()?.to_owned()))
    });
    figures.collect()
}

fn rust_table(figures: &[Figure]) -> String {
    let of = |name: &str| figures.iter().find(|it| it.0 == name).map(|it| it.1);
    let mut text = String::from("\n| in a Rust program | | | compared |\n|---|---:|---|---|\n");
    for (name, number, unit) in figures {
        let verdict = |is_met: bool| if is_met { "" } else { ": missed" };
        let compared = match (name.as_str(), of("GET from 1 threads")) {
            ("start of an engine", _) => format!("goal: under 1000{}", verdict(*number < 1000.0)),
            ("start of a server", _) => format!("goal: under 5000{}", verdict(*number < 5000.0)),
            ("GET from 1 threads", _) => format!("goal: 8{}", verdict(*number >= 8.0)),
            ("GET from 2 threads", Some(one)) => {
                let times = number / one;
                format!(
                    "{times:.2} times 1 thread (goal 1.7{})",
                    verdict(times >= 1.7)
                )
            }
            _ => String::new(),
        };
        text.push_str(&format!("| {name} | {number} | {unit} | {compared} |\n"));
    }
    text
}

fn measure(environment: &Environment, id: &str) -> Result<Measured> {
    let output = environment
        .python()
        .arg("crates/python/bench/embedding.py")
        .arg(id)
        .current_dir(workspace::root())
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{id} failed: {complaint}");
    // Some of them greet on the standard output.
    let said = String::from_utf8_lossy(&output.stdout);
    let said: serde_json::Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .with_context(|| format!("{id} says what is no JSON: {complaint}"))?;
    let number = |name: &str| said[name].as_f64().with_context(|| format!("{id}: {name}"));
    Ok(Measured {
        start_ms: number("start_ms")?,
        get: number("get")?,
        set: number("set")?,
    })
}

fn median_of(runs: &[Measured]) -> Measured {
    let middle = |number: fn(&Measured) -> f64| {
        let mut numbers: Vec<f64> = runs.iter().map(number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    Measured {
        start_ms: middle(|it| it.start_ms),
        get: middle(|it| it.get),
        set: middle(|it| it.set),
    }
}

fn table(medians: &BTreeMap<&str, Measured>) -> String {
    let mut text = String::from(
        "\n| in one Python program | start, ms | GET/s | SET/s | compared |\n|---|---:|---:|---:|---|\n",
    );
    for contender in CONTENDERS {
        let Some(own) = medians.get(contender.id) else {
            continue;
        };
        let compared = contender.goals.iter().filter_map(|(other, goal)| {
            let other_measured = medians.get(other)?;
            let ratios = (own.get / other_measured.get, own.set / other_measured.set);
            let is_met = ratios.0.min(ratios.1) >= *goal;
            let verdict = if is_met { "" } else { ": missed" };
            Some(format!(
                "{:.2} and {:.2} times {other} (goal {goal}{verdict})",
                ratios.0, ratios.1
            ))
        });
        text.push_str(&format!(
            "| {} | {:.3} | {:.0} | {:.0} | {} |\n",
            contender.name,
            own.start_ms,
            own.get,
            own.set,
            compared.collect::<Vec<_>>().join("; ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(get: f64) -> Measured {
        Measured {
            start_ms: 1.0,
            get,
            set: get,
        }
    }

    #[test]
    fn medians_are_taken_number_by_number() {
        let runs = [all(3.0), all(1.0), all(2.0)];
        assert_eq!(median_of(&runs).get, 2.0);
    }

    #[test]
    fn figures_of_rust_programs_are_read() {
        let figures = figures_of("start of an engine\t412\tus\nGET\t8.5\tmillion/s\n").unwrap();
        assert_eq!(figures[1], ("GET".to_owned(), 8.5, "million/s".to_owned()));
        assert!(figures_of("GET: 8.5 million/s").is_err());
    }

    #[test]
    fn what_two_threads_do_is_compared_with_one() {
        let figure = |name: &str, number| (name.to_owned(), number, "million/s".to_owned());
        let text = rust_table(&[
            figure("GET from 1 threads", 9.0),
            figure("GET from 2 threads", 13.5),
        ]);
        assert!(text.contains("| 9 | million/s | goal: 8 |"), "{text}");
        assert!(
            text.contains("1.50 times 1 thread (goal 1.7: missed)"),
            "{text}"
        );
    }

    #[test]
    fn goals_are_judged() {
        let medians = BTreeMap::from([
            ("oxidis-in-process", all(30.0)),
            ("fakeredis", all(10.0)),
            ("redis-server", all(20.0)),
        ]);
        let text = table(&medians);
        assert!(
            text.contains("3.00 and 3.00 times fakeredis (goal 3)"),
            "{text}"
        );
        assert!(
            text.contains("times redis-server (goal 3: missed)"),
            "{text}"
        );
    }
}
