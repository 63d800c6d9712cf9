//! The quicklist: a big list, as a row of nodes.
//!
//! Redis chains its nodes, so that to find an element is to walk half of them. Here nodes lie in *sections*
//! of up to [`SECTION_NODES`], and each section knows how many elements it holds: a list of
//! 10,000,000 elements of 16 bytes has 20,000 nodes in 160 sections, and an element is found by looking at no
//! more than half of 160 numbers and half of 128 others, each lying side by side in memory. Sections are kept in a
//! deque and so are the nodes of one, which makes an end of the list an end of two deques, and lets a node be
//! put into the middle by moving at most 128 small headers.
//!
//! A node is changed in place while it takes the element and the limit allows it; else it is split in halves, as in
//! a B-tree. At the ends, where most elements come and go, a full node is left full and a new one is begun.
//! What is removed may leave a small node; it is joined with a neighbour if the two fill no more than half of one.
//!
//! With `list-compress-depth` all nodes but so many at either end are compressed. Who reads one reads a copy, which lives
//! as long as it is read; who changes one opens it, and it is compressed again before the change is over. A changed
//! depth reaches a list when it is next changed.

use super::block::Block;
use super::element::{Element, ListItem};
use super::limit::BlockLimit;
use super::listpack;
use super::node::Node;
use super::run::Run;
use super::sequence::End;
use crate::relocation::Relocator;
use crate::table::prefetch_value;
use std::borrow::Cow;
use std::collections::VecDeque;

/// The most nodes of a section. The tests have few, so that short lists have many sections.
pub(super) const SECTION_NODES: usize = if cfg!(test) { 4 } else { 128 };

/// From so many nodes on a list begins a node at its end with all the room that it will need.
const NODES_FOR_ROOM: usize = 8;

/// A list that is not packed.
#[derive(Debug, Clone)]
pub struct Quicklist {
    sections: VecDeque<Section>,
    count: usize,
    /// Whether the list is one which Redis would keep in a single listpack.
    pub(super) answers_listpack: bool,
    /// How many nodes at either end are open, if the others are compressed; 0 if none is.
    depth: usize,
    /// How many nodes there were when all were last as they should be.
    settled_nodes: usize,
}

/// What DEBUG QUICKLIST says of a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeFacts {
    /// Its elements.
    pub count: usize,
    /// What they take as they lie side by side.
    pub element_bytes: usize,
    /// What they would take as a listpack.
    pub listpack_bytes: usize,
    /// What the node has for them.
    pub allocated_bytes: usize,
    /// Whether they are compressed there.
    pub is_compressed: bool,
}

#[derive(Debug, Clone)]
struct Section {
    nodes: VecDeque<Node>,
    count: usize,
}

/// Where an element is, or where one can be put in: before the element `offset` of the node, or behind the
/// last if `offset` is their count.
#[derive(Debug, Clone, Copy)]
struct Place {
    section: usize,
    node: usize,
    offset: usize,
}

impl Quicklist {
    /// A list of these elements in one node.
    pub(super) fn from_run(run: Run<'_>, answers_listpack: bool) -> Self {
        let mut list = Self {
            sections: VecDeque::with_capacity(1),
            count: run.count,
            answers_listpack,
            depth: 0,
            settled_nodes: 0,
        };
        if run.count > 0 {
            list.sections
                .push_back(Section::with_node(Node::from_run(run)));
        }
        list
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is to be said of each node.
    pub fn nodes(&self) -> impl Iterator<Item = NodeFacts> {
        let nodes = self.sections.iter().flat_map(|section| &section.nodes);
        nodes.map(|node| NodeFacts {
            count: node.count(),
            element_bytes: node.len(),
            listpack_bytes: listpack::FRAME_LEN + node.listpack_len(),
            allocated_bytes: node.capacity(),
            is_compressed: node.is_compressed(),
        })
    }

    /// Asks the processor for one step, counted from 0, of the way to the first and the last element, and answers
    /// whether there is a next one. Each step should be done when the one before is.
    pub(crate) fn prefetch_ends(&self, step: usize) -> bool {
        let [Some(front), Some(back)] = [self.sections.front(), self.sections.back()] else {
            return false;
        };
        if step == 0 {
            prefetch_value(front);
            prefetch_value(back);
            return true;
        }
        let [Some(first), Some(last)] = [front.nodes.front(), back.nodes.back()] else {
            return false;
        };
        if step == 1 {
            prefetch_value(first);
            prefetch_value(last);
            return true;
        }
        first.prefetch_front();
        last.prefetch_back();
        false
    }

    pub(super) fn get(&self, index: usize) -> Option<ListItem<'_>> {
        let place = self.find(index)?;
        Some(match self.node(place).opened() {
            Cow::Borrowed(node) => node.run().get(place.offset),
            Cow::Owned(node) => node.run().get(place.offset).into_owned(),
        })
    }

