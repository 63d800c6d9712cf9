//! The packed sequence: the compact form that small hashes, sets and sorted sets share.
//!
//! What a sequence means (members, or fields beside values, or members beside scores) is decided in
//! the room of each type; here are only the items, how they are found and how they are replaced.
//!
//! # Format
//!
//! A sequence is its items one after another, with nothing before, between or after them. An item is
//! a header byte and data:
//!
//! | header   | data |
//! |----------|------|
//! | 0..=239  | a string of that many bytes |
//! | 240      | `u32` length, then a string of that many bytes |
//! | 241..=245| an integer of 1, 2, 3, 4 or 8 bytes |
//! | 246      | an `f64` |
//! | 247      | `u64` length, then a string of that many bytes, more than a `u32` can say |
//!
//! Numbers are little-endian, integers two's complement. There is no length before an item and none
//! behind it, so a sequence is walked from its front. That costs nothing which matters at the few
//! hundred items for which it is used, and is why ten short fields fit in so few bytes.
//!
//! The encoding is *canonical*: a string which is the shortest decimal form of an `i64` is always
//! stored as an integer, an integer is always stored in the narrowest width, a length below 240 always in the
//! header. Two strings are equal exactly if their items are equal byte for byte, and so
//! [`find`] compares encoded bytes and never decodes.
//!
//! # Trust
//!
//! All functions that read take sequences that were written by the functions here. On other bytes
//! they may panic or find nonsense; what comes from a file or from the network is decoded and
//! written anew.

use std::ops::Range;

use oxidis_resp::number;
pub use oxidis_resp::number::parse_integer as canonical_integer;

const MAX_SHORT_LEN: usize = 239;
const LONG_STRING: u8 = 240;
const INTEGER_1: u8 = 241;
const INTEGER_2: u8 = 242;
const INTEGER_3: u8 = 243;
const INTEGER_4: u8 = 244;
const INTEGER_8: u8 = 245;
const DOUBLE: u8 = 246;
const HUGE_STRING: u8 = 247;

/// The longest sequence that a collection may keep, in bytes, whatever the encoding limits allow:
/// Redis's limit for a listpack.
pub const MAX_SEQUENCE_LEN: usize = 1 << 30;

/// An item as it is stored.
///
/// In a sequence `Bytes` is never the canonical decimal form of an `i64`: that is stored as
/// `Integer`. Members and fields of hash tables are plain bytes, whatever they look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PackedItem<'a> {
    /// A string.
    Bytes(&'a [u8]),
    /// A string that is the canonical decimal form of this integer.
    Integer(i64),
    /// A score.
    Double(f64),
}

impl<'a> PackedItem<'a> {
    /// The item that `string` is stored as.
    pub fn from_string(string: &'a [u8]) -> Self {
        match canonical_integer(string) {
            Some(integer) => Self::Integer(integer),
            None => Self::Bytes(string),
        }
    }

    /// The item as a string; an integer is written into `buffer`.
    ///
    /// # Panics
    /// If the item is a [`PackedItem::Double`], whose text is the business of replies.
    pub fn as_bytes<'b>(&self, buffer: &'b mut IntegerText) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Self::Bytes(bytes) => bytes,
            Self::Integer(integer) => buffer.write(integer),
            Self::Double(_) => panic!("a score has no text of its own"),
        }
    }

    /// The item as a string of its own.
    ///
    /// # Panics
    /// As [`PackedItem::as_bytes`].
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut IntegerText::new()).to_vec()
    }

    /// How long the item is as a string, in bytes.
    ///
    /// # Panics
    /// As [`PackedItem::as_bytes`].
    pub fn string_len(&self) -> usize {
        self.as_bytes(&mut IntegerText::new()).len()
    }
}

/// Room for the decimal form of an `i64`.
#[derive(Clone)]
pub struct IntegerText(number::IntegerText);

impl IntegerText {
    /// Room.
    pub fn new() -> Self {
        Self(number::IntegerText::new(0))
    }

