//! The arguments that several stream commands take: IDs and ranges of IDs.

use std::ops::RangeInclusive;

use smallvec::SmallVec;

use crate::command::{CommandError, Context};
use crate::value::StreamId;

/// An argument that is no ID.
pub(super) const INVALID_ID: CommandError =
    CommandError::text("ERR Invalid stream ID specified as stream command argument");

/// IDs, of which there are few mostly.
pub(super) type Ids = SmallVec<[StreamId; 8]>;

/// An ID in full, or its milliseconds alone.
pub(super) fn strict_id(argument: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(argument, 0).ok_or(INVALID_ID)
}

/// An ID, or `-` and `+` for the smallest and the greatest.
pub(super) fn id_or_extreme(argument: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match argument {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(argument, missing_seq).ok_or(INVALID_ID),
    }
}

/// The IDs from the argument at `from` to the last.
pub(super) fn strict_ids(cx: &Context<'_>, from: usize) -> Result<Ids, CommandError> {
    (from..cx.argc()).map(|at| strict_id(cx.arg(at))).collect()
}

/// The first ID of an interval: of several with the same milliseconds the first, or with `(` the one
/// behind it.
pub(super) fn interval_start(argument: &[u8]) -> Result<StreamId, CommandError> {
    match excluded(argument) {
        Some(argument) => StreamId::next(strict_id(argument)?)
            .ok_or(CommandError::text("ERR invalid start ID for the interval")),
        None => id_or_extreme(argument, 0),
    }
}

/// The last ID of an interval: of several with the same milliseconds the last, or with `(` the one
/// before it.
fn interval_end(argument: &[u8]) -> Result<StreamId, CommandError> {
    match excluded(argument) {
        Some(argument) => {
            let id = StreamId::parse(argument, u64::MAX).ok_or(INVALID_ID)?;
            StreamId::previous(id).ok_or(CommandError::text("ERR invalid end ID for the interval"))
        }
        None => id_or_extreme(argument, u64::MAX),
    }
}

/// An interval of IDs, which may be empty the wrong way round.
pub(super) fn interval(start: &[u8], end: &[u8]) -> Result<RangeInclusive<StreamId>, CommandError> {
    Ok(interval_start(start)?..=interval_end(end)?)
}

fn excluded(argument: &[u8]) -> Option<&[u8]> {
    match argument {
        [b'(', id @ ..] if !id.is_empty() => Some(id),
        _ => None,
    }
}

/// The number at `index`, negative ones being 0.
pub(super) fn count(cx: &Context<'_>, index: usize) -> Result<usize, CommandError> {
    Ok(usize::try_from(cx.integer(index)?).unwrap_or(0))
}
