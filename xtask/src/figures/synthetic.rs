//! Made-up texts: words of syllables, frequent ones and rare ones, the same on every run.

/// A sequence of numbers that look random (xorshift, Marsaglia 2003) and a vocabulary.
#[derive(Debug)]
pub(crate) struct Synthetic {
    state: u64,
    vocabulary: Vec<String>,
}

const SYLLABLES: [&str; 16] =
    ["ka", "lo", "mi", "ren", "ta", "su", "vo", "pel", "dri", "na", "sho", "gu", "bel", "tor", "fi", "zan"];

const WORDS: usize = 30_000;

impl Synthetic {
    /// Texts that follow from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut texts = Self { state: seed | 1, vocabulary: Vec::new() };
        texts.vocabulary = (0..WORDS)
            .map(|_| (0..2 + texts.below(3)).map(|_| SYLLABLES[texts.below(SYLLABLES.len())]).collect())
            .collect();
        texts
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % limit.max(1)
    }

    /// A word: half of the time one of a hundredth of the vocabulary.
    pub(crate) fn word(&mut self) -> String {
        let among = if self.below(2) == 0 { WORDS / 100 } else { WORDS };
        let place = self.below(among);
        self.vocabulary[place].clone()
    }

    /// A text of so many words.
    pub(crate) fn text(&mut self, words: usize) -> Vec<String> {
        (0..words).map(|_| self.word()).collect()
    }
}