    /// Writes `integer` in decimal and answers the text.
    pub fn write(&mut self, integer: i64) -> &[u8] {
        self.0 = number::IntegerText::new(integer);
        &self.0
    }
}

impl Default for IntegerText {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends `string`.
pub fn push_string(sequence: &mut Vec<u8>, string: &[u8]) {
    push_item(sequence, PackedItem::from_string(string));
}

/// Appends `integer`; it reads back the same as its decimal form.
pub fn push_integer(sequence: &mut Vec<u8>, integer: i64) {
    push_item(sequence, PackedItem::Integer(integer));
}

/// Appends `double`, all of its bits kept.
pub fn push_double(sequence: &mut Vec<u8>, double: f64) {
    push_item(sequence, PackedItem::Double(double));
}

/// Appends `item`, which [`items`] has given or [`PackedItem::from_string`] has made.
pub fn push_item(sequence: &mut Vec<u8>, item: PackedItem<'_>) {
    sequence.extend_from_slice(Prefix::of(item).as_slice());
    sequence.extend_from_slice(data_of(item));
}

/// How many bytes `item` takes in a sequence.
pub fn encoded_len(item: PackedItem<'_>) -> usize {
    Prefix::of(item).as_slice().len() + data_of(item).len()
}

/// Puts `items` in the place of the bytes in `range`, which must begin and end between items.
///
/// An empty range inserts, no items remove. The bytes behind `range` are moved once.
pub fn splice(sequence: &mut Vec<u8>, range: Range<usize>, items: &[PackedItem<'_>]) {
    let old_len = range.len();
    let new_len: usize = items.iter().map(|&item| encoded_len(item)).sum();
    let len = sequence.len();
    if new_len > old_len {
        sequence.resize(len + new_len - old_len, 0);
        sequence.copy_within(range.end..len, range.start + new_len);
    } else if new_len < old_len {
        sequence.copy_within(range.end..len, range.start + new_len);
        sequence.truncate(len + new_len - old_len);
    }
    write(&mut sequence[range.start..range.start + new_len], items);
}

/// Writes `items` over the bytes of others that are as long.
pub fn write(target: &mut [u8], items: &[PackedItem<'_>]) {
    let mut at = 0;
    let mut put = |part: &[u8]| {
        target[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    for &item in items {
        put(Prefix::of(item).as_slice());
        put(data_of(item));
    }
}

/// The item at byte `offset`, and the offset of the one behind it.
pub fn item_at(sequence: &[u8], offset: usize) -> (PackedItem<'_>, usize) {
    let end = skip(sequence, offset);
    let item = &sequence[offset..end];
    let item = match item[0] {
        LONG_STRING => PackedItem::Bytes(&item[5..]),
        HUGE_STRING => PackedItem::Bytes(&item[9..]),
        INTEGER_1 => PackedItem::Integer(i64::from(item[1] as i8)),
        INTEGER_2 => PackedItem::Integer(i64::from(i16::from_le_bytes(array(&item[1..])))),
        // The three bytes are shifted to the top of four, so that their sign is the sign.
        INTEGER_3 => {
            let widened = i32::from_le_bytes([0, item[1], item[2], item[3]]);
            PackedItem::Integer(i64::from(widened >> 8))
        }
        INTEGER_4 => PackedItem::Integer(i64::from(i32::from_le_bytes(array(&item[1..])))),
        INTEGER_8 => PackedItem::Integer(i64::from_le_bytes(array(&item[1..]))),
        DOUBLE => PackedItem::Double(f64::from_le_bytes(array(&item[1..]))),
        _ => PackedItem::Bytes(&item[1..]),
    };
    (item, end)
}

/// The offset of the item behind the one at `offset`.
#[inline]
pub fn skip(sequence: &[u8], offset: usize) -> usize {
    let header = sequence[offset];
    // Nearly all items are short strings or small integers; a branch that is foreseen costs less
    // than a jump through a table.
    let len = if usize::from(header) <= MAX_SHORT_LEN {
        1 + usize::from(header)
    } else if header <= INTEGER_4 && header != LONG_STRING {
        1 + usize::from(header - LONG_STRING)
    } else {
        match header {
            LONG_STRING => 5 + u32::from_le_bytes(array(&sequence[offset + 1..])) as usize,
            HUGE_STRING => 9 + u64::from_le_bytes(array(&sequence[offset + 1..])) as usize,
            _ => 9,
        }
    };
    offset + len
}

/// How many bytes of an item that begins with `header` say how long it is.
#[inline]
pub(super) fn length_prefix_len(header: u8) -> usize {
    match header {
        LONG_STRING => 5,
        HUGE_STRING => 9,
        _ => 1,
    }
}

/// How many items there are. Walks the sequence.
pub fn count(sequence: &[u8]) -> usize {
    let mut offset = 0;
    let mut count = 0;
    while offset < sequence.len() {
        offset = skip(sequence, offset);
        count += 1;
    }
    count
}

/// The offset of item number `index`, or the length of the sequence when there are not so many.
pub fn offset_of(sequence: &[u8], index: usize) -> usize {
    let mut offset = 0;
    for _ in 0..index {
        if offset >= sequence.len() {
            break;
        }
        offset = skip(sequence, offset);
    }
    offset
}

/// All items, first to last.
pub fn items(sequence: &[u8]) -> Items<'_> {
    Items {
        sequence,
        offset: 0,
    }
}

/// The items of a sequence; made by [`items`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    sequence: &'a [u8],
    offset: usize,
}

impl<'a> Items<'a> {
    /// Where the item begins which comes next, in bytes; the length of the sequence at its end.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = PackedItem<'a>;

    fn next(&mut self) -> Option<PackedItem<'a>> {
        if self.offset >= self.sequence.len() {
            return None;
        }
        let (item, end) = item_at(self.sequence, self.offset);
        self.offset = end;
        Some(item)
    }
}

/// Looks for `string` among every `stride`-th item, beginning with the first: a stride of 1 looks at
/// all items, 2 at fields and not at values. Answers the byte range of the item found.
pub fn find(sequence: &[u8], string: &[u8], stride: usize) -> Option<Range<usize>> {
    find_item(sequence, PackedItem::from_string(string), stride)
}

/// [`find`] for an item that is at hand already.
pub fn find_item(sequence: &[u8], item: PackedItem<'_>, stride: usize) -> Option<Range<usize>> {
    find_or_count(sequence, item, stride).ok()
}

/// [`find_item`], or how often it looked in vain: of how many `stride`s the sequence consists.
///
/// # How the walk is made fast
///
/// Where an entry begins is known only when the one before it was read, so a plain walk waits for one
/// load after another. But the entries of a collection mostly look alike: the walk supposes that the
/// next one is as long as the last one was, and a comparison of the headers says whether it is.
/// The processor goes on as predicted while the comparison waits, and reads several entries at once.
/// Where suppositions fail often they cost more than they bring, and the walk becomes the plain one.
pub fn find_or_count(
    sequence: &[u8],
    item: PackedItem<'_>,
    stride: usize,
) -> Result<Range<usize>, usize> {
    let wanted = Wanted::of(item);
    let mut shape = Shape::UNKNOWN;
    let mut surprises = 0;
    let mut offset = 0;
    let mut looked_at = 0;
    while let Some(&header) = sequence.get(offset) {
        if header == wanted.prefix.bytes[0]
            && let Some(end) = wanted.end_at(sequence, offset)
        {
            return Ok(offset..end);
        }
        looked_at += 1;
        if shape.is_at(sequence, offset, header) {
            offset += shape.len;
            continue;
        }
        let behind_key = skip(sequence, offset);
        let mut end = behind_key;
        for _ in 1..stride {
            if end < sequence.len() {
                end = skip(sequence, end);
            }
        }
        surprises += 1;
        shape = if surprises * 4 <= looked_at + 16 {
            Shape::of(sequence, offset, behind_key, end, stride)
        } else {
            Shape::UNKNOWN
        };
        offset = end;
    }
    Err(looked_at)
}

/// What an entry of one or two items looks like whose items say in their headers how long they are.
#[derive(Clone, Copy)]
struct Shape {
    key_header: u8,
    last_header: u8,
    /// Where the last item begins, behind the start of the entry.
    last_start: usize,
    len: usize,
}

impl Shape {
    /// Like no entry: no item begins so.
    const UNKNOWN: Self = Self {
        key_header: u8::MAX,
        last_header: u8::MAX,
        last_start: 0,
        len: 0,
    };

    /// The shape of the entry from `start` to `end`, of `stride` items.
    fn of(sequence: &[u8], start: usize, behind_key: usize, end: usize, stride: usize) -> Self {
        let last_start = match stride {
            1 => start,
            2 if behind_key < end => behind_key,
            _ => return Self::UNKNOWN,
        };
        let (key_header, last_header) = (sequence[start], sequence[last_start]);
        let says_its_length = |header| !matches!(header, LONG_STRING | HUGE_STRING);
        if !says_its_length(key_header) || !says_its_length(last_header) {
            return Self::UNKNOWN;
        }
        Self {
            key_header,
            last_header,
            last_start: last_start - start,
            len: end - start,
        }
    }

    /// Whether the entry at `offset`, whose first byte is `header`, has this shape.
    #[inline]
    fn is_at(&self, sequence: &[u8], offset: usize, header: u8) -> bool {
        header == self.key_header
            && sequence.get(offset + self.last_start) == Some(&self.last_header)
    }
}

/// An item that is looked for.
struct Wanted<'a> {
    prefix: Prefix,
    data: &'a [u8],
    len: usize,
    /// Its last bytes, at most eight, as a number, and by how many bits a number of eight bytes is
    /// shifted to have only so many. They decide nearly all comparisons: keys of one length often begin the same.
    tail: u64,
    tail_shift: u32,
}

const TAIL_LEN: usize = size_of::<u64>();

impl<'a> Wanted<'a> {
    fn of(item: PackedItem<'a>) -> Self {
        let prefix = Prefix::of(item);
        let data = data_of(item);
        let len = usize::from(prefix.len) + data.len();
        let mut bytes = [0; TAIL_LEN];
        let from_data = data.len().min(TAIL_LEN);
        let from_prefix = usize::from(prefix.len).min(TAIL_LEN - from_data);
        bytes[TAIL_LEN - from_data..].copy_from_slice(&data[data.len() - from_data..]);
        bytes[TAIL_LEN - from_data - from_prefix..TAIL_LEN - from_data]
            .copy_from_slice(&prefix.as_slice()[usize::from(prefix.len) - from_prefix..]);
        let tail_shift = 8 * (TAIL_LEN - from_data - from_prefix) as u32;
        Self {
            prefix,
            data,
            len,
            tail: u64::from_le_bytes(bytes) >> tail_shift,
            tail_shift,
        }
    }

