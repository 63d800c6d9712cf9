//! BITFIELD and BITFIELD_RO: integers of any width at any bit of a string.

use super::{bit_offset, bits, grow};
use crate::command::{CommandError, CommandResult, Context, EventClass, Reply};
use crate::text::parse_integer;
use crate::value::StringRef;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FieldType {
    is_signed: bool,
    /// In bits: at most 64 if signed, at most 63 if not, since a reply's integer is an `i64`.
    width: u32,
}

impl FieldType {
    fn parse(text: &[u8]) -> Option<Self> {
        let (is_signed, width) = match text.split_first()? {
            (b'i', width) => (true, width),
            (b'u', width) => (false, width),
            _ => return None,
        };
        let width = u32::try_from(parse_integer(width)?).ok()?;
        let widest = if is_signed { 64 } else { 63 };
        (1..=widest)
            .contains(&width)
            .then_some(Self { is_signed, width })
    }

    fn max(self) -> i128 {
        (1 << (self.width - u32::from(self.is_signed))) - 1
    }

    fn min(self) -> i128 {
        if self.is_signed { -self.max() - 1 } else { 0 }
    }

    /// The integer that these bits, the lowest of `bits`, stand for.
    fn interpret(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.is_signed {
            (bits << unused) as i64 >> unused
        } else {
            (bits << unused >> unused) as i64
        }
    }

    /// What is stored for a number that may be out of range; `None`: nothing.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        if (self.min()..=self.max()).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.interpret(number as u64)),
            Overflow::Saturate => Some(number.clamp(self.min(), self.max()) as i64),
            Overflow::Fail => None,
        }
    }
}

/// What is done with a number that its field cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

#[derive(Clone, Copy)]
struct Operation {
    action: Action,
    field: FieldType,
    offset: u64,
    overflow: Overflow,
}

impl Operation {
    fn get(&self, bytes: &[u8]) -> i64 {
        self.field
            .interpret(bits::read(bytes, self.offset, self.field.width))
    }

    /// The field's new number; `None` when OVERFLOW FAIL forbids it.
    fn apply(&self, old: i64) -> Option<i64> {
        let number = match self.action {
            Action::Get => i128::from(old),
            // A negative number for an unsigned field is meant as the huge one with the same bits:
            // SAT makes it the largest, not zero.
            Action::Set(new) if !self.field.is_signed => i128::from(new as u64),
            // Redis computes how much could be added to the number, and takes it for too large when
            // that does not fit 64 bits: SAT then makes it the largest too. Files and replicas that
            // are shared with Redis must come out the same.
            Action::Set(new)
                if self.field.width < 64
                    && self.field.max() - i128::from(new) > i128::from(i64::MAX) =>
            {
                i128::from(new) + (1 << 64)
            }
            Action::Set(new) => i128::from(new),
            Action::Increment(by) => i128::from(old) + i128::from(by),
        };
        self.field.fit(number, self.overflow)
    }

    /// The last bit of the field.
    fn last_bit(&self) -> u64 {
        self.offset + u64::from(self.field.width) - 1
    }
}

fn parse_overflow(text: &[u8]) -> Result<Overflow, CommandError> {
    [
        ("WRAP", Overflow::Wrap),
        ("SAT", Overflow::Saturate),
        ("FAIL", Overflow::Fail),
    ]
    .into_iter()
    .find(|(word, _)| text.eq_ignore_ascii_case(word.as_bytes()))
    .map(|(_, overflow)| overflow)
    .ok_or(CommandError::text("ERR Invalid OVERFLOW type specified"))
}

fn parse_operations(cx: &Context<'_>) -> Result<Vec<Operation>, CommandError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < cx.argc() {
        let following = cx.argc() - index - 1;
        if cx.arg_is(index, "OVERFLOW") && following >= 1 {
            overflow = parse_overflow(cx.arg(index + 1))?;
            index += 2;
            continue;
        }
        let make: Option<fn(i64) -> Action> = if cx.arg_is(index, "GET") && following >= 2 {
            None
        } else if cx.arg_is(index, "SET") && following >= 3 {
            Some(Action::Set)
        } else if cx.arg_is(index, "INCRBY") && following >= 3 {
            Some(Action::Increment)
        } else {
            return Err(CommandError::Syntax);
        };
        let field = FieldType::parse(cx.arg(index + 1)).ok_or(CommandError::text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported \
             but i64 is.",
        ))?;
        let offset = bit_offset(cx, index + 2, Some(field.width))?;
        let action = match make {
            Some(make) => make(cx.integer(index + 3)?),
            None => Action::Get,
        };
        index += if make.is_some() { 4 } else { 3 };
        operations.push(Operation {
            action,
            field,
            offset,
            overflow,
        });
    }
    Ok(operations)
}

