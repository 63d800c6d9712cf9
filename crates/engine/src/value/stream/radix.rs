//! How large the radix tree is that Redis keeps blocks in, since XINFO tells it.
//!
//! Redis finds blocks by a radix tree of their first IDs, which are keys of 16 bytes there, the high ones first.
//! Its nodes follow from the keys: one at the end of each key, one where keys part, and one for each stretch of
//! bytes in between that several keys, or one, go alone. Where neighbours in the order of keys part is all
//! that needs to be known of them.

use super::StreamId;

const KEY_LEN: usize = 16;

/// How many nodes Redis's radix tree of these ascending IDs has.
pub(super) fn node_count(ids: impl Iterator<Item = StreamId>) -> u64 {
    let mut nodes = 0;
    // A node at `depth`, and the stretch before it, if there are bytes in it: the first byte behind
    // a parting belongs to that.
    let mut add = |depth: usize, parent: Option<usize>| {
        let start = parent.map_or(0, |parent| parent + 1);
        nodes += 1 + u64::from(depth > start);
    };
    // The depths at which the keys so far part, of those places that a further key may still part at.
    let mut open: Vec<usize> = Vec::new();
    let mut previous: Option<StreamId> = None;
    for id in ids {
        if let Some(previous) = previous {
            let shared = shared_len(previous, id);
            let parent = open.last().copied().max(Some(shared));
            add(KEY_LEN, parent);
            while let Some(depth) = open.pop_if(|depth| *depth > shared) {
                add(depth, open.last().copied().max(Some(shared)));
            }
            if open.last() != Some(&shared) {
                open.push(shared);
            }
        }
        previous = Some(id);
    }
    if previous.is_none() {
        // The root of an empty tree.
        return 1;
    }
    add(KEY_LEN, open.last().copied());
    while let Some(depth) = open.pop() {
        add(depth, open.last().copied());
    }
    nodes
}

/// How many bytes the keys of two IDs have in common at their beginning.
fn shared_len(first: StreamId, second: StreamId) -> usize {
    let different = (first.ms ^ second.ms).leading_zeros();
    let bits = if first.ms == second.ms {
        u64::BITS + (first.seq ^ second.seq).leading_zeros()
    } else {
        different
    };
    bits as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(ids: &[(u64, u64)]) -> u64 {
        node_count(ids.iter().map(|&(ms, seq)| StreamId::new(ms, seq)))
    }

    // What XINFO STREAM of Redis 7.0.15 answers for streams with `stream-node-max-entries 1`.
    #[test]
    fn nodes_are_counted_as_redis_has_them() {
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&[(1, 1 << 63)]), 2);
        assert_eq!(count(&[(1, 0), (1, 1)]), 4);
        assert_eq!(count(&[(1, 0), (2, 0)]), 6);
        assert_eq!(count(&[(1, 5), (1, 6), (1, 300), (2, 0)]), 11);
        let far = [
            (0, 1),
            (256, 0),
            (256, 1),
            (257, 7),
            (65536, 2),
            (1 << 60, 3),
        ];
        assert_eq!(count(&far), 17);
        let times: Vec<_> = (0..40)
            .map(|i| (1_700_000_000_000 + i * 7, i % 3))
            .collect();
        assert_eq!(count(&times), 84);
        let numbers: Vec<_> = (1..300).map(|i| (5, i)).collect();
        assert_eq!(count(&numbers), 303);
    }
}
