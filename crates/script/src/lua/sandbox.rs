//! What is done to Lua's own libraries before scripts see them: the globals that Redis's scripts
//! have, none of them to be changed.
//!
//! Unsafe because it is written against Lua's C API: most functions here stand in for functions of
//! Lua's libraries, may raise like these, and have nothing to drop.
//!
//! # Tables that cannot be changed
//!
//! Redis's Lua has a flag on tables; ours is Lua as it is published, which has none. What scripts get
//! in the place of a protected table is a *guard*: an empty table whose metatable reads from the real
//! one and refuses writes. Guards stay empty, so every write meets the metatable. A guard must not be
//! told from a table by what scripts may do:
//!
//! * `next` (and so `pairs`), `rawget` and `table.foreach` read the real table;
//! * `rawset`, `setmetatable`, `table.insert`, `table.remove`, `table.sort` and `table.setn` refuse;
//! * `getmetatable` answers what the real table has, guarded; so nobody gets at the real one.

use std::ffi::{CStr, c_char, c_int, c_void};

use mlua_sys as ffi;

use crate::libraries;

use super::frame::Frame;
use super::state::Purpose;

/// Its address is the key under which a guard's metatable has the real table.
static REAL: u8 = 0;
/// Its address is the key under which the registry has the table from real tables to guards.
static GUARDS: u8 = 0;

const READ_ONLY: &CStr = c"Attempt to modify a readonly table";

/// What Lua's basic library has and scripts do not.
const REMOVED: [&CStr; 3] = [c"dofile", c"loadfile", c"print"];
/// What only those scripts have for which `lua-enable-deprecated-api` is on.
const DEPRECATED: [&CStr; 3] = [c"newproxy", c"setfenv", c"getfenv"];

/// A key of the registry or of a metatable that no script can name.
fn key(of: &'static u8) -> *mut c_void {
    std::ptr::from_ref(of).cast_mut().cast()
}

/// Opens the libraries and shuts the sandbox. Leaves the real globals and their guard on the stack.
///
/// # Safety
/// The state is new, its heap lenient.
pub(super) unsafe fn build(state: *mut ffi::lua_State, purpose: Purpose, allows_deprecated: bool) {
    // SAFETY: the caller's promise; nothing here raises while the heap is lenient.
    unsafe {
        open(state, ffi::luaopen_base, c"");
        open(state, ffi::luaopen_table, ffi_name(ffi::LUA_TABLIBNAME));
        open(state, ffi::luaopen_string, ffi_name(ffi::LUA_STRLIBNAME));
        open(state, ffi::luaopen_math, ffi_name(ffi::LUA_MATHLIBNAME));
        for name in REMOVED {
            ffi::lua_pushnil(state);
            ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, name.as_ptr());
        }
        if !allows_deprecated {
            for name in DEPRECATED {
                ffi::lua_pushnil(state);
                ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, name.as_ptr());
            }
        }
        for library in libraries::ALL {
            open_ours(state, library);
        }
        if purpose == Purpose::Scripts {
            open_ours(state, &libraries::SCRIPTS_ONLY);
        }
        // Valkey's name for it.
        ffi::lua_getfield_(state, ffi::LUA_GLOBALSINDEX, c"redis".as_ptr());
        ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, c"server".as_ptr());
        replace_functions(state, allows_deprecated);
        guard_everything(state);
    }
}

unsafe fn ffi_name(name: *const c_char) -> &'static CStr {
    // SAFETY: the names of Lua's libraries are literals.
    unsafe { CStr::from_ptr(name) }
}

unsafe fn open(state: *mut ffi::lua_State, library: ffi::lua_CFunction, name: &CStr) {
    // SAFETY: as `build`.
    unsafe {
        ffi::lua_pushcclosure(state, library, 0);
        ffi::lua_pushstring(state, name.as_ptr());
        ffi::lua_call(state, 1, 0);
    }
}

