//! Doubles in commands: scores, increments, coordinates.

pub use oxidis_resp::number::DoubleText;

use super::strtod::{Scanned, scan};

/// Reads a double as Redis does (`getDoubleFromObject`, C's `strtod`): decimal or
/// hexadecimal, `inf` and `infinity` in any case with a sign. `None` for everything else:
/// blanks, NaN, a finite number too big for a double, and one that is not zero but too
/// small for a double.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    let (value, is_in_range) = nearest_double(text)?;
    is_in_range.then_some(value)
}

/// Reads a double as Redis does for ends of score ranges: what C's `strtod` takes of the text
/// up to its first NUL, if it takes all of that. So blanks may stand in front, nothing at all is
/// zero, and a number that is too big is infinite.
pub fn parse_double_loosely(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0);
    let text = &text[..end.unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_blank(byte))?;
    nearest_double(&text[start..]).map(|(value, _)| value)
}

/// The double nearest to the number that is the whole text, and whether the number is neither
/// too big for a double nor too small.
fn nearest_double(text: &[u8]) -> Option<(f64, bool)> {
    let (negative, scanned) = scan(text)?;
    let (magnitude, is_zero) = match scanned {
        Scanned::Infinity => {
            let infinity = f64::INFINITY;
            return Some((if negative { -infinity } else { infinity }, true));
        }
        Scanned::Decimal {
            whole, fraction, ..
        } => {
            // The standard library rounds correctly and its grammar is wider than ours.
            let unsigned = text
                .strip_prefix(b"-")
                .or(text.strip_prefix(b"+"))
                .unwrap_or(text);
            let value: f64 = std::str::from_utf8(unsigned).ok()?.parse().ok()?;
            let is_zero = whole.iter().chain(fraction).all(|&digit| digit == b'0');
            (value, is_zero)
        }
        Scanned::Hexadecimal { mantissa: 0, .. } => (0.0, true),
        Scanned::Hexadecimal {
            mantissa,
            inexact,
            exponent,
        } => (round_to_double(mantissa, inexact, exponent), false),
    };
    let is_in_range = magnitude.is_finite() && (magnitude != 0.0 || is_zero);
    Some((if negative { -magnitude } else { magnitude }, is_in_range))
}

/// The double nearest to `mantissa` (not zero) times two to the `exponent`, ties to even;
/// `inexact` says that the true number is a little more.
fn round_to_double(mantissa: u128, inexact: bool, exponent: i64) -> f64 {
    const PRECISION_BITS: i64 = 53;
    const BIAS: i64 = 1023;

    let shift = mantissa.leading_zeros();
    let mantissa = mantissa << shift;
    // The place of the first bit: the number is between two to this and twice that.
    let place = exponent - i64::from(shift) + 127;
    if place > BIAS {
        return f64::INFINITY;
    }
    // Below the normal numbers, each place that is missing costs a bit of precision.
    let subnormal_places = (1 - BIAS - place).max(0);
    let dropped_bits = 128 - PRECISION_BITS + subnormal_places;
    if dropped_bits > 128 {
        return 0.0;
    }
    let kept = mantissa.checked_shr(dropped_bits as u32).unwrap_or(0);
    let dropped = mantissa << (128 - dropped_bits);
    let half = 1 << 127;
    let round_up = dropped > half || (dropped == half && (inexact || kept & 1 == 1));
    let kept = kept as u64 + u64::from(round_up);
    // The first kept bit of a normal number is not stored, but adding it brings the biased
    // exponent to what it must be; so does the carry of a mantissa that rounds up to two.
    let biased_exponent = if subnormal_places > 0 {
        0
    } else {
        (place + BIAS - 1) as u64
    };
    f64::from_bits((biased_exponent << (PRECISION_BITS - 1)) + kept)
}

#[cfg(test)]
mod tests {
    #[test]
    fn loose_doubles_are_those_of_strtod() {
        for (text, expected) in [
            ("", Some(0.0)),
            ("5", Some(5.0)),
            (" \t5", Some(5.0)),
            ("5\0abc", Some(5.0)),
            ("\0abc", Some(0.0)),
            ("1e400", Some(f64::INFINITY)),
            ("-1e400", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("0x10", Some(16.0)),
            ("-Inf", Some(f64::NEG_INFINITY)),
            (" ", None),
            ("5 ", None),
            ("nan", None),
            ("5x", None),
        ] {
            assert_eq!(
                super::parse_double_loosely(text.as_bytes()),
                expected,
                "{text:?}"
            );
        }
    }

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<f64> {
        parse_double(text.as_bytes())
    }

    // Each verdict is that of ZADD in Redis 7.0 and 8.
    #[test]
    fn doubles_are_read_as_redis_reads_them() {
        for (text, value) in [
            ("+5", 5.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("5.e3", 5000.0),
            ("0x10", 16.0),
            ("0X1P3", 8.0),
            ("0x1.8p-2", 0.375),
            ("0x.8", 0.5),
            ("-0x1", -1.0),
            ("0x1.8p-1075", 5e-324),
            ("0x1.fffffffffffff8p1022", 8.98846567431158e307),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000001p0", 1.0000000000000002),
            ("0x0p99999999999999999999", 0.0),
            ("0e-400", 0.0),
            ("1e-320", 1e-320),
            ("2.4703282292062328e-324", 5e-324),
            ("inf", f64::INFINITY),
            ("+INF", f64::INFINITY),
            ("-iNfInItY", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for text in [
            "",
            ".",
            "+",
            "-",
            "e5",
            "1e",
            "1e+",
            "1e5x",
            "1_000",
            "1\x000",
            " 1",
            "1 ",
            "\t1",
            "1d",
            "0b1",
            "--1",
            "+-1",
            "1,5",
            "0x",
            "0x.p1",
            "0x1p",
            "0x1g",
            "nan",
            "-nan",
            "nan(1)",
            "infinit",
            "infinity1",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "2.4703282292062327e-324",
            "0x1p-1075",
            "0x1p-1080",
            "0x1p2000",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("-0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
    }

    proptest! {
        #[test]
        fn a_double_is_read_back_from_its_text(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let text = DoubleText::new(value);
            prop_assert_eq!(parse_double(&text).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn a_double_is_read_back_from_hexadecimal(bits in any::<u64>(), zeros in 0usize..20) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let fraction = bits & ((1 << 52) - 1);
            let (leading, exponent) = match bits >> 52 & 0x7ff {
                0 => (0, -1022),
                biased => (1, biased as i64 - 1023),
            };
            let sign = if value.is_sign_negative() { "-" } else { "" };
            let text = format!("{sign}0x{}{leading}.{fraction:013x}p{exponent}", "0".repeat(zeros));
            prop_assert_eq!(parse(&text).map(f64::to_bits), Some(bits));
        }

        #[test]
        fn hexadecimal_integers_round_as_the_standard_library_does(value in any::<u128>(), shift in 0u32..128) {
            let value = value >> shift;
            prop_assert_eq!(parse(&format!("{value:#x}")), Some(value as f64));
        }
    }
}
