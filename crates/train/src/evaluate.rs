//! The one look at the sealed test split, through the pipeline that serves.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

use loquat_infer::{InferError, Input, Pipeline};
use loquat_spec::{Entity, Metric, PredictParameters, Prediction};

use crate::bootstrap::{Clusters, interval};
use crate::embedding;
use crate::error::TrainError;
use crate::journal::Record;
use crate::metrics::Answers;
use crate::problem::{Problem, answer};
use crate::report::{CalibrationBin, CalibrationReport, Score, TestReport};
use crate::run::Run;
use crate::tagging::Tagging;

/// Every look at a test split, one JSON object a line, kept from run to run.
const LOOKS: &str = "test-looks.jsonl";
const BINS: usize = 10;

/// Answers to known rows.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<usize>,
    pub(crate) answers: Answers,
    /// `[rows, classes]`; empty where only the answers are known.
    pub(crate) probabilities: Vec<f32>,
}

/// Asks the pipeline for the test rows.
pub(crate) fn measure(run: &Run<'_>, pipeline: &Pipeline) -> Result<Measured, InferError> {
    let problem = &run.problem;
    let threads = run.pool.current_num_threads();
    if problem.pairs.is_some() {
        let answers = run.pool.install(|| embedding::answers(problem, pipeline, threads))?;
        return Ok(Measured { rows: problem.test.clone(), answers, probabilities: Vec::new() });
    }
    if let Some(tagging) = &problem.tagging {
        let answers = run.pool.install(|| spans(problem, tagging, (pipeline, threads)))?;
        return Ok(Measured { rows: problem.test.clone(), answers, probabilities: Vec::new() });
    }
    let inputs: Vec<Input> = problem.test.iter().map(|row| problem.input(*row)).collect();
    let probabilities: Vec<f32> =
        run.pool.install(|| pipeline.outputs(&inputs, threads))?.into_iter().flatten().collect();
    let answers = problem.answers(&problem.test, &probabilities, pipeline.manifest().thresholds.as_deref());
    Ok(Measured { rows: problem.test.clone(), answers, probabilities })
}

/// What another model answers for the test rows, its labels translated into the table's; labels that the
/// table lacks come after all others.
pub(crate) fn foreign_answers(run: &Run<'_>, pipeline: &Pipeline) -> Result<Answers, InferError> {
    run.pool.install(|| foreign(&run.problem, pipeline, run.pool.current_num_threads()))
}

/// The same outside a run, on the caller's pool of `threads`.
pub(crate) fn foreign(
    problem: &Problem<'_>,
    pipeline: &Pipeline,
    threads: usize,
) -> Result<Answers, InferError> {
    if problem.pairs.is_some() {
        return embedding::answers(problem, pipeline, threads);
    }
    if let Some(tagging) = &problem.tagging {
        return spans(problem, tagging, (pipeline, threads));
    }
    let place = |label: &String| {
        problem.table.labels.binary_search(label).map_or(problem.classes, |place| place) as u32
    };
    let places: Vec<u32> = pipeline.labels().iter().map(place).collect();
    let inputs: Vec<Input> = problem.test.iter().map(|row| problem.input(*row)).collect();
    let probabilities = pipeline.outputs(&inputs, threads)?;
    let thresholds = pipeline.manifest().thresholds.as_deref();
    let mut answers =
        Answers { classes: problem.classes, multi_label: problem.multi_label, ..Answers::default() };
    for (row, scores) in problem.test.iter().zip(&probabilities) {
        let truth = problem.labels()[*row].clone();
        let own = truth.first().and_then(|label| places.iter().position(|place| place == label));
        if !problem.multi_label {
            answers.losses.push(crate::metrics::row_loss(own.map_or(0.0, |place| scores[place])));
        }
        let mut predicted: Vec<u32> =
            answer(scores, thresholds).into_iter().map(|label| places[label as usize]).collect();
        predicted.sort_unstable();
        answers.truth.push(truth);
        answers.predicted.push(predicted);
    }
    Ok(answers)
}

/// The spans that a pipeline answers for the test rows.
fn spans(
    problem: &Problem<'_>,
    tagging: &Tagging,
    (pipeline, threads): (&Pipeline, usize),
) -> Result<Answers, InferError> {
    let inputs: Vec<Input> = problem.test.iter().map(|row| Input::new(problem.text(*row))).collect();
    let predictions = pipeline.predict(&inputs, &PredictParameters::default(), threads)?;
    let of = |prediction: Prediction| match prediction {
        Prediction::Entities { entities } => entities,
        _ => Vec::new(),
    };
    let entities: Vec<Vec<Entity>> = predictions.into_iter().map(of).collect();
    let labels = &problem.table.labels;
    let kind = |name: &str| {
        labels.binary_search_by(|label| label.as_str().cmp(name)).unwrap_or(problem.classes) as u32
    };
    Ok(tagging.answers_of_entities(&problem.test, &entities, kind))
}

