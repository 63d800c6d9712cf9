//! The payload of DUMP and RESTORE: the type of a value and the value as in an RDB file, two bytes with the
//! version, and eight with the checksum of all that; from Redis's `cluster.c`.

use oxidis_engine::value::{EncodingLimits, Value, ValueRef};

use super::codes::VERSION_NEWEST;
use super::reader::Reader;
use super::writer::Writer;
use super::{RdbError, checksum, decode, encode};

const FOOTER_LEN: usize = 10;

/// The payload of a value.
pub(super) fn dump(value: ValueRef<'_>, compresses: bool) -> Vec<u8> {
    let mut out = vec![encode::type_of(value)];
    let mut writer = Writer {
        out: &mut out,
        compresses,
    };
    encode::value(&mut writer, value);
    out.extend_from_slice(&encode::version_of(value).to_le_bytes());
    let sum = checksum::extend(0, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The value of a payload.
pub(super) fn restore(
    payload: &[u8],
    is_checked: bool,
    limits: &EncodingLimits,
) -> Result<Value, RdbError> {
    let at = payload.len().checked_sub(FOOTER_LEN);
    let Some((value, footer)) = at.map(|at| payload.split_at(at)) else {
        return Err(RdbError::Footer);
    };
    let (summed, sum) = payload.split_at(payload.len() - 8);
    if u16::from_le_bytes([footer[0], footer[1]]) > VERSION_NEWEST
        || is_checked && checksum::extend(0, summed).to_le_bytes() != sum
    {
        return Err(RdbError::Footer);
    }
    let mut reader = Reader::new(value, 0);
    let code = reader.byte()?;
    decode::value(&mut reader, code, limits)
}
