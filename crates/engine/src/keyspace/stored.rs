//! How a collection type is kept in an entry: one implementation of [`Collection`] each.
//!
//! The types themselves live in `value`; this file only says which kind of entry each of their
//! forms becomes.

use std::alloc::Layout;
use std::ptr::NonNull;

use super::entry::{EntryRef, Kind};
use crate::relocation::Relocator;
use crate::value::StringRef;
use crate::value::{
    ExpiringRef, Hash, HashRef, List, ListRef, Set, SetRef, SortedSet, SortedSetRef, Stream, Value,
    ValueRef, ValueType,
};

/// A collection type that entries hold: packed bytes inside the entry while small, boxed later.
pub(crate) trait Collection: Sized + Send + Sync {
    /// The borrowed form for reading.
    type Ref<'a>: Copy
    where
        Self: 'a;
    /// The type that commands ask for.
    const TYPE: ValueType;
    /// The kind of an entry that holds the address of a boxed `Self`.
    const BOXED_KIND: Kind;

    /// An empty collection.
    fn empty() -> Self;
    /// The packed bytes and their kind, while the collection is in a packed form.
    fn packed(&self) -> Option<(Kind, &[u8])>;
    /// The collection whose packed form of `kind` these bytes are.
    fn from_packed(kind: Kind, bytes: Vec<u8>) -> Self;
    /// The same, borrowed.
    fn ref_from_packed(kind: Kind, bytes: &[u8]) -> Self::Ref<'_>;
    /// Borrows the collection for reading.
    fn as_ref(&self) -> Self::Ref<'_>;
    /// Elements, fields or members.
    fn count(reference: Self::Ref<'_>) -> usize;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;
    /// Whether it has elements that expire before their key does.
    fn has_expiring_elements(_: Self::Ref<'_>) -> bool {
        false
    }
}

/// The collection of an entry of its type.
pub(crate) fn collection_ref<'a, T: Collection>(entry: EntryRef<'a>) -> T::Ref<'a> {
    if entry.kind() == T::BOXED_KIND {
        // SAFETY: an entry of the boxed kind owns a box of the type, borrowed as long as it is.
        let collection: &'a T = unsafe { entry.boxed_address().cast::<T>().as_ref() };
        collection.as_ref()
    } else {
        T::ref_from_packed(entry.kind(), entry.embedded_bytes())
    }
}

