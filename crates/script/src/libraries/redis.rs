//! `redis`: commands, replies, the log.

use oxidis_engine::config::LogLevel;
use oxidis_engine::version;
use oxidis_resp::Protocol;
use oxidis_resp::number::DoubleText;
use smallvec::SmallVec;

use super::Library;
use super::library::nothing_more;
use crate::debugger;
use crate::digest::sha1_hex;
use crate::from_reply::push_reply;
use crate::lua::{Frame, Kind, Raise, Results, function, integer_of};

pub(super) const LIBRARY: Library = Library {
    name: "redis",
    functions: &[
        ("call", function!(call)),
        ("pcall", function!(pcall)),
        ("error_reply", function!(error_reply)),
        ("status_reply", function!(status_reply)),
        ("sha1hex", function!(sha1hex)),
        ("log", function!(log)),
        ("setresp", function!(set_resp)),
        ("set_repl", function!(set_repl)),
        ("acl_check_cmd", function!(acl_check_cmd)),
    ],
    fill: constants,
};

pub(super) const SCRIPTS_ONLY: Library = Library {
    name: "redis",
    functions: &[
        ("breakpoint", function!(breakpoint)),
        ("debug", function!(debug)),
        ("replicate_commands", function!(replicate_commands)),
    ],
    fill: nothing_more,
};

const LOG_LEVELS: [(&str, LogLevel); 4] = [
    ("LOG_DEBUG", LogLevel::Debug),
    ("LOG_VERBOSE", LogLevel::Verbose),
    ("LOG_NOTICE", LogLevel::Notice),
    ("LOG_WARNING", LogLevel::Warning),
];

/// Where commands can be propagated to: the append-only file and the replicas.
const PROPAGATE_AOF: u32 = 1;
const PROPAGATE_REPLICAS: u32 = 2;

fn constants(frame: &mut Frame<'_>) {
    log_levels(frame);
    versions(frame);
    let targets = [
        ("REPL_NONE", 0),
        ("REPL_AOF", PROPAGATE_AOF),
        ("REPL_SLAVE", PROPAGATE_REPLICAS),
        ("REPL_REPLICA", PROPAGATE_REPLICAS),
        ("REPL_ALL", PROPAGATE_AOF | PROPAGATE_REPLICAS),
    ];
    for (name, targets) in targets {
        frame.push_number(f64::from(targets));
        frame.set_field(-2, name);
    }
}

pub(super) fn log_levels(frame: &mut Frame<'_>) {
    for (number, (name, _)) in LOG_LEVELS.iter().enumerate() {
        frame.push_number(number as f64);
        frame.set_field(-2, name);
    }
}

pub(super) fn versions(frame: &mut Frame<'_>) {
    frame.push_bytes(version::REDIS_VERSION.as_bytes());
    frame.set_field(-2, "REDIS_VERSION");
    frame.push_number(f64::from(version_number()));
    frame.set_field(-2, "REDIS_VERSION_NUM");
}

/// The version that is reported, a byte a part.
fn version_number() -> u32 {
    let parts = version::REDIS_VERSION.split('.');
    parts.fold(0, |number, part| number << 8 | part.parse().unwrap_or(0))
}

/// Pushes an error as `redis.pcall` answers it. A text that begins with `-` has its code word; any
/// other gets the common one.
pub(crate) fn push_error(frame: &mut Frame<'_>, text: &[u8], is_counted: bool) {
    debugger::note_error(frame.debugger(), text);
    let text = match text {
        [b'-', rest @ ..] if rest.contains(&b' ') => rest.to_vec(),
        [b'-', rest @ ..] => [b"ERR ", rest].concat(),
        text => [b"ERR ", text].concat(),
    };
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
    frame.push_table(0, 2);
    frame.push_bytes(&text[..end.map_or(0, |end| end + 1)]);
    frame.set_field(-2, "err");
    if is_counted {
        frame.push_boolean(true);
        frame.set_field(-2, "ignore_error_stats_update");
    }
}

