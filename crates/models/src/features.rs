//! From a text to weighted n-gram counts: the part that training and serving share.

use loquat_text::{Ngrams, Normalisation};
use serde::{Deserialize, Serialize};

/// Which n-grams are read and how their counts are weighted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Normalisation of the text.
    pub normalisation: Normalisation,
    /// One to three kinds of n-gram; each is weighted and normalised on its own.
    pub groups: Vec<Ngrams>,
    /// What a count becomes.
    pub term_frequency: TermFrequency,
    /// Length that each group's vector is scaled to.
    pub norm: Norm,
}

/// What the count of an n-gram in a text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermFrequency {
    /// The count.
    Count,
    /// `1 + ln(count)`.
    Sublinear,
    /// One.
    Binary,
}

/// Length that a vector is scaled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Left as it is.
    None,
    /// Sum of absolute values one.
    L1,
    /// Sum of squares one.
    L2,
}

/// `1 + ln(n)` for the counts that occur; larger counts are held at the last.
const LOGARITHMS: usize = 64;

impl TermFrequency {
    /// The weight of a count from one.
    #[inline]
    pub fn weight(self, count: u32) -> f32 {
        match self {
            Self::Count => count as f32,
            Self::Binary => 1.0,
            Self::Sublinear if count <= 1 => 1.0,
            Self::Sublinear => SUBLINEAR[(count as usize).min(LOGARITHMS) - 1],
        }
    }
}

/// `1 + ln(n)` as a table, so that no C library decides its bits.
static SUBLINEAR: std::sync::LazyLock<[f32; LOGARITHMS]> =
    std::sync::LazyLock::new(|| std::array::from_fn(|n| (1.0 + libm::log((n + 1) as f64)) as f32));

/// Scales the values of one group in place.
#[inline]
pub fn normalise_group(values: &mut [(u32, f32)], norm: Norm) {
    let length = match norm {
        Norm::None => return,
        Norm::L1 => values.iter().map(|(_, v)| v.abs()).sum::<f32>(),
        Norm::L2 => values.iter().map(|(_, v)| v * v).sum::<f32>().sqrt(),
    };
    if length > 0.0 {
        let factor = 1.0 / length;
        values.iter_mut().for_each(|(_, v)| *v *= factor);
    }
}

/// Counts feature ids of one text without hashing: an array of counts and the list of those touched.
#[derive(Debug, Default, Clone)]
pub struct FeatureCounter {
    counts: Vec<u32>,
    touched: Vec<u32>,
}

impl FeatureCounter {
    /// Makes room for ids below `features`.
    pub fn reserve(&mut self, features: usize) {
        if self.counts.len() < features {
            self.counts.resize(features, 0);
        }
    }

    /// Counts one occurrence.
    #[inline(always)]
    pub fn add(&mut self, id: u32) {
        let count = &mut self.counts[id as usize];
        if *count == 0 {
            self.touched.push(id);
        }
        *count += 1;
    }

    /// Hands over each id with its count in order of first occurrence, and forgets them.
    #[inline]
    pub fn drain(&mut self, mut each: impl FnMut(u32, u32)) {
        for id in self.touched.drain(..) {
            each(id, std::mem::take(&mut self.counts[id as usize]));
        }
    }
}