/// The last bit that a writing operation touches; `None` if there is no such operation.
fn last_written(operations: &[Operation]) -> Option<u64> {
    operations
        .iter()
        .filter(|operation| !matches!(operation.action, Action::Get))
        .map(Operation::last_bit)
        .max()
}

pub(super) fn bitfield_ro(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let operations = parse_operations(cx)?;
    if last_written(&operations).is_some() {
        return Err(CommandError::text(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    answer_gets(cx, &operations, out)
}

fn answer_gets(cx: &Context<'_>, operations: &[Operation], out: &mut Reply<'_>) -> CommandResult {
    let string = cx.string(cx.key(1))?;
    out.array(operations.len());
    let string = string.unwrap_or(StringRef::Bytes {
        bytes: b"",
        raw: false,
    });
    string.with_bytes(|bytes| {
        for operation in operations {
            out.integer(operation.get(bytes));
        }
    });
    Ok(())
}

pub(super) fn bitfield(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let operations = parse_operations(cx)?;
    let Some(last_bit) = last_written(&operations) else {
        return answer_gets(cx, &operations, out);
    };
    let key = cx.key(1);
    let mut string = cx.raw_string_or_create(key)?;
    let has_grown = grow(&mut string, last_bit);
    let mut change_count = 0;
    out.array(operations.len());
    for operation in &operations {
        let old = operation.get(&string);
        let new = match operation.action {
            Action::Get => {
                out.integer(old);
                continue;
            }
            _ => operation.apply(old),
        };
        let Some(new) = new else {
            out.null();
            continue;
        };
        bits::write(
            &mut string,
            operation.offset,
            operation.field.width,
            new as u64,
        );
        out.integer(match operation.action {
            Action::Increment(_) => new,
            _ => old,
        });
        // A write into a string that was just made longer counts even if it writes zeros.
        if has_grown || old != new {
            change_count += 1;
        }
    }
    drop(string);
    if change_count > 0 {
        cx.changed(key, EventClass::STRING, "setbit");
        cx.count_changes(change_count - 1);
    } else {
        // Where every write failed the string was made all the same.
        cx.notify_if_new(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_have_their_widths() {
        let parsed = |text: &str| FieldType::parse(text.as_bytes());
        for width in 1..=64_u32 {
            let expected = |is_signed| FieldType { is_signed, width };
            assert_eq!(parsed(&format!("i{width}")), Some(expected(true)));
            let unsigned = (width < 64).then(|| expected(false));
            assert_eq!(parsed(&format!("u{width}")), unsigned);
        }
        for text in [
            "", "i", "u", "i0", "i65", "u-1", "8", "I8", "U8", "i08", "i8 ", "f8",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    proptest! {
        /// Wrapping is stepping round the circle of the field's numbers; here with `rem_euclid`.
        #[test]
        fn overflow_is_arithmetic_on_the_range(
            width in 1..=64_u32,
            is_signed: bool,
            number in prop_oneof![any::<i64>().prop_map(i128::from), -70_000..70_000_i128],
        ) {
            let width = if is_signed { width } else { width.min(63) };
            let field = FieldType { is_signed, width };
            let size = 1_i128 << width;
            let min = if is_signed { -(size / 2) } else { 0 };
            let max = min + size - 1;
            let wrapped = (number - min).rem_euclid(size) + min;
            prop_assert_eq!(field.fit(number, Overflow::Wrap).map(i128::from), Some(wrapped));
            let clamped = number.max(min).min(max);
            prop_assert_eq!(field.fit(number, Overflow::Saturate).map(i128::from), Some(clamped));
            let fitting = (min <= number && number <= max).then_some(number);
            prop_assert_eq!(field.fit(number, Overflow::Fail).map(i128::from), fitting);
        }
    }
}
