//! Spans of tokens: as `seqeval` 1.2.2 reads them from tags in its default mode, as numbers, and how many are worth answering.

use std::ops::Range;

use loquat_models::Decoding;
use loquat_spec::Metric;

use super::rows::Tagging;

/// Longest span told apart, in tokens; longer ones that begin together are taken as one.
const LONGEST: usize = 255;
/// Shifts of the logarithm of the probability of `O` that are tried.
const SHIFTS: std::ops::RangeInclusive<i32> = -12..=4;
const SHIFT: f32 = 0.25;

/// A span of the data set's tokens with its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityCode {
    /// Place of the kind; the number of kinds for one that the data lacks.
    pub(crate) kind: u32,
    pub(crate) units: Range<usize>,
}

impl EntityCode {
    /// One number, where there are `count` kinds; ordered as spans stand in a row.
    pub(crate) fn pack(&self, count: usize) -> u32 {
        let place = self.units.start * (LONGEST + 1) + self.units.len().min(LONGEST);
        (place * (count + 1)) as u32 + self.kind
    }

    /// The span that [`EntityCode::pack`] made a number of.
    pub(crate) fn unpack(code: u32, count: usize) -> Self {
        let (place, kind) = (code as usize / (count + 1), code % (count + 1) as u32);
        let start = place / (LONGEST + 1);
        Self { kind, units: start..start + place % (LONGEST + 1) }
    }
}

/// The spans of a sequence of tags. A span begins with `B-`, and with an `I-` that has nothing of its kind before it.
pub(super) fn of_tags(tags: &[String]) -> Vec<(&str, Range<usize>)> {
    let mut spans: Vec<(&str, Range<usize>)> = Vec::new();
    let mut open = false;
    for (place, tag) in tags.iter().enumerate() {
        let Some((prefix, kind)) = tag.split_once('-').filter(|(prefix, _)| matches!(*prefix, "B" | "I"))
        else {
            open = false;
            continue;
        };
        match spans.last_mut().filter(|(last, _)| open && prefix == "I" && *last == kind) {
            Some((_, units)) => units.end = place + 1,
            None => spans.push((kind, place..place + 1)),
        }
        open = true;
    }
    spans
}

/// Of `units` tokens, those whose tags are the same in both lists of spans.
pub(super) fn same_tags(truth: &[u32], answers: &[u32], (count, units): (usize, usize)) -> usize {
    let tags = |codes: &[u32]| {
        let mut tags = vec![0; units];
        for code in codes {
            let code = EntityCode::unpack(*code, count);
            for unit in code.units.clone().filter(|unit| *unit < units) {
                tags[unit] = 1 + 2 * code.kind + u32::from(unit > code.units.start);
            }
        }
        tags
    };
    tags(truth).iter().zip(tags(answers)).filter(|(truth, answer)| **truth == *answer).count()
}

/// What is added to the logarithm of the probability of `O`, so that the spans of `rows` score best: a model that is right about
/// words leaves out spans that it half believes in, while F1 asks for them. Other metrics change nothing.
pub(crate) fn outside(tagging: &Tagging, rows: &[usize], probabilities: &[f32], metric: Metric) -> f32 {
    if metric != Metric::EntityF1 {
        return 0.0;
    }
    let value = |step: &i32| {
        let decoding = Decoding { outside: *step as f32 * SHIFT };
        tagging.answers(rows, probabilities, decoding).value(metric)
    };
    let scored: Vec<(i32, f64)> = SHIFTS.map(|step| (step, value(&step))).collect();
    // Neighbours are averaged, so that one lucky step is not taken; of equals the one that changes least.
    let smooth = |place: usize| {
        let near = &scored[place.saturating_sub(1)..(place + 2).min(scored.len())];
        near.iter().map(|(_, value)| value).sum::<f64>() / near.len() as f64
    };
    let best = (0..scored.len())
        .max_by(|a, b| smooth(*a).total_cmp(&smooth(*b)).then(scored[*b].0.abs().cmp(&scored[*a].0.abs())));
    best.map_or(0.0, |place| scored[place].0 as f32 * SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Answers;

    #[test]
    fn a_span_is_told_from_every_other() {
        for (kind, units) in [(0, 0..1), (6, 3..5), (7, 900..1000), (2, 0..255)] {
            let code = EntityCode { kind, units };
            assert_eq!(EntityCode::unpack(code.pack(7), 7), code);
        }
    }

    #[derive(serde::Deserialize)]
    struct Case {
        proper: bool,
        truth: Vec<Vec<String>>,
        predicted: Vec<Vec<String>>,
        f1: f64,
        precision: f64,
        recall: f64,
        accuracy: f64,
        kinds: std::collections::BTreeMap<String, f64>,
    }

    #[test]
    fn scores_equal_those_of_seqeval() {
        let kinds = ["group", "person", "work-of-art"];
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/reference/seqeval.json")).unwrap();
        assert_eq!(cases.len(), 24);
        for (number, case) in cases.iter().enumerate() {
            let codes = |tags: &Vec<String>| -> Vec<u32> {
                let kind = |name: &str| kinds.iter().position(|kind| *kind == name).unwrap() as u32;
                let spans = of_tags(tags).into_iter();
                spans.map(|(name, units)| EntityCode { kind: kind(name), units }.pack(kinds.len())).collect()
            };
            let truth: Vec<Vec<u32>> = case.truth.iter().map(codes).collect();
            let predicted: Vec<Vec<u32>> = case.predicted.iter().map(codes).collect();
            let rows = truth.iter().zip(&predicted).zip(&case.truth);
            let tokens = rows.map(|((truth, predicted), tags)| {
                let right = same_tags(truth, predicted, (kinds.len(), tags.len()));
                (right as u32, tags.len() as u32)
            });
            let tokens = tokens.collect();
            let answers = Answers {
                classes: kinds.len(),
                entities: true,
                truth,
                predicted,
                tokens,
                ..Answers::default()
            };
            let mut expected = vec![
                (Metric::EntityF1, case.f1),
                (Metric::EntityPrecision, case.precision),
                (Metric::EntityRecall, case.recall),
            ];
            // Tags that continue nothing are repaired before they are compared; seqeval compares them as they are.
            expected.extend(case.proper.then_some((Metric::TokenAccuracy, case.accuracy)));
            for (metric, expected) in expected {
                let found = answers.value(metric);
                assert!(
                    (found - expected).abs() < 1e-12,
                    "case {number}, {metric:?}: {found} is not {expected}"
                );
            }
            for (kind, scores) in kinds.iter().zip(answers.per_class()) {
                let expected = case.kinds.get(*kind).copied().unwrap_or(0.0);
                assert!((scores.f1 - expected).abs() < 1e-12, "case {number}, {kind}");
            }
        }
    }

    #[test]
    fn spans_begin_as_in_the_default_mode_of_seqeval() {
        let tags: Vec<String> =
            ["I-a", "I-a", "B-a", "I-b", "O", "I-b-c", "B-b-c"].map(str::to_owned).to_vec();
        assert_eq!(of_tags(&tags), [("a", 0..2), ("a", 2..3), ("b", 3..4), ("b-c", 5..6), ("b-c", 6..7)]);
    }
}
