//! A token bucket in whole numbers: so many a second, with a burst of one second.

/// What is left to spend. Counts in thousandths of a token, so that each millisecond adds exactly the rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    per_second: u32,
    spent: u64,
    at_ms: u64,
}

/// One token.
const TOKEN: u64 = 1_000;

impl Bucket {
    /// A full bucket; a rate of 0 is no limit.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, spent: 0, at_ms: 0 }
    }

    /// When there will be a token; `None` if there is one.
    #[inline]
    pub fn ready_at(&self, now_ms: u64) -> Option<u64> {
        if self.per_second == 0 { None } else { self.limited_at(now_ms) }
    }

    #[cold]
    fn limited_at(&self, now_ms: u64) -> Option<u64> {
        let (rate, now_ms) = (u64::from(self.per_second), now_ms.max(self.at_ms));
        let missing = self.spent_at(now_ms).saturating_add(TOKEN).saturating_sub(rate.saturating_mul(TOKEN));
        if missing == 0 {
            return None;
        }
        // A millisecond brings `rate` thousandths; the check is for the proof that nothing here divides by zero.
        Some(now_ms.saturating_add(missing.checked_next_multiple_of(rate)?.checked_div(rate)?))
    }

    /// Spends a token.
    #[inline]
    pub fn take(&mut self, now_ms: u64) {
        if self.per_second > 0 {
            self.spent = self.spent_at(now_ms).saturating_add(TOKEN);
            self.at_ms = self.at_ms.max(now_ms);
        }
    }

    fn spent_at(&self, now_ms: u64) -> u64 {
        let back = now_ms.saturating_sub(self.at_ms).saturating_mul(u64::from(self.per_second));
        self.spent.saturating_sub(back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes whenever there is a token, for so long.
    fn taken(per_second: u32, from_ms: u64, ms: u64) -> u64 {
        let (mut bucket, mut count, mut now_ms) = (Bucket::new(per_second), 0, from_ms);
        while now_ms <= from_ms + ms {
            match bucket.ready_at(now_ms) {
                None => {
                    bucket.take(now_ms);
                    count += 1;
                }
                Some(at_ms) => {
                    assert!(at_ms > now_ms);
                    assert!(bucket.ready_at(at_ms - 1).is_some() && bucket.ready_at(at_ms).is_none(), "no sooner");
                    now_ms = at_ms;
                }
            }
        }
        count
    }

    #[test]
    fn a_second_long_burst_and_then_the_rate() {
        for rate in [1, 2, 3, 7, 60, 999, 1_000, 1_001, 50_000] {
            assert_eq!(taken(rate, 5, 0), u64::from(rate), "the burst");
            let whole = u64::from(rate) * 11;
            // Above a thousand a second a rest ends with the millisecond in which several tokens come.
            assert!(taken(rate, 1 << 40, 10_000).abs_diff(whole) <= 1 + u64::from(rate) / 1_000, "{rate}");
        }
    }

    #[test]
    fn what_was_not_spent_is_kept_for_a_second_only() {
        let mut bucket = Bucket::new(2);
        (0..2).for_each(|_| bucket.take(0));
        assert_eq!(bucket.ready_at(0), Some(500));
        (0..2).for_each(|_| bucket.take(1_000_000));
        assert_eq!(bucket.ready_at(1_000_000), Some(1_000_500));
        assert_eq!(bucket.ready_at(0), Some(1_000_500), "a clock that goes back gives nothing");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::new(0);
        (0..1_000).for_each(|_| bucket.take(0));
        assert_eq!(bucket.ready_at(0), None);
        bucket = Bucket::new(u32::MAX);
        bucket.take(u64::MAX);
        assert_eq!(bucket.ready_at(u64::MAX), None);
    }
}