/// Makes a global table of one of our libraries, or adds it to a table that Lua has.
unsafe fn open_ours(state: *mut ffi::lua_State, library: &libraries::Library) {
    // SAFETY: as `build`.
    unsafe {
        let mut frame = Frame::of(state);
        frame.push_bytes(library.name.as_bytes());
        ffi::lua_rawget_(state, ffi::LUA_GLOBALSINDEX);
        if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
            frame.pop(1);
            frame.push_table(0, library.functions.len());
        }
        for (name, function) in library.functions {
            frame.push_function(*function);
            frame.set_field(-2, name);
        }
        (library.fill)(&mut frame);
        frame.push_bytes(library.name.as_bytes());
        frame.insert(-2);
        ffi::lua_rawset(state, ffi::LUA_GLOBALSINDEX);
    }
}

/// Makes what the code of a library finds in the place of the globals while it is loaded: enough to
/// register functions. Leaves the guarded table on the stack, real.
///
/// # Safety
/// The state is one that [`build`] has built, its heap lenient.
pub(super) unsafe fn build_load_globals(state: *mut ffi::lua_State) {
    // SAFETY: the caller's promise; nothing here raises while the heap is lenient.
    unsafe {
        let mut frame = Frame::of(state);
        frame.push_table(0, 1);
        let library = libraries::LOADING;
        frame.push_table(0, library.functions.len());
        for (name, function) in library.functions {
            frame.push_function(*function);
            frame.set_field(-2, name);
        }
        (library.fill)(&mut frame);
        refuse_missing(state);
        frame.push_value(-1);
        frame.set_field(-3, "server");
        frame.set_field(-2, library.name);
        refuse_missing(state);
        push_guard(state);
        ffi::lua_settop(state, -2);
    }
}

/// Lets it be an error to ask the table on top for what it does not have.
unsafe fn refuse_missing(state: *mut ffi::lua_State) {
    // SAFETY: as `build`.
    unsafe {
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_pushcclosure(state, missing_global, 0);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        ffi::lua_setmetatable(state, -2);
    }
}

/// Lets the guard at `guard` stand for the table on top from now on, which is taken off.
///
/// # Safety
/// There is a guard at `guard`, and a real table on top; the heap is lenient.
pub(super) unsafe fn set_guarded(state: *mut ffi::lua_State, guard: c_int) {
    // SAFETY: the caller's promise; every guard has a metatable.
    unsafe {
        ffi::lua_getmetatable(state, guard);
        ffi::lua_pushvalue(state, -2);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        ffi::lua_pushlightuserdata(state, key(&REAL));
        ffi::lua_pushvalue(state, -3);
        ffi::lua_rawset(state, -3);
        ffi::lua_settop(state, -3);
    }
}

/// Puts our functions in the place of those that could see through guards, or load bytecode.
unsafe fn replace_functions(state: *mut ffi::lua_State, allows_deprecated: bool) {
    let globals: [(&CStr, ffi::lua_CFunction); 10] = [
        (c"pcall", pcall),
        (c"xpcall", xpcall),
        (c"next", next),
        (c"rawget", raw_get),
        (c"rawset", raw_set),
        (c"getmetatable", get_metatable),
        (c"setmetatable", set_metatable),
        (c"load", load),
        (c"loadstring", load_string),
        (c"unpack", unpack),
    ];
    // SAFETY: as `build`.
    unsafe {
        for (name, function) in globals {
            ffi::lua_pushcclosure(state, function, 0);
            ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, name.as_ptr());
        }
        // `pairs` keeps the `next` that it answers.
        ffi::lua_getfield_(state, ffi::LUA_GLOBALSINDEX, c"pairs".as_ptr());
        ffi::lua_getfield_(state, ffi::LUA_GLOBALSINDEX, c"next".as_ptr());
        ffi::lua_setupvalue(state, -2, 1);
        ffi::lua_settop(state, -2);

        ffi::lua_getfield_(state, ffi::LUA_GLOBALSINDEX, c"table".as_ptr());
        for name in [c"insert", c"remove", c"sort", c"setn"] {
            wrap(state, name, refuse_guard);
        }
        wrap(state, c"foreach", see_through_guard);
        ffi::lua_settop(state, -2);
        if allows_deprecated {
            ffi::lua_pushvalue(state, ffi::LUA_GLOBALSINDEX);
            wrap(state, c"getfenv", get_environment);
            ffi::lua_settop(state, -2);
        }
    }
}

