//! The digests under which scripts are kept.

use sha1::{Digest, Sha1};

/// The SHA-1 of `bytes` in lower-case hexadecimal.
pub(crate) fn sha1_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(bytes);
    let digits = digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]));
    digits.collect()
}
