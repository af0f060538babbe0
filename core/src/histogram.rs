//! How often a value was how large: one bucket for each power of two, so that recording is a few instructions, the
//! memory is fixed, and two histograms can be added.
//!
//! Bucket 0 counts zeros, bucket n the values from 2^(n-1) to 2^n - 1, and the last one all that are larger.

use core::cell::Cell;

/// Thirty exact ones: in milliseconds they end after twelve days, in microseconds after eighteen minutes.
pub const BUCKETS: usize = 32;

/// All zero is empty.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Histogram {
    counts: [Cell<u64>; BUCKETS],
    sum: Cell<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    pub const fn new() -> Self {
        Self { counts: [const { Cell::new(0) }; BUCKETS], sum: Cell::new(0) }
    }

    #[inline]
    pub fn record(&self, value: u64) {
        let bits = (u64::BITS - value.leading_zeros()) as usize;
        bump(&self.counts, bits.min(BUCKETS - 1));
        self.sum.set(self.sum.get().wrapping_add(value));
    }

    /// As `record(0)`, for a path that knows.
    #[inline]
    pub fn record_zero(&self) {
        bump(&self.counts, 0);
    }

    pub fn absorb(&self, other: &Self) {
        for (count, more) in self.counts.iter().zip(&other.counts) {
            count.set(count.get().wrapping_add(more.get()));
        }
        self.sum.set(self.sum.get().wrapping_add(other.sum.get()));
    }

    /// Values recorded.
    pub fn count(&self) -> u64 {
        self.buckets().fold(0, u64::wrapping_add)
    }

    pub fn sum(&self) -> u64 {
        self.sum.get()
    }

    pub fn buckets(&self) -> impl Iterator<Item = u64> + '_ {
        self.counts.iter().map(Cell::get)
    }

    /// The largest value a bucket counts; `None` is no bound.
    pub const fn bound(bucket: usize) -> Option<u64> {
        if bucket < BUCKETS - 1 { Some((1 << bucket) - 1) } else { None }
    }

    /// The bucket in which so many of a thousand values are reached: that many are not above its bound. `None` where
    /// nothing was recorded.
    pub fn reaches(&self, of_thousand: u64) -> Option<usize> {
        let count = self.count();
        let (whole, rest) = (count / 1_000, count % 1_000);
        let wanted = whole.wrapping_mul(of_thousand).wrapping_add((rest.wrapping_mul(of_thousand)).div_ceil(1_000));
        let mut below = 0_u64;
        let at = self.buckets().position(|bucket| {
            below = below.wrapping_add(bucket);
            below >= wanted.max(1)
        });
        at.filter(|_| count > 0)
    }
}

#[inline]
fn bump(counts: &[Cell<u64>; BUCKETS], bucket: usize) {
    if let Some(count) = counts.get(bucket) {
        count.set(count.get().wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_value_lies_in_the_bucket_whose_bounds_hold_it() {
        for value in [0, 1, 2, 3, 4, 7, 8, 1_000, (1 << 30) - 1, 1 << 30, u64::MAX] {
            let histogram = Histogram::new();
            histogram.record(value);
            let at = histogram.buckets().position(|count| count == 1).unwrap();
            assert!(Histogram::bound(at).is_none_or(|bound| value <= bound), "{value} in {at}");
            assert!(at == 0 || Histogram::bound(at - 1).unwrap() < value, "{value} in {at}");
            assert_eq!((histogram.count(), histogram.sum()), (1, value));
        }
    }

    #[test]
    fn a_percentile_is_reached_in_the_bucket_where_a_sorted_list_has_it() {
        let mut values: Vec<u64> = Vec::new();
        let histogram = Histogram::new();
        assert_eq!(histogram.reaches(500), None);
        let mut dice = 7_u64;
        for _ in 0..2_345 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let value = dice >> (40 + dice % 24);
            values.push(value);
            histogram.record(value);
            values.sort_unstable();
            for of_thousand in [1, 500, 900, 990, 1_000] {
                let rank = (values.len() * of_thousand).div_ceil(1_000);
                let exact = values[rank - 1];
                let at = histogram.reaches(of_thousand as u64).unwrap();
                assert_eq!(at, (u64::BITS - exact.leading_zeros()) as usize, "{of_thousand} of {}", values.len());
            }
        }
    }

    #[test]
    fn two_histograms_add_up() {
        let (one, other) = (Histogram::new(), Histogram::new());
        one.record(3);
        one.record_zero();
        other.record(1 << 40);
        one.absorb(&other);
        assert_eq!((one.count(), one.sum()), (3, 3 + (1 << 40)));
    }
}
