//! TLS to a server, over a blocking socket or one that does not block.
//!
//! A [`TlsStream`] can be cloned, so that one thread may wait for replies while another sends: the
//! lock is held while bytes are encrypted and decrypted, and not while they are waited for.
//!
//! As redis-cli does it, a certificate must come from an authority that is trusted, but need not
//! name the host, unless a name is asked for by `--sni`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use crate::cipher_suites;
use crate::target::TlsOptions;

/// Bytes that are read from the socket at a time.
const READ_SIZE: usize = 16 * 1024;

/// How TLS is spoken with a server; costly to make and cheap to use.
#[derive(Debug, Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsConnector {
    /// For a server on `host`.
    ///
    /// # Errors
    /// When files do not hold what they should.
    pub fn new(host: &str, options: &TlsOptions) -> io::Result<Self> {
        let name = options.sni.as_deref().unwrap_or(host);
        Ok(TlsConnector {
            name: ServerName::try_from(name.to_owned()).map_err(io::Error::other)?,
            config: Arc::new(client_config(options)?),
        })
    }

    fn connect(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(io::Error::other)
    }
}

/// TLS over a socket that does not block: what cannot be done without waiting fails with
/// [`io::ErrorKind::WouldBlock`].
#[derive(Debug)]
pub struct TlsSession(ClientConnection);

impl TlsSession {
    /// A session that has not begun.
    ///
    /// # Errors
    /// When the name of the server cannot be asked for.
    pub fn new(connector: &TlsConnector) -> io::Result<Self> {
        connector.connect().map(TlsSession)
    }

    /// Goes on with the handshake; whether it is over.
    ///
    /// # Errors
    /// When the other side is not to be trusted, or the socket fails.
    pub fn shake_hands(&mut self, socket: &mut (impl Read + Write)) -> io::Result<bool> {
        match self.0.complete_io(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(!self.0.is_handshaking())
    }

    /// Reads, as [`Read::read`] does.
    ///
    /// # Errors
    /// When the socket fails, or what comes is no TLS.
    pub fn read(&mut self, socket: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Who goes without a word has gone all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            self.0.read_tls(socket)?;
            self.0.process_new_packets().map_err(invalid)?;
        }
    }

    /// Takes bytes to write, as [`Write::write`] does, and writes as much as the socket takes;
    /// [`TlsSession::flush`] does the rest.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn write(&mut self, socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.writer().write(bytes)?;
        self.flush(socket)?;
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    }

    /// Writes as much of what was taken as the socket takes.
    ///
    /// # Errors
    /// When the socket fails; that it takes nothing now is no failure.
    pub fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.0.wants_write() {
            match self.0.write_tls(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// A TLS connection over TCP that blocks.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    session: Arc<Mutex<ClientConnection>>,
}

impl TlsStream {
    /// Speaks TLS on a socket that is connected; the handshake is over when this returns.
    ///
    /// # Errors
    /// A handshake that fails.
    pub fn connect(mut socket: TcpStream, connector: &TlsConnector) -> io::Result<Self> {
        let mut session = connector.connect()?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(TlsStream {
            socket,
            session: Arc::new(Mutex::new(session)),
        })
    }

    /// The socket beneath.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Another handle for the same stream.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(TlsStream {
            socket: self.socket.try_clone()?,
            session: Arc::clone(&self.session),
        })
    }

    /// Ends the stream.
    pub fn shutdown(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Both)
    }

    fn session(&self) -> MutexGuard<'_, ClientConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut encrypted = [0; READ_SIZE];
        loop {
            match self.session().reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Who goes without a word has gone all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            let count = self.socket.read(&mut encrypted)?;
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            let mut received = &encrypted[..count];
            loop {
                session.read_tls(&mut received)?;
                session.process_new_packets().map_err(invalid)?;
                if received.is_empty() {
                    break;
                }
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let count = session.writer().write(bytes)?;
        while session.wants_write() {
            session.write_tls(&mut self.socket)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client_config(options: &TlsOptions) -> io::Result<ClientConfig> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = cipher_suites::choose(
        &provider.cipher_suites,
        options.ciphers.as_deref(),
        options.cipher_suites.as_deref(),
    )
    .map_err(io::Error::other)?;
    let provider = Arc::new(provider);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let authorities = match options.insecure {
        true => None,
        false => {
            let roots = Arc::new(authorities(options)?);
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            Some(verifier.build().map_err(io::Error::other)?)
        }
    };
    let verifier = Verifier {
        authorities,
        checks_name: options.sni.is_some(),
        provider,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match (&options.certificate, &options.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(io::Error::other)
        }
        _ => Err(io::Error::other(
            "--cert and --key are of use only together",
        )),
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn failed(path: &Path, reason: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {reason}", path.display()))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(path, error))
}

/// Whom we trust: who is named on the command line, or else whom the system trusts.
fn authorities(options: &TlsOptions) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let mut paths: Vec<_> = options.ca_certificate.iter().cloned().collect();
    if let Some(folder) = &options.ca_folder {
        let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
        let files = entries.flatten().map(|entry| entry.path());
        paths.extend(files.filter(|path| path.is_file()));
    }
    for path in &paths {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| failed(path, error))?;
        }
    }
    if paths.is_empty() {
        // What cannot be read of them is not trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    Ok(roots)
}

/// Trusts whom the authorities have certified, or, without authorities, anybody who has the key to
/// his own certificate (`--insecure`).
#[derive(Debug)]
struct Verifier {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            authorities.verify_server_cert(certificate, intermediates, name, status, now);
        match verified {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
