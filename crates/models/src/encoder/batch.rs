//! Token ids of several sequences, laid end to end without padding.

use std::ops::Range;

/// Token ids of several sequences, laid end to end. Reuse one value for many batches: its buffers are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedBatch {
    ids: Vec<u32>,
    type_ids: Vec<u32>,
    lengths: Vec<usize>,
}

impl PackedBatch {
    /// Adds a sequence. `type_ids` tells the first text of a pair from the second; where it is shorter than `ids`, the
    /// rest is zero.
    pub fn push(&mut self, ids: &[u32], type_ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.type_ids.extend_from_slice(&type_ids[..type_ids.len().min(ids.len())]);
        self.type_ids.resize(self.ids.len(), 0);
        self.lengths.push(ids.len());
    }

    /// Forgets the sequences and keeps the buffers.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.type_ids.clear();
        self.lengths.clear();
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Number of tokens of all sequences.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Token ids, `[tokens]`.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Token type ids, `[tokens]`.
    pub fn type_ids(&self) -> &[u32] {
        &self.type_ids
    }

    /// Number of tokens of each sequence, `[sequences]`.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The tokens of each sequence.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.lengths.iter().scan(0, |start, length| {
            let range = *start..*start + length;
            *start = range.end;
            Some(range)
        })
    }
}
