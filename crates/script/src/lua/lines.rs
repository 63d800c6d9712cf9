//! The hook by which a debugger stops a script at its lines, and what it sees of the functions that run.
//!
//! Unsafe because Lua calls it with a raw state, and hands out what stands on its stack of calls. Lua calls no hook
//! while one runs, so code that is run at a stop is not stopped itself.

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua_sys as ffi;

use super::frame::{Frame, Raise};
use crate::debugger::{Debugger, at_line};

/// Instructions after which a script that runs on one line is looked at.
const INTERVAL_INSTRUCTIONS: c_int = 100_000;

/// A function that runs.
pub(crate) struct Activation {
    /// The name of its chunk, cut as error texts have it.
    pub(crate) source: String,
    /// The line at which it stands.
    pub(crate) line: i32,
    /// What it was called by.
    pub(crate) name: Option<String>,
}

/// Starts looking at every line.
///
/// # Safety
/// The state is one made by `State`.
pub(super) unsafe fn install(state: *mut ffi::lua_State) {
    let events = ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT;
    // SAFETY: the caller's promise.
    unsafe { ffi::lua_sethook(state, Some(look), events, INTERVAL_INSTRUCTIONS) };
}

unsafe extern "C-unwind" fn look(state: *mut ffi::lua_State, event: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with its state and an event; `is_to_end` has dropped everything when the error is raised.
    unsafe {
        if is_to_end(state, (*event).event == ffi::LUA_HOOKCOUNT) {
            ffi::lua_error(state);
        }
    }
}

/// Looks at the line; leaves the error on the stack if the script is to end.
unsafe fn is_to_end(state: *mut ffi::lua_State, is_in_line: bool) -> bool {
    // SAFETY: as `look`.
    let mut frame = unsafe { Frame::of(state) };
    frame.lenient(|frame| {
        let looked = catch_unwind(AssertUnwindSafe(|| {
            if is_in_line {
                frame.check_interruption()?;
            }
            at_line(frame, is_in_line)
        }));
        match looked {
            Ok(looked) => looked.is_err(),
            Err(_) => {
                frame.push_bytes(b"internal error");
                true
            }
        }
    })
}

unsafe extern "C-unwind" fn look_around(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with its state; `is_over` has dropped everything when the error is raised.
    unsafe {
        if is_over(state) {
            ffi::lua_error(state);
        }
    }
}

/// Looks whether the conversation is to end; leaves an error on the stack if it is.
unsafe fn is_over(state: *mut ffi::lua_State) -> bool {
    // SAFETY: as `look_around`.
    let mut frame = unsafe { Frame::of(state) };
    frame.lenient(|frame| {
        let looked = catch_unwind(AssertUnwindSafe(|| {
            frame.with_running(|_, running| running.host.conversation()?.is_over().then_some(()))
        }));
        let is_over = !matches!(looked, Ok(Some(None) | None));
        if is_over {
            frame.push_bytes(b"the debugging session is over");
        }
        is_over
    })
}

impl Frame<'_> {
    /// Calls the function on top of the stack from a hook; its first result takes its place. It has a thread of Lua's
    /// to itself, since in that of the hook nothing could end it.
    pub(crate) fn call_from_hook(&mut self) -> Result<(), Raise> {
        let was_lenient = self.heap().set_lenient(true);
        let state = self.state();
        // SAFETY: callers have made room; the function moves to the new thread, which is on the stack until the result
        // has come back; errors are answered, not raised.
        let status = unsafe {
            let thread = ffi::lua_newthread(state);
            ffi::lua_insert(state, -2);
            ffi::lua_xmove(state, thread, 1);
            let events = ffi::LUA_MASKCOUNT;
            ffi::lua_sethook(thread, Some(look_around), events, INTERVAL_INSTRUCTIONS);
            // Lua's code is held to the limit.
            self.heap().set_lenient(false);
            let status = ffi::lua_pcall(thread, 0, 1, 0);
            self.heap().set_lenient(true);
            ffi::lua_xmove(thread, state, 1);
            ffi::lua_remove(state, -2);
            status
        };
        self.heap().set_lenient(was_lenient);
        if status == 0 { Ok(()) } else { Err(Raise::Top) }
    }

    /// The debugger of the script that runs, if it is debugged.
    pub(crate) fn debugger(&mut self) -> Option<&mut Debugger> {
        self.heap().debugger.as_deref_mut()
    }

    /// The function at a level of the stack of calls; the one that runs is at 0.
    pub(crate) fn activation(&mut self, level: usize) -> Option<Activation> {
        // SAFETY: `lua_getstack` fills what `lua_getinfo` needs; texts are copied while the function is on the stack.
        unsafe {
            let mut activation: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state(), level as c_int, &mut activation) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.state(), c"Snl".as_ptr(), &mut activation);
            let text = |start| CStr::from_ptr(start).to_string_lossy().into_owned();
            Some(Activation {
                source: text(activation.short_src.as_ptr()),
                line: activation.currentline,
                name: (!activation.name.is_null()).then(|| text(activation.name)),
            })
        }
    }

    /// Pushes the value of a local variable of the function at a level; answers its name, or `None`, pushing nothing,
    /// if there is no variable of that number.
    pub(crate) fn push_local(&mut self, level: usize, number: i32) -> Option<Vec<u8>> {
        // SAFETY: as in `activation`; callers have made room.
        unsafe {
            let mut activation: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state(), level as c_int, &mut activation) == 0 {
                return None;
            }
            let name = ffi::lua_getlocal(self.state(), &activation, number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
        }
    }

    /// Pushes the globals as scripts see them.
    pub(crate) fn push_globals(&mut self) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushvalue(self.state(), ffi::LUA_GLOBALSINDEX) };
    }

    /// Compiles source. Pushes the function, or answers `false` and pushes the error.
    pub(crate) fn load(&mut self, source: &[u8], name: &CStr) -> bool {
        // SAFETY: the source is one, since it begins with no mark of bytecode; errors are answered.
        unsafe {
            // The compiler does not keep the chunk's name from being collected.
            ffi::lua_pushstring(self.state(), name.as_ptr());
            let source = match source {
                [0x1b, ..] => b"\x01",
                source => source,
            };
            let (start, len) = (source.as_ptr().cast(), source.len());
            let status = ffi::luaL_loadbuffer(self.state(), start, len, name.as_ptr());
            ffi::lua_remove(self.state(), -2);
            status == 0
        }
    }

    /// Where a value lies that is referred to; 0 for others.
    pub(crate) fn address(&self, index: i32) -> usize {
        // SAFETY: any index may be asked for.
        unsafe { ffi::lua_topointer(self.state(), index) as usize }
    }
}