/// The hash of an entry of that type some of whose fields may expire.
#[inline]
pub(crate) fn expiring_hash(entry: EntryRef<'_>) -> Option<HashRef<'_>> {
    match entry.kind() {
        Kind::PackedExpiringHash | Kind::BoxedHash => {
            Some(collection_ref::<Hash>(entry)).filter(|hash| matches!(hash, HashRef::Expiring(_)))
        }
        _ => None,
    }
}

/// Whether the entry is a hash with fields that expire.
#[inline]
pub(crate) fn has_expiring_fields(entry: EntryRef<'_>) -> bool {
    expiring_hash(entry).is_some_and(HashRef::has_expiries)
}

/// Elements in the entry's collection; 1 for a string.
pub(crate) fn element_count(entry: EntryRef<'_>) -> usize {
    match entry.value_type() {
        ValueType::String => 1,
        ValueType::List => <List as Collection>::count(collection_ref::<List>(entry)),
        ValueType::Set => <Set as Collection>::count(collection_ref::<Set>(entry)),
        ValueType::Hash => <Hash as Collection>::count(collection_ref::<Hash>(entry)),
        ValueType::SortedSet => {
            <SortedSet as Collection>::count(collection_ref::<SortedSet>(entry))
        }
        ValueType::Stream => <Stream as Collection>::count(collection_ref::<Stream>(entry)),
    }
}

/// About how many allocations Redis would have made for the value: small collections are one, big lists one a
/// node, streams one a node of their trees and one an entry that waits to be acknowledged.
pub(crate) fn allocations_in_redis(entry: EntryRef<'_>) -> u64 {
    let count = match entry.value_type() {
        ValueType::List => match collection_ref::<List>(entry) {
            ListRef::Packed(_) => 1,
            ListRef::Quicklist(list) => list.node_count(),
        },
        ValueType::Stream => {
            let stream = collection_ref::<Stream>(entry);
            let mut groups = stream.groups();
            // As there: all groups are taken to be like the first.
            let of_group = groups
                .next()
                .map_or(0, |(_, group)| 1 + group.pending_len());
            let groups = usize::from(of_group > 0) + groups.count();
            return stream.radix_node_count() + (groups * of_group) as u64;
        }
        _ if matches!(encoding(entry), "hashtable" | "skiplist") => element_count(entry),
        _ => 1,
    };
    count as u64
}

/// The most steps of [`prefetch_elements`].
pub(super) const PREFETCH_STEPS: usize = 4;

/// Asks the processor for one step, counted from 0, of the way to these elements of a collection, or to the ends of a
/// list; answers whether there is a next one. Small collections are in their entry, which is near already.
pub(super) fn prefetch_elements(entry: EntryRef<'_>, elements: &[&[u8]], step: usize) -> bool {
    if !matches!(
        entry.kind(),
        Kind::BoxedHash | Kind::BoxedList | Kind::BoxedSet | Kind::BoxedSortedSet
    ) {
        return false;
    }
    if step == 0 {
        entry.prefetch_boxed();
        return true;
    }
    // First what says where the elements are, then they.
    let is_first = step == 1;
    match entry.kind() {
        Kind::BoxedList => {
            return match collection_ref::<List>(entry) {
                ListRef::Packed(_) => false,
                ListRef::Quicklist(list) => list.prefetch_ends(step - 1),
            };
        }
        Kind::BoxedHash => {
            let table = match collection_ref::<Hash>(entry) {
                HashRef::Packed(_) => None,
                HashRef::Table(table) => Some(table),
                HashRef::Expiring(hash) => hash.fields_table(),
            };
            match table {
                Some(table) if is_first => table.prefetch_names(elements),
                Some(table) => table.prefetch_entries(elements),
                None => return false,
            }
        }
        Kind::BoxedSet => match collection_ref::<Set>(entry) {
            SetRef::Table(table) if is_first => table.prefetch_names(elements),
            SetRef::Table(table) => table.prefetch_entries(elements),
            _ => return false,
        },
        Kind::BoxedSortedSet => match collection_ref::<SortedSet>(entry) {
            SortedSetRef::Big(big) if is_first => big.prefetch_names(elements),
            SortedSetRef::Big(big) => big.prefetch_entries(elements),
            SortedSetRef::Packed(_) => return false,
        },
        _ => return false,
    }
    is_first
}

/// What OBJECT ENCODING answers for the entry's value.
pub(crate) fn encoding(entry: EntryRef<'_>) -> &'static str {
    match entry.value_type() {
        // An entry of the string type always has one.
        ValueType::String => entry.string().map_or("raw", StringRef::encoding),
        ValueType::List => collection_ref::<List>(entry).encoding(),
        ValueType::Set => collection_ref::<Set>(entry).encoding(),
        ValueType::Hash => collection_ref::<Hash>(entry).encoding(),
        ValueType::SortedSet => collection_ref::<SortedSet>(entry).encoding(),
        ValueType::Stream => collection_ref::<Stream>(entry).encoding(),
    }
}

/// Bytes that the entry takes: its block, and what the block owns.
pub(crate) fn memory_usage(entry: EntryRef<'_>) -> usize {
    match entry.kind() {
        Kind::BoxedList => {
            let list = collection_ref::<List>(entry);
            entry.block_size() + size_of::<List>() + list.memory_usage()
        }
        Kind::BoxedSortedSet => {
            let sorted_set = collection_ref::<SortedSet>(entry);
            entry.block_size() + size_of::<SortedSet>() + sorted_set.memory_usage()
        }
        _ => approximate_bytes(entry),
    }
}

/// About as much as [`memory_usage`], found quickly however big the value is. It depends on nothing
/// but the value, so that what is added when it appears is taken away when it goes.
pub(crate) fn approximate_bytes(entry: EntryRef<'_>) -> usize {
    let owned = match entry.kind() {
        Kind::RawString => size_of::<Vec<u8>>() + entry.string().map_or(0, StringRef::len),
        Kind::BoxedList => size_of::<List>() + collection_ref::<List>(entry).approximate_bytes(),
        Kind::BoxedSet => size_of::<Set>() + collection_ref::<Set>(entry).memory_usage(),
        Kind::BoxedHash => size_of::<Hash>() + collection_ref::<Hash>(entry).memory_usage(),
        Kind::BoxedSortedSet => {
            size_of::<SortedSet>() + collection_ref::<SortedSet>(entry).approximate_bytes()
        }
        Kind::BoxedStream => size_of::<Stream>() + collection_ref::<Stream>(entry).memory_usage(),
        // The block is all there is.
        _ => 0,
    };
    entry.block_size() + owned
}

/// The entry's value, borrowed.
pub(crate) fn value_of(entry: EntryRef<'_>) -> ValueRef<'_> {
    match entry.value_type() {
        ValueType::String => match entry.string() {
            Some(string) => ValueRef::String(string),
            None => unreachable!("an entry of the string type has a string"),
        },
        ValueType::List => ValueRef::List(collection_ref::<List>(entry)),
        ValueType::Set => ValueRef::Set(collection_ref::<Set>(entry)),
        ValueType::Hash => ValueRef::Hash(collection_ref::<Hash>(entry)),
        ValueType::SortedSet => ValueRef::SortedSet(collection_ref::<SortedSet>(entry)),
        ValueType::Stream => ValueRef::Stream(collection_ref::<Stream>(entry)),
    }
}

/// A copy of the entry's value, in the form that it has there.
pub(crate) fn to_value(entry: EntryRef<'_>) -> Value {
    match entry.value_type() {
        ValueType::String => match entry.string() {
            Some(StringRef::Integer(n)) => Value::Integer(n),
            Some(StringRef::Bytes { bytes, raw: true }) => Value::RawString(bytes.to_vec()),
            Some(StringRef::Bytes { bytes, raw: false }) => Value::String(bytes.to_vec()),
            None => unreachable!("an entry of the string type has a string"),
        },
        ValueType::List => Value::List(to_collection(entry)),
        ValueType::Set => Value::Set(to_collection(entry)),
        ValueType::Hash => Value::Hash(to_collection(entry)),
        ValueType::SortedSet => Value::SortedSet(to_collection(entry)),
        ValueType::Stream => Value::Stream(to_collection(entry)),
    }
}

fn to_collection<T: Collection + Clone>(entry: EntryRef<'_>) -> T {
    if entry.kind() == T::BOXED_KIND {
        // SAFETY: an entry of the boxed kind owns a box of the type.
        unsafe { entry.boxed_address().cast::<T>().as_ref() }.clone()
    } else {
        T::from_packed(entry.kind(), entry.embedded_bytes().to_vec())
    }
}

macro_rules! packed_or_boxed {
    ($type:ident, $reference:ident, $value_type:ident, $packed:ident, $boxed:ident) => {
        impl Collection for $type {
            type Ref<'a> = $reference<'a>;
            const TYPE: ValueType = ValueType::$value_type;
            const BOXED_KIND: Kind = Kind::$boxed;

            fn empty() -> Self {
                $type::new()
            }
            fn packed(&self) -> Option<(Kind, &[u8])> {
                match self {
                    $type::Packed(bytes) => Some((Kind::$packed, bytes)),
                    _ => None,
                }
            }
            fn from_packed(_: Kind, bytes: Vec<u8>) -> Self {
                $type::Packed(bytes)
            }
            fn ref_from_packed(_: Kind, bytes: &[u8]) -> $reference<'_> {
                $reference::Packed(bytes)
            }
            fn as_ref(&self) -> $reference<'_> {
                $type::as_ref(self)
            }
            fn count(reference: $reference<'_>) -> usize {
                reference.len()
            }
            fn is_empty(&self) -> bool {
                $type::as_ref(self).is_empty()
            }
        }
    };
}

packed_or_boxed!(List, ListRef, List, PackedList, BoxedList);
packed_or_boxed!(
    SortedSet,
    SortedSetRef,
    SortedSet,
    PackedSortedSet,
    BoxedSortedSet
);

impl Collection for Hash {
    type Ref<'a> = HashRef<'a>;
    const TYPE: ValueType = ValueType::Hash;
    const BOXED_KIND: Kind = Kind::BoxedHash;

    fn empty() -> Self {
        Hash::new()
    }
    fn packed(&self) -> Option<(Kind, &[u8])> {
        match self {
            Hash::Packed(bytes) => Some((Kind::PackedHash, bytes)),
            Hash::PackedExpiring(bytes) => Some((Kind::PackedExpiringHash, bytes)),
            Hash::Table(_) | Hash::TableExpiring(_) => None,
        }
    }
    fn from_packed(kind: Kind, bytes: Vec<u8>) -> Self {
        match kind {
            Kind::PackedExpiringHash => Hash::PackedExpiring(bytes),
            _ => Hash::Packed(bytes),
        }
    }
    fn ref_from_packed(kind: Kind, bytes: &[u8]) -> HashRef<'_> {
        match kind {
            Kind::PackedExpiringHash => HashRef::Expiring(ExpiringRef::packed(bytes)),
            _ => HashRef::Packed(bytes),
        }
    }
    fn as_ref(&self) -> HashRef<'_> {
        Hash::as_ref(self)
    }
    fn count(reference: HashRef<'_>) -> usize {
        reference.len()
    }
    fn is_empty(&self) -> bool {
        Hash::as_ref(self).is_empty()
    }
    fn has_expiring_elements(reference: HashRef<'_>) -> bool {
        reference.has_expiries()
    }
}

