//! TLS: who is let in, what is spoken, and that it behaves as a connection without TLS does.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oxidis_testkit::server::binary_under_test;
use oxidis_testkit::{ServerBuilder, TestServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An authority and certificates by it, as files in a folder that lives as long.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).expect("signed");
        let this = Certificates { folder };
        this.write("ca.crt", &certificate.pem());
        let issuer = Issuer::new(authority, authority_key);
        for (name, host) in [("server", "localhost"), ("client", "someone")] {
            let key = KeyPair::generate().expect("a key");
            let parameters = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
            let certificate = parameters.signed_by(&key, &issuer).expect("signed");
            this.write(&format!("{name}.crt"), &certificate.pem());
            this.write(&format!("{name}.key"), &key.serialize_pem());
        }
        this
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A server with these, that speaks TLS on the port that is answered, too.
    fn server(&self, arguments: &[&str]) -> (TestServer, u16) {
        let port = free_port();
        let server = ServerBuilder::oxidis()
            .arguments(["--tls-port", &port.to_string()])
            .arguments(["--tls-cert-file", &self.text("server.crt")])
            .arguments(["--tls-key-file", &self.text("server.key")])
            .arguments(["--tls-ca-cert-file", &self.text("ca.crt")])
            .arguments(arguments)
            .start()
            .expect("the server starts");
        (server, port)
    }

    /// A connection that trusts the authority; with the client's certificate, if it is to be shown.
    fn connect(&self, port: u16, shows_certificate: bool) -> Stream {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.path("ca.crt")).expect("a certificate");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = if shows_certificate {
            let chain = CertificateDer::from_pem_file(self.path("client.crt"));
            let key = PrivateKeyDer::from_pem_file(self.path("client.key"));
            builder
                .with_client_auth_cert(vec![chain.expect("a certificate")], key.expect("a key"))
                .expect("they fit")
        } else {
            builder.with_no_client_auth()
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a limit");
        StreamOwned::new(session, socket)
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    listener.local_addr().expect("it is bound").port()
}

fn expect(stream: &mut Stream, request: &str, answer: &str) {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut received = vec![0; answer.len()];
    stream.read_exact(&mut received).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&received), answer);
}

/// What the prompt says to these arguments.
fn cli(arguments: &[&str]) -> Output {
    Command::new(binary_under_test())
        .arg("cli")
        .args(arguments)
        .output()
        .expect("it runs")
}

fn is_pong(output: &Output) -> bool {
    output.stdout == b"PONG\n"
}

#[test]
fn tls_is_spoken_beside_plain_text_or_alone() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&["--tls-auth-clients", "no"]);
    let mut stream = certificates.connect(port, false);
    expect(&mut stream, "PING\r\n", "+PONG\r\n");
    assert_eq!(server.client().run("PING").text(), "PONG");
    // Now without the other port, of which the connection has no need.
    expect(&mut stream, "CONFIG SET port 0\r\n", "+OK\r\n");
    assert!(TcpStream::connect(server.address()).is_err());
    let mut stream = certificates.connect(port, false);
    expect(&mut stream, "PING\r\nPI", "+PONG\r\n");
    expect(&mut stream, "NG\r\nQUIT\r\n", "+PONG\r\n+OK\r\n");
    // It says good-bye as TLS wants it: no error but an end.
    assert_eq!(stream.read(&mut [0]).expect("an orderly end"), 0);
}

#[test]
fn clients_show_certificates_as_the_configuration_asks() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&[]);
    let mut admin = server.client();
    let is_let_in = |shows| {
        let mut stream = certificates.connect(port, shows);
        let mut answer = [0; 7];
        let asked = stream.write_all(b"PING\r\n");
        asked.and_then(|()| stream.read_exact(&mut answer)).is_ok()
    };
    assert!(is_let_in(true) && !is_let_in(false));
    admin.run("CONFIG SET tls-auth-clients optional");
    assert!(is_let_in(true) && is_let_in(false));
    admin.run("CONFIG SET tls-auth-clients no");
    assert!(is_let_in(true) && is_let_in(false));
    admin.run("CONFIG SET tls-auth-clients yes");
    assert!(!is_let_in(false));
}

