//! The logs of commands that took long, came in large requests or gave large replies (SLOWLOG, and
//! COMMANDLOG of Valkey), and from when on a command is one for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::client::ClientShared;
use crate::command::{Args, Command, Flags};
use crate::config::Config;
use crate::observe::shown;

/// Why a command stands in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    /// It took long; measured in microseconds.
    Slow,
    /// Its request was large; measured in bytes.
    LargeRequest,
    /// Its reply was large; measured in bytes.
    LargeReply,
}

impl LogKind {
    const ALL: [LogKind; 3] = [LogKind::Slow, LogKind::LargeRequest, LogKind::LargeReply];

    fn name(self) -> &'static str {
        match self {
            LogKind::Slow => "slow",
            LogKind::LargeRequest => "large-request",
            LogKind::LargeReply => "large-reply",
        }
    }

    /// The kind of a name, in any case.
    pub(crate) fn of_name(name: &[u8]) -> Option<Self> {
        let named = |kind: &LogKind| name.eq_ignore_ascii_case(kind.name().as_bytes());
        LogKind::ALL.into_iter().find(named)
    }

    /// From which value on a command is logged, if any is.
    fn threshold(self, config: &Config) -> Option<u64> {
        let threshold = match self {
            LogKind::Slow => config.slowlog_log_slower_than_us(),
            LogKind::LargeRequest => config.commandlog_request_larger_than(),
            LogKind::LargeReply => config.commandlog_reply_larger_than(),
        };
        u64::try_from(threshold).ok()
    }

    fn len_max(self, config: &Config) -> usize {
        match self {
            LogKind::Slow => config.slowlog_max_len(),
            LogKind::LargeRequest => config.commandlog_large_request_max_len(),
            LogKind::LargeReply => config.commandlog_large_reply_max_len(),
        }
    }
}

/// From when on a command is looked at closely, by the logs or by LATENCY. Each worker has its own, for
/// every command asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thresholds {
    pub(crate) duration_us: i64,
    pub(crate) request_bytes: usize,
    pub(crate) reply_bytes: usize,
}

impl Thresholds {
    /// Those of a configuration; what is off is never reached.
    pub(crate) fn new(config: &Config) -> Self {
        let threshold = |kind: LogKind| kind.threshold(config).unwrap_or(u64::MAX);
        let latency_us = match config.latency_monitor_threshold_ms() {
            0 => u64::MAX,
            threshold_ms => threshold_ms.saturating_mul(1000),
        };
        let bytes = |kind| usize::try_from(threshold(kind)).unwrap_or(usize::MAX);
        Thresholds {
            duration_us: i64::try_from(threshold(LogKind::Slow).min(latency_us))
                .unwrap_or(i64::MAX),
            request_bytes: bytes(LogKind::LargeRequest),
            reply_bytes: bytes(LogKind::LargeReply),
        }
    }
}

/// What is known of a command that has run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// When it ended, in microseconds since 1970.
    pub(crate) ended_us: i64,
    pub(crate) duration_us: i64,
    pub(crate) reply_bytes: usize,
}

/// A command in a log.
pub(crate) struct LogEntry {
    pub(crate) id: u64,
    /// When it ended, in seconds since 1970.
    pub(crate) ended_seconds: i64,
    /// What the log measures, in its unit.
    pub(crate) value: u64,
    /// Its arguments, shortened.
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) client_name: Vec<u8>,
}

/// One log, the newest entry first.
#[derive(Default)]
pub(crate) struct CommandLog {
    entries: Mutex<VecDeque<LogEntry>>,
    last_id: AtomicU64,
}

/// All logs of an engine.
#[derive(Default)]
pub(crate) struct CommandLogs {
    logs: [CommandLog; LogKind::ALL.len()],
}

/// Arguments that an entry keeps, and the bytes that it keeps of each.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_MAX_BYTES: usize = 128;

impl CommandLogs {
    /// One of them.
    pub(crate) fn of(&self, kind: LogKind) -> &CommandLog {
        &self.logs[kind as usize]
    }

    /// Puts a command that has run into the logs that it is one for.
    #[cold]
    pub(crate) fn note(
        &self,
        config: &Config,
        measured: Measured,
        client: &ClientShared,
        command: &Command,
        args: Args<'_>,
    ) {
        if command.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        for kind in LogKind::ALL {
            let value = match kind {
                LogKind::Slow => u64::try_from(measured.duration_us).unwrap_or_default(),
                LogKind::LargeRequest => request_bytes(args) as u64,
                LogKind::LargeReply => measured.reply_bytes as u64,
            };
            if kind
                .threshold(config)
                .is_some_and(|threshold| value >= threshold)
            {
                let log = self.of(kind);
                let len_max = kind.len_max(config);
                log.add(len_max, (measured.ended_us, value), client, command, args);
            }
        }
    }
}

/// How long a request is that has these arguments, sent as clients send it.
pub(crate) fn request_bytes(args: Args<'_>) -> usize {
    let header = |number: usize| number.checked_ilog10().unwrap_or(0) as usize + "*1\r\n".len();
    let argument = |argument: &[u8]| header(argument.len()) + argument.len() + "\r\n".len();
    header(args.len()) + args.iter().map(argument).sum::<usize>()
}

impl CommandLog {
    /// Adds a command, and drops what is more than `len_max`.
    fn add(
        &self,
        len_max: usize,
        (ended_us, value): (i64, u64),
        client: &ClientShared,
        command: &Command,
        args: Args<'_>,
    ) {
        if len_max == 0 {
            return;
        }
        let entry = LogEntry {
            id: self.last_id.fetch_add(1, Ordering::Relaxed),
            ended_seconds: ended_us / 1_000_000,
            value,
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
    pub(crate) fn newest(&self, count: usize, visit: impl FnMut(&LogEntry)) {
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
    fn requests_are_as_long_as_they_are_sent() {
        let check = |words: &[&[u8]], sent: &str| {
            assert_eq!(request_bytes(Args::slices(words)), sent.len(), "{sent}");
        };
        check(&[b"GET", b""], "*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
        check(
            &[b"ECHO", b"0123456789"],
            "*2\r\n$4\r\nECHO\r\n$10\r\n0123456789\r\n",
        );
    }
}
