//! `--intrinsic-latency`: how long this system keeps a busy process from running. No
//! server can answer faster than that.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::client::{Exit, print};
use crate::interrupt;

/// Runs short pieces of work for so many seconds and reports the longest.
pub fn measure_intrinsic_latency(seconds: u64) -> Result<(), Exit> {
    interrupt::watch_loop();
    let began = Instant::now();
    let run_time = Duration::from_secs(seconds);
    let (mut longest_us, mut runs) = (0u128, 0u64);
    loop {
        let start = Instant::now();
        work_a_little();
        let latency_us = start.elapsed().as_micros();
        runs += 1;
        if latency_us > longest_us {
            longest_us = latency_us;
            print(format!("Max latency so far: {longest_us} microseconds.\n").as_bytes())?;
        }
        if interrupt::requested() || began.elapsed() > run_time {
            let average_us = began.elapsed().as_secs_f64() * 1e6 / runs as f64;
            let average_ns = average_us * 1e3;
            let ratio = longest_us as f64 / average_us;
            let report = format!(
                "\n{runs} total runs (avg latency: {average_us:.4} microseconds / {average_ns:.2} \
                 nanoseconds per run).\nWorst run took {ratio:.0}x longer than the average latency.\n"
            );
            return print(report.as_bytes());
        }
    }
}

/// About a microsecond of arithmetic that the compiler must not skip.
fn work_a_little() {
    let mut state = black_box(0x9e37_79b9_7f4a_7c15u64);
    for _ in 0..512 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}
