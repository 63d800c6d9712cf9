//! Sizes of memory as configuration has them: `100mb`, `1gb`, `512k`.

/// Reads a number of bytes with an optional unit, in any case: `b`; `k`, `m` and `g` for
/// powers of 1000; `kb`, `mb` and `gb` for powers of 1024. `None` for another unit, a sign
/// or more than 127 digits.
///
/// As in Redis (`memtoull`), a unit alone is zero of it, digits beyond 64 bits stand for the
/// biggest number, a product beyond them wraps around, and a NUL byte ends the text.
pub fn parse_memory_size(text: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 127;

    let text = text.split(|&byte| byte == 0).next()?;
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(length);
    let multiplier: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if length > DIGITS_MAX {
        return None;
    }
    let number = digits.iter().fold(0u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(number.wrapping_mul(multiplier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_redis_reads_them() {
        let long = "1".repeat(128);
        for (text, bytes) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("1b", Some(1)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("2M", Some(2_000_000)),
            ("2mB", Some(2 << 20)),
            ("3g", Some(3_000_000_000)),
            ("3GB", Some(3 << 30)),
            ("", Some(0)),
            ("kb", Some(0)),
            ("1\0x", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999", Some(u64::MAX)),
            ("18446744073709551615k", Some(u64::MAX.wrapping_mul(1000))),
            (&long[1..], Some(u64::MAX)),
            (&long, None),
            ("-1", None),
            ("+1", None),
            ("1.5gb", None),
            ("1 kb", None),
            ("1tb", None),
            ("1kbb", None),
            ("a", None),
        ] {
            assert_eq!(parse_memory_size(text.as_bytes()), bytes, "{text:?}");
        }
    }
}
