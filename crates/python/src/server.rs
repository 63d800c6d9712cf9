//! A server in the process.

use std::path::PathBuf;

use oxidis::Server;
use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::control;
use crate::engine::NativeEngine;
use crate::error;
use crate::process::OfThisProcess;

/// A running server, as far as it is written in Rust.
#[pyclass(frozen, module = "oxidis._native")]
pub struct NativeServer {
    inner: OfThisProcess<Mutex<Option<Server>>>,
    #[pyo3(get)]
    port: u16,
    #[pyo3(get)]
    url: String,
}

impl NativeServer {
    fn of(server: Server) -> Self {
        NativeServer {
            port: server.port(),
            url: server.url(),
            inner: OfThisProcess::new(Mutex::new(Some(server))),
        }
    }
}

#[pymethods]
impl NativeServer {
    /// Starts a server; it can be connected to, and has its data, when this returns.
    #[new]
    #[allow(clippy::too_many_arguments, reason = "they are an __init__'s")]
    fn new(
        py: Python<'_>,
        port: u16,
        bind: Option<String>,
        password: Option<String>,
        path: Option<PathBuf>,
        appendonly: bool,
        workers: Option<usize>,
        seed: Option<u64>,
        is_clock_manual: bool,
        clock_seconds: Option<f64>,
        directives: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let clock = control::clock(is_clock_manual, clock_seconds)?;
        let started = py.detach(|| {
            let mut builder = Server::builder()
                .port(port)
                .append_only(appendonly)
                .clock(clock);
            if let Some(bind) = bind {
                builder = builder.bind(bind);
            }
            if let Some(password) = password {
                builder = builder.password(password);
            }
            if let Some(path) = path {
                builder = builder.path(path);
            }
            if let Some(workers) = workers {
                builder = builder.workers(workers);
            }
            if let Some(seed) = seed {
                builder = builder.seed(seed);
            }
            for (name, value) in directives {
                builder = builder.directive(name, value);
            }
            builder.start()
        });
        started
            .map(Self::of)
            .map_err(|reason| error::server(py, reason))
    }

    /// Another server with the same data.
    fn fork(&self, py: Python<'_>) -> PyResult<Self> {
        let place = self.inner.get(py)?;
        let forked = py.detach(|| place.lock().as_ref().map(Server::fork));
        let forked = forked.ok_or_else(|| error::server(py, "the server has stopped"))?;
        forked
            .map(Self::of)
            .map_err(|reason| error::server(py, reason))
    }

    /// Whether it runs, in this process.
    fn is_running(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.inner.is_ours() {
            return Ok(false);
        }
        let place = self.inner.get(py)?;
        Ok(py.detach(|| place.lock().as_ref().is_some_and(Server::is_running)))
    }

    /// The engine behind it.
    fn engine(&self, py: Python<'_>) -> PyResult<NativeEngine> {
        let place = self.inner.get(py)?;
        let engine = py.detach(|| place.lock().as_ref().map(Server::engine));
        let engine = engine.ok_or_else(|| error::server(py, "the server has stopped"))?;
        Ok(NativeEngine::of(engine))
    }

    /// Saves if it keeps its data, and stops. In a child of the process that started it nothing happens.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        if !self.inner.is_ours() {
            return Ok(());
        }
        let place = self.inner.get(py)?;
        let stopped = py.detach(|| {
            let server = place.lock().take();
            server.map_or(Ok(()), |mut server| server.stop())
        });
        stopped.map_err(|reason| error::server(py, reason))
    }
}
