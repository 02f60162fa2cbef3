//! What a linear model sees of a word and of those around it: the words themselves, their beginnings and ends, and their shapes.
//!
//! Each piece is a hash of its kind and its content. Training and serving read words through this file alone.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Which pieces are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordFeatures {
    /// Words on each side.
    pub window: usize,
    /// Longest beginning and end of the word, in characters.
    pub affixes: usize,
}

/// Characters of a shape; what follows is not told apart.
const SHAPE: usize = 12;

/// One word, prepared.
#[derive(Debug, Default, Clone)]
struct Word {
    folded: Vec<char>,
    cased: Vec<char>,
    /// One character for each kind of character, repetitions left out.
    shape: Vec<char>,
}

/// A hash under construction (FNV-1a over characters, with a finaliser that spreads the bits).
#[derive(Clone, Copy)]
struct Piece(u32);

impl Piece {
    fn new(kind: u32, place: i32) -> Self {
        Self(0x811C_9DC5).number(kind).number(place.cast_unsigned())
    }

    fn number(self, number: u32) -> Self {
        Self((self.0 ^ number).wrapping_mul(0x0100_0193))
    }

    fn text(self, text: &[char]) -> Self {
        // The length keeps two texts apart from one.
        text.iter()
            .fold(self.number(text.len() as u32), |piece, character| piece.number(u32::from(*character)))
    }

    fn hash(self) -> u32 {
        let mixed = (self.0 ^ (self.0 >> 16)).wrapping_mul(0x85EB_CA6B);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
        mixed ^ (mixed >> 16)
    }
}

impl WordFeatures {
    /// Calls `each(word, hash, names)` for every piece of every word of `text`, where `words` are places in characters. `names`
    /// marks pieces that hold the whole word, which a model may have to do without.
    pub fn for_each(&self, text: &str, words: &[Range<usize>], mut each: impl FnMut(usize, u32, bool)) {
        let characters: Vec<char> = text.chars().collect();
        let read: Vec<Word> = words.iter().map(|word| Word::new(&characters[word.clone()])).collect();
        for (place, word) in read.iter().enumerate() {
            let at =
                |offset: i32| place.checked_add_signed(offset as isize).and_then(|place| read.get(place));
            let none = Word::default();
            let near = |offset: i32| at(offset).unwrap_or(&none);
            let mut named = |piece: Piece| each(place, piece.hash(), true);
            named(Piece::new(1, 0).text(&word.folded));
            named(Piece::new(2, 0).text(&word.cased));
            named(Piece::new(3, -1).text(&near(-1).folded).text(&word.folded));
            named(Piece::new(3, 1).text(&word.folded).text(&near(1).folded));
            let mut emit = |piece: Piece| each(place, piece.hash(), false);
            self.around(near, &mut emit);
            self.affixes(word, &mut emit);
            emit(Piece::new(4, 0).text(&word.shape));
            emit(Piece::new(5, 0).text(&near(-1).shape).text(&word.shape).text(&near(1).shape));
            emit(Piece::new(6, -1).text(&near(-1).folded).text(&word.shape));
            emit(Piece::new(6, 1).text(&word.shape).text(&near(1).folded));
            emit(Piece::new(7, 0).number(word.folded.len().min(10) as u32));
            emit(Piece::new(8, 0).number(u32::from(place == 0)).text(&word.shape));
        }
    }

    fn around<'w>(&self, near: impl Fn(i32) -> &'w Word, emit: &mut impl FnMut(Piece)) {
        let window = i32::try_from(self.window).unwrap_or(i32::MAX);
        for offset in (-window..=window).filter(|offset| *offset != 0) {
            emit(Piece::new(9, offset).text(&near(offset).folded));
            emit(Piece::new(10, offset).text(&near(offset).shape));
        }
        for offset in [-1, 1] {
            let word = &near(offset).folded;
            emit(Piece::new(11, offset).text(&word[word.len().saturating_sub(3)..]));
        }
    }

    fn affixes(&self, word: &Word, emit: &mut impl FnMut(Piece)) {
        for length in 1..=self.affixes.min(word.folded.len()) {
            emit(Piece::new(12, 0).text(&word.folded[..length]));
            emit(Piece::new(13, 0).text(&word.folded[word.folded.len() - length..]));
        }
    }
}

impl Word {
    fn new(characters: &[char]) -> Self {
        let folded = characters.iter().flat_map(|character| character.to_lowercase()).collect();
        let mut shape: Vec<char> = Vec::new();
        for character in characters {
            let kind = match character {
                c if c.is_uppercase() => 'X',
                c if c.is_lowercase() => 'x',
                c if c.is_numeric() => '0',
                c if c.is_alphabetic() => 'a',
                c => *c,
            };
            // One capital is told apart from several: names from abbreviations.
            let run = shape.iter().rev().take_while(|last| **last == kind).count();
            if run < 2 && shape.len() < SHAPE && !(run == 1 && kind != 'X') {
                shape.push(kind);
            }
        }
        Self { folded, cased: characters.to_vec(), shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(text: &str, word: usize) -> Vec<(u32, bool)> {
        let mut found = Vec::new();
        let words = loquat_text::words(text);
        let features = WordFeatures { window: 2, affixes: 3 };
        features.for_each(text, &words, |place, hash, names| {
            if place == word {
                found.push((hash, names));
            }
        });
        found
    }

    #[test]
    fn shapes_tell_names_from_abbreviations() {
        let shape =
            |word: &str| Word::new(&word.chars().collect::<Vec<_>>()).shape.iter().collect::<String>();
        assert_eq!(
            ["Anna", "NATO", "iPhone", "3.50", "Bad-Ems", "été"].map(shape),
            ["Xx", "XX", "xXx", "0.0", "Xx-Xx", "x"]
        );
    }

    #[test]
    fn only_whole_words_are_marked_as_names() {
        let (here, there) = (hashes("near Riga now", 1), hashes("near Oslo now", 1));
        let shared =
            |names: bool| here.iter().zip(&there).filter(|(a, b)| a.1 == names && a.0 == b.0).count();
        assert_eq!(shared(true), 0);
        assert!(shared(false) >= 12, "{here:?} {there:?}");
    }

    #[test]
    fn the_same_word_elsewhere_has_the_same_pieces_but_for_its_neighbours() {
        let (first, second) = (hashes("Riga", 0), hashes("in Riga", 1));
        assert_eq!(first[0], second[0]);
        assert_ne!(first[2], second[2]);
    }
}
