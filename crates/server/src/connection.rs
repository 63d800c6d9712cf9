//! One client connection: reads when there is something to read, lets the session execute, writes.
//!
//! A connection that idles holds no buffers: all connections of a worker read into the worker's one
//! input buffer and reply into its one output buffer, and keep for themselves only the part of a
//! request that is still to be completed and the part of the replies that the socket did not take.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use oxidis_engine::{Engine, Session, Worker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes that are read at a time.
const READ_SIZE: usize = 64 * 1024;

/// Replies beyond which the output buffer of a worker is not kept.
const OUTPUT_KEEP_MAX: usize = 1 << 20;

/// How often a connection looks again at a long deadline, so that a clock that was set is noticed.
const DEADLINE_STEP_MAX_MS: i64 = 60_000;

/// What the connections of one thread share.
pub(crate) struct WorkerState {
    pub(crate) worker: Worker,
    input: Box<[u8]>,
    output: Vec<u8>,
}

thread_local! {
    /// This thread's worker; set once when the thread starts.
    pub(crate) static WORKER: RefCell<Option<WorkerState>> = const { RefCell::new(None) };
}

/// Gives this thread its worker.
pub(crate) fn install_worker(engine: &Arc<Engine>) {
    let state = WorkerState {
        worker: Worker::new(engine),
        input: vec![0; READ_SIZE].into_boxed_slice(),
        output: Vec::new(),
    };
    WORKER.with(|worker| *worker.borrow_mut() = Some(state));
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

/// A connection as a future that ends when the connection does.
pub(crate) struct Connection<S> {
    stream: S,
    session: Session,
    engine: Arc<Engine>,
    /// The beginning of a request that is not complete, or requests that wait for the session to
    /// be unblocked.
    unread: Vec<u8>,
    /// How many more bytes the request in `unread` needs, at the least.
    needs: usize,
    /// Replies that the socket has not taken, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    deadline: Option<Pin<Box<Sleep>>>,
    is_at_end: bool,
}

/// What came of one attempt to make progress.
enum Step {
    Progressed,
    Waits,
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, session: Session, engine: Arc<Engine>) -> Self {
        Connection {
            stream,
            session,
            engine,
            unread: Vec::new(),
            needs: 0,
            unsent: Vec::new(),
            sent: 0,
            deadline: None,
            is_at_end: false,
        }
    }

    /// Takes what other sessions sent.
    fn deliver(&mut self, cx: &mut Context<'_>) -> Step {
        if !self.session.poll_mailbox(cx.waker()) {
            return Step::Waits;
        }
        with_worker(|state| {
            let mut output = std::mem::take(&mut state.output);
            self.session.deliver(&mut state.worker, &mut output);
            self.send(cx, &state.worker, &mut output);
            state.output = output;
        });
        Step::Progressed
    }

    /// Ends the wait of a blocked session when its time is over.
    fn check_deadline(&mut self, cx: &mut Context<'_>) -> Step {
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

    /// Writes replies: what was kept first, then `output`, of which the rest is kept. Leaves
    /// `output` empty.
    fn send(&mut self, cx: &mut Context<'_>, worker: &Worker, output: &mut Vec<u8>) {
        if self.unsent.is_empty() {
            let mut sent = 0;
            while sent < output.len() {
                match Pin::new(&mut self.stream).poll_write(cx, &output[sent..]) {
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
        output.clear();
        if output.capacity() > OUTPUT_KEEP_MAX {
            *output = Vec::new();
        }
    }

    /// Writes what was kept.
    fn flush(&mut self, cx: &mut Context<'_>) -> Step {
        if self.unsent.is_empty() {
            return Step::Waits;
        }
        let sent_before = self.sent;
        let mut step = Step::Waits;
        while self.sent < self.unsent.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.unsent[self.sent..]) {
                Poll::Ready(Ok(0) | Err(_)) => return Step::Ended,
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Pending => break,
            }
            step = Step::Progressed;
        }
        let bytes = self.sent - sent_before;
        if bytes > 0 {
            with_worker(|state| self.session.note_sent(&state.worker, bytes));
        }
        if self.sent == self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
        step
    }

    /// Reads, and lets the session execute what is complete.
    fn receive(&mut self, cx: &mut Context<'_>) -> Step {
        if self.unread.is_empty() {
            return self.receive_fresh(cx);
        }
        let is_blocked = self.session.is_blocked();
        if self.needs == 0 && !is_blocked {
            // Requests that were left when the session blocked, or had much to send.
            self.process_unread(cx);
            return Step::Progressed;
        }
        let old_len = self.unread.len();
        self.unread
            .resize(old_len + self.needs.clamp(READ_SIZE, 1 << 20), 0);
        let mut buffer = ReadBuf::new(&mut self.unread[old_len..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        self.unread.truncate(old_len + count);
        match with_worker(|state| self.after_read(&state.worker, polled, count)) {
            Step::Progressed => {}
            step => return step,
        }
        if self.session.exceeds_query_limit(&self.engine, &self.unread) {
            return Step::Ended;
        }
        self.needs = self.needs.saturating_sub(count);
        if self.needs == 0 && !is_blocked {
            self.process_unread(cx);
        }
        Step::Progressed
    }

    fn process_unread(&mut self, cx: &mut Context<'_>) {
        let unread = std::mem::take(&mut self.unread);
        let rest = with_worker(|state| {
            let mut output = std::mem::take(&mut state.output);
            let progress = self
                .session
                .process(&mut state.worker, &unread, &mut output);
            self.needs = progress.needs;
            self.send(cx, &state.worker, &mut output);
            state.output = output;
            progress.consumed
        });
        self.keep(unread, rest);
    }

    /// Keeps what the session has not consumed of a buffer of our own.
    fn keep(&mut self, mut unread: Vec<u8>, consumed: usize) {
        if consumed == 0 {
            self.unread = unread;
        } else if consumed < unread.len() {
            unread.drain(..consumed);
            self.unread = unread;
        }
    }

    /// Reads into the worker's buffer, when nothing is kept.
    fn receive_fresh(&mut self, cx: &mut Context<'_>) -> Step {
        with_worker(|state| {
            let mut buffer = ReadBuf::new(&mut state.input);
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
            let count = buffer.filled().len();
            match self.after_read(&state.worker, polled, count) {
                Step::Progressed => {}
                step => return step,
            }
            if self.session.is_blocked() {
                self.unread.extend_from_slice(&state.input[..count]);
                self.needs = 0;
                return Step::Progressed;
            }
            let mut output = std::mem::take(&mut state.output);
            let input = &state.input[..count];
            let progress = self.session.process(&mut state.worker, input, &mut output);
            self.needs = progress.needs;
            self.unread.extend_from_slice(&input[progress.consumed..]);
            self.send(cx, &state.worker, &mut output);
            state.output = output;
            Step::Progressed
        })
    }

    fn after_read(&self, worker: &Worker, polled: Poll<io::Result<()>>, count: usize) -> Step {
        match polled {
            Poll::Pending => Step::Waits,
            Poll::Ready(Ok(())) if count > 0 => {
                self.session.note_received(worker, count);
                Step::Progressed
            }
            Poll::Ready(_) => Step::Ended,
        }
    }

    /// Whether more waits to be sent than the client's class may have.
    fn exceeds_output_limit(&self) -> bool {
        self.session
            .exceeds_output_limit(&self.engine, self.unsent.len() - self.sent)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let mut progressed = matches!(this.deliver(cx), Step::Progressed);
            match this.flush(cx) {
                Step::Ended => return Poll::Ready(()),
                Step::Progressed => progressed = true,
                Step::Waits => {}
            }
            let has_nothing_to_say = this.unsent.is_empty() || this.session.is_killed();
            if this.is_at_end || this.session.should_close() && has_nothing_to_say {
                return Poll::Ready(());
            }
            if this.exceeds_output_limit() {
                return Poll::Ready(());
            }
            if !this.session.should_close() {
                progressed |= matches!(this.check_deadline(cx), Step::Progressed);
                match this.receive(cx) {
                    Step::Ended => return Poll::Ready(()),
                    Step::Progressed => progressed = true,
                    Step::Waits => {}
                }
            }
            if !progressed {
                this.session
                    .note_buffers(this.unread.len(), this.unsent.len() - this.sent);
                return Poll::Pending;
            }
        }
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        tracing::debug!(
            "Client closed connection {}",
            self.session.description(&self.engine)
        );
        // At the end of a thread its worker may be gone before its connections.
        let _ = WORKER.try_with(|worker| {
            if let Ok(mut worker) = worker.try_borrow_mut()
                && let Some(state) = worker.as_mut()
            {
                self.session.close(&mut state.worker);
            }
        });
    }
}
