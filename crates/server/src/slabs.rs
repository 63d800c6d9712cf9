//! Where jemalloc's small blocks lie, and moving them together.
//!
//! Blocks of one size lie in slabs, each arena having its own. A slab goes back to the system when it is empty, so a
//! block is worth moving when its slab is emptier than the others of its size: its copy fills a hole elsewhere. New
//! blocks go to the arena's current slab, and when that is full to the lowest one that has room; so blocks of the current
//! slab stay. Larger blocks have pages of their own and leave no holes.
//!
//! To ask about a block takes longer than to walk to it, and most blocks are of sizes whose slabs are full: those are not asked
//! about. Which sizes have holes is known from when fragmentation was looked at last.
//!
//! Copies and what is freed for them pass by the thread's cache, which would hand the holes out again.
//!
//! Unsafe because jemalloc is asked by address, through controls that are C.

use std::alloc::Layout;
use std::ffi::{CString, c_int, c_void};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use oxidis_engine::Fragmentation;
use oxidis_server::BlockMover;
use tikv_jemalloc_sys::{
    MALLOCX_ARENA, MALLOCX_LG_ALIGN, MALLOCX_TCACHE_NONE, mallctlbymib, mallctlnametomib, mallocx,
    sdallocx,
};

use crate::allocator::jemalloc::control;

pub(crate) const MOVER: BlockMover = BlockMover {
    fragmentation,
    copy,
    free,
};

/// The longest block that is looked at, in bytes: jemalloc's largest that lies in a slab, with pages of 4 KiB.
const SMALL_MAX_BYTES: usize = 14 * 1024;

/// Slabs of a size of which less than one part in so many is free are as full as can be expected.
const FREE_PARTS_MIN: usize = 32;

/// A size of small blocks.
struct Bin {
    block_bytes: u64,
    blocks_per_slab: u64,
}

struct Bins {
    bins: Vec<Bin>,
    /// Which of them a block belongs to, by its size in words.
    by_words: Vec<u8>,
}

const WORD_BYTES: usize = 8;

/// `None` if this jemalloc does not tell.
fn bins() -> Option<&'static Bins> {
    static BINS: OnceLock<Option<Bins>> = OnceLock::new();
    BINS.get_or_init(read_bins).as_ref()
}

fn read_bins() -> Option<Bins> {
    let bins: Vec<Bin> = (0..number("arenas.nbins")?)
        .map(|bin| {
            Some(Bin {
                block_bytes: number(&format!("arenas.bin.{bin}.size"))?,
                blocks_per_slab: number(&format!("arenas.bin.{bin}.nregs"))?,
            })
        })
        .collect::<Option<_>>()?;
    let by_words = (0..=SMALL_MAX_BYTES / WORD_BYTES).map(|words| {
        let bytes = (words * WORD_BYTES) as u64;
        bins.partition_point(|bin| bin.block_bytes < bytes) as u8
    });
    Some(Bins {
        by_words: by_words.collect(),
        bins,
    })
}

fn number(name: &str) -> Option<u64> {
    control(name.as_bytes()).ok()
}

/// A bit for each of the first 64 bins, of which jemalloc has some forty: whether it had many holes when that was looked at.
static SPARSE: AtomicU64 = AtomicU64::new(u64::MAX);

/// Whether blocks of this size may be worth asking about.
fn may_be_sparse(size: usize) -> bool {
    let bin = bins().and_then(|it| it.by_words.get(size.div_ceil(WORD_BYTES)));
    bin.is_none_or(|&bin| {
        let bit = 1u64.checked_shl(u32::from(bin));
        bit.is_none_or(|bit| SPARSE.load(Ordering::Relaxed) & bit != 0)
    })
}

/// What lies idle in slabs.
fn fragmentation() -> Option<Fragmentation> {
    // The numbers are those of the last epoch; without a new one they are merely old.
    let _ = tikv_jemalloc_ctl::epoch::advance();
    let mut idle_bytes = 0;
    let mut sparse = 0;
    for (index, bin) in bins()?.bins.iter().enumerate() {
        // 4096 stands for all arenas (MALLCTL_ARENAS_ALL in jemalloc's header).
        let slabs = number(&format!("stats.arenas.4096.bins.{index}.curslabs"))?;
        let blocks = number(&format!("stats.arenas.4096.bins.{index}.curregs"))?;
        let room = slabs * bin.blocks_per_slab;
        // The two are not counted at the same moment.
        let free = room.saturating_sub(blocks);
        idle_bytes += free * bin.block_bytes;
        if free * FREE_PARTS_MIN as u64 >= room {
            sparse |= 1u64.checked_shl(index as u32).unwrap_or(0);
        }
    }
    SPARSE.store(sparse, Ordering::Relaxed);
    Some(Fragmentation {
        allocated_bytes: number("stats.allocated")?,
        idle_bytes,
    })
}

/// A control by its path, which takes less time than its name.
struct Path {
    steps: [usize; 4],
    len: usize,
}

