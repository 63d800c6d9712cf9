//! Runs one unit of the Tcl suite and parses what it prints. A test that crashes or hangs the server
//! takes the rest of its unit with it: then the unit is run anew without that test, until all
//! others have had their chance.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// After so many seconds without progress a test is taken to hang. On redis-server itself the
/// longest takes 10 s where two units share two busy cores.
const HANG_SECONDS: u32 = 40;

/// After so many seconds a unit is not run once more, and one that still runs is ended.
const UNIT_LIMIT: Duration = Duration::from_secs(240);

/// How often it is looked whether a unit has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How many lines are shown of a run in which no test ran.
const SHOWN_LINES: usize = 12;

/// What the suite prints at the end of a run in which no test failed, even when none was to be run.
const ALL_PASSED: &str = "All tests passed without errors!";

/// How many tests of one unit may crash or hang the server until the rest is given up.
const ROUNDS_LIMIT: usize = 12;

/// How many ports a unit may use from its first one; the suite's own ports lie before that.
const PORTS_PER_JOB: u16 = 400;
const PORTS_BEFORE: u16 = 32;
const SLOT_PORTS: u16 = 500;

/// Where the ports of the first slot start, and how many slots there are below the ports that the
/// system hands out.
const FIRST_PORT: u16 = 20_100;
const PORT_SLOTS: u16 = 24;

/// How often a unit is started anew when another program took a port of its slot.
const START_ATTEMPTS: usize = 5;

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Passed,
    /// With what the suite printed about it.
    Failed(String),
}

/// What became of the tests of one unit, by name. A name that stands for several tests has passed
/// when all of them did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitResult {
    pub tests: BTreeMap<String, Outcome>,
    /// The tests that hung or took the server with them: there is no use in asking them again.
    #[serde(default)]
    pub lost: BTreeMap<String, String>,
    /// What went wrong outside of any test.
    pub troubles: Vec<String>,
}

impl UnitResult {
    /// Whether the test has run and passed.
    pub fn passed(&self, test: &str) -> bool {
        self.tests.get(test) == Some(&Outcome::Passed)
    }

    /// The tests that failed.
    fn failed(&self) -> impl Iterator<Item = &String> {
        let failed = |outcome: &Outcome| *outcome != Outcome::Passed;
        self.tests
            .iter()
            .filter(move |(_, outcome)| failed(outcome))
            .map(|(test, _)| test)
    }

    fn note(&mut self, test: String, outcome: Outcome) {
        let failed_before = matches!(self.tests.get(&test), Some(Outcome::Failed(_)));
        if !failed_before {
            self.tests.insert(test, outcome);
        }
    }
}

/// How a unit is run.
#[derive(Debug)]
pub struct Job<'a> {
    /// The laid out folder.
    pub folder: &'a Path,
    /// Keeps units that run side by side off each other's ports.
    pub index: u16,
    /// Where the ports of the first job start, instead of where some are free.
    pub first_port: Option<u16>,
    /// Extra directives for the server's configuration.
    pub config: Vec<(&'a str, &'a str)>,
    /// Where the suite's output is kept.
    pub log: &'a Path,
}

/// Runs a unit; `listed` are tests that are known to fail.
///
/// A test that fails half-way may leave the connection in a transaction, the server configured or
/// dead, and the tests after it fail for its sake. So the unit is run anew without the tests that did
/// such a thing, or are listed and did fail, until all others have had their chance. `lost` are tests
/// of which that is known already.
///
/// # Errors
/// When the suite cannot be started at all.
pub fn run_unit(
    job: &Job<'_>,
    unit: &str,
    listed: &[&str],
    lost: &BTreeMap<String, String>,
) -> Result<UnitResult> {
    let mut lost = lost.clone();
    let mut culprits = lost.clone();
    let mut rounds = 0;
    let deadline = Instant::now() + UNIT_LIMIT;
    loop {
        let parsed = run_and_parse(job, unit, &culprits, deadline)?;
        lost.extend(parsed.culprit);
        let mut found = lost.clone();
        for (test, outcome) in &parsed.result.tests {
            if let Outcome::Failed(why) = outcome
                && (listed.contains(&test.as_str()) || met_unknown_command(why))
            {
                found.insert(test.clone(), why.clone());
            }
        }
        found.retain(|test, _| !culprits.contains_key(test));
        rounds += 1;
        // Where every test that failed is one of these, another run would tell nothing new.
        let others_failed = parsed.result.failed().any(|test| !found.contains_key(test))
            || parsed.hung
            || !parsed.result.troubles.is_empty();
        let is_last = found.is_empty()
            || !others_failed
            || rounds == ROUNDS_LIMIT
            || Instant::now() >= deadline;
        culprits.extend(found);
        if is_last {
            let mut result = parsed.result;
            result.lost = lost;
            let failed = culprits
                .into_iter()
                .map(|(test, why)| (test, Outcome::Failed(why)));
            result.tests.extend(failed);
            return Ok(result);
        }
    }
}

