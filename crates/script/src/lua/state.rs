//! An interpreter: making it, compiling, running.
//!
//! Unsafe because it owns Lua's state and calls its C API.

use std::ffi::{CString, c_int};
use std::ptr::NonNull;

use mlua_sys as ffi;
use oxidis_engine::scripting::LoadHost;

use super::frame::{Frame, Kind, Results, function};
use super::heap::{Heap, Loading, Registered, Running};
use super::{interrupt, lines, sandbox};
use crate::debugger::Debugger;

/// A compiled function that the interpreter keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(super) c_int);

impl Code {
    /// Keeps the function at `index` of a stack.
    pub(crate) fn keep(frame: &mut Frame<'_>, index: i32) -> Self {
        debug_assert_eq!(frame.kind(index), Kind::Function);
        frame.push_value(index);
        // SAFETY: there is a value on top, and the heap is lenient.
        Code(unsafe { ffi::luaL_ref(frame.state(), ffi::LUA_REGISTRYINDEX) })
    }

    /// The number under which it is kept.
    pub(crate) fn number(self) -> i32 {
        self.0
    }

    /// What [`Self::number`] has given.
    pub(crate) fn of_number(number: i32) -> Self {
        Code(number)
    }
}

/// What a state is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// EVAL's scripts.
    Scripts,
    /// The functions of libraries.
    Functions,
}

/// How a script ended that did not return: the error's value is on top of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure;

/// A Lua state with everything in it that scripts see.
pub(crate) struct State {
    state: NonNull<ffi::lua_State>,
    /// Behind a raw pointer, since Lua has one, too.
    heap: NonNull<Heap>,
    /// The error handler, the real globals and their guard.
    handler: Code,
    globals: Code,
    guard: Code,
    /// What stands in for the globals while a library is loaded.
    load_globals: Option<Code>,
    runs: u32,
    limit_bytes: usize,
    /// Bytes in use beyond which everything is collected after a script.
    collect_beyond: usize,
}

impl AsMut<State> for State {
    fn as_mut(&mut self) -> &mut State {
        self
    }
}

// SAFETY: a state is used by one thread at a time, since every use needs `&mut`; neither Lua nor
// the heap has anything that belongs to a thread.
unsafe impl Send for State {}

/// Scripts after which the collector is given a turn, and how big a turn.
const COLLECT_AFTER_RUNS: u32 = 50;

/// Bytes of which a script's leftovers are collected at once.
const COLLECT_BEYOND_BYTES: usize = 64 << 20;

/// The same when so many bytes are in use after collecting: whatever is left behind, the next script
/// finds half of what it may have.
fn collect_beyond(limit_bytes: usize, used_bytes: usize) -> usize {
    let least = COLLECT_BEYOND_BYTES.min(limit_bytes / 4);
    used_bytes.saturating_mul(2).clamp(least, limit_bytes / 2)
}

