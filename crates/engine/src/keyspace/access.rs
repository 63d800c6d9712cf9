//! The 24 bits of access information that every entry has: what they mean, and how they change.
//!
//! Under an LRU policy (and under every policy that does not look at them) they are the second of
//! the last use, modulo 2^24: half a year. Under an LFU policy the high 16 bits are the minute at
//! which the low eight last changed, and the low eight are a counter that grows the slower the
//! greater it is, and shrinks with time:
//!
//! * a use increments it with probability `1 / ((counter - 5) * lfu-log-factor + 1)`, so that eight
//!   bits tell a million uses from a thousand;
//! * every `lfu-decay-time` minutes without a use take one away;
//! * a new key starts at 5, so that it is not the first to go before it had a chance.
//!
//! This is Redis's scheme (documented at <https://redis.io/docs/latest/develop/reference/eviction>),
//! to the bit, because RDB files and RESTORE carry idle times and counters from server to server.
//! When the policy changes between the two, the bits mean something else from then on: as in Redis
//! nobody converts them, and use puts them right.

use super::entry::EntryRef;
use crate::random::Random;

/// The counter of a new key under LFU.
pub(crate) const LFU_NEW_COUNTER: u32 = 5;

const MASK: u32 = 0x00ff_ffff;

/// How access information is kept, as the configuration has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccessRules {
    /// Whether the bits are those of LFU.
    pub(crate) is_lfu: bool,
    pub(crate) lfu_log_factor: u32,
    pub(crate) lfu_decay_minutes: u32,
}

impl AccessRules {
    /// What a new entry gets.
    #[inline]
    pub(crate) fn of_new(self, now_us: i64) -> u32 {
        if self.is_lfu {
            self.of_frequency(now_us, LFU_NEW_COUNTER as u8)
        } else {
            lru_clock(now_us)
        }
    }

    /// Notes the use of an entry.
    #[inline]
    pub(crate) fn touch(self, entry: EntryRef<'_>, now_us: i64, random: &mut Random) {
        let old = entry.access();
        let new = self.of_used(old, now_us, random);
        if new != old {
            entry.set_access(new);
        }
    }

    /// What an entry that had `access` gets by being used.
    #[inline]
    pub(crate) fn of_used(self, access: u32, now_us: i64, random: &mut Random) -> u32 {
        if self.is_lfu {
            self.count_use(access, now_us, random)
        } else {
            lru_clock(now_us)
        }
    }

    #[cold]
    fn count_use(self, access: u32, now_us: i64, random: &mut Random) -> u32 {
        let counter = u32::from(self.frequency(access, now_us));
        let factor = u64::from(self.lfu_log_factor);
        let above_new = u64::from(counter.saturating_sub(LFU_NEW_COUNTER));
        let grows = counter < 255 && random.below(above_new * factor + 1) == 0;
        self.of_frequency(now_us, (counter + u32::from(grows)) as u8)
    }

    /// The LFU counter of an entry after all the time that has gone by.
    pub(crate) fn frequency(self, access: u32, now_us: i64) -> u8 {
        let counter = access & 0xff;
        let elapsed = lfu_minute(now_us).wrapping_sub(access >> 8) & 0xffff;
        let periods = elapsed.checked_div(self.lfu_decay_minutes).unwrap_or(0);
        counter.saturating_sub(periods) as u8
    }

    /// The bits of an entry whose LFU counter is `counter` now.
    pub(crate) fn of_frequency(self, now_us: i64, counter: u8) -> u32 {
        lfu_minute(now_us) << 8 | u32::from(counter)
    }
}

/// The second, as LRU keeps it.
#[inline]
pub(crate) fn lru_clock(now_us: i64) -> u32 {
    (now_us / 1_000_000) as u32 & MASK
}

/// Seconds since an entry was last used, under LRU.
#[inline]
pub(crate) fn idle_seconds(access: u32, now_us: i64) -> u32 {
    lru_clock(now_us).wrapping_sub(access) & MASK
}

