//! Linear models over n-gram features, quantised to eight bits.
//!
//! Every member of the linear family (logistic regression, support vector machine, naive Bayes, averaged embeddings)
//! ends as one matrix `[features, classes]`, so that serving knows one form only. A row of weights is eight-bit
//! integers with one scale; products are summed in `f32` in a fixed order.

use loquat_text::Prepared;
use pulp::Arch;
use serde::{Deserialize, Serialize};

use crate::features::{FeatureConfig, FeatureCounter, normalise_group};
use crate::math;
use crate::vocabulary::Vocabulary;

/// How margins become probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calibration {
    /// `softmax(margin / temperature)` (Guo et al. 2017).
    Temperature(f32),
    /// `sigmoid(slope * margin + intercept)` per label (Platt 1999).
    Platt {
        /// One per label.
        slope: Vec<f32>,
        /// One per label.
        intercept: Vec<f32>,
    },
}

impl Calibration {
    /// Turns margins into probabilities in place.
    pub fn apply(&self, margins: &mut [f32]) {
        match self {
            Self::Temperature(temperature) => {
                margins.iter_mut().for_each(|margin| *margin /= temperature);
                math::softmax(margins);
            }
            Self::Platt { slope, intercept } => {
                for ((margin, a), b) in margins.iter_mut().zip(slope).zip(intercept) {
                    *margin = math::sigmoid32(a * *margin + b);
                }
            }
        }
    }
}

/// One weight matrix with the features that it reads.
#[derive(Debug, Clone)]
pub struct Component {
    /// What is read from a text.
    pub features: FeatureConfig,
    /// The features known. Those pruned stay in it: they count in a text's length, though they have no weights.
    pub vocabulary: Vocabulary,
    /// Row of weights of each feature; [`Component::NO_WEIGHTS`] where it was pruned.
    pub rows: Vec<u32>,
    /// Eight-bit weights `[weighted features, classes]`, row after row.
    pub weights: Vec<i8>,
    /// Scale of each row of weights.
    pub scales: Vec<f32>,
    /// Added to the margin of each class.
    pub bias: Vec<f32>,
    /// From margins to probabilities.
    pub calibration: Calibration,
    /// Share of this component in the model's probabilities.
    pub weight: f32,
}

/// Buffers for one thread, kept from text to text.
#[derive(Debug, Default, Clone)]
pub struct Scratch {
    prepared: Prepared,
    counter: FeatureCounter,
    values: Vec<(u32, f32)>,
}

impl Component {
    /// Stands in [`Component::rows`] for a feature without weights.
    pub const NO_WEIGHTS: u32 = u32::MAX;

    /// Numbers the rows of weights: features that are `weighted` have one each, in order.
    pub fn number_rows(weighted: impl Iterator<Item = bool>) -> Vec<u32> {
        let mut next = 0;
        let number = |weighted: bool| {
            if !weighted {
                return Self::NO_WEIGHTS;
            }
            next += 1;
            next - 1
        };
        weighted.map(number).collect()
    }

    /// Quantises `weights` (`[features, classes]`): each row to eight bits with its own scale.
    pub fn quantise(weights: &[f32], classes: usize) -> (Vec<i8>, Vec<f32>) {
        let mut quantised = Vec::with_capacity(weights.len());
        let mut scales = Vec::with_capacity(weights.len() / classes.max(1));
        for row in weights.chunks_exact(classes) {
            let largest = row.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            quantised.extend(row.iter().map(|w| (w / scale).round().clamp(-127.0, 127.0) as i8));
            scales.push(scale);
        }
        (quantised, scales)
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Feature ids and values of `text`, group after group, into `scratch`.
    fn read(&self, text: &str, scratch: &mut Scratch) {
        let Scratch { prepared, counter, values } = scratch;
        values.clear();
        counter.reserve(self.vocabulary.len());
        prepared.fill(text, self.features.normalisation);
        for group in &self.features.groups {
            let first = values.len();
            group.for_each(prepared, |hash, _, _| {
                if let Some(id) = self.vocabulary.get(hash) {
                    counter.add(id);
                }
            });
            counter.drain(|id, count| {
                let weight = self.features.term_frequency.weight(count) * self.vocabulary.idf(id);
                values.push((id, weight));
            });
            normalise_group(&mut values[first..], self.features.norm);
        }
    }

    /// Margins of `text` into `margins`, one per class.
    pub fn margins(&self, text: &str, scratch: &mut Scratch, margins: &mut [f32]) {
        self.read(text, scratch);
        margins.copy_from_slice(&self.bias);
        let (weights, scales, classes) = (&self.weights, &self.scales, self.classes());
        let (values, rows) = (&scratch.values, &self.rows);
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for &(id, value) in values {
                    let row = rows[id as usize];
                    if row == Self::NO_WEIGHTS {
                        continue;
                    }
                    let value = value * scales[row as usize];
                    let row = &weights[row as usize * classes..][..classes];
                    for (margin, weight) in margins.iter_mut().zip(row) {
                        *margin += value * f32::from(*weight);
                    }
                }
            },
        );
    }

    /// What each character range of `text` (in prepared characters) adds to the margin of `class`, averaged over the
    /// other classes for single-label models: `emit(start, end, contribution)` in Unicode scalar values of `text`.
    pub(crate) fn contributions(
        &self,
        text: &str,
        class: usize,
        scratch: &mut Scratch,
        mut emit: impl FnMut(usize, usize, f32),
    ) {
        self.read(text, scratch);
        let values: std::collections::BTreeMap<u32, f32> = scratch.values.iter().copied().collect();
        let classes = self.classes();
        let others = (classes.max(2) - 1) as f32;
        for group in &self.features.groups {
            let mut places: std::collections::BTreeMap<u32, Vec<(u32, u32)>> = Default::default();
            group.for_each(&scratch.prepared, |hash, start, end| {
                if let Some(id) = self.vocabulary.get(hash) {
                    places.entry(id).or_default().push((start, end));
                }
            });
            for (id, spans) in places {
                let number = self.rows[id as usize];
                if number == Self::NO_WEIGHTS {
                    continue;
                }
                let row = &self.weights[number as usize * classes..][..classes];
                let sum: f32 = row.iter().map(|w| f32::from(*w)).sum();
                let own = f32::from(row[class]);
                let against = match self.calibration {
                    Calibration::Temperature(_) if classes > 1 => (sum - own) / others,
                    _ => 0.0,
                };
                let value = values.get(&id).copied().unwrap_or(0.0) * self.scales[number as usize];
                let share = value * (own - against) / spans.len() as f32;
                for (start, end) in spans {
                    if let Some((start, end)) = scratch.prepared.source_span(start, end) {
                        emit(start, end, share);
                    }
                }
            }
        }
    }

    /// Bytes in memory.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.vocabulary.resident_bytes()
            + self.rows.len() * 4
            + self.weights.len()
            + self.scales.len() * 4
            + self.bias.len() * 4
    }
}
