//! How C's `printf` writes doubles with `%.Ng`, which scripts and JSON depend on.

/// `number` with `digits` significant digits, as `%g` has it: the shorter of the forms, without
/// zeros at its end.
pub(crate) fn general(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() {
            "-nan"
        } else {
            "nan"
        }
        .to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    // `{:e}` rounds exactly; its exponent is the one by which `%g` chooses.
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

/// A decimal fraction without the zeros at its end.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `printf` writes.
    #[test]
    fn numbers_read_as_printf_writes_them() {
        let cases: [(f64, usize, &str); 14] = [
            (0.0, 17, "0"),
            (-0.0, 17, "-0"),
            (1.0, 17, "1"),
            (0.1, 17, "0.10000000000000001"),
            (0.1, 14, "0.1"),
            (9_007_199_254_740_991.0, 17, "9007199254740991"),
            (1e17, 17, "1e+17"),
            (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (1e100, 14, "1e+100"),
            (-2.5e-10, 17, "-2.5000000000000002e-10"),
            (f64::INFINITY, 17, "inf"),
            (99_999_999_999_999.96, 14, "1e+14"),
        ];
        for (number, digits, text) in cases {
            assert_eq!(general(number, digits), text, "{number:e} in {digits}");
        }
    }
}
