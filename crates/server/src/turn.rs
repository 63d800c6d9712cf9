//! A turn of a worker's thread: what is done at once for all connections that were ready at the same time.
//!
//! The runtime polls those connections one after the other. Each reads what has come; if that is little, the requests
//! wait until all have read. At the end of the turn the memory that they will touch is brought near, for all of them at
//! once, they are executed in the order in which they came, and then replies are sent, for which the append-only log may
//! have to be written first. Execution does not alternate with sending: each of the two finds its instructions in the
//! processor's caches, which are too small for both. Whoever sent much has it executed at once, as its requests have each
//! other to wait with, but its replies wait as well. Before the thread looks for more it may rest; whether it does is decided in `gather.rs`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use oxidis_engine::Foreseen;

use crate::connection::Served;
use crate::gather::{Gathering, REST, WINDOW, Window};
use crate::process;
use crate::worker::{self, WorkerState, with_worker, with_worker_if_any};

/// Longer input is executed at once, unless somebody would be overtaken: its requests have much to wait for together
/// already.
const DEFERRED_BYTES_MAX: usize = 256;

/// So many connections are enough for the end of a turn: the first ones should not wait for more.
const DEFERRED_MAX: usize = 64;

/// What was executed after this many microseconds is answered before more is executed.
const GATHERING_MAX_US: i64 = 200;

/// Longer replies are sent at once.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// The replies of so many connections that sent much are enough for the end of a turn.
const GATHERED_MAX: usize = 16;

/// Turns between two looks at the clock.
const TURNS_PER_LOOK: u32 = 16;

/// A connection whose requests wait for the end of the turn, and what they will most likely need.
type Deferred = (Arc<dyn Served>, Foreseen);

