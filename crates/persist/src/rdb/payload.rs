//! The payloads of DUMP and RESTORE: the type of a value and the value as in an RDB file, two bytes with the
//! version, and eight with the checksum of all that; from Redis's `cluster.c`. Those of FUNCTION DUMP and
//! RESTORE have records of libraries in the place of the value.

use oxidis_engine::snapshot::{RestoreError, SaveOptions, SnapshotError};
use oxidis_engine::value::{EncodingLimits, Value, ValueRef};

use super::codes::{
    OPCODE_FUNCTION, OPCODE_FUNCTION_EARLY, VERSION_NEWEST, VERSION_VALKEY, VERSION_WRITTEN,
    type_in,
};
use super::reader::Reader;
use super::writer::Writer;
use super::{RdbError, checksum, decode, encode, load, save};

const FOOTER_LEN: usize = 10;

/// The payload of a value.
pub(super) fn dump(value: ValueRef<'_>, compresses: bool) -> Vec<u8> {
    let mut out = vec![encode::type_of(value)];
    let mut writer = Writer {
        out: &mut out,
        compresses,
    };
    encode::value(&mut writer, value);
    sealed(out, encode::version_of(value))
}

/// A payload with its footer.
fn sealed(mut out: Vec<u8>, version: u16) -> Vec<u8> {
    out.extend_from_slice(&version.to_le_bytes());
    let sum = checksum::extend(0, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// What stands before the footer, if that is right, and whether it is in Valkey's own format.
fn opened(payload: &[u8], is_checked: bool) -> Result<(&[u8], bool), RdbError> {
    let at = payload.len().checked_sub(FOOTER_LEN);
    let Some((content, footer)) = at.map(|at| payload.split_at(at)) else {
        return Err(RdbError::Footer);
    };
    let (summed, sum) = payload.split_at(payload.len() - 8);
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let is_of_valkey = version == VERSION_VALKEY;
    if version > VERSION_NEWEST && !is_of_valkey
        || is_checked && checksum::extend(0, summed).to_le_bytes() != sum
    {
        return Err(RdbError::Footer);
    }
    Ok((content, is_of_valkey))
}

/// The value of a payload.
pub(super) fn restore(
    payload: &[u8],
    is_checked: bool,
    limits: &EncodingLimits,
) -> Result<Value, RdbError> {
    let (value, is_of_valkey) = opened(payload, is_checked)?;
    let mut reader = Reader::new(value, 0);
    let code = type_in(is_of_valkey, reader.byte()?);
    decode::value(&mut reader, code, limits)
}

/// The payload of libraries of functions.
pub(super) fn dump_functions(codes: &[Vec<u8>], options: SaveOptions) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        save::function(code, options, &mut out);
    }
    sealed(out, VERSION_WRITTEN)
}

/// The codes of a payload's libraries, and what FUNCTION RESTORE says of what comes behind them, if that is none.
pub(super) fn restore_functions(
    payload: &[u8],
    is_checked: bool,
) -> Vec<Result<Vec<u8>, RestoreError>> {
    let wrong = |words: &str| RestoreError::Data(SnapshotError::new(words.to_owned()));
    let Ok((mut rest, _)) = opened(payload, is_checked) else {
        return vec![Err(RestoreError::Footer)];
    };
    let mut codes = Vec::new();
    while let Some(&code) = rest.first() {
        if !matches!(code, OPCODE_FUNCTION | OPCODE_FUNCTION_EARLY) {
            codes.push(Err(wrong("given type is not a function")));
            break;
        }
        let mut reader = Reader::new(rest, 0);
        let Ok(function) = load::function(&mut reader) else {
            codes.push(Err(wrong("failed loading the given functions payload")));
            break;
        };
        codes.push(Ok(function));
        rest = &rest[reader.position()..];
    }
    codes
}
