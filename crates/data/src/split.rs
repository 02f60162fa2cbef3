//! Stable keys and the parts that follow from them.
//!
//! A row's part depends on its own text (or group) and on the shares alone, so adding rows never moves old ones,
//! and rows with the same text or group always stay together. The assignment is part of the public contract: it is
//! the same in every release.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Which part of the data set a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What models learn from.
    Train,
    /// What choices are made on, where one is kept apart.
    Development,
    /// Sealed until the end.
    Test,
}

impl Part {
    /// Every part, training first.
    pub const ALL: [Self; 3] = [Self::Train, Self::Development, Self::Test];

    /// The part's name in messages and in split columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Development => "development",
            Self::Test => "test",
        }
    }

    /// The part that a split column's value names, in any case: `train` or `training`; `dev`, `development`,
    /// `valid`, `val` or `validation`; `test`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "dev" | "development" | "valid" | "val" | "validation" => Some(Self::Development),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// The text as comparisons see it: NFKC, lower case, runs of white space as one space, none at either end.
pub fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    let mut push = |c: char| {
        if c.is_whitespace() {
            space = true;
        } else {
            if space && !out.is_empty() {
                out.push(' ');
            }
            space = false;
            out.push(c);
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|c| push(c.to_ascii_lowercase()));
    } else {
        text.nfkc().flat_map(char::to_lowercase).for_each(&mut push);
    }
    out
}

/// The first 8 bytes of the SHA-256 of `bytes`, most significant first.
fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
}

/// Stable key of a text: the first 8 bytes (big-endian) of the SHA-256 of the [`normalised`] text in UTF-8.
pub fn text_key(text: &str) -> u64 {
    hash(normalised(text).as_bytes())
}

/// Stable key of a group: the first 8 bytes (big-endian) of the SHA-256 of its value in UTF-8, as it stands.
pub fn group_key(group: &str) -> u64 {
    hash(group.as_bytes())
}

/// Stable key of a text that is normalised already.
pub(crate) fn normalised_key(normalised: &str) -> u64 {
    hash(normalised.as_bytes())
}

/// The part of a row with `key` ([`group_key`] of its group, else [`text_key`] of its text).
///
/// `development` and `test` are fractions. Keys below `test` of the whole range are the test part, those in the next
/// `development` of it the development part, the others training. So the test part does not change with the share of
/// the development part.
pub fn part_of(key: u64, development: f64, test: f64) -> Part {
    let place = key as f64 / 18_446_744_073_709_551_616.0;
    if place < test {
        Part::Test
    } else if place < test + development {
        Part::Development
    } else {
        Part::Train
    }
}
