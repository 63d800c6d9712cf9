//! MurmurHash64A by Austin Appleby, with the seed that Redis uses: which register an element goes to is part
//! of the format.

use super::estimate::{REGISTER_BITS, REGISTERS};

const SEED: u64 = 0xadc8_3b19;

fn hash(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> 47;
        hash = (hash ^ word.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(M);
    hash ^ hash >> 47
}

/// The register of an element, and the value that it should have at least: one more than the zeros
/// with which the rest of the hash begins.
pub(super) fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let rest = hash >> REGISTER_BITS | 1 << (u64::BITS - REGISTER_BITS);
    (
        hash as usize & (REGISTERS - 1),
        rest.trailing_zeros() as u8 + 1,
    )
}
