//! The extended precision of x87, in software: what INCRBYFLOAT and HINCRBYFLOAT add in.
//!
//! Redis adds in C's `long double`, which is another type on each platform. Nearly everyone
//! runs it on x86-64, where that type has a mantissa of 64 bits, so this is what answers look
//! like: `3.0e3` plus `200` is `3200`, and `10.50` plus `0.1` is `10.6`, which doubles would
//! make `10.59999999999999964`. This type gives those answers everywhere.
//!
//! Everything here rounds to the nearest, ties to even, as x87 and the C library do: reading
//! a decimal, adding, and writing with 17 places after the point.

use std::fmt;
use std::ops::Add;

use super::big_integer::BigInteger;
use super::strtod::{Scanned, scan};

/// A number of the x87 extended format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    /// `mantissa` times two to the `exponent`. The first bit of the mantissa is set, unless
    /// the exponent is the smallest there is.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

/// Exponents of the last bit of the mantissa.
const EXPONENT_MIN: i32 = -16445;
const EXPONENT_MAX: i32 = 16320;

/// Numbers of ten to the power of this and more are too big; below its negative they are zero.
/// The bounds are loose: they only keep the exact arithmetic short.
const DECIMAL_PLACES_MAX: i64 = 4960;

/// The longest text that Redis reads a long double from, in bytes.
const TEXT_MAX_BYTES: usize = 5 * 1024 - 1;

/// How many places after the point are written.
const PLACES: usize = 17;

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble {
        negative: false,
        magnitude: Magnitude::ZERO,
    };

    /// Reads a number as Redis does (`string2ld`, C's `strtold`): decimal or hexadecimal, `inf`
    /// and `infinity` in any case with a sign. `None` for everything else: blanks, NaN, texts of
    /// 5 KiB and more, a finite number too big for the type, and one that is not zero but too
    /// small for it.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > TEXT_MAX_BYTES {
            return None;
        }
        let (negative, scanned) = scan(text)?;
        let magnitude = match scanned {
            Scanned::Infinity => Magnitude::Infinite,
            Scanned::Decimal {
                whole,
                fraction,
                exponent,
            } => Magnitude::from_decimal(whole, fraction, exponent)?,
            Scanned::Hexadecimal { mantissa: 0, .. } => Magnitude::ZERO,
            Scanned::Hexadecimal {
                mantissa,
                inexact,
                exponent,
            } => Magnitude::round(mantissa, inexact, exponent).if_representable()?,
        };
        Some(LongDouble {
            negative,
            magnitude,
        })
    }

    /// Whether this is neither infinite nor the sum of opposite infinities.
    pub fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Finite { .. })
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        let magnitude = Magnitude::round(u128::from(value.unsigned_abs()), false, 0);
        LongDouble {
            negative: value < 0,
            magnitude,
        }
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    fn add(self, other: LongDouble) -> LongDouble {
        use Magnitude::{Finite, Infinite, NotANumber};
        let same_sign = self.negative == other.negative;
        match (self.magnitude, other.magnitude) {
            (
                Finite { mantissa, exponent },
                Finite {
                    mantissa: other_mantissa,
                    exponent: other_exponent,
                },
            ) => {
                let self_is_bigger = (exponent, mantissa) >= (other_exponent, other_mantissa);
                let (bigger, smaller) = if self_is_bigger {
                    (self, other)
                } else {
                    (other, self)
                };
                let magnitude = if same_sign {
                    bigger.magnitude.sum(smaller.magnitude)
                } else {
                    bigger.magnitude.difference(smaller.magnitude)
                };
                // Opposite numbers cancel to a zero without a sign.
                let negative = bigger.negative && (same_sign || magnitude != Magnitude::ZERO);
                LongDouble {
                    negative,
                    magnitude,
                }
            }
            (Infinite, Infinite) if !same_sign => LongDouble {
                negative: false,
                magnitude: NotANumber,
            },
            (NotANumber, _) | (Infinite, Finite { .. } | Infinite) => self,
            (_, NotANumber | Infinite) => other,
        }
    }
}

