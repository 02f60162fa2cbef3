//! Linear-chain conditional random fields (Lafferty, McCallum and Pereira 2001): how probable each label of each word is, given
//! the scores of words and of neighbouring labels.
//!
//! Sums run over labels in a fixed order, with [`math::exp32`] for the exponential, so that the bits are the same everywhere.

use crate::math;

/// Weight of a pair of labels that can't follow each other.
pub const NEVER: f32 = -1e4;
/// How far below the best label of a word another one counts, as a logarithm: what is less probable still could be all that a
/// sequence allows, and would leave sums of nothing.
const LEAST: f32 = -40.0;

/// What forward and backward passes need of the weights, and their buffers.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    labels: usize,
    /// Exponentials of the transitions, `[1 + labels, labels]`: from the start, then from each label.
    transitions: Vec<f32>,
    words: Vec<f32>,
    forward: Vec<f32>,
    backward: Vec<f32>,
    scales: Vec<f32>,
}

impl Chain {
    /// Takes over transitions `[1 + labels, labels]`, the first row those from the start of a text.
    pub fn set(&mut self, transitions: &[f32], labels: usize) {
        self.labels = labels;
        self.transitions.clear();
        let mass = |weight: &f32| if *weight <= NEVER { 0.0 } else { math::exp32(*weight) };
        self.transitions.extend(transitions.iter().map(mass));
    }

