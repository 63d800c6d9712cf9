//! What a script returns, as a reply.
//!
//! Tables may nest as deep as Lua's stack goes, or contain themselves, so the walk keeps what it is
//! in the middle of on a list of its own and not on the stack of the thread.

use oxidis_engine::scripting::Interruption;
use oxidis_resp::{Mark, Protocol, Writer};

use crate::lua::{Frame, Kind, Running, Watch, integer_of};

/// A table of which some elements are written.
enum Open {
    /// An array, which lies on the stack, and its next number.
    Array { mark: Mark, next: usize },
    /// A map. On the stack lie the value that has it as a field, itself, the key that was written
    /// last, and, when only a key was written, that key's value.
    Map {
        mark: Mark,
        pairs: usize,
        value_waits: bool,
    },
    /// A set; on the stack as a map.
    Set { mark: Mark, count: usize },
}

/// Takes the value on top of the stack and writes it.
pub(crate) fn write_reply(frame: &mut Frame<'_>, running: &mut Running<'_>, out: &mut Writer<'_>) {
    let mut open: Vec<Open> = Vec::new();
    let mut watch = Watch::default();
    let start = out.position();
    loop {
        if watch.is_due(out.position() - start)
            && let Some(reason) = end_early(frame, running, out.position() - start)
        {
            out.truncate(start);
            return write_error(running, out, reason, false);
        }
        if let Some(table) = write_value(frame, running, out) {
            open.push(table);
        }
        // Find the next value to write, closing tables that have none.
        loop {
            let Some(table) = open.last_mut() else {
                return;
            };
            if push_next(frame, table) {
                break;
            }
            match open.pop() {
                Some(Open::Array { mark, next }) => {
                    out.finish_array(mark, next - 1);
                    frame.pop(1);
                }
                Some(Open::Map { mark, pairs, .. }) => {
                    out.finish_map(mark, pairs);
                    frame.pop(2);
                }
                Some(Open::Set { mark, count }) => {
                    out.finish_set(mark, count);
                    frame.pop(2);
                }
                None => return,
            }
        }
    }
}

/// Why a reply that is so long already is not made to its end, if it is not.
fn end_early(
    frame: &mut Frame<'_>,
    running: &mut Running<'_>,
    bytes: usize,
) -> Option<&'static [u8]> {
    if !frame.has_room(bytes) {
        return Some(b"ERR not enough memory for the script's reply");
    }
    (running.host.interrupt() == Interruption::Stop)
        .then_some(b"ERR Script killed by user with SCRIPT KILL...")
}

/// Pushes the next value of a table; answers `false` at its end.
fn push_next(frame: &mut Frame<'_>, table: &mut Open) -> bool {
    match table {
        Open::Array { next, .. } => {
            if frame.get_at(-1, *next) == Kind::Nil {
                frame.pop(1);
                return false;
            }
            *next += 1;
            true
        }
        Open::Map {
            pairs, value_waits, ..
        } => {
            if *value_waits {
                // It lies on top already.
                *value_waits = false;
                return true;
            }
            if *pairs == 0 {
                frame.push_nil();
            }
            if !frame.next(-2) {
                return false;
            }
            frame.push_value(-2);
            *pairs += 1;
            *value_waits = true;
            true
        }
        Open::Set { count, .. } => {
            if *count == 0 {
                frame.push_nil();
            }
            if !frame.next(-2) {
                return false;
            }
            frame.pop(1);
            frame.push_value(-1);
            *count += 1;
            true
        }
    }
}

/// Takes the value on top of the stack and writes it, or opens it if it is a table of values.
fn write_value(
    frame: &mut Frame<'_>,
    running: &mut Running<'_>,
    out: &mut Writer<'_>,
) -> Option<Open> {
    if !frame.ensure_stack(8) {
        write_error(running, out, b"ERR reached lua stack limit", false);
        frame.pop(1);
        return None;
    }
    match frame.kind(-1) {
        Kind::String => out.bulk(frame.bytes(-1).unwrap_or_default()),
        Kind::Boolean => match (running.protocol, frame.boolean(-1)) {
            (Protocol::Resp3, value) => out.boolean(value),
            (Protocol::Resp2, true) => out.integer(1),
            (Protocol::Resp2, false) => out.null(),
        },
        Kind::Number => out.integer(integer_of(frame.number(-1).unwrap_or_default())),
        Kind::Table => return write_table(frame, running, out),
        _ => out.null(),
    }
    frame.pop(1);
    None
}

/// As [`write_value`], for a table: one field may say what kind of reply it is.
fn write_table(
    frame: &mut Frame<'_>,
    running: &mut Running<'_>,
    out: &mut Writer<'_>,
) -> Option<Open> {
    if frame.get_field(-1, "err") == Kind::String {
        let text = until_zero(frame.bytes(-1).unwrap_or_default()).to_vec();
        let is_counted =
            frame.get_field(-2, "ignore_error_stats_update") == Kind::Boolean && frame.boolean(-1);
        frame.pop(3);
        write_error(running, out, &text, is_counted);
        return None;
    }
    frame.pop(1);
    if frame.get_field(-1, "ok") == Kind::String {
        out.simple_bytes(until_zero(frame.bytes(-1).unwrap_or_default()));
        frame.pop(2);
        return None;
    }
    frame.pop(1);
    if frame.get_field(-1, "double") == Kind::Number {
        out.double(frame.number(-1).unwrap_or_default());
        frame.pop(2);
        return None;
    }
    frame.pop(1);
    if frame.get_field(-1, "big_number") == Kind::String {
        let text = String::from_utf8_lossy(frame.bytes(-1).unwrap_or_default());
        out.big_number(&text.replace(['\r', '\n'], " "));
        frame.pop(2);
        return None;
    }
    frame.pop(1);
    let top = frame.top();
    if frame.get_field(-1, "verbatim_string") == Kind::Table
        && frame.get_field(-1, "format") == Kind::String
        && frame.get_field(-2, "string") == Kind::String
    {
        let format = String::from_utf8_lossy(frame.bytes(-2).unwrap_or_default());
        out.verbatim(&format, frame.bytes(-1).unwrap_or_default());
        frame.pop(4);
        return None;
    }
    frame.set_top(top);
    if frame.get_field(-1, "map") == Kind::Table {
        return Some(Open::Map {
            mark: out.deferred_map(),
            pairs: 0,
            value_waits: false,
        });
    }
    frame.pop(1);
    if frame.get_field(-1, "set") == Kind::Table {
        return Some(Open::Set {
            mark: out.deferred_set(),
            count: 0,
        });
    }
    frame.pop(1);
    Some(Open::Array {
        mark: out.deferred_array(),
        next: 1,
    })
}

/// Writes an error whose text begins with its code word, and counts it unless that was done.
pub(crate) fn write_error(
    running: &mut Running<'_>,
    out: &mut Writer<'_>,
    text: &[u8],
    is_counted: bool,
) {
    out.error_bytes(text);
    if !is_counted {
        running.host.count_error(text);
    }
    running.host.fail();
}

/// Texts of replies end where C's strings do.
fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}
