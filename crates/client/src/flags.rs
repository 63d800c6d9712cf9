//! Flags as the programs of Redis have them, for clap: the first word that is no flag begins a
//! command, of a flag given twice the last wins, a flag's value is taken as it stands even when it
//! begins with a dash (passwords do), and numbers are read as leniently as C's `atoi` reads them.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches};
use oxidis_resp::number::leading_integer;

use crate::target::{Target, TargetError, TlsOptions};
use crate::uri::Uri;

/// A flag without a value.
pub fn switch(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id).action(ArgAction::SetTrue).help(help)
}

/// A flag with a value.
pub fn value(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .value_name(name)
        .value_parser(OsStringValueParser::new())
        .allow_hyphen_values(true)
        .help(help)
}

/// The command behind the flags, for [`words`].
pub fn trailing_command() -> Arg {
    Arg::new("command")
        .value_parser(OsStringValueParser::new())
        .num_args(0..)
        .trailing_var_arg(true)
        .hide(true)
}

/// The flags that [`read_target`] reads, but for the one that names the database.
pub fn target_flags() -> [Arg; 15] {
    [
        value(
            "host",
            "HOST",
            "Server host name or address [default: 127.0.0.1]",
        )
        .short('h'),
        value("port", "PORT", "Server port [default: 6379]").short('p'),
        value(
            "socket",
            "PATH",
            "Unix socket of the server, instead of host and port",
        )
        .short('s'),
        value(
            "uri",
            "URI",
            "redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE]",
        )
        .short('u'),
        value("password", "PASSWORD", "Password of the server").short('a'),
        value("user", "NAME", "ACL user that the password belongs to").long("user"),
        switch("tls", "Speak TLS; rediss:// does, too").long("tls"),
        value(
            "sni",
            "NAME",
            "Server name to ask for by TLS, which its certificate must be for",
        )
        .long("sni"),
        value(
            "cacert",
            "FILE",
            "Authorities to trust, instead of the system's",
        )
        .long("cacert"),
        value("cacertdir", "FOLDER", "Folder of such files").long("cacertdir"),
        switch("insecure", "Take any certificate of the server").long("insecure"),
        value("cert", "FILE", "Certificate to show to the server").long("cert"),
        value("key", "FILE", "Key of that certificate").long("key"),
        value(
            "ciphers",
            "NAMES",
            "Ciphers to offer for TLS 1.2, as OpenSSL names them, with colons",
        )
        .long("tls-ciphers"),
        value(
            "cipher-suites",
            "NAMES",
            "Cipher suites to offer for TLS 1.3, likewise",
        )
        .long("tls-ciphersuites"),
    ]
}

/// Reads the flags that describe the server, `database` among them, in the order in which they
/// were given, so that a later one corrects what an earlier `-u` said.
///
/// # Errors
/// When one of them has a value that is none.
pub fn read_target(matches: &ArgMatches) -> Result<Target, TargetError> {
    let mut target = Target {
        unix_socket: matches.get_one::<OsString>("socket").map(PathBuf::from),
        tls: is_given(matches, "tls").then(TlsOptions::default),
        ..Target::default()
    };
    let mut given: Vec<(usize, &str)> = ["host", "port", "database", "password", "user", "uri"]
        .into_iter()
        .filter_map(|id| Some((matches.index_of(id)?, id)))
        .collect();
    given.sort_unstable();
    for (_, id) in given {
        let value = text(matches, id).unwrap_or_default();
        match id {
            "host" => target.host = value,
            "port" => target.port = value.trim().parse().map_err(|_| TargetError::Port)?,
            "database" => target.database = leading_integer(&value),
            "password" => target.password = bytes(matches, id),
            "user" => target.user = bytes(matches, id),
            _ => Uri::parse(&value)?.apply(&mut target),
        }
    }
    if let Some(tls) = &mut target.tls {
        let path = |id| matches.get_one::<OsString>(id).map(PathBuf::from);
        *tls = TlsOptions {
            sni: text(matches, "sni"),
            ca_certificate: path("cacert"),
            ca_folder: path("cacertdir"),
            insecure: is_given(matches, "insecure"),
            certificate: path("cert"),
            key: path("key"),
            ciphers: text(matches, "ciphers"),
            cipher_suites: text(matches, "cipher-suites"),
        };
    }
    Ok(target)
}

