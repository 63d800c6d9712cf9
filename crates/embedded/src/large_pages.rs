//! Putting memory into large pages, where the system can do that. Unsafe, because it is asked by address.

use oxidis_engine::LargeBlock;

/// Has the block put into large pages: at once, where the system does that on demand (Linux since 6.1), else when it
/// comes to it. A hint: what the memory holds is not changed, whoever owns it by now.
#[cfg(target_os = "linux")]
pub fn gather(block: LargeBlock) {
    use libc::{MADV_COLLAPSE, MADV_HUGEPAGE, madvise};

    let address = std::ptr::with_exposed_provenance_mut(block.address);
    // SAFETY: neither hint changes what memory holds, nor whether it may be used; addresses without memory are an error.
    unsafe {
        if madvise(address, block.bytes, MADV_COLLAPSE) != 0 {
            // If that is no good either, it stays in small pages.
            madvise(address, block.bytes, MADV_HUGEPAGE);
        }
    }
}

/// Leaves the block where it is.
#[cfg(not(target_os = "linux"))]
pub fn gather(_block: LargeBlock) {}
