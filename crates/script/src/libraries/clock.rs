//! What is left of `os`: the clock. It counts from the start of the script, by the engine's clock.

use super::Library;
use super::library::nothing_more;
use crate::lua::{Frame, Results, function};

pub(super) const LIBRARY: Library = Library {
    name: "os",
    functions: &[("clock", function!(clock))],
    fill: nothing_more,
};

fn clock(frame: &mut Frame<'_>) -> Results {
    let elapsed_us = frame.with_running(|_, running| running.host.elapsed_us());
    frame.push_number(elapsed_us.unwrap_or(0) as f64 / 1e6);
    Ok(1)
}
