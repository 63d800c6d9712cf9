//! The backlog: the newest part of the stream, so that a replica whose link broke gets what it missed and
//! not everything anew.

use std::collections::VecDeque;

/// The last bytes of a stream, whose bytes are counted from 1 on.
#[derive(Debug)]
pub(crate) struct Backlog {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// How many bytes the stream has.
    end: u64,
}

impl Backlog {
    /// An empty backlog of a stream of which `end` bytes are not known.
    pub(crate) fn new(capacity: usize, end: u64) -> Self {
        Backlog {
            bytes: VecDeque::new(),
            capacity,
            end,
        }
    }

    /// Adds the next bytes; the oldest go.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        self.bytes.extend(kept);
        self.trim();
    }

    fn trim(&mut self) {
        let excess = self.bytes.len().saturating_sub(self.capacity);
        self.bytes.drain(..excess);
    }

    /// Changes how many bytes are kept, at the most.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        if capacity != self.capacity {
            self.capacity = capacity;
            self.trim();
            self.bytes.shrink_to(capacity);
        }
    }

    /// How many bytes are there.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes on the heap.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The number of the first byte that is there, or of the next one that comes.
    pub(crate) fn first(&self) -> u64 {
        self.end - self.bytes.len() as u64 + 1
    }

    /// Everything from the byte with this number on, if it is all there.
    pub(crate) fn since(&self, number: u64) -> Option<Vec<u8>> {
        if !(self.first()..=self.end + 1).contains(&number) {
            return None;
        }
        let skipped = (number - self.first()) as usize;
        Some(self.bytes.range(skipped..).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_end_of_what_was_appended(
            start in 0..1000_u64,
            capacities in prop::collection::vec(1..64_usize, 1..4),
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..40),
        ) {
            let mut backlog = Backlog::new(capacities[0], start);
            let mut all: Vec<u8> = Vec::new();
            let mut kept = 0;
            for (index, chunk) in chunks.iter().enumerate() {
                let capacity = capacities[index % capacities.len()];
                backlog.set_capacity(capacity);
                backlog.append(chunk);
                all.extend(chunk);
                kept = (kept.min(capacity) + chunk.len()).min(capacity);
                prop_assert_eq!(backlog.len(), kept);
                let end = start + all.len() as u64;
                prop_assert_eq!(backlog.first(), end - kept as u64 + 1);
                for number in start..end + 3 {
                    let missed = (end + 1).checked_sub(number);
                    let expected = missed.filter(|missed| *missed <= kept as u64);
                    let expected = expected.map(|missed| all[all.len() - missed as usize..].to_vec());
                    prop_assert_eq!(backlog.since(number), expected);
                }
            }
        }
    }
}
