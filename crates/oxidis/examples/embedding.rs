//! How fast an engine in this process starts and answers. Prints a line a figure: name, number, unit. Run with
//! `cargo run --release -p oxidis --example embedding`.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use oxidis::{Engine, Error, Server};

/// Keys in the engine.
const KEYS: u64 = 1_000_000;

/// How long each figure is measured.
const PERIOD: Duration = Duration::from_secs(2);

/// Calls between two looks at the clock.
const ROUND: u64 = 10_000;

fn main() -> Result<(), Error> {
    for (name, median_us) in [
        ("start of an engine", start(|| Engine::open().map(drop))?),
        ("start of a server", start(|| Server::start().map(drop))?),
    ] {
        println!("{name}: {median_us:.0} us");
    }
    let small = Engine::builder().seed(1).open()?;
    for n in 0..1000 {
        small
            .string()
            .set(format!("key:{n}"), format!("value:{n}"))?;
    }
    let snapshot = small.snapshot()?;
    let figures = [
        (
            "snapshot of 1,000 keys",
            start(|| small.snapshot().map(drop))?,
        ),
        ("restore of 1,000 keys", start(|| small.restore(&snapshot))?),
        (
            "diff of 1,000 keys",
            start(|| small.diff(&snapshot).map(drop))?,
        ),
        ("fork of 1,000 keys", start(|| small.fork().map(drop))?),
    ];
    for (name, median_us) in figures {
        println!("{name}: {median_us:.0} us");
    }
    let engine = Engine::builder().seed(1).open()?;
    for n in 0..KEYS {
        engine.string().set(key(n), "0123456789abcdef")?;
    }
    let get = |key: &[u8]| black_box(engine.string().get(key)).map(drop);
    let set = |key: &[u8]| engine.string().set(key, "0123456789abcdef");
    for threads in [1, 2] {
        println!(
            "GET from {threads} threads: {:.2} million/s",
            rate(threads, &get)?
        );
        println!(
            "SET from {threads} threads: {:.2} million/s",
            rate(threads, &set)?
        );
    }
    Ok(())
}

/// The median of many starts, in microseconds.
fn start(open: impl Fn() -> Result<(), Error>) -> Result<f64, Error> {
    let mut times = Vec::new();
    for _ in 0..51 {
        let started = Instant::now();
        open()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// A key of 16 bytes.
fn key(number: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Millions of calls a second, of all threads together, on random keys.
fn rate(threads: u64, call: &(impl Fn(&[u8]) -> Result<(), Error> + Sync)) -> Result<f64, Error> {
    let one = |thread: u64| -> Result<f64, Error> {
        let mut random = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let (started, mut calls) = (Instant::now(), 0);
        while started.elapsed() < PERIOD {
            for _ in 0..ROUND {
                // Marsaglia's xorshift: cheap, and good enough to be in no order.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                call(&key(random % KEYS))?;
            }
            calls += ROUND;
        }
        Ok(calls as f64 / started.elapsed().as_secs_f64())
    };
    let rates = thread::scope(|scope| {
        let threads: Vec<_> = (1..=threads)
            .map(|thread| scope.spawn(move || one(thread)))
            .collect();
        let rates = threads.into_iter().map(|thread| {
            thread
                .join()
                .expect("a thread that measures does not panic")
        });
        rates.collect::<Result<Vec<f64>, Error>>()
    })?;
    Ok(rates.iter().sum::<f64>() / 1e6)
}
