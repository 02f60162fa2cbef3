//! A histogram over fixed bounds, recorded without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::exposition::line;

/// Upper bounds of durations in nanoseconds.
const DURATIONS: [u64; 18] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Upper bounds of the number of inputs in a request.
const COUNTS: [u64; 18] =
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072];

/// A histogram over fixed bounds, recorded without a lock.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    /// Units of the recorded value in one unit of the printed one.
    scale: f64,
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Over lengths of time.
    pub(super) fn durations() -> Self {
        Self::over(&DURATIONS, 1e9)
    }

    /// Over numbers of things.
    pub(super) fn counts() -> Self {
        Self::over(&COUNTS, 1.0)
    }

    /// Over `bounds`, ascending, of which `scale` make one unit of what is printed.
    pub(super) fn over(bounds: &'static [u64], scale: f64) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, scale, buckets, sum: AtomicU64::new(0) }
    }

    /// Records a value in its own unit.
    pub(super) fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Records a length of time.
    pub(crate) fn record_duration(&self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records a number of things.
    pub(crate) fn record_count(&self, count: usize) {
        self.record(count as u64);
    }

    /// Sum of what was recorded, in its own unit.
    pub(crate) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// How often something was recorded.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The least bound, in milliseconds, that at least `share` of the lengths of time do not exceed; none where nothing was
    /// recorded, or where it lies past the last bound.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0);
        let mut seen = 0.0;
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            seen += bucket.load(Ordering::Relaxed) as f64;
            if seen >= wanted {
                return Some(*bound as f64 / 1e6);
            }
        }
        None
    }

    /// Everything in the Prometheus text format; `label` is `name="value"`, or empty.
    pub(super) fn write(&self, out: &mut String, name: &str, label: &str) {
        let mut total = 0;
        let comma = if label.is_empty() { "" } else { "," };
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            line(
                out,
                format_args!("{name}_bucket{{{label}{comma}le=\"{}\"}} {total}", *bound as f64 / self.scale),
            );
        }
        total += self.buckets[self.bounds.len()].load(Ordering::Relaxed);
        line(out, format_args!("{name}_bucket{{{label}{comma}le=\"+Inf\"}} {total}"));
        let braced = if label.is_empty() { String::new() } else { format!("{{{label}}}") };
        line(
            out,
            format_args!("{name}_sum{braced} {}", self.sum.load(Ordering::Relaxed) as f64 / self.scale),
        );
        line(out, format_args!("{name}_count{braced} {total}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_accumulate_and_bounds_are_inclusive() {
        let histogram = Histogram::durations();
        for nanoseconds in [1, 25_000, 25_001, u64::MAX / 4] {
            histogram.record(nanoseconds);
        }
        let mut out = String::new();
        histogram.write(&mut out, "h", "a=\"b\"");
        assert!(out.contains("h_bucket{a=\"b\",le=\"0.000025\"} 2\n"), "{out}");
        assert!(out.contains("h_bucket{a=\"b\",le=\"0.00005\"} 3\n"), "{out}");
        assert!(out.contains("h_bucket{a=\"b\",le=\"10\"} 3\n"), "{out}");
        assert!(out.contains("h_bucket{a=\"b\",le=\"+Inf\"} 4\n"), "{out}");
        assert!(out.contains("h_count{a=\"b\"} 4\n"), "{out}");
    }
}
