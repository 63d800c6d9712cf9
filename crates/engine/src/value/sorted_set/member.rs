//! The heap block of one member of a big sorted set, and the two pointers to it.
//!
//! A block holds everything that is known of a member: `[score: f64, native order][length][bytes]`, where the
//! length is one byte up to 254, or the byte 255 and a `u64`. The table owns the block through [`Member`]; the
//! tree refers to it through [`Handle`], the same address in six bytes. What orders the blocks lives in `tree`,
//! what finds them by name in `crate::table`.
//!
//! This module is unsafe because a block of variable size behind a thin pointer cannot be said in safe Rust, and
//! a fat pointer or a second allocation would cost 8 to 24 bytes a member. Addresses are kept in 48 bits, which is
//! what user space has on every 64-bit platform that is supported; `Handle::new` checks it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cmp::Ordering;
use std::ptr::{self, NonNull};

use crate::table::Element;

const LENGTH_OFFSET: usize = size_of::<f64>();
const SHORT_OFFSET: usize = LENGTH_OFFSET + 1;
const LONG_OFFSET: usize = SHORT_OFFSET + size_of::<u64>();
/// In the length byte: the length stands in the eight bytes that follow.
const LONG: u8 = 255;

/// The owner of one block.
pub(super) struct Member {
    raw: NonNull<u8>,
}

// SAFETY: a `Member` is the only owner of plain bytes; nothing in the block belongs to a thread.
unsafe impl Send for Member {}
// SAFETY: through a shared `Member` or `Handle` a block can only be read; `Handle::set_score` asks for exclusion.
unsafe impl Sync for Member {}

impl Member {
    pub(super) fn new(score: f64, bytes: &[u8]) -> Member {
        let layout = layout(bytes.len());
        // SAFETY: the layout has at least the nine bytes of the score and the length, so it is not empty.
        let raw = unsafe { alloc(layout) };
        let Some(raw) = NonNull::new(raw) else {
            handle_alloc_error(layout)
        };
        // SAFETY: `layout` has room for the score, the length in the form chosen here by the same test, and the
        // bytes; the block is new, so it overlaps nothing; unaligned writes need no alignment.
        unsafe {
            raw.cast::<f64>().write(score);
            let data = if bytes.len() < LONG as usize {
                raw.add(LENGTH_OFFSET).write(bytes.len() as u8);
                raw.add(SHORT_OFFSET)
            } else {
                raw.add(LENGTH_OFFSET).write(LONG);
                raw.add(SHORT_OFFSET)
                    .cast::<u64>()
                    .write_unaligned(bytes.len() as u64);
                raw.add(LONG_OFFSET)
            };
            ptr::copy_nonoverlapping(bytes.as_ptr(), data.as_ptr(), bytes.len());
        }
        Member { raw }
    }

    /// The tree's reference to this block.
    ///
    /// # Safety
    /// The handle and its copies must not be read after the block is freed.
    pub(super) unsafe fn handle(&self) -> Handle {
        // SAFETY: passed on to the caller.
        unsafe { Handle::new(self.raw) }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // SAFETY: `raw` was allocated by `new` with the layout of its length, which never changes, and is freed
        // only here by its only owner.
        unsafe {
            let length = parts(self.raw).1;
            dealloc(self.raw.as_ptr(), layout(length));
        }
    }
}

// SAFETY: `into_raw` gives up ownership of the block and `from_raw` takes it back; the key lies in the block and is
// never changed while the block lives.
unsafe impl Element for Member {
    fn into_raw(self) -> NonNull<u8> {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Member { raw }
    }

    unsafe fn key<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: the caller vouches for a live block; its data follow its length as `new` wrote them.
        unsafe {
            let (data, length) = parts(raw);
            std::slice::from_raw_parts(data.as_ptr(), length)
        }
    }
}

/// The address of a live block in six bytes, as the tree keeps it.
///
/// That the block is alive is promised once, to [`Handle::new`]; reading is safe from then on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle([u8; 6]);

