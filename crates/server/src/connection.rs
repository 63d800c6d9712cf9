//! One client connection: reads when there is something to read, lets the session execute, writes.
//!
//! A connection that idles holds no buffers: all connections of a worker read into the worker's one
//! input buffer and reply into its one output buffer, and keep for themselves only the part of a
//! request that is still to be completed and the part of the replies that the socket did not take, or that wait until
//! what they say is in the append-only file: that is written once for all connections that were ready at the same time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oxidis_engine::{Buffers, DebuggedCall, Engine, Foreseen, Progress, Release, Session, Worker};
use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::debugger::{self, Debugged};
use crate::transport::{Drive, Transport};
use crate::turn;
use crate::worker;
use crate::worker::{
    READ_SIZE, WorkerState, forget_connection, remember_connection, with_worker, with_worker_if_any,
};

/// Bytes that are read at a time into a buffer of the connection's own, at the most.
const ROOM_MAX: usize = 1 << 20;

/// Replies beyond which the output buffer of a worker is not kept.
const OUTPUT_KEEP_MAX: usize = 1 << 20;

/// How many reads a connection that ends spends on what its client sent in vain.
const DISCARDS_MAX: usize = 16;

/// How often a connection looks again at a long deadline, so that a clock that was set is noticed.
const DEADLINE_STEP_MAX_MS: i64 = 60_000;

/// A connection as its thread sees it past the runtime.
pub(crate) trait Served: Send + Sync {
    /// Makes what progress can be made at once. Does nothing on the connection that is being
    /// served already, further up the stack.
    fn serve_now(&self, state: &mut WorkerState);

    /// Sends the replies that were gathered while others that were deferred, too, were served. Does nothing on the
    /// connection that is being served, further up the stack.
    fn send_gathered(&self, state: &mut WorkerState);

    /// Sends the replies that waited for the log, or withholds them if it `is_safe` not. Answers whether that was
    /// possible: not on the connection that is being served, further up the stack.
    fn release(&self, is_safe: bool, state: &mut WorkerState) -> bool;

    /// Executes what was deferred to the end of the turn. The connection that is being served already is deferred anew.
    fn serve_deferred(self: Arc<Self>, state: &mut WorkerState);

    /// Leaves this thread, to [settle](Self::settle) on another; its task here ends. Says whether it
    /// did: the connection that is being served further up the stack does not, nor does one that
    /// has ended.
    fn leave(&self) -> bool;

    /// Goes on as a task of this thread's runtime.
    fn settle(self: Arc<Self>);
}

/// A connection, and which of its tasks is the one that serves it.
struct Seat<T: Transport> {
    /// Counts the threads that it has left. Outside of the lock, as the task that is left behind
    /// must not wait until the connection is served on the new thread.
    moves: AtomicU32,
    connection: Mutex<Connection<T>>,
}

/// A connection as a task of the runtime, which ends when the connection does, or leaves the thread.
struct Task<T: Transport> {
    seat: Arc<Seat<T>>,
    /// The session's number.
    id: u64,
    /// What the seat counts while this is its task.
    moves: u32,
}

/// Replies that wait until what was logged before them is written down.
#[derive(Clone, Copy)]
struct Held {
    /// Where they begin in what is unsent.
    start: usize,
    /// Whether the session has logged something that they are about.
    has_logged: bool,
}

/// A connection. What every request needs comes before the session, of which the same holds.
#[repr(C)]
pub(crate) struct Connection<T: Transport> {
    transport: T,
    /// The beginning of a request that is not complete, or requests that wait for the session to
    /// be unblocked.
    unread: Vec<u8>,
    /// How many more bytes the request in `unread` needs, at the least.
    needs: usize,
    /// Replies that the socket has not taken, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    held: Option<Held>,
    deadline: Option<Pin<Box<Sleep>>>,
    is_at_end: bool,
    /// Wakes the task, when something was done past it.
    waker: Option<Waker>,
    /// What was foreseen of the request in `unread`, when it is to wait for the end of the turn.
    deferred: Option<Foreseen>,
    /// Whether it waits for that.
    is_awaiting_turn: bool,
    /// Whether what is unsent is kept until [`Served::send_gathered`].
    gathers_replies: bool,
    /// The window of time in which something was read last, by the thread's count.
    window: u32,
    session: Session,
    engine: Arc<Engine>,
}

