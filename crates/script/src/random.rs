//! The generator behind `math.random`: the 48-bit linear congruence of POSIX's `lrand48`, so that a
//! script that seeds it gets the numbers that it gets from Redis.

/// The state of the generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lrand48(u64);

impl Lrand48 {
    /// One more than the largest number.
    pub(crate) const LIMIT: i32 = i32::MAX;

    /// The sequence that belongs to a seed.
    pub(crate) fn new(seed: i32) -> Self {
        Lrand48(u64::from(seed as u32) << 16 | 0x330e)
    }

    /// The next number, of 31 bits.
    pub(crate) fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
        (self.0 >> 17) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of `srand48(1)` as glibc gives them.
    #[test]
    fn numbers_are_those_of_posix() {
        let mut random = Lrand48::new(1);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(numbers, [89400484, 976015093, 1792756325]);
    }
}
