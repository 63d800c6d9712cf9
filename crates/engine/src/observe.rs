//! Commands as others watch them: MONITOR's feed and the slow log.
//!
//! Both see a command after it has run. While nobody monitors and commands are quick, they cost one
//! relaxed load each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::client::{Client, ClientShared};
use crate::command::{Args, Command};
use crate::config::Config;
use crate::mailbox::Message;

/// What stands in the place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// Arguments of a command, its secrets left out.
fn shown<'a>(command: &Command, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> {
    let is = |index: usize, word: &str| args.get(index).eq_ignore_ascii_case(word.as_bytes());
    let auth_at = (command.name == "hello")
        .then(|| (2..args.len()).find(|&index| is(index, "AUTH")))
        .flatten();
    let is_auth = command.name == "auth";
    let is_set_user = command.name == "setuser" && is(0, "ACL");
    let is_config_set = command.name == "set" && is(0, "CONFIG");
    let migrate_secrets = match command.name {
        "migrate" => crate::cmd::migrate_secrets(args),
        _ => 0..0,
    };
    let is_secret = move |index: usize| {
        is_auth && index > 0
            || is_set_user && index > 1
            || migrate_secrets.contains(&index)
            || auth_at.is_some_and(|at| index == at + 1 || index == at + 2)
            || is_config_set
                && index > 2
                && index % 2 == 1
                && Config::is_sensitive(args.get(index - 1))
    };
    args.iter()
        .enumerate()
        .map(move |(index, argument)| if is_secret(index) { REDACTED } else { argument })
}

/// The sessions that see every command (MONITOR).
#[derive(Default)]
pub(crate) struct Monitors {
    is_on: AtomicBool,
    sessions: Mutex<Vec<Arc<ClientShared>>>,
}

impl Monitors {
    /// Whether anyone watches.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Shows every command to a session from now on.
    pub(crate) fn add(&self, client: &Arc<ClientShared>) {
        let mut sessions = self.sessions.lock();
        if !sessions.iter().any(|other| other.id == client.id) {
            sessions.push(client.clone());
        }
        client.is_monitor.store(true, Ordering::Relaxed);
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Shows a session no more commands.
    pub(crate) fn remove(&self, client: &ClientShared) {
        if !client.is_monitor.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut sessions = self.sessions.lock();
        sessions.retain(|other| other.id != client.id);
        self.is_on.store(!sessions.is_empty(), Ordering::Relaxed);
    }

    /// Shows a command that a session, or a script of its, has executed.
    #[cold]
    pub(crate) fn feed(
        &self,
        now_us: i64,
        client: &Client,
        by_script: bool,
        command: &Command,
        args: Args<'_>,
    ) {
        const SECOND_US: i64 = 1_000_000;
        let shared = &client.shared;
        let mut line = format!("+{}.{:06} ", now_us / SECOND_US, now_us % SECOND_US).into_bytes();
        let address = match shared.address.strip_suffix(":0") {
            _ if by_script => format!("[{} lua]", client.database),
            Some(path) if shared.is_unix_socket => format!("[{} unix:{path}]", client.database),
            _ => format!("[{} {}]", client.database, shared.address),
        };
        line.extend_from_slice(address.as_bytes());
        for argument in shown(command, args) {
            line.push(b' ');
            push_quoted(&mut line, argument);
        }
        line.extend_from_slice(b"\r\n");
        let line: Arc<[u8]> = line.into();
        for session in self.sessions.lock().iter() {
            session.post(Message::Push(line.clone()));
        }
    }
}

/// Writes bytes in quotes, such as people can read and programs take back.
pub(crate) fn push_quoted(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            7 => line.extend_from_slice(b"\\a"),
            8 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    line.push(b'"');
}

/// A command that took long.
pub(crate) struct SlowEntry {
    pub(crate) id: u64,
    /// When it ended, in seconds since 1970.
    pub(crate) ended_seconds: i64,
    pub(crate) duration_us: i64,
    /// Its arguments, shortened.
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) client_name: Vec<u8>,
}

/// The slow log of an engine, the newest entry first.
#[derive(Default)]
pub(crate) struct SlowLog {
    entries: Mutex<VecDeque<SlowEntry>>,
    last_id: std::sync::atomic::AtomicU64,
}

/// Arguments that an entry keeps, and the bytes that it keeps of each.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_MAX_BYTES: usize = 128;

