//! `--rdb`, `--functions-rdb` and `--replica`: the server takes the program for a replica and sends
//! its data, which goes into a file, or its changes, which are printed.
//!
//! The data comes as a bulk string without the line end behind it, of a length that is told
//! beforehand, or, where the server does not know it yet, up to a mark of 40 bytes that is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use oxidis_client::{ReplyReader, Stream, describe};
use oxidis_resp::{Protocol, Value, Writer};

use crate::arguments::Output;
use crate::client::{Client, Exit, print};
use crate::format;

/// How long a mark is.
const MARK_BYTES: usize = 40;

/// How many bytes are copied at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// The longest line that announces a payload.
const ANNOUNCEMENT_BYTES_MAX: u64 = 4096;

/// How long a server that streams its data is left to notice that all has arrived, before it is
/// told to go on with its changes.
const ONLINE_PAUSE: Duration = Duration::from_secs(1);

/// Where the data ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    AfterBytes(u64),
    AtMark([u8; MARK_BYTES]),
}

/// Writes the server's data, or its functions alone, into a file; `-` is standard output.
pub fn fetch_rdb(client: &mut Client, file: &Path, functions_only: bool) -> Result<(), Exit> {
    tell(client, "capa", "eof")?;
    tell(client, "rdb-only", "1")?;
    if functions_only && !tell(client, "rdb-filter-only", "functions")? {
        eprintln!("Failed requesting functions only RDB from server, aborting");
        return Err(Exit(1));
    }
    let (mut stream, end) = synchronize(client)?;
    let name = file.display();
    match end {
        End::AfterBytes(count) => {
            eprintln!("SYNC sent to master, writing {count} bytes to '{name}'");
        }
        End::AtMark(_) => eprintln!(
            "SYNC sent to master, writing bytes of bulk transfer until EOF marker to '{name}'"
        ),
    }
    let copied = if file == Path::new("-") {
        let mut output = io::stdout().lock();
        copy(&mut stream, end, &mut output)
            .and_then(|copied| output.flush().map(|()| copied).map_err(CopyError::Write))
    } else {
        let mut output = File::create(file).map_err(|error| {
            eprintln!("Error opening '{name}': {}", describe(&error));
            Exit(1)
        })?;
        copy(&mut stream, end, &mut output)
            .and_then(|copied| output.sync_all().map(|()| copied).map_err(CopyError::Write))
    };
    match (copied, end) {
        (Ok(_), End::AfterBytes(_)) => eprintln!("Transfer finished with success."),
        (Ok(count), End::AtMark(_)) => {
            eprintln!("Transfer finished with success after {count} bytes");
        }
        (Err(CopyError::Read), _) => {
            eprintln!("I/O Error reading RDB payload from socket");
            return Err(Exit(1));
        }
        (Err(CopyError::Write(error)), _) => {
            eprintln!("Error writing data to file: {}", describe(&error));
            return Err(Exit(1));
        }
    }
    Ok(())
}

/// Prints every change that the server makes, for as long as it is there.
pub fn follow(client: &mut Client) -> Result<(), Exit> {
    tell(client, "capa", "eof")?;
    tell(client, "rdb-filter-only", "")?;
    let (mut stream, end) = synchronize(client)?;
    match end {
        End::AfterBytes(count) => {
            eprintln!("SYNC with master, discarding {count} bytes of bulk transfer...");
        }
        End::AtMark(_) => {
            eprintln!("SYNC with master, discarding bytes of bulk transfer until EOF marker...");
        }
    }
    let discarded = copy(&mut stream, end, &mut io::sink()).map_err(|_| {
        eprintln!("Error reading RDB payload while SYNCing");
        Exit(1)
    })?;
    if let End::AfterBytes(_) = end {
        eprintln!("SYNC done. Logging commands from master.");
    } else {
        let all = discarded + MARK_BYTES as u64;
        eprintln!("SYNC done after {all} bytes. Logging commands from master.");
        thread::sleep(ONLINE_PAUSE);
        eprintln!("sending REPLCONF ACK 0");
        let mut request = Vec::new();
        let mut writer = Writer::new(&mut request, Protocol::Resp2);
        writer.array(3);
        for word in ["REPLCONF", "ACK", "0"] {
            writer.bulk(word.as_bytes());
        }
        // A master takes it without a reply; that it is gone shows below.
        let _ = stream.get_mut().write_all(&request);
    }
    client.options.output = Output::Csv;
    let mut replies = ReplyReader::default();
    loop {
        match replies.receive(&mut stream) {
            Ok(command) => print(&format::reply(&command, &client.options, false))?,
            Err(error) => {
                eprintln!("Error: {error}");
                return Err(Exit(1));
            }
        }
    }
}

/// Says something of this replica to the server, and answers whether the server takes it: older
/// ones do not know everything.
fn tell(client: &mut Client, name: &str, value: &str) -> Result<bool, Exit> {
    eprintln!("sending REPLCONF {name} {value}");
    let request = [&b"REPLCONF"[..], name.as_bytes(), value.as_bytes()];
    match client.call(&request) {
        Ok(Value::Error(text)) => {
            let text = String::from_utf8_lossy(&text);
            eprintln!("REPLCONF {name} error: {text}");
            Ok(false)
        }
        Ok(_) => Ok(true),
        Err(_) => {
            eprintln!("\nI/O error");
            Err(Exit(1))
        }
    }
}

