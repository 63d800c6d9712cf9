//! In the place of TLS in a build without the feature `tls`: nothing of it is ever made.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::target::TlsOptions;

/// How to do what cannot be done.
#[derive(Debug, Clone)]
pub enum TlsConnector {}

impl TlsConnector {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: &str, _: &TlsOptions) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program is built without TLS",
        ))
    }
}

/// A session of which there is none.
#[derive(Debug)]
pub enum TlsSession {}

impl TlsSession {
    /// Cannot be called.
    pub fn new(connector: &TlsConnector) -> io::Result<Self> {
        match *connector {}
    }

    /// Cannot be called.
    pub fn shake_hands(&mut self, _: &mut (impl Read + Write)) -> io::Result<bool> {
        match *self {}
    }

    /// Cannot be called.
    pub fn read(&mut self, _: &mut impl Read, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    /// Cannot be called.
    pub fn write(&mut self, _: &mut impl Write, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    /// Cannot be called.
    pub fn flush(&mut self, _: &mut impl Write) -> io::Result<()> {
        match *self {}
    }
}

/// A stream of which there is none.
#[derive(Debug)]
pub enum TlsStream {}

impl TlsStream {
    /// Cannot be called.
    pub fn connect(_: TcpStream, connector: &TlsConnector) -> io::Result<Self> {
        match *connector {}
    }

    /// Cannot be called.
    pub fn socket(&self) -> &TcpStream {
        match *self {}
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
