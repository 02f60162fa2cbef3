//! A normalised text cut into chunks and words, ready for n-grams.

use crate::Normalisation;

/// A normalised text. Reuse one value for many texts: its buffers are kept.
///
/// Characters are laid out with one space before, between and after the chunks (runs without white space), so that an
/// n-gram sees where a chunk begins and ends.
#[derive(Debug, Default, Clone)]
pub struct Prepared {
    pub(crate) characters: Vec<char>,
    /// Place of each character in the original text, in Unicode scalar values.
    pub(crate) offsets: Vec<(u32, u32)>,
    /// Runs without white space, as ranges of `characters` without their spaces.
    pub(crate) chunks: Vec<(u32, u32)>,
    /// Words, single characters of scripts without spaces, and single symbols, as ranges of `characters`.
    pub(crate) words: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Word,
    /// Stands alone: symbols, punctuation, and characters of scripts that put no spaces between words.
    Single,
}

/// Whether `character` is of a script written without spaces between words: Thai, Lao, Myanmar, Khmer, Japanese kana, Chinese characters.
pub fn is_unspaced(character: char) -> bool {
    matches!(u32::from(character),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x323AF)
}

/// Marks, joiners and apostrophes, which continue a word.
fn continues_word(character: char) -> bool {
    matches!(character, '\'' | '’' | '\u{200c}' | '\u{200d}')
        || unicode_normalization::char::is_combining_mark(character)
}

fn class(character: char) -> Class {
    if character.is_ascii_alphanumeric() {
        Class::Word
    } else if character.is_whitespace() || character.is_control() {
        Class::Space
    } else if is_unspaced(character) || !character.is_alphanumeric() {
        Class::Single
    } else {
        Class::Word
    }
}

impl Prepared {
    /// Normalises `text` and finds its chunks and words.
    pub fn fill(&mut self, text: &str, normalisation: Normalisation) {
        self.characters.clear();
        self.offsets.clear();
        self.chunks.clear();
        self.words.clear();
        self.characters.push(' ');
        self.offsets.push((0, 0));
        let mut open_word: Option<u32> = None;
        let mut chunk_start: Option<u32> = None;
        normalisation.for_each(text, |character, start, end| {
            let at = self.characters.len() as u32;
            let class = class(character);
            if let Some(first) = open_word
                && class != Class::Word
                && !continues_word(character)
            {
                self.words.push((first, at));
                open_word = None;
            }
            if class == Class::Space {
                if let Some(first) = chunk_start.take() {
                    self.chunks.push((first, at));
                    self.characters.push(' ');
                    self.offsets.push((start, end));
                }
                return;
            }
            chunk_start.get_or_insert(at);
            if class == Class::Word {
                open_word.get_or_insert(at);
            } else if open_word.is_none() {
                self.words.push((at, at + 1));
            }
            self.characters.push(character);
            self.offsets.push((start, end));
        });
        let at = self.characters.len() as u32;
        if let Some(first) = open_word {
            self.words.push((first, at));
        }
        if let Some(first) = chunk_start {
            self.chunks.push((first, at));
            self.characters.push(' ');
            self.offsets.push((at, at));
        }
    }

    /// Whether the word that begins at this place has letters or digits, unlike a symbol or punctuation.
    pub fn is_lettered(&self, start: u32) -> bool {
        self.characters.get(start as usize).is_some_and(|character| character.is_alphanumeric())
    }

    /// Number of words.
    pub fn word_count(&self) -> usize {
        self.words.len()
    }

    /// Place in the original text of the non-space characters in `start..end`, in Unicode scalar values; `None` when
    /// there are only spaces.
    pub fn source_span(&self, start: u32, end: u32) -> Option<(usize, usize)> {
        let mut inner = (start as usize..end as usize).filter(|i| self.characters[*i] != ' ');
        let first = inner.next()?;
        let last = inner.next_back().unwrap_or(first);
        Some((self.offsets[first].0 as usize, self.offsets[last].1 as usize))
    }
}
