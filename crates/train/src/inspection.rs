//! How a model answers known rows: what it confuses, how it does at other thresholds, and its worst mistakes with the
//! pieces of text that caused them.

use std::collections::BTreeMap;

use loquat_infer::{Input, Pipeline};
use loquat_spec::{Explanation, PredictParameters, Prediction};

use crate::error::TrainError;
use crate::evaluate::Measured;
use crate::problem::Problem;
use crate::report_details::{Inspection, Mistake, ThresholdCurve};
use crate::tagging::EntityCode;

/// Steps of the threshold, of all labels together and of one.
const STEPS: usize = 100;
const LABEL_STEPS: usize = 20;
const MISTAKES: usize = 30;
/// Mistakes of one kind that are named.
const OF_ONE_KIND: usize = 3;
/// Characters shown of a mistake's text.
const SHOWN: usize = 400;
/// Contributions below this decide nothing.
const LEAST_WEIGHT: f32 = 0.01;
/// Pieces of a text that are named.
const PIECES: usize = 8;

/// Looks at `measured`, whose probabilities are known. Mistakes are explained when `pipeline` is given: the model that
/// made them.
pub(crate) fn inspect(
    problem: &Problem<'_>,
    measured: &Measured,
    pipeline: Option<&Pipeline>,
    on: &str,
) -> Result<Inspection, TrainError> {
    Ok(Inspection {
        on: on.to_owned(),
        confusion: confusion(measured),
        thresholds: curve(problem, measured, None),
        label_thresholds: (0..problem.classes as u32)
            .map(|label| curve(problem, measured, Some(label)))
            .filter(|curve| curve.wanted > 0)
            .collect(),
        mistakes: mistakes(problem, measured, pipeline)?,
    })
}

fn confusion(measured: &Measured) -> Vec<(u32, u32, u32)> {
    let answers = &measured.answers;
    if answers.multi_label {
        return Vec::new();
    }
    let mut cells: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    if answers.entities {
        for (truth, predicted) in answers.truth.iter().zip(&answers.predicted) {
            overlapping(truth, predicted, answers.classes)
                .for_each(|cell| *cells.entry(cell).or_default() += 1);
        }
        cells.retain(|(_, answer), _| (*answer as usize) < answers.classes);
        return cells.into_iter().map(|((truth, predicted), spans)| (truth, predicted, spans)).collect();
    }
    for (truth, predicted) in answers.truth.iter().zip(&answers.predicted) {
        if let (Some(truth), Some(predicted)) = (truth.first(), predicted.first()) {
            *cells.entry((*truth, *predicted)).or_default() += 1;
        }
    }
    cells.into_iter().map(|((truth, predicted), rows)| (truth, predicted, rows)).collect()
}

/// Kinds of a true span and of the first answer that shares tokens with it.
fn overlapping(truth: &[u32], predicted: &[u32], kinds: usize) -> impl Iterator<Item = (u32, u32)> {
    let answers: Vec<EntityCode> = predicted.iter().map(|code| EntityCode::unpack(*code, kinds)).collect();
    truth.iter().filter_map(move |code| {
        let span = EntityCode::unpack(*code, kinds);
        let shares =
            |other: &&EntityCode| other.units.start < span.units.end && span.units.start < other.units.end;
        Some((span.kind, answers.iter().find(shares)?.kind))
    })
}

/// For one label each a row: the best label is the answer, given when it reaches the threshold. For sets: every label
/// that reaches it.
fn curve(problem: &Problem<'_>, measured: &Measured, only: Option<u32>) -> ThresholdCurve {
    let mut scored: Vec<(f32, bool)> = Vec::new();
    let mut wanted = 0;
    let answers = &measured.answers;
    for (scores, place) in answers.scores.iter().zip(0..) {
        let (truth, predicted) = (&answers.truth[place], &answers.predicted[place]);
        let counts = |label: u32| only.is_none_or(|only| only as usize == answers.class_of(label));
        wanted += truth.iter().filter(|label| counts(**label)).count();
        let given = scores.iter().zip(predicted).filter(|(_, label)| counts(**label));
        scored.extend(given.map(|(score, label)| (*score, truth.contains(label))));
    }
    let probabilities = if answers.entities { &[] } else { measured.probabilities.as_slice() };
    let rows = probabilities.chunks_exact(problem.classes);
    for ((row, truth), predicted) in rows.zip(&measured.answers.truth).zip(&measured.answers.predicted) {
        let counts = |label: &&u32| only.is_none_or(|only| only == **label);
        wanted += truth.iter().filter(counts).count();
        let score = |label: &u32| (row[*label as usize], truth.contains(label));
        if problem.multi_label {
            scored.extend((0..problem.classes as u32).filter(|label| counts(&label)).map(|l| score(&l)));
        } else {
            scored.extend(predicted.iter().filter(counts).map(score));
        }
    }
    let steps = if only.is_some() { LABEL_STEPS } else { STEPS };
    let point = |step: usize| {
        let threshold = step as f32 / steps as f32;
        let given = scored.iter().filter(|(score, _)| *score >= threshold);
        let (answers, right) =
            given.fold((0, 0), |(all, right), (_, is_right)| (all + 1, right + u32::from(*is_right)));
        (threshold, answers, right)
    };
    let label = only.map(|label| problem.table.labels[label as usize].clone());
    ThresholdCurve { label, wanted, points: (0..steps).map(point).collect() }
}

/// A wrong label: one answered, or one that is missing.
#[derive(Debug, Clone, Copy)]
struct Wrong {
    place: usize,
    /// What should have been answered, and what was.
    kind: (Option<u32>, Option<u32>),
    probability: f32,
    predicted_probability: f32,
}

