//! The allocator of the binary, and what it tells of itself: jemalloc, where it can be built.
//!
//! Unsafe because jemalloc's controls are C: they are called where its crate has no function.

use oxidis_server::Allocator;

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
        statistics: jemalloc::statistics,
    }
}

/// What is known of the system's allocator: nothing.
#[cfg(target_env = "msvc")]
pub fn allocator() -> Allocator {
    Allocator::UNKNOWN
}

#[cfg(not(target_env = "msvc"))]
mod jemalloc {
    use std::ffi::CString;

    use tikv_jemalloc_ctl::{background_thread, stats_print, thread};

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
            reason => Err(std::io::Error::from_raw_os_error(reason).to_string()),
        }
    }

    /// Reads a number of any width up to eight bytes.
    pub(super) fn control(name: &[u8]) -> Result<u64, String> {
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
        Err(std::io::Error::from_raw_os_error(reason).to_string())
    }

    /// jemalloc's own report.
    pub(super) fn statistics() -> Option<String> {
        let mut report = Vec::new();
        stats_print::stats_print(&mut report, stats_print::Options::default()).ok()?;
        Some(String::from_utf8_lossy(&report).into_owned())
    }
}
