//! How many elements a set of registers has seen: Otmar Ertl's estimator ("New cardinality estimation
//! algorithms for HyperLogLog sketches", algorithm 6), which needs no tables and no bias correction. Redis
//! uses it too, with the same order of operations, so that both give the same number.

/// How many registers there are.
pub(super) const REGISTERS: usize = 1 << REGISTER_BITS;

/// The bits of a hash that choose a register.
pub(super) const REGISTER_BITS: u32 = 14;

/// The bits of a hash that are left.
pub(super) const RUN_BITS: usize = 64 - REGISTER_BITS as usize;

/// How many registers have each value.
pub(super) type Histogram = [u32; 64];

/// The limit of the constant alpha for many registers, 1/(2 ln 2).
const ALPHA_INFINITY: f64 = 0.721_347_520_444_481_7;

/// The estimate for registers with this histogram.
pub(super) fn estimate(histogram: &Histogram) -> u64 {
    let registers = REGISTERS as f64;
    let mut sum = registers * tau((registers - f64::from(histogram[RUN_BITS + 1])) / registers);
    for &count in histogram[1..=RUN_BITS].iter().rev() {
        sum += f64::from(count);
        sum *= 0.5;
    }
    sum += registers * sigma(f64::from(histogram[0]) / registers);
    (ALPHA_INFINITY * registers * registers / sum).round() as u64
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let mut y = 1.0;
    let mut z = 1.0 - x;
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let mut y = 1.0;
    let mut z = x;
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}
