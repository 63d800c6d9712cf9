//! Bits in byte strings, numbered as Redis does: bit 0 is the highest bit of the first byte. Here
//! is arithmetic only; ranges as clients give them are read in `bitmap.rs`.

use std::ops::RangeInclusive;

/// The mask of a bit within its byte.
#[inline]
pub(super) fn mask(bit: u64) -> u8 {
    0x80 >> (bit & 7)
}

/// The byte that a bit lies in.
#[inline]
pub(super) fn byte_of(bit: u64) -> usize {
    (bit >> 3) as usize
}

/// Whether the bit is set; bits behind the end are not.
#[inline]
pub(super) fn is_set(bytes: &[u8], bit: u64) -> bool {
    bytes
        .get(byte_of(bit))
        .is_some_and(|byte| byte & mask(bit) != 0)
}

/// How many bits of `range` are set. The range must lie inside of `bytes` and not be empty.
pub(super) fn count(bytes: &[u8], range: RangeInclusive<u64>) -> u64 {
    let (first, last) = (byte_of(*range.start()), byte_of(*range.end()));
    let before = bytes[first] & !(0xff >> (range.start() & 7));
    let after = bytes[last] & (0x7f >> (range.end() & 7));
    count_all(&bytes[first..=last]) - u64::from(before.count_ones() + after.count_ones())
}

fn count_all(bytes: &[u8]) -> u64 {
    // Word by word: there the compiler counts many bytes with one instruction.
    let mut words = bytes.chunks_exact(8);
    let mut count = 0;
    for word in &mut words {
        let mut bits = [0; 8];
        bits.copy_from_slice(word);
        count += u64::from(u64::from_ne_bytes(bits).count_ones());
    }
    let rest = words.remainder().iter();
    count + rest.map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// The first bit of `range` that is `wanted`. The range must lie inside of `bytes` and not be
/// empty.
pub(super) fn first(bytes: &[u8], wanted: bool, range: RangeInclusive<u64>) -> Option<u64> {
    // Turned over if need be, so that the search is always for a set bit.
    let flip = if wanted { 0 } else { 0xff };
    let (start, last) = (byte_of(*range.start()), byte_of(*range.end()));
    let mut at = start;
    let mut found = (bytes[at] ^ flip) & (0xff >> (range.start() & 7));
    if found == 0 {
        let rest = &bytes[start + 1..=last];
        let words = rest.chunks_exact(8);
        let without = words.take_while(|word| *word == [flip; 8]).count() * 8;
        let offset = rest[without..].iter().position(|byte| *byte != flip)?;
        at = start + 1 + without + offset;
        found = bytes[at] ^ flip;
    }
    let position = at as u64 * 8 + u64::from(found.leading_zeros());
    (position <= *range.end()).then_some(position)
}

/// The `width` bits from `offset` on (at most 64) as an unsigned integer, highest bit first. Bits
/// behind the end are zeros.
pub(super) fn read(bytes: &[u8], offset: u64, width: u32) -> u64 {
    // 64 bits that do not begin with a byte touch nine bytes.
    let start = byte_of(offset).min(bytes.len());
    let mut window = [0; 16];
    let present = &bytes[start..bytes.len().min(start + 9)];
    window[..present.len()].copy_from_slice(present);
    let aligned = u128::from_be_bytes(window) << (offset & 7);
    (aligned >> (128 - width)) as u64
}

/// Writes the lowest `width` bits of `value` (at most 64) at `offset`. They must lie inside of
/// `bytes`.
pub(super) fn write(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    let place = &mut bytes[byte_of(offset)..=byte_of(offset + u64::from(width) - 1)];
    let mut window = [0; 16];
    window[..place.len()].copy_from_slice(place);
    let shift = 128 - width - (offset & 7) as u32;
    let mask = u128::from(u64::MAX >> (64 - width)) << shift;
    let value = (u128::from(value) << shift) & mask;
    let window = (u128::from_be_bytes(window) & !mask | value).to_be_bytes();
    place.copy_from_slice(&window[..place.len()]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(bytes: &[u8]) -> Vec<bool> {
        bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1 == 1))
            .collect()
    }

    /// Strings with long runs of equal bits, since those are what searches skip.
    fn strings() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => Just(0), 4 => Just(0xff), 1 => any::<u8>()];
        prop::collection::vec(byte, 1..60)
    }

    fn ranges() -> impl Strategy<Value = (Vec<u8>, u64, u64)> {
        strings().prop_flat_map(|bytes| {
            let bits = bytes.len() as u64 * 8;
            (Just(bytes), 0..bits, 0..bits).prop_map(|(bytes, a, b)| (bytes, a.min(b), a.max(b)))
        })
    }

    proptest! {
        #[test]
        fn counts_and_searches_as_a_vector_of_bits((bytes, start, end) in ranges()) {
            let bits = naive(&bytes);
            let part = &bits[start as usize..=end as usize];
            let expected = part.iter().filter(|bit| **bit).count() as u64;
            prop_assert_eq!(count(&bytes, start..=end), expected);
            for wanted in [false, true] {
                let expected = part.iter().position(|bit| *bit == wanted);
                let expected = expected.map(|position| position as u64 + start);
                prop_assert_eq!(first(&bytes, wanted, start..=end), expected);
            }
        }

        #[test]
        fn reads_zeros_behind_the_end(bytes in strings(), offset in 0..600_u64, width in 1..=64_u32) {
            let bits = naive(&bytes);
            let expected = (offset..offset + u64::from(width)).fold(0, |value, bit| {
                value << 1 | u64::from(bits.get(bit as usize).copied().unwrap_or(false))
            });
            prop_assert_eq!(read(&bytes, offset, width), expected);
        }

        #[test]
        fn writes_only_the_bits_meant(
            mut bytes in prop::collection::vec(any::<u8>(), 9..30),
            offset in 0..100_u64,
            width in 1..=64_u32,
            value: u64,
        ) {
            let offset = offset.min(bytes.len() as u64 * 8 - u64::from(width));
            let mut bits = naive(&bytes);
            for index in 0..width {
                bits[(offset + u64::from(index)) as usize] = value >> (width - 1 - index) & 1 == 1;
            }
            write(&mut bytes, offset, width, value);
            prop_assert_eq!(naive(&bytes), bits);
        }

        #[test]
        fn sees_single_bits(bytes in strings(), bit in 0..600_u64) {
            let expected = naive(&bytes).get(bit as usize).copied().unwrap_or(false);
            prop_assert_eq!(is_set(&bytes, bit), expected);
        }
    }
}
