//! Losses of pairs of texts, on the cosines of their vectors, and their gradients.
//!
//! Pairs that belong together: each first text is to find its second among those of the batch, and among the negatives given
//! (Henderson et al. 2017; InfoNCE, van den Oord et al. 2018; multiple negatives ranking in sentence-transformers). A text that
//! another pair of the batch says belongs to it is no candidate. Pairs with scores: of two pairs, the one with the higher score
//! is to have the higher cosine (CoSENT, Su 2022; Huang et al. 2024).

use loquat_models::math::exp32;

use crate::rows::add;

/// What is learned from pairs of texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contrast {
    /// Pairs that belong together.
    Together {
        /// What cosines are multiplied by before the softmax.
        scale: f32,
        /// Whether the second text looks for the first too.
        both_ways: bool,
    },
    /// Pairs in the order of their scores.
    Ordered {
        /// What differences of cosines are multiplied by.
        scale: f32,
    },
}

/// A pair of a batch; texts are places among the batch's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairing {
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// A text that does not belong to the first.
    pub(crate) negative: Option<usize>,
    pub(crate) score: f32,
    pub(crate) weight: f32,
}

impl Contrast {
    /// The sum of the losses of `pairs`, each times its weight, and its gradient with respect to `vectors`, `[texts, width]`.
    pub(crate) fn loss(self, pairs: &[Pairing], vectors: &[f32], width: usize) -> (f64, Vec<f32>) {
        let mut cosines = Cosines::new(vectors, width);
        let loss = match self {
            Self::Together { scale, both_ways } => {
                let ways = if both_ways { 2.0 } else { 1.0 };
                let there = together(pairs, &mut cosines, scale, ways);
                if !both_ways {
                    there
                } else {
                    let turned: Vec<Pairing> = pairs.iter().map(Pairing::turned).collect();
                    there + together(&turned, &mut cosines, scale, ways)
                }
            }
            Self::Ordered { scale } => ordered(pairs, &mut cosines, scale),
        };
        (loss, cosines.into_gradients())
    }
}

impl Pairing {
    /// The pair seen from its second text.
    fn turned(&self) -> Self {
        Self { first: self.second, second: self.first, negative: None, ..*self }
    }
}

/// Each first text looks for its second; a way of several counts as its part.
fn together(pairs: &[Pairing], cosines: &mut Cosines<'_>, scale: f32, ways: f32) -> f64 {
    let mut candidates: Vec<usize> = pairs.iter().map(|pair| pair.second).collect();
    candidates.extend(pairs.iter().filter_map(|pair| pair.negative));
    candidates.sort_unstable();
    candidates.dedup();
    let mut known: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.first, pair.second)).collect();
    known.sort_unstable();
    let mut loss = 0.0;
    for pair in pairs {
        let open = |candidate: &usize| {
            *candidate == pair.second
                || (*candidate != pair.first && known.binary_search(&(pair.first, *candidate)).is_err())
        };
        let own: Vec<usize> = candidates.iter().copied().filter(open).collect();
        let logits: Vec<f32> = own.iter().map(|other| scale * cosines.of(pair.first, *other)).collect();
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| exp32(logit - most)).sum();
        let weight = pair.weight / ways;
        for (other, logit) in own.iter().zip(&logits) {
            let share = exp32(logit - most) / sum;
            let is_own = *other == pair.second;
            if is_own {
                loss += f64::from(weight) * (f64::from(sum).ln() + f64::from(most - logit));
            }
            cosines.move_by(pair.first, *other, scale * weight * (share - f32::from(u8::from(is_own))));
        }
    }
    loss
}

/// One loss for the batch, which counts for all its pairs.
fn ordered(pairs: &[Pairing], cosines: &mut Cosines<'_>, scale: f32) -> f64 {
    let all: Vec<f32> = pairs.iter().map(|pair| cosines.of(pair.first, pair.second)).collect();
    let total: f64 = pairs.iter().map(|pair| f64::from(pair.weight)).sum();
    // How much nearer each pair of a lower score is than one of a higher.
    let mut wrongs: Vec<(usize, usize, f32)> = Vec::new();
    for (high, above) in pairs.iter().enumerate() {
        for (low, below) in pairs.iter().enumerate() {
            if above.score > below.score {
                wrongs.push((high, low, scale * (all[low] - all[high])));
            }
        }
    }
    let most = wrongs.iter().map(|(.., wrong)| *wrong).fold(0.0, f32::max);
    let weight = |high: usize, low: usize| pairs[high].weight * pairs[low].weight;
    let sum = exp32(-most)
        + wrongs.iter().map(|(high, low, wrong)| weight(*high, *low) * exp32(wrong - most)).sum::<f32>();
    let mut slopes = vec![0.0; pairs.len()];
    for (high, low, wrong) in wrongs {
        let slope = total as f32 * scale * weight(high, low) * exp32(wrong - most) / sum;
        slopes[high] -= slope;
        slopes[low] += slope;
    }
    for (pair, slope) in pairs.iter().zip(slopes) {
        cosines.move_by(pair.first, pair.second, slope);
    }
    total * (f64::from(sum).ln() + f64::from(most))
}

/// Vectors brought to length one, and the gradients of those.
struct Cosines<'v> {
    vectors: &'v [f32],
    width: usize,
    lengths: Vec<f32>,
    gradients: Vec<f32>,
}

