//! The order of a big sorted set: an order-statistic B+ tree over handles of its members.
//!
//! Here is only the order: which handle stands at which rank, and how ranks are found from scores. The tree does
//! not own the members; `big` pairs it with the table that does.
//!
//! # Why not a skiplist
//!
//! A skiplist node costs a member three to four words and a search touches some twenty nodes, each a cache miss in
//! a set that is larger than the cache. Here a leaf keeps up to `LEAF` handles of six bytes in an exactly grown
//! vector, and an inner node keeps for each of its up to `FANOUT` children the score and the handle of the child's
//! first member, and how many members the child has. So
//!
//! - a search reads scores that lie side by side, and members themselves only where scores tie and in one leaf;
//! - ranks need no extra structure: a rank is the sum of the counts to the left of the path;
//! - every range, whether of ranks, scores or names, becomes a range of ranks by two searches, after which
//!   counting is a subtraction, LIMIT's offset is an addition, and going backward is as cheap as going forward;
//! - a member costs about seven bytes: six in its leaf, little for the free places at the leaf's end (a leaf grows
//!   from one size of the allocator to the next), and a ninetieth of an inner entry.
//!
//! # What always holds
//!
//! 1. All leaves have the same depth; no node but the root is empty.
//! 2. `firsts[i]`, `scores[i]` and `counts[i]` of an inner node are those of `children[i]`, exactly.
//! 3. Handles stand in strictly ascending order of (score, bytes).
//!
//! There is no lower limit on how full a node is. A node that has fallen below a quarter joins a neighbour when both
//! fit into three quarters of one node, so that alternating insertions and removals do not join and split by turns.
//! Nodes split only when full, and the height grows only when the root splits, so the height stays logarithmic in the
//! largest size the set has had.
//!
//! A full leaf at either edge of the tree splits so that it stays full and the newcomer starts a leaf of its own:
//! scores that only grow (timestamps) or only fall fill their leaves wholly.

use std::cmp::Ordering;
use std::ops::Range;

use super::member::{Handle, Place};
use crate::relocation::Relocator;

/// The tree of a big sorted set, with the sizes that measured best.
pub(super) type Order = Tree<LEAF, FANOUT>;
pub(super) const LEAF: usize = 128;
pub(super) const FANOUT: usize = 44;

/// See the head of this file. The sizes are parameters so that tests can have deep trees of few members; both must
/// be at least 4.
pub(super) struct Tree<const LEAF: usize, const FANOUT: usize> {
    root: Node<LEAF, FANOUT>,
    len: usize,
}

enum Node<const LEAF: usize, const FANOUT: usize> {
    Leaf(Vec<Handle>),
    Inner(Box<Inner<LEAF, FANOUT>>),
}

struct Inner<const LEAF: usize, const FANOUT: usize> {
    len: usize,
    scores: [f64; FANOUT],
    counts: [usize; FANOUT],
    firsts: [Handle; FANOUT],
    children: [Node<LEAF, FANOUT>; FANOUT],
}

/// Whether a node lies on the left or the right edge of the tree.
#[derive(Clone, Copy)]
struct Edges {
    left: bool,
    right: bool,
}

