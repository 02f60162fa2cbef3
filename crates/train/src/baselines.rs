//! What the score is held against: the most frequent label, and a model that nobody tuned.

use std::borrow::Cow;

use loquat_data::Input;
use serde_json::json;

use crate::evaluate::Measured;
use crate::linear::{LinearConfig, Parameters, Workspace};
use crate::problem::Problem;
use crate::random::mix;
use crate::report_details::BaselineReport;
use crate::run::Run;
use crate::tagging::lexicon;
use loquat_spec::Metric;

/// What the second text alone may gain over the most frequent label before it is worth a warning.
const ARTEFACTS: f64 = 0.1;
/// Index that names the fit of the untuned model.
const UNTUNED: u64 = 0xBA5E;

/// The untuned model on the measured rows: words and pairs of words, naive Bayes, no search. `None` where it has no
/// answer without being tuned (sets of labels need thresholds, log-loss a calibration) or can't be fitted.
pub(crate) fn untuned(run: &Run<'_>, measured: &Measured) -> Option<BaselineReport> {
    let problem = &run.problem;
    if let Some(tagging) = problem.tagging.as_ref().filter(|_| !measured.rows.is_empty()) {
        let value = lexicon(tagging, &problem.pool, &measured.rows).value(problem.metric);
        return Some(BaselineReport { name: "the spans of the training rows, looked up".to_owned(), value });
    }
    if problem.multi_label || problem.metric == Metric::LogLoss || measured.rows.is_empty() {
        return None;
    }
    let config = LinearConfig::from_parameters(&parameters()).ok()?;
    let seed = mix(run.seed(), &[UNTUNED]);
    let margins = problem.workspace.margins(&config, &problem.pool, &measured.rows, seed).ok()?;
    let answers = problem.answers(&measured.rows, &margins, None);
    Some(BaselineReport { name: "naive Bayes, untuned".to_owned(), value: answers.value(problem.metric) })
}

/// Of pairs: what the second text alone reaches, with a note where that is much. Such rows give their label away without the
/// first text, and a model that learns from them may not read it.
pub(crate) fn second_text_alone(
    run: &Run<'_>,
    measured: &Measured,
) -> Option<(BaselineReport, Option<String>)> {
    let problem = &run.problem;
    let second = |row: usize| match &problem.table.rows[row].input {
        Input::Pair { hypothesis, .. } => Some(Cow::Borrowed(hypothesis.as_str())),
        _ => None,
    };
    let texts: Vec<Cow<'_, str>> = (0..problem.table.rows.len()).map(second).collect::<Option<_>>()?;
    if problem.metric == Metric::LogLoss || measured.rows.is_empty() {
        return None;
    }
    let workspace = Workspace::new(texts, problem.workspace.targets().clone());
    let config = LinearConfig::from_parameters(&parameters()).ok()?;
    let seed = mix(run.seed(), &[UNTUNED]);
    let value = |margins: Vec<f32>| problem.answers(&measured.rows, &margins, None).value(problem.metric);
    let alone = value(workspace.margins(&config, &problem.pool, &measured.rows, seed).ok()?);
    let chance = crate::assemble::baseline(problem, measured)?;
    let note = (alone > chance + ARTEFACTS).then(|| {
        format!(
            "the second text alone reaches {} {alone:.3}, the most frequent label {chance:.3}: these rows give labels away \
             without the first text, and scores on them say less than they seem to",
            problem.metric.as_str()
        )
    });
    Some((BaselineReport { name: "the second text alone".to_owned(), value: alone }, note))
}

fn parameters() -> Parameters {
    [
        ("solver", json!("multinomial-bayes")),
        ("ngrams", json!("words2")),
        ("smoothing", json!(1.0)),
        ("term-frequency", json!("count")),
        ("class-weight", json!("none")),
        ("idf", json!("no")),
        ("min-rows", json!("1")),
        ("case", json!("fold")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The most frequent label, as the report has measured it.
pub(crate) fn most_frequent(problem: &Problem<'_>, value: f64) -> BaselineReport {
    let mut counts = vec![0usize; problem.classes];
    problem.truth(&problem.pool).into_iter().flatten().for_each(|label| counts[*label as usize] += 1);
    let most = (0..problem.classes).max_by_key(|label| (counts[*label], std::cmp::Reverse(*label)));
    let label = most.map_or("", |label| problem.table.labels[label].as_str());
    BaselineReport { name: format!("always “{label}”"), value }
}
