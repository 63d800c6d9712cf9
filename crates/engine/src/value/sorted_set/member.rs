//! The heap block of one member of a big sorted set, and the two pointers to it.
//!
//! A block holds all that is known of a member. The table owns it through [`Member`]; the tree refers to it through
//! [`Handle`], the same address in six bytes. What orders the blocks lives in `tree`, what finds them by name in
//! `crate::table`.
//!
//! # The block
//!
//! ```text
//! header (1) | length (8, of long members only) | bytes of the member | free | score (8, little-endian)
//! ```
//!
//! Blocks have a multiple of eight bytes, because allocators give out no less, and the score is the last aligned
//! word. Most scores that people use (small integers, halves, milliseconds of an epoch) have zeros in the low bytes of
//! their `f64`. If as many of them are zero as it takes, the block is *narrow*: eight bytes shorter, with
//! the end of the member lying where the zeros are. A member of 16 bytes with an integer score then takes 24 bytes
//! instead of 32. A narrow block can take any other score with such zeros; for the rest there is a new block.
//!
//! This module is unsafe because a block of variable size behind a thin pointer cannot be said in safe Rust, and
//! a fat pointer or a second allocation would cost 8 to 24 bytes a member. Addresses are kept in 48 bits, which is
//! what user space has on every 64-bit platform that is supported; `Handle::new` checks it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cmp::Ordering;
use std::ptr::{self, NonNull};

use crate::table::Element;

/// Bytes of the word that holds the score; blocks are aligned to it and have a multiple of it.
const WORD: usize = size_of::<u64>();
/// In the header: the block is narrow.
const NARROW: u8 = 0x80;
/// In the header, in place of the length: the length stands in the next eight bytes.
const LONG: u8 = 0x7f;

/// Everything about a block that follows from its header and length.
#[derive(Clone, Copy)]
struct Shape {
    /// Where the member's bytes begin.
    start: usize,
    /// How many they are.
    length: usize,
    /// Bytes of the whole block.
    size: usize,
    /// The bits of the last word that belong to the score.
    score_mask: u64,
}

impl Shape {
    fn wide(length: usize) -> Shape {
        let start = if length < LONG as usize { 1 } else { 1 + WORD };
        Shape {
            start,
            length,
            size: (start + length + WORD).next_multiple_of(WORD),
            score_mask: u64::MAX,
        }
    }

    fn narrow(length: usize) -> Shape {
        let wide = Shape::wide(length);
        let size = wide.size - WORD;
        // What the member takes of the last word, from its low end: 1 to 8 bytes, counting the header.
        let shared = wide.start + length + WORD - size;
        Shape {
            size,
            score_mask: u64::MAX.checked_shl(8 * shared as u32).unwrap_or(0),
            ..wide
        }
    }

    /// The smallest block that can hold this score.
    fn of(length: usize, score: f64) -> Shape {
        let narrow = Shape::narrow(length);
        if length < LONG as usize && narrow.holds(score) {
            narrow
        } else {
            Shape::wide(length)
        }
    }

    fn holds(&self, score: f64) -> bool {
        score.to_bits() & !self.score_mask == 0
    }

    fn layout(&self) -> Layout {
        Layout::from_size_align(self.size, WORD)
            .expect("a slice of this length exists, and three words more stay below isize::MAX")
    }

    /// # Safety
    /// `raw` must point to a live block.
    #[inline]
    unsafe fn read(raw: NonNull<u8>) -> Shape {
        // SAFETY: the block is alive, and `Member::new` wrote its header, and its length after it if long.
        unsafe {
            let header = raw.read();
            if header & NARROW != 0 {
                Shape::narrow((header & !NARROW) as usize)
            } else if header < LONG {
                Shape::wide(header as usize)
            } else {
                Shape::wide(raw.add(1).cast::<u64>().read_unaligned() as usize)
            }
        }
    }

