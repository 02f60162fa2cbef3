//! The pieces of all words, read once for each kind of feature and shared by all folds and trials.

use loquat_models::WordFeatures;

use super::rows::TaggedRow;

/// Marks a piece that holds the whole word.
pub(super) const NAMES: u32 = 1 << 31;

/// Pieces of every word of every row.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Hash of each distinct piece, ascending; its place is its number.
    pub(super) hashes: Vec<u32>,
    /// First word of each row; one longer than the rows.
    rows: Vec<usize>,
    /// First entry of each word; one longer than the words.
    words: Vec<usize>,
    /// Number of each piece, with [`NAMES`].
    entries: Vec<u32>,
}

impl Pieces {
    pub(super) fn new(rows: &[TaggedRow], features: WordFeatures) -> Self {
        let mut pieces = Self { hashes: Vec::new(), rows: vec![0], words: vec![0], entries: Vec::new() };
        let mut found: Vec<(u32, bool)> = Vec::new();
        for row in rows {
            let first = pieces.words.len() - 1;
            let mut open = 0;
            features.for_each(&row.text, &row.words, |word, hash, names| {
                if word != open {
                    pieces.words.push(found.len());
                    open = word;
                }
                found.push((hash, names));
            });
            if !row.words.is_empty() {
                pieces.words.push(found.len());
            }
            pieces.rows.push(first + row.words.len());
        }
        pieces.hashes = found.iter().map(|(hash, _)| *hash).collect();
        pieces.hashes.sort_unstable();
        pieces.hashes.dedup();
        let number = |hash: u32| pieces.hashes.partition_point(|known| *known < hash) as u32;
        pieces.entries =
            found.into_iter().map(|(hash, names)| number(hash) | if names { NAMES } else { 0 }).collect();
        pieces
    }

    /// The pieces of each word of a row.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = &[u32]> {
        let words = self.rows[row]..self.rows[row + 1];
        words.map(|word| &self.entries[self.words[word]..self.words[word + 1]])
    }
}
