//! Walking over the entries of a stream, forwards and backwards.

use super::block::{BlockRef, Cursor, RawEntry};
use super::entries::{BlockRange, Entries};
use super::{StreamEntry, StreamId};

/// The entries from one ID to another, in the order of their IDs or backwards.
pub struct StreamRange<'a> {
    blocks: BlockRange<'a>,
    start: StreamId,
    end: StreamId,
    walk: Walk<'a>,
}

/// Where the walk is within a block.
enum Walk<'a> {
    Forwards(Option<Cursor<'a>>),
    Backwards {
        /// A block of which the last entry alone was looked at so far.
        begun: Option<BlockRef<'a>>,
        /// What is left of a block that was read forwards, which is the only way to read all of it.
        entries: Vec<RawEntry<'a>>,
    },
}

impl<'a> StreamRange<'a> {
    pub(super) fn new(
        entries: &'a Entries,
        start: StreamId,
        end: StreamId,
        is_backwards: bool,
    ) -> Self {
        let walk = if is_backwards {
            Walk::Backwards {
                begun: None,
                entries: Vec::new(),
            }
        } else {
            Walk::Forwards(None)
        };
        StreamRange {
            blocks: entries.blocks_of(start, end),
            start,
            end,
            walk,
        }
    }
}

impl<'a> Iterator for StreamRange<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        let (start, end) = (self.start, self.end);
        let is_wanted =
            |entry: &RawEntry<'_>| !entry.is_deleted() && (start..=end).contains(&entry.id);
        match &mut self.walk {
            Walk::Forwards(cursor) => loop {
                if let Some(entries) = cursor {
                    for entry in entries {
                        if is_wanted(&entry) {
                            return Some(entry.entry());
                        }
                        if entry.id > end {
                            // Nothing behind is wanted either.
                            break;
                        }
                    }
                }
                let BlockRef { first, block } = self.blocks.next()?;
                *cursor = Some(block.cursor(first));
            },
            Walk::Backwards { begun, entries } => loop {
                if let Some(entry) = entries.pop() {
                    return Some(entry.entry());
                }
                if let Some(BlockRef { first, block }) = begun.take() {
                    let before_last = |entry: &RawEntry<'_>| entry.id < block.last();
                    let entries_before = block.cursor(first).take_while(before_last);
                    entries.extend(entries_before.filter(is_wanted));
                    continue;
                }
                let found = self.blocks.next_back()?;
                *begun = Some(found);
                let last = found.block.last_entry(found.first);
                if is_wanted(&last) {
                    return Some(last.entry());
                }
            },
        }
    }
}
