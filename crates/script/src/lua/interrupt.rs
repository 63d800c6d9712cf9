//! The hook by which a running script is asked to stop.
//!
//! Unsafe because Lua calls it with a raw state. Lua code is interrupted after so many instructions;
//! what runs in C, a pattern that takes for ever for one, is not.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua_sys as ffi;
use oxidis_engine::scripting::Interruption;

use super::frame::Frame;

/// Instructions between two questions to the engine.
const INTERVAL_INSTRUCTIONS: c_int = 100_000;

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
            // From here on at every line, so that a script that catches the error gets it again.
            ffi::lua_sethook(state, Some(ask), ffi::LUA_MASKLINE, 0);
            ffi::lua_error(state);
        }
    }
}

/// Asks the engine; leaves the error on the stack if the script is to stop.
unsafe fn should_stop(state: *mut ffi::lua_State) -> bool {
    // SAFETY: as `ask`.
    let mut frame = unsafe { Frame::of(state) };
    let answer = catch_unwind(AssertUnwindSafe(|| {
        frame.with_running(|_, running| running.host.interrupt())
    }));
    if !matches!(answer, Ok(Some(Interruption::Stop)) | Err(_)) {
        return false;
    }
    frame.lenient(|frame| {
        frame.ensure_stack(4);
        frame.push_table(0, 1);
        frame.push_bytes(b"ERR Script killed by user with SCRIPT KILL...");
        frame.set_field(-2, "err");
    });
    true
}
