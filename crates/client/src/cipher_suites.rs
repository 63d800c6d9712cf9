//! Which cipher suites are offered: `--tls-ciphers` and `--tls-ciphersuites`, with the names that
//! OpenSSL has for them (`openssl ciphers -v`).

use rustls::SupportedCipherSuite;

/// Words of OpenSSL's cipher strings for all that is any good, as all that rustls has is.
const ALL: [&str; 4] = ["ALL", "COMPLEMENTOFDEFAULT", "DEFAULT", "HIGH"];

/// The lists name nothing that can be spoken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherSuitesError {
    /// `--tls-ciphers` names none.
    #[error("Error while configuring ciphers")]
    Ciphers,
    /// `--tls-ciphersuites` names one that there is not.
    #[error("Error while setting cypher suites")]
    CipherSuites,
}

/// Leaves those of `known` that the two lists name, in their order: one for TLS 1.2, one for
/// TLS 1.3, each of names parted by colons; where a list is absent, all of that version.
///
/// As OpenSSL does, names for TLS 1.2 that nobody knows are passed over as long as one is left,
/// while a name for TLS 1.3 that nobody knows is an error.
///
/// # Errors
/// When a list is wrong.
pub fn choose(
    known: &[SupportedCipherSuite],
    ciphers: Option<&str>,
    cipher_suites: Option<&str>,
) -> Result<Vec<SupportedCipherSuite>, CipherSuitesError> {
    let (new, old): (Vec<_>, Vec<_>) = known.iter().partition(|suite| suite.tls13().is_some());
    let mut chosen = match cipher_suites {
        None => new,
        Some(names) => names
            .split(':')
            .map(|name| find(&new, name).ok_or(CipherSuitesError::CipherSuites))
            .collect::<Result<_, _>>()?,
    };
    match ciphers {
        None => chosen.extend(old),
        Some(names) => {
            let before = chosen.len();
            for name in names.split([':', ',', ' ']) {
                let all = ALL.contains(&name);
                chosen.extend(old.iter().filter(|_| all));
                chosen.extend(find(&old, name));
            }
            if chosen.len() == before {
                return Err(CipherSuitesError::Ciphers);
            }
        }
    }
    Ok(chosen)
}

fn find(suites: &[SupportedCipherSuite], name: &str) -> Option<SupportedCipherSuite> {
    let is_called = |suite: &&SupportedCipherSuite| openssl_name(suite) == name;
    suites.iter().find(is_called).copied()
}

/// What OpenSSL calls a suite. Its names for TLS 1.3 are the standard's; the older ones leave out
/// words and write the others together.
fn openssl_name(suite: &SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    match name.strip_prefix("TLS13_") {
        Some(rest) => format!("TLS_{rest}"),
        None => name
            .trim_start_matches("TLS_")
            .replace("_WITH_", "-")
            .replace("AES_", "AES")
            .replace("POLY1305_SHA256", "POLY1305")
            .replace('_', "-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        ciphers: Option<&str>,
        cipher_suites: Option<&str>,
    ) -> Result<Vec<String>, CipherSuitesError> {
        let known = rustls::crypto::ring::ALL_CIPHER_SUITES;
        let chosen = choose(known, ciphers, cipher_suites)?;
        Ok(chosen.iter().map(openssl_name).collect())
    }

    #[test]
    fn all_suites_have_the_names_of_openssl() {
        assert_eq!(
            chosen(None, None).unwrap(),
            [
                "TLS_AES_256_GCM_SHA384",
                "TLS_AES_128_GCM_SHA256",
                "TLS_CHACHA20_POLY1305_SHA256",
                "ECDHE-ECDSA-AES256-GCM-SHA384",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
                "ECDHE-ECDSA-CHACHA20-POLY1305",
                "ECDHE-RSA-AES256-GCM-SHA384",
                "ECDHE-RSA-AES128-GCM-SHA256",
                "ECDHE-RSA-CHACHA20-POLY1305",
            ]
        );
    }

    #[test]
    fn each_list_chooses_for_its_version() {
        let only = chosen(
            Some("NO-SUCH:ECDHE-RSA-AES128-GCM-SHA256:!MD5"),
            Some("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"),
        );
        assert_eq!(
            only.unwrap(),
            [
                "TLS_CHACHA20_POLY1305_SHA256",
                "TLS_AES_128_GCM_SHA256",
                "ECDHE-RSA-AES128-GCM-SHA256",
            ]
        );
        assert_eq!(chosen(Some("HIGH:!aNULL"), None), chosen(None, None));
    }

    #[test]
    fn lists_that_leave_nothing_are_errors() {
        assert_eq!(
            chosen(Some("NO-SUCH"), None),
            Err(CipherSuitesError::Ciphers)
        );
        assert_eq!(
            chosen(None, Some("TLS_AES_128_GCM_SHA256:NO-SUCH")),
            Err(CipherSuitesError::CipherSuites)
        );
    }
}
