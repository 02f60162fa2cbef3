//! Dropout (Srivastava et al. 2014) whose masks follow from a seed, so that the backward pass makes them again.

use crate::random::hash;
use crate::rows::for_rows;

/// A mask: which numbers are left out, and by how much the others grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    /// Share of the numbers that is left out; 0 changes nothing.
    pub(crate) share: f32,
    pub(crate) seed: u64,
}

impl Dropout {
    /// Applies the mask to `numbers`, in rows of `width`.
    pub(crate) fn apply(self, numbers: &mut [f32], width: usize) {
        if self.share <= 0.0 {
            return;
        }
        let limit = (f64::from(self.share) * f64::from(u32::MAX)) as u32;
        let factor = 1.0 / (1.0 - self.share);
        for_rows(numbers, width, |rows, numbers| {
            let first = rows.start * width;
            // Two numbers from each hash.
            for (place, number) in numbers.iter_mut().enumerate() {
                let place = (first + place) as u64;
                let drawn = (hash(self.seed ^ (place / 2)) >> (32 * (place % 2))) as u32;
                *number *= if drawn < limit { 0.0 } else { factor };
            }
        });
    }
}