impl<const LEAF: usize, const FANOUT: usize> Tree<LEAF, FANOUT> {
    pub(super) fn new() -> Self {
        const { assert!(LEAF >= 4 && FANOUT >= 4) };
        Tree {
            root: Node::EMPTY,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts a handle in its place. No member of the same score and bytes may be in the tree.
    pub(super) fn insert(&mut self, handle: Handle) {
        let place = place_of(&handle);
        let edges = Edges {
            left: true,
            right: true,
        };
        if let Some(right) = self.root.insert(place, handle, edges) {
            let left = std::mem::replace(&mut self.root, Node::EMPTY);
            let mut root = Inner::new();
            root.push(left);
            root.push(right);
            self.root = Node::Inner(root);
        }
        self.len += 1;
    }

    /// Takes a handle out. It must be in the tree, and its score as it was when it was put in.
    pub(super) fn remove(&mut self, handle: Handle) {
        let removed = self.root.remove(place_of(&handle), handle);
        debug_assert!(removed, "the handle is in the tree");
        if removed {
            self.len -= 1;
            self.lower_root();
        }
    }

    /// Gives a member of the tree another score.
    ///
    /// Where the order stays the same, which is common for counters, this only writes the score.
    ///
    /// # Safety
    /// Nobody may read the score of this block meanwhile but through `self`.
    pub(super) unsafe fn update_score(&mut self, handle: Handle, score: f64) {
        let old = place_of(&handle);
        // SAFETY: the caller's promise, passed on.
        if !unsafe { self.root.update_score(old, handle, score, None, true) } {
            self.remove(handle);
            // SAFETY: the same promise; the handle has just left the tree.
            unsafe { handle.set_score(score) };
            self.insert(handle);
        }
    }

    /// The rank of a handle of the tree: how many members stand before it.
    pub(super) fn rank(&self, handle: &Handle) -> usize {
        let place = place_of(handle);
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let index = leaf.iter().position(|other| other == handle);
                    debug_assert!(index.is_some(), "the handle is in the tree");
                    return rank + index.unwrap_or(leaf.len());
                }
                Node::Inner(inner) => {
                    let index = inner.child_of(place);
                    rank += inner.counts[..index].iter().sum::<usize>();
                    node = &inner.children[index];
                }
            }
        }
    }

    /// The handle at a rank below `len`.
    pub(super) fn select(&self, rank: usize) -> &Handle {
        let (leaf, index) = self.leaf_at(rank);
        &leaf[index]
    }

    /// How many members stand before the first for which `before` is false. `before` must be true for a prefix of the
    /// order; it is given the member's score and its handle, and need not read the block to know the score.
    pub(super) fn partition_point(&self, before: impl Fn(f64, &Handle) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf_partition_point(leaf, &before),
                Node::Inner(inner) => {
                    let index = inner.partition_point(&before).saturating_sub(1);
                    rank += inner.counts[..index].iter().sum::<usize>();
                    node = &inner.children[index];
                }
            }
        }
    }

    /// The handles at a range of ranks, which must lie within `0..len`.
    pub(super) fn range(&self, ranks: Range<usize>) -> Iter<'_, LEAF, FANOUT> {
        debug_assert!(ranks.start <= ranks.end && ranks.end <= self.len);
        Iter {
            tree: self,
            ranks,
            front: [].iter(),
            back: [].iter(),
        }
    }

    /// Takes out the handles at a range of ranks within `0..len`, showing each to `visit` in ascending order.
    /// `visit` may free the member: the tree does not read it again.
    pub(super) fn remove_range(&mut self, ranks: Range<usize>, visit: &mut dyn FnMut(Handle)) {
        debug_assert!(ranks.start <= ranks.end && ranks.end <= self.len);
        if ranks.is_empty() {
            return;
        }
        self.len -= ranks.len();
        self.root.remove_range(ranks, visit);
        self.lower_root();
    }

    /// Moves the leaf that holds a rank, and the inner nodes above it if it is the first under them, and shows each
    /// handle of the leaf to `visit`, which answers what stands in its place from now on: the same member at another
    /// address. Answers the rank behind the leaf. A handle that was shown is not read again.
    pub(super) fn relocate(
        &mut self,
        rank: usize,
        relocator: &mut Relocator<'_>,
        visit: &mut dyn FnMut(Handle, &mut Relocator<'_>) -> Handle,
    ) -> usize {
        if rank >= self.len {
            return self.len;
        }
        rank + self.root.relocate(rank, relocator, visit)
    }

    /// Bytes of heap under the tree's nodes, as asked from the allocator.
    pub(super) fn memory_usage(&self) -> usize {
        self.root.memory_usage()
    }

    /// The leaf that holds a rank below `len`, and where in it.
    fn leaf_at(&self, mut rank: usize) -> (&[Handle], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(inner) => {
                    let mut index = 0;
                    while rank >= inner.counts[index] {
                        rank -= inner.counts[index];
                        index += 1;
                    }
                    node = &inner.children[index];
                }
            }
        }
    }

    fn lower_root(&mut self) {
        while let Node::Inner(inner) = &mut self.root {
            match inner.len {
                0 => self.root = Node::EMPTY,
                1 => {
                    let only = std::mem::replace(&mut inner.children[0], Node::EMPTY);
                    self.root = only;
                }
                _ => break,
            }
        }
    }
}

