//! A block: consecutive entries in one piece of memory. A stream is a row of blocks.
//!
//! # Format
//!
//! A block is known by the ID of its first entry, which stands outside of it. Inside stand the fields of that
//! entry, which are the *master fields*, and the entries:
//!
//! ```text
//! varint count, then so many packed items    the master fields
//! entry, entry, ...
//!
//! entry: flags                               one byte
//!        the ID                              nothing, or one or two varints; see below
//!        packed items                        its values, if its fields are the master fields; or
//!        varint count, packed items          fields and values in turn
//! ```
//!
//! Packed items are those of [`packed`], and varints have seven bits a byte, the low ones first. The
//! ID is written as its distance from that of the entry before: bits 2 and 3 of the flags say
//! whether it is the very next one (the common case when many come in a millisecond), or of the same
//! millisecond, or of a later one with number 0 or another. The first entry has the block's ID and
//! writes none. So an entry of one known field costs a byte beside its value.
//!
//! An entry is deleted by a bit in its flags; its bytes stay until the whole block goes. That is
//! what Redis does, and what decides which blocks approximate trimming can drop.
//!
//! # Where a block ends
//!
//! Blocks hold the entries that Redis's nodes hold after the same history, since approximate
//! trimming (`MAXLEN ~`) drops whole ones and a client sees which. Redis cuts by the bytes of the
//! listpack that a node is, and so a block counts the bytes that it would have there, though it
//! takes about half of them. The layout that is counted, every part being a listpack entry:
//!
//! ```text
//! live count, deleted count, number of master fields, the master fields, 0
//! flags, ms - first ms, seq - first seq, [number of fields,] fields and values, number of parts
//! ```
//!
//! (After `t_stream.c` of Redis.)

use smallvec::SmallVec;

use super::StreamId;
use crate::relocation::Relocator;
use crate::value::list::{LISTPACK_FRAME_LEN, listpack_integer_len, listpack_string_len};
use crate::value::packed::{self, PackedItem};

const DELETED: u8 = 1;
const OWN_FIELDS: u8 = 1 << 1;
const ID_FORM: u8 = 0b1100;
/// The ID is the one right after the entry before.
const ID_NEXT: u8 = 0;
/// A varint: how much greater the number is.
const ID_SAME_MS: u8 = 1 << 2;
/// A varint: how many milliseconds later; the number is 0.
const ID_LATER: u8 = 2 << 2;
/// Two varints: how many milliseconds later, and the number.
const ID_LATER_NUMBERED: u8 = 3 << 2;

/// What stands before an entry's items: the flags, and at most three varints.
const HEAD_BYTES_MAX: usize = 1 + 3 * 10;

/// How far the smallest sizes of memory are apart, in bytes.
const ROOM_STEP_BYTES_MIN: usize = 8;

/// Fields and values in turn.
pub(super) type Pairs<'a> = &'a [PackedItem<'a>];

/// Some consecutive entries.
#[derive(Clone)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// The ID of the last entry, deleted or not.
    last: StreamId,
    /// Where the flags of the last entry are.
    last_offset: usize,
    live: u32,
    deleted: u32,
    /// Bytes of the listpack that Redis would have, without the two counts at its beginning.
    listpack_len: u64,
}

impl Block {
    /// A block for an entry of these fields and values, which is yet to be pushed.
    pub(super) fn new(pairs: Pairs<'_>) -> Self {
        let fields = pairs.iter().step_by(2).copied();
        Self::with_master_fields(fields)
    }

