//! Joins the parts of `compat`: which units there are, side by side on two cores, what redis-server
//! itself passes, and the verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use oxidis_testkit::ServerBuilder;

use super::expected::Expected;
use super::skips::{self, Need, Skips};
use super::suite::{Job, Outcome, UnitResult, run_unit};
use super::wordings::Wordings;
use super::{report, source};
use crate::workspace;

/// Files beside the units that Oxidis is held to, and why it is not held to them.
const NOT_HELD_TO: &[(&str, &str)] = &[
    ("unit/cluster", "there is no cluster mode yet"),
    ("unit/cluster-scripting", "there is no cluster mode yet"),
    (
        "unit/tls",
        "it tests nothing unless the whole suite is run over TLS",
    ),
    (
        "unit/type/list-common",
        "is no unit but what the units about lists read",
    ),
];

/// The units that take longest, which run first so that two jobs end together.
const LONG_UNITS: &[&str] = &[
    "unit/multi",
    "unit/type/list",
    "unit/type/zset",
    "unit/expire",
    "unit/type/list-3",
];

/// Units that are judged in the same way, but whose listed tests do not count: they go beyond what
/// the server is held to so far.
const FURTHER_UNITS: &[&str] = &[
    "integration/rdb",
    "integration/aof",
    "integration/aof-multi-part",
    "integration/convert-zipmap-hash-on-load",
    "integration/convert-ziplist-hash-on-load",
    "integration/convert-ziplist-zset-on-load",
    "integration/corrupt-dump",
    "integration/corrupt-dump-fuzzer",
    "integration/logging",
    "integration/shutdown",
];

/// What Oxidis is configured with for the suite beside what the suite says itself, and why.
const CONFIG: &[(&str, &str, &str)] = &[
    (
        "set-max-listpack-entries",
        "0",
        "the suite of 7.0.15 knows no listpack sets: a set that is no intset must be a hash table",
    ),
    (
        "io-threads",
        "1",
        "some tests send requests on several connections and rely on their being executed in the \
         order in which they were sent",
    ),
];

/// How many of a hundred tests of the units that Oxidis is held to may stand in skips.toml.
const SKIPS_LIMIT_PERCENT: usize = 1;

/// A unit in which more tests fail is not run again: that is no matter of timing.
const RETRY_LIMIT: usize = 8;

/// How often a unit is run again.
const RETRIES: usize = 3;

/// Units run beside each other share it; one that is run again has it alone.
static TURN: RwLock<()> = RwLock::new(());

#[derive(clap::Args)]
pub struct Arguments {
    /// The units to run, such as unit/type/string; all that Oxidis is held to when none is given.
    units: Vec<String>,
    /// The server under test, instead of this workspace's.
    #[arg(long)]
    server: Option<PathBuf>,
    /// How many units run side by side.
    #[arg(long, default_value_t = 2)]
    jobs: u16,
    /// Where the ports of the first job start (each job uses 500), instead of where some are free.
    #[arg(long)]
    first_port: Option<u16>,
    /// Run redis-server instead and keep which tests it passes, in compat/expected.json.
    #[arg(long)]
    record_expected: bool,
    /// Print a row for skips.toml for every test that fails, its reason left to be written.
    #[arg(long)]
    print_skips: bool,
}

/// What is to be said about one unit.
#[derive(Debug)]
pub struct UnitVerdict {
    pub unit: String,
    /// How many tests redis-server passes.
    pub expected: usize,
    /// How many of those Oxidis passes.
    pub passing: usize,
    /// Which of those are listed and indeed do not pass.
    pub skipped: Vec<String>,
    /// Which of those are not listed and do not pass, and why.
    pub failing: Vec<(String, String)>,
    pub passing_though_listed: Vec<String>,
    pub listed_in_vain: Vec<String>,
    pub troubles: Vec<String>,
}

impl UnitVerdict {
    fn is_good(&self) -> bool {
        self.failing.is_empty()
            && self.passing_though_listed.is_empty()
            && self.listed_in_vain.is_empty()
    }
}

