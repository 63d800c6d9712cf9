//! A user: passwords, and selectors that say what it may do.

use sha2::{Digest as _, Sha256};

use super::permission::Denied;
use super::rules::{RuleError, has_spaces, merge_selectors};
use super::selector::{Reader, Selector};
use crate::command::{Args, KeyFlags, Registered};
use crate::config::AclPubsubDefault;

/// The user of a session that has not said who it is.
pub const DEFAULT_USER: &[u8] = b"default";

/// The SHA-256 of a password: all that is kept of one.
type PasswordHash = [u8; 32];

fn hash_of(password: &[u8]) -> PasswordHash {
    Sha256::digest(password).into()
}

/// A hash as rules write it: 64 lower-case hexadecimal digits.
fn parse_hash(text: &[u8]) -> Result<PasswordHash, RuleError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return Err(RuleError::BadHash);
    }
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        let high = digit(pair[0]).ok_or(RuleError::BadHash)?;
        let low = digit(pair[1]).ok_or(RuleError::BadHash)?;
        *byte = high << 4 | low;
    }
    Ok(hash)
}

fn hash_text(hash: &PasswordHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A user. Snapshots are shared; a change makes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: Vec<u8>,
    is_on: bool,
    /// Whether any password will do.
    has_nopass: bool,
    /// Whether payloads of RESTORE from this user are checked; we always check them.
    sanitizes_payload: bool,
    passwords: Vec<PasswordHash>,
    /// What stands outside of parentheses.
    root: Selector,
    others: Vec<Selector>,
    /// Which channels a new selector allows.
    new_channels: AclPubsubDefault,
}

impl User {
    /// A user that is off, has no password and may do nothing.
    pub fn new(name: &[u8], channels: AclPubsubDefault) -> Self {
        User {
            name: name.to_vec(),
            is_on: false,
            has_nopass: false,
            sanitizes_payload: true,
            passwords: Vec::new(),
            root: Selector::new(channels),
            others: Vec::new(),
            new_channels: channels,
        }
    }

    /// The default user of a server without a configuration: it may do everything, with no password.
    pub fn all_powerful(name: &[u8]) -> Self {
        let mut user = User::new(name, AclPubsubDefault::AllChannels);
        user.root.set_commands(true);
        user.root.set_keys(true);
        user.is_on = true;
        user.has_nopass = true;
        user
    }

    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether nobody can log in as this user.
    pub fn is_off(&self) -> bool {
        !self.is_on
    }

    /// Whether any password will do.
    pub fn has_nopass(&self) -> bool {
        self.has_nopass
    }

