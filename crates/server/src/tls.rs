//! TLS: what the `tls-*` directives make, and sockets that speak it.
//!
//! [`Secured`] is a [`Transport`] over rustls itself and not over a wrapper for the runtime, because
//! a connection must also progress past the runtime. What rustls has encrypted but the socket has not
//! taken counts as not sent: so nothing is lost, and limits on what waits hold as without TLS.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use oxidis_engine::config::{Config, TlsClientAuthentication};
use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::configuration::path_of;
use crate::transport::{Socket, Transport};

/// Bytes that are encrypted at a time.
const PIECE_MAX: usize = 64 * 1024;

/// Why TLS cannot be spoken as the configuration asks.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A directive that is needed is empty.
    #[error("No {0} configured!")]
    Missing(&'static str),
    /// A file cannot be read or understood.
    #[error("Failed to load {what} from {path}: {reason}")]
    File {
        /// The directive.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A protocol or cipher suite is none that there is.
    #[error("Invalid {0} configuration: {1}")]
    Word(&'static str, String),
    /// Certificate, key and authorities do not fit.
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
    /// The authorities are none.
    #[error("{0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The settings under which new connections are made; they change as a whole.
#[derive(Default)]
pub(crate) struct TlsSettings(RwLock<Option<Arc<ServerConfig>>>);

impl TlsSettings {
    /// Takes over what the configuration says now.
    ///
    /// # Errors
    /// What is wrong with it; the old settings stay then.
    pub(crate) fn reload(&self, config: &Config) -> Result<(), TlsError> {
        let settings = Arc::new(server_config(config)?);
        *self.0.write() = Some(settings);
        Ok(())
    }

    /// Makes an accepted socket one that speaks TLS.
    ///
    /// # Errors
    /// When there are no settings.
    pub(crate) fn secure(&self, socket: TcpStream) -> io::Result<Secured> {
        let settings = self.0.read().clone();
        let settings = settings.ok_or(io::ErrorKind::Unsupported)?;
        let session = ServerConnection::new(settings).map_err(io::Error::other)?;
        Ok(Secured {
            socket: Socket::Here(socket),
            session,
            encrypted: 0,
        })
    }
}

fn server_config(config: &Config) -> Result<ServerConfig, TlsError> {
    let (chain, key) = (chain(config)?, key(config)?);
    let provider = rustls::crypto::ring::default_provider();
    let provider = with_cipher_suites(provider, &text(config.tls_ciphersuites()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_protocol_versions(&protocols(&text(config.tls_protocols()))?)?;
    let builder = match config.tls_auth_clients() {
        TlsClientAuthentication::No => builder.with_no_client_auth(),
        wanted => {
            let roots = Arc::new(authorities(config)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::new(provider));
            let verifier = match wanted {
                TlsClientAuthentication::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut settings = builder.with_single_cert(chain, key)?;
    settings.ignore_client_order = config.tls_prefer_server_ciphers();
    settings.session_storage = match config.tls_session_cache_size() {
        _ if !config.tls_session_caching() => Arc::new(NoServerSessionStorage {}),
        0 => ServerSessionMemoryCache::new(usize::MAX),
        size => ServerSessionMemoryCache::new(size),
    };
    Ok(settings)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The versions of `tls-protocols`; both that rustls speaks if it is empty. What it does not speak is
/// passed over, as long as something is left.
fn protocols(words: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let mut versions = Vec::new();
    for word in words.split_ascii_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&rustls::version::TLS12),
            "tlsv1.3" => versions.push(&rustls::version::TLS13),
            "tlsv1" | "tlsv1.1" => {}
            _ => return Err(TlsError::Word("tls-protocols", word.to_owned())),
        }
    }
    match (words.trim().is_empty(), versions.is_empty()) {
        (true, _) => Ok(rustls::ALL_VERSIONS.to_vec()),
        (false, true) => Err(TlsError::Word("tls-protocols", words.to_owned())),
        (false, false) => Ok(versions),
    }
}

/// Leaves those cipher suites of TLS 1.3 that `tls-ciphersuites` names, in its order.
fn with_cipher_suites(
    mut provider: rustls::crypto::CryptoProvider,
    names: &str,
) -> Result<rustls::crypto::CryptoProvider, TlsError> {
    if names.is_empty() {
        return Ok(provider);
    }
    let known = std::mem::take(&mut provider.cipher_suites);
    let is_1_3 = |suite: &rustls::SupportedCipherSuite| suite.tls13().is_some();
    for name in names.split(':') {
        // OpenSSL, whose names these are, says TLS_ where rustls says TLS13_.
        let name_here = name.replacen("TLS_", "TLS13_", 1);
        let suite = known
            .iter()
            .find(|suite| is_1_3(suite) && format!("{:?}", suite.suite()) == name_here)
            .ok_or_else(|| TlsError::Word("tls-ciphersuites", name.to_owned()))?;
        provider.cipher_suites.push(*suite);
    }
    let others = known.iter().filter(|suite| !is_1_3(suite));
    provider.cipher_suites.extend(others);
    Ok(provider)
}

fn failed(what: &'static str, path: &Path, reason: impl std::fmt::Display) -> TlsError {
    TlsError::File {
        what,
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Where a directive's file is.
fn file(
    config: &Config,
    what: &'static str,
    name: Vec<u8>,
) -> Result<std::path::PathBuf, TlsError> {
    if name.is_empty() {
        return Err(TlsError::Missing(what));
    }
    Ok(path_of(&config.dir()).join(path_of(&name)))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(what, path, error))
}

fn chain(config: &Config) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    const WHAT: &str = "tls-cert-file";
    let path = file(config, WHAT, config.tls_cert_file())?;
    certificates(WHAT, &path)
}

fn key(config: &Config) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "tls-key-file";
    let path = file(config, WHAT, config.tls_key_file())?;
    if !config.tls_key_file_pass().is_empty() {
        let reason = "keys under a passphrase are not supported: decrypt it first";
        return Err(failed(WHAT, &path, reason));
    }
    PrivateKeyDer::from_pem_file(&path).map_err(|error| failed(WHAT, &path, error))
}

/// Those whose word on clients is taken.
fn authorities(config: &Config) -> Result<RootCertStore, TlsError> {
    let mut paths = Vec::new();
    let (one, many) = (config.tls_ca_cert_file(), config.tls_ca_cert_dir());
    if !one.is_empty() {
        paths.push(file(config, "tls-ca-cert-file", one)?);
    }
    if !many.is_empty() {
        let folder = file(config, "tls-ca-cert-dir", many)?;
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| failed("tls-ca-cert-dir", &folder, error))?;
        let files = entries.flatten().map(|entry| entry.path());
        paths.extend(files.filter(|path| path.is_file()));
    }
    if paths.is_empty() {
        return Err(TlsError::Missing("tls-ca-cert-file nor tls-ca-cert-dir"));
    }
    let mut roots = RootCertStore::empty();
    for path in paths {
        for certificate in certificates("tls-ca-cert-file", &path)? {
            roots
                .add(certificate)
                .map_err(|error| failed("tls-ca-cert-file", &path, error))?;
        }
    }
    Ok(roots)
}

/// A connection that speaks TLS. The handshake happens as part of the first receiving and sending.
pub(crate) struct Secured {
    socket: Socket<TcpStream>,
    session: ServerConnection,
    /// Bytes of the next ones to send that are encrypted, but not yet with the socket.
    encrypted: usize,
}

/// Receives by way of some stream of ciphertext.
fn receive(
    session: &mut ServerConnection,
    stream: &mut (impl Read + Write),
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match session.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Who goes without a word has gone all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            result => return result,
        }
        let received = session.read_tls(stream);
        if received.is_ok()
            && let Err(error) = session.process_new_packets()
        {
            // The far end learns why, if it can be told.
            let _ = send_encrypted(session, stream);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        // The handshake has things to say, too. That the socket does not take them now changes
        // nothing about what was received; it is tried again with the next receiving.
        match send_encrypted(session, stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        // At the end the reader knows which end it was.
        received?;
    }
}

/// Hands what is encrypted to the stream.
fn send_encrypted(session: &mut ServerConnection, stream: &mut impl Write) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(stream)? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

/// Sends the beginning of `bytes`, of which so many may be encrypted already.
fn send(
    session: &mut ServerConnection,
    stream: &mut impl Write,
    encrypted: &mut usize,
    bytes: &[u8],
) -> io::Result<usize> {
    if *encrypted == 0 {
        let piece = &bytes[..bytes.len().min(PIECE_MAX)];
        *encrypted = session.writer().write(piece)?;
    }
    send_encrypted(session, stream)?;
    Ok(std::mem::take(encrypted))
}

/// The socket as a task uses it.
struct Polled<'s, 'c, 'w> {
    socket: &'s mut Socket<TcpStream>,
    cx: &'c mut Context<'w>,
}

fn or_would_block<R>(polled: Poll<io::Result<R>>) -> io::Result<R> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn or_pending<R>(result: io::Result<R>) -> Poll<io::Result<R>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl Read for Polled<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        or_would_block(self.socket.poll_receive(self.cx, buffer))
    }
}

impl Write for Polled<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(self.socket.poll_send(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket past the runtime.
struct Now<'s>(SockRef<'s>);

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Secured {
    fn poll_receive(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut stream = Polled {
            socket: &mut self.socket,
            cx,
        };
        or_pending(receive(&mut self.session, &mut stream, buffer))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut stream = Polled {
            socket: &mut self.socket,
            cx,
        };
        or_pending(send(
            &mut self.session,
            &mut stream,
            &mut self.encrypted,
            bytes,
        ))
    }

    fn receive_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = Now(self.socket.direct()?);
        receive(&mut self.session, &mut stream, buffer)
    }

    fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = Now(self.socket.direct()?);
        send(&mut self.session, &mut stream, &mut self.encrypted, bytes)
    }

    fn end_now(&mut self) {
        self.take_leave();
        self.socket.end_now();
    }

    fn take_leave(&mut self) {
        self.session.send_close_notify();
        if let Ok(socket) = self.socket.direct() {
            // It is a courtesy: a socket that takes no more is closed without it.
            let _ = send_encrypted(&mut self.session, &mut Now(socket));
        }
    }

    fn leave_runtime(&mut self) {
        self.socket.leave_runtime();
    }

    fn enter_runtime(&mut self) {
        self.socket.enter_runtime();
    }
}
