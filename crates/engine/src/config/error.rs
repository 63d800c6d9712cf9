//! What can go wrong with a configuration, in Redis's words.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

/// Why CONFIG SET changed nothing. The text is what the client reads after the code word.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No directive has this name.
    #[error("Unknown option or number of arguments for CONFIG SET - '{}'", String::from_utf8_lossy(.0))]
    Unknown(Vec<u8>),
    /// A directive does not accept its value, now or ever.
    #[error("CONFIG SET failed (possibly related to argument '{argument}') - {reason}")]
    Refused {
        /// The directive as it was named.
        argument: String,
        /// What is wrong.
        reason: Cow<'static, str>,
    },
    /// It cannot be changed while the data set is being loaded; the code word of this one is `LOADING`.
    #[error("Redis is loading the dataset in memory")]
    Loading,
}

impl ConfigError {
    pub(super) fn refused(argument: &[u8], reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused {
            argument: String::from_utf8_lossy(argument).into_owned(),
            reason: reason.into(),
        }
    }
}

/// Why a configuration text cannot be loaded. The text is the block that redis-server prints
/// before it gives up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigFileError {
    /// A line is wrong.
    Line {
        /// Its number, from 1, within its file.
        number: usize,
        /// The line without the blanks around it.
        line: String,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// No line is wrong, but all of them together are.
    Whole(Cow<'static, str>),
    /// An included file cannot be read.
    Include {
        /// The file.
        path: String,
        /// The operating system's word for it.
        reason: String,
    },
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = format_args!(
            "*** FATAL CONFIG FILE ERROR (Redis {}) ***",
            crate::version::REDIS_VERSION
        );
        match self {
            Self::Line {
                number,
                line,
                reason,
            } => {
                writeln!(formatter, "{head}")?;
                writeln!(
                    formatter,
                    "Reading the configuration file, at line {number}"
                )?;
                writeln!(formatter, ">>> '{line}'")?;
                write!(formatter, "{reason}")
            }
            Self::Whole(reason) => write!(formatter, "{head}\n{reason}"),
            Self::Include { path, reason } => {
                write!(
                    formatter,
                    "Fatal error, can't open config file '{path}': {reason}"
                )
            }
        }
    }
}
