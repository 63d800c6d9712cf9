//! The part of the stack that is left to who works on strings below it: Lua frees strings that are
//! no longer on the stack, so what is handed out here can only be added to, and taken off again.
//!
//! Unsafe because it says how long the strings' bytes live.

use mlua_sys as ffi;

use super::frame::{Frame, Kind, Raise};

/// The stack above two strings.
pub(crate) struct Above<'f, 'a> {
    frame: &'f mut Frame<'a>,
    /// How many values are below.
    base: usize,
}

impl Frame<'_> {
    /// Calls `body` with the strings at the first two places of the stack, and with the stack above
    /// what there is.
    ///
    /// # Panics
    /// If these are no strings.
    pub(crate) fn with_strings<R>(
        &mut self,
        body: impl FnOnce(&mut Above<'_, '_>, &[u8], &[u8]) -> R,
    ) -> R {
        let base = self.top();
        let [first, second] = [1, 2].map(|index| {
            assert_eq!(self.kind(index), Kind::String);
            let mut len = 0;
            // SAFETY: it is a string. Its bytes stay in their place as long as it is on the stack:
            // `Above` takes nothing off below `base`, and functions that are called have stacks of
            // their own.
            unsafe {
                let bytes = ffi::lua_tolstring(self.state(), index, &mut len);
                std::slice::from_raw_parts(bytes.cast(), len)
            }
        });
        let mut above = Above { frame: self, base };
        body(&mut above, first, second)
    }
}

impl Above<'_, '_> {
    /// Makes room for so many values; answers whether Lua's limit allows it.
    pub(crate) fn ensure_stack(&mut self, count: usize) -> bool {
        self.frame.ensure_stack(count)
    }

    pub(crate) fn push_nil(&mut self) {
        self.frame.push_nil();
    }

    pub(crate) fn push_number(&mut self, value: f64) {
        self.frame.push_number(value);
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.frame.push_bytes(bytes);
    }

    /// Pushes the value at `index` once more.
    pub(crate) fn push_value(&mut self, index: i32) {
        self.frame.push_value(index);
    }

    /// Sets the upvalue of a number to the value on top, which is taken off.
    pub(crate) fn set_upvalue(&mut self, number: i32) {
        assert!(self.frame.top() > self.base);
        self.frame.replace(Frame::upvalue(number));
    }

    /// See [`Frame::call`].
    pub(crate) fn call(&mut self, arguments: usize) -> Result<(), Raise> {
        assert!(self.frame.top() > self.base + arguments);
        self.frame.call(arguments)
    }

    /// See [`Frame::index`].
    pub(crate) fn index(&mut self, table: i32) -> Result<(), Raise> {
        assert!(self.frame.top() > self.base);
        self.frame.index(table)
    }

    /// The type of the third argument.
    pub(crate) fn third_kind(&self) -> Kind {
        self.frame.kind(3)
    }

    /// The type of the topmost value.
    pub(crate) fn top_kind(&self) -> Kind {
        self.frame.kind(-1)
    }

    /// The name of that type.
    pub(crate) fn top_kind_name(&self) -> &'static str {
        self.frame.kind_name(-1)
    }

    /// Whether the topmost value is true.
    pub(crate) fn top_boolean(&self) -> bool {
        self.frame.boolean(-1)
    }

    /// Takes the topmost value off, and appends its bytes if it is a string or a number.
    pub(crate) fn take_text(&mut self, bytes: &mut Vec<u8>) {
        assert!(self.frame.top() > self.base);
        bytes.extend_from_slice(self.frame.text(-1).unwrap_or_default());
        self.frame.pop(1);
    }

    /// See [`Frame::check_room`].
    pub(crate) fn check_room(&mut self, bytes: usize) -> Result<(), Raise> {
        self.frame.check_room(bytes)
    }

    /// Whether the script goes on; if it does not, [`Self::check_interruption`] says so.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.frame.asks_to_go_on()
    }

    /// See [`Frame::check_interruption`].
    pub(crate) fn check_interruption(&mut self) -> Result<(), Raise> {
        self.frame.check_interruption()
    }
}