#[test]
fn the_configuration_chooses_versions_and_suites() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&["--tls-auth-clients", "no"]);
    let mut admin = server.client();
    let spoken = || {
        let mut stream = certificates.connect(port, false);
        expect(&mut stream, "PING\r\n", "+PONG\r\n");
        let suite = stream.conn.negotiated_cipher_suite().expect("it is agreed");
        let version = stream.conn.protocol_version().expect("it is agreed");
        format!("{version:?} {:?}", suite.suite())
    };
    assert!(spoken().starts_with("TLSv1_3 "));
    admin.run("CONFIG SET tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256");
    assert_eq!(spoken(), "TLSv1_3 TLS13_CHACHA20_POLY1305_SHA256");
    admin.run("CONFIG SET tls-protocols TLSv1.2");
    assert!(spoken().starts_with("TLSv1_2 "));
    let reply = admin.run("CONFIG SET tls-protocols SSLv2").text();
    assert!(
        reply.ends_with("Unable to update TLS configuration. Check server logs."),
        "{reply}"
    );
    let reply = admin.run("CONFIG SET tls-cert-file /no/such/file").text();
    assert!(
        reply.ends_with("Unable to update TLS configuration. Check server logs."),
        "{reply}"
    );
    assert!(spoken().starts_with("TLSv1_2 "));
    assert!(
        server
            .log()
            .contains("Failed to load tls-cert-file from /no/such/file")
    );
}

#[test]
fn the_port_may_come_and_go() {
    let certificates = Certificates::new();
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut admin = server.client();
    let port = free_port();
    assert!(admin.run(&format!("CONFIG SET tls-port {port}")).is_error());
    let set = format!(
        "CONFIG SET tls-port {port} tls-auth-clients no tls-cert-file {} tls-key-file {}",
        certificates.text("server.crt"),
        certificates.text("server.key")
    );
    assert_eq!(admin.run(&set).text(), "OK");
    let mut stream = certificates.connect(port, false);
    expect(&mut stream, "PING\r\n", "+PONG\r\n");
    assert_eq!(admin.run("CONFIG SET tls-port 0").text(), "OK");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    expect(&mut stream, "PING\r\n", "+PONG\r\n");
}

#[test]
fn much_is_sent_both_ways() {
    let certificates = Certificates::new();
    let (_server, port) = certificates.server(&["--tls-auth-clients", "no"]);
    let mut stream = certificates.connect(port, false);
    let value: String = (0..3_000_000)
        .map(|at| char::from(b'a' + (at % 23) as u8))
        .collect();
    let set = format!(
        "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${}\r\n{value}\r\n",
        value.len()
    );
    expect(&mut stream, &set, "+OK\r\n");
    // Far more than the sockets hold waits before the first of it is read.
    stream
        .write_all("GET key\r\n".repeat(20).as_bytes())
        .expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    let reply = format!("${}\r\n{value}\r\n", value.len());
    let mut received = vec![0; reply.len()];
    for _ in 0..20 {
        stream.read_exact(&mut received).expect("a reply");
        assert!(received == reply.as_bytes());
    }
    expect(
        &mut stream,
        &"PING\r\n".repeat(10_000),
        &"+PONG\r\n".repeat(10_000),
    );
}

#[test]
fn who_speaks_no_tls_is_turned_away() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&[]);
    let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    plain
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a limit");
    plain.write_all(b"PING\r\n").expect("sent");
    let mut answer = Vec::new();
    // What it answers, if anything, is TLS.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"+"));
    assert_eq!(server.client().run("PING").text(), "PONG");
}

/// While a script runs, connections are served past the runtime: those with TLS as well.
#[test]
fn a_busy_server_says_so_by_tls() {
    const BUSY: &str = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";
    let certificates = Certificates::new();
    let (_server, port) = certificates.server(&[
        "--tls-auth-clients",
        "no",
        "--io-threads",
        "1",
        "--busy-reply-threshold",
        "20",
    ]);
    let mut old = certificates.connect(port, false);
    expect(&mut old, "PING\r\n", "+PONG\r\n");
    let mut runner = certificates.connect(port, false);
    expect(&mut runner, "PING\r\n", "+PONG\r\n");
    runner
        .write_all(b"EVAL 'while true do end' 0\r\n")
        .expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    expect(&mut old, "GET key\r\n", BUSY);
    let mut new = certificates.connect(port, false);
    expect(&mut new, "GET key\r\n", BUSY);
    expect(&mut new, "SCRIPT KILL\r\n", "+OK\r\n");
    expect(&mut runner, "", "-ERR");
    expect(&mut old, "PING\r\n", "+PONG\r\n");
    expect(&mut new, "PING\r\n", "+PONG\r\n");
}