/// What came of one attempt to make progress.
enum Step {
    Progressed,
    Waits,
    /// There is a request, which is to be executed at the end of the turn.
    Deferred,
    Ended,
}

impl<T: Transport> Connection<T> {
    pub(crate) fn new(transport: T, session: Session, engine: Arc<Engine>) -> Self {
        Connection {
            transport,
            session,
            engine,
            unread: Vec::new(),
            needs: 0,
            unsent: Vec::new(),
            sent: 0,
            held: None,
            deadline: None,
            is_at_end: false,
            waker: None,
            deferred: None,
            is_awaiting_turn: false,
            gathers_replies: false,
            window: 0,
        }
    }

    /// Begins as a task of this thread's runtime.
    pub(crate) fn begin(self)
    where
        T: 'static,
    {
        let seat = Seat {
            moves: AtomicU32::new(0),
            connection: Mutex::new(self),
        };
        Arc::new(seat).settle();
    }

    /// Makes all the progress that can be made; ready when the connection is to end.
    fn advance(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) -> Poll<()> {
        loop {
            let mut progressed = matches!(self.deliver(drive, state), Step::Progressed);
            match self.flush(drive, &state.worker) {
                Step::Ended => return Poll::Ready(()),
                Step::Progressed => progressed = true,
                Step::Waits | Step::Deferred => {}
            }
            let has_nothing_to_say = self.unsent.is_empty() || self.session.is_killed();
            if self.is_at_end || self.session.should_close() && has_nothing_to_say {
                self.discard_input(drive, state);
                return Poll::Ready(());
            }
            // What is gathered is no backlog.
            if !self.gathers_replies && self.exceeds_output_limit() {
                return Poll::Ready(());
            }
            if self.session.awaits_debugger() && matches!(drive, Drive::Task(_)) {
                self.release_alone(drive, state);
                if self.unsent.is_empty() {
                    return Poll::Ready(());
                }
            }
            if !self.session.should_close() {
                progressed |= matches!(self.check_deadline(drive), Step::Progressed);
                match self.receive(drive, state) {
                    Step::Ended => {
                        // Who says no more may still listen.
                        self.release_alone(drive, state);
                        return Poll::Ready(());
                    }
                    Step::Deferred => {
                        // It may go on so for long.
                        if !self.unsent.is_empty() {
                            self.note_buffers();
                        }
                        return Poll::Pending;
                    }
                    Step::Progressed => progressed = true,
                    Step::Waits => {}
                }
            }
            if !progressed {
                if !self.gathers_replies {
                    self.note_buffers();
                }
                return Poll::Pending;
            }
        }
    }

    /// Has the request served at the end of the turn that is to wait for that.
    #[inline]
    fn await_turn(&mut self, seat: &Arc<Seat<T>>)
    where
        T: 'static,
    {
        if let Some(foreseen) = self.deferred.take() {
            self.is_awaiting_turn = true;
            turn::defer(seat.clone(), foreseen);
        }
    }

    /// Tells others what waits here.
    fn note_buffers(&self) {
        self.session.note_buffers(Buffers {
            unread_bytes: self.unread.len(),
            unread_capacity_bytes: self.unread.capacity(),
            unsent_bytes: self.unsent.len() - self.sent,
            unsent_capacity_bytes: self.unsent.capacity(),
        });
    }

    /// Takes what other sessions sent.
    fn deliver(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) -> Step {
        let Drive::Task(cx) = drive else {
            return Step::Waits;
        };
        if !self.session.poll_mailbox(cx.waker()) {
            return Step::Waits;
        }
        self.session.deliver(&mut state.worker, &mut state.output);
        self.send(drive, &state.worker, &mut state.output);
        Step::Progressed
    }

