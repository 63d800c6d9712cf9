//! Where the chunks of tables lie: each by itself while there are few, and else side by side in blocks of the size of a
//! large page.
//!
//! A lookup goes to a random bucket. In pages of 4 KiB the processor does not know the address of most of them: it
//! looks it up in the page tables, which takes about as long as the bucket itself, and which a prefetch waits for. One
//! entry of its cache of addresses stands for a whole large page (2 MiB on the usual machines), so that the buckets of
//! some millions of keys are covered by a handful. The system cannot be relied on to see that; nor should all of the
//! heap lie in large pages, of which partly used ones waste memory (docs/performance.md has the figures). Buckets are the
//! part that is small, dense and used at random.
//!
//! A block is taken without touching it and fills chunk by chunk, so that it takes no more memory than the chunks. When
//! it is full it is [handed on](take_full), for who knows the system to have it put into a large page.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::relocation::Relocator;

/// Bytes of a chunk.
pub(super) const CHUNK_BYTES: usize = 4096;

/// Bytes of a block, and what its address is a multiple of: a large page on x86-64 and, with pages of 4 KiB, AArch64.
const BLOCK_BYTES: usize = 2 << 20;

const CHUNKS_PER_BLOCK: usize = BLOCK_BYTES / CHUNK_BYTES;

/// So many chunks lie by themselves: what is allocated by the block is counted by the block, which should be little of
/// what there is.
const FEW_CHUNKS: usize = if cfg!(test) { 4 } else { 1024 };

const CHUNK_LAYOUT: Layout = layout(CHUNK_BYTES, 64);
const BLOCK_LAYOUT: Layout = layout(BLOCK_BYTES, BLOCK_BYTES);

const fn layout(bytes: usize, alignment: usize) -> Layout {
    match Layout::from_size_align(bytes, alignment) {
        Ok(layout) => layout,
        Err(_) => panic!("a power of two, and a multiple of it"),
    }
}

/// Memory that is used as a whole and at random, so that it should lie in one large page. It may be freed at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeBlock {
    /// Where it begins.
    pub address: usize,
    /// How long it is.
    pub bytes: usize,
}

/// Chunks of all tables of the process.
static CHUNK_COUNT: AtomicUsize = AtomicUsize::new(0);

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

/// A block, as far as it has been used: its chunks from `fresh` on never were.
struct Block {
    fresh: usize,
    free: Vec<u16>,
}

impl Block {
    fn is_full(&self) -> bool {
        self.fresh == CHUNKS_PER_BLOCK && self.free.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.fresh == self.free.len()
    }
}

struct Pool {
    /// By their addresses.
    blocks: BTreeMap<usize, Block>,
    /// Those that have room.
    open: BTreeSet<usize>,
    /// Those that have become full, and nobody has been told.
    full: Vec<usize>,
}

impl Pool {
    const fn new() -> Self {
        Pool {
            blocks: BTreeMap::new(),
            open: BTreeSet::new(),
            full: Vec::new(),
        }
    }

    /// A chunk, with anything in it; `None` if there is no memory for another block.
    fn take(&mut self) -> Option<NonNull<u8>> {
        // Always the first one, so that the last ones become empty.
        let base = match self.open.first() {
            Some(&base) => base,
            None => self.add_block()?,
        };
        let block = self.blocks.get_mut(&base)?;
        let index = match block.free.pop() {
            Some(index) => usize::from(index),
            None => {
                block.fresh += 1;
                block.fresh - 1
            }
        };
        if block.is_full() {
            self.open.remove(&base);
            self.full.push(base);
        }
        NonNull::new(std::ptr::with_exposed_provenance_mut(
            base + index * CHUNK_BYTES,
        ))
    }

    /// Whether the chunk lies in a block.
    fn holds(&self, chunk: NonNull<u8>) -> bool {
        let base = chunk.as_ptr().addr() & !(BLOCK_BYTES - 1);
        self.blocks.contains_key(&base)
    }

    fn add_block(&mut self) -> Option<usize> {
        // SAFETY: the layout has a size.
        let raw = NonNull::new(unsafe { alloc(BLOCK_LAYOUT) })?;
        let base = raw.as_ptr().expose_provenance();
        let block = Block {
            fresh: 0,
            free: Vec::new(),
        };
        self.blocks.insert(base, block);
        self.open.insert(base);
        Some(base)
    }

    /// Takes a chunk back, if it lies in a block; answers the block if nothing is left in it, which is forgotten then.
    fn put(&mut self, chunk: NonNull<u8>) -> Option<Option<NonNull<u8>>> {
        let address = chunk.as_ptr().expose_provenance();
        let base = address & !(BLOCK_BYTES - 1);
        let block = self.blocks.get_mut(&base)?;
        if block.is_full() {
            self.open.insert(base);
            self.full.retain(|&it| it != base);
        }
        block.free.push(((address - base) / CHUNK_BYTES) as u16);
        if !block.is_empty() {
            return Some(None);
        }
        self.blocks.remove(&base);
        self.open.remove(&base);
        Some(NonNull::new(std::ptr::with_exposed_provenance_mut(base)))
    }
}

