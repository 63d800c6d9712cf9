//! The bytes of a file of commands, as commands. What becomes of them is `replay`'s.

use oxidis_resp::Span;

use crate::command::Args;

/// Whole commands, one after the other as they stand in a file.
pub(super) struct Chunk {
    /// Where in the file its first byte stands.
    offset: u64,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// For each command how many spans there are up to its end, and where that is.
    ends: Vec<(usize, usize)>,
}

/// What is in a file is no command.
pub(super) struct Damage {
    /// Where in the file.
    pub(super) offset: u64,
    pub(super) reason: String,
}

impl Chunk {
    /// Takes the whole commands out of the `unread` bytes, which stand at `offset` in their file, up to what is none.
    pub(super) fn take_from(unread: &mut Vec<u8>, offset: u64) -> (Self, Option<Damage>) {
        let mut chunk = Chunk {
            offset,
            bytes: Vec::new(),
            spans: Vec::new(),
            ends: Vec::new(),
        };
        let mut at = 0;
        let damage = loop {
            let spans_before = chunk.spans.len();
            match read_command(unread, at, &mut chunk.spans) {
                Ok(Some(end)) => {
                    at = end;
                    chunk.ends.push((chunk.spans.len(), end));
                }
                Ok(None) => {
                    chunk.spans.truncate(spans_before);
                    break None;
                }
                Err(NoCommand) => {
                    break Some(Damage {
                        offset: offset + at as u64,
                        reason: "it is not a command".to_owned(),
                    });
                }
            }
        };
        let rest = unread.split_off(at);
        chunk.bytes = std::mem::replace(unread, rest);
        (chunk, damage)
    }

    /// How many commands there are, remarks included.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The arguments of a command; none of a remark.
    pub(super) fn args(&self, index: usize) -> Args<'_> {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends[before].0,
            None => 0,
        };
        Args::spans(&self.bytes, &self.spans[start..self.ends[index].0])
    }

    /// Where in the file the command ends.
    pub(super) fn end_of(&self, index: usize) -> u64 {
        self.offset + self.ends[index].1 as u64
    }
}

struct NoCommand;

/// Reads the command at `at` of `bytes` and answers where it ends, if it is whole.
fn read_command(
    bytes: &[u8],
    at: usize,
    spans: &mut Vec<Span>,
) -> Result<Option<usize>, NoCommand> {
    if bytes.get(at) == Some(&b'#') {
        // A remark, such as the time.
        let end = bytes[at..].iter().position(|&byte| byte == b'\n');
        return Ok(end.map(|end| at + end + 1));
    }
    let Some((count, mut at)) = header(bytes, at, b'*')? else {
        return Ok(None);
    };
    if count == 0 {
        return Err(NoCommand);
    }
    for _ in 0..count {
        let Some((len, start)) = header(bytes, at, b'$')? else {
            return Ok(None);
        };
        let end = start.checked_add(len).ok_or(NoCommand)?;
        let behind = end.checked_add(2).ok_or(NoCommand)?;
        if bytes.len() < behind {
            return Ok(None);
        }
        if &bytes[end..behind] != b"\r\n" {
            return Err(NoCommand);
        }
        spans.push(Span { start, end });
        at = behind;
    }
    Ok(Some(at))
}

/// Digits in a header, at the most.
const DIGITS_MAX: usize = 20;

/// A line at `at` that is a letter and a number: the number, and where the line ends; `None` if it is not whole.
fn header(bytes: &[u8], at: usize, letter: u8) -> Result<Option<(usize, usize)>, NoCommand> {
    let Some((&first, rest)) = bytes[at..].split_first() else {
        return Ok(None);
    };
    if first != letter {
        return Err(NoCommand);
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX {
        return Err(NoCommand);
    }
    match rest.get(digits..digits + 2) {
        Some(b"\r\n") if digits > 0 => {
            let mut number = 0usize;
            for digit in &rest[..digits] {
                let digit = usize::from(digit - b'0');
                number = number
                    .checked_mul(10)
                    .and_then(|number| number.checked_add(digit))
                    .ok_or(NoCommand)?;
            }
            Ok(Some((number, at + 1 + digits + 2)))
        }
        Some(_) => Err(NoCommand),
        None if matches!(rest.get(digits), None | Some(b'\r')) => Ok(None),
        None => Err(NoCommand),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(chunk: &Chunk, index: usize) -> Vec<String> {
        let args = chunk.args(index).iter();
        args.map(|it| String::from_utf8_lossy(it).into_owned())
            .collect()
    }

    #[test]
    fn what_is_whole_is_taken_and_the_rest_stays() {
        let text = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n#TS:12\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$5\r\nab";
        for end in 0..text.len() {
            let mut unread = text[..end].to_vec();
            let (chunk, damage) = Chunk::take_from(&mut unread, 100);
            assert!(damage.is_none());
            let taken = chunk
                .len()
                .checked_sub(1)
                .map_or(100, |it| chunk.end_of(it));
            assert_eq!(unread, text[(taken - 100) as usize..end]);
            let expected = [(20, vec!["DEL", "a"]), (28, vec![]), (42, vec!["PING"])];
            let whole = expected.iter().filter(|(at, _)| *at <= end);
            assert_eq!(chunk.len(), whole.clone().count(), "of {end} bytes");
            for (index, (at, expected)) in whole.enumerate() {
                assert_eq!(
                    (&words(&chunk, index)[..], chunk.end_of(index)),
                    (
                        &expected
                            .iter()
                            .map(|it| (*it).to_owned())
                            .collect::<Vec<_>>()[..],
                        100 + *at as u64
                    )
                );
            }
        }
    }

    #[test]
    fn what_stands_before_damage_is_taken() {
        let damaged = [
            "*0\r\n",
            "$1\r\na\r\n",
            "*1\r\n$1\r\nab\r\n",
            "*a\r\n",
            "*1\r\n*1\r\n",
            "*\r\n",
            "*99999999999999999999\r\n",
            "*1\r\n$18446744073709551615\r\n",
        ];
        for damage in damaged {
            let mut unread = format!("*1\r\n$4\r\nPING\r\n{damage}").into_bytes();
            let (chunk, found) = Chunk::take_from(&mut unread, 7);
            assert_eq!(
                (chunk.len(), found.map(|it| it.offset)),
                (1, Some(21)),
                "{damage:?}"
            );
        }
    }
}