    /// Ends the wait of a blocked session when its time is over.
    fn check_deadline(&mut self, drive: &mut Drive<'_, '_>) -> Step {
        let Drive::Task(cx) = drive else {
            return Step::Waits;
        };
        let Some(deadline_ms) = self.session.deadline_ms() else {
            self.deadline = None;
            return Step::Waits;
        };
        let remaining_ms = deadline_ms - self.engine.now_ms();
        if remaining_ms <= 0 {
            self.deadline = None;
            self.session.time_out();
            return Step::Progressed;
        }
        if self.engine.is_clock_manual() {
            // Who moves the clock ends the wait.
            self.deadline = None;
            return Step::Waits;
        }
        let step = Duration::from_millis(remaining_ms.min(DEADLINE_STEP_MAX_MS) as u64);
        let sleep = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(step)));
        match sleep.as_mut().poll(cx) {
            Poll::Pending => Step::Waits,
            Poll::Ready(()) => {
                self.deadline = None;
                Step::Progressed
            }
        }
    }

    /// Keeps the replies in `output` back until the log is written. Leaves `output` empty.
    fn hold(&mut self, has_logged: bool, output: &mut Vec<u8>) {
        match &mut self.held {
            Some(held) => held.has_logged |= has_logged,
            None => {
                let start = self.unsent.len();
                self.held = Some(Held { start, has_logged });
                turn::await_log(self.session.id());
            }
        }
        self.unsent.extend_from_slice(output);
        clear_output(output);
    }

    /// Lets the replies go that were held, or drops them if the log is not as it should be.
    fn let_go(&mut self, is_safe: bool) {
        if let Some(held) = self.held.take()
            && held.has_logged
            && !is_safe
        {
            self.session.withhold(held.start, &mut self.unsent);
        }
    }

    /// Sends what was gathered for this connection, and writes the log for it alone, and the replies that it held.
    fn release_alone(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) {
        self.send_gathered(drive, state);
        if self.held.is_some() {
            let is_safe = state.worker.flush_log();
            self.let_go(is_safe);
            self.flush(drive, &state.worker);
        }
    }

    /// Writes replies: what was kept first, then `output`, of which the rest is kept. Leaves
    /// `output` empty.
    fn send(&mut self, drive: &mut Drive<'_, '_>, worker: &Worker, output: &mut Vec<u8>) {
        if self.unsent.is_empty() {
            let mut sent = 0;
            while sent < output.len() {
                match drive.send(&mut self.transport, &output[sent..]) {
                    Poll::Ready(Ok(0) | Err(_)) => {
                        self.is_at_end = true;
                        break;
                    }
                    Poll::Ready(Ok(count)) => sent += count,
                    Poll::Pending => break,
                }
            }
            if sent > 0 {
                self.session.note_sent(worker, sent);
            }
            if sent < output.len() && !self.is_at_end {
                self.unsent.extend_from_slice(&output[sent..]);
            }
        } else {
            self.unsent.extend_from_slice(output);
        }
        clear_output(output);
    }

    /// Sends what was gathered; answers whether more is left to do for the connection than to send the rest.
    fn send_gathered(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) -> bool {
        if !std::mem::take(&mut self.gathers_replies) {
            return false;
        }
        if self.held.is_none() && self.sent == 0 {
            let mut gathered = std::mem::take(&mut self.unsent);
            self.send(drive, &state.worker, &mut gathered);
            state.turn.take_reply_buffer_back(gathered);
        }
        self.note_buffers();
        self.is_at_end || self.session.should_close() || self.session.awaits_debugger()
    }

    /// Reads away what the client sent and nobody will look at: a socket that is closed with
    /// something unread is reset, and that may take the last reply with it.
    fn discard_input(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) {
        for _ in 0..DISCARDS_MAX {
            match drive.receive(&mut self.transport, &mut state.input) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                _ => break,
            }
        }
    }

    /// Writes what was kept.
    fn flush(&mut self, drive: &mut Drive<'_, '_>, worker: &Worker) -> Step {
        if self.unsent.is_empty() || self.held.is_some() || self.gathers_replies {
            return Step::Waits;
        }
        let sent_before = self.sent;
        let mut step = Step::Waits;
        while self.sent < self.unsent.len() {
            match drive.send(&mut self.transport, &self.unsent[self.sent..]) {
                Poll::Ready(Ok(0) | Err(_)) => return Step::Ended,
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Pending => break,
            }
            step = Step::Progressed;
        }
        let bytes = self.sent - sent_before;
        if bytes > 0 {
            self.session.note_sent(worker, bytes);
        }
        if self.sent == self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
        step
    }

    /// Reads, and lets the session execute what is complete.
    fn receive(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) -> Step {
        if self.unread.is_empty() {
            return self.receive_fresh(drive, state);
        }
        let is_blocked = self.session.is_blocked();
        if self.needs == 0 && !is_blocked {
            // Requests that were left when the session blocked, or had much to send.
            self.process_unread(drive, state);
            return Step::Progressed;
        }
        let old_len = self.unread.len();
        let room = self.make_room();
        self.unread.resize(old_len + room, 0);
        let received = drive.receive(&mut self.transport, &mut self.unread[old_len..]);
        let count = match received {
            Poll::Ready(Ok(count)) => count,
            _ => 0,
        };
        self.unread.truncate(old_len + count);
        match self.after_receiving(received, &state.worker) {
            Step::Progressed => {}
            step => return step,
        }
        if self.session.exceeds_query_limit(&self.engine, &self.unread) {
            return Step::Ended;
        }
        self.needs = self.needs.saturating_sub(count);
        if self.needs == 0 && !is_blocked {
            self.process_unread(drive, state);
        }
        Step::Progressed
    }

    /// Makes room behind what is unread, and answers how much. A long request gets exactly what it
    /// needs in the end, so that what CLIENT LIST and `maxmemory-clients` count is what it takes.
    fn make_room(&mut self) -> usize {
        let len = self.unread.len();
        if len < READ_SIZE || self.needs == 0 {
            return self.needs.clamp(READ_SIZE, ROOM_MAX);
        }
        let room = self.needs.min(ROOM_MAX);
        if self.unread.capacity() - len < room {
            self.unread.reserve_exact(self.needs.min(len.max(ROOM_MAX)));
        }
        room.max(READ_SIZE.min(self.unread.capacity() - len))
    }

    fn process_unread(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) {
        let mut unread = std::mem::take(&mut self.unread);
        let progress = (self.session).process(&mut state.worker, &unread, &mut state.output);
        let gathers = self.gathers_replies && self.unsent.is_empty();
        if gathers && matches!(progress.release, Release::Now) {
            self.unsent = state.turn.gather(&mut state.output);
        }
        let consumed = self.after_processing(drive, progress, &state.worker, &mut state.output);
        if consumed == 0 {
            self.unread = unread;
        } else if consumed < unread.len() {
            unread.drain(..consumed);
            self.unread = unread;
        } else {
            state.turn.take_back(unread);
        }
    }

    /// Reads into the worker's buffer, when nothing is kept.
    fn receive_fresh(&mut self, drive: &mut Drive<'_, '_>, state: &mut WorkerState) -> Step {
        let received = drive.receive(&mut self.transport, &mut state.input);
        let count = match received {
            Poll::Ready(Ok(count)) => count,
            _ => 0,
        };
        match self.after_receiving(received, &state.worker) {
            Step::Progressed => {}
            step => return step,
        }
        if self.session.is_blocked() {
            self.unread.extend_from_slice(&state.input[..count]);
            self.needs = 0;
            return Step::Progressed;
        }
        state.turn.note_read(&mut self.window);
        if matches!(drive, Drive::Task(_))
            && let Some(buffer) = state.turn.buffer_for(count)
        {
            let input = &state.input[..count];
            self.unread = buffer;
            self.unread.extend_from_slice(input);
            self.needs = 0;
            self.deferred = Some(self.session.foresee(&state.worker, input));
            return Step::Deferred;
        }
        // What is gathered are the replies to what came at once.
        self.send_gathered(drive, state);
        let input = &state.input[..count];
        let progress = (self.session).process(&mut state.worker, input, &mut state.output);
        let can_gather = matches!(drive, Drive::Task(_)) && self.unsent.is_empty();
        if can_gather && matches!(progress.release, Release::Now) {
            self.unsent = state.turn.gather(&mut state.output);
            self.gathers_replies = !self.unsent.is_empty();
        }
        let consumed = self.after_processing(drive, progress, &state.worker, &mut state.output);
        self.unread.extend_from_slice(&state.input[consumed..count]);
        Step::Progressed
    }

    /// Sends the replies in `output`, or keeps them back, after the session has made progress; answers how much of its
    /// input it has consumed.
    #[inline]
    fn after_processing(
        &mut self,
        drive: &mut Drive<'_, '_>,
        progress: Progress,
        worker: &Worker,
        output: &mut Vec<u8>,
    ) -> usize {
        self.needs = progress.needs;
        match progress.release {
            Release::Now => self.send(drive, worker, output),
            Release::AfterLog { has_logged } => self.hold(has_logged, output),
        }
        progress.consumed
    }

    fn after_receiving(&self, received: Poll<io::Result<usize>>, worker: &Worker) -> Step {
        match received {
            Poll::Pending => Step::Waits,
            Poll::Ready(Ok(count)) if count > 0 => {
                self.session.note_received(worker, count);
                Step::Progressed
            }
            Poll::Ready(_) => Step::Ended,
        }
    }

    /// Whether it goes on on the thread of a debugger.
    fn awaits_debugger(&self) -> bool {
        let is_over = self.is_at_end || self.session.should_close();
        self.session.awaits_debugger() && !is_over
    }

    /// Whether more waits to be sent than the client's class may have.
    fn exceeds_output_limit(&self) -> bool {
        self.session
            .exceeds_output_limit(&self.engine, self.unsent.len() - self.sent)
    }
}

