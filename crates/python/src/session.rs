//! A conversation: requests out of Python's values, replies as Python's values, one after the other. redis-py's
//! connections stand on it, and the native client's subscriptions.

use std::time::{Duration, Instant};

use oxidis_resp::limits::REPLY_DEPTH_MAX;
use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::decode::{self, Failure, Style, Text};
use crate::encode::{self, Encoding};
use crate::error;
use crate::link::{Link, LinkBreaker, LinkError};
use crate::notifier::Notifier;
use crate::process::OfThisProcess;

/// How long a wait lasts before it is looked whether a signal came.
const SIGNAL_PERIOD: Duration = Duration::from_millis(50);

/// What belongs to a conversation beside what carries it.
pub struct Manner {
    /// How replies come.
    pub style: Style,
    /// How values become bytes.
    pub encoding: Encoding,
}

impl Manner {
    /// redis-py's when there is an encoder, and the native client's when there is none.
    pub fn new(
        make_error: Py<PyAny>,
        encoder: Option<Py<PyAny>>,
        is_decoding: bool,
        encoding: &str,
        errors: &str,
    ) -> Self {
        let is_utf8 = matches!(encoding.to_ascii_lowercase().as_str(), "utf-8" | "utf8");
        let is_plain = is_utf8 && errors == "strict";
        Manner {
            style: Style {
                text: match (is_decoding, is_plain) {
                    (false, _) => Text::Bytes,
                    (true, true) => Text::Utf8,
                    (true, false) => Text::Codec {
                        encoding: encoding.to_owned(),
                        errors: errors.to_owned(),
                    },
                },
                is_native: encoder.is_none(),
                make_error,
            },
            encoding: Encoding {
                is_foreign: !is_plain && encoder.is_some(),
                encoder,
            },
        }
    }
}

/// The exception for what ended a link.
pub fn ended(py: Python<'_>, end: LinkError) -> PyErr {
    match end {
        LinkError::Closed => error::closed(py),
        LinkError::System(reason) => error::connection(py, reason),
    }
}

/// The reply that is there, if one is.
pub fn take<'py>(
    py: Python<'py>,
    link: &mut Link,
    style: &Style,
    as_bytes: bool,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if !link.has_reply() {
        return Ok(None);
    }
    match decode::decode(py, link.unread(), style, as_bytes) {
        Ok((value, bytes)) => {
            link.consume(bytes);
            value.map(Some)
        }
        Err(Failure::Incomplete) => Ok(None),
        Err(Failure::Invalid) => Err(no_reply(py)),
    }
}

/// The exception for bytes that are none of the protocol's.
pub fn no_reply(py: Python<'_>) -> PyErr {
    let message =
        format!("Protocol error: what came is no reply, or nests deeper than {REPLY_DEPTH_MAX}");
    error::connection(py, message)
}

/// The next reply, for which it waits until `end`; others run meanwhile, and signals are heard.
pub fn receive<'py>(
    py: Python<'py>,
    link: &mut Link,
    style: &Style,
    as_bytes: bool,
    end: Option<Instant>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Some(value) = take(py, link, style, as_bytes)? {
        return Ok(Some(value));
    }
    let mut came = py.detach(|| link.fill()).map_err(|end| ended(py, end))?;
    loop {
        if came && let Some(value) = take(py, link, style, as_bytes)? {
            return Ok(Some(value));
        }
        py.check_signals()?;
        let now = Instant::now();
        if end.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let pause = now + SIGNAL_PERIOD;
        let until = Some(end.map_or(pause, |end| end.min(pause)));
        came = py
            .detach(|| link.fill_until(until))
            .map_err(|end| ended(py, end))?;
    }
}

/// When so many seconds from now are over; `None` is never, as is more than there will be.
pub fn end_of(seconds: Option<f64>) -> Option<Instant> {
    let duration = Duration::try_from_secs_f64(seconds?.max(0.0)).ok()?;
    Instant::now().checked_add(duration)
}

/// A conversation with an engine or a server.
#[pyclass(frozen, module = "oxidis._native")]
pub struct Session {
    inner: OfThisProcess<Inner>,
    manner: Manner,
}

struct Inner {
    link: Mutex<Option<Link>>,
    breaker: Option<LinkBreaker>,
    id: Option<u64>,
}

impl Session {
    pub fn new(link: Link, manner: Manner) -> Self {
        Session {
            inner: OfThisProcess::new(Inner {
                breaker: link.breaker(),
                id: link.id(),
                link: Mutex::new(Some(link)),
            }),
            manner,
        }
    }

