//! Replies as Python's values, straight from the bytes.

use oxidis_resp::limits::REPLY_DEPTH_MAX;
use oxidis_resp::number::parse_integer;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};

/// How strings come.
pub enum Text {
    /// As bytes.
    Bytes,
    /// As text, which is UTF-8.
    Utf8,
    /// As text, by a codec of Python's and its handling of errors.
    Codec { encoding: String, errors: String },
}

/// How replies come.
pub struct Style {
    /// How strings come.
    pub text: Text,
    /// Whether simple strings are text in any case, and sets are sets. redis-py has them otherwise.
    pub is_native: bool,
    /// Makes an exception of an error's text.
    pub make_error: Py<PyAny>,
}

/// Why there is no value.
pub enum Failure {
    /// The bytes end before the reply does.
    Incomplete,
    /// They are no reply.
    Invalid,
}

/// A reply, and how many bytes it took. A reply that cannot be had as asked for (text that is none) is an error, and
/// took its bytes all the same.
pub type Decoded<'py> = (PyResult<Bound<'py, PyAny>>, usize);

/// Decodes the reply at the front. A push is a tuple, as nothing else is.
///
/// # Errors
/// There is none yet, or the bytes are none.
pub fn decode<'py>(
    py: Python<'py>,
    bytes: &[u8],
    style: &Style,
    as_bytes: bool,
) -> Result<Decoded<'py>, Failure> {
    let mut decoder = Decoder {
        py,
        bytes,
        at: 0,
        style,
        as_bytes,
        failure: None,
    };
    let value = decoder.value(0)?;
    let value = decoder.failure.map_or(Ok(value), Err);
    Ok((value, decoder.at))
}

/// A string, as it is asked for.
///
/// # Errors
/// It is no text, but was to come as such.
pub fn string<'py>(py: Python<'py>, bytes: &[u8], text: &Text) -> PyResult<Bound<'py, PyAny>> {
    let as_bytes = || PyBytes::new(py, bytes).into_any();
    let by_codec =
        |encoding: &str, errors: &str| as_bytes().call_method1("decode", (encoding, errors));
    match text {
        Text::Bytes => Ok(as_bytes()),
        Text::Utf8 => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(PyString::new(py, text).into_any()),
            Err(_) => by_codec("utf-8", "strict"),
        },
        Text::Codec { encoding, errors } => by_codec(encoding, errors),
    }
}

struct Decoder<'a, 'py> {
    py: Python<'py>,
    bytes: &'a [u8],
    at: usize,
    style: &'a Style,
    /// Whether strings are to be bytes whatever the style says.
    as_bytes: bool,
    /// The first thing that Python could not do.
    failure: Option<PyErr>,
}