impl Collection for Set {
    type Ref<'a> = SetRef<'a>;
    const TYPE: ValueType = ValueType::Set;
    const BOXED_KIND: Kind = Kind::BoxedSet;

    fn empty() -> Self {
        Set::new()
    }
    fn packed(&self) -> Option<(Kind, &[u8])> {
        match self {
            Set::Packed(bytes) => Some((Kind::PackedSet, bytes)),
            Set::Intset(bytes) => Some((Kind::PackedIntset, bytes)),
            Set::Table(_) => None,
        }
    }
    fn from_packed(kind: Kind, bytes: Vec<u8>) -> Self {
        match kind {
            Kind::PackedIntset => Set::Intset(bytes),
            _ => Set::Packed(bytes),
        }
    }
    fn ref_from_packed(kind: Kind, bytes: &[u8]) -> SetRef<'_> {
        match kind {
            Kind::PackedIntset => SetRef::Intset(bytes),
            _ => SetRef::Packed(bytes),
        }
    }
    fn as_ref(&self) -> SetRef<'_> {
        Set::as_ref(self)
    }
    fn count(reference: SetRef<'_>) -> usize {
        reference.len()
    }
    fn is_empty(&self) -> bool {
        Set::as_ref(self).is_empty()
    }
}

/// A stream is never packed: it has too much to remember even without entries. And it stays when it
/// is empty.
impl Collection for Stream {
    type Ref<'a> = &'a Stream;
    const TYPE: ValueType = ValueType::Stream;
    const BOXED_KIND: Kind = Kind::BoxedStream;

