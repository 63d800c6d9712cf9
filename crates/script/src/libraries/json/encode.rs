//! The writer: a Lua value as JSON.

use super::settings::{InvalidNumbers, Settings};
use crate::lua::{Frame, Kind, Raise, Results, Watch};
use crate::number::general;

/// A table of which some values are written; it lies on the stack.
enum Open {
    Array {
        next: usize,
        length: usize,
    },
    /// Above it lies the key that was written last.
    Object {
        is_empty: bool,
    },
}

pub(super) fn encode(frame: &mut Frame<'_>) -> Results {
    if frame.top() != 1 {
        return Err(Raise::Argument(1, "expected 1 argument".into()));
    }
    let settings = frame.json_settings().clone();
    let mut json = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut watch = Watch::default();
    loop {
        // A value lies on top of the stack.
        if frame.kind(-1) == Kind::Table {
            open.push(open_table(frame, &settings, open.len() + 1, &mut json)?);
        } else {
            write_scalar(frame, &settings, &mut json)?;
            if open.is_empty() {
                break;
            }
            frame.pop(1);
        }
        watch.step(frame, json.len())?;
        while let Some(table) = open.last_mut() {
            if push_next(frame, &settings, table, &mut json)? {
                break;
            }
            open.pop();
            if !open.is_empty() {
                frame.pop(1);
            }
        }
        if open.is_empty() {
            break;
        }
    }
    frame.push_bytes(&json);
    Ok(1)
}

/// The error about the value at `index`.
fn refuse(frame: &Frame<'_>, index: i32, reason: &str) -> Raise {
    format!("Cannot serialise {}: {reason}", frame.kind_name(index)).into()
}

fn open_table(
    frame: &mut Frame<'_>,
    settings: &Settings,
    depth: usize,
    json: &mut Vec<u8>,
) -> Result<Open, Raise> {
    if depth > settings.encode_max_depth as usize || !frame.ensure_stack(8) {
        return Err(format!("Cannot serialise, excessive nesting ({depth})").into());
    }
    Ok(match array_length(frame, settings)? {
        Some(length) if length > 0 => {
            json.push(b'[');
            Open::Array { next: 1, length }
        }
        _ => {
            json.push(b'{');
            frame.push_nil();
            Open::Object { is_empty: true }
        }
    })
}

/// The length of the table on top of the stack as an array; `None` if it is none.
fn array_length(frame: &mut Frame<'_>, settings: &Settings) -> Result<Option<usize>, Raise> {
    let mut greatest = 0.0_f64;
    let mut count = 0.0;
    frame.push_nil();
    while frame.next(-2) {
        frame.pop(1);
        let number = match frame.kind(-1) {
            Kind::Number => frame.number(-1).unwrap_or_default(),
            _ => 0.0,
        };
        if number < 1.0 || number.floor() != number || number > f64::from(i32::MAX) {
            frame.pop(1);
            return Ok(None);
        }
        greatest = greatest.max(number);
        count += 1.0;
    }
    let allowed = count * f64::from(settings.sparse_ratio);
    if settings.sparse_ratio > 0 && greatest > allowed && greatest > f64::from(settings.sparse_safe)
    {
        return if settings.sparse_convert {
            Ok(None)
        } else {
            Err(refuse(frame, -1, "excessively sparse array"))
        };
    }
    Ok(Some(greatest as usize))
}

/// Pushes the next value of the table and writes what stands before it; at the end writes what
/// stands there and answers `false`.
fn push_next(
    frame: &mut Frame<'_>,
    settings: &Settings,
    table: &mut Open,
    json: &mut Vec<u8>,
) -> Result<bool, Raise> {
    match table {
        Open::Array { next, length } => {
            if next > length {
                json.push(b']');
                return Ok(false);
            }
            if *next > 1 {
                json.push(b',');
            }
            frame.get_at(-1, *next);
            *next += 1;
        }
        Open::Object { is_empty } => {
            if !frame.next(-2) {
                json.push(b'}');
                return Ok(false);
            }
            if !std::mem::take(is_empty) {
                json.push(b',');
            }
            match frame.kind(-2) {
                Kind::Number => {
                    json.push(b'"');
                    write_number(frame, settings, -2, json)?;
                    json.push(b'"');
                }
                Kind::String => write_string(frame.bytes(-2).unwrap_or_default(), json),
                _ => {
                    return Err(refuse(frame, -2, "table key must be a number or string"));
                }
            }
            json.push(b':');
        }
    }
    Ok(true)
}

/// Writes the value on top of the stack, which is no table.
fn write_scalar(frame: &Frame<'_>, settings: &Settings, json: &mut Vec<u8>) -> Result<(), Raise> {
    match frame.kind(-1) {
        Kind::String => write_string(frame.bytes(-1).unwrap_or_default(), json),
        Kind::Number => write_number(frame, settings, -1, json)?,
        Kind::Boolean if frame.boolean(-1) => json.extend_from_slice(b"true"),
        Kind::Boolean => json.extend_from_slice(b"false"),
        Kind::Nil | Kind::NullPointer => json.extend_from_slice(b"null"),
        _ => return Err(refuse(frame, -1, "type not supported")),
    }
    Ok(())
}

fn write_number(
    frame: &Frame<'_>,
    settings: &Settings,
    index: i32,
    json: &mut Vec<u8>,
) -> Result<(), Raise> {
    let number = frame.number(index).unwrap_or_default();
    if !number.is_finite() {
        match settings.encode_invalid_numbers {
            InvalidNumbers::Refused => {
                return Err(refuse(frame, index, "must not be NaN or Inf"));
            }
            InvalidNumbers::Written if number.is_nan() => {
                json.extend_from_slice(b"nan");
                return Ok(());
            }
            InvalidNumbers::Written => {}
            InvalidNumbers::Null => {
                json.extend_from_slice(b"null");
                return Ok(());
            }
        }
    }
    json.extend_from_slice(general(number, settings.number_precision as usize).as_bytes());
    Ok(())
}

/// Writes a string. Bytes beyond ASCII stand for themselves.
fn write_string(string: &[u8], json: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.push(b'"');
    for &byte in string {
        match byte {
            b'"' => json.extend_from_slice(b"\\\""),
            b'\\' => json.extend_from_slice(b"\\\\"),
            b'/' => json.extend_from_slice(b"\\/"),
            8 => json.extend_from_slice(b"\\b"),
            b'\t' => json.extend_from_slice(b"\\t"),
            b'\n' => json.extend_from_slice(b"\\n"),
            12 => json.extend_from_slice(b"\\f"),
            b'\r' => json.extend_from_slice(b"\\r"),
            0..=31 | 127 => {
                json.extend_from_slice(b"\\u00");
                json.push(DIGITS[usize::from(byte >> 4)]);
                json.push(DIGITS[usize::from(byte & 15)]);
            }
            byte => json.push(byte),
        }
    }
    json.push(b'"');
}
