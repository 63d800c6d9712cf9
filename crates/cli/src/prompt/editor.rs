//! Line editing, by rustyline: it can print from another thread while a line is being
//! typed, which push messages need, and it draws hints behind the cursor without taking
//! over the screen; reedline does more, for three times the dependencies.

use std::borrow::Cow;
use std::env;

use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, ExternalPrinter, Helper};

use super::highlight::highlight;
use crate::client::{Client, shown_push};
use crate::connection::PushSink;
use crate::help::Help;
use crate::history::{CAPACITY, History};

/// A terminal's line editor.
pub struct Editor {
    editor: rustyline::Editor<Assistant, MemHistory>,
    history: History,
}

impl Editor {
    /// An editor with the commands of `history`, which knows those of the server; `None`
    /// where the terminal refuses.
    pub fn open(client: &mut Client, history: History) -> Option<Editor> {
        let config = Config::builder()
            .completion_type(CompletionType::Circular)
            .auto_add_history(false)
            .max_history_size(CAPACITY)
            .ok()?
            .build();
        let kept = MemHistory::with_config(&config);
        let mut editor = rustyline::Editor::with_history(config, kept).ok()?;
        for line in history.lines() {
            editor.add_history_entry(line).ok()?;
        }
        editor.set_helper(Some(Assistant {
            help: known_commands(client),
            hints: true,
            room: 0,
            colours: env::var_os("NO_COLOR").is_none(),
        }));
        Some(Editor { editor, history })
    }

    /// Reads a line; `None` at the end of input or after Ctrl-C. Push messages that
    /// arrive meanwhile are printed above it.
    pub fn read_line(&mut self, client: &mut Client) -> Option<String> {
        let prompt = client.prompt();
        let sink = self.push_sink(client);
        if let Some(connection) = client.connection() {
            connection.set_push_sink(sink);
        }
        let width = self
            .editor
            .dimensions()
            .map_or(0, |(columns, _)| usize::from(columns));
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.room = width.saturating_sub(prompt.chars().count() + 1);
        }
        let line = self.editor.readline(&prompt);
        if let Some(connection) = client.connection() {
            connection.set_push_sink(None);
        }
        line.ok()
    }

    fn push_sink(&mut self, client: &Client) -> Option<PushSink> {
        if !client.options.show_pushes {
            return Some(Box::new(|_| {}));
        }
        let mut printer = self.editor.create_external_printer().ok()?;
        let options = client.options.clone();
        Some(Box::new(move |push| {
            let text = shown_push(&push, &options);
            // A message that cannot be shown is as lost as one that nobody waited for.
            let _ = printer.print(String::from_utf8_lossy(&text).into_owned());
        }))
    }

    /// Keeps a line.
    pub fn remember(&mut self, line: &str) {
        if self.history.add(line) {
            // The editor refuses what it would not offer either.
            let _ = self.editor.add_history_entry(line);
        }
    }

    /// Completes and explains the commands of the server from here on.
    pub fn learn_commands(&mut self, client: &mut Client) {
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.help = known_commands(client);
        }
    }

    /// Shows or hides hints.
    pub fn set_hints(&mut self, shown: bool) {
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.hints = shown;
        }
    }
}

/// The commands that can be typed. A debugger would not know what it is asked there.
fn known_commands(client: &mut Client) -> Help {
    if client.is_debugging() {
        Help::default()
    } else {
        client.help().clone()
    }
}

/// What the editor asks while a line is being typed.
struct Assistant {
    help: Help,
    hints: bool,
    /// How many characters fit between the prompt and the edge of the terminal.
    room: usize,
    colours: bool,
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.help.complete(&line[..position]))
    }
}

/// A hint can be read and not be accepted by a key: it is syntax, not a command.
struct Syntax(String);

impl Hint for Syntax {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Syntax;

    fn hint(&self, line: &str, position: usize, _: &Context<'_>) -> Option<Syntax> {
        if !self.hints || position < line.len() {
            return None;
        }
        // A hint that ran over the edge would make the screen scroll at each key.
        let room = self.room.saturating_sub(line.chars().count());
        let hint = self.help.hint(line)?;
        Some(Syntax(hint.chars().take(room).collect()))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.colours {
            Cow::Owned(highlight(line, &self.help))
        } else {
            Cow::Borrowed(line)
        }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.colours && kind != CmdKind::MoveCursor
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colours {
            Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
        } else {
            Cow::Borrowed(hint)
        }
    }
}
