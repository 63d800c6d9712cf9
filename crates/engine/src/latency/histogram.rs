//! A histogram of durations from a nanosecond to a second, exact to two digits.
//!
//! Its cells are those of an HdrHistogram with two significant digits, which Redis uses: dashboards that compare
//! servers see the same figures. Durations of 2^k up to 2^(k+1) ns share 128 cells of equal width, those below
//! 128 ns have a cell for each nanosecond. Commands take few different orders of magnitude, so the cells of one
//! are only made when it is met; a command that takes 1 to 16 microseconds costs 4 KiB a worker.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is longer is counted as if it took so long.
const LONGEST_NS: u64 = 1_000_000_000;

/// Cells of one order of magnitude.
const CELLS: usize = 1 << CELL_BITS;
const CELL_BITS: u32 = 7;

/// Orders of magnitude up to [`LONGEST_NS`]; the first has all durations below [`CELLS`] ns.
const ORDERS: usize = (LONGEST_NS.ilog2() - CELL_BITS + 2) as usize;

/// The first and the last bound of [`Durations::cumulated`], as powers of two of nanoseconds.
const BOUNDS: std::ops::RangeInclusive<u32> = 10..=LONGEST_NS.ilog2() + 1;

/// Durations that one thread counts and any thread reads.
#[derive(Default)]
pub(crate) struct Histogram {
    orders: [OnceLock<Box<[AtomicU64; CELLS]>>; ORDERS],
}

/// Where a duration is counted: which order of magnitude, which of its cells.
fn place_of(duration_ns: u64) -> (usize, usize) {
    if duration_ns < CELLS as u64 {
        return (0, duration_ns as usize);
    }
    let order = duration_ns.ilog2() - CELL_BITS;
    (order as usize + 1, (duration_ns >> order) as usize - CELLS)
}

/// The durations that are counted in a cell: the first, and how many.
fn range_of(order: usize, cell: usize) -> (u64, u64) {
    match order {
        0 => (cell as u64, 1),
        _ => {
            let width = 1 << (order - 1);
            ((CELLS + cell) as u64 * width, width)
        }
    }
}

impl Histogram {
    /// Counts commands that each took so long. Only the owning worker may.
    #[inline]
    pub(crate) fn add(&self, duration_ns: u64, count: u64) {
        let (order, cell) = place_of(duration_ns.clamp(1, LONGEST_NS));
        let cells = self.orders[order].get_or_init(new_cells);
        let cell = &cells[cell];
        // One thread adds, so it need not be one locked instruction.
        cell.store(cell.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Forgets all durations.
    pub(crate) fn reset(&self) {
        let cells = self.orders.iter().filter_map(OnceLock::get);
        cells
            .flat_map(|cells| cells.iter())
            .for_each(|cell| cell.store(0, Ordering::Relaxed));
    }
}

#[cold]
fn new_cells() -> Box<[AtomicU64; CELLS]> {
    Box::new([const { AtomicU64::new(0) }; CELLS])
}

/// What several histograms have counted together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Durations {
    /// First duration, width in nanoseconds and count of each cell that is not empty, in order.
    cells: Vec<(u64, u64, u64)>,
}

impl Durations {
    /// Adds histograms up.
    pub(crate) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram> + Clone) -> Self {
        let mut cells = Vec::new();
        for order in 0..ORDERS {
            let orders = histograms.clone().map(|it| it.orders[order].get());
            let orders: Vec<_> = orders.flatten().collect();
            for cell in 0..CELLS {
                let counts = orders
                    .iter()
                    .map(|cells| cells[cell].load(Ordering::Relaxed));
                let count: u64 = counts.sum();
                if count > 0 {
                    let (first, width) = range_of(order, cell);
                    cells.push((first, width, count));
                }
            }
        }
        Durations { cells }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.cells.iter().map(|cell| cell.2).sum()
    }

    /// The duration in nanoseconds that so many of a hundred do not exceed, as far as the cells can tell; 0 if there
    /// are none. The 0th percentile is the shortest.
    pub(crate) fn percentile_ns(&self, percentile: f64) -> u64 {
        let rank = percentile.min(100.0) / 100.0 * self.count() as f64 + 0.5;
        let rank = (rank as u64).max(1);
        let mut seen = 0;
        for (first, width, count) in &self.cells {
            seen += count;
            if seen >= rank {
                return match percentile {
                    0.0 => *first,
                    _ => first + width - 1,
                };
            }
        }
        0
    }