fn run_and_parse(
    job: &Job<'_>,
    unit: &str,
    without: &BTreeMap<String, String>,
    deadline: Instant,
) -> Result<Parsed> {
    for _ in 0..START_ATTEMPTS {
        let output = run_once(job, unit, without, deadline)?;
        if output.contains("address already in use") {
            continue;
        }
        let parsed = parse(&output);
        let is_fine = output.contains(ALL_PASSED);
        if parsed.result.tests.is_empty()
            && parsed.culprit.is_none()
            && without.is_empty()
            && !is_fine
        {
            let end: Vec<&str> = output.lines().rev().take(SHOWN_LINES).collect();
            let end: Vec<&str> = end.into_iter().rev().collect();
            bail!(
                "the suite ran no test; its output ends:\n{}",
                end.join("\n")
            );
        }
        return Ok(parsed);
    }
    bail!("other programs keep taking the suite's ports")
}

fn run_once(
    job: &Job<'_>,
    unit: &str,
    without: &BTreeMap<String, String>,
    deadline: Instant,
) -> Result<String> {
    let log = File::create(job.log)?;
    let base_port = free_slot(job.first_port, job.index)?;
    let mut suite = Command::new("tclsh8.6");
    suite.current_dir(job.folder).arg("tests/test_helper.tcl");
    suite.args(["--single", unit, "--clients", "1", "--durable"]);
    suite.args(["--timeout", &HANG_SECONDS.to_string()]);
    suite.args([
        "--baseport",
        &base_port.to_string(),
        "--portcount",
        &PORTS_PER_JOB.to_string(),
    ]);
    for (key, value) in &job.config {
        suite.args(["--config", key, value]);
    }
    for test in without.keys() {
        suite.args(["--skiptest", test]);
    }
    // The suite colours its output when the terminal is an xterm.
    suite
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // The suite's servers are in its group and end with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut suite, 0);
    let mut suite = suite
        .spawn()
        .context("tclsh8.6 cannot be run (Debian: apt-get install tcl)")?;
    let is_ended = wait_until(&mut suite, deadline)?;
    let mut output = String::from_utf8_lossy(&fs::read(job.log)?).into_owned();
    if !is_ended {
        output.push_str("\n[exception]: the unit was ended because it took too long\n");
    }
    Ok(output)
}

/// Waits for the suite to end, and ends it and its servers when the time is over; answers whether it
/// ended by itself.
fn wait_until(suite: &mut Child, deadline: Instant) -> Result<bool> {
    while suite.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            let group = format!("-{}", suite.id());
            Command::new("kill").args(["-9", "--", &group]).status()?;
            suite.wait()?;
            return Ok(false);
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(true)
}

/// The first port of a slot of which nothing is in use, as far as one can see. The suite may run at
/// the same time elsewhere on this machine, so the search starts at a place of this process's own.
fn free_slot(first_port: Option<u16>, index: u16) -> Result<u16> {
    if let Some(first_port) = first_port {
        return Ok(first_port + PORTS_BEFORE + index * SLOT_PORTS);
    }
    let start =
        u16::try_from(std::process::id() % u32::from(PORT_SLOTS))? + index * (PORT_SLOTS / 2);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let slots = (0..PORT_SLOTS).map(|step| FIRST_PORT + (start + step) % PORT_SLOTS * SLOT_PORTS);
    slots
        .into_iter()
        .find(|&base| (base - PORTS_BEFORE..base + PORTS_BEFORE).all(is_free))
        .context("no range of ports is free for the suite")
}

