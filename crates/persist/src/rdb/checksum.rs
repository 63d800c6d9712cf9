//! CRC-64 as Redis uses it: the "Jones" polynomial, reflected, without inversions (`crc64.c`).

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of `bytes` behind bytes whose checksum is `before`; that of no bytes is 0.
pub(super) fn extend(before: u64, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, before);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::extend;

    #[test]
    fn it_is_the_checksum_of_redis() {
        // The check value that `crc64.c` names.
        assert_eq!(extend(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(
            extend(extend(0, b"1234"), b"56789"),
            extend(0, b"123456789")
        );
        assert_eq!(extend(0, b""), 0);
    }
}