    fn empty() -> Self {
        Stream::new()
    }
    fn packed(&self) -> Option<(Kind, &[u8])> {
        None
    }
    fn from_packed(_: Kind, _: Vec<u8>) -> Self {
        unreachable!("no entry holds a packed stream")
    }
    fn ref_from_packed(_: Kind, _: &[u8]) -> &Stream {
        unreachable!("no entry holds a packed stream")
    }
    fn as_ref(&self) -> &Stream {
        self
    }
    /// What it is made of, as freeing it takes so long.
    fn count(stream: &Stream) -> usize {
        let pending = stream.groups().map(|(_, group)| group.pending_len());
        stream.block_count() + pending.sum::<usize>()
    }
    fn is_empty(&self) -> bool {
        false
    }
}

/// Drops the box at `address`.
///
/// # Safety
///
/// `address` came from a box of the type that `kind` names, and is not used afterwards.
pub(super) unsafe fn drop_boxed(kind: Kind, address: NonNull<u8>) {
    // SAFETY: promised by the caller.
    unsafe {
        match kind {
            Kind::RawString => drop(Box::from_raw(address.cast::<Vec<u8>>().as_ptr())),
            Kind::BoxedList => drop(Box::from_raw(address.cast::<List>().as_ptr())),
            Kind::BoxedSet => drop(Box::from_raw(address.cast::<Set>().as_ptr())),
            Kind::BoxedHash => drop(Box::from_raw(address.cast::<Hash>().as_ptr())),
            Kind::BoxedSortedSet => drop(Box::from_raw(address.cast::<SortedSet>().as_ptr())),
            Kind::BoxedStream => drop(Box::from_raw(address.cast::<Stream>().as_ptr())),
            _ => debug_assert!(false, "an embedded value is not boxed"),
        }
    }
}

/// The layout of the box of a value of this boxed kind.
pub(super) fn boxed_layout(kind: Kind) -> Layout {
    match kind {
        Kind::BoxedList => Layout::new::<List>(),
        Kind::BoxedSet => Layout::new::<Set>(),
        Kind::BoxedHash => Layout::new::<Hash>(),
        Kind::BoxedSortedSet => Layout::new::<SortedSet>(),
        Kind::BoxedStream => Layout::new::<Stream>(),
        _ => {
            debug_assert!(kind == Kind::RawString, "an embedded value is not boxed");
            Layout::new::<Vec<u8>>()
        }
    }
}

/// Moves some of what the box at `address` owns; answers where to go on, 0 being both the start and the end.
///
/// # Safety
///
/// `address` is that of a box of the type that `kind` names, and nobody else uses it.
pub(super) unsafe fn relocate_boxed(
    kind: Kind,
    address: NonNull<u8>,
    cursor: u128,
    relocator: &mut Relocator<'_>,
) -> u128 {
    // Only a stream is walked by its IDs, which take more.
    let short = cursor as u64;
    // SAFETY: promised by the caller.
    unsafe {
        let next = match kind {
            Kind::RawString => {
                relocator.vec(address.cast::<Vec<u8>>().as_mut());
                0
            }
            Kind::BoxedList => address.cast::<List>().as_mut().relocate(short, relocator),
            Kind::BoxedSet => address.cast::<Set>().as_mut().relocate(short, relocator),
            Kind::BoxedHash => address.cast::<Hash>().as_mut().relocate(short, relocator),
            Kind::BoxedSortedSet => {
                let sorted_set = address.cast::<SortedSet>().as_mut();
                sorted_set.relocate(short, relocator)
            }
            Kind::BoxedStream => {
                let stream = address.cast::<Stream>().as_mut();
                return stream.relocate(cursor, relocator);
            }
            _ => 0,
        };
        u128::from(next)
    }
}