    /// Where the item at `offset`, which has the wanted one's header, ends if it is the wanted one.
    #[inline]
    fn end_at(&self, sequence: &[u8], offset: usize) -> Option<usize> {
        // A longer item of the same header may end behind the sequence if it were the wanted one.
        let end = offset + self.len;
        let before_end = sequence.get(..end)?;
        if let Some(tail) = before_end.last_chunk::<TAIL_LEN>()
            && u64::from_le_bytes(*tail) >> self.tail_shift != self.tail
        {
            return None;
        }
        let found = &before_end[offset..];
        let is_it = found.starts_with(self.prefix.as_slice()) && found.ends_with(self.data);
        is_it.then_some(end)
    }
}

/// What stands before the bytes of a string, or all of a number: with [`data_of`] the encoded item.
pub(super) struct Prefix {
    bytes: [u8; 9],
    len: u8,
}

impl Prefix {
    pub(super) fn of(item: PackedItem<'_>) -> Self {
        match item {
            PackedItem::Bytes(bytes) if bytes.len() <= MAX_SHORT_LEN => {
                Self::new(bytes.len() as u8, &[])
            }
            PackedItem::Bytes(bytes) => match u32::try_from(bytes.len()) {
                Ok(len) => Self::new(LONG_STRING, &len.to_le_bytes()),
                Err(_) => Self::new(HUGE_STRING, &(bytes.len() as u64).to_le_bytes()),
            },
            PackedItem::Integer(integer) => {
                let bytes = integer.to_le_bytes();
                match integer {
                    -0x80..=0x7f => Self::new(INTEGER_1, &bytes[..1]),
                    -0x8000..=0x7fff => Self::new(INTEGER_2, &bytes[..2]),
                    -0x80_0000..=0x7f_ffff => Self::new(INTEGER_3, &bytes[..3]),
                    -0x8000_0000..=0x7fff_ffff => Self::new(INTEGER_4, &bytes[..4]),
                    _ => Self::new(INTEGER_8, &bytes),
                }
            }
            PackedItem::Double(double) => Self::new(DOUBLE, &double.to_le_bytes()),
        }
    }

