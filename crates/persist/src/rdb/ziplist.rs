//! Ziplists and zipmaps: what listpacks were before Redis 7.0, and what ziplists were before 2.6. They are
//! only read.
//!
//! A ziplist, as Redis's `ziplist.c` gives it: four bytes of total length, four with the offset of the last entry,
//! two with the number of entries (65535 if there are that many or more), the entries, and a byte of
//! ones. An entry is the length of the one before it (a byte; or 254 and four bytes), an encoding,
//! and data:
//!
//! | encoding | meaning |
//! |---|---|
//! | `00llllll` | a string of up to 63 bytes |
//! | `01llllll` and a byte | a string of up to 16383 bytes, the length's high bits first |
//! | `10......` and four bytes | a string, its length's highest byte first |
//! | `11000000`, `11010000`, `11100000` | an integer in the next 2, 4 or 8 bytes |
//! | `11110000`, `11111110` | an integer in the next 3 or 1 bytes |
//! | `1111vvvv` | the integer `v - 1`, `v` being 1 to 13 |
//!
//! A zipmap (`zipmap.c`): a byte with the number of pairs (254 if there are that many or more), the pairs, and a byte
//! of ones. A pair is the length of the field (a byte; or 254 and four bytes), the field, the length of
//! the value, one byte that says how many bytes are unused behind the value, the value, and those.

use oxidis_engine::value::packed::PackedItem;

use super::listpack::sign_extended;

const END: u8 = 0xff;
/// The length that says that the real one is in the next four bytes.
const LONG: u8 = 254;
const MANY: u16 = u16::MAX;
const HEADER_LEN: usize = 10;

/// The entries of a ziplist, every one of which has been checked.
#[derive(Clone)]
pub(super) struct ZiplistItems<'b> {
    rest: &'b [u8],
    left: usize,
}

impl<'b> Iterator for ZiplistItems<'b> {
    type Item = PackedItem<'b>;

    fn next(&mut self) -> Option<PackedItem<'b>> {
        let (_, width) = read_length(self.rest)?;
        let (item, len) = read_ziplist_item(&self.rest[width..])?;
        self.rest = &self.rest[width + len..];
        self.left -= 1;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ZiplistItems<'_> {}

/// The entries of a ziplist; `None` if anything about it is wrong.
pub(super) fn read_ziplist(ziplist: &[u8]) -> Option<ZiplistItems<'_>> {
    let (header, entries) = ziplist.split_at_checked(HEADER_LEN)?;
    let (&end, entries) = entries.split_last()?;
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    if end != END || word(0)? as usize != ziplist.len() {
        return None;
    }
    let tail = word(4)? as usize;
    let count = u16::from_le_bytes([header[8], header[9]]);
    let (mut at, mut last_at, mut last_len, mut left) = (0, 0, 0, 0);
    while at < entries.len() {
        let entry = &entries[at..];
        let (previous_len, width) = read_length(entry)?;
        if previous_len != last_len {
            return None;
        }
        let (_, len) = read_ziplist_item(&entry[width..])?;
        left += 1;
        (last_at, last_len) = (at, width + len);
        at += last_len;
    }
    if left > 0 && tail != HEADER_LEN + last_at {
        return None;
    }
    let is_counted = count == MANY || usize::from(count) == left;
    let items = ZiplistItems {
        rest: entries,
        left,
    };
    (is_counted && tail < ziplist.len()).then_some(items)
}

/// A length of one byte, or of four behind a mark; and how many bytes it takes.
fn read_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        LONG => {
            let len = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
            Some((len as usize, 5))
        }
        END => None,
        len => Some((usize::from(len), 1)),
    }
}

fn read_ziplist_item(entry: &[u8]) -> Option<(PackedItem<'_>, usize)> {
    let string = |start: usize, len: usize| {
        let end = start.checked_add(len)?;
        Some((PackedItem::Bytes(entry.get(start..end)?), end))
    };
    let integer = |width: usize| {
        let data = entry.get(1..1 + width)?;
        Some((PackedItem::Integer(sign_extended(data)), 1 + width))
    };
    match *entry.first()? {
        first @ 0..=0x3f => string(1, usize::from(first)),
        first @ 0x40..=0x7f => {
            let second = *entry.get(1)?;
            string(2, usize::from(first & 0x3f) << 8 | usize::from(second))
        }
        0x80..=0xbf => {
            let len = u32::from_be_bytes(entry.get(1..5)?.try_into().ok()?);
            string(5, len as usize)
        }
        0xc0 => integer(2),
        0xd0 => integer(4),
        0xe0 => integer(8),
        0xf0 => integer(3),
        0xfe => integer(1),
        first @ 0xf1..=0xfd => Some((PackedItem::Integer(i64::from(first & 15) - 1), 1)),
        _ => None,
    }
}

/// Fields and values of a zipmap in turn, every one of which has been checked.
#[derive(Clone)]
pub(super) struct ZipmapItems<'b> {
    rest: &'b [u8],
    /// What stands behind the field that was handed out last.
    value: Option<&'b [u8]>,
    left: usize,
}

