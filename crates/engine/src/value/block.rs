//! Heap blocks that hold packed items and know their own length: what the tables of big hashes and
//! big sets point to.
//!
//! This module is unsafe because a table keeps thin pointers: how long a block is stands in the
//! block, and so must be read before there is a slice.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

use super::packed;

/// Allocates a block of the bytes of all `parts`, which together must not be empty.
pub(super) fn allocate(parts: &[&[u8]]) -> NonNull<u8> {
    let layout = layout(parts.iter().map(|part| part.len()).sum());
    // SAFETY: the length is not zero, as `layout` asserts.
    let raw = unsafe { alloc(layout) };
    let raw = NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(layout));
    // SAFETY: the block has room for all parts, and nobody else has it.
    unsafe { write(raw, parts) };
    raw
}

/// Writes all `parts`, one after another, from `at` on.
///
/// # Safety
///
/// The block has room for them behind `at`, and nothing borrows what is written over.
pub(super) unsafe fn write(mut at: NonNull<u8>, parts: &[&[u8]]) {
    for part in parts {
        // SAFETY: promised by the caller.
        unsafe {
            at.copy_from_nonoverlapping(NonNull::from(*part).cast(), part.len());
            at = at.add(part.len());
        }
    }
}

/// Makes a block longer or shorter, perhaps moving it. New bytes have no value yet.
///
/// # Safety
///
/// `raw` is a block of `old_len` bytes that [`allocate`] or `resize` gave, nothing borrows it, and
/// `new_len` is not zero. Only the block answered may be used afterwards.
pub(super) unsafe fn resize(raw: NonNull<u8>, old_len: usize, new_len: usize) -> NonNull<u8> {
    let new_layout = layout(new_len);
    // SAFETY: promised by the caller; `layout` has asserted that the new length is one.
    let resized = unsafe { realloc(raw.as_ptr(), layout(old_len), new_len) };
    NonNull::new(resized).unwrap_or_else(|| handle_alloc_error(new_layout))
}

/// Frees a block.
///
/// # Safety
///
/// `raw` is a block of `len` bytes that [`allocate`] or [`resize`] gave, and nothing borrows it.
pub(super) unsafe fn free(raw: NonNull<u8>, len: usize) {
    // SAFETY: promised by the caller.
    unsafe { dealloc(raw.as_ptr(), layout(len)) }
}

/// The bytes of the packed item at `at`.
///
/// # Safety
///
/// A whole packed item begins at `at`, and it does not change during `'a`.
#[inline]
pub(super) unsafe fn item_bytes<'a>(at: NonNull<u8>) -> &'a [u8] {
    // SAFETY: an item has a header, and behind it the length that the header announces.
    let prefix = unsafe {
        let prefix_len = packed::length_prefix_len(at.read());
        NonNull::slice_from_raw_parts(at, prefix_len).as_ref()
    };
    let len = packed::skip(prefix, 0);
    // SAFETY: the item is whole.
    unsafe { NonNull::slice_from_raw_parts(at, len).as_ref() }
}

/// The bytes of the string whose packed item is at `at`.
///
/// # Safety
///
/// As [`item_bytes`], and the item is a string.
#[inline]
pub(super) unsafe fn string<'a>(at: NonNull<u8>) -> &'a [u8] {
    // SAFETY: promised by the caller.
    let item = unsafe { item_bytes(at) };
    &item[packed::length_prefix_len(item[0])..]
}

/// What a block of `len` bytes is likely to take of the heap, in bytes: allocators round up to eight
/// at least.
pub(super) fn heap_size(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// With which layout a block of `len` bytes is allocated.
pub(super) fn layout(len: usize) -> Layout {
    assert!(len > 0, "a block holds at least one item");
    Layout::array::<u8>(len).expect("a block holds what was in memory before")
}
