//! Rows of the configuration table: TLS.

use crate::config::directive::{
    Directive, Flags,
    bounds::{INT_MAX, PORT_MAX},
    integer, one_of, optional_text, yes_no,
};
use crate::config::enumerations::TlsClientAuthentication;

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "tls-port",
        kind: integer(0, PORT_MAX, 0),
        summary: "The TLS port to listen on; 0 is none.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-cert-file",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "The certificate of the server.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-key-file",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "The key of the server.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-key-file-pass",
        kind: optional_text(),
        flags: Flags::SENSITIVE,
        summary: "The passphrase of that key.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-client-cert-file",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "The certificate for outgoing connections.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-client-key-file",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "The key for outgoing connections.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-client-key-file-pass",
        kind: optional_text(),
        flags: Flags::SENSITIVE,
        summary: "The passphrase of that key.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-dh-params-file",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "Parameters of the Diffie-Hellman exchange.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-ca-cert-file",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "The authorities that are trusted, as one file.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-ca-cert-dir",
        kind: optional_text(),
        flags: Flags::VOLATILE,
        summary: "The authorities that are trusted, as a directory.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-auth-clients",
        kind: one_of(
            TlsClientAuthentication::WORDS,
            TlsClientAuthentication::Yes as i64,
        ),
        summary: "Whether clients must show a certificate.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-replication",
        kind: yes_no(false),
        summary: "Uses TLS to the master.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-cluster",
        kind: yes_no(false),
        summary: "Uses TLS on the cluster bus.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-protocols",
        kind: optional_text(),
        summary: "The versions of TLS that are spoken.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-ciphers",
        kind: optional_text(),
        summary: "The ciphers up to TLS 1.2.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-ciphersuites",
        kind: optional_text(),
        summary: "The cipher suites of TLS 1.3.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-prefer-server-ciphers",
        kind: yes_no(false),
        summary: "Lets the server choose the cipher.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-session-caching",
        kind: yes_no(true),
        summary: "Lets clients resume sessions.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-session-cache-size",
        kind: integer(0, INT_MAX, 20 * 1024),
        summary: "How many sessions are remembered; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tls-session-cache-timeout",
        kind: integer(0, INT_MAX, 300),
        summary: "Seconds that a session is remembered.",
        ..Directive::DEFAULT
    },
];