    /// A block whose master fields are these.
    pub(super) fn with_master_fields<'a>(
        fields: impl ExactSizeIterator<Item = PackedItem<'a>>,
    ) -> Self {
        let mut bytes = Vec::new();
        let count = fields.len();
        push_varint(&mut bytes, count as u64);
        let mut listpack_len =
            LISTPACK_FRAME_LEN + listpack_integer_len(count as i64) + listpack_integer_len(0);
        for field in fields {
            listpack_len += push_item(&mut bytes, field);
        }
        Block {
            bytes,
            last: StreamId::MIN,
            last_offset: 0,
            live: 0,
            deleted: 0,
            listpack_len: listpack_len as u64,
        }
    }

    /// Moves its bytes.
    pub(super) fn relocate(&mut self, relocator: &mut Relocator<'_>) {
        relocator.vec(&mut self.bytes);
    }

    /// Entries that are not deleted.
    pub(super) fn live(&self) -> u64 {
        u64::from(self.live)
    }

    /// Entries, deleted or not.
    pub(super) fn total(&self) -> u64 {
        u64::from(self.live) + u64::from(self.deleted)
    }

    /// The ID of the last entry, deleted or not.
    pub(super) fn last(&self) -> StreamId {
        self.last
    }

    /// Bytes of the listpack that Redis would have for this block.
    pub(super) fn listpack_len(&self) -> u64 {
        let counts = listpack_integer_len(i64::from(self.live))
            + listpack_integer_len(i64::from(self.deleted));
        self.listpack_len + counts as u64
    }

    /// Appends an entry to the block that `first` begins. Its ID is greater than all that are there.
    pub(super) fn push(&mut self, first: StreamId, id: StreamId, pairs: Pairs<'_>) {
        let is_first = self.total() == 0;
        debug_assert!(if is_first {
            id == first
        } else {
            id > self.last
        });
        let has_own_fields = !self.has_master_fields(pairs);
        let form = if is_first {
            ID_NEXT
        } else {
            id_form(self.last, id)
        };
        let flags = form | if has_own_fields { OWN_FIELDS } else { 0 };
        let count = pairs.len() / 2;
        let mut head: SmallVec<[u8; HEAD_BYTES_MAX]> = SmallVec::new();
        head.push(flags);
        match form {
            ID_SAME_MS => push_varint(&mut head, id.seq - self.last.seq),
            ID_LATER => push_varint(&mut head, id.ms - self.last.ms),
            ID_LATER_NUMBERED => {
                push_varint(&mut head, id.ms - self.last.ms);
                push_varint(&mut head, id.seq);
            }
            _ => {}
        }
        if has_own_fields {
            push_varint(&mut head, count as u64);
        }
        // The fields are the block's, or stand before their values.
        let written = (pairs.iter().copied()).skip(usize::from(!has_own_fields));
        let written = written.step_by(if has_own_fields { 1 } else { 2 });
        let items_len: usize = written.clone().map(packed::encoded_len).sum();
        self.make_room(head.len() + items_len);
        self.last_offset = self.bytes.len();
        self.bytes.extend_from_slice(&head);
        // Flags, two differences of IDs, and the values.
        let mut parts = 3 + count;
        let mut listpack_len = listpack_integer_len(0)
            + listpack_integer_len(id.ms.wrapping_sub(first.ms) as i64)
            + listpack_integer_len(id.seq.wrapping_sub(first.seq) as i64);
        if has_own_fields {
            parts += 1 + count;
            listpack_len += listpack_integer_len(count as i64);
        }
        for part in written {
            listpack_len += push_item(&mut self.bytes, part);
        }
        listpack_len += listpack_integer_len(parts as i64);
        self.listpack_len += listpack_len as u64;
        self.last = id;
        self.live += 1;
    }

    /// Makes room for so many bytes and for some that may follow, by the next of the sizes that allocators have: from one
    /// power of two to the next there are four. A vector would double, and of many short streams a third would be empty.
    fn make_room(&mut self, added_len: usize) {
        let (len, capacity) = (self.bytes.len(), self.bytes.capacity());
        if len + added_len > capacity {
            let room = (len + added_len).max(capacity + 1);
            let step = (room.next_power_of_two() / 8).max(ROOM_STEP_BYTES_MIN);
            self.bytes.reserve_exact(room.next_multiple_of(step) - len);
        }
    }

    /// Frees the room kept for more entries.
    pub(super) fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    fn has_master_fields(&self, pairs: Pairs<'_>) -> bool {
        let (fields, _) = self.master_fields();
        fields.len() == pairs.len() / 2
            && pairs
                .iter()
                .step_by(2)
                .zip(fields)
                .all(|(&field, master)| field == master)
    }

    /// The master fields, and where the entries begin.
    fn master_fields(&self) -> (MasterFields<'_>, usize) {
        let mut offset = 0;
        let count = read_varint(&self.bytes, &mut offset) as usize;
        let start = offset;
        for _ in 0..count {
            offset = packed::skip(&self.bytes, offset);
        }
        let bytes = &self.bytes[start..offset];
        (MasterFields { bytes, count }, offset)
    }

    /// Walks over all entries, the deleted ones included.
    pub(super) fn cursor(&self, first: StreamId) -> Cursor<'_> {
        let (master, offset) = self.master_fields();
        Cursor {
            bytes: &self.bytes,
            master,
            offset,
            previous: None,
            first,
        }
    }

    /// The last entry, deleted or not.
    pub(super) fn last_entry(&self, first: StreamId) -> RawEntry<'_> {
        let mut cursor = self.cursor(first);
        let flags = self.bytes[self.last_offset];
        let mut at = self.last_offset + 1;
        // Its ID is known: it is only read over.
        let varints = match flags & ID_FORM {
            ID_NEXT => 0,
            ID_SAME_MS | ID_LATER => 1,
            _ => 2,
        };
        for _ in 0..varints {
            read_varint(&self.bytes, &mut at);
        }
        cursor.read_entry((self.last_offset, flags), self.last, at)
    }

    /// Marks the entry whose flags stand at `offset`, which is not deleted yet, as deleted.
    fn mark_deleted(&mut self, offset: usize) {
        self.bytes[offset] |= DELETED;
        self.live -= 1;
        self.deleted += 1;
    }

    /// Deletes the entry `id`; answers whether it was there.
    pub(super) fn delete(&mut self, first: StreamId, id: StreamId) -> bool {
        let found = self.cursor(first).find(|found| found.id >= id);
        match found {
            Some(found) if found.id == id && !found.is_deleted() => {
                let offset = found.offset;
                self.mark_deleted(offset);
                true
            }
            _ => false,
        }
    }

    /// Whether the entry `id` is there.
    pub(super) fn contains(&self, first: StreamId, id: StreamId) -> bool {
        let found = self.cursor(first).find(|found| found.id >= id);
        found.is_some_and(|found| found.id == id && !found.is_deleted())
    }

    /// Deletes entries from the front until `stop` says of an ID and of how many have been deleted
    /// that it is enough. Answers how many have been.
    pub(super) fn trim(&mut self, first: StreamId, stop: impl Fn(StreamId, u64) -> bool) -> u64 {
        let mut offsets = Vec::new();
        for entry in self.cursor(first) {
            if stop(entry.id, offsets.len() as u64) {
                break;
            }
            if !entry.is_deleted() {
                offsets.push(entry.offset);
            }
        }
        for &offset in &offsets {
            self.mark_deleted(offset);
        }
        offsets.len() as u64
    }

    /// Marks the last entry as deleted, when entries are read from elsewhere.
    pub(super) fn delete_last(&mut self) {
        self.mark_deleted(self.last_offset);
    }

    /// The ID of the last entry that is not deleted.
    pub(super) fn last_live(&self, first: StreamId) -> Option<StreamId> {
        if self.live == 0 {
            return None;
        }
        if self.bytes[self.last_offset] & DELETED == 0 {
            return Some(self.last);
        }
        let live = self.cursor(first).filter(|entry| !entry.is_deleted());
        live.map(|entry| entry.id).last()
    }

    /// Bytes on the heap.
    pub(super) fn memory_usage(&self) -> usize {
        self.bytes.capacity()
    }
}

