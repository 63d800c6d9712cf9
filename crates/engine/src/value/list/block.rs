//! Writing a block: what a packed list and a node of a big one have in common.

use super::element::{Element, ListItem};
use super::listpack;
use super::run::{Run, Shape};
use crate::value::packed::IntegerText;
use smallvec::SmallVec;

/// A run that can be changed. Where its bytes lie is the implementor's matter.
pub(super) trait Block {
    /// The elements.
    fn run(&self) -> Run<'_>;

    /// Replaces `removed` bytes at `at` by `added` bytes, which are answered to be written.
    ///
    /// Bytes, count and shape need not agree until the caller has set the other two.
    fn splice(&mut self, at: usize, removed: usize, added: usize) -> &mut [u8];

    /// Says what the bytes are now. `width` is [`Run::width`].
    fn set_form(&mut self, shape: Shape, count: usize, width: usize);

    /// Puts `element`, which the run takes, before the one at `index`.
    fn insert(&mut self, index: usize, element: Element<'_>) {
        let run = self.run();
        let (shape, count) = if run.count == 0 {
            (Shape::of(element), 0)
        } else {
            (run.shape, run.count)
        };
        let (len, width) = match shape {
            Shape::Mixed => (element.listpack_len(), 0),
            Shape::Strings => (element.text.len(), element.text.len()),
            _ if run.count == 0 => shape.integer_width().map_or((0, 0), |width| (width, width)),
            _ => (run.width, run.width),
        };
        let at = run.offset(index);
        write(shape, self.splice(at, 0, len), element);
        self.set_form(shape, count + 1, width);
    }

    /// Puts `element`, which the run takes, in the place of the one at `index`.
    fn replace(&mut self, index: usize, element: Element<'_>) {
        let run = self.run();
        let (shape, count, width) = (run.shape, run.count, run.width);
        let len = run.len_of(element);
        let at = run.offset(index);
        let removed = match shape {
            Shape::Mixed => listpack::first_len(&run.bytes[at..]),
            _ => width,
        };
        write(shape, self.splice(at, removed, len), element);
        self.set_form(shape, count, width);
    }

    /// Removes `removed` elements from the one at `index` on.
    fn remove(&mut self, index: usize, removed: usize) {
        let run = self.run();
        let (shape, count, width) = (run.shape, run.count, run.width);
        let at = run.offset(index);
        let len = match shape {
            Shape::Mixed if index + removed == count => run.bytes.len() - at,
            Shape::Mixed if removed == 1 => listpack::first_len(&run.bytes[at..]),
            Shape::Mixed => run.offset(index + removed) - at,
            _ => removed * width,
        };
        self.splice(at, len, 0);
        self.set_form(shape, count - removed, width);
    }

    /// Stores the same elements in another shape, which can hold them.
    fn reshape(&mut self, shape: Shape) {
        let run = self.run();
        if run.shape == shape {
            return;
        }
        let (old_len, count) = (run.bytes.len(), run.count);
        let mut bytes = Vec::with_capacity(match shape.integer_width() {
            Some(width) => count * width,
            None => run.mixed_len(),
        });
        let mut text = IntegerText::new();
        for item in run.iter() {
            let element = match &item {
                ListItem::Integer(integer) => Element {
                    text: text.write(*integer),
                    integer: Some(*integer),
                },
                ListItem::Bytes(text) => Element::new(text),
            };
            let start = bytes.len();
            let len = shape
                .integer_width()
                .unwrap_or_else(|| element.listpack_len());
            bytes.resize(start + len, 0);
            write(shape, &mut bytes[start..], element);
        }
        self.splice(0, old_len, bytes.len()).copy_from_slice(&bytes);
        self.set_form(shape, count, shape.integer_width().unwrap_or(0));
    }

    /// Removes up to `most` elements that are `element`, from the last one on if `backward`, and
    /// answers how many there were.
    fn remove_equal(&mut self, element: Element<'_>, most: usize, backward: bool) -> usize {
        let run = self.run();
        let (shape, count, width) = (run.shape, run.count, run.width);
        let len = run.bytes.len();
        let found = ranges_of(run, element, most, backward);
        match found[..] {
            [] => {}
            [(at, removed)] => {
                self.splice(at, removed, 0);
            }
            // Many are not taken out one by one: what stays is copied once.
            _ => {
                let mut kept = Vec::with_capacity(len);
                let mut from = 0;
                for &(at, removed) in &found {
                    kept.extend_from_slice(&run.bytes[from..at]);
                    from = at + removed;
                }
                kept.extend_from_slice(&run.bytes[from..]);
                self.splice(0, len, kept.len()).copy_from_slice(&kept);
            }
        }
        self.set_form(shape, count - found.len(), width);
        found.len()
    }
}

/// Where elements lie in a run: offset and length, in bytes.
type ByteRanges = SmallVec<[(usize, usize); 8]>;

/// Where up to `most` elements that are `element` lie in `run`, in their order.
fn ranges_of(run: Run<'_>, element: Element<'_>, most: usize, backward: bool) -> ByteRanges {
    let mut found = ByteRanges::new();
    let len = run.bytes.len();
    if backward {
        let mut at = len;
        let mut items = run.iter();
        while found.len() < most {
            let Some(item) = items.next_back() else { break };
            let start = items.rest_len();
            if element.is(&item) {
                found.push((start, at - start));
            }
            at = start;
        }
        found.reverse();
    } else {
        let mut at = 0;
        let mut items = run.iter();
        while found.len() < most {
            let Some(item) = items.next() else { break };
            let end = len - items.rest_len();
            if element.is(&item) {
                found.push((at, end - at));
            }
            at = end;
        }
    }
    found
}

/// Writes `element` as an element of a block of `shape`.
#[inline]
pub(super) fn write(shape: Shape, bytes: &mut [u8], element: Element<'_>) {
    match (shape, element.integer) {
        (Shape::Mixed, _) => listpack::write(bytes, element),
        (Shape::Strings, _) | (_, None) => bytes.copy_from_slice(element.text),
        (_, Some(integer)) => {
            let width = bytes.len();
            bytes.copy_from_slice(&integer.to_le_bytes()[..width]);
        }
    }
}
