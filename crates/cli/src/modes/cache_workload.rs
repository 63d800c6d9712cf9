//! `--lru-test`: the reads and writes of a cache, to see how often a server with so much memory
//! and such an eviction policy still has what is asked for.
//!
//! Which key is read or written follows a power law: of `n` keys the k-th from the end is chosen
//! with a probability that grows with the distance from it, so that about four fifths of the requests go to
//! a fifth of the keys.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use oxidis_client::ConnectionError;
use oxidis_engine::random::Random;
use oxidis_resp::Value;

use crate::client::{Client, Exit, print};

/// How long requests are sent before a line is printed.
const CYCLE: Duration = Duration::from_secs(1);

/// How many writes, and then how many reads, are sent at once.
const PIPELINE_LEN: u64 = 250;

/// The exponent of the distribution, with which 80% of the requests go to about 20% of the keys.
const EXPONENT: f64 = 6.2;

/// How many bytes a value has.
const VALUE_BYTES: usize = 5;

/// What became of the reads of a cycle.
#[derive(Default)]
struct Reads {
    hits: u64,
    misses: u64,
}

impl Reads {
    fn line(&self) -> String {
        let Reads { hits, misses } = self;
        let all = hits + misses;
        let percent = |part: u64| part as f64 / all as f64 * 100.0;
        format!(
            "{all} Gets/sec | Hits: {hits} ({:.2}%) | Misses: {misses} ({:.2}%)\n",
            percent(*hits),
            percent(*misses)
        )
    }
}

/// Writes and reads `key_count` keys until somebody ends the program, and prints a line of figures each second.
pub fn imitate_cache(client: &mut Client, key_count: u64) -> Result<(), Exit> {
    // The standard library seeds its hashers from the system's randomness.
    let mut random = Random::new(RandomState::new().hash_one(0));
    loop {
        let began = Instant::now();
        let mut reads = Reads::default();
        while began.elapsed() < CYCLE {
            write(client, key_count, &mut random)?;
            read(client, key_count, &mut random, &mut reads)?;
        }
        print(reads.line().as_bytes())?;
    }
}

fn write(client: &mut Client, key_count: u64, random: &mut Random) -> Result<(), Exit> {
    for _ in 0..PIPELINE_LEN {
        let value: [u8; VALUE_BYTES] = std::array::from_fn(|_| b'A' + random.below(57) as u8);
        client.send(&[b"SET", key(key_count, random).as_bytes(), &value])?;
    }
    for _ in 0..PIPELINE_LEN {
        // A server without memory refuses writes, and what is missing shows in the reads.
        client.receive_reply().map_err(lost)?;
    }
    Ok(())
}

fn read(
    client: &mut Client,
    key_count: u64,
    random: &mut Random,
    reads: &mut Reads,
) -> Result<(), Exit> {
    for _ in 0..PIPELINE_LEN {
        client.send(&[b"GET", key(key_count, random).as_bytes()])?;
    }
    for _ in 0..PIPELINE_LEN {
        match client.receive_reply().map_err(lost)? {
            Value::Error(text) => eprintln!("{}", String::from_utf8_lossy(&text)),
            reply if reply.is_null() => reads.misses += 1,
            _ => reads.hits += 1,
        }
    }
    Ok(())
}

fn key(key_count: u64, random: &mut Random) -> String {
    // 53 bits are what a double holds.
    let fraction = random.below(1 << 53) as f64 / (1u64 << 53) as f64;
    format!("lru:{}", power_law(key_count.max(1), fraction))
}

/// A number from 1 to `most`, small ones more often; `fraction` is uniformly random below 1.
///
/// The distribution function of a density `x^a` is inverted: with `b = a + 1` and `x` between 1 and `m`,
/// `x = ((m^b - 1) u + 1)^(1/b)`. That favours great numbers, and so is counted from the end.
fn power_law(most: u64, fraction: f64) -> u64 {
    let power = EXPONENT + 1.0;
    let limit = (most + 1) as f64;
    let great = ((limit.powf(power) - 1.0) * fraction + 1.0).powf(1.0 / power);
    (most + 1).saturating_sub(great as u64).clamp(1, most)
}

fn lost(_: ConnectionError) -> Exit {
    eprintln!("I/O error during LRU test");
    Exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_requests_go_to_few_keys() {
        let mut random = Random::new(1);
        let all = 10_000;
        let mut few = 0;
        for _ in 0..all {
            let fraction = random.below(1 << 53) as f64 / (1u64 << 53) as f64;
            let number = power_law(1000, fraction);
            assert!((1..=1000).contains(&number));
            few += u32::from(number <= 200);
        }
        assert!((7600..8400).contains(&few), "{few}");
        assert_eq!(power_law(1, 0.999), 1);
        assert_eq!(power_law(1000, 0.0), 1000);
    }

    #[test]
    fn a_line_shows_shares() {
        let reads = Reads { hits: 3, misses: 1 };
        assert_eq!(
            reads.line(),
            "4 Gets/sec | Hits: 3 (75.00%) | Misses: 1 (25.00%)\n"
        );
    }
}
