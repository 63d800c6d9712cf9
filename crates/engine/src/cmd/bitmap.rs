//! Bitmaps: commands that see a string as a row of bits. BITFIELD stands in `field`, the
//! arithmetic of bits in `bits`.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use smallvec::SmallVec;

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group, KeyFlags,
    KeySpec, Reply,
};
use crate::text::parse_integer;
use crate::value::{StringRef, Value};

mod bits;
mod field;
#[cfg(test)]
mod tests;

const READ_KEY: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const EXCHANGE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

const ROW: Command = Command {
    categories: Categories::BITMAP,
    group: Group::Bitmap,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "bitcount",
        history: &[(
            "7.0.0",
            "The range may be one of bits (BIT) as well as of bytes (BYTE).",
        )],
        arity: -2,
        flags: Flags::READONLY,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.6.0",
        complexity: "O(N) in the length of the range",
        summary: "Counts the bits that are set in a string or a part of it.",
        syntax: "key [range= start:integer end:integer [unit^7.0.0= BYTE|BIT]]",
        handler: bitcount,
        ..ROW
    },
    Command {
        name: "bitfield",
        arity: -2,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::first(EXCHANGE.union(KeyFlags::VARIABLE_FLAGS))],
        since: "3.2.0",
        complexity: "O(1) for each operation",
        summary: "Reads and writes integers of any width at any bit of a string.",
        syntax: "key [operation= (get-block= GET encoding offset:integer)| (write= [overflow-block= OVERFLOW \
                 (WRAP|SAT|FAIL)] write-operation= ((set-block= SET encoding offset:integer value:integer)| \
                 (incrby-block= INCRBY encoding offset:integer increment:integer)))] ...",
        handler: field::bitfield,
        ..ROW
    },
    Command {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "6.0.0",
        complexity: "O(1) for each operation",
        summary: "Reads integers of any width at any bit of a string.",
        syntax: "key [get-block= GET encoding offset:integer] ...",
        handler: field::bitfield_ro,
        ..ROW
    },
    Command {
        name: "bitop",
        arity: -4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[
            KeySpec::at(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
            KeySpec::range(3, -1, 1, READ_KEY),
        ],
        since: "2.6.0",
        complexity: "O(N) in the length of all strings",
        summary: "Combines strings bit by bit and stores the result.",
        syntax: "(operation= AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE) destkey:key key [key ...]",
        handler: bitop,
        ..ROW
    },
    Command {
        name: "bitpos",
        history: &[(
            "7.0.0",
            "The range may be one of bits (BIT) as well as of bytes (BYTE).",
        )],
        arity: -3,
        flags: Flags::READONLY,
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.8.7",
        complexity: "O(N) in the length of the range",
        summary: "Finds the first bit that is set, or clear, in a string or a part of it.",
        syntax: "key bit:integer [range= start:integer [end-unit-block= end:integer [unit^7.0.0= BYTE|BIT]]]",
        handler: bitpos,
        ..ROW
    },
    Command {
        name: "getbit",
        arity: 3,
        flags: Flags::READONLY.union(Flags::FAST),
        keys: &[KeySpec::first(READ_KEY)],
        since: "2.2.0",
        summary: "Answers one bit of a string.",
        syntax: "key offset:integer",
        handler: getbit,
        ..ROW
    },
    Command {
        name: "setbit",
        arity: 4,
        flags: Flags::WRITE.union(Flags::DENYOOM),
        keys: &[KeySpec::first(EXCHANGE)],
        since: "2.2.0",
        summary: "Sets or clears one bit of a string, which is made or made longer if need be.",
        syntax: "key offset:integer value:integer",
        handler: setbit,
        ..ROW
    },
];

/// Reads the argument at `index` as the place of a bit. With a `width` it may also be `#n`: the
/// place of the `n`th field of that many bits.
fn bit_offset(cx: &Context<'_>, index: usize, width: Option<u32>) -> Result<u64, CommandError> {
    let text = cx.arg(index);
    let offset = match (text.strip_prefix(b"#"), width) {
        (Some(number), Some(width)) => {
            parse_integer(number).and_then(|number| number.checked_mul(i64::from(width)))
        }
        _ => parse_integer(text),
    };
    let limit = cx.engine().config().proto_max_bulk_len();
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|&offset| bits::byte_of(offset) < limit)
        .ok_or(CommandError::text(
            "ERR bit offset is not an integer or out of range",
        ))
}

