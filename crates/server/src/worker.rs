//! A worker thread: its worker, its connections, those that are on their way to it.
//!
//! All of it belongs to the thread and lies in its thread-local storage. While a script runs, the
//! thread's worker is lent to it, and the runtime does nothing else; then a *stand-in*, a second
//! worker, serves the other connections, called from inside the script ([`serve_while_busy`]). The
//! engine sees to it that it executes nothing that needs a key.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use oxidis_engine::{Engine, Session, Worker};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::connection::{Connection, Served};
use crate::crash;
use crate::process::ThreadClock;
use crate::server::{Accepted, wait_for_stop};
use crate::transport::{Socket, Transport};
use crate::turn::{self, Turn};
use crate::workers::Load;

/// Bytes that are read at a time.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// The shortest time between two rounds of the stand-in.
const ROUND_MIN: Duration = Duration::from_millis(10);

/// How many connections are given away before other tasks have their turn.
const HANDOVER_SLICE: usize = 32;

/// What is sent to a worker's thread.
pub(crate) enum Arrival {
    /// A connection that was accepted.
    Accepted(Accepted, Ticket),
    /// A connection that has left another worker.
    Moved(Arc<dyn Served>),
    /// Connections are to be given to other workers.
    Handover(Handover),
}

/// Counts a connection while it is on its way to its worker, which makes it a session, for sessions
/// count themselves: else a rush of connections would pass `maxclients`.
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    /// A ticket that `arriving` counts.
    pub(crate) fn new(arriving: &Arc<AtomicUsize>) -> Self {
        arriving.fetch_add(1, Ordering::Relaxed);
        Ticket(arriving.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// To whom a worker is to give connections, in equal shares.
pub(crate) struct Handover {
    pub(crate) to: Vec<mpsc::UnboundedSender<Arrival>>,
    /// Whether it keeps a share for itself.
    pub(crate) keeps_a_share: bool,
}

/// What the connections of one thread share.
pub(crate) struct WorkerState {
    pub(crate) worker: Worker,
    pub(crate) input: Box<[u8]>,
    pub(crate) output: Vec<u8>,
    pub(crate) turn: Turn,
}

impl WorkerState {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        WorkerState {
            worker: Worker::new(engine),
            input: vec![0; READ_SIZE].into_boxed_slice(),
            output: Vec::new(),
            turn: Turn::default(),
        }
    }
}

/// Who serves while the thread's worker is lent to a script.
struct StandIn {
    state: WorkerState,
    /// When the next round is due.
    next: Instant,
}

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(0) };
    /// This thread's worker; set once when the thread starts.
    static WORKER: RefCell<Option<WorkerState>> = const { RefCell::new(None) };
    static STAND_IN: RefCell<Option<StandIn>> = const { RefCell::new(None) };
    /// This thread's connections by the numbers of their sessions.
    static CONNECTIONS: RefCell<HashMap<u64, Arc<dyn Served>>> = RefCell::default();
    /// Whether the server has been told to stop.
    static STOPPED: RefCell<Option<watch::Receiver<bool>>> = const { RefCell::new(None) };
    /// What others see.
    static LOAD: RefCell<Arc<Load>> = RefCell::default();
    /// Connections on their way to this thread.
    static ARRIVALS: RefCell<Option<mpsc::UnboundedReceiver<Arrival>>> = const { RefCell::new(None) };
}

/// Gives this thread its worker, its queue of new connections, and a place where others see what it has
/// to do.
pub(crate) fn install(
    index: usize,
    state: WorkerState,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    load: Arc<Load>,
) {
    crash::prepare_thread();
    INDEX.set(index);
    state.worker.serve_on(index);
    WORKER.with(|worker| *worker.borrow_mut() = Some(state));
    ARRIVALS.with(|slot| *slot.borrow_mut() = Some(arrivals));
    // It is the only one that a thread gets.
    let _ = load.clock.set(ThreadClock::of_this_thread());
    LOAD.with(|slot| *slot.borrow_mut() = load);
}

/// Gives a thread that is none of the server's workers a worker for one connection.
pub(crate) fn install_alone(state: WorkerState) {
    crash::prepare_thread();
    WORKER.with(|worker| *worker.borrow_mut() = Some(state));
}

