//! The report in Markdown.

use loquat_spec::{Severity, Task};

use crate::compare::{Change, Comparison};
use crate::report::{Report, Score};
use crate::summary::{
    annotators_rows, bytes, seconds, weakest_classes, weakest_domains, weakest_languages, whole_domains,
};

/// Doubtful labels and trials shown.
const SHOWN: usize = 20;
/// Most rows of a comparison.
const MOST: usize = 100;

pub(crate) fn markdown(report: &Report) -> String {
    let mut parts = vec![head(report), scores(report), outer(report)];
    parts.push(classes(report, usize::MAX));
    parts.push(languages(report));
    parts.push(domains(report));
    parts.push(lengths(report));
    parts.push(annotators(report));
    parts.push(calibration(report));
    parts.push(noise(report));
    parts.push(findings(report));
    parts.push(pareto(report));
    parts.push(trials(report));
    parts.push(notes(report));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// A table; cells have their pipes escaped.
pub(crate) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " "))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(header.iter().map(|cell| (*cell).to_owned()).collect());
    text.push_str(&format!("|{}\n", " --- |".repeat(header.len())));
    rows.for_each(|row| text.push_str(&line(row)));
    text
}

fn head(report: &Report) -> String {
    let version = report.version.map_or(String::new(), |version| format!(":{version}"));
    format!(
        "# {}{version}\n\n{}, optimised for {}; {} in {}, seed {}.\n",
        report.name,
        report.task.as_str(),
        report.metric.as_str(),
        report.outcome.as_str(),
        seconds(report.seconds),
        report.seed
    )
}

pub(crate) fn scores(report: &Report) -> String {
    let Some(test) = &report.test else {
        let instead = match report.task {
            Task::Embedding => {
                "The scores of the trials below are from the held-out pairs that chose among them."
            }
            _ => "The scores of the nested cross-validation below are the honest ones.",
        };
        return format!("## Test\n\nThere is no test split. {instead}\n");
    };
    let one = |(name, score): (&String, &Score)| {
        let clean = test.without_leaked.as_ref().and_then(|clean| clean.metrics.get(name));
        let mut cells = vec![
            name.clone(),
            format!("{:.4}", score.value),
            format!("{:.4} to {:.4}", score.low, score.high),
        ];
        if test.without_leaked.is_some() {
            cells.push(clean.map_or("-".to_owned(), |score| format!("{:.4}", score.value)));
        }
        cells
    };
    let mut header = vec!["metric", "value", "95 % interval"];
    let mut text = format!("## Test\n\n{} rows", test.rows);
    if let Some(clean) = &test.without_leaked {
        header.push("without leaked rows");
        text.push_str(&format!(", {} of them not in training too", clean.rows));
    }
    if let Some(baseline) = report.baseline {
        text.push_str(&format!(
            "; the most frequent label alone reaches {} {baseline:.4}",
            report.metric.as_str()
        ));
    }
    format!("{text}.\n\n{}", table(&header, test.metrics.iter().map(one)))
}

pub(crate) fn outer(report: &Report) -> String {
    let outer = &report.outer;
    if report.task == Task::Embedding {
        return String::new();
    }
    let Some(mean) = outer.mean else {
        return "## Nested cross-validation\n\nNo outer fold was finished.\n".to_owned();
    };
    let folds: Vec<String> = outer.folds.iter().map(|fold| format!("{fold:.4}")).collect();
    let mut text = format!(
        "## Nested cross-validation\n\n{} of {} outer folds: {}. Mean {mean:.4}",
        outer.folds.len(),
        outer.wanted,
        folds.join(", ")
    );
    if let Some(std) = outer.std {
        text.push_str(&format!(", standard deviation {std:.4}"));
    }
    if let (Some(best), Some(gap)) = (report.best_search, report.optimism_gap) {
        text.push_str(&format!(". Best search score {best:.4}; optimism gap {gap:+.4}"));
    }
    if let Some(tuned) = report.fine_tuned {
        text.push_str(&format!(". A fine-tune, which no outer fold has, reached {tuned:.4} on one split"));
    }
    text + ".\n"
}