impl<'v> Cosines<'v> {
    fn new(vectors: &'v [f32], width: usize) -> Self {
        let length = |vector: &[f32]| product(vector, vector).sqrt().max(f32::MIN_POSITIVE);
        let lengths = vectors.chunks_exact(width).map(length).collect();
        Self { vectors, width, lengths, gradients: vec![0.0; vectors.len()] }
    }

    fn vector(&self, place: usize) -> &'v [f32] {
        &self.vectors[place * self.width..][..self.width]
    }

    fn of(&self, a: usize, b: usize) -> f32 {
        product(self.vector(a), self.vector(b)) / (self.lengths[a] * self.lengths[b])
    }

    /// Adds the gradient of two texts whose cosine has `slope`.
    fn move_by(&mut self, a: usize, b: usize, slope: f32) {
        for (to, from) in [(a, b), (b, a)] {
            let factor = slope / self.lengths[from];
            let part: Vec<f32> = self.vector(from).iter().map(|value| factor * value).collect();
            add(&part, &mut self.gradients[to * self.width..][..self.width]);
        }
    }

    /// The gradients with respect to the vectors as they came: what lies along a vector changes no cosine.
    fn into_gradients(mut self) -> Vec<f32> {
        let rows = self.gradients.chunks_exact_mut(self.width).zip(self.vectors.chunks_exact(self.width));
        for ((gradient, vector), length) in rows.zip(&self.lengths) {
            let along = product(gradient, vector) / (length * length);
            for (gradient, value) in gradient.iter_mut().zip(vector) {
                *gradient = (*gradient - along * value) / length;
            }
        }
        self.gradients
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        kind: String,
        width: usize,
        vectors: Vec<f32>,
        pairs: Vec<(usize, usize, Option<usize>, f32)>,
        loss: f64,
        gradients: Vec<f32>,
    }

    /// Losses and gradients of sentence-transformers on PyTorch; see `tests/reference/make_contrast.py`.
    #[test]
    fn losses_and_gradients_are_those_of_sentence_transformers() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/reference/contrast.json")).unwrap();
        assert!(cases.len() >= 5);
        for case in cases {
            let contrast = match case.kind.as_str() {
                "one-way" => Contrast::Together { scale: 20.0, both_ways: false },
                "both-ways" => Contrast::Together { scale: 20.0, both_ways: true },
                _ => Contrast::Ordered { scale: 20.0 },
            };
            let pairing =
                |(first, second, negative, score)| Pairing { first, second, negative, score, weight: 1.0 };
            let pairs: Vec<Pairing> = case.pairs.into_iter().map(pairing).collect();
            let (loss, gradients) = contrast.loss(&pairs, &case.vectors, case.width);
            // Theirs is the mean.
            let count = pairs.len() as f64;
            assert!((loss / count - case.loss).abs() < 1e-4, "{}: {loss} for {}", case.name, case.loss);
            for (ours, theirs) in gradients.iter().zip(&case.gradients) {
                assert!((f64::from(*ours) / count - f64::from(*theirs)).abs() < 1e-5, "{}", case.name);
            }
        }
    }

    /// What PyTorch's losses have not: weights, and texts that stand in several pairs of a batch.
    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let vectors: Vec<f32> = (0..7 * 5).map(|place| ((place * 31 % 17) as f32 - 8.0) / 6.0).collect();
        let pair =
            |first, second, negative, score, weight| Pairing { first, second, negative, score, weight };
        let pairs = [
            pair(0, 1, Some(5), 0.9, 1.0),
            pair(0, 2, None, 0.1, 0.5),
            pair(3, 2, Some(6), 0.4, 2.0),
            pair(4, 1, None, 0.4, 1.0),
        ];
        let kinds = [
            Contrast::Together { scale: 5.0, both_ways: false },
            Contrast::Together { scale: 5.0, both_ways: true },
            Contrast::Ordered { scale: 5.0 },
        ];
        for contrast in kinds {
            let (_, gradients) = contrast.loss(&pairs, &vectors, 5);
            for (place, gradient) in gradients.iter().enumerate() {
                let at = |by: f32| {
                    let mut moved = vectors.clone();
                    moved[place] += by;
                    contrast.loss(&pairs, &moved, 5).0
                };
                let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                let off = (slope - f64::from(*gradient)).abs();
                assert!(off < 5e-3, "{contrast:?} {place}: {gradient} should be {slope}");
            }
        }
    }

    #[test]
    fn a_text_that_is_known_to_belong_is_no_candidate() {
        // Two pairs of one first text: each second is the other's best candidate, and counts for nothing.
        let vectors = [1.0, 0.0, 1.0, 0.1, 1.0, -0.1, 0.0, 1.0, 0.1, 1.0];
        let pair = |first, second| Pairing { first, second, negative: None, score: 1.0, weight: 1.0 };
        let contrast = Contrast::Together { scale: 20.0, both_ways: false };
        let (loss, _) = contrast.loss(&[pair(0, 1), pair(0, 2), pair(3, 4)], &vectors, 2);
        assert!(loss < 1e-3, "{loss}");
    }

    #[test]
    fn pairs_of_equal_scores_have_no_order() {
        let vectors = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 1.0];
        let pair = |first, second| Pairing { first, second, negative: None, score: 3.0, weight: 1.0 };
        let (loss, gradients) =
            Contrast::Ordered { scale: 20.0 }.loss(&[pair(0, 1), pair(2, 3)], &vectors, 2);
        assert!(loss.abs() < 1e-12 && gradients.iter().all(|value| *value == 0.0), "{loss}");
    }
}
