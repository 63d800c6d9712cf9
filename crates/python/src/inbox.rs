//! What came over a socket, until it is a whole reply.

use std::io;

/// Bytes in their order, and how far they have been looked at.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    read: usize,
    frontier: Frontier,
}

impl Inbox {
    /// What came and was not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    /// Drops what is dealt with.
    pub fn consume(&mut self, bytes: usize) {
        self.read += bytes;
        self.frontier = Frontier::default();
    }

    /// Whether a whole reply is there, or what is none.
    pub fn has_reply(&mut self) -> bool {
        self.frontier.is_crossed(&self.bytes[self.read..])
    }

    /// Has so many bytes of room filled, and keeps as many of them as that says it filled.
    pub fn extend(
        &mut self,
        room_bytes: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.drop_read();
        let length = self.bytes.len();
        self.bytes.resize(length + room_bytes, 0);
        let filled = fill(&mut self.bytes[length..]);
        self.bytes.truncate(length + *filled.as_ref().unwrap_or(&0));
        filled
    }

    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.drop_read();
        self.bytes.extend_from_slice(bytes);
    }

    fn drop_read(&mut self) {
        self.bytes.drain(..self.read);
        self.read = 0;
    }
}

/// How far a reply that comes in pieces has been looked at, so that a long one is looked at once.
#[derive(Default)]
struct Frontier {
    at: usize,
    /// How many values are still to come, in each aggregate that is open.
    missing: Vec<u64>,
    is_behind: bool,
}

impl Frontier {
    /// Whether the bytes hold a whole reply, or what is none.
    fn is_crossed(&mut self, bytes: &[u8]) -> bool {
        while !self.is_behind {
            let Some((end, elements)) = token(&bytes[self.at..]) else {
                return false;
            };
            self.at += end;
            if elements > 0 {
                self.missing.push(elements);
                continue;
            }
            loop {
                let Some(innermost) = self.missing.last_mut() else {
                    self.is_behind = true;
                    break;
                };
                *innermost -= 1;
                if *innermost > 0 {
                    break;
                }
                self.missing.pop();
            }
        }
        true
    }
}

/// Where the first thing of some bytes ends, and how many values it says will follow as parts of it. What is no
/// reply ends at once: the decoder will say so.
fn token(bytes: &[u8]) -> Option<(usize, u64)> {
    let line = bytes.iter().position(|&byte| byte == b'\r')?;
    let end = line + 2;
    if bytes.len() < end {
        return None;
    }
    let text = std::str::from_utf8(&bytes[1..line.max(1)]).unwrap_or("");
    let count: u64 = text.parse().unwrap_or(0);
    match bytes[0] {
        b'$' | b'!' | b'=' if !text.starts_with('-') => {
            let whole = usize::try_from(count).ok()?.checked_add(end + 2)?;
            (bytes.len() >= whole).then_some((whole, 0))
        }
        b'*' | b'~' | b'>' => Some((end, count)),
        b'%' => Some((end, count.saturating_mul(2))),
        b'|' => Some((end, count.saturating_mul(2).saturating_add(1))),
        _ => Some((end, 0)),
    }
}