/// Runs the tool.
///
/// # Errors
/// When the suite is not to be had, a test that redis-server passes neither passes nor is listed, a
/// listed one passes, or too many are listed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let suite = source::source()?;
    let held_to = units_held_to(&suite)?;
    let units: Vec<&str> = match arguments.units.is_empty() {
        true => {
            let held_to = held_to.iter().map(String::as_str);
            held_to.chain(FURTHER_UNITS.iter().copied()).collect()
        }
        false => arguments.units.iter().map(String::as_str).collect(),
    };
    if arguments.record_expected {
        return record(arguments, &suite, &units);
    }
    let start = Instant::now();
    let skips = Skips::load()?;
    let wordings = Wordings::load()?;
    let expected = Expected::load()?;
    wordings.check(&suite)?;
    let subject = match &arguments.server {
        Some(path) => std::path::absolute(path)?,
        None => workspace::server_binary()?,
    };
    check_log_lines(&subject)?;
    for (key, value, reason) in CONFIG {
        println!("the server under test is configured with {key} {value}: {reason}");
    }
    println!("{}", source::ENCODING_OF_LISTS);
    println!(
        "{} wordings of 7.0.15 are those of newer servers (compat/wordings.toml)",
        wordings.len()
    );
    let bench = Bench {
        suite: &suite,
        expected: &expected,
        subject: &subject,
        skips: &skips,
        wordings: &wordings,
        first_port: arguments.first_port,
    };
    let mut verdicts = side_by_side(arguments.jobs, &units, |index, unit| {
        bench.judge(index, unit)
    })?;
    verdicts.sort_by(|one, other| one.unit.cmp(&other.unit));
    report::print(&verdicts);
    if arguments.print_skips {
        let failing = verdicts.iter().flat_map(|verdict| {
            verdict
                .failing
                .iter()
                .map(|(test, _)| (&verdict.unit, test))
        });
        failing.for_each(|(unit, test)| println!("\n{}", skips::as_toml(unit, test)));
    }
    println!(
        "\n{} units in {:.0} s",
        verdicts.len(),
        start.elapsed().as_secs_f64()
    );
    judge_all(&verdicts)?;
    limit_skips(&skips, &expected, &held_to)
}

/// The units of the suite that Oxidis is held to, those that take longest first: every file of `unit/`
/// and `unit/type/` but those of [`NOT_HELD_TO`].
fn units_held_to(suite: &Path) -> Result<Vec<String>> {
    let mut units = Vec::new();
    for folder in ["unit", "unit/type"] {
        for file in source::tests_in(suite, folder)? {
            let unit = format!("{folder}/{file}");
            if !NOT_HELD_TO.iter().any(|(other, _)| *other == unit) {
                units.push(unit);
            }
        }
    }
    let place = |unit: &String| {
        let place = LONG_UNITS.iter().position(|long| long == unit);
        place.unwrap_or(LONG_UNITS.len())
    };
    units.sort_by_cached_key(|unit| (place(unit), unit.clone()));
    Ok(units)
}

/// Asks redis-server which tests of the units it passes, and keeps that.
fn record(arguments: &Arguments, suite: &Path, units: &[&str]) -> Result<()> {
    let redis = workspace::redis_server()?;
    let mut expected = Expected::load()?;
    let found = side_by_side(arguments.jobs, units, |index, unit| {
        let passed = ask_redis(suite, &redis, arguments.first_port, index, unit)?;
        println!("ran {unit}: redis-server passes {}", passed.len());
        Ok((unit.to_owned(), passed))
    })?;
    for (unit, passed) in found {
        let (added, removed) = expected.replace(&unit, passed);
        added.iter().for_each(|test| println!("+ {unit}: {test}"));
        removed.iter().for_each(|test| println!("- {unit}: {test}"));
    }
    expected.save()
}

/// The tests of a unit that redis-server passes when it is asked now.
fn ask_redis(
    suite: &Path,
    redis: &Path,
    first_port: Option<u16>,
    index: u16,
    unit: &str,
) -> Result<Vec<String>> {
    let folder = source::lay_out(suite, &format!("run-{index}"), redis)?;
    let job = Job {
        folder: &folder,
        index,
        first_port,
        config: Vec::new(),
        log: &log_of("redis", unit)?,
    };
    let result = run_unit(&job, unit, &[], &BTreeMap::new())?;
    let passed = |(test, outcome)| (outcome == Outcome::Passed).then_some(test);
    Ok(result.tests.into_iter().filter_map(passed).collect())
}

