//! Choosing some of many: what SPOP, SRANDMEMBER, HRANDFIELD and ZRANDMEMBER with a count share.

use std::collections::BTreeSet;

use crate::random::Random;

/// Chooses `count` of `total` things that pass by one after another, every subset with the same
/// probability.
///
/// This is selection sampling: D. Knuth, The Art of Computer Programming, volume 2, section 3.4.2,
/// Algorithm S.
#[derive(Debug, Clone)]
pub struct Selection {
    passing: u64,
    wanted: u64,
}

impl Selection {
    /// A choice of `count` of `total` things, or of all of them when there are fewer.
    pub fn new(total: usize, count: usize) -> Self {
        Self {
            passing: total as u64,
            wanted: count.min(total) as u64,
        }
    }

    /// Whether the next thing is chosen.
    pub fn takes_next(&mut self, random: &mut Random) -> bool {
        let chosen = random.below(self.passing) < self.wanted;
        self.passing = self.passing.saturating_sub(1);
        self.wanted -= u64::from(chosen);
        chosen
    }

    /// Whether all that was wanted is chosen.
    pub fn is_complete(&self) -> bool {
        self.wanted == 0
    }
}

/// Visits `count` different things of `total`, or all if there are fewer; every choice is equally
/// likely. `draw` gives any of them with what tells it from the others, and `all` gives each once.
///
/// To take few of many, things are drawn until enough are different, which needs at most one and a
/// half draws for each on average; to take many, all pass by once.
pub fn sample<Identity: Ord, Thing>(
    total: usize,
    count: usize,
    random: &mut Random,
    draw: impl Fn(&mut Random) -> Option<(Identity, Thing)>,
    all: impl Iterator<Item = Thing>,
    visit: &mut dyn FnMut(Thing),
) {
    if count <= total / 3 {
        let mut seen = BTreeSet::new();
        while seen.len() < count {
            let Some((identity, thing)) = draw(random) else {
                return;
            };
            if seen.insert(identity) {
                visit(thing);
            }
        }
        return;
    }
    let mut selection = Selection::new(total, count);
    for thing in all {
        if selection.is_complete() {
            return;
        }
        if selection.takes_next(random) {
            visit(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_many_are_chosen_as_were_wanted(seed: u64, total in 0usize..50, count in 0usize..60) {
            let mut random = Random::new(seed);
            let mut selection = Selection::new(total, count);
            let chosen = (0..total).filter(|_| selection.takes_next(&mut random)).count();
            prop_assert_eq!(chosen, count.min(total));
            prop_assert!(selection.is_complete());
            prop_assert!(!selection.takes_next(&mut random));
        }
    }

    #[test]
    fn every_subset_is_equally_likely() {
        let mut random = Random::new(3);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..60_000 {
            let mut selection = Selection::new(4, 2);
            let chosen: Vec<u8> = (0..4)
                .filter(|_| selection.takes_next(&mut random))
                .collect();
            *counts.entry(chosen).or_insert(0u32) += 1;
        }
        // Six subsets, 10,000 expected, deviation 91.
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|&n| (9_450..=10_550).contains(&n)),
            "{counts:?}"
        );
    }
}
