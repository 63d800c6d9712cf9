//! An engine in the process, without a socket.

use oxidis::Engine;
use oxidis_embedded::Connection;
use pyo3::prelude::*;

use crate::control::{self, Control};
use crate::error;
use crate::link::Link;
use crate::process::OfThisProcess;
use crate::session::{Manner, Session};

/// An engine, as far as it is written in Rust.
#[pyclass(frozen, module = "oxidis._native")]
pub struct NativeEngine {
    inner: OfThisProcess<Engine>,
}

impl NativeEngine {
    pub fn of(engine: Engine) -> Self {
        NativeEngine {
            inner: OfThisProcess::new(engine),
        }
    }

    /// It, in the process that opened it.
    pub fn get(&self, py: Python<'_>) -> PyResult<&Engine> {
        self.inner.get(py)
    }
}

#[pymethods]
impl NativeEngine {
    #[new]
    fn new(
        py: Python<'_>,
        directives: Vec<(String, String)>,
        seed: Option<u64>,
        is_clock_manual: bool,
        clock_seconds: Option<f64>,
    ) -> PyResult<Self> {
        let clock = control::clock(is_clock_manual, clock_seconds)?;
        let opened = py.detach(|| {
            let mut builder = Engine::builder().clock(clock);
            if let Some(seed) = seed {
                builder = builder.seed(seed);
            }
            for (name, value) in directives {
                builder = builder.directive(name, value);
            }
            builder.open()
        });
        opened
            .map(Self::of)
            .map_err(|reason| error::server(py, reason))
    }

    /// Another engine with the same data.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        let engine = self.inner.get(py)?;
        let forked = py.detach(|| engine.fork());
        forked
            .map(Self::of)
            .map_err(|reason| error::server(py, reason))
    }

    /// It, as tests have it in their hands.
    fn control(&self, py: Python<'_>) -> PyResult<Control> {
        Ok(Control::of(self.inner.get(py)?.clone()))
    }

    /// A conversation with it. With an encoder it is as redis-py has them, and otherwise as the native client does.
    fn session(
        &self,
        py: Python<'_>,
        make_error: Py<PyAny>,
        encoder: Option<Py<PyAny>>,
        decode_responses: bool,
        encoding: &str,
        encoding_errors: &str,
    ) -> PyResult<Session> {
        let link = Link::Engine(Box::new(Connection::open(self.inner.get(py)?.shared())));
        let manner = Manner::new(
            make_error,
            encoder,
            decode_responses,
            encoding,
            encoding_errors,
        );
        Ok(Session::new(link, manner))
    }
}