/// Empties the output buffer of a worker; one that has grown is given back.
fn clear_output(output: &mut Vec<u8>) {
    output.clear();
    if output.capacity() > OUTPUT_KEEP_MAX {
        *output = Vec::new();
    }
}

impl<T: Transport + 'static> Served for Seat<T> {
    fn serve_now(&self, state: &mut WorkerState) {
        let Some(mut connection) = self.connection.try_lock() else {
            return;
        };
        // Who runs for long further up the stack came later in the turn.
        connection.send_gathered(&mut Drive::Now, state);
        if connection.is_at_end || connection.session.is_blocked() {
            // The task sends the rest.
            if !connection.unsent.is_empty()
                && let Some(waker) = connection.waker.take()
            {
                waker.wake();
            }
            return;
        }
        if connection.advance(&mut Drive::Now, state).is_ready() {
            connection.transport.end_now();
            connection.is_at_end = true;
            connection.session.note_gone(&connection.engine);
        }
        // The task learns what is left to do.
        if let Some(waker) = connection.waker.take() {
            waker.wake();
        }
    }

    fn release(&self, is_safe: bool, state: &mut WorkerState) -> bool {
        let Some(mut connection) = self.connection.try_lock() else {
            return false;
        };
        connection.let_go(is_safe);
        let flushed = connection.flush(&mut Drive::Now, &state.worker);
        let is_done = matches!(flushed, Step::Progressed) && connection.unsent.is_empty();
        // The task learns what is left to do.
        if (!is_done || connection.session.should_close())
            && let Some(waker) = connection.waker.take()
        {
            waker.wake();
        }
        true
    }

    fn serve_deferred(self: Arc<Self>, state: &mut WorkerState) {
        let Some(mut connection) = self.connection.try_lock() else {
            return turn::defer(self, Foreseen::default());
        };
        connection.is_awaiting_turn = false;
        // Without one it was served past the runtime in the meantime, which has woken the task.
        let Some(waker) = connection.waker.take() else {
            return;
        };
        let mut drive = Drive::Task(&mut Context::from_waker(&waker));
        connection.gathers_replies = true;
        if connection.advance(&mut drive, state).is_ready() {
            // The task learns that it is to end.
            connection.is_at_end = !connection.awaits_debugger();
            waker.wake_by_ref();
        }
        connection.waker = Some(waker);
        connection.await_turn(&self);
    }

    fn send_gathered(&self, state: &mut WorkerState) {
        let Some(mut connection) = self.connection.try_lock() else {
            return;
        };
        let Some(waker) = connection.waker.take() else {
            return;
        };
        let mut drive = Drive::Task(&mut Context::from_waker(&waker));
        if connection.send_gathered(&mut drive, state) {
            waker.wake_by_ref();
        }
        connection.waker = Some(waker);
    }

    fn leave(&self) -> bool {
        let Some(mut connection) = self.connection.try_lock() else {
            return false;
        };
        // What awaits the end of the turn here, or the log, would not be found elsewhere.
        let waits =
            connection.is_awaiting_turn || connection.gathers_replies || connection.held.is_some();
        if connection.is_at_end || waits {
            return false;
        }
        connection.transport.leave_runtime();
        // The timer belongs to the runtime; the new task makes its own.
        connection.deadline = None;
        self.moves.fetch_add(1, Ordering::Relaxed);
        if let Some(waker) = connection.waker.take() {
            waker.wake();
        }
        true
    }

    fn settle(self: Arc<Self>) {
        let id = {
            let mut connection = self.connection.lock();
            connection.transport.enter_runtime();
            connection.session.note_thread(worker::index());
            connection.session.id()
        };
        remember_connection(id, self.clone());
        tokio::spawn(Task {
            id,
            moves: self.moves.load(Ordering::Relaxed),
            seat: self,
        });
    }
}