/// Replaces a function of the table on top by `wrapper`, which finds it as its upvalue.
unsafe fn wrap(state: *mut ffi::lua_State, name: &CStr, wrapper: ffi::lua_CFunction) {
    // SAFETY: as `build`.
    unsafe {
        ffi::lua_getfield_(state, -1, name.as_ptr());
        ffi::lua_pushcclosure(state, wrapper, 1);
        ffi::lua_setfield(state, -2, name.as_ptr());
    }
}

/// Guards every table that can be reached from the globals, and lets the globals' guard be the
/// globals. Leaves the real globals and their guard on the stack.
unsafe fn guard_everything(state: *mut ffi::lua_State) {
    // SAFETY: as `build`.
    unsafe {
        ffi::lua_pushlightuserdata(state, key(&GUARDS));
        ffi::lua_createtable(state, 0, 16);
        ffi::lua_rawset(state, ffi::LUA_REGISTRYINDEX);

        ffi::lua_pushvalue(state, ffi::LUA_GLOBALSINDEX);
        // What is not there is an error.
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_pushcclosure(state, missing_global, 0);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        push_guard(state);
        ffi::lua_settop(state, -2);
        ffi::lua_setmetatable(state, -2);
        push_guard(state);

        // Strings have a metatable, too. Methods are found in the real table; who asks for the
        // metatable gets a copy that leads to the guard.
        ffi::lua_pushstring(state, c"".as_ptr());
        ffi::lua_getmetatable(state, -1);
        ffi::lua_remove(state, -2);
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_getfield_(state, -2, c"__index".as_ptr());
        push_guard(state);
        ffi::lua_setfield(state, -3, c"__index".as_ptr());
        ffi::lua_settop(state, -2);
        push_guard(state);
        note_guard(state, -3, -1);
        ffi::lua_settop(state, -4);

        ffi::lua_pushvalue(state, -1);
        ffi::lua_replace(state, ffi::LUA_GLOBALSINDEX);
    }
}

/// Pushes the table of guards.
unsafe fn push_guards(state: *mut ffi::lua_State) {
    // SAFETY: there is room.
    unsafe {
        ffi::lua_pushlightuserdata(state, key(&GUARDS));
        ffi::lua_rawget_(state, ffi::LUA_REGISTRYINDEX);
    }
}

/// Notes which guard stands for a table.
unsafe fn note_guard(state: *mut ffi::lua_State, real: c_int, guard: c_int) {
    // SAFETY: as `build`.
    unsafe {
        let real = ffi::lua_absindex(state, real);
        let guard = ffi::lua_absindex(state, guard);
        push_guards(state);
        ffi::lua_pushvalue(state, real);
        ffi::lua_pushvalue(state, guard);
        ffi::lua_rawset(state, -3);
        ffi::lua_settop(state, -2);
    }
}

/// Pushes the guard of the table on top, making it if there is none, and lets every table in it be
/// guarded.
unsafe fn push_guard(state: *mut ffi::lua_State) {
    // SAFETY: as `build`. Assigning to a field that exists is allowed while the table is walked.
    unsafe {
        ffi::lua_checkstack(state, 12);
        let real = ffi::lua_gettop(state);
        push_guards(state);
        ffi::lua_pushvalue(state, real);
        ffi::lua_rawget_(state, -2);
        ffi::lua_remove(state, -2);
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            return;
        }
        ffi::lua_settop(state, real);
        ffi::lua_createtable(state, 0, 0);
        ffi::lua_createtable(state, 0, 3);
        ffi::lua_pushvalue(state, real);
        ffi::lua_setfield(state, -2, c"__index".as_ptr());
        ffi::lua_pushcclosure(state, read_only, 0);
        ffi::lua_setfield(state, -2, c"__newindex".as_ptr());
        ffi::lua_pushlightuserdata(state, key(&REAL));
        ffi::lua_pushvalue(state, real);
        ffi::lua_rawset(state, -3);
        ffi::lua_setmetatable(state, -2);
        note_guard(state, real, -1);
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, real) != 0 {
            if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                ffi::lua_pushvalue(state, -2);
                ffi::lua_insert(state, -2);
                push_guard(state);
                ffi::lua_remove(state, -2);
                ffi::lua_rawset(state, real);
            } else {
                ffi::lua_settop(state, -2);
            }
        }
    }
}

