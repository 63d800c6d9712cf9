//! Intsets: sets of integers as Redis writes them (`intset.c`): four bytes with the width of an integer, four with
//! their number, and the integers in ascending order; all little-endian.

/// Bytes before the integers.
const HEADER_LEN: usize = 8;

/// The width of the integers, and their bytes; `None` if anything about the intset is wrong.
pub(super) fn read(intset: &[u8]) -> Option<(usize, &[u8])> {
    let (header, integers) = intset.split_at_checked(HEADER_LEN)?;
    let width = match header[..4] {
        [2, 0, 0, 0] => 2,
        [4, 0, 0, 0] => 4,
        [8, 0, 0, 0] => 8,
        _ => return None,
    };
    let count = u32::from_le_bytes(header[4..].try_into().ok()?);
    if (count as usize).checked_mul(width)? != integers.len() {
        return None;
    }
    let decoded = integers
        .chunks_exact(width)
        .map(super::listpack::sign_extended);
    decoded
        .is_sorted_by(|a, b| a < b)
        .then_some((width, integers))
}

/// The intset of these integers, which are of this width and in order.
pub(super) fn write(width: usize, integers: &[u8]) -> Vec<u8> {
    let mut intset = Vec::with_capacity(HEADER_LEN + integers.len());
    intset.extend_from_slice(&(width as u32).to_le_bytes());
    intset.extend_from_slice(&((integers.len() / width) as u32).to_le_bytes());
    intset.extend_from_slice(integers);
    intset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sorted_integers_of_one_width_are_an_intset() {
        let intset = write(2, &[0xff, 0xff, 0, 0, 1, 0]);
        assert_eq!(read(&intset), Some((2, &[0xff, 0xff, 0, 0, 1, 0][..])));
        assert_eq!(read(&write(2, &[1, 0, 1, 0])), None);
        assert_eq!(read(&write(2, &[1, 0, 0, 0])), None);
        for at in [0, 1, 4, 7] {
            let mut bad = intset.clone();
            bad[at] ^= 4;
            assert_eq!(read(&bad), None, "byte {at}");
        }
        for len in 0..intset.len() {
            assert_eq!(read(&intset[..len]), None);
        }
    }
}
