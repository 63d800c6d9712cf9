//! The packed list: a small list in one string of bytes.
//!
//! No bytes are an empty list. Otherwise the first byte is the [`Shape`], the next two are the count, in
//! little-endian order, and the rest is the run. Only this program's own bytes are read: what comes from a
//! file is decoded and written anew.

use super::block::Block;
use super::run::{Run, Shape};

const HEADER_LEN: usize = 3;

/// The elements of a packed list.
#[inline]
pub(super) fn run(bytes: &[u8]) -> Run<'_> {
    let [shape, low, high, bytes @ ..] = bytes else {
        return Run::EMPTY;
    };
    let shape = Shape::from_byte(*shape);
    let count = u16::from_le_bytes([*low, *high]);
    let width = match shape {
        // A packed list is short, and a division of 32 bits is the cheaper one.
        Shape::Strings => bytes.len() as u32 / u32::from(count.max(1)),
        _ => shape.integer_width().unwrap_or(0) as u32,
    };
    Run {
        shape,
        count: usize::from(count),
        width: width as usize,
        bytes,
    }
}

/// The bytes of a packed list of these elements, of which there are at most [`u16::MAX`].
pub(super) fn from_run(run: Run<'_>) -> Vec<u8> {
    if run.count == 0 {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(HEADER_LEN + run.bytes.len());
    bytes.push(run.shape as u8);
    bytes.extend_from_slice(&(run.count as u16).to_le_bytes());
    bytes.extend_from_slice(run.bytes);
    bytes
}

/// A packed list that is being changed.
pub(super) struct PackedBlock<'a>(pub(super) &'a mut Vec<u8>);

impl Block for PackedBlock<'_> {
    fn run(&self) -> Run<'_> {
        run(self.0)
    }

    fn splice(&mut self, at: usize, removed: usize, added: usize) -> &mut [u8] {
        let bytes = &mut *self.0;
        if bytes.is_empty() {
            bytes.resize(HEADER_LEN, 0);
        }
        let at = HEADER_LEN + at;
        let (tail, len) = (at + removed, bytes.len());
        if added > removed {
            bytes.resize(len + added - removed, 0);
        }
        bytes.copy_within(tail..len, at + added);
        bytes.truncate(len + added - removed);
        &mut bytes[at..at + added]
    }

    fn set_form(&mut self, shape: Shape, count: usize, _width: usize) {
        if count == 0 {
            self.0.clear();
        } else {
            self.0[0] = shape as u8;
            self.0[1..HEADER_LEN].copy_from_slice(&(count as u16).to_le_bytes());
        }
    }
}
