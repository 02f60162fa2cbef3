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
        // A cluster is a character with the marks that follow it: a slice of the text.
        let (mut first_byte, mut first) = (0, 0);
        let mut count = 0;
        for (byte, character) in text.char_indices() {
            if count > first && canonical_combining_class(character) == 0 {
                self.flush(&text[first_byte..byte], first, count, &mut emit);
                (first_byte, first) = (byte, count);
            }
            count += 1;
        }
        self.flush(&text[first_byte..], first, count, &mut emit);
    }

    fn flush(self, cluster: &str, start: u32, end: u32, emit: &mut impl FnMut(char, u32, u32)) {
        // Most characters stand alone and are already composed: no iterator, no buffer.
        let mut characters = cluster.chars();
        if let (Some(character), None) = (characters.next(), characters.next())
            && is_stable(character)
        {
            let mut lower = character.to_lowercase();
            if self.lowercase && lower.len() > 1 {
                lower.for_each(|c| emit(c, start, end));
            } else {
                let folded = if self.lowercase { lower.next().unwrap_or(character) } else { character };
                emit(folded, start, end);
            }
            return;
        }
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

/// Characters of common scripts that NFKC leaves as they are: ASCII, Cyrillic, Arabic letters, kana, Chinese characters.
/// Others take the general way.
fn is_stable(character: char) -> bool {
    let code = u32::from(character);
    code < 0x80
        || matches!(code, 0x0400..=0x045F | 0x0620..=0x064A | 0x3041..=0x3096 | 0x30A1..=0x30FA | 0x4E00..=0x9FA5)
        || unicode_normalization::is_nfkc_quick(std::iter::once(character))
            == unicode_normalization::IsNormalized::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_characters_are_their_own_normal_form() {
        for character in (0..=0x0010_FFFF).filter_map(char::from_u32).filter(|c| is_stable(*c)) {
            assert!(std::iter::once(character).nfkc().eq([character]), "{character:?}");
        }
    }
}
