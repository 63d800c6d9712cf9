//! Arguments that commands of several families take: counts, positive numbers, timeouts.

use crate::command::{CommandError, Context};
use crate::text::{LongDouble, parse_double, parse_integer};

/// The argument at `index` as a number whose opposite is a number too.
pub(super) fn symmetric_integer(cx: &Context<'_>, index: usize) -> Result<i64, CommandError> {
    cx.integer_between(index, -i64::MAX..=i64::MAX)
}

/// A number that is not negative, or `error`.
pub(super) fn positive_or(argument: &[u8], error: CommandError) -> Result<usize, CommandError> {
    match parse_integer(argument) {
        Some(number @ 0..) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => Err(error),
    }
}

/// A number greater than zero, or `error`.
pub(super) fn count_or(argument: &[u8], error: CommandError) -> Result<usize, CommandError> {
    match parse_integer(argument) {
        Some(number @ 1..) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => Err(error),
    }
}

/// When a command that waits gives up, in milliseconds since 1970, from its timeout in seconds, which may be
/// fractional; `None` is never, which is what 0 means.
pub(super) fn deadline_ms(
    timeout_seconds: &[u8],
    now_ms: i64,
) -> Result<Option<i64>, CommandError> {
    const OUT_OF_RANGE: CommandError = CommandError::text("ERR timeout is out of range");
    let seconds = seconds(timeout_seconds).ok_or(CommandError::text(
        "ERR timeout is not a float or out of range",
    ))?;
    // The shortest wait is a millisecond: only 0 itself is forever.
    let timeout_ms = (seconds * 1000.0).ceil();
    if timeout_ms < 0.0 {
        return Err(CommandError::text("ERR timeout is negative"));
    }
    if timeout_ms == 0.0 {
        return Ok(None);
    }
    // As an i64 the limit itself is not exact; what is beyond it saturates.
    if timeout_ms >= i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    let deadline_ms = now_ms.checked_add(timeout_ms as i64);
    deadline_ms.map(Some).ok_or(OUT_OF_RANGE)
}

/// A number as `strtold` reads it, as near as a double comes: Redis takes timeouts as long doubles.
fn seconds(text: &[u8]) -> Option<f64> {
    parse_double(text).or_else(|| {
        LongDouble::parse(text)?;
        // What a double cannot hold becomes infinite or, if it is very small, the shortest wait.
        match std::str::from_utf8(text).ok()?.parse() {
            Ok(0.0) => Some(f64::MIN_POSITIVE),
            number => number.ok(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(timeout: &str, expected: Result<Option<i64>, &str>) {
        let found = deadline_ms(timeout.as_bytes(), 1_000_000);
        let found = found.map_err(|error| error.to_string());
        assert_eq!(
            found,
            expected.map_err(|text| format!("ERR timeout is {text}"))
        );
    }

    #[test]
    fn timeouts_are_seconds_and_zero_is_forever() {
        check("0", Ok(None));
        check("-0", Ok(None));
        check("1", Ok(Some(1_001_000)));
        check("0.1", Ok(Some(1_000_100)));
        check("0.0001", Ok(Some(1_000_001)));
        check("1e3", Ok(Some(2_000_000)));
        check("1e-400", Ok(Some(1_000_001)));
    }

    #[test]
    fn bad_timeouts_are_refused() {
        check("", Err("not a float or out of range"));
        check("1s", Err("not a float or out of range"));
        check(" 1", Err("not a float or out of range"));
        check("nan", Err("not a float or out of range"));
        check("-1", Err("negative"));
        check("-inf", Err("negative"));
        check("inf", Err("out of range"));
        check("1e300", Err("out of range"));
        check("1e400", Err("out of range"));
        check("-1e400", Err("negative"));
        check("9223372036854775", Err("out of range"));
        check("-0.0001", Ok(None));
    }
}