impl Path {
    fn of(name: &str) -> Option<Path> {
        let name = CString::new(name).ok()?;
        let mut path = Path {
            steps: [0; 4],
            len: 4,
        };
        // SAFETY: the name ends with a zero byte, and there is room for as many steps as `len` says.
        let reason =
            unsafe { mallctlnametomib(name.as_ptr(), path.steps.as_mut_ptr(), &mut path.len) };
        (reason == 0).then_some(path)
    }

    /// Asks about an address; answers whether there was an answer, of just this size.
    fn ask<T>(&self, mut address: *const u8, answer: &mut T) -> bool {
        let mut len = size_of::<T>();
        // SAFETY: jemalloc reads an address and writes at most `len` bytes, which the answer has; it does not follow
        // the address.
        let reason = unsafe {
            mallctlbymib(
                self.steps.as_ptr(),
                self.len,
                std::ptr::from_mut(answer).cast::<c_void>(),
                &mut len,
                (&raw mut address).cast::<c_void>(),
                size_of::<*const u8>(),
            )
        };
        reason == 0 && len == size_of::<T>()
    }
}

struct Controls {
    /// How full the slab of a block is, and the slabs of its size in its arena.
    utilization: Path,
    /// The arena of a block.
    arena: Path,
}

/// `None` if this jemalloc has no such controls.
fn controls() -> Option<&'static Controls> {
    static CONTROLS: OnceLock<Option<Controls>> = OnceLock::new();
    let controls = CONTROLS.get_or_init(|| {
        Some(Controls {
            utilization: Path::of("experimental.utilization.query")?,
            arena: Path::of("arenas.lookup")?,
        })
    });
    controls.as_ref()
}

/// What `experimental.utilization.query` answers.
#[derive(Debug, Default, Clone, Copy)]
#[repr(C)]
struct Utilization {
    /// Where the slab begins that new blocks of the size go to; 0 if there is none.
    current_slab: usize,
    /// Blocks that the slab has room for.
    free_in_slab: usize,
    blocks_per_slab: usize,
    slab_bytes: usize,
    /// The same for all slabs of the size in the arena.
    free_in_all: usize,
    blocks_of_all: usize,
}

impl Utilization {
    /// Whether the block at this address should go elsewhere.
    fn is_poor(&self, address: usize) -> bool {
        let is_current = address.wrapping_sub(self.current_slab) < self.slab_bytes;
        if self.free_in_slab == 0
            || is_current
            || self.free_in_all * FREE_PARTS_MIN < self.blocks_of_all
        {
            return false;
        }
        let used_in_slab = self.blocks_per_slab - self.free_in_slab;
        let used_in_all = self.blocks_of_all - self.free_in_all;
        // Whether the slab is at most an eighth fuller than all are. If only those below the average were moved, nothing
        // would be where all are alike.
        let all = self.blocks_of_all as u128;
        let slab = self.blocks_per_slab as u128;
        used_in_slab as u128 * all * 8 <= used_in_all as u128 * slab * 9
    }
}

/// jemalloc's flags for a block, which are to be the same when it is allocated and when it is freed.
fn flags(layout: Layout) -> c_int {
    // Every block is aligned to eight bytes at least.
    let alignment = match layout.align() {
        0..=8 => 0,
        align => MALLOCX_LG_ALIGN(align.trailing_zeros() as usize),
    };
    MALLOCX_TCACHE_NONE | alignment
}

/// # Safety
///
/// As [`BlockMover::copy`].
unsafe fn copy(block: NonNull<u8>, layout: Layout) -> Option<NonNull<u8>> {
    // As the allocator pads it.
    let size = layout.pad_to_align().size();
    if size == 0 || size > SMALL_MAX_BYTES || !may_be_sparse(size) {
        return None;
    }
    let controls = controls()?;
    let address = block.as_ptr();
    let mut utilization = Utilization::default();
    if !controls.utilization.ask(address, &mut utilization) || !utilization.is_poor(address.addr())
    {
        return None;
    }
    let mut arena: u32 = 0;
    if !controls.arena.ask(address, &mut arena) {
        return None;
    }
    // SAFETY: the size is not zero; the new block has at least as many bytes as the layout says that the old one has, which
    // is valid and another one. It belongs to the same kind of block as the global allocator makes of this layout: same padded
    // size, same alignment; so it can be freed there, too, wherever it comes from.
    unsafe {
        let new = mallocx(size, flags(layout) | MALLOCX_ARENA(arena as usize));
        let new = NonNull::new(new.cast::<u8>())?;
        new.copy_from_nonoverlapping(block, layout.size());
        Some(new)
    }
}

/// # Safety
///
/// As [`BlockMover::free`].
unsafe fn free(block: NonNull<u8>, layout: Layout) {
    let size = layout.pad_to_align().size();
    // SAFETY: promised by the caller; the flags are those with which such a block can have been allocated.
    unsafe { sdallocx(block.as_ptr().cast(), size, flags(layout)) };
}