thread_local! {
    static DEFERRED: RefCell<Vec<Deferred>> = const { RefCell::new(Vec::new()) };
    /// Whether those are being served.
    static IS_SERVING: Cell<bool> = const { Cell::new(false) };
    /// The connections whose replies wait, though they were not deferred.
    static GATHERED: RefCell<Vec<Arc<dyn Served>>> = const { RefCell::new(Vec::new()) };
    /// The first reading of the clock with which replies waited, in microseconds.
    static WAITING_SINCE_US: Cell<Option<i64>> = const { Cell::new(None) };
    /// The connections, by the numbers of their sessions, whose replies wait until the log is written.
    static AWAITING_LOG: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    /// Wakes the task that ends the turn when all connections that are ready have been polled.
    static END_WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// What a worker remembers from turn to turn.
#[derive(Default)]
pub(crate) struct Turn {
    /// Buffers for input that waits.
    spare_buffers: Vec<Vec<u8>>,
    /// Buffers for replies that wait.
    spare_reply_buffers: Vec<Vec<u8>>,
    /// What was read in this turn.
    reads: u64,
    gathering: Gathering,
    rests: bool,
    /// Which window of time this is, by count, and what was seen in it.
    number: u32,
    window: Window,
    turns_to_look: u32,
    /// When it began, and what the thread had taken of the processor's time then.
    began: Option<(Instant, Duration)>,
}

impl Turn {
    /// A buffer for so much input, if it is to wait for the end of the turn.
    #[inline]
    pub(crate) fn buffer_for(&mut self, count: usize) -> Option<Vec<u8>> {
        if count > DEFERRED_BYTES_MAX {
            let overtakes = DEFERRED.with(|it| !it.borrow().is_empty()) && !IS_SERVING.get();
            return overtakes.then(|| Vec::with_capacity(count));
        }
        let spare = self.spare_buffers.pop();
        Some(spare.unwrap_or_else(|| Vec::with_capacity(DEFERRED_BYTES_MAX)))
    }

    /// Takes a buffer back, or frees it if it is none of ours.
    #[inline]
    pub(crate) fn take_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() == DEFERRED_BYTES_MAX && self.spare_buffers.len() < DEFERRED_MAX {
            buffer.clear();
            self.spare_buffers.push(buffer);
        }
    }

    /// Takes short replies out of a worker's output; leaves longer ones there.
    #[inline]
    pub(crate) fn gather(&mut self, output: &mut Vec<u8>) -> Vec<u8> {
        if output.len() > GATHERED_BYTES_MAX {
            return Vec::new();
        }
        let mut gathered = self.spare_reply_buffers.pop().unwrap_or_default();
        gathered.append(output);
        gathered
    }

    /// Takes the buffer of gathered replies back, or frees it if it is too long to be kept.
    #[inline]
    pub(crate) fn take_reply_buffer_back(&mut self, buffer: Vec<u8>) {
        let is_short = (1..=GATHERED_BYTES_MAX).contains(&buffer.capacity());
        if is_short && self.spare_reply_buffers.len() < DEFERRED_MAX {
            self.spare_reply_buffers.push(buffer);
        }
    }

    /// Counts that something was read from a connection, which was read from before in window `last_window`.
    #[inline]
    pub(crate) fn note_read(&mut self, last_window: &mut u32) {
        self.reads += 1;
        if *last_window != self.number {
            *last_window = self.number;
            self.window.connections += 1;
        }
    }

    /// Ends the turn; answers whether to rest.
    #[inline]
    fn end(&mut self) -> bool {
        if self.reads == 0 {
            return false;
        }
        self.window.reads += std::mem::take(&mut self.reads);
        self.window.turns += 1;
        if self.turns_to_look == 0 {
            self.look();
        } else {
            self.turns_to_look -= 1;
        }
        self.rests
    }

    fn look(&mut self) {
        self.turns_to_look = TURNS_PER_LOOK;
        let now = Instant::now();
        if let Some((began, _)) = self.began
            && now - began < WINDOW
        {
            return;
        }
        let Some(busy) = process::thread_processor_time() else {
            return;
        };
        let mut window = std::mem::take(&mut self.window);
        // 0 is no window, as new connections have it.
        self.number = self.number.wrapping_add(1).max(1);
        if let Some((began, busy_before)) = self.began.replace((now, busy)) {
            window.seconds = (now - began).as_secs_f64();
            window.busy_seconds = busy.saturating_sub(busy_before).as_secs_f64();
            self.rests = self.gathering.consider(window, self.rests);
        }
    }
}

/// Has a connection served when all others that are ready have been read from.
pub(crate) fn defer(connection: Arc<dyn Served>, foreseen: Foreseen) {
    let is_first = DEFERRED.with(|it| {
        let mut deferred = it.borrow_mut();
        deferred.push((connection, foreseen));
        deferred.len() == 1
    });
    if is_first {
        wake_for_end();
    }
}

/// Executes what was deferred so far.
pub(crate) fn serve_deferred(state: &mut WorkerState) {
    // Those who are served may call again, with new ones.
    if DEFERRED.with(|it| it.borrow().is_empty()) || IS_SERVING.replace(true) {
        return;
    }
    let mut deferred = DEFERRED.take();
    if deferred.len() > 1 {
        state.worker.bring_near(deferred.iter().map(|it| &it.1));
    }
    let mut unanswered = 0;
    state.worker.begin_turn();
    for at in 0..deferred.len() {
        deferred[at].0.clone().serve_deferred(state);
        if state.worker.turn_us() > GATHERING_MAX_US {
            state.worker.end_turn();
            send_gathered(&deferred[unanswered..=at], state);
            unanswered = at + 1;
            state.worker.begin_turn();
        }
    }
    state.worker.end_turn();
    send_gathered(&deferred[unanswered..], state);
    deferred.clear();
    DEFERRED.with(|it| {
        let mut new = it.borrow_mut();
        // The room is used again. Whoever is new has woken the task.
        deferred.append(&mut new);
        *new = deferred;
    });
    IS_SERVING.set(false);
}