fn wrong(problem: &Problem<'_>, measured: &Measured) -> Vec<Wrong> {
    let mut found = Vec::new();
    if measured.answers.entities {
        return wrong_spans(measured);
    }
    for (place, row) in measured.probabilities.chunks_exact(problem.classes).enumerate() {
        let (truth, predicted) = (&measured.answers.truth[place], &measured.answers.predicted[place]);
        if truth == predicted {
            continue;
        }
        let score = |label: u32| row[label as usize];
        if !problem.multi_label {
            if let (Some(wanted), Some(given)) = (truth.first().copied(), predicted.first().copied()) {
                let kind = (Some(wanted), Some(given));
                found.push(Wrong {
                    place,
                    kind,
                    probability: score(wanted),
                    predicted_probability: score(given),
                });
            }
            continue;
        }
        let extra = predicted.iter().copied().filter(|label| !truth.contains(label)).map(|label| Wrong {
            place,
            kind: (None, Some(label)),
            probability: 1.0 - score(label),
            predicted_probability: score(label),
        });
        let missing = truth.iter().copied().filter(|label| !predicted.contains(label)).map(|label| Wrong {
            place,
            kind: (Some(label), None),
            probability: score(label),
            predicted_probability: 1.0 - score(label),
        });
        // One entry a row: the label that it was surest of.
        let surest = |a: &Wrong, b: &Wrong| a.predicted_probability.total_cmp(&b.predicted_probability);
        found.extend(extra.chain(missing).max_by(surest));
    }
    let surety = |wrong: &Wrong| wrong.predicted_probability - wrong.probability;
    found.sort_by(|a, b| surety(b).total_cmp(&surety(a)).then(a.place.cmp(&b.place)));
    found
}

/// Rows with spans that are not true, or without true ones: of each row the answer that it was surest of, else the first
/// span that is missing.
fn wrong_spans(measured: &Measured) -> Vec<Wrong> {
    let answers = &measured.answers;
    let class = |label: &u32| answers.class_of(*label) as u32;
    let of_row = |place: usize| {
        let (truth, predicted) = (&answers.truth[place], &answers.predicted[place]);
        let scored = predicted.iter().zip(answers.scores.get(place)?);
        let extra = scored.filter(|(label, _)| !truth.contains(label)).max_by(|a, b| a.1.total_cmp(b.1));
        let missing = truth.iter().find(|label| !predicted.contains(label));
        let (kind, score) = match (missing, extra) {
            (None, None) => return None,
            (missing, Some((label, score))) => ((missing.map(class), Some(class(label))), *score),
            (missing, None) => ((missing.map(class), None), 0.0),
        };
        Some(Wrong { place, kind, probability: 0.0, predicted_probability: score })
    };
    let mut found: Vec<Wrong> = (0..answers.len()).filter_map(of_row).collect();
    found.sort_by(|a, b| {
        b.predicted_probability.total_cmp(&a.predicted_probability).then(a.place.cmp(&b.place))
    });
    found
}

fn mistakes(
    problem: &Problem<'_>,
    measured: &Measured,
    pipeline: Option<&Pipeline>,
) -> Result<Vec<Mistake>, TrainError> {
    let mut kinds: BTreeMap<(Option<u32>, Option<u32>), usize> = BTreeMap::new();
    let mut chosen = wrong(problem, measured);
    chosen.retain(|wrong| {
        let seen = kinds.entry(wrong.kind).or_default();
        *seen += 1;
        *seen <= OF_ONE_KIND
    });
    chosen.truncate(MISTAKES);
    let texts: Vec<Input> = chosen.iter().map(|wrong| problem.input(measured.rows[wrong.place])).collect();
    let pieces = explanations(problem, &texts, pipeline)?;
    let mistake = |(wrong, pieces): (&Wrong, Vec<Explanation>)| {
        let number = measured.rows[wrong.place];
        let row = &problem.table.rows[number];
        Mistake {
            row: row.number,
            id: row.id.clone(),
            text: problem.text(number).chars().take(SHOWN).collect(),
            labels: problem.shown(number, &measured.answers.truth[wrong.place]),
            predicted: problem.shown(number, &measured.answers.predicted[wrong.place]),
            probability: wrong.probability,
            predicted_probability: wrong.predicted_probability,
            pieces,
        }
    };
    Ok(chosen.iter().zip(pieces).map(mistake).collect())
}

/// What spoke for each answer; nothing for sets of labels and for models that explain nothing.
fn explanations(
    problem: &Problem<'_>,
    texts: &[Input],
    pipeline: Option<&Pipeline>,
) -> Result<Vec<Vec<Explanation>>, TrainError> {
    let parameters = PredictParameters { explain: true, ..PredictParameters::default() };
    let explains =
        |pipeline: &&Pipeline| !problem.multi_label && pipeline.check_parameters(&parameters).is_ok();
    let Some(pipeline) = pipeline.filter(explains) else {
        return Ok(vec![Vec::new(); texts.len()]);
    };
    let predictions = pipeline.predict(texts, &parameters, 1)?;
    let kept = |prediction: Prediction| match prediction {
        Prediction::Label { explanation, .. } => {
            let pieces = explanation.unwrap_or_default().into_iter();
            pieces.filter(|piece| piece.weight >= LEAST_WEIGHT && piece.end <= SHOWN).take(PIECES).collect()
        }
        _ => Vec::new(),
    };
    Ok(predictions.into_iter().map(kept).collect())
}
