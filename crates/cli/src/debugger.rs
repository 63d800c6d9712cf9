//! The debugger of scripts as the prompt sees it: whether a conversation with it is going on, and how what it says is
//! shown. The conversation itself is the server's, and who types in it is the prompt's.

use std::env;

use oxidis_resp::Value;

use crate::arguments::DebugMode;
use crate::format;

/// What the debugger says last.
const END: &[u8] = b"<endsession>";

/// What a session knows of the debugger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debugger {
    /// Scripts just run.
    Off,
    /// The next script is debugged.
    Armed(DebugMode),
    /// A script is being debugged.
    Open(DebugMode),
    /// It has come to its end: its own reply comes next.
    Ended(DebugMode),
}

impl Debugger {
    /// Whether what is typed goes to the debugger.
    pub fn is_open(self) -> bool {
        matches!(self, Debugger::Open(_))
    }
}

/// Whether a reply is what the debugger says: lines, as simple strings.
pub fn is_said(reply: &Value) -> bool {
    let is_line = |element: &Value| matches!(element, Value::Simple(_));
    matches!(reply, Value::Array(elements) if !elements.is_empty() && elements.iter().all(is_line))
}

/// Whether the conversation is over with this reply.
pub fn is_end(reply: &Value) -> bool {
    matches!(reply, Value::Array(elements) if elements.iter().any(is_end_line))
}

fn is_end_line(element: &Value) -> bool {
    matches!(element, Value::Simple(line) if line.starts_with(END))
}

/// Appends what the debugger said, in colours if the terminal has some. As in raw output `delimiter` parts the lines.
pub fn push(out: &mut Vec<u8>, reply: &Value, delimiter: &[u8]) {
    let has_colours = env::var("TERM").is_ok_and(|terminal| terminal.contains("xterm"))
        && env::var_os("NO_COLOR").is_none();
    push_said(out, reply, delimiter, has_colours);
}

fn push_said(out: &mut Vec<u8>, reply: &Value, delimiter: &[u8], has_colours: bool) {
    match reply {
        Value::Simple(_) if is_end_line(reply) => {}
        Value::Simple(line) if has_colours => {
            out.extend_from_slice(colour(line).as_bytes());
            out.extend_from_slice(line);
            out.extend_from_slice(b"\x1b[0m");
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                push_said(out, element, delimiter, has_colours);
            }
        }
        reply => format::push_raw(out, reply, delimiter),
    }
}

/// What sets the colour of a line.
fn colour(line: &[u8]) -> &'static str {
    const MARKS: [(&str, &str); 7] = [
        ("<retval>", MAGENTA),
        ("<value>", MAGENTA),
        ("<hint>", BOLD),
        ("<error>", RED),
        ("<reply>", CYAN),
        ("<redis>", GREEN),
        ("<debug>", BOLD),
    ];
    const BOLD: &str = "\x1b[1;37;49m";
    const RED: &str = "\x1b[0;31;49m";
    const GREEN: &str = "\x1b[0;32;49m";
    const YELLOW: &str = "\x1b[0;33;49m";
    const MAGENTA: &str = "\x1b[0;35;49m";
    const CYAN: &str = "\x1b[0;36;49m";
    const WHITE: &str = "\x1b[0;37;49m";
    // A line of the script: the current one has an arrow before its number, a breakpoint another sign.
    if line.len() > 4 && line[3].is_ascii_digit() {
        if line[1] == b'>' {
            return YELLOW;
        }
        if line[2] == b'#' {
            return BOLD;
        }
    }
    let text = String::from_utf8_lossy(line);
    let mark = MARKS.iter().find(|(mark, _)| text.contains(mark));
    mark.map_or(WHITE, |(_, colour)| colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis-cli 7.0.15 prints of each line where TERM is xterm.
    #[test]
    fn lines_have_the_colours_of_redis_cli() {
        for (line, colour) in [
            ("* Stopped at 1, stop reason = step over", "0;37"),
            ("-> 1   local a = 1", "0;33"),
            ("  #2   local b = 2", "1;37"),
            ("->#2   local b = 2", "0;33"),
            ("   3   local c = '<error>'", "0;31"),
            ("<redis> get k", "0;32"),
            ("<reply> NULL", "0;36"),
            ("<value> 3", "0;35"),
            ("<retval> 3", "0;35"),
            ("<error> no", "0;31"),
            ("<hint> cut", "1;37"),
            ("<debug> line 1: 2", "1;37"),
            ("<reply> \"<value>\"", "0;35"),
            ("", "0;37"),
        ] {
            let mut out = Vec::new();
            let said = Value::Array(vec![Value::Simple(line.into())]);
            push_said(&mut out, &said, b"\n", true);
            let expected = format!("\x1b[{colour};49m{line}\x1b[0m");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
