//! Recorded conversations: a script of commands, and the same with the replies that the reference
//! server gave. Recording needs that server, replaying does not.
//!
//! A script is a line a command, as one would type it to redis-cli, with double quotes and escapes.
//! `{a|b|c}` stands for three commands, one with each. Empty lines and lines that start with `#` are
//! none. Lines that start with `@` are:
//!
//! * `@NAME COMMAND`: on the connection of that name (others are on the connection `main`),
//! * `@NAME! COMMAND`: sent, its reply not awaited, because the command blocks,
//! * `@NAME?`: the next reply or message on that connection,
//! * `@NAME close`: the connection is closed,
//! * `@sleep MILLISECONDS`,
//! * `@server NAME VERSION`: the server that is asked, where it is not redis-server 7.0.15 ([`server_of`]),
//! * `@arguments NAME VALUE ...`: what the server is started with ([`arguments_of`]),
//! * `@encodings`: the conversation is held once with small collections and once with big ones
//!   ([`Encodings`]), and each is recorded.
//!
//! The word `<NAME>` stands for the CLIENT ID of the connection of that name, which is asked for when
//! the word is first met.
//!
//! A transcript is a script after expansion, each line followed by its reply in the text form of
//! [`Reply`], indented by two spaces.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::client::{Client, Words};
use crate::reply::split_words;
use crate::rules::Comparison;
use crate::{Reply, TestServer};

/// How long a command that was sent without awaiting its reply is given to reach the server.
const SENT_PAUSE: Duration = Duration::from_millis(25);

/// The protocol that every connection of a conversation speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// As connections start.
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Resp2, Self::Resp3];

    /// As in the names of transcript files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resp2 => "resp2",
            Self::Resp3 => "resp3",
        }
    }
}

/// The limits at which a conversation is held, and so the forms in which collections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encodings {
    /// Those of a server that is told nothing, at which a conversation's collections are small.
    Small,
    /// Such that every collection is big as soon as it can be.
    Big,
}

impl Encodings {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Small, Self::Big];

    /// As in the names of transcript files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Big => "big",
        }
    }

    /// What a server is started with.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Small => &[],
            Self::Big => &[
                "--hash-max-listpack-entries",
                "0",
                "--zset-max-listpack-entries",
                "0",
                "--set-max-intset-entries",
                "0",
                "--list-max-listpack-size",
                "1",
            ],
        }
    }

    /// With which encodings a script is to be held: `None` where they make no difference to it.
    pub fn of_script(script: &str) -> Vec<Option<Self>> {
        match script.lines().any(is_encodings) {
            true => Self::ALL.map(Some).to_vec(),
            false => vec![None],
        }
    }
}

/// The name of the file beside a script that has what was recorded from it.
pub fn file_name(script: &str, encodings: Option<Encodings>, protocol: Protocol) -> String {
    match encodings {
        Some(encodings) => format!(
            "{script}.{}.{}.transcript",
            encodings.name(),
            protocol.name()
        ),
        None => format!("{script}.{}.transcript", protocol.name()),
    }
}

fn is_encodings(line: &str) -> bool {
    line.trim_end() == "@encodings"
}

/// The server whose replies a script is about where it says nothing.
pub const DEFAULT_SERVER: &str = "redis-server 7.0.15";

/// The server whose replies a script is about, by name and version: `redis-server 8.2.3`.
pub fn server_of(script: &str) -> &str {
    let said = script
        .lines()
        .find_map(|line| line.strip_prefix(SERVER_DIRECTIVE));
    said.map_or(DEFAULT_SERVER, str::trim)
}

const SERVER_DIRECTIVE: &str = "@server ";

/// What the server is started with for a script: `--enable-debug-command yes`.
pub fn arguments_of(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines();
    lines
        .filter_map(|line| line.strip_prefix(ARGUMENTS_DIRECTIVE))
        .flat_map(str::split_whitespace)
}

const ARGUMENTS_DIRECTIVE: &str = "@arguments ";

/// Runs a script against a server and returns the transcript.
///
/// # Errors
/// When a line is no line of a script, or a reply does not come.
pub fn record(script: &str, server: &TestServer, protocol: Protocol) -> io::Result<String> {
    let mut connections = Connections::new(server.address(), protocol);
    let mut transcript = String::new();
    for (number, line) in script.lines().enumerate() {
        if is_comment(line) {
            transcript.push_str(line.trim_end());
            transcript.push('\n');
            continue;
        }
        for line in expand(line) {
            let reply = connections
                .run(&Action::parse(&line)?)
                .map_err(|error| about(&format!("line {}: {line}", number + 1), &error))?;
            transcript.push_str(&line);
            transcript.push('\n');
            for reply_line in reply.iter().flat_map(|reply| {
                reply
                    .to_string()
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            }) {
                transcript.push_str("  ");
                transcript.push_str(&reply_line);
                transcript.push('\n');
            }
        }
    }
    Ok(transcript)
}

