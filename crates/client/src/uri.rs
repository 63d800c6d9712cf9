//! Addresses of servers, as `-u` and the native client of Python take them:
//! `redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE]`, `rediss://` for TLS, and
//! `unix://[[USER:]PASSWORD@]PATH`, with user, password and path percent-encoded. `?db=DATABASE` may stand behind
//! each.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::target::Target;

/// What an address says; what it does not say is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Uri {
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    host: Option<String>,
    port: Option<u16>,
    unix_socket: Option<PathBuf>,
    database: Option<i64>,
    is_tls: bool,
    unknown_parameters: Vec<String>,
}

/// Why an address is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// It begins with something else than `redis://`, `rediss://` or `unix://`.
    #[error("Invalid URI scheme")]
    Scheme,
    /// A `%` lacks its two digits.
    #[error("Incomplete URI encoding")]
    IncompleteEncoding,
    /// A `%` is followed by something else than two hexadecimal digits.
    #[error("Illegal character in URI encoding")]
    IllegalEncoding,
    /// An IPv6 address is not whole between its brackets, or something stands behind them that is no port.
    #[error("Invalid URI host")]
    Host,
    /// The port is no number, or none of a port.
    #[error("Invalid URI port")]
    Port,
    /// The database is no number.
    #[error("Invalid URI database")]
    Database,
    /// `unix://` names no file, or one that is not UTF-8.
    #[error("Invalid URI path")]
    Path,
}

impl Uri {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it is guessed.
    pub fn parse(uri: &str) -> Result<Uri, UriError> {
        let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
        let is = |known: &str| scheme.eq_ignore_ascii_case(known);
        if !is("redis") && !is("rediss") && !is("unix") {
            return Err(UriError::Scheme);
        }
        let mut parsed = Uri {
            is_tls: is("rediss"),
            ..Uri::default()
        };
        let (identity, rest) = split_identity(rest);
        if let Some(identity) = identity {
            parsed.read_identity(identity)?;
        }
        let (place, query) = match rest.split_once('?') {
            None => (rest, ""),
            Some(parts) => parts,
        };
        if is("unix") {
            let path = String::from_utf8(decode(place)?).map_err(|_| UriError::Path)?;
            if path.is_empty() {
                return Err(UriError::Path);
            }
            parsed.unix_socket = Some(path.into());
        } else {
            parsed.read_place(place)?;
        }
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("db", database)) => parsed.database = Some(number_of_database(database)?),
                _ => {
                    let name = parameter.split('=').next().unwrap_or_default();
                    parsed.unknown_parameters.push(name.to_owned());
                }
            }
        }
        Ok(parsed)
    }

    /// The names of the parameters behind `?` that say nothing to anybody here. Other libraries have some of their own, so
    /// a program that is given addresses of theirs may leave them.
    pub fn unknown_parameters(&self) -> &[String] {
        &self.unknown_parameters
    }

    fn read_identity(&mut self, identity: &str) -> Result<(), UriError> {
        let password = match identity.split_once(':') {
            None => identity,
            Some((user, password)) => {
                self.user = Some(decode(user)?);
                password
            }
        };
        self.password = Some(decode(password)?);
        Ok(())
    }

    /// `[HOST[:PORT]][/DATABASE]`.
    fn read_place(&mut self, place: &str) -> Result<(), UriError> {
        let (address, path) = match place.split_once('/') {
            None => (place, ""),
            Some(parts) => parts,
        };
        let (host, port) = split_port(address)?;
        if !host.is_empty() {
            self.host = Some(host.into());
        }
        if !port.is_empty() {
            // Only digits: `parse` would take a sign, too.
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = is_number.then(|| port.parse().ok()).flatten();
            self.port = Some(port.ok_or(UriError::Port)?);
        }
        if !path.is_empty() {
            self.database = Some(number_of_database(path)?);
        }
        Ok(())
    }

    /// Puts what the address says into `target` and leaves the rest.
    pub fn apply(self, target: &mut Target) {
        if self.user.is_some() {
            target.user = self.user;
        }
        if self.password.is_some() {
            target.password = self.password;
        }
        if let Some(host) = self.host {
            target.host = host;
        }
        if let Some(port) = self.port {
            target.port = port;
        }
        if self.unix_socket.is_some() {
            target.unix_socket = self.unix_socket;
        }
        if let Some(database) = self.database {
            target.database = database;
        }
        if self.is_tls {
            target.tls.get_or_insert_default();
        }
    }
}

/// Parts who asks from what is asked. A `@` in a password may stand as it is, and so may, as redis-cli has it, a slash,
/// as long as there is no query in which an `@` might stand, too.
fn split_identity(rest: &str) -> (Option<&str>, &str) {
    let is_authority = |end: usize| rest[..end].contains('@');
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let end = match is_authority(end) {
        true => end,
        false => rest.find('?').unwrap_or(rest.len()),
    };
    match rest[..end].rfind('@') {
        None => (None, rest),
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
    }
}

/// Parts a host from its port; what is not there is empty. An IPv6 address stands in brackets, so that its
/// colons are not taken for the port's.
fn split_port(address: &str) -> Result<(&str, &str), UriError> {
    let Some(rest) = address.strip_prefix('[') else {
        return Ok(address.split_once(':').unwrap_or((address, "")));
    };
    let (host, after) = rest.split_once(']').ok_or(UriError::Host)?;
    if host.is_empty() {
        return Err(UriError::Host);
    }
    match after.strip_prefix(':') {
        Some(port) => Ok((host, port)),
        None if after.is_empty() => Ok((host, "")),
        None => Err(UriError::Host),
    }
}