    /// The link, for which it waits without holding up the interpreter: who has it may need that.
    fn with_link<R>(
        &self,
        py: Python<'_>,
        action: impl FnOnce(&mut Link) -> PyResult<R>,
    ) -> PyResult<R> {
        let inner = self.inner.get(py)?;
        let mut guard = match inner.link.try_lock() {
            Some(guard) => guard,
            None => Self::wait_for_link(py, inner),
        };
        let link = guard.as_mut().ok_or_else(|| error::closed(py))?;
        action(link)
    }

    #[cold]
    fn wait_for_link<'a>(py: Python<'_>, inner: &'a Inner) -> MutexGuard<'a, Option<Link>> {
        loop {
            if let Some(guard) = inner.link.try_lock() {
                return guard;
            }
            py.detach(|| drop(inner.link.lock()));
        }
    }
}

#[pymethods]
impl Session {
    /// Queues a request.
    fn send(&self, py: Python<'_>, arguments: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.with_link(py, |link| {
            encode::request(link.queue(), arguments, &self.manner.encoding)
        })
    }

    /// Queues a request if nothing has come that was not asked for, and the conversation has not ended.
    fn begin(&self, py: Python<'_>, arguments: &Bound<'_, PyTuple>) -> PyResult<bool> {
        let inner = self.inner.get(py)?;
        let Some(mut place) = inner.link.try_lock() else {
            return Ok(false);
        };
        let Some(link) = place.as_mut() else {
            return Ok(false);
        };
        if link.has_reply() || !matches!(py.detach(|| link.fill()), Ok(false)) {
            return Ok(false);
        }
        encode::request(link.queue(), arguments, &self.manner.encoding)?;
        Ok(true)
    }

    /// Queues what is encoded already.
    fn send_bytes(&self, py: Python<'_>, requests: &[u8]) -> PyResult<()> {
        self.with_link(py, |link| {
            link.queue().extend_from_slice(requests);
            Ok(())
        })
    }

    /// Executes what is queued, without waiting for anything.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.with_link(py, |link| {
            // That it is closed is learned with the replies that came before.
            let _ = py.detach(|| link.fill());
            Ok(())
        })
    }

    /// The next reply or push; a push is a tuple.
    #[pyo3(signature = (timeout=None, as_bytes=false))]
    fn receive<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        as_bytes: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let received = self.with_link(py, |link| {
            receive(py, link, &self.manner.style, as_bytes, end_of(timeout))
        })?;
        received.ok_or_else(|| error::timeout(py))
    }

    /// Whether there is something to receive, for which it waits so many seconds at the most.
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.with_link(py, |link| {
            if link.has_reply() {
                return Ok(true);
            }
            let end = end_of(timeout);
            let mut came = py.detach(|| link.fill()).map_err(|end| ended(py, end))?;
            while !(came && link.has_reply()) {
                py.check_signals()?;
                let now = Instant::now();
                if end.is_some_and(|end| end <= now) {
                    return Ok(false);
                }
                let pause = now + SIGNAL_PERIOD;
                let until = Some(end.map_or(pause, |end| end.min(pause)));
                came = py
                    .detach(|| link.fill_until(until))
                    .map_err(|end| ended(py, end))?;
            }
            Ok(true)
        })
    }

    /// Whether there is something to receive. If not, the notifier will say the token when there may be.
    fn poll(&self, py: Python<'_>, notifier: &Notifier, token: u64) -> PyResult<bool> {
        self.with_link(py, |link| {
            if link.has_reply() {
                return Ok(true);
            }
            let waker = notifier.waker(token);
            let came = py.detach(|| link.fill_or_wake(&waker));
            let came = came.map_err(|end| ended(py, end))?;
            Ok(came && link.has_reply())
        })
    }

    /// For how many seconds the command that is blocked will wait; `None` if none is, or for ever.
    fn patience(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.with_link(py, |link| Ok(link.patience().map(|it| it.as_secs_f64())))
    }

    /// The session's number in CLIENT LIST; `None` where only the server knows it.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(self.inner.get(py)?.id)
    }

    /// Ends the conversation, also for who waits in another thread.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.inner.is_ours() {
            return Ok(());
        }
        let inner = self.inner.get(py)?;
        if let Some(mut guard) = inner.link.try_lock() {
            let link = guard.take();
            py.detach(|| drop(link));
            return Ok(());
        }
        if let Some(breaker) = &inner.breaker {
            breaker.end();
        }
        let link = Self::wait_for_link(py, inner).take();
        py.detach(|| drop(link));
        Ok(())
    }
}