    /// Turns scores `[words, labels]` into probabilities, each word's summing to one.
    ///
    /// Where `pairs` is given, the expected number of each transition is added to it, `[1 + labels, labels]`.
    pub fn marginals(&mut self, scores: &mut [f32], pairs: Option<&mut [f32]>) {
        let labels = self.labels;
        if scores.is_empty() {
            return;
        }
        self.words.clear();
        for row in scores.chunks_exact(labels) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            self.words.extend(row.iter().map(|score| math::exp32((score - largest).max(LEAST))));
        }
        self.forward();
        self.backward();
        let count = scores.len() / labels;
        for word in 0..count {
            let range = word * labels..(word + 1) * labels;
            let both = self.forward[range.clone()].iter().zip(&self.backward[range.clone()]);
            scores[range.clone()]
                .iter_mut()
                .zip(both)
                .for_each(|(score, (before, after))| *score = before * after);
            let sum: f32 = scores[range.clone()].iter().sum();
            scores[range].iter_mut().for_each(|score| *score /= sum);
        }
        if let Some(pairs) = pairs {
            pairs[..labels].iter_mut().zip(&scores[..labels]).for_each(|(pair, score)| *pair += score);
            (1..count).for_each(|word| self.expect(word, pairs));
        }
    }

    fn forward(&mut self) {
        let labels = self.labels;
        self.forward.clear();
        self.forward.resize(self.words.len(), 0.0);
        self.scales.clear();
        for word in 0..self.words.len() / labels {
            let (before, own) = self.forward.split_at_mut(word * labels);
            let own = &mut own[..labels];
            if word == 0 {
                own.copy_from_slice(&self.transitions[..labels]);
            } else {
                for (from, mass) in before[(word - 1) * labels..].iter().enumerate() {
                    let row = &self.transitions[(from + 1) * labels..][..labels];
                    own.iter_mut().zip(row).for_each(|(own, weight)| *own += mass * weight);
                }
            }
            own.iter_mut().zip(&self.words[word * labels..]).for_each(|(own, score)| *own *= score);
            let sum = own.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            own.iter_mut().for_each(|own| *own /= sum);
            self.scales.push(sum);
        }
    }

    fn backward(&mut self) {
        let labels = self.labels;
        self.backward.clear();
        self.backward.resize(self.words.len(), 1.0);
        for word in (1..self.words.len() / labels).rev() {
            let (before, own) = self.backward.split_at_mut(word * labels);
            let scale = 1.0 / self.scales[word];
            for (from, target) in before[(word - 1) * labels..].iter_mut().enumerate() {
                let row = &self.transitions[(from + 1) * labels..][..labels];
                let reached = row.iter().zip(&self.words[word * labels..]).zip(own.iter());
                *target = scale * reached.map(|((weight, score), after)| weight * score * after).sum::<f32>();
            }
        }
    }

    /// Adds how probable each transition into `word` is.
    fn expect(&self, word: usize, pairs: &mut [f32]) {
        let labels = self.labels;
        let scale = 1.0 / self.scales[word];
        let own = word * labels..(word + 1) * labels;
        for from in 0..labels {
            let mass = self.forward[(word - 1) * labels + from] * scale;
            let row = &self.transitions[(from + 1) * labels..][..labels];
            let reached = row.iter().zip(&self.words[own.clone()]).zip(&self.backward[own.clone()]);
            let pairs = &mut pairs[(from + 1) * labels..][..labels];
            for (pair, ((weight, score), after)) in pairs.iter_mut().zip(reached) {
                *pair += mass * weight * score * after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums over every sequence of labels.
    fn by_enumeration(scores: &[f32], transitions: &[f32], labels: usize) -> (Vec<f64>, Vec<f64>) {
        let words = scores.len() / labels;
        let (mut marginals, mut pairs) = (vec![0.0; scores.len()], vec![0.0; transitions.len()]);
        let mut total = 0.0;
        for number in 0..labels.pow(words as u32) {
            let path: Vec<usize> = (0..words).map(|word| number / labels.pow(word as u32) % labels).collect();
            let before = |word: usize| if word == 0 { 0 } else { path[word - 1] + 1 };
            let weight: f64 = (0..words)
                .map(|word| {
                    f64::from(scores[word * labels + path[word]])
                        + f64::from(transitions[before(word) * labels + path[word]])
                })
                .sum::<f64>()
                .exp();
            total += weight;
            for word in 0..words {
                marginals[word * labels + path[word]] += weight;
                pairs[before(word) * labels + path[word]] += weight;
            }
        }
        (marginals.iter().map(|m| m / total).collect(), pairs.iter().map(|p| p / total).collect())
    }

    #[test]
    fn probabilities_are_those_of_all_sequences_together() {
        let labels = 3;
        let value = |place: usize| ((place * 7 + 3) % 11) as f32 / 3.0 - 1.5;
        let mut transitions: Vec<f32> = (0..12).map(value).collect();
        transitions[2] = NEVER;
        transitions[5] = NEVER;
        let scores: Vec<f32> = (20..35).map(value).collect();
        let (expected, expected_pairs) = by_enumeration(&scores, &transitions, labels);
        let mut chain = Chain::default();
        chain.set(&transitions, labels);
        let (mut found, mut pairs) = (scores, vec![0.0; 12]);
        chain.marginals(&mut found, Some(&mut pairs));
        for (found, expected) in found.iter().zip(&expected).chain(pairs.iter().zip(&expected_pairs)) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_label_far_ahead_that_can_not_stand_there_leaves_the_others() {
        let mut chain = Chain::default();
        chain.set(&[0.0, NEVER, 0.0, NEVER, 0.0, 0.0], 2);
        let mut scores = [-300.0, 300.0, -300.0, 300.0, 0.0, 0.0];
        chain.marginals(&mut scores, Some(&mut [0.0; 6]));
        let expected = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0_f32];
        assert!(
            scores.iter().zip(expected).all(|(found, wanted)| (found - wanted).abs() < 1e-6),
            "{scores:?}"
        );
    }

    #[test]
    fn a_long_text_stays_finite() {
        let mut chain = Chain::default();
        chain.set(&[0.0, NEVER, 3.0, -3.0, -3.0, 3.0], 2);
        let mut scores: Vec<f32> =
            (0..20_000).map(|place| if place % 3 == 0 { 40.0 } else { -40.0 }).collect();
        chain.marginals(&mut scores, None);
        assert!(scores.iter().all(|score| score.is_finite() && *score <= 1.0));
    }
}
