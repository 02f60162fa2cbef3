//! The model card (Mitchell et al. 2019): what the model is for, what it was made from, how good it is and
//! where it fails.

use crate::markdown::{classes, domains, languages, notes, outer, plain, scores};
use crate::report::Report;
use crate::summary::{bytes, weakest_classes, weakest_languages};

const WEAK_CLASSES: usize = 10;
/// F1 under which a label is named as a limit of the model.
const WEAK: f64 = 0.6;

pub(crate) fn model_card(report: &Report) -> String {
    let mut parts = vec![head(report), made_from(report), scores(report), outer(report)];
    parts.push(classes(report, WEAK_CLASSES));
    parts.push(languages(report));
    parts.push(domains(report));
    parts.push(limits(report));
    parts.push(notes(report));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn head(report: &Report) -> String {
    let version = report.version.map_or(String::new(), |version| format!(" version {version}"));
    let labels: Vec<&str> = report.per_class.iter().map(|class| class.label.as_str()).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" Labels: {}.", labels.join(", ")) };
    let cost = report.cost.map_or(String::new(), |cost| {
        let per_text = cost.microseconds_per_text;
        format!(" It takes {} on disk and {per_text:.0} µs a text on one core.", bytes(cost.artifact_bytes))
    });
    format!(
        "# Model card: {}{version}\n\nA linear {} model over n-grams.{labels}{cost}\n",
        report.name,
        report.task.as_str()
    )
}

fn made_from(report: &Report) -> String {
    let dataset = &report.dataset;
    let parts: Vec<String> = dataset
        .parts
        .iter()
        .filter(|(_, rows)| **rows > 0)
        .map(|(part, rows)| format!("{rows} {part}"))
        .collect();
    let mut text = format!(
        "## Made from\n\nData set `{}` ({} rows: {}; content hash `{}`), fitted on {}, seed {}.\n",
        dataset.name,
        dataset.rows,
        parts.join(", "),
        dataset.hash,
        report.refit_on,
        report.seed
    );
    for trial in report.trials.iter().filter(|trial| report.chosen.contains(&trial.number)) {
        let parameters: Vec<String> =
            trial.parameters.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        text.push_str(&format!("\n- {}\n", parameters.join(", ")));
    }
    text
}

fn limits(report: &Report) -> String {
    let mut lines = Vec::new();
    let weak: Vec<&str> = weakest_classes(report)
        .iter()
        .filter(|class| class.f1 < WEAK)
        .map(|class| class.label.as_str())
        .collect();
    if !weak.is_empty() {
        lines.push(format!("- Labels with an F1 under {WEAK}: {}.\n", weak.join(", ")));
    }
    let unseen = report.per_class.iter().filter(|class| class.support == 0).map(|class| class.label.as_str());
    let unseen: Vec<&str> = unseen.collect();
    if !unseen.is_empty() {
        lines.push(format!(
            "- Labels that could not be measured, having no rows to measure on: {}.\n",
            unseen.join(", ")
        ));
    }
    if let Some(weakest) = weakest_languages(report).first().filter(|_| report.per_language.len() > 1) {
        lines.push(format!(
            "- The weakest language is {} with {} {:.3}.\n",
            weakest.language,
            report.metric.as_str(),
            weakest.value
        ));
    }
    let others: Vec<&str> = report
        .per_domain
        .iter()
        .filter(|domain| domain.training_rows == 0)
        .map(|domain| domain.domain.as_str())
        .collect();
    if !others.is_empty() {
        lines.push(format!("- It was not trained on the domains {}.\n", others.join(", ")));
    }
    if report.label_noise_rows > 0 {
        lines.push(format!(
            "- {} training labels look wrong and were learnt as they are.\n",
            report.label_noise_rows
        ));
    }
    lines.push("- It knows the words and characters of its training texts; texts of another kind or time need measuring anew.\n".to_owned());
    format!("## Limits\n\n{}", lines.concat())
}