impl SlowLog {
    /// Adds a command, and drops what is more than `len_max`.
    #[cold]
    pub(crate) fn add(
        &self,
        len_max: usize,
        (ended_us, duration_us): (i64, i64),
        client: &ClientShared,
        command: &Command,
        args: Args<'_>,
    ) {
        if len_max == 0 {
            return;
        }
        let entry = SlowEntry {
            id: self.last_id.fetch_add(1, Ordering::Relaxed),
            ended_seconds: ended_us / 1_000_000,
            duration_us,
            arguments: shorten(args.len(), shown(command, args)),
            address: client.address.clone(),
            client_name: client.names.lock().name.clone(),
        };
        let mut entries = self.entries.lock();
        entries.push_front(entry);
        entries.truncate(len_max);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.lock().len()
    }

    pub(crate) fn reset(&self) {
        self.entries.lock().clear();
    }

    /// Visits the newest `count` entries.
    pub(crate) fn newest(&self, count: usize, visit: impl FnMut(&SlowEntry)) {
        self.entries.lock().iter().take(count).for_each(visit);
    }
}

fn shorten<'a>(count: usize, arguments: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let is_cut = count > ARGUMENTS_MAX;
    let kept = if is_cut { ARGUMENTS_MAX - 1 } else { count };
    let mut shortened: Vec<Vec<u8>> = arguments
        .take(kept)
        .map(
            |argument| match argument.len().checked_sub(ARGUMENT_MAX_BYTES) {
                None | Some(0) => argument.to_vec(),
                Some(more) => {
                    let mut start = argument[..ARGUMENT_MAX_BYTES].to_vec();
                    start.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                    start
                }
            },
        )
        .collect();
    if is_cut {
        let more = count - kept;
        shortened.push(format!("... ({more} more arguments)").into_bytes());
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table;

    #[test]
    fn secrets_are_not_shown() {
        #[track_caller]
        fn check(command: &str, expected: &str) {
            let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            let args = Args::slices(&words);
            let registered = table().resolve(args).unwrap();
            let found: Vec<&[u8]> = shown(registered.command, args).collect();
            assert_eq!(String::from_utf8(found.join(&b' ')).unwrap(), expected);
        }
        check("AUTH p", "AUTH (redacted)");
        check("auth u p", "auth (redacted) (redacted)");
        check(
            "MIGRATE h 1 k 0 10 COPY AUTH p",
            "MIGRATE h 1 k 0 10 COPY AUTH (redacted)",
        );
        check(
            "MIGRATE h 1  0 10 AUTH2 u p KEYS AUTH x",
            "MIGRATE h 1  0 10 AUTH2 (redacted) (redacted) KEYS AUTH x",
        );
        check("MIGRATE h 1 auth 0 10 COPY", "MIGRATE h 1 auth 0 10 COPY");
        check(
            "HELLO 3 SETNAME x AUTH u p",
            "HELLO 3 SETNAME x AUTH (redacted) (redacted)",
        );
        check(
            "CONFIG SET maxmemory 1 requirepass p",
            "CONFIG SET maxmemory 1 requirepass (redacted)",
        );
        check("ACL SETUSER u on", "ACL SETUSER (redacted) (redacted)");
        check("SET requirepass p", "SET requirepass p");
    }

    #[test]
    fn long_commands_are_shortened() {
        let words: Vec<Vec<u8>> = (0..40).map(|n: i32| n.to_string().into_bytes()).collect();
        let short = shorten(32, words.iter().take(32).map(Vec::as_slice));
        assert_eq!(short, words[..32]);
        let cut = shorten(40, words.iter().map(Vec::as_slice));
        assert_eq!(cut.len(), 32);
        assert_eq!(cut[30], b"30");
        assert_eq!(cut[31], b"... (9 more arguments)");
        let long = [b'x'; 130];
        let cut = shorten(1, std::iter::once(&long[..]));
        assert_eq!(cut[0], [&[b'x'; 128][..], b"... (2 more bytes)"].concat());
    }

    #[test]
    fn odd_bytes_are_quoted() {
        let mut line = Vec::new();
        push_quoted(&mut line, b"a\"\\\n\r\t\x07\x08\x00\xff~ ");
        assert_eq!(line, br#""a\"\\\n\r\t\a\b\x00\xff~ ""#);
    }
}
