//! The files of the log at a start: the base is loaded, the commands behind it are executed, and a torn end is cut off if
//! that is allowed.

use std::io::Read;

use super::log::{AppendFiles, BaseForm};
use crate::command::Args;
use crate::config::LogLevel;
use crate::persistence::line_of_loading;
use crate::session::Session;
use crate::snapshot::{Purpose, SnapshotContents, log_base_encoder, write_all};
use crate::worker::Worker;

impl Worker {
    /// Loads the data set from the log, and goes on with it. Answers whether there was one.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn load_log(&mut self) -> Result<bool, String> {
        let engine = self.engine.clone();
        let mut files = engine.host.open_append_files(&engine.config)?;
        let is_there = replay(self, &mut *files)?;
        if is_there {
            let size = files.open()?;
            engine.append_log.begin(&engine, files, size, true);
            return Ok(true);
        }
        let codec = engine.snapshot_codec.clone().ok_or("there is no format")?;
        let mut base = files.rotate(false, BaseForm::of(&engine.config))?;
        self.view
            .lock_all(&|| false)
            .expect("it waits as long as it takes");
        let encoder = log_base_encoder(&engine, codec);
        let everything = SnapshotContents::default();
        let bytes = write_all(self, &*encoder, Purpose::LogBase, everything);
        self.view.unlock();
        base.append(&bytes)?;
        base.commit()?;
        engine
            .append_log
            .begin(&engine, files, bytes.len() as u64, true);
        Ok(false)
    }

    /// DEBUG LOADAOF: writes the log down and loads it again. The data set is empty, every stripe is locked.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn reload_log(&mut self) -> Result<(), String> {
        let engine = self.engine.clone();
        engine
            .append_log
            .flush_and_sync(&engine)
            .map_err(|()| "the append-only file cannot be written")?;
        let mut files = engine.host.open_append_files(&engine.config)?;
        engine.persistence.begin_loading(engine.now_ms(), 0);
        self.view.unlock();
        let replayed = replay(self, &mut *files);
        self.view
            .lock_all(&|| false)
            .expect("it waits as long as it takes");
        engine.persistence.end_loading();
        replayed.map(drop)
    }
}

