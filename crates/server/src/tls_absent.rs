//! In the place of TLS in a build without the feature `tls`: every attempt to configure it fails.

use std::io;
use std::task::{Context, Poll};

use oxidis_engine::config::Config;
use tokio::net::TcpStream;

use crate::transport::Transport;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[error("this server is built without TLS")]
pub struct TlsError;

/// No settings.
#[derive(Default)]
pub(crate) struct TlsSettings {}

impl TlsSettings {
    pub(crate) fn reload(&self, _: &Config) -> Result<(), TlsError> {
        Err(TlsError)
    }

    pub(crate) fn secure(&self, _: TcpStream) -> io::Result<Secured> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A connection of which there is none.
pub(crate) enum Secured {}

impl Transport for Secured {
    fn poll_receive(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_send(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn receive_now(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    fn send_now(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn end_now(&mut self) {
        match *self {}
    }

    fn leave_runtime(&mut self) {
        match *self {}
    }

    fn enter_runtime(&mut self) {
        match *self {}
    }
}
