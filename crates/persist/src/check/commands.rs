//! Files of commands: whether all of them are whole.
//!
//! A file is read in constant memory, whatever lengths stand in it: of a command only the name is looked at, its other
//! arguments are passed over.
//!
//! # Which ends may be cut off
//!
//! A crash leaves a file whose end is missing, or consists of something else; what stands before is good. Damage in the
//! middle must not be repaired in this way, as it would take away what is good behind it. The two are told apart by what
//! follows what is wrong: if there is a whole command anywhere behind it, it is the middle. That finds a
//! length that has become greater than it was, too, which swallows what follows it up to the end of the file. (A value
//! that happens to contain a command makes an end look like a middle; then nothing is cut, which harms nobody.)

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use oxidis_engine::command::table;

/// Digits in a header, at the most.
const DIGITS_MAX: usize = 20;

/// As many bytes as names of commands have, at the most.
const NAME_MAX_BYTES: u64 = 64;

/// As many bytes as are shown of what stands where something else was expected.
const SHOWN_BYTES: usize = 16;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The number of the command that is wrong, from 1.
    pub command: u64,
    /// Where that begins, in bytes from the start of the file.
    pub command_offset: u64,
    /// Where the part of it is that is wrong.
    pub offset: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// How a file of commands ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandsEnd {
    /// With a whole command that is in no transaction.
    Whole,
    /// Something is wrong, and nothing whole follows: the end can be cut off.
    Torn(Fault),
    /// Something is wrong, and there is a whole command again at this byte; or it is whole itself, but one that is not
    /// known, and then this is where it begins.
    Damaged(Fault, u64),
    /// It was read up to this byte, where what follows is of a second later than was asked for.
    Later(u64),
}

/// What is in a file of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandsReport {
    /// Whole commands.
    pub commands: u64,
    /// Whole transactions.
    pub transactions: u64,
    /// Up to where there are whole commands and transactions, in bytes.
    pub whole: u64,
    /// How many lines were read up to what is wrong, as redis-check-aof counts them.
    pub lines: u64,
    /// How long the file is, in bytes.
    pub len: u64,
    /// How it ends.
    pub end: CommandsEnd,
}

