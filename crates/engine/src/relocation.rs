//! Moving blocks of the heap to where the allocator would rather have them: what the structures that own blocks use
//! for it. When and how much is moved stands in `defragmentation`; what is a better place only the allocator knows,
//! which is asked through the host.
//!
//! A block moves as it is: same size, same bytes, another address. So whoever owns it has nothing to do but to name
//! the new address, and nothing that anybody can observe changes.
//!
//! The module is unsafe because ownership of a block is an address, and it is changed here.

use std::alloc::Layout;
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use crate::engine::Host;

/// How much of the memory that the allocator has taken for small blocks lies idle between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fragmentation {
    /// What the program has allocated, in bytes.
    pub allocated_bytes: u64,
    /// What lies idle between small blocks, in bytes.
    pub idle_bytes: u64,
}

impl Fragmentation {
    /// What lies idle, in percent of what is allocated.
    pub(crate) fn percent(self) -> f64 {
        self.idle_bytes as f64 * 100.0 / self.allocated_bytes.max(1) as f64
    }
}

/// Moves blocks, and counts.
pub(crate) struct Relocator<'a> {
    host: &'a dyn Host,
    /// Blocks that were moved.
    pub(crate) moved: u64,
    /// Blocks that were looked at and stayed.
    pub(crate) stayed: u64,
    /// Keys of which something was moved.
    pub(crate) moved_keys: u64,
    /// Keys of which nothing was.
    pub(crate) stayed_keys: u64,
}

impl<'a> Relocator<'a> {
    pub(crate) fn new(host: &'a dyn Host) -> Self {
        Relocator {
            host,
            moved: 0,
            stayed: 0,
            moved_keys: 0,
            stayed_keys: 0,
        }
    }

    /// Counts a key that has been walked through.
    pub(crate) fn count_key(&mut self, is_moved: bool) {
        match is_moved {
            true => self.moved_keys += 1,
            false => self.stayed_keys += 1,
        }
    }

    /// Blocks that were looked at.
    pub(crate) fn seen(&self) -> u64 {
        self.moved + self.stayed
    }

    /// A copy of a block at a better place; `None` if it stays. Whoever gets one gives the old block back with
    /// [`Self::release`] when nothing refers to it any more.
    ///
    /// # Safety
    ///
    /// `block` was allocated with `layout`, and nobody writes to it meanwhile.
    pub(crate) unsafe fn copy(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
    ) -> Option<NonNull<u8>> {
        // SAFETY: promised by the caller.
        let copy = unsafe { self.host.copy_block(block, layout) };
        match copy {
            Some(_) => self.moved += 1,
            None => self.stayed += 1,
        }
        copy
    }

    /// Frees a block that was copied.
    ///
    /// # Safety
    ///
    /// `block` was allocated with `layout`, and nobody uses it any more.
    pub(crate) unsafe fn release(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: promised by the caller.
        unsafe { self.host.free_copied_block(block, layout) };
    }

    /// Where the block is from now on: perhaps where it was.
    ///
    /// # Safety
    ///
    /// `block` was allocated with `layout`, nothing borrows it, and only the address answered is used afterwards.
    pub(crate) unsafe fn block(&mut self, block: NonNull<u8>, layout: Layout) -> NonNull<u8> {
        // SAFETY: promised by the caller.
        unsafe {
            match self.copy(block, layout) {
                Some(copy) => {
                    self.release(block, layout);
                    copy
                }
                None => block,
            }
        }
    }

    /// Moves the block of a vector, spare room and all.
    pub(crate) fn vec<T>(&mut self, vec: &mut Vec<T>) {
        let layout = match Layout::array::<T>(vec.capacity()) {
            Ok(layout) if layout.size() > 0 => layout,
            // There is no block.
            _ => return,
        };
        let mut parts = ManuallyDrop::new(std::mem::take(vec));
        let (len, capacity) = (parts.len(), parts.capacity());
        // SAFETY: a vector with room has a block of that layout, which belongs to nobody while it is in parts; the
        // block answered has the same bytes and the same layout.
        unsafe {
            let block = NonNull::new_unchecked(parts.as_mut_ptr());
            let block = self.block(block.cast(), layout).cast::<T>();
            *vec = Vec::from_raw_parts(block.as_ptr(), len, capacity);
        }
    }

    /// Moves the block of a queue.
    pub(crate) fn deque<T>(&mut self, deque: &mut VecDeque<T>) {
        // Neither way allocates; elements move within the block if its end and its beginning have to change places.
        let mut vec = Vec::from(std::mem::take(deque));
        self.vec(&mut vec);
        *deque = VecDeque::from(vec);
    }

