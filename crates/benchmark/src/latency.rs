//! How long requests took: a histogram, and the tables that redis-benchmark makes of one.

use hdrhistogram::Histogram;

/// From where on latencies are told apart, in microseconds.
const SMALLEST_US: u64 = 10;

/// Longer latencies count as this one, in microseconds.
const LARGEST_US: u64 = 3_000_000;

/// Up to here the cumulative distribution has a line for each tenth of a millisecond, and beyond
/// one for each millisecond.
const FINE_UP_TO_US: u64 = 2_000;
const FINE_STEP_US: u64 = 100;
const COARSE_STEP_US: u64 = 1_000;

/// Latencies of requests.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

/// A line of a table: so many percent of all requests, and how many that is, took at most this long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Percents of all requests.
    pub percent: f64,
    /// The latency in milliseconds.
    pub latency_ms: f64,
    /// How many requests took at most this long.
    pub requests: u64,
}

impl Latencies {
    /// No latency yet; latencies will be told apart to so many significant decimal digits, at most 5.
    pub fn new(significant_digits: u8) -> Self {
        let digits = significant_digits.min(5);
        let histogram = Histogram::new_with_bounds(SMALLEST_US, LARGEST_US, digits)
            .expect("the bounds are far enough apart for any number of digits up to 5");
        Self { histogram }
    }

    /// Counts so many requests that took this long each.
    pub fn record(&mut self, latency_us: u64, requests: u64) {
        self.histogram
            .record_n(latency_us.min(LARGEST_US), requests)
            .expect("a latency within the bounds is recorded");
    }

    /// Adds latencies that were recorded elsewhere.
    pub fn add(&mut self, other: &Latencies) {
        self.histogram
            .add(&other.histogram)
            .expect("all latencies have the same bounds");
    }

    /// How many requests were recorded.
    pub fn requests(&self) -> u64 {
        self.histogram.len()
    }

    /// The mean, in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        self.histogram.mean() / 1000.0
    }

    /// The shortest, in milliseconds.
    pub fn shortest_ms(&self) -> f64 {
        milliseconds(self.histogram.min())
    }

    /// The longest, in milliseconds.
    pub fn longest_ms(&self) -> f64 {
        milliseconds(self.histogram.max())
    }

    /// What so many percent of the requests, to the nearest whole request, took at most, in
    /// milliseconds.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let wanted = (percent / 100.0 * self.requests() as f64).round().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        bucket.map_or(0.0, |(value_us, _)| milliseconds(value_us))
    }

    /// The latencies of the shares 0 %, 50 %, 75 %, 87.5 % and so on, each halving what is left,
    /// as far as there are requests to tell them apart; the last line is all of them.
    pub fn percentiles(&self) -> Vec<Share> {
        let total = self.requests();
        let mut shares = Vec::new();
        let mut seen = 0;
        let mut left = 100.0;
        for (value_us, count) in self.buckets() {
            seen += count;
            if 100.0 - left > percent_of(seen, total) {
                continue;
            }
            shares.push(Share {
                percent: 100.0 - left,
                latency_ms: milliseconds(value_us),
                requests: seen,
            });
            // Further shares that this bucket covers would only repeat the line.
            while seen < total && 100.0 - left <= percent_of(seen, total) {
                left /= 2.0;
            }
        }
        if let Some(last) = shares.last().copied() {
            shares.push(Share {
                percent: 100.0,
                ..last
            });
        }
        shares
    }

    /// How many requests took at most 0.1 ms, 0.2 ms and so on, in steps of a millisecond above
    /// 2 ms; lines that add no request are left out.
    pub fn distribution(&self) -> Vec<Share> {
        let total = self.requests();
        let mut shares: Vec<Share> = Vec::new();
        let mut buckets = self.buckets().peekable();
        let mut seen = 0;
        let mut level_us = FINE_STEP_US;
        let mut step_us = FINE_STEP_US;
        while seen < total {
            let upper_us = self.histogram.highest_equivalent(level_us);
            while let Some((_, count)) = buckets.next_if(|(value_us, _)| *value_us <= upper_us) {
                seen += count;
            }
            if shares.last().is_none_or(|last| last.requests != seen) {
                shares.push(Share {
                    percent: percent_of(seen, total),
                    latency_ms: milliseconds(upper_us),
                    requests: seen,
                });
            }
            level_us += step_us;
            // The level that passes the limit still has a fine step behind it.
            if upper_us > FINE_UP_TO_US {
                step_us = COARSE_STEP_US;
            }
        }
        shares
    }

    /// The buckets that hold something: the highest latency that falls into each, in microseconds,
    /// and the requests in it.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.histogram.iter_recorded().map(|bucket| {
            let value_us = self
                .histogram
                .highest_equivalent(bucket.value_iterated_to());
            (value_us, bucket.count_at_value())
        })
    }
}

