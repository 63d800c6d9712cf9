//! What the prompt does with a line: its own words (QUIT, CLEAR, CONNECT, `:set`, a count
//! before a command), and otherwise the server.

use std::fs;
use std::time::{Duration, Instant};

use oxidis_resp::inline;
use oxidis_resp::number::leading_integer;

use super::lines::Lines;
use crate::arguments::{DebugMode, Mode, Output};
use crate::client::{Client, Disconnected, Exit, Report, print};
use crate::history::{dotfile, is_sensitive};
use crate::interrupt;

/// A command that takes longer has its time printed.
const SLOW: Duration = Duration::from_millis(500);

/// Reads and runs lines until there are no more.
pub fn open(mut client: Client) -> Result<(), Exit> {
    prepare(&mut client);
    // Every command tries again.
    let _ = client.connect(Report::Loud);
    converse(&mut client, &mut None).map(drop)
}

/// How a conversation came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// It is over.
    Ended,
    /// The script that is debugged is to be run anew.
    Restarts,
}

/// Reads and runs lines over the connection that the client has until there are no more, or what stands before the
/// conversation is to be done again. `source` keeps where lines come from.
pub fn converse(client: &mut Client, source: &mut Option<Lines>) -> Result<Conversation, Exit> {
    prepare(client);
    let lines = match source {
        Some(lines) => lines,
        None => {
            let lines = source.insert(Lines::open(client));
            if lines.wants_settings() {
                load_settings(lines)?;
            }
            lines
        }
    };
    while let Some(line) = lines.next(client) {
        match run_line(client, lines, &line)? {
            Next::Line => {}
            Next::Restart => return Ok(Conversation::Restarts),
            Next::End => break,
        }
    }
    Ok(Conversation::Ended)
}

/// Has the client know that somebody is there.
fn prepare(client: &mut Client) {
    client.interactive = true;
    interrupt::install();
    client.notice_pushes = std::io::IsTerminal::is_terminal(&std::io::stdin());
}

/// What comes after a line.
enum Next {
    Line,
    Restart,
    End,
}

fn run_line(client: &mut Client, lines: &mut Lines, line: &[u8]) -> Result<Next, Exit> {
    let Ok(arguments) = split(client, line) else {
        print(b"Invalid argument(s)\n")?;
        lines.remember(line);
        return Ok(Next::Line);
    };
    let Some(first) = arguments.first() else {
        return Ok(Next::Line);
    };
    let (repeat, command) = match read_count(first) {
        Some(count) if arguments.len() > 1 => (count, &arguments[1..]),
        _ => (Some(1), &arguments[..]),
    };
    let Some(repeat) = repeat else {
        print(b"Invalid redis-cli repeat command option value.\n")?;
        return Ok(Next::Line);
    };
    if !is_sensitive(command) {
        lines.remember(line);
    }
    match first.to_ascii_lowercase().as_slice() {
        b"quit" | b"exit" => return Ok(Next::End),
        [b':', ..] => set(lines, &arguments, "")?,
        b"restart" if matches!(client.options.mode, Mode::Debug { .. }) => {
            return Ok(Next::Restart);
        }
        b"restart" => print(b"Use 'restart' only in Lua debugging mode.\n")?,
        b"connect" if arguments.len() == 3 => connect(client, &arguments),
        b"clear" if arguments.len() == 1 => print(b"\x1b[H\x1b[2J")?,
        _ => {
            let began = Instant::now();
            // The reason is printed; the next command connects anew.
            let (Ok(()) | Err(Disconnected)) = client.run(command, repeat)?;
            if let Some(mode) = client.take_debugger_end() {
                end_debugging(client, lines, mode)?;
            }
            let elapsed = began.elapsed();
            if elapsed >= SLOW && client.options.output == Output::Standard {
                print(format!("({:.2}s)\n", elapsed.as_secs_f64()).as_bytes())?;
            }
        }
    }
    Ok(Next::Line)
}

/// The words of a line. Code for the debugger is one word, as it stands.
fn split(client: &Client, line: &[u8]) -> Result<Vec<Vec<u8>>, inline::UnbalancedQuotes> {
    if client.is_debugging() {
        for word in [&b"eval"[..], b"e"] {
            if let Some([b' ', code @ ..]) = line.strip_prefix(word) {
                return Ok(vec![word.to_vec(), code.to_vec()]);
            }
        }
    }
    inline::split(line)
}

/// Shows what came of the script that was debugged. The server closes the connection behind it.
fn end_debugging(client: &mut Client, lines: &mut Lines, mode: DebugMode) -> Result<(), Exit> {
    // A lost connection has been told.
    let _ = client.print_reply()?;
    let data = match mode {
        DebugMode::Copy => " -- dataset changes rolled back",
        DebugMode::Synchronous => "",
    };
    print(format!("\n(Lua debugging session ended{data})\n\n").as_bytes())?;
    // Every command tries again.
    let _ = client.connect(Report::Quiet);
    lines.learn_commands(client);
    Ok(())
}

/// The count before a command: `None` where the word is no number, `Some(None)` where the
/// number cannot be a count.
fn read_count(word: &[u8]) -> Option<Option<i64>> {
    let word = std::str::from_utf8(word).ok()?;
    let digits = word.trim_start().trim_start_matches(['+', '-']);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count = word.trim_start().parse().unwrap_or(0);
    Some((count > 0).then_some(count))
}

fn connect(client: &mut Client, arguments: &[Vec<u8>]) {
    let word = |index: usize| String::from_utf8_lossy(&arguments[index]).into_owned();
    client.options.target.host = word(1);
    client.options.target.port = leading_integer(word(2)) as u16;
    // The reason is printed; the prompt says that there is no connection.
    let _ = client.connect(Report::Loud);
}

/// Does what a line that begins with a colon says. `place` names the file that it stands
/// in.
fn set(lines: &mut Lines, arguments: &[Vec<u8>], place: &str) -> Result<(), Exit> {
    let word = |index: usize| String::from_utf8_lossy(&arguments[index]);
    if !arguments[0].eq_ignore_ascii_case(b":set") || arguments.len() < 2 {
        let complaint = format!("{place}unknown redis-cli internal command '{}'\n", word(0));
        return print(complaint.as_bytes());
    }
    match word(1).to_ascii_lowercase().as_str() {
        "hints" => lines.set_hints(true),
        "nohints" => lines.set_hints(false),
        _ => {
            let complaint = format!("{place}unknown redis-cli preference '{}'\n", word(1));
            return print(complaint.as_bytes());
        }
    }
    Ok(())
}

fn load_settings(lines: &mut Lines) -> Result<(), Exit> {
    let variables = ["OXIDIS_RCFILE", "REDISCLI_RCFILE"];
    let Some(settings) = dotfile(&variables, ".oxidisclirc").and_then(|path| fs::read(path).ok())
    else {
        return Ok(());
    };
    for line in settings.split(|&byte| byte == b'\n') {
        match inline::split(line) {
            Ok(arguments) if !arguments.is_empty() => set(lines, &arguments, ".oxidisclirc: ")?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_positive_number_and_nothing_else() {
        assert_eq!(read_count(b"5"), Some(Some(5)));
        assert_eq!(read_count(b"0"), Some(None));
        assert_eq!(read_count(b"-1"), Some(None));
        assert_eq!(read_count(b"99999999999999999999"), Some(None));
        assert_eq!(read_count(b"5x"), None);
        assert_eq!(read_count(b"get"), None);
    }
}
