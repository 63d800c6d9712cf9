//! The entries of a listpack, which is how a block stores elements of several kinds.
//!
//! The format is Redis's, as its documentation of the listpack gives it: an entry is an encoding byte
//! (which often holds a part of the length or the value), more length bytes, data, and at last the
//! length of all this, so that a listpack is walked from either end:
//!
//! | first byte | meaning |
//! |------------|---------|
//! | `0vvvvvvv` | an integer of 0 to 127 |
//! | `10llllll` | a string of up to 63 bytes |
//! | `110vvvvv` | an integer of 13 bits, its low 8 in the next byte |
//! | `1110llll` | a string of up to 4095 bytes, the low 8 bits of the length in the next byte |
//! | `11110000` | a string whose length is in the next 4 bytes |
//! | `11110001` to `11110100` | an integer in the next 2, 3, 4 or 8 bytes |
//!
//! Lengths in more bytes and integers are little-endian. The length at the end has 7 bits a byte, the low ones
//! in the last byte, and the high bit of a byte says that one before it belongs to it.
//!
//! Only entries are dealt with here: a block has no listpack header and no end byte. A listpack that
//! persistence writes has both around the same entries.

use super::element::{Element, ListItem};

/// What a listpack has beside its entries: total length, count and end byte.
pub(in crate::value) const FRAME_LEN: usize = 7;

/// The fewest bytes of an entry: what it is, and how long that was.
pub(super) const ENTRY_MIN_LEN: usize = 2;

const STRING_12_BIT: u8 = 0b1110_0000;
const STRING_32_BIT: u8 = 0b1111_0000;
const INTEGER_16_BIT: u8 = 0b1111_0001;
const INTEGER_24_BIT: u8 = 0b1111_0010;
const INTEGER_32_BIT: u8 = 0b1111_0011;
const INTEGER_64_BIT: u8 = 0b1111_0100;

/// How many bytes a string of `len` bytes takes.
pub(in crate::value) fn string_len(len: usize) -> usize {
    let entry_len = len
        + match len {
            0..64 => 1,
            64..4096 => 2,
            _ => 5,
        };
    entry_len + back_len(entry_len)
}

/// How many bytes an integer takes.
pub(in crate::value) fn integer_len(integer: i64) -> usize {
    1 + match integer {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7fff => 3,
        -0x80_0000..=0x7f_ffff => 4,
        -0x8000_0000..=0x7fff_ffff => 5,
        _ => 9,
    }
}

/// Writes `element` into `entry`, which has exactly its length.
pub(super) fn write(entry: &mut [u8], element: Element<'_>) {
    let data_len = match element.integer {
        Some(integer) => write_integer(entry, integer),
        None => write_string(entry, element.text),
    };
    write_back_len(&mut entry[data_len..], data_len);
}

/// The first entry of `entries` and how many bytes it takes.
///
/// # Panics
/// If there is no entry.
#[inline]
pub(super) fn read_first(entries: &[u8]) -> (ListItem<'_>, usize) {
    let (item, len) = read(entries);
    (item, len + back_len(len))
}

/// The last entry of `entries` and how many bytes it takes.
///
/// # Panics
/// If there is no entry.
#[inline]
pub(super) fn read_last(entries: &[u8]) -> (ListItem<'_>, usize) {
    let mut len = 0;
    let mut shift = 0;
    for &byte in entries.iter().rev() {
        len |= usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            break;
        }
        shift += 7;
    }
    let entry_len = len + back_len(len);
    let (item, _) = read(&entries[entries.len() - entry_len..]);
    (item, entry_len)
}

/// How many bytes the first entry of `entries` takes.
///
/// # Panics
/// If there is no entry.
#[inline]
pub(super) fn first_len(entries: &[u8]) -> usize {
    let first = entries[0];
    let len = match first {
        0..=0x7f => 1,
        0x80..=0xbf => 1 + usize::from(first & 63),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 2 + (usize::from(first & 15) << 8 | usize::from(entries[1])),
        STRING_32_BIT => 5 + length_32_bit(entries),
        INTEGER_16_BIT => 3,
        INTEGER_24_BIT => 4,
        INTEGER_32_BIT => 5,
        _ => 9,
    };
    len + back_len(len)
}

/// The entry at the front and its length without the length at its end.
#[inline]
fn read(entry: &[u8]) -> (ListItem<'_>, usize) {
    let first = entry[0];
    let string = |start: usize, len: usize| {
        (
            ListItem::borrowed(&entry[start..start + len]),
            start.saturating_add(len),
        )
    };
    let integer = |len: usize| (ListItem::Integer(read_integer(&entry[1..1 + len])), 1 + len);
    match first {
        0..=0x7f => (ListItem::Integer(i64::from(first)), 1),
        0x80..=0xbf => string(1, usize::from(first & 63)),
        0xc0..=0xdf => {
            let bits = i64::from(first & 31) << 8 | i64::from(entry[1]);
            // The topmost of the 13 bits is the sign.
            (ListItem::Integer(bits << 51 >> 51), 2)
        }
        0xe0..=0xef => string(2, usize::from(first & 15) << 8 | usize::from(entry[1])),
        STRING_32_BIT => string(5, length_32_bit(entry)),
        INTEGER_16_BIT => integer(2),
        INTEGER_24_BIT => integer(3),
        INTEGER_32_BIT => integer(4),
        _ => integer(8),
    }
}