impl<const LEAF: usize, const FANOUT: usize> Node<LEAF, FANOUT> {
    const EMPTY: Self = Node::Leaf(Vec::new());

    fn first(&self) -> Handle {
        match self {
            Node::Leaf(leaf) => leaf[0],
            Node::Inner(inner) => inner.firsts[0],
        }
    }

    /// See [`Tree::relocate`]; answers how far it is from `rank`, which is within the node, to the end of the leaf.
    fn relocate(
        &mut self,
        mut rank: usize,
        relocator: &mut Relocator<'_>,
        visit: &mut dyn FnMut(Handle, &mut Relocator<'_>) -> Handle,
    ) -> usize {
        match self {
            Node::Leaf(leaf) => {
                relocator.vec(leaf);
                for handle in leaf.iter_mut() {
                    *handle = visit(*handle, relocator);
                }
                leaf.len() - rank
            }
            Node::Inner(inner) => {
                if rank == 0 {
                    relocator.boxed(inner);
                }
                let mut index = 0;
                while rank >= inner.counts[index] {
                    rank -= inner.counts[index];
                    index += 1;
                }
                let behind = inner.children[index].relocate(rank, relocator, visit);
                inner.firsts[index] = inner.children[index].first();
                behind
            }
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.counts[..inner.len].iter().sum(),
        }
    }

    /// Puts a handle in; when that splits this node, gives its new right neighbour.
    fn insert(&mut self, place: Place<'_>, handle: Handle, edges: Edges) -> Option<Self> {
        match self {
            Node::Leaf(leaf) => {
                let index = leaf_partition_point(leaf, &|score, other: &Handle| {
                    place.compare(score, other) == Ordering::Less
                });
                if leaf.len() < LEAF {
                    insert_into_leaf::<LEAF>(leaf, index, handle);
                    return None;
                }
                Some(Node::Leaf(split_leaf::<LEAF>(leaf, index, handle, edges)))
            }
            Node::Inner(inner) => inner.insert(place, handle, edges).map(Node::Inner),
        }
    }

    fn remove(&mut self, place: Place<'_>, handle: Handle) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let Some(index) = leaf.iter().position(|other| *other == handle) else {
                    return false;
                };
                leaf.remove(index);
                trim_leaf::<LEAF>(leaf);
                true
            }
            Node::Inner(inner) => inner.remove(place, handle),
        }
    }

    /// Writes the score where that keeps the order, else changes nothing and answers false. `next` is the first
    /// member to the right of this node; `leftmost` tells that nothing is to the left of it.
    ///
    /// # Safety
    /// As [`Tree::update_score`].
    unsafe fn update_score(
        &mut self,
        old: Place<'_>,
        handle: Handle,
        score: f64,
        next: Option<(f64, Handle)>,
        leftmost: bool,
    ) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let Some(index) = leaf.iter().position(|other| *other == handle) else {
                    return false;
                };
                let new = Place {
                    score,
                    bytes: old.bytes,
                };
                let after_previous = match index {
                    // What precedes lies in another leaf: it still does when the score does not fall.
                    0 => leftmost || score >= old.score,
                    _ => new.compare(leaf[index - 1].score(), &leaf[index - 1]) == Ordering::Less,
                };
                let next = match leaf.get(index + 1) {
                    Some(next) => Some((next.score(), *next)),
                    None => next,
                };
                let before_next =
                    next.is_none_or(|(score, next)| new.compare(score, &next) == Ordering::Greater);
                let in_order = after_previous && before_next;
                if in_order {
                    // SAFETY: the caller's promise, passed on.
                    unsafe { handle.set_score(score) };
                }
                in_order
            }
            Node::Inner(inner) => {
                let index = inner.child_of(old);
                let next = if index + 1 < inner.len {
                    Some((inner.scores[index + 1], inner.firsts[index + 1]))
                } else {
                    next
                };
                let leftmost = leftmost && index == 0;
                // SAFETY: the caller's promise, passed on.
                let in_order = unsafe {
                    inner.children[index].update_score(old, handle, score, next, leftmost)
                };
                if in_order && inner.firsts[index] == handle {
                    inner.scores[index] = score;
                }
                in_order
            }
        }
    }

    fn remove_range(&mut self, ranks: Range<usize>, visit: &mut dyn FnMut(Handle)) {
        match self {
            Node::Leaf(leaf) => {
                leaf.drain(ranks).for_each(visit);
                trim_leaf::<LEAF>(leaf);
            }
            Node::Inner(inner) => inner.remove_range(ranks, visit),
        }
    }

    fn visit_all(&self, visit: &mut dyn FnMut(Handle)) {
        match self {
            Node::Leaf(leaf) => leaf.iter().copied().for_each(visit),
            Node::Inner(inner) => {
                for child in &inner.children[..inner.len] {
                    child.visit_all(visit);
                }
            }
        }
    }

    /// How many entries the node has of how many that it can have.
    fn fill(&self) -> (usize, usize) {
        match self {
            Node::Leaf(leaf) => (leaf.len(), LEAF),
            Node::Inner(inner) => (inner.len, FANOUT),
        }
    }

    /// Takes in the entries of the right neighbour, which has the same height and fits.
    fn absorb(&mut self, right: Self) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                let len = left.len() + right.len();
                if len > left.capacity() {
                    left.reserve_exact(leaf_capacity::<LEAF>(len) - left.len());
                }
                left.extend_from_slice(&right);
            }
            (Node::Inner(left), Node::Inner(mut right)) => {
                for index in 0..right.len {
                    left.push_entry(right.take_entry(index));
                }
            }
            _ => unreachable!("neighbours have the same height"),
        }
    }

    fn memory_usage(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.capacity() * size_of::<Handle>(),
            Node::Inner(inner) => {
                let below = inner.children[..inner.len].iter().map(Node::memory_usage);
                size_of::<Inner<LEAF, FANOUT>>() + below.sum::<usize>()
            }
        }
    }
}