    /// Moves the block of a node, and with the first one of a section that of the section; answers which is the next,
    /// 0 after the last.
    pub(super) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        // Sections are many before nodes are, which a section has some hundreds of at most.
        let (index, number) = ((cursor >> 32) as usize, cursor as u32 as usize);
        if cursor == 0 {
            relocator.deque(&mut self.sections);
        }
        let Some(section) = self.sections.get_mut(index) else {
            return 0;
        };
        if number == 0 {
            relocator.deque(&mut section.nodes);
        }
        if let Some(node) = section.nodes.get_mut(number) {
            node.relocate(relocator);
        }
        if number + 1 < section.nodes.len() {
            cursor + 1
        } else if index + 1 < self.sections.len() {
            (index as u64 + 1) << 32
        } else {
            0
        }
    }

    /// Where node and section of element `index` are in the list, and the element in its node.
    pub(super) fn position_of(&self, index: usize) -> Option<(usize, usize, usize)> {
        let place = self.find(index)?;
        Some((place.section, place.node, place.offset))
    }

    /// The given node, if there is such a node in such a section.
    pub(super) fn node_at(&self, section: usize, node: usize) -> Option<&Node> {
        self.sections.get(section)?.nodes.get(node)
    }

    /// How many nodes the section has.
    pub(super) fn nodes_in(&self, section: usize) -> usize {
        self.sections.get(section).map_or(0, |it| it.nodes.len())
    }

    /// Bytes of the elements, unless they are more than `most`.
    pub(super) fn block_len(&self, most: usize) -> Option<usize> {
        self.sum_of_nodes(most, Node::len)
    }

    /// How many bytes the list would take as a listpack, unless it is clear that they are more than `most`.
    pub(super) fn listpack_len(&self, most: usize) -> Option<usize> {
        if self.count > most / listpack::ENTRY_MIN_LEN {
            return None;
        }
        // Nodes at the ends may be small; one that is not says it all.
        let nodes = self.sections.front().map(|section| &section.nodes);
        let middle = nodes.and_then(|nodes| nodes.get(nodes.len() / 2));
        if middle.is_some_and(|node| node.listpack_len() > most) {
            return None;
        }
        Some(listpack::FRAME_LEN + self.sum_of_nodes(most, Node::listpack_len)?)
    }

    /// All elements in one node.
    pub(super) fn join(&self) -> Option<Node> {
        let mut nodes = self.sections.iter().flat_map(|section| &section.nodes);
        let mut joined = nodes.next()?.opened().into_owned();
        for node in nodes {
            joined.append(&mut node.clone(), usize::MAX);
        }
        Some(joined)
    }

    pub(super) fn insert(&mut self, index: usize, element: Element<'_>, limit: BlockLimit) {
        let mut place = self.find_gap(index);
        while !self.try_insert(&mut place, element, limit) {}
        self.settle_compression(index, limit);
    }

    /// Puts `element` in the place of the one at `index`, which exists.
    pub(super) fn replace(&mut self, index: usize, element: Element<'_>, limit: BlockLimit) {
        let Some(place) = self.find(index) else {
            return;
        };
        let node = self.node_mut(place);
        let run = node.run();
        if run.count == 1 {
            *node = Node::with_element(element);
        } else if run.takes(element) && run.bytes.len() + run.len_of(element) <= limit.bytes {
            node.replace_element(place.offset, element);
        } else {
            self.insert(index, element, limit);
            self.remove(index + 1, 1, limit);
            return;
        }
        self.settle_compression(index, limit);
    }

    /// Removes `removed` elements from the one at `index` on, which exist.
    pub(super) fn remove(&mut self, index: usize, removed: usize, limit: BlockLimit) {
        let mut left = removed;
        while left > 0 {
            let Some(place) = self.find(index) else {
                break;
            };
            let Place {
                section,
                node,
                offset,
            } = place;
            let section_count = self.sections[section].count;
            if node == 0 && offset == 0 && section_count <= left {
                left -= section_count;
                self.count -= section_count;
                self.sections.remove(section);
                continue;
            }
            let changed = &mut self.sections[section].nodes[node];
            let here = left.min(changed.count() - offset);
            left -= here;
            if here == changed.count() {
                self.sections[section].nodes.remove(node);
            } else {
                changed.open();
                changed.remove_elements(offset, here);
            }
            self.note_removed(section, here);
        }
        // What lies on either side of the hole may have become small.
        if index > 0 && index < self.count {
            self.join_around(index, limit);
            self.join_around(index - 1, limit);
        }
        self.settle_compression(index, limit);
    }

    /// Puts `element` at `end`, if the node there takes it as it is, has room, and nothing is to be compressed; answers whether
    /// that is so.
    #[inline]
    pub(super) fn push_end(&mut self, end: End, element: Element<'_>, limit: BlockLimit) -> bool {
        if (self.depth, limit.depth) != (0, 0) {
            return false;
        }
        let Some((section_count, node)) = self.end_mut(end) else {
            return false;
        };
        if !node.push_end(end, element, limit) {
            return false;
        }
        *section_count += 1;
        self.count += 1;
        true
    }

    /// The node at `end`, and what counts the elements of its section.
    #[inline]
    fn end_mut(&mut self, end: End) -> Option<(&mut usize, &mut Node)> {
        let (section, node) = match end {
            End::Front => {
                let section = self.sections.front_mut()?;
                (&mut section.count, section.nodes.front_mut())
            }
            End::Back => {
                let section = self.sections.back_mut()?;
                (&mut section.count, section.nodes.back_mut())
            }
        };
        Some((section, node?))
    }

    /// Takes the element at `end` out after it was read, if neither its node goes with it nor anything is to be
    /// compressed; answers whether that is so.
    pub(super) fn take_end(
        &mut self,
        end: End,
        limit: BlockLimit,
        read: impl FnOnce(ListItem<'_>),
    ) -> bool {
        if (self.depth, limit.depth) != (0, 0) {
            return false;
        }
        let Some((section_count, node)) = self.end_mut(end) else {
            return false;
        };
        if node.count() < 2 {
            return false;
        }
        node.open();
        node.take_end(end, read);
        *section_count -= 1;
        self.count -= 1;
        true
    }

    /// Removes up to `most` elements that are `element`, from the last one on if `backward`, and answers
    /// how many there were.
    pub(super) fn remove_equal(
        &mut self,
        element: Element<'_>,
        most: usize,
        backward: bool,
        limit: BlockLimit,
    ) -> usize {
        let mut removed = 0;
        for step in 0..self.sections.len() {
            let section = if backward {
                self.sections.len() - 1 - step
            } else {
                step
            };
            let section = &mut self.sections[section];
            for step in 0..section.nodes.len() {
                let node = if backward {
                    section.nodes.len() - 1 - step
                } else {
                    step
                };
                let here =
                    section.nodes[node].remove_elements_equal(element, most - removed, backward);
                section.count -= here;
                removed += here;
                if removed == most {
                    break;
                }
            }
            if removed == most {
                break;
            }
        }
        if removed > 0 {
            self.count -= removed;
            self.tidy(limit);
            if (self.depth, limit.depth) != (0, 0) {
                self.compress_all(limit);
            }
        }
        removed
    }

    /// Bytes of all allocations.
    pub(super) fn memory_usage(&self) -> usize {
        let nodes = self.sections.iter().flat_map(|section| &section.nodes);
        size_of::<Self>()
            + self.sections.capacity() * size_of::<Section>()
            + self
                .sections
                .iter()
                .map(|section| section.nodes.capacity() * size_of::<Node>())
                .sum::<usize>()
            + nodes.map(Node::capacity).sum::<usize>()
    }

    /// About as much as [`Self::memory_usage`], judged by the nodes at the ends.
    pub(super) fn approximate_bytes(&self) -> usize {
        if self.depth > 0 {
            // The ends are not what the others are like.
            return self.memory_usage();
        }
        let ends = [self.sections.front(), self.sections.back()];
        let ends = ends.into_iter().flatten();
        let nodes = ends.flat_map(|section| [section.nodes.front(), section.nodes.back()]);
        let (count, bytes) = nodes.flatten().fold((0, 0), |(count, bytes), node| {
            let node_bytes = node.capacity() + size_of::<Node>();
            (count + node.len(), bytes + node_bytes)
        });
        // A product of two sizes of things that are in memory.
        size_of::<Self>() + (bytes as u128 * self.count as u128 / count.max(1) as u128) as usize
    }

    /// The sum over all nodes, unless it is more than `most`.
    fn sum_of_nodes(&self, most: usize, size: impl Fn(&Node) -> usize) -> Option<usize> {
        let mut nodes = self.sections.iter().flat_map(|section| &section.nodes);
        nodes.try_fold(0, |sum, node| {
            let sum = sum + size(node);
            (sum <= most).then_some(sum)
        })
    }

    fn node(&self, place: Place) -> &Node {
        &self.sections[place.section].nodes[place.node]
    }

    /// The node, open.
    fn node_mut(&mut self, place: Place) -> &mut Node {
        let node = &mut self.sections[place.section].nodes[place.node];
        node.open();
        node
    }

    /// Compresses what was opened around element `index`, and what has got away from the ends; opens what has
    /// come near them.
    #[inline]
    fn settle_compression(&mut self, index: usize, limit: BlockLimit) {
        if (self.depth, limit.depth) != (0, 0) {
            self.compress_around(index, limit);
        }
    }

    #[cold]
    fn compress_around(&mut self, index: usize, limit: BlockLimit) {
        /// How far from the element that it puts in or removes a change may reach, in nodes, beside those that it
        /// adds: it joins each of two nodes with the next one.
        const REACH: usize = 2;
        if self.wanted_depth(limit) != self.depth {
            return self.compress_all(limit);
        }
        let (depth, node_count) = (self.depth, self.node_count());
        let added = node_count.saturating_sub(self.settled_nodes);
        self.settled_nodes = node_count;
        let near_ends = depth.saturating_add(1 + added).min(node_count);
        let reach = REACH + added;
        for (ordinal, node) in self.nodes_mut().enumerate().take(near_ends) {
            settle(node, ordinal, node_count, depth);
        }
        for (from_end, node) in self.nodes_mut().rev().enumerate().take(near_ends) {
            settle(node, node_count - 1 - from_end, node_count, depth);
        }
        let Some(place) = self.find(index.min(self.count.saturating_sub(1))) else {
            return;
        };
        let sections_before = self.sections.iter().take(place.section);
        let nodes_before: usize = sections_before.map(|section| section.nodes.len()).sum();
        let middle = nodes_before + place.node;
        for ordinal in middle.saturating_sub(reach)..(middle + reach + 1).min(node_count) {
            self.settle_node(self.place_of_node(ordinal), ordinal, node_count);
        }
    }

    /// Compresses and opens all nodes as it should be.
    fn compress_all(&mut self, limit: BlockLimit) {
        self.depth = self.wanted_depth(limit);
        let (depth, node_count) = (self.depth, self.node_count());
        self.settled_nodes = node_count;
        for (ordinal, node) in self.nodes_mut().enumerate() {
            settle(node, ordinal, node_count, depth);
        }
    }

    /// A list that could be a single block has nothing to compress.
    fn wanted_depth(&self, limit: BlockLimit) -> usize {
        if self.answers_listpack {
            0
        } else {
            limit.depth
        }
    }

    fn nodes_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Node> {
        let sections = self.sections.iter_mut();
        sections.flat_map(|section| &mut section.nodes)
    }

    /// How many nodes there are.
    pub(crate) fn node_count(&self) -> usize {
        self.sections
            .iter()
            .map(|section| section.nodes.len())
            .sum()
    }

    /// Where a node is, which exists.
    fn place_of_node(&self, ordinal: usize) -> Place {
        let node_count = self.node_count();
        let nodes_of = |section: &Section| section.nodes.len();
        let (section, node) = find_part(&self.sections, node_count, ordinal, nodes_of);
        Place {
            section,
            node,
            offset: 0,
        }
    }

    fn settle_node(&mut self, place: Place, ordinal: usize, node_count: usize) {
        let depth = self.depth;
        let node = &mut self.sections[place.section].nodes[place.node];
        settle(node, ordinal, node_count, depth);
    }

    /// Where element `index` is.
    fn find(&self, index: usize) -> Option<Place> {
        if index >= self.count {
            return None;
        }
        if index == 0 {
            return Some(Place {
                section: 0,
                node: 0,
                offset: 0,
            });
        }
        if index + 1 == self.count {
            let section = self.sections.len() - 1;
            let nodes = &self.sections[section].nodes;
            let node = nodes.len() - 1;
            return Some(Place {
                section,
                node,
                offset: nodes[node].count() - 1,
            });
        }
        let (section, offset) = find_part(&self.sections, self.count, index, |it| it.count);
        let nodes = &self.sections[section].nodes;
        let (node, offset) = find_part(nodes, self.sections[section].count, offset, Node::count);
        Some(Place {
            section,
            node,
            offset,
        })
    }

    /// Where an element can be put in so that it will be element `index`.
    fn find_gap(&self, index: usize) -> Place {
        if let Some(place) = self.find(index) {
            return place;
        }
        match self.sections.back() {
            Some(section) => Place {
                section: self.sections.len() - 1,
                node: section.nodes.len() - 1,
                offset: section.nodes[section.nodes.len() - 1].count(),
            },
            None => Place {
                section: 0,
                node: 0,
                offset: 0,
            },
        }
    }

    /// Puts `element` in at `place`, or else splits the node there, which moves the place into one of
    /// the halves: then it is to be tried once more.
    fn try_insert(&mut self, place: &mut Place, element: Element<'_>, limit: BlockLimit) -> bool {
        if self.sections.is_empty() {
            self.sections
                .push_back(Section::with_node(Node::with_element(element)));
            self.count = 1;
            return true;
        }
        let at_end = self.is_end(*place);
        if self.insert_into_node(*place, element, limit, !at_end) {
            return true;
        }
        let count = self.node(*place).count();
        if place.offset > 0 && place.offset < count {
            // An element which will have a node of its own does so between the two parts.
            let middle = if element.text.len() > limit.bytes {
                place.offset
            } else {
                count / 2
            };
            let rest = self.node_mut(*place).split_off(middle);
            let moved = rest.count();
            self.sections[place.section].count -= moved;
            self.count -= moved;
            let rest_place = self.add_node(
                Place {
                    node: place.node + 1,
                    ..*place
                },
                rest,
            );
            let half = if place.offset > middle {
                place.offset -= middle;
                Some(rest_place)
            } else {
                self.before(rest_place)
            };
            if let Some(half) = half {
                *place = Place {
                    offset: place.offset,
                    ..half
                };
            }
            return false;
        }
        // At the edge of a node its neighbour may have room.
        let neighbour = if place.offset == 0 {
            self.before(*place).map(|it| Place {
                offset: self.node(it).count(),
                ..it
            })
        } else {
            self.after(*place)
        };
        if let Some(neighbour) = neighbour
            && self.insert_into_node(neighbour, element, limit, false)
        {
            return true;
        }
        let behind = place.offset > 0;
        let node = Place {
            node: place.node + usize::from(behind),
            ..*place
        };
        if at_end {
            self.node_mut(*place).shrink_to_fit();
            let end = if behind { End::Back } else { End::Front };
            let room = self.room_beside(*place, limit);
            self.add_node(node, Node::with_room(element, end, room));
        } else {
            self.add_node(node, Node::with_element(element));
        }
        true
    }

    /// What a node is to have room for that is begun beside the full one at `place`, at an end of the list: as
    /// much as that one took, so that it need not be laid out anew again and again while it fills; but of a list of few
    /// nodes no more than a share of what the list takes anyway.
    fn room_beside(&self, place: Place, limit: BlockLimit) -> usize {
        let full = self.node(place).len();
        if full > limit.bytes {
            return 0;
        }
        let nodes = match self.sections.len() {
            1 => self.sections[0].nodes.len(),
            _ => SECTION_NODES,
        };
        full * nodes.min(NODES_FOR_ROOM) / NODES_FOR_ROOM
    }

    /// Puts `element` into the node at `place` if the limit allows it. If `reshape`, the node may have to
    /// be written anew for it; otherwise only if it is small, so that a stray element at its end does
    /// not cost a long run its form.
    fn insert_into_node(
        &mut self,
        place: Place,
        element: Element<'_>,
        limit: BlockLimit,
        reshape: bool,
    ) -> bool {
        let node = self.node_mut(place);
        let run = node.run();
        if run.is_full(limit) {
            return false;
        }
        if run.takes(element) {
            if !run.has_place_for(element, limit) {
                return false;
            }
        } else {
            if run.bytes.len()
                > if reshape {
                    limit.bytes
                } else {
                    limit.bytes / 4
                }
            {
                return false;
            }
            let (shape, _, len) = run.shape_with(element);
            if len > limit.bytes {
                return false;
            }
            node.change_shape(shape);
        }
        node.insert_element(place.offset, element);
        self.sections[place.section].count += 1;
        self.count += 1;
        true
    }

    /// Whether `place` is before the first element of the list or behind the last one.
    fn is_end(&self, place: Place) -> bool {
        let first = place.section == 0 && place.node == 0 && place.offset == 0;
        first
            || place.section + 1 == self.sections.len()
                && place.node + 1 == self.sections[place.section].nodes.len()
                && place.offset == self.node(place).count()
    }

    fn before(&self, place: Place) -> Option<Place> {
        let (section, node) = if place.node > 0 {
            (place.section, place.node - 1)
        } else {
            let section = place.section.checked_sub(1)?;
            (section, self.nodes_in(section) - 1)
        };
        Some(Place {
            section,
            node,
            offset: 0,
        })
    }

    fn after(&self, place: Place) -> Option<Place> {
        let (section, node) = if place.node + 1 < self.nodes_in(place.section) {
            (place.section, place.node + 1)
        } else if place.section + 1 < self.sections.len() {
            (place.section + 1, 0)
        } else {
            return None;
        };
        Some(Place {
            section,
            node,
            offset: 0,
        })
    }

    /// Puts a node in before the one at `place`, or behind the last of its section, and answers where
    /// it is then.
    fn add_node(&mut self, place: Place, node: Node) -> Place {
        let Place {
            section, node: at, ..
        } = place;
        let count = node.count();
        self.count += count;
        let nodes = self.nodes_in(section);
        let place_at = |section, node| Place {
            section,
            node,
            offset: 0,
        };
        if nodes < SECTION_NODES {
            let section_mut = &mut self.sections[section];
            section_mut.nodes.insert(at, node);
            section_mut.count += count;
            return place_at(section, at);
        }
        // At the ends of a full section a new one is begun, so that lists which grow there have
        // full sections.
        if at == 0 || at == nodes {
            let section = section + usize::from(at > 0);
            self.sections.insert(section, Section::with_node(node));
            return place_at(section, 0);
        }
        let half = nodes / 2;
        let rest = self.sections[section].split_off(half);
        self.sections.insert(section + 1, rest);
        let (section, at) = if at <= half {
            (section, at)
        } else {
            (section + 1, at - half)
        };
        let section_mut = &mut self.sections[section];
        section_mut.nodes.insert(at, node);
        section_mut.count += count;
        place_at(section, at)
    }

    /// Counts elements that a section has lost, and drops it if it has no node any more.
    fn note_removed(&mut self, section: usize, removed: usize) {
        self.count -= removed;
        self.sections[section].count -= removed;
        if self.sections[section].nodes.is_empty() {
            self.sections.remove(section);
        }
    }

    /// Joins the node of element `index` with the one behind it in its section if both are small.
    fn join_around(&mut self, index: usize, limit: BlockLimit) {
        if let Some(place) = self.find(index) {
            self.sections[place.section].join(place.node, limit);
        }
    }

    /// Drops empty nodes and sections and joins small ones.
    fn tidy(&mut self, limit: BlockLimit) {
        for section in &mut self.sections {
            section.nodes.retain(|node| node.count() > 0);
            let mut node = 0;
            while node < section.nodes.len() {
                if !section.join(node, limit) {
                    node += 1;
                }
            }
        }
        self.sections.retain(|section| !section.nodes.is_empty());
        let mut at = 0;
        while at + 1 < self.sections.len() {
            if self.sections[at].nodes.len() + self.sections[at + 1].nodes.len() > SECTION_NODES / 2
            {
                at += 1;
            } else if let Some(mut next) = self.sections.remove(at + 1) {
                self.sections[at].count += next.count;
                self.sections[at].nodes.append(&mut next.nodes);
            }
        }
    }

    /// Checks what must hold between the parts.
    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(
            self.count,
            self.sections.iter().map(|it| it.count).sum::<usize>()
        );
        for section in &self.sections {
            assert!((1..=SECTION_NODES).contains(&section.nodes.len()));
            assert_eq!(
                section.count,
                section.nodes.iter().map(Node::count).sum::<usize>()
            );
            for node in &section.nodes {
                assert!(node.count() > 0);
                let opened = node.opened();
                assert_eq!(node.listpack_len(), opened.run().listpack_len());
                assert_eq!(node.len(), opened.run().bytes.len());
                assert_eq!(opened.run().iter().count(), node.count());
            }
        }
        let node_count = self.node_count();
        for (ordinal, node) in self.sections.iter().flat_map(|it| &it.nodes).enumerate() {
            let mut settled = node.clone();
            settle(&mut settled, ordinal, node_count, self.depth);
            assert_eq!(node.is_compressed(), settled.is_compressed(), "{ordinal}");
        }
    }
}

