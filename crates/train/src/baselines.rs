//! What the score is held against: the most frequent label, and a model that nobody tuned.

use serde_json::json;

use crate::evaluate::Measured;
use crate::linear::{LinearConfig, Parameters};
use crate::problem::Problem;
use crate::random::mix;
use crate::report_details::BaselineReport;
use crate::run::Run;
use loquat_spec::Metric;

/// Index that names the fit of the untuned model.
const UNTUNED: u64 = 0xBA5E;

/// The untuned model on the measured rows: words and pairs of words, naive Bayes, no search. `None` where it has no
/// answer without being tuned (sets of labels need thresholds, log-loss a calibration) or can't be fitted.
pub(crate) fn untuned(run: &Run<'_>, measured: &Measured) -> Option<BaselineReport> {
    let problem = &run.problem;
    if problem.multi_label || problem.metric == Metric::LogLoss || measured.rows.is_empty() {
        return None;
    }
    let config = LinearConfig::from_parameters(&parameters()).ok()?;
    let seed = mix(run.seed(), &[UNTUNED]);
    let margins = problem.workspace.margins(&config, &problem.pool, &measured.rows, seed).ok()?;
    let answers = problem.answers(&measured.rows, &margins, None);
    Some(BaselineReport { name: "naive Bayes, untuned".to_owned(), value: answers.value(problem.metric) })
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