/// Runs a transcript's commands against a server; returns what was answered otherwise, each with
/// the transcript's line number and command. Each connection is judged by a copy of `comparison`.
///
/// # Errors
/// When the transcript is malformed or the server stops answering.
pub fn replay(
    transcript: &str,
    server: &TestServer,
    protocol: Protocol,
    comparison: &Comparison,
) -> io::Result<Vec<String>> {
    let template = comparison;
    let mut connections = Connections::new(server.address(), protocol);
    let mut comparisons: HashMap<String, Comparison> = HashMap::new();
    let mut pending: HashMap<String, Words> = HashMap::new();
    let mut differences = Vec::new();
    let mut lines = transcript.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if is_comment(line) {
            continue;
        }
        let mut reply_lines = Vec::new();
        while let Some((_, reply_line)) = lines.next_if(|(_, line)| line.starts_with("  ")) {
            reply_lines.push(&reply_line[2..]);
        }
        let action = Action::parse(line)?;
        let actual = connections
            .run(&action)
            .map_err(|error| about(line, &error))?;
        match &action {
            Action::Send(name, words) => {
                pending.insert(name.clone(), words.clone());
            }
            Action::Command(name, _) | Action::Receive(name) => {
                let expected = Reply::from_text(&mut reply_lines.into_iter());
                let expected = expected.map_err(|error| about(line, &io::Error::other(error)))?;
                let words = match &action {
                    Action::Command(_, words) => words.clone(),
                    _ => pending.remove(name).unwrap_or_default(),
                };
                let comparison = comparisons
                    .entry(name.clone())
                    .or_insert_with(|| template.clone());
                let actual = actual.expect("a command and a receive have a reply");
                if let Some(text) = comparison.difference(&words, &expected, &actual) {
                    differences.push(format!("line {}: {line}\n{text}", number + 1));
                }
            }
            Action::Close(_) | Action::Sleep(_) => {}
        }
    }
    Ok(differences)
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty()
        || line.starts_with('#')
        || line.starts_with(SERVER_DIRECTIVE)
        || line.starts_with(ARGUMENTS_DIRECTIVE)
        || is_encodings(line)
}

fn about(line: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{line}: {error}"))
}

/// What a line of a script asks for.
enum Action {
    Command(String, Words),
    Send(String, Words),
    Receive(String),
    Close(String),
    Sleep(Duration),
}

impl Action {
    fn parse(line: &str) -> io::Result<Self> {
        let bad = || io::Error::other(format!("not a line of a script: {line}"));
        let words = |text: &str| {
            split_words(text)
                .filter(|words| !words.is_empty())
                .ok_or_else(bad)
        };
        let Some(directive) = line.strip_prefix('@') else {
            return Ok(Self::Command("main".to_owned(), words(line)?));
        };
        let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        if name == "sleep" {
            return Ok(Self::Sleep(Duration::from_millis(
                rest.parse().map_err(|_| bad())?,
            )));
        }
        if let Some(name) = name.strip_suffix('!') {
            return Ok(Self::Send(name.to_owned(), words(rest)?));
        }
        if let Some(name) = name.strip_suffix('?') {
            return Ok(Self::Receive(name.to_owned()));
        }
        if rest == "close" {
            return Ok(Self::Close(name.to_owned()));
        }
        Ok(Self::Command(name.to_owned(), words(rest)?))
    }
}

/// The connections of one conversation, made when they are first named.
struct Connections {
    address: SocketAddr,
    protocol: Protocol,
    by_name: HashMap<String, Client>,
    ids: HashMap<String, Vec<u8>>,
}

impl Connections {
    fn new(address: SocketAddr, protocol: Protocol) -> Self {
        Self {
            address,
            protocol,
            by_name: HashMap::new(),
            ids: HashMap::new(),
        }
    }

    /// The words as they are sent, with the numbers of connections in them.
    fn with_ids(&mut self, words: &Words) -> io::Result<Words> {
        let mut words = words.clone();
        for word in &mut words {
            let name = word
                .strip_prefix(b"<")
                .and_then(|rest| rest.strip_suffix(b">"));
            let Some(name) = name.and_then(|name| std::str::from_utf8(name).ok()) else {
                continue;
            };
            if !self.by_name.contains_key(name) {
                continue;
            }
            if !self.ids.contains_key(name) {
                let Reply::Integer(id) = self.named(name)?.command(&["CLIENT", "ID"])? else {
                    return Err(io::Error::other(format!("{name} does not answer its ID")));
                };
                self.ids
                    .insert(name.to_owned(), id.to_string().into_bytes());
            }
            word.clone_from(&self.ids[name]);
        }
        Ok(words)
    }

    fn run(&mut self, action: &Action) -> io::Result<Option<Reply>> {
        match action {
            Action::Command(name, words) => {
                let words = self.with_ids(words)?;
                self.named(name)?.command(&words).map(Some)
            }
            Action::Send(name, words) => {
                let words = self.with_ids(words)?;
                self.named(name)?.send(&words)?;
                thread::sleep(SENT_PAUSE);
                Ok(None)
            }
            Action::Receive(name) => self.named(name)?.receive().map(Some),
            Action::Close(name) => {
                self.by_name.remove(name);
                thread::sleep(SENT_PAUSE);
                Ok(None)
            }
            Action::Sleep(pause) => {
                thread::sleep(*pause);
                Ok(None)
            }
        }
    }

    fn named(&mut self, name: &str) -> io::Result<&mut Client> {
        if !self.by_name.contains_key(name) {
            let mut client = Client::connect(self.address)?;
            client.set_reply_limit(Duration::from_secs(5))?;
            if self.protocol == Protocol::Resp3 {
                client.command(&["HELLO", "3"])?;
            }
            self.by_name.insert(name.to_owned(), client);
        }
        Ok(self.by_name.get_mut(name).expect("it was put there"))
    }
}

/// Expands the first `{a|b}` of a line, and so on in what comes of it.
fn expand(line: &str) -> Vec<String> {
    let Some((start, end)) = line
        .find('{')
        .and_then(|start| Some((start, start + line[start..].find('}')?)))
    else {
        return vec![line.to_owned()];
    };
    let (before, choices, after) = (&line[..start], &line[start + 1..end], &line[end + 1..]);
    choices
        .split('|')
        .flat_map(|choice| expand(&format!("{before}{choice}{after}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_expanded_in_order() {
        assert_eq!(
            expand("{GET|SET} k {1|2}"),
            ["GET k 1", "GET k 2", "SET k 1", "SET k 2"]
        );
        assert_eq!(expand("PING"), ["PING"]);
    }
}
