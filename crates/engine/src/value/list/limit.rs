//! How big a block may become, from `list-max-listpack-size`.

use crate::value::EncodingLimits;

/// The most bytes of a node when the limit is a number of elements.
const BYTES_WITH_COUNT: usize = 8192;

/// The bounds of one block: a node of a big list, or a whole list that answers `listpack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockLimit {
    /// Bytes of the block.
    pub(super) bytes: usize,
    /// Elements in the block.
    pub(super) count: usize,
    /// `list-compress-depth`: nodes at either end that are not compressed; 0 is all.
    pub(super) depth: usize,
}

impl BlockLimit {
    pub(super) fn new(limits: &EncodingLimits) -> Self {
        let depth = usize::try_from(limits.list_compress_depth).unwrap_or(0);
        match limits.list_max_listpack_size {
            0.. => Self {
                depth,
                bytes: BYTES_WITH_COUNT,
                count: limits.list_max_listpack_size.max(1) as usize,
            },
            // -1 is 4 KiB, -2 is 8 KiB, up to -5; what lies below means the same as -5.
            negative => Self {
                depth,
                bytes: 4096 << (-1 - negative.max(-5)),
                count: usize::MAX,
            },
        }
    }

    /// Whether a listpack of `bytes` bytes and `count` elements is too big to stay one.
    pub(super) fn is_exceeded(self, bytes: usize, count: usize) -> bool {
        bytes > self.bytes || count > self.count
    }

    /// Whether a list of this size may become a listpack again. Only half of the limit lets it, so that
    /// a list whose size goes up and down around the limit is not converted each time.
    pub(super) fn is_undercut(self, bytes: usize, count: usize) -> bool {
        bytes <= self.undercut_bytes() && (self.count == usize::MAX || count <= self.count / 2)
    }

    /// The most bytes of such a list.
    pub(super) fn undercut_bytes(self) -> usize {
        match self.count {
            usize::MAX => self.bytes / 2,
            _ => self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(list_max_listpack_size: i64) -> BlockLimit {
        BlockLimit::new(&EncodingLimits {
            list_max_listpack_size,
            ..EncodingLimits::default()
        })
    }

    #[test]
    fn negative_sizes_are_bytes_and_positive_ones_are_elements() {
        assert_eq!(limit(-1).bytes, 4096);
        assert_eq!(limit(-2).bytes, 8192);
        assert_eq!(limit(-5).bytes, 65536);
        assert_eq!(limit(i64::MIN).bytes, 65536);
        assert_eq!(limit(-2).count, usize::MAX);
        assert_eq!((limit(3).bytes, limit(3).count), (8192, 3));
        assert_eq!(limit(0).count, 1);
    }

    #[test]
    fn a_limit_of_one_element_is_never_undercut() {
        assert!(!limit(1).is_undercut(0, 1));
        assert!(limit(4).is_undercut(100, 2));
        assert!(!limit(4).is_undercut(100, 3));
    }
}