/// Writes the number with 17 places after the point, less the zeros at the end: what Redis
/// keeps after INCRBYFLOAT. A zero, or what rounds to it, has no sign.
impl fmt::Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        match self.magnitude {
            Magnitude::NotANumber => f.write_str("nan"),
            Magnitude::Infinite => write!(f, "{sign}inf"),
            Magnitude::Finite { mantissa, exponent } if exponent >= 0 => {
                let mut integer = BigInteger::new(mantissa);
                integer.shift_left(exponent.unsigned_abs());
                write!(f, "{sign}{}", integer.into_decimal())
            }
            Magnitude::Finite { mantissa, exponent } => {
                const SCALE: u128 = 10u128.pow(PLACES as u32);
                let scaled = shift_right_rounding(
                    u128::from(mantissa) * SCALE,
                    exponent.unsigned_abs(),
                    false,
                );
                if scaled == 0 {
                    return f.write_str("0");
                }
                let (whole, fraction) = (scaled / SCALE, scaled % SCALE);
                if fraction == 0 {
                    return write!(f, "{sign}{whole}");
                }
                let fraction = format!("{fraction:0PLACES$}");
                write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
            }
        }
    }
}

impl Magnitude {
    const ZERO: Magnitude = Magnitude::Finite {
        mantissa: 0,
        exponent: EXPONENT_MIN,
    };

    /// The nearest number to `bits` times two to the `exponent`; `inexact` says that the true
    /// number is a little more, less than the last of the bits, of which there must be 66 at
    /// least then.
    fn round(bits: u128, inexact: bool, exponent: i64) -> Magnitude {
        if bits == 0 {
            return Magnitude::ZERO;
        }
        let bit_length = i64::from(128 - bits.leading_zeros());
        // So many bits go: those beyond the mantissa, or beyond the smallest exponent.
        let dropped = (bit_length - 64).max(i64::from(EXPONENT_MIN) - exponent);
        let mut exponent = exponent + dropped;
        let mut mantissa = if dropped <= 0 {
            bits << -dropped
        } else {
            shift_right_rounding(bits, dropped.min(1 << 20) as u32, inexact)
        };
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
        if exponent > i64::from(EXPONENT_MAX) {
            return Magnitude::Infinite;
        }
        if mantissa == 0 {
            return Magnitude::ZERO;
        }
        Magnitude::Finite {
            mantissa: mantissa as u64,
            exponent: exponent as i32,
        }
    }

    /// The number itself, if rounding has not made one that was finite and not zero infinite
    /// or zero.
    fn if_representable(self) -> Option<Magnitude> {
        (self != Magnitude::Infinite && self != Magnitude::ZERO).then_some(self)
    }

    fn from_decimal(whole: &[u8], fraction: &[u8], exponent: i64) -> Option<Magnitude> {
        let digits = || {
            whole
                .iter()
                .chain(fraction)
                .copied()
                .skip_while(|&digit| digit == b'0')
        };
        let count = digits().count();
        if count == 0 {
            return Some(Magnitude::ZERO);
        }
        // The number is the digits times ten to the power of `scale`.
        let scale = exponent - fraction.len() as i64;
        if (scale + count as i64).abs() > DECIMAL_PLACES_MAX {
            return None;
        }
        let magnitude = match Self::from_short_decimal(digits(), count, scale) {
            Some(magnitude) => magnitude,
            None => Self::from_long_decimal(digits(), scale),
        };
        magnitude.if_representable()
    }

    /// A number of few digits and a small exponent, as nearly all are, without allocating.
    fn from_short_decimal(
        digits: impl Iterator<Item = u8>,
        count: usize,
        scale: i64,
    ) -> Option<Magnitude> {
        if count > 19 || scale.abs() > 27 {
            return None;
        }
        let digits = digits.fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        let power = u128::from(5u64.pow(scale.unsigned_abs() as u32));
        if scale >= 0 {
            return Some(Self::round(u128::from(digits) * power, false, scale));
        }
        // The dividend has its first bit set and the divisor is below 2^63, so that the
        // quotient has more than 65 bits.
        let shift = digits.leading_zeros() + 64;
        let dividend = u128::from(digits) << shift;
        let inexact = dividend % power != 0;
        Some(Self::round(
            dividend / power,
            inexact,
            scale - i64::from(shift),
        ))
    }

