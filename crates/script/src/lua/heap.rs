//! Lua's allocator, and what belongs to a state beside Lua's own data.
//!
//! Unsafe because Lua hands us raw blocks to resize, and gets at its [`Heap`] through a raw pointer.
//!
//! A script that asks for more than [`LuaHeap::limit_bytes`] gets Lua's error "not enough memory".
//! That error is a `longjmp`, which must not pass over Rust frames; so while a Rust function runs on
//! behalf of a script the limit is not enforced. It asks [`Heap::is_full`] where it may make much.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ffi::c_void;
use std::ptr::NonNull;

use oxidis_engine::scripting::{LoadHost, ScriptFlags, ScriptHost};
use oxidis_resp::Protocol;

use super::state::Code;
use crate::debugger::Debugger;
use crate::libraries::JsonSettings;
use crate::random::Lrand48;

/// What a function of the `redis` library finds of the script that runs.
pub(crate) struct Running<'a> {
    /// The engine, on behalf of the session.
    pub(crate) host: &'a mut dyn ScriptHost,
    /// How replies reach the script (`redis.setresp`).
    pub(crate) protocol: Protocol,
}

/// What `redis.register_function` finds of the library whose code runs.
pub(crate) struct Loading<'a> {
    /// The engine.
    pub(crate) host: &'a mut dyn LoadHost,
    /// What was registered so far.
    pub(crate) functions: Vec<Registered>,
}

/// A function that a library has registered.
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) flags: ScriptFlags,
    pub(crate) code: Code,
}

/// The memory of one interpreter. It stays in its place: Lua knows its address.
pub(crate) struct Heap {
    used_bytes: usize,
    limit_bytes: usize,
    /// Whether the limit is left alone, because a Rust function runs.
    is_lenient: bool,
    /// Whether memory was refused.
    has_refused: bool,
    /// The script that runs. The lifetime is that of the call of `State::run` that set it, and it is
    /// taken out before that call ends.
    running: Option<NonNull<Running<'static>>>,
    /// The library whose code runs; as for the script, with `State::load`.
    loading: Option<NonNull<Loading<'static>>>,
    /// The debugger of the script that runs.
    pub(super) debugger: Option<Box<Debugger>>,
    /// The numbers of `math.random`.
    pub(super) random: Lrand48,
    /// What scripts have set of `cjson`.
    pub(super) json: JsonSettings,
}

/// Every type's alignment that C code may expect of an allocator.
const ALIGNMENT: usize = 16;

impl Heap {
    pub(super) fn new(limit_bytes: usize) -> Box<Self> {
        Box::new(Heap {
            used_bytes: 0,
            limit_bytes,
            is_lenient: false,
            has_refused: false,
            running: None,
            loading: None,
            debugger: None,
            random: Lrand48::new(0),
            json: JsonSettings::default(),
        })
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Whether the interpreter may have so many bytes more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.used_bytes.saturating_add(bytes) <= self.limit_bytes
    }

    /// Whether memory was refused since this was last asked.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.has_refused)
    }

    /// Whether the interpreter has more than it may have.
    pub(super) fn is_full(&self) -> bool {
        self.used_bytes > self.limit_bytes
    }

    /// Says whether the limit is left alone; answers whether it was.
    pub(super) fn set_lenient(&mut self, is_lenient: bool) -> bool {
        std::mem::replace(&mut self.is_lenient, is_lenient)
    }

    /// Puts the script that runs in its place, or takes it away.
    pub(super) fn set_running(
        &mut self,
        running: Option<NonNull<Running<'static>>>,
    ) -> Option<NonNull<Running<'static>>> {
        std::mem::replace(&mut self.running, running)
    }

    /// The same for the library that is being loaded.
    pub(super) fn set_loading(
        &mut self,
        loading: Option<NonNull<Loading<'static>>>,
    ) -> Option<NonNull<Loading<'static>>> {
        std::mem::replace(&mut self.loading, loading)
    }

    fn layout(size: usize) -> Layout {
        // Lua asks for sizes of things that exist or that it has checked.
        Layout::from_size_align(size, ALIGNMENT).unwrap_or(Layout::new::<u128>())
    }

    /// Lua's allocator: makes, resizes and frees blocks.
    ///
    /// # Safety
    /// `heap` points to the `Heap` of the state, `block` is null or was made here with `old_size`.
    pub(super) unsafe extern "C" fn allocate(
        heap: *mut c_void,
        block: *mut c_void,
        old_size: usize,
        new_size: usize,
    ) -> *mut c_void {
        // SAFETY: the caller's promise. Nothing else refers to the heap while Lua allocates.
        let heap = unsafe { &mut *heap.cast::<Heap>() };
        let old_size = if block.is_null() { 0 } else { old_size };
        if new_size == 0 {
            if old_size > 0 {
                // SAFETY: made below with this size and alignment.
                unsafe { dealloc(block.cast(), Self::layout(old_size)) };
                heap.used_bytes -= old_size;
            }
            return std::ptr::null_mut();
        }
        let used_bytes = heap.used_bytes - old_size + new_size;
        let is_growing = new_size > old_size;
        if is_growing && !heap.is_lenient && used_bytes > heap.limit_bytes
            || isize::try_from(new_size.saturating_add(ALIGNMENT)).is_err()
        {
            heap.has_refused = true;
            return std::ptr::null_mut();
        }
        let new = if old_size == 0 {
            // SAFETY: the size is not zero.
            unsafe { alloc(Self::layout(new_size)) }
        } else {
            // SAFETY: made here with this size and alignment; the new size is not zero.
            unsafe { realloc(block.cast(), Self::layout(old_size), new_size) }
        };
        if new.is_null() && !heap.is_lenient && is_growing {
            // The system has less than the limit: that is the script's trouble and nobody else's.
            heap.has_refused = true;
            return new.cast();
        }
        if new.is_null() {
            handle_alloc_error(Self::layout(new_size));
        }
        heap.used_bytes = used_bytes;
        new.cast()
    }
}