/// A chunk of zeros.
pub(super) fn allocate() -> NonNull<u8> {
    let count = CHUNK_COUNT.fetch_add(1, Ordering::Relaxed);
    if count < FEW_CHUNKS {
        // SAFETY: the layout has a size.
        let raw = unsafe { alloc_zeroed(CHUNK_LAYOUT) };
        return NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(CHUNK_LAYOUT));
    }
    let taken = POOL.lock().take();
    let chunk = taken.unwrap_or_else(|| handle_alloc_error(BLOCK_LAYOUT));
    // SAFETY: the chunk is ours, and so long.
    unsafe { chunk.write_bytes(0, CHUNK_BYTES) };
    chunk
}

/// Frees a chunk.
///
/// # Safety
/// It came from [`allocate`], and nobody uses it any more.
pub(super) unsafe fn free(chunk: NonNull<u8>) {
    CHUNK_COUNT.fetch_sub(1, Ordering::Relaxed);
    let put = POOL.lock().put(chunk);
    match put {
        // SAFETY: a chunk that lies in no block was allocated by itself.
        None => unsafe { dealloc(chunk.as_ptr(), CHUNK_LAYOUT) },
        // SAFETY: the block was allocated so, and the pool has forgotten it.
        Some(Some(block)) => unsafe { dealloc(block.as_ptr(), BLOCK_LAYOUT) },
        Some(None) => {}
    }
}

/// Moves a chunk that lies by itself; answers where it is from now on.
///
/// # Safety
/// It came from [`allocate`], nothing borrows it, and only the address answered is used afterwards.
pub(super) unsafe fn relocate(chunk: NonNull<u8>, relocator: &mut Relocator<'_>) -> NonNull<u8> {
    if POOL.lock().holds(chunk) {
        return chunk;
    }
    // SAFETY: a chunk that lies in no block was allocated by itself, with this layout; the rest is the caller's.
    unsafe { relocator.block(chunk, CHUNK_LAYOUT) }
}

/// A block that has become full since this was asked last.
pub(crate) fn take_full() -> Option<LargeBlock> {
    let address = POOL.lock().full.pop()?;
    Some(LargeBlock {
        address,
        bytes: BLOCK_BYTES,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::random::Random;

    /// Frees what is left in the blocks of a pool.
    fn end(mut pool: Pool, held: Vec<NonNull<u8>>) {
        for chunk in held {
            if let Some(Some(block)) = pool.put(chunk) {
                // SAFETY: the pool has forgotten the block, and all of its chunks were put back.
                unsafe { dealloc(block.as_ptr(), BLOCK_LAYOUT) };
            }
        }
        assert!(pool.blocks.is_empty() && pool.open.is_empty() && pool.full.is_empty());
    }

    #[test]
    fn chunks_do_not_overlap_and_blocks_come_and_go() {
        let mut pool = Pool::new();
        let mut random = Random::new(7);
        let mut held: Vec<NonNull<u8>> = Vec::new();
        let mut most_blocks = 0;
        for round in 0..40_000 {
            let grows = round % 10_000 < 5_000;
            if held.is_empty() || random.below(10) < if grows { 7 } else { 3 } {
                let chunk = pool.take().expect("memory");
                assert_eq!(chunk.as_ptr() as usize % CHUNK_BYTES, 0);
                held.push(chunk);
            } else {
                let index = random.below(held.len() as u64) as usize;
                let chunk = held.swap_remove(index);
                if let Some(Some(block)) = pool.put(chunk) {
                    // SAFETY: the pool has forgotten the block, in which nothing is left.
                    unsafe { dealloc(block.as_ptr(), BLOCK_LAYOUT) };
                }
            }
            most_blocks = most_blocks.max(pool.blocks.len());
            if round % 1_000 == 0 {
                let distinct: HashSet<_> = held.iter().collect();
                assert_eq!(distinct.len(), held.len());
                let has_room = |it: &&usize| !pool.blocks[*it].is_full();
                assert_eq!(pool.open.iter().filter(has_room).count(), pool.open.len());
                let used: usize = pool
                    .blocks
                    .values()
                    .map(|it| it.fresh - it.free.len())
                    .sum();
                assert_eq!(used, held.len());
            }
        }
        assert!(most_blocks > 2, "{most_blocks}");
        end(pool, held);
    }

    #[test]
    fn a_block_is_handed_on_when_it_is_full() {
        let mut pool = Pool::new();
        let mut held: Vec<_> = (1..CHUNKS_PER_BLOCK).map(|_| pool.take()).collect();
        assert!(pool.full.is_empty());
        held.push(pool.take());
        let base = held[0].map(|it| it.as_ptr() as usize);
        assert_eq!(pool.full.last().copied(), base);
        // One that has room again is none.
        let returned = held.pop().flatten().expect("a chunk");
        assert_eq!(pool.put(returned), Some(None));
        assert!(pool.full.is_empty());
        let stranger = Box::new(0_u64);
        assert_eq!(pool.put(NonNull::from(&*stranger).cast()), None);
        end(pool, held.into_iter().flatten().collect());
    }
}
