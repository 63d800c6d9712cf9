//! One client more, which asks one request after the other, and tells for each how long the server itself can have kept it
//! waiting.
//!
//! The clock on the wall does not tell that: on a busy machine most of a long wait is the scheduler's. So it is bounded from
//! two sides. A server that has used no more than so much CPU time from the request to its reply, all its threads
//! together, was not busy for longer; and the time in which this thread could have run and had no core is nobody's
//! fault here. What is left is at most the lesser of both. It leaves out only what the server sleeps, or waits for
//! disks, while a request waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use oxidis_testkit::TestServer;

use super::super::{cpu, workload};

/// From a reply to the next request: rare enough that the server is not made busy by it, often enough that a stall of a
/// millisecond is met.
const PAUSE: Duration = Duration::from_micros(250);

/// Asks until `meanwhile` is over; answers the longest that the server can have kept a request waiting.
///
/// # Errors
/// When a request fails, the platform does not tell CPU times, or `meanwhile` fails.
pub(super) fn during(
    server: &TestServer,
    keys: u64,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<Duration> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let probe = scope.spawn(|| ask_until(&stop, server, keys));
        let done = meanwhile();
        stop.store(true, Ordering::Relaxed);
        let longest = probe.join().expect("the probe does not panic");
        done?;
        longest
    })
}

fn ask_until(stop: &AtomicBool, server: &TestServer, keys: u64) -> Result<Duration> {
    let mut client = server.client();
    client.set_reply_limit(Duration::from_secs(60))?;
    let server_used = || cpu::time_used(server.pid()).context("the platform tells no CPU times");
    let queued = || cpu::own_time_in_queue().unwrap_or_default();
    let mut longest = Duration::ZERO;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number = (number + 7919) % keys.max(1);
        let words = workload::set_one(number);
        let (queued_before, used_before) = (queued(), server_used()?);
        let sent = Instant::now();
        let reply = client.command(&words)?;
        let elapsed = sent.elapsed();
        let (used_after, queued_after) = (server_used()?, queued());
        ensure!(!reply.is_error(), "{words:?}: {reply}");
        let used = used_after.saturating_sub(used_before);
        let own = queued_after.saturating_sub(queued_before);
        longest = longest.max(attributable(elapsed, own, used));
        thread::sleep(PAUSE);
    }
    Ok(longest)
}

/// How long a request that took `elapsed` can have waited for a server that was busy for `used`, when whoever asked
/// waited for a core for `own`.
fn attributable(elapsed: Duration, own: Duration, used: Duration) -> Duration {
    elapsed.saturating_sub(own).min(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_can_have_done_is_its_fault() {
        let ms = Duration::from_millis;
        assert_eq!(attributable(ms(10), ms(0), ms(9)), ms(9));
        assert_eq!(attributable(ms(10), ms(9), ms(9)), ms(1));
        assert_eq!(attributable(ms(10), ms(2), ms(1)), ms(1));
        assert_eq!(attributable(ms(10), ms(11), ms(9)), ms(0));
    }
}
