//! The terminal summary: what a person reads in ten seconds.

use std::fmt::Write;

use crate::metrics::utility;
use crate::report::{ClassReport, LanguageReport, Report, Score};
use crate::report_details::{AnnotatorsReport, DomainReport, SliceReport};
use crate::request::Outcome;
use loquat_spec::Severity;

const WEAKEST: usize = 3;

struct Paint(bool);

impl Paint {
    fn bold(&self, text: &str) -> String {
        if self.0 { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn warn(&self, text: &str) -> String {
        if self.0 { format!("\u{1b}[33m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

pub(crate) fn summary(report: &Report, color: bool) -> String {
    let paint = Paint(color);
    let mut lines = vec![headline(report, &paint)];
    lines.extend(score(report, &paint));
    lines.extend(outer(report));
    lines.extend(weakest(report));
    lines.extend(languages(report));
    lines.extend(ways(report));
    lines.extend(domains(report));
    lines.extend(annotators(report));
    lines.extend(data(report, &paint));
    lines.extend(cost(report));
    lines.extend(report.promotion.as_ref().map(|reason| row("alias", reason)));
    if report.outcome != Outcome::Completed {
        lines.extend(report.notes.last().map(|note| row("note", &paint.warn(note))));
    }
    lines.join("\n") + "\n"
}

fn row(name: &str, text: &str) -> String {
    format!("  {name:<10} {text}")
}

fn headline(report: &Report, paint: &Paint) -> String {
    let version = report.version.map_or(String::new(), |version| format!(":{version}"));
    let outcome = match report.outcome {
        Outcome::Completed => report.outcome.as_str().to_owned(),
        other => paint.warn(other.as_str()),
    };
    let name = paint.bold(&format!("{}{version}", report.name));
    format!("{name}  {}, {outcome} in {}", report.task.as_str(), seconds(report.seconds))
}

fn score(report: &Report, paint: &Paint) -> Option<String> {
    let baseline =
        report.baseline.map_or(String::new(), |value| format!("; most frequent label alone {value:.3}"));
    let metric = report.metric.as_str();
    let Some(score) = report.test_score() else {
        let mean = report.outer.mean?;
        return Some(row(
            metric,
            &format!("{} out of fold (no test split){baseline}", paint.bold(&format!("{mean:.3}"))),
        ));
    };
    let rows = report.test.as_ref().map_or(0, |test| test.rows);
    let value = paint.bold(&format!("{:.3}", score.value));
    let mut text =
        format!("{value} (95 %: {:.3} to {:.3}) on {rows} test rows{baseline}", score.low, score.high);
    if let Some(clean) = report.test.as_ref().and_then(|test| test.without_leaked.as_ref()) {
        let value =
            clean.metrics.get(metric).map_or("none".to_owned(), |score| format!("{:.3}", score.value));
        let _infallible = write!(text, "; {value} on the {} that do not also stand in training", clean.rows);
    }
    Some(row(metric, &text))
}

fn outer(report: &Report) -> Option<String> {
    let mean = report.outer.mean?;
    let spread = report.outer.std.map_or(String::new(), |std| format!(" ± {std:.3}"));
    let gap = report.optimism_gap.map_or(String::new(), |gap| format!(", optimism gap {gap:+.3}"));
    let best = report.best_search.map_or(String::new(), |best| format!("; best search {best:.3}{gap}"));
    let (done, wanted) = (report.outer.folds.len(), report.outer.wanted);
    let folds = if done == wanted { format!("{done} folds") } else { format!("{done} of {wanted} folds") };
    let tuned =
        report.fine_tuned.map_or(String::new(), |tuned| format!("; fine-tune {tuned:.3} on one split"));
    Some(row("outer", &format!("{mean:.3}{spread} over {folds}{best}{tuned}")))
}

/// The labels with rows, worst F1 first.
pub(crate) fn weakest_classes(report: &Report) -> Vec<&ClassReport> {
    let mut classes: Vec<&ClassReport> = report.per_class.iter().filter(|class| class.support > 0).collect();
    classes.sort_by(|a, b| a.f1.total_cmp(&b.f1).then_with(|| a.label.cmp(&b.label)));
    classes
}

/// The languages, worst first.
pub(crate) fn weakest_languages(report: &Report) -> Vec<&LanguageReport> {
    let mut languages: Vec<&LanguageReport> = report.per_language.iter().collect();
    let badness = |language: &LanguageReport| {
        if report.metric.lower_is_better() { -language.value } else { language.value }
    };
    languages.sort_by(|a, b| badness(a).total_cmp(&badness(b)).then_with(|| a.language.cmp(&b.language)));
    languages
}

/// The domains, worst first.
pub(crate) fn weakest_domains(report: &Report) -> Vec<&DomainReport> {
    let mut domains: Vec<&DomainReport> = report.per_domain.iter().collect();
    let goodness = |domain: &DomainReport| utility(report.metric, domain.score.value);
    domains.sort_by(|a, b| goodness(a).total_cmp(&goodness(b)).then_with(|| a.domain.cmp(&b.domain)));
    domains
}

/// The rows of domains that were trained on and of those that were not, where there are such: name, what it means, scores.
pub(crate) fn whole_domains(report: &Report) -> Vec<(&'static str, &'static str, &SliceReport)> {
    let Some(cross) = &report.cross_domain else { return Vec::new() };
    let matched = cross.matched.iter().map(|slice| ("matched", "trained on", slice));
    matched.chain([("mismatched", "not trained on", &cross.mismatched)]).collect()
}

/// What is said of annotators: the measure, its value and its interval.
pub(crate) fn annotators_rows(report: &AnnotatorsReport) -> Vec<(&'static str, f64, Option<Score>)> {
    let (loss, distance) = (&report.cross_entropy, &report.jensen_shannon);
    vec![
        ("cross entropy of the probabilities", loss.value, Some(*loss)),
        ("entropy of the annotators, the least possible", report.entropy, None),
        ("cross entropy of the training rows' shares, always the same", report.baseline, None),
        ("Jensen-Shannon distance", distance.value, Some(*distance)),
    ]
}

fn domains(report: &Report) -> Option<String> {
    let domains = weakest_domains(report);
    let one = |domain: &&DomainReport| {
        let unseen = if domain.training_rows == 0 { ", not trained on" } else { "" };
        format!("{} {:.2} ({} rows{unseen})", domain.domain, domain.score.value, domain.rows)
    };
    let mut shown: Vec<String> = domains.iter().take(WEAKEST).map(one).collect();
    for (name, _, slice) in whole_domains(report) {
        let Score { value, low, high } = slice.score;
        shown.push(format!("{name} {value:.3} (95 %: {low:.3} to {high:.3})"));
    }
    (domains.len() > 1 || report.cross_domain.is_some()).then(|| row("domains", &shown.join(", ")))
}

fn annotators(report: &Report) -> Option<String> {
    let AnnotatorsReport { cross_entropy, entropy, baseline, divided, .. } = report.annotators.as_ref()?;
    Some(row(
        "annotators",
        &format!(
            "cross entropy {:.3} (at best {entropy:.3}, by training shares {baseline:.3}); they disagree about {divided} rows",
            cross_entropy.value
        ),
    ))
}

fn weakest(report: &Report) -> Option<String> {
    let classes = weakest_classes(report);
    let shown = classes
        .iter()
        .take(WEAKEST)
        .map(|class| format!("{} {:.2} ({} rows)", class.label, class.f1, class.support));
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| row("weakest", &shown.join(", ")))
}

fn languages(report: &Report) -> Option<String> {
    let languages = weakest_languages(report);
    if languages.len() < 2 {
        return None;
    }
    let one = |language: &&LanguageReport| format!("{} {:.2}", language.language, language.value);
    let worst: Vec<String> = languages.iter().take(WEAKEST).map(one).collect();
    let best: Vec<String> = languages.last().iter().map(|language| one(language)).collect();
    Some(row("languages", &format!("{} (best: {})", worst.join(", "), best.join(", "))))
}

/// One model against one per language, as shares of languages.
fn ways(report: &Report) -> Option<String> {
    let pairs: Vec<(f64, f64)> = report
        .per_language
        .iter()
        .filter_map(|language| Some((language.joint?, language.separate?)))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let mean = |pick: fn(&(f64, f64)) -> f64| pairs.iter().map(pick).sum::<f64>() / pairs.len() as f64;
    let (joint, separate) = (mean(|pair| pair.0), mean(|pair| pair.1));
    Some(row(
        "",
        &format!(
            "one joint model {joint:.3}, one per language {separate:.3} (mean over languages, out of fold)"
        ),
    ))
}

fn data(report: &Report, paint: &Paint) -> Vec<String> {
    let mut lines = Vec::new();
    if report.label_noise_rows > 0 {
        let example = report.label_noise.first().map_or(String::new(), |noise| {
            let given = noise.label.as_deref().unwrap_or("no label");
            format!(
                ", first row {} ({given}, rather {})",
                noise.row,
                noise.suggested.as_deref().unwrap_or("not")
            )
        });
        lines.push(row("to fix", &format!("{} labels may be wrong{example}", report.label_noise_rows)));
    }
    let findings = report.dataset.findings.iter().filter(|finding| finding.severity != Severity::Info);
    for finding in findings.take(WEAKEST) {
        lines.push(row("to fix", &paint.warn(&format!("{}: {}", finding.check, finding.message))));
    }
    lines
}

fn cost(report: &Report) -> Option<String> {
    let cost = report.cost?;
    let solvers: Vec<&str> = report
        .chosen
        .iter()
        .filter_map(|chosen| {
            report.trials.iter().find(|trial| trial.number == *chosen)?.parameters.get("solver")?.as_str()
        })
        .collect();
    let text = format!(
        "{} {}, {:.0} µs a text, {} in memory",
        solvers.join(" + "),
        bytes(cost.artifact_bytes),
        cost.microseconds_per_text,
        bytes(cost.resident_bytes)
    );
    Some(row("model", text.trim_start()))
}

pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.1} s") } else { format!("{:.1} min", seconds / 60.0) }
}
