//! Labels scored by an entailment model: does the text entail the sentence that a label makes (Yin et al. 2019)?

use loquat_models::math;

/// The place of a label in a template.
const PLACE: &str = "{label}";
/// The template of a model that brings none.
pub(crate) const TEMPLATE: &str = "This example is {label}.";

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
