//! What SET, MSETEX and GETEX are told behind their values: conditions and expiries.

use crate::command::{CommandError, Context};
use crate::text::parse_integer;

/// When SET and MSETEX set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    Always,
    IfMissing,
    IfPresent,
    IfEqual(&'a [u8]),
}

/// What becomes of the expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    Clear,
    Keep,
    /// At this many milliseconds since 1970.
    At(i64),
}

/// Whose options are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setter {
    /// SET, which has `GET` and `IFEQ` too.
    Set,
    /// MSETEX.
    Many,
}

impl Setter {
    fn name(self) -> &'static str {
        match self {
            Setter::Set => "set",
            Setter::Many => "msetex",
        }
    }
}

/// The options of SET and MSETEX.
pub(super) struct SetOptions<'a> {
    pub(super) condition: Condition<'a>,
    pub(super) wants_old: bool,
    pub(super) expiry: Expiry,
    /// The argument that names the unit of the expiry.
    pub(super) unit_at: Option<usize>,
}

impl<'a> SetOptions<'a> {
    /// Reads the options from argument `start` on.
    pub(super) fn parse(
        cx: &Context<'a>,
        start: usize,
        setter: Setter,
    ) -> Result<Self, CommandError> {
        let mut condition = Condition::Always;
        let mut wants_old = false;
        let mut expiry = Expiry::Clear;
        let mut unit_at = None;
        let mut index = start;
        while index < cx.argc() {
            let has_next = index + 1 < cx.argc();
            let has_condition = condition != Condition::Always;
            let has_expiry = expiry != Expiry::Clear || unit_at.is_some();
            let is_said_unit = unit_at.is_some_and(|at| is_same_word(cx, at, index));
            if cx.arg_is(index, "NX") && !has_condition {
                condition = Condition::IfMissing;
            } else if cx.arg_is(index, "XX") && !has_condition {
                condition = Condition::IfPresent;
            } else if cx.arg_is(index, "IFEQ")
                && setter == Setter::Set
                && !has_condition
                && has_next
            {
                index += 1;
                condition = Condition::IfEqual(cx.arg(index));
            } else if cx.arg_is(index, "GET") && setter == Setter::Set {
                wants_old = true;
            } else if cx.arg_is(index, "KEEPTTL") && !has_expiry {
                expiry = Expiry::Keep;
            } else if is_expire_unit(cx.arg(index)) && (!has_expiry || is_said_unit) && has_next {
                // Of the same unit said twice the last one counts.
                unit_at = Some(index);
                index += 1;
            } else if cx.arg_is(index, "NX") && condition == Condition::IfMissing
                || cx.arg_is(index, "XX") && condition == Condition::IfPresent
                || cx.arg_is(index, "KEEPTTL") && expiry == Expiry::Keep
            {
                // Said twice is said.
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        if let Some(at) = unit_at {
            expiry = Expiry::At(expire_at(cx, cx.arg(at), cx.arg(at + 1), setter.name())?);
        }
        Ok(SetOptions {
            condition,
            wants_old,
            expiry,
            unit_at,
        })
    }
}

/// Reads the time behind EX, PX, EXAT or PXAT (in capitals or not) as milliseconds since 1970.
pub(super) fn expire_at(
    cx: &Context<'_>,
    unit: &[u8],
    text: &[u8],
    command: &'static str,
) -> Result<i64, CommandError> {
    let number = parse_integer(text).ok_or(CommandError::NotInteger)?;
    let invalid = CommandError::InvalidExpire(command);
    if number <= 0 {
        return Err(invalid);
    }
    let is_seconds = unit.eq_ignore_ascii_case(b"EX") || unit.eq_ignore_ascii_case(b"EXAT");
    let is_relative = unit.eq_ignore_ascii_case(b"EX") || unit.eq_ignore_ascii_case(b"PX");
    let milliseconds = if is_seconds {
        number.checked_mul(1000)
    } else {
        Some(number)
    };
    let base = if is_relative { cx.now_ms() } else { 0 };
    milliseconds
        .and_then(|milliseconds| milliseconds.checked_add(base))
        .ok_or(invalid)
}

pub(super) fn is_expire_unit(argument: &[u8]) -> bool {
    ["EX", "PX", "EXAT", "PXAT"]
        .iter()
        .any(|unit| argument.eq_ignore_ascii_case(unit.as_bytes()))
}

pub(super) fn is_same_word(cx: &Context<'_>, one: usize, other: usize) -> bool {
    cx.arg(one).eq_ignore_ascii_case(cx.arg(other))
}
