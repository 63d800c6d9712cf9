//! Runs the fuzzer: batches of steps go to a pair of servers. A failing sequence is shrunk on fresh
//! key spaces, noted, and its command left out from then on, so that one run finds many failures.

use std::fmt;
use std::io;
use std::time::Duration;

use super::calls::{Call, Connection, Step, StepKind};
use super::commands::Family;
use super::coverage::Coverage;
use super::pair::{Mismatch, Pair, Place};
use super::{Generator, shrink};
use crate::ServerBuilder;
use crate::rules::COMPARISON_OPTIONS;

/// How many commands travel in one batch.
const BATCH_COMMANDS: usize = 128;

/// After so many commands the key spaces are compared.
const COMPARE_EVERY_COMMANDS: usize = 2_000;

/// After so many commands everything is flushed, so that a failure hangs on few commands at most.
const FLUSH_EVERY_COMMANDS: usize = 10_000;

/// How long one failure is shrunk.
const SHRINK_LIMIT: Duration = Duration::from_secs(15);

/// Limits at which the fuzzer's collections become big: much of what it does crosses them.
const SMALL_LIMITS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "16"),
    ("hash-max-listpack-value", "64"),
    ("zset-max-listpack-entries", "16"),
    ("zset-max-listpack-value", "64"),
    ("set-max-intset-entries", "16"),
    ("list-max-listpack-size", "8"),
    ("list-compress-depth", "0"),
];

/// The limits that both versions have when nothing is said.
const DEFAULT_LIMITS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "128"),
    ("hash-max-listpack-value", "64"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("set-max-intset-entries", "512"),
    ("list-max-listpack-size", "-2"),
    ("list-compress-depth", "0"),
];

/// What a run does.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many commands are sent.
    pub commands: usize,
    /// What they are drawn from.
    pub seed: u64,
    /// Which families they come from; all when empty.
    pub families: Vec<Family>,
    /// After so many failures the run ends.
    pub failures_limit: usize,
    /// Whether both servers convert small collections to big ones early, so that more is seen of
    /// the conversion and of the big forms.
    pub small_limits: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commands: 10_000,
            seed: 1,
            families: Vec::new(),
            failures_limit: 10,
            small_limits: true,
        }
    }
}

/// What a run found.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many commands were compared.
    pub commands: usize,
    /// How many of the replies were errors: most must not be, or little is compared.
    pub errors: usize,
    /// How often whole key spaces were compared.
    pub state_comparisons: usize,
    /// What differed.
    pub failures: Vec<Failure>,
    /// A hash of all calls in their order: equal where the same was sent.
    pub fingerprint: u64,
    /// Which commands and options came.
    pub coverage: Coverage,
}

/// One difference between the two servers.
#[derive(Debug)]
pub struct Failure {
    /// The command whose replies differed, or after which the key spaces did.
    pub command: String,
    /// How.
    pub difference: String,
    /// How before the script was made short, which may have led to another difference.
    pub difference_at_first: String,
    /// Commands, one a line, that show it on fresh servers.
    pub script: Vec<String>,
    /// Whether the script showed it again when it was run alone.
    pub reproduced: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.reproduced {
            ""
        } else {
            " (did not show again on fresh key spaces)"
        };
        writeln!(formatter, "# {}{again}", self.command)?;
        for line in self.difference.lines() {
            writeln!(formatter, "#   {line}")?;
        }
        if self.difference_at_first != self.difference {
            writeln!(formatter, "# At first:")?;
            for line in self.difference_at_first.lines() {
                writeln!(formatter, "#   {line}")?;
            }
        }
        self.script
            .iter()
            .try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// Two running servers and what is compared between them.
#[derive(Debug)]
pub struct Fuzzer {
    reference: ServerBuilder,
    subject: ServerBuilder,
    pair: Pair,
    /// What CONFIG SET puts back on fresh key spaces.
    limits: &'static [(&'static str, &'static str)],
    options: Options,
}

impl Fuzzer {
    /// Starts both servers.
    ///
    /// # Errors
    /// When one of them does not start.
    pub fn start(
        reference: ServerBuilder,
        subject: ServerBuilder,
        options: Options,
    ) -> io::Result<Self> {
        let limits = match options.small_limits {
            true => SMALL_LIMITS,
            false => DEFAULT_LIMITS,
        };
        let arguments = || {
            let common = COMPARISON_OPTIONS.iter();
            common
                .map(|(name, value, _)| (*name, *value))
                .chain(limits.iter().copied())
                .flat_map(|(name, value)| [format!("--{name}"), value.to_owned()])
        };
        let (reference, subject) = (
            reference.arguments(arguments()),
            subject.arguments(arguments()),
        );
        let pair = Pair::start(&reference, &subject, limits)?;
        Ok(Self {
            reference,
            subject,
            pair,
            limits,
            options,
        })
    }