/// Whether a [`switch`] was given.
pub fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.get_flag(id)
}

/// The value of a flag as text, `None` where it was not given.
pub fn text(matches: &ArgMatches, id: &str) -> Option<String> {
    let value = matches.get_one::<OsString>(id)?;
    Some(value.to_string_lossy().into_owned())
}

/// The value of a flag as bytes, `None` where it was not given.
pub fn bytes(matches: &ArgMatches, id: &str) -> Option<Vec<u8>> {
    matches
        .get_one::<OsString>(id)
        .map(|value| argument_bytes(value))
}

/// The words of the [`trailing_command`].
pub fn words(matches: &ArgMatches) -> Vec<Vec<u8>> {
    matches
        .get_many::<OsString>("command")
        .unwrap_or_default()
        .map(|word| argument_bytes(word))
        .collect()
}

/// The flag that an error of clap is about: one that is unknown or lacks its value.
pub fn culprit(error: &clap::Error) -> String {
    let culprit = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(culprit)) => culprit,
        _ => "",
    };
    // A flag without its value is named together with the value's name.
    let culprit = culprit.split([' ', '=']).next();
    culprit.unwrap_or_default().to_owned()
}

/// An argument's bytes as the shell gave them; elsewhere than on Unix, where
/// arguments are not bytes, their UTF-8.
fn argument_bytes(argument: &OsStr) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        argument.as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        argument.to_string_lossy().into_owned().into_bytes()
    }
}

/// The decimal number that a text begins with, 0 where it begins with none.
pub fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    (1..=text.len())
        .rev()
        .filter(|&end| text.is_char_boundary(end))
        .find_map(|end| text[..end].parse().ok())
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::UriError;

    fn target(arguments: &[&str]) -> Result<Target, TargetError> {
        let command = clap::Command::new("test")
            .no_binary_name(true)
            .disable_help_flag(true)
            .args_override_self(true)
            .args(target_flags())
            .arg(value("database", "NUMBER", "").short('n'));
        read_target(&command.try_get_matches_from(arguments).unwrap())
    }

    #[test]
    fn a_later_flag_corrects_an_earlier_one() {
        let corrected = target(&["-u", "redis://u:p@h:9/3", "-p", "10"]).unwrap();
        assert_eq!(corrected.to_string(), "h:10");
        assert_eq!(corrected.user.as_deref(), Some(&b"u"[..]));
        assert_eq!(corrected.database, 3);
        let corrected = target(&["-p", "10", "-n", "2", "-u", "redis://h:9/3"]).unwrap();
        assert_eq!((corrected.port, corrected.database), (9, 3));
        assert_eq!(target(&["-s", "/s", "-h", "h"]).unwrap().to_string(), "/s");
    }

    #[test]
    fn values_may_begin_with_a_dash() {
        let target = target(&["-a", "-secret", "-n", "-2"]).unwrap();
        assert_eq!(target.password.as_deref(), Some(&b"-secret"[..]));
        assert_eq!(target.database, -2);
    }

    #[test]
    fn tls_is_spoken_when_asked_for() {
        assert_eq!(target(&["--insecure"]).unwrap().tls, None);
        let options = target(&["-u", "rediss://h", "--sni", "name"]).unwrap().tls;
        assert_eq!(options.unwrap().sni.as_deref(), Some("name"));
        assert!(
            target(&["--tls", "--insecure"])
                .unwrap()
                .tls
                .unwrap()
                .insecure
        );
    }

    #[test]
    fn what_is_no_target_is_refused() {
        assert_eq!(target(&["-p", "port"]), Err(TargetError::Port));
        let refusal = target(&["-u", "http://h"]).unwrap_err();
        assert_eq!(refusal, TargetError::Uri(UriError::Scheme));
    }

    #[test]
    fn numbers_are_read_from_the_front() {
        assert_eq!(leading_number("0.25s"), 0.25);
        assert_eq!(leading_number("s"), 0.0);
    }
}