/// Scores with intervals, with and without leaked rows, and a note of the look.
pub(crate) fn report(run: &Run<'_>, measured: &Measured) -> Result<TestReport, TrainError> {
    let problem = &run.problem;
    let metrics = problem.metrics();
    let clusters = clusters(problem, &measured.rows);
    let mut report = scores(run, &measured.answers, metrics, &clusters);
    let leaked = |place: usize| problem.table.rows[measured.rows[place]].leaked;
    if (0..measured.rows.len()).any(leaked) {
        let kept: Vec<usize> = (0..measured.rows.len()).filter(|place| !leaked(*place)).collect();
        let rows: Vec<usize> = kept.iter().map(|place| measured.rows[*place]).collect();
        let answers = measured.answers.subset(|place| !leaked(place));
        let clean = if rows.is_empty() {
            TestReport { rows: 0, metrics: BTreeMap::new(), without_leaked: None, looks: 0 }
        } else {
            scores(run, &answers, metrics, &self::clusters(problem, &rows))
        };
        report.without_leaked = Some(Box::new(clean));
    }
    let value = measured.answers.value(problem.metric);
    report.looks = log_look(run, measured.rows.len(), value)?;
    Ok(report)
}

pub(crate) fn clusters(problem: &Problem<'_>, rows: &[usize]) -> Clusters {
    Clusters::new(rows.iter().map(|row| problem.groups[*row]))
}

fn scores(run: &Run<'_>, answers: &Answers, metrics: &[Metric], clusters: &Clusters) -> TestReport {
    let score = |metric: &Metric| {
        let found = run.pool.install(|| interval(answers, *metric, clusters, run.seed()));
        (metric.as_str().to_owned(), Score { value: found.value, low: found.low, high: found.high })
    };
    TestReport {
        rows: answers.len(),
        metrics: metrics.iter().map(score).collect(),
        without_leaked: None,
        looks: 0,
    }
}

/// Notes the look in the journal and in the folder's list; returns how many looks this data has had.
fn log_look(run: &Run<'_>, rows: usize, value: f64) -> Result<usize, TrainError> {
    let metric = run.problem.metric.as_str().to_owned();
    run.journal.append(&Record::TestLook { rows, metric: metric.clone(), value, elapsed: run.elapsed() })?;
    if run.replay.is_some() {
        return Ok(0);
    }
    let path = run.request.run_dir.join(LOOKS);
    let look = serde_json::json!({
        "time": jiff::Timestamp::now().to_string(),
        "dataHash": run.problem.table.hash,
        "rows": rows,
        "metric": metric,
        "value": value,
    });
    let mut file =
        OpenOptions::new().create(true).append(true).open(&path).map_err(TrainError::file("open", &path))?;
    file.write_all(format!("{look}\n").as_bytes()).map_err(TrainError::file("write", &path))?;
    let text = std::fs::read_to_string(&path).map_err(TrainError::file("read", &path))?;
    Ok(text.lines().filter(|line| line.contains(&run.problem.table.hash)).count())
}

/// Expected calibration error with its bins (Naeini et al. 2015): of the best label's probability, of
/// every label's for sets of labels, or of every span answered. Where annotators disagree, an answer is as right as the share of
/// them that gave it.
pub(crate) fn calibration(problem: &Problem<'_>, measured: &Measured) -> CalibrationReport {
    let mut sums = [(0usize, 0.0f64, 0.0f64); BINS];
    let mut add = |probability: f32, right: f64| {
        let bin = ((f64::from(probability) * BINS as f64) as usize).min(BINS - 1);
        sums[bin].0 += 1;
        sums[bin].1 += f64::from(probability);
        sums[bin].2 += right;
    };
    let whole = |is_right: bool| f64::from(u8::from(is_right));
    for (scores, place) in measured.answers.scores.iter().zip(0..) {
        let (predicted, truth) = (&measured.answers.predicted[place], &measured.answers.truth[place]);
        scores.iter().zip(predicted).for_each(|(score, span)| add(*score, whole(truth.contains(span))));
    }
    // Probabilities of words are no confidence in answers.
    let probabilities = if measured.answers.entities { &[] } else { measured.probabilities.as_slice() };
    let rows = probabilities.chunks_exact(problem.classes.max(1)).zip(&measured.rows);
    for ((row, number), truth) in rows.zip(&measured.answers.truth) {
        let shares = &problem.table.rows[*number].shares;
        if problem.multi_label {
            row.iter().zip(0u32..).for_each(|(p, label)| add(*p, whole(truth.contains(&label))));
        } else if let Some(best) = answer(row, None).first() {
            let right = shares.iter().filter(|(label, _)| label == best).map(|(_, share)| f64::from(*share));
            let right = if shares.is_empty() { whole(truth.contains(best)) } else { right.sum() };
            add(row[*best as usize], right);
        }
    }
    let total: usize = sums.iter().map(|(count, ..)| count).sum();
    if total == 0 {
        return CalibrationReport::default();
    }
    let mean = |sum: f64, count: usize| if count == 0 { 0.0 } else { sum / count as f64 };
    let bins: Vec<CalibrationBin> = sums
        .iter()
        .enumerate()
        .map(|(index, (count, confidence, right))| CalibrationBin {
            low: index as f64 / BINS as f64,
            high: (index + 1) as f64 / BINS as f64,
            count: *count,
            confidence: mean(*confidence, *count),
            accuracy: mean(*right, *count),
        })
        .collect();
    let gap = |bin: &CalibrationBin| bin.count as f64 * (bin.confidence - bin.accuracy).abs();
    CalibrationReport { ece: Some(bins.iter().map(gap).sum::<f64>() / total as f64), bins }
}