fn milliseconds(us: u64) -> f64 {
    us as f64 / 1000.0
}

fn percent_of(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latencies(recorded: &[(u64, u64)]) -> Latencies {
        let mut latencies = Latencies::new(3);
        for &(latency_us, requests) in recorded {
            latencies.record(latency_us, requests);
        }
        latencies
    }

    fn rows(shares: &[Share]) -> Vec<(String, String, u64)> {
        let row = |share: &Share| {
            let percent = format!("{:.3}", share.percent);
            (percent, format!("{:.3}", share.latency_ms), share.requests)
        };
        shares.iter().map(row).collect()
    }

    fn expected(rows: &[(&str, &str, u64)]) -> Vec<(String, String, u64)> {
        let row = |&(percent, latency, requests): &(&str, &str, u64)| {
            (percent.to_owned(), latency.to_owned(), requests)
        };
        rows.iter().map(row).collect()
    }

    /// The figures are those that the HdrHistogram library of redis-benchmark 7.0.15 gives for
    /// the same latencies.
    #[test]
    fn the_tables_are_those_of_redis_benchmark() {
        let latencies = latencies(&[
            (20, 3),
            (60, 50),
            (70, 100),
            (90, 30),
            (150, 5),
            (2_050, 2),
            (2_150, 1),
            (35_000, 1),
            (400_000, 1),
        ]);
        assert_eq!(
            rows(&latencies.percentiles()),
            expected(&[
                ("0.000", "0.023", 3),
                ("50.000", "0.071", 153),
                ("87.500", "0.095", 183),
                ("96.875", "0.151", 188),
                ("98.438", "2.055", 190),
                ("99.219", "35.007", 192),
                ("99.609", "400.127", 193),
                ("100.000", "400.127", 193),
            ])
        );
        assert_eq!(
            rows(&latencies.distribution()),
            expected(&[
                ("94.819", "0.103", 183),
                ("97.409", "0.207", 188),
                ("98.446", "2.103", 190),
                ("98.964", "3.103", 191),
                ("99.482", "35.103", 192),
                ("100.000", "400.127", 193),
            ])
        );
        let summary = [
            latencies.mean_ms(),
            latencies.shortest_ms(),
            latencies.percentile_ms(50.0),
            latencies.percentile_ms(95.0),
            latencies.percentile_ms(99.0),
            latencies.longest_ms(),
        ];
        assert_eq!(
            summary.map(|latency_ms| format!("{latency_ms:.3}")),
            ["2.355", "0.016", "0.071", "0.095", "2.151", "400.127"]
        );
    }

    #[test]
    fn nothing_recorded_is_an_empty_table() {
        let latencies = Latencies::new(3);
        assert!(latencies.percentiles().is_empty());
        assert!(latencies.distribution().is_empty());
        assert_eq!(latencies.mean_ms(), 0.0);
    }

    #[test]
    fn what_takes_longer_than_all_bounds_is_counted_at_the_bound() {
        let latencies = latencies(&[(1, 1), (u64::MAX, 1)]);
        assert_eq!(latencies.requests(), 2);
        let longest_ms = latencies.longest_ms();
        assert!((3000.0..3010.0).contains(&longest_ms), "{longest_ms}");
    }

    proptest! {
        #[test]
        fn tables_grow_and_end_with_all_requests(
            recorded in proptest::collection::vec((0u64..4_000_000, 1u64..1_000), 1..200),
            digits in 0u8..6,
        ) {
            let mut halves = [Latencies::new(digits), Latencies::new(digits)];
            for (index, &(latency_us, requests)) in recorded.iter().enumerate() {
                halves[index % 2].record(latency_us, requests);
            }
            let [mut latencies, other] = halves;
            latencies.add(&other);
            let total: u64 = recorded.iter().map(|(_, requests)| requests).sum();
            prop_assert_eq!(latencies.requests(), total);
            for shares in [latencies.percentiles(), latencies.distribution()] {
                let grows = shares.is_sorted_by(|one, next| {
                    one.percent <= next.percent
                        && one.latency_ms <= next.latency_ms
                        && one.requests <= next.requests
                });
                prop_assert!(grows);
                let last = shares.last().unwrap();
                prop_assert_eq!((last.percent, last.requests), (100.0, total));
                for share in shares {
                    let within: u64 = recorded
                        .iter()
                        .filter(|(latency_us, _)| {
                            milliseconds((*latency_us).min(LARGEST_US)) <= share.latency_ms
                        })
                        .map(|(_, requests)| requests)
                        .sum();
                    prop_assert_eq!(share.requests, within);
                }
            }
        }
    }
}