/// Pushes the real table if there is a guard at `index`; answers whether there is.
unsafe fn push_real(state: *mut ffi::lua_State, index: c_int) -> bool {
    // SAFETY: there is room for two values.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TTABLE
            || ffi::lua_getmetatable(state, index) == 0
        {
            return false;
        }
        ffi::lua_pushlightuserdata(state, key(&REAL));
        ffi::lua_rawget_(state, -2);
        ffi::lua_remove(state, -2);
        let is_guard = ffi::lua_type(state, -1) == ffi::LUA_TTABLE;
        if !is_guard {
            ffi::lua_settop(state, -2);
        }
        is_guard
    }
}

// The functions. Each is called by Lua with its state, and with room for 20 values; what raises
// does so with nothing to drop.

unsafe extern "C-unwind" fn read_only(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe { ffi::luaL_error(state, READ_ONLY.as_ptr()) }
}

unsafe extern "C-unwind" fn missing_global(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above; the text's only argument is a string.
    unsafe {
        if ffi::lua_gettop(state) != 2 {
            return ffi::luaL_error(
                state,
                c"Wrong number of arguments to luaProtectedTableError".as_ptr(),
            );
        }
        if ffi::lua_isstring(state, -1) == 0 {
            return ffi::luaL_error(
                state,
                c"Second argument to luaProtectedTableError must be a string or number".as_ptr(),
            );
        }
        let name = ffi::lua_tostring(state, -1);
        ffi::luaL_error(
            state,
            c"Script attempted to access nonexistent global variable '%s'".as_ptr(),
            name,
        )
    }
}

/// Raises what a function that changes tables raises on meeting a guard: the text alone, since the
/// place is that of a function of Lua's.
unsafe fn refuse(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as its callers.
    unsafe {
        ffi::lua_pushstring(state, READ_ONLY.as_ptr());
        ffi::lua_error(state)
    }
}

/// `pcall`, with which an error that is a table with a field `err` arrives as that field's text: so
/// it did before errors were tables.
unsafe extern "C-unwind" fn pcall(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checkany(state, 1);
        let count = ffi::lua_gettop(state);
        ffi::lua_pushboolean(state, 1);
        ffi::lua_insert(state, 1);
        if ffi::lua_pcall(state, count - 1, ffi::LUA_MULTRET, 0) != 0 {
            ffi::lua_remove(state, 1);
            if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                ffi::lua_getfield_(state, -1, c"err".as_ptr());
                if ffi::lua_isstring(state, -1) != 0 {
                    ffi::lua_replace(state, -2);
                } else {
                    ffi::lua_settop(state, -2);
                }
            }
            ffi::lua_pushboolean(state, 0);
            ffi::lua_insert(state, 1);
        }
        ffi::lua_gettop(state)
    }
}

/// `xpcall`, whose handler is not asked about the error that stops a script: Lua runs it with the hook
/// switched off then, so that it might never end.
unsafe extern "C-unwind" fn xpcall(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checkany(state, 2);
        ffi::lua_settop(state, 2);
        // What is no function is an error of its own.
        if ffi::lua_type(state, 2) == ffi::LUA_TFUNCTION {
            ffi::lua_pushcclosure(state, handle_unless_stopping, 1);
        }
        ffi::lua_insert(state, 1);
        let status = ffi::lua_pcall(state, 0, ffi::LUA_MULTRET, 1);
        ffi::lua_pushboolean(state, c_int::from(status == 0));
        ffi::lua_replace(state, 1);
        ffi::lua_gettop(state)
    }
}

