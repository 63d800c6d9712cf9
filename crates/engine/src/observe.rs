//! Commands as others watch them: MONITOR's feed, and what is shown of a command there and in logs.
//!
//! A command is seen after it has run. While nobody monitors, that costs one relaxed load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oxidis_resp::inline::quote_into;
use parking_lot::Mutex;

use crate::client::{Client, ClientShared};
use crate::command::{Args, Command};
use crate::config::Config;
use crate::mailbox::Message;

/// What stands in the place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// Arguments of a command, its secrets left out.
pub(crate) fn shown<'a>(command: &Command, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> {
    let is = |index: usize, word: &str| args.get(index).eq_ignore_ascii_case(word.as_bytes());
    let auth_at = (command.name == "hello")
        .then(|| (2..args.len()).find(|&index| is(index, "AUTH")))
        .flatten();
    let is_auth = command.name == "auth";
    // Names of users, and what they may do, are nobody's business either.
    let is_about_users = matches!(command.name, "setuser" | "getuser" | "deluser") && is(0, "ACL");
    let is_config_set = command.name == "set" && is(0, "CONFIG");
    let migrate_secrets = match command.name {
        "migrate" => crate::cmd::migrate_secrets(args),
        _ => Vec::new(),
    };
    let is_secret = move |index: usize| {
        is_auth && index > 0
            || is_about_users && index > 1
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
            quote_into(&mut line, argument);
        }
        line.extend_from_slice(b"\r\n");
        let line: Arc<[u8]> = line.into();
        let sessions = self.sessions.lock();
        for session in sessions.iter().filter(|session| !session.is_killed()) {
            session.post(Message::Push(line.clone()));
        }
    }
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
        check(
            "MIGRATE h 1 k 0 10 AUTH p REPLACE AUTH2 u q",
            "MIGRATE h 1 k 0 10 AUTH (redacted) REPLACE AUTH2 (redacted) (redacted)",
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
        check("ACL GETUSER u", "ACL GETUSER (redacted)");
        check("ACL DELUSER u v", "ACL DELUSER (redacted) (redacted)");
        check("ACL DRYRUN u get k", "ACL DRYRUN u get k");
        check(
            "CONFIG SET tls-key-file-pass p tls-client-key-file-pass q tls-key-file k",
            "CONFIG SET tls-key-file-pass (redacted) tls-client-key-file-pass (redacted) tls-key-file k",
        );
        check("SET requirepass p", "SET requirepass p");
    }
}
