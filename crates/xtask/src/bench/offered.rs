//! Requests that are offered at a fixed rate while something else goes on in the server, and how long they took.
//!
//! Each request has a time at which it is due, whether or not the one before it was answered, and its latency counts from
//! there: a pause of the server is in the latencies of all requests that fell into it, not of one for each
//! connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use oxidis_benchmark::latency::Latencies;
use oxidis_benchmark::load::{self, Endpoint, Numbers, Outcome, Plan};
use oxidis_testkit::TestServer;

use super::run::CLIENTS;
use super::workload;

/// How long requests took, in milliseconds. Three seconds and more count as three seconds.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub longest_ms: f64,
    /// The longest that a request left late by the generator's own fault, or the machine's.
    pub generator_ms: f64,
}

impl Latency {
    fn of(outcome: &Outcome) -> Self {
        Self::from_latencies(&outcome.latencies, outcome.longest_own_delay)
    }

    fn from_latencies(latencies: &Latencies, generator: Duration) -> Self {
        Latency {
            p50_ms: latencies.percentile_ms(50.0),
            p99_ms: latencies.percentile_ms(99.0),
            p999_ms: latencies.percentile_ms(99.9),
            longest_ms: latencies.longest_ms(),
            generator_ms: generator.as_secs_f64() * 1000.0,
        }
    }
}

/// Writes to random keys.
#[derive(Debug, Clone, Copy)]
pub struct OfferedLoad {
    /// How many keys there are to choose from.
    pub keys: u64,
    /// Requests a second.
    pub rate: f64,
}

impl OfferedLoad {
    /// Offers the load until `meanwhile` is over.
    ///
    /// # Errors
    /// When a request is answered with an error, or `meanwhile` fails.
    pub fn during<R>(
        self,
        server: &TestServer,
        meanwhile: impl FnOnce() -> Result<R>,
    ) -> Result<(Latency, R)> {
        let endpoint = Endpoint::Tcp(server.address());
        let template = workload::set(self.keys);
        let stop = AtomicBool::new(false);
        let plan = Plan {
            numbers: Numbers::Random(1),
            clients: CLIENTS,
            rate: Some(self.rate),
            stop: Some(&stop),
            ..Plan::new(&endpoint, &template, u64::MAX)
        };
        thread::scope(|scope| {
            let load = scope.spawn(|| load::run(&plan, |_| {}));
            let found = meanwhile();
            stop.store(true, Ordering::Relaxed);
            let outcome = load.join().expect("the load generator does not panic")?;
            Ok((Latency::of(&outcome), found?))
        })
    }

    /// Offers the load for so long, to a server that does nothing else.
    ///
    /// # Errors
    /// As [`Self::during`].
    pub fn latency_for(self, server: &TestServer, duration: Duration) -> Result<Latency> {
        let wait = || {
            thread::sleep(duration);
            Ok(())
        };
        let (latency, ()) = self.during(server, wait)?;
        Ok(latency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand requests a second, each answered at once, but for a pause of 100 ms: who counted from when each
    /// was sent would find one that took long.
    #[test]
    fn a_pause_is_in_the_percentiles_of_all_that_were_due_in_it() {
        let mut latencies = Latencies::new(3);
        for due_ms in 0_u64..1000 {
            let answered_ms = if (500..600).contains(&due_ms) {
                600
            } else {
                due_ms
            };
            latencies.record((answered_ms - due_ms) * 1000 + 100, 1);
        }
        let latency = Latency::from_latencies(&latencies, Duration::from_micros(50));
        assert_eq!(latency.p50_ms.round(), 0.0);
        // A tenth of the requests, each waiting for less than the one before it.
        assert_eq!(latency.p99_ms.round(), 90.0);
        assert_eq!(latency.p999_ms.round(), 99.0);
        assert_eq!(latency.longest_ms.round(), 100.0);
        assert_eq!(latency.generator_ms, 0.05);
    }
}
