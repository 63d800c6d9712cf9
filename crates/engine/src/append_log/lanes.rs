//! Commands of a log that several threads execute: each of them touches one key, and all that touch the same key are
//! executed by the same thread, in the order in which they stand in the file.
//!
//! Which commands those are is told here, and they are executed here; when they may be is `replay`'s to know.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use smallvec::SmallVec;

use super::commands::Chunk;
use crate::command::Args;
use crate::command::dispatch::{Prepared, key_of_one, prepare};
use crate::engine::Engine;
use crate::foresight::Foreseen;
use crate::session::Session;
use crate::worker::Worker;

/// So many commands are brought near together.
const GROUP_LEN: usize = 64;

/// For fewer commands in a row the threads are not woken.
pub(super) const RUN_MIN: usize = 512;

/// So many runs may wait for a thread.
const WAITING_MAX: usize = 4;

/// A command of a chunk that touches one key.
pub(super) struct Routed {
    /// Which command it is.
    index: usize,
    database: usize,
    hash: u64,
    prepared: Prepared,
}

impl Routed {
    /// The command at `index` of a chunk, if it touches one key and nothing else.
    pub(super) fn new(
        engine: &Engine,
        args: Args<'_>,
        index: usize,
        database: usize,
    ) -> Option<Self> {
        let prepared = prepare(engine, args).ok()?;
        let hash = key_of_one(engine, &prepared, args)?;
        Some(Routed {
            index,
            database,
            hash,
            prepared,
        })
    }
}

/// Commands that failed; they did not when they were logged.
#[derive(Default)]
pub(super) struct Refusals {
    pub(super) count: u64,
    /// The first one: where in the file it ends, and what is to be said of it.
    pub(super) first: Option<(u64, String)>,
}

impl Refusals {
    #[cold]
    pub(super) fn note(&mut self, end: u64, name: &[u8], reply: &[u8]) {
        let line = format!(
            "A command of the append-only file failed: {} before byte {end}: {}",
            String::from_utf8_lossy(name),
            String::from_utf8_lossy(reply).trim_end()
        );
        self.add(Refusals {
            count: 1,
            first: Some((end, line)),
        });
    }

    pub(super) fn add(&mut self, other: Refusals) {
        self.count += other.count;
        let is_first = |(end, _): &(u64, String)| {
            let first = self.first.as_ref();
            first.is_none_or(|(first, _)| end < first)
        };
        if let Some(other) = other.first.filter(is_first) {
            self.first = Some(other);
        }
    }
}

/// Executes commands in their order.
pub(super) fn execute(
    worker: &mut Worker,
    session: &mut Session,
    chunk: &Chunk,
    run: &[Routed],
    refusals: &mut Refusals,
) {
    let mut reply = Vec::new();
    for group in run.chunks(GROUP_LEN) {
        let foreseen = group.iter().map(|it| {
            let element = it.prepared.registered.command.element;
            let element = (element > 0).then(|| chunk.args(it.index).get(element));
            Foreseen::new(it.database, it.hash, element)
        });
        let foreseen: SmallVec<[Foreseen; GROUP_LEN]> = foreseen.collect();
        worker.bring_near(foreseen.iter());
        for it in group {
            let args = chunk.args(it.index);
            session.client_mut().database = it.database;
            reply.clear();
            session.execute_prepared(worker, args, Ok(it.prepared), &mut reply);
            if reply.first() == Some(&b'-') {
                refusals.note(chunk.end_of(it.index), args.get(0), &reply);
            }
        }
    }
}

enum Task {
    Run(Arc<Chunk>, Vec<Routed>),
    /// Tells when everything before it is done.
    Tell(Sender<()>),
}

/// The threads, once there is something for them to do.
pub(super) struct Lanes<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    engine: Arc<Engine>,
    count: usize,
    lanes: Vec<(SyncSender<Task>, ScopedJoinHandle<'scope, Refusals>)>,
    has_work: bool,
}

impl<'scope, 'env> Lanes<'scope, 'env> {
    /// As many threads as load a snapshot.
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, engine: Arc<Engine>) -> Self {
        // Several threads would sleep at the same time.
        let count = match engine.config.key_load_delay_us() {
            0 => engine.config.io_threads(),
            _ => 1,
        };
        Lanes {
            scope,
            engine,
            count,
            lanes: Vec::new(),
            has_work: false,
        }
    }

    /// Whether so many commands are worth the threads' time.
    pub(super) fn take(&self, commands: usize) -> bool {
        self.count > 1 && commands >= RUN_MIN
    }

    /// Has commands executed, at some time before [`Self::wait`] comes back.
    pub(super) fn send(&mut self, chunk: &Arc<Chunk>, run: Vec<Routed>) {
        if self.lanes.is_empty() {
            self.lanes = (0..self.count).map(|_| self.start()).collect();
        }
        self.has_work = true;
        let mut shares: Vec<Vec<Routed>> = (0..self.count).map(|_| Vec::new()).collect();
        for it in run {
            let stripe = self.engine.keyspace.stripe_of(it.hash);
            shares[stripe % self.count].push(it);
        }
        for ((lane, _), share) in self.lanes.iter().zip(shares) {
            // If it has ended it has panicked, which is noticed when it is joined.
            let _ = lane.send(Task::Run(chunk.clone(), share));
        }
    }

    /// Waits until everything is executed that was sent.
    pub(super) fn wait(&mut self) {
        if !std::mem::take(&mut self.has_work) {
            return;
        }
        let (done, all_done) = channel();
        for (lane, _) in &self.lanes {
            let _ = lane.send(Task::Tell(done.clone()));
        }
        drop(done);
        // It ends when all have dropped what they were given.
        all_done.iter().for_each(|()| {});
    }

    /// Ends the threads when they have executed everything.
    pub(super) fn finish(self) -> Refusals {
        let mut refusals = Refusals::default();
        let threads: Vec<_> = self.lanes.into_iter().map(|(_, thread)| thread).collect();
        for thread in threads {
            match thread.join() {
                Ok(found) => refusals.add(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        refusals
    }

    fn start(&self) -> (SyncSender<Task>, ScopedJoinHandle<'scope, Refusals>) {
        let (sender, tasks) = sync_channel(WAITING_MAX);
        let engine = self.engine.clone();
        let thread = self.scope.spawn(move || serve(&engine, &tasks));
        (sender, thread)
    }
}

fn serve(engine: &Arc<Engine>, tasks: &Receiver<Task>) -> Refusals {
    let mut worker = Worker::new(engine);
    worker.is_replaying = true;
    worker.is_obeying = true;
    let mut session = Session::new(engine, String::new(), String::new());
    let mut refusals = Refusals::default();
    for task in tasks {
        match task {
            Task::Run(chunk, run) => {
                execute(&mut worker, &mut session, &chunk, &run, &mut refusals);
            }
            // Whoever waits no longer does not mind.
            Task::Tell(done) => drop(done.send(())),
        }
    }
    session.close(&mut worker);
    worker.free_garbage();
    refusals
}