/// A little-endian integer of 1, 2, 3, 4 or 8 bytes.
#[inline]
pub(super) fn read_integer(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c] => i64::from(i32::from_le_bytes([0, a, b, c]) >> 8),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => {
            let mut all = [0; 8];
            all.copy_from_slice(bytes);
            i64::from_le_bytes(all)
        }
    }
}

fn length_32_bit(entry: &[u8]) -> usize {
    u32::from_le_bytes([entry[1], entry[2], entry[3], entry[4]]) as usize
}

/// How many bytes the length at the end of an entry takes.
#[inline]
fn back_len(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

fn write_back_len(bytes: &mut [u8], len: usize) {
    let mut rest = len;
    let mut more = 0;
    for byte in bytes.iter_mut().rev() {
        *byte = (rest & 127) as u8;
        rest >>= 7;
        more += 1;
        // The mark says that there is a byte before this one.
        if more < back_len(len) {
            *byte |= 128;
        }
    }
}

fn write_string(entry: &mut [u8], text: &[u8]) -> usize {
    let len = text.len();
    let start = match len {
        0..64 => {
            entry[0] = 0x80 | len as u8;
            1
        }
        64..4096 => {
            entry[0] = STRING_12_BIT | (len >> 8) as u8;
            entry[1] = len as u8;
            2
        }
        _ => {
            entry[0] = STRING_32_BIT;
            entry[1..5].copy_from_slice(&(len as u32).to_le_bytes());
            5
        }
    };
    entry[start..start + len].copy_from_slice(text);
    start + len
}

fn write_integer(entry: &mut [u8], integer: i64) -> usize {
    let len = integer_len(integer) - 1;
    match len {
        1 => entry[0] = integer as u8,
        2 => {
            entry[0] = 0xc0 | ((integer >> 8) & 31) as u8;
            entry[1] = integer as u8;
        }
        _ => {
            entry[0] = match len {
                3 => INTEGER_16_BIT,
                4 => INTEGER_24_BIT,
                5 => INTEGER_32_BIT,
                _ => INTEGER_64_BIT,
            };
            entry[1..len].copy_from_slice(&integer.to_le_bytes()[..len - 1]);
        }
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8]) {
        let element = Element::new(text);
        let mut entry = vec![0xee; element.listpack_len()];
        write(&mut entry, element);
        let (item, len) = read_first(&entry);
        assert_eq!((item.to_vec().as_slice(), len), (text, entry.len()));
        assert_eq!(first_len(&entry), entry.len());
        let mut two = vec![1, 2, 3];
        two.extend_from_slice(&entry);
        let (item, len) = read_last(&two);
        assert_eq!((item.to_vec().as_slice(), len), (text, entry.len()));
    }

    #[test]
    fn integers_at_every_edge_survive() {
        for bits in 0..63 {
            let edge = 1i64 << bits;
            for integer in [edge - 1, edge, edge + 1] {
                check(integer.to_string().as_bytes());
                check((-integer).to_string().as_bytes());
            }
        }
        check(i64::MIN.to_string().as_bytes());
        check(i64::MAX.to_string().as_bytes());
    }

    #[test]
    fn strings_at_every_edge_survive() {
        for edge in [
            0usize, 1, 63, 64, 125, 126, 127, 128, 4095, 4096, 16_378, 16_383,
        ] {
            for len in edge.saturating_sub(1)..edge + 2 {
                check(&vec![b'x'; len]);
            }
        }
        check(&vec![b'x'; 2_097_151]);
    }

    /// The bytes that `redis-server` 7.0.15 has in the dump of a list of these elements.
    #[test]
    fn entries_are_those_of_redis() {
        let entry = |text: &[u8]| {
            let element = Element::new(text);
            let mut entry = vec![0; element.listpack_len()];
            write(&mut entry, element);
            entry
        };
        assert_eq!(entry(b"a"), b"\x81a\x02");
        assert_eq!(entry(b"5"), b"\x05\x01");
        assert_eq!(entry(b"-1"), b"\xdf\xff\x02");
        assert_eq!(entry(b"1000"), b"\xc3\xe8\x02");
        assert_eq!(entry(b"30000"), b"\xf1\x30\x75\x03");
        assert_eq!(entry(b"100000"), b"\xf2\xa0\x86\x01\x04");
        let long = [b'y'; 130];
        let expected = [b"\xe0\x82".as_slice(), &long, b"\x01\x84"].concat();
        assert_eq!(entry(&long), expected);
    }
}
