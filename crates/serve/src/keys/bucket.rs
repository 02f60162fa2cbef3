//! A token bucket: requests spend tokens that come back at a constant rate.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Seconds of saved-up rate that may be spent at once.
const BURST: f64 = 1.0;

/// A token bucket of one key.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full bucket for `rate` requests a second.
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        Self { rate, state: Mutex::new((Self::size(rate), now)) }
    }

    /// Requests a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Takes a token, or says when there will be one.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = *state;
        let grown = tokens + self.rate * now.saturating_duration_since(at).as_secs_f64();
        let tokens = grown.min(Self::size(self.rate));
        if tokens >= 1.0 {
            *state = (tokens - 1.0, now);
            return Ok(());
        }
        *state = (tokens, now);
        Err(Duration::try_from_secs_f64((1.0 - tokens) / self.rate).unwrap_or(Duration::MAX))
    }

    fn size(rate: f64) -> f64 {
        (BURST * rate).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_spent_at_once_and_comes_back_at_the_rate() {
        let start = Instant::now();
        let bucket = Bucket::new(4.0, start);
        assert!((0..4).all(|_| bucket.take(start).is_ok()));
        assert_eq!(bucket.take(start), Err(Duration::from_millis(250)));
        let later = start + Duration::from_millis(500);
        assert!((0..2).all(|_| bucket.take(later).is_ok()));
        assert!(bucket.take(later).is_err());
        let much_later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| bucket.take(much_later).is_ok()).count(), 4);
    }

    #[test]
    fn a_slow_rate_still_allows_one() {
        let start = Instant::now();
        let bucket = Bucket::new(0.1, start);
        assert!(bucket.take(start).is_ok());
        assert_eq!(bucket.take(start), Err(Duration::from_secs(10)));
    }
}