/// Makes a string long enough to hold `bit`, filling up with zeros; answers whether it was not.
fn grow(string: &mut Vec<u8>, bit: u64) -> bool {
    /// Room that is taken beyond what is needed, so that a bitmap that grows bit by bit is not
    /// copied each time, while a huge one does not take twice its size.
    const SPARE_MAX_BYTES: usize = 1 << 20;

    let needed = bits::byte_of(bit) + 1;
    if string.len() >= needed {
        return false;
    }
    if string.is_empty() && string.capacity() < needed {
        // Zeroed pages come from the system for nothing, until they are touched.
        *string = vec![0; needed];
    } else {
        if string.capacity() < needed {
            string.reserve_exact(needed - string.len() + needed.min(SPARE_MAX_BYTES));
        }
        string.resize(needed, 0);
    }
    true
}

fn getbit(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let offset = bit_offset(cx, 2, None)?;
    let is_set = cx
        .string(cx.key(1))?
        .is_some_and(|string| string.with_bytes(|bytes| bits::is_set(bytes, offset)));
    out.integer(is_set.into());
    Ok(())
}

fn setbit(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let offset = bit_offset(cx, 2, None)?;
    let bit = match parse_integer(cx.arg(3)) {
        Some(0) => false,
        Some(1) => true,
        _ => {
            return Err(CommandError::text(
                "ERR bit is not an integer or out of range",
            ));
        }
    };
    let key = cx.key(1);
    let mut string = cx.raw_string_or_create(key)?;
    let has_grown = grow(&mut string, offset);
    let old = bits::is_set(&string, offset);
    if has_grown || old != bit {
        let byte = &mut string[bits::byte_of(offset)];
        if bit {
            *byte |= bits::mask(offset);
        } else {
            *byte &= !bits::mask(offset);
        }
        drop(string);
        cx.changed(key, EventClass::STRING, "setbit");
    }
    out.integer(old.into());
    Ok(())
}

/// What the ends of a range count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(cx: &Context<'_>, index: usize) -> Result<Self, CommandError> {
        if cx.arg_is(index, "BIT") {
            Ok(Unit::Bit)
        } else if cx.arg_is(index, "BYTE") {
            Ok(Unit::Byte)
        } else {
            Err(CommandError::Syntax)
        }
    }
}

