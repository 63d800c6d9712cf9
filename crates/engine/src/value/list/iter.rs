//! Walking a list, from any element on, in either direction.

use super::element::ListItem;
use super::quicklist::Quicklist;
use super::run::{Run, RunIter};

/// The elements of a list from one of them on, towards either end.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    run: RunIter<'a>,
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
            node: None,
            backward,
            left,
        }
    }

    /// Over a big list.
    pub(super) fn over_nodes(list: &'a Quicklist, index: usize, backward: bool) -> Self {
        let found = list.position_of(index).and_then(|(section, node, offset)| {
            Some((section, node, offset, list.run_at(section, node)?))
        });
        let Some((section, node, offset, run)) = found else {
            return Self::over_run(Run::EMPTY, 0, backward);
        };
        let left = if backward {
            index + 1
        } else {
            list.len() - index
        };
        Self {
            node: Some((list, section, node)),
            left,
            ..Self::over_run(run, offset, backward)
        }
    }

    /// Goes on to the next node.
    #[cold]
    fn next_run(&mut self) -> Option<()> {
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
        self.run = list.run_at(section, node)?.iter();
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
        if self.run.len() == 0 {
            self.next_run()?;
        }
        self.left -= 1;
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
