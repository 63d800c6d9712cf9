//! `table`: those functions of Lua's that can take for ever in one call. `concat` finds out there
//! that the result is too long only when the memory is full, and `insert` moves what is not there
//! when the place is far from the elements.

use super::Library;
use super::library::nothing_more;
use crate::lua::{Frame, Kind, Raise, Results, Watch, function};

pub(super) const LIBRARY: Library = Library {
    name: "table",
    functions: &[("concat", function!(concat)), ("insert", function!(insert))],
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

fn insert(frame: &mut Frame<'_>) -> Results {
    if frame.kind(1) != Kind::Table {
        return Err(frame.wrong_type(1, "table"));
    }
    let behind_last = (frame.length(1) as i32).wrapping_add(1);
    let place = match frame.top() {
        2 => behind_last,
        3 => {
            let place = frame.check_integer(2)? as i32;
            let mut watch = Watch::default();
            for number in (place..behind_last).rev() {
                frame.get_at_int(1, number);
                // Less than the end of the range, so there is a number behind it.
                frame.set_at_int(1, number + 1);
                watch.step(frame, 0)?;
            }
            place
        }
        _ => {
            return Err(Raise::from(
                "wrong number of arguments to 'insert'".to_owned(),
            ));
        }
    };
    frame.set_at_int(1, place);
    frame.check_memory()?;
    Ok(0)
}

/// The argument as a C int, as Lua reads it, if there is one.
fn optional_int(frame: &Frame<'_>, index: usize) -> Result<Option<i32>, Raise> {
    match frame.kind(index as i32) {
        Kind::None | Kind::Nil => Ok(None),
        _ => frame.check_integer(index).map(|number| Some(number as i32)),
    }
}
