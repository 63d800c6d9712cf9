//! `table.concat`, which in Lua's library finds out that the result is too long only when the memory
//! is full.

use super::Library;
use super::library::nothing_more;
use crate::lua::{Frame, Kind, Raise, Results, Watch, function};

pub(super) const LIBRARY: Library = Library {
    name: "table",
    functions: &[("concat", function!(concat))],
    fill: nothing_more,
};

fn concat(frame: &mut Frame<'_>) -> Results {
    let separator_len = match frame.kind(2) {
        Kind::None | Kind::Nil => None,
        _ => Some(frame.check_bytes(2)?.len()),
    };
    if frame.kind(1) != Kind::Table {
        return Err(frame.wrong_type(1, "table"));
    }
    let first = optional_int(frame, 3)?.unwrap_or(1);
    let last = match optional_int(frame, 4)? {
        Some(last) => last,
        None => frame.length(1) as i32,
    };
    let mut bytes = Vec::new();
    let mut watch = Watch::default();
    for number in first..=last {
        frame.get_at_int(1, number);
        let Some(text) = frame.text(-1) else {
            let kind = frame.kind_name(-1);
            return Err(Raise::from(format!(
                "invalid value ({kind}) at index {number} in table for 'concat'"
            )));
        };
        let len = bytes.len() + text.len() + separator_len.unwrap_or(0);
        frame.check_room(len)?;
        bytes.extend_from_slice(frame.text(-1).unwrap_or_default());
        frame.pop(1);
        if number < last && separator_len.is_some() {
            bytes.extend_from_slice(frame.bytes(2).unwrap_or_default());
        }
        watch.step(frame, bytes.len())?;
    }
    frame.push_bytes(&bytes);
    Ok(1)
}

/// The argument as a C int, as Lua reads it, if there is one.
fn optional_int(frame: &Frame<'_>, index: usize) -> Result<Option<i32>, Raise> {
    match frame.kind(index as i32) {
        Kind::None | Kind::Nil => Ok(None),
        _ => frame.check_integer(index).map(|number| Some(number as i32)),
    }
}