impl<'b> Iterator for ZipmapItems<'b> {
    type Item = PackedItem<'b>;

    fn next(&mut self) -> Option<PackedItem<'b>> {
        let item = match self.value.take() {
            Some(value) => value,
            None => {
                let (field, value, rest) = read_pair(self.rest)?;
                (self.value, self.rest) = (Some(value), rest);
                field
            }
        };
        self.left -= 1;
        Some(PackedItem::Bytes(item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ZipmapItems<'_> {}

/// Fields and values of a zipmap; `None` if anything about it is wrong.
pub(super) fn read_zipmap(zipmap: &[u8]) -> Option<ZipmapItems<'_>> {
    let [count, pairs @ .., END] = zipmap else {
        return None;
    };
    let (mut rest, mut left) = (pairs, 0);
    while !rest.is_empty() {
        (_, _, rest) = read_pair(rest)?;
        left += 2;
    }
    let is_counted = *count == LONG || usize::from(*count) * 2 == left;
    is_counted.then_some(ZipmapItems {
        rest: pairs,
        value: None,
        left,
    })
}

/// The first field, its value, and what stands behind them.
fn read_pair(pairs: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (len, width) = read_length(pairs)?;
    let field = pairs.get(width..)?.get(..len)?;
    let rest = &pairs[width + len..];
    let (len, width) = read_length(rest)?;
    let unused = usize::from(*rest.get(width)?);
    let value = rest.get(width + 1..)?.get(..len)?;
    Some((field, value, rest.get(width + 1 + len + unused..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings<'b>(
        items: Option<impl ExactSizeIterator<Item = PackedItem<'b>>>,
    ) -> Option<Vec<String>> {
        let items = items?;
        let len = items.len();
        let text = |item: PackedItem<'_>| String::from_utf8_lossy(&item.to_vec()).into_owned();
        let strings: Vec<String> = items.map(text).collect();
        assert_eq!(strings.len(), len);
        Some(strings)
    }

    /// A ziplist of these entries, each without the length of the one before.
    fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN];
        let (mut last_at, mut last_len) = (HEADER_LEN, 0);
        for entry in entries {
            last_at = bytes.len();
            match u8::try_from(last_len) {
                Ok(len @ 0..LONG) => bytes.push(len),
                _ => {
                    bytes.push(LONG);
                    bytes.extend_from_slice(&(last_len as u32).to_le_bytes());
                }
            }
            bytes.extend_from_slice(entry);
            last_len = bytes.len() - last_at;
        }
        bytes.push(END);
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last_at as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn a_ziplist_has_every_kind_of_entry() {
        let long = [b"\x41\x2c".as_slice(), &[b'x'; 300]].concat();
        let longer = [b"\x80\0\0\x40\0".as_slice(), &[b'y'; 16_384]].concat();
        let bytes = ziplist(&[
            b"\x03abc",
            &long,
            &longer,
            b"\xf1",
            b"\xfd",
            b"\xfe\xff",
            b"\xc0\x00\x80",
            b"\xf0\xff\xff\x7f",
            b"\xd0\xff\xff\xff\x7f",
            b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80",
        ]);
        let read = strings(read_ziplist(&bytes)).expect("it is well-formed");
        assert_eq!(read[0], "abc");
        assert_eq!((read[1].len(), read[2].len()), (300, 16_384));
        assert_eq!(
            read[3..],
            [
                "0",
                "12",
                "-1",
                "-32768",
                "8388607",
                "2147483647",
                "-9223372036854775808"
            ]
        );
        assert_eq!(strings(read_ziplist(&ziplist(&[]))), Some(Vec::new()));
    }

    #[test]
    fn no_byte_of_the_frame_may_be_wrong() {
        let good = ziplist(&[b"\x03abc", b"\xfe\x05", b"\x01d"]);
        assert!(read_ziplist(&good).is_some());
        // Total length, tail, count, lengths of the entries before, and the end.
        for at in [0, 1, 4, 5, 8, 10, 15, 18, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(read_ziplist(&bad).is_none(), "byte {at}");
        }
        for len in 0..good.len() {
            assert!(read_ziplist(&good[..len]).is_none());
        }
    }

    #[test]
    fn a_zipmap_has_room_behind_its_values() {
        let zipmap = b"\x02\x01a\x02\x0312...\x02bc\x00\x00\xff";
        assert_eq!(
            strings(read_zipmap(zipmap)),
            Some(["a", "12", "bc", ""].map(String::from).to_vec())
        );
        let long = [
            b"\xfe\xfe\x2c\x01\x00\x00".as_slice(),
            &[b'f'; 300],
            b"\x01\x00v\xff",
        ]
        .concat();
        assert_eq!(strings(read_zipmap(&long)).map(|it| it[0].len()), Some(300));
        for len in 0..zipmap.len() {
            assert!(read_zipmap(&zipmap[..len]).is_none());
        }
        assert!(read_zipmap(b"\x03\x01a\x01\x00b\xff").is_none());
    }
}
