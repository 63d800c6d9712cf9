//! Listpacks: many strings in one, as Redis writes small hashes and sorted sets, nodes of lists,
//! and parts of streams.
//!
//! The format, from Redis's `listpack.c`: four bytes of total length, two of the number of entries (65535 if
//! there are that many or more), the entries, and a byte of ones. An entry is an encoding byte, data,
//! and the length of both:
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
//! Numbers are little-endian. The length behind an entry has seven bits a byte, the highest first, and the
//! high bit of every byte but the first says that there is one before it.

use oxidis_engine::text::parse_integer;
use oxidis_engine::value::packed::PackedItem;

const HEADER_LEN: usize = 6;
const END: u8 = 0xff;

/// The number that says that the entries must be counted.
const MANY: u16 = u16::MAX;

const STRING_32_BIT: u8 = 0b1111_0000;
const INTEGER_16_BIT: u8 = 0b1111_0001;
const INTEGER_24_BIT: u8 = 0b1111_0010;
const INTEGER_32_BIT: u8 = 0b1111_0011;
const INTEGER_64_BIT: u8 = 0b1111_0100;

/// Makes a listpack.
pub(super) struct ListpackWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl ListpackWriter {
    pub(super) fn new() -> Self {
        ListpackWriter {
            bytes: vec![0; HEADER_LEN],
            count: 0,
        }
    }

    /// How many bytes the listpack has by now.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + 1
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Appends a string, as an integer if it spells one.
    pub(super) fn push(&mut self, string: &[u8]) {
        match parse_integer(string) {
            Some(n) => self.push_integer(n),
            None => self.push_bytes(string),
        }
    }

    /// Appends the decimal form of an integer.
    pub(super) fn push_integer(&mut self, n: i64) {
        let start = self.bytes.len();
        let data = n.to_le_bytes();
        let mut wide = |code: u8, width: usize| {
            self.bytes.push(code);
            self.bytes.extend_from_slice(&data[..width]);
        };
        match n {
            0..=127 => self.bytes.push(n as u8),
            -4096..=4095 => self
                .bytes
                .extend_from_slice(&[0b1100_0000 | (n >> 8) as u8 & 31, n as u8]),
            -0x8000..=0x7fff => wide(INTEGER_16_BIT, 2),
            -0x80_0000..=0x7f_ffff => wide(INTEGER_24_BIT, 3),
            -0x8000_0000..=0x7fff_ffff => wide(INTEGER_32_BIT, 4),
            _ => wide(INTEGER_64_BIT, 8),
        }
        self.push_back_len(start);
    }

