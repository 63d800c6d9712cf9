//! What scripts may set. It stays set for the scripts that follow, as in Redis.

/// What becomes of numbers that JSON does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

/// The settings of an interpreter.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Whether a sparse array is written as an object instead of being refused.
    pub(super) sparse_convert: bool,
    /// So many times its elements an array may be long; 0 is any.
    pub(super) sparse_ratio: i32,
    /// So long any array may be.
    pub(super) sparse_safe: i32,
    pub(super) encode_max_depth: i32,
    pub(super) decode_max_depth: i32,
    pub(super) number_precision: i32,
    /// Without effect; scripts may ask for it.
    pub(super) keeps_buffer: bool,
    pub(super) encode_invalid_numbers: InvalidNumbers,
    pub(super) decode_invalid_numbers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            number_precision: 14,
            keeps_buffer: true,
            encode_invalid_numbers: InvalidNumbers::Refused,
            decode_invalid_numbers: true,
        }
    }
}
