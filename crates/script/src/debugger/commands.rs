//! What the client of the debugger can ask for while the script stands.

use super::describe;
use super::request::integer;
use super::state::raise;
use super::stop::Next;
use crate::lua::{Frame, Kind, Raise};

/// The lines that `list` shows before and behind.
const CONTEXT_LINES: i32 = 5;

/// A limit of what is shown is no smaller, unless it is none.
const LENGTH_MAX_LEAST: usize = 60;

const HELP: [&str; 30] = [
    "Redis Lua debugger help:",
    "[h]elp               Show this help.",
    "[s]tep               Run current line and stop again.",
    "[n]ext               Alias for step.",
    "[c]ontinue           Run till next breakpoint.",
    "[l]ist               List source code around current line.",
    "[l]ist [line]        List source code around [line].",
    "                     line = 0 means: current position.",
    "[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
    "                     to show before/after [line].",
    "[w]hole              List all source code. Alias for 'list 1 1000000'.",
    "[p]rint              Show all the local variables.",
    "[p]rint <var>        Show the value of the specified variable.",
    "                     Can also show global vars KEYS and ARGV.",
    "[b]reak              Show all breakpoints.",
    "[b]reak <line>       Add a breakpoint to the specified line.",
    "[b]reak -<line>      Remove breakpoint from the specified line.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show a backtrace.",
    "[e]val <code>        Execute some Lua code (in a different callframe).",
    "[r]edis <cmd>        Execute a Redis command.",
    "[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.",
    "                     Specifying zero as <len> means unlimited.",
    "[a]bort              Stop the execution of the script. In sync",
    "                     mode dataset changes will be retained.",
    "",
    "Debugger functions you can call from Lua scripts:",
    "redis.debug()        Produce logs in the debugger console.",
    "redis.breakpoint()   Stop execution like if there was a breakpoint in the",
    "                     next line of code.",
];

/// Does what a request asks for.
///
/// # Errors
/// The script is to end.
pub(super) fn execute(frame: &mut Frame<'_>, request: &[Vec<u8>]) -> Result<Next, Raise> {
    let words: Vec<&[u8]> = request.iter().map(|word| until_zero(word)).collect();
    let name = words.first().copied().unwrap_or_default();
    let arguments = request.get(1..).unwrap_or_default();
    match name.to_ascii_lowercase().as_slice() {
        b"s" | b"step" | b"n" | b"next" => {
            set_stepping(frame, true);
            return Ok(Next::GoOn);
        }
        b"c" | b"continue" => return Ok(Next::GoOn),
        b"a" | b"abort" => return Err(raise(frame, "script aborted for user request")),
        b"h" | b"help" => {
            HELP.iter().for_each(|line| note(frame, *line));
        }
        b"t" | b"trace" => trace(frame),
        b"m" | b"maxlen" => limit_length(frame, &words[1..]),
        b"b" | b"break" => change_breakpoints(frame, &words[1..]),
        b"e" | b"eval" => evaluate(frame, arguments),
        b"r" | b"redis" if !arguments.is_empty() => call(frame, arguments),
        b"p" | b"print" => match words[1..] {
            [name] => print(frame, name),
            _ => print_all(frame),
        },
        b"l" | b"list" => list(frame, &words[1..]),
        b"w" | b"whole" => show_lines(frame, 1, 1_000_000),
        _ => note(
            frame,
            "<error> Unknown Redis Lua debugger command or wrong number of arguments.",
        ),
    }
    Ok(Next::Stay)
}

