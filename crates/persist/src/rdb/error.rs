//! What can be wrong with RDB data.

/// Why RDB data could not be read. Offsets are in bytes from the start of the file or payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// It does not begin as an RDB file.
    #[error("Wrong signature trying to load DB from file: it is not an RDB file")]
    Magic,
    /// Its version is newer than what is known.
    #[error("Can't handle RDB format version {0}")]
    Version(u32),
    /// A DUMP payload has no footer, is of a version that is not known, or its checksum is wrong.
    #[error("DUMP payload version or checksum are wrong")]
    Footer,
    /// It ends too early.
    #[error("unexpected end at byte {offset}")]
    Truncated {
        /// Where more was expected.
        offset: u64,
    },
    /// There is something that is not known.
    #[error("unknown type or opcode {code} at byte {offset}")]
    Unknown {
        /// What stands there.
        code: u8,
        /// Where.
        offset: u64,
    },
    /// A value cannot be what it says.
    #[error("{what} before byte {offset}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Where the part that is wrong ends.
        offset: u64,
    },
    /// A collection has no elements, which no server keeps.
    #[error("empty collection before byte {offset}")]
    Empty {
        /// Where it ends.
        offset: u64,
    },
    /// There is a value that only a module can read.
    #[error("data of the module type '{name}', which there is no module for, at byte {offset}")]
    Module {
        /// The module's name of the type.
        name: String,
        /// Where it begins.
        offset: u64,
    },
    /// Whoever loads it did not want it.
    #[error("{reason}, before byte {offset}")]
    Refused {
        /// Why.
        reason: String,
        /// Where what has been given to it so far ends.
        offset: u64,
    },
    /// The source could not be read.
    #[error("{reason}, at byte {offset}")]
    Source {
        /// The operating system's word for why.
        reason: String,
        /// Where.
        offset: u64,
    },
    /// The checksum at the end is not that of what stands before.
    #[error("RDB CRC error: the checksum is {expected:x}, but {found:x} stands at the end")]
    Checksum {
        /// What the bytes add up to.
        expected: u64,
        /// What stands at the end.
        found: u64,
    },
}
