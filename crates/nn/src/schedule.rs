//! The learning rate of each step.

/// A rate that rises from zero, then falls to zero, both in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f32,
    /// Share of the steps in which it rises.
    pub warm_up: f32,
}

impl Schedule {
    /// The rate of step `number`, from one, of `steps`.
    pub(crate) fn rate(self, number: usize, steps: usize) -> f32 {
        let rising = (self.warm_up * steps as f32).max(1.0);
        let falling = (steps as f32 - rising).max(1.0);
        let number = number as f32;
        self.rate * (number / rising).min(((steps as f32 - number) / falling).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls_to_zero() {
        let schedule = Schedule { rate: 2.0, warm_up: 0.1 };
        let rates: Vec<f32> = [1, 5, 10, 55, 100].map(|number| schedule.rate(number, 100)).to_vec();
        for (rate, expected) in rates.iter().zip([0.2, 1.0, 2.0, 1.0, 0.0]) {
            assert!((rate - expected).abs() < 1e-6, "{rates:?}");
        }
        assert!(schedule.rate(1, 1) >= 0.0);
    }
}