impl State {
    /// A state whose scripts may have so much memory.
    pub(crate) fn new(
        purpose: Purpose,
        limit_bytes: usize,
        allows_deprecated: bool,
        seed: i32,
    ) -> Self {
        let heap = NonNull::from(Box::leak(Heap::new(limit_bytes)));
        // SAFETY: the heap is a heap and stays where it is until `drop`.
        let state = unsafe { ffi::lua_newstate(Heap::allocate, heap.as_ptr().cast()) };
        let state = NonNull::new(state).expect("the first blocks are far below the limit");
        let mut this = State {
            state,
            heap,
            handler: Code(0),
            globals: Code(0),
            guard: Code(0),
            load_globals: None,
            runs: 0,
            limit_bytes,
            collect_beyond: collect_beyond(limit_bytes, 0),
        };
        this.heap().set_lenient(true);
        this.heap().random = crate::random::Lrand48::new(seed);
        // SAFETY: the state is new and the heap lenient, so nothing raises; `build` leaves two
        // tables, and `luaL_ref` takes them off.
        unsafe {
            let state = this.state.as_ptr();
            sandbox::build(state, purpose, allows_deprecated);
            this.guard = Code(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            this.globals = Code(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            ffi::lua_pushcclosure(state, function!(describe_error), 0);
            this.handler = Code(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
            if purpose == Purpose::Functions {
                sandbox::build_load_globals(state);
                this.load_globals = Some(Code(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX)));
            }
            ffi::lua_settop(state, 0);
        }
        this.heap().set_lenient(false);
        this
    }

    fn heap(&mut self) -> &mut Heap {
        // SAFETY: it lives as long as the state; Lua does not run while this borrow lasts.
        unsafe { self.heap.as_mut() }
    }

    /// Bytes that the interpreter has.
    pub(crate) fn memory_bytes(&mut self) -> usize {
        self.heap().used_bytes()
    }

    /// Compiles a chunk.
    ///
    /// # Errors
    /// The compiler's text.
    pub(crate) fn compile(&mut self, chunk: &[u8], name: &str) -> Result<Code, Vec<u8>> {
        let name = CString::new(name).unwrap_or_default();
        self.heap().set_lenient(true);
        // SAFETY: `luaL_loadbuffer` answers its errors. The stack is empty before and after.
        let compiled = unsafe {
            let state = self.state.as_ptr();
            // The compiler does not keep the chunk's name from being collected.
            ffi::lua_pushstring(state, name.as_ptr());
            // Bytecode is none: it begins with what no source begins with.
            let chunk = match chunk {
                [0x1b, ..] => b"\x01",
                chunk => chunk,
            };
            let status =
                ffi::luaL_loadbuffer(state, chunk.as_ptr().cast(), chunk.len(), name.as_ptr());
            if status == 0 {
                ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, self.guard.0);
                ffi::lua_setfenv(state, -2);
                let code = Code(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
                ffi::lua_settop(state, 0);
                Ok(code)
            } else {
                let mut frame = Frame::of(state);
                let text = frame.text(-1).unwrap_or_default().to_vec();
                frame.set_top(0);
                Err(text)
            }
        };
        self.heap().set_lenient(false);
        compiled
    }

    /// Lets a compiled function go.
    pub(crate) fn release(&mut self, code: Code) {
        // SAFETY: the reference is one that `luaL_ref` gave.
        unsafe { ffi::luaL_unref(self.state.as_ptr(), ffi::LUA_REGISTRYINDEX, code.0) };
    }

    /// Has the next script that runs debugged.
    pub(crate) fn debug(&mut self, debugger: Debugger) {
        self.heap().debugger = Some(Box::new(debugger));
    }

    /// Sets a global that scripts see. `push` leaves its value on the stack.
    pub(crate) fn set_global(&mut self, name: &str, push: impl FnOnce(&mut Frame<'_>)) {
        self.heap().set_lenient(true);
        // SAFETY: the state lives while this borrow of it does.
        let mut frame = unsafe { Frame::of(self.state.as_ptr()) };
        let top = frame.top();
        frame.push_code(self.globals);
        push(&mut frame);
        frame.set_field(-2, name);
        frame.set_top(top);
        self.heap().set_lenient(false);
    }

    /// Calls a compiled function and gives `read` what it returned, on top of the stack.
    ///
    /// `push` leaves arguments on the stack and answers how many.
    pub(crate) fn run<R>(
        &mut self,
        code: Code,
        running: &mut Running<'_>,
        push: impl FnOnce(&mut Frame<'_>) -> usize,
        read: impl FnOnce(&mut Frame<'_>, &mut Running<'_>, Result<(), Failure>) -> R,
    ) -> R {
        // SAFETY: the state lives while this borrow of it does.
        let mut frame = unsafe { Frame::of(self.state.as_ptr()) };
        let erased = NonNull::from(&mut *running).cast::<Running<'static>>();
        self.heap().set_running(Some(erased));
        // SAFETY: what runs can reach `running` only until it is taken away below.
        let ended = unsafe { self.call(code, push) };
        self.heap().set_running(None);
        if let Some(mut debugger) = self.heap().debugger.take()
            && let Some(conversation) = running.host.conversation()
        {
            let notes = debugger.take_notes();
            notes.into_iter().for_each(|note| conversation.note(note));
        }
        let answer = read(&mut frame, running, ended);
        self.clean_up();
        answer
    }

    /// Runs the code of a library, which registers its functions.
    ///
    /// # Errors
    /// The error's text, with its code word.
    pub(crate) fn load(
        &mut self,
        code: Code,
        host: &mut dyn LoadHost,
    ) -> Result<Vec<Registered>, Vec<u8>> {
        // SAFETY: the state lives while this borrow of it does.
        let mut frame = unsafe { Frame::of(self.state.as_ptr()) };
        let mut loading = Loading {
            host,
            functions: Vec::new(),
        };
        self.set_guarded(self.load_globals.unwrap_or(self.globals));
        let erased = NonNull::from(&mut loading).cast::<Loading<'static>>();
        self.heap().set_loading(Some(erased));
        // SAFETY: what runs can reach `loading` only until it is taken away below.
        let ended = unsafe { self.call(code, |_| 0) };
        self.heap().set_loading(None);
        self.set_guarded(self.globals);
        let functions = loading.functions;
        let answer = match ended {
            Ok(()) => Ok(functions),
            Err(Failure) => {
                for function in functions {
                    self.release(function.code);
                }
                if frame.kind(-1) == Kind::Table {
                    frame.get_field(-1, "err");
                }
                Err(frame.text(-1).unwrap_or(b"ERR unknown error").to_vec())
            }
        };
        self.heap().set_lenient(true);
        self.clean_up();
        answer
    }

    /// Lets everything that was compiled here see this table as the globals.
    fn set_guarded(&mut self, table: Code) {
        self.heap().set_lenient(true);
        // SAFETY: the state lives while this borrow of it does. The guard is one, the table real.
        unsafe {
            let mut frame = Frame::of(self.state.as_ptr());
            frame.push_code(self.guard);
            frame.push_code(table);
            let guard = frame.absolute(-2);
            sandbox::set_guarded(self.state.as_ptr(), guard);
            frame.pop(1);
        }
    }

    /// Calls a compiled function with the arguments that `push` leaves on the stack. What it returned, or
    /// the error, is on top of the stack then; the heap is lenient.
    ///
    /// # Safety
    /// What the heap has of the world outside is alive until this ends.
    unsafe fn call(
        &mut self,
        code: Code,
        push: impl FnOnce(&mut Frame<'_>) -> usize,
    ) -> Result<(), Failure> {
        let state = self.state.as_ptr();
        // SAFETY: the state lives while this borrow of it does.
        let mut frame = unsafe { Frame::of(state) };
        self.heap().set_lenient(true);
        frame.push_code(self.handler);
        let handler = frame.top() as c_int;
        frame.push_code(code);
        let arguments = push(&mut frame);
        self.heap().set_lenient(false);
        // SAFETY: the function and its arguments are on the stack above the handler; nothing unwinds
        // out of Lua.
        let status = unsafe {
            match self.heap().debugger {
                Some(_) => lines::install(state),
                None => interrupt::install(state),
            }
            let status = ffi::lua_pcall(state, arguments as c_int, 1, handler);
            interrupt::remove(state);
            status
        };
        self.heap().set_lenient(true);
        if status == 0 { Ok(()) } else { Err(Failure) }
    }

    /// Empties the stack, and collects what a script has left behind when it is time.
    fn clean_up(&mut self) {
        let state = self.state.as_ptr();
        // SAFETY: the state lives while this borrow of it does.
        unsafe { ffi::lua_settop(state, 0) };
        self.runs += 1;
        if self.heap().take_refused() || self.heap().used_bytes() > self.collect_beyond {
            // What the script has left behind must not be the next one's trouble.
            // SAFETY: as below.
            unsafe { ffi::lua_gc(state, ffi::LUA_GCCOLLECT, 0) };
            self.collect_beyond = collect_beyond(self.limit_bytes, self.heap().used_bytes());
        }
        if self.runs == COLLECT_AFTER_RUNS {
            self.runs = 0;
            // SAFETY: collecting runs no Lua code but finalizers, which only `newproxy` gives.
            unsafe { ffi::lua_gc(state, ffi::LUA_GCSTEP, COLLECT_AFTER_RUNS as c_int) };
        }
        self.heap().set_lenient(false);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: nobody has the state any more; the heap goes after it.
        unsafe {
            ffi::lua_close(self.state.as_ptr());
            drop(Box::from_raw(self.heap.as_ptr()));
        }
    }
}

impl Frame<'_> {
    /// Pushes a compiled function or another thing that the state keeps.
    fn push_code(&mut self, code: Code) {
        // SAFETY: there is room.
        unsafe { ffi::lua_rawgeti_(self.state(), ffi::LUA_REGISTRYINDEX, code.0) };
    }

    /// Calls `body` with the heap's limit left alone.
    pub(super) fn lenient<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        let was_lenient = self.heap().set_lenient(true);
        let answer = body(self);
        self.heap().set_lenient(was_lenient);
        answer
    }
}

/// The error handler: makes a table of the error, with where it happened.
fn describe_error(frame: &mut Frame<'_>) -> Results {
    frame.set_top(1);
    frame.ensure_stack(8);
    frame.push_table(0, 4);
    if frame.kind(1) == Kind::Table {
        for name in ["err", "ignore_error_stats_update"] {
            frame.get_field(1, name);
            frame.set_field(2, name);
        }
    } else {
        let mut text = b"ERR ".to_vec();
        match frame.kind(1) {
            Kind::String | Kind::Number => {
                text.extend_from_slice(frame.text(1).unwrap_or_default());
            }
            Kind::Boolean => text.extend_from_slice(frame.boolean(1).to_string().as_bytes()),
            Kind::None | Kind::Nil => text.extend_from_slice(b"nil"),
            Kind::NullPointer => text.extend_from_slice(b"userdata: (nil)"),
            _ => {
                let shown = format!("{}: {:p}", frame.kind_name(1), frame.pointer(1));
                text.extend_from_slice(shown.as_bytes());
            }
        }
        frame.push_bytes(&text);
        frame.set_field(2, "err");
    }
    let level = if frame.is_native(1) { 2 } else { 1 };
    if let Some((source, line)) = frame.place(level) {
        let source = source.to_bytes().to_vec();
        frame.push_bytes(&source);
        frame.set_field(2, "source");
        frame.push_number(f64::from(line));
        frame.set_field(2, "line");
    }
    Ok(1)
}