impl<'a, 'py> Decoder<'a, 'py> {
    fn value(&mut self, depth: usize) -> Result<Bound<'py, PyAny>, Failure> {
        if depth > REPLY_DEPTH_MAX {
            return Err(Failure::Invalid);
        }
        let py = self.py;
        let line = self.line()?;
        let (&kind, text) = line.split_first().ok_or(Failure::Invalid)?;
        Ok(match kind {
            b'$' if text == b"-1" => py.None().into_bound(py),
            b'*' if text == b"-1" => py.None().into_bound(py),
            b'$' => {
                let bytes = self.body(text)?;
                self.string(bytes)
            }
            b':' => self.integer(text)?,
            b'+' if self.style.is_native => {
                PyString::new(py, &String::from_utf8_lossy(text)).into_any()
            }
            b'+' => self.string(text),
            b'_' => py.None().into_bound(py),
            b'*' => self.list(text, depth)?.into_any(),
            b'%' => self.map(text, depth)?,
            b'~' => {
                let list = self.list(text, depth)?;
                match self.style.is_native.then(|| PySet::new(py, &list)) {
                    Some(Ok(set)) => set.into_any(),
                    // Of what is in it not everything has a hash.
                    Some(Err(_)) | None => list.into_any(),
                }
            }
            b'>' => {
                let list = self.list(text, depth)?;
                let made = PyTuple::new(py, list.iter());
                self.or_none(made.map(Bound::into_any))
            }
            b',' => {
                let text = std::str::from_utf8(text).ok();
                let number = text.and_then(|text| text.parse().ok());
                PyFloat::new(py, number.ok_or(Failure::Invalid)?).into_any()
            }
            b'#' => PyBool::new(py, text == b"t").to_owned().into_any(),
            b'-' => self.error(text),
            b'!' => {
                let bytes = self.body(text)?;
                self.error(bytes)
            }
            b'=' => {
                let bytes = self.body(text)?;
                self.string(bytes.get(4..).ok_or(Failure::Invalid)?)
            }
            b'(' => {
                let text = String::from_utf8_lossy(text);
                let number = py.get_type::<PyInt>().call1((&*text,));
                self.or_none(number)
            }
            b'|' => {
                let facts = self.count(text)?;
                for _ in 0..facts.saturating_mul(2) {
                    self.value(depth + 1)?;
                }
                return self.value(depth);
            }
            _ => return Err(Failure::Invalid),
        })
    }

    fn line(&mut self) -> Result<&'a [u8], Failure> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\r');
        let end = end
            .filter(|&end| end + 1 < rest.len())
            .ok_or(Failure::Incomplete)?;
        self.at += end + 2;
        Ok(&rest[..end])
    }

    fn count(&self, text: &[u8]) -> Result<usize, Failure> {
        let count = parse_integer(text).and_then(|count| usize::try_from(count).ok());
        count.ok_or(Failure::Invalid)
    }

    fn body(&mut self, length: &[u8]) -> Result<&'a [u8], Failure> {
        let length = self.count(length)?;
        let rest = &self.bytes[self.at..];
        let end = length.checked_add(2).ok_or(Failure::Invalid)?;
        if rest.len() < end {
            return Err(Failure::Incomplete);
        }
        self.at += end;
        Ok(&rest[..length])
    }

    fn integer(&self, text: &[u8]) -> Result<Bound<'py, PyAny>, Failure> {
        let digits = text.strip_prefix(b"+").unwrap_or(text);
        let number = parse_integer(digits).ok_or(Failure::Invalid)?;
        Ok(PyInt::new(self.py, number).into_any())
    }

    fn list(&mut self, count: &[u8], depth: usize) -> Result<Bound<'py, PyList>, Failure> {
        let count = self.count(count)?;
        // A length is only a promise: each element takes four bytes at least.
        let possible = (self.bytes.len() - self.at) / 3 + 1;
        let mut elements = Vec::with_capacity(count.min(possible));
        for _ in 0..count {
            elements.push(self.value(depth + 1)?);
        }
        let made = PyList::new(self.py, elements);
        match made {
            Ok(list) => Ok(list),
            Err(error) => {
                self.failure.get_or_insert(error);
                Ok(PyList::empty(self.py))
            }
        }
    }

    /// A dictionary; a list of pairs where a key has no hash.
    fn map(&mut self, count: &[u8], depth: usize) -> Result<Bound<'py, PyAny>, Failure> {
        let map = PyDict::new(self.py);
        let mut unhashable = Vec::new();
        for _ in 0..self.count(count)? {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            if map.set_item(&key, &value).is_err() {
                unhashable.push((key, value));
            }
        }
        if unhashable.is_empty() {
            return Ok(map.into_any());
        }
        let pairs = PyList::new(self.py, map.items().iter().map(Bound::unbind));
        let pairs = pairs.and_then(|list| {
            for pair in unhashable {
                list.append(pair)?;
            }
            Ok(list.into_any())
        });
        Ok(self.or_none(pairs))
    }

    fn string(&mut self, bytes: &[u8]) -> Bound<'py, PyAny> {
        let text = if self.as_bytes {
            &Text::Bytes
        } else {
            &self.style.text
        };
        let made = string(self.py, bytes, text);
        self.or_none(made)
    }

    fn error(&mut self, text: &[u8]) -> Bound<'py, PyAny> {
        let text = String::from_utf8_lossy(text);
        let made = self.style.make_error.bind(self.py).call1((&*text,));
        self.or_none(made)
    }

    fn or_none(&mut self, made: PyResult<Bound<'py, PyAny>>) -> Bound<'py, PyAny> {
        made.unwrap_or_else(|error| {
            self.failure.get_or_insert(error);
            self.py.None().into_bound(self.py)
        })
    }
}
