//! `struct`: values as the bytes of a C structure and back, by a format, as lstruct 0.2 has it.

use super::Library;
use super::library::nothing_more;
use crate::lua::{Frame, Kind, Raise, Results, Watch, function, integer_of};

pub(super) const LIBRARY: Library = Library {
    name: "struct",
    functions: &[
        ("pack", function!(pack)),
        ("unpack", function!(unpack)),
        ("size", function!(size)),
    ],
    fill: nothing_more,
};

/// The biggest integer, in bytes.
const INTEGER_MAX_BYTES: usize = 32;

/// The sizes of C's types on the machines that Redis runs on, which the bytes depend on.
const INT_BYTES: usize = 4;
const LONG_BYTES: usize = 8;
const ALIGNMENT_MAX_BYTES: usize = 8;

/// A format that is read, and what it has set so far.
struct Format {
    text: Vec<u8>,
    at: usize,
    is_big_endian: bool,
    alignment: usize,
}

/// One option of a format.
struct Item {
    option: u8,
    size: usize,
}

impl Format {
    fn new(frame: &mut Frame<'_>) -> Result<Self, Raise> {
        let text = frame.check_bytes(1)?;
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Format {
            text: text.to_vec(),
            at: 0,
            is_big_endian: false,
            alignment: 1,
        })
    }

    /// The next option.
    fn next(&mut self) -> Result<Option<Item>, Raise> {
        let Some(&option) = self.text.get(self.at) else {
            return Ok(None);
        };
        self.at += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' => LONG_BYTES,
            b'f' => 4,
            b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(INT_BYTES)?;
                if size > INTEGER_MAX_BYTES {
                    return Err(format!(
                        "integral size {size} is larger than limit of {INTEGER_MAX_BYTES}"
                    )
                    .into());
                }
                size
            }
            _ => 0,
        };
        Ok(Some(Item { option, size }))
    }

    /// The number that stands here, or another one if there is none.
    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        let digits = self.text[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let count = digits.count();
        if count == 0 {
            return Ok(default);
        }
        let mut number: i32 = 0;
        for &digit in &self.text[self.at..self.at + count] {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(i32::from(digit - b'0')))
                .ok_or("integral size overflow")?;
        }
        self.at += count;
        Ok(number as usize)
    }

    /// How many bytes go before an item at `position`.
    fn padding(&self, position: usize, item: &Item) -> usize {
        if item.size == 0 || item.option == b'c' {
            return 0;
        }
        let size = item.size.min(self.alignment);
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }

    /// An option that is no value but says how those that follow are written.
    fn control(&mut self, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'>' => self.is_big_endian = true,
            b'<' => self.is_big_endian = false,
            b'!' => {
                let alignment = self.number(ALIGNMENT_MAX_BYTES)?;
                if !alignment.is_power_of_two() {
                    return Err(format!("alignment {alignment} is not a power of 2").into());
                }
                self.alignment = alignment;
            }
            option => {
                let text = format!("invalid format option '{}'", char::from(option));
                return Err(Raise::Argument(1, text.into()));
            }
        }
        Ok(())
    }

    /// Bytes in the format's order, from such in the little-endian one.
    fn ordered<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if self.is_big_endian {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(frame: &mut Frame<'_>) -> Results {
    let mut format = Format::new(frame)?;
    let mut argument = 2;
    let mut position = 0;
    let mut packed: Vec<u8> = Vec::new();
    // An argument too few is a nil.
    frame.push_nil();
    let mut watch = Watch::default();
    while let Some(mut item) = format.next()? {
        watch.step(frame, packed.len())?;
        let padding = format.padding(position, &item);
        position += padding;
        packed.resize(packed.len() + padding, 0);
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = frame.check_number(argument)?;
                argument += 1;
                pack_integer(&format, number, item.size, &mut packed);
            }
            b'x' => packed.push(0),
            b'f' => {
                let number = frame.check_number(argument)? as f32;
                argument += 1;
                packed.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'd' => {
                let number = frame.check_number(argument)?;
                argument += 1;
                packed.extend_from_slice(&format.ordered(number.to_le_bytes()));
            }
            b'c' | b's' => {
                let bytes = frame.check_bytes(argument)?;
                argument += 1;
                if item.size == 0 {
                    item.size = bytes.len();
                }
                let Some(bytes) = bytes.get(..item.size) else {
                    return Err(Raise::Argument(argument, "string too short".into()));
                };
                packed.extend_from_slice(bytes);
                if item.option == b's' {
                    packed.push(0);
                    item.size += 1;
                }
            }
            option => format.control(option)?,
        }
        position += item.size;
    }
    frame.push_bytes(&packed);
    Ok(1)
}

