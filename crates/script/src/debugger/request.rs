//! What the client of the debugger sends: arrays of strings, of which one at a time is looked at.

use oxidis_resp::number::leading_integer;

/// A request has no more arguments, and none of them is longer.
const ARGUMENTS_MAX: i64 = 1024;
const ARGUMENT_MAX_BYTES: i64 = 1024;

/// What there is of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// All of it.
    Whole(Vec<Vec<u8>>),
    /// Not all of it.
    Part,
    /// It is none.
    Wrong,
}

/// Reads a request. What stands before its `*` is passed over.
pub(super) fn parse(bytes: &[u8]) -> Received {
    if bytes.is_empty() {
        return Received::Part;
    }
    let Some(start) = bytes.iter().position(|&byte| byte == b'*') else {
        return Received::Wrong;
    };
    let mut rest = &bytes[start + 1..];
    let Some(count) = number(&mut rest) else {
        return Received::Part;
    };
    if !(1..=ARGUMENTS_MAX).contains(&count) {
        return Received::Wrong;
    }
    let mut arguments = Vec::new();
    for _ in 0..count {
        match rest.split_first() {
            None | Some((0, _)) => return Received::Part,
            Some((b'$', after)) => rest = after,
            Some(_) => return Received::Wrong,
        }
        let Some(length) = number(&mut rest) else {
            return Received::Part;
        };
        if !(1..=ARGUMENT_MAX_BYTES).contains(&length) {
            return Received::Wrong;
        }
        let length = length as usize;
        if rest.len() < length + 2 {
            return Received::Part;
        }
        let (argument, after) = rest.split_at(length);
        let Some(after) = after.strip_prefix(b"\r\n") else {
            return Received::Wrong;
        };
        arguments.push(argument.to_vec());
        rest = after;
    }
    Received::Whole(arguments)
}

/// Takes the number of a line off, and the line's end; `None` if the end is not there.
fn number(rest: &mut &[u8]) -> Option<i64> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let number = leading_integer(&rest[..end]);
    *rest = &rest[end + 2..];
    Some(number)
}

/// The integer at the beginning of a word, as C's `atoi` has it, in 32 bits.
pub(super) fn integer(word: &[u8]) -> i32 {
    let integer = leading_integer(word).clamp(i32::MIN.into(), i32::MAX.into());
    integer as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_do_not_fit_are_the_nearest_that_do() {
        assert_eq!(integer(b" -12x"), -12);
        assert_eq!(integer(b"2147483648"), i32::MAX);
        assert_eq!(integer(b"-99999999999999999999"), i32::MIN);
    }

    #[test]
    fn requests_come_whole_in_part_or_wrong() {
        let whole = |words: &[&str]| {
            Received::Whole(words.iter().map(|it| it.as_bytes().to_vec()).collect())
        };
        assert_eq!(parse(b"*1\r\n$1\r\ns\r\n"), whole(&["s"]));
        assert_eq!(
            parse(b"xy*2\r\n$1\r\nl\r\n$2\r\n10\r\n*1"),
            whole(&["l", "10"])
        );
        for part in [
            &b""[..],
            b"*1",
            b"*1\r\n",
            b"*1\r\n$1",
            b"*1\r\n$1\r\ns\r",
            b"*2\r\n$1\r\ns\r\n",
        ] {
            assert_eq!(parse(part), Received::Part);
        }
        for wrong in [
            &b"s\r\n"[..],
            b"*0\r\n",
            b"*1025\r\n",
            b"*1\r\n+s\r\n",
            b"*1\r\n$0\r\n\r\n",
            b"*1\r\n$1025\r\n",
            b"*1\r\n$1\r\nsss\r\n",
        ] {
            assert_eq!(parse(wrong), Received::Wrong);
        }
    }
}
