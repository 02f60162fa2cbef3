//! What is wrong with the data: findings with examples, and labels that may be wrong.

use super::table::{Cell, table};
use super::text::{concat, count, escape};
use crate::report::{FindingReport, NoiseReport, Report};
use loquat_spec::Severity;

const SHORT: usize = 15;

/// Findings of the checks.
pub(super) fn findings(report: &Report) -> String {
    if report.dataset.findings.is_empty() {
        return "<p>The checks found nothing to mend.</p>".to_owned();
    }
    format!("<ul class=\"checks\">{}</ul>", concat(report.dataset.findings.iter().map(finding)))
}

fn finding(finding: &FindingReport) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let examples = finding.examples.iter().map(|example| {
        let labels = escape(&example.labels.join(", "));
        format!(
            "<li><span class=\"row\">row {}</span> <q>{}</q> <span class=\"tag\">{labels}</span></li>",
            example.row,
            escape(&example.text)
        )
    });
    let examples = match finding.examples.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"examples\">{}</ul>", concat(examples)),
    };
    format!(
        "<li><p><span class=\"severity {severity}\">{severity}</span> <b>{}</b></p><p>{}</p><p class=\"note\">{}</p>{examples}</li>",
        escape(&finding.check),
        escape(&finding.message),
        escape(&finding.remedy)
    )
}

/// Labels that may be wrong.
pub(super) fn noise(report: &Report) -> Option<String> {
    if report.label_noise.is_empty() {
        return None;
    }
    let named = match report.label_noise.len() == report.label_noise_rows {
        true => String::new(),
        false => format!(", the first {}", report.label_noise.len()),
    };
    let caption = format!("Labels that may be wrong: {}{named}", count(report.label_noise_rows));
    let columns =
        [("row", true), ("given", false), ("rather", false), ("times as likely", true), ("text", false)];
    Some(format!(
        "{}<p class=\"note\">By confident learning on held-out answers: the model that had not seen the row finds the other label this many times as likely. \
         All of them are in <code>out-of-fold.jsonl</code>.</p>",
        table(&caption, &columns, report.label_noise.iter().map(doubt).collect(), SHORT)
    ))
}

fn doubt(noise: &NoiseReport) -> Vec<Cell> {
    let times = f64::from(noise.suggested_probability) / f64::from(noise.probability).max(1e-4);
    let shown = if times >= 9999.0 { "> 10,000".to_owned() } else { count(times as usize) };
    let label = |label: &Option<String>| Cell::text(label.as_deref().unwrap_or("–"));
    vec![
        Cell::number(noise.row as f64, noise.row.to_string()),
        label(&noise.label),
        label(&noise.suggested),
        Cell::number(times, shown),
        Cell::markup(format!("<q>{}</q>", escape(&noise.text))),
    ]
}