/// The form of an ID behind a smaller one.
fn id_form(previous: StreamId, id: StreamId) -> u8 {
    if id.ms == previous.ms {
        if id.seq == previous.seq + 1 {
            ID_NEXT
        } else {
            ID_SAME_MS
        }
    } else if id.seq == 0 {
        ID_LATER
    } else {
        ID_LATER_NUMBERED
    }
}

/// Appends an item; answers how many bytes it takes in a listpack.
fn push_item(bytes: &mut Vec<u8>, item: PackedItem<'_>) -> usize {
    packed::push_item(bytes, item);
    match item {
        PackedItem::Integer(integer) => listpack_integer_len(integer),
        PackedItem::Bytes(string) => listpack_string_len(string.len()),
        PackedItem::Double(_) => unreachable!("a stream has no scores"),
    }
}

fn push_varint(bytes: &mut impl Extend<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.extend([value as u8 | 0x80]);
        value >>= 7;
    }
    bytes.extend([value as u8]);
}

fn read_varint(bytes: &[u8], offset: &mut usize) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let byte = bytes[*offset];
        *offset += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

/// The fields that most entries of a block have.
#[derive(Clone, Copy)]
struct MasterFields<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> MasterFields<'a> {
    fn len(self) -> usize {
        self.count
    }
}

impl<'a> IntoIterator for MasterFields<'a> {
    type Item = PackedItem<'a>;
    type IntoIter = packed::Items<'a>;

    fn into_iter(self) -> packed::Items<'a> {
        packed::items(self.bytes)
    }
}

/// A walk over the entries of a block.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    master: MasterFields<'a>,
    offset: usize,
    previous: Option<StreamId>,
    first: StreamId,
}

/// An entry as it stands in its block.
#[derive(Clone, Copy)]
pub(super) struct RawEntry<'a> {
    pub(super) id: StreamId,
    /// Where its flags are.
    offset: usize,
    flags: u8,
    /// Its packed items.
    items: &'a [u8],
    count: usize,
    master: MasterFields<'a>,
}