impl<T: Transport + 'static> Debugged for Seat<T> {
    fn begin(&self) -> Option<DebuggedCall> {
        self.connection.lock().session.begin_debugging()
    }

    fn end(&self, call: DebuggedCall) {
        self.connection.lock().session.end_debugging(call);
    }

    fn receive(&self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Drive::Now.receive(&mut self.connection.lock().transport, buffer)
    }

    fn send(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Drive::Now.send(&mut self.connection.lock().transport, bytes)
    }

    fn is_killed(&self) -> bool {
        self.connection.lock().session.is_killed()
    }

    fn close(&self) {
        let mut connection = self.connection.lock();
        with_worker(|state| connection.discard_input(&mut Drive::Now, state));
    }
}

impl<T: Transport> Task<T> {
    /// Whether the connection has left this task behind.
    fn is_left(&self) -> bool {
        self.seat.moves.load(Ordering::Relaxed) != self.moves
    }
}

impl<T: Transport + 'static> Future for Task<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_left() {
            return Poll::Ready(());
        }
        let mut connection = self.seat.connection.lock();
        match &mut connection.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        let advanced = with_worker(|state| connection.advance(&mut Drive::Task(cx), state));
        connection.await_turn(&self.seat);
        if connection.gathers_replies {
            turn::await_end(self.seat.clone());
        }
        let debugging = (advanced.is_ready() && connection.awaits_debugger())
            .then(|| connection.engine.clone());
        drop(connection);
        turn::end_early();
        if let Some(engine) = debugging {
            debugger::start(self.seat.clone(), engine);
        }
        advanced
    }
}

impl<T: Transport> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.is_left() {
            forget_connection(self.id);
        }
    }
}

impl<T: Transport> Drop for Connection<T> {
    fn drop(&mut self) {
        tracing::debug!(
            "Client closed connection {}",
            self.session.description(&self.engine)
        );
        self.transport.take_leave();
        with_worker_if_any(|state| self.session.close(&mut state.worker));
    }
}
