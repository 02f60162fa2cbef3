//! Unicode normalisation that keeps, for every character, its place in the original text.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// How text is normalised before features are read from it; it travels inside the model artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Fold case by Unicode's lower-case mapping.
    pub lowercase: bool,
    /// Apply NFKC (Unicode Standard Annex #15) to each character with the marks that follow it.
    pub nfkc: bool,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { lowercase: true, nfkc: true }
    }
}

impl Normalisation {
    /// Calls `emit(character, start, end)` for each normalised character; `start..end` counts Unicode scalar values
    /// of `text`.
    pub(crate) fn for_each(self, text: &str, mut emit: impl FnMut(char, u32, u32)) {
        if text.is_ascii() {
            for (index, byte) in text.bytes().enumerate() {
                let byte = if self.lowercase { byte.to_ascii_lowercase() } else { byte };
                emit(char::from(byte), index as u32, index as u32 + 1);
            }
            return;
        }
        let mut cluster = String::new();
        let mut start = 0;
        for (index, character) in text.chars().enumerate() {
            if !cluster.is_empty() && canonical_combining_class(character) == 0 {
                self.flush(&cluster, start, index as u32, &mut emit);
                cluster.clear();
            }
            if cluster.is_empty() {
                start = index as u32;
            }
            cluster.push(character);
        }
        let end = start + cluster.chars().count() as u32;
        self.flush(&cluster, start, end, &mut emit);
    }

    fn flush(self, cluster: &str, start: u32, end: u32, emit: &mut impl FnMut(char, u32, u32)) {
        let mut lower = |character: char| {
            if self.lowercase {
                character.to_lowercase().for_each(|c| emit(c, start, end));
            } else {
                emit(character, start, end);
            }
        };
        if self.nfkc {
            cluster.nfkc().for_each(&mut lower);
        } else {
            cluster.chars().for_each(&mut lower);
        }
    }
}