/// Where the suite's output is kept.
fn log_of(server: &str, unit: &str) -> Result<PathBuf> {
    let logs = source::work_folder().join("logs");
    fs::create_dir_all(&logs)?;
    Ok(logs.join(format!("{server}-{}.log", unit.replace('/', "-"))))
}

fn judge_all(verdicts: &[UnitVerdict]) -> Result<()> {
    let count = |of: fn(&UnitVerdict) -> usize| verdicts.iter().map(of).sum::<usize>();
    if !verdicts.iter().all(UnitVerdict::is_good) {
        bail!(
            "{} tests fail, {} pass though they are listed, {} are listed in vain",
            count(|verdict| verdict.failing.len()),
            count(|verdict| verdict.passing_though_listed.len()),
            count(|verdict| verdict.listed_in_vain.len())
        );
    }
    Ok(())
}

/// Whether few enough tests of the units that Oxidis is held to are listed, whichever were run.
fn limit_skips(skips: &Skips, expected: &Expected, held_to: &[String]) -> Result<()> {
    let of_unit = |unit: &String| expected.of_unit(unit).map_or(0, <[String]>::len);
    let count: usize = held_to.iter().map(of_unit).sum();
    let all: usize = held_to.iter().map(|unit| skips.of_unit(unit).count()).sum();
    let needing = |need| -> usize {
        let of_unit = |unit: &String| skips.needing(unit, need);
        held_to.iter().map(of_unit).sum()
    };
    println!(
        "of the {count} tests of the {} units that Oxidis is held to, {all} are listed in skips.toml \
         ({:.1}% of at most {SKIPS_LIMIT_PERCENT}%): {} of them need replication, {} a forked process",
        held_to.len(),
        percent(all, count),
        needing(Need::Replication),
        needing(Need::Fork),
    );
    if all * 100 > count * SKIPS_LIMIT_PERCENT {
        bail!("more than {SKIPS_LIMIT_PERCENT}% of the tests are listed in skips.toml");
    }
    Ok(())
}

/// A share in percent; all of nothing.
pub fn percent(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 100.0,
        _ => part as f64 * 100.0 / whole as f64,
    }
}

/// Runs the units on several threads; results come in any order.
fn side_by_side<T: Send>(
    jobs: u16,
    units: &[&str],
    judge: impl Fn(u16, &str) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for index in 0..jobs.max(1) {
            let (next, results, judge) = (&next, &results, &judge);
            scope.spawn(move || {
                while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = judge(index, unit).with_context(|| (*unit).to_owned());
                    results
                        .lock()
                        .expect("no judge panics while it pushes")
                        .push(result);
                }
            });
        }
    });
    results
        .into_inner()
        .expect("no judge panics while it pushes")
        .into_iter()
        .collect()
}

/// What every unit is judged with.
struct Bench<'a> {
    suite: &'a Path,
    expected: &'a Expected,
    subject: &'a Path,
    skips: &'a Skips,
    wordings: &'a Wordings,
    first_port: Option<u16>,
}

impl Bench<'_> {
    fn judge(&self, index: u16, unit: &str) -> Result<UnitVerdict> {
        let expected = match self.expected.of_unit(unit) {
            Some(recorded) => recorded.to_vec(),
            None => {
                let redis = workspace::redis_server()?;
                ask_redis(self.suite, &redis, self.first_port, index, unit)?
            }
        };
        let listed: Vec<&str> = self.skips.of_unit(unit).collect();
        let mut actual = {
            let _beside_others = TURN.read();
            self.run(index, unit, &listed, &BTreeMap::new())?
        };
        // Some tests of the suite hang on timing, or on how fast the disk is: what fails is asked again, alone.
        for _ in 0..RETRIES {
            let failing = expected
                .iter()
                .filter(|test| !actual.passed(test) && !listed.contains(&test.as_str()))
                .count();
            if !(1..=RETRY_LIMIT).contains(&failing) {
                break;
            }
            let _alone = TURN.write();
            let again = self.run(index, unit, &listed, &BTreeMap::new())?;
            for (test, outcome) in again.tests {
                if outcome == Outcome::Passed && !actual.passed(&test) {
                    println!("passed when it was run again: {unit}: {test}");
                    actual.tests.insert(test, outcome);
                }
            }
        }
        let verdict = verdict(unit, &expected, &actual, &listed);
        println!(
            "ran {unit}: {} of {} pass",
            verdict.passing, verdict.expected
        );
        Ok(verdict)
    }

    fn run(
        &self,
        index: u16,
        unit: &str,
        listed: &[&str],
        lost: &BTreeMap<String, String>,
    ) -> Result<UnitResult> {
        let folder = source::lay_out(self.suite, &format!("run-{index}"), self.subject)?;
        let is_redis = is_redis_7_0(self.subject)?;
        if !is_redis {
            source::accept_small_lists(&folder)?;
            self.wordings.apply(&folder, unit)?;
        }
        let config = CONFIG.iter().filter(|_| !is_redis);
        let job = Job {
            folder: &folder,
            index,
            first_port: self.first_port,
            config: config.map(|&(key, value, _)| (key, value)).collect(),
            log: &log_of("oxidis", unit)?,
        };
        run_unit(&job, unit, listed, lost)
    }
}

