//! The stack of a function that Lua calls, and how Rust functions become Lua's.
//!
//! Unsafe because it calls Lua's C API. An error in Lua is a `longjmp` to the nearest protected call;
//! it must not pass over a Rust frame that has something to drop. So:
//!
//! * the methods of [`Frame`] never raise: they reach tables raw (no metamethod runs), check what
//!   would raise, and while they run the heap's limit is not enforced;
//! * a Rust function says that it fails by answering a [`Raise`]; [`enter`] drops what Rust has, and
//!   only then raises, from a frame with nothing to drop;
//! * a panic becomes an error of the script.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::heap::{Heap, Loading, Running};
use crate::libraries::JsonSettings;
use crate::random::Lrand48;

/// A function as Lua calls it; made by [`function!`].
pub(crate) type Entry = ffi::lua_CFunction;

/// What a Rust function answers: how many results it left on the stack, or that it fails.
pub(crate) type Results = Result<usize, Raise>;

/// How a Rust function fails.
#[derive(Debug)]
pub(crate) enum Raise {
    /// The error's value is on top of the stack.
    Top,
    /// A text, which gets the caller's place in front.
    Text(Cow<'static, str>),
    /// A text about an argument, which gets the place, the argument and the function in front.
    Argument(usize, Cow<'static, str>),
}

impl From<&'static str> for Raise {
    fn from(text: &'static str) -> Self {
        Raise::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Raise {
    fn from(text: String) -> Self {
        Raise::Text(Cow::Owned(text))
    }
}

/// The types of Lua's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No value: beyond the top of the stack.
    None,
    Nil,
    Boolean,
    /// Stands for the null of JSON.
    NullPointer,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

/// Makes a Lua function of a Rust function with the signature `fn(&mut Frame<'_>) -> Results`.
macro_rules! function {
    ($function:path) => {{
        unsafe extern "C-unwind" fn entry(state: *mut mlua_sys::lua_State) -> std::ffi::c_int {
            // SAFETY: Lua calls this with its state, and with room for 20 values on the stack.
            unsafe { $crate::lua::enter(state, $function) }
        }
        entry as $crate::lua::Entry
    }};
}
pub(crate) use function;

/// How [`enter`] goes on once Rust has nothing left to drop.
#[derive(Clone, Copy)]
enum Outcome {
    Results(c_int),
    RaiseTop,
    RaiseText,
    RaiseArgument(c_int),
}

/// Calls a Rust function on behalf of Lua.
///
/// # Safety
/// `state` is a state made by `State`, which has just called a C function.
pub(crate) unsafe fn enter(
    state: *mut ffi::lua_State,
    function: fn(&mut Frame<'_>) -> Results,
) -> c_int {
    // SAFETY: as this function's. What raises does so here, where nothing is left to drop.
    unsafe {
        match prepare(state, function) {
            Outcome::Results(count) => count,
            Outcome::RaiseTop => ffi::lua_error(state),
            Outcome::RaiseText => {
                ffi::luaL_where(state, 1);
                ffi::lua_insert(state, -2);
                ffi::lua_concat(state, 2);
                ffi::lua_error(state)
            }
            Outcome::RaiseArgument(index) => {
                let text = ffi::lua_tostring(state, -1);
                ffi::luaL_argerror(state, index, text)
            }
        }
    }
}

/// Runs the function; leaves the text or value of an error on the stack.
unsafe fn prepare(state: *mut ffi::lua_State, function: fn(&mut Frame<'_>) -> Results) -> Outcome {
    // SAFETY: the state is one of ours, so its allocator's data is a heap.
    let mut frame = unsafe { Frame::of(state) };
    let was_lenient = frame.heap().set_lenient(true);
    let result = catch_unwind(AssertUnwindSafe(|| function(&mut frame)));
    let outcome = match result {
        Ok(Ok(count)) => Outcome::Results(count as c_int),
        Ok(Err(raise)) => frame.push_raise(raise),
        Err(_) => frame.push_raise(Raise::from("internal error")),
    };
    frame.heap().set_lenient(was_lenient);
    outcome
}

/// The stack of a function that Lua has called: its arguments first, numbered from 1; indices from
/// the top are negative.
pub(crate) struct Frame<'a> {
    state: *mut ffi::lua_State,
    heap: NonNull<Heap>,
    _lifetime: PhantomData<&'a mut ffi::lua_State>,
}

impl<'a> Frame<'a> {
    /// The frame of the C function that runs in `state`.
    ///
    /// # Safety
    /// The state is one made by `State`, and lives for `'a`.
    pub(super) unsafe fn of(state: *mut ffi::lua_State) -> Self {
        let mut heap: *mut c_void = std::ptr::null_mut();
        // SAFETY: the caller's promise.
        unsafe { ffi::lua_getallocf(state, &mut heap) };
        Frame {
            state,
            heap: NonNull::new(heap.cast()).expect("every state is made with a heap"),
            _lifetime: PhantomData,
        }
    }

    pub(super) fn state(&self) -> *mut ffi::lua_State {
        self.state
    }

    pub(super) fn heap(&mut self) -> &mut Heap {
        // SAFETY: the heap lives as long as the state, and Lua, which also reaches it, does not run
        // while this borrow of the frame lasts.
        unsafe { self.heap.as_mut() }
    }

    /// Leaves what is to be raised on the stack.
    fn push_raise(&mut self, raise: Raise) -> Outcome {
        self.ensure_stack(4);
        match raise {
            Raise::Top => Outcome::RaiseTop,
            Raise::Text(text) => {
                self.push_bytes(text.as_bytes());
                Outcome::RaiseText
            }
            Raise::Argument(index, text) => {
                self.push_bytes(text.as_bytes());
                Outcome::RaiseArgument(index as c_int)
            }
        }
    }

    /// The generator behind `math.random`.
    pub(crate) fn random(&mut self) -> &mut Lrand48 {
        &mut self.heap().random
    }

    /// What scripts have set of `cjson`.
    pub(crate) fn json_settings(&mut self) -> &mut JsonSettings {
        &mut self.heap().json
    }

    /// Fails if the script has more memory than it may have. Whoever makes much without Lua's code
    /// running between asks this.
    pub(crate) fn check_memory(&mut self) -> Result<(), Raise> {
        if self.heap().is_full() {
            self.push_bytes(b"not enough memory");
            return Err(Raise::Top);
        }
        Ok(())
    }

    /// Whether the script may have so many bytes more.
    pub(crate) fn has_room(&mut self, bytes: usize) -> bool {
        self.heap().has_room(bytes)
    }

    /// Fails if so many bytes more would be more memory than the script may have.
    pub(crate) fn check_room(&mut self, bytes: usize) -> Result<(), Raise> {
        if self.has_room(bytes) {
            return Ok(());
        }
        self.push_bytes(b"not enough memory");
        Err(Raise::Top)
    }

    /// Calls `body` with the script that runs; answers `None` if none does, or if one of its
    /// commands is being executed.
    pub(crate) fn with_running<R>(
        &mut self,
        body: impl FnOnce(&mut Self, &mut Running<'_>) -> R,
    ) -> Option<R> {
        let mut running = self.heap().set_running(None)?;
        // SAFETY: `State::run` put it there, and takes it away before it goes. While `body` runs it
        // is nowhere else.
        let answer = body(self, unsafe { running.as_mut() });
        self.heap().set_running(Some(running));
        Some(answer)
    }

    /// Whether a script runs, so that [`Self::with_running`] will answer.
    pub(crate) fn is_running(&mut self) -> bool {
        let running = self.heap().set_running(None);
        self.heap().set_running(running);
        running.is_some()
    }

    /// Calls `body` with the library that is being loaded; answers `None` if none is.
    pub(crate) fn with_loading<R>(
        &mut self,
        body: impl FnOnce(&mut Self, &mut Loading<'_>) -> R,
    ) -> Option<R> {
        let mut loading = self.heap().set_loading(None)?;
        // SAFETY: `State::load` put it there, and takes it away before it goes. While `body` runs it
        // is nowhere else.
        let answer = body(self, unsafe { loading.as_mut() });
        self.heap().set_loading(Some(loading));
        Some(answer)
    }

    // The stack.

    /// How many values are on the stack; also the index of the topmost.
    pub(crate) fn top(&self) -> usize {
        // SAFETY: the state is alive.
        unsafe { ffi::lua_gettop(self.state) as usize }
    }

    /// Makes the stack have so many values.
    pub(crate) fn set_top(&mut self, count: usize) {
        // SAFETY: only less than there is, or nils for which there is room.
        unsafe { ffi::lua_settop(self.state, count as c_int) };
    }

    /// Takes the topmost values away.
    pub(crate) fn pop(&mut self, count: usize) {
        debug_assert!(self.top() >= count);
        // SAFETY: there are so many.
        unsafe { ffi::lua_pop(self.state, count as c_int) };
    }

    /// Makes room for so many values beside the 20 that there is room for; answers whether Lua's
    /// limit allows it.
    pub(crate) fn ensure_stack(&mut self, count: usize) -> bool {
        // SAFETY: the heap is lenient, so growing the stack does not raise.
        unsafe { ffi::lua_checkstack(self.state, count as c_int) != 0 }
    }

    /// A positive index for any index.
    pub(crate) fn absolute(&self, index: i32) -> i32 {
        if index > 0 || index <= ffi::LUA_REGISTRYINDEX {
            index
        } else {
            self.top() as i32 + 1 + index
        }
    }

    /// Moves the topmost value to `index`, pushing others up.
    pub(crate) fn insert(&mut self, index: i32) {
        // SAFETY: callers name values that there are.
        unsafe { ffi::lua_insert(self.state, index) };
    }

    /// Moves the topmost value to the place of the one at `index`.
    pub(crate) fn replace(&mut self, index: i32) {
        // SAFETY: callers name values that there are.
        unsafe { ffi::lua_replace(self.state, index) };
    }

    // Reading values.

    pub(crate) fn kind(&self, index: i32) -> Kind {
        // SAFETY: any index may be asked for.
        match unsafe { ffi::lua_type(self.state, index) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA if self.is_null_pointer(index) => Kind::NullPointer,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::None,
        }
    }

    fn is_null_pointer(&self, index: i32) -> bool {
        // SAFETY: any index may be asked for.
        unsafe { ffi::lua_touserdata(self.state, index).is_null() }
    }

    /// The name of the value's type, as error texts have it.
    pub(crate) fn kind_name(&self, index: i32) -> &'static str {
        match self.kind(index) {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::NullPointer | Kind::LightUserdata | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }

    /// Where the value lies, to tell it from others of its kind.
    pub(crate) fn pointer(&self, index: i32) -> *const std::ffi::c_void {
        // SAFETY: any index may be asked for; the pointer is not followed.
        unsafe { ffi::lua_topointer(self.state, index) }
    }

    /// Whether the value is true: anything but nil and false.
    pub(crate) fn boolean(&self, index: i32) -> bool {
        // SAFETY: any index may be asked for.
        unsafe { ffi::lua_toboolean(self.state, index) != 0 }
    }

    /// The value as a number, if it is one or a string that reads as one.
    pub(crate) fn number(&self, index: i32) -> Option<f64> {
        // SAFETY: any index may be asked for.
        unsafe {
            (ffi::lua_isnumber(self.state, index) != 0)
                .then(|| ffi::lua_tonumber(self.state, index))
        }
    }

    /// The bytes of a string; of strings only.
    pub(crate) fn bytes(&self, index: i32) -> Option<&[u8]> {
        (self.kind(index) == Kind::String).then(|| self.string_at(index))
    }

    /// The bytes of a string or of a number, which becomes a string in its place on the stack.
    pub(crate) fn text(&mut self, index: i32) -> Option<&[u8]> {
        matches!(self.kind(index), Kind::String | Kind::Number).then(|| self.string_at(index))
    }

    fn string_at(&self, index: i32) -> &[u8] {
        let mut len = 0;
        // SAFETY: it is a string or a number, so this answers a pointer to `len` bytes. Lua's
        // strings stay in their place as long as they are on the stack, and taking them off needs
        // `&mut self`.
        unsafe {
            let bytes = ffi::lua_tolstring(self.state, index, &mut len);
            std::slice::from_raw_parts(bytes.cast(), len)
        }
    }

    // Pushing values. Callers see to it that there is room.

    pub(crate) fn push_nil(&mut self) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.state) };
    }

    pub(crate) fn push_boolean(&mut self, value: bool) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) };
    }

