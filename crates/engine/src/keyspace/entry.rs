//! One entry of the key space: header, key, expiry and value in a single heap block.
//!
//! # Layout
//!
//! ```text
//! byte 0        kind (low five bits) and flags (high three)
//! bytes 1..4    access information: 24 bits, as Redis keeps for LRU or LFU
//! byte 4        key length; or bytes 4..8, little-endian, when the flag LONG_KEY is set
//!               the key
//!               8 bytes: expiry in milliseconds since 1970, when the flag EXPIRES is set
//!               the payload
//! ```
//!
//! The payload is an integer of the width that the kind names; or, behind a length of one, three
//! or five bytes, the bytes of a short string or of a small collection in its packed form; or the
//! address of a boxed value. A block is always a multiple of eight bytes long, so that its size
//! follows from its contents, and a new value of about the same length is written in place.
//!
//! Nothing is aligned: that is why the module is unsafe, and why everything in it goes through a
//! few accessors. What the typed values are stands in `value`; how entries are found in `database`.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::relocation::Relocator;
use crate::snapshot::LoadedValue;
use crate::table::{CACHE_LINE_BYTES, Element, prefetch};
use crate::text::parse_integer;
use crate::value::{StringRef, Value, ValueType};

use super::stored::{Collection, boxed_layout, drop_boxed, relocate_boxed};

/// Strings up to this length stand inside their entry.
pub const STRING_EMBED_MAX: usize = 1024;

/// Packed collections up to this many bytes stand inside their entry.
pub const PACKED_EMBED_MAX: usize = 1024;

const KIND_MASK: u8 = 0b0001_1111;
const EXPIRES: u8 = 0b0010_0000;
const LONG_KEY: u8 = 0b0100_0000;
/// A snapshot that is being taken need not look at the entry; see `epoch`.
const SETTLED: u8 = 0b1000_0000;

/// What the payload of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Integer1,
    Integer2,
    Integer3,
    Integer4,
    Integer8,
    /// A string of at most [`STRING_EMBED_MAX`] bytes.
    EmbeddedString,
    /// A boxed `Vec<u8>`: long, or grown by APPEND or SETRANGE.
    RawString,
    PackedList,
    PackedSet,
    PackedIntset,
    PackedHash,
    /// A packed hash whose fields may expire.
    PackedExpiringHash,
    PackedSortedSet,
    BoxedList,
    BoxedSet,
    BoxedHash,
    BoxedSortedSet,
    BoxedStream,
}

impl Kind {
    const ALL: [Kind; 18] = [
        Kind::Integer1,
        Kind::Integer2,
        Kind::Integer3,
        Kind::Integer4,
        Kind::Integer8,
        Kind::EmbeddedString,
        Kind::RawString,
        Kind::PackedList,
        Kind::PackedSet,
        Kind::PackedIntset,
        Kind::PackedHash,
        Kind::PackedExpiringHash,
        Kind::PackedSortedSet,
        Kind::BoxedList,
        Kind::BoxedSet,
        Kind::BoxedHash,
        Kind::BoxedSortedSet,
        Kind::BoxedStream,
    ];

    pub(crate) fn value_type(self) -> ValueType {
        match self {
            Kind::Integer1
            | Kind::Integer2
            | Kind::Integer3
            | Kind::Integer4
            | Kind::Integer8
            | Kind::EmbeddedString
            | Kind::RawString => ValueType::String,
            Kind::PackedList | Kind::BoxedList => ValueType::List,
            Kind::PackedSet | Kind::PackedIntset | Kind::BoxedSet => ValueType::Set,
            Kind::PackedHash | Kind::PackedExpiringHash | Kind::BoxedHash => ValueType::Hash,
            Kind::PackedSortedSet | Kind::BoxedSortedSet => ValueType::SortedSet,
            Kind::BoxedStream => ValueType::Stream,
        }
    }

    fn integer_width(self) -> Option<usize> {
        match self {
            Kind::Integer1 => Some(1),
            Kind::Integer2 => Some(2),
            Kind::Integer3 => Some(3),
            Kind::Integer4 => Some(4),
            Kind::Integer8 => Some(8),
            _ => None,
        }
    }