/// Reads a file of commands from `start` on, up to remarks with a second after `until_s`; `progress` is told how far
/// it is now and then.
///
/// # Errors
/// When it cannot be read; what is wrong with what was read is in the report.
pub fn check_commands<R: Read + Seek>(
    source: R,
    start: u64,
    until_s: Option<i64>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<CommandsReport> {
    let mut input = Input::new(source, start)?;
    let mut report = CommandsReport {
        commands: 0,
        transactions: 0,
        whole: start,
        lines: 1,
        len: input.len,
        end: CommandsEnd::Whole,
    };
    let mut transaction = None;
    let mut told = start;
    while input.at < input.len {
        if input.at - told >= 1 << 20 {
            told = input.at;
            progress(told);
        }
        let record = input.at;
        let stop = match input.record(&mut report.lines) {
            Ok(Record::Remark(line)) => match until_s.map(|until_s| is_later(&line, until_s)) {
                None | Some(Some(false)) => None,
                Some(Some(true)) => {
                    report.end = CommandsEnd::Later(record);
                    return Ok(report);
                }
                Some(None) => Some(Wrong {
                    offset: record,
                    expected: "a remark with a time, such as '#TS:1700000000'".to_owned(),
                    found: format!("'#{}'", line.escape_ascii()),
                    is_unknown_command: false,
                }),
            },
            Ok(Record::Command(name)) => {
                match follow_transaction(&name, record, &mut transaction, &mut report) {
                    Ok(()) => {
                        report.commands += 1;
                        None
                    }
                    Err(wrong) => Some(wrong),
                }
            }
            Err(Stop::Wrong(wrong)) => Some(wrong),
            Err(Stop::Source(error)) => return Err(error),
        };
        if let Some(wrong) = stop {
            let fault = Fault {
                command: report.commands + 1,
                command_offset: record,
                offset: wrong.offset,
                expected: wrong.expected,
                found: wrong.found,
            };
            report.end = match input.whole_command_behind(record)? {
                Some(offset) => CommandsEnd::Damaged(fault, offset),
                // Nothing has torn it, so somebody meant it.
                None if wrong.is_unknown_command => CommandsEnd::Damaged(fault, record),
                None => CommandsEnd::Torn(fault),
            };
            return Ok(report);
        }
        if transaction.is_none() {
            report.whole = input.at;
        }
    }
    progress(input.len);
    if let Some((command, offset)) = transaction {
        report.end = CommandsEnd::Torn(Fault {
            command,
            command_offset: offset,
            offset: input.len,
            expected: "EXEC for this MULTI".to_owned(),
            found: "the end of the file".to_owned(),
        });
    }
    Ok(report)
}

/// Whether a remark notes a second after `until_s`; `None` if what should be a second is none. Only who looks for one
/// minds: a server passes over remarks, whatever they say.
fn is_later(remark: &[u8], until_s: i64) -> Option<bool> {
    let Some(noted) = remark.strip_prefix(b"TS:") else {
        return Some(false);
    };
    let second: i64 = std::str::from_utf8(noted).ok()?.parse().ok()?;
    Some(second > until_s)
}

/// Keeps up whether a transaction is open: the number of its MULTI and where that begins.
fn follow_transaction(
    name: &[u8],
    offset: u64,
    transaction: &mut Option<(u64, u64)>,
    report: &mut CommandsReport,
) -> Result<(), Wrong> {
    let wrong = |expected: &str, found: &str| Wrong {
        offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
        is_unknown_command: false,
    };
    if table().find(name).is_none() {
        let name = format!("the unknown command '{}'", name.escape_ascii());
        return Err(Wrong {
            is_unknown_command: true,
            ..wrong("a command", &name)
        });
    }
    if name.eq_ignore_ascii_case(b"MULTI") {
        if transaction.is_some() {
            return Err(wrong("EXEC for the MULTI before", "MULTI"));
        }
        *transaction = Some((report.commands + 1, offset));
    } else if name.eq_ignore_ascii_case(b"EXEC") {
        if transaction.take().is_none() {
            return Err(wrong("MULTI before EXEC", "EXEC"));
        }
        report.transactions += 1;
    }
    Ok(())
}

/// What one reads at once.
enum Record {
    /// A remark: its beginning, without the sign and the line end.
    Remark(Vec<u8>),
    /// A command; its name.
    Command(Vec<u8>),
}

struct Wrong {
    offset: u64,
    expected: String,
    found: String,
    is_unknown_command: bool,
}

/// Why reading does not go on.
enum Stop {
    Wrong(Wrong),
    Source(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Source(error)
    }
}

struct Input<R> {
    source: BufReader<R>,
    at: u64,
    len: u64,
}

impl<R: Read + Seek> Input<R> {
    fn new(source: R, start: u64) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(256 * 1024, source);
        let len = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(start))?;
        Ok(Input {
            source,
            at: start,
            len,
        })
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        // Within what was read already, nothing is read again.
        self.source.seek_relative(offset as i64 - self.at as i64)?;
        self.at = offset;
        Ok(())
    }

    /// Takes so many bytes, or as many as there are.
    fn take(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = Read::take(&mut self.source, count).read_to_end(&mut bytes)?;
        self.at += read as u64;
        Ok(bytes)
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = self.source.read(&mut byte)?;
        self.at += count as u64;
        Ok((count == 1).then_some(byte[0]))
    }

    /// What is wrong at `offset`, with a look at what stands there.
    fn wrong(&mut self, offset: u64, expected: String) -> Stop {
        let found = self
            .go_to(offset)
            .and_then(|()| self.take(SHOWN_BYTES as u64 + 1));
        let found = match found {
            Ok(found) => found,
            Err(error) => return Stop::Source(error),
        };
        let found = match found.get(..SHOWN_BYTES) {
            _ if found.is_empty() => "the end of the file".to_owned(),
            Some(first) => format!("'{}...'", first.escape_ascii()),
            None => format!("'{}' and the end of the file", found.escape_ascii()),
        };
        Stop::Wrong(Wrong {
            offset,
            expected,
            found,
            is_unknown_command: false,
        })
    }

    fn record(&mut self, lines: &mut u64) -> Result<Record, Stop> {
        let record = self.at;
        if self.byte()? == Some(b'#') {
            return self.remark(record);
        }
        self.go_to(record)?;
        let count = self.number(b'*')?;
        if count == 0 {
            return Err(self.wrong(record, "a command with a name".to_owned()));
        }
        *lines += 1;
        let mut name = Vec::new();
        for index in 0..count {
            let header = self.at;
            let len = self.number(b'$')?;
            *lines += 1;
            let body = self.at;
            let Some(end) = body.checked_add(len).filter(|end| end + 2 <= self.len) else {
                let (there, is_first) = (self.len - body, index == 0);
                let what = if is_first { "the name" } else { "an argument" };
                return Err(Stop::Wrong(Wrong {
                    offset: self.len,
                    expected: format!(
                        "{len} bytes of {what} and a line end, as byte {header} says, of which {there} are there"
                    ),
                    found: "the end of the file".to_owned(),
                    is_unknown_command: false,
                }));
            };
            if index == 0 {
                name = self.take(len.min(NAME_MAX_BYTES))?;
            }
            self.go_to(end)?;
            if self.take(2)? != b"\r\n" {
                let expected = format!("a line end behind {len} bytes, as byte {header} says");
                return Err(self.wrong(end, expected));
            }
            *lines += 1;
        }
        Ok(Record::Command(name))
    }

    /// A line that is a letter and a number.
    fn number(&mut self, letter: u8) -> Result<u64, Stop> {
        let offset = self.at;
        let what = if letter == b'*' {
            "the number of arguments of a command"
        } else {
            "the length of an argument"
        };
        let expected = || format!("{what}, such as '{}3' and a line end", char::from(letter));
        if self.byte()? != Some(letter) {
            return Err(self.wrong(offset, expected()));
        }
        let mut digits = String::new();
        loop {
            match self.byte()? {
                Some(digit @ b'0'..=b'9') if digits.len() < DIGITS_MAX => {
                    digits.push(char::from(digit));
                }
                Some(b'\r') if self.byte()? == Some(b'\n') => break,
                _ => return Err(self.wrong(offset, expected())),
            }
        }
        match digits.parse() {
            Ok(number) if number <= i64::MAX as u64 => Ok(number),
            _ => Err(self.wrong(offset, expected())),
        }
    }

    /// A line whose first byte was read.
    fn remark(&mut self, offset: u64) -> Result<Record, Stop> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                Some(b'\n') => break,
                // Longer remarks note nothing that is known.
                Some(byte) if line.len() < 32 => line.push(byte),
                Some(_) => {}
                None => return Err(self.wrong(offset, "the end of a remark".to_owned())),
            }
        }
        Ok(Record::Remark(line.trim_ascii_end().to_vec()))
    }

    /// Where there is a whole command again behind `offset`.
    fn whole_command_behind(&mut self, offset: u64) -> io::Result<Option<u64>> {
        self.go_to(offset)?;
        self.byte()?;
        while let Some(byte) = self.byte()? {
            if byte != b'*' {
                continue;
            }
            let candidate = self.at - 1;
            self.go_to(candidate)?;
            match self.record(&mut 0) {
                Ok(Record::Command(name)) if table().find(&name).is_some() => {
                    return Ok(Some(candidate));
                }
                Ok(_) | Err(Stop::Wrong(_)) => self.go_to(candidate + 1)?,
                Err(Stop::Source(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn command(words: &[&str]) -> Vec<u8> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        bytes
    }

    fn check(bytes: &[u8]) -> CommandsReport {
        check_commands(Cursor::new(bytes), 0, None, &mut |_| {}).expect("memory can be read")
    }

    fn log() -> Vec<Vec<u8>> {
        vec![
            command(&["SELECT", "0"]),
            b"#TS:1700000000\r\n".to_vec(),
            command(&["SET", "key", "value with\r\n*1\r\n$4\r\nline ends"]),
            command(&["MULTI"]),
            command(&["incr", "count"]),
            command(&["exec"]),
            b"#TS:1700000009\r\n".to_vec(),
            command(&["DEL", "key"]),
        ]
    }

    #[test]
    fn a_whole_file_is_whole() {
        let report = check(&log().concat());
        assert_eq!(report.end, CommandsEnd::Whole);
        assert_eq!((report.commands, report.transactions), (6, 1));
        assert_eq!(
            (report.whole, report.len),
            (report.len, log().concat().len() as u64)
        );
        assert_eq!(check(b"").end, CommandsEnd::Whole);
    }

    /// Wherever a file is cut: what is left is whole up to the end of the last command or transaction.
    #[test]
    fn every_cut_is_a_torn_end() {
        let bytes = log().concat();
        // Inside the transaction nothing is whole.
        let ends: Vec<usize> = {
            let lens: Vec<usize> = log().iter().map(Vec::len).collect();
            let sum = |count: usize| lens[..count].iter().sum();
            [0, 1, 2, 3, 6, 7, 8].map(sum).to_vec()
        };
        for len in 0..bytes.len() {
            let report = check(&bytes[..len]);
            let whole = *ends.iter().rev().find(|&&end| end <= len).unwrap();
            assert_eq!(report.whole, whole as u64, "{len}");
            match report.end {
                CommandsEnd::Whole => assert_eq!(len, whole),
                CommandsEnd::Torn(fault) => {
                    assert_ne!(len, whole);
                    assert!(fault.offset <= len as u64 && fault.command_offset >= whole as u64);
                }
                end => panic!("{len}: {end:?}"),
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let good = command(&["SET", "key", "value"]);
        let fault = |bytes: &[u8]| match check(&[&good, bytes].concat()).end {
            CommandsEnd::Torn(fault) => (false, fault),
            CommandsEnd::Damaged(fault, _) => (true, fault),
            end => panic!("{end:?}"),
        };
        let at = good.len() as u64;
        let (is_middle, torn) = fault(b"*2\r\n$3\r\nGET\r\n$5\r\nab");
        assert!(!is_middle);
        assert_eq!(
            (torn.command, torn.command_offset, torn.offset),
            (2, at, at + 19)
        );
        assert!(torn.expected.contains("5 bytes of an argument"), "{torn:?}");
        let (is_middle, wrong) = fault(&[b"*x\r\n", &good[..]].concat());
        assert!(is_middle);
        assert_eq!(
            (wrong.offset, wrong.found.as_str()),
            (at, "'*x\\r\\n*3\\r\\n$3\\r\\nSET\\r...'")
        );
        // A length that has grown swallows the rest.
        let (is_middle, _) =
            fault(&[b"*2\r\n$3\r\nGET\r\n$500\r\nab\r\n", &good[..], &good].concat());
        assert!(is_middle);
        let (is_middle, unknown) = fault(&[command(&["NOSUCH"]), good.clone()].concat());
        assert!(is_middle && unknown.found.contains("'NOSUCH'"));
        // What a newer version or a module has written is nothing torn.
        let (is_damage, unknown) = fault(&command(&["NOSUCH", "key"]));
        assert!(is_damage && unknown.found.contains("'NOSUCH'"));
        let (_, exec) = fault(&command(&["EXEC"]));
        assert_eq!(exec.expected, "MULTI before EXEC");
        let (_, multi) = fault(&[command(&["MULTI"]), command(&["MULTI"])].concat());
        assert_eq!(multi.command, 3);
        for zeros in [1, 70_000] {
            assert!(!fault(&vec![0; zeros]).0);
        }
        let (_, endless) = fault(&[b"*1\r\n$", &[b'9'; 30][..], b"\r\n"].concat());
        assert!(endless.expected.contains("the length"));
    }

    #[test]
    fn a_time_ends_the_reading() {
        let bytes = log().concat();
        let at: usize = log()[..6].iter().map(Vec::len).sum();
        let until = |second| {
            check_commands(Cursor::new(&bytes), 0, Some(second), &mut |_| {})
                .expect("it can be read")
                .end
        };
        assert_eq!(until(1_700_000_009), CommandsEnd::Whole);
        assert_eq!(until(1_700_000_008), CommandsEnd::Later(at as u64));
        assert_eq!(until(0), CommandsEnd::Later(log()[0].len() as u64));
    }

    /// What is no time stops only who looks for one, as in redis-check-aof 7.0.15.
    #[test]
    fn a_remark_that_is_no_time_is_passed_over() {
        let bytes = [&log().concat()[..], b"#TS:soon\r\n", &command(&["PING"])].concat();
        assert_eq!(check(&bytes).end, CommandsEnd::Whole);
        let until = Some(1_700_000_009);
        let report = check_commands(Cursor::new(&bytes), 0, until, &mut |_| {});
        match report.expect("it can be read").end {
            CommandsEnd::Damaged(fault, _) => assert_eq!(fault.found, "'#TS:soon'"),
            end => panic!("{end:?}"),
        }
    }

    proptest! {
        /// Whatever stands there, what is called whole is that by itself.
        #[test]
        fn what_is_left_of_a_cut_is_whole(
            pieces in prop::collection::vec(prop_oneof![
                prop::sample::select(log()),
                prop::collection::vec(any::<u8>(), 0..6),
            ], 0..12),
        ) {
            let bytes = pieces.concat();
            let report = check(&bytes);
            prop_assert!(report.whole <= report.len);
            let again = check(&bytes[..report.whole as usize]);
            prop_assert_eq!(again.end, CommandsEnd::Whole);
            prop_assert_eq!(report.end == CommandsEnd::Whole, report.whole == report.len);
        }
    }
}