    /// How many took at most 1, 2, 4 ... microseconds (of 1024 ns, and as exactly as the cells tell), with the bound in
    /// whole microseconds. Bounds below which nothing came since the one before are left out.
    pub(crate) fn cumulated(&self) -> Vec<(u64, u64)> {
        let mut cumulated = Vec::new();
        let mut seen = 0;
        let mut cells = self.cells.iter().peekable();
        for bound in BOUNDS.map(|bits| 1_u64 << bits) {
            let (order, cell) = place_of(bound);
            let last = match order < ORDERS {
                true => {
                    let (first, width) = range_of(order, cell);
                    first + width - 1
                }
                false => bound - 1,
            };
            let before = seen;
            while let Some((_, _, count)) = cells.next_if(|(first, _, _)| *first <= last) {
                seen += count;
            }
            if seen > before {
                cumulated.push((last / 1000, seen));
            }
        }
        cumulated
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn durations(all: &[u64]) -> Durations {
        let histograms = [Histogram::default(), Histogram::default()];
        for (index, duration_ns) in all.iter().enumerate() {
            histograms[index % 2].add(*duration_ns, 1);
        }
        Durations::of(histograms.iter())
    }

    #[test]
    fn figures_are_those_of_redis() {
        // What redis-server 8.2.3 said after DEBUG SLEEP 0.01, 1.1, 0.02, 1.1, 0.4, 0.7 and 1.5, and the percentiles
        // from which its exact durations are known to two digits.
        let slept = durations(&[
            10_092_600,
            1_100_000_000,
            23_900_000,
            1_101_000_000,
            402_000_000,
            700_500_000,
            1_500_000_000,
        ]);
        assert_eq!(
            slept.cumulated(),
            [(16_908, 1), (33_816, 2), (541_065, 3), (1_073_741, 7)]
        );
        assert_eq!(slept.percentile_ns(0.0), 10_092_544);
        assert_eq!(slept.percentile_ns(12.5), 10_158_079);
        assert_eq!(slept.percentile_ns(33.333_333), 23_986_175);
        assert_eq!(slept.percentile_ns(50.0), 704_643_071);
        assert_eq!(slept.percentile_ns(99.9), 1_002_438_655);
    }

    #[test]
    fn none_has_no_percentiles() {
        let none = durations(&[]);
        assert_eq!((none.count(), none.percentile_ns(50.0)), (0, 0));
        assert_eq!(none.cumulated(), []);
    }

    #[test]
    fn resetting_forgets_everything() {
        let histogram = Histogram::default();
        histogram.add(5, 3);
        histogram.reset();
        assert_eq!(
            Durations::of([&histogram].into_iter()),
            Durations::default()
        );
    }

    proptest! {
        #[test]
        fn percentiles_are_near_the_sorted_durations(
            mut all in prop::collection::vec((0_u32..31).prop_flat_map(|bits| 0..1_u64 << bits), 1..60),
            percentile in 0.0..100.0_f64,
        ) {
            let found = durations(&all).percentile_ns(percentile);
            all.iter_mut().for_each(|it| *it = (*it).clamp(1, LONGEST_NS));
            all.sort_unstable();
            let rank = (percentile / 100.0 * all.len() as f64 + 0.5) as usize;
            let exact = all[rank.max(1) - 1];
            prop_assert!(found >= exact && found - exact <= exact / 128, "{found} for {exact}");
        }

        #[test]
        fn everything_is_counted_below_a_bound(
            all in prop::collection::vec((0_u32..31).prop_flat_map(|bits| 0..1_u64 << bits), 0..60),
        ) {
            let cumulated = durations(&all).cumulated();
            prop_assert_eq!(cumulated.last().map_or(0, |it| it.1), all.len() as u64);
            for (bound_us, count) in cumulated {
                let bound_ns = (bound_us + 1) * 1000;
                // The bound is cut to whole microseconds.
                let below = all.iter().filter(|it| (**it).clamp(1, LONGEST_NS) < bound_ns - 1000).count() as u64;
                let at_most = all.iter().filter(|it| (**it).min(LONGEST_NS) <= bound_ns).count() as u64;
                prop_assert!((below..=at_most).contains(&count));
            }
        }
    }
}
