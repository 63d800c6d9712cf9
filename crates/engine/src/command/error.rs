//! What can go wrong in a command, with the texts that clients match on.

use std::borrow::Cow;

/// What a handler answers: nothing, its reply being written already, or an error in its stead.
pub type CommandResult = Result<(), CommandError>;

/// An error reply. `Display` gives the text behind the `-`, code word included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The key holds another type than the command works on.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// The arguments do not fit the command's syntax.
    #[error("ERR syntax error")]
    Syntax,
    /// An argument or value is not an integer of 64 bits.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// An argument or value is not a floating point number.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// A number is out of the range that the command allows.
    #[error("ERR value is out of range")]
    OutOfRange,
    /// A number that must be positive is not.
    #[error("ERR value is out of range, must be positive")]
    MustBePositive,
    /// The data of a replica are not to be changed.
    #[error("READONLY You can't write against a read only replica.")]
    ReadOnlyReplica,
    /// The data of a replica may be outdated.
    #[error("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")]
    Stale,
    /// Fewer replicas follow than `min-replicas-to-write` asks for.
    #[error("NOREPLICAS Not enough good replicas to write.")]
    NoReplicas,
    /// The key that the command needs is not there.
    #[error("ERR no such key")]
    NoSuchKey,
    /// A position is outside of the collection.
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// A database number is not below `databases`.
    #[error("ERR DB index is out of range")]
    DatabaseOutOfRange,
    /// Wrong number of arguments for the command (or `command|subcommand`) named.
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(Cow<'static, str>),
    /// An expiry that is zero, negative or too far away, for the command named.
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    /// Arguments after a subcommand that fit none of its forms.
    #[error(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {1} HELP.",
        name = String::from_utf8_lossy(.0)
    )]
    UnknownSubcommand(Vec<u8>, &'static str),
    /// Out of memory, and nothing may be evicted.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// A text that quotes what a client sent, which need not be UTF-8; code word included.
    #[error("{}", String::from_utf8_lossy(.0))]
    Quoting(Vec<u8>),
    /// Any other text, code word included.
    #[error("{0}")]
    Text(Cow<'static, str>),
}

/// At most `max_len` bytes of something that a client sent, for an error text.
pub(crate) fn printable(bytes: &[u8], max_len: usize) -> &[u8] {
    // What it prints with `%s` ends at the first NUL.
    let end = bytes
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(bytes.len());
    &bytes[..end.min(max_len)]
}

impl CommandError {
    /// An error with a fixed text, code word included.
    pub const fn text(text: &'static str) -> Self {
        CommandError::Text(Cow::Borrowed(text))
    }

    /// An error whose text quotes something that a client sent.
    pub(crate) fn quoting(before: &str, quoted: &[u8], after: &str) -> Self {
        Self::of_parts(&[before.as_bytes(), quoted, after.as_bytes()])
    }

    /// An error whose text has these parts one after the other, some of which a client sent.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let parts = parts.iter().map(|part| printable(part, usize::MAX));
        CommandError::Quoting(parts.collect::<Vec<_>>().concat())
    }

    /// Arguments after a subcommand of the container named that fit none of its forms.
    pub(crate) fn unknown_subcommand(name: &[u8], container: &'static str) -> Self {
        CommandError::UnknownSubcommand(printable(name, 128).to_vec(), container)
    }

    /// The text as it is sent: what `Display` gives, but with quoted bytes as they came.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            CommandError::Quoting(text) => Cow::Borrowed(text),
            CommandError::UnknownSubcommand(name, container) => {
                let before: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";
                let after = format!("'. Try {container} HELP.");
                Cow::Owned([before, name, after.as_bytes()].concat())
            }
            other => Cow::Owned(other.to_string().into_bytes()),
        }
    }
}

impl From<String> for CommandError {
    fn from(text: String) -> Self {
        CommandError::Text(Cow::Owned(text))
    }
}