impl<'a> RawEntry<'a> {
    pub(super) fn is_deleted(self) -> bool {
        self.flags & DELETED != 0
    }

    pub(super) fn entry(self) -> StreamEntry<'a> {
        let has_own_fields = self.flags & OWN_FIELDS != 0;
        StreamEntry {
            id: self.id,
            is_deleted: self.is_deleted(),
            fields: StreamFields {
                master: (!has_own_fields).then(|| self.master.into_iter()),
                items: packed::items(self.items),
                remaining: self.count,
            },
        }
    }
}

impl<'a> Cursor<'a> {
    /// The ID of an entry, whose parts stand at `at`; moves that behind them.
    fn read_id(&self, flags: u8, at: &mut usize) -> StreamId {
        let Some(previous) = self.previous else {
            return self.first;
        };
        match flags & ID_FORM {
            ID_NEXT => StreamId::new(previous.ms, previous.seq + 1),
            ID_SAME_MS => StreamId::new(previous.ms, previous.seq + read_varint(self.bytes, at)),
            ID_LATER => StreamId::new(previous.ms + read_varint(self.bytes, at), 0),
            _ => {
                let ms = previous.ms + read_varint(self.bytes, at);
                StreamId::new(ms, read_varint(self.bytes, at))
            }
        }
    }

    /// The entry whose flags stand at `offset`, and behind whose ID is `at`; goes on behind it.
    fn read_entry(
        &mut self,
        (offset, flags): (usize, u8),
        id: StreamId,
        mut at: usize,
    ) -> RawEntry<'a> {
        let bytes = self.bytes;
        let (count, items) = if flags & OWN_FIELDS != 0 {
            let count = read_varint(bytes, &mut at) as usize;
            (count, count * 2)
        } else {
            (self.master.count, self.master.count)
        };
        let start = at;
        for _ in 0..items {
            at = packed::skip(bytes, at);
        }
        self.offset = at;
        self.previous = Some(id);
        RawEntry {
            id,
            offset,
            flags,
            items: &bytes[start..at],
            count,
            master: self.master,
        }
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = RawEntry<'a>;

    fn next(&mut self) -> Option<RawEntry<'a>> {
        let offset = self.offset;
        let flags = *self.bytes.get(offset)?;
        let mut at = offset + 1;
        let id = self.read_id(flags, &mut at);
        Some(self.read_entry((offset, flags), id, at))
    }
}

/// An entry of a stream.
#[derive(Clone)]
pub struct StreamEntry<'a> {
    /// Its ID.
    pub id: StreamId,
    /// Whether it is deleted. Only [`BlockRef::entries`] answers such entries.
    pub is_deleted: bool,
    /// Its fields and values.
    pub fields: StreamFields<'a>,
}

/// The fields and values of an entry.
#[derive(Clone)]
pub struct StreamFields<'a> {
    master: Option<packed::Items<'a>>,
    items: packed::Items<'a>,
    remaining: usize,
}

impl StreamFields<'_> {
    /// Whether the fields are the master fields of the entry's block.
    pub fn are_master_fields(&self) -> bool {
        self.master.is_some()
    }
}

impl<'a> Iterator for StreamFields<'a> {
    type Item = (PackedItem<'a>, PackedItem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let field = match &mut self.master {
            Some(master) => master.next()?,
            None => self.items.next()?,
        };
        Some((field, self.items.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for StreamFields<'_> {}

/// A block of a stream, for those who write streams down block by block.
#[derive(Clone, Copy)]
pub struct BlockRef<'a> {
    pub(super) first: StreamId,
    pub(super) block: &'a Block,
}

impl<'a> BlockRef<'a> {
    /// The ID of the first entry, deleted or not.
    pub fn first_id(self) -> StreamId {
        self.first
    }

    /// Entries that are not deleted.
    pub fn live_len(self) -> u64 {
        self.block.live()
    }

    /// Entries that are deleted but still there.
    pub fn deleted_len(self) -> u64 {
        u64::from(self.block.deleted)
    }

    /// The fields that entries of the block share unless they have their own.
    pub fn master_fields(self) -> impl Iterator<Item = PackedItem<'a>> + Clone {
        self.block.master_fields().0.into_iter()
    }

    /// All entries, the deleted ones included.
    pub fn entries(self) -> impl Iterator<Item = StreamEntry<'a>> {
        self.block.cursor(self.first).map(RawEntry::entry)
    }
}
