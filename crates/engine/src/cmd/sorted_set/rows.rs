//! What the rows of the family share: flags and key specifications under short names.

use crate::command::{Categories, Command, Flags, Group, KeyFlags};

/// What the rows of the family share.
pub(super) const ROW: Command = Command {
    categories: Categories::SORTEDSET,
    group: Group::SortedSet,
    ..Command::DEFAULT
};

pub(super) const READ: Flags = Flags::READONLY;
pub(super) const WRITE: Flags = Flags::WRITE;
pub(super) const FAST: Flags = Flags::FAST;
pub(super) const STORE: Flags = Flags::WRITE.union(Flags::DENYOOM);
/// The keys are counted by an argument.
pub(super) const MOVABLE: Flags = Flags::MOVABLEKEYS;
pub(super) const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
pub(super) const REMOVE_FROM_KEY: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);
pub(super) const STORE_KEY: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