    /// Moves a value that has a block of its own.
    pub(crate) fn boxed<T: Relocatable + ?Sized>(&mut self, value: &mut Box<T>) {
        let layout = Layout::for_value::<T>(value);
        if layout.size() == 0 {
            return;
        }
        // SAFETY: the box is taken out and put back before anybody sees that it is gone, which nothing in between can
        // prevent: neither `block` nor the other two panic. A box has a block of its value's layout.
        unsafe {
            let raw = Box::into_raw(ptr::read(value));
            let block = self.block(NonNull::new_unchecked(raw).cast(), layout);
            ptr::write(value, Box::from_raw(T::at(raw, block)));
        }
    }
}

/// What may stand in a box that is moved.
///
/// # Safety
///
/// `at` answers the address given, with what else belongs to the pointer.
pub(crate) unsafe trait Relocatable {
    /// The same value at another address.
    fn at(raw: *mut Self, block: NonNull<u8>) -> *mut Self;
}

// SAFETY: a pointer to a sized value is nothing but an address.
unsafe impl<T> Relocatable for T {
    fn at(_: *mut T, block: NonNull<u8>) -> *mut T {
        block.cast().as_ptr()
    }
}

// SAFETY: a slice is an address and a length, which stays.
unsafe impl<T> Relocatable for [T] {
    fn at(raw: *mut [T], block: NonNull<u8>) -> *mut [T] {
        ptr::slice_from_raw_parts_mut(block.cast().as_ptr(), raw.len())
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::alloc;

    use super::*;

    /// Moves every block, or none. Whoever looks at the old one afterwards sees that it is freed.
    struct Mover {
        moves: bool,
    }

    impl Host for Mover {
        unsafe fn copy_block(&self, block: NonNull<u8>, layout: Layout) -> Option<NonNull<u8>> {
            if !self.moves {
                return None;
            }
            // SAFETY: the block has a size, and its owner says that it is so long.
            unsafe {
                let copy = NonNull::new(alloc(layout))?;
                copy.copy_from_nonoverlapping(block, layout.size());
                Some(copy)
            }
        }

        unsafe fn free_copied_block(&self, block: NonNull<u8>, layout: Layout) {
            // SAFETY: promised by the caller.
            unsafe {
                block.write_bytes(0xee, layout.size());
                std::alloc::dealloc(block.as_ptr(), layout);
            }
        }
    }

    /// Strings, so that what a moved block owns is read and freed, too.
    fn strings(count: usize) -> Vec<String> {
        let mut strings = Vec::with_capacity(count + 3);
        strings.extend((0..count).map(|number| format!("string {number}")));
        strings
    }

    #[test]
    fn owners_keep_what_they_own_and_can_change_it() {
        for moves in [true, false] {
            let host = Mover { moves };
            let mut relocator = Relocator::new(&host);
            let mut vec = strings(5);
            let (address, capacity) = (vec.as_ptr(), vec.capacity());
            relocator.vec(&mut vec);
            assert_eq!(address == vec.as_ptr(), !moves);
            assert_eq!(vec.capacity(), capacity);
            vec.push("another".to_owned());
            vec.reserve(100);
            assert_eq!(vec[..5], strings(5)[..]);

            let mut slice = strings(5).into_boxed_slice();
            relocator.boxed(&mut slice);
            assert_eq!(slice[..], strings(5)[..]);

            let mut boxed = Box::new(strings(2));
            relocator.boxed(&mut boxed);
            boxed.push("another".to_owned());
            assert_eq!(boxed[..2], strings(2)[..]);

            let (seen, moved) = (relocator.seen(), relocator.moved);
            assert_eq!((seen, moved), (3, if moves { 3 } else { 0 }));
        }
    }

    #[test]
    fn a_queue_keeps_its_order_wherever_it_begins_in_its_block() {
        let host = Mover { moves: true };
        for begin in 0..8 {
            let mut queue = VecDeque::with_capacity(8);
            for _ in 0..begin {
                queue.push_back(String::new());
                queue.pop_front();
            }
            for string in strings(6) {
                queue.push_back(string);
            }
            let capacity = queue.capacity();
            Relocator::new(&host).deque(&mut queue);
            assert_eq!(queue, strings(6));
            assert_eq!(queue.capacity(), capacity);
            queue.push_front("another".to_owned());
            assert_eq!(queue.pop_back().as_deref(), Some("string 5"));
        }
    }

    #[test]
    fn what_has_no_block_is_left_alone() {
        let host = Mover { moves: true };
        let mut relocator = Relocator::new(&host);
        relocator.vec(&mut Vec::<u64>::new());
        relocator.vec(&mut vec![(); 5]);
        relocator.deque(&mut VecDeque::<u64>::new());
        relocator.boxed(&mut Box::new(()));
        relocator.boxed(&mut Vec::<u64>::new().into_boxed_slice());
        assert_eq!(relocator.seen(), 0);
    }
}