fn pack_integer(format: &Format, number: f64, size: usize, packed: &mut Vec<u8>) {
    let value = if number < 0.0 {
        integer_of(number) as u64
    } else {
        number as u64
    };
    let mut bytes = [0; INTEGER_MAX_BYTES];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    let bytes = &mut bytes[..size];
    if format.is_big_endian {
        bytes.reverse();
    }
    packed.extend_from_slice(bytes);
}

fn unpack(frame: &mut Frame<'_>) -> Results {
    let mut format = Format::new(frame)?;
    let data = frame.check_bytes(2)?.to_vec();
    let start = match frame.kind(3) {
        Kind::None | Kind::Nil => 1,
        _ => frame.check_integer(3)?,
    };
    let mut position = match start as u64 as usize {
        0 => return Err(Raise::Argument(3, "offset must be 1 or greater".into())),
        start => start - 1,
    };
    let too_short = || Raise::Argument(2, "data string too short".into());
    let slice = |position: usize, size: usize| {
        let end = position.checked_add(size);
        end.and_then(|end| data.get(position..end))
    };
    let mut count = 0;
    let mut watch = Watch::default();
    while let Some(mut item) = format.next()? {
        position = position.wrapping_add(format.padding(position, &item));
        let bytes = slice(position, item.size).ok_or_else(too_short)?;
        if !frame.ensure_stack(4) {
            return Err("stack overflow (too many results)".into());
        }
        watch.step(frame, 0)?;
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = item.option.is_ascii_lowercase();
                frame.push_number(unpack_integer(&format, bytes, is_signed));
                count += 1;
            }
            b'x' => {}
            b'f' => {
                let bytes = format.ordered(array_of::<4>(bytes));
                frame.push_number(f64::from(f32::from_le_bytes(bytes)));
                count += 1;
            }
            b'd' => {
                let bytes = format.ordered(array_of::<8>(bytes));
                frame.push_number(f64::from_le_bytes(bytes));
                count += 1;
            }
            b'c' => {
                if item.size == 0 {
                    let size = if count == 0 { None } else { frame.number(-1) };
                    let size = size.ok_or("format 'c0' needs a previous size")?;
                    // A negative one is greater than anything.
                    item.size = integer_of(size) as u64 as usize;
                    frame.pop(1);
                    count -= 1;
                }
                let bytes = slice(position, item.size).ok_or_else(too_short)?;
                frame.push_bytes(bytes);
                count += 1;
            }
            b's' => {
                let rest = data.get(position..).unwrap_or_default();
                let length = rest.iter().position(|&byte| byte == 0);
                let length = length.ok_or("unfinished string in data")?;
                frame.push_bytes(&rest[..length]);
                item.size = length + 1;
                count += 1;
            }
            option => format.control(option)?,
        }
        position += item.size;
    }
    frame.push_number((position + 1) as f64);
    Ok(count + 1)
}

/// As many bytes as there are.
fn array_of<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

fn unpack_integer(format: &Format, bytes: &[u8], is_signed: bool) -> f64 {
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let mut value = if format.is_big_endian {
        bytes.iter().fold(0, join)
    } else {
        bytes.iter().rev().fold(0, join)
    };
    if !is_signed {
        return value as f64;
    }
    // C's shift by more than the type has is that of the machine, and scripts see it.
    let mask = u64::MAX.wrapping_shl((bytes.len() as u32).wrapping_mul(8).wrapping_sub(1));
    if value & mask != 0 {
        value |= mask;
    }
    value as i64 as f64
}

fn size(frame: &mut Frame<'_>) -> Results {
    let mut format = Format::new(frame)?;
    let mut position: usize = 0;
    while let Some(item) = format.next()? {
        position += format.padding(position, &item);
        let text = match (item.option, item.size) {
            (b's', _) => Some("option 's' has no fixed size"),
            (b'c', 0) => Some("option 'c0' has no fixed size"),
            _ => None,
        };
        if let Some(text) = text {
            return Err(Raise::Argument(1, text.into()));
        }
        if !item.option.is_ascii_alphanumeric() {
            format.control(item.option)?;
        }
        position += item.size;
    }
    frame.push_number(position as f64);
    Ok(1)
}
