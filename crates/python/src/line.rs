//! A conversation over a socket of asyncio's: its event loop reads and writes, and the protocol is ours.

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::decode::{self, Failure, Style};
use crate::inbox::Inbox;
use crate::session;

/// What comes over one connection.
#[pyclass(module = "oxidis._native")]
pub struct Line {
    inbox: Inbox,
    style: Style,
}

impl Line {
    pub fn new(style: Style) -> Self {
        Line {
            inbox: Inbox::default(),
            style,
        }
    }
}

#[pymethods]
impl Line {
    /// The replies and pushes that are whole now that this came; a push is a tuple.
    fn feed<'py>(&mut self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let replies = PyList::empty(py);
        let inbox = &mut self.inbox;
        inbox.push(bytes);
        while inbox.has_reply() {
            match decode::decode(py, inbox.unread(), &self.style, false) {
                Ok((value, bytes)) => {
                    inbox.consume(bytes);
                    // Who asked is to learn of what cannot be had as asked for: a line has other replies, too.
                    replies
                        .append(value.unwrap_or_else(|error| {
                            error.into_value(py).into_bound(py).into_any()
                        }))?;
                }
                Err(Failure::Incomplete) => break,
                Err(Failure::Invalid) => return Err(session::no_reply(py)),
            }
        }
        Ok(replies)
    }
}