    fn is_boxed(self) -> bool {
        matches!(
            self,
            Kind::RawString
                | Kind::BoxedList
                | Kind::BoxedSet
                | Kind::BoxedHash
                | Kind::BoxedSortedSet
                | Kind::BoxedStream
        )
    }
}

/// A payload on its way into an entry.
enum Payload<'a> {
    Integer(i64),
    Embedded(Kind, &'a [u8]),
    Boxed(Kind, NonNull<u8>),
}

impl Payload<'_> {
    fn kind(&self) -> Kind {
        match self {
            Payload::Integer(n) => integer_kind(*n),
            Payload::Embedded(kind, _) | Payload::Boxed(kind, _) => *kind,
        }
    }

    fn len(&self) -> usize {
        match self {
            Payload::Integer(n) => integer_kind(*n).integer_width().unwrap_or(8),
            Payload::Embedded(_, bytes) => length_width(bytes.len()) + bytes.len(),
            Payload::Boxed(..) => 8,
        }
    }
}

fn integer_kind(n: i64) -> Kind {
    if i64::from(n as i8) == n {
        Kind::Integer1
    } else if i64::from(n as i16) == n {
        Kind::Integer2
    } else if (-(1 << 23)..1 << 23).contains(&n) {
        Kind::Integer3
    } else if i64::from(n as i32) == n {
        Kind::Integer4
    } else {
        Kind::Integer8
    }
}

fn length_width(len: usize) -> usize {
    match len {
        0..=253 => 1,
        254..=0xffff => 3,
        _ => 5,
    }
}

/// An owned entry.
pub(crate) struct Entry(NonNull<u8>);

// SAFETY: an entry owns its block and, through it, values that are Send and Sync.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

// SAFETY: the block stays where it is until it is dropped or `replace`d in its table, and its key
// is never written after `build`.
unsafe impl Element for Entry {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Entry(raw)
    }

    #[inline]
    unsafe fn key<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: promised by the caller.
        unsafe { EntryRef::from_raw(raw) }.key()
    }

    unsafe fn layout(raw: NonNull<u8>) -> Layout {
        // SAFETY: promised by the caller.
        layout(unsafe { EntryRef::from_raw(raw) }.block_size())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let entry = self.as_ref();
        let kind = entry.kind();
        if kind.is_boxed() {
            // SAFETY: the address in the payload of a boxed kind came from `Box::into_raw` of the
            // type that the kind names, and the entry owns it.
            unsafe { drop_boxed(kind, entry.boxed_address()) };
        }
        self.free_block();
    }
}

impl Entry {
    /// An entry for a string, kept as an integer when it spells one.
    pub(crate) fn from_string(key: &[u8], bytes: &[u8], expire_ms: Option<i64>) -> Self {
        if let Some(n) = integer_of(bytes) {
            return Self::build(key, expire_ms, &Payload::Integer(n));
        }
        if bytes.len() <= STRING_EMBED_MAX {
            return Self::build(
                key,
                expire_ms,
                &Payload::Embedded(Kind::EmbeddedString, bytes),
            );
        }
        Self::from_raw_string(key, bytes.to_vec(), expire_ms)
    }

