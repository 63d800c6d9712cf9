//! Which server is meant, and as whom.

use std::fmt;
use std::path::PathBuf;

use crate::uri::UriError;

/// A server's address and the identity to use there.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// A Unix socket, which overrides host and port.
    pub unix_socket: Option<PathBuf>,
    /// The ACL user; the default user where absent.
    pub user: Option<Vec<u8>>,
    /// The password; no `AUTH` is sent where absent.
    pub password: Option<Vec<u8>>,
    /// The database to select.
    pub database: i64,
    /// How to speak TLS, if it is to be spoken.
    pub tls: Option<TlsOptions>,
}

/// How to speak TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The name to ask for, which the certificate must then be for (`--sni`).
    pub sni: Option<String>,
    /// A file with authorities to trust (`--cacert`).
    pub ca_certificate: Option<PathBuf>,
    /// A folder with such files (`--cacertdir`).
    pub ca_folder: Option<PathBuf>,
    /// Whether any certificate will do (`--insecure`).
    pub insecure: bool,
    /// Our own certificate (`--cert`).
    pub certificate: Option<PathBuf>,
    /// Its key (`--key`).
    pub key: Option<PathBuf>,
    /// Which ciphers are offered for TLS 1.2, by OpenSSL's names, with colons (`--tls-ciphers`).
    pub ciphers: Option<String>,
    /// Which cipher suites are offered for TLS 1.3, likewise (`--tls-ciphersuites`).
    pub cipher_suites: Option<String>,
}

/// Why a flag says nothing of a target.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No number of a port.
    #[error("Invalid server port.")]
    Port,
    /// No `redis://` address.
    #[error(transparent)]
    Uri(#[from] UriError),
}

impl Default for Target {
    /// The server that is meant where nothing is said.
    fn default() -> Self {
        Target {
            host: "127.0.0.1".into(),
            port: 6379,
            unix_socket: None,
            user: None,
            password: None,
            database: 0,
            tls: None,
        }
    }
}

impl fmt::Display for Target {
    /// The address, as messages name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unix_socket {
            Some(path) => path.display().fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
