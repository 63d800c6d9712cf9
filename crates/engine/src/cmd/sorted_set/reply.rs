//! What several rooms of the family answer and store alike.

use oxidis_resp::Protocol;

use crate::command::{Context, EventClass, Reply};
use crate::keyspace::Key;
use crate::value::{SortedSet, Value};

/// Writes members, with their scores if asked for: one array in RESP2, an array of pairs in RESP3.
pub(super) fn reply_members<'m>(
    out: &mut Reply<'_>,
    members: impl ExactSizeIterator<Item = (&'m [u8], f64)>,
    with_scores: bool,
) {
    if !with_scores {
        out.array(members.len());
        for (member, _) in members {
            out.bulk(member);
        }
        return;
    }
    begin_pairs(out, members.len());
    for (member, score) in members {
        reply_pair(out, member, score);
    }
}

/// Writes the head of an array of members with their scores.
pub(super) fn begin_pairs(out: &mut Reply<'_>, count: usize) {
    match out.protocol() {
        Protocol::Resp2 => out.array(count.saturating_mul(2)),
        Protocol::Resp3 => out.array(count),
    }
}

/// Writes one member with its score into the array begun by [`begin_pairs`].
pub(super) fn reply_pair(out: &mut Reply<'_>, member: &[u8], score: f64) {
    if out.protocol() == Protocol::Resp3 {
        out.array(2);
    }
    out.bulk(member);
    out.double(score);
}

/// Tells everyone that `removed` members were taken from the set under `key`, which is gone if it `is_empty` now.
pub(super) fn note_removed(
    cx: &mut Context<'_>,
    key: Key<'_>,
    event: &str,
    removed: usize,
    is_empty: bool,
) {
    if removed == 0 {
        return;
    }
    cx.changed(key, EventClass::SORTED_SET, event);
    cx.count_changes(removed as u64 - 1);
    if is_empty {
        cx.notify(key.bytes, EventClass::GENERIC, "del");
    }
}

/// Puts a result under `key`, or deletes the key if the result is empty, tells everyone and answers its size.
pub(in crate::cmd) fn store_result(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    key: Key<'_>,
    result: SortedSet,
    event: &str,
) {
    let len = result.as_ref().len();
    if len > 0 {
        cx.store(key, Value::SortedSet(result), None);
        cx.changed(key, EventClass::SORTED_SET, event);
    } else if cx.delete_destination(key) {
        cx.changed(key, EventClass::GENERIC, "del");
    }
    out.integer(len as i64);
}
