//! A request to stop, seen by every thread of a run.

use std::sync::atomic::{AtomicU8, Ordering};

/// Asks a run to stop: the first request finishes early, the second ends at once.
#[derive(Debug, Default)]
pub struct Cancel(AtomicU8);

impl Cancel {
    /// Nothing requested.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first call asks to finish early with the best configuration seen, the second to end and register
    /// nothing.
    pub fn request(&self) {
        let raise = |level: u8| Some(level.saturating_add(1).min(2));
        // The closure always gives a value, so the update cannot fail and the previous level is not needed.
        let _previous = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raise);
    }

    /// How often it was requested: 0, 1 or 2.
    pub fn level(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_to_two() {
        let cancel = Cancel::new();
        assert_eq!(cancel.level(), 0);
        for expected in [1, 2, 2] {
            cancel.request();
            assert_eq!(cancel.level(), expected);
        }
    }
}