/// Fails with such an error.
pub(super) fn raise(frame: &mut Frame<'_>, text: &str) -> Results {
    push_error(frame, text.as_bytes(), false);
    Err(Raise::Top)
}

/// Fails because no script runs, only a library is loaded.
fn raise_not_running(frame: &mut Frame<'_>, name: &str) -> Results {
    raise(
        frame,
        &format!("{name} can only be called inside a script invocation"),
    )
}

fn call(frame: &mut Frame<'_>) -> Results {
    execute(frame, true)
}

fn pcall(frame: &mut Frame<'_>) -> Results {
    execute(frame, false)
}

/// Executes a command; its error is raised or answered.
fn execute(frame: &mut Frame<'_>, raises: bool) -> Results {
    if !frame.is_running() {
        return raise_not_running(frame, "redis.call/pcall");
    }
    let count = frame.top();
    let failed = |raises| if raises { Err(Raise::Top) } else { Ok(1) };
    if let Err(text) = prepare_arguments(frame) {
        push_error(frame, text.as_bytes(), false);
        return failed(raises);
    }
    frame
        .with_running(|frame, running| {
            if frame.debugger().is_some() {
                let arguments: Vec<Vec<u8>> = arguments(frame, count)
                    .iter()
                    .map(|it| it.to_vec())
                    .collect();
                debugger::note_command(frame.debugger(), &arguments);
            }
            let result = {
                let arguments = arguments(frame, count);
                running.host.call(&arguments, running.protocol)
            };
            match result {
                Ok(reply) => {
                    debugger::note_reply(frame.debugger(), reply);
                    let is_error = reply.first() == Some(&b'-');
                    frame.set_top(0);
                    push_reply(frame, reply)?;
                    if is_error { failed(raises) } else { Ok(1) }
                }
                Err(text) => {
                    push_error(frame, text.as_bytes(), true);
                    failed(raises)
                }
            }
        })
        .unwrap_or(Err(Raise::from("a command is being executed already")))
}

/// Makes strings of the arguments on the stack, numbers with all their digits.
fn prepare_arguments(frame: &mut Frame<'_>) -> Result<(), &'static str> {
    let count = frame.top();
    if count == 0 {
        return Err("Please specify at least one argument for this redis lib call");
    }
    frame.ensure_stack(8);
    for index in 1..=count as i32 {
        match frame.kind(index) {
            Kind::String => {}
            Kind::Number => {
                let number = frame.number(index).unwrap_or_default();
                if number.is_nan() && number.is_sign_negative() {
                    frame.push_bytes(b"-nan");
                } else {
                    // As scores are written, but that there is no zero below zero: a zero is added.
                    frame.push_bytes(&DoubleText::new(number + 0.0));
                }
                frame.replace(index);
            }
            _ => return Err("Lua redis lib command arguments must be strings or integers"),
        }
    }
    Ok(())
}

/// What [`prepare_arguments`] has prepared.
fn arguments<'f>(frame: &'f Frame<'_>, count: usize) -> SmallVec<[&'f [u8]; 16]> {
    let indices = 1..=count as i32;
    indices
        .map(|index| frame.bytes(index).unwrap_or_default())
        .collect()
}

/// The only argument, if it is a string.
fn only_string<'f>(frame: &'f Frame<'_>) -> Option<&'f [u8]> {
    (frame.top() == 1).then(|| frame.bytes(1)).flatten()
}

fn error_reply(frame: &mut Frame<'_>) -> Results {
    let Some(text) = only_string(frame) else {
        push_error(frame, b"wrong number or type of arguments", false);
        return Ok(1);
    };
    let text = match text {
        [b'-', ..] => text.to_vec(),
        text => [b"-", text].concat(),
    };
    push_error(frame, &text, false);
    Ok(1)
}

