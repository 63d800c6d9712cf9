//! `math.random` and `math.randomseed`: Lua's, but with a generator that gives the same numbers for
//! the same seed everywhere.

use super::Library;
use super::library::nothing_more;
use crate::lua::{Frame, Raise, Results, function, integer_of};
use crate::random::Lrand48;

pub(super) const LIBRARY: Library = Library {
    name: "math",
    functions: &[
        ("random", function!(random)),
        ("randomseed", function!(random_seed)),
    ],
    fill: nothing_more,
};

fn random(frame: &mut Frame<'_>) -> Results {
    if !frame.is_running() {
        return Err("math.random can only be called inside a script invocation".into());
    }
    let number = frame.random().next() % Lrand48::LIMIT;
    let fraction = f64::from(number) / f64::from(Lrand48::LIMIT);
    let (lower, upper) = match frame.top() {
        0 => {
            frame.push_number(fraction);
            return Ok(1);
        }
        1 => (1, limit(frame, 1)?),
        2 => (limit(frame, 1)?, limit(frame, 2)?),
        _ => return Err("wrong number of arguments".into()),
    };
    if lower > upper {
        return Err(Raise::Argument(frame.top(), "interval is empty".into()));
    }
    let count = f64::from(upper.wrapping_sub(lower).wrapping_add(1));
    frame.push_number((fraction * count).floor() + f64::from(lower));
    Ok(1)
}

/// A limit of the interval, an integer as C has it.
fn limit(frame: &Frame<'_>, index: usize) -> Result<i32, Raise> {
    frame
        .check_number(index)
        .map(|number| integer_of(number) as i32)
}

fn random_seed(frame: &mut Frame<'_>) -> Results {
    if !frame.is_running() {
        return Err("math.randomseed can only be called inside a script invocation".into());
    }
    let seed = limit(frame, 1)?;
    *frame.random() = Lrand48::new(seed);
    Ok(0)
}
