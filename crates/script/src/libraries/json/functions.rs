//! What scripts call.

use super::super::Library;
use super::decode::decode;
use super::encode::encode;
use super::settings::{InvalidNumbers, Settings};
use crate::lua::{Entry, Frame, Kind, Raise, Results, function};

const FUNCTIONS: &[(&str, Entry)] = &[
    ("encode", function!(encode)),
    ("decode", function!(decode)),
    ("encode_sparse_array", function!(encode_sparse_array)),
    ("encode_max_depth", function!(encode_max_depth)),
    ("decode_max_depth", function!(decode_max_depth)),
    (
        "encode_number_precision",
        function!(encode_number_precision),
    ),
    ("encode_keep_buffer", function!(encode_keep_buffer)),
    ("encode_invalid_numbers", function!(encode_invalid_numbers)),
    ("decode_invalid_numbers", function!(decode_invalid_numbers)),
    ("new", function!(new)),
];

pub(in super::super) const LIBRARY: Library = Library {
    name: "cjson",
    functions: FUNCTIONS,
    fill: constants,
};

fn constants(frame: &mut Frame<'_>) {
    frame.push_null_pointer();
    frame.set_field(-2, "null");
    frame.push_bytes(b"cjson");
    frame.set_field(-2, "_NAME");
    frame.push_bytes(b"2.1.0");
    frame.set_field(-2, "_VERSION");
}

/// Another table of the same functions. They share their settings with all others.
fn new(frame: &mut Frame<'_>) -> Results {
    frame.push_table(0, FUNCTIONS.len() + 3);
    for (name, function) in FUNCTIONS {
        frame.push_function(*function);
        frame.set_field(-2, name);
    }
    constants(frame);
    Ok(1)
}

/// Checks how many arguments there are and adds nils for those that are not.
fn arguments(frame: &mut Frame<'_>, most: usize) -> Result<(), Raise> {
    if frame.top() > most {
        return Err(Raise::Argument(most + 1, "found too many arguments".into()));
    }
    frame.set_top(most);
    Ok(())
}

/// Sets a number if the argument is there, and answers it.
fn integer(
    frame: &mut Frame<'_>,
    index: usize,
    least: i32,
    most: i32,
    setting: fn(&mut Settings) -> &mut i32,
) -> Result<(), Raise> {
    if frame.kind(index as i32) != Kind::Nil {
        let value = frame.check_integer(index)? as i32;
        if !(least..=most).contains(&value) {
            let text = format!("expected integer between {least} and {most}");
            return Err(Raise::Argument(1, text.into()));
        }
        *setting(frame.json_settings()) = value;
    }
    let value = *setting(frame.json_settings());
    frame.push_number(f64::from(value));
    Ok(())
}

/// The argument as one of some words; `None` if it is not there.
fn word(frame: &mut Frame<'_>, index: usize, words: &[&str]) -> Result<Option<usize>, Raise> {
    match frame.kind(index as i32) {
        Kind::Nil => return Ok(None),
        Kind::Boolean => return Ok(Some(usize::from(frame.boolean(index as i32)))),
        _ => {}
    }
    let given = frame.check_bytes(index)?;
    match words.iter().position(|word| word.as_bytes() == given) {
        Some(place) => Ok(Some(place)),
        None => {
            let text = format!("invalid option '{}'", String::from_utf8_lossy(given));
            Err(Raise::Argument(index, text.into()))
        }
    }
}

/// Sets a switch if the argument is there, and answers it.
fn switch(
    frame: &mut Frame<'_>,
    index: usize,
    setting: fn(&mut Settings) -> &mut bool,
) -> Result<(), Raise> {
    if let Some(place) = word(frame, index, &["off", "on"])? {
        *setting(frame.json_settings()) = place == 1;
    }
    let value = *setting(frame.json_settings());
    frame.push_boolean(value);
    Ok(())
}

fn encode_sparse_array(frame: &mut Frame<'_>) -> Results {
    arguments(frame, 3)?;
    switch(frame, 1, |settings| &mut settings.sparse_convert)?;
    integer(frame, 2, 0, i32::MAX, |settings| &mut settings.sparse_ratio)?;
    integer(frame, 3, 0, i32::MAX, |settings| &mut settings.sparse_safe)?;
    Ok(3)
}

fn encode_max_depth(frame: &mut Frame<'_>) -> Results {
    arguments(frame, 1)?;
    integer(frame, 1, 1, i32::MAX, |settings| {
        &mut settings.encode_max_depth
    })?;
    Ok(1)
}

fn decode_max_depth(frame: &mut Frame<'_>) -> Results {
    arguments(frame, 1)?;
    integer(frame, 1, 1, i32::MAX, |settings| {
        &mut settings.decode_max_depth
    })?;
    Ok(1)
}

fn encode_number_precision(frame: &mut Frame<'_>) -> Results {
    arguments(frame, 1)?;
    integer(frame, 1, 1, 14, |settings| &mut settings.number_precision)?;
    Ok(1)
}

fn encode_keep_buffer(frame: &mut Frame<'_>) -> Results {
    arguments(frame, 1)?;
    switch(frame, 1, |settings| &mut settings.keeps_buffer)?;
    Ok(1)
}

fn encode_invalid_numbers(frame: &mut Frame<'_>) -> Results {
    const WORDS: [&str; 3] = ["off", "on", "null"];
    const VALUES: [InvalidNumbers; 3] = [
        InvalidNumbers::Refused,
        InvalidNumbers::Written,
        InvalidNumbers::Null,
    ];
    arguments(frame, 1)?;
    if let Some(place) = word(frame, 1, &WORDS)? {
        frame.json_settings().encode_invalid_numbers = VALUES[place];
    }
    match frame.json_settings().encode_invalid_numbers {
        InvalidNumbers::Refused => frame.push_boolean(false),
        InvalidNumbers::Written => frame.push_boolean(true),
        InvalidNumbers::Null => frame.push_bytes(b"null"),
    }
    Ok(1)
}

fn decode_invalid_numbers(frame: &mut Frame<'_>) -> Results {
    arguments(frame, 1)?;
    switch(frame, 1, |settings| &mut settings.decode_invalid_numbers)?;
    Ok(1)
}
