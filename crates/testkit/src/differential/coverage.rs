//! Counts which commands, with which options, were sent, and how often the answer was no error.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::grammar;
use super::rows::ROWS;
use crate::Reply;
use crate::client::Words;
use crate::rules::inner_command;

/// The words that stand for themselves in the templates of each command, in capitals.
static OPTIONS: LazyLock<HashMap<&str, HashSet<String>>> = LazyLock::new(|| {
    let mut options: HashMap<&str, HashSet<String>> = HashMap::new();
    for row in ROWS {
        let first = row.template.split(' ').next().unwrap_or_default();
        let mut literals = Vec::new();
        grammar::literals(&grammar::parse(row.template), &mut literals);
        for name in first.trim_matches(['(', ')']).split('|') {
            let words = literals.iter().map(|word| word.to_ascii_uppercase());
            options.entry(name).or_default().extend(words);
        }
    }
    options
});

/// How often something was answered, and how often by an error.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    calls: usize,
    errors: usize,
}

/// What was sent.
#[derive(Debug, Default)]
pub struct Coverage {
    /// By command and options.
    combinations: BTreeMap<(String, String), Count>,
    /// Commands that scripts called.
    in_scripts: BTreeSet<String>,
}

impl Coverage {
    /// Notes a command and what was answered.
    pub(super) fn note(&mut self, words: &Words, reply: &Reply) {
        let upper = |word: &Vec<u8>| String::from_utf8_lossy(word).to_uppercase();
        let name = upper(&words[0]);
        if let Some(inner) = inner_command(words).and_then(|inner| inner.first().map(upper)) {
            self.in_scripts.insert(inner);
        }
        let Some(options) = OPTIONS.get(name.as_str()) else {
            let is_script = matches!(name.as_str(), "EVAL" | "EVAL_RO" | "MULTI");
            let name = if is_script {
                name
            } else {
                String::from("(unknown)")
            };
            return self.count(name, String::new(), reply);
        };
        let used: BTreeSet<String> = words[1..]
            .iter()
            .map(upper)
            .filter(|word| options.contains(word))
            .collect();
        let used: Vec<String> = used.into_iter().collect();
        self.count(name, used.join(" "), reply);
    }

    fn count(&mut self, name: String, options: String, reply: &Reply) {
        let count = self.combinations.entry((name, options)).or_default();
        count.calls += 1;
        count.errors += usize::from(reply.is_error());
    }

    /// How many answers were errors.
    pub fn errors(&self) -> usize {
        self.combinations.values().map(|count| count.errors).sum()
    }

    /// How many commands came, and how many combinations of a command and options, and how many of
    /// these were answered by something else than an error.
    pub fn numbers(&self) -> (usize, usize, usize) {
        let names: HashSet<&String> = self.combinations.keys().map(|(name, _)| name).collect();
        let succeeded = |count: &&Count| count.errors < count.calls;
        let fine = self.combinations.values().filter(succeeded).count();
        (names.len(), self.combinations.len(), fine)
    }

    /// A line a command: how often it came and failed, and with how many combinations of options.
    /// `common` are the commands that both servers have; those that never came, and those that were always refused, are named last.
    pub fn table(&self, common: &[String]) -> String {
        let mut by_name: BTreeMap<&str, (Count, usize)> = BTreeMap::new();
        for ((name, _), count) in &self.combinations {
            let (sum, combinations) = by_name.entry(name).or_default();
            sum.calls += count.calls;
            sum.errors += count.errors;
            *combinations += 1;
        }
        let mut text = String::from("command               calls  errors  combinations\n");
        for (name, (count, combinations)) in &by_name {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{name:20} {:>6}  {:>6}  {combinations:>12}{}",
                count.calls,
                count.errors,
                if self.in_scripts.contains(*name) {
                    "  also in scripts"
                } else {
                    ""
                },
            );
        }
        let names = |wanted: &dyn Fn(Count) -> bool| -> Vec<&str> {
            let commands = common.iter().map(String::as_str);
            commands
                .filter(|command| wanted(self.count_of(command)))
                .collect()
        };
        let missing = names(&|count| count.calls == 0);
        let refused = names(&|count| count.calls > 0 && count.calls == count.errors);
        let _ = writeln!(
            text,
            "{} of the {} commands and subcommands that both servers have; never sent: {}; always refused: {}",
            common.len() - missing.len(),
            common.len(),
            missing.join(", "),
            refused.join(", ")
        );
        text
    }

    /// How often the command (and its subcommand, behind a blank) came.
    fn count_of(&self, command: &str) -> Count {
        let (name, subcommand) = command.split_once(' ').unwrap_or((command, ""));
        let mut sum = Count::default();
        for ((have, options), count) in &self.combinations {
            if have == name
                && (subcommand.is_empty() || options.split(' ').any(|word| word == subcommand))
            {
                sum.calls += count.calls;
                sum.errors += count.errors;
            }
        }
        sum
    }
}

/// Commands that the generator does not draw though redis-server 7.0.15 has them, and why.
pub const NOT_GENERATED: &[(&[&str], &str)] = &[
    (
        &["bgrewriteaof", "bgsave", "save", "shutdown"],
        "they write files or end the server; the tests of persistence and processes do that",
    ),
    (
        &[
            "failover",
            "psync",
            "replconf",
            "replicaof",
            "slaveof",
            "sync",
        ],
        "they make another server of it; the tests of replication do that with several",
    ),
    (
        &["migrate"],
        "it needs another server; the tests of MIGRATE have one",
    ),
    (
        &["monitor", "quit"],
        "the connection is of no use for calls any more; the recorded conversations have them",
    ),
    (
        &["restore-asking"],
        "it is what one node of a cluster sends to another",
    ),
    (
        &["script|debug"],
        "what it answers in a pipeline depends on when replies leave; the recorded conversations with the debugger have it",
    ),
    (&["oxidis"], "redis-server has not got it"),
];
