//! Linear models over n-gram features, quantised to eight bits.
//!
//! Every member of the linear family (logistic regression, support vector machine, naive Bayes, averaged embeddings)
//! ends as one matrix `[features, classes]`, so that serving knows one form only. A row of weights is eight-bit
//! integers with one scale; products are summed in `f32` in a fixed order.

use loquat_text::Prepared;
use serde::{Deserialize, Serialize};

use crate::features::{FeatureConfig, FeatureCounter, normalise_group};
use crate::math;
use crate::vocabulary::Vocabulary;
use crate::weight_rows::{WeightRows, class_bytes};

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
    /// The weights of each feature, less what `background` holds of them.
    pub weights: WeightRows,
    /// Part of the weights that all features share, one a class: naive Bayes gives every n-gram that a class lacks the
    /// same weight, and without it most rows are sparse. Empty: none.
    pub background: Vec<f32>,
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
        if !self.background.is_empty() {
            let length: f32 = scratch.values.iter().map(|(_, value)| value).sum();
            for (margin, weight) in margins.iter_mut().zip(&self.background) {
                *margin += length * weight;
            }
        }
        self.weights.add(&scratch.values, margins);
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
        let wide = class_bytes(classes) == 2;
        let background_sum: f32 = self.background.iter().sum();
        for group in &self.features.groups {
            let mut places: std::collections::BTreeMap<u32, Vec<(u32, u32)>> = Default::default();
            group.for_each(&scratch.prepared, |hash, start, end| {
                if let Some(id) = self.vocabulary.get(hash) {
                    places.entry(id).or_default().push((start, end));
                }
            });
            for (id, spans) in places {
                let (mut sum, mut own) = (background_sum, self.background.get(class).copied().unwrap_or(0.0));
                if let Some(row) = self.weights.get(id as usize) {
                    row.for_each(wide, |other, weight| {
                        sum += weight * row.scale();
                        if other == class {
                            own += weight * row.scale();
                        }
                    });
                }
                let against = match self.calibration {
                    Calibration::Temperature(_) if classes > 1 => (sum - own) / others,
                    _ => 0.0,
                };
                let value = values.get(&id).copied().unwrap_or(0.0);
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
            + self.weights.resident_bytes()
            + (self.bias.len() + self.background.len()) * 4
    }
}