impl Handle {
    /// A handle of nothing, which fills unused places and is never read.
    pub(super) const NONE: Handle = Handle([0; 6]);

    /// # Safety
    /// `raw` must come from [`Member::into_raw`](Element::into_raw) and the handle and its copies must not be read
    /// after the block is freed.
    pub(super) unsafe fn new(raw: NonNull<u8>) -> Handle {
        let address = raw.as_ptr().expose_provenance() as u64;
        assert!(address >> 48 == 0, "heap addresses have 48 bits");
        let [a, b, c, d, e, f, ..] = address.to_le_bytes();
        Handle([a, b, c, d, e, f])
    }

    pub(super) fn score(&self) -> f64 {
        // SAFETY: the block is alive (promised to `new`) and starts with its score.
        unsafe { self.raw().cast::<f64>().read() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the block is alive (promised to `new`).
        unsafe { Member::key(self.raw()) }
    }

    /// Bytes of the block as asked from the allocator.
    pub(super) fn block_size(&self) -> usize {
        layout(self.bytes().len()).size()
    }

    /// # Safety
    /// Nobody else may read or write the score of this block meanwhile.
    pub(super) unsafe fn set_score(self, score: f64) {
        // SAFETY: the block is alive (promised to `new`), starts with its score, and the caller excludes others.
        unsafe { self.raw().cast::<f64>().write(score) }
    }

    fn raw(self) -> NonNull<u8> {
        let [a, b, c, d, e, f] = self.0;
        let address = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) as usize;
        debug_assert_ne!(address, 0, "Handle::NONE is never read");
        // SAFETY: every handle but `NONE` was made from a `NonNull`, and `NONE` is never read.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) }
    }
}

/// A place in the order of a sorted set: by score, members of one score by their bytes.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) score: f64,
    pub(super) bytes: &'a [u8],
}

impl Place<'_> {
    /// How the block under `handle`, whose score is known to be `score`, compares to this place. The block itself
    /// is read for members of an equal score only.
    pub(super) fn compare(&self, score: f64, handle: &Handle) -> Ordering {
        if score < self.score {
            Ordering::Less
        } else if score > self.score {
            Ordering::Greater
        } else {
            handle.bytes().cmp(self.bytes)
        }
    }
}

fn layout(length: usize) -> Layout {
    let header = if length < LONG as usize {
        SHORT_OFFSET
    } else {
        LONG_OFFSET
    };
    Layout::from_size_align(header + length, align_of::<f64>())
        .expect("a slice of this length exists, and seventeen bytes more stay below isize::MAX")
}

/// Where a block's bytes are, and how many.
///
/// # Safety
/// `raw` must point to a live block.
unsafe fn parts(raw: NonNull<u8>) -> (NonNull<u8>, usize) {
    // SAFETY: the block is alive, and `new` wrote the length in this form.
    unsafe {
        let short = raw.add(LENGTH_OFFSET).read();
        if short < LONG {
            (raw.add(SHORT_OFFSET), short as usize)
        } else {
            let length = raw.add(SHORT_OFFSET).cast::<u64>().read_unaligned();
            (raw.add(LONG_OFFSET), length as usize)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_score_and_bytes_in_both_forms_of_length() {
        for length in [0, 1, 16, 253, 254, 255, 256, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let member = Member::new(-1.5, &bytes);
            // SAFETY: the handle is read only while `member` lives.
            let handle = unsafe { member.handle() };
            assert_eq!(handle.score(), -1.5);
            assert_eq!(handle.bytes(), bytes);
            // SAFETY: this thread alone has the block.
            unsafe { handle.set_score(f64::INFINITY) };
            assert_eq!(handle.score(), f64::INFINITY);
            assert_eq!(handle.bytes(), bytes);
            // SAFETY: the raw pointer was given up just before.
            let back = unsafe { Member::from_raw(member.into_raw()) };
            drop(back);
        }
    }
}
