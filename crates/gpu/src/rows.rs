//! Packed sequences as the device takes them: padded to the longest, with a mask.

/// A multiple that padded lengths are rounded up to, so that few shapes of products are met.
const STEP: usize = 8;

/// Where the tokens of packed sequences stand among padded ones.
#[derive(Debug)]
pub(crate) struct Padding {
    lengths: Vec<usize>,
    /// Tokens of each padded sequence.
    pub(crate) longest: usize,
}

impl Padding {
    pub(crate) fn new(lengths: &[usize]) -> Self {
        let longest = lengths.iter().copied().max().unwrap_or(0).next_multiple_of(STEP);
        Self { lengths: lengths.to_vec(), longest }
    }

    pub(crate) fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Padded tokens of all sequences.
    pub(crate) fn tokens(&self) -> usize {
        self.lengths.len() * self.longest
    }

    /// `[tokens, width]` to `[sequences * longest, width]`; what is padded is zero.
    pub(crate) fn pad(&self, packed: &[f32], width: usize) -> Vec<f32> {
        let mut padded = vec![0.0; self.tokens() * width];
        let mut rest = packed;
        for (sequence, length) in padded.chunks_exact_mut((self.longest * width).max(1)).zip(&self.lengths) {
            let (own, later) = rest.split_at(length * width);
            sequence[..own.len()].copy_from_slice(own);
            rest = later;
        }
        padded
    }

    /// The way back.
    pub(crate) fn unpad(&self, padded: &[f32], width: usize) -> Vec<f32> {
        let sequences = padded.chunks_exact((self.longest * width).max(1));
        sequences.zip(&self.lengths).flat_map(|(own, length)| &own[..length * width]).copied().collect()
    }

    /// What is added to the scores of attention, `[sequences, longest]`: nothing for tokens, and so much that their share is
    /// zero for what is padded.
    pub(crate) fn mask(&self) -> Vec<f32> {
        let places =
            |length: usize| (0..self.longest).map(move |place| if place < length { 0.0 } else { -1e9 });
        self.lengths.iter().flat_map(|length| places(*length)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_padded_comes_back() {
        let padding = Padding::new(&[2, 9, 1]);
        let packed: Vec<f32> = (0..12 * 3).map(|number| number as f32 + 1.0).collect();
        let padded = padding.pad(&packed, 3);
        assert_eq!((padding.longest, padded.len()), (16, 3 * 16 * 3));
        assert_eq!(padding.unpad(&padded, 3), packed);
        assert_eq!(padded.iter().filter(|number| **number == 0.0).count(), (3 * 16 - 12) * 3);
        assert_eq!(padding.mask().iter().filter(|number| **number == 0.0).count(), 12);
    }
}