/// The bits that a range means in a string of `length` bytes: both ends counted, negative ones from
/// the end of the string. `None` if it is empty.
fn bit_range(start: i64, end: i64, unit: Unit, length: usize) -> Option<RangeInclusive<u64>> {
    let bits_each = match unit {
        Unit::Byte => 8,
        Unit::Bit => 1,
    };
    let total = length as i64 * 8 / bits_each;
    let from_end = |index: i64| {
        if index < 0 {
            (total + index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(total - 1));
    if start > end {
        return None;
    }
    Some((start * bits_each) as u64..=((end + 1) * bits_each - 1) as u64)
}

fn bitcount(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    // Redis checks the range even if the key is missing since 7.2.
    let (start, end, unit) = match cx.argc() {
        2 => (0, -1, Unit::Byte),
        4 => (cx.integer(2)?, cx.integer(3)?, Unit::Byte),
        5 => (cx.integer(2)?, cx.integer(3)?, Unit::parse(cx, 4)?),
        _ => return Err(CommandError::Syntax),
    };
    let Some(string) = cx.string(cx.key(1))? else {
        out.integer(0);
        return Ok(());
    };
    // Both ends may lie before the string's beginning, where `bit_range` makes them its first byte.
    let is_backwards = start < 0 && end < 0 && start > end;
    let count = string.with_bytes(|bytes| {
        bit_range(start, end, unit, bytes.len())
            .filter(|_| !is_backwards)
            .map_or(0, |range| bits::count(bytes, range))
    });
    out.integer(count as i64);
    Ok(())
}

fn bitpos(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let wanted = match cx.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::text("ERR The bit argument must be 1 or 0.")),
    };
    if cx.argc() > 6 {
        return Err(CommandError::Syntax);
    }
    let start = if cx.argc() > 3 { cx.integer(3)? } else { 0 };
    let unit = if cx.argc() > 5 {
        Unit::parse(cx, 5)?
    } else {
        Unit::Byte
    };
    let has_end = cx.argc() > 4;
    let end = if has_end { cx.integer(4)? } else { -1 };
    let Some(string) = cx.string(cx.key(1))? else {
        // Nothing but zeros, without end.
        out.integer(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let position = string.with_bytes(|bytes| {
        let range = bit_range(start, end, unit, bytes.len())?;
        bits::first(bytes, wanted, range).or({
            // Without an end the string goes on with zeros.
            (!wanted && !has_end).then_some(bytes.len() as u64 * 8)
        })
    });
    out.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// The operations of BITOP. X is the first source, Y any of the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BitOperation {
    And,
    Or,
    Xor,
    Not,
    /// In X and in no Y.
    Diff,
    /// In some Y and not in X.
    Diff1,
    /// In X and in some Y.
    AndOr,
    /// In exactly one source.
    One,
}

impl BitOperation {
    const NAMES: [(&'static str, BitOperation); 8] = [
        ("AND", BitOperation::And),
        ("OR", BitOperation::Or),
        ("XOR", BitOperation::Xor),
        ("NOT", BitOperation::Not),
        ("DIFF", BitOperation::Diff),
        ("DIFF1", BitOperation::Diff1),
        ("ANDOR", BitOperation::AndOr),
        ("ONE", BitOperation::One),
    ];

    /// Combines strings of which the longest has `length` bytes; shorter ones go on with zeros.
    fn combine(self, sources: &[Cow<'_, [u8]>], length: usize) -> Vec<u8> {
        let Some((first, others)) = sources.split_first() else {
            return Vec::new();
        };
        let mut result = Vec::with_capacity(length);
        match self {
            // The first source is only used once the others are put together.
            BitOperation::Diff | BitOperation::Diff1 | BitOperation::AndOr => {}
            _ => result.extend_from_slice(first),
        }
        result.resize(length, 0);
        match self {
            BitOperation::Not => result.iter_mut().for_each(|byte| *byte = !*byte),
            BitOperation::And => {
                for other in others {
                    merge(&mut result, other, |a, b| a & b);
                    result[other.len()..].fill(0);
                }
            }
            BitOperation::Xor => {
                for other in others {
                    merge(&mut result, other, |a, b| a ^ b);
                }
            }
            BitOperation::One => {
                let mut seen = result.clone();
                let mut repeated = vec![0; length];
                for other in others {
                    for (index, byte) in other.iter().enumerate() {
                        repeated[index] |= seen[index] & byte;
                        seen[index] |= byte;
                    }
                }
                result = seen;
                merge(&mut result, &repeated, |a, b| a & !b);
            }
            BitOperation::Or | BitOperation::Diff | BitOperation::Diff1 | BitOperation::AndOr => {
                for other in others {
                    merge(&mut result, other, |a, b| a | b);
                }
                match self {
                    BitOperation::Diff => merge(&mut result, first, |others, x| x & !others),
                    BitOperation::Diff1 => merge(&mut result, first, |others, x| others & !x),
                    BitOperation::AndOr => merge(&mut result, first, |others, x| others & x),
                    _ => {}
                }
                if matches!(self, BitOperation::Diff | BitOperation::AndOr) {
                    result[first.len()..].fill(0);
                }
            }
        }
        result
    }
}

#[inline]
fn merge(result: &mut [u8], other: &[u8], operation: impl Fn(u8, u8) -> u8) {
    for (byte, other) in result.iter_mut().zip(other) {
        *byte = operation(*byte, *other);
    }
}

fn bitop(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (name, operation) = BitOperation::NAMES
        .into_iter()
        .find(|(name, _)| cx.arg_is(1, name))
        .ok_or(CommandError::Syntax)?;
    match operation {
        BitOperation::Not if cx.argc() != 4 => {
            return Err(CommandError::text(
                "ERR BITOP NOT must be called with a single source key.",
            ));
        }
        BitOperation::Diff | BitOperation::Diff1 | BitOperation::AndOr if cx.argc() < 5 => {
            return Err(CommandError::from(format!(
                "ERR BITOP {name} must be called with at least two source keys."
            )));
        }
        _ => {}
    }
    let mut sources: SmallVec<[Cow<'_, [u8]>; 4]> = SmallVec::new();
    for index in 3..cx.argc() {
        sources.push(match cx.string(cx.key(index))? {
            None => Cow::Borrowed(&[]),
            Some(StringRef::Bytes { bytes, .. }) => Cow::Borrowed(bytes),
            Some(integer) => Cow::Owned(integer.to_vec()),
        });
    }
    let length = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let result = operation.combine(&sources, length);
    drop(sources);
    let target = cx.key(2);
    if result.is_empty() {
        if cx.delete_destination(target) {
            cx.changed(target, EventClass::GENERIC, "del");
        }
    } else {
        cx.store(target, Value::RawString(result), None);
        cx.changed(target, EventClass::STRING, "set");
    }
    out.integer(length as i64);
    Ok(())
}
