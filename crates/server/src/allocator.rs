//! The allocator of the binary, and what it tells of itself: jemalloc, where it can be built.
//!
//! Unsafe because jemalloc's controls are C: they are called where its crate has no function; and because what is
//! passed on to its crate is passed on under the same promises.

use oxidis_server::Allocator;

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: jemalloc::Padded = jemalloc::Padded;

/// What is known of the allocator.
#[cfg(not(target_env = "msvc"))]
pub fn allocator() -> Allocator {
    use tikv_jemalloc_ctl::{epoch, stats};
    Allocator {
        name: "jemalloc",
        allocated_bytes: || {
            // The numbers are those of the last epoch; without a new one they are merely old.
            let _ = epoch::advance();
            stats::allocated::read().map_or(0, |bytes| bytes as u64)
        },
        active_bytes: || stats::active::read().ok().map(|bytes| bytes as u64),
        resident_bytes: || stats::resident::read().ok().map(|bytes| bytes as u64),
        thread_balance: Some(jemalloc::thread_balance),
        purge: jemalloc::purge,
        flush_thread_cache: jemalloc::flush_thread_cache,
        purge_in_background: jemalloc::purge_in_background,
        control: jemalloc::control,
        command: jemalloc::command,
        mover: Some(crate::slabs::MOVER),
        statistics: jemalloc::statistics,
    }
}

/// What is known of the system's allocator: nothing.
#[cfg(target_env = "msvc")]
pub fn allocator() -> Allocator {
    Allocator::UNKNOWN
}

#[cfg(not(target_env = "msvc"))]
pub(crate) mod jemalloc {
    use std::alloc::{GlobalAlloc, Layout};
    use std::ffi::CString;

    use tikv_jemalloc_ctl::{background_thread, stats_print, thread};
    use tikv_jemallocator::Jemalloc;

    /// jemalloc, asked for whole multiples of the alignment.
    ///
    /// Its crate supposes that whatever is at least 16 bytes long is aligned to 16, as it is by default. Since we
    /// have it make blocks of all multiples of eight bytes (`.cargo/config.toml`), that holds only for sizes
    /// that are multiples of 16. Small hash tables of the standard library ask for others, and would be read
    /// by instructions that fault.
    pub(super) struct Padded;

    // SAFETY: each call is passed on with the same promises; a block has the same padded size whenever it is spoken
    // of, as that follows from the size and the alignment that the caller must repeat.
    unsafe impl GlobalAlloc for Padded {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as above.
            unsafe { Jemalloc.alloc(layout.pad_to_align()) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as above.
            unsafe { Jemalloc.alloc_zeroed(layout.pad_to_align()) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: as above.
            unsafe { Jemalloc.dealloc(block, layout.pad_to_align()) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            // SAFETY: as above; the caller promises that the new size can be rounded up to the alignment.
            unsafe {
                let new = Layout::from_size_align_unchecked(new_size, layout.align());
                Jemalloc.realloc(block, layout.pad_to_align(), new.pad_to_align().size())
            }
        }
    }

    /// What this thread has ever allocated less what it has ever freed, in bytes.
    pub(super) fn thread_balance() -> i64 {
        type Counter = thread::ThreadLocal<u64>;
        thread_local! {
            /// Where jemalloc counts for this thread; asked for once, since asking takes longer
            /// than reading.
            static COUNTERS: Option<(Counter, Counter)> = {
                let allocated = thread::allocatedp::read().ok();
                allocated.zip(thread::deallocatedp::read().ok())
            };
        }
        COUNTERS
            .try_with(|counters| {
                counters.map_or(0, |(allocated, freed)| {
                    allocated.get().wrapping_sub(freed.get()) as i64
                })
            })
            .unwrap_or(0)
    }

    /// Gives every page that holds nothing back to the system.
    pub(super) fn purge() {
        // 4096 stands for all arenas (MALLCTL_ARENAS_ALL in jemalloc's header). Without that
        // control nothing is given back.
        let _ = command(b"arena.4096.purge");
    }

    /// Gives back what this thread has freed and would use again first.
    pub(super) fn flush_thread_cache() {
        // Without the control, or without a cache, there is nothing to give back.
        let _ = command(b"thread.tcache.flush");
    }

    /// Starts jemalloc's own threads, or ends them. Without them it gives pages back only when somebody allocates or
    /// frees: a server that has nothing more to do would keep them.
    pub(super) fn purge_in_background(is_on: bool) {
        // Where jemalloc has no such threads it goes on as it is.
        let _ = background_thread::write(is_on);
    }

    /// The system's word for what jemalloc answers.
    fn reason_of(number: i32) -> String {
        oxidis_persist::storage::reason_of(&std::io::Error::from_raw_os_error(number))
    }

    /// Calls a control that takes and gives no value.
    pub(super) fn command(name: &[u8]) -> Result<(), String> {
        let name = CString::new(name).map_err(|error| error.to_string())?;
        let (nothing, no_length) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the name ends with a zero byte; no value is asked for or given, and jemalloc
        // refuses that where a control needs one.
        let reason =
            unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr(), nothing, no_length, nothing, 0) };
        match reason {
            0 => Ok(()),
            reason => Err(reason_of(reason)),
        }
    }

    /// Reads a number of any width up to eight bytes.
    pub(crate) fn control(name: &[u8]) -> Result<u64, String> {
        let name = CString::new(name).map_err(|error| error.to_string())?;
        let mut reason = 0;
        for width in [8_usize, 4, 2, 1] {
            let mut value = [0_u8; 8];
            let mut len = width;
            // SAFETY: the name ends with a zero byte; jemalloc writes no more than `len` bytes, of
            // which there is room for eight, and no value is given to it.
            reason = unsafe {
                tikv_jemalloc_sys::mallctl(
                    name.as_ptr(),
                    value.as_mut_ptr().cast(),
                    &mut len,
                    std::ptr::null_mut(),
                    0,
                )
            };
            if reason == 0 {
                return Ok(u64::from_le_bytes(value));
            }
        }
        Err(reason_of(reason))
    }

    /// jemalloc's own report.
    pub(super) fn statistics() -> Option<String> {
        let mut report = Vec::new();
        stats_print::stats_print(&mut report, stats_print::Options::default()).ok()?;
        Some(String::from_utf8_lossy(&report).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};

    #[test]
    fn blocks_are_aligned_as_asked_for() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            let mut blocks = Vec::new();
            for size in 1..200 {
                let layout = Layout::from_size_align(size, align).unwrap();
                let longer = Layout::from_size_align(size + 20, align).unwrap();
                // SAFETY: the layouts have a size, and each block is given back with its own below.
                unsafe {
                    blocks.push((alloc(layout), layout));
                    blocks.push((alloc_zeroed(layout), layout));
                    blocks.push((realloc(alloc(layout), layout, size + 20), longer));
                    blocks.push((realloc(alloc(longer), longer, size), layout));
                }
            }
            for &(block, layout) in &blocks {
                assert_eq!(block.addr() % align, 0, "{layout:?}");
            }
            for (block, layout) in blocks {
                // SAFETY: allocated above with this layout.
                unsafe { dealloc(block, layout) };
            }
        }
    }
}
