//! Cutting a file between its records without understanding them, so that several threads can read the parts.

/// Follows strings and brackets, from the beginning of a file on.
#[derive(Default)]
pub(super) struct Cutter {
    /// How many brackets are open.
    depth: usize,
    string: InString,
    /// Whether something stands behind the last comma between records.
    has_content: bool,
    /// Whether the last bracket was closed.
    has_ended: bool,
    is_wrong: bool,
}

#[derive(Default, Clone, Copy)]
enum InString {
    #[default]
    No,
    Yes,
    /// Behind a backslash.
    Escaped,
}

impl Cutter {
    /// Whether it has met what no right file has, in its place: there is no use in reading on.
    pub(super) fn is_wrong(&self) -> bool {
        self.is_wrong
    }

    /// Goes on over more bytes; where in them the last comma between two records is.
    pub(super) fn last_comma(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut comma = None;
        for (index, &byte) in bytes.iter().enumerate() {
            match (self.string, byte) {
                (InString::Yes, b'"') => self.string = InString::No,
                (InString::Yes, b'\\') => self.string = InString::Escaped,
                (InString::Yes | InString::Escaped, 0..b' ') => self.is_wrong = true,
                (InString::Yes, _) => {}
                (InString::Escaped, _) => self.string = InString::Yes,
                (InString::No, b' ' | b'\t' | b'\r' | b'\n') => {}
                (InString::No, _) if self.is_wrong_outside(byte) => self.is_wrong = true,
                (InString::No, b',') if self.depth == 1 => {
                    // One comma behind another is a mistake, and not the end of a record.
                    match std::mem::take(&mut self.has_content) {
                        true => comma = Some(index),
                        false => self.is_wrong = true,
                    }
                }
                (InString::No, _) => self.outside_of_strings(byte),
            }
            if self.is_wrong {
                break;
            }
        }
        comma
    }

    /// Whether the byte stands before or behind the array of the records and has no business there.
    fn is_wrong_outside(&self, byte: u8) -> bool {
        self.depth == 0 && (self.has_ended || !matches!(byte, b'[' | b'{'))
    }

    fn outside_of_strings(&mut self, byte: u8) {
        // The array's own bracket is not of a record.
        self.has_content = self.depth > 0;
        match byte {
            b'"' => self.string = InString::Yes,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => {
                self.depth -= 1;
                self.has_ended = self.depth == 0;
            }
            _ => {}
        }
    }
}
