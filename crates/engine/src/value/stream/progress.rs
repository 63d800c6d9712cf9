//! How far a group has come: the count of entries that it has read, and of those ahead of it.
//!
//! A group knows the ID that was delivered last. How many entries were ever added up to that ID is
//! counted while nothing stands in the way, and is unknown (`None`) when it cannot be said: after
//! the group was put to an ID in the middle, or when entries ahead were deleted, since of the deleted
//! entries only the greatest ID is remembered. At some IDs the count is obvious again: at the last
//! entry, and at or before the first while none behind it is deleted.
//!
//! (The rules are those of Redis since 7.4; 7.0 and 7.2 miscount after deletions.)

use super::{Group, Stream, StreamId};

impl Stream {
    /// Whether an entry at `start` or behind it may have been deleted.
    fn has_tombstones_from(&self, start: StreamId) -> bool {
        !self.is_empty() && self.max_deleted_id() != StreamId::MIN && start <= self.max_deleted_id()
    }

    /// How many entries were ever added up to and including `id`, if that can be said.
    pub fn entries_added_until(&self, id: StreamId) -> Option<i64> {
        let added = self.entries_added() as i64;
        if added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id() {
            return Some(added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id() {
            return None;
        }
        if id >= self.last_id() {
            return (id == self.last_id()).then_some(added);
        }
        let before_first = added.wrapping_sub(self.len() as i64);
        let is_whole =
            self.max_deleted_id() == StreamId::MIN || self.max_deleted_id() < self.first_id();
        match id.cmp(&self.first_id()) {
            std::cmp::Ordering::Less if is_whole => Some(before_first),
            std::cmp::Ordering::Equal if is_whole => Some(before_first.wrapping_add(1)),
            _ => None,
        }
    }

    /// How many entries a group has not yet been given, if that can be said.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let added = self.entries_added() as i64;
        if added == 0 || self.is_empty() {
            return Some(0);
        }
        if group.last_id() < self.first_id() && self.max_deleted_id() < self.first_id() {
            return Some(self.len() as i64);
        }
        match group.entries_read() {
            Some(read) if !self.has_tombstones_from(group.last_id()) => {
                Some(added.wrapping_sub(read))
            }
            _ => self
                .entries_added_until(group.last_id())
                .map(|read| added.wrapping_sub(read)),
        }
    }

    /// The count of entries that `group` will have read once it is given the entry `id`, which is
    /// behind its last.
    pub(super) fn entries_read_after(&self, group: &Group, id: StreamId) -> Option<i64> {
        match group.entries_read() {
            Some(read)
                if group.last_id() >= self.first_id()
                    && !self.has_tombstones_from(group.last_id()) =>
            {
                Some(read.wrapping_add(1))
            }
            read if self.entries_added() == 0 => read,
            _ => self.entries_added_until(id),
        }
    }
}
