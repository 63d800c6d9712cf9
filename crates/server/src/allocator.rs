//! The allocator of the binary, and what it tells of itself: jemalloc, where it can be built.
//!
//! Unsafe because jemalloc's controls are C: one is called for what its crate has no function for.

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
        statistics: jemalloc::statistics,
    }
}

/// What is known of the system's allocator: nothing.
#[cfg(target_env = "msvc")]
pub fn allocator() -> Allocator {
    Allocator {
        name: "system",
        allocated_bytes: || 0,
        active_bytes: || None,
        resident_bytes: || None,
        thread_balance: None,
        purge: || {},
        statistics: || None,
    }
}

#[cfg(not(target_env = "msvc"))]
mod jemalloc {
    use tikv_jemalloc_ctl::{stats_print, thread};

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
        // 4096 stands for all arenas (MALLCTL_ARENAS_ALL in jemalloc's header).
        let name = c"arena.4096.purge";
        // SAFETY: the name ends with a zero byte, and this control takes and gives no values. It
        // fails only if there is no such control, and then nothing is given back.
        unsafe {
            tikv_jemalloc_sys::mallctl(
                name.as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                0,
            );
        }
    }

    /// jemalloc's own report.
    pub(super) fn statistics() -> Option<String> {
        let mut report = Vec::new();
        stats_print::stats_print(&mut report, stats_print::Options::default()).ok()?;
        Some(String::from_utf8_lossy(&report).into_owned())
    }
}
