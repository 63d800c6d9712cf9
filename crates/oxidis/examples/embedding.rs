//! How fast an engine in this process starts and answers. Prints a line a figure: name, number and unit, with tabs
//! between them. Run with `cargo run --release -p oxidis --example embedding`; words that follow `--` choose the
//! figures whose names contain one of them.
//!
//! Rates are those of the best of several periods: what else the machine does can only make them worse. Keys are
//! looked up at random among a million, so that it is memory that is waited for, and not only the processor's cache.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use oxidis::{Clock, Engine, Error, Server};

/// Keys in the engine.
const KEYS: u64 = 1_000_000;

/// How long a rate is measured, and how often.
const PERIOD: Duration = Duration::from_millis(500);
const PERIODS: usize = 7;

/// Keys between two looks at the clock.
const ROUND: u64 = 10_000;

/// What is kept under each key.
const VALUE: &[u8; 16] = b"0123456789abcdef";

/// A call on a key, of an engine that a thread may have to itself.
type Call<'e> = &'e (dyn Fn(&mut Vec<u8>, u64) -> Result<u64, Error> + Sync);

fn main() -> Result<(), Error> {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|word| name.contains(word));
    starts(&is_chosen)?;
    rates(&is_chosen)
}

fn starts(is_chosen: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let small = Engine::builder().seed(1).clock(Clock::Manual).open()?;
    for n in 0..1000 {
        small
            .string()
            .set(format!("key:{n}"), format!("value:{n}"))?;
    }
    let snapshot = small.snapshot()?;
    let server = Server::builder().seed(1).start()?;
    server.restore(&snapshot)?;
    type Start<'s> = &'s dyn Fn() -> Result<(), Error>;
    let starts: [(&str, Start<'_>); 7] = [
        ("start of an engine", &|| Engine::open().map(drop)),
        ("start of a server", &|| Server::start().map(drop)),
        ("snapshot of 1,000 keys", &|| small.snapshot().map(drop)),
        ("restore of 1,000 keys", &|| small.restore(&snapshot)),
        ("diff of 1,000 keys", &|| small.diff(&snapshot).map(drop)),
        ("fork of an engine with 1,000 keys", &|| {
            small.fork().map(drop)
        }),
        ("fork of a server with 1,000 keys", &|| {
            server.fork().map(drop)
        }),
    ];
    for (name, start) in starts {
        if is_chosen(name) {
            println!("{name}\t{:.0}\tus", median_us(start)?);
        }
    }
    Ok(())
}

fn rates(is_chosen: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let engine = Engine::builder().seed(1).open()?;
    let calls: [(&str, u64, Call<'_>); 6] = [
        ("GET", 1, &|_, n| {
            let value = engine.string().get(key(n))?;
            Ok(value.map_or(0, |value| value.len() as u64))
        }),
        ("GET into a buffer", 1, &|buffer, n| {
            engine.string().get_into(key(n), buffer)?;
            Ok(buffer.len() as u64)
        }),
        ("GET in place", 1, &|_, n| {
            let len = engine
                .string()
                .get_with(key(n), |value| value.len() as u64)?;
            Ok(len.unwrap_or_default())
        }),
        ("GET of 100 keys at once", 100, &|_, n| {
            let keys = (0..100).map(|nth| key((n + nth * 7919) % KEYS));
            let values = engine.string().get_many(keys)?;
            Ok(values.iter().flatten().map(|it| it.len() as u64).sum())
        }),
        ("GET of 100 keys at once in place", 100, &|_, n| {
            let keys: [_; 100] = std::array::from_fn(|nth| key((n + nth as u64 * 7919) % KEYS));
            let mut bytes = 0;
            let read = |_, value: Option<&[u8]>| bytes += value.map_or(0, <[u8]>::len) as u64;
            engine.string().get_many_with(&keys, read)?;
            Ok(bytes)
        }),
        ("SET", 1, &|_, n| {
            engine.string().set(key(n), VALUE)?;
            Ok(VALUE.len() as u64)
        }),
    ];
    for n in 0..KEYS {
        engine.string().set(key(n), VALUE)?;
    }
    for (name, keys, call) in calls {
        for threads in [1, 2] {
            let name = format!("{name} from {threads} threads");
            if is_chosen(&name) {
                println!("{name}\t{:.2}\tmillion/s", best_rate(threads, keys, call)?);
            }
        }
    }
    Ok(())
}

/// The median of how long something takes many times over, in microseconds.
fn median_us(open: &dyn Fn() -> Result<(), Error>) -> Result<f64, Error> {
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
    let mut rest = number as u32;
    for digit in key[10..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Millions of keys a second, of all threads together, in the best of several periods.
fn best_rate(threads: u64, keys: u64, call: Call<'_>) -> Result<f64, Error> {
    let rates = (0..PERIODS).map(|_| rate(threads, keys, call));
    let rates = rates.collect::<Result<Vec<f64>, Error>>()?;
    Ok(rates.into_iter().fold(0.0, f64::max))
}

/// Millions of keys a second, of all threads together, on random keys, so many a call.
fn rate(threads: u64, keys: u64, call: Call<'_>) -> Result<f64, Error> {
    let one = |thread: u64| -> Result<f64, Error> {
        let mut random = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut buffer = Vec::new();
        let (started, mut read, mut bytes) = (Instant::now(), 0, 0);
        while started.elapsed() < PERIOD {
            for _ in 0..ROUND / keys {
                // Marsaglia's xorshift: cheap, and good enough to be in no order.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                bytes += call(&mut buffer, random % KEYS)?;
            }
            read += ROUND;
        }
        assert_eq!(black_box(bytes), read * VALUE.len() as u64);
        Ok(read as f64 / started.elapsed().as_secs_f64())
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
