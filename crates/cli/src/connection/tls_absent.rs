//! In the place of TLS in a build without the feature `tls`: no stream is ever made.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::arguments::TlsOptions;

/// A stream of which there is none.
pub enum TlsStream {}

impl TlsStream {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn connect(_: TcpStream, _: &str, _: &TlsOptions) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this prompt is built without TLS",
        ))
    }

    /// Cannot be called.
    pub fn try_clone(&self) -> io::Result<Self> {
        match *self {}
    }

    /// Cannot be called.
    pub fn shutdown(&self) -> io::Result<()> {
        match *self {}
    }
}

impl Read for TlsStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Write for TlsStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}
