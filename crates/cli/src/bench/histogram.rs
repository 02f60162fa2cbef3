//! A histogram of latencies whose buckets are a thousandth of the value wide, from a microsecond to hours.

use std::time::Duration;

/// Bits of a value that a bucket tells apart: 2^10 parts of each power of two.
const PRECISION: u32 = 10;
const PARTS: u64 = 1 << PRECISION;

/// Counts of latencies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    largest: Duration,
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        let bucket = bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.largest = self.largest.max(latency);
    }

    /// Latencies counted.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// Latencies of at most `limit`, within a thousandth of it.
    pub(crate) fn within(&self, limit: Duration) -> u64 {
        let last = bucket(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        self.counts.iter().take(last + 1).sum()
    }

    /// The latency that at least `share` of all do not exceed, within a thousandth; nothing when none was counted.
    pub(crate) fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(Duration::from_micros(highest(bucket)).min(self.largest));
            }
        }
        None
    }
}

/// The bucket of a value: exact below 2^11, then 2^10 buckets for each power of two.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PRECISION + 1);
    let part = value >> shift;
    (u64::from(shift) * PARTS + part) as usize
}

/// The largest value of a bucket.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / PARTS).saturating_sub(1);
    let part = bucket - shift * PARTS;
    ((part + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_within_a_limit_are_counted_with_it() {
        let mut histogram = Histogram::default();
        [1, 5, 1000, 50_000].into_iter().for_each(|number| histogram.record(Duration::from_micros(number)));
        assert_eq!(histogram.within(Duration::from_micros(4)), 1);
        assert_eq!(histogram.within(Duration::from_micros(5)), 2);
        assert_eq!(histogram.within(Duration::from_millis(1)), 3);
        assert_eq!(histogram.within(Duration::from_secs(9)), 4);
    }

    #[test]
    fn every_value_lies_in_a_bucket_no_wider_than_a_thousandth() {
        let mut last = 0;
        for power in 0..40 {
            for value in [(1_u64 << power).saturating_sub(1), 1 << power, (1 << power) + 1, 3 << power] {
                let highest = highest(bucket(value));
                assert!(highest >= value && highest - value <= value / 1000 + 1, "{value} {highest}");
            }
            assert!(bucket(1 << power) >= last);
            last = bucket(1 << power);
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), None);
        for milliseconds in 1..=1000 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        for (share, expected) in [(0.5, 500), (0.99, 990), (1.0, 1000), (0.0, 1)] {
            let found = histogram.percentile(share).map(|found| found.as_micros() as f64 / 1e3);
            let near = found.is_some_and(|found| (found - f64::from(expected)).abs() <= 1.0);
            assert!(near, "{share}: {found:?}");
        }
        assert_eq!(histogram.count(), 1000);
    }
}
