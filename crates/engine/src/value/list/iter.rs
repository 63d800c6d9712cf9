//! Walking a list, from any element on, in either direction.

use std::borrow::Cow;

use super::block::Block;
use super::element::ListItem;
use super::node::Node;
use super::quicklist::Quicklist;
use super::run::{Run, RunIter};

/// The elements of a list from one of them on, towards either end.
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
    /// Over a packed list.
    pub(super) fn over_run(run: Run<'a>, index: usize, backward: bool) -> Self {
        let (part, left) = match (index < run.count, backward) {
            (true, false) => (run.part(index, run.count), run.count - index),
            (true, true) => (run.part(0, index + 1), index + 1),
            (false, _) => (Run::EMPTY, 0),
        };
        Self {
            run: part.iter(),
            copied: Vec::new().into_iter(),
            node: None,
            backward,
            left,
        }
    }

    /// Over a big list.
    pub(super) fn over_nodes(list: &'a Quicklist, index: usize, backward: bool) -> Self {
        let Some((section, node, offset)) = list.position_of(index) else {
            return Self::over_run(Run::EMPTY, 0, backward);
        };
        let left = if backward {
            index + 1
        } else {
            list.len() - index
        };
        let mut iter = match list.node_at(section, node).map(Node::opened) {
            Some(Cow::Borrowed(node)) => Self::over_run(node.run(), offset, backward),
            Some(Cow::Owned(node)) => Self::over_copy(&node, offset, backward),
            None => Self::over_run(Run::EMPTY, 0, backward),
        };
        iter.node = Some((list, section, node));
        iter.left = left;
        iter
    }

    /// Over a copy of the elements of a node.
    fn over_copy(node: &Node, index: usize, backward: bool) -> Self {
        let items = Iter::over_run(node.run(), index, backward);
        let items: Vec<_> = items.map(ListItem::into_owned).collect();
        Self {
            copied: items.into_iter(),
            ..Self::over_run(Run::EMPTY, 0, backward)
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
}

impl ExactSizeIterator for Iter<'_> {}
