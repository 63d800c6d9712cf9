//! The manifest of an append-only file: one line a part, as
//! `file appendonly.aof.1.base.rdb seq 1 type b`. The format is that of Redis 7.0 (`aof.c`).

/// The longest line that Redis takes, its end included.
const LINE_MAX_BYTES: usize = 1024;

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The data of one moment.
    Base,
    /// Commands that follow.
    Incremental,
    /// Not needed any more, and about to be removed.
    History,
}

impl Kind {
    fn letter(self) -> char {
        match self {
            Kind::Base => 'b',
            Kind::Incremental => 'i',
            Kind::History => 'h',
        }
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in the directory.
    pub name: String,
    /// Its number among those of its kind.
    pub sequence: u64,
    /// What it is for.
    pub kind: Kind,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It has no line.
    #[error("Found an empty AOF manifest")]
    Empty,
    /// A line is longer than any can be, or not ended.
    #[error("The AOF manifest file contains too long line")]
    LineTooLong,
    /// A line is not of the form of one, or contradicts those before it.
    #[error("Invalid AOF manifest file format")]
    Format,
    /// A file is of a kind that is not known.
    #[error("Unknown AOF file type")]
    Kind,
    /// There are two bases.
    #[error("Found duplicate base file information")]
    TwoBases,
    /// Numbers of incremental files do not grow.
    #[error("Found a non-monotonic sequence number")]
    NotMonotonic,
}

/// Which parts there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The base, if there is one.
    pub base: Option<Part>,
    /// The incremental files in their order.
    pub incremental: Vec<Part>,
    /// What is to be removed.
    pub history: Vec<Part>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// With the number of the line, from 1, that is wrong.
    pub fn parse(text: &str) -> Result<Self, (usize, ManifestError)> {
        if text.is_empty() {
            return Err((1, ManifestError::Empty));
        }
        let mut manifest = Manifest::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            manifest
                .read_line(line)
                .map_err(|error| (index + 1, error))?;
        }
        Ok(manifest)
    }

    fn read_line(&mut self, line: &str) -> Result<(), ManifestError> {
        if line.starts_with('#') {
            return Ok(());
        }
        if line.len() >= LINE_MAX_BYTES || !line.ends_with('\n') {
            return Err(ManifestError::LineTooLong);
        }
        let part = parse_part(line.trim_end())?;
        match part.kind {
            Kind::Base if self.base.is_some() => return Err(ManifestError::TwoBases),
            Kind::Base => self.base = Some(part),
            Kind::History => self.history.push(part),
            Kind::Incremental => {
                let last = self.incremental.last();
                if last.is_some_and(|last| part.sequence <= last.sequence) {
                    return Err(ManifestError::NotMonotonic);
                }
                self.incremental.push(part);
            }
        }
        Ok(())
    }

    /// The text of the manifest.
    pub fn to_text(&self) -> String {
        let parts = self
            .base
            .iter()
            .chain(&self.history)
            .chain(&self.incremental);
        parts
            .map(|part| {
                let (name, sequence) = (quoted(&part.name), part.sequence);
                format!("file {name} seq {sequence} type {}\n", part.kind.letter())
            })
            .collect()
    }

    /// The files that make up the data, in their order.
    pub fn live(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.incremental)
    }
}

/// Pairs of a name and a value, in any order; unknown ones are passed over, as Redis does.
fn parse_part(line: &str) -> Result<Part, ManifestError> {
    let form = || ManifestError::Format;
    let words = oxidis_resp::inline::split(line.as_bytes()).map_err(|_| form())?;
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(form());
    }
    let (mut name, mut sequence, mut kind) = (None, None, None);
    for pair in words.chunks_exact(2) {
        let value = std::str::from_utf8(&pair[1]).map_err(|_| form())?;
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" if value.contains(['/', '\\']) || value.is_empty() => return Err(form()),
            b"file" => name = Some(value.to_owned()),
            b"seq" => sequence = value.parse().ok(),
            b"type" => {
                kind = match value {
                    "b" => Some(Kind::Base),
                    "i" => Some(Kind::Incremental),
                    "h" => Some(Kind::History),
                    _ => return Err(ManifestError::Kind),
                }
            }
            _ => {}
        }
    }
    Ok(Part {
        name: name.ok_or_else(form)?,
        sequence: sequence.filter(|&sequence| sequence > 0).ok_or_else(form)?,
        kind: kind.ok_or_else(form)?,
    })
}

/// A name as it stands in a manifest: in quotes if blanks or quotes are in it.
fn quoted(name: &str) -> String {
    let needs_quotes = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '"' | '\'')
    };
    if !name.is_empty() && !name.contains(needs_quotes) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in name.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_is_written() {
        let text = "file a.aof.3.base.rdb seq 3 type b\n\
                    file \"a b.aof.2.incr.aof\" seq 2 type h\n\
                    file a.aof.7.incr.aof seq 7 type i\n\
                    file a.aof.8.incr.aof seq 8 type i\n";
        let manifest = Manifest::parse(text).expect("it is right");
        assert_eq!(manifest.history[0].name, "a b.aof.2.incr.aof");
        assert_eq!(manifest.live().count(), 3);
        assert_eq!(manifest.to_text(), text);
        let other_order = "# a remark\nTYPE b later unknown Seq 3 FILE a.aof.3.base.rdb\n";
        let manifest = Manifest::parse(other_order).expect("it is right");
        assert_eq!(manifest.base.expect("it has one").sequence, 3);
    }

    #[test]
    fn errors_name_the_line() {
        let base = "file a.1.base.rdb seq 1 type b\n";
        let long = format!("file {} seq 1 type b\n", "a".repeat(1024));
        for (text, line, error) in [
            (String::new(), 1, ManifestError::Empty),
            ("\n".to_owned(), 1, ManifestError::Format),
            (format!("{base}{base}"), 2, ManifestError::TwoBases),
            (
                format!("{base}file a seq x type i\n"),
                2,
                ManifestError::Format,
            ),
            (
                format!("{base}file a seq 0 type i\n"),
                2,
                ManifestError::Format,
            ),
            (
                format!("{base}file ../a seq 1 type i\n"),
                2,
                ManifestError::Format,
            ),
            (format!("{base}file a seq 1\n"), 2, ManifestError::Format),
            (
                "file a seq 1 type b".to_owned(),
                1,
                ManifestError::LineTooLong,
            ),
            (long, 1, ManifestError::LineTooLong),
            (
                "file a seq 2 type i\nfile b seq 2 type i\n".to_owned(),
                2,
                ManifestError::NotMonotonic,
            ),
        ] {
            assert_eq!(Manifest::parse(&text), Err((line, error)), "{text}");
        }
    }
}
