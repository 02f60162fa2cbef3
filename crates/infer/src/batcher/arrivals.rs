//! How fast tokens arrive, as an average that forgets.

use std::time::Duration;

/// Time after which an arrival counts for a third.
const MEMORY: f64 = 0.1;

/// Tokens a second, exponentially averaged.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Arrivals {
    rate: f64,
    at: Duration,
}

impl Arrivals {
    /// Counts `tokens` that arrived at `now`.
    pub(crate) fn add(&mut self, now: Duration, tokens: u64) {
        self.rate = self.rate(now) + tokens as f64 / MEMORY;
        self.at = self.at.max(now);
    }

    /// Tokens a second at `now`.
    pub(crate) fn rate(&self, now: Duration) -> f64 {
        let silence = now.saturating_sub(self.at).as_secs_f64();
        self.rate * (-silence / MEMORY).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_gives_its_rate_and_silence_forgets_it() {
        let mut arrivals = Arrivals::default();
        for step in 0..2000 {
            arrivals.add(Duration::from_millis(step), 5);
        }
        let rate = arrivals.rate(Duration::from_millis(2000));
        assert!((4900.0..5100.0).contains(&rate), "{rate}");
        assert!(arrivals.rate(Duration::from_secs(4)) < 0.001);
    }
}
