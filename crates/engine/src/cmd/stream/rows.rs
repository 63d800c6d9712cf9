//! What the rows of the family have in common.

use crate::command::{Categories, Command, CommandError, Flags, Group, KeyFlags};

pub(super) const READ: Flags = Flags::READONLY;
pub(super) const WRITE: Flags = Flags::WRITE;
pub(super) const FAST_WRITE: Flags = Flags::WRITE.union(Flags::FAST);
pub(super) const FAST_GROWING_WRITE: Flags = FAST_WRITE.union(Flags::DENYOOM);

pub(super) const KEY_TO_READ: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
pub(super) const KEY_TO_UPDATE: KeyFlags = KeyFlags::RW.union(KeyFlags::UPDATE);
pub(super) const KEY_TO_CUT: KeyFlags = KeyFlags::RW.union(KeyFlags::DELETE);

pub(super) const ROW: Command = Command {
    categories: Categories::STREAM,
    since: "5.0.0",
    group: Group::Stream,
    ..Command::DEFAULT
};

/// What a command that needs a key and a group answers when one of them is missing.
pub(super) fn no_key_or_group(key: &[u8], group: &[u8], where_from: &str) -> CommandError {
    CommandError::of_parts(&[
        b"NOGROUP No such key '",
        key,
        b"' or consumer group '",
        group,
        b"'",
        where_from.as_bytes(),
    ])
}

/// What a command answers whose key is there and whose group is not.
pub(super) fn no_group(group: &[u8], key: &[u8]) -> CommandError {
    CommandError::of_parts(&[
        b"NOGROUP No such consumer group '",
        group,
        b"' for key name '",
        key,
        b"'",
    ])
}