fn send_gathered(served: &[Deferred], state: &mut WorkerState) {
    for (connection, _) in served {
        connection.send_gathered(state);
    }
}

/// Has the replies sent at the end of the turn that a connection has gathered.
pub(crate) fn await_end(connection: Arc<dyn Served>) {
    let is_first = GATHERED.with(|it| {
        let mut gathered = it.borrow_mut();
        gathered.push(connection);
        gathered.len() == 1
    });
    if is_first {
        wake_for_end();
    }
}

/// Sends what was gathered by connections that were not deferred.
pub(crate) fn send_awaiting(state: &mut WorkerState) {
    WAITING_SINCE_US.set(None);
    let mut gathered = GATHERED.take();
    for connection in gathered.drain(..) {
        connection.send_gathered(state);
    }
    GATHERED.with(|it| {
        let mut new = it.borrow_mut();
        // The room is used again.
        gathered.append(&mut new);
        *new = gathered;
    });
}

/// Has the replies of a connection sent when the log is written, which is soon.
pub(crate) fn await_log(id: u64) {
    let is_first = AWAITING_LOG.with(|it| {
        let mut ids = it.borrow_mut();
        ids.push(id);
        ids.len() == 1
    });
    if is_first {
        wake_for_end();
    }
}

fn wake_for_end() {
    END_WAKER.with(|waker| {
        if let Some(waker) = &*waker.borrow() {
            waker.wake_by_ref();
        }
    });
}

/// Writes the log, and sends what waited for that.
pub(crate) fn release(state: &mut WorkerState) {
    let mut ids = AWAITING_LOG.take();
    if ids.is_empty() {
        return;
    }
    let is_safe = state.worker.flush_log();
    ids.retain(|id| {
        // One that has ended waits for nothing.
        worker::connection(*id).is_some_and(|it| !it.release(is_safe, state))
    });
    if !ids.is_empty() {
        wake_for_end();
    }
    AWAITING_LOG.with(|it| {
        let mut awaiting = it.borrow_mut();
        // The room is used again.
        ids.append(&mut awaiting);
        *awaiting = ids;
    });
}

/// Does in the middle of a turn what is done at its end, if there is so much of it that nobody should wait for more.
pub(crate) fn end_early() {
    if DEFERRED.with(|it| it.borrow().len() >= DEFERRED_MAX) {
        with_worker(serve_deferred);
    }
    let gathered = GATHERED.with(|it| it.borrow().len());
    let awaits_log = AWAITING_LOG.with(|it| !it.borrow().is_empty());
    if gathered == 0 && !awaits_log {
        return;
    }
    with_worker(|state| {
        let now_us = state.worker.last_reading_us();
        let since_us = WAITING_SINCE_US.get().unwrap_or(now_us);
        WAITING_SINCE_US.set(Some(since_us));
        let is_late = now_us.saturating_sub(since_us) > GATHERING_MAX_US;
        if awaits_log && state.worker.has_log_to_write(is_late) {
            release(state);
        }
        if is_late || gathered >= GATHERED_MAX {
            send_awaiting(state);
        }
    });
}

/// Ends turns, whenever the connections that are ready have been polled: the runtime polls its tasks in the order in
/// which they were woken.
pub(crate) async fn end_regularly() {
    poll_fn(|cx| {
        END_WAKER.with(|waker| match &mut *waker.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        });
        with_worker(serve_deferred);
        with_worker(release);
        with_worker(send_awaiting);
        Poll::<()>::Pending
    })
    .await;
}

/// Rests, if that pays; the thread is about to wait for its sockets.
pub(crate) fn rest() {
    let mut rests = false;
    with_worker_if_any(|state| rests = state.turn.end());
    if rests {
        let began = Instant::now();
        thread::sleep(REST);
        worker::note_rest(began.elapsed());
    }
}
