//! How an event loop hears of a session that it waits for. Who makes a reply ready holds locks of the engine, and
//! must not wait for Python's: so the news goes through a socket, which event loops watch anyway.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::pair::{self, End};

/// A socket that is readable when there is news, and what the news is.
#[pyclass(frozen, module = "oxidis._native")]
pub struct Notifier {
    reader: End,
    shared: Arc<Shared>,
}

struct Shared {
    writer: End,
    /// The numbers of those who are to look again.
    ready: Mutex<Vec<u64>>,
}

struct Bell {
    shared: Arc<Shared>,
    token: u64,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.shared.ready.lock();
        ready.push(self.token);
        if ready.len() == 1 {
            // One byte says that there is something; where the socket is full it is readable anyway.
            let _ = (&self.shared.writer).write(b"!");
        }
    }
}

#[pymethods]
impl Notifier {
    #[new]
    fn new() -> PyResult<Self> {
        let (reader, writer) = pair::connected()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let ready = Mutex::default();
        Ok(Notifier {
            reader,
            shared: Arc::new(Shared { writer, ready }),
        })
    }

    fn fileno(&self) -> u64 {
        pair::number(&self.reader)
    }

    /// The tokens of those who are to look again.
    fn take(&self) -> PyResult<Vec<u64>> {
        let mut ready = self.shared.ready.lock();
        let mut bytes = [0; 64];
        loop {
            match (&self.reader).read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::take(&mut *ready))
    }
}

impl Notifier {
    /// What gives notice of a token.
    pub fn waker(&self, token: u64) -> Waker {
        let shared = Arc::clone(&self.shared);
        Waker::from(Arc::new(Bell { shared, token }))
    }
}