/// Asks for the data and answers the stream on which it comes, and where it ends.
fn synchronize(client: &mut Client) -> Result<(BufReader<Stream>, End), Exit> {
    let Some(socket) = client
        .take_connection()
        .and_then(|connection| connection.into_socket())
    else {
        eprintln!("A replica needs a server to follow.");
        return Err(Exit(1));
    };
    // All replies have been read: what comes next is the announcement.
    let (mut stream, _) = socket.into_parts();
    if stream.write_all(b"SYNC\r\n").is_err() {
        eprintln!("Error writing to master");
        return Err(Exit(1));
    }
    let mut stream = BufReader::new(stream);
    let announcement = read_announcement(&mut stream).ok_or_else(|| {
        eprintln!("Error reading bulk length while SYNCing");
        Exit(1)
    })?;
    let end = parse_announcement(&announcement).ok_or_else(|| {
        eprintln!("SYNC with master failed: {announcement}");
        Exit(1)
    })?;
    Ok((stream, end))
}

/// The first line that is not empty: while it prepares the data, a server sends empty ones, to show
/// that it lives.
fn read_announcement(stream: &mut impl BufRead) -> Option<String> {
    loop {
        let mut line = Vec::new();
        let read = stream
            .take(ANNOUNCEMENT_BYTES_MAX)
            .read_until(b'\n', &mut line);
        if read.ok()? == 0 || !line.ends_with(b"\n") {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if !text.is_empty() {
            return Some(text.to_owned());
        }
    }
}

/// `$1234` or `$EOF:` and a mark; `None` for an error.
fn parse_announcement(line: &str) -> Option<End> {
    let payload = line.strip_prefix('$')?;
    match payload.strip_prefix("EOF:") {
        Some(mark) => Some(End::AtMark(
            mark.as_bytes().get(..MARK_BYTES)?.try_into().ok()?,
        )),
        None => payload.parse().ok().map(End::AfterBytes),
    }
}

/// What ended a copy early.
#[derive(Debug)]
enum CopyError {
    Read,
    Write(io::Error),
}

/// Copies the payload and answers its length, which a mark does not count in.
fn copy(from: &mut impl Read, end: End, to: &mut impl Write) -> Result<u64, CopyError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    // What may be the beginning of the mark is held back.
    let mut held = Vec::new();
    let mut copied = 0;
    loop {
        let most = match end {
            End::AfterBytes(count) if copied == count => return Ok(copied),
            End::AfterBytes(count) => (count - copied).min(CHUNK_BYTES as u64) as usize,
            End::AtMark(mark) if held == mark => return Ok(copied),
            End::AtMark(_) => CHUNK_BYTES,
        };
        let count = match from.read(&mut chunk[..most]) {
            Ok(0) => return Err(CopyError::Read),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(CopyError::Read),
        };
        held.extend_from_slice(&chunk[..count]);
        let kept = match end {
            End::AfterBytes(_) => 0,
            End::AtMark(_) => MARK_BYTES,
        };
        let ready = held.len().saturating_sub(kept);
        to.write_all(&held[..ready]).map_err(CopyError::Write)?;
        held.drain(..ready);
        copied += ready as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn announcements_are_understood() {
        let mark = "0123456789".repeat(4);
        assert_eq!(parse_announcement("$12"), Some(End::AfterBytes(12)));
        let at_mark = End::AtMark(mark.as_bytes().try_into().unwrap());
        assert_eq!(parse_announcement(&format!("$EOF:{mark}")), Some(at_mark));
        for nonsense in ["-ERR no", "$EOF:short", "$x", "$-1"] {
            assert_eq!(parse_announcement(nonsense), None, "{nonsense}");
        }
        let mut lines = &b"\n\n\r\n$5\r\nhello"[..];
        assert_eq!(read_announcement(&mut lines).as_deref(), Some("$5"));
        assert_eq!(lines, b"hello");
        assert_eq!(read_announcement(&mut &b"$5"[..]), None);
    }

    #[test]
    fn a_payload_ends_where_it_was_said_however_it_arrives() {
        let payload: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mark = [7; MARK_BYTES];
        let marked = [&payload[..], &mark].concat();
        for piece in [1, 7, 39, 40, 41, 999, 5000] {
            let mut out = Vec::new();
            let end = End::AtMark(mark);
            assert_eq!(
                copy(&mut Pieces(&marked, piece), end, &mut out).unwrap(),
                1000
            );
            assert_eq!(out, payload);
            out.clear();
            let end = End::AfterBytes(1000);
            assert_eq!(
                copy(&mut Pieces(&marked, piece), end, &mut out).unwrap(),
                1000
            );
            assert_eq!(out, payload);
            let cut = &marked[..marked.len() - 1];
            let end = End::AtMark(mark);
            assert!(copy(&mut Pieces(cut, piece), end, &mut io::sink()).is_err());
        }
    }
}