    fn push_bytes(&mut self, string: &[u8]) {
        let start = self.bytes.len();
        let len = string.len();
        match len {
            0..64 => self.bytes.push(0b1000_0000 | len as u8),
            64..4096 => self
                .bytes
                .extend_from_slice(&[0b1110_0000 | (len >> 8) as u8, len as u8]),
            _ => {
                self.bytes.push(STRING_32_BIT);
                self.bytes.extend_from_slice(&(len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(string);
        self.push_back_len(start);
    }

    fn push_back_len(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        let width = back_len_width(len);
        for place in (0..width).rev() {
            let bits = (len >> (7 * place)) as u8 & 127;
            let has_one_before = place + 1 < width;
            self.bytes.push(bits | u8::from(has_one_before) << 7);
        }
        self.count += 1;
    }

    /// The listpack.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let len = self.bytes.len() as u32;
        let count = u16::try_from(self.count).unwrap_or(MANY);
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

fn back_len_width(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// The entries of a listpack, every one of which has been checked. They are decoded one by one: an entry of two bytes
/// would be sixteen times as long in a vector of them.
#[derive(Clone)]
pub(super) struct Items<'b> {
    rest: &'b [u8],
    left: usize,
}

impl<'b> Iterator for Items<'b> {
    type Item = PackedItem<'b>;

    fn next(&mut self) -> Option<PackedItem<'b>> {
        let (item, len) = read_entry(self.rest)?;
        self.rest = &self.rest[len + back_len_width(len)..];
        self.left -= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The entries of a listpack; `None` if anything about it is wrong.
pub(super) fn read(listpack: &[u8]) -> Option<Items<'_>> {
    let [a, b, c, d, low, high, entries @ .., END] = listpack else {
        return None;
    };
    if u32::from_le_bytes([*a, *b, *c, *d]) as usize != listpack.len() {
        return None;
    }
    let count = u16::from_le_bytes([*low, *high]);
    let (mut rest, mut left) = (entries, 0);
    while !rest.is_empty() {
        let (_, len) = read_entry(rest)?;
        let width = back_len_width(len);
        let back_len = rest.get(len..len + width)?;
        if read_back_len(back_len)? != len {
            return None;
        }
        left += 1;
        rest = &rest[len + width..];
    }
    let is_counted = count == MANY || usize::from(count) == left;
    is_counted.then_some(Items {
        rest: entries,
        left,
    })
}

/// The first entry, and its length without the length behind it.
fn read_entry(entry: &[u8]) -> Option<(PackedItem<'_>, usize)> {
    let string = |start: usize, len: usize| {
        let end = start.checked_add(len)?;
        Some((PackedItem::Bytes(entry.get(start..end)?), end))
    };
    let integer = |width: usize| {
        let data = entry.get(1..1 + width)?;
        Some((PackedItem::Integer(sign_extended(data)), 1 + width))
    };
    let second = || entry.get(1).copied();
    match *entry.first()? {
        first @ 0..=0x7f => Some((PackedItem::Integer(i64::from(first)), 1)),
        first @ 0x80..=0xbf => string(1, usize::from(first & 63)),
        first @ 0xc0..=0xdf => {
            // The thirteen bits are shifted to the top of sixteen, so that their sign is the sign.
            let bits = u16::from_be_bytes([first, second()?]) << 3;
            Some((PackedItem::Integer(i64::from(bits as i16 >> 3)), 2))
        }
        first @ 0xe0..=0xef => string(2, usize::from(first & 15) << 8 | usize::from(second()?)),
        STRING_32_BIT => {
            let len = u32::from_le_bytes(entry.get(1..5)?.try_into().ok()?);
            string(5, len as usize)
        }
        INTEGER_16_BIT => integer(2),
        INTEGER_24_BIT => integer(3),
        INTEGER_32_BIT => integer(4),
        INTEGER_64_BIT => integer(8),
        _ => None,
    }
}

fn read_back_len(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let has_one_before = byte & 128 != 0;
        if has_one_before != (index > 0) {
            return None;
        }
        len = len << 7 | usize::from(byte & 127);
    }
    Some(len)
}

/// The integer whose little-endian two's complement these bytes are, at most eight.
pub(super) fn sign_extended(data: &[u8]) -> i64 {
    let is_negative = data.last().is_some_and(|&high| high & 0x80 != 0);
    let mut bytes = [if is_negative { 0xff } else { 0 }; 8];
    bytes[..data.len()].copy_from_slice(data);
    i64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(listpack: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(read(listpack)?.map(|item| item.to_vec()).collect())
    }

    fn string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (any::<i64>(), 0u32..64).prop_map(|(n, shift)| (n >> shift).to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..80),
            prop_oneof![4000usize..4200, 16_300usize..16_400].prop_map(|len| vec![b'x'; len]),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(list in prop::collection::vec(string(), 0..30)) {
            let mut writer = ListpackWriter::new();
            list.iter().for_each(|string| writer.push(string));
            prop_assert_eq!(writer.count(), list.len());
            let len = writer.len();
            let listpack = writer.finish();
            prop_assert_eq!(listpack.len(), len);
            prop_assert_eq!(strings(&listpack), Some(list));
        }

        #[test]
        fn a_changed_listpack_is_refused_or_another_one(
            list in prop::collection::vec(string(), 1..6),
            at: prop::sample::Index,
            byte: u8,
        ) {
            let mut writer = ListpackWriter::new();
            list.iter().for_each(|string| writer.push(string));
            let mut listpack = writer.finish();
            let at = at.index(listpack.len());
            listpack[at] = byte;
            if let Some(items) = read(&listpack) {
                prop_assert!(items.len() * 2 <= listpack.len());
                prop_assert_eq!(items.len(), items.count());
            }
            prop_assert!(read(&listpack[..at]).is_none());
        }
    }

    /// What redis-server 7.0.15 has in the DUMP of a list of `a`, `5`, `-1`, `1000` and `100000`.
    #[test]
    fn the_listpack_of_redis_is_ours() {
        let mut writer = ListpackWriter::new();
        for string in ["a", "5", "-1", "1000", "100000"] {
            writer.push(string.as_bytes());
        }
        let expected =
            b"\x17\0\0\0\x05\0\x81a\x02\x05\x01\xdf\xff\x02\xc3\xe8\x02\xf2\xa0\x86\x01\x04\xff";
        assert_eq!(writer.finish(), expected);
    }

    #[test]
    fn a_very_long_one_does_not_say_how_many() {
        let mut writer = ListpackWriter::new();
        (0..70_000).for_each(|n| writer.push_integer(n));
        let listpack = writer.finish();
        assert_eq!(listpack[4..6], [0xff; 2]);
        assert_eq!(read(&listpack).map(|items| items.len()), Some(70_000));
    }
}