/// Loads all files; answers whether there are any.
fn replay(worker: &mut Worker, files: &mut dyn AppendFiles) -> Result<bool, String> {
    let engine = worker.engine.clone();
    let sources = files.sources()?;
    let count = sources.len();
    let started_ms = engine.now_ms();
    engine
        .persistence
        .begin_loading(started_ms, sources.iter().map(|source| source.len).sum());
    // Keys of data sets and commands of logs.
    let mut loaded = 0;
    let mut done = 0;
    for (index, mut source) in sources.into_iter().enumerate() {
        let len = source.len;
        let is_last = index + 1 == count;
        let mut skipped = 0;
        let mut start = Vec::new();
        source
            .bytes
            .by_ref()
            .take(5)
            .read_to_end(&mut start)
            .map_err(|error| format!("{}: {error}", source.name))?;
        let mut bytes: Box<dyn Read> = Box::new(start.as_slice().chain(source.bytes));
        // As the files of Redis and of Valkey begin.
        if start == b"REDIS" || start == b"VALKE" {
            let base = worker.load_base(&mut bytes, len)?;
            skipped = base.bytes;
            loaded += base.keys;
            drop(bytes);
            if skipped >= len {
                done += len;
                continue;
            }
            // Commands follow the data, as versions before 7.0 wrote them. The loader has read ahead.
            let again = files.sources()?.into_iter().nth(index);
            let mut again = again.ok_or("the file is gone")?.bytes;
            std::io::copy(&mut again.by_ref().take(skipped), &mut std::io::sink())
                .map_err(|error| error.to_string())?;
            bytes = again;
        }
        let mut replay = Replay {
            worker: &mut *worker,
            offset: skipped,
            whole: skipped,
            done,
            refused: 0,
            commands: 0,
        };
        let outcome = replay.run(&mut *bytes);
        loaded += replay.commands;
        if replay.refused > 1 {
            let line = format!(
                "{} commands of {} failed in all",
                replay.refused, source.name
            );
            engine.host.log(LogLevel::Warning, &line);
        }
        match outcome {
            Ok(()) => {}
            Err(ReplayError::Truncated { whole })
                if is_last && engine.config.aof_load_truncated() =>
            {
                drop(bytes);
                let line = format!(
                    "The end of {} is missing: it was cut to {whole} of {len} bytes, those that hold whole \
                     commands and transactions",
                    source.name
                );
                engine.host.log(LogLevel::Warning, &line);
                files.cut_last(whole)?;
            }
            Err(ReplayError::Truncated { whole }) => {
                return Err(format!(
                    "Unexpected end of file reading the append only file {}: whole commands end at byte {whole} \
                     of {len}. `redis-check-aof --fix` repairs it.",
                    source.name
                ));
            }
            Err(ReplayError::UnknownCommand { offset, name }) => {
                return Err(format!(
                    "Unknown command '{name}' reading the append only file {} at byte {offset}",
                    source.name
                ));
            }
            Err(ReplayError::Wrong { offset, reason }) => {
                return Err(format!(
                    "Bad file format reading the append only file {} at byte {offset}: {reason}. Make a backup of your \
                     AOF file, then use `redis-check-aof --fix`.",
                    source.name
                ));
            }
        }
        done += len;
    }
    if count > 0 {
        let duration_ms = engine.now_ms() - started_ms;
        let what = "keys and commands";
        let line = line_of_loading("append only file", duration_ms, loaded, what);
        engine.host.log(LogLevel::Notice, &line);
    }
    Ok(count > 0)
}

enum ReplayError {
    /// The file ends inside a command or a transaction; before `whole` everything is whole.
    Truncated {
        whole: u64,
    },
    Wrong {
        offset: u64,
        reason: String,
    },
    UnknownCommand {
        offset: u64,
        name: String,
    },
}

/// A file of commands that is being executed.
struct Replay<'w> {
    worker: &'w mut Worker,
    /// Where in the file the next command begins.
    offset: u64,
    /// Up to where there are whole commands and transactions.
    whole: u64,
    /// Bytes of the files before.
    done: u64,
    /// Commands that failed.
    refused: u64,
    /// Commands that were executed.
    commands: u64,
}

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

