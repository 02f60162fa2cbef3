//! Token ids with the characters that they stand for.

use std::ops::Range;

/// The tokens of one text, before special tokens and truncation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The characters of each token in the text as it was given, in Unicode scalar values, end exclusive.
    pub offsets: Vec<(u32, u32)>,
    /// The number of the word that each token belongs to; a word is what the tokenizer's first cut leaves whole.
    pub words: Vec<u32>,
}

impl Pieces {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn push(&mut self, id: u32, offsets: (u32, u32), word: u32) {
        self.ids.push(id);
        self.offsets.push(offsets);
        self.words.push(word);
    }
}

/// What a model reads: the tokens of one text or two, with special tokens, cut to a length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Which part each token belongs to, in the model's counting.
    pub type_ids: Vec<u32>,
    /// The characters of each token in its text, in Unicode scalar values, end exclusive; `(0, 0)` for special tokens.
    pub offsets: Vec<(u32, u32)>,
    /// The number of each token's word in its text; `None` for special tokens.
    pub words: Vec<Option<u32>>,
    /// The tokens of the first text.
    pub first: Range<usize>,
    /// The tokens of the second text; empty where there is none.
    pub second: Range<usize>,
}

impl Encoding {
    /// Number of tokens, special ones included.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
