//! The hook by which a running script is asked to stop.
//!
//! Unsafe because Lua calls it with a raw state. Lua code is interrupted after so many instructions;
//! what takes long in Rust asks by itself ([`Frame::check_interruption`]); Lua's own functions in C do
//! not, but none that is left to scripts takes long without using up the script's memory.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua_sys as ffi;
use oxidis_engine::scripting::Interruption;

use super::frame::{Frame, Raise};

/// Instructions between two questions to the engine. Few, since each may copy a string of any length; so
/// many that the questions take no more than a hundredth of the time.
const INTERVAL_INSTRUCTIONS: c_int = 1_000;

/// Steps in Rust between two questions.
const INTERVAL_STEPS: u32 = 4096;

/// Bytes made in Rust between two questions.
const INTERVAL_BYTES: usize = 1 << 20;

/// Starts asking the engine whether to go on.
///
/// # Safety
/// The state is one made by `State`.
pub(super) unsafe fn install(state: *mut ffi::lua_State) {
    // SAFETY: the caller's promise.
    unsafe { ffi::lua_sethook(state, Some(ask), ffi::LUA_MASKCOUNT, INTERVAL_INSTRUCTIONS) };
}

/// Stops asking.
///
/// # Safety
/// The state is one made by `State`.
pub(super) unsafe fn remove(state: *mut ffi::lua_State) {
    // SAFETY: the caller's promise.
    unsafe { ffi::lua_sethook(state, None, 0, 0) };
}

unsafe extern "C-unwind" fn ask(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with its state; `should_stop` has dropped everything when the error is
    // raised.
    unsafe {
        if should_stop(state) {
            ffi::lua_error(state);
        }
    }
}

/// Asks the engine; leaves the error on the stack if the script is to stop.
unsafe fn should_stop(state: *mut ffi::lua_State) -> bool {
    // SAFETY: as `ask`.
    let mut frame = unsafe { Frame::of(state) };
    frame.lenient(|frame| frame.check_interruption().is_err())
}

impl Frame<'_> {
    /// Fails if the script is to stop. Whoever works for long without Lua's code running asks this.
    pub(crate) fn check_interruption(&mut self) -> Result<(), Raise> {
        if self.asks_to_go_on() {
            return Ok(());
        }
        // From here on at every line, so that a script that catches the error gets it again.
        // SAFETY: the state is alive.
        unsafe { ffi::lua_sethook(self.state(), Some(ask), ffi::LUA_MASKLINE, 0) };
        self.ensure_stack(4);
        self.push_table(0, 1);
        let is_loading = self.with_loading(|_, _| ()).is_some();
        self.push_bytes(match is_loading {
            true => b"ERR FUNCTION LOAD timeout".as_slice(),
            false => b"ERR Script killed by user with SCRIPT KILL...",
        });
        self.set_field(-2, "err");
        Err(Raise::Top)
    }

    /// Asks the engine whether the script goes on.
    pub(super) fn asks_to_go_on(&mut self) -> bool {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            self.with_running(|_, running| running.host.interrupt())
                .or_else(|| self.with_loading(|_, loading| loading.host.interrupt()))
        }));
        !matches!(answer, Ok(Some(Interruption::Stop)) | Err(_))
    }
}

/// Keeps an eye on something that makes bytes of Lua values in many steps: values that share their
/// parts can be endlessly more bytes than they are memory.
#[derive(Default)]
pub(crate) struct Watch {
    steps: u32,
    bytes: usize,
}

impl Watch {
    /// Whether it is time to ask again, after another step and when so many bytes are made.
    pub(crate) fn is_due(&mut self, bytes: usize) -> bool {
        self.steps += 1;
        if self.steps < INTERVAL_STEPS && bytes < self.bytes.saturating_add(INTERVAL_BYTES) {
            return false;
        }
        self.steps = 0;
        self.bytes = bytes;
        true
    }

    /// Notes a step; fails if the script is to stop, or may not have so many bytes more than it has.
    pub(crate) fn step(&mut self, frame: &mut Frame<'_>, bytes: usize) -> Result<(), Raise> {
        if self.is_due(bytes) {
            frame.check_room(bytes)?;
            frame.check_interruption()?;
        }
        Ok(())
    }
}
