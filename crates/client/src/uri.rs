//! `redis://` addresses, and `rediss://` ones for TLS, as `-u` takes them:
//! `redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE]`, with user and password
//! percent-encoded. Query parameters are not part of it.

use percent_encoding::percent_decode_str;

use crate::flags::leading_integer;
use crate::target::Target;

/// What an address says; what it does not say is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Uri {
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<i64>,
    is_tls: bool,
}

/// Why an address is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It begins with something else than `redis://` or `rediss://`.
    #[error("Invalid URI scheme")]
    Scheme,
    /// A `%` lacks its two digits.
    #[error("Incomplete URI encoding")]
    IncompleteEncoding,
    /// A `%` is followed by something else than two hexadecimal digits.
    #[error("Illegal character in URI encoding")]
    IllegalEncoding,
}

impl Uri {
    /// Reads an address.
    pub fn parse(uri: &str) -> Result<Uri, UriError> {
        let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
        let is_tls = scheme.eq_ignore_ascii_case("rediss");
        if !is_tls && !scheme.eq_ignore_ascii_case("redis") {
            return Err(UriError::Scheme);
        }
        let mut parsed = Uri {
            is_tls,
            ..Uri::default()
        };
        let rest = match rest.split_once('@') {
            None => rest,
            Some((identity, rest)) => {
                let password = match identity.split_once(':') {
                    None => identity,
                    Some((user, password)) => {
                        parsed.user = Some(decode(user)?);
                        password
                    }
                };
                parsed.password = Some(decode(password)?);
                rest
            }
        };
        let (address, path) = match rest.split_once('/') {
            None => (rest, ""),
            Some(parts) => parts,
        };
        if !address.is_empty() {
            let (host, port) = split_port(address);
            parsed.host = Some(host.into());
            parsed.port = port.map(|port| leading_integer(port) as u16);
        }
        if !path.is_empty() {
            parsed.database = Some(leading_integer(path));
        }
        Ok(parsed)
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
        if let Some(database) = self.database {
            target.database = database;
        }
        if self.is_tls {
            target.tls.get_or_insert_default();
        }
    }
}

/// Parts a host from its port. An IPv6 address stands in brackets, so that its
/// colons are not taken for the port's.
fn split_port(address: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return (host, after.strip_prefix(':'));
    }
    match address.split_once(':') {
        None => (address, None),
        Some((host, port)) => (host, Some(port)),
    }
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