/// Gives the error that is its only argument to the handler that is its upvalue.
unsafe extern "C-unwind" fn handle_unless_stopping(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        if Frame::of(state).asks_to_go_on() {
            ffi::lua_pushvalue(state, Frame::upvalue(1));
            ffi::lua_insert(state, 1);
            ffi::lua_call(state, 1, 1);
        }
        1
    }
}

unsafe extern "C-unwind" fn next(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 2);
        if push_real(state, 1) {
            ffi::lua_replace(state, 1);
        }
        if ffi::lua_next(state, 1) != 0 {
            return 2;
        }
        ffi::lua_pushnil(state);
        1
    }
}

unsafe extern "C-unwind" fn raw_get(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::luaL_checkany(state, 2);
        ffi::lua_settop(state, 2);
        if push_real(state, 1) {
            ffi::lua_replace(state, 1);
        }
        ffi::lua_rawget_(state, 1);
        1
    }
}

unsafe extern "C-unwind" fn raw_set(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::luaL_checkany(state, 2);
        ffi::luaL_checkany(state, 3);
        ffi::lua_settop(state, 3);
        if push_real(state, 1) {
            return refuse(state);
        }
        ffi::lua_rawset(state, 1);
        1
    }
}

unsafe extern "C-unwind" fn get_metatable(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checkany(state, 1);
        if push_real(state, 1) {
            ffi::lua_replace(state, 1);
        }
        if ffi::lua_getmetatable(state, 1) == 0 {
            ffi::lua_pushnil(state);
            return 1;
        }
        push_guards(state);
        ffi::lua_pushvalue(state, -2);
        ffi::lua_rawget_(state, -2);
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            return 1;
        }
        ffi::lua_settop(state, -3);
        ffi::luaL_getmetafield_(state, 1, c"__metatable".as_ptr());
        1
    }
}

unsafe extern "C-unwind" fn set_metatable(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let kind = ffi::lua_type(state, 2);
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        if kind != ffi::LUA_TNIL && kind != ffi::LUA_TTABLE {
            return ffi::luaL_argerror(state, 2, c"nil or table expected".as_ptr());
        }
        if push_real(state, 1) {
            return refuse(state);
        }
        if ffi::luaL_getmetafield_(state, 1, c"__metatable".as_ptr()) != 0 {
            return ffi::luaL_error(state, c"cannot change a protected metatable".as_ptr());
        }
        ffi::lua_settop(state, 2);
        ffi::lua_setmetatable(state, 1);
        1
    }
}

/// `unpack`, which in Lua 5.1 computes how much there is to unpack in a way that overflows.
unsafe extern "C-unwind" fn unpack(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        let first = ffi::luaL_optinteger(state, 2, 1) as i32;
        let last = if ffi::lua_type(state, 3) <= ffi::LUA_TNIL {
            ffi::lua_objlen(state, 1) as i32
        } else {
            ffi::luaL_checkinteger(state, 3) as i32
        };
        if first > last {
            return 0;
        }
        let count = i64::from(last) - i64::from(first) + 1;
        let Ok(count) = c_int::try_from(count) else {
            return ffi::luaL_error(state, c"too many results to unpack".as_ptr());
        };
        if ffi::lua_checkstack(state, count) == 0 {
            return ffi::luaL_error(state, c"too many results to unpack".as_ptr());
        }
        for index in first..=last {
            ffi::lua_rawgeti_(state, 1, index);
        }
        count
    }
}

/// Stands before a function that changes the table that is its first argument.
unsafe extern "C-unwind" fn refuse_guard(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above. The function that stands behind is called as if Lua had called it.
    unsafe {
        if push_real(state, 1) {
            return refuse(state);
        }
        call_upvalue(state)
    }
}

/// Stands before a function that reads the table that is its first argument.
unsafe extern "C-unwind" fn see_through_guard(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above. The function that stands behind is called as if Lua had called it.
    unsafe {
        if push_real(state, 1) {
            ffi::lua_replace(state, 1);
        }
        call_upvalue(state)
    }
}

