//! LZF: the compression of long strings in RDB and of the inner nodes of lists, a byte-oriented Lempel-Ziv of one
//! pass.
//!
//! The format is that of Marc Lehmann's liblzf. Compressed data are runs one after another, each with
//! a control byte in front:
//!
//! | control byte | meaning |
//! |---|---|
//! | `000lllll` | `l + 1` bytes follow as they are |
//! | `lllooooo oooooooo` | copy `l + 2` bytes from `o + 1` bytes back, `l` being 1 to 6 |
//! | `111ooooo llllllll oooooooo` | the same with `l + 7` for `l` |
//!
//! It is ours because what is read comes from strangers, whose word for the length is not to be
//! believed before the bytes are there, and because what is written are often strings of a few dozen
//! bytes, for which a table of positions must not be cleared each time.

/// The most bytes that one byte of compressed data can stand for: three stand for 264.
const EXPANSION_MAX: usize = 88;

const LITERAL_RUN_MAX: usize = 32;
const COPY_MAX: usize = 264;
const DISTANCE_MAX: usize = 1 << 13;
const TABLE_BITS: u32 = 14;

/// Decompresses `data`, which must give exactly `len` bytes; `None` if it does not.
pub fn decompress(data: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > data.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(len.min(data.len().saturating_mul(4)));
    let mut rest = data;
    while let [control, tail @ ..] = rest {
        rest = tail;
        let control = usize::from(*control);
        if control < LITERAL_RUN_MAX {
            let literals = rest.get(..=control)?;
            out.extend_from_slice(literals);
            rest = &rest[control + 1..];
        } else {
            let mut count = (control >> 5) + 2;
            if count == 9 {
                let (more, tail) = rest.split_first()?;
                count += usize::from(*more);
                rest = tail;
            }
            let (low, tail) = rest.split_first()?;
            rest = tail;
            let distance = ((control & 0x1f) << 8 | usize::from(*low)) + 1;
            let start = out.len().checked_sub(distance)?;
            if distance >= count {
                out.extend_from_within(start..start + count);
            } else {
                // The copy overlaps what it makes: it repeats the last bytes.
                for at in start..start + count {
                    out.push(out[at]);
                }
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// A compressor, which keeps its table from string to string.
pub struct Compressor {
    /// Where three bytes of such a hash were last seen, counted from the first string on.
    seen: Box<[u32]>,
    /// Where the next string begins in that count.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor {
    /// One that has seen nothing yet. It takes 64 KiB.
    pub fn new() -> Self {
        Compressor {
            seen: vec![0; 1 << TABLE_BITS].into(),
            base: 1,
        }
    }

    /// Appends `data` compressed to `out`, if that takes at most `len_max` bytes; answers whether it
    /// does. Otherwise `out` is as before.
    pub fn compress(&mut self, data: &[u8], len_max: usize, out: &mut Vec<u8>) -> bool {
        // Positions must fit into the table beside those of strings before.
        let Ok(len) = u32::try_from(data.len()) else {
            return false;
        };
        if self.base.checked_add(len).is_none() {
            self.seen.fill(0);
            self.base = 1;
        }
        let start = out.len();
        let fits = self.compress_all(data, start.saturating_add(len_max), out);
        if !fits {
            out.truncate(start);
        }
        self.base = self.base.saturating_add(len);
        fits
    }

    fn compress_all(&mut self, data: &[u8], end_max: usize, out: &mut Vec<u8>) -> bool {
        let mut at = 0;
        let mut literals_from = 0;
        while at + 2 < data.len() {
            let Some(found) = self.find(data, at) else {
                at += 1;
                continue;
            };
            push_literals(&data[literals_from..at], out);
            let count = common_len(data, found, at);
            push_copy(at - found, count, out);
            if out.len() > end_max {
                return false;
            }
            // What was copied is remembered at its end only, which is quick and costs little.
            at += count;
            literals_from = at;
            for passed in at.saturating_sub(2)..at {
                self.note(data, passed);
            }
        }
        push_literals(&data[literals_from..], out);
        out.len() <= end_max
    }

    /// Where the three bytes at `at` stand before, not too far away; notes that they stand here.
    fn find(&mut self, data: &[u8], at: usize) -> Option<usize> {
        let seen = self.note(data, at)?;
        let found = seen.checked_sub(self.base)? as usize;
        let is_match = at - found <= DISTANCE_MAX && data[found..found + 3] == data[at..at + 3];
        is_match.then_some(found)
    }

    /// Notes that three bytes stand at `at`; answers where such ones stood before, if anywhere.
    fn note(&mut self, data: &[u8], at: usize) -> Option<u32> {
        let bytes = data.get(at..at + 3)?;
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        let slot = (word.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize;
        let here = self.base + at as u32;
        Some(std::mem::replace(&mut self.seen[slot], here))
    }
}

/// How many bytes are the same from `found` and from `at` on, at most what one copy can say.
fn common_len(data: &[u8], found: usize, at: usize) -> usize {
    let most = (data.len() - at).min(COPY_MAX);
    (0..most)
        .find(|&offset| data[found + offset] != data[at + offset])
        .unwrap_or(most)
}

fn push_literals(literals: &[u8], out: &mut Vec<u8>) {
    for run in literals.chunks(LITERAL_RUN_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn push_copy(distance: usize, count: usize, out: &mut Vec<u8>) {
    let offset = distance - 1;
    let high = (offset >> 8) as u8;
    let count = count - 2;
    if count < 7 {
        out.push((count as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((count - 7) as u8);
    }
    out.push(offset as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            strings in prop::collection::vec(prop_oneof![
                prop::collection::vec(0u8..3, 0..600),
                prop::collection::vec(any::<u8>(), 0..600),
                (prop::collection::vec(any::<u8>(), 1..9), 1usize..2000).prop_map(|(part, times)| part.repeat(times)),
            ], 1..5),
        ) {
            let mut compressor = Compressor::new();
            for string in strings {
                let mut out = b"before".to_vec();
                if compressor.compress(&string, string.len(), &mut out) {
                    prop_assert!(out.len() <= 6 + string.len());
                    prop_assert_eq!(decompress(&out[6..], string.len()), Some(string));
                } else {
                    prop_assert_eq!(out, b"before".to_vec());
                }
            }
        }

        #[test]
        fn nonsense_is_no_string(data in prop::collection::vec(any::<u8>(), 0..60), len in 0usize..6000) {
            if let Some(string) = decompress(&data, len) {
                prop_assert_eq!(string.len(), len);
            }
        }
    }

    #[test]
    fn repetitions_get_short() {
        let mut out = Vec::new();
        assert!(Compressor::new().compress(&[b'x'; 1000], 996, &mut out));
        assert!(out.len() < 20, "{}", out.len());
        assert!(!Compressor::new().compress(b"no three alike", 14, &mut out));
    }

    /// From the DUMP that redis-server 7.0.15 makes of forty times x.
    #[test]
    fn what_redis_compressed_is_read() {
        let data = [1, b'x', b'x', 0xe0, 0x1b, 0x00, 0x01, b'x', b'x'];
        assert_eq!(decompress(&data, 40), Some(vec![b'x'; 40]));
    }

    #[test]
    fn a_huge_length_is_not_believed() {
        assert_eq!(decompress(&[0, b'x'], usize::MAX), None);
        assert_eq!(decompress(&[], 0), Some(Vec::new()));
    }
}