/// What an inner node knows of one child, with the child.
struct Entry<const LEAF: usize, const FANOUT: usize> {
    score: f64,
    count: usize,
    first: Handle,
    child: Node<LEAF, FANOUT>,
}

impl<const LEAF: usize, const FANOUT: usize> Inner<LEAF, FANOUT> {
    fn new() -> Box<Self> {
        Box::new(Inner {
            len: 0,
            scores: [0.0; FANOUT],
            counts: [0; FANOUT],
            firsts: [Handle::NONE; FANOUT],
            children: [const { Node::EMPTY }; FANOUT],
        })
    }

    /// How many children start with a member for which `before` is true.
    fn partition_point(&self, before: &impl Fn(f64, &Handle) -> bool) -> usize {
        let mut low = 0;
        let mut size = self.len;
        while size > 0 {
            let half = size / 2;
            let middle = low + half;
            if before(self.scores[middle], &self.firsts[middle]) {
                low = middle + 1;
                size -= half + 1;
            } else {
                size = half;
            }
        }
        low
    }

    /// The child in which a member at `place` is if it is anywhere.
    fn child_of(&self, place: Place<'_>) -> usize {
        self.partition_point(&|score, first: &Handle| {
            place.compare(score, first) != Ordering::Greater
        })
        .saturating_sub(1)
    }