struct Parsed {
    result: UnitResult,
    /// The test that took the server or the suite with it, and how.
    culprit: Option<(String, String)>,
    /// Whether it did not end by itself.
    hung: bool,
}

fn parse(output: &str) -> Parsed {
    let mut result = UnitResult::default();
    let mut culprit = None;
    let mut blocks: Vec<(&str, String)> = Vec::new();
    for line in output.lines() {
        if line.trim() == "The End" {
            break;
        }
        match line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
        {
            Some((status, text)) => blocks.push((status, text.to_owned())),
            None => {
                if let Some((_, text)) = blocks.last_mut() {
                    text.push('\n');
                    text.push_str(line);
                }
            }
        }
    }
    for (status, text) in blocks {
        let first = text.lines().next().unwrap_or_default();
        match status {
            "ok" => {
                let name = first.rsplit_once(" (").map_or(first, |(name, _)| name);
                result.note(name.to_owned(), Outcome::Passed);
            }
            "err" => match first.rsplit_once(" in tests/") {
                Some((name, _)) => {
                    if culprit.is_none() && lost_server(&text) {
                        culprit =
                            Some((name.to_owned(), format!("took the server with it: {text}")));
                    }
                    result.note(name.to_owned(), Outcome::Failed(text.clone()));
                }
                None => result.troubles.push(text),
            },
            "TIMEOUT" => {
                let running = text
                    .lines()
                    .find_map(|line| line.split_once("(IN PROGRESS) "));
                match running {
                    Some((_, name)) => {
                        let why = format!("did not end within {HANG_SECONDS} s");
                        culprit = Some((name.trim().to_owned(), why));
                    }
                    None => result.troubles.push(text),
                }
            }
            "exception" => result.troubles.push(text),
            _ => {}
        }
    }
    Parsed {
        hung: output.contains("[TIMEOUT]") || output.contains("[exception]: the unit was ended"),
        result,
        culprit,
    }
}

/// Whether a test failed because its connection broke: the server crashed in it.
fn lost_server(text: &str) -> bool {
    [
        "I/O error reading reply",
        "connection refused",
        "broken pipe",
        "connection reset",
    ]
    .iter()
    .any(|sign| text.to_lowercase().contains(&sign.to_lowercase()))
}

/// Whether a test asked for what the server does not have: it stopped in the middle then.
fn met_unknown_command(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("unknown command") || text.contains("unknown subcommand")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Testing unit/x\n[ok]: a - b (c) (12 ms)\n[err]: second in tests/unit/x.tcl\nExpected '1' to be '2'\n\
                          [ok]: twice (1 ms)\n[err]: twice in tests/unit/x.tcl\nassertion\n[ignore]: large memory flag\n\
                          [err]: I/O error outside\n                   The End\n*** [err]: late in tests/unit/x.tcl\n";

    #[test]
    fn the_output_of_the_suite_is_understood() {
        let parsed = parse(OUTPUT);
        assert!(parsed.result.passed("a - b (c)"));
        assert!(!parsed.result.passed("twice"), "one of two failed");
        assert_eq!(
            parsed.result.tests["second"],
            Outcome::Failed("second in tests/unit/x.tcl\nExpected '1' to be '2'".to_owned())
        );
        assert_eq!(parsed.result.tests.len(), 3);
        assert_eq!(parsed.result.troubles, ["I/O error outside"]);
        assert_eq!(parsed.culprit, None);
    }

    #[test]
    fn a_test_that_takes_the_server_with_it_is_named() {
        let crash =
            parse("[err]: bad in tests/unit/x.tcl\nI/O error reading reply\n    while executing\n");
        assert_eq!(crash.culprit.map(|(name, _)| name).as_deref(), Some("bad"));
        let hang =
            parse("[TIMEOUT]: clients state report follows.\nsock55 => (IN PROGRESS) slow one\n");
        assert_eq!(
            hang.culprit.map(|(name, _)| name).as_deref(),
            Some("slow one")
        );
    }
}
