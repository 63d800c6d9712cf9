//! Runs of equal registers, for sketches that have seen little. Three forms of a run:
//!
//! | bits | meaning |
//! |---|---|
//! | `00xxxxxx` | x + 1 registers are 0 |
//! | `01xxxxxx yyyyyyyy` | (x, y) + 1 registers are 0 |
//! | `1vvvvvxx` | x + 1 registers are v + 1 |
//!
//! Which runs a history of additions leads to is the same as in Redis, so that strings are equal too.

use super::sketch::Invalid;

/// The greatest value that a run can have.
pub(super) const VALUE_MAX: u8 = 32;

/// The most registers in a run with a value.
const VALUE_RUN_MAX: usize = 4;

/// The most registers in a short run of zeros.
const SHORT_ZEROS_MAX: usize = 64;

/// So many runs are looked at, from the one before a change, for neighbours that can be joined.
const JOIN_LOOK_MAX: usize = 5;

/// Some registers, one behind the other, that have the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// What they are.
    pub value: u8,
    /// How many they are.
    pub len: usize,
    /// Whether it is a run of zeros in its long form.
    pub is_long: bool,
}

impl Run {
    /// The bytes of the run.
    pub(super) fn encoded_len(self) -> usize {
        1 + usize::from(self.is_long)
    }
}

/// The run at the beginning of `bytes`.
pub(super) fn first_run(bytes: &[u8]) -> Result<Option<Run>, Invalid> {
    let Some((&byte, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let run = |value, len, is_long| Run {
        value,
        len,
        is_long,
    };
    let low = usize::from(byte & 63);
    Ok(Some(match byte >> 6 {
        0 => run(0, low + 1, false),
        1 => {
            let second = rest.first().ok_or(Invalid)?;
            run(0, (low << 8 | usize::from(*second)) + 1, true)
        }
        _ => run((byte >> 2 & 31) + 1, usize::from(byte & 3) + 1, false),
    }))
}

/// Every run. It ends with the first one that is broken.
pub(super) fn runs(mut bytes: &[u8]) -> impl Iterator<Item = Result<Run, Invalid>> {
    std::iter::from_fn(move || {
        let run = first_run(bytes).transpose()?;
        bytes = match run {
            Ok(run) => &bytes[run.encoded_len()..],
            Err(Invalid) => &[],
        };
        Some(run)
    })
}

fn push_zeros(bytes: &mut Vec<u8>, len: usize) {
    let less_one = len - 1;
    if len > SHORT_ZEROS_MAX {
        bytes.extend_from_slice(&[0x40 | (less_one >> 8) as u8, less_one as u8]);
    } else {
        bytes.push(less_one as u8);
    }
}

fn push_value(bytes: &mut Vec<u8>, value: u8, len: usize) {
    bytes.push(0x80 | (value - 1) << 2 | (len - 1) as u8);
}

fn push(bytes: &mut Vec<u8>, value: u8, len: usize) {
    match (value, len) {
        (_, 0) => {}
        (0, len) => push_zeros(bytes, len),
        (value, len) => push_value(bytes, value, len),
    }
}

/// The runs of a sketch that has seen nothing.
pub(super) fn push_empty(bytes: &mut Vec<u8>) {
    push_zeros(bytes, super::estimate::REGISTERS);
}

/// What [`raise`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raised {
    /// The register had that value, or a greater one.
    Unchanged,
    /// It has it now.
    Changed,
    /// The value is too great, or the string would be too long: it must become dense first.
    DoesNotFit,
}

/// Raises register `index` to `value`. The runs begin at `start` of the string, which may become at
/// most `max_len` bytes long by this.
pub(super) fn raise(
    string: &mut Vec<u8>,
    start: usize,
    index: usize,
    value: u8,
    max_len: usize,
) -> Result<Raised, Invalid> {
    if value > VALUE_MAX {
        return Ok(Raised::DoesNotFit);
    }
    let mut at = start;
    let mut previous = None;
    let mut first = 0;
    let run = loop {
        let run = first_run(&string[at..])?.ok_or(Invalid)?;
        if index < first + run.len {
            break run;
        }
        previous = Some(at);
        first += run.len;
        at += run.encoded_len();
    };
    if run.value >= value {
        return Ok(Raised::Unchanged);
    }
    // The run becomes up to three: what is before the register, the register, and what is behind it.
    let mut parts = Vec::with_capacity(5);
    push(&mut parts, run.value, index - first);
    push_value(&mut parts, value, 1);
    push(&mut parts, run.value, first + run.len - 1 - index);
    let old_len = run.encoded_len();
    if parts.len() > old_len && string.len() + parts.len() - old_len > max_len {
        return Ok(Raised::DoesNotFit);
    }
    string.splice(at..at + old_len, parts);
    join(string, previous.unwrap_or(start));
    Ok(Raised::Changed)
}

/// Joins neighbours of the same value near `at`, where they fit in one run. A run that is cut off ends the string for
/// this: as in Redis, what lies behind the register that was raised is not judged here.
fn join(string: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_LOOK_MAX {
        let Ok(Some(run)) = first_run(&string[at..]) else {
            return;
        };
        let next_at = at + run.encoded_len();
        match first_run(&string[next_at..]) {
            Ok(Some(next))
                if run.value > 0
                    && next.value == run.value
                    && run.len + next.len <= VALUE_RUN_MAX =>
            {
                string.remove(at);
                let mut joined = Vec::with_capacity(1);
                push_value(&mut joined, run.value, run.len + next.len);
                string[at] = joined[0];
            }
            _ => at = next_at,
        }
    }
}