impl Section {
    fn with_node(node: Node) -> Self {
        let mut nodes = VecDeque::with_capacity(1);
        let count = node.count();
        nodes.push_back(node);
        Self { nodes, count }
    }

    fn split_off(&mut self, node: usize) -> Self {
        let nodes = self.nodes.split_off(node);
        let count = nodes.iter().map(Node::count).sum();
        self.count -= count;
        Self { nodes, count }
    }

    /// Joins a node with the one behind it if both together fill at most half of one.
    fn join(&mut self, node: usize, limit: BlockLimit) -> bool {
        let [Some(first), Some(second)] = [node, node + 1].map(|it| self.nodes.get(it)) else {
            return false;
        };
        if first.len() + second.len() > limit.bytes / 2
            || first.count() + second.count() > limit.count / 2
        {
            return false;
        }
        let Some(mut second) = self.nodes.remove(node + 1) else {
            return false;
        };
        let joined = self.nodes[node].append(&mut second, limit.bytes / 2);
        if !joined {
            self.nodes.insert(node + 1, second);
        }
        joined
    }
}

/// Compresses or opens a node by its place in the list.
fn settle(node: &mut Node, ordinal: usize, node_count: usize, depth: usize) {
    let from_end = ordinal.min(node_count - 1 - ordinal);
    if depth == 0 || from_end < depth {
        node.open();
    } else {
        node.compress();
    }
}

/// Which of `parts` element `index` lies in, and where in it. Walks from the nearer end.
fn find_part<T>(
    parts: &VecDeque<T>,
    count: usize,
    index: usize,
    count_of: impl Fn(&T) -> usize,
) -> (usize, usize) {
    if index < count / 2 {
        let mut offset = index;
        for (at, part) in parts.iter().enumerate() {
            match offset.checked_sub(count_of(part)) {
                Some(rest) => offset = rest,
                None => return (at, offset),
            }
        }
    } else {
        let mut start = count;
        for (at, part) in parts.iter().enumerate().rev() {
            start -= count_of(part);
            if start <= index {
                return (at, index - start);
            }
        }
    }
    unreachable!("the parts have fewer elements than their sum says")
}