pub(crate) fn classes(report: &Report, most: usize) -> String {
    let classes = weakest_classes(report);
    if classes.is_empty() {
        return String::new();
    }
    let row = |class: &&crate::report::ClassReport| {
        vec![
            class.label.clone(),
            format!("{:.3}", class.precision),
            format!("{:.3}", class.recall),
            format!("{:.3}", class.f1),
            class.support.to_string(),
        ]
    };
    let rows = classes.iter().take(most).map(row);
    format!(
        "## Labels, weakest first ({})\n\n{}",
        report.measured_on,
        table(&["label", "precision", "recall", "F1", "rows"], rows)
    )
}

pub(crate) fn languages(report: &Report) -> String {
    let languages = weakest_languages(report);
    if languages.is_empty() {
        return String::new();
    }
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let rows = languages.iter().map(|language| {
        vec![
            language.language.clone(),
            language.rows.to_string(),
            format!("{:.3}", language.value),
            number(language.joint),
            number(language.separate),
        ]
    });
    format!(
        "## Languages, weakest first ({})\n\nThe last two columns compare the joint model with one trained on the language alone, out of fold on training \
         rows.\n\n{}",
        report.measured_on,
        table(&["language", "rows", report.metric.as_str(), "joint", "one per language"], rows)
    )
}

pub(crate) fn domains(report: &Report) -> String {
    let domains = weakest_domains(report);
    if domains.is_empty() {
        return String::new();
    }
    let row = |(name, rows, score, trained): (String, usize, &Score, String)| {
        let interval = format!("{:.3} to {:.3}", score.low, score.high);
        vec![name, rows.to_string(), format!("{:.3}", score.value), interval, trained]
    };
    let each = domains.iter().map(|domain| {
        let trained = match domain.training_rows {
            0 => "not trained on".to_owned(),
            rows => format!("{rows} rows"),
        };
        row((domain.domain.clone(), domain.rows, &domain.score, trained))
    });
    let whole = whole_domains(report);
    let whole = whole
        .iter()
        .map(|(name, means, slice)| row(((*name).to_owned(), slice.rows, &slice.score, (*means).to_owned())));
    let header = ["domain", "rows", report.metric.as_str(), "95 % interval", "trained on"];
    format!("## Domains, weakest first ({})\n\n{}", report.measured_on, table(&header, each.chain(whole)))
}

fn annotators(report: &Report) -> String {
    let Some(annotators) = &report.annotators else { return String::new() };
    let rows = annotators_rows(annotators).into_iter().map(|(name, value, interval)| {
        let interval =
            interval.map_or(String::new(), |score| format!("{:.3} to {:.3}", score.low, score.high));
        vec![name.to_owned(), format!("{value:.3}"), interval]
    });
    format!(
        "## Annotators ({})\n\nAnnotators disagree about {} of {} rows. How near the probabilities are to what they say, in nats:\n\n{}",
        annotators.on,
        annotators.divided,
        annotators.rows,
        table(&["measure", "value", "95 % interval"], rows)
    )
}

fn lengths(report: &Report) -> String {
    if report.per_length.is_empty() {
        return String::new();
    }
    let rows = report.per_length.iter().map(|length| {
        vec![length.characters.clone(), length.rows.to_string(), format!("{:.3}", length.value)]
    });
    format!(
        "## Lengths ({})\n\n{}",
        report.measured_on,
        table(&["characters", "rows", report.metric.as_str()], rows)
    )
}

fn calibration(report: &Report) -> String {
    let Some(ece) = report.calibration.ece else { return String::new() };
    let rows = report.calibration.bins.iter().filter(|bin| bin.count > 0).map(|bin| {
        vec![
            format!("{:.1} to {:.1}", bin.low, bin.high),
            bin.count.to_string(),
            format!("{:.3}", bin.confidence),
            format!("{:.3}", bin.accuracy),
        ]
    });
    format!(
        "## Calibration\n\nExpected calibration error {ece:.4}.\n\n{}",
        table(&["confidence", "answers", "mean confidence", "share right"], rows)
    )
}

fn noise(report: &Report) -> String {
    if report.label_noise.is_empty() {
        return String::new();
    }
    let rows = report.label_noise.iter().take(SHOWN).map(|noise| {
        vec![
            noise.row.to_string(),
            noise.label.clone().unwrap_or_default(),
            noise.suggested.clone().unwrap_or_default(),
            format!("{:.2}", noise.suggested_probability),
            noise.text.clone(),
        ]
    });
    format!(
        "## Labels that look wrong\n\n{} by confident learning on held-out predictions.\n\n{}",
        report.label_noise_rows,
        table(&["row", "label", "suggested", "probability", "text"], rows)
    )
}

