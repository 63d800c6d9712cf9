//! Forks. A child of `fork` has the memory of its parent but not its threads: a lock that one of them held is
//! held for ever. So what was made before a fork is not touched in the child, not even to free it.
//!
//! Unsafe, because what is never to be dropped in a child is dropped by hand in its own process.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::error;

/// How many forks lie between this process and the one that loaded the module.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Said by the package, through `os.register_at_fork`, in a child.
#[pyfunction]
pub fn after_fork_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// Something that belongs to the process that made it.
pub struct OfThisProcess<T> {
    generation: u64,
    value: ManuallyDrop<T>,
}

impl<T> OfThisProcess<T> {
    pub fn new(value: T) -> Self {
        OfThisProcess {
            generation: GENERATION.load(Ordering::Relaxed),
            value: ManuallyDrop::new(value),
        }
    }

    /// Whether this is the process that made it.
    pub fn is_ours(&self) -> bool {
        self.generation == GENERATION.load(Ordering::Relaxed)
    }

    /// It, in the process that made it.
    ///
    /// # Errors
    /// `ForkError` in any other.
    pub fn get(&self, py: Python<'_>) -> PyResult<&T> {
        if self.is_ours() {
            Ok(&self.value)
        } else {
            Err(error::forked(py))
        }
    }
}

impl<T> Drop for OfThisProcess<T> {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: nobody uses it after it is dropped, and it is dropped once.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}
