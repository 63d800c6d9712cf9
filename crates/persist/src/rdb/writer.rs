//! Writing the parts that everything in RDB consists of: lengths and strings.

use std::cell::RefCell;

use oxidis_engine::text::parse_integer;

use super::codes::{ENCODED_INT8, ENCODED_INT16, ENCODED_INT32, ENCODED_LZF, LENGTH_32, LENGTH_64};
use oxidis_engine::lzf::Compressor;

/// Strings of more bytes are compressed, as in Redis.
const COMPRESSED_FROM: usize = 21;

thread_local! {
    /// The compressor's table lives on from string to string.
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new());
}

/// Appends RDB to bytes.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
    /// `rdbcompression`.
    pub(super) compresses: bool,
}

impl Writer<'_> {
    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn length(&mut self, length: u64) {
        match length {
            0..=0x3f => self.byte(length as u8),
            0x40..=0x3fff => self.bytes(&(0x4000 | length as u16).to_be_bytes()),
            _ => match u32::try_from(length) {
                Ok(length) => {
                    self.byte(LENGTH_32);
                    self.bytes(&length.to_be_bytes());
                }
                Err(_) => {
                    self.byte(LENGTH_64);
                    self.bytes(&length.to_be_bytes());
                }
            },
        }
    }

    /// Writes a string, as an integer if it spells one that is short, compressed if that helps.
    pub(super) fn text(&mut self, string: &[u8]) {
        // Eleven bytes are the longest integer of 32 bits.
        if string.len() <= 11
            && let Some(n) = parse_integer(string)
            && self.small_integer(n)
        {
            return;
        }
        if self.compresses && string.len() >= COMPRESSED_FROM && self.compressed(string) {
            return;
        }
        self.length(string.len() as u64);
        self.bytes(string);
    }

    /// Writes the decimal form of an integer as a string.
    pub(super) fn integer(&mut self, n: i64) {
        if !self.small_integer(n) {
            let text = oxidis_engine::text::IntegerText::new(n);
            self.length(text.len() as u64);
            self.bytes(&text);
        }
    }

    /// Writes an integer of at most 32 bits in its short form; answers whether it is one.
    fn small_integer(&mut self, n: i64) -> bool {
        if let Ok(n) = i8::try_from(n) {
            self.bytes(&[ENCODED_INT8, n as u8]);
        } else if let Ok(n) = i16::try_from(n) {
            self.byte(ENCODED_INT16);
            self.bytes(&n.to_le_bytes());
        } else if let Ok(n) = i32::try_from(n) {
            self.byte(ENCODED_INT32);
            self.bytes(&n.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    fn compressed(&mut self, string: &[u8]) -> bool {
        let len_max = string.len() - 4;
        let mut compressed = Vec::new();
        let is_shorter = COMPRESSOR
            .with_borrow_mut(|compressor| compressor.compress(string, len_max, &mut compressed));
        if is_shorter {
            self.byte(ENCODED_LZF);
            self.length(compressed.len() as u64);
            self.length(string.len() as u64);
            self.bytes(&compressed);
        }
        is_shorter
    }
}
