//! Word and character n-grams as 32-bit hashes.
//!
//! The n-grams themselves are never stored: a model keeps their hashes only (feature hashing, Weinberger et al. 2009,
//! into 2^32 buckets, where collisions are rarer than one in ten thousand features).

use serde::{Deserialize, Serialize};

use crate::Prepared;

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
const WORD_SEED: u64 = 0x5851_F42D_4C95_7F2D;
const SKIP_SEED: u64 = 0x2545_F491_4F6C_DD1D;
const CHARACTER_SEED: u64 = 0x1405_7B7E_F767_814F;

/// A kind of n-gram and its lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ngrams {
    /// Runs of 1 to `max` words.
    Words {
        /// Longest run.
        max: u8,
    },
    /// Runs of `min` to `max` characters inside a chunk with a space on either side.
    Characters {
        /// Shortest run.
        min: u8,
        /// Longest run.
        max: u8,
    },
    /// Pairs of words with one to `gap` words between them.
    SkipPairs {
        /// Most words between.
        gap: u8,
    },
}

#[inline(always)]
fn step(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(23) ^ value).wrapping_mul(MULTIPLIER)
}

#[inline(always)]
fn finish(hash: u64) -> u32 {
    ((hash ^ (hash >> 29)).wrapping_mul(MULTIPLIER) >> 32) as u32
}

impl Ngrams {
    /// Calls `emit(hash, start, end)` for each n-gram, `start..end` being a range of the prepared characters.
    #[inline]
    pub fn for_each(self, prepared: &Prepared, emit: impl FnMut(u32, u32, u32)) {
        match self {
            Self::Words { max } => words(prepared, usize::from(max), emit),
            Self::Characters { min, max } => characters(prepared, (min, max), emit),
            Self::SkipPairs { gap } => skip_pairs(prepared, usize::from(gap), emit),
        }
    }
}

#[inline]
fn words(prepared: &Prepared, max: usize, mut emit: impl FnMut(u32, u32, u32)) {
    for (index, &(start, _)) in prepared.words.iter().enumerate() {
        let mut hash = WORD_SEED;
        for &(first, end) in prepared.words[index..].iter().take(max) {
            for character in &prepared.characters[first as usize..end as usize] {
                hash = step(hash, u64::from(u32::from(*character)));
            }
            hash = step(hash, u64::from(u32::from(' ')));
            emit(finish(hash), start, end);
        }
    }
}

#[inline]
fn characters(prepared: &Prepared, (min, max): (u8, u8), mut emit: impl FnMut(u32, u32, u32)) {
    for &(first, last) in &prepared.chunks {
        let (first, last) = (first as usize - 1, last as usize + 1);
        for start in first..last {
            let mut hash = CHARACTER_SEED;
            let window = prepared.characters[start..last].iter().take(usize::from(max));
            for (length, character) in window.enumerate() {
                hash = step(hash, u64::from(u32::from(*character)));
                if length + 1 >= usize::from(min) {
                    emit(finish(hash), start as u32, (start + length + 1) as u32);
                }
            }
        }
    }
}

#[inline]
fn skip_pairs(prepared: &Prepared, gap: usize, mut emit: impl FnMut(u32, u32, u32)) {
    let word = |hash: u64, (first, end): (u32, u32)| {
        let characters = prepared.characters[first as usize..end as usize].iter();
        step(characters.fold(hash, |hash, c| step(hash, u64::from(u32::from(*c)))), u64::from(u32::from(' ')))
    };
    for (index, &left) in prepared.words.iter().enumerate() {
        let hash = word(SKIP_SEED, left);
        for &right in prepared.words[index + 1..].iter().skip(1).take(gap) {
            emit(finish(word(hash, right)), left.0, right.1);
        }
    }
}