impl Replay<'_> {
    fn run(&mut self, bytes: &mut dyn Read) -> Result<(), ReplayError> {
        let engine = self.worker.engine.clone();
        let mut session = Session::new(&engine, String::new(), String::new());
        self.worker.is_replaying = true;
        self.worker.is_obeying = true;
        let outcome = self.execute_all(&mut session, bytes);
        self.worker.is_replaying = false;
        self.worker.is_obeying = false;
        session.close(self.worker);
        self.worker.refresh();
        outcome
    }

    fn execute_all(
        &mut self,
        session: &mut Session,
        bytes: &mut dyn Read,
    ) -> Result<(), ReplayError> {
        let mut unread: Vec<u8> = Vec::new();
        let mut reply = Vec::new();
        let mut is_in_transaction = false;
        let engine = self.worker.engine.clone();
        loop {
            let old_len = unread.len();
            let read = Read::take(&mut *bytes, READ_BYTES as u64)
                .read_to_end(&mut unread)
                .map_err(|error| self.wrong(error.to_string()))?;
            debug_assert!(unread.len() == old_len + read, "what was read is there");
            let mut at = 0;
            while let Some(command) = self.next_command(&unread[at..])? {
                at += command.len;
                self.offset += command.len as u64;
                let Some(name) = command.arguments.first() else {
                    if !is_in_transaction {
                        self.whole = self.offset;
                    }
                    continue;
                };
                if name.eq_ignore_ascii_case(b"MULTI") {
                    is_in_transaction = true;
                } else if name.eq_ignore_ascii_case(b"EXEC") {
                    is_in_transaction = false;
                }
                reply.clear();
                session.execute_arguments(
                    self.worker,
                    Args::slices(&command.arguments),
                    &mut reply,
                );
                self.commands += 1;
                engine.persistence.delay_load(&engine);
                if reply.starts_with(b"-ERR unknown command") {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let offset = self.offset;
                    return Err(ReplayError::UnknownCommand { offset, name });
                }
                if reply.first() == Some(&b'-') {
                    self.note_refusal(name, &reply);
                }
                if !is_in_transaction {
                    self.whole = self.offset;
                }
            }
            unread.drain(..at);
            let done = self.done + self.offset;
            self.worker.engine.persistence.set_loaded_bytes(done);
            if read == 0 {
                break;
            }
        }
        match unread.is_empty() && !is_in_transaction {
            true => Ok(()),
            false => Err(ReplayError::Truncated { whole: self.whole }),
        }
    }

    /// Says, of the first command of a file that fails, that it does: it did not when it was logged.
    #[cold]
    fn note_refusal(&mut self, name: &[u8], reply: &[u8]) {
        self.refused += 1;
        if self.refused == 1 {
            let line = format!(
                "A command of the append-only file failed: {} before byte {}: {}",
                String::from_utf8_lossy(name),
                self.offset,
                String::from_utf8_lossy(reply).trim_end()
            );
            self.worker.engine.host.log(LogLevel::Warning, &line);
        }
    }

    fn wrong(&self, reason: String) -> ReplayError {
        ReplayError::Wrong {
            offset: self.offset,
            reason,
        }
    }

    /// The command at the beginning of `bytes`, if it is whole.
    fn next_command<'b>(&self, bytes: &'b [u8]) -> Result<Option<LogCommand<'b>>, ReplayError> {
        let form = || self.wrong("it is not a command".to_owned());
        if bytes.first() == Some(&b'#') {
            // A remark, such as the time.
            let end = bytes.iter().position(|&byte| byte == b'\n');
            return Ok(end.map(|end| LogCommand {
                arguments: Vec::new(),
                len: end + 1,
            }));
        }
        let Some((count, mut at)) = header(bytes, b'*').map_err(|()| form())? else {
            return Ok(None);
        };
        if count == 0 {
            return Err(form());
        }
        let mut arguments = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            let Some((len, used)) = header(&bytes[at..], b'$').map_err(|()| form())? else {
                return Ok(None);
            };
            at += used;
            let Some(end) = at.checked_add(len).and_then(|end| end.checked_add(2)) else {
                return Err(form());
            };
            if bytes.len() < end {
                return Ok(None);
            }
            if &bytes[end - 2..end] != b"\r\n" {
                return Err(form());
            }
            arguments.push(&bytes[at..end - 2]);
            at = end;
        }
        Ok(Some(LogCommand { arguments, len: at }))
    }
}

struct LogCommand<'b> {
    arguments: Vec<&'b [u8]>,
    len: usize,
}

/// Digits in a header, at the most.
const DIGITS_MAX: usize = 20;

/// A line that is a letter and a number, and its length; `None` if it is not whole.
fn header(bytes: &[u8], letter: u8) -> Result<Option<(usize, usize)>, ()> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if first != letter {
        return Err(());
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX {
        return Err(());
    }
    match rest.get(digits..digits + 2) {
        Some(b"\r\n") if digits > 0 => {
            let text = std::str::from_utf8(&rest[..digits]).map_err(drop)?;
            let number = text.parse().map_err(drop)?;
            Ok(Some((number, 1 + digits + 2)))
        }
        Some(_) => Err(()),
        None if matches!(rest.get(digits), None | Some(b'\r')) => Ok(None),
        None => Err(()),
    }
}
