//! Walking over the entries of a stream, forwards and backwards.

use super::block::{Cursor, RawEntry};
use super::entries::{BlockRange, Entries};
use super::{StreamEntry, StreamId};

/// The entries from one ID to another, in the order of their IDs or backwards.
pub struct StreamRange<'a> {
    blocks: Option<BlockRange<'a>>,
    start: StreamId,
    end: StreamId,
    walk: Walk<'a>,
}

/// Where the walk is within a block.
enum Walk<'a> {
    Forwards(Option<Cursor<'a>>),
    /// What is left of a block that was read forwards, since only its beginning is known.
    Backwards(Vec<RawEntry<'a>>),
}

impl<'a> StreamRange<'a> {
    pub(super) fn new(
        entries: &'a Entries,
        start: StreamId,
        end: StreamId,
        is_backwards: bool,
    ) -> Self {
        let walk = if is_backwards {
            Walk::Backwards(Vec::new())
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
                let (&first, block) = self.blocks.as_mut()?.next()?;
                *cursor = Some(block.cursor(first));
            },
            Walk::Backwards(entries) => loop {
                if let Some(entry) = entries.pop() {
                    return Some(entry.entry());
                }
                let (&first, block) = self.blocks.as_mut()?.next_back()?;
                entries.extend(block.cursor(first).filter(is_wanted));
            },
        }
    }
}
