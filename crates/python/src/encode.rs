//! Requests from Python's values.

use oxidis_resp::inline;
use oxidis_resp::number::IntegerText;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyFloat, PyInt, PyList, PyMemoryView, PyString, PyTuple,
};

use crate::error;

/// Appends the front of a request of so many words.
pub fn begin(request: &mut Vec<u8>, words: usize) {
    header(request, b'*', words);
}

fn header(request: &mut Vec<u8>, kind: u8, count: usize) {
    request.push(kind);
    if count < 10 {
        request.push(b'0' + count as u8);
    } else {
        request.extend_from_slice(&IntegerText::unsigned(count as u64));
    }
    request.extend_from_slice(b"\r\n");
}

/// Appends a word.
pub fn word(request: &mut Vec<u8>, bytes: &[u8]) {
    header(request, b'$', bytes.len());
    request.extend_from_slice(bytes);
    request.extend_from_slice(b"\r\n");
}

/// How values become bytes.
#[derive(Default)]
pub struct Encoding {
    /// Whether text is written in something else than UTF-8: then the encoder is asked.
    pub is_foreign: bool,
    /// What is asked about values that are neither bytes nor text nor numbers; without one they are refused.
    pub encoder: Option<Py<PyAny>>,
}

/// Appends an argument: bytes as they are, text as UTF-8, numbers as their text.
///
/// # Errors
/// `ArgumentError`, or the encoder's, where a value says nothing about its text.
pub fn argument(
    request: &mut Vec<u8>,
    value: &Bound<'_, PyAny>,
    encoding: &Encoding,
) -> PyResult<()> {
    if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        word(request, bytes.as_bytes());
    } else if let Ok(text) = value.cast_exact::<PyString>()
        && !encoding.is_foreign
    {
        word(request, text.to_str()?.as_bytes());
    } else if let Ok(number) = value.cast_exact::<PyInt>() {
        match number.extract::<i64>() {
            Ok(number) => word(request, &IntegerText::new(number)),
            Err(_) => word(request, number.str()?.to_str()?.as_bytes()),
        }
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        word(request, number.repr()?.to_str()?.as_bytes());
    } else {
        return other(request, value, encoding);
    }
    Ok(())
}

/// The bytes of an argument that is bytes or text, and so needs nothing to be written for it.
pub fn plain<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a [u8]> {
    if let Ok(text) = value.cast_exact::<PyString>() {
        // Text that is no Unicode goes the long way, on which that is an error.
        return text.to_str().ok().map(str::as_bytes);
    }
    value.cast_exact::<PyBytes>().ok().map(|it| it.as_bytes())
}

/// Appends what is of none of the plain types.
#[cold]
fn other(request: &mut Vec<u8>, value: &Bound<'_, PyAny>, encoding: &Encoding) -> PyResult<()> {
    let encoded = match &encoding.encoder {
        Some(encoder) => encoder.bind(value.py()).call1((value,))?,
        None if value.is_instance_of::<PyBool>() => return Err(refused(value)),
        None if value.is_instance_of::<PyInt>() => value.str()?.into_any(),
        None if value.is_instance_of::<PyFloat>() => value.repr()?.into_any(),
        None => value.clone(),
    };
    if let Ok(bytes) = encoded.cast::<PyBytes>() {
        word(request, bytes.as_bytes());
    } else if let Ok(text) = encoded.cast::<PyString>() {
        word(request, text.to_str()?.as_bytes());
    } else if encoded.is_instance_of::<PyByteArray>() || encoded.is_instance_of::<PyMemoryView>() {
        let bytes = value.py().get_type::<PyBytes>().call1((&encoded,))?;
        word(request, bytes.cast::<PyBytes>()?.as_bytes());
    } else {
        return Err(refused(value));
    }
    Ok(())
}

fn refused(value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type();
    let kind = kind
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let message =
        format!("Invalid input of type: '{kind}'. Convert to a bytes, string, int or float first.");
    error::argument(value.py(), &message)
}

/// Appends a request. One that cannot be encoded leaves nothing behind.
///
/// # Errors
/// As [`argument`].
pub fn request(
    request: &mut Vec<u8>,
    arguments: &Bound<'_, PyTuple>,
    encoding: &Encoding,
) -> PyResult<()> {
    let start = request.len();
    let result = try_request(request, arguments, encoding);
    if result.is_err() {
        request.truncate(start);
    }
    result
}

fn try_request(
    request: &mut Vec<u8>,
    arguments: &Bound<'_, PyTuple>,
    encoding: &Encoding,
) -> PyResult<()> {
    let Ok(name) = arguments.get_borrowed_item(0) else {
        return Err(error::argument(
            arguments.py(),
            "a command has at least one word",
        ));
    };
    let (text, bytes) = (name.cast::<PyString>().ok(), name.cast::<PyBytes>().ok());
    let bytes = match (&text, &bytes) {
        (Some(text), _) => Some(text.to_str()?.as_bytes()),
        (None, Some(bytes)) => Some(bytes.as_bytes()),
        (None, None) => None,
    };
    let operands = arguments.len() - 1;
    match bytes {
        // `CONFIG GET` is two words, in one or in two.
        Some(bytes) if bytes.contains(&b' ') => {
            let names = bytes.split(u8::is_ascii_whitespace);
            let names: Vec<_> = names.filter(|it| !it.is_empty()).collect();
            begin(request, operands + names.len());
            names.iter().for_each(|name| word(request, name));
        }
        Some(bytes) => {
            begin(request, operands + 1);
            word(request, bytes);
        }
        None => {
            begin(request, operands + 1);
            argument(request, &name, encoding)?;
        }
    }
    for value in arguments.iter_borrowed().skip(1) {
        argument(request, &value, encoding)?;
    }
    Ok(())
}

/// A request as bytes, whatever comes after it.
///
/// # Errors
/// As [`argument`].
#[pyfunction]
pub fn pack<'py>(
    py: Python<'py>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut bytes = Vec::new();
    request(&mut bytes, arguments, &Encoding::default())?;
    Ok(PyBytes::new(py, &bytes))
}

/// Splits a line into words as the prompt does.
///
/// # Errors
/// `ArgumentError`: a quote has no end.
#[pyfunction]
pub fn split<'py>(py: Python<'py>, line: &str) -> PyResult<Bound<'py, PyList>> {
    let words = split_line(py, line)?;
    PyList::new(py, words.iter().map(|word| PyBytes::new(py, word)))
}

pub fn split_line(py: Python<'_>, line: &str) -> PyResult<Vec<Vec<u8>>> {
    inline::split(line.as_bytes())
        .map_err(|error| error::argument(py, &format!("Invalid argument(s): {error}")))
}
