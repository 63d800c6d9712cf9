//! What a row of the configuration table is: name, kind, default, flags and a line of documentation.
//! The rows themselves are in `directives/`; what a kind does with a value is in `value`.

use bitflags::bitflags;

use super::directives::DIRECTIVES;

bitflags! {
    /// What may be done with a directive, and how its arguments are read.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Set by file or command line only: CONFIG SET refuses it.
        const IMMUTABLE = 1 << 0;
        /// A secret: CONFIG SET's argument is hidden from MONITOR and the slow log.
        const SENSITIVE = 1 << 1;
        /// CONFIG GET shows it only to who asks by its exact name.
        const HIDDEN = 1 << 2;
        /// CONFIG SET needs `enable-protected-configs`.
        const PROTECTED = 1 << 3;
        /// CONFIG SET refuses it while a data set is being loaded.
        const DENY_LOADING = 1 << 4;
        /// Takes several arguments; CONFIG SET splits its value at spaces.
        const MULTI_ARGUMENT = 1 << 5;
        /// Setting it to the value that it has still counts as a change (a file's content may differ).
        const VOLATILE = 1 << 6;
        /// The alias is another server's: as with `HIDDEN`, it is shown only to who asks by it.
        const HIDDEN_ALIAS = 1 << 7;
    }
}

/// How a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberForm {
    /// Decimal digits and nothing else.
    Integer,
    /// Bytes, with an optional unit: `b`, `k`, `kb`, `m`, `mb`, `g`, `gb` (`k` is 1000, `kb` is 1024).
    Memory,
    /// As `Memory`, or `N%`, which is kept as the negative number -N.
    MemoryOrPercent,
    /// Octal digits.
    Octal,
}

/// Checks a text beyond its form; the error is what the client reads.
pub type TextCheck = fn(&[u8]) -> Result<(), &'static str>;

/// Refuses combinations of words; the error is what the client reads.
pub type CodeCheck = fn(i64) -> Result<(), &'static str>;

/// The form of a directive's value, with its default.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `yes` or `no`.
    YesNo {
        /// The value when nothing sets it.
        default: bool,
        /// Why yes is refused where the allocator cannot move blocks, if that is what it takes.
        refusal: Option<&'static str>,
    },
    /// A number within bounds, both inclusive.
    Number {
        /// How it is written.
        form: NumberForm,
        /// The least that is accepted.
        minimum: i64,
        /// The most that is accepted.
        maximum: u64,
        /// The value when nothing sets it.
        default: i64,
        /// A narrower range into which an accepted value is silently moved.
        clamp: Option<(i64, i64)>,
    },
    /// One of several words, or with `MULTI_ARGUMENT` a set of them.
    Enumeration {
        /// The words with their codes, in the order in which errors list them. Of several words
        /// with one code the first is shown.
        words: &'static [(&'static str, i64)],
        /// The code when nothing sets it.
        default: i64,
        /// Refuses combinations of words.
        check: Option<CodeCheck>,
    },
    /// A string.
    Text {
        /// The value when nothing sets it; `None` is shown as the empty string and never written back.
        default: Option<&'static str>,
        /// Whether an empty string unsets the value (or is a value like others).
        empty_is_none: bool,
        /// What else must hold.
        check: Option<TextCheck>,
    },
    /// `dir`: a directory that must exist.
    Directory,
    /// `save`: pairs of seconds and changes.
    Save,
    /// `client-output-buffer-limit`: class, hard limit, soft limit, seconds.
    OutputBufferLimits,
    /// `oom-score-adj-values`: three numbers.
    OomScoreValues,
    /// `notify-keyspace-events`: letters.
    KeyspaceEvents,
    /// `bind`: addresses.
    Bind,
    /// `replicaof`: host and port.
    ReplicaOf,
    /// `latency-tracking-info-percentiles`: numbers from 0 to 100.
    Percentiles,
}

/// A row of the configuration table.
#[derive(Debug, Clone, Copy)]
pub struct Directive {
    /// The name, in lower case; names are compared without regard to case.
    pub name: &'static str,
    /// An older or another server's name for the same value.
    pub alias: Option<&'static str>,
    /// The form of its value.
    pub kind: Kind,
    /// What may be done with it.
    pub flags: Flags,
    /// What it is for, in one line.
    pub summary: &'static str,
}

