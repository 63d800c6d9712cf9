//! Lua's values, and replies of commands, as the debugger shows them.

use oxidis_resp::inline::quote_into;

use crate::lua::{Frame, Kind};
use crate::number::general;

/// Tables in tables are shown so deep.
const DEPTH_MAX: usize = 10;

/// Appends the value at an index of the stack.
pub(super) fn value(frame: &mut Frame<'_>, index: i32, text: &mut Vec<u8>) {
    let index = frame.absolute(index);
    value_at_depth(frame, index, text, 0);
}

fn value_at_depth(frame: &mut Frame<'_>, index: i32, text: &mut Vec<u8>, depth: usize) {
    if depth == DEPTH_MAX || !frame.ensure_stack(8) {
        text.extend_from_slice(b"<max recursion level reached! Nested table?>");
        return;
    }
    let pointed_to = |frame: &Frame<'_>, kind: &str| match frame.address(index) {
        0 => format!("\"{kind}@(nil)\""),
        address => format!("\"{kind}@{address:#x}\""),
    };
    match frame.kind(index) {
        Kind::String => quote_into(text, frame.bytes(index).unwrap_or_default()),
        Kind::Boolean => text.extend_from_slice(frame.boolean(index).to_string().as_bytes()),
        Kind::Number => {
            let number = frame.number(index).unwrap_or_default();
            text.extend_from_slice(general(number, 6).as_bytes());
        }
        Kind::Nil | Kind::None => text.extend_from_slice(b"nil"),
        Kind::Table => table(frame, index, text, depth),
        Kind::Function => text.extend_from_slice(pointed_to(frame, "function").as_bytes()),
        Kind::Userdata => text.extend_from_slice(pointed_to(frame, "userdata").as_bytes()),
        Kind::Thread => text.extend_from_slice(pointed_to(frame, "thread").as_bytes()),
        Kind::NullPointer | Kind::LightUserdata => {
            text.extend_from_slice(pointed_to(frame, "light-userdata").as_bytes());
        }
    }
}

/// Appends a table: with its keys, unless these are the numbers from 1 on, in order.
fn table(frame: &mut Frame<'_>, index: i32, text: &mut Vec<u8>, depth: usize) {
    let mut values = Vec::new();
    let mut pairs = Vec::new();
    let mut is_list = true;
    let mut next = 1.0;
    frame.push_nil();
    while frame.next(index) {
        let (key, element) = (frame.absolute(-2), frame.absolute(-1));
        is_list &= frame.kind(key) == Kind::Number && frame.number(key) == Some(next);
        next += 1.0;
        let start = values.len();
        value_at_depth(frame, element, &mut values, depth + 1);
        pairs.push(b'[');
        value_at_depth(frame, key, &mut pairs, depth + 1);
        pairs.extend_from_slice(b"]=");
        pairs.extend_from_slice(&values[start..]);
        pairs.extend_from_slice(b"; ");
        values.extend_from_slice(b"; ");
        frame.pop(1);
    }
    let shown = if is_list { values } else { pairs };
    text.push(b'{');
    text.extend_from_slice(shown.strip_suffix(b"; ").unwrap_or(&shown));
    text.push(b'}');
}

/// Appends a reply of a command.
pub(super) fn reply(bytes: &[u8], text: &mut Vec<u8>) {
    reply_at(bytes, text);
}

/// Appends the reply at the beginning; answers what stands behind it.
fn reply_at<'b>(bytes: &'b [u8], text: &mut Vec<u8>) -> &'b [u8] {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return &[];
    };
    let (line, rest) = (&bytes[..end], &bytes[end + 2..]);
    let Some((kind, word)) = line.split_first() else {
        return &[];
    };
    let count = || {
        str::from_utf8(word)
            .ok()
            .and_then(|it| it.parse::<usize>().ok())
    };
    match kind {
        b':' => text.extend_from_slice(word),
        b'+' | b'-' => quote_into(text, line),
        b'$' => match count() {
            Some(length) if rest.len() >= length + 2 => {
                quote_into(text, &rest[..length]);
                return &rest[length + 2..];
            }
            _ => text.extend_from_slice(b"NULL"),
        },
        b'*' => match count() {
            Some(count) => return elements(rest, (count, "[", "]"), text),
            None => text.extend_from_slice(b"NULL"),
        },
        b'~' => return elements(rest, (count().unwrap_or_default(), "~(", ")"), text),
        b'%' => {
            let mut rest = rest;
            text.push(b'{');
            for index in 0..count().unwrap_or_default() {
                if index > 0 {
                    text.push(b',');
                }
                rest = reply_at(rest, text);
                text.extend_from_slice(b" => ");
                rest = reply_at(rest, text);
            }
            text.push(b'}');
            return rest;
        }
        b'_' => text.extend_from_slice(b"(null)"),
        b'#' => text.extend_from_slice(if word == b"t" { b"#true" } else { b"#false" }),
        b',' => {
            text.extend_from_slice(b"(double) ");
            text.extend_from_slice(word);
        }
        // Others are not shown.
        _ => {}
    }
    rest
}

/// Appends so many replies between brackets; answers what stands behind them.
fn elements<'b>(
    mut rest: &'b [u8],
    (count, open, close): (usize, &str, &str),
    text: &mut Vec<u8>,
) -> &'b [u8] {
    text.extend_from_slice(open.as_bytes());
    for index in 0..count {
        if index > 0 {
            text.push(b',');
        }
        rest = reply_at(rest, text);
    }
    text.extend_from_slice(close.as_bytes());
    rest
}
