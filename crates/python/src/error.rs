//! Python's exceptions. Their classes are in `oxidis._errors`, where they can have two bases.

use std::fmt::Display;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// An exception of a class in `oxidis._errors`, or what went wrong with importing it.
fn exception(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let made = || -> PyResult<PyErr> {
        let class = py.import("oxidis._errors")?.getattr(class)?;
        Ok(PyErr::from_value(
            class.call1((PyString::new(py, message),))?,
        ))
    };
    made().unwrap_or_else(|error| error)
}

/// The connection is at its end.
pub fn closed(py: Python<'_>) -> PyErr {
    exception(py, "ConnectionError", "Connection closed by server.")
}

/// The connection cannot be made.
pub fn connection(py: Python<'_>, error: impl Display) -> PyErr {
    exception(py, "ConnectionError", &error.to_string())
}

/// What was waited for did not come in time.
pub fn timeout(py: Python<'_>) -> PyErr {
    exception(py, "TimeoutError", "Timeout reading from server")
}

/// An option is wrong, a server cannot start, data cannot be saved.
pub fn server(py: Python<'_>, error: impl Display) -> PyErr {
    exception(py, "Error", &error.to_string())
}

/// Something is used in a child of the process that made it.
pub fn forked(py: Python<'_>) -> PyErr {
    let message = "it belongs to the process that made it, and this is a fork of that";
    exception(py, "ForkError", message)
}

/// An argument is none that goes into a command.
pub fn argument(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "ArgumentError", message)
}