    /// Runs random commands until there were enough of them, or of failures.
    ///
    /// # Errors
    /// When a server cannot be started anew after it ended.
    pub fn run(&mut self) -> io::Result<Summary> {
        let mut generator = Generator::new(self.options.seed, &self.options.families);
        let mut summary = Summary::default();
        let mut history: Vec<Step> = Vec::new();
        let (mut next_comparison, mut next_flush) = (COMPARE_EVERY_COMMANDS, FLUSH_EVERY_COMMANDS);
        while summary.commands < self.options.commands && !generator.is_exhausted() {
            let start = history.len();
            let mut len = 0;
            while len < BATCH_COMMANDS {
                let step = generator.step();
                len += step.calls.len();
                summary.fingerprint = mixed(summary.fingerprint, &step);
                history.push(step);
            }
            summary.commands += len;
            let mut found = self.pair.run(&history[start..], &mut summary.coverage);
            if found.is_none() && summary.commands >= next_comparison {
                next_comparison += COMPARE_EVERY_COMMANDS;
                summary.state_comparisons += 1;
                found = self.pair.compare_states();
            }
            if let Some(mismatch) = found {
                let last = match mismatch.place {
                    Place::Reply(step) => start + step,
                    Place::Events | Place::State => history.len() - 1,
                };
                history.truncate(last + 1);
                let failure = self.examine(std::mem::take(&mut history), mismatch)?;
                generator.exclude(&failure.command);
                summary.failures.push(failure);
                if summary.failures.len() >= self.options.failures_limit {
                    break;
                }
            }
            if summary.commands >= next_flush {
                next_flush += FLUSH_EVERY_COMMANDS;
                history.clear();
                self.refresh()?;
            }
        }
        summary.errors = summary.coverage.errors();
        Ok(summary)
    }

    /// The commands that both servers have; subcommands stand behind their command and a blank.
    ///
    /// # Errors
    /// When a server does not answer.
    pub fn common_commands(&mut self) -> io::Result<Vec<String>> {
        self.pair.common_commands()
    }

    /// Runs a script, one command a line (empty lines and lines that start with `#` are none), and
    /// compares the key spaces after it.
    ///
    /// # Errors
    /// When a line has an open quote, or a server cannot be started anew.
    pub fn replay(&mut self, script: &str) -> io::Result<Option<Failure>> {
        let lines = script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut calls = Vec::new();
        for line in lines {
            let bad = || io::Error::other(format!("not a line of a script: {line}"));
            calls.push(Call::parse(line).ok_or_else(bad)?);
        }
        let is_several = calls.iter().any(|call| call.connection != Connection::Main);
        let steps: Vec<Step> = if is_several {
            let kind = StepKind::Several;
            vec![Step { calls, kind }]
        } else {
            let step = |call: Call| Step::main(StepKind::Plain, vec![call.words]);
            calls.into_iter().map(step).collect()
        };
        self.refresh()?;
        let found = self
            .pair
            .run(&steps, &mut Coverage::default())
            .or_else(|| self.pair.compare_states());
        Ok(found.map(|mismatch| failure(&steps, mismatch, true)))
    }

    fn examine(&mut self, steps: Vec<Step>, mismatch: Mismatch) -> io::Result<Failure> {
        self.refresh()?;
        let at_first = mismatch.difference.clone();
        let mut last = mismatch;
        let mut reproduced = false;
        let name = last.name.clone();
        let place = last.place;
        let mut fails = |candidate: &[Step]| {
            if self.refresh().is_err() {
                return false;
            }
            let mut found = self.pair.run(candidate, &mut Coverage::default());
            if found.is_none() && place == Place::State {
                found = self.pair.compare_states();
            }
            match found {
                Some(found) if found.name == name && found.place.is_like(place) => {
                    reproduced = true;
                    last = found;
                    true
                }
                _ => false,
            }
        };
        let small = shrink::shrink(steps, SHRINK_LIMIT, &mut fails);
        // The last call of `fails` was perhaps of a candidate that did not fail.
        fails(&small);
        self.refresh()?;
        const LONGEST_UNSHRUNK: usize = 160;
        let from = if reproduced {
            0
        } else {
            small.len().saturating_sub(LONGEST_UNSHRUNK)
        };
        Ok(Failure {
            difference_at_first: at_first,
            ..failure(&small[from..], last, reproduced)
        })
    }

    /// Fresh connections and empty key spaces; a server that ended is started anew.
    fn refresh(&mut self) -> io::Result<()> {
        if self.pair.refresh().is_err() {
            self.pair = Pair::start(&self.reference, &self.subject, self.limits)?;
        }
        Ok(())
    }
}

/// FNV-1a over the lines of a step.
fn mixed(fingerprint: u64, step: &Step) -> u64 {
    let lines = step.calls.iter().map(|call| format!("{call}\n"));
    lines.fold(fingerprint, |hash, line| {
        line.bytes().fold(hash, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    })
}

fn failure(steps: &[Step], mismatch: Mismatch, reproduced: bool) -> Failure {
    let script: Vec<String> = steps
        .iter()
        .flat_map(|step| &step.calls)
        .map(ToString::to_string)
        .collect();
    // A difference of key spaces is laid at the door of the last command of the shrunk script.
    let command = match mismatch.name {
        Some(name) => name,
        None => {
            let last = steps.iter().rev().flat_map(|step| step.calls.iter().rev());
            let mut names = last.map(Call::name);
            names
                .find(|name| name != "EXEC" && name != "SELECT")
                .unwrap_or_default()
        }
    };
    Failure {
        command,
        difference_at_first: mismatch.difference.clone(),
        difference: mismatch.difference,
        script,
        reproduced,
    }
}