fn status_reply(frame: &mut Frame<'_>) -> Results {
    if only_string(frame).is_none() {
        push_error(frame, b"wrong number or type of arguments", false);
        return Ok(1);
    }
    frame.push_table(0, 1);
    frame.push_value(1);
    frame.set_field(-2, "ok");
    Ok(1)
}

fn sha1hex(frame: &mut Frame<'_>) -> Results {
    if frame.top() != 1 {
        return raise(frame, "wrong number of arguments");
    }
    let digest = sha1_hex(frame.text(1).unwrap_or_default());
    frame.push_bytes(digest.as_bytes());
    Ok(1)
}

pub(super) fn log(frame: &mut Frame<'_>) -> Results {
    let count = frame.top();
    if count < 2 {
        return raise(frame, "redis.log() requires two arguments or more.");
    }
    let Some(level) = frame.number(1) else {
        return raise(frame, "First argument must be a number (log level).");
    };
    let level = usize::try_from(integer_of(level)).ok();
    let Some((_, level)) = level.and_then(|level| LOG_LEVELS.get(level)) else {
        return raise(frame, "Invalid log level.");
    };
    let mut line = Vec::new();
    for index in 2..=count as i32 {
        if let Some(text) = frame.text(index) {
            if index > 2 {
                line.push(b' ');
            }
            line.extend_from_slice(text);
        }
    }
    if frame
        .with_running(|_, running| running.host.log(*level, &line))
        .is_none()
    {
        frame.with_loading(|_, loading| loading.host.log(*level, &line));
    }
    Ok(0)
}

fn set_resp(frame: &mut Frame<'_>) -> Results {
    if !frame.is_running() {
        return raise_not_running(frame, "redis.setresp");
    }
    if frame.top() != 1 {
        return raise(frame, "redis.setresp() requires one argument.");
    }
    let protocol = match frame.number(1).map(integer_of) {
        Some(2) => Protocol::Resp2,
        Some(3) => Protocol::Resp3,
        _ => return raise(frame, "RESP version must be 2 or 3."),
    };
    frame.with_running(|_, running| running.protocol = protocol);
    Ok(0)
}

fn set_repl(frame: &mut Frame<'_>) -> Results {
    if !frame.is_running() {
        return raise_not_running(frame, "redis.set_repl");
    }
    if frame.top() != 1 {
        return raise(frame, "redis.set_repl() requires one argument.");
    }
    let targets = integer_of(frame.number(1).unwrap_or_default());
    let targets = match u32::try_from(targets) {
        Ok(targets) if targets & !(PROPAGATE_AOF | PROPAGATE_REPLICAS) == 0 => targets,
        _ => {
            return raise(
                frame,
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            );
        }
    };
    frame.with_running(|_, running| running.host.set_propagation(targets));
    Ok(0)
}

fn acl_check_cmd(frame: &mut Frame<'_>) -> Results {
    if !frame.is_running() {
        return raise_not_running(frame, "redis.acl_check_cmd");
    }
    let count = frame.top();
    if let Err(text) = prepare_arguments(frame) {
        return raise(frame, text);
    }
    let allowed =
        frame.with_running(|frame, running| running.host.may_call(&arguments(frame, count)));
    match allowed.flatten() {
        Some(allowed) => {
            frame.push_boolean(allowed);
            Ok(1)
        }
        None => raise(frame, "Invalid command passed to redis.acl_check_cmd()"),
    }
}

fn breakpoint(frame: &mut Frame<'_>) -> Results {
    let is_debugged = debugger::stop_at_next_line(frame);
    frame.push_boolean(is_debugged);
    Ok(1)
}

fn debug(frame: &mut Frame<'_>) -> Results {
    debugger::note_values(frame);
    Ok(0)
}

/// Scripts are propagated by their effects since Redis 7.
fn replicate_commands(frame: &mut Frame<'_>) -> Results {
    frame.push_boolean(true);
    Ok(1)
}
