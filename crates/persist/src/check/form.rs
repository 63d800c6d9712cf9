//! What a file is, by what it begins with.

/// What kind of file it is that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// There is nothing in it.
    Empty,
    /// RDB, and perhaps commands behind it, as versions before 7.0 wrote them.
    Rdb,
    /// JSON.
    Json,
    /// The list of the files of an append-only log.
    Manifest,
    /// Commands, or what they have become.
    Commands,
}

impl FileForm {
    /// How many bytes are enough to tell.
    pub const BYTES_NEEDED: usize = 4096;

    /// Tells by the first bytes of a file.
    pub fn of(start: &[u8]) -> Self {
        if start.is_empty() {
            return FileForm::Empty;
        }
        if [&b"REDIS"[..], b"VALKEY"]
            .iter()
            .any(|magic| start.starts_with(magic))
        {
            return FileForm::Rdb;
        }
        // Remarks stand in manifests as well as among commands.
        let is_remark = |line: &&[u8]| line.starts_with(b"#");
        let mut lines = start.split(|&byte| byte == b'\n');
        if lines
            .find(|line| !is_remark(line))
            .is_some_and(|line| line.starts_with(b"file"))
        {
            return FileForm::Manifest;
        }
        match start.trim_ascii_start().first() {
            Some(b'[' | b'{') => FileForm::Json,
            _ => FileForm::Commands,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_beginning() {
        for (start, form) in [
            (&b""[..], FileForm::Empty),
            (b"REDIS0010", FileForm::Rdb),
            (b"VALKEY080", FileForm::Rdb),
            (b"\n [\n", FileForm::Json),
            (b"file a seq 1 type b\n", FileForm::Manifest),
            (b"# by hand\nfile a seq 1 type b\n", FileForm::Manifest),
            (b"#TS:1\r\n*1\r\n", FileForm::Commands),
            (b"*1\r\n$4\r\nPING\r\n", FileForm::Commands),
            (b"!!!", FileForm::Commands),
        ] {
            assert_eq!(FileForm::of(start), form, "{start:?}");
        }
    }
}
