//! The engine's only source of chance: a small generator that replays from its seed.
//!
//! Nothing in the engine asks the operating system for entropy. Whoever embeds the engine gives it
//! a seed, and every choice that Redis leaves to chance (SPOP, RANDOMKEY, the sampling of the
//! active expiry cycle) is drawn from a [`Random`] that descends from that seed.
//!
//! It is not for secrets: the numbers are easy to predict.

/// A seeded generator of pseudo-random numbers.
///
/// Two generators made from the same seed give the same numbers for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Random(fastrand::Rng);

impl Random {
    /// Starts the sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// The next number, uniform over all of `u64`.
    #[expect(
        clippy::should_implement_trait,
        reason = "an endless Iterator would invite collect()"
    )]
    pub fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// A number below `n`, each equally likely; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.0.u64(..n) }
    }

    /// An index into something of `len` items, each equally likely; 0 when `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        if len == 0 { 0 } else { self.0.usize(..len) }
    }

    /// A generator for somebody else, whose numbers are independent of what this one gives next.
    pub fn fork(&mut self) -> Self {
        Self(self.0.fork())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn below_stays_below(seed: u64, n in 1u64..) {
            let mut random = Random::new(seed);
            for _ in 0..16 {
                prop_assert!(random.below(n) < n);
            }
        }

        #[test]
        fn a_seed_replays(seed: u64) {
            let mut first = Random::new(seed);
            let mut second = Random::new(seed);
            for n in 1..32 {
                prop_assert_eq!(first.next(), second.next());
                prop_assert_eq!(first.below(n), second.below(n));
            }
            let (mut first, mut second) = (first.fork(), second.fork());
            prop_assert_eq!(first.next(), second.next());
        }
    }

    #[test]
    fn below_zero_and_one_have_one_answer() {
        let mut random = Random::new(7);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
        assert_eq!(random.index(0), 0);
    }

    #[test]
    fn below_is_uniform() {
        let mut random = Random::new(42);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[random.below(10) as usize] += 1;
        }
        // Binomial with mean 10,000 and deviation 95: six deviations never happen by chance.
        assert!(
            counts.iter().all(|&n| (9_430..=10_570).contains(&n)),
            "{counts:?}"
        );
    }

    #[test]
    fn forks_differ_from_their_parent() {
        let mut parent = Random::new(1);
        let mut child = parent.fork();
        assert_ne!(parent.next(), child.next());
    }
}