fn number_of_database(text: &str) -> Result<i64, UriError> {
    text.parse().map_err(|_| UriError::Database)
}

fn decode(text: &str) -> Result<Vec<u8>, UriError> {
    for (at, _) in text.match_indices('%') {
        match text.as_bytes().get(at + 1..at + 3) {
            None => return Err(UriError::IncompleteEncoding),
            Some(digits) if !digits.iter().all(u8::is_ascii_hexdigit) => {
                return Err(UriError::IllegalEncoding);
            }
            Some(_) => {}
        }
    }
    Ok(percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_optional() {
        assert_eq!(Uri::parse("redis://").unwrap(), Uri::default());
        let uri = Uri::parse("REDIS://us%65r:p%40ss%00@example.org:7000/12").unwrap();
        assert_eq!(uri.user.as_deref(), Some(&b"user"[..]));
        assert_eq!(uri.password.as_deref(), Some(&b"p@ss\0"[..]));
        assert_eq!(uri.host.as_deref(), Some("example.org"));
        assert_eq!((uri.port, uri.database), (Some(7000), Some(12)));
        let uri = Uri::parse("redis://secret@/3").unwrap();
        assert_eq!((uri.user, uri.host), (None, None));
        assert_eq!(uri.password.as_deref(), Some(&b"secret"[..]));
        assert_eq!(uri.database, Some(3));
        assert!(Uri::parse("REDISS://h").unwrap().is_tls && !uri.is_tls);
        let uri = Uri::parse("redis://[::1]:7000").unwrap();
        assert_eq!((uri.host.as_deref(), uri.port), (Some("::1"), Some(7000)));
    }

    #[test]
    fn what_is_empty_is_as_what_is_not_there() {
        for uri in ["redis://:/", "redis://?", "redis://:/?&"] {
            assert_eq!(Uri::parse(uri).unwrap(), Uri::default(), "{uri}");
        }
        let uri = Uri::parse("redis://:7000").unwrap();
        assert_eq!((uri.host, uri.port), (None, Some(7000)));
        let uri = Uri::parse("redis://[::1]:/4").unwrap();
        assert_eq!((uri.host.as_deref(), uri.port), (Some("::1"), None));
        assert_eq!(uri.database, Some(4));
    }

    #[test]
    fn passwords_may_have_what_parts_addresses() {
        let password = |uri| {
            let uri = Uri::parse(uri).unwrap();
            assert_eq!(uri.host.as_deref(), Some("h"));
            String::from_utf8(uri.password.unwrap()).unwrap()
        };
        assert_eq!(password("redis://:p@q@h/1"), "p@q");
        assert_eq!(password("redis://:p/q@h/1"), "p/q");
        assert_eq!(password("redis://:p%2Fq%3f:@h/1?db=2"), "p/q?:");
        // It is none that stands in a query.
        let uri = Uri::parse("redis://h/1?name=a@b").unwrap();
        assert_eq!((uri.host.as_deref(), uri.password), (Some("h"), None));
        assert_eq!(
            (uri.database, uri.unknown_parameters),
            (Some(1), vec!["name".to_owned()])
        );
    }

    #[test]
    fn a_socket_is_a_file() {
        let uri = Uri::parse("unix:///run/a%20b.sock").unwrap();
        assert_eq!(uri.unix_socket, Some("/run/a b.sock".into()));
        let uri = Uri::parse("unix://anna:secret@/run/redis.sock?db=3").unwrap();
        assert_eq!(uri.unix_socket, Some("/run/redis.sock".into()));
        assert_eq!(uri.user.as_deref(), Some(&b"anna"[..]));
        assert_eq!(uri.database, Some(3));
        for uri in ["unix://", "unix://?db=1", "unix:///%ff"] {
            assert_eq!(Uri::parse(uri), Err(UriError::Path), "{uri}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_and_never_guessed() {
        for port in ["65536", "99999", "-1", "+1", "abc", "1abc", " 1", "1:2"] {
            let uri = format!("redis://h:{port}/0");
            assert_eq!(Uri::parse(&uri), Err(UriError::Port), "{uri}");
        }
        for uri in [
            "redis://h/abc",
            "redis://h/1/2",
            "redis://h/1#x",
            "redis://h?db=x",
        ] {
            assert_eq!(Uri::parse(uri), Err(UriError::Database), "{uri}");
        }
        for uri in ["redis://[::1", "redis://[]:1", "redis://[::1]6379"] {
            assert_eq!(Uri::parse(uri), Err(UriError::Host), "{uri}");
        }
        assert_eq!(Uri::parse("redis://::1:7000"), Err(UriError::Port));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(Uri::parse("localhost"), Err(UriError::Scheme));
        assert_eq!(Uri::parse("rediss:h"), Err(UriError::Scheme));
        assert_eq!(
            Uri::parse("redis://a%4@h"),
            Err(UriError::IncompleteEncoding)
        );
        assert_eq!(Uri::parse("redis://a%zz@h"), Err(UriError::IllegalEncoding));
    }
}