    /// The word that holds the score.
    ///
    /// # Safety
    /// `raw` must point to a live block of this shape.
    #[inline]
    unsafe fn word(&self, raw: NonNull<u8>) -> NonNull<u64> {
        // SAFETY: the block has `size` bytes, at least one word, and is aligned to a word.
        unsafe { raw.add(self.size - WORD).cast::<u64>() }
    }
}

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
        let shape = Shape::of(bytes.len(), score);
        let layout = shape.layout();
        // SAFETY: a block has at least one word, so it is not empty.
        let raw = unsafe { alloc(layout) };
        let Some(raw) = NonNull::new(raw) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the block is new, so it overlaps nothing, and its shape has room for each part. The score comes
        // first, since the member may take the zeros at its low end.
        unsafe {
            shape.word(raw).write(score.to_bits().to_le());
            if shape.start == 1 {
                let narrow = if shape.score_mask == u64::MAX {
                    0
                } else {
                    NARROW
                };
                raw.write(bytes.len() as u8 | narrow);
            } else {
                raw.write(LONG);
                raw.add(1).cast::<u64>().write_unaligned(bytes.len() as u64);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), raw.add(shape.start).as_ptr(), bytes.len());
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
        // SAFETY: `raw` was allocated by `new` with the layout of its shape, which never changes, and is freed
        // only here by its only owner.
        unsafe {
            let layout = Shape::read(self.raw).layout();
            dealloc(self.raw.as_ptr(), layout);
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
        // SAFETY: the caller vouches for a live block; its bytes are where `new` wrote them.
        unsafe {
            let shape = Shape::read(raw);
            std::slice::from_raw_parts(raw.add(shape.start).as_ptr(), shape.length)
        }
    }

    unsafe fn layout(raw: NonNull<u8>) -> Layout {
        // SAFETY: the caller vouches for a live block.
        unsafe { Shape::read(raw) }.layout()
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

    #[inline]
    pub(super) fn score(&self) -> f64 {
        let raw = self.raw();
        // SAFETY: the block is alive (promised to `new`), and this is its shape.
        unsafe {
            let shape = Shape::read(raw);
            let word = u64::from_le(shape.word(raw).read());
            f64::from_bits(word & shape.score_mask)
        }
    }

    /// Whether the block can hold another score.
    pub(super) fn can_hold(&self, score: f64) -> bool {
        // SAFETY: the block is alive (promised to `new`).
        unsafe { Shape::read(self.raw()) }.holds(score)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the block is alive (promised to `new`).
        unsafe { Member::key(self.raw()) }
    }

    /// Bytes of the block.
    pub(super) fn block_size(&self) -> usize {
        // SAFETY: the block is alive (promised to `new`).
        unsafe { Shape::read(self.raw()) }.size
    }

    /// # Safety
    /// [`Self::can_hold`] this score, and nobody else reads or writes the block's score meanwhile.
    pub(super) unsafe fn set_score(self, score: f64) {
        let raw = self.raw();
        // SAFETY: the block is alive (promised to `new`), this is its shape, and the caller excludes others. What
        // the member has of the last word is not written, so that its bytes may be borrowed.
        unsafe {
            let shape = Shape::read(raw);
            debug_assert!(shape.holds(score));
            let shared = shape.score_mask.trailing_zeros() as usize / 8;
            let own = &score.to_le_bytes()[shared..];
            let word = shape.word(raw).cast::<u8>();
            ptr::copy_nonoverlapping(own.as_ptr(), word.add(shared).as_ptr(), own.len());
        }
    }

    /// Where the block is.
    pub(super) fn raw(self) -> NonNull<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 12] = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        1000.0,
        1e9,
        1_763_693_000_123.0,
        0.1,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];

    #[test]
    fn a_block_keeps_its_score_and_bytes_in_every_shape() {
        for length in (0..40).chain([126, 127, 128, 255, 256, 70_000]) {
            let bytes: Vec<u8> = (0..length).map(|i| !(i as u8)).collect();
            for score in SCORES {
                let member = Member::new(score, &bytes);
                // SAFETY: the handle is read only while its block lives.
                let handle = unsafe { member.handle() };
                assert_eq!(handle.score().to_bits(), score.to_bits());
                assert_eq!(handle.bytes(), bytes);
                for other in SCORES.into_iter().filter(|&other| handle.can_hold(other)) {
                    // SAFETY: this thread alone has the block, and it can hold the score.
                    unsafe { handle.set_score(other) };
                    assert_eq!(handle.score().to_bits(), other.to_bits());
                    assert_eq!(handle.bytes(), bytes);
                }
                // SAFETY: the raw pointer was given up just before.
                drop(unsafe { Member::from_raw(member.into_raw()) });
            }
        }
    }

    #[test]
    fn a_score_with_zeros_at_its_end_makes_the_block_narrow() {
        let size = |score, length| {
            let member = Member::new(score, &vec![b'x'; length]);
            // SAFETY: the handle is read only while its block lives.
            unsafe { member.handle() }.block_size()
        };
        assert_eq!(size(12345.0, 16), 24);
        assert_eq!(size(0.1, 16), 32);
        // Of 1.0 two bytes are not zero, of 0.0 none.
        assert_eq!(size(1.0, 21), 24);
        assert_eq!(size(1.0, 22), 32);
        assert_eq!(size(0.0, 23), 24);
        assert_eq!(size(0.0, 24), 32);
        assert_eq!(size(0.0, 0), 8);
        assert_eq!(size(0.1, 0), 16);
    }
}