impl Directive {
    /// What a row leaves out: no alias, and CONFIG SET may change it.
    pub(super) const DEFAULT: Self = Self {
        name: "",
        alias: None,
        kind: Kind::Directory,
        flags: Flags::empty(),
        summary: "",
    };

    /// Every directive, in the order of its rooms.
    pub fn all() -> &'static [Directive] {
        &DIRECTIVES
    }
}

/// A directive by its place in the table: what the hot paths hold instead of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectiveId(u16);

impl DirectiveId {
    /// The id of a directive's primary name. Meant for constants: a name that no row has is then
    /// a compile error.
    ///
    /// # Panics
    /// If no row has this name.
    pub const fn of(name: &str) -> Self {
        let mut index = 0;
        while index < DIRECTIVES.len() {
            if same(DIRECTIVES[index].name.as_bytes(), name.as_bytes()) {
                return Self(index as u16);
            }
            index += 1;
        }
        panic!("no directive has this name")
    }

    /// Looks a name or alias up, without regard to case. Also tells which of the two it was, as
    /// the table spells it.
    pub fn find(name: &[u8]) -> Option<(Self, &'static str)> {
        DIRECTIVES
            .iter()
            .enumerate()
            .find_map(|(index, directive)| {
                let spelled = [Some(directive.name), directive.alias]
                    .into_iter()
                    .flatten()
                    .find(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
                Some((Self(index as u16), spelled))
            })
    }

    /// The row.
    pub fn directive(self) -> &'static Directive {
        &DIRECTIVES[self.index()]
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..DIRECTIVES.len()).map(|index| Self(index as u16))
    }
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

// What rows are written with.

pub(super) const fn yes_no(default: bool) -> Kind {
    Kind::YesNo {
        default,
        refusal: None,
    }
}

pub(super) const fn integer(minimum: i64, maximum: u64, default: i64) -> Kind {
    number(NumberForm::Integer, minimum, maximum, default)
}

pub(super) const fn memory(minimum: i64, maximum: u64, default: i64) -> Kind {
    number(NumberForm::Memory, minimum, maximum, default)
}

pub(super) const fn number(form: NumberForm, minimum: i64, maximum: u64, default: i64) -> Kind {
    Kind::Number {
        form,
        minimum,
        maximum,
        default,
        clamp: None,
    }
}

pub(super) const fn one_of(words: &'static [(&'static str, i64)], default: i64) -> Kind {
    Kind::Enumeration {
        words,
        default,
        check: None,
    }
}

/// A string that may be empty.
pub(super) const fn text(default: &'static str) -> Kind {
    Kind::Text {
        default: Some(default),
        empty_is_none: false,
        check: None,
    }
}

/// A string whose emptiness means that there is none.
pub(super) const fn optional_text() -> Kind {
    Kind::Text {
        default: None,
        empty_is_none: true,
        check: None,
    }
}

/// The bounds of the C types in which Redis keeps its numbers, and which its errors therefore name.
pub(super) mod bounds {
    pub const INT_MIN: i64 = i32::MIN as i64;
    pub const INT_MAX: u64 = i32::MAX as u64;
    pub const UINT_MAX: u64 = u32::MAX as u64;
    pub const LONG_MAX: u64 = i64::MAX as u64;
    pub const ULONG_MAX: u64 = u64::MAX;
    pub const PORT_MAX: u64 = 65_535;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_lower_case_and_documented() {
        let mut seen = HashSet::new();
        for directive in Directive::all() {
            for name in [Some(directive.name), directive.alias]
                .into_iter()
                .flatten()
            {
                assert!(seen.insert(name), "{name} is there twice");
                assert_eq!(name, name.to_ascii_lowercase());
            }
            assert!(directive.summary.ends_with('.'), "{}", directive.name);
            assert!(!directive.summary.contains('\n'), "{}", directive.name);
        }
    }

    #[test]
    fn names_and_aliases_find_their_row_whatever_the_case() {
        let id = DirectiveId::of("replica-priority");
        assert_eq!(
            DirectiveId::find(b"Slave-PRIORITY"),
            Some((id, "slave-priority"))
        );
        assert_eq!(
            DirectiveId::find(b"replica-priority"),
            Some((id, "replica-priority"))
        );
        assert_eq!(DirectiveId::find(b"replica-priorit"), None);
    }
}