    fn insert(&mut self, place: Place<'_>, handle: Handle, edges: Edges) -> Option<Box<Self>> {
        let index = self.child_of(place);
        let child_edges = Edges {
            left: edges.left && index == 0,
            right: edges.right && index + 1 == self.len,
        };
        let split = self.children[index].insert(place, handle, child_edges);
        self.refresh_first(index);
        let Some(right) = split else {
            self.counts[index] += 1;
            return None;
        };
        self.counts[index] = self.children[index].count();
        if self.len < FANOUT {
            self.insert_entry(index + 1, Entry::of(right));
            return None;
        }
        // This node is full too. At the right edge it stays so, and the newcomer starts the next node.
        let at = if edges.right && index + 1 == FANOUT {
            FANOUT
        } else if edges.left && index == 0 {
            1
        } else {
            FANOUT / 2
        };
        let mut neighbour = self.split_off(at);
        if index < at && at < FANOUT {
            self.insert_entry(index + 1, Entry::of(right));
        } else {
            neighbour.insert_entry(index + 1 - at, Entry::of(right));
        }
        Some(neighbour)
    }

    fn remove(&mut self, place: Place<'_>, handle: Handle) -> bool {
        let index = self.child_of(place);
        if !self.children[index].remove(place, handle) {
            return false;
        }
        self.counts[index] -= 1;
        if self.counts[index] == 0 {
            drop(self.remove_entry(index));
        } else {
            if self.firsts[index] == handle {
                self.refresh_first(index);
            }
            self.join_if_sparse(index);
        }
        true
    }

    fn remove_range(&mut self, ranks: Range<usize>, visit: &mut dyn FnMut(Handle)) {
        let mut start = 0;
        for index in 0..self.len {
            let count = self.counts[index];
            let end = start + count;
            let low = ranks.start.clamp(start, end) - start;
            let high = ranks.end.clamp(start, end) - start;
            if high - low == count {
                let child = std::mem::replace(&mut self.children[index], Node::EMPTY);
                child.visit_all(visit);
                self.counts[index] = 0;
            } else if low < high {
                self.children[index].remove_range(low..high, visit);
                self.counts[index] = count - (high - low);
                self.refresh_first(index);
            }
            start = end;
        }
        self.drop_empty();
        let mut index = self.len;
        while index > 0 {
            index -= 1;
            if index < self.len {
                self.join_if_sparse(index);
            }
        }
    }

    /// Closes the gaps that children without members leave.
    fn drop_empty(&mut self) {
        let mut kept = 0;
        for index in 0..self.len {
            if self.counts[index] > 0 {
                self.scores[kept] = self.scores[index];
                self.counts[kept] = self.counts[index];
                self.firsts[kept] = self.firsts[index];
                self.children.swap(kept, index);
                kept += 1;
            }
        }
        for child in &mut self.children[kept..self.len] {
            *child = Node::EMPTY;
        }
        self.len = kept;
    }

    /// Joins a child that is nearly empty with a neighbour that has room for it.
    fn join_if_sparse(&mut self, index: usize) {
        let (fill, limit) = self.children[index].fill();
        if fill > limit / 4 {
            return;
        }
        let fits = |other: usize| fill + self.children[other].fill().0 <= limit / 4 * 3;
        let left = if index > 0 && fits(index - 1) {
            index - 1
        } else if index + 1 < self.len && fits(index + 1) {
            index
        } else {
            return;
        };
        let right = self.remove_entry(left + 1);
        self.counts[left] += right.count;
        self.children[left].absorb(right.child);
    }

    fn refresh_first(&mut self, index: usize) {
        let first = self.children[index].first();
        if self.firsts[index] != first {
            self.firsts[index] = first;
            self.scores[index] = first.score();
        }
    }

    fn push(&mut self, child: Node<LEAF, FANOUT>) {
        self.push_entry(Entry::of(child));
    }

    fn push_entry(&mut self, entry: Entry<LEAF, FANOUT>) {
        self.insert_entry(self.len, entry);
    }

