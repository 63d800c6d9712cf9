//! The sorted set of integers: the compact form of a set that holds nothing else.
//!
//! # Format
//!
//! One byte gives the width of the integers, 2, 4 or 8 bytes; then come the integers, little-endian two's
//! complement, from least to greatest, each once. The width grows with the first integer that does
//! not fit and never shrinks. The empty set is no bytes at all, or a width alone.
//!
//! Behind the width byte stands exactly what Redis's intset keeps behind its header, so that a snapshot takes it as it is.

/// How many integers there are.
pub fn len(intset: &[u8]) -> usize {
    match intset {
        [] => 0,
        [width, integers @ ..] => integers.len() / usize::from(*width),
    }
}

/// Bytes of each integer: 2, 4 or 8.
pub fn width(intset: &[u8]) -> usize {
    intset
        .first()
        .map_or(MIN_WIDTH, |&width| usize::from(width))
}

/// The integer at `index`, counted from the least.
///
/// # Panics
/// If there are not so many.
pub fn get(intset: &[u8], index: usize) -> i64 {
    read(&intset[1..], width(intset), index)
}

/// All integers, least to greatest.
pub fn iter(intset: &[u8]) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone {
    let width = width(intset);
    let integers = intset.get(1..).unwrap_or_default();
    integers
        .chunks_exact(width)
        .map(move |bytes| decode(bytes, width))
}

/// Whether `integer` is there.
pub fn contains(intset: &[u8], integer: i64) -> bool {
    width_of(integer) <= width(intset) && search(intset, integer).is_ok()
}

/// Adds `integer`, and answers whether it is new.
pub fn insert(intset: &mut Vec<u8>, integer: i64) -> bool {
    if intset.is_empty() {
        intset.push(width_of(integer) as u8);
    }
    let needed = width_of(integer);
    if needed > width(intset) {
        widen(intset, needed);
    }
    let width = width(intset);
    let Err(index) = search(intset, integer) else {
        return false;
    };
    let at = 1 + index * width;
    let bytes = integer.to_le_bytes();
    intset.splice(at..at, bytes[..width].iter().copied());
    true
}

/// Removes `integer`, and answers whether it was there.
pub fn remove(intset: &mut Vec<u8>, integer: i64) -> bool {
    if !contains(intset, integer) {
        return false;
    }
    let Ok(index) = search(intset, integer) else {
        return false;
    };
    let width = width(intset);
    let at = 1 + index * width;
    intset.drain(at..at + width);
    true
}

const MIN_WIDTH: usize = 2;

fn width_of(integer: i64) -> usize {
    if i16::try_from(integer).is_ok() {
        MIN_WIDTH
    } else if i32::try_from(integer).is_ok() {
        4
    } else {
        8
    }
}

/// The index of `integer`, or the index where it belongs.
fn search(intset: &[u8], integer: i64) -> Result<usize, usize> {
    let width = width(intset);
    let integers = intset.get(1..).unwrap_or_default();
    let len = integers.len() / width;
    // Integers often arrive in ascending order.
    if len == 0 || read(integers, width, len - 1) < integer {
        return Err(len);
    }
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        match read(integers, width, middle).cmp(&integer) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

fn widen(intset: &mut Vec<u8>, width: usize) {
    let mut wide = Vec::with_capacity(1 + (len(intset) + 1) * width);
    wide.push(width as u8);
    for integer in iter(intset) {
        wide.extend_from_slice(&integer.to_le_bytes()[..width]);
    }
    *intset = wide;
}

#[inline]
fn read(integers: &[u8], width: usize, index: usize) -> i64 {
    decode(&integers[index * width..][..width], width)
}

#[inline]
fn decode(bytes: &[u8], width: usize) -> i64 {
    match width {
        2 => i64::from(i16::from_le_bytes(array(bytes))),
        4 => i64::from(i32::from_le_bytes(array(bytes))),
        _ => i64::from_le_bytes(array(bytes)),
    }
}

#[inline]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes
        .first_chunk()
        .expect("an integer has the width that the first byte says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -20i64..20,
            1 => any::<i16>().prop_map(i64::from),
            1 => any::<i32>().prop_map(i64::from),
            1 => any::<i64>(),
            1 => prop::sample::select(vec![
                i64::from(i16::MIN), i64::from(i16::MAX), i64::from(i16::MIN) - 1, i64::from(i16::MAX) + 1,
                i64::from(i32::MIN), i64::from(i32::MAX), i64::from(i32::MIN) - 1, i64::from(i32::MAX) + 1,
                i64::MIN, i64::MAX,
            ]),
        ]
    }

    proptest! {
        #[test]
        fn an_intset_is_a_sorted_set(steps in prop::collection::vec((any::<bool>(), integer()), 0..80)) {
            let mut intset = Vec::new();
            let mut model = BTreeSet::new();
            let mut widest = 2;
            for (is_insertion, n) in steps {
                prop_assert_eq!(contains(&intset, n), model.contains(&n));
                if is_insertion {
                    prop_assert_eq!(insert(&mut intset, n), model.insert(n));
                    widest = widest.max(width_of(n));
                } else {
                    prop_assert_eq!(remove(&mut intset, n), model.remove(&n));
                }
                prop_assert!(iter(&intset).eq(model.iter().copied()));
                prop_assert_eq!(len(&intset), model.len());
                prop_assert_eq!(width(&intset), widest);
                for (index, &n) in model.iter().enumerate() {
                    prop_assert_eq!(get(&intset, index), n);
                }
            }
        }
    }

    #[test]
    fn the_bytes_behind_the_width_are_those_of_redis() {
        let mut intset = Vec::new();
        for n in [5, -1, 300] {
            insert(&mut intset, n);
        }
        assert_eq!(intset, [2, 0xff, 0xff, 5, 0, 0x2c, 0x01]);
        insert(&mut intset, 70_000);
        assert_eq!(
            intset,
            [
                4, 0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0x2c, 1, 0, 0, 0x70, 0x11, 1, 0
            ]
        );
    }
}