fn findings(report: &Report) -> String {
    if report.dataset.findings.is_empty() {
        return String::new();
    }
    let rows = report.dataset.findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        vec![severity.to_owned(), finding.check.clone(), finding.message.clone(), finding.remedy.clone()]
    });
    format!("## Findings in the data\n\n{}", table(&["severity", "check", "what", "remedy"], rows))
}

fn pareto(report: &Report) -> String {
    if report.pareto.is_empty() {
        return String::new();
    }
    let rows = report.pareto.iter().map(|row| {
        let trials: Vec<String> = row.trials.iter().map(usize::to_string).collect();
        let verdict = match (row.chosen, row.exceeds.is_empty(), row.dominated) {
            (true, ..) => "chosen".to_owned(),
            (_, false, _) => format!("exceeds {}", row.exceeds.join(", ")),
            (.., true) => "dominated".to_owned(),
            _ => String::new(),
        };
        vec![
            trials.join("+"),
            format!("{:.4}", row.score),
            bytes(row.cost.artifact_bytes),
            format!("{:.0}", row.cost.single_microseconds),
            bytes(row.cost.resident_bytes),
            verdict,
        ]
    });
    let header = ["trials", report.metric.as_str(), "bytes", "microseconds", "memory", ""];
    format!("## Candidates under the constraints\n\n{}", table(&header, rows))
}

fn trials(report: &Report) -> String {
    let mut sorted: Vec<_> = report.trials.iter().collect();
    let better = |score: f64| if report.metric.lower_is_better() { score } else { -score };
    sorted.sort_by(|a, b| {
        let key = |trial: &crate::report::TrialReport| trial.score.map_or(f64::INFINITY, better);
        (b.folds.cmp(&a.folds)).then(key(a).total_cmp(&key(b)))
    });
    let rows = sorted.iter().take(SHOWN).map(|trial| {
        let parameters: Vec<String> =
            trial.parameters.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        vec![
            trial.number.to_string(),
            trial.score.map_or("failed".to_owned(), |score| format!("{score:.4}")),
            trial.folds.to_string(),
            format!("{:.2}", trial.seconds),
            parameters.join(" "),
        ]
    });
    let header = ["trial", report.metric.as_str(), "folds", "seconds", "parameters"];
    format!("## Trials ({} in all)\n\n{}", report.trials.len(), table(&header, rows))
}

/// Two versions side by side.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let (left, right) = (&comparison.left.name, &comparison.right.name);
    let pair = |pair: &crate::compare::MetricPair| {
        let difference = format!("{:+.4}", pair.right - pair.left);
        vec![
            pair.metric.as_str().to_owned(),
            format!("{:.4}", pair.left),
            format!("{:.4}", pair.right),
            difference,
        ]
    };
    let mut text = format!(
        "# {right} beside {left}\n\n{}, on {} test rows. McNemar's exact test: only {left} right {}, only {right} right {}, p = {:.4}.\n\n{}",
        comparison.verdict(),
        comparison.rows,
        comparison.mcnemar.only_left,
        comparison.mcnemar.only_right,
        comparison.mcnemar.p,
        table(&["metric", left, right, "difference"], comparison.metrics.iter().map(pair))
    );
    comparison.notes.iter().for_each(|note| text.push_str(&format!("\n- {note}\n")));
    if !comparison.changed.is_empty() {
        let row = |row: &crate::compare::ChangedRow| {
            let change = match row.change {
                Change::Broken => "newly wrong",
                Change::Fixed => "newly right",
                Change::Moved => "wrong in another way",
            };
            let labels = [&row.labels, &row.left, &row.right].map(|labels| labels.join(", "));
            let mut cells = vec![change.to_owned(), row.row.to_string()];
            cells.extend(labels);
            cells.push(row.text.clone());
            cells
        };
        let rows = table(
            &["change", "row", "truth", left, right, "text"],
            comparison.changed.iter().take(MOST).map(row),
        );
        text.push_str(&format!("\n## Rows answered differently ({})\n\n{rows}", comparison.changed.len()));
    }
    text
}

pub(crate) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn notes(report: &Report) -> String {
    if report.notes.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = report.notes.iter().map(|note| format!("- {note}\n")).collect();
    format!("## Notes\n\n{}", lines.concat())
}