    pub(crate) fn push_number(&mut self, value: f64) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.state, value) };
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: there is room, and the heap is lenient.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) };
    }

    pub(crate) fn push_null_pointer(&mut self) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushlightuserdata(self.state, std::ptr::null_mut()) };
    }

    pub(crate) fn push_function(&mut self, function: Entry) {
        // SAFETY: there is room, and the heap is lenient.
        unsafe { ffi::lua_pushcclosure(self.state, function, 0) };
    }

    /// Pushes the value at `index` once more.
    pub(crate) fn push_value(&mut self, index: i32) {
        // SAFETY: callers name values that there are, and there is room.
        unsafe { ffi::lua_pushvalue(self.state, index) };
    }

    /// Pushes a table with room for so many values and fields.
    pub(crate) fn push_table(&mut self, values: usize, fields: usize) {
        // Lua makes room for more as more comes; a length is only a promise.
        const RESERVED_MAX: usize = 4096;
        let values = values.min(RESERVED_MAX) as c_int;
        let fields = fields.min(RESERVED_MAX) as c_int;
        // SAFETY: there is room, and the heap is lenient.
        unsafe { ffi::lua_createtable(self.state, values, fields) };
    }

    // Tables, raw. The value at `table` must be one.

    /// Takes a key off the stack and pushes what the table has under it.
    pub(crate) fn get(&mut self, table: i32) -> Kind {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table.
        unsafe { ffi::lua_rawget_(self.state, table) };
        self.kind(-1)
    }

    /// Pushes what the table has at a number.
    pub(crate) fn get_at(&mut self, table: i32, number: usize) -> Kind {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and there is room.
        unsafe { ffi::lua_rawgeti_(self.state, table, number as c_int) };
        self.kind(-1)
    }

    /// As [`Self::get_at`], for any C int.
    pub(crate) fn get_at_int(&mut self, table: i32, number: i32) -> Kind {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and there is room.
        unsafe { ffi::lua_rawgeti_(self.state, table, number) };
        self.kind(-1)
    }

    /// Pushes a field.
    pub(crate) fn get_field(&mut self, table: i32, name: &str) -> Kind {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.get(table)
    }

    /// Takes a value and the key under it off the stack and sets them in the table. The key must be
    /// neither nil nor a NaN.
    pub(crate) fn set(&mut self, table: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        debug_assert_ne!(self.kind(-2), Kind::Nil);
        // SAFETY: it is a table, the key is one, and the heap is lenient.
        unsafe { ffi::lua_rawset(self.state, table) };
    }

    /// Takes a value off the stack and sets it at a number.
    pub(crate) fn set_at(&mut self, table: i32, number: usize) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and the heap is lenient.
        unsafe { ffi::lua_rawseti_(self.state, table, number as c_int) };
    }

    /// As [`Self::set_at`], for any C int.
    pub(crate) fn set_at_int(&mut self, table: i32, number: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and the heap is lenient.
        unsafe { ffi::lua_rawseti_(self.state, table, number) };
    }

    /// Takes a value off the stack and sets it as a field.
    pub(crate) fn set_field(&mut self, table: i32, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.set(table);
    }

    /// Takes a key off the stack and pushes the next one and its value; answers `false`, pushing
    /// nothing, at the end. A nil is before the first. The key must be one of the table's.
    pub(crate) fn next(&mut self, table: i32) -> bool {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and the key is nil or came from here.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// The length of a table, as `#` gives it.
    pub(crate) fn length(&self, table: i32) -> usize {
        // SAFETY: any index may be asked for.
        unsafe { ffi::lua_objlen(self.state, table) }
    }

    /// Where the caller at `level` stands: chunk and line. Level 1 is the function that called.
    pub(crate) fn place(&mut self, level: usize) -> Option<(&CStr, i32)> {
        // SAFETY: `lua_getstack` fills what `lua_getinfo` needs; the names stay as long as the
        // function that is on the stack of calls.
        unsafe {
            let mut activation: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, level as c_int, &mut activation) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.state, c"Sl".as_ptr(), &mut activation);
            Some((
                CStr::from_ptr(activation.source.cast::<c_char>()),
                activation.currentline,
            ))
        }
    }

    /// Whether the function at `level` is not Lua code.
    pub(crate) fn is_native(&mut self, level: usize) -> bool {
        // SAFETY: as in `place`.
        unsafe {
            let mut activation: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, level as c_int, &mut activation) == 0 {
                return false;
            }
            ffi::lua_getinfo(self.state, c"S".as_ptr(), &mut activation);
            CStr::from_ptr(activation.what) == c"C"
        }
    }

    // Functions.

    /// Pushes a function that finds the topmost values as its upvalues, and takes these off.
    pub(crate) fn push_closure(&mut self, function: Entry, upvalues: usize) {
        // SAFETY: there are so many values, and the heap is lenient.
        unsafe { ffi::lua_pushcclosure(self.state, function, upvalues as c_int) };
    }

    /// The index of an upvalue of the function that runs, counted from 1.
    pub(crate) fn upvalue(number: i32) -> i32 {
        ffi::lua_upvalueindex(number)
    }

    /// Calls the function below so many arguments on top of the stack; its first result takes their
    /// place. What it raises is the answer's error.
    pub(crate) fn call(&mut self, arguments: usize) -> Result<(), Raise> {
        debug_assert!(self.top() > arguments);
        // Lua's code is held to the limit.
        let was_lenient = self.heap().set_lenient(false);
        // SAFETY: a value and its arguments are on the stack; errors are answered, not raised.
        let status = unsafe { ffi::lua_pcall(self.state, arguments as c_int, 1, 0) };
        self.heap().set_lenient(was_lenient);
        if status == 0 { Ok(()) } else { Err(Raise::Top) }
    }

    /// Takes a key off the stack and pushes what a table of any kind answers for it, its metatable
    /// included.
    pub(crate) fn index(&mut self, table: i32) -> Result<(), Raise> {
        let table = self.absolute(table);
        self.push_function(index_plainly);
        self.insert(-2);
        self.push_value(table);
        self.insert(-2);
        self.call(2)
    }

    // Errors.

    /// An error about an argument of a wrong type, as Lua words it.
    pub(crate) fn wrong_type(&self, index: usize, wanted: &str) -> Raise {
        let got = self.kind_name(index as i32);
        Raise::Argument(index, format!("{wanted} expected, got {got}").into())
    }

    /// The argument as a number, or Lua's error.
    pub(crate) fn check_number(&self, index: usize) -> Result<f64, Raise> {
        self.number(index as i32)
            .ok_or_else(|| self.wrong_type(index, "number"))
    }

    /// The argument as an integer of 64 bits, as C would convert it.
    pub(crate) fn check_integer(&self, index: usize) -> Result<i64, Raise> {
        self.check_number(index).map(integer_of)
    }

    /// The argument as bytes, or Lua's error.
    pub(crate) fn check_bytes(&mut self, index: usize) -> Result<&[u8], Raise> {
        if !matches!(self.kind(index as i32), Kind::String | Kind::Number) {
            return Err(self.wrong_type(index, "string"));
        }
        Ok(self.text(index as i32).unwrap_or_default())
    }
}

/// A number as C converts a double to 64 bits on the common machines: what does not fit becomes the
/// smallest integer.
pub(crate) fn integer_of(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// What [`Frame::index`] calls, since it may raise: the table and the key are its arguments.
unsafe extern "C-unwind" fn index_plainly(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls this with its state and two arguments; there is nothing to drop.
    unsafe { ffi::lua_gettable_(state, 1) };
    1
}