/// Where threads that this worker starts see that the server is to stop.
pub(crate) fn stopped() -> Option<watch::Receiver<bool>> {
    STOPPED.with(|stopped| stopped.borrow().clone())
}

/// Which of the server's workers this thread has; the first is 0.
pub(crate) fn index() -> usize {
    INDEX.get()
}

/// Runs `body` with this thread's worker.
pub(crate) fn with_worker<R>(body: impl FnOnce(&mut WorkerState) -> R) -> R {
    WORKER.with(|worker| {
        let mut worker = worker.borrow_mut();
        body(
            worker
                .as_mut()
                .expect("a thread that runs connections has a worker"),
        )
    })
}

/// Runs `body` with this thread's worker, if there still is one: at the end of a thread it may be
/// gone before the connections.
pub(crate) fn with_worker_if_any(body: impl FnOnce(&mut WorkerState)) {
    let _ = WORKER.try_with(|worker| {
        if let Ok(mut worker) = worker.try_borrow_mut()
            && let Some(state) = worker.as_mut()
        {
            body(state);
        }
    });
}

/// The connection of this thread whose session has this number.
pub(crate) fn connection(id: u64) -> Option<Arc<dyn Served>> {
    CONNECTIONS.with(|connections| connections.borrow().get(&id).cloned())
}

/// Tells others that the thread has rested.
pub(crate) fn note_rest(rested: Duration) {
    let rested_ns = rested.as_nanos() as u64;
    let _ = LOAD.try_with(|it| (it.borrow().rested_ns).fetch_add(rested_ns, Ordering::Relaxed));
}

/// Puts a connection into the thread's list.
pub(crate) fn remember_connection(id: u64, connection: Arc<dyn Served>) {
    change_connections(|connections| connections.insert(id, connection));
}

/// Takes a connection out of the thread's list.
pub(crate) fn forget_connection(id: u64) {
    change_connections(|connections| connections.remove(&id));
}

fn change_connections<R>(change: impl FnOnce(&mut HashMap<u64, Arc<dyn Served>>) -> R) {
    // At the end of a thread the list may be gone first.
    let _ = CONNECTIONS.try_with(|connections| {
        if let Ok(mut connections) = connections.try_borrow_mut() {
            // What is taken out is dropped after the list is free again.
            let changed = change(&mut connections);
            let count = connections.len();
            drop(connections);
            drop(changed);
            let _ = LOAD.try_with(|it| it.borrow().connections.store(count, Ordering::Relaxed));
        }
    });
}

