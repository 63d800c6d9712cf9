//! HyperLogLog: strings that estimate how many different elements they have seen, byte for byte as Redis
//! writes them.
//!
//! A sketch has 16,384 registers. The hash of an element chooses one of them, and the register keeps the
//! longest run of zeros that the rest of such a hash began with; how long these runs are says how
//! many different hashes there were (Flajolet and others, "HyperLogLog: the analysis of a near-optimal
//! cardinality estimation algorithm"; the error is about 0.81%).
//!
//! The string is a header of 16 bytes, and the registers, dense or sparse:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `HYLL` |
//! | 4 | 0 if dense, 1 if sparse |
//! | 5..8 | nothing |
//! | 8..16 | the last estimate, little endian; the highest bit says that it is out of date |
//!
//! * `sketch`: whole strings: checking, adding, counting, merging.
//! * `dense`: registers of six bits.
//! * `sparse`: runs of equal registers.
//! * `estimate`: from registers to a number.
//! * `murmur`: the hash.

mod dense;
mod estimate;
mod murmur;
mod sketch;
mod sparse;
#[cfg(test)]
mod tests;

pub use sketch::{
    Invalid, MergedRegisters, Representation, add, cached_count, count, empty, forget_count,
    is_dense, make_dense, raise, registers, remember_count, representation, runs,
};
pub use sparse::Run;
