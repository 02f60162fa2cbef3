//! Buffers of a forward pass.

use loquat_kernels::{Aligned, Scratch};

/// Buffers of a forward pass. One for each thread; they grow to the largest batch and are kept.
#[derive(Debug, Clone, Default)]
pub struct EncoderScratch {
    /// States, `[tokens, hidden]`.
    pub(super) hidden: Aligned<f32>,
    /// The next states before their norm, `[tokens, hidden]`.
    pub(super) branch: Aligned<f32>,
    /// Queries, keys and values side by side, `[tokens, 3 * hidden]`.
    pub(super) joint: Aligned<f32>,
    /// What attention gathered, `[tokens, hidden]`.
    pub(super) context: Aligned<f32>,
    /// Inside the feed-forward part, `[tokens, intermediate]` or twice that.
    pub(super) inner: Aligned<f32>,
    /// The gated half of `inner`, `[tokens, intermediate]`.
    pub(super) gated: Aligned<f32>,
    /// What one architecture needs beyond the others.
    pub(super) extra: [Aligned<f32>; 2],
    /// Ids of one table, `[tokens]`.
    pub(super) ids: Vec<u32>,
    /// Pooled states, `[sequences, hidden]`.
    pub(super) pooled: Aligned<f32>,
    /// Inside the head.
    pub(super) head: Aligned<f32>,
    /// What the head answers.
    pub(super) output: Aligned<f32>,
    pub(super) kernels: Scratch,
}

/// The first `length` numbers of a buffer that grows and never shrinks.
pub(crate) fn sized(buffer: &mut Aligned<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.sized(length);
    }
    &mut buffer[..length]
}

impl EncoderScratch {
    /// Runs `pass` on the first `size` numbers of the states, lent for the time of the call.
    pub(super) fn with_hidden(&mut self, size: usize, pass: impl FnOnce(&mut [f32], &mut Self)) {
        let mut hidden = std::mem::take(&mut self.hidden);
        pass(&mut hidden[..size], self);
        self.hidden = hidden;
    }
}
