//! Labels scored by a model that was not trained on them. An entailment model is asked whether the text entails the sentence that a
//! label makes (Yin et al. 2019); of an embedding model, the vector of that sentence is compared with the text's, which costs one sequence a
//! text, whatever the number of labels.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use loquat_models::{Manifest, math};
use loquat_spec::{PredictParameters, Prediction, Task};

use crate::error::InferError;
use crate::input::Input;
use crate::pipeline::{Pipeline, cosine, reads_pairs};
use crate::ranking;

/// The place of a label in a template.
const PLACE: &str = "{label}";
/// The template of a model that brings none.
pub(crate) const TEMPLATE: &str = "This example is {label}.";

/// What a cosine is multiplied by before exclusive labels share their scores: the scale with which embedding models learn by
/// ranking, as sentence-transformers has it.
const SCALE: f32 = 20.0;
/// Sentences whose vectors are remembered; all are forgotten when more come.
const REMEMBERED: usize = 4096;

/// How a model scores labels that it was not trained on.
#[derive(Debug, Clone)]
pub(crate) enum Scorer {
    /// By what a text entails.
    Entailment(Entailment),
    /// By the likeness of vectors.
    Likeness(Arc<Sentences>),
}

impl Scorer {
    /// The scorer that a model can be; `None` where it is neither for entailment nor for embedding.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        if manifest.task == Task::Embedding {
            return Some(Self::Likeness(Arc::default()));
        }
        let entailment = reads_pairs(manifest.task).then(|| Entailment::of(&manifest.labels)).flatten()?;
        Some(Self::Entailment(entailment))
    }
}

/// The vectors of sentences that labels made before.
#[derive(Debug, Default)]
pub(crate) struct Sentences {
    known: Mutex<HashMap<String, Arc<[f32]>>>,
}

impl Sentences {
    /// The vector of each sentence; `embed` gives those that are not known yet.
    fn vectors(
        &self,
        sentences: &[String],
        embed: impl FnOnce(&[Input]) -> Result<Vec<Vec<f32>>, InferError>,
    ) -> Result<Vec<Arc<[f32]>>, InferError> {
        let mut found: Vec<Option<Arc<[f32]>>> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            sentences.iter().map(|sentence| known.get(sentence).cloned()).collect()
        };
        let missing = |(sentence, vector): (&String, &Option<Arc<[f32]>>)| {
            vector.is_none().then(|| Input::new(sentence.as_str()))
        };
        let unknown: Vec<Input> = sentences.iter().zip(&found).filter_map(missing).collect();
        if !unknown.is_empty() {
            let made: Vec<Arc<[f32]>> = embed(&unknown)?.into_iter().map(Arc::from).collect();
            self.remember(unknown.into_iter().map(|input| input.text).zip(made.iter().cloned()));
            found.iter_mut().filter(|vector| vector.is_none()).zip(made).for_each(|(place, vector)| {
                *place = Some(vector);
            });
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn remember(&self, vectors: impl ExactSizeIterator<Item = (String, Arc<[f32]>)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + vectors.len() > REMEMBERED {
            known.clear();
        }
        known.extend(vectors.take(REMEMBERED));
    }
}

impl Pipeline {
    /// All labels of each input, best first, with their scores.
    pub(crate) fn score_labels(
        &self,
        inputs: &[Input],
        parameters: &PredictParameters,
        threads: usize,
    ) -> Result<Vec<Prediction>, InferError> {
        let labels = self.candidates(parameters);
        let templates = [&parameters.template, &self.declared().template, &self.manifest().template];
        let template = templates.into_iter().flatten().next().map_or(TEMPLATE, String::as_str);
        let sentences: Vec<String> = labels.iter().map(|label| hypothesis(template, label)).collect();
        let scorer = self.scorer().expect("zero-shot classification is refused of models that can't score");
        let scores: Vec<Vec<f32>> = match scorer {
            Scorer::Entailment(entailment) => {
                let logits = self.pair_logits(inputs, &sentences, threads)?;
                let of = |logits| entailment.scores(logits, parameters.exclusive);
                logits.chunks(labels.len()).map(of).collect()
            }
            Scorer::Likeness(known) => {
                let known = known.vectors(&sentences, |unknown| self.first_vectors(unknown, threads))?;
                let texts = self.first_vectors(inputs, threads)?;
                texts.iter().map(|text| likenesses(text, &known, parameters.exclusive)).collect()
            }
        };
        let most = parameters.top_k.unwrap_or(labels.len());
        let ranked = |scores: Vec<f32>| ranking::ranked(labels, &scores, most, |_, _| true);
        Ok(scores.into_iter().map(|scores| Prediction::Labels { labels: ranked(scores) }).collect())
    }

