//! What a library is, and which there are.

use crate::lua::{Entry, Frame};

/// A table of functions and values among the globals.
pub(crate) struct Library {
    /// The name of the table. One that Lua has already gets our functions in addition.
    pub(crate) name: &'static str,
    /// Its functions.
    pub(crate) functions: &'static [(&'static str, Entry)],
    /// Adds what are no functions to the table on top of the stack.
    pub(crate) fill: fn(&mut Frame<'_>),
}

/// A library that is nothing but functions.
pub(super) fn nothing_more(_: &mut Frame<'_>) {}

/// What `redis` has for scripts and not for functions.
pub(crate) const SCRIPTS_ONLY: Library = super::redis::SCRIPTS_ONLY;

/// What stands in the place of all of them while a library of functions is loaded.
pub(crate) const LOADING: Library = super::functions::LIBRARY;

/// All libraries.
pub(crate) const ALL: &[Library] = &[
    super::redis::LIBRARY,
    super::random::LIBRARY,
    super::clock::LIBRARY,
    super::json::LIBRARY,
    super::message_pack::LIBRARY,
    super::structure::LIBRARY,
    super::bits::LIBRARY,
    super::text::LIBRARY,
    super::tables::LIBRARY,
];