/// The suite waits for lines in the server's log, for minutes and in vain where they do not come.
fn check_log_lines(subject: &Path) -> Result<()> {
    let server = ServerBuilder::new(subject)
        .arguments(["--always-show-logo", "yes"])
        .start()
        .context("the server under test does not start")?;
    let log = server.log();
    for line in [
        format!(" PID: {}", server.pid()),
        "Ready to accept".to_owned(),
    ] {
        if !log.contains(&line) {
            bail!("the suite waits for {line:?} in the server's log, which has only:\n{log}");
        }
    }
    Ok(())
}

/// For trying the tool itself: redis-server 7.0 as the server under test lacks the directives, and answers what
/// the suite says.
fn is_redis_7_0(server: &Path) -> Result<bool> {
    let output = Command::new(server).arg("--version").output();
    let output = output.with_context(|| server.display().to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).starts_with("Redis server v=7.0."))
}

fn verdict(unit: &str, expected: &[String], actual: &UnitResult, listed: &[&str]) -> UnitVerdict {
    let mut verdict = UnitVerdict {
        unit: unit.to_owned(),
        expected: expected.len(),
        passing: 0,
        skipped: Vec::new(),
        failing: Vec::new(),
        passing_though_listed: Vec::new(),
        listed_in_vain: Vec::new(),
        troubles: actual.troubles.clone(),
    };
    for test in expected {
        let is_listed = listed.contains(&test.as_str());
        match (actual.tests.get(test), is_listed) {
            (Some(Outcome::Passed), false) => verdict.passing += 1,
            (Some(Outcome::Passed), true) => {
                verdict.passing += 1;
                verdict.passing_though_listed.push(test.clone());
            }
            (_, true) => verdict.skipped.push(test.clone()),
            (Some(Outcome::Failed(why)), false) => {
                verdict.failing.push((test.clone(), why.clone()))
            }
            (None, false) => verdict
                .failing
                .push((test.clone(), "was never reached".to_owned())),
        }
    }
    let unknown = listed
        .iter()
        .filter(|test| !expected.iter().any(|known| known == *test));
    verdict.listed_in_vain = unknown.map(|test| (*test).to_owned()).collect();
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_tests_must_fail_and_others_must_pass() {
        let expected = ["a", "b", "c", "d"].map(str::to_owned);
        let mut actual = UnitResult::default();
        actual.tests.insert("a".to_owned(), Outcome::Passed);
        actual.tests.insert("b".to_owned(), Outcome::Passed);
        actual
            .tests
            .insert("c".to_owned(), Outcome::Failed("why".to_owned()));
        let verdict = verdict("unit/x", &expected, &actual, &["b", "gone"]);
        assert_eq!((verdict.passing, verdict.skipped.len()), (2, 0));
        assert_eq!(verdict.passing_though_listed, ["b"]);
        assert_eq!(verdict.listed_in_vain, ["gone"]);
        let failing: Vec<&str> = verdict
            .failing
            .iter()
            .map(|(test, _)| test.as_str())
            .collect();
        assert_eq!(failing, ["c", "d"]);
        assert!(!verdict.is_good());
    }
}