/// The bits of an entry that has not been used for `seconds`; more than fit count as all that fit.
pub(crate) fn of_idle_seconds(now_us: i64, seconds: i64) -> u32 {
    let seconds = seconds.clamp(0, i64::from(MASK)) as u32;
    lru_clock(now_us).wrapping_sub(seconds) & MASK
}

fn lfu_minute(now_us: i64) -> u32 {
    (now_us / 60_000_000) as u32 & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_700_000_000_000_000;
    const MINUTE_US: i64 = 60_000_000;
    const RULES: AccessRules = AccessRules {
        is_lfu: true,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
    };

    #[test]
    fn idle_times_survive_the_wrap_of_the_clock() {
        let wrap_us = (1_i64 << 24) * 1_000_000;
        let access = lru_clock(wrap_us - 5_000_000);
        assert_eq!(idle_seconds(access, wrap_us + 7_000_000), 12);
        for seconds in [0, 1, 1000, 16_777_215] {
            let access = of_idle_seconds(NOW_US, seconds);
            assert_eq!(i64::from(idle_seconds(access, NOW_US)), seconds);
        }
        assert_eq!(idle_seconds(of_idle_seconds(NOW_US, 1 << 40), NOW_US), MASK);
        assert_eq!(idle_seconds(of_idle_seconds(NOW_US, -3), NOW_US), 0);
    }

    #[test]
    fn a_counter_shrinks_with_time_and_never_below_zero() {
        let access = RULES.of_frequency(NOW_US, 100);
        assert_eq!(RULES.frequency(access, NOW_US), 100);
        assert_eq!(RULES.frequency(access, NOW_US + 7 * MINUTE_US), 93);
        assert_eq!(RULES.frequency(access, NOW_US + 1000 * MINUTE_US), 0);
        let slow = AccessRules {
            lfu_decay_minutes: 5,
            ..RULES
        };
        assert_eq!(slow.frequency(access, NOW_US + 14 * MINUTE_US), 98);
        let never = AccessRules {
            lfu_decay_minutes: 0,
            ..RULES
        };
        assert_eq!(never.frequency(access, NOW_US + 1000 * MINUTE_US), 100);
    }

    #[test]
    fn minutes_wrap_around_after_45_days() {
        let wrap_us = (1_i64 << 16) * MINUTE_US;
        let access = RULES.of_frequency(wrap_us - MINUTE_US, 9);
        assert_eq!(RULES.frequency(access, wrap_us + MINUTE_US), 7);
    }

    /// Redis documents, for a log factor of 10, a counter of about 10 after 100 uses, 18 after
    /// 1000, 142 after 100,000 and 255 after a million.
    #[test]
    fn a_counter_grows_with_the_logarithm_of_the_uses() {
        let mut random = Random::new(3);
        let after = |uses: u32, random: &mut Random| {
            let rounds = 20;
            let mut sum = 0;
            for _ in 0..rounds {
                let mut access = RULES.of_new(NOW_US);
                for _ in 0..uses {
                    access = RULES.of_used(access, NOW_US, random);
                }
                sum += u32::from(RULES.frequency(access, NOW_US));
            }
            sum / rounds
        };
        assert!((8..=12).contains(&after(100, &mut random)));
        assert!((16..=20).contains(&after(1000, &mut random)));
        assert!((135..=149).contains(&after(100_000, &mut random)));
        assert_eq!(after(2_000_000, &mut random), 255);
    }

    #[test]
    fn without_a_factor_every_use_counts() {
        let rules = AccessRules {
            lfu_log_factor: 0,
            ..RULES
        };
        let mut random = Random::new(3);
        let mut access = rules.of_new(NOW_US);
        for _ in 0..20 {
            access = rules.of_used(access, NOW_US, &mut random);
        }
        assert_eq!(rules.frequency(access, NOW_US), 25);
    }
}
