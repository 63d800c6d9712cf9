//! Passing over values without making them: how the reader of a file finds where a record ends before
//! it is decoded, and so knows that all of it is at hand.

use super::RdbError;
use super::codes::*;
use super::decode::module_name;
use super::reader::Reader;

/// Passes over a value of the type that stands before it.
pub(super) fn value(reader: &mut Reader<'_>, code: u8) -> Result<(), RdbError> {
    let offset = reader.offset();
    match code {
        TYPE_STRING
        | TYPE_HASH_ZIPMAP
        | TYPE_LIST_ZIPLIST
        | TYPE_SET_INTSET
        | TYPE_SORTED_SET_ZIPLIST
        | TYPE_HASH_ZIPLIST
        | TYPE_HASH_LISTPACK
        | TYPE_SORTED_SET_LISTPACK
        | TYPE_SET_LISTPACK
        | TYPE_HASH_LISTPACK_EXPIRES_EARLY => reader.skip_text(),
        TYPE_LIST | TYPE_SET | TYPE_LIST_QUICKLIST => repeat(reader, Reader::skip_text),
        TYPE_LIST_QUICKLIST_2 => repeat(reader, |reader| {
            reader.length()?;
            reader.skip_text()
        }),
        TYPE_SORTED_SET => repeat(reader, |reader| {
            reader.skip_text()?;
            match reader.byte()? {
                253..=255 => Ok(()),
                len => reader.take(usize::from(len)).map(drop),
            }
        }),
        TYPE_SORTED_SET_2 => repeat(reader, |reader| {
            reader.skip_text()?;
            reader.take(8).map(drop)
        }),
        TYPE_HASH => repeat(reader, texts::<2>),
        TYPE_HASH_VALKEY => repeat(reader, |reader| {
            texts::<2>(reader)?;
            reader.take(8).map(drop)
        }),
        TYPE_HASH_EXPIRES_EARLY | TYPE_HASH_EXPIRES => {
            if code == TYPE_HASH_EXPIRES {
                reader.take(8)?;
            }
            repeat(reader, |reader| {
                reader.length()?;
                texts::<2>(reader)
            })
        }
        TYPE_HASH_LISTPACK_EXPIRES => {
            reader.take(8)?;
            reader.skip_text()
        }
        TYPE_STREAM | TYPE_STREAM_2 | TYPE_STREAM_3 => stream(reader, code),
        TYPE_MODULE_2 => {
            reader.length()?;
            module_parts(reader)
        }
        TYPE_MODULE => Err(RdbError::Module {
            name: module_name(reader.length()?),
            offset,
        }),
        _ => Err(RdbError::Unknown { code, offset }),
    }
}

/// Passes over as many things as a length before them says.
fn repeat<'a>(
    reader: &mut Reader<'a>,
    skip: impl Fn(&mut Reader<'a>) -> Result<(), RdbError>,
) -> Result<(), RdbError> {
    for _ in 0..reader.length()? {
        skip(reader)?;
    }
    Ok(())
}

fn texts<const N: usize>(reader: &mut Reader<'_>) -> Result<(), RdbError> {
    (0..N).try_for_each(|_| reader.skip_text())
}

fn lengths<const N: usize>(reader: &mut Reader<'_>) -> Result<(), RdbError> {
    (0..N).try_for_each(|_| reader.length().map(drop))
}

/// Listpacks, the stream's own numbers, and its groups with what they wait for.
fn stream(reader: &mut Reader<'_>, code: u8) -> Result<(), RdbError> {
    repeat(reader, texts::<2>)?;
    // Length and last identifier; then the first, the greatest deleted one, and the additions.
    lengths::<3>(reader)?;
    if code != TYPE_STREAM {
        lengths::<5>(reader)?;
    }
    repeat(reader, |reader| {
        reader.skip_text()?;
        lengths::<2>(reader)?;
        if code != TYPE_STREAM {
            reader.length()?;
        }
        repeat(reader, |reader| {
            // An identifier, a time, and how often.
            reader.take(24)?;
            reader.length().map(drop)
        })?;
        repeat(reader, |reader| {
            reader.skip_text()?;
            reader.take(if code == TYPE_STREAM_3 { 16 } else { 8 })?;
            repeat(reader, |reader| reader.take(16).map(drop))
        })
    })
}

/// The parts of a module's value, each with a mark of its kind.
pub(super) fn module_parts(reader: &mut Reader<'_>) -> Result<(), RdbError> {
    loop {
        match reader.length()? {
            MODULE_END => return Ok(()),
            MODULE_SIGNED | MODULE_UNSIGNED => reader.length().map(drop)?,
            MODULE_FLOAT => reader.take(4).map(drop)?,
            MODULE_DOUBLE => reader.take(8).map(drop)?,
            MODULE_STRING => reader.skip_text()?,
            _ => return Err(reader.corrupt("unknown part of a module's data")),
        }
    }
}
