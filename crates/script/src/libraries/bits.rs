//! `bit`: operations on integers of 32 bits, as Lua BitOp has them.

use super::Library;
use super::library::nothing_more;
use crate::lua::{Frame, Raise, Results, function};

pub(super) const LIBRARY: Library = Library {
    name: "bit",
    functions: &[
        ("tobit", function!(tobit)),
        ("bnot", function!(bnot)),
        ("band", function!(band)),
        ("bor", function!(bor)),
        ("bxor", function!(bxor)),
        ("lshift", function!(lshift)),
        ("rshift", function!(rshift)),
        ("arshift", function!(arshift)),
        ("rol", function!(rol)),
        ("ror", function!(ror)),
        ("bswap", function!(bswap)),
        ("tohex", function!(tohex)),
    ],
    fill: nothing_more,
};

/// The argument reduced to 32 bits. Adding this number leaves the integer in the low bits of the
/// mantissa, rounded as the library rounds it and cut off for numbers that are too big.
fn argument(frame: &Frame<'_>, index: usize) -> Result<u32, Raise> {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let number = frame.check_number(index)?;
    Ok((number + SHIFT).to_bits() as u32)
}

fn answer(frame: &mut Frame<'_>, bits: u32) -> Results {
    frame.push_number(f64::from(bits as i32));
    Ok(1)
}

fn tobit(frame: &mut Frame<'_>) -> Results {
    let bits = argument(frame, 1)?;
    answer(frame, bits)
}

fn bnot(frame: &mut Frame<'_>) -> Results {
    let bits = argument(frame, 1)?;
    answer(frame, !bits)
}

/// Combines all arguments.
fn combine(frame: &mut Frame<'_>, operation: fn(u32, u32) -> u32) -> Results {
    let mut bits = argument(frame, 1)?;
    for index in (2..=frame.top()).rev() {
        bits = operation(bits, argument(frame, index)?);
    }
    answer(frame, bits)
}

fn band(frame: &mut Frame<'_>) -> Results {
    combine(frame, |first, second| first & second)
}

fn bor(frame: &mut Frame<'_>) -> Results {
    combine(frame, |first, second| first | second)
}

fn bxor(frame: &mut Frame<'_>) -> Results {
    combine(frame, |first, second| first ^ second)
}

/// Shifts the first argument by the second, of which five bits count.
fn shift(frame: &mut Frame<'_>, operation: fn(u32, u32) -> u32) -> Results {
    let bits = argument(frame, 1)?;
    let count = argument(frame, 2)? & 31;
    answer(frame, operation(bits, count))
}

fn lshift(frame: &mut Frame<'_>) -> Results {
    shift(frame, |bits, count| bits << count)
}

fn rshift(frame: &mut Frame<'_>) -> Results {
    shift(frame, |bits, count| bits >> count)
}

fn arshift(frame: &mut Frame<'_>) -> Results {
    shift(frame, |bits, count| (bits as i32 >> count) as u32)
}

fn rol(frame: &mut Frame<'_>) -> Results {
    shift(frame, u32::rotate_left)
}

fn ror(frame: &mut Frame<'_>) -> Results {
    shift(frame, u32::rotate_right)
}

fn bswap(frame: &mut Frame<'_>) -> Results {
    let bits = argument(frame, 1)?;
    answer(frame, bits.swap_bytes())
}

/// The last digits in hexadecimal, so many as the second argument says; in capitals if it is
/// negative.
fn tohex(frame: &mut Frame<'_>) -> Results {
    let bits = argument(frame, 1)?;
    let count = if frame.top() < 2 {
        8
    } else {
        argument(frame, 2)? as i32
    };
    let digits = count.unsigned_abs().min(8) as usize;
    let text = if count < 0 {
        format!("{bits:08X}")
    } else {
        format!("{bits:08x}")
    };
    frame.push_bytes(&text.as_bytes()[8 - digits..]);
    Ok(1)
}
