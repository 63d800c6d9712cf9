//! Where lines come from: a person at a terminal, or a file.

use std::io::{self, BufRead, IsTerminal};

use super::editor::Editor;
use crate::client::Client;
use crate::history::History;

/// A source of lines.
pub enum Lines {
    /// A terminal, with everything that makes typing pleasant.
    Terminal(Box<Editor>),
    /// Anything else: no prompt is shown and nothing remembered.
    Plain,
}

impl Lines {
    /// Standard input, as whatever it is.
    pub fn open(client: &mut Client) -> Lines {
        if !io::stdin().is_terminal() {
            return Lines::Plain;
        }
        match Editor::open(client, History::load()) {
            Some(editor) => Lines::Terminal(Box::new(editor)),
            None => Lines::Plain,
        }
    }

    /// Answers the next line without its end, `None` where there are no more.
    pub fn next(&mut self, client: &mut Client) -> Option<Vec<u8>> {
        match self {
            Lines::Terminal(editor) => editor.read_line(client).map(String::into_bytes),
            Lines::Plain => {
                let mut line = Vec::new();
                // Input that cannot be read has ended.
                let read = io::stdin().lock().read_until(b'\n', &mut line).unwrap_or(0);
                if line.ends_with(b"\n") {
                    line.pop();
                }
                (read > 0).then_some(line)
            }
        }
    }

    /// Keeps a line for the arrow keys and the next time.
    pub fn remember(&mut self, line: &[u8]) {
        if let Lines::Terminal(editor) = self {
            editor.remember(&String::from_utf8_lossy(line));
        }
    }

    /// Has who types helped with the commands of the server.
    pub fn learn_commands(&mut self, client: &mut Client) {
        if let Lines::Terminal(editor) = self {
            editor.learn_commands(client);
        }
    }

    /// Shows or hides hints.
    pub fn set_hints(&mut self, shown: bool) {
        if let Lines::Terminal(editor) = self {
            editor.set_hints(shown);
        }
    }

    /// Reads the settings file where a person will see their effect.
    pub fn wants_settings(&self) -> bool {
        matches!(self, Lines::Terminal(_))
    }
}
