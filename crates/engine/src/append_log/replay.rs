//! The files of the log at a start: the base is loaded, the commands behind it are executed, and a torn end is cut off if
//! that is allowed.

use std::io::Read;
use std::sync::Arc;

use super::commands::{Chunk, Damage};
use super::lanes::{self, Lanes, Refusals, Routed};
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
        let mut replay = Replay::new(worker, skipped, done);
        let outcome = replay.run(&mut *bytes);
        loaded += replay.commands;
        if let Some((_, line)) = &replay.refusals.first {
            engine.host.log(LogLevel::Warning, line);
        }
        if replay.refusals.count > 1 {
            let line = format!(
                "{} commands of {} failed in all",
                replay.refusals.count, source.name
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
    session: Session,
    /// Where in the file the next command begins.
    offset: u64,
    /// Up to where there are whole commands and transactions.
    whole: u64,
    /// Bytes of the files before.
    done: u64,
    is_in_transaction: bool,
    refusals: Refusals,
    /// Commands that were executed.
    commands: u64,
}

/// After so many commands, what is done regularly and must not wait for the end is done.
const COMMANDS_PER_LOOK_AROUND: u64 = 1000;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

impl<'w> Replay<'w> {
    /// Of a file whose first `skipped` bytes are something else, and behind files of `done` bytes.
    fn new(worker: &'w mut Worker, skipped: u64, done: u64) -> Self {
        Replay {
            session: Session::new(&worker.engine, String::new(), String::new()),
            worker,
            offset: skipped,
            whole: skipped,
            done,
            is_in_transaction: false,
            refusals: Refusals::default(),
            commands: 0,
        }
    }

    fn run(&mut self, bytes: &mut dyn Read) -> Result<(), ReplayError> {
        let engine = self.worker.engine.clone();
        self.worker.is_replaying = true;
        self.worker.is_obeying = true;
        let outcome = std::thread::scope(|scope| {
            let mut lanes = Lanes::new(scope, engine);
            let outcome = self.execute_all(&mut lanes, bytes);
            self.refusals.add(lanes.finish());
            outcome
        });
        self.worker.is_replaying = false;
        self.worker.is_obeying = false;
        self.session.close(self.worker);
        self.worker.stop_defragmenting();
        self.worker.refresh();
        outcome
    }

    fn execute_all(
        &mut self,
        lanes: &mut Lanes<'_, '_>,
        bytes: &mut dyn Read,
    ) -> Result<(), ReplayError> {
        let mut unread: Vec<u8> = Vec::new();
        loop {
            let read = Read::take(&mut *bytes, READ_BYTES as u64)
                .read_to_end(&mut unread)
                .map_err(|error| ReplayError::Wrong {
                    offset: self.offset,
                    reason: error.to_string(),
                })?;
            let (chunk, damage) = Chunk::take_from(&mut unread, self.offset);
            self.execute_chunk(lanes, &Arc::new(chunk))?;
            if let Some(Damage { offset, reason }) = damage {
                return Err(ReplayError::Wrong { offset, reason });
            }
            let done = self.done + self.offset;
            self.worker.engine.persistence.set_loaded_bytes(done);
            if read == 0 {
                break;
            }
        }
        match unread.is_empty() && !self.is_in_transaction {
            true => Ok(()),
            false => Err(ReplayError::Truncated { whole: self.whole }),
        }
    }

    /// Executes commands, or has the threads do it if those wait for nobody. Whatever touches more than one key is executed
    /// when nobody else executes anything.
    fn execute_chunk(
        &mut self,
        lanes: &mut Lanes<'_, '_>,
        chunk: &Arc<Chunk>,
    ) -> Result<(), ReplayError> {
        let engine = self.worker.engine.clone();
        let mut run = Vec::new();
        for index in 0..chunk.len() {
            let args = chunk.args(index);
            self.offset = chunk.end_of(index);
            if args.len() > 0 {
                self.commands += 1;
                if self.commands.is_multiple_of(COMMANDS_PER_LOOK_AROUND) {
                    self.worker.defragment_while_loading();
                }
                engine.persistence.delay_load(&engine);
                let database = self.session.database();
                let routed = match self.is_in_transaction {
                    true => None,
                    false => Routed::new(&engine, args, index, database),
                };
                match routed {
                    Some(routed) => run.push(routed),
                    None => {
                        // Which database is selected is nobody else's matter.
                        let selects = args.get(0).eq_ignore_ascii_case(b"SELECT");
                        if self.is_in_transaction || !selects {
                            self.execute_run(lanes, chunk, std::mem::take(&mut run));
                            lanes.wait();
                        }
                        self.execute_alone(args)?;
                    }
                }
            }
            if !self.is_in_transaction {
                self.whole = self.offset;
            }
        }
        self.execute_run(lanes, chunk, run);
        Ok(())
    }

    fn execute_run(&mut self, lanes: &mut Lanes<'_, '_>, chunk: &Arc<Chunk>, run: Vec<Routed>) {
        if lanes.take(run.len()) {
            lanes.send(chunk, run);
        } else if !run.is_empty() {
            lanes.wait();
            let database = self.session.database();
            lanes::execute(
                self.worker,
                &mut self.session,
                chunk,
                &run,
                &mut self.refusals,
            );
            self.session.client_mut().database = database;
        }
    }

    /// Executes a command that may touch anything.
    fn execute_alone(&mut self, args: Args<'_>) -> Result<(), ReplayError> {
        let name = args.get(0);
        if name.eq_ignore_ascii_case(b"MULTI") {
            self.is_in_transaction = true;
        } else if name.eq_ignore_ascii_case(b"EXEC") {
            self.is_in_transaction = false;
        }
        let mut reply = Vec::new();
        self.session
            .execute_arguments(self.worker, args, &mut reply);
        if reply.starts_with(b"-ERR unknown command") {
            let name = String::from_utf8_lossy(name).into_owned();
            let offset = self.offset;
            return Err(ReplayError::UnknownCommand { offset, name });
        }
        if reply.first() == Some(&b'-') {
            self.refusals.note(self.offset, name, &reply);
        }
        Ok(())
    }
}