#[test]
fn the_prompt_speaks_tls() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&[]);
    let port = port.to_string();
    let authority = certificates.text("ca.crt");
    let (certificate, key) = (
        certificates.text("client.crt"),
        certificates.text("client.key"),
    );
    let ours = ["--cert", &certificate, "--key", &key];
    let ask = |options: &[&str]| {
        let arguments: Vec<&str> = ["-p", &port].iter().chain(options).copied().collect();
        cli(&[&arguments[..], &["PING"]].concat())
    };
    let trusting = ["--tls", "--cacert", &authority];
    assert!(is_pong(&ask(&[&trusting[..], &ours].concat())));
    assert!(is_pong(&ask(&[
        &trusting[..],
        &ours,
        &["--sni", "localhost"]
    ]
    .concat())));
    assert!(is_pong(&ask(
        &[&["--tls", "--insecure"][..], &ours].concat()
    )));
    for suites in [
        ["--tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        ["--tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256"],
    ] {
        assert!(is_pong(&ask(&[&trusting[..], &ours, &suites].concat())));
    }
    // The server speaks one of these suites.
    server
        .client()
        .run("CONFIG SET tls-ciphersuites TLS_AES_128_GCM_SHA256 tls-protocols TLSv1.3");
    for (suite, is_answered) in [
        ("TLS_AES_128_GCM_SHA256", true),
        ("TLS_AES_256_GCM_SHA384", false),
        ("NO_SUCH", false),
    ] {
        let output = ask(&[&trusting[..], &ours, &["--tls-ciphersuites", suite]].concat());
        assert_eq!(is_pong(&output), is_answered, "{suite}: {output:?}");
    }
    let uri = format!("rediss://127.0.0.1:{port}");
    assert!(is_pong(&cli(&[
        &["-u", &uri, "--cacert", &authority][..],
        &ours,
        &["PING"]
    ]
    .concat())));
    // No certificate, nobody to trust, the wrong name, no TLS at all.
    for options in [
        &trusting[..],
        &[&["--tls"][..], &ours].concat(),
        &[&trusting[..], &ours, &["--sni", "example.org"]].concat(),
        &[],
    ] {
        let output = ask(options);
        assert!(!is_pong(&output), "{options:?}: {output:?}");
    }
}