    fn new(header: u8, data: &[u8]) -> Self {
        let mut bytes = [0; 9];
        bytes[0] = header;
        bytes[1..=data.len()].copy_from_slice(data);
        Self {
            bytes,
            len: 1 + data.len() as u8,
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The bytes of a string, nothing of a number.
pub(super) fn data_of(item: PackedItem<'_>) -> &[u8] {
    match item {
        PackedItem::Bytes(bytes) => bytes,
        PackedItem::Integer(_) | PackedItem::Double(_) => &[],
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes
        .first_chunk()
        .expect("an item has the length that its header says")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An item that owns its string.
    #[derive(Debug, Clone, PartialEq)]
    enum Owned {
        String(Vec<u8>),
        Double(f64),
    }

    impl Owned {
        fn item(&self) -> PackedItem<'_> {
            match self {
                Self::String(string) => PackedItem::from_string(string),
                Self::Double(double) => PackedItem::Double(*double),
            }
        }
    }

    /// Strings of every width of the format, and those that are nearly an integer.
    fn string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => prop::collection::vec(any::<u8>(), 0..12),
            1 => prop::collection::vec(any::<u8>(), 235..300),
            3 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            3 => (any::<i64>(), 0u32..64).prop_map(|(n, shift)| (n >> shift).to_string().into_bytes()),
            1 => "[-+0 ]{0,2}[0-9]{0,21}".prop_map(String::into_bytes),
        ]
    }

    /// Strings as the fields of a hash often are: many, mostly of one length, and alike but for a few bytes.
    fn alike() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let one = prop_oneof![
            8 => "[ab]{3}key:[ab]{4}".prop_map(String::into_bytes),
            1 => "[ab]{0,3}".prop_map(String::into_bytes),
            1 => (100i64..300).prop_map(|n| n.to_string().into_bytes()),
        ];
        prop::collection::vec(one, 0..100)
    }