    /// An entry for a short string that is kept as text even if it spells an integer.
    pub(crate) fn from_text(key: &[u8], bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= STRING_EMBED_MAX);
        Self::build(key, None, &Payload::Embedded(Kind::EmbeddedString, bytes))
    }

    fn from_raw_string(key: &[u8], bytes: Vec<u8>, expire_ms: Option<i64>) -> Self {
        let address = leak(Box::new(bytes));
        Self::build(key, expire_ms, &Payload::Boxed(Kind::RawString, address))
    }

    /// An entry for a value that was loaded.
    pub(crate) fn from_loaded(key: &[u8], value: LoadedValue<'_>, expire_ms: Option<i64>) -> Self {
        match value {
            LoadedValue::Text(bytes) => Self::from_string(key, &bytes, expire_ms),
            LoadedValue::Made(value) => Self::from_value(key, value, expire_ms),
        }
    }

    /// An entry for any value.
    pub(crate) fn from_value(key: &[u8], value: Value, expire_ms: Option<i64>) -> Self {
        match value {
            Value::Integer(n) => Self::build(key, expire_ms, &Payload::Integer(n)),
            Value::String(bytes) => Self::from_string(key, &bytes, expire_ms),
            Value::RawString(bytes) => Self::from_raw_string(key, bytes, expire_ms),
            Value::List(list) => Self::from_collection(key, list, expire_ms),
            Value::Set(set) => Self::from_collection(key, set, expire_ms),
            Value::Hash(hash) => Self::from_collection(key, hash, expire_ms),
            Value::SortedSet(sorted_set) => Self::from_collection(key, sorted_set, expire_ms),
            Value::Stream(stream) => Self::from_collection(key, stream, expire_ms),
        }
    }

    pub(crate) fn from_collection<T: Collection>(
        key: &[u8],
        collection: T,
        expire_ms: Option<i64>,
    ) -> Self {
        match collection.packed() {
            Some((kind, bytes)) if bytes.len() <= PACKED_EMBED_MAX => {
                Self::build(key, expire_ms, &Payload::Embedded(kind, bytes))
            }
            _ => {
                let address = leak(Box::new(collection));
                Self::build(key, expire_ms, &Payload::Boxed(T::BOXED_KIND, address))
            }
        }
    }

    /// Puts a collection that was taken out of the entry `raw` back into it; answers the entry's
    /// address, which is another one when the block had to be moved.
    ///
    /// # Safety
    ///
    /// `raw` is an owned, embedded (not boxed) entry, and the caller replaces its address
    /// everywhere by the one answered.
    pub(crate) unsafe fn put_back<T: Collection>(raw: NonNull<u8>, collection: T) -> NonNull<u8> {
        // SAFETY: the entry is valid, promised by the caller.
        let entry = unsafe { EntryRef::from_raw(raw) };
        let address;
        let payload = match collection.packed() {
            Some((kind, bytes)) if bytes.len() <= PACKED_EMBED_MAX => {
                Payload::Embedded(kind, bytes)
            }
            _ => {
                address = leak(Box::new(collection));
                // SAFETY: promised by the caller.
                return unsafe { Self::with_payload(raw, &Payload::Boxed(T::BOXED_KIND, address)) };
            }
        };
        debug_assert!(!entry.kind().is_boxed());
        // SAFETY: promised by the caller.
        unsafe { Self::with_payload(raw, &payload) }
    }

    /// Overwrites the string (or any value) of the entry `raw` with a string, keeping key, expiry
    /// and access information. Answers the entry's address, which may be another one.
    ///
    /// # Safety
    ///
    /// `raw` is an owned entry, and the caller replaces its address everywhere by the one
    /// answered.
    pub(crate) unsafe fn overwrite_string(raw: NonNull<u8>, bytes: &[u8]) -> NonNull<u8> {
        // SAFETY: promised by the caller; the boxed value is dropped before its address is lost.
        unsafe {
            let entry = EntryRef::from_raw(raw);
            if entry.kind().is_boxed() {
                drop_boxed(entry.kind(), entry.boxed_address());
            }
            if let Some(n) = integer_of(bytes) {
                Self::with_payload(raw, &Payload::Integer(n))
            } else if bytes.len() <= STRING_EMBED_MAX {
                Self::with_payload(raw, &Payload::Embedded(Kind::EmbeddedString, bytes))
            } else {
                let address = leak(Box::new(bytes.to_vec()));
                Self::with_payload(raw, &Payload::Boxed(Kind::RawString, address))
            }
        }
    }

    /// As [`Self::overwrite_string`], keeping a string that spells an integer as text, for the few
    /// commands after which OBJECT ENCODING does not answer `int`.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn overwrite_text(raw: NonNull<u8>, bytes: &[u8]) -> NonNull<u8> {
        debug_assert!(bytes.len() <= STRING_EMBED_MAX);
        // SAFETY: promised by the caller; the boxed value is dropped before its address is lost.
        unsafe {
            let entry = EntryRef::from_raw(raw);
            if entry.kind().is_boxed() {
                drop_boxed(entry.kind(), entry.boxed_address());
            }
            Self::with_payload(raw, &Payload::Embedded(Kind::EmbeddedString, bytes))
        }
    }

    /// As [`Self::overwrite_string`], for an integer.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn overwrite_integer(raw: NonNull<u8>, n: i64) -> NonNull<u8> {
        // SAFETY: promised by the caller.
        unsafe {
            let entry = EntryRef::from_raw(raw);
            if entry.kind().is_boxed() {
                drop_boxed(entry.kind(), entry.boxed_address());
            }
            Self::with_payload(raw, &Payload::Integer(n))
        }
    }

    /// Writes an integer over one of the same width, which leaves the entry where it is and as big as it is; answers
    /// whether it holds such a one. This is what counters do nearly always.
    ///
    /// # Safety
    ///
    /// `raw` is an owned entry.
    #[inline]
    pub(crate) unsafe fn renew_integer(raw: NonNull<u8>, n: i64) -> bool {
        // SAFETY: promised by the caller; an entry of this kind has room for such an integer.
        unsafe {
            let entry = EntryRef::from_raw(raw);
            let is_as_wide = entry.kind() == integer_kind(n);
            if is_as_wide {
                write_integer(raw.add(entry.payload_offset()), n);
            }
            is_as_wide
        }
    }

    /// Makes the string of the entry `raw` one with a block of its own and answers the entry's new
    /// address: for APPEND and SETRANGE, which then grow it without moving the entry.
    ///
    /// # Safety
    ///
    /// As [`Self::overwrite_string`]; the entry holds a string.
    pub(crate) unsafe fn make_raw_string(raw: NonNull<u8>) -> NonNull<u8> {
        // SAFETY: promised by the caller.
        unsafe {
            let entry = EntryRef::from_raw(raw);
            if entry.kind() == Kind::RawString {
                return raw;
            }
            let bytes = entry.string().map(StringRef::to_vec).unwrap_or_default();
            let address = leak(Box::new(bytes));
            Self::with_payload(raw, &Payload::Boxed(Kind::RawString, address))
        }
    }

    /// Sets or removes the expiry of the entry `raw`; answers its address, which may be another.
    ///
    /// # Safety
    ///
    /// As [`Self::overwrite_string`].
    pub(crate) unsafe fn with_expire(raw: NonNull<u8>, expire_ms: Option<i64>) -> NonNull<u8> {
        // SAFETY: promised by the caller.
        let entry = unsafe { EntryRef::from_raw(raw) };
        match (entry.expire_ms(), expire_ms) {
            (None, None) => raw,
            (Some(_), Some(new)) => {
                let offset = entry.key_end();
                // SAFETY: the flag says that eight bytes of expiry stand there.
                unsafe { raw.add(offset).cast::<[u8; 8]>().write(new.to_le_bytes()) };
                raw
            }
            (old, _) => {
                let payload_at = entry.payload_offset();
                let payload_len = entry.content_len() - payload_at;
                let key_end = entry.key_end();
                let moved_at = key_end + if expire_ms.is_some() { 8 } else { 0 };
                let size = block_size(moved_at + payload_len);
                let new = allocate(size);
                debug_assert!(old.is_some() != expire_ms.is_some());
                // SAFETY: both blocks are long enough by the computation of their sizes, and they
                // are distinct; the old one is freed without dropping what its payload owns.
                unsafe {
                    new.copy_from_nonoverlapping(raw, key_end);
                    let first = new.read();
                    match expire_ms {
                        Some(at) => {
                            new.write(first | EXPIRES);
                            new.add(key_end).cast::<[u8; 8]>().write(at.to_le_bytes());
                        }
                        None => new.write(first & !EXPIRES),
                    }
                    new.add(moved_at)
                        .copy_from_nonoverlapping(raw.add(payload_at), payload_len);
                    std::mem::ManuallyDrop::new(Entry(raw)).free_block();
                }
                new
            }
        }
    }

    /// Moves the block of the entry `raw`, and that of a boxed value, but nothing that the value owns; answers the
    /// entry's address.
    ///
    /// # Safety
    ///
    /// As [`Self::overwrite_string`].
    pub(crate) unsafe fn relocate(raw: NonNull<u8>, relocator: &mut Relocator<'_>) -> NonNull<u8> {
        // SAFETY: promised by the caller; the box is of the type that the kind names, and its new address takes the
        // place of the old one.
        unsafe {
            let raw = relocator.block(raw, Self::layout(raw));
            let entry = EntryRef::from_raw(raw);
            if entry.kind().is_boxed() {
                let address = relocator.block(entry.boxed_address(), boxed_layout(entry.kind()));
                let payload = Payload::Boxed(entry.kind(), address);
                write_payload(raw.add(entry.payload_offset()), &payload);
            }
            raw
        }
    }

    /// Moves some of what the boxed value of the entry `raw` owns, if it has one; answers where to go on, 0 being both
    /// the start and the end.
    ///
    /// # Safety
    ///
    /// `raw` is an owned entry that nobody else uses.
    pub(crate) unsafe fn relocate_owned(
        raw: NonNull<u8>,
        cursor: u128,
        relocator: &mut Relocator<'_>,
    ) -> u128 {
        // SAFETY: promised by the caller.
        unsafe {
            let entry = EntryRef::from_raw(raw);
            match entry.kind() {
                kind if kind.is_boxed() => {
                    relocate_boxed(kind, entry.boxed_address(), cursor, relocator)
                }
                _ => 0,
            }
        }
    }

    /// The same value under another key and expiry; the old block is freed.
    pub(crate) fn renamed(self, key: &[u8], expire_ms: Option<i64>) -> Self {
        let entry = self.as_ref();
        let access = entry.access();
        let renamed = match entry.kind() {
            kind if kind.is_boxed() => {
                Self::build(key, expire_ms, &Payload::Boxed(kind, entry.boxed_address()))
            }
            kind => match entry.embedded_integer() {
                Some(n) => Self::build(key, expire_ms, &Payload::Integer(n)),
                None => Self::build(
                    key,
                    expire_ms,
                    &Payload::Embedded(kind, entry.embedded_bytes()),
                ),
            },
        };
        renamed.as_ref().set_access(access);
        // What the payload owned belongs to the new entry now.
        std::mem::ManuallyDrop::new(self).free_block();
        renamed
    }

    pub(crate) fn as_ref(&self) -> EntryRef<'_> {
        // SAFETY: the entry is owned by `self`, which is borrowed.
        unsafe { EntryRef::from_raw(self.0) }
    }

    fn build(key: &[u8], expire_ms: Option<i64>, payload: &Payload<'_>) -> Self {
        let is_long = key.len() > usize::from(u8::MAX);
        let key_at = if is_long { 8 } else { 5 };
        let expire_width = if expire_ms.is_some() { 8 } else { 0 };
        let payload_at = key_at + key.len() + expire_width;
        let raw = allocate(block_size(payload_at + payload.len()));
        let mut flags = payload.kind() as u8;
        if is_long {
            flags |= LONG_KEY;
        }
        if expire_ms.is_some() {
            flags |= EXPIRES;
        }
        // SAFETY: the block was allocated for exactly these parts.
        unsafe {
            raw.cast::<[u8; 4]>().write([flags, 0, 0, 0]);
            if is_long {
                // Keys are at most 512 MiB by the protocol's limit.
                raw.add(4)
                    .cast::<[u8; 4]>()
                    .write((key.len() as u32).to_le_bytes());
            } else {
                raw.add(4).write(key.len() as u8);
            }
            raw.add(key_at)
                .copy_from_nonoverlapping(non_null(key), key.len());
            if let Some(at) = expire_ms {
                raw.add(key_at + key.len())
                    .cast::<[u8; 8]>()
                    .write(at.to_le_bytes());
            }
            write_payload(raw.add(payload_at), payload);
        }
        Entry(raw)
    }

    /// Writes another payload into the entry `raw`, in place if the block's size stays.
    ///
    /// # Safety
    ///
    /// As [`Self::overwrite_string`]; whatever the old payload owned is dropped or taken already.
    unsafe fn with_payload(raw: NonNull<u8>, payload: &Payload<'_>) -> NonNull<u8> {
        // SAFETY: promised by the caller.
        let entry = unsafe { EntryRef::from_raw(raw) };
        let payload_at = entry.payload_offset();
        let old_size = block_size(entry.content_len());
        let new_size = block_size(payload_at + payload.len());
        let target = if old_size == new_size {
            raw
        } else {
            allocate(new_size)
        };
        // SAFETY: the target is long enough for head and payload; when it is another block, the
        // old one is freed after its head was copied.
        unsafe {
            let first = (raw.read() & !KIND_MASK) | payload.kind() as u8;
            if target != raw {
                target.copy_from_nonoverlapping(raw, payload_at);
                dealloc(raw.as_ptr(), layout(old_size));
            }
            target.write(first);
            write_payload(target.add(payload_at), payload);
        }
        target
    }

    /// Frees the block and nothing that it owns.
    fn free_block(&self) {
        let size = block_size(self.as_ref().content_len());
        // SAFETY: the block was allocated with the size that its contents tell.
        unsafe { dealloc(self.0.as_ptr(), layout(size)) };
    }
}

