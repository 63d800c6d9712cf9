//! Counting replies: of a reply the load generator needs to know only where it ends and whether it
//! is an error, so nothing else of it is parsed. Both protocol versions are understood.

/// What ends a measurement.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A request was answered with this error.
    Error(String),
    /// A reply starts with a byte that starts none.
    Protocol(u8),
}

/// Counts replies in a stream of bytes, however it is cut.
#[derive(Debug)]
pub struct ReplyCounter {
    /// How many elements of the current reply have not ended.
    open: i64,
    /// Whether the current reply is one with elements.
    is_aggregate: bool,
    /// Whether the current reply is a push message, which answers nothing.
    is_push: bool,
    /// How many bytes of a string are still to come, with its CR LF.
    skip: usize,
    /// The kind of the line that is being read, or 0 between lines.
    kind: u8,
    /// The number in it.
    number: i64,
    is_negative: bool,
    error: Vec<u8>,
}

impl Default for ReplyCounter {
    fn default() -> Self {
        Self {
            open: 1,
            is_aggregate: false,
            is_push: false,
            skip: 0,
            kind: 0,
            number: 0,
            is_negative: false,
            error: Vec::new(),
        }
    }
}

impl ReplyCounter {
    /// Takes in the next bytes; returns how many replies ended in them.
    ///
    /// # Errors
    /// When a reply is an error (elements of a reply may be errors) or is no reply.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<u64, Fault> {
        let mut complete = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(complete);
            };
            bytes = rest;
            match (self.kind, byte) {
                (0, kind) => {
                    self.kind = kind;
                    self.number = 0;
                    self.is_negative = false;
                }
                (_, b'\n') => {
                    self.end_line()?;
                    if self.open == 0 {
                        complete += u64::from(!self.is_push);
                        self.open = 1;
                        self.is_aggregate = false;
                        self.is_push = false;
                    }
                }
                (b'+' | b':', _) => {}
                (b'-', other) => self.error.push(other),
                (_, b'0'..=b'9') => {
                    // Saturates on what is no length, such as the digits of a double.
                    let digit = i64::from(byte - b'0');
                    self.number = self.number.saturating_mul(10).saturating_add(digit);
                }
                (_, b'-') => self.is_negative = true,
                _ => {}
            }
        }
    }

    fn end_line(&mut self) -> Result<(), Fault> {
        let kind = std::mem::take(&mut self.kind);
        let len = if self.is_negative { 0 } else { self.number };
        match kind {
            b'-' if !self.is_aggregate => {
                let text = String::from_utf8_lossy(&self.error);
                let text = text.strip_suffix('\r').unwrap_or(&text);
                return Err(Fault::Error(text.to_owned()));
            }
            // What follows is the text of the error.
            b'!' if !self.is_aggregate => self.kind = b'-',
            b'$' | b'=' | b'!' => {
                // The string ends its element; its bytes are passed over before the next line.
                if !self.is_negative {
                    self.skip = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(2);
                }
                self.open -= 1;
            }
            b'*' | b'~' => self.open_aggregate(len),
            b'>' => {
                self.is_push = !self.is_aggregate;
                self.open_aggregate(len);
            }
            b'%' => self.open_aggregate(len.saturating_mul(2)),
            // Attributes stand before a reply and are none.
            b'|' => self.open = self.open.saturating_add(len.saturating_mul(2)),
            b'-' => {
                self.error.clear();
                self.open -= 1;
            }
            b'+' | b':' | b'_' | b',' | b'#' | b'(' => self.open -= 1,
            other => return Err(Fault::Protocol(other)),
        }
        Ok(())
    }

    fn open_aggregate(&mut self, elements: i64) {
        self.is_aggregate = true;
        self.open = self.open.saturating_add(elements) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(bytes: &[u8]) -> u64 {
        let whole = ReplyCounter::default().feed(bytes).unwrap();
        let mut counter = ReplyCounter::default();
        let single: u64 = bytes
            .iter()
            .map(|byte| counter.feed(&[*byte]).unwrap())
            .sum();
        assert_eq!(single, whole, "however the bytes are cut");
        whole
    }

    #[test]
    fn replies_of_both_protocols_are_counted() {
        let resp2 =
            b"+OK\r\n$3\r\na\r\n\r\n:-5\r\n$-1\r\n*2\r\n$1\r\nx\r\n*1\r\n:1\r\n*0\r\n*-1\r\n";
        assert_eq!(count(resp2), 7);
        let resp3 = b"%1\r\n+a\r\n~2\r\n:1\r\n,1.5e-10\r\n_\r\n#t\r\n(12345678901234567890123\r\n=7\r\ntxt:a\r\n\r\n*0\r\n";
        assert_eq!(count(resp3), 6);
        assert_eq!(count(b"+O"), 0);
    }

    #[test]
    fn push_messages_and_attributes_answer_nothing() {
        let bytes =
            b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n+OK\r\n|1\r\n+ttl\r\n:5\r\n:1\r\n";
        assert_eq!(count(bytes), 2);
    }

    #[test]
    fn errors_are_told_but_not_those_within_a_reply() {
        let fault = |bytes: &[u8]| ReplyCounter::default().feed(bytes).unwrap_err();
        assert_eq!(fault(b"-ERR no\r\n"), Fault::Error("ERR no".into()));
        assert_eq!(fault(b"!6\r\nERR no\r\n"), Fault::Error("ERR no".into()));
        assert_eq!(fault(b"+OK\r\n-ERR a\r\n"), Fault::Error("ERR a".into()));
        assert_eq!(fault(b"HTTP/1.1 400\r\n"), Fault::Protocol(b'H'));
        assert_eq!(count(b"*2\r\n:1\r\n-ERR no\r\n:1\r\n"), 2);
        assert_eq!(count(b"*1\r\n!6\r\nERR no\r\n:1\r\n"), 2);
    }
}
