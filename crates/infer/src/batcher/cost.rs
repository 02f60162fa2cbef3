//! What a batch costs: a time for the batch itself and one for each token.

use std::time::{Duration, Instant};

/// Time for the hand-off to a thread and back, which no engine can undercut.
const HANDOFF: f64 = 20e-6;
/// Time for one token where measuring gave none.
const LEAST_PER_TOKEN: f64 = 1e-9;
/// Share of the throughput of an endless batch that a full one reaches.
const EFFICIENT: f64 = 0.95;
/// Weight of the newest batch in the correction by what batches took.
const NEWEST: f64 = 0.2;
/// A measurement this long is exact enough, and too long to be repeated.
const LONG: Duration = Duration::from_millis(250);
/// How far observation may move the model.
const PACE: std::ops::RangeInclusive<f64> = 0.05..=20.0;

/// The time of a batch of n tokens: `pace × (fixed + per_token × n)`. Measured when a model is loaded; `pace` follows what
/// batches then take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostModel {
    fixed: f64,
    per_token: f64,
    pace: f64,
}

impl Default for CostModel {
    /// The guess for an engine that nothing is known of: a microsecond a token.
    fn default() -> Self {
        Self::new(Duration::ZERO, Duration::from_micros(1))
    }
}

impl CostModel {
    /// A model with these times for a batch and for a token. The hand-off to a thread is added to `fixed`.
    pub fn new(fixed: Duration, per_token: Duration) -> Self {
        let per_token = per_token.as_secs_f64().max(LEAST_PER_TOKEN);
        Self { fixed: fixed.as_secs_f64() + HANDOFF, per_token, pace: 1.0 }
    }

    /// The line through two observations `(tokens, time)`, small and large.
    pub fn through(small: (u64, Duration), large: (u64, Duration)) -> Self {
        let tokens = large.0.saturating_sub(small.0).max(1) as f64;
        let per_token = (large.1.as_secs_f64() - small.1.as_secs_f64()).max(0.0) / tokens;
        let per_token = per_token.max(LEAST_PER_TOKEN);
        let fixed = (small.1.as_secs_f64() - per_token * small.0 as f64).max(0.0) + HANDOFF;
        Self { fixed, per_token, pace: 1.0 }
    }

    /// Times `run` with few and with many texts, the best of three each where that is quick. `run` is given a number of texts and says how many
    /// tokens it computed.
    pub fn measure(mut run: impl FnMut(usize) -> u64) -> Self {
        let mut best = |texts: usize| {
            let mut observed = (0, Duration::MAX);
            for _ in 0..3 {
                let start = Instant::now();
                let tokens = run(texts);
                observed = (tokens, observed.1.min(start.elapsed()));
                if observed.1 > LONG {
                    break;
                }
            }
            observed
        };
        let small = best(1);
        Self::through(small, best(16))
    }

    /// Expected time of a batch of `tokens`.
    pub fn time(&self, tokens: u64) -> Duration {
        seconds(self.pace * (self.fixed + self.per_token * tokens as f64))
    }

    /// Expected time of the batch itself, without any token.
    pub fn fixed(&self) -> Duration {
        self.time(0)
    }

    /// Tokens of a full batch, at least 1: more would make it longer and hardly raise the throughput.
    pub fn full_batch(&self) -> u64 {
        let tokens = EFFICIENT / (1.0 - EFFICIENT) * self.fixed / self.per_token;
        // Saturates, which is what a huge quotient means.
        (tokens as u64).max(1)
    }

    /// Expected time until `tokens` are computed in full batches, at least one, on `threads` threads.
    pub fn backlog(&self, tokens: u64, batch: u64, threads: usize) -> Duration {
        let batches = tokens.div_ceil(batch.max(1)).max(1) as f64;
        let time = self.pace * (self.fixed * batches + self.per_token * tokens as f64);
        seconds(time / threads.max(1) as f64)
    }

    /// Learns from a batch of `tokens` that took `elapsed`.
    pub fn observe(&mut self, tokens: u64, elapsed: Duration) {
        let expected = self.fixed + self.per_token * tokens as f64;
        let pace = (elapsed.as_secs_f64() + HANDOFF) / expected;
        let pace = pace.clamp(*PACE.start(), *PACE.end());
        self.pace += NEWEST * (pace - self.pace);
    }
}

/// A length of time from a number of seconds that may be anything.
fn seconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time).unwrap_or(Duration::from_secs(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_line_goes_through_both_observations() {
        let cost = CostModel::through((10, 3 * MILLISECOND), (110, 13 * MILLISECOND));
        let time = cost.time(60).as_secs_f64();
        assert!((time - 0.00802).abs() < 1e-9, "{time}");
        assert_eq!(cost.full_batch(), 383);
    }

    #[test]
    fn observations_move_the_expectation_both_ways() {
        let mut cost = CostModel::new(MILLISECOND, MILLISECOND);
        for _ in 0..50 {
            cost.observe(10, 22 * MILLISECOND);
        }
        assert!((cost.time(10).as_secs_f64() - 0.022).abs() < 0.0005, "{cost:?}");
        for _ in 0..50 {
            cost.observe(10, 5 * MILLISECOND);
        }
        assert!((cost.time(10).as_secs_f64() - 0.005).abs() < 0.0005, "{cost:?}");
    }

    #[test]
    fn measuring_runs_few_and_many_texts_and_believes_the_clock() {
        let mut runs = Vec::new();
        let cost = CostModel::measure(|texts| {
            runs.push(texts);
            10 * texts as u64
        });
        assert_eq!(runs, [1, 1, 1, 16, 16, 16]);
        assert!(cost.time(1000) < Duration::from_secs(60), "nothing was computed: {cost:?}");
    }

    #[test]
    fn nonsense_gives_a_usable_model() {
        for (small, large) in [
            ((0, Duration::ZERO), (0, Duration::ZERO)),
            ((u64::MAX, Duration::MAX), (0, Duration::ZERO)),
            ((5, MILLISECOND), (5, Duration::ZERO)),
        ] {
            let mut cost = CostModel::through(small, large);
            cost.observe(0, Duration::MAX);
            cost.observe(u64::MAX, Duration::ZERO);
            assert!(cost.full_batch() >= 1);
            assert!(cost.backlog(u64::MAX, 0, 0) > Duration::ZERO, "{cost:?}");
        }
    }
}