/// Stands before `getfenv`: the environment of Lua's own functions are the real globals.
unsafe extern "C-unwind" fn get_environment(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above. The function that stands behind is called as if Lua had called it.
    unsafe {
        call_upvalue(state);
        push_guards(state);
        ffi::lua_pushvalue(state, -2);
        ffi::lua_rawget_(state, -2);
        if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
            ffi::lua_settop(state, -3);
        }
        1
    }
}

/// Goes on with the function that is the upvalue, in the same activation: so its error texts name
/// what the script called.
unsafe fn call_upvalue(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as its callers.
    unsafe {
        match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(1)) {
            Some(function) => function(state),
            None => 0,
        }
    }
}

// Loading. Bytecode can do what source cannot (reach beyond its stack, for one), so it is none.

/// What a chunk begins with that is bytecode.
const BYTECODE: c_char = 0x1b;

unsafe extern "C-unwind" fn load_string(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let mut len = 0;
        let chunk = ffi::luaL_checklstring(state, 1, &mut len);
        let name = ffi::luaL_optlstring(state, 2, chunk, std::ptr::null_mut());
        // The compiler does not keep the chunk's name from being collected.
        ffi::lua_pushstring(state, name);
        let status = if len > 0 && *chunk == BYTECODE {
            refuse_bytecode(state, name)
        } else {
            ffi::luaL_loadbuffer(state, chunk, len, name)
        };
        loaded(state, status)
    }
}

/// Where [`read_piece`] keeps what it must remember.
#[repr(C)]
struct Pieces {
    has_begun: bool,
    is_bytecode: bool,
}

unsafe extern "C-unwind" fn load(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: see above. The reader's data lives on this frame, below the call.
    unsafe {
        let name = ffi::luaL_optlstring(state, 2, c"=(load)".as_ptr(), std::ptr::null_mut());
        ffi::luaL_checktype(state, 1, ffi::LUA_TFUNCTION);
        ffi::lua_settop(state, 3);
        // The compiler does not keep the chunk's name from being collected.
        ffi::lua_pushstring(state, name);
        let mut pieces = Pieces {
            has_begun: false,
            is_bytecode: false,
        };
        let mut status = ffi::lua_load(state, read_piece, (&raw mut pieces).cast(), name);
        if pieces.is_bytecode {
            status = refuse_bytecode(state, name);
        }
        loaded(state, status)
    }
}

/// Gets the next piece of a chunk by calling the function that `load` was given.
unsafe extern "C-unwind" fn read_piece(
    state: *mut ffi::lua_State,
    data: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: Lua calls this from `lua_load` above, with its data; the piece is kept on the stack
    // at 3 until the next.
    unsafe {
        ffi::luaL_checkstack_(state, 2, c"too many nested functions".as_ptr());
        ffi::lua_pushvalue(state, 1);
        ffi::lua_call(state, 0, 1);
        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
            *size = 0;
            return std::ptr::null();
        }
        if ffi::lua_isstring(state, -1) == 0 {
            ffi::luaL_error(state, c"reader function must return a string".as_ptr());
        }
        ffi::lua_replace(state, 3);
        let piece = ffi::lua_tolstring(state, 3, size);
        let pieces = &mut *data.cast::<Pieces>();
        if !pieces.has_begun && *size > 0 {
            pieces.has_begun = true;
            pieces.is_bytecode = *piece == BYTECODE;
        }
        if pieces.is_bytecode {
            *size = 0;
            return std::ptr::null();
        }
        piece
    }
}

/// Leaves the error on the stack that the compiler has for such a first character.
unsafe fn refuse_bytecode(state: *mut ffi::lua_State, name: *const c_char) -> c_int {
    // SAFETY: a character that cannot begin a chunk, of source.
    unsafe { ffi::luaL_loadbuffer(state, c"\x01".as_ptr(), 1, name) }
}

/// The results of a function that loads.
unsafe fn loaded(state: *mut ffi::lua_State, status: c_int) -> c_int {
    // SAFETY: `lua_load` has left a function or an error on the stack.
    unsafe {
        if status == 0 {
            return 1;
        }
        ffi::lua_pushnil(state);
        ffi::lua_insert(state, -2);
        2
    }
}