    /// Whether it may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.root.is_unrestricted() || self.others.iter().any(Selector::is_unrestricted)
    }

    /// Says which channels selectors allow that later rules make.
    pub(super) fn set_new_channels(&mut self, channels: AclPubsubDefault) {
        self.new_channels = channels;
    }

    /// Applies a rule, which stands alone: the rules of a selector in one.
    ///
    /// # Errors
    /// What is wrong with it; the user is as before then.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match &rule.to_ascii_lowercase()[..] {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"skip-sanitize-payload" => self.sanitizes_payload = false,
            b"sanitize-payload" => self.sanitizes_payload = true,
            b"nopass" => {
                self.has_nopass = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.has_nopass = false;
                self.passwords.clear();
            }
            b"clearselectors" => self.others.clear(),
            b"reset" => {
                let name = std::mem::take(&mut self.name);
                *self = User::new(&name, self.new_channels);
            }
            [b'>', ..] => self.add_password(hash_of(&rule[1..])),
            [b'#', ..] => self.add_password(parse_hash(&rule[1..])?),
            [b'<', ..] => self.remove_password(hash_of(&rule[1..]))?,
            [b'!', ..] => self.remove_password(parse_hash(&rule[1..])?)?,
            [b'(', .., b')'] => self.others.push(Selector::parse(rule, self.new_channels)?),
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    /// Applies rules, those of a selector in one argument or in several: all of them, or none.
    ///
    /// # Errors
    /// The text that SETUSER answers, without its code word.
    pub fn apply_all(&mut self, rules: &[Vec<u8>]) -> Result<(), Vec<u8>> {
        let merged = merge_selectors(rules).map_err(|index| {
            let before = &b"Unmatched parenthesis in acl selector starting at '"[..];
            [before, &rules[index], b"'."].concat()
        })?;
        let mut changed = self.clone();
        for rule in &merged {
            changed.apply(rule).map_err(|error| {
                let after = format!("': {error}");
                [
                    b"Error in ACL SETUSER modifier '",
                    &rule[..],
                    after.as_bytes(),
                ]
                .concat()
            })?;
        }
        *self = changed;
        Ok(())
    }

    /// A user as a line of the configuration defines it.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub(super) fn from_definition(
        name: &[u8],
        rules: &[Vec<u8>],
        channels: AclPubsubDefault,
    ) -> Result<Self, String> {
        if has_spaces(name) {
            return Err("Spaces not allowed in ACL usernames".to_owned());
        }
        let mut user = User::new(name, channels);
        let merged = merge_selectors(rules).map_err(|_| RuleError::Syntax.to_string())?;
        for rule in &merged {
            user.apply(rule).map_err(|error| {
                let rule = String::from_utf8_lossy(rule);
                let name = String::from_utf8_lossy(name);
                format!("Error loading ACL rule '{rule}' for the user named '{name}': {error}")
            })?;
        }
        Ok(user)
    }

    fn add_password(&mut self, hash: PasswordHash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.has_nopass = false;
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let place = self.passwords.iter().position(|other| *other == hash);
        self.passwords
            .remove(place.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// Makes this the only password; with none any will do.
    pub(super) fn set_only_password(&mut self, password: Option<&[u8]>) {
        self.passwords = password.into_iter().map(hash_of).collect();
        self.has_nopass = password.is_none();
    }

    /// Whether somebody may log in with a password.
    ///
    /// The comparison of the digests may end at the first byte that differs, and its time tells how many were
    /// equal. That is no step towards the password: nobody can choose the bytes of a SHA-256 digest one by one,
    /// so a guess whose digest shares a longer beginning is no nearer to the right one than any other.
    pub fn accepts(&self, password: &[u8]) -> bool {
        self.is_on && (self.has_nopass || self.passwords.contains(&hash_of(password)))
    }

    /// The words about the user itself, as ACL GETUSER answers them.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let flags = [
            (true, if self.is_on { "on" } else { "off" }),
            (self.has_nopass, "nopass"),
            (!self.sanitizes_payload, "skip-sanitize-payload"),
            (self.sanitizes_payload, "sanitize-payload"),
        ];
        flags.into_iter().filter(|flag| flag.0).map(|flag| flag.1)
    }

    /// The hashes of the passwords, in hexadecimal.
    pub fn password_hashes(&self) -> Vec<String> {
        self.passwords.iter().map(hash_text).collect()
    }

    /// The rules of this user as ACL LIST answers them.
    pub fn describe(&self) -> Vec<u8> {
        self.print(Reader::Client)
    }

    /// The rules that make this user out of a new one, as one text.
    pub fn definition(&self) -> Vec<u8> {
        self.print(Reader::Server)
    }

    fn print(&self, reader: Reader) -> Vec<u8> {
        let mut text = Vec::new();
        for flag in self.flags() {
            text.extend_from_slice(flag.as_bytes());
            text.push(b' ');
        }
        for hash in self.password_hashes() {
            text.push(b'#');
            text.extend_from_slice(hash.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(&self.root.describe(reader));
        for selector in &self.others {
            text.push(b' ');
            text.extend_from_slice(&selector.describe_in_parentheses(reader));
        }
        text
    }

    /// Commands, keys and channels of the user itself, and then of each selector in parentheses.
    pub fn selectors(&self) -> impl Iterator<Item = [Vec<u8>; 3]> {
        self.all_selectors().map(|selector| {
            [
                selector.describe_commands(),
                selector.describe_keys(Reader::Client),
                selector.describe_channels(),
            ]
        })
    }

    pub(super) fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Whether a request is allowed; if not, what is wrong, and with which argument. Of what the selectors
    /// find, that counts which comes closest to being allowed.
    ///
    /// # Errors
    /// The reason and the index of the argument at fault.
    pub fn check(&self, registered: &Registered, args: Args<'_>) -> Result<(), (Denied, usize)> {
        let mut worst = (Denied::Command, 0);
        for selector in self.all_selectors() {
            match selector.check(registered, args) {
                Ok(()) => return Ok(()),
                Err(found) => worst = worst.max(found),
            }
        }
        Err(worst)
    }

    /// Whether this may be done with a key, whatever the command.
    pub fn allows_key(&self, key: &[u8], flags: KeyFlags) -> bool {
        self.all_selectors()
            .any(|selector| selector.allows_key(key, flags))
    }

    /// Whether a selector allows a request and lets every key be read.
    pub(crate) fn reads_all_keys(&self, registered: &Registered, args: Args<'_>) -> bool {
        self.all_selectors()
            .any(|selector| selector.check(registered, args).is_ok() && selector.reads_all_keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_makes_a_user_unrestricted_again() {
        let mut user = User::all_powerful(b"u");
        for (rule, expected) in [
            ("-get", false),
            ("+get", true),
            ("-@read", false),
            ("+@all", true),
        ] {
            user.apply(rule.as_bytes()).unwrap();
            assert_eq!(user.is_unrestricted(), expected, "after {rule}");
        }
    }
}