    fn from_long_decimal(digits: impl Iterator<Item = u8>, scale: i64) -> Magnitude {
        let mut integer = BigInteger::from_digits(digits);
        let power = scale.unsigned_abs() as u32;
        let (mut inexact, mut exponent) = (false, scale);
        if scale >= 0 {
            integer.multiply_by_power_of_five(power);
        } else {
            // The power of five has less than 2.33 bits a factor; the quotient wants 66.
            let wanted_bits = 67 + u64::from(power) * 233 / 100;
            let shift = wanted_bits.saturating_sub(integer.bit_length()) as u32;
            integer.shift_left(shift);
            exponent -= i64::from(shift);
            inexact = integer.divide_by_power_of_five(power);
        }
        let (bits, more, others) = integer.leading_bits();
        Self::round(bits, inexact || more, exponent + others as i64)
    }

    fn sum(self, smaller: Magnitude) -> Magnitude {
        self.combine(smaller, |bigger, smaller, _| bigger + smaller)
    }

    fn difference(self, smaller: Magnitude) -> Magnitude {
        self.combine(smaller, |bigger, smaller, lost| {
            bigger - smaller - u128::from(lost)
        })
    }

    /// Brings two finite numbers to one exponent, with 62 bits below the mantissa of the bigger
    /// one, and combines them. The operation rounds down: it is told when bits of the smaller
    /// number were lost beyond that, so that a difference is less than the other bits say.
    fn combine(self, smaller: Magnitude, operation: fn(u128, u128, bool) -> u128) -> Magnitude {
        const ROOM_BITS: u32 = 62;
        let (
            Magnitude::Finite { mantissa, exponent },
            Magnitude::Finite {
                mantissa: smaller_mantissa,
                exponent: smaller_exponent,
            },
        ) = (self, smaller)
        else {
            return Magnitude::NotANumber;
        };
        let bigger = u128::from(mantissa) << ROOM_BITS;
        let smaller = u128::from(smaller_mantissa) << ROOM_BITS;
        let distance = exponent.abs_diff(smaller_exponent);
        let aligned = smaller.checked_shr(distance).unwrap_or(0);
        let lost = aligned.checked_shl(distance).unwrap_or(0) != smaller;
        let combined = operation(bigger, aligned, lost);
        Self::round(combined, lost, i64::from(exponent) - i64::from(ROOM_BITS))
    }
}

