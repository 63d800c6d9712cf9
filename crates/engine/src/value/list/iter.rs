//! Walking a range of a list, in either direction.
//!
//! Whoever takes all elements of a range (`for_each`, `collect`) goes through `fold`, which walks each run in a
//! loop of its own: LRANGE takes half as many instructions an element so as by calls of `next`.

use std::borrow::Cow;
use std::ops::Range;

use super::block::Block;
use super::element::ListItem;
use super::node::Node;
use super::quicklist::Quicklist;
use super::run::{Run, RunIter};

/// A range of the elements of a list, from its first or its last one on.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    run: RunIter<'a>,
    /// What is left of a compressed node, in the order in which it is visited; `run` is empty then.
    copied: std::vec::IntoIter<ListItem<'static>>,
    /// The list, section and node of `run`, if the list has nodes.
    node: Option<(&'a Quicklist, usize, usize)>,
    backward: bool,
    left: usize,
}

impl<'a> Iter<'a> {
    /// Over elements `range` of a packed list.
    pub(super) fn over_run(run: Run<'a>, range: Range<usize>, backward: bool) -> Self {
        let range = range.start.min(run.count)..range.end.min(run.count);
        if range.is_empty() {
            return Self::empty();
        }
        Self {
            left: range.len(),
            ..Self::over_block(run, first_index(&range, backward), backward)
        }
    }

    /// Over elements `range` of a big list.
    pub(super) fn over_nodes(list: &'a Quicklist, range: Range<usize>, backward: bool) -> Self {
        let range = range.start.min(list.len())..range.end.min(list.len());
        if range.is_empty() {
            return Self::empty();
        }
        let Some((section, node, offset)) = list.position_of(first_index(&range, backward)) else {
            return Self::empty();
        };
        let iter = match list.node_at(section, node).map(Node::opened) {
            Some(Cow::Borrowed(node)) => Self::over_block(node.run(), offset, backward),
            Some(Cow::Owned(node)) => Self::over_copy(&node, offset, backward),
            None => Self::empty(),
        };
        Self {
            node: Some((list, section, node)),
            left: range.len(),
            ..iter
        }
    }

    fn empty() -> Self {
        Self {
            run: Run::EMPTY.iter(),
            copied: Vec::new().into_iter(),
            node: None,
            backward: false,
            left: 0,
        }
    }

    /// Over the elements of one block from `index` on.
    fn over_block(run: Run<'a>, index: usize, backward: bool) -> Self {
        let part = if backward {
            run.part(0, index + 1)
        } else {
            run.part(index, run.count)
        };
        Self {
            run: part.iter(),
            backward,
            left: part.count,
            ..Self::empty()
        }
    }

    /// Over a copy of the elements of a node.
    fn over_copy(node: &Node, index: usize, backward: bool) -> Self {
        let items = Iter::over_block(node.run(), index, backward);
        let items: Vec<_> = items.map(ListItem::into_owned).collect();
        Self {
            copied: items.into_iter(),
            backward,
            ..Self::empty()
        }
    }

    /// The next element when the run has no more: of the copy, or of the next node.
    #[cold]
    fn next_slowly(&mut self) -> Option<ListItem<'a>> {
        if let Some(item) = self.copied.next() {
            return Some(item);
        }
        self.next_node()?;
        if let Some(item) = self.copied.next() {
            return Some(item);
        }
        if self.backward {
            self.run.next_back()
        } else {
            self.run.next()
        }
    }

    /// Goes on to the next node.
    fn next_node(&mut self) -> Option<()> {
        let (list, section, node) = self.node?;
        let (section, node) = match self.backward {
            false if node + 1 < list.nodes_in(section) => (section, node + 1),
            false => (section + 1, 0),
            true if node > 0 => (section, node - 1),
            true => {
                let section = section.checked_sub(1)?;
                (section, list.nodes_in(section) - 1)
            }
        };
        match list.node_at(section, node)?.opened() {
            Cow::Borrowed(node) => self.run = node.run().iter(),
            Cow::Owned(node) => {
                let first = if self.backward { node.count() - 1 } else { 0 };
                self.copied = Self::over_copy(&node, first, self.backward).copied;
            }
        }
        self.node = Some((list, section, node));
        Some(())
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = ListItem<'a>;

    #[inline]
    fn next(&mut self) -> Option<ListItem<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        if self.run.len() == 0 {
            return self.next_slowly();
        }
        if self.backward {
            self.run.next_back()
        } else {
            self.run.next()
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }

    #[inline]
    fn fold<B, F>(mut self, initial: B, mut join: F) -> B
    where
        F: FnMut(B, ListItem<'a>) -> B,
    {
        let mut joined = initial;
        while self.left > 0 {
            let here = self.run.len().min(self.left);
            if here == 0 {
                match self.next() {
                    Some(item) => joined = join(joined, item),
                    None => break,
                }
                continue;
            }
            self.left -= here;
            let run = std::mem::replace(&mut self.run, Run::EMPTY.iter());
            if self.backward {
                for item in run.rev().take(here) {
                    joined = join(joined, item);
                }
            } else {
                for item in run.take(here) {
                    joined = join(joined, item);
                }
            }
        }
        joined
    }
}

/// The index at which a walk of `range`, which is not empty, begins.
fn first_index(range: &Range<usize>, backward: bool) -> usize {
    if backward { range.end - 1 } else { range.start }
}

impl ExactSizeIterator for Iter<'_> {}