/// What a worker's thread does: takes its connections, and if it is the first, does what is to be
/// done regularly.
pub(crate) async fn run(index: usize, engine: Arc<Engine>, stopped: watch::Receiver<bool>) {
    if index == 0 {
        tokio::spawn(run_cron(engine.clone()));
    }
    STOPPED.with(|slot| *slot.borrow_mut() = Some(stopped.clone()));
    with_worker(|state| state.worker.defer_log());
    tokio::spawn(turn::end_regularly());
    let accepting = async move {
        while let Some(arrival) = poll_fn(poll_arrivals).await {
            match arrival {
                Arrival::Handover(handover) => hand_over(handover).await,
                arrival => receive(arrival, &engine),
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = wait_for_stop(stopped) => {}
    }
}

fn poll_arrivals(cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
    ARRIVALS.with(|arrivals| match &mut *arrivals.borrow_mut() {
        Some(arrivals) => arrivals.poll_recv(cx),
        None => Poll::Ready(None),
    })
}

/// Makes what has arrived a connection of this thread.
fn receive(arrival: Arrival, engine: &Arc<Engine>) {
    match arrival {
        Arrival::Accepted(accepted, ticket) => {
            // A client that is gone already is no loss.
            let _ = adopt(accepted, engine);
            // There is a session now, which counts itself.
            drop(ticket);
        }
        Arrival::Moved(connection) => connection.settle(),
        // A thread that is busy keeps what it has: who wants it asks again.
        Arrival::Handover(_) => {}
    }
}

/// Gives connections to other workers.
async fn hand_over(handover: Handover) {
    let ids: Vec<u64> = CONNECTIONS.with(|it| it.borrow().keys().copied().collect());
    let shares = handover.to.len() + usize::from(handover.keeps_a_share);
    for (index, id) in ids.into_iter().enumerate() {
        if index % HANDOVER_SLICE == HANDOVER_SLICE - 1 {
            tokio::task::yield_now().await;
        }
        if index % HANDOVER_SLICE == 0 {
            // Who waits for the end of the turn stays.
            with_worker(turn::release);
            with_worker(turn::send_awaiting);
        }
        let Some(to) = handover.to.get(index % shares) else {
            continue;
        };
        // It may have ended in the meantime.
        if let Some(connection) = connection(id)
            && connection.leave()
        {
            forget_connection(id);
            // A worker that has ended means that the server is stopping.
            let _ = to.send(Arrival::Moved(connection));
        }
    }
}

/// Makes an accepted socket a connection of this thread.
fn adopt(accepted: Accepted, engine: &Arc<Engine>) -> std::io::Result<()> {
    let descriptor = accepted.descriptor();
    match accepted {
        Accepted::Tcp(stream) => {
            let stream = TcpStream::from_std(stream)?;
            let address = stream.peer_addr()?.to_string();
            let local_address = stream.local_addr()?.to_string();
            let session = Session::new(engine, address, local_address);
            begin(Socket::Here(stream), descriptor, session, engine);
        }
        Accepted::Secured(stream, settings) => {
            let stream = TcpStream::from_std(stream)?;
            let address = stream.peer_addr()?.to_string();
            let local_address = stream.local_addr()?.to_string();
            let secured = settings.secure(stream)?;
            let session = Session::new(engine, address, local_address);
            begin(secured, descriptor, session, engine);
        }
        #[cfg(unix)]
        Accepted::Unix(stream, path) => {
            let stream = tokio::net::UnixStream::from_std(stream)?;
            let session = Session::new(engine, format!("{path}:0"), format!("{path}:0"));
            begin(Socket::Here(stream), descriptor, session, engine);
        }
    }
    Ok(())
}

fn begin(
    transport: impl Transport + 'static,
    descriptor: i64,
    session: Session,
    engine: &Arc<Engine>,
) {
    session.note_descriptor(descriptor);
    Connection::new(transport, session, engine.clone()).begin();
}

/// Does regularly what is to be done regularly.
async fn run_cron(engine: Arc<Engine>) {
    loop {
        let hz = engine.config().hz().clamp(1, 500);
        tokio::time::sleep(Duration::from_millis(u64::from(1000 / hz))).await;
        // What is left over of a slice goes on after other tasks have had their turn.
        while with_worker(|state| state.worker.run_cron()) {
            tokio::task::yield_now().await;
        }
    }
}

/// A round of the stand-in: takes new connections, and serves all but the one whose script keeps
/// the thread. Does nothing on threads that are no worker's, and if the last round was just now.
pub(crate) fn serve_while_busy(engine: &Arc<Engine>) {
    let is_worker = WORKER.with(|worker| worker.try_borrow().map_or(true, |it| it.is_some()));
    if !is_worker {
        return;
    }
    STAND_IN.with(|stand_in| {
        let Ok(mut stand_in) = stand_in.try_borrow_mut() else {
            return;
        };
        let started = Instant::now();
        let stand_in = stand_in.get_or_insert_with(|| StandIn {
            state: WorkerState::new(engine),
            next: started,
        });
        if started < stand_in.next {
            return;
        }
        while let Some(arrival) = next_arrival() {
            receive(arrival, engine);
        }
        let connections: Vec<_> =
            CONNECTIONS.with(|connections| connections.borrow().values().cloned().collect());
        for connection in connections {
            connection.serve_now(&mut stand_in.state);
        }
        turn::release(&mut stand_in.state);
        // With many connections a round takes long: the script is to progress, too.
        stand_in.next = Instant::now() + ROUND_MIN.max(started.elapsed() * 4);
    });
}

fn next_arrival() -> Option<Arrival> {
    ARRIVALS.with(|arrivals| arrivals.borrow_mut().as_mut()?.try_recv().ok())
}