/// Divides by a power of two, to the nearest, ties to even; `inexact` says that the dividend
/// is a little more than `value`.
fn shift_right_rounding(value: u128, bits: u32, inexact: bool) -> u128 {
    if bits == 0 {
        return value;
    }
    if bits > 128 {
        return 0;
    }
    let kept = value.checked_shr(bits).unwrap_or(0);
    let dropped = value << (128 - bits);
    let half = 1 << 127;
    kept + u128::from(dropped > half || (dropped == half && (inexact || kept & 1 == 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<LongDouble> {
        LongDouble::parse(text.as_bytes())
    }

    fn sum(one: &str, other: &str) -> String {
        (parse(one).unwrap() + parse(other).unwrap()).to_string()
    }

    // Texts and sums are those of INCRBYFLOAT in Redis 7.0 and 8 on x86-64.
    #[test]
    fn sums_are_those_of_redis() {
        for (one, other, expected) in [
            ("0", "0", "0"),
            ("3.0e3", "200", "3200"),
            ("10.50", "0.1", "10.6"),
            ("0.1", "0.2", "0.3"),
            ("5", "-5", "0"),
            ("-0", "-0", "0"),
            ("1e-18", "0", "0"),
            ("-1e-18", "0", "0"),
            ("0", "0x1.8p-2", "0.375"),
            ("0", "1e-400", "0"),
            ("0", "3.6e-4951", "0"),
            ("1", "-1.1", "-0.1"),
            ("1", "inf", "inf"),
            ("-inf", "1", "-inf"),
            ("inf", "-inf", "nan"),
            ("-inf", "inf", "nan"),
        ] {
            assert_eq!(sum(one, other), expected, "{one} {other}");
        }
        let big = sum("0", "1e400");
        assert!(big.starts_with("100000000000000000002818806839475865145864534336290520"));
        assert_eq!(big.len(), 401);
        let biggest = sum("0", "1e4932");
        assert!(biggest.starts_with("10000000000000000000060189493879638913238377742545331"));
        assert_eq!(biggest.len(), 4933);
        assert!(!(parse("1e4932").unwrap() + parse("1e4932").unwrap()).is_finite());
    }

    #[test]
    fn refused_texts_are_those_of_redis() {
        let long = "1".repeat(5120);
        for text in [
            "",
            ".",
            " 1",
            "1 ",
            "1e",
            "0x",
            "0x.p1",
            "nan",
            "infinit",
            "--1",
            "1,5",
            "1.2e4932",
            "1e-4951",
            "1e-4960",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "0x1p16384",
            "0x1p-16446",
            "-1.2e4932",
            &long,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("0x1p-16445").is_some());
        assert!(parse("0x1p16383").is_some());
        assert!(parse(&format!("0.{}", &long[..4900])).is_some());
        assert!(parse(&format!("{}e-5110", &long[..5100])).is_some());
    }

    fn short() -> impl Strategy<Value = (i64, u32)> {
        (-999_999_999_999_999i64..=999_999_999_999_999, 0u32..=9)
    }

    fn decimal((digits, scale): (i64, u32)) -> String {
        format!("{digits}e-{scale}")
    }

    /// The exact sum of two short decimals in the form that Redis writes.
    fn naive_sum(one: (i64, u32), other: (i64, u32)) -> String {
        let at_nine = |(digits, scale): (i64, u32)| i128::from(digits) * 10i128.pow(9 - scale);
        let sum = at_nine(one) + at_nine(other);
        let (whole, fraction) = (
            sum.unsigned_abs() / 1_000_000_000,
            sum.unsigned_abs() % 1_000_000_000,
        );
        let text = format!("{}{whole}.{fraction:09}", if sum < 0 { "-" } else { "" });
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    proptest! {
        /// Below one, 64 bits hold more than the 17 places that are written.
        #[test]
        fn sums_of_short_decimals_are_exact(
            one in (-999_999_999i64..=999_999_999, Just(9)),
            other in (-999_999_999i64..=999_999_999, Just(9)),
        ) {
            prop_assert_eq!(sum(&decimal(one), &decimal(other)), naive_sum(one, other));
        }

        #[test]
        fn the_order_of_a_sum_does_not_matter(one in short(), other in short()) {
            let (one, other) = (decimal(one), decimal(other));
            prop_assert_eq!(sum(&one, &other), sum(&other, &one));
        }

        #[test]
        fn integers_are_exact(one in any::<i64>(), other in any::<i64>()) {
            let total = LongDouble::from(one) + LongDouble::from(other);
            // Two integers of 63 bits make one of 64, which the mantissa holds.
            prop_assert_eq!(total.to_string(), (i128::from(one) + i128::from(other)).to_string());
            prop_assert_eq!(Some(LongDouble::from(one)), parse(&one.to_string()));
        }

        #[test]
        fn a_double_is_the_same_number_in_more_precision(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            let exact = format!("{value:.17}");
            let trimmed = exact.trim_end_matches('0').trim_end_matches('.');
            let expected = if trimmed == "-0" { "0" } else { trimmed };
            // Hexadecimal keeps every bit.
            let fraction = bits & ((1 << 52) - 1);
            let (leading, exponent) = match bits >> 52 & 0x7ff {
                0 => (0, -1022),
                biased => (1, biased as i64 - 1023),
            };
            let sign = if value < 0.0 { "-" } else { "" };
            let number = parse(&format!("{sign}0x{leading}.{fraction:013x}p{exponent}")).unwrap();
            prop_assert_eq!(number.to_string(), expected);
        }

        #[test]
        fn short_and_long_ways_of_reading_agree(
            digits in "[1-9][0-9]{0,18}", scale in -27i64..=27,
        ) {
            let short = Magnitude::from_short_decimal(digits.bytes(), digits.len(), scale).unwrap();
            prop_assert_eq!(short, Magnitude::from_long_decimal(digits.bytes(), scale));
        }

        #[test]
        fn what_is_written_reads_back_if_it_is_whole(digits in "[1-9][0-9]{19,4900}") {
            let number = parse(&digits).unwrap();
            prop_assert_eq!(parse(&number.to_string()), Some(number));
        }
    }
}
