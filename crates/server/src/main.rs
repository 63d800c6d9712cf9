//! The `oxidis` binary.
//!
//! Unsafe, because a title of the process can only be prepared while there is one thread, and only here is known
//! that there is.

use std::process::ExitCode;

use allocator::allocator;
use oxidis_server::{program, title};

mod allocator;
#[cfg(not(target_env = "msvc"))]
mod slabs;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    program::run(&name, arguments.collect(), allocator(), || {
        // SAFETY: nothing has made a thread yet.
        unsafe { title::prepare() };
    })
}