/// # Safety
///
/// There is room at `at` for the bytes of an integer of its kind.
#[inline]
unsafe fn write_integer(at: NonNull<u8>, n: i64) {
    let bytes = n.to_le_bytes();
    let from = non_null(&bytes);
    // Each width is a constant, so that none is a call.
    // SAFETY: promised by the caller.
    unsafe {
        match integer_kind(n) {
            Kind::Integer1 => at.copy_from_nonoverlapping(from, 1),
            Kind::Integer2 => at.copy_from_nonoverlapping(from, 2),
            Kind::Integer3 => at.copy_from_nonoverlapping(from, 3),
            Kind::Integer4 => at.copy_from_nonoverlapping(from, 4),
            _ => at.copy_from_nonoverlapping(from, 8),
        }
    }
}

/// # Safety
///
/// There is room for `payload.len()` bytes at `at`.
unsafe fn write_payload(at: NonNull<u8>, payload: &Payload<'_>) {
    // SAFETY: promised by the caller.
    unsafe {
        match payload {
            Payload::Integer(n) => write_integer(at, *n),
            Payload::Boxed(_, address) => {
                let address = address.as_ptr().expose_provenance() as u64;
                at.cast::<[u8; 8]>().write(address.to_le_bytes());
            }
            Payload::Embedded(_, bytes) => {
                let len = bytes.len();
                let width = length_width(len);
                match width {
                    1 => at.write(len as u8),
                    3 => {
                        at.write(254);
                        at.add(1)
                            .cast::<[u8; 2]>()
                            .write((len as u16).to_le_bytes());
                    }
                    _ => {
                        at.write(255);
                        at.add(1)
                            .cast::<[u8; 4]>()
                            .write((len as u32).to_le_bytes());
                    }
                }
                at.add(width).copy_from_nonoverlapping(non_null(bytes), len);
            }
        }
    }
}

