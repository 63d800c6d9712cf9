//! What HRANDFIELD, SRANDMEMBER and ZRANDMEMBER share.

use crate::command::{CommandError, Context};

/// The count at argument `index`: negative for elements that may be the same. The smallest integer,
/// which has no positive counterpart, is refused.
pub(super) fn sample_count(cx: &Context<'_>, index: usize) -> Result<i64, CommandError> {
    match cx.integer(index)? {
        i64::MIN => Err(CommandError::text(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        count => Ok(count),
    }
}
