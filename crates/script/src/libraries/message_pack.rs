//! `cmsgpack`: MessagePack, as lua-cmsgpack 0.4 reads and writes it. The formats are the library's
//! (`rmp`); which of them a Lua value takes is told here. Neither direction recurses.

use rmp::Marker;
use rmp::encode;

use super::Library;
use crate::lua::{Frame, Kind, Raise, Results, Watch, function, integer_of};

pub(super) const LIBRARY: Library = Library {
    name: "cmsgpack",
    functions: &[
        ("pack", function!(pack)),
        ("unpack", function!(unpack)),
        ("unpack_one", function!(unpack_one)),
        ("unpack_limit", function!(unpack_limit)),
    ],
    fill: constants,
};

/// Tables nested deeper are written as nil, so that those that contain themselves have an end.
const NESTING_MAX: usize = 16;

fn constants(frame: &mut Frame<'_>) {
    let texts = [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ];
    for (name, text) in texts {
        frame.push_bytes(text.as_bytes());
        frame.set_field(-2, name);
    }
}

// Writing.

fn pack(frame: &mut Frame<'_>) -> Results {
    let count = frame.top();
    if count == 0 {
        return Err(Raise::Argument(0, "MessagePack pack needs input.".into()));
    }
    let mut packed = Vec::new();
    let mut watch = Watch::default();
    for index in 1..=count {
        frame.ensure_stack(8);
        frame.push_value(index as i32);
        pack_value(frame, &mut packed, &mut watch)?;
    }
    frame.push_bytes(&packed);
    Ok(1)
}

/// A table of which some values are written; it lies on the stack.
enum Open {
    Array {
        next: usize,
        length: usize,
    },
    /// Above it lies the key that was written last, and above that its value if that was not.
    Map {
        value_waits: bool,
    },
}

/// Takes the value on top of the stack and writes it.
fn pack_value(frame: &mut Frame<'_>, packed: &mut Vec<u8>, watch: &mut Watch) -> Result<(), Raise> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        if frame.kind(-1) == Kind::Table && open.len() < NESTING_MAX {
            frame.ensure_stack(8);
            open.push(open_table(frame, packed));
        } else {
            pack_scalar(frame, packed);
            frame.pop(1);
        }
        watch.step(frame, packed.len())?;
        loop {
            let Some(table) = open.last_mut() else {
                return Ok(());
            };
            if push_next(frame, table) {
                break;
            }
            open.pop();
            frame.pop(1);
        }
    }
}

fn open_table(frame: &mut Frame<'_>, packed: &mut Vec<u8>) -> Open {
    let mut count = 0;
    let mut greatest = 0.0;
    let mut is_array = true;
    frame.push_nil();
    while frame.next(-2) {
        frame.pop(1);
        count += 1;
        let number = match frame.kind(-1) {
            Kind::Number => frame.number(-1).unwrap_or_default(),
            _ => 0.0,
        };
        is_array &= number > 0.0 && f64::from(number as i32) == number;
        greatest = f64::max(greatest, number);
    }
    if is_array && greatest == f64::from(count) {
        let length = frame.length(-1);
        write(encode::write_array_len(packed, length as u32));
        return Open::Array { next: 1, length };
    }
    write(encode::write_map_len(packed, count as u32));
    frame.push_nil();
    Open::Map { value_waits: false }
}

/// Pushes the next value of a table; answers `false` at its end.
fn push_next(frame: &mut Frame<'_>, table: &mut Open) -> bool {
    match table {
        Open::Array { next, length } => {
            if next > length {
                return false;
            }
            frame.get_at(-1, *next);
            *next += 1;
        }
        Open::Map { value_waits: true } => *table = Open::Map { value_waits: false },
        Open::Map { value_waits } => {
            if !frame.next(-2) {
                return false;
            }
            frame.push_value(-2);
            *value_waits = true;
        }
    }
    true
}

/// Writes the value on top of the stack, or nil if it is of a type that MessagePack does not have.
fn pack_scalar(frame: &Frame<'_>, packed: &mut Vec<u8>) {
    match frame.kind(-1) {
        Kind::String => {
            let bytes = frame.bytes(-1).unwrap_or_default();
            write(encode::write_str_len(packed, bytes.len() as u32));
            packed.extend_from_slice(bytes);
        }
        Kind::Boolean => write(encode::write_bool(packed, frame.boolean(-1))),
        Kind::Number => {
            let number = frame.number(-1).unwrap_or_default();
            let integer = integer_of(number);
            if number.is_finite() && integer as f64 == number {
                write(encode::write_sint(packed, integer));
            } else if f64::from(number as f32) == number {
                write(encode::write_f32(packed, number as f32));
            } else {
                write(encode::write_f64(packed, number));
            }
        }
        _ => write(encode::write_nil(packed)),
    }
}

