//! What the fuzzer sends: calls, each on one of three connections, and the steps they belong to.

use std::fmt;

use crate::client::Words;
use crate::reply::{join_words, split_words};

/// The connections that a pair of servers has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connection {
    /// Where almost everything is sent.
    Main,
    /// Where commands block, and messages arrive.
    Second,
    /// Another of these.
    Third,
}

impl Connection {
    /// Those beside the main one.
    pub const OTHERS: [Self; 2] = [Self::Second, Self::Third];

    /// As it stands in a script.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Second => "second",
            Self::Third => "third",
        }
    }
}

/// A command, and where it is sent. As a line of a script it stands bare when it is for the main
/// connection, else behind `@second` or `@third`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where it is sent.
    pub connection: Connection,
    /// The command.
    pub words: Words,
}

impl Call {
    /// A call on the main connection.
    pub fn main(words: Words) -> Self {
        Self::on(Connection::Main, words)
    }

    /// A call on any connection.
    pub fn on(connection: Connection, words: Words) -> Self {
        Self { connection, words }
    }

    /// Reads a line of a script; `None` when it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let of = |connection: &Connection| line.strip_prefix('@')?.strip_prefix(connection.name());
        let found = Connection::OTHERS
            .iter()
            .find_map(|connection| Some((*connection, of(connection)?)));
        let (connection, text) = found.unwrap_or((Connection::Main, line));
        let words = split_words(text).filter(|words| !words.is_empty())?;
        Some(Self { connection, words })
    }

    /// The command's name in capitals.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.words[0]).to_uppercase()
    }

    /// Whether it calls this command (given in capitals).
    pub fn is(&self, name: &str) -> bool {
        self.words[0].eq_ignore_ascii_case(name.as_bytes())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connection != Connection::Main {
            write!(formatter, "@{} ", self.connection.name())?;
        }
        formatter.write_str(&join_words(&self.words))
    }
}

/// Calls that belong together: a sequence is shrunk by whole steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The calls, sent in this order.
    pub calls: Vec<Call>,
    /// What they are to each other.
    pub kind: StepKind,
}

/// What the calls of a step are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Nothing, or a transaction.
    Plain,
    /// The first reads a whole collection, the second draws from it by chance.
    Draw,
    /// The first gives a key a few milliseconds to live; the others look when those are over.
    Expiry,
    /// Only the last one is answered.
    Silent,
    /// The first is a DUMP; each RESTORE behind it is sent with the payload that each server answered, spoilt as the word
    /// in the payload's place says (see `damage`).
    Carry,
    /// They go to several connections, each when the one before it has had its effect.
    Several,
}

impl Step {
    /// A step of calls on the main connection.
    pub fn main(kind: StepKind, commands: Vec<Words>) -> Self {
        Self {
            calls: commands.into_iter().map(Call::main).collect(),
            kind,
        }
    }

    /// Whether the call of this index is answered on its own.
    pub fn is_answered(&self, index: usize) -> bool {
        self.kind != StepKind::Silent || index + 1 == self.calls.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_as_it_is_written() {
        for line in ["SET a \"b c\"", "@second BLPOP l 0", "@third PING"] {
            assert_eq!(Call::parse(line).unwrap().to_string(), line);
        }
        assert_eq!(
            Call::parse("@fourth PING").unwrap().connection,
            Connection::Main
        );
        assert_eq!(Call::parse("SET \"a"), None);
        assert_eq!(Call::parse("@second "), None);
    }
}