    fn insert_entry(&mut self, index: usize, entry: Entry<LEAF, FANOUT>) {
        let len = self.len;
        self.scores.copy_within(index..len, index + 1);
        self.counts.copy_within(index..len, index + 1);
        self.firsts.copy_within(index..len, index + 1);
        self.children[index..=len].rotate_right(1);
        self.scores[index] = entry.score;
        self.counts[index] = entry.count;
        self.firsts[index] = entry.first;
        self.children[index] = entry.child;
        self.len += 1;
    }

    fn remove_entry(&mut self, index: usize) -> Entry<LEAF, FANOUT> {
        let entry = self.take_entry(index);
        let len = self.len;
        self.scores.copy_within(index + 1..len, index);
        self.counts.copy_within(index + 1..len, index);
        self.firsts.copy_within(index + 1..len, index);
        self.children[index..len].rotate_left(1);
        self.len -= 1;
        entry
    }

    /// Moves an entry out and leaves its place empty.
    fn take_entry(&mut self, index: usize) -> Entry<LEAF, FANOUT> {
        Entry {
            score: self.scores[index],
            count: self.counts[index],
            first: self.firsts[index],
            child: std::mem::replace(&mut self.children[index], Node::EMPTY),
        }
    }

    fn split_off(&mut self, at: usize) -> Box<Self> {
        let mut right = Inner::new();
        for index in at..self.len {
            right.push_entry(self.take_entry(index));
        }
        self.len = at;
        right
    }
}

impl<const LEAF: usize, const FANOUT: usize> Entry<LEAF, FANOUT> {
    fn of(child: Node<LEAF, FANOUT>) -> Self {
        let first = child.first();
        Entry {
            score: first.score(),
            count: child.count(),
            first,
            child,
        }
    }
}

fn place_of(handle: &Handle) -> Place<'_> {
    Place {
        score: handle.score(),
        bytes: handle.bytes(),
    }
}

/// How many handles at the head of a leaf satisfy `before`.
///
/// Every look at a handle's score is a likely cache miss. A binary search of 128 would wait for seven of them one after
/// the other; here one round looks at every eighth and a second at the seven between two of those, and within a
/// round the loads do not wait for each other.
fn leaf_partition_point(leaf: &[Handle], before: &impl Fn(f64, &Handle) -> bool) -> usize {
    const STRIDE: usize = 8;
    let is_before = |handle: &Handle| before(handle.score(), handle);
    let coarse = leaf
        .chunks_exact(STRIDE)
        .filter(|chunk| is_before(&chunk[STRIDE - 1]))
        .count();
    let start = coarse * STRIDE;
    let end = leaf.len().min(start + STRIDE - 1);
    start
        + leaf[start..end]
            .iter()
            .filter(|handle| is_before(handle))
            .count()
}

/// How many places a leaf of `len` handles gets.
///
/// Allocators have four sizes between two powers of two. A leaf takes the whole of the size that fits.
fn leaf_capacity<const LEAF: usize>(len: usize) -> usize {
    const HANDLE: usize = size_of::<Handle>();
    let bytes = (len * HANDLE).max(32);
    let spacing = bytes.next_power_of_two() / 8;
    (bytes.next_multiple_of(spacing) / HANDLE).min(LEAF)
}

fn insert_into_leaf<const LEAF: usize>(leaf: &mut Vec<Handle>, index: usize, handle: Handle) {
    let len = leaf.len();
    if len == leaf.capacity() {
        leaf.reserve_exact(leaf_capacity::<LEAF>(len + 1) - len);
    }
    leaf.insert(index, handle);
}

/// Splits a full leaf around a newcomer and gives the right part.
fn split_leaf<const LEAF: usize>(
    leaf: &mut Vec<Handle>,
    index: usize,
    handle: Handle,
    edges: Edges,
) -> Vec<Handle> {
    if edges.right && index == LEAF {
        return vec![handle];
    }
    if edges.left && index == 0 {
        return std::mem::replace(leaf, vec![handle]);
    }
    let middle = LEAF / 2;
    let mut right = Vec::with_capacity(leaf_capacity::<LEAF>(LEAF - middle));
    right.extend_from_slice(&leaf[middle..]);
    leaf.truncate(middle);
    if index <= middle {
        leaf.shrink_to(leaf_capacity::<LEAF>(middle + 1));
        insert_into_leaf::<LEAF>(leaf, index, handle);
    } else {
        leaf.shrink_to(leaf_capacity::<LEAF>(middle));
        insert_into_leaf::<LEAF>(&mut right, index - middle, handle);
    }
    right
}