/// The result of writing to memory, which does not fail.
fn write<T, E: std::fmt::Debug>(result: Result<T, E>) {
    debug_assert!(result.is_ok(), "writing to memory does not fail");
}

// Reading.

/// Why something cannot be read.
enum Wrong {
    TooShort,
    Format,
    Raise(Raise),
}

impl From<Raise> for Wrong {
    fn from(raise: Raise) -> Self {
        Wrong::Raise(raise)
    }
}

impl From<Wrong> for Raise {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::TooShort => "Missing bytes in input.".into(),
            Wrong::Format => "Bad data format in input.".into(),
            Wrong::Raise(raise) => raise,
        }
    }
}

fn unpack(frame: &mut Frame<'_>) -> Results {
    unpack_some(frame, 0, 0)
}

fn unpack_one(frame: &mut Frame<'_>) -> Results {
    let offset = optional_integer(frame, 2)?;
    unpack_some(frame, 1, offset)
}

fn unpack_limit(frame: &mut Frame<'_>) -> Results {
    let limit = frame.check_integer(2)?;
    let offset = optional_integer(frame, 3)?;
    unpack_some(frame, limit, offset)
}

fn optional_integer(frame: &Frame<'_>, index: usize) -> Result<i64, Raise> {
    match frame.kind(index as i32) {
        Kind::None | Kind::Nil => Ok(0),
        _ => frame.check_integer(index),
    }
}

/// Reads at most `limit` values from `offset` on, and answers them behind where the next would begin;
/// with neither, all of them and nothing else.
fn unpack_some(frame: &mut Frame<'_>, limit: i64, offset: i64) -> Results {
    let input = frame.check_bytes(1)?.to_vec();
    frame.set_top(1);
    let (Ok(count_max), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        return Err(format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32,
            input.len() as i32
        )
        .into());
    };
    let Some(mut rest) = input.get(start..) else {
        return Err(format!(
            "Start offset {} greater than input length {}.",
            offset as i32,
            input.len() as i32
        )
        .into());
    };
    let takes_all = limit == 0 && offset == 0;
    let mut count = 0;
    while !rest.is_empty() && (takes_all || count < count_max) {
        unpack_value(frame, &mut rest)?;
        count += 1;
    }
    if takes_all {
        return Ok(count);
    }
    let next = if rest.is_empty() {
        -1.0
    } else {
        (input.len() - rest.len()) as f64
    };
    frame.ensure_stack(1);
    frame.push_number(next);
    frame.insert(2);
    Ok(count + 1)
}

/// A table that is read; it lies on the stack.
enum Unread {
    Array {
        next: usize,
        left: u32,
    },
    /// Above it lies a key if its value is read now.
    Map {
        left: u32,
        has_key: bool,
    },
}

/// Reads one value and pushes it.
fn unpack_value(frame: &mut Frame<'_>, rest: &mut &[u8]) -> Result<(), Wrong> {
    let mut unread: Vec<Unread> = Vec::new();
    let mut watch = Watch::default();
    loop {
        watch.step(frame, 0)?;
        if !frame.ensure_stack(4) {
            return Err(Wrong::Raise(
                "stack overflow (too many return values at once; use unpack_one or unpack_limit \
                 instead.)"
                    .into(),
            ));
        }
        if let Some(table) = push_unpacked(frame, rest)? {
            unread.push(table);
        } else if !attach(frame, &mut unread)? {
            return Ok(());
        }
        while let Some(Unread::Array { left: 0, .. } | Unread::Map { left: 0, .. }) = unread.last()
        {
            unread.pop();
            if !attach(frame, &mut unread)? {
                return Ok(());
            }
        }
    }
}