/// A borrowed entry.
#[derive(Clone, Copy)]
pub(crate) struct EntryRef<'a> {
    raw: NonNull<u8>,
    entry: std::marker::PhantomData<&'a Entry>,
}

impl<'a> EntryRef<'a> {
    /// # Safety
    ///
    /// `raw` is a valid entry that is not changed during `'a`, its access information excepted.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        EntryRef {
            raw,
            entry: std::marker::PhantomData,
        }
    }

    #[inline]
    fn first(self) -> u8 {
        // SAFETY: an entry has at least its header.
        unsafe { self.raw.read() }
    }

    /// # Safety
    ///
    /// `offset + len` is within the block.
    #[inline]
    unsafe fn slice(self, offset: usize, len: usize) -> &'a [u8] {
        // SAFETY: promised by the caller; the bytes are initialised and borrowed for `'a`.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset), len) }
    }

    #[inline]
    pub(crate) fn kind(self) -> Kind {
        Kind::ALL[usize::from(self.first() & KIND_MASK)]
    }

    /// Offset and length of the key.
    #[inline]
    fn key_span(self) -> (usize, usize) {
        // SAFETY: the header says how long the length is.
        unsafe {
            if self.first() & LONG_KEY == 0 {
                (5, usize::from(self.raw.add(4).read()))
            } else {
                let len = u32::from_le_bytes(self.raw.add(4).cast::<[u8; 4]>().read());
                (8, len as usize)
            }
        }
    }

    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        let (offset, len) = self.key_span();
        // SAFETY: the key stands at this offset.
        unsafe { self.slice(offset, len) }
    }

    #[inline]
    fn key_end(self) -> usize {
        let (offset, len) = self.key_span();
        offset + len
    }

    #[inline]
    fn payload_offset(self) -> usize {
        self.key_end() + if self.first() & EXPIRES != 0 { 8 } else { 0 }
    }

    /// When the key expires, in milliseconds since 1970.
    #[inline]
    pub(crate) fn expire_ms(self) -> Option<i64> {
        if self.first() & EXPIRES == 0 {
            return None;
        }
        // SAFETY: the flag says that eight bytes of expiry follow the key.
        let bytes = unsafe { self.raw.add(self.key_end()).cast::<[u8; 8]>().read() };
        Some(i64::from_le_bytes(bytes))
    }

    /// The 24 bits of access information (see `access`).
    pub(crate) fn access(self) -> u32 {
        // SAFETY: part of the header.
        let [low, middle, high] = unsafe { self.raw.add(1).cast::<[u8; 3]>().read() };
        u32::from_le_bytes([low, middle, high, 0])
    }

    /// Writes the access information. No slice that this module gives out covers it, so that it may
    /// be written while the entry is borrowed; the stripe's lock keeps other threads away.
    pub(crate) fn set_access(self, access: u32) {
        let [low, middle, high, _] = access.to_le_bytes();
        // SAFETY: part of the header; see above.
        unsafe { self.raw.add(1).cast::<[u8; 3]>().write([low, middle, high]) };
    }

    /// Whether a snapshot that is being taken must pass over the entry.
    #[inline]
    pub(super) fn is_settled(self) -> bool {
        self.first() & SETTLED != 0
    }

    /// Says whether a snapshot must pass over the entry; as [`Self::set_access`], for no slice covers the
    /// header.
    pub(super) fn set_settled(self, is_settled: bool) {
        let first = self.first() & !SETTLED | if is_settled { SETTLED } else { 0 };
        // SAFETY: part of the header; see above.
        unsafe { self.raw.write(first) };
    }

    pub(crate) fn value_type(self) -> ValueType {
        self.kind().value_type()
    }

    /// Length of the embedded bytes and of the length before them.
    #[inline]
    fn embedded_span(self) -> (usize, usize) {
        let offset = self.payload_offset();
        // SAFETY: an embedded payload starts with its length, written by `write_payload`.
        unsafe {
            match self.raw.add(offset).read() {
                254 => {
                    let len = self.raw.add(offset + 1).cast::<[u8; 2]>().read();
                    (offset + 3, usize::from(u16::from_le_bytes(len)))
                }
                255 => {
                    let len = self.raw.add(offset + 1).cast::<[u8; 4]>().read();
                    (offset + 5, u32::from_le_bytes(len) as usize)
                }
                len => (offset + 1, usize::from(len)),
            }
        }
    }

    /// The bytes of an embedded string or packed collection.
    #[inline]
    pub(crate) fn embedded_bytes(self) -> &'a [u8] {
        debug_assert!(!self.kind().is_boxed() && self.kind().integer_width().is_none());
        let (offset, len) = self.embedded_span();
        // SAFETY: the payload's length says so.
        unsafe { self.slice(offset, len) }
    }

    fn embedded_integer(self) -> Option<i64> {
        let width = self.kind().integer_width()?;
        // SAFETY: an integer payload has `width` bytes.
        let stored = unsafe { self.slice(self.payload_offset(), width) };
        let negative = stored[width - 1] & 0x80 != 0;
        let mut bytes = [if negative { 0xff } else { 0 }; 8];
        bytes[..width].copy_from_slice(stored);
        Some(i64::from_le_bytes(bytes))
    }

    /// The address in the payload of a boxed kind.
    pub(crate) fn boxed_address(self) -> NonNull<u8> {
        debug_assert!(self.kind().is_boxed());
        // SAFETY: a boxed payload is an address that `leak` gave.
        unsafe {
            let bytes = self.raw.add(self.payload_offset()).cast::<[u8; 8]>().read();
            let address = u64::from_le_bytes(bytes) as usize;
            NonNull::new_unchecked(std::ptr::with_exposed_provenance_mut(address))
        }
    }

    /// The string, if the entry holds one.
    #[inline]
    pub(crate) fn string(self) -> Option<StringRef<'a>> {
        match self.kind() {
            Kind::EmbeddedString => Some(StringRef::Bytes {
                bytes: self.embedded_bytes(),
                raw: false,
            }),
            Kind::RawString => {
                // SAFETY: a raw string's payload is the address of a `Vec<u8>` owned by the entry.
                let bytes = unsafe { self.boxed_address().cast::<Vec<u8>>().as_ref() };
                Some(StringRef::Bytes { bytes, raw: true })
            }
            _ => self.embedded_integer().map(StringRef::Integer),
        }
    }

    /// Bytes of the block in use.
    fn content_len(self) -> usize {
        let kind = self.kind();
        if let Some(width) = kind.integer_width() {
            self.payload_offset() + width
        } else if kind.is_boxed() {
            self.payload_offset() + 8
        } else {
            let (offset, len) = self.embedded_span();
            offset + len
        }
    }

    /// Whether the value is so large that another thread should free it.
    pub(crate) fn is_large(self) -> bool {
        /// Elements from which a collection is worth the trip, as in Redis.
        const ELEMENTS_MIN: usize = 64;
        super::stored::element_count(self) > ELEMENTS_MIN
    }

    /// Whether Redis would have another thread free the value: what INFO counts as freed lazily.
    pub(crate) fn is_freed_lazily(self) -> bool {
        /// Allocations from which Redis thinks it worth the trip.
        const ALLOCATIONS_MIN: u64 = 64;
        super::stored::allocations_in_redis(self) > ALLOCATIONS_MIN
    }

    /// Whether freeing the value may take long enough to be done without the locks.
    pub(crate) fn is_costly_to_drop(self) -> bool {
        self.kind().is_boxed()
    }

    /// Asks the processor for what a value with a block of its own begins with.
    pub(crate) fn prefetch_boxed(self) {
        if self.kind().is_boxed() {
            let address = self.boxed_address().as_ptr().cast_const();
            prefetch(address);
            prefetch(address.wrapping_add(CACHE_LINE_BYTES));
        }
    }

    /// About how many bytes the entry takes, found quickly however big the value is.
    pub(crate) fn approximate_bytes(self) -> usize {
        super::stored::approximate_bytes(self)
    }

    /// Where the entry is, for DEBUG OBJECT.
    pub(crate) fn address(self) -> *const u8 {
        self.raw.as_ptr()
    }

    /// Bytes of the block.
    pub(crate) fn block_size(self) -> usize {
        block_size(self.content_len())
    }
}

