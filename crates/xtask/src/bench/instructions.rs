//! `cargo xtask bench --instructions`: how many instructions of the server's own a request takes, counted by callgrind.
//! Unlike times these figures are the same on a busy machine, so this is the one measurement that can fail:
//! what a request takes must not grow by more than a tenth beyond what is kept in `bench/instructions.json`.
//!
//! What the kernel does is not counted, nor are cache misses: fewer instructions are not always less time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use oxidis_benchmark::load::{Endpoint, Numbers, Plan};
use oxidis_testkit::ServerBuilder;

use super::run::{Arguments, CLIENTS, load_keys, send};
use super::workload;
use crate::workspace;

/// How many keys there are: enough that tables are big, few enough to be loaded under valgrind.
const KEYS: u64 = 100_000;

/// How many requests the cheapest command sends.
const REQUESTS: f64 = 100_000.0;

/// The depth of pipelining at which the engine, not the kernel, is what costs.
const DEPTH: usize = 64;

/// By how much a figure may exceed the kept one.
const ALLOWANCE: f64 = 1.10;

/// Where the figures are kept.
const KEPT: &str = "bench/instructions.json";

/// Instructions per request, by command.
type Figures = BTreeMap<String, f64>;

/// Counts, prints, and compares with what is kept, or keeps it.
///
/// # Errors
/// When valgrind is not there, the server does not answer, or a request takes more than it may.
pub fn run(arguments: &Arguments) -> Result<()> {
    let server = match &arguments.server {
        Some(path) => std::path::absolute(path)?,
        None => workspace::server_binary()?,
    };
    let counted = count(&server)?;
    let kept_path = workspace::root().join(KEPT);
    if arguments.keep {
        let text = serde_json::to_string_pretty(&counted)? + "\n";
        fs::write(&kept_path, text)?;
    }
    let kept: Figures = match fs::read(&kept_path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| KEPT)?,
        Err(_) => bail!("{KEPT} is not there: --keep writes it"),
    };
    println!("Instructions per request at depth {DEPTH}, {KEYS} keys, {CLIENTS} clients:\n");
    println!("| command | instructions | kept | ratio |");
    println!("|---|---|---|---|");
    let mut grown = Vec::new();
    for (command, &count) in &counted {
        let Some(&kept) = kept.get(command) else {
            bail!("{KEPT} says nothing of {command}: --keep writes it");
        };
        let ratio = count / kept;
        println!("| {command} | {count:.0} | {kept:.0} | {ratio:.2} |");
        if ratio > ALLOWANCE {
            grown.push(command.as_str());
        }
    }
    if !grown.is_empty() {
        bail!(
            "more than {ALLOWANCE} times the kept figure: {}",
            grown.join(", ")
        );
    }
    Ok(())
}

/// The command that is counted once more with the append-only file, and what the figure is called.
const LOGGED: (&str, &str) = ("SET", "SET_AOF");

fn count(program: &Path) -> Result<Figures> {
    let mut figures = count_with(program, &["--appendonly", "no"], |_| true)?;
    let logging = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let logged = count_with(program, &logging, |name| name == LOGGED.0)?;
    figures.extend(
        logged
            .into_values()
            .map(|count| (LOGGED.1.to_owned(), count)),
    );
    Ok(figures)
}

/// Counts the commands that are asked for on a server with these arguments.
fn count_with(
    program: &Path,
    arguments: &[&str],
    is_asked_for: impl Fn(&str) -> bool,
) -> Result<Figures> {
    let server = ServerBuilder::foreign("valgrind")
        .arguments(["--tool=callgrind", "--instr-atstart=no"])
        .argument("--callgrind-out-file={dir}/callgrind")
        .argument(program)
        // callgrind_control finds the process by its title.
        .arguments(["--set-proc-title", "no", "--io-threads", "1", "--save", ""])
        .arguments(["--port", "{port}", "--dir", "{dir}"])
        .arguments(arguments)
        .start()
        .context("the server does not start under valgrind (Debian: apt-get install valgrind)")?;
    load_keys(&server, KEYS)?;
    let endpoint = Endpoint::Tcp(server.address());
    let control = |option: &[&str]| control(server.pid(), option);
    let mut figures = Figures::new();
    let workloads = workload::workloads(KEYS);
    let counted = workloads
        .iter()
        .filter(|workload| is_asked_for(workload.name));
    for (index, workload) in counted.enumerate() {
        let plan = |seed: u64| Plan {
            numbers: Numbers::Random(seed),
            clients: CLIENTS,
            depth: DEPTH,
            ..Plan::new(
                &endpoint,
                &workload.template,
                (REQUESTS * workload.share) as u64,
            )
        };
        send(plan(index as u64)).context(workload.name)?;
        control(&["--zero"])?;
        control(&["--instr=on"])?;
        let done = send(plan(500 + index as u64)).context(workload.name)?;
        control(&["--instr=off"])?;
        control(&["--dump"])?;
        let dump = server.dir().join(format!("callgrind.{}", index + 1));
        let instructions = total(&dump).with_context(|| format!("{}", dump.display()))?;
        figures.insert(
            workload.name.to_owned(),
            (instructions as f64 / done.requests as f64).round(),
        );
    }
    Ok(figures)
}

fn control(pid: u32, options: &[&str]) -> Result<()> {
    let output = Command::new("callgrind_control")
        .args(options)
        .arg(pid.to_string())
        .output()
        .context("callgrind_control cannot be run")?;
    if !output.status.success() {
        bail!(
            "callgrind_control {options:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// How many instructions a dump tells of.
fn total(dump: &Path) -> Result<u64> {
    let text = fs::read_to_string(dump)?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .context("it has no line of totals")?;
    Ok(total.trim().parse()?)
}