/// Gives back the places at a leaf's end when they are many, keeping some so that a leaf which loses and gains by turns
/// is not moved each time.
fn trim_leaf<const LEAF: usize>(leaf: &mut Vec<Handle>) {
    let len = leaf.len();
    if leaf_capacity::<LEAF>(len + len / 4 + 1) < leaf.capacity() {
        leaf.shrink_to(leaf_capacity::<LEAF>(len + 1));
    }
}

/// The handles at a range of ranks, from either end.
pub(super) struct Iter<'a, const LEAF: usize, const FANOUT: usize> {
    tree: &'a Tree<LEAF, FANOUT>,
    /// What is still to come. The two slices only spare a search: they may reach beyond it.
    ranks: Range<usize>,
    front: std::slice::Iter<'a, Handle>,
    back: std::slice::Iter<'a, Handle>,
}

impl<const LEAF: usize, const FANOUT: usize> Clone for Iter<'_, LEAF, FANOUT> {
    fn clone(&self) -> Self {
        Iter {
            tree: self.tree,
            ranks: self.ranks.clone(),
            front: self.front.clone(),
            back: self.back.clone(),
        }
    }
}

impl<'a, const LEAF: usize, const FANOUT: usize> Iterator for Iter<'a, LEAF, FANOUT> {
    type Item = &'a Handle;

    fn next(&mut self) -> Option<&'a Handle> {
        let rank = self.ranks.next()?;
        if let Some(handle) = self.front.next() {
            return Some(handle);
        }
        let (leaf, index) = self.tree.leaf_at(rank);
        self.front = leaf[index..].iter();
        self.front.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl<const LEAF: usize, const FANOUT: usize> DoubleEndedIterator for Iter<'_, LEAF, FANOUT> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        if let Some(handle) = self.back.next_back() {
            return Some(handle);
        }
        let (leaf, index) = self.tree.leaf_at(rank);
        self.back = leaf[..=index].iter();
        self.back.next_back()
    }
}

impl<const LEAF: usize, const FANOUT: usize> ExactSizeIterator for Iter<'_, LEAF, FANOUT> {}

#[cfg(test)]
impl<const LEAF: usize, const FANOUT: usize> Tree<LEAF, FANOUT> {
    /// Panics unless everything holds that the head of this file says.
    pub(super) fn check(&self) {
        fn depth_of<const LEAF: usize, const FANOUT: usize>(
            node: &Node<LEAF, FANOUT>,
            is_root: bool,
        ) -> usize {
            match node {
                Node::Leaf(leaf) => {
                    assert!(is_root || !leaf.is_empty());
                    assert!(leaf.len() <= LEAF && leaf.capacity() <= LEAF);
                    0
                }
                Node::Inner(inner) => {
                    assert!(inner.len >= if is_root { 2 } else { 1 });
                    let mut depths =
                        inner.children[..inner.len]
                            .iter()
                            .enumerate()
                            .map(|(index, child)| {
                                assert!(inner.firsts[index] == child.first());
                                assert_eq!(inner.scores[index], child.first().score());
                                assert_eq!(inner.counts[index], child.count());
                                depth_of(child, false)
                            });
                    let depth = depths.next().expect("there is a child");
                    assert!(depths.all(|other| other == depth));
                    depth + 1
                }
            }
        }
        depth_of(&self.root, true);
        assert_eq!(self.root.count(), self.len);
        let mut previous: Option<Handle> = None;
        for handle in self.range(0..self.len) {
            if let Some(previous) = previous {
                let order = place_of(handle).compare(previous.score(), &previous);
                assert_eq!(order, Ordering::Less);
            }
            previous = Some(*handle);
        }
    }
}
