//! The shapes of words, for encoders whose tokenizer folds case: what capitals and digits say, which their states don't know.

use std::ops::Range;

/// Kinds of shapes, the first of which stands for no word.
const SHAPES: usize = 10;
/// Places that are read: a word, the one before, the one behind.
const PLACES: usize = 3;

/// Number of rows of a table of shapes: one for each shape at each place.
pub const SHAPE_ROWS: usize = SHAPES * PLACES;

/// For each of `words`, places in the characters of `text`, the rows of a table of shapes that belong to it.
pub fn word_shapes(text: &str, words: &[Range<usize>]) -> Vec<[u32; PLACES]> {
    let characters: Vec<char> = text.chars().collect();
    let shapes: Vec<usize> = words.iter().map(|word| shape(&characters[word.clone()])).collect();
    let at = |place: Option<usize>| place.and_then(|place| shapes.get(place)).copied().unwrap_or(0);
    let of = |word: usize| {
        [(0, Some(word)), (1, word.checked_sub(1)), (2, Some(word + 1))]
            .map(|(place, word)| (place * SHAPES + at(word)) as u32)
    };
    (0..words.len()).map(of).collect()
}

fn shape(word: &[char]) -> usize {
    let letters = word.iter().filter(|character| character.is_alphabetic()).count();
    let upper = word.iter().filter(|character| character.is_uppercase()).count();
    let digits = word.iter().filter(|character| character.is_numeric()).count();
    let lower = word.iter().filter(|character| character.is_lowercase()).count();
    let begins = word.first().is_some_and(|character| character.is_uppercase());
    match () {
        () if letters + digits == 0 => 1,
        () if letters == 0 => 2,
        () if digits > 0 => 3,
        () if upper + lower == 0 => 4,
        () if upper == 0 => 5,
        () if begins && upper == 1 && letters == 1 => 6,
        () if begins && upper == 1 => 7,
        () if lower == 0 => 8,
        () => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_words_and_their_neighbours_have_rows_of_their_own() {
        let words = ["!", "42", "B2B", "北", "the", "I", "Anna", "NATO", "McKay"];
        let text = words.join(" ");
        let shapes = word_shapes(&text, &loquat_text::words(&text));
        let own: Vec<u32> = shapes.iter().map(|rows| rows[0]).collect();
        assert_eq!(own, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(shapes[0], [1, 10, 22]);
        assert_eq!(shapes[8], [9, 18, 20]);
        assert!(shapes.iter().flatten().all(|row| (*row as usize) < SHAPE_ROWS));
    }
}