/// Puts the value on top of the stack into the table that it belongs to; answers `false` if there is
/// none.
fn attach(frame: &mut Frame<'_>, unread: &mut [Unread]) -> Result<bool, Raise> {
    match unread.last_mut() {
        None => return Ok(false),
        Some(Unread::Array { next, left }) => {
            frame.set_at(-2, *next);
            *next += 1;
            *left -= 1;
        }
        Some(Unread::Map { has_key, .. }) if !*has_key => *has_key = true,
        Some(Unread::Map { left, has_key }) => {
            let is_nan = frame.number(-2).is_some_and(f64::is_nan);
            if frame.kind(-2) == Kind::Nil || is_nan {
                let what = if is_nan { "NaN" } else { "nil" };
                frame.push_bytes(format!("table index is {what}").as_bytes());
                return Err(Raise::Top);
            }
            frame.set(-3);
            *has_key = false;
            *left -= 1;
        }
    }
    Ok(true)
}

/// Takes so many bytes off the input.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Wrong> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Wrong::TooShort)?;
    *rest = left;
    Ok(taken)
}

/// Takes a number of `N` bytes off the input.
fn take_number<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Wrong> {
    let mut bytes = [0; N];
    bytes.copy_from_slice(take(rest, N)?);
    Ok(bytes)
}

/// Reads one value that is no table and pushes it, or pushes an empty table and answers what is to
/// be read into it.
fn push_unpacked(frame: &mut Frame<'_>, rest: &mut &[u8]) -> Result<Option<Unread>, Wrong> {
    let [marker] = take_number::<1>(rest)?;
    match Marker::from_u8(marker) {
        Marker::Null => frame.push_nil(),
        Marker::True => frame.push_boolean(true),
        Marker::False => frame.push_boolean(false),
        Marker::FixPos(number) => frame.push_number(f64::from(number)),
        Marker::FixNeg(number) => frame.push_number(f64::from(number)),
        Marker::U8 => frame.push_number(f64::from(u8::from_be_bytes(take_number(rest)?))),
        Marker::U16 => frame.push_number(f64::from(u16::from_be_bytes(take_number(rest)?))),
        Marker::U32 => frame.push_number(f64::from(u32::from_be_bytes(take_number(rest)?))),
        // Lua's integers have a sign.
        Marker::U64 | Marker::I64 => {
            frame.push_number(i64::from_be_bytes(take_number(rest)?) as f64);
        }
        Marker::I8 => frame.push_number(f64::from(i8::from_be_bytes(take_number(rest)?))),
        Marker::I16 => frame.push_number(f64::from(i16::from_be_bytes(take_number(rest)?))),
        Marker::I32 => frame.push_number(f64::from(i32::from_be_bytes(take_number(rest)?))),
        Marker::F32 => frame.push_number(f64::from(f32::from_be_bytes(take_number(rest)?))),
        Marker::F64 => frame.push_number(f64::from_be_bytes(take_number(rest)?)),
        Marker::FixStr(length) => frame.push_bytes(take(rest, usize::from(length))?),
        Marker::Str8 => {
            let length = u8::from_be_bytes(take_number(rest)?);
            frame.push_bytes(take(rest, usize::from(length))?);
        }
        Marker::Str16 => {
            let length = u16::from_be_bytes(take_number(rest)?);
            frame.push_bytes(take(rest, usize::from(length))?);
        }
        Marker::Str32 => {
            let length = u32::from_be_bytes(take_number(rest)?);
            frame.push_bytes(take(rest, length as usize)?);
        }
        Marker::FixArray(length) => return Ok(Some(array(frame, u32::from(length)))),
        Marker::Array16 => {
            let length = u16::from_be_bytes(take_number(rest)?);
            return Ok(Some(array(frame, u32::from(length))));
        }
        Marker::Array32 => {
            let length = u32::from_be_bytes(take_number(rest)?);
            return Ok(Some(array(frame, length)));
        }
        Marker::FixMap(length) => return Ok(Some(map(frame, u32::from(length)))),
        Marker::Map16 => {
            let length = u16::from_be_bytes(take_number(rest)?);
            return Ok(Some(map(frame, u32::from(length))));
        }
        Marker::Map32 => {
            let length = u32::from_be_bytes(take_number(rest)?);
            return Ok(Some(map(frame, length)));
        }
        _ => return Err(Wrong::Format),
    }
    Ok(None)
}

fn array(frame: &mut Frame<'_>, left: u32) -> Unread {
    frame.push_table(0, 0);
    Unread::Array { next: 1, left }
}

fn map(frame: &mut Frame<'_>, left: u32) -> Unread {
    frame.push_table(0, 0);
    Unread::Map {
        left,
        has_key: false,
    }
}
