//! The features of one training set: vocabulary, inverse document frequencies, and the rows as a sparse matrix.

use loquat_models::{FeatureConfig, Vocabulary, normalise_group};

use super::config::LinearError;
use super::corpus::Corpus;

/// Most weights `features * classes` of one fit; the rarest n-grams beyond it are left out.
const MOST_WEIGHTS: usize = 60_000_000;
const UNKNOWN: u32 = u32::MAX;

/// A sparse matrix, row after row.
#[derive(Debug, Clone, Default)]
pub(super) struct Matrix {
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Matrix {
    /// A matrix of rows of which every feature is there.
    pub(super) fn dense<R: Iterator<Item = f32>>(rows: impl Iterator<Item = R>) -> Self {
        let mut matrix = Self { starts: vec![0], entries: Vec::new() };
        for row in rows {
            matrix.entries.extend((0..).zip(row));
            matrix.starts.push(matrix.entries.len());
        }
        matrix
    }

    /// The rows at `places`, which may repeat.
    pub(super) fn picked(&self, places: &[usize]) -> Self {
        let mut matrix = Self { starts: vec![0], entries: Vec::new() };
        for place in places {
            matrix.entries.extend_from_slice(self.row(*place));
            matrix.starts.push(matrix.entries.len());
        }
        matrix
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.len() * 8 + self.starts.len() * 8
    }
}

/// What a fit needs to know of the features of its training rows.
#[derive(Debug)]
pub(super) struct FoldFeatures {
    /// Hash of each feature, ascending.
    pub(super) hashes: Vec<u32>,
    /// Stored inverse document frequency of each feature.
    pub(super) idf: Vec<u16>,
    /// Training rows that hold each feature.
    pub(super) document_frequency: Vec<u32>,
    /// For each group, the feature of each n-gram number.
    maps: Vec<Vec<u32>>,
    /// The training rows.
    pub(super) matrix: Matrix,
}

/// What features are made from.
pub(super) struct FeatureRequest<'a> {
    pub(super) config: &'a FeatureConfig,
    pub(super) min_rows: u32,
    pub(super) inverse_document_frequency: bool,
    pub(super) classes: usize,
}

impl FoldFeatures {
    pub(super) fn new(
        corpus: &Corpus<'_>,
        request: &FeatureRequest<'_>,
        train: &[usize],
    ) -> Result<Self, LinearError> {
        let groups: Vec<_> =
            request.config.groups.iter().map(|g| corpus.counts(request.config.normalisation, *g)).collect();
        let mut found: Vec<(u32, u32)> = Vec::new();
        let frequencies: Vec<Vec<u32>> = groups
            .iter()
            .map(|counts| {
                let mut frequency = vec![0u32; counts.hashes.len()];
                for row in train {
                    counts.row(*row).iter().for_each(|(number, _)| frequency[*number as usize] += 1);
                }
                frequency
            })
            .collect();
        let threshold = threshold(&frequencies, request);
        for (counts, frequency) in groups.iter().zip(&frequencies) {
            let kept = counts.hashes.iter().zip(frequency).filter(|(_, f)| **f >= threshold);
            found.extend(kept.map(|(hash, f)| (*hash, *f)));
        }
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        found.dedup_by_key(|(hash, _)| *hash);
        if found.is_empty() {
            return Err(LinearError::NoFeatures { min_rows: request.min_rows });
        }
        let (hashes, document_frequency): (Vec<u32>, Vec<u32>) = found.into_iter().unzip();
        let idf = document_frequency
            .iter()
            .map(|df| {
                let smooth = libm::log((1 + train.len()) as f64 / f64::from(1 + df)) + 1.0;
                Vocabulary::round_idf(if request.inverse_document_frequency { smooth as f32 } else { 1.0 })
            })
            .collect();
        let maps = groups
            .iter()
            .zip(&frequencies)
            .map(|(counts, frequency)| {
                let mut place = 0;
                let feature = |(hash, f): (&u32, &u32)| {
                    if *f < threshold {
                        return UNKNOWN;
                    }
                    while hashes[place] < *hash {
                        place += 1;
                    }
                    place as u32
                };
                counts.hashes.iter().zip(frequency).map(feature).collect()
            })
            .collect();
        let mut features = Self { hashes, idf, document_frequency, maps, matrix: Matrix::default() };
        features.matrix = features.rows(corpus, request.config, train);
        Ok(features)
    }

    /// The features of any rows, with this training set's vocabulary.
    pub(super) fn rows(&self, corpus: &Corpus<'_>, config: &FeatureConfig, rows: &[usize]) -> Matrix {
        let groups: Vec<_> = config.groups.iter().map(|g| corpus.counts(config.normalisation, *g)).collect();
        let mut matrix = Matrix { starts: Vec::with_capacity(rows.len() + 1), entries: Vec::new() };
        matrix.starts.push(0);
        for row in rows {
            for (counts, map) in groups.iter().zip(&self.maps) {
                let first = matrix.entries.len();
                for (number, count) in counts.row(*row) {
                    let feature = map[*number as usize];
                    if feature != UNKNOWN {
                        let idf = Vocabulary::idf_value(self.idf[feature as usize]);
                        matrix.entries.push((feature, config.term_frequency.weight(*count) * idf));
                    }
                }
                normalise_group(&mut matrix.entries[first..], config.norm);
            }
            matrix.starts.push(matrix.entries.len());
        }
        matrix
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.matrix.bytes() + self.len() * 10 + self.maps.iter().map(|m| m.len() * 4).sum::<usize>()
    }
}

/// The document frequency below which n-grams are left out, so that the weights stay within bounds.
fn threshold(frequencies: &[Vec<u32>], request: &FeatureRequest<'_>) -> u32 {
    let most = MOST_WEIGHTS / request.classes.max(8);
    let mut threshold = request.min_rows.max(1);
    while frequencies.iter().flatten().filter(|f| **f >= threshold).count() > most {
        threshold += 1;
    }
    threshold
}
