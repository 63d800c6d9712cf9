//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER share.

use super::arguments::symmetric_integer;
use crate::command::{CommandError, Context};

/// The count at argument `index`: negative for elements that may be the same. The smallest integer,
/// which has no positive counterpart, is refused.
pub(super) fn sample_count(cx: &Context<'_>, index: usize) -> Result<i64, CommandError> {
    symmetric_integer(cx, index)
}
