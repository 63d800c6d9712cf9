//! Runs the fuzzer: two servers, one connection to each, batches of steps, replies compared as they
//! come and key spaces from time to time. A failing sequence is shrunk on fresh key spaces, noted,
//! and its command left out from then on, so that one run finds many failures.

use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use super::commands::Family;
use super::generate::SHORT_TTL_WAIT_MS;
use super::{Generator, Step, StepKind, shrink, state};
use crate::client::{Client, Words, encode_command};
use crate::reply::{join_words, split_words};
use crate::rules::Comparison;
use crate::{Reply, ServerBuilder, TestServer};

/// How many commands travel in one batch.
const BATCH_COMMANDS: usize = 128;

/// After so many commands the key spaces are compared.
const COMPARE_EVERY_COMMANDS: usize = 2_000;

/// After so many commands everything is flushed, so that a failure hangs on few commands at most.
const FLUSH_EVERY_COMMANDS: usize = 10_000;

/// How long one failure is shrunk.
const SHRINK_LIMIT: Duration = Duration::from_secs(15);

/// How long a reply may take: nothing that is generated blocks.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

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
}

/// One difference between the two servers.
#[derive(Debug)]
pub struct Failure {
    /// The command whose replies differed, or after which the key spaces did.
    pub command: String,
    /// How.
    pub difference: String,
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
        let limits: &[&str] = match options.small_limits {
            true => &[
                "--hash-max-listpack-entries",
                "16",
                "--zset-max-listpack-entries",
                "16",
                "--set-max-intset-entries",
                "16",
                "--list-max-listpack-size",
                "8",
            ],
            false => &[],
        };
        let (reference, subject) = (reference.arguments(limits), subject.arguments(limits));
        let pair = Pair::start(&reference, &subject)?;
        Ok(Self {
            reference,
            subject,
            pair,
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
                len += step.commands.len();
                history.push(step);
            }
            summary.commands += len;
            let mut found = self.pair.run(&history[start..], &mut summary.errors);
            if found.is_none() && summary.commands >= next_comparison {
                next_comparison += COMPARE_EVERY_COMMANDS;
                summary.state_comparisons += 1;
                found = self.pair.compare_states();
            }
            if let Some(mismatch) = found {
                let last = start + mismatch.step.unwrap_or(history.len() - start - 1);
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
        Ok(summary)
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
        let mut steps = Vec::new();
        for line in lines {
            let words = split_words(line)
                .ok_or_else(|| io::Error::other(format!("an open quote: {line}")))?;
            steps.push(Step {
                commands: vec![words],
                kind: StepKind::Plain,
            });
        }
        let found = self
            .pair
            .run(&steps, &mut 0)
            .or_else(|| self.pair.compare_states());
        Ok(found.map(|mismatch| failure(&steps, mismatch, true)))
    }

    fn examine(&mut self, steps: Vec<Step>, mismatch: Mismatch) -> io::Result<Failure> {
        self.refresh()?;
        let mut last = mismatch;
        let mut reproduced = false;
        let name = last.name.clone();
        let in_state = last.step.is_none();
        let mut fails = |candidate: &[Step]| {
            if self.refresh().is_err() {
                return false;
            }
            let mut found = self.pair.run(candidate, &mut 0);
            if found.is_none() && in_state {
                found = self.pair.compare_states();
            }
            match found {
                Some(found) if found.name == name && found.step.is_none() == in_state => {
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
        const LONGEST_UNSHRUNK: usize = 60;
        let from = if reproduced {
            0
        } else {
            small.len().saturating_sub(LONGEST_UNSHRUNK)
        };
        Ok(failure(&small[from..], last, reproduced))
    }

    /// Fresh connections and empty key spaces; a server that ended is started anew.
    fn refresh(&mut self) -> io::Result<()> {
        if self.pair.refresh().is_err() {
            self.pair = Pair::start(&self.reference, &self.subject)?;
        }
        Ok(())
    }
}

fn failure(steps: &[Step], mismatch: Mismatch, reproduced: bool) -> Failure {
    let script: Vec<String> = steps
        .iter()
        .flat_map(|step| &step.commands)
        .map(|words| join_words(words))
        .collect();
    // A difference of key spaces is laid at the door of the last command of the shrunk script.
    let command = match mismatch.name {
        Some(name) => name,
        None => {
            let last = steps
                .iter()
                .rev()
                .flat_map(|step| step.commands.iter().rev());
            let mut names = last.map(|words| String::from_utf8_lossy(&words[0]).to_uppercase());
            names
                .find(|name| name != "EXEC" && name != "SELECT")
                .unwrap_or_default()
        }
    };
    Failure {
        command,
        difference: mismatch.difference,
        script,
        reproduced,
    }
}

/// Where and how the two servers differed.
#[derive(Debug)]
struct Mismatch {
    /// The step, and `None` when the key spaces differed after all of them.
    step: Option<usize>,
    /// The command that was answered differently.
    name: Option<String>,
    difference: String,
}

#[derive(Debug)]
struct Pair {
    reference: Side,
    subject: Side,
    comparison: Comparison,
}

impl Pair {
    fn start(reference: &ServerBuilder, subject: &ServerBuilder) -> io::Result<Self> {
        Ok(Self {
            reference: Side::start(reference)?,
            subject: Side::start(subject)?,
            comparison: Comparison::default(),
        })
    }

    fn refresh(&mut self) -> io::Result<()> {
        self.comparison = Comparison::default();
        self.reference.refresh()?;
        self.subject.refresh()
    }

    fn run(&mut self, steps: &[Step], errors: &mut usize) -> Option<Mismatch> {
        // A step that waits cuts the sequence: what it waits for must have happened on both sides.
        let mut start = 0;
        while start < steps.len() {
            let waits = |step: &Step| step.kind == StepKind::Expiry;
            let len = match steps[start..].iter().position(waits) {
                Some(0) => 1,
                Some(position) => position,
                None => steps.len() - start,
            };
            let part = &steps[start..start + len];
            let found = if waits(&part[0]) {
                self.run_waiting(&part[0], errors)
            } else {
                self.run_part(part, errors)
            };
            if let Some(mut mismatch) = found {
                mismatch.step = mismatch.step.map(|step| start + step);
                return Some(mismatch);
            }
            start += len;
        }
        None
    }

    fn run_waiting(&mut self, step: &Step, errors: &mut usize) -> Option<Mismatch> {
        let part = |commands: &[Words]| {
            [Step {
                commands: commands.to_vec(),
                kind: StepKind::Plain,
            }]
        };
        let (first, rest) = step.commands.split_at(1);
        self.run_part(&part(first), errors).or_else(|| {
            thread::sleep(Duration::from_millis(SHORT_TTL_WAIT_MS));
            self.run_part(&part(rest), errors)
        })
    }

    fn run_part(&mut self, steps: &[Step], errors: &mut usize) -> Option<Mismatch> {
        let mut bytes = Vec::new();
        steps
            .iter()
            .flat_map(|step| &step.commands)
            .for_each(|words| encode_command(&mut bytes, words));
        // What fails here fails again at `receive`, where it is told.
        let _ = self.reference.client.send_bytes(&bytes);
        let _ = self.subject.client.send_bytes(&bytes);
        for (index, step) in steps.iter().enumerate() {
            let mut subject_replies = Vec::with_capacity(step.commands.len());
            for words in &step.commands {
                let mismatch = |difference: String| Mismatch {
                    step: Some(index),
                    name: Some(String::from_utf8_lossy(&words[0]).to_uppercase()),
                    difference,
                };
                let expected = match self.reference.client.receive() {
                    Ok(reply) => reply,
                    Err(error) => {
                        return Some(mismatch(format!("the reference does not answer: {error}")));
                    }
                };
                let actual = match self.subject.client.receive() {
                    Ok(reply) => reply,
                    Err(error) => return Some(mismatch(self.subject.describe(&error))),
                };
                *errors += usize::from(expected.is_error());
                if let Some(text) = self.comparison.difference(words, &expected, &actual) {
                    return Some(mismatch(format!("{}: {text}", join_words(words))));
                }
                subject_replies.push(actual);
                if step.kind == StepKind::Draw
                    && subject_replies.len() == 2
                    && let Some(text) =
                        draw_mistake(words, &subject_replies[0], &subject_replies[1])
                {
                    return Some(mismatch(text));
                }
            }
        }
        None
    }

    fn compare_states(&mut self) -> Option<Mismatch> {
        let compare = || {
            let (mut expected, mut actual) =
                (self.reference.server.client(), self.subject.server.client());
            expected.set_reply_limit(REPLY_LIMIT)?;
            actual.set_reply_limit(REPLY_LIMIT)?;
            state::difference(&mut expected, &mut actual)
        };
        let difference = compare().unwrap_or_else(|error| Some(self.subject.describe(&error)));
        difference.map(|difference| Mismatch {
            step: None,
            name: None,
            difference,
        })
    }
}

#[derive(Debug)]
struct Side {
    server: TestServer,
    client: Client,
}

impl Side {
    fn start(builder: &ServerBuilder) -> io::Result<Self> {
        let server = builder.start()?;
        let mut client = Client::connect(server.address())?;
        client.set_reply_limit(REPLY_LIMIT)?;
        Ok(Self { server, client })
    }

    fn refresh(&mut self) -> io::Result<()> {
        self.client = Client::connect(self.server.address())?;
        self.client.set_reply_limit(REPLY_LIMIT)?;
        self.client.command(&["FLUSHALL"])?;
        Ok(())
    }

    fn describe(&mut self, error: &io::Error) -> String {
        if self.server.is_running() {
            return format!("the server under test does not answer: {error}");
        }
        let log = self.server.log();
        let tail: Vec<&str> = log.lines().rev().take(12).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!(
            "the server under test has ended: {error}\n{}",
            tail.join("\n")
        )
    }
}

/// Whether what was drawn by chance is of the collection read just before: every element a member,
/// and without a negative count no element twice.
fn draw_mistake(words: &Words, all: &Reply, drawn: &Reply) -> Option<String> {
    let paired = words.len() > 3;
    let with_values =
        !words[0].eq_ignore_ascii_case(b"srandmember") && !words[0].eq_ignore_ascii_case(b"spop");
    let is_hash_or_zset = with_values && !words[0].eq_ignore_ascii_case(b"randomkey");
    let members = firsts(all, is_hash_or_zset);
    let drawn_members = match drawn {
        Reply::Bulk(_) => vec![drawn.clone()],
        other => firsts(other, paired),
    };
    if drawn.is_error() || drawn.is_null() {
        return None;
    }
    if let Some(stranger) = drawn_members
        .iter()
        .find(|member| !members.contains(member))
    {
        return Some(format!(
            "{}: drew what is not there: {stranger}",
            join_words(words)
        ));
    }
    let may_repeat = words.get(2).is_some_and(|count| count.starts_with(b"-"));
    let mut sorted = drawn_members.clone();
    sorted.sort();
    sorted.dedup();
    if !may_repeat && sorted.len() != drawn_members.len() {
        return Some(format!(
            "{}: drew an element twice: {drawn}",
            join_words(words)
        ));
    }
    None
}

/// The members, without the values or scores that stand beside them in one way or another.
fn firsts(reply: &Reply, paired: bool) -> Vec<Reply> {
    match reply {
        Reply::Map(pairs) => pairs.iter().map(|(key, _)| key.clone()).collect(),
        other => {
            let elements = other.elements().unwrap_or_default();
            let nested: Option<Vec<Reply>> = elements
                .iter()
                .map(|element| element.elements()?.first().cloned())
                .collect();
            match nested {
                Some(members) => members,
                None => elements
                    .iter()
                    .step_by(if paired { 2 } else { 1 })
                    .cloned()
                    .collect(),
            }
        }
    }
}