    fn owned() -> impl Strategy<Value = Owned> {
        prop_oneof![
            5 => string().prop_map(Owned::String),
            1 => any::<f64>().prop_filter("a NaN equals nothing", |d| !d.is_nan()).prop_map(Owned::Double),
        ]
    }

    fn pack(items: &[Owned]) -> Vec<u8> {
        let mut sequence = Vec::new();
        for item in items {
            push_item(&mut sequence, item.item());
        }
        sequence
    }

    fn unpack(sequence: &[u8]) -> Vec<Owned> {
        items(sequence)
            .map(|item| match item {
                PackedItem::Double(double) => Owned::Double(double),
                string => Owned::String(string.to_vec()),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_read_back(list in prop::collection::vec(owned(), 0..20)) {
            let sequence = pack(&list);
            prop_assert_eq!(count(&sequence), list.len());
            prop_assert_eq!(unpack(&sequence), list);
        }

        #[test]
        fn splice_is_the_splice_of_a_list(
            list in prop::collection::vec(owned(), 0..12),
            new in prop::collection::vec(owned(), 0..4),
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        ) {
            let (a, b) = (cut.0.index(list.len() + 1), cut.1.index(list.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            let mut sequence = pack(&list);
            let range = offset_of(&sequence, start)..offset_of(&sequence, end);
            let replacement: Vec<_> = new.iter().map(Owned::item).collect();
            splice(&mut sequence, range, &replacement);
            let mut expected = list.clone();
            expected.splice(start..end, new);
            prop_assert_eq!(&sequence, &pack(&expected));
            prop_assert_eq!(unpack(&sequence), expected);
        }

        #[test]
        fn find_finds_the_first_equal_string(
            list in prop_oneof![prop::collection::vec(string(), 0..12), alike()],
            other in prop_oneof![string(), Just(b"aaakey:abab".to_vec())],
            stride in 1usize..4,
        ) {
            let sequence = pack(&list.iter().cloned().map(Owned::String).collect::<Vec<_>>());
            for needle in list.iter().chain([&other]) {
                let expected = (0..list.len()).step_by(stride).find(|&at| list[at] == *needle);
                let found = find(&sequence, needle, stride);
                if let Err(count) = find_or_count(&sequence, PackedItem::from_string(needle), stride) {
                    prop_assert_eq!(count, list.len().div_ceil(stride));
                    prop_assert_eq!(expected, None);
                }
                prop_assert_eq!(found.as_ref().map(|range| range.start), expected.map(|at| offset_of(&sequence, at)));
                if let Some(range) = found {
                    prop_assert_eq!(range.end, skip(&sequence, range.start));
                    prop_assert_eq!(item_at(&sequence, range.start).0.to_vec(), needle.clone());
                }
            }
        }
    }

    #[test]
    fn every_width_has_its_header() {
        let cases: &[(&[u8], u8, usize)] = &[
            (b"", 0, 1),
            (b"abc", 3, 4),
            (&[b'x'; 239], 239, 240),
            (&[b'x'; 240], LONG_STRING, 245),
            (b"0", INTEGER_1, 2),
            (b"-128", INTEGER_1, 2),
            (b"128", INTEGER_2, 3),
            (b"-32768", INTEGER_2, 3),
            (b"32768", INTEGER_3, 4),
            (b"-8388608", INTEGER_3, 4),
            (b"8388608", INTEGER_4, 5),
            (b"-2147483648", INTEGER_4, 5),
            (b"2147483648", INTEGER_8, 9),
            (b"-9223372036854775808", INTEGER_8, 9),
            (b"9223372036854775807", INTEGER_8, 9),
            (b"9223372036854775808", 19, 20),
            (b"-9223372036854775809", 20, 21),
            (b"18446744073709551617", 20, 21),
            (b"007", 3, 4),
            (b"-0", 2, 3),
            (b"-", 1, 2),
            (b"+1", 2, 3),
        ];
        for &(string, header, len) in cases {
            let mut sequence = Vec::new();
            push_string(&mut sequence, string);
            assert_eq!((sequence[0], sequence.len()), (header, len), "{string:?}");
            assert_eq!(items(&sequence).next().unwrap().to_vec(), string);
            assert_eq!(encoded_len(PackedItem::from_string(string)), len);
        }
    }

    #[test]
    fn doubles_keep_their_bits() {
        for double in [0.0, -0.0, 1.5, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE] {
            let mut sequence = Vec::new();
            push_double(&mut sequence, double);
            let Some(PackedItem::Double(read)) = items(&sequence).next() else {
                panic!("not a double");
            };
            assert_eq!(read.to_bits(), double.to_bits());
        }
    }
}