/// Words end where C's strings do.
fn until_zero(word: &[u8]) -> &[u8] {
    word.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn note(frame: &mut Frame<'_>, note: impl Into<Vec<u8>>) {
    if let Some(debugger) = frame.debugger() {
        debugger.note(note);
    }
}

fn set_stepping(frame: &mut Frame<'_>, is_stepping: bool) {
    if let Some(debugger) = frame.debugger() {
        debugger.is_stepping = is_stepping;
    }
}

fn show_lines(frame: &mut Frame<'_>, around: i32, context: i32) {
    if let Some(debugger) = frame.debugger() {
        debugger.show_lines(around, context);
    }
}

fn list(frame: &mut Frame<'_>, words: &[&[u8]]) {
    let Some(current) = frame.debugger().map(|it| it.source.current) else {
        return;
    };
    let around = words
        .first()
        .map(|word| integer(word))
        .filter(|&line| line > 0);
    let context = words.get(1).map_or(CONTEXT_LINES, |word| integer(word));
    show_lines(frame, around.unwrap_or(current), context);
}

fn limit_length(frame: &mut Frame<'_>, words: &[&[u8]]) {
    let Some(debugger) = frame.debugger() else {
        return;
    };
    if let [length] = words {
        debugger.knows_limit = true;
        debugger.length_max = match integer(length) {
            0 => 0,
            length => usize::try_from(length)
                .unwrap_or_default()
                .max(LENGTH_MAX_LEAST),
        };
    }
    let text = match debugger.length_max {
        0 => "<value> replies are unlimited.".to_owned(),
        length => format!("<value> replies are truncated at {length} bytes."),
    };
    debugger.note(text);
}

fn change_breakpoints(frame: &mut Frame<'_>, words: &[&[u8]]) {
    let Some(debugger) = frame.debugger() else {
        return;
    };
    if words.is_empty() {
        return debugger.show_breakpoints();
    }
    for word in words {
        match oxidis_engine::text::parse_integer(word) {
            Some(line) => debugger.change_breakpoint(line),
            None => debugger.note([b"Invalid argument:'", *word, b"'"].concat()),
        }
    }
}

/// Shows who has called whom, as far as it is in the script.
fn trace(frame: &mut Frame<'_>) {
    let mut level = 0;
    while let Some(activation) = frame.activation(level) {
        if activation.source.contains("user_script") {
            let word = if level == 0 { "In" } else { "From" };
            let name = activation.name.as_deref().unwrap_or("top level");
            note(frame, format!("{word} {name}:"));
            if let Some(debugger) = frame.debugger() {
                let shown = debugger.source.shown(activation.line);
                debugger.note(shown);
            }
        }
        level += 1;
    }
    if level == 0 {
        note(frame, "<error> Can't retrieve Lua stack.");
    }
}

/// Notes the value on top of the stack, and takes it off.
fn note_top(frame: &mut Frame<'_>, before: &[u8]) {
    let mut text = before.to_vec();
    describe::value(frame, -1, &mut text);
    frame.pop(1);
    if let Some(debugger) = frame.debugger() {
        debugger.note_cut(text);
    }
}

/// Shows a variable: the first of its name, from the innermost function out.
fn print(frame: &mut Frame<'_>, name: &[u8]) {
    frame.ensure_stack(8);
    let mut level = 0;
    while frame.activation(level).is_some() {
        let mut number = 1;
        while let Some(found) = frame.push_local(level, number) {
            if found == name {
                return note_top(frame, b"<value> ");
            }
            frame.pop(1);
            number += 1;
        }
        level += 1;
    }
    match name {
        b"KEYS" | b"ARGV" => {
            push_global(frame, name);
            note_top(frame, b"<value> ");
        }
        _ => note(frame, "No such variable."),
    }
}

/// Shows the variables of the innermost function.
fn print_all(frame: &mut Frame<'_>) {
    frame.ensure_stack(8);
    let mut is_empty = true;
    let mut number = 1;
    while let Some(name) = frame.push_local(0, number) {
        number += 1;
        if name.windows(12).any(|part| part == b"(*temporary)") {
            frame.pop(1);
            continue;
        }
        is_empty = false;
        note_top(frame, &[b"<value> ", &*name, b" = "].concat());
    }
    if is_empty {
        note(frame, "No local variables in the current context.");
    }
}

/// Pushes a global as scripts see it; nil if there is none.
fn push_global(frame: &mut Frame<'_>, name: &[u8]) {
    frame.push_globals();
    frame.push_bytes(name);
    if frame.index(-2).is_err() {
        frame.pop(1);
        frame.push_nil();
    }
    let globals = frame.absolute(-2);
    frame.replace(globals);
}

/// Runs code, as an expression if it is one, and shows what it answers.
fn evaluate(frame: &mut Frame<'_>, arguments: &[Vec<u8>]) {
    const CHUNK_NAME: &std::ffi::CStr = c"@ldb_eval";
    frame.ensure_stack(8);
    let code = arguments.join(&b' ');
    let expression = [b"return ", &*code].concat();
    if !frame.load(&expression, CHUNK_NAME) {
        frame.pop(1);
        if !frame.load(&code, CHUNK_NAME) {
            return note_failure(frame);
        }
    }
    match frame.call_from_hook() {
        Ok(()) => note_top(frame, b"<retval> "),
        Err(_) => note_failure(frame),
    }
}

/// Notes the error on top of the stack, and takes it off.
fn note_failure(frame: &mut Frame<'_>) {
    let mut text = b"<error> ".to_vec();
    if frame.kind(-1) == Kind::Table {
        // The error of a command is in a table.
        match frame.get_field(-1, "err") {
            Kind::String => frame.replace(-2),
            _ => frame.pop(1),
        }
    }
    match frame.text(-1) {
        Some(error) => text.extend_from_slice(until_zero(error)),
        None => describe::value(frame, -1, &mut text),
    }
    frame.pop(1);
    note(frame, text);
}

/// Executes a command as the script would, and shows it and its reply.
fn call(frame: &mut Frame<'_>, arguments: &[Vec<u8>]) {
    let top = frame.top();
    if !frame.ensure_stack(arguments.len() + 8) {
        return note(frame, "<reply> ");
    }
    push_global(frame, b"redis");
    frame.push_bytes(b"call");
    if frame.index(-2).is_ok() {
        for argument in arguments {
            frame.push_bytes(argument);
        }
        set_stepping(frame, true);
        // What becomes of it was noted by then.
        let _ = frame.call(arguments.len());
        set_stepping(frame, false);
    }
    frame.set_top(top);
}