/// The string of `raw`, which must be one with a block of its own, for changing it.
///
/// # Safety
///
/// `raw` is an owned entry of kind `RawString`, borrowed mutably for `'a`.
pub(crate) unsafe fn raw_string_mut<'a>(raw: NonNull<u8>) -> &'a mut Vec<u8> {
    // SAFETY: promised by the caller.
    unsafe {
        let entry = EntryRef::from_raw(raw);
        debug_assert!(entry.kind() == Kind::RawString);
        entry.boxed_address().cast::<Vec<u8>>().as_mut()
    }
}

/// The integer that a string of at most 20 bytes spells; longer ones never do.
#[inline]
fn integer_of(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || bytes.len() > 20 || bytes[0] > b'9' {
        return None;
    }
    parse_integer(bytes)
}

fn leak<T>(value: Box<T>) -> NonNull<u8> {
    NonNull::from(Box::leak(value)).cast()
}

fn non_null(bytes: &[u8]) -> NonNull<u8> {
    NonNull::from(bytes).cast()
}

fn block_size(content_len: usize) -> usize {
    content_len.next_multiple_of(8)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).expect("an entry is far below isize::MAX bytes")
}

fn allocate(size: usize) -> NonNull<u8> {
    // SAFETY: an entry has a header, so the size is not zero.
    NonNull::new(unsafe { alloc(layout(size)) }).unwrap_or_else(|| handle_alloc_error(layout(size)))
}