    /// The labels that a request is about: its own, else the endpoint's.
    pub(crate) fn candidates<'p>(&'p self, parameters: &'p PredictParameters) -> &'p [String] {
        parameters.labels.as_deref().unwrap_or(&self.declared().labels)
    }
}

/// The score of each label from the vectors of a text and of their sentences. Each on its own is the cosine, 0 where the vectors
/// point away from each other; exclusive ones add up to 1.
fn likenesses(text: &[f32], sentences: &[Arc<[f32]>], exclusive: bool) -> Vec<f32> {
    let mut scores: Vec<f32> = sentences.iter().map(|sentence| cosine(text, sentence)).collect();
    if exclusive && scores.len() > 1 {
        scores.iter_mut().for_each(|score| *score *= SCALE);
        math::softmax(&mut scores);
    } else {
        scores.iter_mut().for_each(|score| *score = score.clamp(0.0, 1.0));
    }
    scores
}

/// Where the labels of an entailment model stand; no order is taken for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entailment {
    entailment: usize,
    /// The label that speaks against it; `None` where several do.
    contradiction: Option<usize>,
}

impl Entailment {
    /// Finds the labels by their names, in any case; `None` for a model that is none for entailment.
    pub(crate) fn of(labels: &[String]) -> Option<Self> {
        let names: Vec<String> = labels.iter().map(|label| label.to_lowercase()).collect();
        let place = |start: &str| names.iter().position(|name| name.starts_with(start));
        let entailment = place("entail")?;
        let other = (labels.len() == 2).then(|| 1 - entailment);
        Some(Self { entailment, contradiction: place("contradict").or(other) })
    }

    /// The score of each label from the logits of its pair. Each on its own is the share of entailment against
    /// contradiction; exclusive ones add up to 1.
    pub(crate) fn scores(self, logits: &[Vec<f32>], exclusive: bool) -> Vec<f32> {
        if exclusive && logits.len() > 1 {
            let mut scores: Vec<f32> = logits.iter().map(|logits| logits[self.entailment]).collect();
            math::softmax(&mut scores);
            return scores;
        }
        logits.iter().map(|logits| self.score(logits)).collect()
    }

    fn score(self, logits: &[f32]) -> f32 {
        match self.contradiction {
            Some(contradiction) => math::sigmoid32(logits[self.entailment] - logits[contradiction]),
            None => {
                let mut all = logits.to_vec();
                math::softmax(&mut all);
                all[self.entailment]
            }
        }
    }
}

/// The sentence that a label makes.
pub(crate) fn hypothesis(template: &str, label: &str) -> String {
    template.replace(PLACE, label)
}

/// Whether a template has a place for the label.
pub(crate) fn has_place(template: &str) -> bool {
    template.contains(PLACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn labels_are_found_in_any_order_and_case() {
        let found = |names: &[&str]| Entailment::of(&labels(names));
        let three = Entailment { entailment: 2, contradiction: Some(0) };
        assert_eq!(found(&["contradiction", "neutral", "entailment"]), Some(three));
        let other = Entailment { entailment: 0, contradiction: Some(2) };
        assert_eq!(found(&["ENTAILMENT", "NEUTRAL", "CONTRADICTION"]), Some(other));
        let two = Entailment { entailment: 0, contradiction: Some(1) };
        assert_eq!(found(&["entailment", "not_entailment"]), Some(two));
        assert_eq!(found(&["not_entailment", "entailment"]).map(|found| found.entailment), Some(1));
        assert_eq!(found(&["positive", "negative"]), None);
    }

    #[test]
    fn independent_scores_ignore_what_is_neutral_and_exclusive_ones_add_up() {
        let model = Entailment { entailment: 2, contradiction: Some(0) };
        let logits = [vec![1.0, 9.0, 1.0], vec![0.0, -3.0, 3.0]];
        let independent = model.scores(&logits, false);
        assert!(
            (independent[0] - 0.5).abs() < 1e-6 && (independent[1] - 0.952_574).abs() < 1e-5,
            "{independent:?}"
        );
        let exclusive = model.scores(&logits, true);
        assert!((exclusive.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((exclusive[1] - 0.880_797).abs() < 1e-5, "{exclusive:?}");
        // One label alone has nothing to exclude.
        assert_eq!(model.scores(&logits[..1], true), [independent[0]]);
    }

    #[test]
    fn every_place_of_a_template_takes_the_label() {
        assert_eq!(hypothesis("{label}? Yes, {label}.", "rain"), "rain? Yes, rain.");
        assert!(!has_place("rain"));
    }
}