#[test]
fn a_server_without_what_tls_needs_does_not_start() {
    let certificates = Certificates::new();
    let start = |arguments: &[&str]| {
        let output = Command::new(binary_under_test())
            .args(["--port", "0", "--tls-port", "1"])
            .args(arguments)
            .current_dir(certificates.folder.path() as &Path)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(start(&[]).contains("Failed to configure TLS: No tls-cert-file configured!"));
    let certificate = ["--tls-cert-file", "server.crt"];
    let log = start(
        &[
            &certificate[..],
            &["--tls-key-file", "ca.crt", "--tls-auth-clients", "no"],
        ]
        .concat(),
    );
    assert!(log.contains("Failed to load tls-key-file from "), "{log}");
    let log = start(&[&certificate[..], &["--tls-key-file", "server.key"]].concat());
    assert!(
        log.contains("No tls-ca-cert-file nor tls-ca-cert-dir configured!"),
        "{log}"
    );
    let log = start(
        &[
            &certificate[..],
            &["--tls-key-file", "client.key", "--tls-auth-clients", "no"],
        ]
        .concat(),
    );
    assert!(log.contains("Failed to configure TLS"), "{log}");
}

#[test]
fn the_benchmark_speaks_it() {
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&[]);
    let benchmark = |arguments: &[&str]| {
        Command::new(binary_under_test())
            .args(["benchmark", "--tls", "-p", &port.to_string(), "-q"])
            .args(["--cacert", &certificates.text("ca.crt")])
            .args(arguments)
            .output()
            .expect("it runs")
    };
    let (certificate, key) = (
        certificates.text("client.crt"),
        certificates.text("client.key"),
    );
    let shown = ["--cert", &certificate, "--key", &key];
    // Values that are longer than what TLS, a socket or a read takes at once.
    for load in [
        &["-t", "set,get", "-n", "2000", "-P", "16", "-d", "20000"][..],
        &["-t", "get", "-n", "200", "-k", "0", "--threads", "2"],
    ] {
        let output = benchmark(&[&shown[..], load].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{load:?}: {errors}");
    }
    let mut client = server.client();
    assert_eq!(client.run("STRLEN key:__rand_int__").text(), "20000");
    let output = benchmark(&["-t", "get", "-n", "10"]);
    assert_eq!(output.status.code(), Some(1));
}

/// A conversation with the debugger of scripts goes past the runtime, too: requests in pieces and several in one record,
/// what is longer than a record, an end that TLS knows.
#[test]
fn scripts_are_debugged_by_tls() {
    const FIRST: &str = "*2\r\n+* Stopped at 1, stop reason = step over\r\n+-> 1   local a = 1\r\n";
    const LAST: &str = "*2\r\n+* Stopped at 2, stop reason = step over\r\n+-> 2   return string.rep('x', 100000)\r\n";
    let certificates = Certificates::new();
    let (server, port) = certificates.server(&["--tls-auth-clients", "no"]);
    for mode in ["yes", "sync"] {
        let mut stream = certificates.connect(port, false);
        expect(&mut stream, &format!("SCRIPT DEBUG {mode}\r\n"), "+OK\r\n");
        let script = "local a = 1\nreturn string.rep('x', 100000)";
        let eval = format!(
            "*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n",
            script.len()
        );
        expect(&mut stream, &eval, FIRST);
        for byte in b"*1\r\n$1\r\n" {
            stream.write_all(&[*byte]).expect("sent");
        }
        expect(&mut stream, "s\r\n", LAST);
        // What is shown of a value is limited, unless somebody asks for all of it.
        let unlimited = "*1\r\n+<value> replies are unlimited.\r\n";
        expect(&mut stream, "*2\r\n$1\r\nm\r\n$1\r\n0\r\n", unlimited);
        let long = format!("*1\r\n+<retval> \"{}\"\r\n", "y".repeat(60_000));
        let code = "string.rep('y', 60000)";
        let request = format!("*2\r\n$1\r\ne\r\n${}\r\n{code}\r\n", code.len());
        expect(&mut stream, &request, &long);
        let reply = format!(
            "*1\r\n+<endsession>\r\n$100000\r\n{}\r\n",
            "x".repeat(100_000)
        );
        expect(&mut stream, "*1\r\n$1\r\nc\r\n", &reply);
        assert_eq!(stream.read(&mut [0]).expect("an orderly end"), 0);
    }
    assert_eq!(server.client().run("PING").text(), "PONG");
}

#[test]
fn the_prompt_debugs_scripts_by_tls() {
    let certificates = Certificates::new();
    let (_server, port) = certificates.server(&["--tls-auth-clients", "no"]);
    let script = certificates.text("script.lua");
    certificates.write(
        "script.lua",
        "redis.call('set', KEYS[1], ARGV[1])\nreturn redis.call('get', KEYS[1])",
    );
    let port = port.to_string();
    let authority = certificates.text("ca.crt");
    let mut child = Command::new(binary_under_test())
        .args(["cli", "-p", &port, "--tls", "--cacert", &authority])
        .args(["--ldb", "--eval", &script, "key", ",", "value"])
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = child.stdin.take().expect("it was piped");
    input.write_all(b"s\nc\nGET key\n").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text
        .split_once("debugging commands.\n\n")
        .expect("the greeting")
        .1;
    let expected = "* Stopped at 1, stop reason = step over\n\
        -> 1   redis.call('set', KEYS[1], ARGV[1])\n\
        <redis> set key value\n<reply> \"+OK\"\n\
        * Stopped at 2, stop reason = step over\n\
        -> 2   return redis.call('get', KEYS[1])\n\n\
        \"value\"\n\n(Lua debugging session ended -- dataset changes rolled back)\n\n(nil)\n";
    assert_eq!(said, expected);
    assert!(output.status.success());
}
