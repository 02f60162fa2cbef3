//! `out-of-fold.jsonl`: what the model answered for each training row while that row was held out.
//!
//! One JSON object a row: `row` (as findings number it), `id` where it has one, `labels`, `probabilities` by label
//! (those of at least [`SHOWN`]) or the spans `answered`, and for a doubtful row `suggested`. Where words are labelled, a row is
//! doubtful when a word's label is; it has then the `odds` of the most doubtful word, and the suggested `spans`, in characters of
//! the text (of tokens with blanks between them). Other tools, and a person who labels again, start from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use serde::Serialize;
use serde_json::Value;

use crate::error::TrainError;
use crate::noise::Doubt;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::run::Run;
use crate::tagging::Tagging;

const NAME: &str = "out-of-fold.jsonl";
/// Least probability that is written.
const SHOWN: f32 = 0.0005;

#[derive(Serialize)]
struct Line<'a> {
    row: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    labels: Vec<String>,
    /// Absent where words are labelled; there, what was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<BTreeMap<&'a str, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered: Option<Vec<String>>,
    /// Suggestions in the place of the labels; absent for rows that nobody doubts.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spans: Option<Vec<SpanLine<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    odds: Option<f32>,
}

#[derive(Serialize)]
struct SpanLine<'a> {
    label: &'a str,
    start: usize,
    end: usize,
}

/// The lines where words are labelled: spans as `kind: text`, those that are true and those that were answered.
fn of_spans<'a>(
    (problem, tagging): (&'a Problem<'_>, &Tagging),
    recipe: &Recipe,
    doubts: &[Doubt],
) -> Vec<Line<'a>> {
    let answers = problem.answers(&recipe.rows, &recipe.probabilities, recipe.thresholds.as_deref());
    let owners = tagging.owners(&recipe.rows);
    let mut odds: BTreeMap<usize, f32> = BTreeMap::new();
    for doubt in doubts {
        let most = odds.entry(owners[doubt.position].0).or_default();
        *most = most.max(doubt.odds());
    }
    let line = |(place, number): (usize, &usize)| {
        let row = &problem.table.rows[*number];
        let (truth, predicted) = (&answers.truth[place], &answers.predicted[place]);
        let answered = problem.shown(*number, predicted);
        let span = |code: &u32| {
            let (kind, place) = tagging.place(*number, *code);
            let label = problem.table.labels.get(kind as usize)?;
            Some(SpanLine { label, start: place.start, end: place.end })
        };
        // A word in doubt whose row is answered as it is labelled suggests nothing.
        let odds = odds.get(&place).copied().filter(|_| truth != predicted);
        Line {
            row: row.number,
            id: row.id.as_deref(),
            labels: problem.shown(*number, truth),
            probabilities: None,
            suggested: odds.map(|_| answered.clone()),
            spans: odds.map(|_| predicted.iter().filter_map(span).collect()),
            answered: Some(answered),
            odds,
        }
    };
    recipe.rows.iter().enumerate().map(line).collect()
}

/// Writes the file into the run's folder.
pub(crate) fn write(run: &Run<'_>, recipe: &Recipe, doubts: &[Doubt]) -> Result<(), TrainError> {
    let problem = &run.problem;
    let path = run.request.run_dir.join(NAME);
    let failed = |source| TrainError::file("write", &path)(source);
    let name = |label: &u32| problem.table.labels[*label as usize].as_str();
    let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
    if let Some(tagging) = &problem.tagging {
        for line in of_spans((problem, tagging), recipe, doubts) {
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n").map_err(failed)?;
        }
        return file.flush().map_err(failed);
    }
    let mut suggested: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for doubt in doubts {
        let labels = suggested
            .entry(doubt.position)
            .or_insert_with(|| problem.labels()[recipe.rows[doubt.position]].clone());
        labels.retain(|label| Some(*label) != doubt.given);
        labels.extend(doubt.suggested);
    }
    for (position, scores) in recipe.probabilities.chunks_exact(problem.classes).enumerate() {
        let row = &problem.table.rows[recipe.rows[position]];
        let shown = scores.iter().zip(0u32..).filter(|(score, _)| **score >= SHOWN);
        let line = Line {
            row: row.number,
            id: row.id.as_deref(),
            labels: row.labels.iter().map(|label| name(label).to_owned()).collect(),
            probabilities: Some(shown.map(|(score, label)| (name(&label), rounded(*score))).collect()),
            answered: None,
            suggested: suggested
                .get(&position)
                .map(|labels| labels.iter().map(|label| name(label).to_owned()).collect()),
            spans: None,
            odds: None,
        };
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n").map_err(failed)?;
    }
    file.flush().map_err(failed)
}

fn rounded(score: f32) -> Value {
    Value::from((f64::from(score) * 1e4).round() / 1e4)
}
