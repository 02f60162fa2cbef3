//! Memory that kernels use between their steps.

use crate::aligned::Aligned;

/// Buffers that grow to the largest call and are then reused. One for each thread.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    /// Quantised rows, `[rows, in rounded up to 4]`.
    pub(crate) quantised: Aligned<u8>,
    /// Scale and shift of each quantised row.
    pub(crate) row_scales: Vec<RowScale>,
    /// Keys of one head, transposed: `[head size, keys rounded up]`.
    pub(crate) keys: Aligned<f32>,
    /// Values of one head, `[keys, head size rounded up]`.
    pub(crate) values: Aligned<f32>,
    /// Scores of a few queries, `[queries, keys rounded up]`.
    pub(crate) scores: Aligned<f32>,
}

impl Scratch {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

/// How a quantised row stands for numbers: `x = scale * q + shift`, where `q` is what the path's product multiplies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowScale {
    pub(crate) scale: f32,
    pub(crate) shift: f32,
}
