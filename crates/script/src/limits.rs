//! Every limit of scripts.

/// Bytes that an interpreter may have. A script that asks for more gets Lua's "not enough memory".
pub(crate) const MEMORY_MAX_BYTES: usize = 1 << 30;
